"""What stands below the tree: the findings, and what the tree does not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from rich.text import Text

from signal_tracer.findings import Finding, Found, Level
from signal_tracer.findings.kinds import LEVELS
from signal_tracer.records import ConnectionChange, Location, NearMiss, Recorded, Unheard
from signal_tracer.showing.console.layout import BLANK, GAP, STYLES, Line, Spelling, alarm_of, note
from signal_tracer.showing.facts import ABOUT, TONES_OF_LEVELS, Counts, mark_of, notices
from signal_tracer.showing.found import in_packages, spelled_out
from signal_tracer.wording import location_of, plural

UNHEARD_LINES = 5
MOST_CHANGES = 5
OF_ROWS = ("django.db.models.signals.pre_init", "django.db.models.signals.post_init")


class Notes:
    """What is said about a trace as a whole."""

    def __init__(
        self, trace: Recorded, counted: Counts, found: Found, spelling: Spelling, nothing: str
    ) -> None:
        self.trace = trace
        self.nothing = nothing
        self.counted = counted
        self.found = found
        self.spelling = spelling
        self.clean = spelling.clean
        self.signs = spelling.signs

    def findings(self, most: int | None = None) -> Iterator[Line]:
        """Each with its place and what to do, the worst first; of those of packages the number.

        With ``most``, as many; and those that are only good to know are counted as well.
        """
        told = spelled_out(self.found)
        others = in_packages(self.found)
        if told or others:
            levels = _levels(self.found.of_project)
            first = [Text.assemble(("Findings: ", "bold"), *levels[:1])]
            if not levels:
                first = [Text.assemble(("Findings: ", "bold"), "none of the project's")]
            yield Line([*first, *levels[1:]], self.signs.joint)
        shown = told if most is None else [each for each in told if each.level != "info"][:most]
        if len(told) == len(shown) + 1:
            shown = told  # It takes no more room than to say that there is one more.
        yield from self.each(shown)
        if len(shown) < len(told):
            yield Line([Text(f"and {len(told) - len(shown)} more of the project's", "dim")])
        if others:
            yield Line([Text(self.clean(others), "dim")], guides_below=BLANK)

    def each(self, findings: Sequence[Finding]) -> Iterator[Line]:
        for finding, next_one in zip_longest(findings, findings[1:]):
            style = _style(finding.level)
            times = f" {self.signs.times} {finding.count}" if finding.count > 1 else ""
            title = [
                Text.assemble((finding.level, style), f" {finding.slug}", (times, "bold cyan"))
            ]
            if finding.location:
                function = self.clean(finding.location.function)
                title.append(
                    Text(f"{self.clean(location_of(finding.location))} in {function}", "dim")
                )
            alarm = "" if finding.level == "info" else style
            yield Line(title, guides_below=BLANK, alarm=alarm)
            yield self.below(Text(self.spelling.words(finding.message)))
            # The same for several in a row is said once, below the last.
            if next_one is None or next_one.advice != finding.advice:
                yield self.below(Text(self.spelling.words(finding.why), "dim"))
                yield self.below(Text(self.spelling.words(finding.advice)), self.signs.arrow)

    def below(self, text: Text, start: str = "") -> Line:
        return Line([text], guides=f"{BLANK}{start}", guides_below=BLANK + " " * len(start))

    def left_out(self) -> Iterator[Line]:
        """What the trace itself does not hold."""
        for notice in notices(self.trace.contents, len(self.found.hidden)):
            yield note(self.spelling.words(notice.words), is_alarm=notice.is_alarm)

    def notes(self) -> Iterator[Line]:
        """What the tree does not hold, and what to do about it."""
        trace, counted = self.trace, self.counted
        left_out = counted.omitted or counted.excluded or trace.contents.unwatched
        if not counted.dispatches and counted.unheard:
            yield note(
                "Signals were sent, and no receiver was called for any of them, which is right if "
                "none was meant to be. Otherwise: was its signal sent (an on_commit() callback "
                "that sends it does not run after a rollback), is its module imported in "
                "AppConfig.ready(), and is it connected to that signal and that sender?"
            )
        elif not counted.dispatches and not left_out:
            yield note(self.spelling.clean(self.nothing))
        yield from self.unheard()
        yield from self.connection_changes()
        yield from self.left_out()

    def unheard(self) -> Iterator[Line]:
        # Those that a receiver nearly heard first: they must not be among the rest.
        pairs = sorted(
            self.trace.contents.unheard, key=lambda each: (not each.near_misses, -each.count)
        )
        label = "unheard:"
        # Sent for each row that is loaded, and seldom heard: what else is unheard is worth more.
        of_rows = [each for each in pairs if _is_of_rows(each)]
        pairs = [each for each in pairs if not _is_of_rows(each)]
        for each in pairs[:UNHEARD_LINES]:
            parts = [
                Text(self.clean(each.signal)),
                Text(f"sender={self.clean(each.sender)}"),
                Text(f"{self.signs.times} {each.count}"),
            ]
            if each.sent_from:
                parts.append(Text(f"at {self.clean(location_of(each.sent_from))}", "dim"))
            yield Line(parts, " ", f"{label} ", " " * (len(label) + len(BLANK)))
            label = " " * len(label)
            for miss in each.near_misses:
                about = ABOUT[NearMiss]
                words = list(about.marks(miss, self.trace.slow_from))
                marks = [Text(word, STYLES[mark_of(word).tone]) for word in words]
                title = [Text(self.clean(str(about.title(miss)))), *marks]
                alarm = alarm_of(words)
                yield Line(title, GAP, f"{label}    ", " " * (len(label) + 7), alarm=alarm)
                if why := about.why(miss):
                    text = Text(self.spelling.words(why), "dim")
                    yield Line([text], guides=f"{label}       ")
        rest = pairs[UNHEARD_LINES:]
        if rest:
            more = plural(len(rest), "more (signal, sender) pair")
            yield Line([Text(f"and {more}, {_dispatches(rest)}")], guides=f"{label} ")
            label = " " * len(label)
        if of_rows:
            senders = plural(len({each.sender for each in of_rows}), "sender")
            told = f"pre_init and post_init of {senders}, {_dispatches(of_rows)}"
            yield Line([Text(told)], guides=f"{label} ")

    def connection_changes(self) -> Iterator[Line]:
        """Who was connected and disconnected, as far as no finding says so."""
        is_told = {
            _who(finding.record)
            for finding in self.found.shown
            if isinstance(finding.record, ConnectionChange)
        }
        contents = self.trace.contents
        changes = [each for each in contents.connection_changes if not each.did_nothing]
        owners = [contents.owner_of(each.called_from) for each in changes]
        for label, action in (("connected:", "connect"), ("disconnected:", "disconnect")):
            times = Counter(
                _who(each)
                for each, owner in zip(changes, owners, strict=True)
                if each.action == action and (owner is None or owner.kind == "project")
            )
            for told in is_told:
                del times[told]
            for (_, receiver, signal, sender, called_from), number in [*times.items()][
                :MOST_CHANGES
            ]:
                parts = [receiver, f"to {signal}" if action == "connect" else f"from {signal}"]
                parts.append(f"sender={sender}")
                if called_from:
                    parts.append(f"at {self.clean(location_of(called_from))}")
                if number > 1:
                    parts.append(f"{self.signs.times} {number}")
                below = " " * (len(label) + len(BLANK))
                yield Line([Text(self.clean(each)) for each in parts], " ", f"{label} ", below)
                label = " " * len(label)
            rest = [*times.values()][MOST_CHANGES:]
            if rest:
                yield Line([Text(f"and {sum(rest)} more")], guides=f"{label} ")
        elsewhere = Counter(
            each.name for each in owners if each is not None and each.kind != "project"
        )
        if elsewhere:
            names = ", ".join(f"{name} {number}" for name, number in elsewhere.most_common())
            text = f"{elsewhere.total()} by installed packages: {names}"
            yield Line([Text(self.clean(text))], guides="connected or disconnected: ")


def _is_of_rows(unheard: Unheard) -> bool:
    return unheard.signal in OF_ROWS and not unheard.near_misses


def _dispatches(unheard: Iterable[Unheard]) -> str:
    return plural(sum(each.count for each in unheard), "dispatch", "dispatches")


def _who(change: ConnectionChange) -> tuple[str, str, str, str, Location | None]:
    return change.action, change.receiver, change.signal, change.sender, change.called_from


def worst_of(findings: Sequence[Finding]) -> Text:
    """``3 findings``, in the colour of the worst, which is the first."""
    return Text(plural(len(findings), "finding"), _style(findings[0].level))


def _levels(findings: Iterable[Finding]) -> list[Text]:
    """``2 errors``, ``1 warning``: how many there are of each level, the worst first."""
    counted = Counter(finding.level for finding in findings)
    return [
        Text(
            f"{counted[level]} info" if level == "info" else plural(counted[level], level),
            _style(level),
        )
        for level in LEVELS
        if counted[level]
    ]


def _style(level: Level) -> str:
    return STYLES[TONES_OF_LEVELS[level]]
