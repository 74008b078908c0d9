"""Lines of JSON, one a trace, are appended to a file that several processes share, or printed.

A line is ``{"summary": …, "trace": …}``: the second is what ``Trace.to_dict()`` returns, the first
what a list of many traces needs, so that nobody has to read them all for it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType

from signal_tracer import plain
from signal_tracer.printable import printable
from signal_tracer.showing.summaries import Writable, summary_of
from signal_tracer.wording import plural

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows has none.
    fcntl = None

logger = logging.getLogger("signal_tracer")

DEFAULT_NAME = "signal_traces.jsonl"
# Seconds to wait for whoever writes to the same file: who takes longer has stopped in the midst.
_PATIENCE, _PATIENCE_IN_TROUBLE = 1.0, 0.01
_BETWEEN_ATTEMPTS = 0.0005
# Seconds between messages about what cannot be written: it may change with each trace.
_BETWEEN_MESSAGES = 60.0
# Where a file system, as some of networks, or a stream knows no locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}


def line_of(trace: Writable) -> bytes:
    """The trace as one line of ASCII, with its end."""
    trace = trace.frozen()
    whole = _compact(trace.to_dict())
    # Whoever reads the summary alone knows by the length whether the rest is there.
    summary = _compact({**plain.write(summary_of(trace)), "length": len(whole)})
    return f'{{"summary":{summary},"trace":{whole}}}\n'.encode("ascii")


def _compact(data: plain.JSON) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


class TraceFile:
    """A reporter that appends each trace to a file, as one line of JSON.

    Make one in a module of your project, and name it in ``REPORTERS`` by its dotted path::

        trace_file = TraceFile("/var/log/shop/traces.jsonl", max_bytes=100_000_000, keep=3)

    ``path``: of the file, whose folder has to exist; it is made with the mode 0600, since traces
    may hold what not everybody is to read. ``max_bytes``: before it grows beyond that it becomes
    ``traces.jsonl.1``, what that was ``traces.jsonl.2``, and so on; with ``None`` it just grows,
    for whoever has logrotate. ``keep``: how many of these there are at most.

    Threads, async code, forked workers and any number of other processes may write to the same
    file. What cannot be written is lost and counted; that is logged, and nothing is raised.

    Raises ``TypeError`` and ``ValueError`` for arguments that are none of these.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int | None = 50_000_000,
        keep: int = 5,
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(
                "TraceFile() wants the path of a file, a str or a pathlib.Path, and was given "
                f"an object of the type {type(path).__name__}."
            )
        given = os.fspath(path)
        if not isinstance(given, str) or not given or "\0" in given:
            raise ValueError(f"TraceFile() wants the path of a file, and was given {given!r}.")
        for name, number in (("max_bytes", max_bytes), ("keep", keep)):
            if number is None and name == "max_bytes":
                continue
            if type(number) is not int or number < 1:
                raise ValueError(
                    f"TraceFile({given!r}, {name}=...) wants a whole number from 1 on, and was "
                    f"given {plain.spell(number)}."
                )
        self.path = os.path.abspath(given)  # The current folder may change.
        self._max_bytes = max_bytes
        self._keep = keep
        self._trouble = _Trouble(printable(self.path))

    def __call__(self, trace: Writable) -> None:
        self._trouble.survive(partial(self._append, line_of(trace)))

    def _append(self, line: bytes) -> bool:
        """Whether nobody else could write at the same time.

        Raises ``OSError`` if the line could not be written as a whole, and then nothing of it is.
        """
        patience = _PATIENCE_IN_TROUBLE if self._trouble.is_there else _PATIENCE
        while True:
            # Anew for each trace: whoever moves the file away, or forks, need not tell us.
            with opened(self.path) as file, locked(file, patience) as is_alone:
                size = os.fstat(file).st_size
                if not self._is_current(file):  # moved away while we waited
                    continue
                if self._max_bytes and 0 < size > self._max_bytes - len(line):
                    self._rotate()
                    continue
                _append_whole(file, line, size if is_alone else None)
                return is_alone

    def _is_current(self, file: int) -> bool:
        try:
            current = os.stat(self.path)
        except FileNotFoundError:
            return False
        return os.path.samestat(current, os.fstat(file))

    def _rotate(self) -> None:
        """Only whoever has the lock of the file comes here, until the last step takes it away."""
        for number in range(self._keep - 1, 0, -1):
            with_number = f"{self.path}.{number}"
            if os.path.exists(with_number):
                os.replace(with_number, f"{self.path}.{number + 1}")
        os.replace(self.path, f"{self.path}.1")


def report(trace: Writable) -> None:
    """For ``REPORTERS``: append the trace to ``signal_traces.jsonl`` in the current folder.

    It is the folder in which the process was when this module was imported. The file and the
    five before it take up to 300 MB; for others make a ``TraceFile``.
    """
    _default(trace)


def report_to_stdout(trace: Writable) -> None:
    """For ``REPORTERS``: print the trace as one line of JSON to standard output, for containers.

    As with ``print()``, the process waits while nobody takes from a full pipe. Workers that share
    a pipe take turns, where the system has locks for pipes, so that their lines stay whole;
    whatever else is printed there knows nothing of that.
    """
    _to_stdout.survive(partial(_print, line_of(trace)))


def _print(line: bytes) -> bool:
    if _to_stdout.is_there:  # There may be a part of a line, which nobody can look up.
        line = b"\n" + line
    stream = sys.stdout
    if stream is None:
        raise OSError(errno.EBADF, "this process has no standard output")
    try:
        file = stream.fileno()
    except (AttributeError, OSError, ValueError):  # A notebook's, or a test's.
        stream.write(line.decode("ascii"))
        stream.flush()
        return True
    stream.flush()
    with _turn(file):
        _write(file, line)
    return True


# What people do about it.
_HINTS = {
    errno.EACCES: "Whoever runs this process needs the right to write there.",
    errno.EPERM: "Whoever runs this process needs the right to write there.",
    errno.ENOENT: "Make its folder.",
    errno.ENOSPC: "Make room on the disk; TraceFile(max_bytes=..., keep=...) bounds what it takes.",
    errno.EISDIR: "Name a file, not a folder.",
    errno.EROFS: "Name a file that can be written, or report_to_stdout in REPORTERS.",
    errno.ETIMEDOUT: "Find out who keeps it locked.",
}


UNLOCKED = (
    "Traces are written to %s without a lock, which this system or file system does not have: "
    "lines of several processes may be mixed up there. Give each process a file of its own: "
    'TraceFile(f"traces-{os.getpid()}.jsonl").'
)


class _Trouble:
    """What cannot be written: said when it begins and when it is over, at most once a minute."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._told_at = 0.0
        self._lost = 0
        self._is_unlocked = False
        self.is_there = False

    def survive(self, write: Callable[[], bool]) -> None:
        """Let one thread at a time ``write``, which says whether it had a lock."""
        with _threads.one():
            try:
                told = self._unlocked(write()) or self._over()
            except OSError as error:
                told = self._begun(error)
        if told:  # Without the lock of threads: a handler may do what it wants.
            logger.warning(told, self._where)

    def _begun(self, error: OSError) -> str:
        self._lost += 1
        if self.is_there:
            return ""
        self.is_there, self._told_at = True, time.monotonic()
        why = printable(error.strerror or str(error)).replace("%", "%%")
        hint = _HINTS.get(error.errno or 0, "")
        return (
            f"Traces cannot be written to %s ({why}), and are lost until they can be; the traced "
            f"code went on. {hint}".rstrip()
        )

    def _over(self) -> str:
        if not self.is_there or time.monotonic() - self._told_at < _BETWEEN_MESSAGES:
            return ""
        lost, self._lost, self.is_there = self._lost, 0, False
        were = plural(lost, "trace was", "traces were")
        return f"Traces are written to %s again; {were} lost meanwhile."

    def _unlocked(self, is_locked: bool) -> str:
        if is_locked or self._is_unlocked:
            return ""
        self._is_unlocked = True
        return UNLOCKED


class _Threads:
    """Those of this process take turns, and need not look for the lock again and again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def one(self) -> threading.Lock:
        return self._lock

    def _forget(self) -> None:
        """In a forked worker: the thread that held it is not there."""
        self._lock = threading.Lock()


_threads = _Threads()


# Files


@contextmanager
def opened(path: str) -> Iterator[int]:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(
                errno.EINVAL,
                "it is no ordinary file; for standard output name "
                "signal_tracer.showing.export.json_lines.report_to_stdout in REPORTERS",
            )
        yield file
    finally:
        os.close(file)


@contextmanager
def locked(file: int, patience: float) -> Iterator[bool]:
    """Whether the file could be locked at all."""
    is_locked = _lock(file, patience)
    try:
        yield is_locked
    finally:
        if fcntl is not None and is_locked:
            # To close it would do, but for a process that was forked meanwhile: it has it open.
            fcntl.flock(file, fcntl.LOCK_UN)


def _lock(file: int, patience: float) -> bool:
    """Raises ``TimeoutError`` where somebody else keeps it for longer than ``patience`` seconds."""
    if fcntl is None:
        return False
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > until:
                raise TimeoutError(
                    errno.ETIMEDOUT, "another process keeps it locked for too long"
                ) from None
            time.sleep(_BETWEEN_ATTEMPTS)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return False
            raise
        else:
            return True


def _append_whole(file: int, line: bytes, size: int | None) -> None:
    """``size``: of the file, in bytes, if nobody else writes to it meanwhile.

    What is left of a line that somebody could not finish gets its end first.
    """
    if _last_byte(file) not in (b"\n", b""):
        line = b"\n" + line
    try:
        _write(file, line)
    except BaseException:
        if size is not None:
            os.ftruncate(file, size)
        raise


def _last_byte(file: int) -> bytes:
    if not os.fstat(file).st_size:
        return b""
    os.lseek(file, -1, os.SEEK_END)  # What is written is appended all the same.
    return os.read(file, 1)


def _write(file: int, line: bytes) -> None:
    """All of it. Raises ``OSError``."""
    left = memoryview(line)
    while left:
        left = left[os.write(file, left) :]


@contextmanager
def _turn(file: int) -> Iterator[None]:
    """The turn of this process at a stream that it shares with its siblings.

    They have it from one parent, and a lock of the file would be the same for all of them.
    """
    is_locked = False
    if fcntl is not None:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX)
            is_locked = True
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    try:
        yield
    finally:
        if fcntl is not None and is_locked:
            fcntl.lockf(file, fcntl.LOCK_UN)


_default = TraceFile(DEFAULT_NAME)
_to_stdout = _Trouble("standard output")
