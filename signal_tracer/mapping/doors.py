"""Ways in which rows of a connection's sender change without its signal, told by the models alone;
and which rows are gone when it hears of a deletion.

No row is looked at, and nothing of a model is run: its fields say what a deletion does to them,
and the code of its ``delete()`` whether that can delete anything.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator
from typing import Any

from django.db.models import Model, deletion, signals
from django.db.models.fields.related_descriptors import (
    ManyToManyDescriptor,
    ReverseManyToOneDescriptor,
)
from django.db.models.options import Options

from signal_tracer.describing.names import (
    class_bases,
    class_name,
    describe_receiver,
    find_in_class,
    is_a,
    namespace_of,
    unwrapped,
)
from signal_tracer.signal_map import Detour

_SAVED = (signals.pre_save, signals.post_save)
_DELETED = (signals.pre_delete, signals.post_delete)
# By the id of the rule: those of Django 5.2 and 6.0, and the last three from 6.1 on.
_RULES: dict[int, str] = {
    id(getattr(deletion, name)): name
    for name in (
        *("SET_NULL", "SET_DEFAULT", "DO_NOTHING"),
        *("DB_CASCADE", "DB_SET_NULL", "DB_SET_DEFAULT"),
    )
    if hasattr(deletion, name)
}
# LOAD_CONST is none: a text may be a date's format.
_READS = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_SUPER_ATTR", "LOAD_DEREF")
_OF_DELETION = ("DB_CASCADE", "DO_NOTHING")
# With the last two nothing is deleted while there are rows: to read them is to be careful.
_LEAVES_ROWS = (deletion.DO_NOTHING, deletion.PROTECT, deletion.RESTRICT)
# Not documented, and the same in Django 5.2, 6.0 and 6.1, with the `rel` of the second.
_TO_MANY = (ReverseManyToOneDescriptor, ManyToManyDescriptor)


def detours(signal: Any, sender: Any) -> tuple[Detour, ...]:
    """Those around ``signal``, for the rows of the model ``sender``."""
    if not (is_a(sender, type) and any(each is Model for each in class_bases(sender))):
        return ()
    if any(signal is each for each in _DELETED):
        found = (each for each in _of_fields(sender) if each.by in _OF_DELETION)
        return (*found, *_of_delete(sender))
    if any(signal is each for each in _SAVED):
        return tuple(each for each in _of_fields(sender) if each.by not in _OF_DELETION)
    return ()


def gone_after_deletion(signal: Any, model: Any) -> tuple[str, ...]:
    """Of ``post_delete``: the key, which Django takes from the instance when that was sent; and
    the relations that it has emptied by then, by the model's names.

    It deletes the rows between two models, and changes or deletes what points to a row, before
    the row itself. Of relations that a package makes in its own way nothing is known; nor of a
    model whose ``delete()`` never goes on to Django's: what it sends by hand is no deletion.
    """
    if signal is not signals.post_delete or not is_a(model, type) or not _deletes(model):
        return ()
    names = {name for cls in class_bases(model) for name in namespace_of(cls)}
    relations = (name for name in names if _is_empty_first(find_in_class(model, name)))
    return ("pk", *sorted(relations))


def _deletes(model: Any) -> bool:
    """Whether its ``delete()`` is Django's, or one that may go on to it."""
    own = find_in_class(model, "delete")
    if type(own) is not types.FunctionType or own is namespace_of(Model)["delete"]:
        return True
    return not {"super", "delete", "Collector"}.isdisjoint(_called(unwrapped(own).__code__))


def _is_empty_first(descriptor: Any) -> bool:
    if type(descriptor) not in _TO_MANY:
        return False
    if type(descriptor) is ReverseManyToOneDescriptor:
        return _goes_first(descriptor.field)
    meta: Any = find_in_class(descriptor.rel.through, "_meta")
    fields = meta.local_fields if type(meta) is Options else ()
    return bool(fields) and all(_goes_first(each) for each in fields if each.is_relation)


def _goes_first(field: Any) -> bool:
    """Whether what points to a row by this field is changed or deleted before the row.

    What may point to nothing is deleted in any order (Collector.collect() of Django 5.2, 6.0 and
    6.1).
    """
    rule = getattr(field.remote_field, "on_delete", None)
    return rule not in _LEAVES_ROWS and not (rule is deletion.CASCADE and field.null)


def _of_fields(model: Any) -> Iterator[Detour]:
    meta: Any = find_in_class(model, "_meta")
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: local_fields.
    for field in list(getattr(meta, "local_fields", ())):
        relation = dict.get(field.__dict__, "remote_field")
        rule = getattr(relation, "on_delete", None)
        name = _RULES.get(id(rule)) or _name_of_set(rule)
        target: Any = getattr(relation, "model", None)
        if name is not None and is_a(target, type):
            yield Detour(name, dict.get(field.__dict__, "name"), class_name(target))


def _name_of_set(rule: Any) -> str | None:
    """``SET`` of a value, for which Django makes a function."""
    is_set = type(rule) is types.FunctionType and rule.__name__ == "set_on_delete"
    return "SET" if is_set else None


def _of_delete(model: Any) -> Iterator[Detour]:
    """A ``delete()`` of one's own that saves or updates, and calls nothing that could delete."""
    own = find_in_class(model, "delete")
    if type(own) is not types.FunctionType or own is namespace_of(Model)["delete"]:
        return
    called = {*_called(unwrapped(own).__code__)}
    if called & {"save", "update", "asave", "aupdate", "bulk_update", "save_base"} and not any(
        "delete" in name or name in ("super", "Collector", "getattr", "execute") for name in called
    ):
        yield Detour("delete", defined_at=describe_receiver(own).defined_at)


def _called(code: types.CodeType) -> Iterator[str]:
    """What a function reads by name; what it only assigns, such as ``deleted_at``, is none."""
    for each in dis.get_instructions(code):
        if each.opname in _READS and isinstance(each.argval, str):
            yield each.argval
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _called(inner)
