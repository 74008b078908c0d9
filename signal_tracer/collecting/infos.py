"""The place for what is known of a receiver, shared by all dispatches that concern it."""

from __future__ import annotations

from typing import Any, TypeAlias

from signal_tracer.trace import Location, Reason, Value


class ReceiverInfo:
    """What is known of one connected receiver; shared by all its calls."""

    __slots__ = (
        "counted_by",
        "defined_at",
        "dispatch_uid",
        "hears_any_sender",
        "is_async",
        "name",
    )

    def __init__(
        self, name: str, defined_at: Location | None, dispatch_uid: Value, is_async: bool
    ) -> None:
        self.name = name
        self.defined_at = defined_at
        self.dispatch_uid = dispatch_uid
        self.is_async = is_async
        self.hears_any_sender = False
        # The signal coverage that knows already that it ran.
        self.counted_by: object = None


class MissInfo:
    """A receiver that was not called, though a person might expect it; shared by dispatches.

    ``identity`` is that of the receiver, ``reference`` its connection's weak reference, if any.
    """

    __slots__ = ("connected_to", "identity", "info", "reason", "reference")

    def __init__(
        self, info: ReceiverInfo, reason: Reason, connected_to: str, identity: Any, reference: Any
    ) -> None:
        self.info = info
        self.reason = reason
        self.connected_to = connected_to
        self.identity = identity
        self.reference = reference

    def is_live(self) -> bool:
        return self.reference is None or self.reference() is not None


# Of the synchronous and the asynchronous receivers of a dispatch, and of those that were near.
Infos: TypeAlias = "tuple[list[ReceiverInfo], list[ReceiverInfo], list[MissInfo]]"
NO_INFOS: Infos = ([], [], [])
