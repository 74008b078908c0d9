"""``manage.py signal_traces``: traces in files are listed, picked, followed and drawn."""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from argparse import ArgumentParser
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import islice
from typing import Any

from django.core.management.base import CommandError
from rich.console import RenderableType

from signal_tracer.comparing import compare
from signal_tracer.findings.catalogue import slugs
from signal_tracer.findings.kinds import LEVELS
from signal_tracer.management.keywords import CommandByKeyword
from signal_tracer.management.paper import drawn
from signal_tracer.management.trace_pairs import (
    DIFF,
    DIFFERENT,
    TROUBLE,
    Named,
    is_number,
    last,
    last_two,
    named,
    names_and_paths,
)
from signal_tracer.mapping.explaining import likely_names
from signal_tracer.showing.console import render_difference, render_trace
from signal_tracer.showing.console.listing import SHORT_ID, TraceRows
from signal_tracer.showing.export.json_lines import DEFAULT_NAME
from signal_tracer.showing.summaries import TraceSummary
from signal_tracer.trace import TraceFormatError
from signal_tracer.trace_lines import (
    SUFFIX,
    Broken,
    Kept,
    NoTracesError,
    Tail,
    Unknown,
    Wanted,
    files_in,
    in_folder,
    read_file,
    read_stream,
)
from signal_tracer.wording import plural, printable

STDIN = "-"
LAST = ""  # what --show is without a word behind it
MOST = 20
MOST_BROKEN = 5
# Seconds from one look at the files to the next.
BETWEEN_LOOKS = 0.25
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# What picks traces: how it is called here, and as a field of ``Wanted``.
FILTERS = {
    "path": "paths",
    "signal": "signals",
    "sender": "senders",
    "receiver": "receivers",
    "finding": "findings",
    "status": "statuses",
}


class Command(CommandByKeyword):
    help = (
        "Lists the last traces that a TraceFile wrote, draws one of them, compares two, or follows "
        "them as they come. Reads nothing but the files, and changes nothing."
    )
    requires_system_checks = []  # noqa: RUF012  # as Django declares it

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "args",
            nargs="*",
            metavar="FILE|DIR",
            help="files of traces, compressed by gzip or not, or folders of such; - for standard "
            f"input; {DEFAULT_NAME} unless given. 'diff [A B]' before them says what differs "
            "between two traces: by their IDs or the numbers of their lines, the last of each of "
            "two files, or else the last two of the same path",
        )
        shown = parser.add_argument_group("what is shown")
        shown.add_argument(
            "--show",
            nargs="?",
            const=LAST,
            metavar="ID",
            help="one trace as a picture: by its ID or how that begins, by the number of its line, "
            "or, without either, the last one that fits",
        )
        length = shown.add_mutually_exclusive_group()
        length.add_argument(
            "--brief",
            action="store_true",
            help="with --show: the findings, and what went wrong; with diff: the outermost",
        )
        length.add_argument("--full", action="store_true", help="with --show or diff: all")
        shown.add_argument(
            "--project-only",
            action="store_true",
            help="with --show: what only installed packages heard in one line a package; with "
            "diff: what concerns only those is counted",
        )
        shown.add_argument(
            "--follow", action="store_true", help="then the traces to come, until Ctrl-C"
        )
        shown.add_argument(
            "--json",
            action="store_true",
            help="the lines as they are in the file, all that fit; with diff: what differs",
        )
        shown.add_argument(
            "--limit",
            type=int,
            metavar="N",
            help=f"the last N that fit; {MOST} unless given, and all with --json",
        )
        picked = parser.add_argument_group(
            "which traces",
            "A NAME is dotted, its last parts (post_save) or a pattern (shop.*). An option that is "
            "given several times takes any of these; different ones must all fit.",
        )
        for name, metavar, what in (
            ("path", "PATTERN", "of this path ('/api/*'), or of this name if it is no request"),
            ("signal", "NAME", "in which this signal was sent and heard"),
            ("sender", "NAME", "in which this sent a signal"),
            ("receiver", "NAME", "in which this receiver ran"),
            (
                "finding",
                "SLUG|LEVEL",
                "with this finding, or any of the project's of this level or worse: error, warning",
            ),
            ("status", "STATUS", "answered so (404, 5xx), or a task that ended so (FAILURE)"),
        ):
            picked.add_argument(
                f"--{name}", action="append", default=[], metavar=metavar, help=what
            )
        picked.add_argument(
            "--slower", type=int, metavar="MS", help="that took this many milliseconds or more"
        )
        picked.add_argument(
            "--since",
            metavar="WHEN",
            help="that began since: 30s, 10m, 2h, 3d, or 2026-05-04, or '2026-05-04 13:30'",
        )

    def handle(self, *args: str, **options: Any) -> None:
        self.options = options
        self.broken = self.traces = self.fitted = 0
        self.wanted = self.picked()
        self.unknown = Unknown(self.wanted)
        try:
            if args[:1] == (DIFF,):
                self.compare(args[1:])
            else:
                self.answer(args or (DEFAULT_NAME,))
            self.stdout.flush()
        except NoTracesError as error:
            trouble = TROUBLE if args[:1] == (DIFF,) else 1
            raise CommandError(f"{error}", returncode=trouble) from error
        except KeyboardInterrupt:  # Whoever follows ends so.
            self.tell_more_broken()
        except BrokenPipeError:
            # Whoever reads has seen enough, as head does: Python is not to say so at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)

    def answer(self, paths: Sequence[str]) -> None:
        options = self.options
        for name in ("brief", "full", "project_only"):
            if options[name] and options["show"] is None:
                raise CommandError(f"--{name.replace('_', '-')} needs --show.")
        if options["show"] is not None and options["follow"]:
            raise CommandError("Give either --show or --follow, not both.")
        if options["limit"] is not None:
            if options["limit"] < 1:
                raise CommandError("--limit takes a number from 1 on.")
            options["limit"] = min(options["limit"], sys.maxsize)
        if STDIN in paths and len(paths) > 1:
            raise CommandError("Standard input (-) is read alone, without other files.")
        if options["show"] is not None:
            self.show(paths, options["show"])
        elif options["follow"]:
            self.follow(paths)
        else:
            self.list_traces(paths)

    def picked(self) -> Wanted:
        """What the options ask for. Raises ``CommandError`` for what no trace can have."""
        options = self.options
        for slug in options["finding"]:
            if slug not in (*slugs(), *LEVELS):
                close = get_close_matches(slug.lower(), [*slugs(), *LEVELS], n=1)
                meant = f"Did you mean {close[0]!r}?" if close else "signal_map --about lists all."
                raise CommandError(f"--finding: no finding is called {slug!r}. {meant}")
        for status in options["status"]:
            if not re.fullmatch(r"\d{3}|[1-5]xx|[^\W\d]\w*", status, re.IGNORECASE):
                raise CommandError(
                    f"--status takes 404, 5xx or the state of a task (FAILURE), not {status!r}."
                )
        return Wanted(
            **{field: tuple(options[name]) for name, field in FILTERS.items()},
            slower=(options["slower"] or 0) / 1000,
            since=None if options["since"] is None else _moment(options["since"]),
        )

    # What is read

    def read(self, paths: Sequence[str]) -> Iterator[Kept | Broken]:
        if STDIN in paths:
            yield from read_stream("standard input", sys.stdin.buffer)
            return
        for path in files_in(paths):
            yield from read_file(path)

    def fitting(self, found: Iterable[Kept | Broken]) -> Iterator[Kept]:
        """Those that fit; what cannot be read is told, up to a number."""
        for each in found:
            if isinstance(each, Broken):
                self.tell(each)
                continue
            self.traces += 1
            self.unknown.look_at(each.summary)
            try:
                if self.wanted.takes(each):
                    self.fitted += 1
                    yield each
            except TraceFormatError as error:
                self.tell(Broken(each.file, each.number, str(error)))

    def tell(self, broken: Broken) -> None:
        self.broken += 1
        if self.broken <= MOST_BROKEN:
            self.stderr.write(printable(f"! {broken}"))

    def tell_more_broken(self) -> None:
        """How many there are besides those that were told."""
        if self.broken > MOST_BROKEN:
            more = plural(self.broken - MOST_BROKEN, "more line")
            self.stderr.write(f"! And {more} cannot be read.")

    def tell_others(self) -> None:
        """How many more could not be read, and which name nothing goes by."""
        self.tell_more_broken()
        if self.traces and (unknown := self.about_unknown()):
            raise CommandError(unknown)

    def about_unknown(self) -> str:
        unknown = self.unknown.first()
        if unknown is None:
            return ""
        role, name, names = unknown
        likely = likely_names(name, [(each, None) for each in names])
        return f"--{role}: nothing in these traces goes by {name!r}. {likely}"

    # What is shown

    def list_traces(self, paths: Sequence[str]) -> None:
        limit = self.options["limit"]
        fitting = self.fitting(self.read(paths))
        if self.options["json"]:
            self.write_lines(fitting if limit is None else deque(fitting, limit))
            self.tell_others()
            return
        # Without their lines, which may be long.
        last = deque(map(_row, fitting), limit or MOST)
        if last:
            self.draw(TraceRows().of(last))
        self.tell_others()
        self.stdout.write(self.told(len(last), paths))

    def told(self, shown: int, paths: Sequence[str]) -> str:
        """What stands below the list."""
        where = printable(", ".join(paths))
        if not self.traces:
            return f"No trace in {where}{' that can be read' * bool(self.broken)}."
        if not self.fitted:
            fits = printable(f"fits {self.as_options()}.")
            return f"None of {plural(self.traces, 'trace')} in {where} {fits}"
        every, one = plural(self.traces, "trace"), "One as a picture: --show ID"
        if self.fitted == self.traces:
            told = f"The last {shown} of {every}" if shown < self.fitted else every
        elif shown < self.fitted:
            told = f"The last {shown} of {self.fitted} that fit, of {every}"
        else:
            told = f"{self.fitted} of {every}"
        return f"\n{told}. {one}"

    def show(self, paths: Sequence[str], wanted: str) -> None:
        """Draw the last of those that go by ``wanted``."""
        if is_number(wanted) and (STDIN in paths or len(files_in(paths)) > 1):
            raise CommandError("--show with the number of a line needs one FILE.")
        asked_for = Named(wanted)
        for kept in self.fitting(self.read(paths)):
            asked_for.look_at(kept)
        self.tell_others()
        found = asked_for.found()
        if found is None:
            raise CommandError(self.not_there(wanted, paths))
        if self.options["json"]:
            self.stdout.write(found.line)
            return
        try:
            trace = found.trace()
        except TraceFormatError as error:
            raise CommandError(f"{found.file}, line {found.number}: {error}") from error
        project_only = self.options["project_only"]
        self.draw(
            render_trace(trace, brief=self.brief(), project_only=project_only, whole="--full")
        )

    def brief(self) -> bool | None:
        return True if self.options["brief"] else False if self.options["full"] else None

    def not_there(self, wanted: str, paths: Sequence[str]) -> str:
        if not self.traces or (not self.fitted and self.as_options()):
            return self.told(0, paths)
        return (
            f"No trace in {', '.join(paths)} goes by {wanted!r}, neither by the beginning of its "
            "ID nor by the number of its line. Without --show they are listed."
        )

    def compare(self, words: Sequence[str]) -> None:
        """Say what differs between two traces; the process ends with 1 if anything does."""
        options = self.options
        try:
            before, after = self.pair(words)
            difference = compare(before.trace(), after.trace())
        except CommandError as error:
            error.returncode = TROUBLE
            raise
        except TraceFormatError as error:
            raise CommandError(str(error), returncode=TROUBLE) from error
        shown = difference.of_project() if options["project_only"] else difference
        if options["json"]:
            self.stdout.write(shown.to_json(indent=2))
        else:
            self.draw(TraceRows().of([_row(before), _row(after)]))
            self.stdout.write("")
            self.draw(render_difference(shown, brief=self.brief(), whole="--full"))
        if shown:
            self.stdout.flush()
            sys.exit(DIFFERENT)

    def pair(self, words: Sequence[str]) -> list[Kept]:
        """The two that are to be compared. Raises ``CommandError``."""
        options = self.options
        for name in ("show", "limit"):
            if options[name] is not None:
                raise CommandError(f"Give either diff or --{name}, not both.")
        if options["follow"]:
            raise CommandError("Give either diff or --follow, not both.")
        names, given = names_and_paths(words)
        paths = given or [DEFAULT_NAME]
        where = ", ".join(paths)

        told: list[Sequence[str]] = []

        def fitting(paths: Sequence[str] = paths) -> Iterator[Kept]:
            # What cannot be read is told once, also where all of it is read twice.
            is_told = paths in told
            told.append(paths)
            found = self.read(paths)
            yield from self.fitting(
                each for each in found if not (is_told and isinstance(each, Broken))
            )

        if any(map(is_number, names)) and len(files_in(paths)) > 1:
            raise CommandError("The number of a line needs one FILE.")
        if names:
            found = named(fitting(), names, where)
        elif len(given) == 2 and not any(map(os.path.isdir, given)):
            found = [last(fitting([each]), each) for each in given]
        else:
            found = last_two(fitting, where, any_path=bool(options["path"]))
        self.tell_others()
        return found

    def follow(self, paths: Sequence[str]) -> None:
        rows = TraceRows()
        if STDIN in paths:
            for kept in self.fitting(self.read(paths)):
                self.give(rows, [kept])
            self.tell_others()
            return
        with closing(_Followed(paths)) as followed:
            for path in followed.missing():
                self.stderr.write(f"There is no {path} yet: waiting for it.")
            self.give(rows, deque(self.fitting(followed.first()), self.options["limit"] or MOST))
            if self.traces and (unknown := self.about_unknown()):
                self.stderr.write(f"So far: {unknown}")
            while True:
                time.sleep(BETWEEN_LOOKS)
                fitting = self.fitting(followed.more())
                while some := [*islice(fitting, MOST)]:
                    self.give(rows, some)

    def give(self, rows: TraceRows, traces: Collection[Kept]) -> None:
        if self.options["json"]:
            self.write_lines(traces)
        elif traces:
            self.draw(rows.of([*map(_row, traces)]))
        self.stdout.flush()

    def draw(self, renderable: RenderableType) -> None:
        self.stdout.write(drawn(renderable, self.stdout, self.options))

    def write_lines(self, traces: Iterable[Kept]) -> None:
        for kept in traces:
            self.stdout.write(kept.line)

    def as_options(self) -> str:
        """The filters that were given, as they were."""
        given = [f"--{name} {shlex.quote(each)}" for name in FILTERS for each in self.options[name]]
        if self.options["slower"]:
            given.append(f"--slower {self.options['slower']}")
        if self.options["since"]:
            given.append(f"--since {shlex.quote(self.options['since'])}")
        return " ".join(given)


class _Followed:
    """The files that are followed, and those in folders, also the ones to come."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._tails: dict[str, Tail] = {}

    def missing(self) -> list[str]:
        return [each for each in self._paths if not os.path.exists(each)]

    def first(self) -> Iterator[Kept | Broken]:
        """All that there is, also in what is rotated away and no longer written to."""
        for path in self._paths:
            if os.path.isdir(path):
                for each in in_folder(path):
                    if not each.endswith(SUFFIX):
                        yield from read_file(each)
            elif path.endswith(".gz"):
                yield from read_file(path)
        yield from self.more()

    def more(self) -> Iterator[Kept | Broken]:
        for path in self._paths:
            if not os.path.exists(path):  # It may yet become a file, or a folder.
                continue
            inside = in_folder(path) if os.path.isdir(path) else [path]
            for each in inside:
                if each.endswith(SUFFIX) or (each == path and not path.endswith(".gz")):
                    self._tails.setdefault(each, Tail(each))
        for path, tail in list(self._tails.items()):
            was_removed = tail.is_removed()  # Asked first: until then, more may have been written.
            yield from tail.more()
            if was_removed and tail.is_removed():
                self._tails.pop(path).close()

    def close(self) -> None:
        for tail in self._tails.values():
            tail.close()


def _row(kept: Kept) -> tuple[str, TraceSummary]:
    return kept.summary.id[:SHORT_ID] or str(kept.number), kept.summary


def _moment(text: str) -> datetime:
    """What --since means. Raises ``CommandError``."""
    ago = re.fullmatch(r"(\d{1,6})([smhd])", text)
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        # Without an offset it is of the time zone of the process: Django sets the project's.
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise CommandError(
            "--since takes 30s, 10m, 2h, 3d, a date as 2026-05-04 or a moment as '2026-05-04 "
            f"13:30', not {text!r}."
        ) from None
