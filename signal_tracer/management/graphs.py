"""What ``signal_map`` says over a signal graph: its top, and what differs from one that is kept."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from django.core.management.base import CommandError, OutputWrapper
from rich.console import RenderableType

from signal_tracer import conf
from signal_tracer.drift import FILTERS
from signal_tracer.findings import over_signal_graph
from signal_tracer.graph import drift as graph_drift
from signal_tracer.graph.drift import Drift, KeptGraph
from signal_tracer.graph.questions import Questions
from signal_tracer.management.graphs_files import load_graph
from signal_tracer.management.keywords import file_name
from signal_tracer.mapping.reading import read_map
from signal_tracer.showing.graph_console import TopOfGraph
from signal_tracer.showing.map_console import render_findings
from signal_tracer.signal_graph import SignalGraph, SignalGraphFormatError
from signal_tracer.signal_map import SignalMap
from signal_tracer.wording import plural

MOST = 10
ASKED = ("top", "write_graph", "check_graph")
# As in signal_map: what has a form and a choice of its own.
NOT_WITH = (
    ("graph", ("about", "explain", "missing", "write", "check", *FILTERS, "unheard")),
    ("top", ("chain", "write_graph", "check_graph", "load_urls")),
    ("write_graph", ("chain", "check_graph", "format", "output", "fail_on", "load_urls")),
    ("check_graph", ("chain", "format", "output", "fail_on", "load_urls")),
)


class Printer(Protocol):
    """What is needed of the command."""

    options: dict[str, Any]
    stdout: OutputWrapper

    def emit(self, text: str) -> None: ...
    def drawn(self, renderable: RenderableType) -> str: ...


def add_arguments(parser: ArgumentParser) -> None:
    asked = parser.add_argument_group(
        "what is asked of a graph",
        "Each needs --graph FILE, which pytest --signal-graph=FILE makes.",
    )
    asked.add_argument(
        "--top",
        nargs="?",
        const=MOST,
        type=int,
        metavar="N",
        help="what leads in a circle, goes furthest, takes most, hangs together most and stands "
        f"alone: the first N of each, {MOST} unless given",
    )
    asked.add_argument(
        "--write-graph",
        metavar="FILE",
        type=file_name,
        help="keep in FILE who runs for what and does what, for --check-graph",
    )
    asked.add_argument(
        "--check-graph",
        metavar="FILE",
        type=file_name,
        help="exit with 1 if something happens that is not in FILE, or no longer does, and say "
        "what; FILE is of --write-graph, or another graph",
    )


def refuse_misuse(options: dict[str, Any]) -> None:
    """Raises ``CommandError`` for what needs a graph and has none, and for what is no answer."""
    for name in ASKED:
        if options[name] is not None and not options["graph"]:
            raise CommandError(
                f"--{name.replace('_', '-')} needs --graph FILE. Make it with: "
                "pytest --signal-graph=FILE"
            )
    if options["graph"] and not (is_asked(options) or options["fail_on"] or options["chain"]):
        raise CommandError(
            "--graph needs what is asked of it: --top, --chain NAME, --check-graph FILE, "
            "--write-graph FILE or --fail-on LEVEL."
        )
    if options["top"] is not None:
        if options["top"] < 1:
            raise CommandError("--top takes a number from 1 on.")
        if options["format"] not in (None, "table", "json"):
            raise CommandError(f"--top takes --format table or json, not {options['format']}.")


def is_asked(options: dict[str, Any]) -> bool:
    return any(options[name] is not None for name in ASKED)


def answer(command: Printer) -> None:
    options = command.options
    graph = load_graph(options["graph"])
    if options["top"] is not None:
        _show_top(command, graph)
    elif options["write_graph"] is not None:
        _write(command, graph, options["write_graph"])
    else:
        _check(command, graph, options["check_graph"])


def _show_top(command: Printer, graph: SignalGraph) -> None:
    signal_map = read_map()
    foreign = {each.name for each in signal_map.signals if not each.is_project}
    only = command.options["project_only"]
    questions = Questions(graph, project_only=only, foreign=foreign)
    most = command.options["top"]
    if command.options["format"] == "json":
        command.emit(json.dumps(questions.to_dict(most), indent=2))
    else:
        command.emit(command.drawn(TopOfGraph(questions, most)))
        if not command.options["fail_on"] and not command.options["output"]:
            _remark(command, graph, signal_map)


def _remark(command: Printer, graph: SignalGraph, signal_map: SignalMap) -> None:
    """Below the table: what of it is worth attention."""
    found = over_signal_graph(graph, signal_map, conf.read_config().ignore_findings).of_project
    if found:
        command.stdout.write("")
        command.emit(command.drawn(render_findings(found)))


def _write(command: Printer, graph: SignalGraph, file: Path) -> None:
    kept = graph_drift.keep(graph, project_only=command.options["project_only"])
    try:
        file.write_text(kept.to_text(), encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have.
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise CommandError(
            f"{file} cannot be written ({reason}). Give another file, or make its folder."
        ) from error
    command.stdout.write(
        f"Kept {plural(len(kept.edges), 'edge')} of {_size(graph)} in {file}. Compare with: "
        f"manage.py signal_map --graph {command.options['graph']} --check-graph {file}"
    )


def _check(command: Printer, graph: SignalGraph, file: Path) -> None:
    old, whole = _load(file, command.options)
    drift = graph_drift.compare(old, graph)
    if not drift.count:
        command.stdout.write(f"What happens is as it was kept in {file}: {_size(graph)}.")
        return
    for line in _lines(drift):
        command.stdout.write(line)
    before = f", {file} has {_size(whole)}" if whole else ""
    seen = f"This run has {_size(graph)}{before}."
    command.stdout.write(" ".join([f"\n{seen}", *_doubts(drift, graph)]))
    differs = f"What happens differs from {file} in {plural(drift.count, 'place')}."
    if whole:
        raise CommandError(differs)
    raise CommandError(
        f"{differs} If that is meant, keep it: manage.py signal_map --graph "
        f"{command.options['graph']} --write-graph {file}{' --project-only' * old.project_only}"
    )


def _lines(drift: Drift) -> list[str]:
    return [
        *(f"new: {each}" for each in drift.new),
        *(f"lost: {each}" for each in drift.lost),
        *(f"not seen: {each}" for each in drift.unseen),
    ]


def _doubts(drift: Drift, graph: SignalGraph) -> Iterator[str]:
    """Why something that is told as lost may happen all the same."""
    if not (drift.lost or drift.unseen):
        return
    yield (
        "What is lost or not seen may be in a test that was not run: compare runs of the same "
        "tests."
    )
    left_out = graph.omitted + graph.unrecorded
    if left_out:
        yield (
            f"It may also be among {plural(left_out, 'dispatch', 'dispatches')} that the graph has "
            "left out: raise SIGNAL_TRACER['MAX_DISPATCHES'] for the tests."
        )


def _size(graph: SignalGraph) -> str:
    dispatches = sum(each.count for each in graph.dispatches.values())
    return f"{plural(dispatches, 'dispatch', 'dispatches')} in {plural(graph.traces, 'trace')}"


def _load(file: Path, options: dict[str, Any]) -> tuple[KeptGraph, SignalGraph | None]:
    """What ``file`` keeps, and the whole graph if it holds one."""
    again = f"manage.py signal_map --graph {options['graph']} --write-graph {file}"
    try:
        found = graph_drift.load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CommandError(f"There is no {file}. Keep a graph in it first: {again}") from error
    except SignalGraphFormatError as error:
        raise CommandError(f"{file}: {error} Write it again: {again}") from error
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a name that no file can have.
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise CommandError(f"{file} cannot be read ({reason}).") from error
    if isinstance(found, SignalGraph):
        return graph_drift.keep(found, project_only=options["project_only"]), found
    if options["project_only"] and not found.project_only:
        raise CommandError(
            f"{file} was written without --project-only. Leave it out, or write the file again: "
            f"{again} --project-only"
        )
    return found, None
