"""Differences between two traces in a terminal: a line a change, then the findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.console import ConsoleOptions
from rich.text import Text

from signal_tracer.difference import Changed, Difference, signed
from signal_tracer.findings.remarks import Remark
from signal_tracer.showing.console.layout import (
    BLANK,
    STYLES,
    Layout,
    Line,
    Picture,
    Spelling,
    note,
)
from signal_tracer.showing.facts import TONES_OF_LEVELS
from signal_tracer.wording import location_of, plural

MOST_LINES = 40  # of more, what stands below something added or lost is only counted
HANGING = "    "
SIGNS = {"+": "green", "-": "red", "~": "yellow"}


@dataclass(frozen=True, slots=True)
class DifferencePicture(Picture):
    """``brief``: without what stands below something added or lost; ``None``: if that is much.

    ``whole``: what a person does to see that.
    """

    difference: Difference
    brief: bool | None
    whole: str

    def lines(self, options: ConsoleOptions) -> Iterator[Text]:
        difference, spelling = self.difference, Spelling(options)
        changes = difference.changes
        is_brief = len(changes) > MOST_LINES if self.brief is None else self.brief
        shown = [each for each in changes if not (is_brief and each.depth)]
        below = len(changes) - len(shown)
        rows = [_line(each, spelling, is_brief=is_brief) for each in shown]
        after, before = difference.after, difference.before
        names = dict.fromkeys(spelling.clean(each.name) or "trace" for each in (before, after))
        layout = Layout(
            options.max_width,
            f" {spelling.signs.arrow}".join(names) + ", compared",
            spelling.duration(after.duration),
            rows,
        )
        head = [Text(spelling.words(signed(each))) for each in difference.totals]
        head += [] if difference else [Text("No difference.")]
        head.append(Text(f"{spelling.duration(before.duration)} before", "dim"))
        yield from layout.header(head, spelling.signs.joint)
        yield from layout.section(rows)
        yield from layout.section(_findings(difference, spelling))
        notes = [note(spelling.words(each)) for each in difference.notes]
        if below:
            notes.append(
                note(f"Not shown: {plural(below, 'line')} below these. All of it: {self.whole}.")
            )
        yield from layout.section([*notes, *layout.hidden_levels()])


def _line(changed: Changed, spelling: Spelling, *, is_brief: bool) -> Line:
    sign = changed.sign
    title = Text.assemble(
        (f"{sign} ", SIGNS[sign]), (spelling.words(changed.title), "" if sign == "~" else "bold")
    )
    told = [Text(spelling.words(each)) for each in changed.details]
    fold = changed.fold
    if is_brief and sign != "~" and fold.calls_below:
        told.append(Text(f"{plural(fold.calls_below, 'receiver call')} below it", "dim"))
    return Line(
        [title, *told],
        spelling.signs.joint,
        guides=BLANK * changed.depth,
        guides_below=BLANK * changed.depth + HANGING,
        depth=changed.depth,
        alarm=STYLES["caution"] if _went_wrong(changed) else "",
        is_title=True,
        columns=None if spelling.is_wide else Text(),  # which take no room
        location=spelling.clean(location_of(fold.location))
        if spelling.is_wide and fold.location
        else "",
    )


def _went_wrong(changed: Changed) -> bool:
    after = changed.after
    return (
        after is not None and bool(after.failures) and bool({"added", "outcome"} & {*changed.kinds})
    )


def _findings(difference: Difference, spelling: Spelling) -> Iterator[Line]:
    yield from _told("+", difference.new, spelling)
    yield from _told("-", difference.gone, spelling)


def _told(sign: str, remarks: Iterable[Remark], spelling: Spelling) -> Iterator[Line]:
    for each in remarks:
        style = STYLES[TONES_OF_LEVELS[each.level]]
        is_new = sign == "+"
        yield Line(
            [
                Text.assemble(
                    (f"{sign} ", SIGNS[sign]),
                    (f"{each.level} {each.slug}", style if is_new else ""),
                    f": {spelling.words(each.message)}",
                )
            ],
            guides_below=HANGING,
            alarm=style if is_new and each.level != "info" else "",
        )
        if is_new:
            advice = f"{spelling.signs.arrow}{spelling.words(each.advice)}"
            yield Line([Text(advice)], guides=HANGING, guides_below=HANGING)
