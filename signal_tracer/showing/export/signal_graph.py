"""A signal graph of all traces is kept in a file, which several processes add to.

Each process adds up what it traced, and from time to time adds that to what is in the file.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from signal_tracer.printable import printable
from signal_tracer.records import Recorded
from signal_tracer.replacing import replace
from signal_tracer.showing.export.json_lines import fcntl, locked, opened
from signal_tracer.signal_graph import SignalGraph, SignalGraphFormatError, load

logger = logging.getLogger("signal_tracer")

DEFAULT_NAME = "signal_graph.json"
# Seconds between two times at which a process adds to the file: not more than a hundredth of its
# time goes into that, however large the graph has become.
_BETWEEN_WRITES = 10.0
_SHARE = 100
# Seconds to wait for whoever adds to the same file.
_PATIENCE = 1.0


class GraphFile:
    """A reporter that adds each trace to the signal graph in a file.

    Make one in a module of your project, and name it in ``REPORTERS`` by its dotted path::

        graph_file = GraphFile("/var/log/shop/graph.json")

    ``path``: of the file, whose folder has to exist; it is made with the mode 0600, and one that
    is there keeps its own. It goes on from the graph that is in it: remove it to begin anew.

    Threads, async code, forked workers and any number of other processes may add to the same
    file. A process does so with its first trace, then with one at least ten seconds later, and
    when it ends; of one that is killed the traces since then are lost. What cannot be written is
    kept for the next time; that is logged, and nothing is raised.

    Raises ``TypeError`` and ``ValueError`` for a path that is none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(
                "GraphFile() wants the path of a file, a str or a pathlib.Path, and was given "
                f"an object of the type {type(path).__name__}."
            )
        given = os.fspath(path)
        if not isinstance(given, str) or not given or "\0" in given:
            raise ValueError(f"GraphFile() wants the path of a file, and was given {given!r}.")
        self.path = os.path.abspath(given)  # The current folder may change.
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        """Also in a forked worker: what its parent has added up is its parent's to write."""
        self._lock = threading.Lock()
        self._graph = SignalGraph()
        self._due = 0.0
        self._is_told = False

    def __call__(self, trace: Recorded) -> None:
        with self._lock:
            self._graph.add(trace)
            if time.monotonic() < self._due:
                return
        self.flush()

    def flush(self) -> None:
        """Add to the file now what this process has traced since the last time."""
        with self._lock:
            graph, self._graph = self._graph, SignalGraph()
            began = time.monotonic()
            self._due = began + _BETWEEN_WRITES
        if not graph.traces:
            return
        told = ""
        try:
            is_alone = _add_to(self.path, graph)
            if not is_alone:
                told = _UNLOCKED
        except (OSError, SignalGraphFormatError) as error:
            why, hint = str(error), " Move it away: a new one is begun then."
            if isinstance(error, OSError):
                why, hint = error.strerror or why, ""
            told = _FAILED.format(printable(why).rstrip(".").replace("%", "%%")) + hint
            with self._lock:
                graph.merge(self._graph)
                self._graph = graph
        with self._lock:
            self._due += _SHARE * (time.monotonic() - began)
            is_told, self._is_told = self._is_told, bool(told)
        if told and not is_told:  # Without the lock: a handler may do what it wants.
            logger.warning(told, printable(self.path))


def report(trace: Recorded) -> None:
    """For ``REPORTERS``: add the trace to the graph in ``signal_graph.json`` in the current folder.

    It is the folder in which the process was when this module was imported. For another file make
    a ``GraphFile``.
    """
    _default(trace)


_FAILED = (
    "The signal graph cannot be written to %s ({}). It is kept in memory, and written when it can "
    "be; the traced code went on."
)
_UNLOCKED = (
    "The signal graph is written to %s without a lock, which this system or file system does not "
    "have: of several processes one may lose what another has added. Give each a file of its own."
)


def _add_to(path: str, graph: SignalGraph) -> bool:
    """Whether nobody else could do the same meanwhile. The file is the old one, or the new one."""
    with _alone_with(path) as is_alone:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            text = file.read()
        whole = load(text) if text.strip() else SignalGraph()
        whole.merge(graph)
        replace(path, f"{whole.to_json()}\n", 0o600)
        return is_alone


@contextmanager
def _alone_with(path: str) -> Iterator[bool]:
    """Whether the file could be locked. It is made if it is not there."""
    until = time.monotonic() + _PATIENCE
    while True:
        with opened(path) as file:
            if fcntl is None:
                break
            with locked(file, max(until - time.monotonic(), 0)) as is_alone:
                # Whoever had it before has put another in its place.
                if not _is_at(path, file):
                    continue
                yield is_alone
                return
    yield False  # Windows puts nothing in the place of a file that is open.


def _is_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


_all: weakref.WeakSet[GraphFile] = weakref.WeakSet()


def _begin_in_child() -> None:
    for each in _all:
        each._begin()


def _end() -> None:
    for each in [*_all]:
        each.flush()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
atexit.register(_end)
_default = GraphFile(DEFAULT_NAME)
