"""Signal coverage becomes lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from signal_tracer.coverage.result import CoveredReceiver, SignalCoverage
from signal_tracer.signal_map import ANY
from signal_tracer.wording import printable


def lines(coverage: SignalCoverage) -> Iterator[str]:
    """Who never ran, per app with file and line; then the summary."""
    return map(printable, _lines(coverage))


def summary(coverage: SignalCoverage) -> Iterator[str]:
    """How many ran, how many were found, and how."""
    return map(printable, _summary(coverage))


def _lines(coverage: SignalCoverage) -> Iterator[str]:
    apps = coverage.by_app()
    if apps:
        width = max(len("app"), *map(len, apps))
        yield f"{'app':<{width}}   ran    of"
        for app, receivers in apps.items():
            ran = sum(each.outcome == "ran" for each in receivers)
            watched = sum(each.outcome != "not watched" for each in receivers)
            yield f"{app:<{width}} {ran:>5,} {watched:>5,}"
            yield from _wanting(receivers)
        yield ""
    yield from _summary(coverage)


def _summary(coverage: SignalCoverage) -> Iterator[str]:
    if coverage.receivers:
        yield f"{coverage.ran:,} of {coverage.total:,} receivers ran: {coverage.percent:g}%"
    else:
        yield "No receivers of the project were found."
    if coverage.problem:
        yield coverage.problem
    yield from coverage.found()


def _wanting(receivers: list[CoveredReceiver]) -> Iterator[str]:
    """Those that did not run, a receiver at a time, with the signals and senders it waits for."""
    by_code: dict[tuple[str, str], list[CoveredReceiver]] = {}
    for each in receivers:
        by_code.setdefault((each.receiver, each.place), []).append(each)
    for (receiver, place), connections in by_code.items():
        wanting = [each for each in connections if each.outcome != "ran"]
        if not wanting:
            continue
        said = "never ran" if len(wanting) == len(connections) else "ran, but not for all"
        if all(each.outcome == "not watched" for each in wanting):
            said = "not watched"
        yield f"  {said}: {receiver}{'  ASYNC' * wanting[0].is_async}"
        if place:
            yield f"    {place}"
        senders: dict[str, list[str]] = {}
        for each in wanting:
            senders.setdefault(each.signal, []).append(each.sender or ANY)
        for signal, names in senders.items():
            yield f"    {signal}  sender={', '.join(names)}"
