"""Runs Django's own tests of what the tracer watches, each test inside a trace.

    python tests/django_suite/run.py <the tests directory of Django's sources> [option ...]

``--all-threads`` has each trace watch the whole process, ``--untraced`` runs the same tests without
traces, to compare with; anything else is for Django's own ``runtests.py``, labels above all.

Fails if one of Django's tests fails, if the tracer itself failed during one, and also if the traces
recorded nothing: then the run would have proved nothing.
"""

import argparse
import multiprocessing
import os
import runpy
import sys
import unittest
from pathlib import Path
from typing import Any

from signal_tracer import trace_signals

# Of signals, of what else is watched, and of what sends many of them.
LABELS = (
    *("signals", "dispatch", "m2m_signals", "delete", "transactions", "transaction_hooks"),
    *("bulk_create", "update", "async", "asgi", "handlers", "admin_views", "auth_tests"),
)
COUNTED = ("tests", "dispatches", "receiver calls", "faults")


def trace_every_test(*, all_threads: bool) -> Any:
    """Let each test run inside a trace of its own; the counts grow as the tests run."""
    # Django's worker processes are to count as well. What begins anew would begin without traces.
    multiprocessing.set_start_method("fork")
    counts = multiprocessing.Array("q", len(COUNTED))
    run_untraced = unittest.TestCase.run

    def run(test: unittest.TestCase, result: unittest.TestResult | None = None) -> object:
        with trace_signals(test.id(), all_threads=all_threads) as trace:
            outcome = run_untraced(test, result)
        found = 1, sum(1 for _ in trace.walk()), len(trace.receiver_calls()), trace.faults
        if trace.faults:
            print(f"The tracer failed in {test.id()}.", file=sys.stderr)
        with counts:
            counts[:] = [count + more for count, more in zip(counts, found, strict=True)]
        return outcome

    unittest.TestCase.run = run  # type: ignore[method-assign, assignment]  # for this process
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("tests", type=Path)
    parser.add_argument("--all-threads", action="store_true")
    parser.add_argument("--untraced", action="store_true")
    ours, djangos = parser.parse_known_args()
    counts = None if ours.untraced else trace_every_test(all_threads=ours.all_threads)
    os.chdir(ours.tests)
    sys.path.insert(0, str(Path.cwd()))
    labels = () if any(not each.startswith("-") for each in djangos) else LABELS
    sys.argv = ["runtests.py", *djangos, *labels]
    try:
        runpy.run_path("runtests.py", run_name="__main__")
    finally:
        if counts is not None:
            print("Traced:", ", ".join(map(" ".join, zip(map(str, counts), COUNTED, strict=True))))
    if counts is not None and (not counts[2] or counts[3]):
        sys.exit("Django's tests passed, but the traces did not record them rightly.")


if __name__ == "__main__":
    main()
