"""What a function of the project is seen to do in its source, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from signal_tracer.records import Location

StepKind = Literal["send", "save", "delete", "many_to_many", "bulk", "callback", "task", "call"]
"""A ``send`` of a signal; a ``save`` or ``delete`` of a row, by whichever method; a change of a
``many_to_many`` relation; a ``bulk`` operation, which sends nothing; a ``callback`` given to
``transaction.on_commit()``; a ``task`` that is queued; a ``call`` of a function of the project."""
Certainty = Literal["certain", "may", "unknown"]


@dataclass(frozen=True, slots=True)
class SourceStep:
    """One thing that the source says a function does.

    ``certain``: it happens whenever the function that it stands in runs to its end, to what is
    named here; what stands around that function's own step holds for it besides. ``may``:
    under a condition, or to what is named here by the most honest guess. ``unknown``: it could not
    be resolved whom it concerns; ``reason`` says why.
    """

    kind: StepKind
    text: str
    """As it is written, short: ``order.save()``."""
    certainty: Certainty
    location: Location
    sends: tuple[tuple[str, str], ...] = ()
    """Signals, dotted, and their senders, as a trace names them, in the order Django sends them;
    ``m2m_changed`` once. ``pre_init`` and ``post_init`` are left out. Empty for what a model's own
    ``save()`` sends: that is among its ``steps``."""
    target: str = ""
    """The model, function or task: ``shop.Order``, ``shop.orders.ship``."""
    method: str = ""
    """The name of what is called, of Django's async methods the sync one's: ``save``."""
    condition: str | None = None
    """What must hold, in its own words, for this step alone: "`if created:`", "what `if raw:` may
    return before"."""
    reason: str = ""
    steps: tuple[SourceStep, ...] = ()
    """What it does in turn: the function that is called, the callback, an overridden save()."""
