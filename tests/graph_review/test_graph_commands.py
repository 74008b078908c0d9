"""``manage.py signal_map --graph FILE``: its top, what is kept of it, and what differs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from graphs_by_hand import add, call, graph_of, saved, sent, unheard

from signal_tracer.records import Dispatch, ReceiverCall
from signal_tracer.signal_graph import SignalGraph

INVOICE = "billing.receivers.write_invoice"
TEXT = "notifications.receivers.text_customer"
SMS = "INSERT INTO notifications_sms (number) VALUES (%s)"


@pytest.fixture(autouse=True)
def lines_are_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def signal_map(*options: object) -> tuple[str, str]:
    """What goes to the terminal, and the error, if there is one."""
    out = io.StringIO()
    try:
        call_command("signal_map", *map(str, options), stdout=out, stderr=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def order(*calls: ReceiverCall) -> Dispatch:
    return saved("shop.Order", *calls)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return written(tmp_path, graph_of(order(call(INVOICE))))


def written(folder: Path, graph: SignalGraph, name: str = "graph.json") -> Path:
    file = folder / name
    file.write_text(graph.to_json())
    return file


def test_the_top_has_a_table_for_each_question_that_has_an_answer(tmp_path: Path) -> None:
    note = saved("crm.Note", call("crm.index", own_time=0.002, writes=(SMS,)))
    graph = graph_of(
        order(call(INVOICE, note, own_time=0.006), call(TEXT)),
        sent("shop.paid", "None", call("billing.book")),
    )
    add(graph, saved("crm.Note", call("crm.index", order(call(INVOICE)))), name="test_2")

    assert signal_map("--graph", written(tmp_path, graph), "--top") == (
        """\
Over 2 traces: 5 dispatches, 4 receivers

Leads in a circle
  receivers  way
          2  saving crm.Note > crm.index saves shop.Order > \
billing.receivers.write_invoice saves crm.Note

Took most, without what was sent in it
     time  share  queries  calls  receiver
  6.00 ms    75%        0      2  billing.receivers.write_invoice
  2.00 ms    25%        1      2  crm.index
     0 µs     0%        0      1  billing.book
     0 µs     0%        0      1  notifications.receivers.text_customer

Much hangs together here
  sent by  heard by  run below  what
        1         2          3  saving shop.Order

Heard by one receiver, and sent by one or by none
  calls  way
      1  code sends shop.paid > billing.book

1 finding: 1 warning

! warning signal-cycle
    saving crm.Note runs crm.index, which saves shop.Order; saving shop.Order runs \
billing.receivers.write_invoice, which saves crm.Note.
    Each of these was seen, and whoever begins anywhere comes round to it. Only what the \
receivers look at on the way keeps them from going on for ever, and nobody who changes one of \
them sees the others.
    Let one of crm.index and billing.receivers.write_invoice change its row without a signal, \
by filter(pk=...).update(); or do both in a function that is called once, at a line not recorded.
""",
        "",
    )


def test_the_top_shows_no_more_than_asked_for_and_says_so(tmp_path: Path) -> None:
    graph = graph_of(order(*(call(f"a.r{number}") for number in range(4))))

    out, _ = signal_map("--graph", written(tmp_path, graph), "--top", 2)

    assert out.splitlines()[3:7] == [
        "  time  share  queries  calls  receiver",
        "  0 µs     0%        0      1  a.r0",
        "  0 µs     0%        0      1  a.r1",
        "  and 2 more",
    ]


def test_where_only_ascii_can_be_written_the_top_is_ascii(tmp_path: Path) -> None:
    graph = graph_of(order(call("shop.zählen", own_time=0.00001)))
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")

    call_command("signal_map", graph=written(tmp_path, graph), top=1, stdout=out)

    out.seek(0)
    assert out.read().splitlines()[-1] == "  10 us   100%        0      1  shop.z\\xe4hlen"


def test_the_top_as_json_is_for_programs(graph: Path) -> None:
    data = json.loads(signal_map("--graph", graph, "--top", "--format", "json")[0])

    assert (data["traces"], data["dispatches"]) == (1, 1)
    assert data["costs"][0]["receiver"] == INVOICE


def test_the_top_takes_its_number_from_code(graph: Path) -> None:
    out = io.StringIO()

    call_command("signal_map", graph=graph, top=1, stdout=out)

    assert out.getvalue().startswith("Over 1 trace: 1 dispatch, 1 receiver\n")


def test_a_screen_of_80_columns_breaks_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    graph = graph_of(order(call(INVOICE, saved("crm.Note", call("crm." + "index_" * 20)))))

    out, _ = signal_map("--graph", written(tmp_path, graph), "--top")

    assert max(map(len, out.splitlines())) <= 80
    assert "          2  saving shop.Order > billing.receivers.write_invoice saves" in out


def test_what_is_as_it_was_kept_passes(graph: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"

    assert signal_map("--graph", graph, "--write-graph", kept) == (
        (
            f"Kept 1 edge of 1 dispatch in 1 trace in {kept}. Compare with: manage.py signal_map "
            f"--graph {graph} --check-graph {kept}\n"
        ),
        "",
    )
    assert signal_map("--graph", graph, "--check-graph", kept) == (
        f"What happens is as it was kept in {kept}: 1 dispatch in 1 trace.\n",
        "",
    )


def test_what_differs_is_told_and_fails(tmp_path: Path) -> None:
    before = graph_of(order(call(INVOICE)), saved("shop.Item", call("shop.count")))
    after = graph_of(order(call(TEXT, writes=(SMS,))), name="test_x")
    kept, graph = tmp_path / "kept.json", written(tmp_path, after)
    signal_map("--graph", written(tmp_path, before, "old.json"), "--write-graph", kept)

    assert signal_map("--graph", graph, "--check-graph", kept) == (
        (
            f"new: saving shop.Order now runs {TEXT} (seen in test_x), which writes to "
            "notifications_sms\n"
            f"lost: saving shop.Order no longer runs {INVOICE} (sent 1 time)\n"
            "not seen: saving shop.Item, which ran shop.count\n"
            "\n"
            "This run has 1 dispatch in 1 trace. What is lost or not seen may be in a test that "
            "was not run: compare runs of the same tests.\n"
        ),
        (
            f"What happens differs from {kept} in 3 places. If that is meant, keep it: manage.py "
            f"signal_map --graph {graph} --write-graph {kept}"
        ),
    )


def test_against_a_whole_graph_both_sizes_are_told(tmp_path: Path) -> None:
    before = graph_of(order(call(INVOICE)))
    add(before, order(call(INVOICE)), name="test_2")
    old = written(tmp_path, before, "old.json")
    graph = written(tmp_path, graph_of(unheard=[unheard("shop.Order")], omitted=3))

    out, error = signal_map("--graph", graph, "--check-graph", old)

    assert out.splitlines()[-1] == (
        f"This run has 1 dispatch in 1 trace, {old} has 2 dispatches in 2 traces. What is lost or "
        "not seen may be in a test that was not run: compare runs of the same tests. It may also "
        "be among 3 dispatches that the graph has left out: raise "
        "SIGNAL_TRACER['MAX_DISPATCHES'] for the tests."
    )
    assert error.startswith(f"What happens differs from {old} in 1 place.")


def test_only_the_project_is_kept_and_compared_on_demand(tmp_path: Path, graph: Path) -> None:
    kept = tmp_path / "kept.json"
    more = graph_of(order(call(INVOICE), call("auditlog.receivers.log")))
    new = written(tmp_path, more, "new.json")
    signal_map("--graph", graph, "--project-only", "--write-graph", kept)

    assert signal_map("--graph", new, "--check-graph", kept)[1] == ""
    signal_map("--graph", graph, "--write-graph", kept)
    assert "auditlog" in signal_map("--graph", new, "--check-graph", kept)[0]
    assert signal_map("--graph", new, "--project-only", "--check-graph", kept)[1] == (
        f"{kept} was written without --project-only. Leave it out, or write the file again: "
        f"manage.py signal_map --graph {new} --write-graph {kept} --project-only"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--top",), "--top needs --graph FILE. Make it with: pytest --signal-graph=FILE"),
        (
            ("--check-graph", "a"),
            "--check-graph needs --graph FILE. Make it with: pytest --signal-graph=FILE",
        ),
        (
            ("--write-graph", "a"),
            "--write-graph needs --graph FILE. Make it with: pytest --signal-graph=FILE",
        ),
        (
            ("--graph", "G"),
            (
                "--graph needs what is asked of it: --top, --chain NAME, --check-graph FILE, "
                "--write-graph FILE or --fail-on LEVEL."
            ),
        ),
        (("--graph", "G", "--top", "0"), "--top takes a number from 1 on."),
        (
            ("--graph", "G", "--top", "--format", "dot"),
            "--top takes --format table or json, not dot.",
        ),
        (
            ("--graph", "G", "--top", "--check-graph", "a"),
            "Give either --top or --check-graph, not both.",
        ),
        (
            ("--graph", "G", "--top", "--signal", "post_save"),
            "Give either --graph or --signal, not both.",
        ),
        (
            ("--graph", "G", "--top", "--chain", "shop.Order"),
            "Give either --top or --chain, not both.",
        ),
        (
            ("--graph", "G", "--fail-on", "error", "--app", "shop"),
            "Give either --graph or --app, not both.",
        ),
        (
            ("--graph", "G", "--explain", "post_save", "shop.Order"),
            "Give either --graph or --explain, not both.",
        ),
        (
            ("--graph", "G", "--check-graph", "a", "--fail-on", "error"),
            "Give either --check-graph or --fail-on, not both.",
        ),
        (
            ("--graph", "G", "--write-graph", "a", "--check-graph", "b"),
            "Give either --write-graph or --check-graph, not both.",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: tuple[str, ...], said: str, graph: Path
) -> None:
    given = [graph if each == "G" else each for each in options]

    assert signal_map(*given) == ("", said)


def test_a_file_that_cannot_be_used_is_named_with_what_to_do(graph: Path, tmp_path: Path) -> None:
    again = f"manage.py signal_map --graph {graph} --write-graph"
    gone, bad, folder = tmp_path / "gone.json", tmp_path / "bad.json", tmp_path
    bad.write_text('{"version": 9, "edges": []}')

    assert signal_map("--graph", graph, "--check-graph", gone)[1] == (
        f"There is no {gone}. Keep a graph in it first: {again} {gone}"
    )
    assert signal_map("--graph", graph, "--check-graph", bad)[1] == (
        f"{bad}: This kept graph has version 9, and this signal_tracer reads version 1. Write it "
        f"again: {again} {bad}"
    )
    assert signal_map("--graph", graph, "--check-graph", folder)[1] == (
        f"{folder} cannot be read (Is a directory)."
    )
    assert signal_map("--graph", graph, "--write-graph", folder)[1] == (
        f"{folder} cannot be written (Is a directory). Give another file, or make its folder."
    )


def test_findings_over_a_graph_fail_and_can_be_known(tmp_path: Path) -> None:
    note = saved("crm.Note", call("crm.index", order(call(INVOICE))))
    graph, known = written(tmp_path, graph_of(order(call(INVOICE, note)))), tmp_path / "known.json"
    warnings = ("--graph", graph, "--fail-on", "warning")

    out, error = signal_map(*warnings)
    assert "! warning signal-cycle" in out
    assert error == "The signal graph has 1 finding of level warning or worse."

    assert signal_map(*warnings, "--baseline", known, "--write-baseline")[1] == ""
    assert json.loads(known.read_text())["over"] == "signal_graph"
    assert signal_map(*warnings, "--baseline", known)[1] == ""
    assert signal_map("--fail-on", "warning", "--baseline", known)[1] == (
        f"{known} has known findings over a signal graph, and here they are over the signal map. "
        "Give each a file of its own."
    )
