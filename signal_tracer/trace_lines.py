"""Traces that were written as lines of JSON are read again, one at a time, and picked.

A file may be written to, rotated or damaged meanwhile. Nothing here keeps more than one line.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import product
from typing import IO, Any, cast

from signal_tracer import plain
from signal_tracer.findings.kinds import LEVELS
from signal_tracer.records import goes_by
from signal_tracer.showing.summaries import TraceSummary, summary_of
from signal_tracer.trace import FORMAT_VERSION, Trace, TraceFormatError

# No trace is as long as that; and what is no file of lines shall not fill the memory.
LONGEST = 64 * 1024 * 1024
_IN_FRONT, _BETWEEN = '{"summary":', f',"trace":{{"version":{FORMAT_VERSION},'
_GZIP = b"\x1f\x8b"
# What the name of a file of traces has in it, rotated and compressed or not.
SUFFIX = ".jsonl"
# Of names, to say what was perhaps meant by one that is not there.
_MOST_NAMES = 10_000


class NoTracesError(ValueError):
    """What holds no traces and never will: the message names it, and what to do."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A trace in a file: its summary, and its line, which is read when somebody wants it all."""

    file: str
    number: int
    summary: TraceSummary
    line: str

    def trace(self) -> Trace:
        """The whole. Raises ``TraceFormatError``."""
        return _trace_in(_parsed(self.line))


@dataclass(frozen=True, slots=True)
class Broken:
    """A line that is no trace, or not one that can be read here. ``number`` 0: the file itself."""

    file: str
    number: int
    reason: str

    def __str__(self) -> str:
        line = f", line {self.number}" if self.number else ""
        return f"{self.file}{line}: {self.reason}"


def read_line(file: str, number: int, raw: bytes) -> Kept | Broken | None:
    """What stands in a line; ``None`` for an empty one."""
    raw = raw.strip()
    if not raw:
        return None
    try:
        line = raw.decode()
        summary = _summary_in_front(line)
        if summary is None:  # somebody else's line, or one that was written in another way
            summary = summary_of(_trace_in(_parsed(line)))
    except UnicodeDecodeError as error:
        return Broken(
            file, number, f"This line is no UTF-8 ({error.reason} at byte {error.start + 1})."
        )
    except TraceFormatError as error:
        return Broken(file, number, str(error))
    return Kept(file, number, summary, line)


def _summary_in_front(line: str) -> TraceSummary | None:
    """The summary, if all of the line is as we write it: the rest of it is not looked at."""
    if not line.startswith(_IN_FRONT):
        return None
    try:
        data, end = _decoder.raw_decode(line, len(_IN_FRONT))
        length = data.pop("length")
    except (ValueError, RecursionError, LookupError, AttributeError, TypeError):
        return None
    is_whole = type(length) is int and len(line) == end + len(',"trace":') + length + 1
    if not is_whole or not line.startswith(_BETWEEN, end):
        return None
    try:
        return plain.read(TraceSummary, data)
    except plain.DamageError:
        return None


_decoder = json.JSONDecoder()


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        is_cut = line.startswith("{") and not line.endswith("}")
        what = "is cut off, and so no JSON" if is_cut else "is no JSON"
        because = error.msg.removesuffix(" starting at")
        raise TraceFormatError(
            f"This line {what} ({because}, at character {error.pos + 1} of {len(line)})."
        ) from error
    except (ValueError, RecursionError) as error:
        raise TraceFormatError(f"This line cannot be read ({type(error).__name__}).") from error


def _trace_in(data: Any) -> Trace:
    """Of a line of ours, or of one that is a trace and nothing else."""
    is_ours = isinstance(data, dict) and "trace" in data and "version" not in data
    return Trace.from_dict(data["trace"] if is_ours else data)


# Which of them


@dataclass(frozen=True, slots=True)
class Wanted:
    """What traces are picked by. Each kind has to fit, and of one kind any of those given.

    ``paths``: of requests, or the names of what is none; patterns. ``signals``, ``senders``,
    ``receivers``: names as ``Trace.find()`` takes them, of one dispatch where several kinds are
    given. ``findings``: slugs, whosever they are, or levels, which mean the project's findings of
    this level and worse. ``statuses``: ``404``, ``5xx``, or the state of a task. ``slower``:
    seconds. ``since``: an aware moment.
    """

    paths: Sequence[str] = ()
    signals: Sequence[str] = ()
    senders: Sequence[str] = ()
    receivers: Sequence[str] = ()
    findings: Sequence[str] = ()
    statuses: Sequence[str] = ()
    slower: float = 0.0
    since: datetime | None = None

    def takes(self, kept: Kept) -> bool:
        """Raises ``TraceFormatError`` where the trace has to be read, and cannot be."""
        summary = kept.summary
        return (
            summary.duration >= self.slower
            and (self.since is None or summary.started_at >= self.since)
            and _any_fits(self.paths, lambda each: _is_path(summary, each))
            and _any_fits(self.statuses, lambda each: _is_status(summary.outcome, each))
            and _any_fits(self.findings, lambda each: _is_found(summary, each))
            and all(
                _any_fits(wanted, lambda each, names=names: _is_named(names, each))  # type: ignore[misc]
                for wanted, names in self.names_in(summary)
            )
            and self._are_together(kept)
        )

    def names_in(self, summary: TraceSummary) -> list[tuple[Sequence[str], Sequence[str]]]:
        """The names that are wanted, and those that there are, of each role."""
        return [
            (self.signals, summary.signals),
            (self.senders, summary.senders),
            (self.receivers, summary.receivers),
        ]

    def _are_together(self, kept: Kept) -> bool:
        """Whether what the summary names apart is found in one and the same dispatch."""
        given: list[Sequence[str]] = [self.signals, self.senders, self.receivers]
        if sum(map(bool, given)) < 2:
            return True
        trace = kept.trace()
        return any(
            trace.find(signal=signal, sender=sender, receiver=receiver)
            for signal, sender, receiver in product(*map(_or_any, given))
        )


def _or_any(names: Sequence[str]) -> Sequence[str | None]:
    return names or [None]


def _any_fits(wanted: Sequence[str], fits: Callable[[str], bool]) -> bool:
    return not wanted or any(map(fits, wanted))


def _is_path(summary: TraceSummary, wanted: str) -> bool:
    path = summary.name if summary.path is None else summary.path
    return path == wanted or fnmatchcase(path, wanted)


def _is_status(outcome: str, wanted: str) -> bool:
    outcome, wanted = outcome.lower(), wanted.lower()
    return outcome == wanted or (
        wanted[1:] == "xx" and outcome[:1] == wanted[0] and len(outcome) == 3
    )


def _is_found(summary: TraceSummary, wanted: str) -> bool:
    if wanted not in LEVELS:
        return any(each.slug == wanted for each in summary.findings)
    worse = LEVELS[: LEVELS.index(wanted) + 1]
    return any(each.level in worse for each in summary.of_project)


def _is_named(names: Sequence[str], wanted: str) -> bool:
    return any(_goes_by(name, wanted) for name in names)


_goes_by = lru_cache(_MOST_NAMES)(goes_by)


class Unknown:
    """The names that were asked for and that no trace has so far."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        roles = {"signal": wanted.signals, "sender": wanted.senders, "receiver": wanted.receivers}
        self._left = {role: list(names) for role, names in roles.items() if names}
        self._seen: dict[str, set[str]] = {role: set() for role in self._left}

    def look_at(self, summary: TraceSummary) -> None:
        for role, left in self._left.items():
            names: Sequence[str] = getattr(summary, f"{role}s")
            left[:] = [each for each in left if not _is_named(names, each)]
            seen = self._seen[role]
            if left and len(seen) < _MOST_NAMES:
                seen.update(names)

    def first(self) -> tuple[str, str, set[str]] | None:
        """Its role, itself, and the names that there are; ``None`` if each is there."""
        for role, left in self._left.items():
            if left:
                return role, left[0], self._seen[role]
        return None


# Where they stand


def files_in(paths: Sequence[str]) -> list[str]:
    """The files of traces that ``paths`` name, of folders all in them, the oldest first.

    Raises ``NoTracesError`` for what is not there, and for a folder without any.
    """
    found: dict[str, None] = {}
    for path in paths:
        if not os.path.exists(path):
            raise NoTracesError(
                f"There is no {path}. A trace is written to it by a TraceFile in "
                'SIGNAL_TRACER["REPORTERS"], once something was traced.'
            )
        if not os.path.isdir(path):
            found[path] = None
            continue
        inside = in_folder(path)
        if not inside:
            raise NoTracesError(
                f"The folder {path} has no file of traces: none has {SUFFIX!r} in its name. Name "
                "the file itself."
            )
        found |= dict.fromkeys(inside)
    return sorted(found, key=_age)


def in_folder(path: str) -> list[str]:
    """The files of traces in it, the oldest first.

    Raises ``NoTracesError`` for a folder that cannot be read.
    """
    try:
        names = os.listdir(path)
    except OSError as error:
        raise NoTracesError(
            f"The folder {path} cannot be read ({error.strerror or error})."
        ) from error
    inside = [os.path.join(path, each) for each in names if SUFFIX in each]
    return sorted(filter(os.path.isfile, inside), key=_age)


def _age(path: str) -> tuple[int, int]:
    rotated = re.search(r"\.(\d+)(?:\.gz)?$", path)
    try:
        return os.stat(path).st_mtime_ns, -int(rotated[1]) if rotated else 0
    except FileNotFoundError:  # moved on, since it was listed
        return 0, 0


def read_file(path: str) -> Iterator[Kept | Broken]:
    """Each trace in a file, which may be compressed by gzip.

    Raises ``NoTracesError`` for a file that cannot be read, or is no text.
    """
    try:
        file = _opened(path)
    except FileNotFoundError:
        yield Broken(path, 0, "It was moved or removed while the others were read.")
        return
    with file:
        yield from read_stream(path, file)


def read_stream(name: str, file: IO[bytes]) -> Iterator[Kept | Broken]:
    """Each trace in what is read line by line, and called ``name``."""
    number = 0
    try:
        for number, raw in enumerate(_lines(file), 1):
            each = _too_long(name, number) if raw is None else read_line(name, number, raw)
            if each is not None:
                yield each
    except (EOFError, zlib.error, OSError) as error:
        reason = f"What follows line {number} cannot be read ({error})."
        yield Broken(name, 0, reason)


def _too_long(name: str, number: int) -> Broken:
    return Broken(name, number, f"This line is longer than {LONGEST // 2**20} MB, and no trace.")


def _lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """``None`` for one that is too long."""
    while raw := file.readline(LONGEST):
        if len(raw) < LONGEST or raw.endswith(b"\n"):
            yield raw
            continue
        while (raw := file.readline(LONGEST)) and not raw.endswith(b"\n"):
            pass
        yield None


def _opened(path: str) -> IO[bytes]:
    """Raises ``FileNotFoundError`` as well: it may be moved at any moment."""
    try:
        file = open(path, "rb")  # noqa: SIM115  # whoever asked closes it
        start = file.peek(512)[:512]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NoTracesError(f"{path} cannot be read ({error.strerror or error}).") from error
    if start.startswith(_GZIP):
        file.close()
        return cast("IO[bytes]", gzip.open(path))
    if b"\0" in start:
        file.close()
        raise NoTracesError(
            f"{path} is no file of traces: it is not text. Give a file that a TraceFile wrote, or "
            "such a file compressed by gzip."
        )
    return file


class Tail:
    """What is appended to a file, also while it is rotated, as far as it was not given yet."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._number = 0
        self._size = -1

    def more(self) -> Iterator[Kept | Broken]:
        """What has come since the last time; all of it, the first time."""
        while self._file is not None or self._begin():
            yield from self._lines(is_ended=False)
            if self._file is None:  # It was emptied, and then removed.
                return
            following = self._following()
            if following is None:
                return
            yield from self._lines(is_ended=True)
            self.close()
            self._file = following

    def is_removed(self) -> bool:
        """Whether what it reads is gone from the disk, which keeps it for as long as it is open."""
        return self._file is not None and os.fstat(self._file.fileno()).st_nlink == 0

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._number, self._size = None, 0, -1

    def _begin(self) -> bool:
        self._file = _opened_if_there(self.path)
        return self._file is not None

    def _lines(self, *, is_ended: bool) -> Iterator[Kept | Broken]:
        """Each that has its end; one without may be in the midst of being written."""
        assert self._file is not None
        size = os.fstat(self._file.fileno()).st_size
        if size == self._size and not is_ended:
            return
        if size < self._file.tell():  # It was copied and emptied, as logrotate can.
            self.close()
            if not self._begin():
                return
        self._size = size
        start = self._file.tell()
        for raw in _lines(self._file):
            if raw is not None and not raw.endswith(b"\n") and not is_ended:
                self._file.seek(start)
                return
            self._number += 1
            if raw is None:
                yield _too_long(self.path, self._number)
            elif (each := read_line(self.path, self._number, raw)) is not None:
                yield each
            start = self._file.tell()

    def _following(self) -> IO[bytes] | None:
        """What is written to after the file was moved away; ``None`` while that is not there.

        There may be several: between ``traces.jsonl.3`` and ``traces.jsonl`` two more.
        """
        assert self._file is not None
        here = os.fstat(self._file.fileno())
        if _is_file(self.path, here):
            return None
        number = 1
        while os.path.exists(f"{self.path}.{number}"):
            if _is_file(f"{self.path}.{number}", here):
                return self._before(number, here)
            number += 1
        return _opened_if_there(self.path)

    def _before(self, number: int, here: os.stat_result) -> IO[bytes] | None:
        """What was begun after the file that has this number, unless they are moved on just now."""
        file = _opened_if_there(f"{self.path}.{number - 1}" if number > 1 else self.path)
        if file is None or _is_file(f"{self.path}.{number}", here):
            return file
        file.close()
        return None


def _opened_if_there(path: str) -> IO[bytes] | None:
    try:
        return _opened(path)
    except FileNotFoundError:
        return None


def _is_file(path: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), status)
    except FileNotFoundError:
        return False
