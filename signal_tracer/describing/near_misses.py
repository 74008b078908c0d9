"""Says of a receiver whether a person would expect it to run for another sender."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from django.apps import AppConfig, apps
from django.db.models import Model

from signal_tracer.describing.names import (
    IdentityCache,
    class_bases,
    class_name,
    find_in_class,
    is_a,
    is_of_migration,
    module_namespace,
    namespace_of,
    qualname_of,
)
from signal_tracer.records import Reason

# Every class or model is one of these, and nobody means all by connecting to them.
_NOBODYS_PARENT = (object, Model)
_bases_of = type.__dict__["__bases__"].__get__
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
        is_like = not is_class and type(connected) is own and _stands_for_one_thing(own)
        return "connected_to_other_object" if is_like else None
    if connected is own:
        return None if is_class else "connected_to_class"
    if is_class and _goes_by_one_name(own, connected):
        if is_of_migration(own) != is_of_migration(connected):
            return "connected_to_real_model" if is_of_migration(own) else "connected_to_stand_in"
        return "connected_to_namesake" if _is_from_one_file(own, connected) else None
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
    concrete = _concrete(own)
    if is_class and concrete not in (None, own) and _concrete(connected) is concrete:
        return "connected_to_other_proxy"
    return None


def is_named_by(text: str, sender: str) -> bool:
    """Whether a string was probably meant to be the sender of that name, such as a label."""
    return bool(text) and f".{sender}".lower().endswith(f".{text}".lower())


def _stands_for_one_thing(cls: type) -> bool:
    """Whether two objects of a class may be the same thing to a person: rows, and apps."""
    return _is_below(cls, Model) or (_is_below(cls, AppConfig) and cls is not AppConfig)


def _goes_by_one_name(one: type, other: type) -> bool:
    if is_of_migration(one) or is_of_migration(other):
        of_migration = " of a migration"
        names = [class_name(each).removesuffix(of_migration) for each in (one, other)]
        return names[0] == names[1]
    name = qualname_of(one)
    return name == qualname_of(other) and "<locals>" not in name


def _is_from_one_file(one: type, other: type) -> bool:
    """Whether a module was imported under two names, or again, and so made both."""
    modules = [namespace_of(each).get("__module__") for each in (one, other)]
    if modules[0] == modules[1]:
        return True
    files = [module_namespace(sys.modules.get(str(each))).get("__file__") for each in modules]
    return type(files[0]) is str and files[0] == files[1]


def has_table(cls: type) -> bool:
    """Whether it is a model with rows, and not an abstract one."""
    meta = find_in_class(cls, "_meta") if _is_below(cls, Model) else None
    return getattr(meta, "abstract", True) is False


def family(own: type, *, is_m2m: bool) -> dict[int, type]:
    """The classes that ``reason_to_expect`` may have a reason for, by their ids."""
    found = {id(each): each for each in class_bases(own)}
    found |= {id(each): each for each in _namesakes(own)}
    concrete = _concrete(own)
    roots = [own, *([concrete] if is_a(concrete, type) else [])]
    for root in (*roots, *(_ends_of_through(own) if is_m2m else ())):
        for each in _with_subclasses(root):
            found[id(each)] = each
            if len(found) > _MOST_SUBCLASSES:
                break
    return found


def find_class(address: object) -> type | None:
    """The class that has this ``id()`` now, among all that are alive."""
    seen: set[int] = set()
    waiting: list[type] = [object]
    while waiting:
        cls = waiting.pop()
        if id(cls) == address:
            return cls
        if id(cls) not in seen:
            seen.add(id(cls))
            waiting += type.__subclasses__(cls)
    return None


def _namesakes(own: type) -> Iterator[type]:
    """Classes of the same name that inherit from the same; and what a migration's stands for."""
    name = _last_name(own)
    for base in _bases_of(own):
        subclasses: list[type] = type.__subclasses__(base)
        yield from (each for each in subclasses if _last_name(each) == name)
    if is_of_migration(own):
        meta: Any = namespace_of(own)["_meta"]
        # Not documented, and the same in Django 5.2, 6.0 and 6.1: all_models.
        real = apps.all_models.get(meta.app_label, {}).get(meta.model_name)
        if real is not None:
            yield real


def _last_name(cls: type) -> str:
    return qualname_of(cls).rpartition(".")[2]


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


def _find_is_through(model: type) -> bool:
    return any(_through_of(each) is model for end in _ends_of_through(model) for each in _m2m(end))


# Whether a model's rows are those of a many-to-many field, made by Django or by somebody. It is
# asked of each row that is saved; a field of a model that is made later comes too late.
is_through: IdentityCache[bool] = IdentityCache(_find_is_through)


def _m2m(model: type) -> Iterator[Any]:
    """The many-to-many fields of a model, inherited ones and those of its children too."""
    for cls in (*class_bases(model), *_with_subclasses(model)):
        # Not documented, and the same in Django 5.2, 6.0 and 6.1: local_many_to_many.
        meta = find_in_class(cls, "_meta") if _is_below(cls, Model) else None
        yield from getattr(meta, "local_many_to_many", ())


def _through_of(field: Any) -> Any:
    return getattr(dict.get(field.__dict__, "remote_field"), "through", None)


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
