"""Runs a random program, and keeps a log of what really happened that owes nothing to the tracer.

Each dispatch is sent with a ``token``, by which a receiver knows for whom it runs: so the log knows
who called whom in any thread or task, without asking Django or a context variable.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import itertools
import logging
import sys
import types
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import Mock

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db.models import Model
from django.dispatch import Signal, dispatcher
from library import Book, Novel, OldBook
from observing import is_ours, request_id
from programs import (
    Connect,
    Disconnect,
    EndTrace,
    Forget,
    Muted,
    Pause,
    Program,
    Rearrange,
    Receiver,
    Send,
    SendTogether,
    StartTrace,
    Step,
    Traced,
)

from signal_tracer import Trace, trace_signals
from signal_tracer.testing import mute

MOST_DISPATCHES = 60
MOST_CALLS = 300
DEEPEST = 5
KNOWS_SENDERS = django.VERSION >= (6, 0)  # Before, of a sender nothing is kept but its id.


# Senders


class Parent: ...


class Child(Parent): ...


class Grandchild(Child): ...


class Stranger: ...


class ComparedClass(type):
    def __eq__(cls, other: object) -> bool:
        return cls is other

    def __hash__(cls) -> int:
        return 7


class Compared(Parent, metaclass=ComparedClass): ...


class Equal(Parent):
    """Each is equal to each other, and so has the same receivers in Django's cache."""

    def __eq__(self, other: object) -> bool:
        return type(other) is Equal

    def __hash__(self) -> int:
        return 7


class Unhashable(Parent):
    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]


class Hostile(Parent):
    """Must not be asked anything, save for what Django asks."""

    asked: list[str] = []

    def _ask(name: str) -> Any:  # type: ignore[misc]  # noqa: N805  # of the class body
        def ask(self: Any, *args: Any) -> Any:
            Hostile.asked.append(name)
            raise AssertionError(name)

        return ask

    __repr__ = _ask("repr")
    __str__ = _ask("str")
    __bool__ = _ask("bool")
    __len__ = _ask("len")
    __format__ = _ask("format")


STANDING = {
    "none": (None, "None"),
    "parent": (Parent, "playing.Parent"),
    "child": (Child, "playing.Child"),
    "grandchild": (Grandchild, "playing.Grandchild"),
    "stranger": (Stranger, "playing.Stranger"),
    "book": (Book, "library.Book"),
    "old book": (OldBook, "library.OldBook"),
    "novel": (Novel, "library.Novel"),
    "meta": (Compared, "playing.Compared"),
}
PASSING = {
    "instance": Child,
    "stranger instance": Stranger,
    "equal": Equal,
    "unhashable": Unhashable,
    "hostile": Hostile,
}


def relation(sent: Any, connected: Any) -> str | None:
    """Why somebody might expect a receiver of ``connected`` to run for ``sent``; ``None``: no."""
    if isinstance(sent, type):
        if not isinstance(connected, type):
            is_relative = KNOWS_SENDERS and is_below(type(connected), sent)
            return "connected_to_instance" if is_relative else None
        if connected is sent or connected in (object, Model):
            return None
        if is_below(sent, connected):
            is_proxy_of = (sent, connected) == (OldBook, Book)
            return "connected_to_concrete" if is_proxy_of else "connected_to_parent"
        if is_below(connected, sent):
            is_proxy_of = (sent, connected) == (Book, OldBook)
            return "connected_to_proxy" if is_proxy_of else "connected_to_child"
        return None
    if isinstance(connected, type) and is_below(type(sent), connected) and connected is not object:
        return "connected_to_class"
    return None


def is_below(cls: type, parent: Any) -> bool:
    return any(each is parent for each in type.mro(cls))


# Signals


class Playing(Signal):
    play: Play

    def number(self, receiver: Any) -> int:
        return self.play.made_of(receiver).number


class Reversing(Playing):
    def _live_receivers(self, sender: Any) -> Any:
        synchronous, asynchronous = super()._live_receivers(sender)
        return synchronous[::-1], asynchronous[::-1]


class Sorting(Playing):
    def _live_receivers(self, sender: Any) -> Any:
        synchronous, asynchronous = super()._live_receivers(sender)
        synchronous.sort(key=self.number)
        asynchronous.sort(key=self.number)
        return synchronous, asynchronous


class Filtering(Playing):
    def _live_receivers(self, sender: Any) -> Any:
        return tuple(
            [each for each in both if self.number(each) % 2]
            for both in super()._live_receivers(sender)
        )


class Tupled(Playing):
    def _live_receivers(self, sender: Any) -> Any:
        return tuple(map(tuple, super()._live_receivers(sender)))


class OwnLoop(Playing):
    """Goes over the receivers itself, where nobody can watch."""

    def send(self, sender: Any, **named: Any) -> Any:
        return [
            (receiver, receiver(signal=self, sender=sender, **named))
            for receiver in self._live_receivers(sender)[0]
        ]

    def send_robust(self, sender: Any, **named: Any) -> Any:
        responses: list[Any] = []
        for receiver in self._live_receivers(sender)[0]:
            try:
                responses.append((receiver, receiver(signal=self, sender=sender, **named)))
            except Exception as error:
                responses.append((receiver, error))
        return responses

    async def asend(self, sender: Any, **named: Any) -> Any:
        return [
            (receiver, await receiver(signal=self, sender=sender, **named))
            for receiver in self._live_receivers(sender)[1]
        ]

    asend_robust = asend


class Loud(Playing):
    """Adds an argument, and lets Django send."""

    def send(self, sender: Any, **named: Any) -> Any:
        return super().send(sender, loud=True, **named)

    def send_robust(self, sender: Any, **named: Any) -> Any:
        return super().send_robust(sender, loud=True, **named)

    async def asend(self, sender: Any, **named: Any) -> Any:
        return await super().asend(sender, loud=True, **named)

    def asend_robust(self, sender: Any, **named: Any) -> Any:
        return super().asend_robust(sender, loud=True, **named)


class LoudReversing(Loud, Reversing): ...


in_module = Playing()
cached_in_module = Playing(use_caching=True)
left_out = Playing()

SIGNALS = {
    "plain": (Playing, False),
    "cached": (Playing, True),
    "reversing": (Reversing, False),
    "cached reversing": (Reversing, True),
    "sorting": (Sorting, False),
    "filtering": (Filtering, False),
    "tuple": (Tupled, False),
    "own loop": (OwnLoop, False),
    "loud": (Loud, False),
    "loud reversing": (LoudReversing, False),
}
STANDING_SIGNALS = {
    "module": (in_module, "playing.in_module"),
    "module cached": (cached_in_module, "playing.cached_in_module"),
    "excluded": (left_out, "playing.left_out"),
}


# Exceptions


class Custom(Exception):
    def __init__(self, **named: Any) -> None:
        super().__init__(named)


class Base(BaseException): ...


class HostileError(Exception):
    def _refuse(self, *args: Any) -> Any:
        Hostile.asked.append("an exception")
        raise AssertionError("asked")

    __str__ = __repr__ = __eq__ = __hash__ = __bool__ = _refuse  # type: ignore[assignment]


def make_error(kind: str) -> BaseException:
    match kind:
        case "custom":
            return Custom(code=3)
        case "hostile":
            return HostileError("h")
        case "group":
            return ExceptionGroup("group", [ValueError("one"), KeyError("two")])
        case "stop iteration":
            return StopIteration(3)
        case "base":
            return Base("b")
        case "keyboard interrupt":
            return KeyboardInterrupt()
        case "system exit":
            return SystemExit(3)
        case "generator exit":
            return GeneratorExit()
        case "cancelled":
            return asyncio.CancelledError("c")
    return ValueError("no")


def name_of_type(cls: type) -> str:
    module = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
    return f"{module}{cls.__qualname__}"


def describe_error(error: BaseException | None, around: tuple[Any, ...] = ()) -> Any:
    """What is to be seen of an exception without asking it."""
    if error is None or any(error is each for each in around):
        return error is None
    around = (*around, error)
    steps, step = [], error.__traceback__
    while step is not None:
        if not is_ours(step.tb_frame.f_code.co_filename):
            code = step.tb_frame.f_code
            steps.append((Path(code.co_filename).name, code.co_name))
        step = step.tb_next
    return (
        type(error).__name__,
        error.__dict__.get("number"),
        [
            describe_error(each, around)
            for each in (
                error.__cause__,
                error.__context__,
                *(error.exceptions if isinstance(error, BaseExceptionGroup) else ()),
            )
        ],
        error.__suppress_context__,
        steps,
    )


# The log

# A near miss: the label and the name of the receiver, the reason, and the name of its sender.
Near: TypeAlias = tuple[str, str, str, str]


@dataclass(eq=False)
class Opened:
    """A trace. ``body``: the receiver call that opened it; ``None``: the program itself."""

    began: int
    body: Called | None
    all_threads: bool
    is_block: bool
    manager: Any = None
    trace: Trace | None = None
    ended: int = sys.maxsize
    # At its end, where receivers were connected by hand: of that nobody is told.
    near: set[Near] = field(default_factory=set)


@dataclass(eq=False)
class Sent:
    """One dispatch: what was sent, and what came of it."""

    token: int
    tick: int
    kind: str
    signal_name: str
    sender_name: str
    method: str
    parent: Called | None
    depth: int
    # Whom Django is about to call, by the connections themselves; and those that are muted.
    would_call: tuple[list[Made], list[Made]] = ([], [])
    muted: list[Made] = field(default_factory=list)
    calls: list[Called] = field(default_factory=list)
    # The near misses at each moment that was looked at.
    near: list[set[Near]] = field(default_factory=list)
    uids: dict[str, list[Any]] = field(default_factory=dict)
    error: BaseException | type | None = None
    answer: Any = None
    ended: int = sys.maxsize
    is_odd: bool = False  # Django cannot look the sender up.

    @property
    def heard(self) -> list[Made]:
        return [*self.would_call[0], *self.would_call[1]]

    @property
    def is_watched(self) -> bool:
        return self.kind != "own loop"


@dataclass(eq=False)
class Called:
    """One receiver call."""

    made: Made
    sent: Sent
    tick: int
    log: list[Any] = field(default_factory=list)
    dispatches: list[Sent] = field(default_factory=list)
    outcome: str = "running"
    error: str | None = None
    response: Any = None
    ended: int = sys.maxsize


@dataclass(eq=False)
class Made:
    """A receiver without what would keep it alive."""

    number: int
    label: str
    name: str
    is_async: bool
    spec: Receiver


@dataclass(frozen=True)
class MutedNow:
    """What a block mutes; it holds the receivers as ``mute()`` itself does."""

    keys: frozenset[Any]
    signal: Any


def key_of(receiver: Any) -> Any:
    if type(receiver) is types.MethodType:
        return id(receiver.__self__), id(receiver.__func__)
    return id(receiver)


class Probe:
    """Told by ``str.format``, a builtin that takes any keyword arguments, that it runs."""

    __slots__ = ("play", "token")

    def __init__(self, play: Play, token: int) -> None:
        self.play = play
        self.token = token

    def __format__(self, spec: str) -> str:
        made = self.play.builtins[spec]
        return str(self.play.call(made, {"number": self.token, "probe": self}))


class Listening(logging.Handler):
    def __init__(self, play: Play) -> None:
        super().__init__()
        self.play = play
        self.seen: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "asyncio":
            self.seen.append((record.name, record.levelname))
            return
        error = record.exc_info[1] if record.exc_info else None
        args = [self.play.describe(each) for each in record.args or ()]
        self.seen.append(
            (
                *(record.name, record.levelname, record.msg, args, describe_error(error)),
                *(Path(record.pathname).name, record.lineno, record.funcName),
            )
        )


class Play:
    """One run of a program."""

    def __init__(self, program: Program, *, is_traced: bool) -> None:
        self.program = program
        self.is_traced = is_traced
        self.ticks = itertools.count()
        self.errors = itertools.count()
        self.sent: list[Sent] = []
        self.log: list[Any] = []
        self.fuel = MOST_DISPATCHES
        self.calls = 0
        self.signals: dict[int, Any] = {}
        self.known_signals: list[Any] = []
        self.senders: dict[int, tuple[Any, str]] = {}
        self.known_senders: list[tuple[Any, str]] = []
        self.receivers: dict[int, Any] = {}
        self.generations: dict[Any, int] = {}
        self.mades: dict[Any, Made] = {}
        self.builtins: dict[str, Made] = {}
        self.put_away: dict[int, Any] = {}
        self.is_rearranged = False
        self.opened: list[Opened] = []
        self.slots: dict[int, Opened] = {}
        self.kept_errors: dict[int, BaseException] = {}
        self.listening = Listening(self)
        self.warnings: list[Any] = []
        # Tasks that had not begun when the loop ended are collected with the coroutines that wait
        # in them; which is found first, to say that it was never awaited, nobody can tell.
        self.leaves_tasks = any(
            each.kind.startswith("async") and each.raises is not None for each in program.receivers
        )
        self.context: Any = None
        self.connected: list[Any] = []

    # The objects of the program

    def generation(self, what: str, number: int) -> int:
        self.generations[what, number] = found = self.generations.get((what, number), 0) + 1
        return found

    def signal(self, number: int) -> Any:
        if number not in self.signals:
            kind = self.kind_of_signal(number)
            if kind in STANDING_SIGNALS:
                signal = STANDING_SIGNALS[kind][0]
            else:
                cls, use_caching = SIGNALS[kind]
                signal = cls(use_caching=use_caching)
                signal.label = f"{number}.{self.generation('signal', number)}"
            signal.play = self
            self.signals[number] = signal
            self.known_signals.append(weakref.ref(signal))
        return self.signals[number]

    def kind_of_signal(self, number: int) -> str:
        return self.program.signals[number] if number < len(self.program.signals) else "plain"

    def sender(self, number: int | None) -> tuple[Any, str]:
        """The object, and its name in a trace."""
        if number is None:
            return STANDING["none"]
        if number not in self.senders:
            kinds = self.program.senders
            kind = kinds[number] if number < len(kinds) else "none"
            found: tuple[Any, str]
            if kind in STANDING:
                found = STANDING[kind]
            elif kind in PASSING:
                found = PASSING[kind](), f"<{name_of_type(PASSING[kind])}>"
            elif kind == "temporary class":
                name = f"Temporary_{number}_{self.generation('sender', number)}"
                found = type(name, (Child,), {"__module__": "stage"}), f"stage.{name}"
            elif kind == "text":
                found = f"sender {number}", f"'sender {number}'"
            else:
                found = [], "[]"
            self.senders[number] = found
            with contextlib.suppress(TypeError):  # A text or a list.
                self.known_senders.append((weakref.ref(found[0]), found[1]))
        return self.senders[number]

    def receiver(self, number: int) -> Any:
        if number not in self.receivers:
            specs = self.program.receivers
            spec = specs[number] if number < len(specs) else Receiver()
            label = f"{number}_{self.generation('receiver', number)}"
            made = Made(number, label, f"stage.receiver_{label}", "async" in spec.kind, spec)
            receiver = self.make_receiver(made)
            self.mades[key_of(receiver)] = made
            self.receivers[number] = receiver
        return self.receivers[number]

    def make_receiver(self, made: Made) -> Any:
        play, label = self, made.label

        def run(**named: Any) -> Any:
            return play.call(made, named)

        async def arun(**named: Any) -> Any:
            return await play.acall(made, named)

        def run_method(owner: Any, **named: Any) -> Any:
            return play.call(made, named)

        async def arun_method(owner: Any, **named: Any) -> Any:
            return await play.acall(made, named)

        function: Any = arun if made.is_async else run
        method: Any = arun_method if made.is_async else run_method
        kind = made.spec.kind.removeprefix("async ")
        if kind == "lambda":
            function = lambda **named: play.call(made, named)  # noqa: E731  # which is the point
        function.__module__ = method.__module__ = "stage"
        function.__qualname__ = f"receiver_{label}"
        if kind == "method":
            method.__qualname__ = f"Owner_{label}.run"
            made.name = f"stage.Owner_{label}.run"
            # An owner that its method keeps alive, or it would be gone at once.
            owner = type(f"Owner_{label}", (), {"run": method, "__module__": "stage"})()
            return owner.run
        if kind == "partial":
            made.name = f"partial(stage.receiver_{label})"
            return functools.partial(function)
        if kind == "callable":
            made.name = f"stage.Callable_{label}()"
            return type(made.name[6:-2], (), {"__call__": method, "__module__": "stage"})()
        if kind == "class":
            made.name = f"stage.Class_{label}"

            def make_one(cls: Any, **named: Any) -> Any:
                play.call(made, named)
                return object.__new__(cls)

            namespace = {"__new__": make_one, "__module__": "stage", "__init__": take_any}
            return type(made.name[6:], (), namespace)
        if kind == "mock":
            made.name = f"unittest.mock.Mock_{label}()"
            return type(f"Mock_{label}", (Mock,), {})(side_effect=function)
        if kind == "builtin":
            made.name = "str.format"
            self.builtins[label] = made
            return f"{{probe:{label}}}".format
        return function

    def made_of(self, receiver: Any) -> Made:
        """What is known of a live receiver; it is found by identity only."""
        return self.mades[key_of(receiver)]

    def describe(self, value: Any) -> Any:
        if issubclass(type(value), BaseException):
            return describe_error(value)
        if value is None or type(value) in (str, int, bool):
            return value
        made = self.mades.get(key_of(value))
        return f"receiver {made.label}" if made else f"a {type(value).__name__}"

    # What is connected, read from Django's own lists

    def entries(self, signal: Any) -> list[tuple[Made, Any, Any]]:
        """The live receivers in order, with the id of the sender and the ``dispatch_uid``."""
        found = []
        for entry in list(signal.receivers):
            receiver = alive(entry[1])
            if receiver is not None and (len(entry) == 3 or not is_dead(entry[2])):
                made = self.made_of(receiver)
                uid = entry[0][0] if isinstance(entry[0][0], str) else None
                found.append((made, entry[0][1], uid))
        return found

    def would_call(self, signal: Any, sender: Any) -> tuple[list[Made], list[Made]]:
        """Whom ``signal.send(sender)`` is about to call, without changing anything."""
        if not signal.receivers:
            return [], []
        cached = None
        if signal.use_caching or not isinstance(signal, OwnLoop):  # Django looks even so.
            cached = signal.sender_receivers_cache.get(sender)
        if cached is dispatcher.NO_RECEIVERS:
            return [], []
        both: tuple[list[Made], list[Made]] = [], []
        if cached is not None and signal.use_caching and not signal._dead_receivers:
            for entry in cached:
                receiver = alive(entry[0])
                if receiver is not None and (len(entry) == 2 or not is_dead(entry[1])):
                    both[entry[-1]].append(self.made_of(receiver))
        else:
            for made, sender_id, _ in self.entries(signal):
                if sender_id in (id(None), id(sender)):
                    both[made.is_async].append(made)
        if isinstance(signal, Reversing):
            return both[0][::-1], both[1][::-1]
        if isinstance(signal, Sorting):
            for each in both:
                each.sort(key=lambda made: made.number)
        if isinstance(signal, Filtering):
            both = tuple([made for made in each if made.number % 2] for each in both)
        return both

    def near_misses(self, signal: Any, sender: Any) -> set[Near]:
        known = {id(each()): (each(), name) for each, name in self.known_senders}
        found = set()
        for made, sender_id, _ in self.entries(signal):
            if sender_id in known and sender_id not in (id(None), id(sender)):
                live, name = known[sender_id]
                reason = relation(sender, live)
                if reason is not None:
                    found.add((made.label, made.name, reason, name))
        return found

    # The steps

    def run(self, steps: tuple[Step, ...], call: Called | None, muted: tuple[Any, ...]) -> None:
        for step in steps:
            match step:
                case Send():
                    self.send(step, call, muted)
                case SendTogether():
                    for each in step.sends:
                        self.send(each, call, muted)
                case Traced():
                    opened = self.open(step, call)
                    try:
                        self.run(step.steps, call, muted)
                    finally:
                        self.close(opened)
                case Muted():
                    with self.mute(step) as more:
                        self.run(step.steps, call, (*muted, *more))
                case _:
                    self.perform(step, call)

    async def arun(
        self, steps: tuple[Step, ...], call: Called | None, muted: tuple[Any, ...]
    ) -> None:
        for step in steps:
            match step:
                case Send() if step.method.startswith("a"):
                    await self.asend(step, call, muted)
                case SendTogether():
                    sends = [self.asend(each, call, muted) for each in step.sends]
                    await asyncio.gather(*sends, return_exceptions=step.returns_exceptions)
                case Pause():
                    await asyncio.sleep(0)
                case Traced():
                    opened = self.open(step, call)
                    try:
                        await self.arun(step.steps, call, muted)
                    finally:
                        self.close(opened)
                case _:
                    self.run((step,), call, muted)

    def perform(self, step: Step, call: Called | None) -> None:
        log = self.log if call is None else call.log
        match step:
            case Connect(number, receiver, sender, weak, uid):
                signal = self.signal(number)
                try:
                    signal.connect(
                        self.receiver(receiver), self.sender(sender)[0], weak, dispatch_uid=uid
                    )
                except Exception as error:
                    log.append(("could not connect", type(error).__name__))
            case Disconnect(number, receiver, sender, uid):
                was_connected = self.signal(number).disconnect(
                    self.receiver(receiver), self.sender(sender)[0], dispatch_uid=uid
                )
                log.append(("disconnected", was_connected))
            case Rearrange(number, how, clears_cache):
                self.rearrange(number, how)
                if clears_cache:
                    self.signal(number).sender_receivers_cache.clear()
            case Forget(what, number):
                self.forget(what, number)
            case StartTrace(number):
                if number not in self.slots:
                    self.slots[number] = self.open(step, call)
            case EndTrace(number):
                if number in self.slots:
                    self.close(self.slots.pop(number))

    def rearrange(self, number: int, how: str) -> None:
        signal = self.signal(number)
        receivers = signal.receivers
        self.is_rearranged = True
        if how == "put back" and number in self.put_away:
            signal.receivers = self.put_away.pop(number)
        if not receivers:
            return
        match how:
            case "reverse":
                receivers.reverse()
            case "sort":
                receivers.sort(key=self.place_of_entry)
            case "insert":
                receivers.insert(0, receivers.pop())
            case "pop":
                receivers.pop()
            case "rotate":
                receivers.append(receivers.pop(0))
            case "slice":
                receivers[:2] = receivers[1::-1]
            case "swap":
                receivers[0], receivers[-1] = receivers[-1], receivers[0]
            case "replace":
                signal.receivers = receivers[::-1]
            case "double":
                receivers[-1:] = [receivers[0]]
            case "empty":
                signal.receivers = []
            case "put away":
                self.put_away[number], signal.receivers = receivers, []
            case "borrow":
                others = self.signal((number + 1) % len(self.program.signals)).receivers
                # Only the other signal is told when what it refers to weakly dies.
                if (
                    others
                    and alive(others[-1][1]) is others[-1][1]
                    and (others[-1][0][1] in [id(live) for live, _ in STANDING.values()])
                ):
                    receivers[-1:] = others[-1:]

    def place_of_entry(self, entry: Any) -> int:
        receiver = alive(entry[1])
        return -1 if receiver is None else self.made_of(receiver).number

    def forget(self, what: str, number: int) -> None:
        if what == "signal":
            signal = self.signals.pop(number, None)
            self.put_away.pop(number, None)
            if signal is not None and self.kind_of_signal(number) in STANDING_SIGNALS:
                signal.receivers = []
                signal.sender_receivers_cache.clear()
        elif what == "receiver":
            self.receivers.pop(number, None)
        elif number in self.senders:
            live = self.senders[number][0]
            if any(live is each for each, _ in STANDING.values()):
                return
            if not KNOWS_SENDERS or type(live) in (str, list):
                # Django would call its receivers for whoever gets the same id.
                for signal in self.signals.values():
                    entries = [each for each in signal.receivers if each[0][1] != id(live)]
                    signal.receivers = entries
                    signal.sender_receivers_cache.clear()
                self.put_away.clear()
            is_class = isinstance(live, type)
            del self.senders[number], live
            if is_class:
                gc.collect()  # A class refers to itself.

    @contextlib.contextmanager
    def mute(self, step: Muted) -> Iterator[list[MutedNow]]:
        receivers = [self.receiver(each) for each in step.receivers]
        signals = [] if step.signal is None else [self.signal(step.signal)]
        with mute(*receivers, *signals) if receivers or signals else contextlib.nullcontext():
            yield [MutedNow(frozenset(map(key_of, receivers)), signals[0] if signals else None)]

    def open(self, step: Any, call: Called | None) -> Opened:
        opened = Opened(next(self.ticks), call, step.all_threads, not isinstance(step, StartTrace))
        self.opened.append(opened)
        if self.is_traced:
            opened.manager = trace_signals(all_threads=step.all_threads)
            opened.trace = opened.manager.__enter__()
        return opened

    def close(self, opened: Opened) -> None:
        if opened.manager is not None:
            opened.manager.__exit__(None, None, None)
        if self.is_rearranged:
            for signal in self.signals.values():
                for sender, _ in [*self.senders.values(), STANDING["none"]]:
                    opened.near |= self.near_misses(signal, sender)
        opened.ended = next(self.ticks)

    # Sending

    def begin(
        self, step: Send, method: str, signal: Any, sender: Any, call: Called | None
    ) -> Sent | None:
        depth = 0 if call is None else call.sent.depth + 1
        if self.fuel <= 0 or depth > DEEPEST:
            return None
        self.fuel -= 1
        kind = self.kind_of_signal(step.signal)
        name = STANDING_SIGNALS[kind][1] if kind in STANDING_SIGNALS else signal.label
        sent = Sent(len(self.sent), next(self.ticks), kind, name, sender[1], method, call, depth)
        self.sent.append(sent)
        if call is not None:
            call.dispatches.append(sent)
        else:
            self.log.append(sent)
        return sent

    def look_ahead(self, sent: Sent, signal: Any, sender: Any, muted: tuple[MutedNow, ...]) -> None:
        try:
            synchronous, asynchronous = self.would_call(signal, sender)
        except TypeError:
            sent.is_odd = True
            return
        is_muted = {
            id(made)
            for key, made in self.mades.items()
            if any(key in block.keys or block.signal is signal for block in muted)
        }
        sent.muted = [made for made in (*synchronous, *asynchronous) if id(made) in is_muted]
        sent.would_call = (
            [made for made in synchronous if id(made) not in is_muted],
            [made for made in asynchronous if id(made) not in is_muted],
        )
        if sent.kind == "own loop":  # It has one for each sort.
            sent.would_call[not sent.method.startswith("a")].clear()
        sent.near.append(self.near_misses(signal, sender))
        for made, sender_id, uid in self.entries(signal):
            if sender_id in (id(None), id(sender)):
                sent.uids.setdefault(made.label, []).append(uid)

    def named(self, sent: Sent, signal: Any, sender: Any, muted: tuple[Any, ...]) -> Any:
        self.look_ahead(sent, signal, sender, muted)
        self.muted_in[sent.token] = muted
        return {"number": sent.token, "probe": Probe(self, sent.token)}

    @functools.cached_property
    def muted_in(self) -> dict[int, tuple[Any, ...]]:
        """What was muted when a dispatch began; forgotten when it ends."""
        return {}

    def send(self, step: Send, call: Called | None, muted: tuple[Any, ...]) -> None:
        method = step.method
        if method.startswith("a") and asyncio._get_running_loop() is None:
            self.send_in_a_loop(step, call, muted)
            return
        method = method.removeprefix("a")
        signal, sender = self.signal(step.signal), self.sender(step.sender)
        sent = self.begin(step, method, signal, sender, call)
        if sent is None:
            return
        named = self.named(sent, signal, sender[0], muted)
        try:
            responses = getattr(signal, method)(sender[0], **named)
        except BaseException as error:
            self.failed(sent, error)
            if not step.caught and call is not None:
                raise
        else:
            self.answered(sent, responses)
        finally:
            self.end(sent, signal, sender[0])

    def send_in_a_loop(self, step: Send, call: Called | None, muted: tuple[Any, ...]) -> None:
        try:
            asyncio.run(self.asend_and_wait(step, call, muted))
        except BaseException as error:  # SystemExit ends the loop before the dispatch.
            (self.log if call is None else call.log).append(describe_error(error))
            if not step.caught and call is not None:
                raise

    async def asend_and_wait(self, step: Send, call: Called | None, muted: tuple[Any, ...]) -> None:
        """Let what a failure left running come to its end; asyncio ends it in any order."""
        try:
            await self.asend(step, call, muted)
        finally:
            if asyncio._get_running_loop() is not None:  # Or this is being collected.
                while left := asyncio.all_tasks() - {asyncio.current_task()}:
                    await asyncio.wait(left)
                # asgiref's thread holds what it ran last until it is given something else.
                await sync_to_async(int)()

    async def asend(self, step: Send, call: Called | None, muted: tuple[Any, ...]) -> None:
        signal, sender = self.signal(step.signal), self.sender(step.sender)
        sent = self.begin(step, step.method, signal, sender, call)
        if sent is None:
            return
        named = self.named(sent, signal, sender[0], muted)
        try:
            responses = await getattr(signal, step.method)(sender[0], **named)
        except BaseException as error:
            self.failed(sent, error)
            if not step.caught or isinstance(error, asyncio.CancelledError | GeneratorExit):
                raise
        else:
            self.answered(sent, responses)
        finally:
            self.end(sent, signal, sender[0])

    def failed(self, sent: Sent, error: BaseException) -> None:
        sent.error = type(error)
        sent.answer = describe_error(error)

    def answered(self, sent: Sent, responses: Any) -> None:
        sent.answer = [
            (type(pair).__name__, self.describe(pair[0]), self.describe(pair[1]))
            for pair in responses
        ]

    def end(self, sent: Sent, signal: Any, sender: Any) -> None:
        sent.near.append(self.near_misses(signal, sender))
        sent.ended = next(self.ticks)
        self.muted_in.pop(sent.token, None)

    # Being called

    def begin_call(self, made: Made, named: dict[str, Any]) -> Called:
        sent = self.sent[named["number"]]
        call = Called(made, sent, next(self.ticks))
        sent.calls.append(call)
        signal, sender = named.get("signal"), named.get("sender")
        call.log.append(
            (
                sorted(each for each in named if each not in ("number", "probe")),
                request_id.get(),
                describe_error(sys.exc_info()[1]),
            )
        )
        if signal is not None and sent.ended == sys.maxsize:
            sent.near.append(self.near_misses(signal, sender))
        request_id.set(made.label)
        return call

    def end_call(self, made: Made) -> Any:
        kind = made.spec.raises
        if kind is None:
            return made.spec.response
        if kind == "again":
            error = self.kept_errors.setdefault(made.number, ValueError("again"))
        else:
            error = make_error(kind)
        if "number" not in error.__dict__:
            error.__dict__["number"] = next(self.errors)
        if kind == "chained":
            try:
                raise KeyError("first")
            except KeyError as first:
                raise error from first
        raise error

    def note_end(self, call: Called, error: BaseException | None, response: Any = None) -> None:
        call.ended = next(self.ticks)
        if error is None:
            call.outcome, call.response = "returned", response
            return
        is_caught = isinstance(error, Exception) and call.sent.method.endswith("robust")
        is_cancelled = isinstance(error, asyncio.CancelledError | GeneratorExit)
        call.outcome = "swallowed" if is_caught else "cancelled" if is_cancelled else "raised"
        cls = type(error)
        if cls is StopIteration and call.made.is_async:
            cls = RuntimeError  # Python's own doing, for a coroutine.
        call.error = name_of_type(cls)
        call.log.append(describe_error(error))

    def call(self, made: Made, named: dict[str, Any]) -> Any:
        call = self.begin_call(made, named)
        muted = self.muted_in.get(call.sent.token, ())
        self.calls += 1
        try:
            if self.calls < MOST_CALLS:
                self.run(made.spec.steps, call, muted)
            response = self.end_call(made)
        except BaseException as error:
            self.note_end(call, error)
            raise
        self.note_end(call, None, response)
        return response

    async def acall(self, made: Made, named: dict[str, Any]) -> Any:
        call = self.begin_call(made, named)
        muted = self.muted_in.get(call.sent.token, ())
        self.calls += 1
        try:
            if self.calls < MOST_CALLS:
                await self.arun(made.spec.steps, call, muted)
            response = self.end_call(made)
        except BaseException as error:
            self.note_end(call, error)
            raise
        self.note_end(call, None, response)
        return response

    # The whole

    def play(self) -> Play:
        for signal, _ in STANDING_SIGNALS.values():
            signal.receivers = []
            signal.sender_receivers_cache.clear()
            signal._dead_receivers = False
        Hostile.asked.clear()
        with self.listened(), setting(self.program), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            gc.disable()
            try:
                contextvars.Context().run(self.play_all)
                self.connected = [
                    (number, [(made.label, uid) for made, _, uid in self.entries(signal)])
                    for number, signal in sorted(self.signals.items())
                ]
                self.forget_all()
                gc.collect()  # What was never awaited warns here, not in another program.
            finally:
                gc.enable()
        self.warnings = sorted((each.category.__name__, str(each.message)) for each in caught)
        return self

    def play_all(self) -> None:
        request_id.set("program")
        everything = self.open(Traced(()), None)
        self.run(self.program.steps, None, ())
        for opened in [*self.slots.values()]:
            self.close(opened)
        self.close(everything)
        self.context = {
            variable.name: value if isinstance(value, str) else type(value).__name__
            for variable, value in contextvars.copy_context().items()
            if not variable.name.startswith("signal_tracer")
        }

    def forget_all(self) -> None:
        for signal in filter(None, (each() for each in self.known_signals)):
            signal.receivers = []
            signal.sender_receivers_cache.clear()
            vars(signal).pop("play", None)
        for each in (self.signals, self.senders, self.receivers, self.put_away, self.kept_errors):
            each.clear()
        self.mades.clear()

    @contextlib.contextmanager
    def listened(self) -> Iterator[None]:
        loggers = [logging.getLogger(name) for name in ("django.dispatch", "asyncio")]
        for logger in loggers:
            logger.addHandler(self.listening)
            logger.propagate = False
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(self.listening)
                logger.propagate = True

    def seen(self) -> dict[str, Any]:
        """All that the program could see, to be compared with another run."""
        return {
            "log": [seen_of(each) for each in self.log],
            "logged": self.listening.seen,
            "warned": [] if self.leaves_tasks else self.warnings,
            "connected": self.connected,
            "context": self.context,
            "asked": list(Hostile.asked),
        }


def take_any(self: Any, **named: Any) -> None: ...


def alive(receiver: Any) -> Any:
    return receiver() if isinstance(receiver, weakref.ReferenceType) else receiver


def is_dead(reference: Any) -> bool:
    return reference is not None and reference() is None


def seen_of(each: Any) -> Any:
    if isinstance(each, Sent):
        calls = sorted(each.calls, key=lambda call: call.made.is_async)
        return (each.method, each.sender_name, list(map(seen_of, calls)), each.answer)
    if isinstance(each, Called):
        dispatches = [seen_of(dispatch) for dispatch in each.dispatches]
        return (each.made.label, each.log, dispatches, each.outcome, each.error, each.response)
    return each


@contextlib.contextmanager
def setting(program: Program) -> Iterator[None]:
    """Like ``override_settings()``, which sends a signal."""
    assert not settings.DEBUG, "Django's caches keep receivers alive with DEBUG=True"
    before = getattr(settings, "SIGNAL_TRACER", None)
    settings.SIGNAL_TRACER = {
        "MAX_DISPATCHES": program.limit,
        "EXCLUDE_SIGNALS": ["playing.left_out"],
        "RECORD_HANDLED_EXCEPTIONS": program.handled,
    }
    try:
        yield
    finally:
        settings.SIGNAL_TRACER = before
