"""Random programs about signals, as plain data: how they are made, made smaller, and printed.

``playing`` runs one. Signals, senders and receivers go by number; what has a number is made when
it is first needed, and made anew after ``Forget``. A step about what is not there does nothing, so
that any step may be taken out of a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Connect:
    signal: int
    receiver: int
    sender: int | None = None  # None: to any sender.
    weak: bool = False
    uid: str | None = None


@dataclass(frozen=True)
class Disconnect:
    signal: int
    receiver: int
    sender: int | None = None
    uid: str | None = None


@dataclass(frozen=True)
class Rearrange:
    """What code does to ``signal.receivers`` that does not want to call ``connect()``."""

    signal: int
    how: str
    clears_cache: bool = True


@dataclass(frozen=True)
class Send:
    signal: int
    sender: int | None = None
    method: str = "send"
    caught: bool = True


@dataclass(frozen=True)
class SendTogether:
    """``asyncio.gather()`` of several."""

    sends: tuple[Send, ...]
    returns_exceptions: bool = True


@dataclass(frozen=True)
class Forget:
    """The object with this number dies, and the next one may get its ``id()``."""

    what: str
    number: int


@dataclass(frozen=True)
class Pause:
    """Let other tasks run; in synchronous code nothing."""


@dataclass(frozen=True)
class Traced:
    steps: tuple[Step, ...]
    all_threads: bool = False


@dataclass(frozen=True)
class StartTrace:
    number: int
    all_threads: bool = False


@dataclass(frozen=True)
class EndTrace:
    number: int


@dataclass(frozen=True)
class Muted:
    steps: tuple[Step, ...]
    receivers: tuple[int, ...] = ()
    signal: int | None = None


Step: TypeAlias = (
    "Connect | Disconnect | Rearrange | Send | SendTogether | Forget | Pause | Traced | StartTrace"
    " | EndTrace | Muted"
)


@dataclass(frozen=True)
class Receiver:
    kind: str = "function"
    steps: tuple[Step, ...] = ()
    raises: str | None = None
    response: object = None


@dataclass(frozen=True)
class Program:
    """``signals``, ``senders``: of which kind each is. ``limit`` is ``MAX_DISPATCHES``."""

    steps: tuple[Step, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    signals: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    limit: int = 2000
    handled: bool = False


SYNC_KINDS = (
    *("function", "function", "lambda", "closure", "method", "partial", "callable", "class"),
    *("builtin", "mock"),
)
ASYNC_KINDS = ("async function", "async function", "async method", "async partial")
SIGNAL_KINDS = (
    *("plain", "plain", "cached", "cached", "module", "module cached", "excluded"),
    *("reversing", "sorting", "filtering", "tuple", "cached reversing"),
    *("own loop", "loud", "loud reversing"),
)
# The last of a sort of sender that cannot be kept weakly, or cannot be hashed.
SENDER_KINDS = (
    *("none", "parent", "child", "grandchild", "stranger", "book", "old book", "novel"),
    *("temporary class", "temporary class", "meta"),
    *("instance", "instance", "stranger instance", "stranger instance", "equal", "equal"),
    *("unhashable", "hostile", "text", "list"),
)
ERRORS = (
    *("plain", "plain", "custom", "again", "chained", "hostile", "group", "stop iteration"),
    *("base", "keyboard interrupt", "system exit", "generator exit", "cancelled"),
)
HOWS = (
    *("reverse", "sort", "insert", "pop", "rotate", "slice", "swap", "replace", "double"),
    *("empty", "borrow", "borrow", "put away", "put back", "put back"),
)


class _Making:
    """One program, from the numbers that one seed gives."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.sort = random.choices(("sync", "async", "mixed"), (60, 28, 12))[0]
        # Where both sorts of receiver run at once, one that raises leaves the other running.
        self.is_quiet = self.sort == "mixed" and random.random() < 0.5
        count = random.randint(1, 3)
        self.signals = tuple(random.choice(SIGNAL_KINDS) for _ in range(count))
        # Which of them have asynchronous receivers.
        self.sorts = [self.sort if random.random() < 0.8 else "sync" for _ in range(count)]
        self.senders = tuple(random.choice(SENDER_KINDS) for _ in range(random.randint(1, 4)))
        self.receiver_count = random.randint(1, 6)
        self.receiver_sorts = [
            "async" if self.sort != "sync" and random.random() < 0.6 else "sync"
            for _ in range(self.receiver_count)
        ]

    def program(self) -> Program:
        random = self.random
        receivers = tuple(self.receiver(sort) for sort in self.receiver_sorts)
        steps: list[Step] = []
        for _ in range(random.randint(1, 6)):
            steps += self.connect()
        for _ in range(random.randint(3, 12)):
            steps += self.step(None, 0)
        return Program(
            steps=tuple(steps),
            receivers=receivers,
            signals=self.signals,
            senders=self.senders,
            limit=2000 if self.sort == "mixed" else random.choice((2000, 2000, 2000, 1, 3, 6)),
            handled=random.random() < 0.1,
        )

    def receiver(self, sort: str) -> Receiver:
        random = self.random
        steps: list[Step] = []
        for _ in range(random.choice((0, 0, 0, 1, 2, 3))):
            steps += self.step(sort, 1)
        raises = random.choice(ERRORS) if random.random() < 0.3 else None
        if raises == "hostile" and self.sort != "sync":
            raises = "custom"  # asyncio itself shows what a task raised.
        if raises == "stop iteration" and sort != self.sort:
            raises = "custom"  # Out of a thread it never comes: asyncio itself waits for ever.
        if raises in ("keyboard interrupt", "system exit") and self.sort != "sync":
            raises = "base"  # They end the loop, which then cancels what is left in any order.
        if raises == "generator exit" and sort == "async":
            raises = "base"  # It would be handed on by closing what waits, without its traceback.
        kind = random.choice(ASYNC_KINDS if sort == "async" else SYNC_KINDS)
        if self.sort == "mixed":
            if self.is_quiet or kind in ("partial", "callable", "builtin", "mock", "async partial"):
                raises = None
            elif raises is not None:
                raises = random.choice(("plain", "custom", "chained"))
        return Receiver(
            kind=kind,
            steps=tuple(steps),
            raises=raises,
            response=random.choice((None, None, "answer", 7, True)),
        )

    def step(self, inside: str | None, depth: int) -> list[Step]:
        """Steps for the program itself (``inside`` is ``None``), or for a sort of receiver."""
        random = self.random
        if inside is not None and self.sort == "mixed":
            return self.send(inside)
        choice = random.random()
        if choice < 0.42:
            return self.send(inside)
        if choice < 0.52:
            return self.connect()
        if choice < 0.57:
            return [Disconnect(self.a_signal(), self.a_receiver(), self.a_sender(), self.a_uid())]
        if choice < 0.70:
            how = random.choice(HOWS)
            if how == "borrow" and self.sort != "sync":
                how = "slice"  # Receivers of the other sort would come to where they block.
            return [Rearrange(self.a_signal(), how, random.random() < 0.7)]
        if choice < 0.82:
            what, number = random.choice(
                (
                    ("signal", self.a_signal()),
                    ("sender", random.randrange(len(self.senders))),
                    ("sender", random.randrange(len(self.senders))),
                    ("receiver", self.a_receiver()),
                )
            )
            return [Forget(what, number)]
        if choice < 0.85:
            return [Pause()] if inside == "async" else []
        everywhere = random.random() < 0.2
        if choice < 0.90 and depth < 3:
            return [Traced(self.steps(inside, depth), everywhere)]
        if choice < 0.93:
            return [StartTrace(random.randrange(3), everywhere)]
        if choice < 0.96:
            return [EndTrace(random.randrange(3))]
        if depth < 3:
            muted = () if random.random() < 0.3 else (self.a_receiver(),)
            # Since Django 6.1 sibling tasks share a context, and so what is muted in it.
            steps = self.steps(inside and "sync", depth)
            return [Muted(steps, muted, None if muted else self.a_signal())]
        return []

    def steps(self, inside: str | None, depth: int) -> tuple[Step, ...]:
        found: list[Step] = []
        for _ in range(self.random.randint(1, 4)):
            found += self.step(inside, depth + 1)
        return tuple(found)

    def connect(self) -> list[Step]:
        signal, receiver = self.a_signal(), self.a_receiver()
        if self.sorts[signal] not in ("mixed", self.receiver_sorts[receiver]):
            return []
        weak = self.random.random() < 0.3
        return [Connect(signal, receiver, self.a_sender(), weak, self.a_uid())]

    def send(self, inside: str | None) -> list[Step]:
        random = self.random
        wanted = {None: ("sync", "async", "mixed"), "sync": ("sync",), "async": ("sync", "async")}
        signals = [number for number, sort in enumerate(self.sorts) if sort in wanted[inside]]
        if not signals:
            return []
        signal = random.choice(signals)
        is_async = self.sorts[signal] == "async" if inside else random.random() < 0.5
        methods = ("asend", "asend_robust") if is_async else ("send", "send_robust")
        if self.sort == "sync":
            methods = ("send", "send_robust")
        if self.sort == "mixed" and not self.is_quiet:
            methods = methods[1:]
        send = Send(signal, self.a_sender(), random.choice(methods), random.random() < 0.6)
        if inside == "async" and is_async and random.random() < 0.3:
            others = [replace(send, sender=self.a_sender()) for _ in range(random.randint(1, 2))]
            return [SendTogether((send, *others), random.random() < 0.7)]
        return [send]

    def a_signal(self) -> int:
        return self.random.randrange(len(self.signals))

    def a_receiver(self) -> int:
        return self.random.randrange(self.receiver_count)

    def a_sender(self) -> int | None:
        if self.random.random() < 0.25:
            return None
        return self.random.randrange(len(self.senders))

    def a_uid(self) -> str | None:
        return self.random.choice((None, None, None, "uid", "other uid"))


def make(seed: int) -> Program:
    return _Making(seed).program()


# Smaller


def shrink(program: Program, fails: Callable[[Program], bool], tries: int = 600) -> Program:
    """The smallest program found, by taking things out one by one, that still ``fails``."""
    while True:
        for smaller in _smaller(program):
            tries -= 1
            if tries < 0:
                return program
            if fails(smaller):
                program = smaller
                break
        else:
            return program


def _smaller(program: Program) -> Iterator[Program]:
    for steps in _without_one(program.steps):
        yield replace(program, steps=steps)
    for number, receiver in enumerate(program.receivers):
        for simpler in _simpler(receiver):
            receivers = (*program.receivers[:number], simpler, *program.receivers[number + 1 :])
            yield replace(program, receivers=receivers)
    for name, plain in (("signals", "plain"), ("senders", "none")):
        kinds = getattr(program, name)
        for number, kind in enumerate(kinds):
            if kind != plain:
                yield replace(program, **{name: (*kinds[:number], plain, *kinds[number + 1 :])})
    for name in ("limit", "handled"):
        default = next(each.default for each in fields(Program) if each.name == name)
        if getattr(program, name) != default:
            yield replace(program, **{name: default})


def _without_one(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    for size in (len(steps) // 2, 1):
        if size:
            for start in range(0, len(steps), size):
                yield (*steps[:start], *steps[start + size :])
    for number, step in enumerate(steps):
        if isinstance(step, Traced | Muted):
            yield (*steps[:number], *step.steps, *steps[number + 1 :])
            for inner in _without_one(step.steps):
                yield (*steps[:number], replace(step, steps=inner), *steps[number + 1 :])
        elif isinstance(step, SendTogether):
            yield (*steps[:number], *step.sends, *steps[number + 1 :])
        elif isinstance(step, Connect) and (step.weak or step.uid):
            simpler = replace(step, weak=False, uid=None)
            yield (*steps[:number], simpler, *steps[number + 1 :])


def _simpler(receiver: Receiver) -> Iterator[Receiver]:
    if receiver == Receiver():
        return
    yield Receiver()
    for steps in _without_one(receiver.steps):
        yield replace(receiver, steps=steps)
    plain = "async function" if receiver.kind.startswith("async") else "function"
    for name, simple in (("raises", None), ("response", None), ("kind", plain)):
        if getattr(receiver, name) != simple:
            yield replace(receiver, **{name: simple})


# Printed


def spell(value: Any, indent: int = 0) -> str:
    """Python that makes ``value`` again, without what is the default."""
    pad = "    " * (indent + 1)
    if isinstance(value, tuple):
        if not value or all(isinstance(each, str | int) for each in value):
            return repr(value)
        inner = "".join(f"{pad}{spell(each, indent + 1)},\n" for each in value)
        return f"(\n{inner}{'    ' * indent})"
    if not hasattr(value, "__dataclass_fields__"):
        return repr(value)
    given = {
        each.name: getattr(value, each.name)
        for each in fields(value)
        if getattr(value, each.name) != each.default
    }
    name = type(value).__name__
    if not any(isinstance(each, tuple) for each in given.values()):
        return f"{name}({', '.join(f'{key}={each!r}' for key, each in given.items())})"
    inner = "".join(f"{pad}{key}={spell(each, indent + 1)},\n" for key, each in given.items())
    return f"{name}(\n{inner}{'    ' * indent})"
