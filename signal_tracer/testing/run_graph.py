"""Graph of a test run: of all its tests, in one process or in several workers.

What tests share, as fixtures of a class or a session, is set up by whichever test comes first, and
once in each worker. So each is counted once, however often it was set up.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signal_tracer.replacing import replace
from signal_tracer.signal_graph import SignalGraph, load
from signal_tracer.wording import plural

if TYPE_CHECKING:
    from signal_tracer.trace import Trace

OPTION = "--signal-graph"


class NotWrittenError(ValueError):
    """The file cannot be written: the message says why, and what to do."""


def check(path: Path) -> None:
    """Raise ``NotWrittenError`` for a file of which it can be known that it cannot be written."""
    if path.is_dir():
        raise NotWrittenError(f"{OPTION}={path} is a folder: name a file in it.")
    nearest = next(each for each in (path, *path.parents) if each.exists())
    if nearest != path and not nearest.is_dir():
        raise NotWrittenError(f"{OPTION}={path} is in no folder: {nearest} is a file.")
    if not os.access(nearest, os.W_OK):
        raise NotWrittenError(f"{OPTION}={path} cannot be written: nobody may write to {nearest}.")


class RunGraph:
    """What the tests of this process set off, and what other processes saw."""

    def __init__(self) -> None:
        self._graph = SignalGraph()
        # By name, packed: there may be one for each class of tests.
        self._shared: dict[str, bytes] = {}
        self._test = ""
        self._pieces: list[Trace] = []

    def note_test(self, trace: Trace) -> None:
        """A piece of a test: its set-up, itself, its teardown; all as one trace."""
        if trace.name != self._test:
            self._add_test()
        self._test = trace.name
        self._pieces.append(trace)

    def _add_test(self) -> None:
        # Only now it is known which transactions were rolled back.
        pieces, self._pieces = self._pieces, []
        if pieces:
            self._graph.add(*pieces)

    def note_shared(self, trace: Trace) -> None:
        """What tests share was set up, or torn down."""
        graph = SignalGraph.from_traces([trace])
        if graph.dispatches:
            self._keep(trace.name, graph)

    def _keep(self, name: str, graph: SignalGraph) -> None:
        kept = self._shared.get(name)
        if kept is None or _weight(graph) > _weight(_unpacked(kept)):
            self._shared[name] = zlib.compress(graph.to_json().encode("ascii"))

    def to_text(self) -> str:
        """For another process, with nothing that its channel could not carry."""
        self._add_test()
        shared = {name: _unpacked(each).to_dict() for name, each in self._shared.items()}
        return json.dumps({"graph": self._graph.to_dict(), "shared": shared})

    def join(self, text: str) -> None:
        """Add what the ``to_text()`` of another process says."""
        given: Any = json.loads(text)
        self._graph.merge(SignalGraph.from_dict(given["graph"]))
        for name, each in given["shared"].items():
            self._keep(name, SignalGraph.from_dict(each))

    def whole(self) -> SignalGraph:
        """All that was seen."""
        self._add_test()
        graph = SignalGraph()
        graph.merge(self._graph)
        for each in self._shared.values():
            graph.merge(_unpacked(each))
        return graph

    def write(self, path: Path, *, lacks: list[str], is_of_workers: bool) -> list[str]:
        """Write it, and say what is in it. Raises ``NotWrittenError``.

        ``lacks``: why it may not be of all tests.
        """
        graph = self.whole()
        if not graph.traces:
            none = "No worker has told what a test set off" if is_of_workers else "No test has run"
            return [f"{none}, and so {path} was not written."]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, f"{graph.to_json()}\n")
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have.
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            raise NotWrittenError(
                f"{path} cannot be written ({reason}). Give another file: {OPTION}=FILE"
            ) from error
        said = said_of(graph, path)
        if lacks:
            said.append(
                f"It may not be of all tests: {'; '.join(lacks)}. What the others set off is not "
                "in it."
            )
        return said


def _write(path: Path, text: str) -> None:
    try:
        replace(path, text)
    except PermissionError:
        # In its folder nothing may be made, or replaced, and in the file it may be written.
        path.write_text(text, encoding="ascii")


def said_of(graph: SignalGraph, path: Path) -> list[str]:
    """How much it holds, and what it lacks, a line each."""
    number = sum(each.count for each in graph.dispatches.values())
    signals = len({each.signal for each in graph.dispatches.values()})
    dispatches = f"{number:,} dispatch{'es' * (number != 1)}"
    said = [f"{dispatches} of {plural(signals, 'signal')} in {path}"]
    if graph.unrecorded:
        said.append(
            f"{graph.unrecorded:,} more only counted, and not in it. Raise "
            "SIGNAL_TRACER['MAX_DISPATCHES'] for the tests."
        )
    if graph.omitted:
        said.append(
            f"{graph.omitted:,} dispatches, receiver calls and sendings are not in it, because "
            "they go by too many different names."
        )
    return said


def _unpacked(packed: bytes) -> SignalGraph:
    return load(zlib.decompress(packed).decode("ascii"))


def _weight(graph: SignalGraph) -> tuple[int, str]:
    """Of two set-ups the one that did more counts, whichever worker comes first."""
    return sum(each.count for each in graph.dispatches.values()), graph.to_json()
