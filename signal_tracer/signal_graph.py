"""A signal graph: what was seen of every signal over many traces, as plain data.

Made by adding traces, in any order: the same traces give the same graph. Its numbers are integers,
since floats that are added in another order come to another sum; times are nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from signal_tracer.records import PROJECT, Count, Method, Ordinal, Owner


@dataclass(slots=True)
class SeenDispatches:
    """The dispatches of one signal by one sender."""

    signal: str
    sender: str
    count: Count = 0
    unheard: Count = 0
    """How many of them no receiver was called for."""
    outside: Count = 0
    """How many of them no receiver call sent."""
    methods: dict[Method, Count] = field(default_factory=dict)
    raised: Count = 0
    rolled_back: Count = 0
    traces: Count = 0
    """In how many traces."""
    example: str = ""
    """The name of one: the first of all by the alphabet."""


@dataclass(slots=True)
class SeenCalls:
    """The calls of one receiver by the dispatches of one signal by one sender."""

    signal: str
    sender: str
    receiver: str
    owner: Owner = PROJECT
    is_async: bool = False
    position: Ordinal = 1
    """The first place that it was called at."""
    count: Count = 0
    raised: Count = 0
    swallowed: Count = 0
    cancelled: Count = 0
    errors: dict[str, Count] = field(default_factory=dict)
    """By the dotted name of the exception's class."""
    duration: Count = 0
    """Of all calls together, with what was sent in them, in nanoseconds."""
    own_time: Count = 0
    """Of all calls together, without it, in nanoseconds."""
    durations: dict[str, Count] = field(default_factory=dict)
    """How many calls took so long: by the number of the step of a scale, eight to a doubling."""
    queries: Count = 0
    """Of the calls themselves, without what was sent in them."""
    query_counts: dict[str, Count] = field(default_factory=dict)
    """How many calls ran so many queries."""
    writes: dict[str, Count] = field(default_factory=dict)
    """By verb and table: ``INSERT notifications_sms``."""
    bypasses: dict[str, Count] = field(default_factory=dict)
    """``shop.Item.bulk_create()``"""
    callbacks: dict[str, Count] = field(default_factory=dict)
    """What it gave to ``transaction.on_commit()``."""
    errands: dict[str, Count] = field(default_factory=dict)
    """``task shop.tasks.notify``, ``mail``"""
    traces: Count = 0
    example: str = ""


@dataclass(slots=True)
class SeenSendings:
    """The dispatches of one signal by one sender that the calls of one receiver sent."""

    signal: str
    sender: str
    receiver: str
    sent_signal: str
    sent_sender: str
    on_commit: str = ""
    """The ``transaction.on_commit()`` callback that sent them; empty if none did."""
    count: Count = 0
    traces: Count = 0
    example: str = ""
