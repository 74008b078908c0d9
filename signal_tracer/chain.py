"""A chain: what one save, delete or send sets off, down to the leaves, as plain data.

Nothing here knows Django, rich or how the chain was found; ``mapping.chains`` finds it, in the
connections of a process, its source, and a signal graph if one is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from signal_tracer import plain
from signal_tracer.plain import JSON
from signal_tracer.records import PROJECT, Count, Location, Ordinal, Owner, Seconds
from signal_tracer.signal_map import Obstacle
from signal_tracer.source_steps import Certainty

FORMAT_VERSION = 1
# What a step is. A "save" or "delete" of the rows of a model sends signals, as does a "cascade":
# rows that a deletion takes along. A "bulk" operation sends none; a "callback" waits for the
# commit; an "errand" is done elsewhere: a task, a mail; a "package" stands for receivers of one
# that are not shown; "unknown" for a place in the source that could not be resolved.
StepKind = Literal[
    "save",
    "delete",
    "cascade",
    "signal",
    "receiver",
    "bulk",
    "callback",
    "errand",
    "package",
    "unknown",
]
# How it is known. It was seen, and the source shows it, or does not, or was not read for it; the
# source shows it, and it was never seen, or nothing was there to see it; or it is connected, or
# sent by Django itself.
Standing = Literal[
    "seen_and_in_source",
    "only_seen",
    "seen",
    "only_in_source",
    "in_source",
    "connected",
]
Again = Literal["cycle", "above"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a step over all the traces of a graph."""

    count: Count
    """0 where it is not known: in a graph all signals without a name are one, and all instances of
    a class one sender."""
    of: Count = 0
    """Of a signal whose receivers stand below: all its dispatches by this sender, also those that
    were sent elsewhere; what stands below is of all."""
    traces: Count = 0
    example: str = ""
    """One of those traces."""
    duration: Seconds | None = None
    """The median, of a receiver."""
    queries: Count | None = None
    """The median, of a receiver."""
    raised: Count = 0
    swallowed: Count = 0
    cancelled: Count = 0
    rolled_back: Count = 0
    """Of a signal: of all its dispatches by this sender."""
    errors: tuple[str, ...] = ()
    """The classes of what was raised."""
    writes: tuple[str, ...] = ()
    """``INSERT notifications_sms``"""

    @property
    def went_wrong(self) -> bool:
        return bool(self.raised or self.swallowed or self.cancelled or self.rolled_back)


@dataclass(frozen=True, slots=True)
class InSource:
    """One place in the source that says so."""

    text: str
    certainty: Certainty
    location: Location
    condition: str | None = None
    reason: str = ""
    """Why it is unknown whom it concerns."""


@dataclass(frozen=True, slots=True)
class ChainStep:
    """One thing that happens, and what it sets off in turn, in the order in which that happens."""

    kind: StepKind
    name: str
    """``shop.Order.save()``, a signal, a receiver, ``shop.Item.bulk_create()``, ``mail``; of a
    cascade the foreign key, ``shop.Review.product``"""
    sender: str = ""
    """Of a signal."""
    standing: Standing = "connected"
    owner: Owner = PROJECT
    location: Location | None = None
    """Of a receiver, and of a save() or delete() that is not Django's: where it is defined."""
    position: Ordinal | None = None
    """Of a receiver: its place among those that are called, counted from 1."""
    is_async: bool = False
    obstacle: Obstacle | None = None
    """Why it would not be called: what follows from it is not shown then."""
    connected_to: str | None = None
    """Of a receiver with an obstacle."""
    seen: Seen | None = None
    in_source: tuple[InSource, ...] = ()
    skipped: tuple[str, ...] = ()
    """Receivers that a bulk operation does not call."""
    count: Count = 0
    """Of a package: its receivers."""
    again: Again | None = None
    """What follows is shown above; of a cycle it is what this is in."""
    omitted: Count = 0
    """How many steps follow that are not shown, because they are too deep."""
    steps: tuple[ChainStep, ...] = ()

    @property
    def is_certain(self) -> bool:
        """Whether it happens each time, as far as the source was read."""
        return not self.in_source or any(each.certainty == "certain" for each in self.in_source)

    @property
    def went_wrong(self) -> bool:
        """Whether something was seen to go wrong here, or to be skipped."""
        return bool((self.seen is not None and self.seen.went_wrong) or self.skipped)

    def walk(self) -> Iterator[ChainStep]:
        """It, and every step that follows from it, as they are shown."""
        waiting = [self]
        while waiting:
            step = waiting.pop()
            yield step
            waiting += step.steps[::-1]


@dataclass(frozen=True, slots=True)
class Chain:
    """What one save, delete or send sets off.

    ``start``: what was asked for, as a trace names it. ``depth``: how many dispatches deep it
    goes. ``traces``: of how many traces the graph is; ``None`` without one.
    """

    start: str
    depth: Ordinal
    traces: Count | None = None
    steps: tuple[ChainStep, ...] = ()

    def walk(self) -> Iterator[ChainStep]:
        """Every step, as they are shown."""
        for step in self.steps:
            yield from step.walk()

    def project_only(self) -> Chain:
        """The same, with the receivers of each package folded into one step.

        One in or below which the project's own code runs, or something went wrong, stays.
        """
        return replace(self, steps=_without_packages(self.steps))

    def to_dict(self) -> JSON:
        """All of it, holding only what JSON holds."""
        return {"version": FORMAT_VERSION, **plain.write(self)}

    def to_json(self, *, indent: int | None = None) -> str:
        """``to_dict()`` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


def _without_packages(steps: tuple[ChainStep, ...]) -> tuple[ChainStep, ...]:
    kept: list[ChainStep] = []
    folded: dict[str, int] = {}
    for step in steps:
        if step.kind not in ("receiver", "cascade") or _concerns_project(step):
            kept.append(replace(step, steps=_without_packages(step.steps)))
            continue
        # Of the rows that a deletion takes along, all that only packages hear.
        for receiver in step.walk() if step.kind == "cascade" else (step,):
            name = receiver.owner.name
            if receiver.kind != "receiver":
                continue
            if name not in folded:
                folded[name] = len(kept)
                kept.append(ChainStep("package", name, owner=receiver.owner))
            package = kept[folded[name]]
            kept[folded[name]] = replace(package, count=package.count + 1)
    return tuple(kept)


def _concerns_project(step: ChainStep) -> bool:
    return any(
        each.went_wrong or (each.kind == "receiver" and each.owner.kind == "project")
        for each in step.walk()
    )
