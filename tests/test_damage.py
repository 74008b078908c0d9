"""A damaged trace is refused with the place and what was expected there, or is as good as any."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
from damaging import Damaged, damaged, is_told, tries
from django.dispatch import Signal
from hypothesis import given
from test_console import shown
from test_schema import VALIDATOR, rich_trace

from signal_tracer import trace_signals
from signal_tracer.plain import DamageError
from signal_tracer.records import Contents, Dispatch, ReceiverCall, Request
from signal_tracer.showing.export.perfetto import to_perfetto
from signal_tracer.showing.facts import count
from signal_tracer.showing.rows import rows_of
from signal_tracer.trace import Trace, TraceFormatError

RICH = rich_trace().to_dict()


def refusal(data: Any) -> str:
    with pytest.raises(TraceFormatError) as refused:
        Trace.from_dict(data)
    return str(refused.value)


def check_message(error: TraceFormatError, data: Any) -> None:
    text, damage = str(error), error.__cause__
    assert len(text) < 1_000
    text.encode()
    if isinstance(damage, DamageError):
        assert is_told(damage.steps[::-1], data), damage
        assert text.startswith(f"This trace is damaged ({damage.path}: expected ")
    else:
        assert "has no 'version'" in text or "has version" in text


def use(trace: Trace) -> None:
    """Everything that can be made of a trace."""
    str(trace), trace.outline()
    repr(trace)
    text = shown(trace)
    text.encode()
    assert [each for each in text if not each.isprintable() and each != "\n"] == []
    for finding in trace.findings():
        assert finding.message
        assert finding.advice
    assert len(rows_of(trace)) >= min(1, len(trace.dispatches))
    assert count(trace).dispatches == len(list(trace.walk()))
    json.dumps(to_perfetto(trace), allow_nan=False)
    again = Trace.from_dict(json.loads(trace.to_json()))
    assert again.to_json() == trace.to_json()
    assert again.contents == trace.contents


# At random


@tries(2_000)
@given(damaged(RICH))
def test_a_damaged_trace_is_refused_with_the_place_or_can_be_used_throughout(
    document: Damaged,
) -> None:
    try:
        trace = Trace.from_dict(document.data)
    except TraceFormatError as error:
        check_message(error, document.data)
    else:
        use(trace)


@tries(150)
@given(damaged(RICH))
def test_what_is_accepted_satisfies_the_schema_and_what_is_refused_does_not(
    document: Damaged,
) -> None:
    data = document.data
    try:
        text = json.dumps(data, allow_nan=False)
        is_valid = VALIDATOR.is_valid(json.loads(text))
    except (ValueError, RecursionError):  # nothing that JSON could hold
        is_valid = False
    try:
        Trace.from_dict(data)
    except TraceFormatError as error:
        damage = error.__cause__
        if is_valid:
            assert isinstance(damage, DamageError)
            # To the schema 1.0 is an integer, and it does not know how many days a month has.
            assert damage.found.endswith(".0") or damage.path == "started_at"
    else:
        assert is_valid or data["started_at"] != RICH["started_at"]


# One by one


SECONDS = "a number of seconds from 0 to 10,000,000,000"
COUNT = "an integer from 0 to 9,007,199,254,740,991"
ORDINAL = "an integer from 1 to 9,007,199,254,740,991"
INTEGER = "an integer from -9,007,199,254,740,991 to 9,007,199,254,740,991 or null"
VALUE = 'text, a number, true, false, null or an object {"summary": text}'
METHOD = "one of 'send', 'send_robust', 'asend', 'asend_robust'"
OUTCOME = "one of 'returned', 'raised', 'swallowed', 'cancelled', 'running'"
REASON = (
    "one of 'not_run', 'refused', 'muted', 'not_connected', "
    "'connected_to_parent', 'connected_to_child', "
    "'connected_to_proxy', 'connected_to_concrete', 'connected_to_class', "
    "'connected_to_instance', 'connected_to_model', 'connected_to_other_proxy', "
    "'connected_to_real_model', 'connected_to_stand_in', 'connected_to_namesake', "
    "'connected_to_other_object', 'connected_to_text', 'connected_to_other'"
)
MOMENT = "an ISO 8601 moment with its offset from UTC"
LONG = 10**5_000  # Python refuses to spell it


@pytest.mark.parametrize(
    ("path", "value", "expected", "found"),
    [
        ("dispatches[0].receiver_calls[0].duration", "soon", SECONDS, "'soon'"),
        ("dispatches[0].receiver_calls[0].queries[1].duration", True, SECONDS, "true"),
        ("duration", float("nan"), SECONDS, "nan"),
        ("slow_after", float("inf"), SECONDS, "inf"),
        ("dispatches[1].started_at", -0.5, SECONDS, "-0.5"),
        ("dispatches[0].sent_from.line", 0, ORDINAL, "0"),
        ("dispatches[0].sent_from.line", 1.5, ORDINAL, "1.5"),
        ("omitted", False, COUNT, "false"),
        ("omitted", LONG, COUNT, "an integer of 16,610 bits"),
        ("dispatches[0].kwargs.count", LONG, VALUE, "an integer of 16,610 bits"),
        ("dispatches[0].kwargs.amount", float("-inf"), VALUE, "-inf"),
        ("dispatches[0].kwargs['a b']", [], VALUE, "a list"),
        ("dispatches[0].kwargs.order.summary", None, "text", "null"),
        ("dispatches[0].kwargs.order.more", 1, "no such key", "1"),
        ("dispatches[0].method", "shout", METHOD, "'shout'"),
        ("dispatches[0].receiver_calls[0].outcome", ["returned"], OUTCOME, "a list"),
        ("unheard[0].near_misses[0].reason", None, REASON, "null"),
        ("dispatches[1]", 3, "an object", "3"),
        ("bypasses", {}, "a list", "an object"),
        ("bypasses[0].options", "ab", "a list", "'ab'"),
        ("name", b"x", "text", "something of the type 'bytes'"),
        ("name", 5, "text", "5"),
        ("request.status", "2" * 80, INTEGER, "a text of 80 characters"),
        ("request.surprise", 5, "no such key", "5"),
        ("surprise", {}, "no such key", "an object"),
        ("started_at", "yesterday", MOMENT, "'yesterday'"),
        ("started_at", 5, MOMENT, "5"),
        (
            *("started_at", "2026-03-01T12:30:15", MOMENT),
            "'2026-03-01T12:30:15', which has no offset",
        ),
    ],
    ids=lambda each: each if type(each) is str else type(each).__name__,
)
def test_the_message_says_where_what_was_expected_and_what_was_found(
    path: str, value: object, expected: str, found: str
) -> None:
    data: Any = rich_trace().to_dict()
    *steps, last = (
        int(number) if number else name or quoted
        for name, number, quoted in re.findall(r"(\w+)(?!\])\b|\[(\d+)\]|\['(.+)'\]", path)
    )
    holder = data
    for step in steps:
        holder = holder[step]
    holder[last] = value

    assert refusal(data) == (
        f"This trace is damaged ({path}: expected {expected}, found {found}). "
        "Compare it with docs/trace.schema.json, or record it again."
    )


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        ("", "slow_after", SECONDS),
        ("", "unwatched", "a list"),
        ("dispatches[0].", "kwargs", "an object"),
        ("dispatches[0].receiver_calls[0].", "is_async", "true or false"),
        ("dispatches[0].receiver_calls[0].", "omitted_queries", COUNT),
    ],
)
def test_a_key_that_is_missing_is_named_with_what_it_should_hold(
    path: str, key: str, expected: str
) -> None:
    data = rich_trace().to_dict()
    dispatch = data["dispatches"][0]
    {"": data, "dispatches[0].": dispatch}.get(path, dispatch["receiver_calls"][0]).pop(key)

    assert f"({path}{key}: expected {expected}, found nothing)" in refusal(data)


@pytest.mark.parametrize(
    ("version", "shown_as"),
    [(True, "true"), (2.0, "2.0"), (LONG, "an integer of 16,610 bits"), ([], "a list")],
    ids=["true", "2.0", "long", "list"],
)
def test_a_version_of_another_type_is_another_version(version: object, shown_as: str) -> None:
    assert refusal({"version": version}).startswith(
        f"This trace has version {shown_as}, and this signal_tracer reads version 5."
    )


def nested(depth: int) -> Contents:
    dispatch = Dispatch("deepest")
    for _ in range(depth - 1):
        dispatch = Dispatch("deep", receiver_calls=[ReceiverCall("r", dispatches=[dispatch])])
    return Contents(dispatches=[Dispatch("first"), dispatch])


def trace_of(contents: Contents) -> Trace:
    return Trace("deep", started_at=datetime(2026, 3, 1, tzinfo=UTC), contents=contents)


def test_as_many_dispatches_within_each_other_are_read_as_are_recorded() -> None:
    trace = trace_of(nested(100))

    use(Trace.from_dict(trace.to_dict()))


@pytest.mark.parametrize("depth", [101, 300, 20_000])
def test_more_dispatches_within_each_other_are_refused(depth: int) -> None:
    data = trace_of(Contents(dispatches=[Dispatch("first")])).to_dict()
    [innermost] = data["dispatches"]
    call = trace_of(nested(2)).to_dict()["dispatches"][1]["receiver_calls"][0]
    for _ in range(depth - 1):
        innermost = innermost | {"receiver_calls": [call | {"dispatches": [innermost]}]}
    data["dispatches"].append(innermost)

    assert refusal(data) == (
        "This trace is damaged (dispatches[1]: expected at most 100 dispatches within each other, "
        "found more). Compare it with docs/trace.schema.json, or record it again."
    )


def test_where_the_stack_is_nearly_full_a_trace_says_that_it_cannot_be_read() -> None:
    data = trace_of(nested(100)).to_dict()

    def read_at_the_bottom() -> Trace:
        try:
            return read_at_the_bottom()
        except RecursionError:
            return Trace.from_dict(data)

    with pytest.raises(TraceFormatError, match=r"nested too deep already\. Read it nearer to"):
        read_at_the_bottom()


def test_a_text_that_no_file_can_hold_is_read_as_it_was_recorded() -> None:
    # A file name that is no UTF-8 becomes one in Python, and may be a keyword argument.
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    trace = trace_of(Contents(dispatches=[Dispatch("sent", kwargs={"file": name})]))

    again = Trace.from_dict(json.loads(trace.to_json()))

    assert again.dispatches[0].kwargs == {"file": "caf\udce9"}
    use(again)


def test_a_trace_is_read_from_its_dict_as_from_json_whatever_subclasses_it_holds() -> None:
    class Name(str):
        def __str__(self) -> str:
            raise AssertionError("the name was run")

        __repr__ = __format__ = __str__

    trace = trace_of(Contents(dispatches=[Dispatch(Name("shop.paid"), kwargs={"a": Name("b")})]))
    trace.request = Request("GET", "/", HTTPStatus.NOT_FOUND)

    again = Trace.from_dict(trace.to_dict())

    assert type(again.dispatches[0].signal) is str
    assert again.dispatches[0].kwargs == {"a": "b"}
    assert again.request == Request("GET", "/", 404)
    assert type(again.request.status) is int


def test_a_trace_that_was_recorded_to_its_full_depth_can_be_read() -> None:
    deep = Signal()

    def go_on(sender: int, **kwargs: object) -> None:
        if sender < 120:
            deep.send(sender + 1)

    deep.connect(go_on)
    with trace_signals() as trace:
        deep.send(1)

    again = Trace.from_dict(json.loads(trace.to_json()))

    assert (len(list(again.walk())), again.too_deep) == (100, 20)


def test_the_largest_numbers_that_are_accepted_are_counted_and_added_up() -> None:
    data = rich_trace().to_dict()
    data["unheard"][0]["count"] = data["omitted"] = 2**53 - 1
    data["duration"] = data["dispatches"][0]["duration"] = 10_000_000_000

    trace = Trace.from_dict(data)

    use(trace)
    assert count(trace).muted == 9_007_199_254_740_991
