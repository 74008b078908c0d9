"""The records of what running code does besides sending signals."""

from __future__ import annotations

from types import CodeType
from typing import Any

from signal_tracer.collecting.routes import ReceiverInfo
from signal_tracer.records import CallbackOutcome, Change, Location, Value


class BypassRecord:
    """A bulk operation that changed rows. ``skipped`` pairs a signal's name with a receiver."""

    __slots__ = (
        "instruction",
        "method",
        "model",
        "options",
        "rows",
        "sent_by",
        "skipped",
        "started",
        "stopped",
    )

    def __init__(
        self,
        method: str,
        model: str,
        rows: int | None,
        options: tuple[str, ...],
        sent_by: CodeType | None,
        instruction: int,
        started: int,
        stopped: int,
        skipped: list[tuple[str, ReceiverInfo]],
    ) -> None:
        self.method = method
        self.model = model
        self.rows = rows
        self.options = options
        self.sent_by = sent_by
        self.instruction = instruction
        self.started = started
        self.stopped = stopped
        self.skipped = skipped


class ChangeRecord:
    """A ``connect()`` or ``disconnect()`` call."""

    __slots__ = (
        "action",
        "called_by",
        "dispatch_uid",
        "instruction",
        "receiver",
        "sender",
        "signal",
        "started",
        "was_connected",
    )

    def __init__(
        self,
        action: Change,
        signal: str,
        receiver: str,
        sender: str,
        dispatch_uid: Value,
        called_by: CodeType | None,
        instruction: int,
        started: int,
    ) -> None:
        self.action = action
        self.signal = signal
        self.receiver = receiver
        self.sender = sender
        self.dispatch_uid = dispatch_uid
        self.called_by = called_by
        self.instruction = instruction
        self.started = started
        self.was_connected: bool | None = None


class CallbackRecord:
    """A callback that was registered with ``on_commit()``."""

    __slots__ = ("alias", "defined_at", "name", "outcome", "registered", "started", "stopped")

    def __init__(self, name: str, defined_at: Location | None, alias: str, registered: int) -> None:
        self.name = name
        self.defined_at = defined_at
        self.alias = alias
        self.registered = registered
        self.outcome: CallbackOutcome = "waiting"
        self.started = 0
        self.stopped = 0


class Activity:
    """What a receiver call did besides sending signals; a trace has one for all outside of them.

    ``queries`` are kept up to a limit, and the rest counted in ``omitted_queries``; outside of
    receiver calls all of them are only counted.
    """

    __slots__ = (
        "bypasses",
        "callbacks",
        "handled",
        "omitted_handled",
        "omitted_queries",
        "queries",
    )

    def __init__(self) -> None:
        self.queries: list[Any] = []
        self.omitted_queries = 0
        self.bypasses: list[BypassRecord] = []
        self.callbacks: list[CallbackRecord] = []
        self.handled: list[Any] = []
        self.omitted_handled = 0
