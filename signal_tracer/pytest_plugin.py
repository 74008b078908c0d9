"""Pytest meets the package: fixtures, markers, options and report sections.

It is loaded in every run of whoever has the package installed, so that Django and rich are
imported when something is asked for, and hooks that run for each test are registered then.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
import traceback
from argparse import ArgumentTypeError
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from signal_tracer.coverage.files import Report
    from signal_tracer.coverage.result import SignalCoverage
    from signal_tracer.reviewing import Asked, Gathered
    from signal_tracer.testing import SignalTrace
    from signal_tracer.testing.run_graph import RunGraph
    from signal_tracer.trace import Trace
    from signal_tracer.tracer import trace_signals

Made = TypeVar("Made")

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
FOUND_OUTPUT = "signal_tracer_findings"
GRAPH_OUTPUT = "signal_tracer_graph"
LEVELS = ("error", "warning", "info")
# What --signal-findings goes with.
OF_FINDINGS = ("signal_baseline", "signal_write_baseline", "signal_sarif", "signal_github")
NO_DJANGO = "signal_tracer: Django is not installed, and so there are no signals to look at."


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("signal_tracer", "Django's signals")
    group.addoption(
        "--signal-trace",
        choices=["failed", "all"],
        help="report which signals were sent and received in failed tests, or in all",
    )
    group.addoption(
        "--signal-trace-project-only",
        action="store_true",
        help="with --signal-trace: put what only installed packages heard in one row a package",
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
        type=_percentage,
        metavar="N",
        help="fail if less than N percent of the project's receivers ran, N from 0 to 100",
    )
    group.addoption(
        "--signal-findings",
        nargs="?",
        const="warning",
        type=_level,
        metavar="LEVEL",
        help="report what is to be found over the signals of all tests, each finding once, and "
        "fail if there are any of this level (error, warning or info; warning unless given) or "
        "worse",
    )
    group.addoption(
        "--signal-baseline",
        metavar="FILE",
        help="findings that FILE names are known: they are shown, and only others fail",
    )
    group.addoption(
        "--signal-write-baseline",
        action="store_true",
        help="write the file of --signal-baseline: with all findings if there is none, and else "
        "without those that are mended",
    )
    group.addoption(
        "--signal-sarif",
        metavar="FILE",
        help="write the findings to FILE as SARIF 2.1.0, which code hosts show in a review",
    )
    group.addoption(
        "--signal-github",
        action="store_true",
        help="print each new finding as GitHub's workflow command too",
    )
    group.addoption(
        "--signal-graph",
        metavar="FILE",
        help="write what all tests set off to FILE: which signals were sent, which receivers ran "
        "and what they sent, for manage.py signal_map --graph",
    )


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    reports = _reports(config.getoption("signal_coverage") or [])
    fail_under = config.getoption("signal_coverage_fail_under")
    wants_trace = config.getoption("signal_trace") or config.getoption("fail_on_swallowed")
    wants_coverage = reports or fail_under is not None
    wants_findings = config.getoption("signal_findings")
    for name in OF_FINDINGS if not wants_findings else ():
        if config.getoption(name):
            raise pytest.UsageError(f"--{name.replace('_', '-')} needs --signal-findings.")
    if config.getoption("signal_write_baseline") and not config.getoption("signal_baseline"):
        raise pytest.UsageError("--signal-write-baseline needs the file: --signal-baseline=FILE.")
    wants_graph = config.getoption("signal_graph") is not None
    if not (wants_trace or wants_coverage or wants_findings or wants_graph):
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
    if config.option.collectonly:
        return
    takers: list[_OfPieces] = []
    if wants_findings:
        takers.append(_Findings(config))
        config.pluginmanager.register(takers[-1], "signal_tracer_findings")
    if wants_graph:
        takers.append(_Graph(config))
        config.pluginmanager.register(takers[-1], "signal_tracer_graph")
    if takers:
        config.pluginmanager.register(_Pieces(takers), "signal_tracer_pieces")


def _percentage(given: str) -> float:
    try:
        number = float(given)
    except ValueError:
        number = -1
    if not 0 <= number <= 100:  # Nor is this true of nan.
        raise ArgumentTypeError(f"{given!r} is no percentage: give a number from 0 to 100")
    return number


def _level(given: str) -> str:
    if given not in LEVELS:
        raise ArgumentTypeError(
            f"{given!r} is no level: give error, warning or info. Before the path of a test write "
            "--signal-findings=warning"
        )
    return given


def _reports(given: list[str]) -> list[Report]:
    if not given:
        return []
    from signal_tracer.coverage.files import chosen

    try:
        return chosen(given)
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

    def make(name: str = request.node.nodeid, *, all_threads: bool = False) -> SignalTrace:
        return SignalTrace(name, all_threads=all_threads)

    marker = request.node.get_closest_marker("signal_trace")
    with _from_marker(request.node, marker, make) if marker else make() as trace:
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
            __tracebackhide__ = True
            muted.enter_context(mute(*what, sender=sender, only=only))

        for marker in request.node.iter_markers("mute_signals"):
            muted.enter_context(_from_marker(request.node, marker, mute))
        yield mute_until_the_end


@pytest.fixture
def _allow_swallowed(request: pytest.FixtureRequest) -> None:
    """For a test with the marker ``allow_swallowed``: says so if its arguments are wrong."""
    _allowed_in(request.node)


def _allowed_in(node: pytest.Item) -> list[tuple[Any, ...]]:
    """For each marker the receivers whose exceptions may be swallowed; without any: of all."""
    markers = node.iter_markers("allow_swallowed")
    return [_from_marker(node, marker, _only_receivers) for marker in markers]


def _only_receivers(*receivers: Any) -> tuple[Any, ...]:
    for each in receivers:
        is_name = isinstance(each, str)
        if not (each if is_name else callable(each)):
            what = "an empty name" if is_name else f"a {type(each).__name__}"
            raise TypeError(f"it takes receivers or their dotted names, and was given {what}.")
    return receivers


def _from_marker(node: pytest.Item, marker: pytest.Mark, make: Callable[..., Made]) -> Made:
    """What ``make`` makes of the marker's arguments; the test fails if they are wrong."""
    try:
        inspect.signature(make).bind(*marker.args, **marker.kwargs)
        return make(*marker.args, **marker.kwargs)
    except TypeError as error:
        if not _is_refusal(error):
            raise
        said = str(error).rstrip(".")
    usage = next(each for each in MARKERS if each.startswith(marker.name)).partition(":")[0]
    pytest.fail(
        f"The marker {marker.name} of {node.nodeid} is wrong: {said}. "
        f"Write @pytest.mark.{usage}, with any of these arguments.",
        pytrace=False,
    )


def _is_refusal(error: Exception) -> bool:
    """Whether we raised it, and not a module of the user's that was imported for a name."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    module = str(frame.f_globals.get("__name__"))
    return module == inspect.__name__ or module.startswith(f"{__package__}.")


def _want_django(name: str) -> None:
    if not _has_django():
        pytest.fail(f"{name} needs Django, which is not installed.", pytrace=False)


def _has_django() -> bool:
    return importlib.util.find_spec("django") is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = {marker.name for marker in item.iter_markers()}
        # The trace last, and so around the mute.
        for name in ("allow_swallowed", "mute_signals", "signal_trace"):
            if name in names:
                _use_fixture(item, "_allow_swallowed" if name == "allow_swallowed" else name)


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
        self.project_only = config.getoption("signal_trace_project_only")
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
        if self.trace is not None:
            try:
                report.sections += self._sections(self.trace, report)
            except Exception as error:
                # Raised here, it would end the whole run and lose the reports of all tests.
                report.sections.append((SECTION, f"cannot be shown: {_what(error)}"))
        return report

    def _sections(self, trace: Trace, report: pytest.TestReport) -> Iterator[tuple[str, str]]:
        # A subtest that passed is no test, and its signals are among the test's.
        is_whole = report.when == "call" and type(report) is pytest.TestReport
        if self.shown and (report.failed or (self.shown == "all" and is_whole)):
            from signal_tracer.testing.messages import outline_of

            section = outline_of(trace, project_only=self.project_only)
            if section:
                yield f"{SECTION} {report.when}", section
        not_kept = trace.omitted + trace.too_deep
        if self.fail_on_swallowed and not_kept and is_whole:
            yield NOT_SEEN, NOT_SEEN_TEXT % f"{not_kept:,}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        # pytest shows nothing of tests that passed, unless it is asked to.
        for report in terminalreporter.getreports("passed"):
            # Other plugins count what is no report of pytest's.
            for title, text in getattr(report, "sections", ()):
                if title.startswith(NOT_SEEN):
                    terminalreporter.write_line(f"{report.nodeid}: {text}", yellow=True)
                elif title.startswith(SECTION) and not terminalreporter.hasopt("P"):
                    terminalreporter.write_sep("-", f"{title} of {report.nodeid}")
                    terminalreporter.write_line(text)


def _fail_on_swallowed(item: pytest.Item, trace: Trace) -> None:
    swallowed = trace.swallowed()
    markers = _allowed_in(item) if swallowed else []
    if not swallowed or () in markers:
        return
    from signal_tracer.testing import messages
    from signal_tracer.testing.lookup import is_receiver

    allowed = [each for marker in markers for each in marker]

    def is_allowed(name: str) -> bool:
        return any(is_receiver(each, name) for each in allowed)

    if not all(is_allowed(call.receiver) for call in swallowed):
        pytest.fail(
            f"{messages.swallowed(trace, is_allowed)}\n\nIf a receiver is meant to fail here, "
            f'mark the test with @pytest.mark.allow_swallowed("its.name").',
            pytrace=False,
        )


class _OfTheRun:
    """What is known only at the end of the run, perhaps of several workers, and is told then."""

    title: str
    option: str

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.test_files: set[str] = set()
        self.said: list[str] = []
        # What makes the run fail, a line each.
        self.failures: list[str] = []
        self.is_told = False

    @contextmanager
    def _going_on(self, doing: str) -> Iterator[None]:
        """Whatever goes wrong here is told at the end: raised, it would lose the tests' report."""
        try:
            yield
        except Exception as error:
            self._fail(
                f"{self.title} failed {doing}: {_what(error)}. "
                f"Mend that, or leave out {self.option}."
            )

    def _fail(self, line: str) -> None:
        if line not in self.failures:
            self.failures.append(line)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self.test_files.add(str(item.path))

    def _add_conftests(self) -> None:
        self.test_files |= {
            each.__file__
            for each in self.config.pluginmanager.get_plugins()
            if getattr(each, "__file__", None) and Path(each.__file__).name == "conftest.py"
        }

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from signal_tracer.wording import printable

        if self.said or self.failures:
            terminalreporter.section(self.title)
        for line in self.said:
            terminalreporter.write_line(printable(line))
        for line in self.failures:
            terminalreporter.write_line(printable(f"FAILED: {line}"), red=True)
        self.is_told = True

    def pytest_unconfigure(self) -> None:
        # Without a terminal reporter, or without its summary, nobody has said why the run fails.
        from signal_tracer.wording import printable

        for line in () if self.is_told else self.failures:
            sys.stderr.write(printable(f"{self.title}: FAILED: {line}") + "\n")


# --signal-coverage


class _Coverage(_OfTheRun):
    """Measures signal coverage in this process, or collects what the workers of xdist measured."""

    title = "signal coverage"
    option = "--signal-coverage"

    def __init__(
        self, config: pytest.Config, reports: list[Report], fail_under: float | None
    ) -> None:
        super().__init__(config)
        self.reports = reports
        self.fail_under = fail_under
        self.measuring: Any = None
        self.results: list[SignalCoverage] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        with self._going_on("before the first test"):
            from signal_tracer.coverage.measuring import Measuring

            self.measuring = Measuring()
            self._add_conftests()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        if self.measuring is not None:
            with self._going_on("before a test"):
                self.measuring.go_on()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.measuring is not None:
            with self._going_on("after the last test"):
                self.results.append(self.measuring.end(self.test_files))
        worker: dict[str, Any] | None = getattr(self.config, "workeroutput", None)
        if worker is not None:
            # As text: what comes back is the same whatever a name holds.
            worker[WORKER_OUTPUT] = json.dumps(
                [[each.to_dict() for each in self.results], self.failures]
            )
            self.is_told = True
            return
        with self._going_on("to make its report"):
            self._report()
        if self.failures and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        with self._going_on("to read what a worker measured"):
            from signal_tracer.coverage.result import SignalCoverage

            given = getattr(node, "workeroutput", {}).get(WORKER_OUTPUT)
            if given is None:
                name = node.gateway.id
                self.results.append(
                    SignalCoverage(problem=f"What ran in worker {name} is not known: it crashed.")
                )
                return
            results, failures = json.loads(given)
            self.results += map(SignalCoverage.from_dict, results)
            for each in failures:
                self._fail(each)

    def _report(self) -> None:
        from signal_tracer.coverage.files import NotWrittenError, write
        from signal_tracer.coverage.result import merge
        from signal_tracer.coverage.terminal import lines, summary

        if not self.results:
            return  # The tests could not be collected.
        merged = merge(self.results)
        shows_all = any(each.kind == "term" for each in self.reports)
        self.said += (lines if shows_all else summary)(merged)
        for report in self.reports:
            if report.kind != "term":
                try:
                    path = write(merged, report, self.config.invocation_params.dir)
                    self.said.append(f"Written: {path}")
                except NotWrittenError as error:
                    self._fail(str(error))
        if self.fail_under is not None and merged.percent < self.fail_under:
            self._fail(
                f"{merged.percent:g}% is less than the {self.fail_under:g}% of "
                "--signal-coverage-fail-under"
            )


# --signal-findings and --signal-graph


class _OfPieces(_OfTheRun):
    """What is made of the pieces of a run."""

    def take(self, trace: Trace, where: dict[str, dict[str, int]], *, is_end: bool) -> None:
        """The trace of a test, or of a fixture; ``is_end``: of the latter's teardown."""
        raise NotImplementedError

    def _chooses(self) -> bool:
        """Whether an option of pytest's own has left out tests without saying so to us."""
        return any(getattr(self.config.option, name, False) for name in ("lf", "stepwise"))


class _Pieces:
    """Traces each test of this process, and each fixture that tests share.

    Those have traces of their own: which test sets them up depends on who runs where, and what is
    found must not.
    """

    def __init__(self, takers: list[_OfPieces]) -> None:
        self.takers = takers
        self.numbers: dict[str, int] = {}
        # What is looked at, innermost last: one trace at a time, of the last.
        self.inside: list[dict[str, dict[str, int]]] = []
        self.tracing: trace_signals | None = None
        self.trace: Trace | None = None
        # What is set up, with its name and with the parameters it was set up for.
        self.shared: dict[pytest.FixtureDef[Any], tuple[dict[str, dict[str, int]], list[str]]] = {}
        self.is_last_of_its_kind = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.numbers = {item.nodeid: number for number, item in enumerate(session.items)}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        with self._looking_at_test(item):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        with self._looking_at_test(item):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, Any, Any]:
        self.is_last_of_its_kind = nextitem is None or nextitem.parent is not item.parent
        with self._looking_at_test(item):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        # One of a class is set up for each test that is in none.
        if fixturedef.scope == "function" or (fixturedef.scope == "class" and request.cls is None):
            return (yield)
        params = self._params(fixturedef, request)
        shared = _as_shared(fixturedef, request.node.nodeid, params)
        self.shared[fixturedef] = shared, params
        with self._looking_at(shared):
            return (yield)

    def _params(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> list[str]:
        """Its parameter, and those of what it asks for: for each of them it is set up anew."""
        is_set_up = {each.argname: params for each, (_, params) in self.shared.items()}
        params = [each for name in fixturedef.argnames for each in is_set_up.get(name, ())]
        if hasattr(request, "param"):
            params.append(f"{fixturedef.argname}={_named(request)}")
        return [*dict.fromkeys(params)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        if not self.inside:
            return
        if fixturedef in self.shared:  # Others are asked again and again, and have nothing left.
            shared, _ = self.shared.pop(fixturedef)
            self._end(shared, is_end=True)
            self._begin()
        elif fixturedef.scope == "function" and self.is_last_of_its_kind:
            self._end(self.inside[-1])
            self._begin()

    def _looking_at_test(self, item: pytest.Item) -> AbstractContextManager[None]:
        return self._looking_at({"tests": {item.nodeid: self.numbers.get(item.nodeid, 0)}})

    @contextmanager
    def _looking_at(self, where: dict[str, dict[str, int]]) -> Iterator[None]:
        if self.inside:
            self._end(self.inside[-1])
        self.inside.append(where)
        self._begin()
        try:
            yield
        finally:
            self._end(self.inside.pop())
            if self.inside:
                self._begin()

    def _begin(self) -> None:
        with self.takers[0]._going_on("to start a trace"):
            from signal_tracer.tracer import trace_signals

            [name] = next(iter(self.inside[-1].values()))
            self.tracing = trace_signals(name, all_threads=True)
            self.trace = self.tracing.__enter__()

    def _end(self, where: dict[str, dict[str, int]], *, is_end: bool = False) -> None:
        with self.takers[0]._going_on("to end a trace"):
            if self.tracing is not None:
                self.tracing.__exit__(None, None, None)
        trace, self.tracing, self.trace = self.trace, None, None
        if trace is not None:
            for each in self.takers:
                with each._going_on("to look at a trace"):
                    each.take(trace, where, is_end=is_end)


# --signal-findings


class _Findings(_OfPieces):
    """Gathers what is found over all tests of this process, or what the workers of xdist found."""

    title = "signal findings"
    option = "--signal-findings"

    def __init__(self, config: pytest.Config) -> None:
        from signal_tracer.baseline import BaselineError
        from signal_tracer.reviewing import Asked, Gathered

        super().__init__(config)
        folder = config.invocation_params.dir
        paths = [config.getoption(name) for name in ("signal_baseline", "signal_sarif")]
        kept, sarif = (folder / each if each else None for each in paths)
        is_asked_for = config.args_source is pytest.Config.ArgsSource.ARGS
        self.asked: Asked = Asked(
            config.getoption("signal_findings"),
            kept,
            config.getoption("signal_write_baseline"),
            sarif,
            config.getoption("signal_github"),
            tuple(config.args) if is_asked_for else (),
        )
        self.is_worker = hasattr(config, "workerinput")
        try:
            self.known = None if self.is_worker else self.asked.known()
        except BaselineError as error:
            raise pytest.UsageError(str(error)) from error
        self.gathered: Gathered = Gathered()

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.gathered.is_whole &= not items

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        self._add_conftests()

    def take(self, trace: Trace, where: dict[str, dict[str, int]], *, is_end: bool) -> None:
        self.gathered.note(trace, self.asked.at_least, **where)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self.gathered.is_whole &= exitstatus == pytest.ExitCode.OK and not self._chooses()
        if self.is_worker:
            worker: dict[str, Any] = self.config.workeroutput  # type: ignore[attr-defined]  # xdist
            worker[FOUND_OUTPUT] = json.dumps(
                [self.gathered.to_text(), self.failures, sorted(self.test_files)]
            )
            self.is_told = True
            return
        with self._going_on("to make its report"):
            from signal_tracer.reviewing import review

            result = review(
                self.gathered,
                self.asked,
                self.known,
                self.test_files,
                self.config.invocation_params.dir,
            )
            self.said += result.said
            self.failures += result.failures
        if self.failures and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        with self._going_on("to read what a worker found"):
            from signal_tracer.reviewing import Gathered

            given = getattr(node, "workeroutput", {}).get(FOUND_OUTPUT)
            if given is None:
                self.gathered.is_whole = False
                self.said.append(f"What worker {node.gateway.id} found is not known: it crashed.")
                return
            gathered, failures, test_files = json.loads(given)
            self.gathered.join(Gathered.from_text(gathered))
            self.test_files |= {*test_files}
            for each in failures:
                self._fail(each)


class _Graph(_OfPieces):
    """Adds up what every test of this process set off, or what the workers of xdist added up."""

    title = "signal graph"
    option = "--signal-graph"

    def __init__(self, config: pytest.Config) -> None:
        from signal_tracer.testing.run_graph import NotWrittenError, RunGraph, check

        super().__init__(config)
        self.path = config.invocation_params.dir / config.getoption("signal_graph")
        self.graph: RunGraph = RunGraph()
        # Why it may not be of all tests.
        self.lacks: list[str] = []
        try:
            check(self.path)
        except NotWrittenError as error:
            raise pytest.UsageError(str(error)) from error

    def take(self, trace: Trace, where: dict[str, dict[str, int]], *, is_end: bool) -> None:
        if "tests" in where:
            self.graph.note_test(trace)
        else:
            [name] = where["fixtures"]
            trace.name = f"{name}{', torn down' * is_end}"
            self.graph.note_shared(trace)

    def _lack(self, why: str) -> None:
        if why not in self.lacks:
            self.lacks.append(why)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._lack("some could not be collected")

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        if items:
            self._lack("some were deselected")

    def pytest_keyboard_interrupt(self) -> None:  # Or pytest.exit(), or -x in a worker.
        self._lack("the run was stopped")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if session.shouldfail or exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            self._lack("the run was stopped")
        worker: dict[str, Any] | None = getattr(self.config, "workeroutput", None)
        if worker is not None:
            with self._going_on("to add up what the tests set off"):
                worker[GRAPH_OUTPUT] = json.dumps([self.graph.to_text(), self.failures, self.lacks])
            self.is_told = True
            return
        with self._going_on("to be written"):
            if self._chooses():
                self._lack("some were left out by --lf or --stepwise")
            if self.config.args_source is pytest.Config.ArgsSource.ARGS:
                self._lack(f"pytest was asked for {', '.join(self.config.args)}")
            self.said += self.graph.write(
                self.path,
                lacks=self.lacks,
                is_of_workers=self.config.pluginmanager.hasplugin("dsession"),
            )
        if self.failures and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        with self._going_on("to read what a worker saw"):
            given = getattr(node, "workeroutput", {}).get(GRAPH_OUTPUT)
            if given is None:
                self.said.append(f"What worker {node.gateway.id} saw is not in it: it crashed.")
                return
            graph, failures, lacks = json.loads(given)
            self.graph.join(graph)
            for each in lacks:
                self._lack(each)
            for each in failures:
                self._fail(each)


def _as_shared(
    fixturedef: pytest.FixtureDef[Any], owner: str, params: list[str]
) -> dict[str, dict[str, int]]:
    """By a name that is the same in each worker, and another for each time it is to be set up.

    ``owner``: the node id of the class, module or package for which it is; none for the session.
    """
    of = f" of {fixturedef.baseid}" if fixturedef.baseid else ""
    of += f" for {owner}" if owner not in ("", fixturedef.baseid) else ""
    name = fixturedef.argname
    if params:
        name += f"[{', '.join(each.removeprefix(f'{name}=') for each in params)}]"
    return {"fixtures": {f"the {fixturedef.scope} fixture {name}{of}": 0}}


def _named(request: pytest.FixtureRequest) -> str:
    """Its parameter: by itself if it is plain, since tests may number the same one differently."""
    param = request.param
    if type(param) in (str, bytes, int, float, bool, type(None)) and len(said := repr(param)) < 80:
        return said
    return f"#{getattr(request, 'param_index', 0)}"


def _what(error: Exception) -> str:
    """An exception in a line, with its place; its own text may fail too, which is seen to here."""
    said = traceback.format_exception_only(error)[-1].strip().rstrip(".")
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{said} ({place.filename}:{place.lineno})"
