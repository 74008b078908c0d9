"""Folding: which records say the same, so that one row can stand for them all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby
from typing import TypeAlias, cast

from signal_tracer.records import Bypass, Dispatch, Error, OnCommit, ReceiverCall
from signal_tracer.showing.facts import Record, every_dispatch

# What code does on its own, at the root or in a receiver call; all else belongs to one of these.
Action: TypeAlias = "Dispatch | Bypass | OnCommit"
# Equal records, and how many that follow one another are rounds of one recursion.
Run: TypeAlias = "tuple[Sequence[Record], int]"


class Folding:
    """Which dispatches are equal, and which are rounds of a recursion; without, none is."""

    def __init__(self, dispatches: Iterable[Dispatch], slow_after: float) -> None:
        self._slow_after = slow_after
        # By the id() of dispatches, which the trace keeps. Numbers, so that comparing two
        # dispatches does not compare all that is below them again.
        self._shapes: dict[int, int] = {}
        self._inner: dict[int, Dispatch] = {}
        """The dispatch in it that calls the same receivers for the same signal once more."""
        self._next: dict[int, Dispatch] = {}
        """The same, where all else that was done is equal too: the next round."""
        numbers: dict[object, int] = {}
        for dispatch in reversed(every_dispatch(dispatches)):
            shape = self._shape_of(dispatch)
            self._shapes[id(dispatch)] = numbers.setdefault(shape, len(numbers))
            self._look_for_rounds(dispatch)
        self._inside = {id(dispatch) for dispatch in self._inner.values()}
        self._later = {id(dispatch) for dispatch in self._next.values()}

    def runs(self, actions: Iterable[Action]) -> Iterator[Run]:
        """Those that are equal and follow one another, with all their rounds."""
        for _, run in groupby(actions, key=self._shape):
            yield self._with_rounds(list(run))

    def done(self, calls: Sequence[ReceiverCall], rounds: int) -> Iterator[Run]:
        """What equal calls did: all of them the same, and then what only the innermost did."""
        if rounds == 1:
            yield from self._together([_done_in(call) for call in calls])
            return
        done = [_done_in(call) for call in calls]
        yield from self._together(
            [[each for each in actions if id(each) not in self._inside] for actions in done]
        )
        yield from self._together(
            [
                [each for each in actions if id(each) in self._inside - self._later]
                for actions in done[rounds - 1 :: rounds]
            ]
        )

    def _together(self, done: Sequence[Sequence[Action]]) -> Iterator[Run]:
        """Equal calls did the same in the same order: the nth of each is one row again."""
        runs = [[list(run) for _, run in groupby(actions, key=self._shape)] for actions in done]
        for same in zip(*runs, strict=True):
            yield self._with_rounds([each for run in same for each in run])

    def _with_rounds(self, actions: Sequence[Action]) -> Run:
        if id(actions[0]) not in self._next:
            return actions, 1
        rounds: list[Dispatch] = []
        for outermost in cast("Sequence[Dispatch]", actions):
            each: Dispatch | None = outermost
            while each:
                rounds.append(each)
                each = self._next.get(id(each))
        return rounds, len(rounds) // len(actions)

    def _shape(self, action: Action) -> object:
        """What two actions have in common if they may be folded."""
        if isinstance(action, Dispatch):
            return self._shapes[id(action)]
        if isinstance(action, Bypass):
            skipped = tuple(action.skipped)
            return action.operation, action.model, action.door, action.sent_from, skipped
        return action.callback, action.alias, action.defined_at, action.outcome

    def _shape_of(self, dispatch: Dispatch) -> object:
        return (
            dispatch.signal,
            dispatch.sender,
            dispatch.method,
            dispatch.sent_from,
            dispatch.error,
            tuple(dispatch.near_misses),
            None if dispatch.unwatched is None else tuple(dispatch.unwatched),
            dispatch.in_atomic,
            dispatch.rolled_back,
            dispatch.on_commit,
            dispatch.left_out,
            tuple(
                (
                    call.receiver,
                    call.defined_at,
                    call.dispatch_uid,
                    call.is_async,
                    call.outcome,
                    call.error,
                    call.own_time >= self._slow_after,
                    tuple(call.handled),
                    tuple([self._shape(action) for action in _done_in(call)]),
                )
                for call in dispatch.receiver_calls
            ),
        )

    # Recursions.

    def _look_for_rounds(self, dispatch: Dispatch) -> None:
        """What is nested in it was looked at before."""
        alike = [
            nested
            for call in dispatch.receiver_calls
            for nested in call.dispatches
            if self._is_alike(dispatch, nested)
        ]
        if len(alike) != 1:  # with two in each, the rounds are a tree
            return
        [inner] = alike
        self._inner[id(dispatch)] = inner
        further = self._inner.get(id(inner))
        if self._rest(dispatch) == self._rest(inner) and (
            further is None or _sent_by(dispatch, inner) == _sent_by(inner, further)
        ):
            self._next[id(dispatch)] = inner

    def _is_alike(self, one: Dispatch, other: Dispatch) -> bool:
        """Whether the same called the same for the same, whatever was done in that."""
        return (
            one.signal == other.signal
            and one.sender == other.sender
            and len(one.receiver_calls) == len(other.receiver_calls)
            and self._said_of(one) == self._said_of(other)
        )

    def _said_of(self, dispatch: Dispatch) -> object:
        return (
            dispatch.method,
            dispatch.sent_from,
            _message(dispatch.error),
            dispatch.near_misses,
            dispatch.unwatched,
            dispatch.in_atomic,
            dispatch.rolled_back,
            dispatch.on_commit,
            dispatch.left_out,
            [
                (
                    call.receiver,
                    call.defined_at,
                    call.dispatch_uid,
                    call.is_async,
                    call.outcome,
                    _message(call.error),
                    call.own_time >= self._slow_after,
                    call.handled,
                )
                for call in dispatch.receiver_calls
            ],
        )

    def _rest(self, dispatch: Dispatch) -> list[list[object]]:
        """What its calls did, without what calls the same once more."""
        inner = self._inner.get(id(dispatch))
        return [
            [self._shape(action) for action in _done_in(call) if action is not inner]
            for call in dispatch.receiver_calls
        ]


class Unfolded(Folding):
    """Every record for itself."""

    def __init__(self) -> None:
        super().__init__([], 0.0)

    def _shape(self, action: Action) -> object:
        return id(action)


def _done_in(call: ReceiverCall) -> Sequence[Action]:
    """What the call did that has a row, in the order it did it."""
    if not (call.bypasses or call.on_commit):
        return call.dispatches
    return in_order(call.dispatches, call.bypasses, call.on_commit)


def in_order(*actions: Sequence[Action]) -> list[Action]:
    """By their starts; those of one kind stay as they are recorded, whatever their starts."""
    return list(merge(*actions, key=start_of))


def start_of(record: Record, otherwise: float = 0.0) -> float:
    if isinstance(record, OnCommit):
        return record.registered_at
    return cast("float", getattr(record, "started_at", otherwise))


def _message(error: Error | None) -> object:
    """Each round raises it with a traceback of its own."""
    return None if error is None else (error.type, error.message)


def _sent_by(dispatch: Dispatch, nested: Dispatch) -> int:
    """Which of its calls, counted from 0, sent the other."""
    return next(
        number
        for number, call in enumerate(dispatch.receiver_calls)
        if any(each is nested for each in call.dispatches)
    )
