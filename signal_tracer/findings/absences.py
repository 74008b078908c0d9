"""The rules about what did not run: bypasses, near misses, late connections."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from signal_tracer.findings.catalogue import (
    BULK_BYPASS,
    CONNECTED_LATE,
    CONNECTED_TO_CLASS,
    CONNECTED_TO_CONCRETE,
    CONNECTED_TO_INSTANCE,
    CONNECTED_TO_MODEL,
    CONNECTED_TO_PARENT,
    CONNECTED_TO_PROXY,
    NOT_DISCONNECTED,
)
from signal_tracer.findings.kinds import Finding, Kind
from signal_tracer.findings.walk import Walk, grouped, is_djangos, last_name
from signal_tracer.phrases import At, Count, Names, Phrase
from signal_tracer.records import Bypass, ConnectionChange, Dispatch, NearMiss, show_value
from signal_tracer.wording import arguments_of, sum_of_rows

# Not here are "not_run" and "muted", which is what the sender, or the test, asked for, and
# "connected_to_child": nobody expects the receivers of a child for every row of its parent.
NEAR_MISSES: Mapping[str, Kind] = {
    "connected_to_parent": CONNECTED_TO_PARENT,
    "connected_to_proxy": CONNECTED_TO_PROXY,
    "connected_to_concrete": CONNECTED_TO_CONCRETE,
    "connected_to_class": CONNECTED_TO_CLASS,
    "connected_to_instance": CONNECTED_TO_INSTANCE,
    "connected_to_model": CONNECTED_TO_MODEL,
}
# The second is private, and the same in Django 5.2, 6.0 and 6.1.
DELETING = frozenset({"delete", "_raw_delete"})


def bulk_bypasses(walk: Walk) -> Iterator[Finding]:
    # One that is known to have changed no row left nothing out of step.
    bypasses = [each for each in walk.bypasses() if each.skipped and each.rows != 0]
    for same in grouped(bypasses, _what_was_bypassed):
        bypass = same[0]
        receivers = [each.receiver for each in bypass.skipped]
        yield Finding(
            BULK_BYPASS,
            {
                "operation": f"{bypass.model}.{bypass.method}{arguments_of(bypass)}",
                "rows": _rows(same),
                "signals": Names.of(last_name(each.signal) for each in bypass.skipped),
                "receivers": Names.of(receivers),
                "place": At(bypass.sent_from),
                "one_by_one": "delete()" if bypass.method in DELETING else "save()",
            },
            names=tuple(dict.fromkeys([bypass.model, *receivers])),
            location=bypass.sent_from,
            record=bypass,
            count=len(same),
        )


def _rows(bypasses: list[Bypass]) -> Count | Phrase:
    number, is_whole = sum_of_rows(bypasses)
    if number is None:
        return Phrase("rows")
    return Count(number, "%(number)s row", "%(number)s rows", is_at_least=not is_whole)


def _what_was_bypassed(bypass: Bypass) -> Hashable:
    return (
        bypass.method,
        bypass.model,
        bypass.options,
        bypass.sent_from,
        tuple((each.signal, each.receiver) for each in bypass.skipped),
    )


def _is_worth_telling(miss: NearMiss) -> bool:
    return miss.reason in NEAR_MISSES and not is_djangos(miss.receiver)


def near_misses(walk: Walk) -> Iterator[Finding]:
    missed: list[tuple[str, str, NearMiss, Dispatch | None, int]] = []
    for step in walk.steps:
        dispatch = step.dispatch
        for miss in dispatch.near_misses:
            # One that is connected in a second way, and so ran, misses nothing.
            if _is_worth_telling(miss) and not any(
                (call.receiver, call.defined_at) == (miss.receiver, miss.defined_at)
                for call in dispatch.receiver_calls
            ):
                missed.append((dispatch.signal, dispatch.sender, miss, dispatch, 1))
    for each in walk.contents.unheard:
        for miss in each.near_misses:
            if _is_worth_telling(miss):
                missed.append((each.signal, each.sender, miss, None, each.count))
    for same in grouped(
        missed,
        lambda each: (*each[:2], each[2].receiver, each[2].reason, each[2].connected_to),
    ):
        signal, sender, miss, dispatch_or_none, _ = same[0]
        yield Finding(
            NEAR_MISSES[miss.reason],
            {
                "receiver": miss.receiver,
                "signal": signal,
                "sender": sender,
                "sender_name": last_name(sender),
                "connected_to": miss.connected_to or Phrase("another sender"),
                "connected_name": last_name(miss.connected_to)
                if miss.connected_to
                else Phrase("another sender"),
                "place": At(miss.defined_at),
            },
            names=(miss.receiver, signal, sender),
            location=miss.defined_at,
            record=dispatch_or_none,
            count=sum(each[4] for each in same),
        )


def late_connections(walk: Walk) -> Iterator[Finding]:
    changes = walk.contents.connection_changes
    late: list[ConnectionChange] = []
    for number, change in enumerate(changes):
        # A model that is imported late lets Django connect what its fields need.
        if is_djangos(change.receiver):
            continue
        if change.action == "disconnect":
            if change.was_connected is False:
                late.append(change)
        elif not any(_undoes(later, change) for later in changes[number + 1 :]):
            late.append(change)
    for same in grouped(
        late,
        lambda each: (each.action, each.signal, each.receiver, each.sender, each.called_from),
    ):
        change = same[0]
        uid = change.dispatch_uid
        is_nameless = change.receiver == "None" and uid is not None
        yield Finding(
            CONNECTED_LATE if change.action == "connect" else NOT_DISCONNECTED,
            {
                "receiver": f"dispatch_uid={show_value(uid)}" if is_nameless else change.receiver,
                "signal": change.signal,
                "place": At(change.called_from),
            },
            names=(change.receiver, change.signal),
            location=change.called_from,
            record=change,
            count=len(same),
        )


def _undoes(later: ConnectionChange, connect: ConnectionChange) -> bool:
    """Whether the connection was meant for a while only, as Django's test client makes some."""
    if later.action != "disconnect" or not later.was_connected or later.signal != connect.signal:
        return False
    if later.sender != connect.sender or later.dispatch_uid != connect.dispatch_uid:
        return False
    return later.dispatch_uid is not None or later.receiver == connect.receiver
