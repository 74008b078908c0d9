"""Knows the shape of an entry of ``Signal.receivers``, and of Django's cache of them."""

from __future__ import annotations

import types
import weakref
from typing import Any, NamedTuple

from django.dispatch import Signal, dispatcher

from signal_tracer.describing.names import find_in_class, is_a
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


_signal_dict: Any = Signal.__dict__["__dict__"].__get__


def entries_of(signal: Any) -> list[Any]:
    """``signal.receivers``, past any attribute of a subclass's own."""
    receivers = _signal_dict(signal).get("receivers")
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


def left_out_of_cache(signal: Any) -> list[tuple[Any, Any]]:
    """Each connection, and a sender that Django does not call its receiver for: its cache of who
    hears that sender was filled while the receivers were others.

    So it is where somebody gave the signal another list of receivers: ``connect()`` and
    ``disconnect()`` empty the cache, after they have changed the list. Hence the second look.
    """
    return _left_out(signal) and _left_out(signal)


def _left_out(signal: Any) -> list[tuple[Any, Any]]:
    attributes = _signal_dict(signal)
    # Private, and the same in Django 5.2, 6.0 and 6.1: use_caching, sender_receivers_cache, what is
    # in it, NO_RECEIVERS, and _dead_receivers, with which a list in it is made anew. A class with
    # a _live_receivers() of its own may do otherwise.
    cache: Any = attributes.get("sender_receivers_cache")
    if (
        type(cache) is not _SenderCache
        or not attributes.get("use_caching")
        or find_in_class(type(signal), "_live_receivers")
        is not find_in_class(Signal, "_live_receivers")
    ):
        return []
    heard: dict[Any, list[Any]] = {}
    for entry in entries_of(signal):
        read = read_entry(entry)
        if read.receiver is not None:
            heard.setdefault(read.sender_id, []).append(entry)
    found = []
    for reference, cached in list(cache.data.items()):
        sender = reference()
        if cached is dispatcher.NO_RECEIVERS:
            cached = []
        if (
            sender is None
            or type(cached) is not list
            or (cached and attributes.get("_dead_receivers"))
        ):
            continue
        known = {id(each[0]) for each in cached if type(each) is tuple}
        wanted = (*heard.get(_ANY_SENDER, ()), *heard.get(identity(sender), ()))
        found += [(entry, sender) for entry in wanted if id(entry[1]) not in known]
    return found


_ANY_SENDER = identity(None)
_SenderCache: Any = weakref.WeakKeyDictionary
