"""The place where the records of a trace become JSON, and are read from it again.

docs/trace.schema.json describes what is written here.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

from signal_tracer.records import (
    Bypass,
    ConnectionChange,
    Contents,
    Dispatch,
    Error,
    HandledException,
    Location,
    NearMiss,
    OnCommit,
    Query,
    ReceiverCall,
    Skipped,
    Summary,
    TracebackLine,
    Unheard,
    Unwatched,
    Value,
)

JSON: TypeAlias = "dict[str, Any]"


class TraceFormatError(ValueError):
    """Data that is not a trace: the message names what is wrong, where, and what to do."""


def write_contents(contents: Contents) -> JSON:
    return {
        "duration": contents.duration,
        "dispatches": [_dispatch_to_dict(dispatch) for dispatch in contents.dispatches],
        "unheard": [
            {
                "signal": each.signal,
                "sender": each.sender,
                "count": each.count,
                "near_misses": [_near_miss_to_dict(miss) for miss in each.near_misses],
            }
            for each in contents.unheard
        ],
        "unwatched": [
            {"signal": each.signal, "method": each.method, "count": each.count}
            for each in contents.unwatched
        ],
        "bypasses": [_bypass_to_dict(bypass) for bypass in contents.bypasses],
        "connection_changes": [_change_to_dict(change) for change in contents.connection_changes],
        "other_queries": contents.other_queries,
        "omitted": contents.omitted,
        "omitted_others": contents.omitted_others,
        "too_deep": contents.too_deep,
        "excluded": contents.excluded,
        "faults": contents.faults,
    }


def read_contents(data: JSON) -> Contents:
    return Contents(
        dispatches=[_dispatch_from_dict(each) for each in data["dispatches"]],
        unheard=[
            Unheard(
                each["signal"],
                each["sender"],
                each["count"],
                tuple(map(_near_miss_from_dict, each["near_misses"])),
            )
            for each in data["unheard"]
        ],
        unwatched=[Unwatched(**each) for each in data["unwatched"]],
        bypasses=[_bypass_from_dict(each) for each in data["bypasses"]],
        connection_changes=[_change_from_dict(each) for each in data["connection_changes"]],
        other_queries=data["other_queries"],
        omitted=data["omitted"],
        omitted_others=data["omitted_others"],
        too_deep=data["too_deep"],
        excluded=data["excluded"],
        faults=data["faults"],
        duration=data["duration"],
    )


def _value_to_json(value: Value) -> object:
    return {"summary": value.text} if isinstance(value, Summary) else value


def _value_from_json(data: object) -> Value:
    if isinstance(data, dict):
        return Summary(data["summary"])
    return cast("Value", data)


def _location_to_dict(location: Location | None) -> JSON | None:
    if location is None:
        return None
    return {"file": location.file, "line": location.line, "function": location.function}


def _location_from_dict(data: JSON | None) -> Location | None:
    return Location(**data) if data else None


def _error_to_dict(error: Error | None) -> JSON | None:
    if error is None:
        return None
    return {
        "type": error.type,
        "message": error.message,
        "traceback": [
            {"location": _location_to_dict(line.location), "code": line.code}
            for line in error.traceback
        ],
    }


def _error_from_dict(data: JSON | None) -> Error | None:
    if data is None:
        return None
    return Error(
        data["type"],
        data["message"],
        tuple(
            TracebackLine(Location(**line["location"]), line["code"]) for line in data["traceback"]
        ),
    )


def _dispatch_to_dict(dispatch: Dispatch) -> JSON:
    return {
        "signal": dispatch.signal,
        "sender": dispatch.sender,
        "method": dispatch.method,
        "kwargs": {name: _value_to_json(value) for name, value in dispatch.kwargs.items()},
        "sent_from": _location_to_dict(dispatch.sent_from),
        "started_at": dispatch.started_at,
        "duration": dispatch.duration,
        "receiver_calls": [_call_to_dict(call) for call in dispatch.receiver_calls],
        "near_misses": [_near_miss_to_dict(miss) for miss in dispatch.near_misses],
        "error": _error_to_dict(dispatch.error),
        "unwatched": dispatch.unwatched,
        "in_atomic": list(dispatch.in_atomic),
        "rolled_back": list(dispatch.rolled_back),
        "on_commit": dispatch.on_commit,
    }


def _dispatch_from_dict(data: JSON) -> Dispatch:
    return Dispatch(
        signal=data["signal"],
        sender=data["sender"],
        method=data["method"],
        kwargs={name: _value_from_json(value) for name, value in data["kwargs"].items()},
        sent_from=_location_from_dict(data["sent_from"]),
        started_at=data["started_at"],
        duration=data["duration"],
        receiver_calls=[_call_from_dict(call) for call in data["receiver_calls"]],
        near_misses=[_near_miss_from_dict(miss) for miss in data["near_misses"]],
        error=_error_from_dict(data["error"]),
        unwatched=data["unwatched"],
        in_atomic=tuple(data["in_atomic"]),
        rolled_back=tuple(data["rolled_back"]),
        on_commit=data["on_commit"],
    )


def _call_to_dict(call: ReceiverCall) -> JSON:
    return {
        "receiver": call.receiver,
        "defined_at": _location_to_dict(call.defined_at),
        "dispatch_uid": _value_to_json(call.dispatch_uid),
        "is_async": call.is_async,
        "started_at": call.started_at,
        "duration": call.duration,
        "own_time": call.own_time,
        "outcome": call.outcome,
        "response": _value_to_json(call.response),
        "error": _error_to_dict(call.error),
        "dispatches": [_dispatch_to_dict(dispatch) for dispatch in call.dispatches],
        "queries": [
            {
                "sql": query.sql,
                "alias": query.alias,
                "started_at": query.started_at,
                "duration": query.duration,
                "is_write": query.is_write,
                "batch_size": query.batch_size,
            }
            for query in call.queries
        ],
        "omitted_queries": call.omitted_queries,
        "bypasses": [_bypass_to_dict(bypass) for bypass in call.bypasses],
        "on_commit": [
            {
                "callback": each.callback,
                "alias": each.alias,
                "defined_at": _location_to_dict(each.defined_at),
                "registered_at": each.registered_at,
                "outcome": each.outcome,
                "ran_at": each.ran_at,
                "duration": each.duration,
            }
            for each in call.on_commit
        ],
        "handled": [
            {
                "type": each.type,
                "message": each.message,
                "raised_at": _location_to_dict(each.raised_at),
                "caught_at": _location_to_dict(each.caught_at),
            }
            for each in call.handled
        ],
        "omitted_handled": call.omitted_handled,
    }


def _call_from_dict(data: JSON) -> ReceiverCall:
    return ReceiverCall(
        receiver=data["receiver"],
        defined_at=_location_from_dict(data["defined_at"]),
        dispatch_uid=_value_from_json(data["dispatch_uid"]),
        is_async=data["is_async"],
        started_at=data["started_at"],
        duration=data["duration"],
        own_time=data["own_time"],
        outcome=data["outcome"],
        response=_value_from_json(data["response"]),
        error=_error_from_dict(data["error"]),
        dispatches=[_dispatch_from_dict(dispatch) for dispatch in data["dispatches"]],
        queries=[Query(**each) for each in data["queries"]],
        omitted_queries=data["omitted_queries"],
        bypasses=[_bypass_from_dict(each) for each in data["bypasses"]],
        on_commit=[
            OnCommit(**{**each, "defined_at": _location_from_dict(each["defined_at"])})
            for each in data["on_commit"]
        ],
        handled=[
            HandledException(
                each["type"],
                each["message"],
                Location(**each["raised_at"]),
                Location(**each["caught_at"]),
            )
            for each in data["handled"]
        ],
        omitted_handled=data["omitted_handled"],
    )


def _near_miss_to_dict(miss: NearMiss) -> JSON:
    return {
        "receiver": miss.receiver,
        "reason": miss.reason,
        "defined_at": _location_to_dict(miss.defined_at),
        "dispatch_uid": _value_to_json(miss.dispatch_uid),
        "is_async": miss.is_async,
        "connected_to": miss.connected_to,
    }


def _near_miss_from_dict(data: JSON) -> NearMiss:
    return NearMiss(
        receiver=data["receiver"],
        reason=data["reason"],
        defined_at=_location_from_dict(data["defined_at"]),
        dispatch_uid=_value_from_json(data["dispatch_uid"]),
        is_async=data["is_async"],
        connected_to=data["connected_to"],
    )


def _bypass_to_dict(bypass: Bypass) -> JSON:
    return {
        "method": bypass.method,
        "model": bypass.model,
        "rows": bypass.rows,
        "options": list(bypass.options),
        "sent_from": _location_to_dict(bypass.sent_from),
        "started_at": bypass.started_at,
        "duration": bypass.duration,
        "skipped": [
            {
                "signal": each.signal,
                "receiver": each.receiver,
                "defined_at": _location_to_dict(each.defined_at),
                "dispatch_uid": _value_to_json(each.dispatch_uid),
                "is_async": each.is_async,
            }
            for each in bypass.skipped
        ],
    }


def _bypass_from_dict(data: JSON) -> Bypass:
    return Bypass(
        method=data["method"],
        model=data["model"],
        rows=data["rows"],
        options=tuple(data["options"]),
        sent_from=_location_from_dict(data["sent_from"]),
        started_at=data["started_at"],
        duration=data["duration"],
        skipped=[
            Skipped(
                each["signal"],
                each["receiver"],
                _location_from_dict(each["defined_at"]),
                _value_from_json(each["dispatch_uid"]),
                each["is_async"],
            )
            for each in data["skipped"]
        ],
    )


def _change_to_dict(change: ConnectionChange) -> JSON:
    return {
        "action": change.action,
        "signal": change.signal,
        "receiver": change.receiver,
        "sender": change.sender,
        "dispatch_uid": _value_to_json(change.dispatch_uid),
        "called_from": _location_to_dict(change.called_from),
        "started_at": change.started_at,
        "was_connected": change.was_connected,
    }


def _change_from_dict(data: JSON) -> ConnectionChange:
    return ConnectionChange(
        action=data["action"],
        signal=data["signal"],
        receiver=data["receiver"],
        sender=data["sender"],
        dispatch_uid=_value_from_json(data["dispatch_uid"]),
        called_from=_location_from_dict(data["called_from"]),
        started_at=data["started_at"],
        was_connected=data["was_connected"],
    )
