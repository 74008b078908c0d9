"""Findings over a project of real packages: each has a label, and how many are worth reading."""

from __future__ import annotations

from typing import Any

import pytest
from labels import Labelled, Row, pruned, rows_of, table, to_be_entered, visited

pytestmark = pytest.mark.packages

# Of level warning and above: none is false, and nine of ten are useful.
MOST_FALSE = 0
MOST_NOISE = 2
LEAST_USEFUL = 0.9

# The faults that the museum was given, each marked "Fault" where it is.
FAULTS = [
    ("swallowed-exception", "collection.receivers.tell_insurer"),
    ("lost-on-rollback", "collection.receivers.confirm"),
    ("bulk-bypass", "collection.receivers.note_check"),  # in ReportViewSet.many()
    ("bulk-bypass", "collection.receivers.count_loans"),  # in return_all()
    ("bulk-bypass", "collection.Painting"),  # in mark_checked()
    ("near-miss", "collection.receivers.count_items"),
    ("near-miss", "collection.receivers.forget_list"),  # of a proxy
    ("called-twice", "collection.receivers.forget_pages"),
    ("repeated-save", "collection.Report"),
    ("repeated-save", "collection.Painting"),
    ("query-in-loop", "collection.receivers.tell_curators"),
    ("recursion", "collection.receivers.number_report"),
    ("deep-nesting", "collection.signals.report_filed"),
    ("connected-late", "collection.views.count_reports"),
    ("left-disconnected", "collection.views.note_change"),  # in stop_telling()
]


@pytest.fixture(scope="module")
def visit() -> Any:
    return visited()


@pytest.fixture(scope="module")
def labelled(visit: Any) -> Labelled:
    return Labelled(visit["findings"], table())


def test_enough_is_asked_for(visit: Any) -> None:
    assert len(visit["requests"]) >= 60


def test_every_finding_has_a_label(labelled: Labelled) -> None:
    if labelled.missing:
        without = map(to_be_entered, labelled.missing.values())
        pytest.fail("Enter in findings.toml, with a label:\n" + "\n".join(without), pytrace=False)


def test_no_finding_is_in_the_table_twice() -> None:
    rows = [(row.slug, row.names, row.where) for row in table()]

    assert [row for row in set(rows) if rows.count(row) > 1] == []


def test_warnings_are_worth_reading(labelled: Labelled) -> None:
    total = labelled.precision()

    assert total["false"] <= MOST_FALSE, str(labelled)
    assert total["noise"] <= MOST_NOISE, str(labelled)
    assert total["useful"] >= LEAST_USEFUL * total.total(), str(labelled)


@pytest.mark.parametrize(("slug", "name"), FAULTS)
def test_each_fault_of_the_project_is_found(slug: str, name: str, visit: Any) -> None:
    assert any(each["slug"] == slug and name in each["names"] for each in visit["findings"])


def test_no_path_of_this_machine_is_in_what_is_compared(visit: Any) -> None:
    places = {each["place"] for each in visit["findings"]}

    assert "collection/receivers.py confirm" in places
    assert [each for each in places if each.startswith("/") or "site-packages" in each] == []


def found(slug: str = "near-miss", *names: str, **more: str) -> dict[str, Any]:
    about = {"level": "warning", "place": "shop/a.py save", "request": "GET /", "message": "…"}
    return {"slug": slug, "names": list(names), **about, **more}


def test_a_finding_is_known_by_its_slug_and_names_in_any_order() -> None:
    rows = [Row("near-miss", ("a", "b"), "useful", "It is so.")]
    findings = [found("near-miss", "b", "a"), found("near-miss", "a"), found("recursion", "a", "b")]

    labelled = Labelled(findings, rows)

    assert list(labelled.missing) == [("near-miss", ("a",)), ("recursion", ("a", "b"))]
    assert labelled.precision() == {"useful": 1}


def test_two_of_the_same_names_are_told_apart_by_their_place() -> None:
    rows = [
        Row("near-miss", ("a",), "false", "It ran.", where="shop/b.py save"),
        Row("near-miss", ("a",), "useful", "It is so."),
    ]
    findings = [found("near-miss", "a"), found("near-miss", "a", place="shop/b.py save")]

    assert Labelled(findings, rows).precision() == {"useful": 1, "false": 1}


def test_a_finding_counts_once_and_at_its_worst_level() -> None:
    rows = [Row("near-miss", ("a",), "noise", "Nobody waits."), Row("x", ("a",), "noise", "So.")]
    findings = [found("near-miss", "a", level="info"), found("near-miss", "a"), found("x", "a")]

    assert Labelled(findings, rows).precision() == {"noise": 2}
    assert Labelled([found("x", "a", level="info")], rows).precision() == {}


def test_a_row_without_a_finding_is_named() -> None:
    rows = [Row("near-miss", ("a",), "noise", "Nobody waits.")]

    assert "No finding any more: near-miss of a" in str(Labelled([], rows))


def test_rows_leave_the_table_and_what_stays_is_as_it_was_written() -> None:
    first = '\n[[finding]]\nslug = "x"\nnames = ["b", "a"]\nlabel = "noise"\nreason = "So."\n'
    second = first.replace("x", "y")
    gone = Row("x", ("a", "b"), "noise", "So.")

    assert pruned(f"# Labels\n{first}{second}", [gone]) == f"# Labels\n{second}"
    assert rows_of(second) == [Row("y", ("a", "b"), "noise", "So.")]


def test_a_label_is_one_of_three_and_has_a_reason() -> None:
    with pytest.raises(ValueError, match="near-miss"):
        Row("near-miss", ("a",), "nice", "It is so.")
    with pytest.raises(ValueError, match="near-miss"):
        Row("near-miss", ("a",), "useful", " ")
