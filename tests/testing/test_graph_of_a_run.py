"""``pytest --signal-graph``: what the tests of a run set off, in one process and in workers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from signal_tracer.records import Contents, Dispatch, ReceiverCall
from signal_tracer.signal_graph import SignalGraph, load
from signal_tracer.testing.run_graph import RunGraph
from signal_tracer.trace import Trace

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Project

SAVED = "django.db.models.signals.post_save"
PAYS = """
import pytest
from shop.signals import paid

@pytest.fixture(scope="session")
def till():
    paid.send("session")
    yield "till"
    paid.send("session")
    paid.send("session")

@pytest.fixture
def customer():
    paid.send("fixture")
    yield
    paid.send("fixture")

@pytest.mark.parametrize("number", range(4))
def test_pays(number, till, customer):
    paid.send(till, amount=number)

def test_is_only_sent():
    paid.send_robust("other", fails=True)
"""
ORDERS = """
from django.test import TestCase
from shop.models import Order

class OrderTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        Order.objects.create()

    def test_saves(self):
        Order.objects.create()

    def test_saves_twice(self):
        Order.objects.create().save()
"""


def graph_in(file: Path) -> SignalGraph:
    return load(file.read_text())


def timeless(graph: SignalGraph) -> dict[str, object]:
    """The graph without what no two runs have in common."""
    for key, each in graph.calls.items():
        graph.calls[key] = replace(each, duration=0, own_time=0, durations={})
    return graph.to_dict()


def test_the_graph_of_a_run_is_written_and_said(project: Project) -> None:
    project.tests(test_pays=PAYS)

    result = project.run("--signal-graph=out/graph.json")

    result.assert_outcomes(passed=5)
    file = project.path / "out/graph.json"
    result.stdout.fnmatch_lines(["=* signal graph =*", f"16 dispatches of 1 signal in {file}"])
    graph = graph_in(file)
    assert {
        key[1]: (each.count, each.traces, each.example) for key, each in graph.dispatches.items()
    } == {
        "'fixture'": (8, 4, "test_pays.py::test_pays[0]"),
        "'other'": (1, 1, "test_pays.py::test_is_only_sent"),
        "'session'": (3, 2, "the session fixture till of test_pays.py"),
        "'till'": (4, 4, "test_pays.py::test_pays[0]"),
    }
    texted = graph.calls["shop.signals.paid", "'other'", "shop.receivers.text_customer"]
    assert texted.errors == {"ConnectionError": 1}
    assert graph.traces == 7


@pytest.mark.parametrize("dist", ["load", "loadscope"])
def test_workers_see_what_one_process_sees(project: Project, dist: str) -> None:
    project.tests(test_pays=PAYS, test_orders=ORDERS)

    project.run("--signal-graph=one.json").assert_outcomes(passed=7)
    two = project.run("--signal-graph=two.json", "-n2", f"--dist={dist}")

    two.assert_outcomes(passed=7)
    two.stdout.fnmatch_lines(["* dispatches of * signals in *two.json"])
    one, both = graph_in(project.path / "one.json"), graph_in(project.path / "two.json")
    assert timeless(one) == timeless(both)
    assert one.dispatches[SAVED, "shop.Order"].count == 4
    assert one.dispatches[SAVED, "shop.Order"].example == ("test_orders.py::OrderTests::test_saves")


SHARED = """
import pytest
from shop.signals import paid

@pytest.fixture(scope="module", params=["card", "cash", object()])
def till(request):
    paid.send(str(request.param)[:4])
    yield
    paid.send("torn down")

@pytest.fixture(scope="module")
def drawer(till):
    paid.send("drawer")

@pytest.fixture(scope="session")
def asked(request):
    paid.send(f"asked {request.param}")

@pytest.mark.parametrize("number", range(2))
def test_pays(drawer, number):
    pass

@pytest.mark.parametrize("asked", ["twice", "here"], indirect=True)
def test_asks(asked):
    pass
"""
USES = """
import pytest

class TestOne:
    def test_it(self, bell, door): pass

class TestTwo:
    def test_it(self, bell, door): pass

@pytest.mark.parametrize("asked", ["twice"], indirect=True)
def test_asks(asked): pass
"""
SHARED_BY_MODULES = """
import pytest
from shop.signals import paid

@pytest.fixture(scope="module")
def bell(request):
    paid.send(f"bell of {request.module.__name__}")

@pytest.fixture(scope="class")
def door(request):
    paid.send(f"door of {request.cls.__name__}")

@pytest.fixture(scope="session")
def asked(request):
    paid.send(f"asked {request.param}")
"""


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["one process", "two workers"])
def test_what_is_shared_counts_for_each_parameter_and_for_each_that_it_is_set_up_for(
    project: Project, processes: tuple[str, ...]
) -> None:
    project.tests(test_shared=SHARED, test_a=USES, test_b=USES, conftest=SHARED_BY_MODULES)

    project.run("--signal-graph=graph.json", *processes).assert_outcomes(passed=14)

    graph = graph_in(project.path / "graph.json")
    assert {key[1]: (each.count, each.example) for key, each in graph.dispatches.items()} == {
        "'<obj'": (1, "the module fixture till[#2] of test_shared.py"),
        "'card'": (1, "the module fixture till['card'] of test_shared.py"),
        "'cash'": (1, "the module fixture till['cash'] of test_shared.py"),
        "'torn down'": (3, "the module fixture till[#2] of test_shared.py, torn down"),
        "'drawer'": (3, "the module fixture drawer[till=#2] of test_shared.py"),
        "'asked here'": (1, "the session fixture asked['here'] of test_shared.py"),
        # Of the module itself, and of conftest.py.
        "'asked twice'": (2, "the session fixture asked['twice']"),
        "'bell of test_a'": (1, "the module fixture bell for test_a.py"),
        "'bell of test_b'": (1, "the module fixture bell for test_b.py"),
        "'door of TestOne'": (2, "the class fixture door for test_a.py::TestOne"),
        "'door of TestTwo'": (2, "the class fixture door for test_a.py::TestTwo"),
    }


def test_it_goes_with_all_other_options_and_none_traces_twice(project: Project) -> None:
    project.tests(test_pays=PAYS)

    result = project.run(
        *("--signal-graph=graph.json", "--signal-findings=info", "--signal-trace=all"),
        *("--signal-coverage", "--fail-on-swallowed"),
    )

    result.assert_outcomes(passed=4, failed=1)
    assert (
        graph_in(project.path / "graph.json").dispatches["shop.signals.paid", "'till'"].count == 4
    )


def test_tests_without_django_settings_have_a_graph(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    pytester.makepyfile(
        """
        from django.dispatch import Signal

        paid = Signal()

        def receive(**kwargs):
            pass

        def test_sends():
            paid.connect(receive)
            paid.send("till")
        """
    )

    result = pytester.runpytest_subprocess("-p", "no:django", "--signal-graph=graph.json")

    result.assert_outcomes(passed=1)
    [call] = graph_in(pytester.path / "graph.json").calls.values()
    assert call.receiver == "test_tests_without_django_settings_have_a_graph.receive"
    assert call.example == "test_tests_without_django_settings_have_a_graph.py::test_sends"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("shop", "*--signal-graph=*shop is a folder: name a file in it."),
        ("", "*--signal-graph=* is a folder: name a file in it."),
        (
            "site_settings.py/graph.json",
            "*graph.json is in no folder: *site_settings.py is a file.",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused_before_the_first_test(
    project: Project, file: str, said: str
) -> None:
    project.tests(test_pays=PAYS)

    result = project.pytester.runpytest_subprocess(f"--signal-graph={file}")

    result.stderr.fnmatch_lines([said])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_file_that_cannot_be_written_in_the_end_fails_the_run(project: Project) -> None:
    project.tests(
        test_it="""
        def test_makes_a_folder(request):
            (request.config.invocation_params.dir / "graph.json").mkdir()
        """
    )

    result = project.run("--signal-graph=graph.json")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["FAILED: signal graph failed to be written: *graph.json cannot be written (Is a *"]
    )


def test_a_run_without_tests_leaves_the_file_alone(project: Project) -> None:
    file = project.path / "graph.json"
    file.write_text("of yesterday")
    project.tests(test_it="import nowhere")

    result = project.run("--signal-graph=graph.json")

    result.stdout.fnmatch_lines([f"No test has run, and so {file} was not written."])
    assert file.read_text() == "of yesterday"


STOPS = """
import pytest
from shop.signals import paid

def test_fails():
    paid.send("till")
    assert False

def test_pays():
    paid.send("till")
"""
EXITS = STOPS.replace("assert False", "pytest.exit('enough', returncode=0)")


@pytest.mark.parametrize(
    ("tests", "options", "why"),
    [
        (STOPS, ("-x",), "the run was stopped"),
        (STOPS, ("-x", "-n1"), "the run was stopped"),
        (STOPS.replace("assert False", "raise KeyboardInterrupt"), (), "the run was stopped"),
        (EXITS, (), "the run was stopped"),
        (STOPS, ("-k", "fails"), "some were deselected"),
        (STOPS, ("-k", "fails", "-n2"), "some were deselected"),
        (STOPS, ("--stepwise",), "the run was stopped; some were left out by --lf or --stepwise"),
        (STOPS, ("test_it.py::test_fails",), "pytest was asked for test_it.py::test_fails"),
    ],
    ids=["-x", "-x -n1", "Ctrl-C", "pytest.exit()", "-k", "-k -n2", "--stepwise", "a test"],
)
def test_a_graph_that_may_not_be_of_all_tests_says_so(
    project: Project, tests: str, options: tuple[str, ...], why: str
) -> None:
    project.tests(test_it=tests)

    result = project.pytester.runpytest_subprocess("--signal-graph=graph.json", *options)

    result.stdout.fnmatch_lines(
        [f"It may not be of all tests: {why}. What the others set off is not in it."]
    )
    assert graph_in(project.path / "graph.json").traces


def test_a_graph_of_all_tests_is_not_said_to_lack_any(project: Project) -> None:
    project.tests(test_it=STOPS)

    result = project.run("--signal-graph=graph.json")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*not be of all tests*")


def test_files_that_cannot_be_collected_are_said(project: Project) -> None:
    project.tests(test_it=STOPS, test_other="import nowhere")

    result = project.run("--signal-graph=graph.json", "--continue-on-collection-errors")

    result.stdout.fnmatch_lines(["It may not be of all tests: some could not be collected. *"])


def test_a_crash_while_it_is_written_leaves_the_former_file(project: Project) -> None:
    file = project.path / "graph.json"
    file.write_text("of yesterday")
    project.tests(
        test_it=STOPS,
        conftest="""
        import os

        def crash(file):
            os._exit(1)

        os.fsync = crash
        """,
    )

    project.pytester.runpytest_subprocess("--signal-graph=graph.json")

    assert file.read_text() == "of yesterday"


def test_a_worker_that_crashed_is_said(project: Project) -> None:
    project.tests(
        test_pays=PAYS,
        test_it="""
        import os

        def test_crashes():
            os._exit(1)
        """,
    )

    result = project.run("--signal-graph=graph.json", "-n1", "--max-worker-restart=0")

    result.stdout.fnmatch_lines(["What worker gw0 saw is not in it: it crashed."])


def test_what_is_not_in_a_graph_is_said(project: Project) -> None:
    with (project.path / "site_settings.py").open("a") as settings:
        settings.write('\nSIGNAL_TRACER = {"MAX_DISPATCHES": 2}\n')
    project.tests(
        test_it="""
        from shop.signals import paid

        def test_pays():
            for _ in range(5):
                paid.send("till")
        """
    )

    result = project.run("--signal-graph=graph.json")

    result.stdout.fnmatch_lines(
        [
            "2 dispatches of 1 signal in *graph.json",
            "3 more only counted, and not in it. Raise *",
        ]
    )


# Without a pytest around it


def set_up(times: int) -> SignalGraph:
    saved = Dispatch(SAVED, receiver_calls=[ReceiverCall("shop.a")])
    began = datetime(2026, 3, 1, tzinfo=UTC)
    contents = Contents(dispatches=[saved] * times)
    return SignalGraph.from_traces([Trace("till", started_at=began, contents=contents)])


def test_what_tests_share_counts_once_whichever_worker_comes_first() -> None:
    def worker(times: int) -> str:
        run = RunGraph()
        run._keep("the session fixture till", set_up(times))
        return run.to_text()

    texts = [worker(2), worker(3), worker(1)]
    wholes = []
    for order in (texts, texts[::-1], [texts[1], texts[0], texts[2]]):
        merged = RunGraph()
        for text in order:
            merged.join(text)
        wholes.append(merged.whole())

    assert wholes[0] == wholes[1] == wholes[2] == set_up(3)
    assert json.loads(texts[0]).keys() == {"graph", "shared"}
