"""A chain step in words: its title, its marks, and what is known of it; for every picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from signal_tracer.chain import Chain, ChainStep, InSource, Seen
from signal_tracer.records import DJANGO
from signal_tracer.showing.facts import REASONS, Title
from signal_tracer.wording import location_of, plural

_MODELS = "django.db.models.signals."
_OBSTACLES: dict[str, str] = {
    "dead": "it was collected as garbage",
    "waiting": "it waits for a model %(sender)s",
    "sender_gone": "its sender is gone",
    "left_out": "Django's cache leaves it out",
    **{reason: f"it is {phrase.words}" for reason, phrase in REASONS.items()},
}
# What a mark means that does not say it by itself, for a last line.
_LEGEND = {
    "NEVER SEEN": "in no trace of the graph, though it is connected or in the source",
    "NOT IN THE SOURCE": "seen, though the source does not show it",
    "NOT CONNECTED": "seen to run, and not connected in this process",
    "MAY": "under a condition, or a guess from the source",
    "UNKNOWN": "the source does not tell whom it concerns",
    "CYCLE": "it is in itself: what follows is shown above",
}


@dataclass(frozen=True, slots=True)
class StepMark:
    """A word that a reader must not miss, and how often that was seen; 0 where it is no count."""

    word: str
    count: int = 0

    def __str__(self) -> str:
        return f"{self.word} {self.count:,}" if self.count else self.word


def title_of(step: ChainStep) -> Title:
    """Its name, with what it is where the name does not say that."""
    match step.kind:
        case "receiver" if step.position is not None:
            return Title(step.name, before=f"{step.position} ")
        case "receiver":
            return Title(step.name, before="- ")
        case "signal":
            sender = "" if step.sender in ("None", "") else f"  sender={step.sender}"
            return Title(step.name.removeprefix(_MODELS), after=sender)
        case "cascade":
            model, _, field = step.name.rpartition(".")
            return Title(model, after=f"  CASCADE of its {field}")
        case "callback":
            return Title(step.name, before="on commit: ")
        case "package":
            return Title(f"{step.name}: {plural(step.count, 'receiver')}")
        case "unknown":
            return Title(step.name, before="? ")
    return Title(step.name)


def marks_of(step: ChainStep, chain: Chain, *, is_below_unseen: bool = False) -> Iterator[StepMark]:
    """What it must be looked at for, the worst first.

    ``is_below_unseen``: what it is in was never seen, and so what is in that need not say so.
    """
    seen = step.seen or Seen(0)
    for word, count in (
        ("RAISED", seen.raised),
        ("SWALLOWED", seen.swallowed),
        ("CANCELLED", seen.cancelled),
        ("ROLLED BACK", seen.rolled_back),
    ):
        if count:
            yield StepMark(word, count)
    if step.skipped:
        yield StepMark("BYPASS")
    if step.obstacle in ("dead", "waiting"):
        yield StepMark(step.obstacle.upper())
    elif step.obstacle is not None:
        yield StepMark("NEAR MISS")
    if step.again == "cycle":
        yield StepMark("CYCLE")
    if step.is_async:
        yield StepMark("ASYNC")
    if step.kind == "unknown":
        yield StepMark("UNKNOWN")
    elif step.standing == "only_seen":
        yield StepMark("NOT CONNECTED" if step.kind == "receiver" else "NOT IN THE SOURCE")
    elif not is_below_unseen and is_never_seen(step, chain):
        yield StepMark("NEVER SEEN")
    if step.seen is None and not step.is_certain and step.kind != "unknown":
        yield StepMark("MAY")


def is_never_seen(step: ChainStep, chain: Chain) -> bool:
    """Whether the traces would have it, if it had happened in any."""
    if step.standing == "only_in_source":
        return True
    is_watched = step.kind in ("receiver", "cascade") and step.obstacle is None
    return chain.traces is not None and is_watched and step.seen is None


def shown_below(step: ChainStep, *, is_first: bool = False) -> tuple[ChainStep, ...]:
    """Its steps, but for what is said beside it.

    So it is with a save whose signals nobody hears; and with ``pre_init`` and ``post_init``, which
    each row sends that is loaded, if nothing follows from them and they are not what was asked for.
    """
    if step.kind in ("save", "delete") and all(map(_is_unheard, step.steps)):
        return ()
    if _is_of_loading(step) and not is_first and not any(map(_is_of_note, step.steps)):
        return ()
    return step.steps


def _is_of_loading(step: ChainStep) -> bool:
    return step.kind == "signal" and step.name in (f"{_MODELS}pre_init", f"{_MODELS}post_init")


def _is_of_note(receiver: ChainStep) -> bool:
    return receiver.went_wrong or bool(receiver.steps or receiver.omitted)


def _is_unheard(step: ChainStep) -> bool:
    return step.kind == "signal" and not (step.steps or step.again or step.omitted)


def beside(step: ChainStep, *, is_first: bool = False) -> Iterator[str]:
    """What follows from it, where no steps say so."""
    if step.again == "above":
        yield "as above"
    elif step.kind in ("save", "delete") and not (step.again or shown_below(step)):
        names = " and ".join(each.name.removeprefix(_MODELS) for each in step.steps)
        if names or step.owner == DJANGO:
            yield f"sends {names}: nobody listens" if names else "nobody listens"
        # Of a method of its own that does nothing here it is not said whether it sends any.
    elif _is_unheard(step):
        yield "nobody listens"
    elif _is_of_loading(step) and not step.again and not shown_below(step, is_first=is_first):
        yield plural(len(step.steps), "receiver")
    elif step.kind == "bulk" and not step.skipped:
        yield "sends no signals"
    if step.omitted:
        yield f"+ {plural(step.omitted, 'step')}, deeper than --depth"


def facts_of(
    step: ChainStep, *, file: str = "", example: str = "", calls: int = 0
) -> Iterator[str]:
    """What is known of it, a few words each.

    ``file``, ``example``, ``calls``: of what it is in, and not to be said again. A receiver that
    was called each time has no example of its own.
    """
    seen = step.seen
    is_told = step.kind == "receiver" and seen is not None and seen.count == calls
    if seen is not None and seen.example not in ("", example) and not is_told:
        yield f"in {_short(seen.example)}"
    if seen is not None and seen.of > seen.count:
        yield f"{seen.count:,} of {seen.of:,} are sent here"
    if seen is not None and seen.errors:
        yield f"raised {', '.join(seen.errors)}"
    if step.skipped:
        yield f"skips {', '.join(step.skipped)}"
    if step.obstacle is not None:
        yield _OBSTACLES[step.obstacle] % {"sender": step.connected_to}
    if step.in_source:
        yield from _written(step.in_source, step.name, file)


def _short(example: str) -> str:
    """Of a test its name, without the file; a request and a command as they are."""
    return example.partition("::")[2] or example


def _written(places: tuple[InSource, ...], name: str, file: str) -> Iterator[str]:
    first, *others = places
    is_here = first.location.file == file
    place = f"line {first.location.line}" if is_here else location_of(first.location)
    more = f", and {plural(len(others), 'more place')}" if others else ""
    yield f"{place}: {first.text}{more}" if first.text != name else f"{place}{more}"
    if first.condition:
        yield first.condition
    if first.reason:
        yield first.reason


def counts_of(chain: Chain) -> list[str]:
    """How many of each kind, and what it is from."""
    kinds = Counter(step.kind for step in chain.walk() if step.again is None and not step.obstacle)
    bypasses = sum(bool(step.skipped) for step in chain.walk())
    receivers = kinds["receiver"] + sum(step.count for step in chain.walk())
    told = [plural(kinds["signal"], "signal"), plural(receivers, "receiver")]
    if bypasses:
        told.append(plural(bypasses, "bypass", "bypasses"))
    if chain.traces is None:
        return [*told, "from what is connected and the source"]
    return [*told, f"from {plural(chain.traces, 'trace')}, what is connected and the source"]


def legend(chain: Chain) -> list[str]:
    """What the marks mean that are in it."""
    found = {mark.word for step in chain.walk() for mark in marks_of(step, chain)}
    return [f"{word}: {meaning}." for word, meaning in _LEGEND.items() if word in found]
