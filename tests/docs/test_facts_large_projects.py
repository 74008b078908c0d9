"""What the page "Signals in a large project" says, of Django and of its two projects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.dispatch import Signal

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def manage(example: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "run.py"), example, "--manage", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_receivers_run_in_the_order_in_which_they_were_connected() -> None:
    def first(**named: object) -> str:
        return "first"

    def second(**named: object) -> str:
        return "second"

    signal = Signal()
    signal.connect(second)
    signal.connect(first)

    assert [answer for _, answer in signal.send(None)] == ["second", "first"]


def test_the_map_that_is_compared_is_the_one_of_the_project_before(tmp_path: Path) -> None:
    written = tmp_path / "signal_map.json"

    done = manage("large_before", "signal_map", "--project-only", "--write", str(written))

    assert done.returncode == 0, done.stderr
    assert written.read_text() == (EXAMPLES / "large_after" / "before.json").read_text()


@pytest.mark.parametrize(("example", "exits"), [("large_before", 1), ("large_after", 0)])
def test_the_system_checks_find_what_is_lost_before_and_nothing_afterwards(
    example: str, exits: int
) -> None:
    done = manage(example, "check", "--tag", "signals")

    assert done.returncode == exits
    assert ("shop.handlers.tell_warehouse" in done.stderr) == bool(exits)


def test_the_project_afterwards_has_no_receiver_in_a_module_of_models() -> None:
    done = manage("large_after", "signal_map", "--fail-on", "info", "--project-only")

    assert "ignores-raw" in done.stdout
    assert "receiver-in-models" not in done.stdout
