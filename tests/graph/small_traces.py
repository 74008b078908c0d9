"""Traces out of few names, so that graphs of them have much in common; for the tests of graphs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

from hypothesis import strategies as st

from signal_tracer.records import (
    MOST,
    Bypass,
    Contents,
    Dispatch,
    Errand,
    Error,
    Location,
    Method,
    OnCommit,
    Outcome,
    Owner,
    Query,
    ReceiverCall,
    Unheard,
)
from signal_tracer.trace import Trace

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def trace_of(*dispatches: Dispatch, name: str = "test_it", **contents: object) -> Trace:
    return Trace(
        name,
        started_at=BEGAN,
        contents=Contents(dispatches=[*dispatches], **contents),  # type: ignore[arg-type]
    )


names = st.sampled_from(["shop.a", "shop.b", "shop.c", "shop.d"])
# Some so large that a few of them reach the limit of all sums.
seconds = st.one_of(st.floats(0, 10), st.sampled_from([0.0, MOST / 2e9, 1e10]))
counts = st.one_of(st.integers(1, 20), st.sampled_from([MOST // 2, MOST]))
locations = st.none() | st.builds(
    Location, st.sampled_from(["/site/a.py", "/installed/b.py"]), st.just(1), st.just("f")
)
TABLES = ["INSERT INTO a VALUES (1)", "UPDATE b SET x = 1", "DELETE FROM c", "MERGE d", "SELECT 1"]


def receiver_calls(dispatches: st.SearchStrategy[Dispatch]) -> st.SearchStrategy[ReceiverCall]:
    return st.builds(
        ReceiverCall,
        receiver=names,
        defined_at=locations,
        is_async=st.booleans(),
        started_at=st.floats(0, 2),
        duration=seconds,
        own_time=seconds,
        outcome=st.sampled_from(get_args(Outcome)),
        error=st.none() | st.builds(Error, names, st.just("")),
        dispatches=st.lists(dispatches, max_size=2),
        queries=st.lists(
            st.builds(Query, st.sampled_from(TABLES), is_write=st.booleans()), max_size=3
        ),
        omitted_queries=st.sampled_from([0, 0, 30, MOST]),
        bypasses=st.lists(st.builds(Bypass, st.just("update"), names), max_size=2),
        on_commit=st.lists(
            st.builds(
                OnCommit,
                names,
                ran_at=st.none() | st.floats(0, 2),
                duration=st.floats(0, 2),
            ),
            max_size=2,
        ),
        errands=st.lists(st.builds(Errand, st.just("task"), names), max_size=2),
    )


def dispatches_with(calls: st.SearchStrategy[list[ReceiverCall]]) -> st.SearchStrategy[Dispatch]:
    return st.builds(
        Dispatch,
        signal=names,
        sender=names,
        method=st.sampled_from(get_args(Method)),
        started_at=st.floats(0, 4),
        receiver_calls=calls,
        error=st.none() | st.builds(Error, names, st.just("")),
        unwatched=st.none() | st.lists(names, max_size=2),
        rolled_back=st.sampled_from([(), ("default",)]),
        on_commit=st.none() | names,
    )


dispatches = st.recursive(
    dispatches_with(st.builds(list)),
    lambda nested: dispatches_with(st.lists(receiver_calls(nested), max_size=3)),
    max_leaves=6,
)
traces = st.builds(
    trace_of,
    dispatches,
    dispatches,
    name=names,
    unheard=st.lists(st.builds(Unheard, names, names, counts), max_size=3),
    omitted=st.sampled_from([0, 1, MOST]),
    owners=st.sampled_from([{}, {"/installed/b.py": Owner("package", "b")}]),
)
