"""Whatever a trace holds, its rules and its outputs read it, and agree with each other."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from telling import traced
from test_console import shown

from signal_tracer.findings import over_trace
from signal_tracer.records import (
    Bypass,
    CallbackOutcome,
    ConnectionChange,
    Contents,
    Dispatch,
    Error,
    HandledException,
    Location,
    Method,
    NearMiss,
    OnCommit,
    Outcome,
    Query,
    Reason,
    ReceiverCall,
    Skipped,
    Summary,
    TracebackLine,
    Unheard,
)
from signal_tracer.showing.facts import count
from signal_tracer.showing.rows import rows_of
from signal_tracer.trace import Trace

# Few values, so that much is equal; and those that say nothing.
names = st.sampled_from(["shop.a", "b", "django.db.models.signals.post_save", "None", ""])
texts = st.sampled_from(["", "no", "100%", "%(receiver)s", "\x1b[2J", "é µ"])
places = st.none() | st.builds(Location, names, st.integers(1, 3), names)
values = st.sampled_from([None, True, "uid", 1, Summary("shop.Order(pk=1)"), Summary("(pk=")])
times = st.sampled_from([0.0, 0.002, 5.0])
aliases = st.sampled_from([(), ("default",), ("default", "logs")])
known = st.builds(Location, names, st.integers(1, 3), names)
errors = st.none() | st.builds(
    Error, names, texts, st.lists(st.builds(TracebackLine, known, texts), max_size=2).map(tuple)
)
misses = st.builds(
    NearMiss,
    names,
    st.sampled_from(get_args(Reason)),
    places,
    values,
    st.booleans(),
    st.none() | names,
)
queries = st.builds(
    Query,
    st.sampled_from(["", "SELECT 1", "UPDATE a", "(SELECT a FROM b)", "DELETE FROM", "x" * 500]),
    st.sampled_from(["default", "logs"]),
    duration=times,
    is_write=st.booleans(),
)


def few(strategy: st.SearchStrategy[object], most: int = 2) -> st.SearchStrategy[list[object]]:
    return st.lists(strategy, max_size=most)


bypasses = st.builds(
    Bypass,
    names,
    names,
    st.none() | st.integers(0, 2),
    st.sampled_from([(), ("ignore_conflicts",)]),
    places,
    times,
    times,
    few(st.builds(Skipped, names, names, places)),
)
changes = st.builds(
    ConnectionChange,
    st.sampled_from(["connect", "disconnect"]),
    names,
    names,
    names,
    values,
    places,
    times,
    st.sampled_from([None, True, False]),
)


def calls(nested: st.SearchStrategy[list[Dispatch]]) -> st.SearchStrategy[ReceiverCall]:
    return st.builds(
        ReceiverCall,
        names,
        places,
        values,
        st.booleans(),
        times,
        times,
        times,
        st.sampled_from(get_args(Outcome)),
        values,
        errors,
        nested,
        few(queries, 6),
        st.integers(0, 1),
        few(bypasses),
        few(st.builds(OnCommit, names, outcome=st.sampled_from(get_args(CallbackOutcome)))),
        few(st.builds(HandledException, names, texts, known, known)),
    )


def dispatches_over(nested: st.SearchStrategy[list[Dispatch]]) -> st.SearchStrategy[Dispatch]:
    return st.builds(
        Dispatch,
        names,
        names,
        st.sampled_from(get_args(Method)),
        st.dictionaries(
            st.sampled_from(["instance", "using", "raw", "action"]), values, max_size=3
        ),
        places,
        times,
        times,
        few(calls(nested), 3),
        few(misses),
        errors,
        st.sampled_from([None, [], ["plugins.a"]]),
        aliases,
        aliases,
        st.none() | names,
    )


dispatches = st.recursive(
    dispatches_over(st.builds(list)), lambda below: dispatches_over(few(below)), max_leaves=6
)
traces = st.builds(
    lambda found, **contents: traced(*found, **contents),
    few(dispatches, 3),
    unheard=few(st.builds(Unheard, names, names, st.integers(1, 3), few(misses).map(tuple))),
    bypasses=few(bypasses),
    connection_changes=few(changes, 3),
)


@settings(max_examples=40)
@given(traces)
def test_any_trace_can_be_read_by_every_rule_and_shown(trace: Trace) -> None:
    found = over_trace(trace)
    text = shown(trace, brief=False)

    for finding in found.shown:
        assert finding.message
        assert finding.advice
        assert finding.count >= 1
        assert finding.slug in text
    assert [each for each in text if not each.isprintable() and each != "\n"] == []
    again = Trace.from_dict(trace.to_dict())
    assert over_trace(again) == found


@settings(max_examples=40)
@given(traces)
def test_the_rows_of_any_trace_stand_for_all_its_records_and_queries(trace: Trace) -> None:
    rows = rows_of(trace)
    counts = count(trace)
    shown = {id(record) for row in rows for record in row.records}

    assert [row.number for row in rows] == list(range(len(rows)))
    assert sum(len(row.records) for row in rows if row.kind == "dispatch") == counts.dispatches
    assert sum(len(row.records) for row in rows if row.kind == "call") == counts.receiver_calls
    assert sum(len(row.records) for row in rows if row.kind == "bypass") == counts.bypasses
    assert sum(row.query_count for row in rows) == counts.queries
    roots = [row for row in rows if row.above is None]
    assert sum(row.query_count_with_nested for row in roots) == counts.queries
    for finding in over_trace(trace).shown:
        if finding.record is not None and not isinstance(finding.record, ConnectionChange):
            assert id(finding.record) in shown


def test_findings_do_not_change_what_they_read() -> None:
    trace = traced(Dispatch("a", receiver_calls=[ReceiverCall("b", outcome="swallowed")]))
    before = replace(trace.contents)
    written = trace.to_json()

    over_trace(trace)

    assert trace.to_json() == written
    assert trace.contents == before == Contents(dispatches=trace.dispatches)
