"""Runs Django's own tests of what the tracer watches, each test inside a trace.

    python tests/django_suite/run.py <the tests directory of Django's sources> [--all-threads]

Fails if one of Django's tests fails, and also if the traces recorded nothing: then the run would
have proved nothing.
"""

import os
import runpy
import sys
import unittest
from pathlib import Path

from signal_tracer import trace_signals

# Of signals, and of what else is watched: bulk operations and transactions.
LABELS = [
    "signals",
    "dispatch",
    "bulk_create",
    "delete",
    "transaction_hooks",
    "transactions",
    "update",
]


def trace_every_test(*, all_threads: bool) -> dict[str, int]:
    """Let each test run inside a trace of its own; the counts grow as the tests run."""
    counts = {"tests": 0, "dispatches": 0, "receiver calls": 0, "faults": 0}
    run_untraced = unittest.TestCase.run

    def run(test: unittest.TestCase, result: unittest.TestResult | None = None) -> object:
        with trace_signals(test.id(), all_threads=all_threads) as trace:
            outcome = run_untraced(test, result)
        counts["tests"] += 1
        counts["dispatches"] += sum(1 for _ in trace.walk())
        counts["receiver calls"] += len(trace.receiver_calls())
        counts["faults"] += trace.faults
        return outcome

    unittest.TestCase.run = run  # type: ignore[method-assign, assignment]  # for this process
    return counts


def main() -> None:
    tests, *options = sys.argv[1:]
    counts = trace_every_test(all_threads="--all-threads" in options)
    os.chdir(tests)
    sys.path.insert(0, str(Path.cwd()))
    # One process: a parallel run would start its workers without the traces.
    sys.argv = ["runtests.py", "--parallel=1", *LABELS]
    try:
        runpy.run_path("runtests.py", run_name="__main__")
    finally:
        print("Traced:", ", ".join(f"{count} {what}" for what, count in counts.items()))
    if not counts["receiver calls"] or counts["faults"]:
        sys.exit("Django's tests passed, but the traces did not record them rightly.")


if __name__ == "__main__":
    main()
