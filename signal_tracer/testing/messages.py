"""What a failed assertion says: asked for, sent instead, near misses, outline.

An entry of a list is one line, or a tuple of lines. Whatever stands in them, no line of a message
is made by anybody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeVar

from signal_tracer.collecting.witnessing import Sent
from signal_tracer.records import Dispatch, NearMiss, ReceiverCall, Skipped, goes_by
from signal_tracer.showing.outline import is_empty, text
from signal_tracer.testing.connected import Connected
from signal_tracer.testing.matching import ANYTHING, Wanted, show_sender, show_sent
from signal_tracer.trace import Trace
from signal_tracer.wording import plural, printable

T = TypeVar("T")
Entry: TypeAlias = str | tuple[str, ...]

_MOST_LINES = 20
_MOST_OUTLINE_LINES = 100


def _often(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _happened(name: str, what: str, count: int) -> str:
    """``paid was never sent``, ``paid was sent twice``."""
    return f"{name} was never {what}" if not count else f"{name} was {what} {_often(count)}"


def _asked(times: int | None) -> str:
    return "once or more" if times is None else f"exactly {_often(times)}"


def _text(first: str, *blocks: tuple[str, Iterable[Entry]]) -> str:
    lines = [first]
    for title, entries in blocks:
        entries = list(entries)
        if entries:
            lines += ["", f"{title}:"]
        for entry in entries:
            line, *below = [entry] if isinstance(entry, str) else entry
            lines += [f"  {line}", *(f"    {each}" for each in below)]
    return "\n".join(map(printable, lines))


def _cut(entries: list[T], most: int = _MOST_LINES) -> list[T | str]:
    left_out = len(entries) - most
    return [*entries[:most], *([f"... and {left_out:,} more"] if left_out > 0 else [])]


def _outline(trace: Trace) -> tuple[str, list[str]]:
    return "the outline", _cut(trace.outline().split("\n"), _MOST_OUTLINE_LINES)


def outline_of(trace: Trace, *, project_only: bool = False) -> str:
    """The trace as text, for the report of a failed test; nothing for one without signals."""
    if is_empty(trace):
        return ""
    return text(trace, project_only=project_only, most_rows=_MOST_OUTLINE_LINES)


def _near_misses(trace: Trace, of_signal: Callable[[str], bool]) -> tuple[str, list[str]]:
    found: Counter[str] = Counter()
    for dispatch in trace.walk():
        if of_signal(dispatch.signal):
            found.update(_near_miss(each, dispatch.signal) for each in dispatch.near_misses)
    for unheard in trace.unheard:
        if of_signal(unheard.signal):
            found.update(_near_miss(each, unheard.signal) for each in unheard.near_misses)
    return "near misses", _cut([_counted(line, count) for line, count in found.items()])


def _bypasses(trace: Trace, concerns: Callable[[Skipped], bool]) -> tuple[str, list[str]]:
    found = Counter(
        f"{skipped.receiver} of {skipped.signal}: skipped by {bypass}"
        for bypass in trace.all_bypasses()
        for skipped in bypass.skipped
        if concerns(skipped)
    )
    return "bypassed", _cut([_counted(line, count) for line, count in found.items()])


def _near_miss(miss: NearMiss, signal: str) -> str:
    reason = miss.reason.replace("_", " ")
    to = f" ({miss.connected_to})" if miss.connected_to else ""
    return f"{miss.receiver} of {signal}: {reason}{to}"


def _counted(line: str, count: int) -> str:
    return line if count == 1 else f"{line}  ({count:,} times)"


def _all_sent(sent: list[Sent]) -> list[str]:
    found = Counter(
        f"{each.signal_name}.{each.method}  sender={each.shown_sender()}" for each in sent
    )
    return _cut([_counted(line, count) for line, count in found.items()]) or ["nothing"]


def _compared(wanted: Wanted, sent: list[Sent]) -> list[Entry]:
    """The dispatches of the signal, and in what each is not as asked for."""
    found: Counter[tuple[str, ...]] = Counter()
    for each in sent:
        found[show_sent(each), *(wanted.differences(each) or ["as asked for"])] += 1
    return _cut([(_counted(line, count), *below) for (line, *below), count in found.items()])


def not_sent_so(
    wanted: Wanted, times: int | None, found: int, sent: list[Sent], trace: Trace
) -> str:
    of_signal = [each for each in sent if wanted.is_of_signal(each)]
    name = wanted.signal_name
    if not of_signal:
        first = f"{name} was never sent."
        instead: tuple[str, Iterable[Entry]] = ("sent instead", _all_sent(sent))
    else:
        first = f"{_happened(name, 'sent', len(of_signal))}, but never as asked for."
        if found:
            so = "" if wanted.is_any else " as asked for"
            first = f"{_happened(name, 'sent', found)}{so}, not {_asked(times)}."
        instead = ("sent instead" if not found else "sent", _compared(wanted, of_signal))
    return _text(
        first,
        ("asked for", [f"{wanted}  ({_asked(times)})"]),
        instead,
        _near_misses(trace, wanted.is_signal),
        _bypasses(trace, lambda skipped: wanted.is_signal(skipped.signal)),
        _outline(trace),
    )


def sent(wanted: Wanted, found: int, all_sent: list[Sent], trace: Trace) -> str:
    matching = [each for each in all_sent if wanted.matches(each)]
    return _text(
        f"{_happened(wanted.signal_name, 'sent', found)}, and should not have been.",
        ("asked for", [f"{wanted}  (never)"]),
        ("sent", _cut([_counted(*each) for each in Counter(map(show_sent, matching)).items()])),
        _outline(trace),
    )


def never_with(wanted: Wanted, names: list[str], all_sent: list[Sent], trace: Trace) -> str:
    """``names`` are those asked for that no dispatch of the signal has as an argument."""
    of_signal = [each for each in all_sent if wanted.is_of_signal(each)]
    known = dict.fromkeys(name for each in of_signal for name in each.named)
    close = [each for name in names for each in get_close_matches(name, known, n=1)]
    hint = f" Did you mean {' and '.join(close)}?" if close else ""
    return _text(
        f"{_happened(wanted.signal_name, 'sent', len(of_signal))}, but never with an argument "
        f"{' or '.join(names)}: nothing was compared.{hint}",
        ("asked for", [f"{wanted}  (never)"]),
        ("sent", _cut([_counted(*each) for each in Counter(map(show_sent, of_signal)).items()])),
        _outline(trace),
    )


def not_received_so(name: str, times: int | None, found: int, trace: Trace) -> str:
    calls = Counter(call.receiver for call in trace.receiver_calls())
    dispatched = [(each.signal, each.near_misses) for each in trace.walk()]
    dispatched += [(each.signal, [*each.near_misses]) for each in trace.unheard]
    misses = Counter(
        _near_miss(miss, signal)
        for signal, near_misses in dispatched
        for miss in near_misses
        if goes_by(miss.receiver, name)
    )
    # Of every row that is made or read, and of no help.
    unheard = [
        each
        for each in trace.unheard
        if not each.near_misses and not each.signal.endswith(("pre_init", "post_init"))
    ]
    return _text(
        f"{_happened(name, 'called', found)}."
        if not found
        else f"{_happened(name, 'called', found)}, not {_asked(times)}.",
        ("asked for", [f"{name}  ({_asked(times)})"]),
        ("called", [_counted(*each) for each in calls.items()] or ["nothing"]),
        (
            "sent, and nobody was connected then to hear it",
            _cut([_counted(f"{each.signal}  sender={each.sender}", each.count) for each in unheard])
            if not calls and not misses
            else (),
        ),
        ("near misses", _cut([_counted(*each) for each in misses.items()])),
        _bypasses(trace, lambda skipped: goes_by(skipped.receiver, name)),
        _outline(trace),
    )


def received(name: str, found: int, trace: Trace) -> str:
    heard = Counter(
        f"{dispatch}"
        for dispatch in trace.walk()
        for call in dispatch.receiver_calls
        if goes_by(call.receiver, name)
    )
    return _text(
        f"{_happened(name, 'called', found)}, and should not have been.",
        ("called for", _cut([_counted(*each) for each in heard.items()])),
        _outline(trace),
    )


def not_connected(signal: str, receiver: str, sender: Any, connections: list[Connected]) -> str:
    of = "" if sender is ANYTHING else f" for sender {show_sender(sender)}"
    same = [each for each in connections if goes_by(each.receiver, receiver)]
    return _text(
        f"{receiver} is not connected to {signal}{of}.",
        ("it is connected for", [each.sender for each in same]),
        (
            "connected are",
            _cut([f"{each.receiver}  sender={each.sender}" for each in connections]) or ["nothing"],
        ),
    )


def patched(original: str) -> str:
    """Of a mock that stands where the receiver ``original`` stood."""
    return _text(
        f"This is not connected: a patch has put it in the place of {original}, and what is "
        f"connected is the function from before the patch. connect() was given the function, not "
        f"its name.",
        (
            "instead",
            [
                f'whether it ran: assert_received("{original}")',
                f'keep it from running: with mute("{original}"):',
                "patch what it calls, and ask that mock",
            ],
        ),
    )


def swallowed(trace: Trace, allowed: Callable[[str], bool] = lambda _: False) -> str:
    """Names the exceptions that were swallowed, save those of receivers that are allowed to."""
    entries: list[Entry] = [
        (f"{call.receiver}  {call.error or ''}".rstrip(), *_where(dispatch, call))
        for dispatch in trace.walk()
        for call in dispatch.receiver_calls
        if call.outcome == "swallowed" and not allowed(call.receiver)
    ]
    what = (
        "1 exception of a receiver was"
        if len(entries) == 1
        else (f"{len(entries):,} exceptions of receivers were")
    )
    return _text(f"{what} swallowed.", ("swallowed", _cut(entries)), _outline(trace))


def _where(dispatch: Dispatch, call: ReceiverCall) -> Iterator[str]:
    yield f"by {dispatch}"
    if call.error and call.error.traceback:
        yield f"at {call.error.traceback[-1].location}"


def too_many(over: list[str], trace: Trace) -> str:
    return _text(f"Too much happened: {', '.join(over)}.", _outline(trace))


def not_kept(wanted: Wanted, left_out: int, trace: Trace) -> str:
    return _text(
        f"{wanted.signal_name} was sent so often that {_counted_only(left_out)}, and nobody can "
        f"say whether they are as asked for. {_WHAT_TO_DO}",
        ("asked for", [str(wanted)]),
        _outline(trace),
    )


def incomplete(trace: Trace) -> str:
    return _text(
        f"There were too many dispatches, or they were nested too deep: "
        f"{_counted_only(trace.omitted + trace.too_deep)}, and nobody can say which receivers "
        f"ran. {_WHAT_TO_DO}",
        _outline(trace),
    )


def _counted_only(number: int) -> str:
    return f"{plural(number, 'dispatch was', 'dispatches were')} only counted"


_WHAT_TO_DO = "Trace a shorter part of the test, or raise SIGNAL_TRACER['MAX_DISPATCHES']."
