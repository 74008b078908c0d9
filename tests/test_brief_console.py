"""The console where there is much to show, or nothing: brief, whole, only the project's."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

import signal_tracer
from signal_tracer.records import (
    ConnectionChange,
    Contents,
    Dispatch,
    Error,
    Location,
    NearMiss,
    OnCommit,
    Owner,
    Query,
    ReceiverCall,
    Request,
    Summary,
    TracebackLine,
    Unheard,
)
from signal_tracer.showing.console import render_trace, report_project_only, report_whole
from signal_tracer.trace import Trace

VIEWS = Location("shop/views.py", 30, "pay")
OURS = Location("shop/receivers.py", 7, "index")
THEIRS = Location("/lib/site-packages/thumbs/handlers.py", 3, "resize")
OWNERS = {THEIRS.file: Owner("package", "thumbs")}


def traced(*dispatches: Dispatch, request: Request | None = None, **contents: object) -> Trace:
    return Trace(
        "nightly",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        request=request,
        contents=Contents(dispatches=list(dispatches), owners=OWNERS, duration=0.5, **contents),
    )


def saved(number: int, *calls: ReceiverCall) -> Dispatch:
    """Each of another sender, so that no two are one row."""
    return Dispatch("shop.saved", f"shop.M{number}", "send_robust", receiver_calls=list(calls))


def of_project(**more: object) -> ReceiverCall:
    call = ReceiverCall("shop.index", OURS, duration=0.003, own_time=0.002)
    for name, value in more.items():
        setattr(call, name, value)
    return call


def of_package() -> ReceiverCall:
    return ReceiverCall("thumbs.resize", THEIRS, duration=0.001, own_time=0.001)


def many() -> Trace:
    """Ten dispatches in thirty rows, one of them with an exception that was swallowed."""
    failed = of_project(outcome="swallowed", error=Error("builtins.ValueError", "no"))
    plain = [saved(number, of_project(), of_package()) for number in range(1, 10)]
    unheard = [Unheard("shop.unheard", "None", 4)]
    return traced(*plain, saved(10, failed, of_package()), unheard=unheard)


def drawn(trace: Trace, width: int = 80, **options: bool) -> list[str]:
    console = Console(file=io.StringIO(), width=width, _environ={})
    console.print(render_trace(trace, **options))
    return console.file.getvalue().splitlines()


BRIEF = """\
nightly                                                                   500 ms
10 dispatches · 20 receiver calls · 1 swallowed · 4 unheard · 1 finding

  Receivers, by own time                        calls      own    total  queries
! shop.index  SWALLOWED × 1                        10  20.0 ms  30.0 ms
  thumbs.resize                                    10  10.0 ms  10.0 ms

  What went wrong, and in what

  shop.saved.send_robust  sender=shop.M10                                   0 µs
! └─ shop.index  SWALLOWED                                               3.00 ms
        shop/receivers.py:7
        ValueError: no

  Findings: 1 error
! error swallowed-exception  shop/receivers.py:7 in index
     shop.index raised ValueError: no, and send_robust() swallowed it.
     The sender goes on as if the receiver had done its work, and only the log
     knows better.
     → Handle in shop.index what can fail at shop/receivers.py:7, and retry what
       must not be lost in a task (Celery, Django's tasks). Or let the sender
       look through what send_robust() returns.

  Not shown: the rest of the tree of 10 dispatches, and 4 that were unheard. All
  of it: report(trace, brief=False) of signal_tracer, or
  "signal_tracer.showing.console.report_whole" in REPORTERS.
"""


def test_what_is_longer_than_a_screen_or_two_is_brief_and_says_how_to_see_the_rest() -> None:
    assert drawn(many()) == BRIEF.splitlines()


def test_the_whole_is_shown_if_asked_for_with_the_receivers_first() -> None:
    lines = drawn(many(), brief=False)

    assert sum("shop.saved.send_robust" in line for line in lines) == 10
    assert lines[3].startswith("  Receivers, by own time")
    assert not any(line.startswith("  Not shown") for line in lines)


def test_what_is_short_is_whole_unless_it_is_asked_to_be_brief() -> None:
    trace = traced(saved(1, of_project()))

    assert drawn(trace) == [
        "nightly                                                                   500 ms",
        "1 dispatch · 1 receiver call",
        "",
        "  shop.saved.send_robust  sender=shop.M1                                    0 µs",
        "  └─ shop.index                                                          3.00 ms",
        "        shop/receivers.py:7",
    ]
    assert drawn(trace, brief=True)[3:] == [
        "  Receivers, by own time                        calls      own    total  queries",
        "  shop.index                                        1  2.00 ms  3.00 ms",
        "",
        "  Not shown: the tree of 1 dispatch. All of it: report(trace, brief=False) of",
        '  signal_tracer, or "signal_tracer.showing.console.report_whole" in REPORTERS.',
    ]


def test_a_brief_form_without_a_dispatch_leaves_out_no_tree() -> None:
    lines = drawn(traced(unheard=[Unheard("shop.unheard", "None", 4)]), brief=True)

    assert lines[3] == "  Not shown: 4 unheard dispatches. All of it: report(trace, brief=False) of"
    assert drawn(traced(), brief=True)[1:] == ["0 dispatches · 0 receiver calls"]


def test_a_brief_form_says_what_went_wrong_up_to_a_number_and_counts_the_rest() -> None:
    failed = [
        saved(each, of_project(outcome="raised", error=Error("a.E", "no"))) for each in range(12)
    ]
    lines = drawn(traced(*failed))

    assert sum("RAISED" in line for line in lines) == 10
    assert "in which something went wrong 2 times more" in " ".join(lines).replace("   ", " ")


def test_what_went_wrong_again_and_again_is_shown_once_with_its_own_numbers() -> None:
    def failed(line: int, message: str) -> Dispatch:
        step = TracebackLine(Location("shop/sms.py", line, "send"), "raise")
        error = Error("shop.SmsError", message, (step,))
        return saved(1, of_project(outcome="swallowed", error=error))

    lines = drawn(
        traced(failed(9, "503 for +1"), failed(9, "503 for +2"), failed(12, "no")), brief=True
    )

    start = next(number for number, line in enumerate(lines) if "What went wrong" in line)
    assert lines[start : lines.index("", start + 2)] == [
        "  What went wrong, and in what: each once, the first time",
        "",
        "  shop.saved.send_robust  sender=shop.M1                                    0 µs",
        "! └─ shop.index  SWALLOWED                                               3.00 ms",
        "        shop/receivers.py:7",
        "        SmsError: 503 for +1",
        "        at shop/sms.py:9 in send: raise",
        "  shop.saved.send_robust  sender=shop.M1                                    0 µs",
        "! └─ shop.index  SWALLOWED                                               3.00 ms",
        "        shop/receivers.py:7",
        "        SmsError: no",
        "        at shop/sms.py:12 in send: raise",
    ]
    assert "in which something went wrong once more." in " ".join(map(str.strip, lines))


def test_a_request_in_which_no_receiver_ran_is_one_line() -> None:
    unheard = [
        Unheard("django.db.models.signals.pre_init", f"shop.M{number}", 9) for number in range(20)
    ]
    change = ConnectionChange("connect", "shop.saved", "thumbs.resize", called_from=THEIRS)
    trace = traced(
        request=Request("GET", "/items/", 200),
        unheard=unheard,
        other_queries=3,
        connection_changes=[change],
        excluded=2,
    )

    assert drawn(trace) == [
        "GET /items/  200 · no receiver ran · 3 queries · 180 unheard              500 ms"
    ]
    assert len(drawn(trace, brief=False)) > 5


@pytest.mark.parametrize(
    "amiss",
    [
        {"omitted": 1},
        {"faults": 1},
        {"dispatches": [saved(1, of_project())]},
    ],
)
def test_a_request_with_something_amiss_or_missing_is_more_than_a_line(
    amiss: dict[str, object],
) -> None:
    trace = traced(request=Request("GET", "/items/", 200))
    for name, value in amiss.items():
        setattr(trace.contents, name, value)

    assert len(drawn(trace)) > 3


def test_only_the_projects_puts_packages_together_in_the_tree_and_in_the_table() -> None:
    lines = drawn(many(), project_only=True)
    trace = traced(*[saved(number, of_package()) for number in range(9)])

    assert [line[:54] for line in lines[4:6]] == [
        "! shop.index  SWALLOWED × 1                        10 ",
        "  in thumbs                                        10 ",
    ]
    assert drawn(trace, project_only=True)[3:] == [
        "  in thumbs  9 receiver calls in 9 dispatches                            9.00 ms",
    ]


def test_a_receiver_has_its_own_time_also_where_what_it_set_off_is_put_together() -> None:
    trace = traced(saved(1, of_project(dispatches=[saved(2, of_package())])))

    assert drawn(trace, project_only=True)[3:] == [
        "  shop.saved.send_robust  sender=shop.M1                                    0 µs",
        "  └─ shop.index                                                          3.00 ms",
        "     │  shop/receivers.py:7 · own time 2.00 ms",
        "     └─ in thumbs  1 receiver call in 1 dispatch                         1.00 ms",
    ]


def test_the_receivers_beyond_the_first_ten_are_counted_with_their_time() -> None:
    calls = [
        ReceiverCall(f"shop.r{number:02}", own_time=number / 1000, queries=[Query("SELECT 1")] * 2)
        for number in range(1, 13)
    ]
    lines = drawn(traced(saved(1, *calls)), brief=True)

    assert lines[4].split() == ["shop.r12", "1", "12.0", "ms", "0", "µs", "2"]
    assert lines[13].split()[0] == "shop.r03"
    assert lines[14] == "  and 2 more receivers, 3.00 ms"


def test_the_sending_line_of_what_nobody_heard_is_shown_also_of_a_near_miss() -> None:
    miss = NearMiss("shop.index", "connected_to_parent", OURS, connected_to="shop.Base")
    unheard = [
        Unheard("shop.saved", "shop.Child", 3, (miss,), VIEWS),
        Unheard("django.db.models.signals.pre_init", "shop.Child", 5, (), VIEWS),
        Unheard("django.db.models.signals.post_init", "shop.Child", 5, (), VIEWS),
    ]
    lines = drawn(traced(saved(1, of_project()), unheard=unheard))
    start = next(number for number, line in enumerate(lines) if "unheard:" in line)

    assert lines[start:] == [
        "  unheard: shop.saved sender=shop.Child × 3 at shop/views.py:30",
        "!             shop.index  NEAR MISS",
        "                 connected to shop.Base, a parent class of the sender",
        "           pre_init and post_init of 1 sender, 10 dispatches",
    ]


def test_connections_that_packages_make_are_counted_and_the_projects_are_named() -> None:
    changes = [
        ConnectionChange("connect", "shop.saved", "thumbs.resize", called_from=THEIRS),
        ConnectionChange(
            "disconnect", "shop.saved", "thumbs.resize", called_from=THEIRS, was_connected=True
        ),
    ]
    lines = drawn(traced(saved(1, of_project()), connection_changes=changes))

    assert lines[-1] == "  connected or disconnected: 2 by installed packages: thumbs 2"


# Findings


def lost(receiver: str, location: Location, **more: object) -> ReceiverCall:
    return ReceiverCall(
        receiver, location, outcome="swallowed", error=Error("builtins.ValueError", receiver)
    )


def test_findings_of_packages_are_counted_and_what_they_lost_is_spelled_out() -> None:
    again = ReceiverCall("thumbs.resize", THEIRS, own_time=0.2, duration=0.2)
    twice = Dispatch("shop.saved", "shop.M", receiver_calls=[again, again])
    lines = drawn(traced(twice))
    text = str(traced(twice))

    assert lines[-2:] == [
        "  Findings: none of the project's",
        "  2 in installed packages: thumbs 2",
    ]
    assert "finding" not in lines[1]
    assert text.splitlines()[-1] == "findings: 2 in installed packages: thumbs 2"

    lines = drawn(traced(saved(1, lost("thumbs.resize", THEIRS))))
    assert [line for line in lines if "swallowed-exception" in line]


# Public


def test_report_prints_where_it_is_told_to_and_as_wide() -> None:
    file = io.StringIO()
    signal_tracer.report(many(), width=80, file=file)

    assert file.getvalue() == BRIEF


def test_each_reporter_prints_in_its_form(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    printed = []
    for reporter in (signal_tracer.report, report_whole, report_project_only):
        reporter(many())
        captured = capsys.readouterr()
        assert captured.out == ""
        printed.append(captured.err)

    assert printed[0] == BRIEF
    assert "Not shown" not in printed[1]
    assert "in thumbs" in printed[2]


def test_a_printed_trace_has_times_lines_arguments_callbacks_and_findings() -> None:
    mail = OnCommit(
        "shop.mail", "default", OURS, registered_at=0.1, outcome="ran", ran_at=0.3, duration=0.002
    )
    call = of_project(on_commit=[mail], queries=[Query("SELECT 1", duration=0.001)])
    failed = of_project(outcome="swallowed", error=Error("builtins.ValueError", "no"))

    def paid(pk: int, *calls: ReceiverCall) -> Dispatch:
        kwargs = {"order": Summary(f"shop.Order(pk={pk})"), "created": True}
        return Dispatch(
            *("shop.paid", "shop.Order", "send_robust", kwargs, VIEWS),
            duration=0.004,
            receiver_calls=list(calls),
        )

    trace = traced(paid(1, call), paid(2, call), paid(3, failed))

    assert str(trace).splitlines() == [
        "nightly  500 ms",
        "3 dispatches · 3 receiver calls · 2 queries · 1 swallowed · 1 finding",
        "",
        "shop.paid.send_robust × 2  sender=shop.Order  8.00 ms",
        (
            "    sent from shop/views.py:30 in pay · "
            "first of 2: order=shop.Order(pk=1), created=True"
        ),
        "  shop.index × 2  6.00 ms",
        "      shop/receivers.py:7 · 2 queries 2.00 ms",
        "    on_commit shop.mail × 2  4.00 ms",
        "        shop/receivers.py:7 · ran after the commit, 200 ms after it was registered",
        "shop.paid.send_robust  sender=shop.Order  4.00 ms",
        "    sent from shop/views.py:30 in pay · order=shop.Order(pk=3), created=True",
        "  shop.index  3.00 ms  SWALLOWED ValueError: no",
        "      shop/receivers.py:7",
        "",
        "findings:",
        (
            "  error swallowed-exception: shop.index raised ValueError: no, and send_robust() "
            "swallowed it."
        ),
        (
            "    Handle in shop.index what can fail at shop/receivers.py:7, and retry what must "
            "not be lost in a task (Celery, Django's tasks). Or let the sender look through what "
            "send_robust() returns."
        ),
    ]


def test_an_outline_of_only_the_projects_has_a_line_a_package() -> None:
    trace = traced(saved(1, of_package()), saved(2, of_package()), saved(3, of_project()))

    assert trace.outline(project_only=True).splitlines() == [
        "in thumbs  2 receiver calls in 2 dispatches",
        "shop.saved.send_robust  sender=shop.M3",
        "  shop.index",
    ]
