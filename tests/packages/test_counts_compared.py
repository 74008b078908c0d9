"""What nox -s suites_of_packages compares a graph with tells each kind of difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from signal_tracer.signal_graph import SeenCalls, SeenDispatches, SeenSendings, SignalGraph

SAVED = ("django.db.models.signals.post_save", "shop.Order")
TOLD = ("shop.signals.paid", "shop.Order")
RECEIVER = "shop.receivers.tell"
NAMES = "django.db.models.base.post_save|django.db.models.signals.post_save"


@pytest.fixture
def differences(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "suites"))
    import comparing

    return comparing.differences


@pytest.fixture
def graph() -> SignalGraph:
    graph = SignalGraph()
    in_test: Any = {"traces": 1, "example": "test_a"}
    graph.dispatches[SAVED] = SeenDispatches(*SAVED, count=3, unheard=1, **in_test)
    graph.dispatches[TOLD] = SeenDispatches(*TOLD, count=2, unheard=0, **in_test)
    graph.calls[*SAVED, RECEIVER] = SeenCalls(*SAVED, RECEIVER, count=2, raised=1, **in_test)
    graph.sendings[*SAVED, RECEIVER, *TOLD, ""] = SeenSendings(
        *SAVED, RECEIVER, *TOLD, count=2, **in_test
    )
    return graph


def counted(**other: int) -> dict[str, Any]:
    numbers = {"dispatch": 3, "heard": 2, "call": 2, "raised": 1, "sending": 2, **other}
    called = (NAMES, "shop.Order", RECEIVER)
    keys: dict[str, tuple[str, ...]] = {
        "dispatch": (NAMES, "shop.Order"),
        "heard": (NAMES, "shop.Order"),
        "call": called,
        "raised": called,
        "sending": (*called, *TOLD, ""),
    }
    counts = [[[kind, *key], {"test_a": numbers[kind]}] for kind, key in keys.items()]
    counts += [[[kind, *TOLD], {"test_a": 2}] for kind in ("dispatch", "heard")]
    data: dict[str, Any] = json.loads(json.dumps({"counts": counts, "not_followed": []}))
    return data


def test_what_was_counted_as_the_graph_says_it_is_no_difference(
    differences: Any, graph: SignalGraph
) -> None:
    assert differences(counted(), graph) == []


@pytest.mark.parametrize("kind", ["dispatch", "heard", "call", "raised", "sending"])
def test_one_more_of_a_kind_is_a_difference(
    differences: Any, graph: SignalGraph, kind: str
) -> None:
    [line] = differences(counted(**{kind: 9}), graph)

    assert line.startswith(f"{kind} > django.db.models.signals.post_save > shop.Order")
    assert "counted [9, " in line


def test_an_edge_that_nobody_counted_is_a_difference(differences: Any, graph: SignalGraph) -> None:
    data = counted()
    data["counts"] = [each for each in data["counts"] if each[0][0] != "sending"]

    [line] = differences(data, graph)
    assert line == (
        "sending > django.db.models.signals.post_save > shop.Order > shop.receivers.tell > "
        "shop.signals.paid > shop.Order > : counted [0, 0, ''], graph [2, 1, 'test_a']"
    )


def test_what_was_counted_in_another_test_is_a_difference(
    differences: Any, graph: SignalGraph
) -> None:
    data = counted()
    data["counts"][2][1] = {"test_b": 2}

    [line] = differences(data, graph)
    assert line.endswith("counted [2, 1, 'test_b'], graph [2, 1, 'test_a']")
