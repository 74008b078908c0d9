"""A management command with ``trace_signals`` in front of it beside the same without."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SETTINGS = "DJANGO_SETTINGS_MODULE"  # Those of the site, not of the suite.
Ended = subprocess.CompletedProcess[str]


def manage(site: Path, folder: Path, *arguments: str, stdin: str = "") -> Ended:
    """Run ``manage.py`` of ``site`` in ``folder``, where the example site has its data."""
    return subprocess.run(
        [sys.executable, site / "manage.py", *arguments],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != SETTINGS},
            "EXAMPLE_SITE_DATA": str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            "PYTHONHASHSEED": "0",
            "COLUMNS": "80",
        },
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        # Who runs the suite in the background has it ignored, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def assert_as_without(plain: Ended, traced: Ended) -> None:
    """Output, exit status and what the command wrote to stderr are equal.

    The picture stands somewhere in the rest, if it is there at all.
    """
    assert traced.returncode == plain.returncode
    assert _without_times(traced.stdout) == _without_times(plain.stdout)
    assert _surrounds(_without_times(traced.stderr), _without_times(plain.stderr)), traced.stderr


def has_picture(traced: Ended, name: str) -> bool:
    """Whether it is there; that it is there twice is wrong anyway."""
    found = re.findall(rf"^manage\.py {name} +\d", traced.stderr, re.MULTILINE)
    assert len(found) <= 1, traced.stderr
    return bool(found)


def _without_times(text: str) -> str:
    return re.sub(r"\b\d+\.\d+s\b", "0.1s", text)


def _surrounds(traced: str, plain: str) -> bool:
    """Whether ``traced`` is ``plain`` with one text put in, wherever that is."""
    return any(
        traced.startswith(plain[:cut]) and traced.endswith(plain[cut:])
        for cut in range(len(plain) + 1)
    )
