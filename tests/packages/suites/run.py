"""The suites of real packages: the graph of a run against one of two workers, and a count.

    python tests/packages/suites/run.py FOLDER [PACKAGE ...]

FOLDER holds the unpacked source archives of the packages. Each suite runs three times: with
``--signal-graph`` in one process, with it in two workers, and without signal_tracer while
``counting.py`` counts. Whatever the three do not agree about is printed, and fails.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from comparing import differences

from signal_tracer.signal_graph import SignalGraph, load

HERE = Path(__file__).resolve().parent


MODELS_OF_HISTORY = "simple_history/tests/tests/test_models.py"


@dataclass(frozen=True)
class Suite:
    package: str
    archive: str
    folder: str = "."
    arguments: tuple[str, ...] = ()


SUITES = (
    Suite(
        "django-auditlog",
        "django_auditlog-3.4.1",
        "auditlog_tests",
        ("--ignore=test_postgresql.py",),
    ),
    Suite(
        "django-simple-history",
        "django_simple_history-3.13.0",
        # One makes a model that has no table, and tests that run after it stumble; one makes a
        # model that is told of all that others make.
        arguments=(
            "simple_history/tests",
            "--ignore=simple_history/tests/tests/test_index.py",
            f"--deselect={MODELS_OF_HISTORY}::WarningOnAbstractModelWithInheritFalseTest",
        ),
    ),
    Suite(
        "django-reversion",
        "django_reversion-6.4.0",
        "tests",
        # They empty the database, and what Django then puts in again depends on the models that
        # tests before them have made.
        ("--deselect=test_app/tests/test_api.py::CreateRevisionAtomicTest",),
    ),
)
COUNTED = ("-p", "no:signal_tracer", "-p", "counting", "--count-signals=counted.json")
RUNS = {
    "counted": COUNTED,
    "one process": ("--signal-graph=one.json",),
    "two workers": ("--signal-graph=two.json", "-n", "2"),
}


def start(suite: Suite, sources: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    path = os.pathsep.join((".", str(HERE), os.environ.get("PYTHONPATH", "")))
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "suite_of"),
            # Not this project's configuration, which may lie above.
            *("-p", "no:cacheprovider", "--config-file=/dev/null", "--rootdir=."),
            *("-p", "no:warnings"),
            "--override-ini=python_files=tests.py test_*.py",
            *suite.arguments,
            *(each.replace("=", f"={out}/") if ".json" in each else each for each in options),
        ],
        cwd=sources / suite.archive / suite.folder,
        env={**os.environ, "PYTHONPATH": path, "SUITE_OF": suite.package},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def outcome(said: str) -> str:
    """``362 passed, 6 skipped``"""
    lines = [line for line in said.splitlines() if re.search(r"\d+ (passed|failed).* in ", line)]
    # Workers do not tell what they left out.
    return re.sub(r", \d+ deselected| in .*", "", lines[-1]) if lines else "no outcome"


def run_all(suite: Suite, sources: Path, out: Path) -> Iterator[str]:
    """Runs the suite in each way, two processes at a time, and tells what went wrong."""
    said: dict[str, str] = {}
    for names in (("counted", "one process"), ("two workers",)):
        started = {name: start(suite, sources, out, *RUNS[name]) for name in names}
        said |= {name: process.communicate()[0] for name, process in started.items()}
    if len({*map(outcome, said.values())}) > 1 or " failed" in outcome(said["counted"]):
        yield from (f"{name}: {outcome(text)}\n{text[-3000:]}" for name, text in said.items())


def without_times(graph: SignalGraph) -> dict[str, Any]:
    data: Any = graph.to_dict()
    for calls in data["calls"]:
        for name in ("duration", "own_time", "durations"):
            calls.pop(name, None)
    return data


def differing(one: Any, other: Any) -> Iterator[str]:
    """A line for each record that stands in one graph only."""
    for kind in one:
        if not isinstance(one[kind], list):
            if one[kind] != other[kind]:
                yield f"{kind}: one process {one[kind]}, two workers {other[kind]}"
            continue
        sides = [{json.dumps(each) for each in data[kind]} for data in (one, other)]
        yield from (f"one process only: {each}" for each in sorted(sides[0] - sides[1]))
        yield from (f"two workers only: {each}" for each in sorted(sides[1] - sides[0]))


def check(suite: Suite, sources: Path) -> bool:
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        out = Path(folder)
        problems = [*run_all(suite, sources, out)]
        if not problems:
            one, two = (load((out / name).read_text()) for name in ("one.json", "two.json"))
            counted = json.loads((out / "counted.json").read_text())
            problems += differing(without_times(one), without_times(two))
            problems += differences(counted, one)
            print(
                f"{suite.package}: {one.traces:,} traces, "
                f"{sum(each.count for each in one.dispatches.values()):,} dispatches, "
                f"{sum(each.count for each in one.calls.values()):,} receiver calls, "
                f"{len(one.dispatches) + len(one.calls) + len(one.sendings):,} edges "
                f"({len(one.sendings)} sendings): {len(problems) or 'no'} differences, "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
    for each in problems:
        print(f"  {each}", flush=True)
    return not problems


def main(folder: str, packages: Sequence[str]) -> None:
    chosen = [each for each in SUITES if not packages or each.package in packages]
    results = [check(each, Path(folder).resolve()) for each in chosen]
    if not all(results):
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
