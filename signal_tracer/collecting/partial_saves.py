"""Fields that receivers of ``pre_save`` change and ``save(update_fields=...)`` does not write.

The row in memory then has what the database never gets. Looked at is a save that names its
fields, before its receivers run and after them. Compared are values of Python's own plain types:
``==`` of any other might be the user's code, and so might that of a time zone: moments are
compared without theirs, which has to be the same object.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any, NamedTuple

from django.db.models.options import Options

from signal_tracer.collecting.nodes import fenced
from signal_tracer.describing.names import find_in_class, is_a

_PLAIN = (str, int, float, bool, bytes, type(None), decimal.Decimal, uuid.UUID, datetime.date)
_MOMENTS = (datetime.datetime, datetime.time)


class Before(NamedTuple):
    """The instance, and the fields that are not to be written, by attribute, as they were.

    Where there are no values of them none was loaded: then ``save()`` writes what was loaded.
    """

    instance: Any
    values: dict[str, Any]
    names: dict[str, str]


@fenced("to see which fields are saved")
def remember(named: dict[str, Any]) -> Before | None:
    """What a ``pre_save`` with ``update_fields`` is sent with, until it is over."""
    written: Any = named.get("update_fields")
    instance = named.get("instance")
    meta: Any = find_in_class(type(instance), "_meta")
    values = _values_of(instance)
    if not is_a(written, frozenset) or not is_a(meta, Options) or values is None:
        return None
    if not all(type(each) is str for each in frozenset.__iter__(written)):
        return None
    names = {}
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: concrete_fields, primary_key,
    # generated (which the database writes itself).
    for each in meta.concrete_fields:
        name, attribute = each.name, each.attname
        is_written = name in written or attribute in written or each.generated
        if not each.primary_key and not is_written:
            names[attribute] = name
    return Before(instance, {each: values[each] for each in names if each in values}, names)


@fenced("to see which fields were changed")
def left_out(before: Before) -> tuple[str, ...]:
    """The names of the fields that have changed since."""
    after = _values_of(before.instance) or {}
    return tuple(
        name
        for attribute, name in before.names.items()
        if attribute in after and _differs(before.values.get(attribute), after[attribute])
    )


def _values_of(instance: Any) -> dict[str, Any] | None:
    try:
        values = object.__getattribute__(instance, "__dict__")
    except AttributeError:
        return None
    return values if type(values) is dict else None


def _differs(one: Any, other: Any) -> bool:
    kinds = type(one), type(other)
    if one is other or not all(any(kind is each for each in _PLAIN + _MOMENTS) for kind in kinds):
        return False
    if kinds[0] is kinds[1] and any(kinds[0] is each for each in _MOMENTS):
        if one.tzinfo is not other.tzinfo:
            return True
        one, other = one.replace(tzinfo=None), other.replace(tzinfo=None)
    if kinds[0] is decimal.Decimal is kinds[1] and (one.is_snan() or other.is_snan()):
        return False  # To compare them is an error, which the context of the thread notes.
    return kinds[0] is not kinds[1] or bool(one != other)
