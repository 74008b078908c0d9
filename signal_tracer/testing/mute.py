"""``mute()``: receivers that do not run in a ``with`` block."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from django.dispatch import Signal

from signal_tracer.collecting import muting, signals
from signal_tracer.collecting.muting import ANY_SENDER, Block, Chosen, Selection
from signal_tracer.describing.arguments import kind_of
from signal_tracer.describing.names import class_name, is_a
from signal_tracer.testing.lookup import find, find_sender, is_model
from signal_tracer.testing.patched import stands_for
from signal_tracer.wording import printable


class mute:  # noqa: N801  # used as `with mute(...):`, like contextlib.suppress
    """Keep receivers from being called, in this ``with`` block and this context only::

        with mute(post_save, "shop.receivers.send_receipt"):
            order.save()

    A signal stands for all of its receivers, those included that connect inside the block; a
    receiver is muted whatever signal it is connected to. Both may be given by dotted name.

    ``sender``: mute only what this sender sends; a class, an object, or the label of a model.
    ``only``: of the signals named, mute only this receiver, or these.

    What other threads and ``asyncio`` tasks send runs all the same, save for tasks started
    inside the block, which mute until it ends. Nothing of a signal is changed: connections,
    caches and ``has_listeners()`` stay as they are. The same object may be entered again, also
    inside itself. Traces show the muted receivers as near misses.
    """

    def __init__(self, *what: Any, sender: Any = None, only: Any = None) -> None:
        __tracebackhide__ = True
        if not what:
            raise TypeError("mute() wants at least one signal, receiver or dotted name.")
        found = list(map(_look_up, what))
        muted_signals = tuple(live for live, _ in found if is_a(live, Signal))
        if only is not None and not muted_signals:
            raise TypeError("mute(only=...) is about the receivers of a signal: name the signal.")
        self._selection = Selection(
            signals=muted_signals,
            receivers=tuple(Chosen(*each) for each in found if not is_a(each[0], Signal)),
            only=None if only is None else _chosen(only),
            sender=_sender(sender),
        )
        self._blocks: list[Block] = []

    def __enter__(self) -> None:
        signals.install()
        self._blocks.append(muting.enter(self._selection))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Tasks may share this object: the block that ends is the last one of this context.
        here = [each for each in muting.in_force.get() if each in self._blocks]
        block = (here or self._blocks)[-1]
        self._blocks.remove(block)
        muting.leave(block)


def _look_up(wanted: Any) -> tuple[Any, str | None]:
    """The live signal or receiver, and the name if it was given by name."""
    __tracebackhide__ = True
    if is_a(wanted, str):
        return find(wanted)
    if is_a(wanted, Signal):
        return wanted, None
    if is_model(wanted):
        raise TypeError(
            f"{printable(class_name(wanted))} is a model, which mute() cannot mute by itself. "
            "Name the signals and give it as their sender: mute(post_save, sender=...)."
        )
    if not callable(wanted):
        raise TypeError(
            f"mute() wants signals, receivers or dotted names, not {printable(kind_of(wanted))}."
        )
    original = stands_for(wanted)
    if original is not None:
        raise TypeError(
            f"This was put by a patch in the place of {printable(original)}, which is what is "
            f'connected. Mute that: mute("{printable(original)}").'
        )
    return wanted, None


def _chosen(only: Any) -> tuple[Chosen, ...]:
    __tracebackhide__ = True
    wanted = only if type(only) in (list, tuple, set, frozenset) else [only]
    if not wanted:
        raise TypeError("mute(only=...) wants at least one receiver, and was given none.")
    for each in wanted:
        if not (callable(each) or is_a(each, str) or is_a(each, Signal)):
            raise TypeError(f"mute(only=...) takes receivers or dotted names, not {kind_of(each)}.")
    found = list(map(_look_up, wanted))
    if any(is_a(live, Signal) for live, _ in found):
        raise TypeError("mute(only=...) takes receivers, not signals.")
    return tuple(Chosen(*each) for each in found)


def _sender(sender: Any) -> Any:
    __tracebackhide__ = True
    if sender is None:
        return ANY_SENDER
    return find_sender(sender) if is_a(sender, str) else sender
