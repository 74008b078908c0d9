"""The rules about what did not run: bypasses, near misses, late connections."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from math import inf

from signal_tracer.findings.catalogue import (
    BULK_BYPASS,
    BULK_BYPASS_OF_OTHERS,
    CONNECTED_AGAIN,
    CONNECTED_BY_IMPORT,
    CONNECTED_LATE,
    CONNECTED_TO_CLASS,
    CONNECTED_TO_CONCRETE,
    CONNECTED_TO_INSTANCE,
    CONNECTED_TO_MODEL,
    CONNECTED_TO_NAMESAKE,
    CONNECTED_TO_OTHER,
    CONNECTED_TO_OTHER_OBJECT,
    CONNECTED_TO_OTHER_PROXY,
    CONNECTED_TO_PARENT,
    CONNECTED_TO_PROXY,
    CONNECTED_TO_REAL_MODEL,
    CONNECTED_TO_STAND_IN,
    CONNECTED_TO_TEXT,
    DISCONNECTED_IN_REQUEST,
    DISCONNECTED_MEANWHILE,
    LEFT_DISCONNECTED,
    NOT_DISCONNECTED,
    NOT_DISCONNECTED_SO,
    RECEIVERS_GROW,
    UID_TAKEN,
)
from signal_tracer.findings.kinds import Finding, Kind
from signal_tracer.findings.walk import (
    Step,
    Walk,
    grouped,
    is_sent_by_hand,
    last_name,
    some,
    whose,
)
from signal_tracer.phrases import At, Count, Names, Phrase
from signal_tracer.records import (
    DJANGO,
    Bypass,
    ConnectionChange,
    Dispatch,
    Location,
    NearMiss,
    Owner,
    ReceiverCall,
    Skipped,
    Summary,
    Value,
    is_djangos,
    show_value,
)
from signal_tracer.wording import short_path, sum_of_rows

# Not here are "not_run" and "muted", which is what the sender, or the test, asked for, and
# "connected_to_child": nobody expects the receivers of a child for every row of its parent.
NEAR_MISSES: Mapping[str, Kind] = {
    "connected_to_parent": CONNECTED_TO_PARENT,
    "connected_to_proxy": CONNECTED_TO_PROXY,
    "connected_to_concrete": CONNECTED_TO_CONCRETE,
    "connected_to_class": CONNECTED_TO_CLASS,
    "connected_to_instance": CONNECTED_TO_INSTANCE,
    "connected_to_model": CONNECTED_TO_MODEL,
    "connected_to_other_proxy": CONNECTED_TO_OTHER_PROXY,
    "connected_to_real_model": CONNECTED_TO_REAL_MODEL,
    "connected_to_stand_in": CONNECTED_TO_STAND_IN,
    "connected_to_namesake": CONNECTED_TO_NAMESAKE,
    "connected_to_other_object": CONNECTED_TO_OTHER_OBJECT,
    "connected_to_text": CONNECTED_TO_TEXT,
    "connected_to_other": CONNECTED_TO_OTHER,
}
_DELETIONS = frozenset(f"django.db.models.signals.{name}" for name in ("pre_delete", "post_delete"))
# The second is private, and the same in Django 5.2, 6.0 and 6.1.
DELETING = frozenset({"delete", "_raw_delete"})


def bulk_bypasses(walk: Walk) -> Iterator[Finding]:
    """Those that somebody should know of, and in one row all others.

    The others are receivers of every model, which seldom have anything to do for this one, and
    those of packages where a package did the operation.
    """
    # One that is known to have changed no row left nothing out of step.
    found = [
        (bypass, who_was_left_out(walk, bypass, sent))
        for bypass, sent in with_what_was_sent(walk)
        if bypass.rows != 0
    ]
    awaited = [
        (bypass, wanted)
        for bypass, skipped in found
        if bypass.door == "bulk"
        and (wanted := [each for each in skipped if is_awaited(walk, bypass, each)])
    ]
    for same in grouped(awaited, lambda each: what_was_bypassed(*each)):
        bypass, skipped = same[0]
        left = walk.not_ignored(BULK_BYPASS, (each.receiver for each in skipped))
        skipped = [each for each in skipped if each.receiver in left]
        receivers = [each.receiver for each in skipped]
        yield Finding(
            BULK_BYPASS,
            {
                "operation": f"{bypass.model}{bypass.operation}",
                "rows": rows_of([each for each, _ in same]),
                "signals": Names.of(last_name(each.signal) for each in skipped),
                "receivers": Names.of(receivers),
                "place": At(bypass.sent_from),
                "one_by_one": "delete()" if bypass.method in DELETING else "save()",
            },
            names=tuple(dict.fromkeys([bypass.model, *receivers])),
            location=bypass.sent_from,
            record=bypass,
            count=len(same),
        )
    yield from _bypasses_of_others(walk, found)


def who_was_left_out(walk: Walk, bypass: Bypass, sent: list[Dispatch]) -> list[Skipped]:
    """The receivers that were not called, neither by Django nor by the function itself."""
    called = {
        (dispatch.signal, call.receiver, call.defined_at)
        for dispatch in sent
        for call in dispatch.receiver_calls
    }
    return [
        each
        for each in bypass.skipped
        if (each.signal, each.receiver, each.defined_at) not in called
        and walk.owner_of(each.defined_at, each.receiver) != DJANGO
    ]


def is_awaited(walk: Walk, bypass: Bypass, skipped: Skipped) -> bool:
    """Whether the project had it wait for this very model, or does the operation itself."""
    line = walk.owner_of(bypass.through or bypass.sent_from)
    owners = (line, walk.owner_of(skipped.defined_at, skipped.receiver))
    is_projects = line is None or any(
        each is not None and each.kind == "project" for each in owners
    )
    if bypass.door == "sql":  # Whoever writes it knows best what it leaves out.
        is_projects = line is not None and line.kind == "project"
    return is_projects and not skipped.hears_any_sender


def _bypasses_of_others(walk: Walk, found: list[tuple[Bypass, list[Skipped]]]) -> Iterator[Finding]:
    others = [
        (bypass, each, whose([walk.owner_of(each.defined_at, each.receiver)]))
        for bypass, skipped in found
        for each in skipped
        if not is_awaited(walk, bypass, each)
    ]
    for same in grouped(others, lambda each: each[2].kind):
        first, _, _ = same[0]
        left = walk.not_ignored(BULK_BYPASS_OF_OTHERS, (each.receiver for _, each, _ in same))
        kept = [each for each in same if each[1].receiver in left]
        bypasses = {id(bypass): bypass for bypass, _, _ in kept}
        [(owner, _)] = Counter(owner for _, _, owner in kept).most_common(1)
        yield Finding(
            BULK_BYPASS_OF_OTHERS,
            {
                "operations": some(f"{each.model}.{each.method}" for each in bypasses.values()),
                "receivers": some(sorted(left)),
            },
            names=tuple(sorted(left)),
            location=first.sent_from,
            record=first,
            count=len(bypasses),
            owner=owner,
        )


def with_what_was_sent(walk: Walk) -> Iterator[tuple[Bypass, list[Dispatch]]]:
    """Each bulk operation, with what its function sent by hand for the same model in that call.

    As far as can be told: from the last operation like it until the next. And what any other
    function sent by hand for the model after it, as a helper does that is given the rows: until
    the next operation on the model.
    """
    by_hand: dict[Hashable, list[Dispatch]] = {}
    by_others: dict[Hashable, list[Dispatch]] = {}
    for step in walk.steps:
        dispatch = step.dispatch
        function = _function(dispatch.sent_from, dispatch.sender, step.inside)
        by_hand.setdefault(function, []).append(dispatch)
        if is_sent_by_hand(dispatch):
            by_others.setdefault((dispatch.sender, id(step.inside)), []).append(dispatch)
    bypasses = [each for each in walk.bypasses() if not _did_delete(walk, each[0])]
    of_model: dict[str, list[float]] = {}
    for bypass, _ in bypasses:
        of_model.setdefault(bypass.model, []).append(bypass.started_at)
    for same in grouped(
        bypasses, lambda each: _function(each[0].sent_from, each[0].model, each[1])
    ):
        moments = [0.0, *(bypass.started_at for bypass, _ in same), inf]
        for number, (bypass, inside) in enumerate(same):
            sent = by_hand.get(_function(bypass.sent_from, bypass.model, inside), [])
            before, after = moments[number], moments[number + 2]
            sent = [each for each in sent if before <= each.started_at < after]
            others = by_others.get((bypass.model, id(inside)), [])
            began, starts = bypass.started_at, of_model[bypass.model]
            next_ = next(iter(starts[bisect_right(starts, began) :]), inf)
            yield bypass, sent + [each for each in others if began <= each.started_at < next_]


def _did_delete(walk: Walk, bypass: Bypass) -> bool:
    """Whether a delete() of one's own may have been one that deletes after all.

    It may change other rows of the model on the way, and Django sent what it sends.
    """
    return bypass.door == "soft_delete" and any(
        step.dispatch.signal in _DELETIONS and step.dispatch.sender == bypass.model
        for step in walk.steps
    )


def _function(
    location: Location | None, model: str, inside: ReceiverCall | None
) -> tuple[object, ...]:
    if location is None:  # No function is known to be the same as another.
        return (object(),)
    return location.file, location.function, model, id(inside)


def rows_of(bypasses: list[Bypass]) -> Count | Phrase:
    number, is_whole = sum_of_rows(bypasses)
    if number is None:
        return Phrase("rows")
    return Count(number, "%(number)s row", "%(number)s rows", is_at_least=not is_whole)


def what_was_bypassed(bypass: Bypass, skipped: list[Skipped]) -> Hashable:
    return (
        bypass.method,
        bypass.model,
        bypass.door,
        bypass.field,
        bypass.origin,
        bypass.options,
        bypass.sent_from,
        tuple((each.signal, each.receiver) for each in skipped),
    )


def near_misses(walk: Walk) -> Iterator[Finding]:
    ran = _rows_of_receivers(walk)
    missed: list[tuple[str, str, NearMiss, Dispatch | None, int]] = []
    for step in walk.steps:
        dispatch = step.dispatch
        for miss in dispatch.near_misses:
            if miss.reason in NEAR_MISSES and not (
                _ran_otherwise(miss, dispatch)
                or _is_inside_itself(miss, step)
                or _row_of(miss, dispatch, miss.connected_to) in ran
            ):
                missed.append((dispatch.signal, dispatch.sender, miss, dispatch, 1))
    heard = {(step.dispatch.signal, call.receiver, call.defined_at) for call, step in walk.calls}
    for each in walk.contents.unheard:
        for miss in each.near_misses:
            # One that heard another sender in this trace waits for the right one.
            is_right = miss.reason == "connected_to_other" and (
                (each.signal, miss.receiver, miss.defined_at) in heard
            )
            if miss.reason in NEAR_MISSES and not is_right:
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
            owner=whose([walk.owner_of(miss.defined_at, miss.receiver)]),
        )


def _ran_otherwise(miss: NearMiss, dispatch: Dispatch) -> bool:
    """One that is connected in a second way, and so ran, misses nothing."""
    return any(
        (call.receiver, call.defined_at) == (miss.receiver, miss.defined_at)
        for call in dispatch.receiver_calls
    )


def _is_inside_itself(miss: NearMiss, step: Step) -> bool:
    """Whether the receiver runs already, and made itself what was sent."""
    return any(
        each.inside is not None
        and (each.inside.receiver, each.inside.defined_at) == (miss.receiver, miss.defined_at)
        for each in step.path()
    )


def _rows_of_receivers(walk: Walk) -> set[Hashable]:
    """For which rows each receiver ran."""
    return {
        _row_of(call, step.dispatch, step.dispatch.sender) or object() for call, step in walk.calls
    }


def _row_of(
    receiver: NearMiss | ReceiverCall, dispatch: Dispatch, sender: str | None
) -> Hashable | None:
    """A receiver, and the row that a dispatch is about as the model ``sender`` has it."""
    _, found, key = (wording := _text_of(dispatch.kwargs.get("instance"))).partition("(pk=")
    if not found or wording.endswith("(pk=None)"):
        return None
    return receiver.receiver, receiver.defined_at, dispatch.signal, sender, key


def _text_of(value: Value) -> str:
    return value.text if isinstance(value, Summary) else ""


def late_connections(walk: Walk) -> Iterator[Finding]:
    """What is connected in another way at the end than it was at the beginning.

    What is undone later was meant for a while only, as Django's test client makes some.
    """
    told: list[tuple[Kind, ConnectionChange]] = []
    for same in grouped(walk.contents.connection_changes, _which_connection):
        effective = [
            change for change in same if change.action == "connect" or change.was_connected
        ]
        effective = [change for change in effective if change.held_by is None]
        if effective:
            stays = [each for each in effective if each.action == effective[-1].action]
            number = 2 * len(stays) - len(effective)  # Each of the others undid one of them.
            told += [(_kind_of_change(each), each) for each in stays[-number:] if number > 0]
    for change in walk.contents.connection_changes:
        if change.was_connected is False:
            told.append((NOT_DISCONNECTED, change))
            if change.connected_as is not None:
                told[-1] = NOT_DISCONNECTED_SO, change
        elif change.held_by is not None and change.held_by != change.receiver:
            told.append((UID_TAKEN, change))
        elif change.held_by is not None and _is_in_vain(walk, change):
            told.append((CONNECTED_AGAIN, change))
    growing = [_who_connects(change) for kind, change in told if kind is RECEIVERS_GROW]
    told = [
        each
        for each in told
        if each[0] is not CONNECTED_LATE or _who_connects(each[1]) not in growing
    ]
    told.sort(key=lambda each: each[1].started_at)
    for alike in grouped(
        told,
        lambda each: (
            each[0],
            each[1].signal,
            each[1].receiver,
            each[1].sender,
            each[1].called_from,
        ),
    ):
        kind, change = alike[0]
        uid = change.dispatch_uid
        is_nameless = change.receiver == "None" and uid is not None
        yield Finding(
            kind,
            {
                "receiver": f"dispatch_uid={show_value(uid)}" if is_nameless else change.receiver,
                "signal": change.signal,
                "uid": show_value(uid),
                "holder": change.held_by or "",
                "connected_as": change.connected_as or "",
                "twins": Count(
                    max(each.twins for _, each in alike),
                    "%(number)s receiver of the same code was connected already",
                    "%(number)s receivers of the same code were connected already",
                ),
                "file": short_path(change.called_from.file) if change.called_from else "",
                "place": At(change.called_from),
            },
            names=(change.receiver, change.signal),
            location=change.called_from,
            record=change,
            count=len(alike),
            owner=_owner_of_change(walk, change),
        )


def _which_connection(change: ConnectionChange) -> Hashable:
    """Connections of the same key are one and the same for Django."""
    uid = change.dispatch_uid
    return change.signal, change.sender, ("uid", uid) if uid is not None else change.receiver


def _kind_of_change(change: ConnectionChange) -> Kind:
    if change.action == "disconnect":
        return LEFT_DISCONNECTED
    if _is_by_import(change):
        return CONNECTED_BY_IMPORT
    return RECEIVERS_GROW if change.twins else CONNECTED_LATE


def _is_by_import(change: ConnectionChange) -> bool:
    return change.called_from is not None and change.called_from.function == "<module>"


def _is_in_vain(walk: Walk, change: ConnectionChange) -> bool:
    """Whether it was connected before the trace, and has no ``dispatch_uid`` to guard it."""
    return change.dispatch_uid is None and not any(
        _who_is_connected(each) == _who_is_connected(change)
        and each.action == "connect"
        and not each.did_nothing
        for each in walk.contents.connection_changes
    )


def _who_is_connected(change: ConnectionChange) -> Hashable:
    return change.signal, change.receiver, change.sender


def _who_connects(change: ConnectionChange) -> Hashable:
    return change.signal, change.receiver, change.sender, change.called_from


def disconnected_meanwhile(walk: Walk) -> Iterator[Finding]:
    """What was disconnected and connected again: in between nobody in the process had it."""
    pairs: list[tuple[ConnectionChange, ConnectionChange]] = []
    for same in grouped(walk.contents.connection_changes, _which_connection):
        added = 0  # What the trace saw connected before is its own to disconnect.
        gone: list[ConnectionChange] = []
        again: list[tuple[ConnectionChange, ConnectionChange]] = []
        for change in same:
            if change.did_nothing:
                continue
            if change.action == "disconnect":
                gone += [] if added else [change]
                added = max(added - 1, 0)
            elif gone:
                again.append((gone.pop(), change))
            else:
                added += 1
        if not gone:  # Otherwise it is told that it stays so.
            pairs += again
    for alike in grouped(pairs, lambda each: tuple(map(_who_connects, each))):
        change, back = alike[0]
        yield Finding(
            DISCONNECTED_IN_REQUEST if walk.is_request else DISCONNECTED_MEANWHILE,
            {
                "receiver": change.receiver,
                "signal": change.signal,
                "place": At(change.called_from),
                "again": At(back.called_from),
            },
            names=(change.receiver, change.signal),
            location=change.called_from,
            record=change,
            count=len(alike),
            owner=_owner_of_change(walk, change),
        )


def _owner_of_change(walk: Walk, change: ConnectionChange) -> Owner:
    if is_djangos(change.receiver):
        # A model that is imported late lets Django connect what its fields need.
        return DJANGO
    return whose([walk.owner_of(change.through or change.called_from)])
