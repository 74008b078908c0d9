"""``manage.py signal_traces diff``: which two are compared, how it is shown, how it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from keeping import a_task, a_trace

from signal_tracer.showing.export.json_lines import TraceFile

MAIL, TEXT = "shop.receivers.send_receipt", "shop.receivers.text_customer"


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two checkouts, another page, a third checkout with one more receiver, a task."""
    path = tmp_path / "traces.jsonl"
    keep = TraceFile(path)
    keep(a_trace("/checkout/", number=1))
    keep(a_trace("/checkout/", number=2))
    keep(a_trace("/orders/3/", number=3))
    keep(a_trace("/checkout/", number=4, receivers=(MAIL, TEXT)))
    keep(a_task(number=5))
    return path


def ask(*arguments: object, **options: Any) -> tuple[int, str]:
    """With what it ends, and what it writes."""
    out = io.StringIO()
    try:
        call_command("signal_traces", "diff", *map(str, arguments), stdout=out, **options)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def refused(*arguments: object) -> str:
    with pytest.raises(CommandError) as refusal:
        ask(*arguments)
    assert refusal.value.returncode == 2
    return str(refusal.value)


def test_the_last_two_of_a_path_are_shown_with_what_differs(file: Path) -> None:
    ended, out = ask(file, "--path", "/checkout/")

    assert ended == 1
    assert (
        out
        == """\
when      id        what                           sent  calls  queries     time
Mon 04 May 2026
12:00:02  00000002  POST /checkout/  200              1      1        0  39.8 ms
12:00:04  00000004  POST /checkout/  200              1      2        0  39.8 ms

POST /checkout/, compared                                                39.8 ms
+1 receiver call · 39.8 ms before

  + shop.receivers.text_customer on shop.signals.order_placed of shop.Order
"""
    )


@pytest.mark.parametrize("names", [("1", "2"), ("00000001", "00000002"), ("1", "00000002DEAD")])
def test_two_that_are_alike_end_with_0(file: Path, names: tuple[str, str]) -> None:
    ended, out = ask(*names, file)

    assert ended == 0
    assert "\nNo difference. · 39.8 ms before\n" in out


def test_an_id_may_begin_with_digits_that_are_no_lines_number(file: Path) -> None:
    TraceFile(file)(a_trace("/checkout/", number=0x0512))

    assert ask("1", "0000051", file)[0] == 0
    assert "goes by '0000052'" in refused("1", "0000052", file)


def test_they_are_compared_in_the_order_in_which_they_are_named(file: Path) -> None:
    assert "\n  - shop.receivers.text_customer on" in ask("4", "2", file)[1]
    assert "\n  + shop.receivers.text_customer on" in ask(file, "2", "4")[1]


def test_of_two_files_the_last_of_each_is_taken(tmp_path: Path) -> None:
    before, after = tmp_path / "main.jsonl", tmp_path / "branch.jsonl"
    for each, receivers in ((before, (MAIL,)), (after, (MAIL, TEXT))):
        TraceFile(each)(a_trace(number=1, receivers=()))
        TraceFile(each)(a_trace(number=2, receivers=receivers))

    assert ask(before, before)[0] == 0
    ended, out = ask(before, after)
    assert ended == 1
    assert "+ shop.receivers.text_customer" in out


def test_without_names_the_last_trace_is_compared_with_the_one_before_it_of_its_path(
    file: Path,
) -> None:
    TraceFile(file)(a_trace("/orders/3/", number=6, receivers=(TEXT,)))

    ended, out = ask(file)
    assert ended == 1
    assert "\nPOST /orders/3/, compared" in out
    assert "00000003" in out
    assert "00000006" in out


def test_a_pattern_of_paths_picks_those_of_any_of_them(file: Path) -> None:
    TraceFile(file)(a_trace("/orders/4/", number=6))

    assert ask(file, "--path", "/orders/*")[0] == 0
    assert "Only one trace of POST /orders/4/ in" in refused(file)


def test_tasks_go_by_their_names(file: Path) -> None:
    TraceFile(file)(a_task(number=6))
    TraceFile(file)(a_task(name="shop.tasks.pack", number=7))

    assert ask(file, "--path", "shop.tasks.ship")[0] == 0
    assert "Only one trace of shop.tasks.pack in" in refused(file)


def test_as_json_it_is_one_document(file: Path) -> None:
    ended, out = ask("2", "4", file, "--json")

    assert ended == 1
    [added] = json.loads(out)["changes"]
    assert (added["kinds"], added["after"]["name"]) == (["added"], TEXT)


def test_what_is_no_pair_is_refused_with_what_to_do(file: Path, tmp_path: Path) -> None:
    assert "diff was given 1 name of traces. Give two traces (diff A B" in refused("2", file)
    assert "goes by '77'" in refused("77", "2", file)
    for number in (0xAB1, 0xAB2):
        TraceFile(file)(a_trace(number=number))
    assert refused("1", "00000ab", file) == (
        "More than one ID begins with '00000ab': 00000ab1deadbeef, 00000ab2deadbeef. Give more of "
        "it."
    )
    assert "Standard input (-) cannot be read twice" in refused("-")
    assert "Give either diff or --follow, not both." in refused(file, "--follow")
    assert "Give either diff or --show, not both." in refused(file, "--show", "2")
    assert "There is no" in refused(tmp_path / "none.jsonl")
    assert "No trace in" in refused(file, "--path", "/nowhere/")
    (tmp_path / "other.jsonl").touch()
    assert "The number of a line needs one FILE." in refused("1", "2", tmp_path)


def test_a_line_that_cannot_be_read_is_told_once(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with file.open("a") as lines:
        lines.write("{}\n")

    error = io.StringIO()
    assert ask(file, "--path", "/checkout/", stderr=error)[0] == 1
    assert error.getvalue().count("line 6") == 1
