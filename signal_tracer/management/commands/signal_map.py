"""``manage.py signal_map``: who is connected to what, in which order, and from which file."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from django.conf import settings
from django.core.management.base import CommandError
from rich.console import RenderableType
from rich.markdown import Markdown

from signal_tracer import __version__, baseline, conf, drift
from signal_tracer.baseline import Baseline, BaselineError, Comparison
from signal_tracer.drift import FILTERS, SWITCHES
from signal_tracer.findings import Level, over_signal_map
from signal_tracer.findings.about import UnknownSlugError, about, kinds
from signal_tracer.findings.kinds import LEVELS
from signal_tracer.findings.remarks import Remark, remark_of
from signal_tracer.management.chains import add_chain, as_text, chosen_chain
from signal_tracer.management.graphs_files import add_graph
from signal_tracer.management.keywords import CommandByKeyword, file_name
from signal_tracer.management.paper import drawn
from signal_tracer.mapping import settings_file
from signal_tracer.mapping.explaining import UnknownNameError, explain, likely_names
from signal_tracer.mapping.reading import connected_now, read_map
from signal_tracer.mapping.senders import model_names
from signal_tracer.mapping.urls import load_urls
from signal_tracer.records import goes_by
from signal_tracer.showing.export.github import workflow_commands
from signal_tracer.showing.export.sarif import to_sarif
from signal_tracer.showing.map_console import MapTable, render_findings
from signal_tracer.showing.map_graph import dot, mermaid, too_large_for_mermaid
from signal_tracer.showing.map_text import explanation, markdown, tree
from signal_tracer.signal_map import SignalMap, SignalMapFormatError
from signal_tracer.wording import plural, printable, source_root

Format = Literal["table", "tree", "json", "markdown", "mermaid", "dot"]
FORMATS: tuple[Format, ...] = ("table", "tree", "json", "markdown", "mermaid", "dot")

NOT_YET = (
    "This is who is connected so far. A server imports the URLconf as well, and what that "
    "connects: --load-urls shows it too."
)
# What has a form and a choice of its own. A filter that nobody looks at would be a lie.
NOT_WITH = (
    ("about", ("explain", "chain", "write", "check", "format", "fail_on", *FILTERS, *SWITCHES)),
    ("explain", ("chain", "write", "check", "format", *FILTERS, "project_only", "unheard")),
    ("chain", ("missing", "write", "check", "fail_on", *FILTERS, "unheard")),
    ("missing", ("explain", "write", "check", "format", "unheard", "fail_on")),
    ("write", ("check", "format", "output")),
    ("check", ("format", "output")),
)
# Over what is in the source and not among the connections.
MISSING = ("missing-receiver", "uncalled-connect", "perhaps-missing")


class Command(CommandByKeyword):
    help = (
        "Shows every signal of this process and who is connected to it, in calling order. "
        "Imports nothing, unless --load-urls is given."
    )
    # The checks would import the URLconf, and so connect what a look must not connect.
    requires_system_checks = []  # noqa: RUF012  # as Django declares it

    def add_arguments(self, parser: ArgumentParser) -> None:
        chosen = parser.add_argument_group(
            "what is shown",
            "A NAME is dotted, its last parts (post_save) or a pattern (shop.*), and each option "
            "may be given several times.",
        )
        for name, what in (
            ("signal", "only this signal"),
            (
                "sender",
                "only what would run for this sender; 'any' for any sender",
            ),
            ("receiver", "only this receiver"),
            ("app", "only receivers of this app, by its label"),
        ):
            chosen.add_argument(f"--{name}", action="append", default=[], metavar="NAME", help=what)
        chosen.add_argument(
            "--project-only",
            action="store_true",
            help="only receivers of the project's own code, not of installed packages",
        )
        chosen.add_argument(
            "--unheard", action="store_true", help="only signals that nobody listens to"
        )
        chosen.add_argument(
            "--load-urls",
            action="store_true",
            help="import the URLconf first, as a server does, and mark what that connects",
        )
        shown = parser.add_argument_group("how it is shown")
        shown.add_argument(
            "--format", choices=FORMATS, help="'table' unless given, and 'tree' with --chain"
        )
        shown.add_argument(
            "--output",
            metavar="FILE",
            type=file_name,
            help="write to this file, not to the terminal",
        )
        asked = parser.add_argument_group("what is asked")
        asked.add_argument(
            "--explain",
            nargs=2,
            metavar=("SIGNAL", "SENDER"),
            help="what would happen if SENDER sent SIGNAL now: who would run, who would not, why",
        )
        add_chain(asked)
        add_graph(asked)
        asked.add_argument(
            "--missing",
            action="store_true",
            help="what the project's source connects and this process does not have, and why",
        )
        asked.add_argument(
            "--about",
            nargs="?",
            const="",
            metavar="SLUG",
            help="what the documentation says of a finding, such as near-miss; of none: lists all",
        )
        asked.add_argument(
            "--write", metavar="FILE", type=file_name, help="keep the map in FILE, for --check"
        )
        asked.add_argument(
            "--check",
            metavar="FILE",
            type=file_name,
            help="exit with 1 if the map is no longer what --write kept in FILE, and say how",
        )
        asked.add_argument(
            "--fail-on",
            choices=LEVELS,
            metavar="LEVEL",
            help="list the findings of this level (error, warning or info) and worse, and exit "
            "with 1 if there are any",
        )
        reviewed = parser.add_argument_group(
            "what --fail-on finds, in review and CI", "Each needs --fail-on LEVEL."
        )
        reviewed.add_argument(
            "--baseline",
            metavar="FILE",
            type=file_name,
            help="findings that FILE names are known: they are shown, and only others fail",
        )
        reviewed.add_argument(
            "--write-baseline",
            action="store_true",
            help="write the file of --baseline: with all findings if there is none, and else "
            "without those that are mended",
        )
        reviewed.add_argument(
            "--sarif",
            metavar="FILE",
            type=file_name,
            help="write the findings to FILE as SARIF 2.1.0, which code hosts show in a review",
        )
        reviewed.add_argument(
            "--github",
            action="store_true",
            help="print each new finding as GitHub's workflow command too: ::error file=...",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.options = options
        try:
            self.answer()
            self.stdout.flush()
        except CommandError as error:
            error.args = (printable(f"{error}"),)  # It may quote names, files and other errors.
            raise
        except BrokenPipeError:
            # Whoever reads has seen enough, as head does: Python is not to say so at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)

    def answer(self) -> None:
        options = self.options
        for one, others in NOT_WITH:
            both = [_as_option(one), *(_as_option(each) for each in others if options[each])]
            if options[one] not in (None, False) and len(both) > 1:
                raise CommandError(f"Give either {both[0]} or {both[1]}, not both.")
        for one in ("baseline", "sarif", "github"):
            if options[one] and not options["fail_on"]:
                raise CommandError(f"{_as_option(one)} needs --fail-on LEVEL.")
        if options["write_baseline"] and not options["baseline"]:
            raise CommandError("--write-baseline needs the file: --baseline FILE.")
        for one in ("depth", "graph"):
            if options[one] is not None and not options["chain"]:
                raise CommandError(f"{_as_option(one)} needs --chain NAME.")
        if options["about"] is not None:
            self.about(options["about"])
        elif options["explain"]:
            self.explain(*options["explain"])
        elif options["chain"]:
            self.show_chain()
        elif options["missing"]:
            self.show_missing()
        elif options["write"]:
            self.write_map(options["write"])
        elif options["check"]:
            self.check_map(options["check"])
        elif not options["fail_on"] or options["format"] or options["output"]:
            self.show(self.chosen_map())
        if options["fail_on"]:
            self.fail_on(options["fail_on"])

    # What is read

    def chosen_map(self, filters: dict[str, Any] | None = None) -> SignalMap:
        """The map as it is now, through the filters that were given, or through these."""
        is_given = filters is None
        filters = self.options if filters is None else filters
        before: list[Any] = []
        if filters.get("load_urls"):
            before = connected_now()
            _load_urls()
        signal_map = read_map(before={id(each) for each in before})
        names = {name: tuple(filters.get(name) or ()) for name in FILTERS}
        for name, wanted in names.items() if is_given else ():
            _reject_unknown(name, wanted, _names_of(name, signal_map))
        return signal_map.select(
            signals=names["signal"],
            senders=names["sender"],
            sent_by_models=_name_models(names["sender"]),
            receivers=names["receiver"],
            apps=names["app"],
            project_only=bool(filters.get("project_only")),
            unheard=bool(filters.get("unheard")),
        )

    # What is done with it

    def show(self, signal_map: SignalMap) -> None:
        chosen = cast("Format", self.options["format"] or "table")
        if chosen == "table":
            hint = "" if self.options["load_urls"] or self.options["unheard"] else NOT_YET
            table = MapTable(signal_map, with_unheard=self.options["unheard"], hint=hint)
            self.emit(self.drawn(table))
            self.remark(signal_map)
            return
        if chosen == "tree":
            text = tree(signal_map, ascii_only=not _is_unicode(self.stdout))
        elif chosen == "json":
            text = signal_map.to_json(indent=2)
        elif chosen == "markdown":
            text = markdown(signal_map)
        elif chosen == "mermaid":
            text = mermaid(signal_map)
            self.warn(too_large_for_mermaid(signal_map, text))
        else:
            text = dot(signal_map)
        self.emit(text)

    def remark(self, signal_map: SignalMap) -> None:
        """Below the table: what is wrong with what it shows."""
        if self.options["output"] or self.options["fail_on"]:
            return
        found = over_signal_map(signal_map, _ignored()).of_project
        serious = [finding for finding in found if finding.level != "info"]
        if serious:
            self.stdout.write("")
            self.emit(self.drawn(render_findings(serious)))
        counted = Counter(finding.slug for finding in found if finding.level == "info")
        if counted:
            kinds = ", ".join(f"{slug} {count}" for slug, count in counted.most_common())
            self.stdout.write("")
            self.emit(
                f"For information: {plural(counted.total(), 'finding')} ({kinds}). Each with what "
                "to do: --project-only --fail-on info"
            )
        if signal_map.unknown_bulk_calls:
            calls = plural(signal_map.unknown_bulk_calls, "bulk call")
            self.stdout.write("")
            self.emit(f"Not looked at: {calls} in the source, of which it does not tell the model.")

    def show_missing(self) -> None:
        found = over_signal_map(self.chosen_map(), _ignored()).of_project
        missing = [each for each in found if each.slug in MISSING]
        if missing:
            self.emit(self.drawn(render_findings(missing)))
        else:
            self.emit("All that the project's source is seen to connect is connected.")

    def write_map(self, file: Path) -> None:
        saved = drift.save(self.chosen_map(), self.filters_given())
        _write(file, saved.to_text())
        count = sum(map(len, saved.signals.values()))
        self.stdout.write(
            f"Kept {plural(count, 'connection')} of {plural(len(saved.signals), 'signal')} in "
            f"{file}. Compare with: manage.py signal_map --check {file}"
        )

    def check_map(self, file: Path) -> None:
        if self.filters_given():
            raise CommandError(
                "--check uses the filters that the file was written with, and takes none. For "
                f"others, write it again: manage.py signal_map --write {file} with them."
            )
        old = _load(file)
        new = drift.save(self.chosen_map(old.filters), old.filters)
        differences = drift.compare(old, new)
        if not differences:
            self.stdout.write(f"The signal map is as it was kept in {file}.")
            return
        for line in differences:
            self.stdout.write(line)
        raise CommandError(
            f"The signal map differs from {file} in {plural(len(differences), 'place')}. If that "
            f"is meant, keep it: manage.py signal_map --write {file}"
            f"{''.join(f' {option}' for option in _as_options(old.filters))}"
        )

    def fail_on(self, level: Level) -> None:
        known = self.known_findings()
        found = over_signal_map(self.chosen_map(), _ignored(), at_least=level)
        remarks = [remark_of(finding) for finding in found.of_project]
        compared = baseline.compare(known, remarks, level)
        self.report(compared)
        if found.of_packages:
            packages = ", ".join(f"{name} {count}" for name, count in found.packages())
            self.stderr.write(
                f"{plural(len(found.of_packages), 'finding')} in installed packages, which do not "
                f"count: {packages}."
            )
        if found.hidden:
            count = plural(len(found.hidden), "finding")
            self.stderr.write(f"{count} not shown, because IGNORE_FINDINGS names them.")
        self.take_away(remarks, compared)
        is_first = self.options["write_baseline"] and known is None
        if self.options["write_baseline"]:
            self.write_baseline(known, compared)
        elif compared.mended:
            for line in baseline.mended(compared, self.options["baseline"], "--write-baseline"):
                self.stderr.write(line)
        if compared.new and not is_first:
            new = "finding" if known is None else "new finding"
            raise CommandError(
                f"The signal map has {plural(len(compared.new), new)} of level {level}"
                f"{'' if level == 'error' else ' or worse'}."
            )

    def report(self, found: Comparison) -> None:
        # Beside a map that a program reads, findings are for a person.
        stream = self.stderr if self.options["format"] or self.options["output"] else self.stdout
        if found.new or found.known:
            stream.write(self.drawn(render_findings(found.new, found.known)))
        else:
            stream.write("No findings.")

    def known_findings(self) -> Baseline | None:
        """What the file of ``--baseline`` names; ``None`` without one, or if it is to be made."""
        file = self.options["baseline"]
        if file is None or (self.options["write_baseline"] and not file.exists()):
            return None
        level = self.options["fail_on"]
        write = f"manage.py signal_map --fail-on {level} --baseline {file} --write-baseline"
        try:
            known = baseline.load(file, "signal_map", write=write)
        except BaselineError as error:
            raise CommandError(f"{error}") from error
        if known.filters != self.filters_of_findings():
            given = " ".join(_as_options(known.filters)) or "no filter"
            raise CommandError(
                f"{file} was written with {given}. Give the same, or remove it and write it again: "
                f"{write}"
            )
        return known

    def write_baseline(self, known: Baseline | None, found: Comparison) -> None:
        file = self.options["baseline"]
        new = baseline.renewed(known, found, "signal_map", self.filters_of_findings())
        try:
            baseline.save(new, file)
        except BaselineError as error:
            raise CommandError(f"{error}") from error
        for line in baseline.written(known, new, found, file):
            self.stderr.write(line)

    def take_away(self, remarks: Sequence[Remark], found: Comparison) -> None:
        """The findings for a code host, as files or as lines that it reads."""
        root = source_root(os.getcwd())
        if self.options["sarif"]:
            known = {each.key for each in found.known} if self.options["baseline"] else None
            data = to_sarif(
                remarks,
                root=root,
                elsewhere=settings_file() or os.path.join(root, "manage.py"),
                version=__version__,
                known=known,
            )
            _write(self.options["sarif"], f"{json.dumps(data, indent=2)}\n")
            self.stderr.write(f"Wrote {self.options['sarif']}.")
        for line in workflow_commands(found.new, root=root) if self.options["github"] else ():
            self.stdout.write(line)

    def explain(self, signal: str, sender: str) -> None:
        if self.options["load_urls"]:
            _load_urls()
        try:
            found = explain(signal, sender)
        except UnknownNameError as error:
            raise CommandError(f"{error}") from error
        is_narrow = self.stdout.isatty() or os.environ.get("COLUMNS")
        self.emit(
            explanation(
                found,
                hint="" if self.options["load_urls"] else NOT_YET,
                width=shutil.get_terminal_size().columns if is_narrow else None,
                ascii_only=not _is_unicode(self.stdout),
            )
        )

    def show_chain(self) -> None:
        if self.options["load_urls"]:
            _load_urls()
        chain = chosen_chain(self.options)
        hint = "" if self.options["load_urls"] else NOT_YET
        text, warning = as_text(chain, self.options["format"], self.drawn, hint)
        self.warn(warning)
        self.emit(text)

    def about(self, slug: str) -> None:
        if not slug:
            wide = max(len(kind.slug) for kind in kinds())
            lines = (f"{kind.slug:{wide}}  {kind.level:7}  {kind.title}" for kind in kinds())
            self.emit("\n".join(lines))
            return
        try:
            text = about(slug)
        except UnknownSlugError as error:
            raise CommandError(f"{error}") from error
        # Whoever reads it in a terminal does not want its stars; a file or a pipe has Markdown.
        self.emit(self.drawn(Markdown(text)) if self.stdout.isatty() else text.rstrip("\n"))

    def filters_given(self) -> dict[str, Any]:
        names = (*FILTERS, *SWITCHES)
        return {name: self.options[name] for name in names if self.options[name]}

    def filters_of_findings(self) -> dict[str, Any]:
        # Only the project's count, with the switch and without.
        return {name: it for name, it in self.filters_given().items() if name != "project_only"}

    # Where it goes

    def drawn(self, renderable: RenderableType) -> str:
        """What rich draws, for the terminal that this runs in, or for none."""
        return drawn(renderable, None if self.options["output"] else self.stdout, self.options)

    def emit(self, text: str) -> None:
        file = self.options["output"]
        if file is None:
            # A name may hold what a stream that knows no Unicode cannot write.
            encoding = getattr(self.stdout, "encoding", None) or "utf-8"
            self.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        else:
            _write(file, text if text.endswith("\n") else f"{text}\n")
            self.stderr.write(f"Wrote {file}.")

    def warn(self, text: str) -> None:
        if text:
            self.stderr.write(text)


def _is_unicode(stream: Any) -> bool:
    return (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def _ignored() -> tuple[str, ...]:
    return conf.read_config().ignore_findings


def _load_urls() -> None:
    try:
        load_urls()
    except Exception as error:  # The module is the user's, and may raise anything.
        name = getattr(settings, "ROOT_URLCONF", None)
        raise CommandError(
            f"The URLconf {name!r} cannot be imported ({type(error).__name__}: {error}). "
            "Mend it, or leave out --load-urls."
        ) from error


def _names_of(filter_name: str, signal_map: SignalMap) -> set[str]:
    if filter_name == "signal":
        return {signal.name for signal in signal_map.signals}
    connections = [connection for _, connection in signal_map.walk()]
    if filter_name == "sender":
        return {connection.sender or "any" for connection in connections} | model_names()
    if filter_name == "receiver":
        return {connection.receiver for connection in connections}
    return {connection.app for connection in connections if connection.app} | {
        app.label for app in signal_map.apps
    }


def _name_models(senders: Iterable[str]) -> bool:
    names = model_names()
    return any(goes_by(name, each) for name in names for each in senders)


def _reject_unknown(what: str, wanted: Iterable[str], names: set[str]) -> None:
    for each in wanted:
        if not any(goes_by(name, each) for name in names):
            likely = likely_names(each, [(name, None) for name in names])
            raise CommandError(f"--{what}: nothing goes by {each!r}. {likely}")


def _as_options(filters: dict[str, Any]) -> list[str]:
    # As a shell wants them: it would look for the files that a pattern fits.
    options = [
        f"--{name} {shlex.quote(printable(each))}"
        for name in FILTERS
        for each in filters.get(name, ())
    ]
    return options + [_as_option(name) for name in SWITCHES if filters.get(name)]


def _as_option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _load(file: Path) -> drift.SavedMap:
    try:
        return drift.load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CommandError(
            f"There is no {file}. Keep the map in it first: manage.py signal_map --write {file}"
        ) from error
    except SignalMapFormatError as error:
        raise CommandError(
            f"{file}: {error} Write it again: manage.py signal_map --write {file}"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a name that no file can have.
        raise CommandError(f"{file} cannot be read ({_reason(error)}).") from error


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have.
        raise CommandError(
            f"{file} cannot be written ({_reason(error)}). Give another file, or make its folder."
        ) from error


def _reason(error: OSError | ValueError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
