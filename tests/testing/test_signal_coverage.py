"""Signal coverage: which receivers of the project ran during a test run, and which never did."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.dispatch import Signal

from signal_tracer import trace_signals
from signal_tracer.collecting import counting, signals
from signal_tracer.collecting.counting import Counting
from signal_tracer.coverage.files import Report, parse
from signal_tracer.coverage.page import page
from signal_tracer.coverage.result import CoveredReceiver, SignalCoverage, merge
from signal_tracer.coverage.terminal import lines
from signal_tracer.testing import mute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Project

ROOT = Path(__file__).parents[2]

SOME_OF_THEM = """
from shop.models import Order
from shop.signals import paid

def test_paid():
    paid.send("till")
"""
OTHERS = """
import pytest
from django.dispatch import receiver
from shop.models import Order
from shop.signals import paid

@receiver(paid)
def receiver_of_the_tests(**kwargs): ...

@pytest.mark.django_db
def test_saved():
    Order.objects.create()
"""


def section(result: pytest.RunResult) -> list[str]:
    start = next(n for n, line in enumerate(result.outlines) if "= signal coverage =" in line)
    stop = next(n for n, line in enumerate(result.outlines) if n > start and line.startswith("="))
    said = [line.rstrip() for line in result.outlines[start + 1 : stop]]
    return said if said[0] else said[1:]  # Without -q pytest leaves a line.


FOUND = (
    "Found by reading the connections of every signal in the process, before the first test and "
    "after the last: 4 of the project, and 0 more that were connected in between."
)


def test_receivers_that_never_ran_are_named_with_file_and_line(project: Project) -> None:
    project.tests(test_some=SOME_OF_THEM)
    result = project.run("--signal-coverage")
    result.assert_outcomes(passed=1)
    said = section(result)
    assert said[:-1] == [
        "app    ran    of",
        "shop     2     4",
        "  never ran: shop.receivers.count_orders",
        "    shop/receivers.py:19",
        "    django.db.models.signals.post_delete  sender=shop.Order",
        "    django.db.models.signals.post_save  sender=shop.Order",
        "",
        "2 of 4 receivers ran: 50%",
        FOUND,
    ]
    assert said[-1].endswith(" of installed packages, 0 of tests.")


def test_what_ran_in_either_worker_ran(project: Project) -> None:
    project.tests(test_some=SOME_OF_THEM, test_others=OTHERS)
    result = project.run(
        *("-n2", "--dist=loadfile", "-v", "--signal-coverage", "--signal-coverage=json:out/it.json")
    )
    result.assert_outcomes(passed=2)
    workers = {line.split("]")[0] for line in result.outlines if "PASSED" in line}
    assert workers == {"[gw0", "[gw1"}, "each worker ran one of the two tests"
    said = section(result)
    assert said[:6] == [
        "app    ran    of",
        "shop     3     4",
        "  ran, but not for all: shop.receivers.count_orders",
        "    shop/receivers.py:19",
        "    django.db.models.signals.post_delete  sender=shop.Order",
        "",
    ]
    assert said[6:8] == ["3 of 4 receivers ran: 75%", FOUND]
    assert said[8].endswith(", 1 of tests.")
    written = json.loads((project.path / "out" / "it.json").read_text())
    assert (written["ran"], written["total"], written["percent"]) == (3, 4, 75.0)
    assert {
        (each["receiver"], each["signal"], each["sender"], each["outcome"], each["line"])
        for each in written["receivers"]
    } == {
        ("shop.receivers.send_receipt", "shop.signals.paid", None, "ran", 9),
        ("shop.receivers.text_customer", "shop.signals.paid", None, "ran", 13),
        (
            *("shop.receivers.count_orders", "django.db.models.signals.post_save"),
            *("shop.Order", "ran", 19),
        ),
        (
            *("shop.receivers.count_orders", "django.db.models.signals.post_delete"),
            *("shop.Order", "never", 19),
        ),
    }


def test_a_worker_that_crashed_leaves_a_gap_that_is_named(project: Project) -> None:
    project.tests(test_some=SOME_OF_THEM, test_crash="def test_crash(): __import__('os')._exit(1)")
    result = project.run("-n2", "--dist=loadfile", "--max-worker-restart=0", "--signal-coverage")
    said = "\n".join(section(result))
    assert "is not known: it crashed." in said


def test_too_little_fails_the_run_and_enough_does_not(project: Project) -> None:
    project.tests(test_some=SOME_OF_THEM)
    low = project.run("--signal-coverage-fail-under=50.1", "-n2")
    assert low.ret == pytest.ExitCode.TESTS_FAILED
    low.assert_outcomes(passed=1)
    assert section(low)[-1] == "FAILED: 50% is less than the 50.1% of --signal-coverage-fail-under"
    assert project.run("--signal-coverage-fail-under=50").ret == pytest.ExitCode.OK


def test_the_page_is_one_file_that_needs_nothing_else(project: Project) -> None:
    project.tests(test_some=SOME_OF_THEM)
    result = project.run("--signal-coverage=html")
    written = project.path / "signal-coverage.html"
    assert section(result)[0] == "2 of 4 receivers ran: 50%"
    assert section(result)[-1] == f"Written: {written}"
    text = written.read_text()
    assert "<strong>2 of 4 receivers ran: 50%</strong>" in text
    assert "shop/receivers.py:19" in text
    for outside in ("http:", "https:", "src=", "<link", "<script", "url("):
        assert outside not in text


def test_a_kind_that_there_is_not_is_a_usage_error(project: Project) -> None:
    project.tests(test_some=SOME_OF_THEM)
    result = project.pytester.runpytest_subprocess("--signal-coverage", "tests")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            (
                "ERROR: --signal-coverage='tests' is none of term, json, html, json:FILE and "
                "html:FILE. Before the path of a test write --signal-coverage=term."
            )
        ]
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("term", Report("term")),
        ("json", Report("json")),
        ("html:a/b.html", Report("html", "a/b.html")),
        *((wrong, None) for wrong in ("term:file", "json:", "xml", "")),
    ],
)
def test_kinds_and_files(given: str, expected: Report | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match=f"--signal-coverage='{given}' is none of"):
            parse(given)
    else:
        assert parse(given) == expected


def test_a_receiver_connected_during_the_run_is_found_at_its_end(project: Project) -> None:
    (project.path / "shop" / "late.py").write_text(
        "from shop.signals import paid\n\ndef late(**kwargs): ...\n\npaid.connect(late)\n"
    )
    project.tests(test_late="def test_it():\n    import shop.late\n")
    said = section(project.run("--signal-coverage"))
    assert "  never ran: shop.late.late" in said
    assert any("4 of the project, and 1 more that were connected in between" in x for x in said)


def test_the_example_sites_own_tests_leave_one_receiver_uncovered(tmp_path: Path) -> None:
    file = tmp_path / "coverage.json"
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:randomly"),
            "tests/example_site/test_scenario_pages.py",
            "tests/example_site/test_ways_and_steps.py",
            f"--signal-coverage=json:{file}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    receivers = json.loads(file.read_text())["receivers"]
    assert [
        (each["receiver"], each["signal"], each["sender"], each["file"])
        for each in receivers
        if each["outcome"] != "ran"
    ] == [
        (
            "newsletter.receivers.say_goodbye",
            "django.db.models.signals.post_delete",
            "newsletter.Subscriber",
            "example_site/newsletter/receivers.py",
        )
    ]
    assert len(receivers) > 20


# What counts as having run, in this process

paid = Signal()
cached = Signal(use_caching=True)


def first(**named: Any) -> str:
    return "first"


def second(fails: bool = False, **named: Any) -> str:
    if fails:
        raise ValueError("no")
    return "second"


def third(**named: Any) -> str:
    return "third"


async def waiting(**named: Any) -> str:
    await asyncio.sleep(0)
    return "waited"


class Own(Signal):
    def send(self, sender: Any, **named: Any) -> Any:
        return [(each, each(sender=sender)) for each in self._live_receivers(sender)[0]]


own = Own()


@pytest.fixture
def counted() -> Iterator[Counting]:
    for receiver in (first, second, third, waiting):
        paid.connect(receiver)
    cached.connect(first)
    cached.connect(second, sender=int)
    own.connect(first)
    signals.install()
    yield counting.start()
    counting.stop()
    for receiver in (first, second, third, waiting):
        paid.disconnect(receiver)
    cached.disconnect(first)
    cached.disconnect(second, sender=int)
    own.disconnect(first)


def names(ran: Any) -> list[str]:
    """Of the signals of this module: Django's own setting_changed is counted as well."""
    return sorted(
        f"{each.receiver.rpartition('.')[2]} sender={each.sender}"
        for each in ran
        if each.signal.startswith("test_signal_coverage.")
    )


ALL_FOUR = [
    "first sender=None",
    "second sender=None",
    "third sender=None",
    "waiting sender=None",
]


@pytest.mark.parametrize("is_traced", [False, True])
@pytest.mark.parametrize("method", ["send", "send_robust", "asend", "asend_robust"])
def test_all_that_django_calls_ran(counted: Counting, method: str, is_traced: bool) -> None:
    send = getattr(paid, method)
    run = async_to_sync(send) if method.startswith("a") else send
    expected = [(first, "first"), (second, "second"), (third, "third"), (waiting, "waited")]
    for _ in range(2):  # Noted the first time, and known the second.
        if is_traced:
            with trace_signals():
                assert run("till") == expected
        else:
            assert run("till") == expected
    assert names(counted.ran) == ALL_FOUR


@pytest.mark.parametrize("is_traced", [False, True])
def test_those_after_one_that_raised_did_not_run(counted: Counting, is_traced: bool) -> None:
    if is_traced:
        with trace_signals(), pytest.raises(ValueError, match="no"):
            paid.send("till", fails=True)
    else:
        with pytest.raises(ValueError, match="no"):
            paid.send("till", fails=True)
    assert names(counted.ran) == ["first sender=None", "second sender=None"]


def test_a_dispatch_beyond_the_limit_of_a_trace_counts(counted: Counting, settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 1}
    with trace_signals() as trace:
        cached.send(str)
        paid.send("till")
    assert trace.omitted == 1
    assert names(counted.ran) == sorted([*ALL_FOUR, "first sender=None"])


def test_a_connection_ran_for_its_own_sender_only(counted: Counting) -> None:
    cached.send(str)
    assert names(counted.ran) == ["first sender=None"]
    cached.send(int)
    assert names(counted.ran) == ["first sender=None", "second sender=int"]


def test_a_muted_receiver_did_not_run(counted: Counting) -> None:
    with mute(second, third):
        paid.send("till")
    assert names(counted.ran) == ["first sender=None", "waiting sender=None"]
    paid.send("till")
    assert names(counted.ran) == ALL_FOUR


def test_a_question_is_no_call(counted: Counting) -> None:
    assert paid.has_listeners("till")
    assert names(counted.ran) == []


def test_a_loop_of_a_subclass_is_not_taken_for_a_call(counted: Counting) -> None:
    assert own.send(None) == [(first, "first")]
    assert names(counted.ran) == []
    assert names(counted.handed_over) == ["first sender=None"]


def test_what_is_known_to_have_run_is_left_alone(counted: Counting) -> None:
    cached.send(int)
    assert type(cached._live_receivers(int)[0]) is list


# What it says


def test_a_percentage_is_never_rounded_up_to_all_of_them() -> None:
    receivers = [CoveredReceiver("a", f"r{n}", "s", outcome="ran") for n in range(2000)]
    receivers[0] = CoveredReceiver("a", "r0", "s")
    coverage = SignalCoverage(receivers)
    assert coverage.percent == 99.9


def test_merging_keeps_what_ran_anywhere() -> None:
    one = SignalCoverage(
        [
            CoveredReceiver("a", "r", "s", outcome="never", with_run=True),
            CoveredReceiver("a", "q", "s", outcome="not watched"),
        ],
        installed=3,
    )
    other = SignalCoverage(
        [
            CoveredReceiver("a", "r", "s", outcome="ran"),
            CoveredReceiver("a", "q", "s", outcome="never"),
        ],
        in_tests=2,
        problem="Something is missing.",
    )
    merged = merge([one, other, SignalCoverage.from_dict(json.loads(other.to_json()))])
    assert merged == SignalCoverage(
        [
            CoveredReceiver("a", "r", "s", outcome="ran"),
            CoveredReceiver("a", "q", "s", outcome="not watched"),
        ],
        installed=3,
        in_tests=2,
        problem="Something is missing.",
    )
    assert [*lines(merged)] == [
        "app   ran    of",
        "a       1     1",
        "  not watched: q",
        "    s  sender=any sender",
        "",
        "1 of 1 receivers ran: 100%",
        "Something is missing.",
        (
            "Found by reading the connections of every signal in the process, before the first "
            "test and after the last: 2 of the project, and 0 more that were connected in between."
        ),
        "Left out: 3 of installed packages, 2 of tests.",
        "Not counted: 1 that a Signal subclass ran, or did not, in a loop of its own.",
    ]


def test_the_page_escapes_what_it_shows() -> None:
    coverage = SignalCoverage(
        [CoveredReceiver("<a>", "r.<locals>.<lambda>", "s", file="<f>", line=1, sender="<b>")],
        problem="<p>",
    )
    text = page(coverage)
    assert "r.&lt;locals&gt;.&lt;lambda&gt;" in text
    for given in ("<a>", "<lambda>", "<f>", "<b>", "<strong><p>"):
        assert given not in text
