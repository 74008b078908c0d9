"""Receivers are muted: left out of what Django calls, in the current context.

Nothing of a signal is changed. What Django finds for a sender, and has cached by then, is copied
without the muted receivers on its way to the loop that calls them.
"""

from __future__ import annotations

import types
from contextvars import ContextVar
from itertools import compress
from typing import Any, NamedTuple

from signal_tracer.collecting import nodes
from signal_tracer.collecting.routes import behind
from signal_tracer.describing.connections import identity
from signal_tracer.describing.names import describe_receiver

ANY_SENDER: Any = object()


class Chosen:
    """One receiver that somebody pointed at: the object, its name in a trace, or both."""

    __slots__ = ("_identities", "_live", "_name")

    def __init__(self, live: Any, name: str | None = None) -> None:
        self._live = live
        self._name = name
        # A decorator above @receiver leaves a module with another function than is connected.
        self._identities = []
        while live is not None:
            self._identities.append(identity(live))
            live = behind(live)

    def is_it(self, receiver: Any) -> bool:
        if identity(receiver) in self._identities:
            return True
        if type(receiver) is types.MethodType and receiver.__func__ is self._live:
            return True  # The method of any instance, chosen on the class.
        return self._name is not None and describe_receiver(receiver).name == self._name


class Selection(NamedTuple):
    """What to mute: all receivers of ``signals`` (or those in ``only``), and ``receivers``."""

    signals: tuple[Any, ...]
    receivers: tuple[Chosen, ...]
    only: tuple[Chosen, ...] | None
    sender: Any

    def mutes(self, signal: Any, receiver: Any) -> bool:
        if any(each.is_it(receiver) for each in self.receivers):
            return True
        if not any(each is signal for each in self.signals):
            return False
        return self.only is None or any(each.is_it(receiver) for each in self.only)


class Block:
    """One ``with`` block that mutes. Once it is over it mutes nothing, whoever still holds it.

    A task or thread that was started inside and outlasts the block has copied its context.
    """

    __slots__ = ("is_over", "selection")

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self.is_over = False


in_force: ContextVar[tuple[Block, ...]] = ContextVar("signal_tracer.muted", default=())


def enter(selection: Selection) -> Block:
    block = Block(selection)
    nodes.special.add(block)
    in_force.set((*_running(), block))
    return block


def leave(block: Block) -> None:
    block.is_over = True
    nodes.special.discard(block)
    in_force.set(_running())


def _running() -> tuple[Block, ...]:
    return tuple(each for each in in_force.get() if not each.is_over)


class Split(NamedTuple):
    """The receivers that Django found, and for each of them whether it is muted."""

    kept: tuple[list[Any], list[Any]]
    is_muted: tuple[list[bool], list[bool]]

    def keep(self, both: Any) -> tuple[list[Any], list[Any]]:
        """Of two lists in the order of the receivers, what belongs to those that are kept."""
        return _without(both[0], self.is_muted[0]), _without(both[1], self.is_muted[1])

    def leave_out(self, both: Any) -> list[Any]:
        """Of two lists in the order of the receivers, what belongs to the muted ones."""
        return [*compress(both[0], self.is_muted[0]), *compress(both[1], self.is_muted[1])]


def split(signal: Any, sender: Any, found: Any, frame: types.FrameType | None) -> Split | None:
    """``None`` if no receiver is muted in the current context, or nobody is about to call them.

    ``frame``: the one in which they were found.
    """
    selections = _selections_for(sender)
    if not selections or _is_only_a_question(frame):
        return None
    synchronous, asynchronous = found
    is_muted = (
        [_is_muted(selections, signal, each) for each in synchronous],
        [_is_muted(selections, signal, each) for each in asynchronous],
    )
    if not any(is_muted[0]) and not any(is_muted[1]):
        return None
    kept = _without(synchronous, is_muted[0]), _without(asynchronous, is_muted[1])
    return Split(kept, is_muted)


def would_mute(signal: Any, sender: Any, receiver: Any) -> bool:
    """Whether the receiver would be left out if the signal were sent in the current context."""
    return _is_muted(_selections_for(sender), signal, receiver)


def _selections_for(sender: Any) -> list[Selection]:
    return [
        each.selection
        for each in in_force.get()
        if not each.is_over
        and (each.selection.sender is ANY_SENDER or each.selection.sender is sender)
    ]


def _is_muted(selections: list[Selection], signal: Any, receiver: Any) -> bool:
    return any(each.mutes(signal, receiver) for each in selections)


def _without(members: list[Any], is_left_out: list[bool]) -> list[Any]:
    return [each for each, is_out in zip(members, is_left_out, strict=True) if not is_out]


def _is_only_a_question(frame: types.FrameType | None) -> bool:
    """Whether ``has_listeners()`` wants to know.

    Django deletes rows in another way where nobody listens, and would do so because of a mute.
    """
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: has_listeners() and whom it asks.
    while frame is not None and frame.f_code.co_name == "_live_receivers":
        frame = frame.f_back  # Of a subclass, or of another tool.
    return frame is not None and frame.f_code.co_name == "has_listeners"
