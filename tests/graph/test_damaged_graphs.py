"""A damaged graph is refused with the place and what was expected there, or is as good as any."""

from __future__ import annotations

import json
from typing import Any

import pytest
from damaging import Damaged, damaged, is_told, tries
from hypothesis import given
from small_traces import trace_of

from signal_tracer import SignalGraph
from signal_tracer.plain import DamageError
from signal_tracer.records import Bypass, Dispatch, Errand, Error, OnCommit, Query, ReceiverCall
from signal_tracer.signal_graph import (
    SignalGraphFormatError,
    load,
    median_duration,
    median_queries,
)


def rich_graph() -> SignalGraph:
    """A graph in which every field holds something."""
    call = ReceiverCall(
        "shop.receivers.relay",
        is_async=True,
        duration=1.5,
        own_time=0.5,
        outcome="swallowed",
        error=Error("ValueError", "no"),
        queries=[Query("UPDATE shop_order SET a = 1", is_write=True)],
        bypasses=[Bypass("bulk_create", "shop.Item")],
        on_commit=[OnCommit("shop.tell")],
        errands=[Errand("mail")],
        dispatches=[Dispatch("shop.signals.shipped", "shop.Order")],
    )
    return SignalGraph.from_traces([trace_of(Dispatch("shop.signals.paid", receiver_calls=[call]))])


RICH = rich_graph().to_dict()


def refusal(data: Any) -> str:
    with pytest.raises(SignalGraphFormatError) as refused:
        SignalGraph.from_dict(data)
    return str(refused.value)


@given(damaged(RICH))
@tries(300)
def test_a_damaged_graph_is_refused_in_words_or_can_be_used(given: Damaged) -> None:
    try:
        graph = SignalGraph.from_dict(given.data)
    except SignalGraphFormatError as error:
        text, damage = str(error), error.__cause__
        assert len(text) < 1_000
        text.encode()
        assert text.endswith("Write it again with: pytest --signal-graph=FILE")
        if isinstance(damage, DamageError):
            assert text.startswith(f"This signal graph is damaged ({damage.path}: expected ")
            assert is_told(damage.steps[::-1], given.data), damage
        return
    assert load(graph.to_json()) == graph
    graph.merge(graph)
    for call in graph.calls.values():
        graph.calls_of(call.signal, call.sender), graph.sent_by(call)
        median_duration(call), median_queries(call)
    repr(graph)


def test_data_that_is_no_graph_is_refused_with_what_is_wrong() -> None:
    without = json.loads(json.dumps(RICH))
    del without["calls"][0]["count"]
    assert refusal(without) == (
        "This signal graph is damaged (calls[0].count: expected an ordinal from 1 to "
        "9,007,199,254,740,991, found nothing). Write it again with: pytest --signal-graph=FILE"
    ).replace("an ordinal", "an integer")
    twice = {**RICH, "calls": RICH["calls"] * 2}
    assert refusal(twice).startswith(
        "This signal graph is damaged (calls[1]: expected each once, found the same again)."
    )
    odd = json.loads(json.dumps(RICH))
    odd["calls"][0]["durations"] = {"17": 1}
    assert refusal(odd).startswith(
        "This signal graph is damaged (calls[0].durations: expected the least number of a step as "
        "a key, found '17')."
    )
    wrong = json.loads(json.dumps(RICH))
    wrong["dispatches"][0]["methods"] = {"shout": 1}
    assert refusal(wrong).startswith(
        "This signal graph is damaged (dispatches[0].methods: expected one of 'send', "
    )
    assert refusal([]) == (
        "This is not a signal graph: it has no 'version'. "
        "Write it again with: pytest --signal-graph=FILE"
    )
    assert refusal({"version": 99}) == (
        "This signal graph has version 99, and this signal_tracer reads version 1. "
        "Write it again with: pytest --signal-graph=FILE"
    )


@pytest.mark.parametrize("text", ["", "{", "[" * 5_000, '{"version": 1, "version"}'])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(SignalGraphFormatError, match=r"This is not JSON \(.*\)\. Write it again"):
        load(text)
