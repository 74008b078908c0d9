"""``manage.py trace_signals COMMAND``: any command in one trace, which it shows afterwards."""

from __future__ import annotations

import argparse
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, NoReturn

from django.core.management import ManagementUtility, call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from signal_tracer.collecting import clock
from signal_tracer.collecting.following import Follower
from signal_tracer.conf import Config
from signal_tracer.findings import Level, over_trace
from signal_tracer.findings.kinds import LEVELS
from signal_tracer.management.keywords import file_name, parsed
from signal_tracer.management.screen import BottomLine
from signal_tracer.records import Contents, Dispatch
from signal_tracer.reporting import reporters_of_setting
from signal_tracer.showing.console import render_trace
from signal_tracer.showing.console.live import LiveLine
from signal_tracer.showing.export.perfetto import to_perfetto
from signal_tracer.trace import Trace
from signal_tracer.tracer import reported
from signal_tracer.wording import format_duration, listed, plural, printable

# Nanoseconds from one count to the next: more often, nobody could read them.
BETWEEN_COUNTS = 100_000_000
NOTHING = "No signal was sent while the command ran."
FULL = "The trace is full: from here on dispatches are only counted."
# How the reporters begin that show a trace in a terminal, which this does itself.
SHOWN_HERE = ("signal_tracer.report", "signal_tracer.showing.console.")


class Command(BaseCommand):
    help = (
        "Runs another command in a trace of all threads, and shows what signals did. The output "
        "of that command and its exit status are as without."
    )
    # The other command has its own checked.
    requires_system_checks = []  # noqa: RUF012  # as Django declares it

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        # Whatever is not exactly an option of ours is the other command's name.
        kwargs.setdefault("allow_abbrev", False)
        usage = f"{os.path.basename(prog_name)} {subcommand} [options] COMMAND [its arguments]"
        return super().create_parser(prog_name, subcommand, usage=usage, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "args",
            nargs=argparse.REMAINDER,
            metavar="COMMAND",
            help="the command to run, and all that belongs to it: options of ours stand before it",
        )
        shown = parser.add_argument_group("what is shown")
        length = shown.add_mutually_exclusive_group()
        length.add_argument(
            "--brief", action="store_true", help="the findings, and what was done by the project"
        )
        length.add_argument("--full", action="store_true", help="every dispatch")
        shown.add_argument(
            "--project-only",
            action="store_true",
            help="what only installed packages heard in one line a package",
        )
        shown.add_argument(
            "--signal",
            action="append",
            default=[],
            metavar="NAME",
            help="keep this signal alone: dotted, its last parts (post_save) or a pattern (shop.*);"
            " may be given several times",
        )
        shown.add_argument(
            "--live",
            action="store_true",
            help="while the command runs, each outermost dispatch as it ends",
        )
        taken = parser.add_argument_group("what is taken away")
        taken.add_argument(
            "--json", metavar="FILE", type=file_name, help="write the trace to FILE, as JSON"
        )
        taken.add_argument(
            "--perfetto",
            metavar="FILE",
            type=file_name,
            help="write the trace to FILE, for ui.perfetto.dev",
        )
        taken.add_argument(
            "--fail-on",
            choices=LEVELS,
            metavar="LEVEL",
            help="exit with 1 if the project has findings of this level (error, warning or info) "
            "or worse",
        )

    def run_from_argv(self, argv: list[str]) -> None:
        """As the command line has it: the other command says itself what goes wrong in it."""
        # Private, and the same in Django 5.2, 6.0 and 6.1: whether a wrong option ends the process.
        self._called_from_command_line = True
        ours, theirs = self._split(argv)
        options = vars(self.create_parser(*argv[:2]).parse_args(ours))
        try:
            _refuse(options, theirs)
            files = _Files(options)
        except CommandError as error:
            self._fail(error)
        argv = [argv[0], *theirs]
        command = ManagementUtility(argv).fetch_command(argv[1])
        with _argv(argv), _without_our_frames():
            complaint = _Run(argv[1], options, files, sys.stderr).of(
                partial(command.run_from_argv, argv)
            )
        if complaint is not None:
            self._fail(complaint)

    def execute(self, *args: Any, **options: Any) -> None:
        """As ``call_command()`` has it."""
        options = parsed(self, options)
        _refuse(options, args)
        files = _Files(options)
        streams = {name: options[name] for name in ("stdout", "stderr") if options.get(name)}
        complaint = _Run(args[0], options, files, options.get("stderr") or sys.stderr).of(
            partial(call_command, *args, **streams)
        )
        if complaint is not None:
            raise complaint

    def _fail(self, error: CommandError) -> NoReturn:
        self.stderr.write(f"CommandError: {printable(str(error))}")
        sys.exit(error.returncode)

    def _split(self, argv: Sequence[str]) -> tuple[list[str], list[str]]:
        """Our options, and the other command with all that is its own.

        By hand: argparse looks at options behind the command, too, and may take them for ours.
        """
        # Argparse has no public way to ask for its options; Django takes this one as well.
        actions = self.create_parser(*argv[:2])._actions
        with_value = {name for each in actions if each.nargs != 0 for name in each.option_strings}
        end = 2
        while end < len(argv) and argv[end].startswith("-"):
            end += 2 if argv[end] in with_value else 1
        return list(argv[2:end]), list(argv[end:])


def _refuse(options: dict[str, Any], theirs: Sequence[str]) -> None:
    """Raises ``CommandError`` for what cannot be run, before anything has."""
    if not theirs:
        raise CommandError(
            "Name the command to run, such as: manage.py trace_signals migrate. Options of "
            "trace_signals stand before it, its own behind it."
        )
    for name, default in (("verbosity", 1), ("traceback", False)):
        if options[name] != default:
            raise CommandError(f"--{name} is an option of {theirs[0]}, and stands behind it.")
    if theirs[0] == "runserver" and "--noreload" not in theirs:
        raise CommandError(
            "runserver serves in another process, of which this one sees nothing. To trace each "
            "request, put SignalTracerMiddleware into MIDDLEWARE; to trace a whole server, use "
            "runserver --noreload."
        )


class _Files:
    """Where the trace is written to, known to be writable before the command runs.

    Raises ``CommandError`` for what is not.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.texts: dict[Path, Callable[[Trace], str]] = {}
        for name, text in (("json", _as_json), ("perfetto", _as_perfetto)):
            if options[name] is None:
                continue
            if str(options[name]) == "-":
                raise CommandError(f"--{name} wants a file: stdout is the command's own.")
            file = Path(options[name]).absolute()  # The command may change the current folder.
            if file in self.texts:
                raise CommandError(f"--json and --perfetto cannot both write {options[name]}.")
            try:
                with file.open("a"):  # What stands in it stays, should the command be killed.
                    pass
            except OSError as error:
                raise CommandError(
                    f"--{name} cannot write {options[name]} ({error.strerror or error}), and "
                    "nothing was run. Name a file in a folder that exists and is yours."
                ) from error
            self.texts[file] = text

    def write(self, trace: Trace) -> Iterator[str]:
        """Writes each, and gives what there is to say of it; raises ``OSError`` for the first
        that cannot be written any more."""
        for file, text in self.texts.items():
            file.write_text(f"{text(trace)}\n", encoding="utf-8")
            yield f"Wrote {file}."


def _as_json(trace: Trace) -> str:
    return trace.to_json(indent=2)


def _as_perfetto(trace: Trace) -> str:
    return json.dumps(to_perfetto(trace))


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would end the process, and turn off its stdout: but they are the command's."""
        raise BrokenPipeError


class _Run:
    """One run of the other command, and what is said about it.

    By the process that began it alone: a child that was forked meanwhile goes its own way.
    """

    _live: ClassVar[list[_Run]] = []

    def __init__(self, name: str, options: dict[str, Any], files: _Files, stream: Any) -> None:
        self.name = name
        self.options = options
        self.files = files
        self.console = _Console(
            file=stream,
            force_terminal=True if options["force_color"] else None,
            no_color=options["no_color"] or None,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self.bottom = BottomLine(stream)
        self.is_live = options["live"]
        self.is_full = False
        self.counted_at = 0.0
        self.follower: Follower | None = None
        self.process = os.getpid()

    def of(self, run: Callable[[], object]) -> CommandError | None:
        """Runs it and shows its trace, however it ended; raises what it raises.

        What ``--fail-on`` or a file has to complain of, if the command itself ended well.
        """
        asked = f", only {listed(self.options['signal'])}" if self.options["signal"] else ""
        tracing = reported(
            f"manage.py {self.name}{asked}",
            all_threads=True,
            reporters=[each for each in reporters_of_setting() if not each.startswith(SHOWN_HERE)],
            make_recorder=self.make_recorder,
        )
        trace = None
        try:
            with self.among_the_live(), self.bottom, tracing as trace:
                run()
        except SystemExit as end:
            complaint = self.tell(trace, end)
            if complaint is not None and end.code in (None, 0):
                return complaint
            self.say_why(complaint)
            raise
        except BaseException as error:
            self.say_why(self.tell(trace, error))
            raise
        return self.tell(trace)

    def make_recorder(self, config: Config) -> Follower:
        told = self.tell_of_dispatch if self.is_live else None
        self.follower = Follower(config, self.options["signal"], told)
        return self.follower

    # While it runs

    @contextmanager
    def among_the_live(self) -> Iterator[None]:
        if not self.is_live:
            yield
            return
        around = [each.name for each in self._live if each.console.file is self.console.file]
        if around:
            with suppress(OSError, ValueError):
                self.console.print(
                    f"{self.name} is shown live within {around[-1]}, which is so too: what is sent "
                    "in both stands here once for each."
                )
        self._live.append(self)
        try:
            yield
        finally:
            self._live.remove(self)

    def tell_of_dispatch(self, follower: Follower, dispatch: Dispatch | None) -> None:
        """In the midst of the command, which must not suffer from a stream that is closed."""
        if not self.is_live or os.getpid() != self.process:
            return
        try:
            if dispatch is not None:
                self.console.print(LiveLine(dispatch))
            elif not self.is_full:
                self.is_full = True
                self.console.print(FULL)
            now = clock.now()
            if now - self.counted_at >= BETWEEN_COUNTS:
                self.counted_at = now
                running = format_duration((now - follower.started) / 1e9)
                number = plural(follower.dispatch_count, "dispatch", "dispatches")
                self.bottom.show(f"{number} in {running}")
        except (OSError, ValueError):
            self.is_live = False

    # Afterwards

    def tell(
        self, trace: Trace | None, ended_by: BaseException | None = None
    ) -> CommandError | None:
        """Writes the files and shows the trace; what there is to complain of.

        Of a trace that was interrupted before it could begin, nothing.
        """
        if trace is None or os.getpid() != self.process:
            return None
        written, complaint = [], None
        try:
            written = list(self.files.write(trace))
        except OSError as error:
            complaint = CommandError(
                f"{error.filename} cannot be written ({error.strerror or error})."
            )
        with suppress(OSError):  # Nobody may be there to read it; the command has ended as it has.
            self.show(trace, ended_by)
            for words in written:
                self.say(words)
        return complaint or _complaint(trace, self.options["fail_on"])

    def show(self, trace: Trace, ended_by: BaseException | None) -> None:
        if isinstance(ended_by, SystemExit) and not _holds_anything(trace.contents):
            return  # --help, or a wrong option.
        if isinstance(ended_by, KeyboardInterrupt):
            self.say("\nInterrupted. What signals did up to there:")
        elif ended_by is not None and not isinstance(ended_by, SystemExit):
            self.say(f"\nEnded by {type(ended_by).__name__}. What signals did up to there:")
        self.say()
        _show(trace, self.options, self.console)
        others = 0 if self.follower is None else self.follower.others
        if self.follower is not None and others:
            number = plural(others, "dispatch", "dispatches")
            self.say(f"{number} of other signals left out by --signal.")
            if not _holds_anything(trace.contents):
                self.console.print(f"They were: {', '.join(self.follower.other_signals)}.")

    def say_why(self, complaint: CommandError | None) -> None:
        """Of a command that has failed itself, whose exit status comes first."""
        if complaint is not None:
            with suppress(OSError):
                self.say(f"{complaint}")

    def say(self, words: str = "") -> None:
        self.console.print(words, soft_wrap=True)


def _show(trace: Trace, options: dict[str, Any], console: Console) -> None:
    asked = options["signal"]
    nothing = f"Nothing was sent that --signal asks for ({listed(asked)})." if asked else NOTHING
    brief = True if options["brief"] else False if options["full"] else None
    console.print(
        render_trace(
            trace,
            brief=brief,
            project_only=options["project_only"],
            whole="--full",
            nothing=nothing,
        )
    )


def _holds_anything(contents: Contents) -> bool:
    return bool(
        contents.dispatches
        or contents.unheard
        or contents.unwatched
        or contents.bypasses
        or contents.connection_changes
        or contents.omitted
        or contents.excluded
    )


def _complaint(trace: Trace, level: Level | None) -> CommandError | None:
    if level is None:
        return None
    found = [
        each
        for each in over_trace(trace).of_project
        if LEVELS.index(each.level) <= LEVELS.index(level)
    ]
    if not found:
        return None
    worse = "" if level == "error" else " or worse"
    return CommandError(
        f"The trace has {plural(len(found), 'finding')} of level {level}{worse} in the project's "
        "own code."
    )


@contextmanager
def _argv(argv: list[str]) -> Iterator[None]:
    """What the other command finds in ``sys.argv``, if it looks there, is its own."""
    before, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def _without_our_frames() -> Iterator[None]:
    """Whatever ends the process is shown with the traceback that it would have without us."""
    try:
        yield
    except SystemExit:
        raise
    except BaseException:
        show = sys.excepthook

        def show_without_us(
            kind: type[BaseException], error: BaseException, traceback: TracebackType | None
        ) -> None:
            error.__traceback__ = _pruned(traceback)
            show(kind, error, error.__traceback__)

        sys.excepthook = show_without_us
        raise


def _pruned(traceback: TracebackType | None) -> TracebackType | None:
    kept = []
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename != __file__:
            kept.append(traceback)
        traceback = traceback.tb_next
    for each, after in zip(kept, [*kept[1:], None], strict=False):
        each.tb_next = after
    return kept[0] if kept else None
