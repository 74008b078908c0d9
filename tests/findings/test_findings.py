"""What all findings have in common: their order, what hides them, and their catalogue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from telling import call, saved, sent, told, traced

from signal_tracer.findings import Kind, catalogue, over_trace, sift, slugs
from signal_tracer.records import Dispatch, Error
from signal_tracer.trace import Trace

ROOT = Path(__file__).parents[2]
KINDS = [each for each in vars(catalogue).values() if isinstance(each, Kind)]


def of_each_level(**trace: object) -> Trace:
    """An info, a warning and an error, in this order."""
    return traced(
        sent(call("shop.receivers.wait", is_async=True)),
        saved("shop.Order(pk=1)"),
        saved("shop.Order(pk=1)"),
        sent(call("billing.receivers.charge", outcome="swallowed", error=Error("a.E", "no"))),
        **trace,
    )


def test_the_worst_comes_first() -> None:
    assert [str(each).partition(":")[0] for each in of_each_level().findings()] == [
        "error swallowed-exception",
        "warning repeated-save",
        "info async-bridge",
    ]


@pytest.mark.parametrize(
    ("ignored", "hidden"),
    [
        ("repeated-save", ["repeated-save"]),
        ("repeated-save:shop.Order", ["repeated-save"]),
        ("repeated-save:shop.receivers.*", ["repeated-save"]),
        ("swallowed-exception:a.E", ["swallowed-exception"]),
        ("repeated-save:shop.Line", []),
        ("repeated-save:Order", []),
        ("repeated", []),
        ("slow-receiver", []),
    ],
)
def test_what_is_ignored_is_set_apart_and_not_lost(ignored: str, hidden: list[str]) -> None:
    found = over_trace(of_each_level(ignore=(ignored,)))

    assert [each.slug for each in found.hidden] == hidden
    assert len(found.shown) == 3 - len(hidden)
    assert of_each_level(ignore=(ignored,)).findings() == found.shown


def test_a_trace_without_anything_special_has_no_findings() -> None:
    found = over_trace(traced(sent(call()), sent(call("shop.receivers.other"))))

    assert (found.shown, found.hidden) == ([], [])


def test_a_trace_read_from_json_has_the_same_findings() -> None:
    trace = of_each_level()
    read = Trace.from_dict(trace.to_dict())

    assert told(read) == told(trace)
    assert [each.location for each in read.findings()] == [
        each.location for each in trace.findings()
    ]


def test_nesting_deeper_than_python_can_recurse_is_read_whole() -> None:
    dispatch = Dispatch("shop.signals.again", receiver_calls=[call()])
    for _ in range(1500):
        dispatch = sent(call(dispatches=[dispatch]))

    assert [each.slug for each in traced(dispatch).findings()] == ["recursion"]


def test_the_slugs_over_a_trace_are_those_that_are_documented() -> None:
    assert set(slugs()) >= {
        "swallowed-exception",
        "bulk-bypass",
        "near-miss",
        "called-twice",
        "repeated-save",
        "slow-receiver",
        "query-in-loop",
        "writes-in-receiver",
        "recursion",
        "deep-nesting",
        "lost-on-rollback",
        "async-bridge",
        "connected-late",
        "uid-taken",
        "left-disconnected",
        "nothing-disconnected",
        "send-in-event-loop",
        "minor-bypass",
    }


@pytest.mark.parametrize(
    "kind", KINDS, ids=[f"{each.slug} {number}" for number, each in enumerate(KINDS)]
)
def test_every_kind_is_worded_so_that_any_output_can_show_it(kind: Kind) -> None:
    for text in (kind.title, kind.message, kind.why, kind.advice):
        assert text.isascii()
        # Nothing that "%" would take for another placeholder.
        assert "%" not in re.sub(r"%\((\w+)\)[sd]", "", text)
    assert kind.advice.endswith(".")
    assert kind.why.endswith(".")
    assert not kind.title.endswith(".")
    assert kind.level in ("error", "warning", "info")


def test_kinds_that_share_a_slug_share_its_level() -> None:
    assert len({(kind.slug, kind.level) for kind in KINDS}) == len(slugs())


def test_every_slug_has_its_place_in_the_documentation() -> None:
    text = (ROOT / "docs" / "findings.md").read_text()
    headings = re.findall(r"^### ([\w-]+)$", text, re.MULTILINE)

    assert sorted(headings) == sorted(slugs())


def test_sifting_keeps_findings_of_one_level_in_the_order_they_were_given() -> None:
    first, second, third = of_each_level().findings()

    assert sift([third, second, first, second], ()).shown == [first, second, second, third]
