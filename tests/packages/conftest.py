"""The tests here need packages that the others do not: without them they are skipped, and say so.

With ``PACKAGES=required`` a missing package is an error; ``nox -s packages`` installs all.
"""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDED = (
    *("allauth", "auditlog", "guardian", "rest_framework"),
    *("simple_history", "taggit", "wagtail"),
)
MISSING = [name for name in NEEDED if find_spec(name) is None]
HOW = f"packages that are not installed: {', '.join(MISSING)} (nox -s packages installs them)"
skipped: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = [item for item in items if HERE in item.path.parents]
    if not mine or not MISSING:
        return
    if os.environ.get("PACKAGES") == "required":
        raise pytest.UsageError(f"PACKAGES=required, but there are {HOW}.")
    for item in mine:
        skipped.append(item.nodeid)
        item.add_marker(pytest.mark.skip(reason="packages are missing"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests skipped, which need {HOW}.")
