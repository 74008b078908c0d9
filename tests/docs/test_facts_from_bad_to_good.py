"""What the page "From bad to good in five steps" says of each step."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guide" / "from-bad-to-good.md"
FINDING = re.compile(r"^! (?:error|warning) ([a-z-]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def steps() -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "docs/examples/run.py", "from-bad-to-good", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def found(step: dict[str, Any]) -> list[str]:
    return sorted(set(FINDING.findall("".join(text for text, _ in step["forms"]["findings"]))))


def test_each_step_has_the_findings_that_the_page_says(steps: dict[str, dict[str, Any]]) -> None:
    assert {name: found(step) for name, step in steps.items()} == {
        "as_found": [
            "before-commit",
            "called-twice",
            "query-in-loop",
            "recursion",
            "repeated-save",
        ],
        "heard_once": ["before-commit", "query-in-loop", "recursion", "repeated-save"],
        "saved_once": ["before-commit", "query-in-loop"],
        "light": ["before-commit"],
        "after_commit": [],
        "in_the_open": [],
        "refused_at_step_3": ["lost-on-rollback"],
        "refused_at_step_4": [],
        "no_mail_at_step_4": [],
        "no_mail_at_step_5": ["swallowed-exception"],
    }


def test_each_step_does_what_the_page_says(steps: dict[str, dict[str, Any]]) -> None:
    assert {name: step["printed"].rstrip() for name, step in steps.items()} == {
        "as_found": "Thank you!  orders: 1  mails: 4  spent: 220",
        "heard_once": "Thank you!  orders: 1  mails: 1  spent: 220",
        "saved_once": "Thank you!  orders: 1  mails: 1  spent: 220",
        "light": "Thank you!  orders: 1  mails: 1  spent: 220",
        "after_commit": "Thank you!  orders: 1  mails: 1  spent: 220",
        "in_the_open": "Thank you!  orders: 1  mails: 1  spent: 220",
        "refused_at_step_3": "Your card was refused.  orders: 0  mails: 1  spent: 160",
        "refused_at_step_4": "Your card was refused.  orders: 0  mails: 0  spent: 160",
        "no_mail_at_step_4": "Thank you!  orders: 1  mails: 0  spent: 220",
        "no_mail_at_step_5": "Thank you!  orders: 1  mails: 0  spent: 220",
    }


def test_the_queries_are_as_many_as_the_page_says(steps: dict[str, dict[str, Any]]) -> None:
    queries = {name: step["figures"]["queries"] for name, step in steps.items()}
    assert f"One order, {queries['as_found']} queries and four mails" in PAGE.read_text()
    assert queries["saved_once"] - queries["light"] == 6
