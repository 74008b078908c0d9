"""Makes what the pages about chains read: graphs of tests and traces, before and after a change.

    python docs/make_graphs.py [FOLDER]

Below ``FOLDER``, which is ``docs/examples`` unless given, it writes ``graph.json`` for each of
both examples, the graph of its tests. Into the folder of the second also the trace of an order in
the first, ``before.jsonl``, and in the second, ``after.jsonl``; and ``kept_graph.json``, which is
kept of the graph of the first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent / "examples"
BEFORE, AFTER = "what_saving_triggers", "review_a_change"
TRACE = """
import sys
from run import prepare
example = prepare(sys.argv[1])
from importlib import import_module
from signal_tracer import trace_signals
order_a_book = import_module(f"{example}.shown").order_a_book
with trace_signals("order_a_book") as trace:
    order_a_book()
print(trace.to_json())
"""


def run(example: str, *arguments: str) -> str:
    """What Python prints in the folder of an example, with its settings."""
    project = EXAMPLES / example
    environment = {
        **os.environ,
        "DOCS_EXAMPLE": example,
        "PYTHONPATH": os.pathsep.join(map(str, (EXAMPLES, project, EXAMPLES.parents[1]))),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{example}: {done.stdout}{done.stderr}")
    return done.stdout


def make(folder: Path) -> None:
    for example in (BEFORE, AFTER):
        made = folder / example
        made.mkdir(exist_ok=True)
        run(
            example,
            *("-m", "pytest", "--config-file=/dev/null", "--rootdir=.", "--ds=settings"),
            *("-p", "no:cacheprovider", "-p", "no:randomly", "--nomigrations"),
            f"--signal-graph={made / 'graph.json'}",
        )
    for example, name in ((BEFORE, "before"), (AFTER, "after")):
        trace = run(example, "-c", TRACE, example)
        # Files are named as from there, whichever machine it was made on.
        for above in (EXAMPLES / example, sysconfig.get_path("purelib")):
            trace = trace.replace(f"{above}{os.sep}", "")
        (folder / AFTER / f"{name}.jsonl").write_text(trace, encoding="utf-8")
    run(
        AFTER,
        *(str(EXAMPLES / "run.py"), AFTER, "--manage", "signal_map", "--project-only"),
        *("--graph", str(folder / BEFORE / "graph.json")),
        *("--write-graph", str(folder / AFTER / "kept_graph.json")),
    )


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve() if sys.argv[1:] else EXAMPLES)
