"""Whatever goes wrong with signal coverage or an outline, the report of the tests comes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from loaded import QUICKLY, WITHOUT_SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import Project

FAILING = """
from shop.signals import paid

def test_fails():
    paid.send("till")
    assert 0, "the reason why"
"""
PASSING = """
from shop.signals import paid

def test_passes():
    paid.send("till")
"""
ONE_AND_TWO_PROCESSES = pytest.mark.parametrize(
    "processes", [(), ("-n", "2")], ids=["one process", "two workers"]
)
NO_FILE = "Give another file: --signal-coverage"


def run(project: Project, *options: str) -> pytest.RunResult:
    """As ``Project.run()``, which wants nothing on stderr."""
    return project.pytester.runpytest_subprocess(
        *QUICKLY, *WITHOUT_SNAPSHOTS, "-p no:randomly", *options
    )


def failures(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if "FAILED: " in line]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("shop", "{path}/shop cannot be written (Is a directory). "),
        (
            "site_settings.py/out",
            (
                "{path}/site_settings.py/out cannot be written "
                "(File exists: {path}/site_settings.py). "
            ),
        ),
        (
            "site_settings.py/a/out",
            (
                "{path}/site_settings.py/a/out cannot be written "
                "(Not a directory: {path}/site_settings.py/a). "
            ),
        ),
        ("/dev/full", "/dev/full cannot be written (No space left on device). "),
        ("/proc/out", "/proc/out cannot be written (No such file or directory). "),
        ("x" * 300, "{path}/" + "x" * 300 + " cannot be written (File name too long). "),
        ("shop/\x1b[2J\n", r"{path}/shop/\x1b[2J\n cannot be written (Is a directory). "),
    ],
    ids=lambda each: ascii(each)[:25],
)
def test_a_file_that_cannot_be_written_is_a_line_below_the_tests_report(
    project: Project, file: str, reason: str
) -> None:
    project.tests(test_it=FAILING)
    if file.endswith("\n"):
        (project.path / file).mkdir()
    result = run(project, f"--signal-coverage=html:{file}")

    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["E*AssertionError: the reason why", "*= signal coverage =*"])
    assert failures(result.outlines) == [
        f"FAILED: {reason.format(path=project.path)}{NO_FILE}=html:FILE"
    ]
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("options", [("-v",), ("-q",), ("-qq",), ("-n", "2", "-q")], ids=" ".join)
def test_it_fails_a_run_whose_tests_passed_and_the_other_reports_are_written(
    project: Project, options: tuple[str, ...]
) -> None:
    project.tests(test_it=PASSING)
    result = run(
        project,
        *(*options, "--signal-coverage=json:shop", "--signal-coverage=json:out.json"),
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert failures(result.outlines) == [
        f"FAILED: {project.path}/shop cannot be written (Is a directory). {NO_FILE}=json:FILE"
    ]
    assert json.loads((project.path / "out.json").read_text())["percent"] == 50


@pytest.mark.parametrize("source", [PASSING, FAILING], ids=["passed", "failed"])
def test_without_a_terminal_reporter_it_is_told_all_the_same(project: Project, source: str) -> None:
    project.tests(test_it=source)
    options = ("--signal-coverage=html:shop", "--signal-coverage-fail-under=100")
    result = run(project, "-p", "no:terminal", *options)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    reason = f"{project.path}/shop cannot be written (Is a directory)."
    assert result.errlines == [
        f"signal coverage: FAILED: {reason} {NO_FILE}=html:FILE",
        "signal coverage: FAILED: 50% is less than the 100% of --signal-coverage-fail-under",
    ]


FAULTS = {
    "before the first test": "measuring.Measuring.__init__",
    "before a test": "measuring.Measuring.go_on",
    "after the last test": "measuring.Measuring.end",
    "to make its report": "terminal.lines",
}


@ONE_AND_TWO_PROCESSES
@pytest.mark.parametrize(("doing", "function"), FAULTS.items(), ids=FAULTS)
def test_a_fault_of_ours_fails_the_run_and_costs_no_report(
    project: Project, processes: tuple[str, ...], doing: str, function: str
) -> None:
    module, _, name = function.partition(".")
    project.tests(
        test_it=FAILING,
        conftest=f"""
        from signal_tracer.coverage import {module}

        class Unkind(Exception):
            def __str__(self):
                raise ZeroDivisionError

        def fail(*args):
            raise Unkind

        {module}.{name} = fail
        """,
    )
    result = run(project, "--signal-coverage", *processes)

    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["E*AssertionError: the reason why"])
    what = f"{doing}: conftest.Unkind: <exception str() failed> ({project.path}/conftest.py:8)"
    assert failures(result.outlines) == [
        f"FAILED: signal coverage failed {what}. Mend that, or leave out --signal-coverage."
    ]
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    if not processes:
        project.tests(test_it=PASSING)
        assert run(project, "--signal-coverage").ret == pytest.ExitCode.TESTS_FAILED


def test_settings_that_cannot_be_imported_cost_no_report(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.tests(test_it="def test_fails():\n    assert 0, 'the reason why'\n")
    project.pytester.makeini("[pytest]\npythonpath = .\n")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "nowhere")
    result = run(project, "-p", "no:django", "--signal-coverage")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*AssertionError: the reason why"])
    (line,) = failures(result.outlines)
    assert "ModuleNotFoundError: No module named 'nowhere'" in line
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


@ONE_AND_TWO_PROCESSES
def test_an_outline_that_cannot_be_made_costs_no_report(
    project: Project, processes: tuple[str, ...]
) -> None:
    project.tests(
        test_it=FAILING,
        conftest="""
        from signal_tracer.testing import messages

        def fail(trace, project_only):
            raise RuntimeError("no outline")

        messages.outline_of = fail
        """,
    )
    result = run(project, "--signal-trace=failed", *processes)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: the reason why",
            "*- Signal trace -*",
            f"cannot be shown: RuntimeError: no outline ({project.path}/conftest.py:4)",
        ]
    )
    assert "INTERNALERROR" not in result.stdout.str()


def test_names_that_no_file_can_hold_are_spelled_out(project: Project) -> None:
    project.tests(test_it=PASSING)
    with (project.path / "shop" / "receivers.py").open("a") as file:
        file.write(
            "\ndef strange(**kwargs): ...\n"
            "strange.__qualname__ = 'str\\ud800nge\\x1b'\n"
            "paid.connect(strange, weak=False)\n"
        )
    for processes in ((), ("-n", "2")):
        result = run(
            project,
            *("--signal-coverage=term", "--signal-coverage=html", "--signal-coverage=json"),
            *processes,
        )
        assert result.ret == pytest.ExitCode.OK
        assert "\x1b[" not in (project.path / "signal-coverage.json").read_text()
        assert "str\\ud800nge" in (project.path / "signal-coverage.html").read_text()


def test_what_another_plugin_counts_as_passed_is_passed_over(project: Project) -> None:
    project.tests(
        test_it=PASSING,
        conftest="""
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_terminal_summary(terminalreporter):
            terminalreporter.stats.setdefault("passed", []).append(object())
        """,
    )
    result = run(project, "--signal-trace=all")

    result.stdout.fnmatch_lines(["*- Signal trace call of test_it.py::test_passes -*"])
    assert (result.ret, result.stderr.str()) == (pytest.ExitCode.OK, "")
