"""Knows the shape of an entry of ``Signal.receivers``."""

from __future__ import annotations

import types
import weakref
from typing import Any, NamedTuple

from django.dispatch import Signal

from signal_tracer.describing.names import is_a
from signal_tracer.describing.values import Capture, render
from signal_tracer.records import Value


class Entry(NamedTuple):
    """One connection, read. It keeps its receiver alive: not for longer than a look.

    ``receiver`` is ``None`` if it is dead, and ``reference`` what refers to it weakly, if
    anything does. ``sender_reference`` is ``None`` for any sender, for one that takes no weak
    reference, and always on Django 5.2, which knows the sender by its ``id()`` only.
    """

    receiver: Any = None
    reference: Any = None
    sender_id: Any = None
    sender_reference: Any = None
    dispatch_uid: Value = None
    is_async: bool | None = None
    is_known_shape: bool = False


# What a signal holds, past any attribute of a subclass's own.
attributes_of: Any = Signal.__dict__["__dict__"].__get__


def entries_of(signal: Any) -> list[Any]:
    """``signal.receivers``, past any attribute of a subclass's own."""
    receivers = attributes_of(signal).get("receivers")
    return list.copy(receivers) if is_a(receivers, list) else []


def read_entry(entry: Any) -> Entry:
    """What an entry says; nothing at all, if it has a shape that we do not know.

    It is ``(lookup_key, receiver, is_async)`` in Django 5.2 and ``(lookup_key, receiver,
    sender_ref, is_async)`` from 6.0. The lookup key is ``(dispatch_uid or the receiver's id,
    the sender's id)``; the receiver is the receiver itself or a weak reference.
    """
    if (
        type(entry) is not tuple
        or len(entry) not in (3, 4)
        or type(entry[0]) is not tuple
        or len(entry[0]) != 2
    ):
        return Entry()
    receiver_key, sender_id = entry[0]
    receiver, reference = entry[1], None
    if issubclass(type(receiver), weakref.ReferenceType):
        reference, receiver = receiver, receiver()
    is_id = type(receiver_key) is int or (
        type(receiver_key) is tuple and all(type(each) is int for each in receiver_key)
    )
    # Of a dead receiver nothing is left to compare with, and a uid is seldom a number.
    has_uid = not is_id or (receiver is not None and receiver_key != identity(receiver))
    return Entry(
        receiver,
        reference,
        sender_id,
        entry[2] if len(entry) == 4 else None,
        name_of_uid(receiver_key) if has_uid else None,
        entry[-1] if type(entry[-1]) is bool else None,
        True,
    )


def name_of_uid(uid: Any) -> Value:
    """A ``dispatch_uid``, which may be anything that can be hashed, as it is shown."""
    # One of its own: what it redacts is not to be remembered for ever.
    return render(Capture(200).value(uid))


def identity(live: Any) -> Any:
    """What ``_make_id`` of Django 5.2, 6.0 and 6.1 returns; objects are asked for no attributes."""
    if type(live) is types.MethodType:
        return (id(live.__self__), id(live.__func__))
    return id(live)
