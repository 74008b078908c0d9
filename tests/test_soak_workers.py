"""benchmarks/soak_workers.py counts what each reporter has taken, and what arrived."""

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "benchmarks/soak_workers.py"
CONSOLE = "signal_tracer.showing.console.report"


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_each_trace_of_two_workers_is_taken_and_arrives(server: str) -> None:
    pytest.importorskip(server)
    ran = subprocess.run(
        [sys.executable, SOAK, "--server", server, "--requests", "30", CONSOLE],
        capture_output=True,
        text=True,
        timeout=200,
    )

    assert f"| {CONSOLE} | 30 | 30 pictures | 30 |" in ran.stdout, ran.stdout + ran.stderr
    assert ran.returncode == 0


def test_a_reporter_that_takes_nothing_is_told() -> None:
    pytest.importorskip("gunicorn")
    ran = subprocess.run(
        [sys.executable, SOAK, "--requests", "10", "there.is.none"],
        capture_output=True,
        text=True,
        timeout=200,
    )

    assert "there.is.none has taken 0 traces of 10" in ran.stdout, ran.stdout + ran.stderr
    assert ran.returncode == 1
