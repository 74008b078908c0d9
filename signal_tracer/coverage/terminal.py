"""The place where signal coverage becomes lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from signal_tracer.coverage.result import CoveredReceiver, SignalCoverage


def lines(coverage: SignalCoverage) -> Iterator[str]:
    """Who never ran, per app with file and line; then the summary."""
    apps = coverage.by_app()
    if apps:
        width = max(len("app"), *map(len, apps))
        yield f"{'app':<{width}}   ran    of"
        for app, receivers in apps.items():
            ran = sum(each.outcome == "ran" for each in receivers)
            watched = sum(each.outcome != "not watched" for each in receivers)
            yield f"{app:<{width}} {ran:>5,} {watched:>5,}"
            for each in receivers:
                if each.outcome != "ran":
                    yield from _lines_of(each)
        yield ""
    yield from summary(coverage)


def summary(coverage: SignalCoverage) -> Iterator[str]:
    """How many ran, how many were found, and how."""
    if coverage.receivers:
        yield f"{coverage.ran:,} of {coverage.total:,} receivers ran: {coverage.percent:g}%"
    else:
        yield "No receivers of the project were found."
    if coverage.problem:
        yield coverage.problem
    yield from coverage.found()


def _lines_of(receiver: CoveredReceiver) -> Iterator[str]:
    said = "never ran" if receiver.outcome == "never" else "not watched"
    yield f"  {said}: {receiver.receiver}{'  ASYNC' * receiver.is_async}"
    yield f"    {receiver.signal}  sender={receiver.sender or 'any sender'}"
    if receiver.place:
        yield f"    {receiver.place}"
