"""What the pages about chains and changes read is what their examples do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from signal_tracer import Trace, compare, signal_graph
from signal_tracer.graph import drift as graph_drift

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = DOCS / "examples"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of it made anew."""
    folder = tmp_path_factory.mktemp("examples")
    done = subprocess.run(
        [sys.executable, str(DOCS / "make_graphs.py"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def outline(file: Path) -> str:
    return Trace.from_dict(json.loads(file.read_text())).outline(stable=True)


@pytest.mark.parametrize("example", ["what_saving_triggers", "review_a_change"])
def test_the_graph_of_a_page_is_that_of_its_tests(example: str, made: Path) -> None:
    kept, anew = (
        graph_drift.keep(signal_graph.load((each / example / "graph.json").read_text()))
        for each in (EXAMPLES, made)
    )

    assert kept == anew


@pytest.mark.parametrize("name", ["before", "after"])
def test_the_trace_of_a_page_is_that_of_its_order(name: str, made: Path) -> None:
    file = Path("review_a_change", f"{name}.jsonl")

    assert outline(EXAMPLES / file) == outline(made / file)
    assert "/home/" not in (EXAMPLES / file).read_text()


def test_what_is_kept_is_the_graph_before_the_change(made: Path) -> None:
    file = Path("review_a_change", "kept_graph.json")

    assert (EXAMPLES / file).read_text() == (made / file).read_text()


def test_the_line_of_the_snapshot_is_the_one_that_differs() -> None:
    folder = EXAMPLES / "review_a_change"
    before, after = (outline(folder / f"{name}.jsonl").splitlines() for name in ("before", "after"))
    page = (DOCS / "guide" / "review-a-change.md").read_text()
    shown = page.partition("```diff\n")[2].partition("```")[0].splitlines()

    assert "\n".join(line[2:] for line in shown) in "\n".join(after)
    assert [line[2:] for line in shown if line[0] == "+"] == [
        line for line in after if line not in before
    ]


def test_both_traces_differ_in_what_the_page_says() -> None:
    folder = EXAMPLES / "review_a_change"
    before, after = (
        Trace.from_dict(json.loads((folder / f"{name}.jsonl").read_text()))
        for name in ("before", "after")
    )

    assert str(compare(before, after)).splitlines()[0] == "+1 receiver call, +1 query"
