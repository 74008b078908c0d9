"""A dispatch in one line, for whoever watches a trace while it runs."""

from __future__ import annotations

import math
from dataclasses import asdict

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from signal_tracer.records import Contents, Dispatch
from signal_tracer.showing.console.layout import GAP, MAX_WIDTH, STYLES, Spelling, flowed
from signal_tracer.showing.facts import count_of, tallies
from signal_tracer.wording import plural

START_WIDTH = len("+9.99 ms")


class LiveLine:
    """When it began, what it is, what came of it and of what is nested in it, how long it took.

    What is slow is for the whole trace to say: it depends on how long that took.
    """

    def __init__(self, dispatch: Dispatch) -> None:
        self.dispatch = dispatch

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        spelling = Spelling(options)
        dispatch = self.dispatch
        parts, alarm = self.parts(spelling)
        start = Text(f"+{spelling.duration(dispatch.started_at)}".rjust(START_WIDTH), "dim")
        time = spelling.duration(dispatch.duration).rjust(START_WIDTH)
        width = min(options.max_width, MAX_WIDTH)
        below = len(GAP) + START_WIDTH + len(GAP)
        room = width - below - len(GAP) - len(time)
        first, *rest = flowed(parts, spelling.signs.joint, room, room)
        first = Text.assemble(("! " if alarm else GAP, alarm), start, GAP, first)
        yield Text.assemble(first, " " * (width - first.cell_len - len(time)), time)
        for each in rest:
            yield Text.assemble(" " * below, each)

    def parts(self, spelling: Spelling) -> tuple[list[Text], str]:
        """What stands in the line, and the style of the "!" in front of it, if it needs one."""
        dispatch = self.dispatch
        # At the width of a terminal there is room for what people call it, and the picture that
        # comes when all is over has the whole name.
        name = spelling.clean(dispatch.signal).rpartition(".")[2]
        sender = f"sender={spelling.clean(dispatch.sender)}"
        parts = [Text.assemble((name, "bold"), GAP, sender)]
        counted = count_of(Contents(dispatches=[dispatch]), slow_from=math.inf)
        if counted.dispatches > 1:
            parts.append(
                Text(plural(counted.dispatches - 1, "nested dispatch", "nested dispatches"))
            )
        tones = []
        for each in tallies(asdict(counted)):
            if each.name == "dispatches":
                continue
            style = STYLES[each.mark.tone] if each.mark else "dim"
            parts.append(Text(spelling.words(each.count), style))
            if each.mark and each.mark.tone != "plain":
                tones.append(each.mark.tone)
        if dispatch.error is not None:
            parts.append(Text(spelling.clean(str(dispatch.error)), STYLES["trouble"]))
        return parts, STYLES["trouble" if "trouble" in tones else "caution"] if tones else ""
