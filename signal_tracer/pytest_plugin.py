"""The place where pytest meets the package: fixtures, markers, options and report sections.

It is loaded in every run of whoever has the package installed, so that Django and rich are
imported when something is asked for, and hooks that run for each test are registered then.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from signal_tracer.coverage.files import Report
    from signal_tracer.coverage.result import SignalCoverage
    from signal_tracer.testing import SignalTrace
    from signal_tracer.trace import Trace

MARKERS = (
    (
        "signal_trace(name='', all_threads=False): trace the signals of this test, with these "
        "arguments of SignalTrace, in the fixture of the same name."
    ),
    (
        "mute_signals(*what, sender=None, only=None): mute signals or receivers during this test "
        "and its own fixtures; the arguments of signal_tracer.testing.mute."
    ),
    (
        "allow_swallowed(*receivers): with --fail-on-swallowed, exceptions of these receivers (or "
        "of all) may be swallowed in this test."
    ),
)
SECTION = "Signal trace"
NOT_SEEN = "Signals not looked at"
NOT_SEEN_TEXT = (
    "only counted: %s of its dispatches. Exceptions that were swallowed there are not seen. "
    "Raise SIGNAL_TRACER['MAX_DISPATCHES'] for the tests."
)
WORKER_OUTPUT = "signal_tracer_coverage"
NO_DJANGO = "signal_tracer: Django is not installed, and so there are no signals to look at."


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("signal_tracer", "Django's signals")
    group.addoption(
        "--signal-trace",
        choices=["failed", "all"],
        help="report which signals were sent and received in failed tests, or in all",
    )
    group.addoption(
        "--fail-on-swallowed",
        action="store_true",
        help="fail a test in which send_robust() swallowed an exception of a receiver",
    )
    group.addoption(
        "--signal-coverage",
        action="append",
        nargs="?",
        const="term",
        metavar="KIND[:FILE]",
        help="report which connected receivers of the project never ran: term (the default), "
        "json or html, each may be given; the last two with a file, as in json:out.json",
    )
    group.addoption(
        "--signal-coverage-fail-under",
        type=float,
        metavar="N",
        help="fail if less than N percent of the project's receivers ran",
    )


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    reports = _reports(config.getoption("signal_coverage") or [])
    fail_under = config.getoption("signal_coverage_fail_under")
    wants_trace = config.getoption("signal_trace") or config.getoption("fail_on_swallowed")
    wants_coverage = reports or fail_under is not None
    if not (wants_trace or wants_coverage):
        return
    if not _has_django():
        config.pluginmanager.register(_Note(NO_DJANGO), "signal_tracer_note")
        return
    if wants_trace:
        config.pluginmanager.register(_Tracing(config), "signal_tracer_tracing")
    if wants_coverage and not config.option.collectonly:
        config.pluginmanager.register(
            _Coverage(config, reports or _reports(["term"]), fail_under), "signal_tracer_coverage"
        )


def _reports(given: list[str]) -> list[Report]:
    if not given:
        return []
    from signal_tracer.coverage.files import parse

    try:
        return [parse(each) for each in given]
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


class _Note:
    def __init__(self, text: str) -> None:
        self.text = text

    def pytest_report_header(self) -> str:
        return self.text


# Fixtures and markers


@pytest.fixture
def signal_trace(request: pytest.FixtureRequest) -> Iterator[SignalTrace]:
    """The signals of this test as a ``signal_tracer.testing.SignalTrace``, to assert on.

    The marker of the same name takes its arguments: ``all_threads=True`` for a live server.
    """
    _want_django("signal_trace")
    from signal_tracer.testing import SignalTrace

    marker = request.node.get_closest_marker("signal_trace")
    if marker:
        _check_arguments(request, marker, SignalTrace)
    args, options = (marker.args, dict(marker.kwargs)) if marker else ((), {})
    if not args:
        options.setdefault("name", request.node.nodeid)
    with SignalTrace(*args, **options) as trace:
        yield trace


@pytest.fixture
def mute_signals(request: pytest.FixtureRequest) -> Iterator[Any]:
    """``mute_signals(post_save, "shop.receivers.send_receipt")`` mutes until the test has ended.

    The marker of the same name does so from the beginning. Both take what
    ``signal_tracer.testing.mute`` takes.
    """
    _want_django("mute_signals")
    from signal_tracer.testing import mute

    with ExitStack() as muted:

        def mute_until_the_end(*what: Any, sender: Any = None, only: Any = None) -> None:
            muted.enter_context(mute(*what, sender=sender, only=only))

        for marker in request.node.iter_markers("mute_signals"):
            _check_arguments(request, marker, mute)
            mute_until_the_end(*marker.args, **marker.kwargs)
        yield mute_until_the_end


def _check_arguments(request: pytest.FixtureRequest, marker: pytest.Mark, takes: Any) -> None:
    try:
        inspect.signature(takes).bind(*marker.args, **marker.kwargs)
    except TypeError as error:
        usage = next(each for each in MARKERS if each.startswith(marker.name)).partition(":")[0]
        pytest.fail(
            f"The marker {marker.name} of {request.node.nodeid} is wrong: {error}. "
            f"Write @pytest.mark.{usage}, with any of these arguments.",
            pytrace=False,
        )


def _want_django(name: str) -> None:
    if not _has_django():
        pytest.fail(f"{name} needs Django, which is not installed.", pytrace=False)


def _has_django() -> bool:
    return importlib.util.find_spec("django") is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = {marker.name for marker in item.iter_markers()}
        # The trace last, and so around the mute.
        for name in ("mute_signals", "signal_trace"):
            if name in names:
                _use_fixture(item, name)


def _use_fixture(item: pytest.Item, name: str) -> None:
    """Before the test's own fixtures, so that it is about them too.

    But after those that are shared with other tests, and after pytest-django's, which make the
    database: what is created there must not lack what receivers add.
    """
    names: list[str] | None = getattr(item, "fixturenames", None)
    if names is None or name in names:
        return
    definitions = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]  # no public way
    shared = [
        index
        for index, each in enumerate(names)
        if each == "_django_db_marker"
        or (each in definitions and definitions[each][-1].scope != "function")
    ]
    names.insert(shared[-1] + 1 if shared else 0, name)


# --signal-trace and --fail-on-swallowed


class _Tracing:
    """Traces each phase of each test, in all threads, and looks at what it found."""

    def __init__(self, config: pytest.Config) -> None:
        self.shown = config.getoption("signal_trace")
        self.fail_on_swallowed = config.getoption("fail_on_swallowed")
        self.trace: Trace | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        return (yield from self._traced(item))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        return (yield from self._traced(item))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        return (yield from self._traced(item))

    def _traced(self, item: pytest.Item) -> Generator[None, Any, Any]:
        from signal_tracer.tracer import trace_signals

        with trace_signals(item.nodeid, all_threads=True) as trace:
            self.trace = trace  # For the reports of this phase; subtests have theirs while it runs.
            result = yield
        if self.fail_on_swallowed:
            _fail_on_swallowed(item, trace)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        trace = self.trace
        if trace is None:
            return report
        # A subtest that passed is no test, and its outline would be a part of the test's.
        is_whole = report.when == "call" and type(report) is pytest.TestReport
        if self.shown and (report.failed or (self.shown == "all" and is_whole)):
            from signal_tracer.testing.messages import outline_of

            outline = outline_of(trace)
            if outline:
                report.sections.append((f"{SECTION} {report.when}", outline))
        not_kept = trace.omitted + trace.too_deep
        if self.fail_on_swallowed and not_kept and is_whole:
            report.sections.append((NOT_SEEN, NOT_SEEN_TEXT % f"{not_kept:,}"))
        return report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        # pytest shows nothing of tests that passed, unless it is asked to.
        for report in terminalreporter.getreports("passed"):
            for title, text in report.sections:
                if title.startswith(NOT_SEEN):
                    terminalreporter.write_line(f"{report.nodeid}: {text}", yellow=True)
                elif title.startswith(SECTION) and not terminalreporter.hasopt("P"):
                    terminalreporter.write_sep("-", f"{title} of {report.nodeid}")
                    terminalreporter.write_line(text)


def _fail_on_swallowed(item: pytest.Item, trace: Trace) -> None:
    swallowed = trace.swallowed()
    markers = list(item.iter_markers("allow_swallowed"))
    if not swallowed or any(not marker.args for marker in markers):
        return
    from signal_tracer.testing import messages
    from signal_tracer.testing.lookup import is_receiver

    allowed = [each for marker in markers for each in marker.args]

    def is_allowed(name: str) -> bool:
        return any(is_receiver(each, name) for each in allowed)

    if not all(is_allowed(call.receiver) for call in swallowed):
        pytest.fail(
            f"{messages.swallowed(trace, is_allowed)}\n\nIf a receiver is meant to fail here, "
            f'mark the test with @pytest.mark.allow_swallowed("its.name").',
            pytrace=False,
        )


# --signal-coverage


class _Coverage:
    """Measures signal coverage in this process, or collects what the workers of xdist measured."""

    def __init__(
        self, config: pytest.Config, reports: list[Report], fail_under: float | None
    ) -> None:
        self.config = config
        self.reports = reports
        self.fail_under = fail_under
        self.measuring: Any = None
        self.test_files: set[str] = set()
        self.results: list[SignalCoverage] = []
        self.merged: SignalCoverage | None = None
        self.written: list[Path] = []

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self.test_files.add(str(item.path))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        from signal_tracer.coverage.measuring import Measuring

        self.measuring = Measuring()
        self.test_files |= {
            each.__file__
            for each in self.config.pluginmanager.get_plugins()
            if getattr(each, "__file__", None) and Path(each.__file__).name == "conftest.py"
        }

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self.measuring.go_on()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        from signal_tracer.coverage.files import write
        from signal_tracer.coverage.result import merge

        if self.measuring is not None:
            self.results.append(self.measuring.end(self.test_files))
        worker: dict[str, Any] | None = getattr(self.config, "workeroutput", None)
        if worker is not None:
            worker[WORKER_OUTPUT] = [each.to_dict() for each in self.results]
            return
        if not self.results:
            return  # The tests could not be collected.
        self.merged = merge(self.results)
        self.written = write(self.merged, self.reports, self.config.invocation_params.dir)
        if self._is_under(self.merged) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        from signal_tracer.coverage.result import SignalCoverage

        given = getattr(node, "workeroutput", {}).get(WORKER_OUTPUT)
        if given is None:
            name = node.gateway.id
            self.results.append(
                SignalCoverage(problem=f"What ran in worker {name} is not known: it crashed.")
            )
        else:
            self.results += map(SignalCoverage.from_dict, given)

    def _is_under(self, coverage: SignalCoverage) -> bool:
        return self.fail_under is not None and coverage.percent < self.fail_under

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from signal_tracer.coverage.terminal import lines, summary

        if self.merged is None:
            return
        terminalreporter.section("signal coverage")
        shows_all = any(each.kind == "term" for each in self.reports)
        for line in (lines if shows_all else summary)(self.merged):
            terminalreporter.write_line(line)
        for path in self.written:
            terminalreporter.write_line(f"Written: {path}")
        if self._is_under(self.merged):
            terminalreporter.write_line(
                f"FAILED: {self.merged.percent:g}% is less than the {self.fail_under:g}% of "
                "--signal-coverage-fail-under",
                red=True,
            )
