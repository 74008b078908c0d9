"""Says of a receiver whether a person would expect it to run for another sender."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Model

from signal_tracer.describing.names import class_bases, find_in_class, is_a
from signal_tracer.records import Reason

# Every class or model is one of these, and nobody means all by connecting to them.
_NOBODYS_PARENT = (object, Model)
# A class may have any number of subclasses; to look at more is not worth the time.
_MOST_SUBCLASSES = 1000


def reason_to_expect(own: type, connected: Any, *, is_class: bool, is_m2m: bool) -> Reason | None:
    """Why a person would expect a receiver that is connected to ``connected`` to run, or ``None``.

    ``own`` is the class that was sent, or the class of the instance that was sent; ``is_m2m``:
    by ``m2m_changed``, whose sender is the ``through`` of a field.
    """
    if not is_a(connected, type):
        if is_class and _is_below(type(connected), own):
            return "connected_to_instance"
        return None
    if connected is own:
        return None if is_class else "connected_to_class"
    if is_m2m and any(_is_below(connected, end) for end in _ends_of_through(own)):
        return "connected_to_model"
    if any(connected is each for each in _NOBODYS_PARENT):
        return None
    if _is_below(own, connected):
        if not is_class:
            return "connected_to_class"
        return "connected_to_concrete" if _concrete(own) is connected else "connected_to_parent"
    if is_class and _is_below(connected, own):
        return "connected_to_proxy" if _concrete(connected) is own else "connected_to_child"
    return None


def has_table(cls: type) -> bool:
    """Whether it is a model with rows, and not an abstract one."""
    meta = find_in_class(cls, "_meta") if _is_below(cls, Model) else None
    return getattr(meta, "abstract", True) is False


def family(own: type, *, is_m2m: bool) -> dict[int, type]:
    """The classes that ``reason_to_expect`` may have a reason for, by their ids."""
    found = {id(each): each for each in class_bases(own)}
    for root in (own, *(_ends_of_through(own) if is_m2m else ())):
        for each in _with_subclasses(root):
            found[id(each)] = each
            if len(found) > _MOST_SUBCLASSES:
                break
    return found


def _with_subclasses(cls: type) -> Iterator[type]:
    yield cls
    subclasses: list[type] = type.__subclasses__(cls)
    for each in subclasses:
        yield from _with_subclasses(each)


def _is_below(cls: type, parent: type) -> bool:
    # Not issubclass(), which runs the __subclasscheck__ of a metaclass.
    return any(each is parent for each in class_bases(cls))


def _concrete(model: type) -> object:
    """The model that a proxy stands for; a model's own; ``None`` for any other class."""
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: concrete_model.
    meta = find_in_class(model, "_meta") if _is_below(model, Model) else None
    return getattr(meta, "concrete_model", None)


def _ends_of_through(through: type) -> list[type]:
    """The models that the rows of a ``through`` connect."""
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: local_fields, remote_field.
    meta = find_in_class(through, "_meta") if _is_below(through, Model) else None
    ends: list[type] = []
    for each in getattr(meta, "local_fields", ()):
        remote = dict.get(each.__dict__, "remote_field")
        model: Any = getattr(remote, "model", None)
        if is_a(model, type):
            ends.append(model)
    return ends
