"""Whatever is sent, received or raised dies as soon with a trace as without one."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from django.apps import AppConfig
from django.dispatch import Signal

from signal_tracer import trace_signals
from signal_tracer.testing import mute
from signal_tracer.tracer import uninstall


class Value:
    """What a keyword argument, a closure or a response holds."""


class Failed(Exception): ...


class Parent: ...


def make_sender(kind: str) -> tuple[Any, Any]:
    """What is sent, and of what a receiver is connected that nearly hears it."""
    above = type("Above", (Parent,), {})
    cls = type("Sender", (above,), {})
    if kind == "class":
        return cls, above
    if kind == "instance":
        return cls(), above
    if kind == "class of an instance":
        return above, cls()
    config_class = type("Config", (AppConfig,), {"path": "."})
    return config_class("shop", sys.modules[__name__]), config_class


SENDERS = ("class", "instance", "class of an instance", "AppConfig")


def own_receivers(seen: dict[str, Any], fails: bool) -> list[Any]:
    """One receiver of each kind, all new."""
    inside = Value()
    seen["in the closure"] = weakref.ref(inside)

    def function(**named: Any) -> Any:
        response = Value()
        seen["response"] = weakref.ref(response)
        return inside, response

    def failing(**named: Any) -> Any:
        error = Failed("no", Value())
        seen["exception"] = weakref.ref(error)
        seen["in the exception"] = weakref.ref(error.args[1])
        try:
            raise error
        finally:
            error = None  # type: ignore[assignment]  # or it would refer to itself

    class Owner:
        def method(self, **named: Any) -> None: ...
        def __call__(self, **named: Any) -> None: ...

    owner, instance, argument = Owner(), Owner(), Value()
    seen["owner of the method"] = weakref.ref(owner)
    seen["class of the owner"] = weakref.ref(Owner)
    seen["argument of the partial"] = weakref.ref(argument)
    partial = functools.partial(function, argument=argument)
    found = [function, owner.method, instance, partial, lambda **named: inside]
    for receiver in (function, instance, partial, failing):
        seen[f"receiver {receiver!s:.40}"] = weakref.ref(receiver)
    return [*found, failing] if fails else found


async def listen_async(**named: Any) -> Any:
    await asyncio.sleep(0)
    return Value()


def unheard(signal: Any, sender: Any, other: Any, named: dict[str, Any]) -> None:
    signal.send(sender, **named)


def near_and_unheard(signal: Any, sender: Any, other: Any, named: dict[str, Any]) -> None:
    for receiver in own_receivers(named["seen"], fails=False):
        signal.connect(receiver, sender=other, weak=False)
    signal.send(sender, **named)


def near_and_heard(signal: Any, sender: Any, other: Any, named: dict[str, Any]) -> None:
    near_and_unheard(signal, sender, other, named)
    for receiver in own_receivers(named["seen"], fails=False):
        signal.connect(receiver, weak=False)
    signal.send(sender, **named)


def weakly_near(signal: Any, sender: Any, other: Any, named: dict[str, Any]) -> None:
    def near(**named: Any) -> None: ...

    receivers = own_receivers(named["seen"], fails=False)
    signal.connect(near, sender=other)
    for receiver in receivers:
        signal.connect(receiver)
    signal.send(sender, **named)
    named["seen"]["weakly near"] = weakref.ref(near)


def heard(signal: Any, sender: Any, other: Any, named: dict[str, Any]) -> None:
    for receiver in own_receivers(named["seen"], fails=False):
        signal.connect(receiver, sender=sender, weak=False, dispatch_uid=object())
    signal.send(sender, **named)
    signal.receivers.reverse()
    signal.send_robust(sender, **named)


def failed(signal: Any, sender: Any, other: Any, named: dict[str, Any]) -> None:
    for receiver in own_receivers(named["seen"], fails=True):
        signal.connect(receiver, weak=False)
    with contextlib.suppress(Failed):
        signal.send(sender, **named)


def swallowed(signal: Any, sender: Any, other: Any, named: dict[str, Any]) -> None:
    *_, receiver = own_receivers(named["seen"], fails=True)
    signal.connect(receiver, weak=False)
    signal.send_robust(sender, **named)


def muted(signal: Any, sender: Any, other: Any, named: dict[str, Any]) -> None:
    receivers = own_receivers(named["seen"], fails=False)
    for receiver in receivers:
        signal.connect(receiver, weak=False)
    with mute(*receivers[:2], signal, sender=sender):
        signal.send(sender, **named)


def asynchronous(signal: Any, sender: Any, other: Any, named: dict[str, Any]) -> None:
    inside = Value()
    named["seen"]["in the async closure"] = weakref.ref(inside)

    async def listen(**named: Any) -> Any:
        await asyncio.sleep(0)
        return inside

    async def fail(**named: Any) -> None:
        raise Failed(inside)

    async def main() -> None:
        await signal.asend(sender, **named)
        signal.connect(fail, weak=False)
        await signal.asend_robust(sender, **named)
        with contextlib.suppress(Failed):
            await signal.asend(sender, **named)

    signal.connect(listen, weak=False)
    signal.connect(listen_async)
    named["seen"]["async receiver"] = weakref.ref(listen)
    asyncio.run(main())


def nested(signal: Any, sender: Any, other: Any, named: dict[str, Any]) -> None:
    inner = Signal(use_caching=True)
    named["seen"]["nested signal"] = weakref.ref(inner)
    for receiver in own_receivers(named["seen"], fails=False):
        inner.connect(receiver, weak=False)

    def relay(sender: Any, **named: Any) -> None:
        inner.send(type(sender), value=named)

    signal.connect(relay, weak=False)
    signal.send(sender, **named)


HOWS: list[Callable[..., None]] = [
    *(unheard, near_and_unheard, near_and_heard, weakly_near, heard, failed, swallowed, muted),
    *(asynchronous, nested),
]
SETTINGS: dict[str, dict[str, Any]] = {
    "kept": {},
    "excluded": {"EXCLUDE_SIGNALS": ["<unnamed *"]},
    "past the limit": {"MAX_DISPATCHES": 1},
    "with handled exceptions": {"RECORD_HANDLED_EXCEPTIONS": True},
}


def make_listener() -> Any:
    def listen_for_ever(**named: Any) -> None: ...

    return listen_for_ever


listen_for_ever = make_listener()


standing_signal = Signal(use_caching=True)
standing_senders = {kind: make_sender(kind) for kind in SENDERS}
# A cache may hold what dies for as long as something else lives.
LIVES_ON = ("nothing", "nothing, cached", "the signal", "the sender", "a receiver")


def use(how: Callable[..., None], kind: str, lives_on: str) -> dict[str, Any]:
    """Use new objects of every kind, and return weak references to them."""
    seen: dict[str, Any] = {}
    signal, (sender, other) = Signal(use_caching="cached" in lives_on), make_sender(kind)
    if lives_on == "the signal":
        signal = standing_signal
    elif lives_on == "the sender":
        sender, other = standing_senders[kind]
    elif lives_on == "a receiver":
        signal.connect(listen_for_ever, sender=other)
    standing = (standing_signal, *standing_senders[kind])
    for name, live in (("signal", signal), ("sender", sender), ("other", other)):
        if not any(live is each for each in standing):
            seen[name] = weakref.ref(live)
            seen[f"class of {name}"] = weakref.ref(type(live))
    named = {"value": Value(), "values": [Value()], "seen": seen}
    seen["keyword argument"] = weakref.ref(named["value"])
    seen["in a keyword argument"] = weakref.ref(named["values"][0])
    how(signal, sender, other, named)
    standing_signal.receivers.clear()
    standing_signal.sender_receivers_cache.clear()
    return seen


def alive(seen: dict[str, Any]) -> set[str]:
    """Which of them still are; what always is does not count."""
    gc.collect()
    return {name for name, each in seen.items() if each() not in (None, Signal, type)}


@pytest.fixture(autouse=True)
def collecting_is_quick() -> Iterator[None]:
    logger = logging.getLogger("django.dispatch")
    logger.disabled = True
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    logger.disabled = False
    # Django 5.2 keeps a signal for as long as its receivers live: for ever means for one test.
    global listen_for_ever
    listen_for_ever = make_listener()


@pytest.mark.parametrize("lives_on", LIVES_ON)
@pytest.mark.parametrize("recorded", SETTINGS)
@pytest.mark.parametrize("how", HOWS, ids=lambda how: how.__name__)
def test_nothing_lives_longer_because_it_was_traced(
    how: Callable[..., None], recorded: str, lives_on: str, settings: Any
) -> None:
    settings.SIGNAL_TRACER = SETTINGS[recorded]
    settings.DEBUG = False  # Django itself keeps receivers that it has checked.
    untraced = {kind: alive(use(how, kind, lives_on)) for kind in SENDERS}
    uninstall()

    for kind in SENDERS:
        with trace_signals() as trace:
            if recorded == "past the limit":
                filled = Signal()
                filled.connect(do_nothing)
                filled.send(None)
            seen = use(how, kind, lives_on)
            while_it_runs = alive(seen)
            trace.to_dict()
            once_read = alive(seen)
        at_its_end = alive(seen)
        trace.findings()
        afterwards = alive(seen)

        expected = untraced[kind]
        assert (while_it_runs, once_read, at_its_end, afterwards) == (expected,) * 4
        assert trace.faults == 0
        if django.VERSION >= (6, 1):
            # Before, Django keeps a signal as long as a receiver that is weakly connected to it.
            assert expected == set()


def do_nothing(**named: Any) -> None: ...


def test_what_is_not_read_goes_with_the_trace() -> None:
    with trace_signals():
        seen = use(heard, "instance", "nothing")
    assert alive(seen) == set()
