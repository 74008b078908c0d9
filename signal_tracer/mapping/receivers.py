"""Says what a receiver is, beyond its name: its kind, module and docstring; whether only a cache of
Django's keeps it, and whether another one leaves it out.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections import Counter
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, NamedTuple

from django.dispatch import Signal, dispatcher
from django.utils import inspect as django_inspect

from signal_tracer.describing.connections import attributes_of, entries_of, identity, read_entry
from signal_tracer.describing.names import (
    Description,
    IdentityCache,
    describe_receiver,
    find_in_class,
    is_a,
    module_namespace,
    namespace_of,
)
from signal_tracer.signal_map import ReceiverKind


class Look(NamedTuple):
    """What can be said of a receiver without running it."""

    described: Description
    kind: ReceiverKind
    module: str | None
    doc: str
    has_qualname: bool


def look_at(receiver: Any) -> Look:
    """Describe a live receiver."""
    if type(receiver) is MethodType:
        # A bound method is made anew each time; what it is bound to does not change what we say.
        return _look_at_code(receiver.__func__)._replace(kind="method")
    return _look_at_code(receiver)


def _look(receiver: Any, depth: int = 0) -> Look:
    described = describe_receiver(receiver)
    kind = type(receiver)
    if kind is FunctionType:
        return Look(described, _kind_of_function(receiver), *_about(receiver), has_qualname=True)
    if kind is MethodType:
        inner = receiver.__func__
        about = _about(inner) if type(inner) is FunctionType else (None, "")
        return Look(described, "method", *about, has_qualname=True)
    if issubclass(kind, partial):
        inner = _look(partial.__dict__["func"].__get__(receiver), depth + 1) if depth < 3 else None
        about = (inner.module, inner.doc) if inner else (None, "")
        return Look(described, "partial", *about, has_qualname=_has_own_qualname(receiver))
    if kind is BuiltinFunctionType:
        return Look(described, "builtin", _text(receiver.__module__), "", has_qualname=True)
    if issubclass(kind, type):
        return Look(described, "class", *_about_class(receiver), has_qualname=True)
    module, doc = _about_class(kind)
    called = find_in_class(kind, "__call__")
    if type(called) is FunctionType:
        doc = first_line(called.__doc__) or doc
    is_mock = _is_mock(kind)
    return Look(
        described,
        "mock" if is_mock else "instance",
        module,
        "" if is_mock else doc,
        has_qualname=_has_own_qualname(receiver),
    )


_look_at_code: IdentityCache[Look] = IdentityCache(_look)


def describe_dead(reference: Any) -> tuple[Description, str | None]:
    """What is still known of a receiver that was collected as garbage, and its module."""
    # WeakMethod keeps the function of a bound method apart from the object, which may die alone.
    if issubclass(type(reference), weakref.WeakMethod):
        function = getattr(reference, "_func_ref", lambda: None)()
        if type(function) is FunctionType:
            described = describe_receiver(function)
            name = f"{described.name} (of an object that is gone)"
            return Description(name, described.defined_at), _text(function.__module__)
    return Description("a receiver that is gone", None), None


def _kind_of_function(function: Any) -> ReceiverKind:
    if function.__name__ == "<lambda>":
        return "lambda"
    return "closure" if "<locals>" in function.__qualname__ else "function"


def _about(function: Any) -> tuple[str | None, str]:
    return _text(function.__module__), first_line(function.__doc__)


def _about_class(cls: type) -> tuple[str | None, str]:
    namespace = namespace_of(cls)
    return _text(namespace.get("__module__")), first_line(namespace.get("__doc__"))


def _text(value: object) -> str | None:
    return value if type(value) is str else None


def first_line(doc: object) -> str:
    """The first line of a docstring that has text."""
    return doc.strip().partition("\n")[0].strip() if type(doc) is str else ""


def _is_mock(kind: type) -> bool:
    mock = module_namespace(sys.modules.get("unittest.mock")).get("NonCallableMock")
    return is_a(mock, type) and issubclass(kind, mock)  # type: ignore[arg-type]  # is_a() asked


def _has_own_qualname(receiver: Any) -> bool:
    """Whether ``receiver.__qualname__`` is there: a class does not lend its own to instances."""
    try:
        attributes = object.__getattribute__(receiver, "__dict__")
    except AttributeError:
        attributes = {}
    return (type(attributes) is dict and "__qualname__" in attributes) or (
        find_in_class(type(receiver), "__qualname__") is not None
    )


# Fragile receivers


def inspected_receivers() -> Counter[int]:
    """How often Django's cache of inspected functions holds each object, by id.

    With ``DEBUG = True``, ``Signal.connect()`` has ``_get_func_parameters`` look at the receiver.
    That is private and the same in Django 5.2, 6.0 and 6.1: an ``lru_cache`` whose keys are
    tuples that begin with the function, and so it keeps the last 512 functions alive.
    """
    cache: Any = getattr(django_inspect, "_get_func_parameters", None)
    held: Counter[int] = Counter()
    for each in gc.get_referents(cache):
        if type(each) is dict:
            for key in list(each):  # which hashes nothing
                if type(key) is tuple and key:
                    held[id(key[0])] += 1
    return held


def is_fragile(reference: Any, inspected: Counter[int]) -> bool:
    """Whether nothing keeps the weakly connected receiver alive but Django's cache.

    The caller must not hold the receiver: what holds it is counted.
    """
    if type(reference) is not weakref.ReferenceType:
        return False
    times = inspected[_id_of(reference)]
    return times > 0 and _holders(reference) - _NOBODY == times


def _id_of(reference: Any) -> int:
    return id(reference())


def _holders(reference: Any) -> int:
    live = reference()
    return sys.getrefcount(live)


def _count_nobody() -> int:
    """What ``_holders()`` counts for something that one list holds, less that one."""

    def probe() -> None:
        """Held by the list only."""

    held = [probe]
    del probe
    reference: Any = weakref.ref(held[0])
    return _holders(reference) - 1


_NOBODY = _count_nobody()


# Whom Django's cache leaves out

_ANY_SENDER = identity(None)
_SenderCache: Any = weakref.WeakKeyDictionary


def left_out_of_cache(signal: Any) -> list[tuple[Any, Any]]:
    """Each connection, and a sender that Django does not call its receiver for: its cache of who
    hears that sender was filled while the receivers were others.

    So it is where somebody gave the signal another list of receivers: ``connect()`` and
    ``disconnect()`` empty the cache, after they have changed the list. Hence the second look.
    """
    return _left_out(signal) and _left_out(signal)


def _left_out(signal: Any) -> list[tuple[Any, Any]]:
    attributes = attributes_of(signal)
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
