"""What differs between two traces, as plain data and in words; ``comparing.py`` finds it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from signal_tracer import plain
from signal_tracer.findings.remarks import Remark
from signal_tracer.phrases import Count as Number
from signal_tracer.phrases import Phrase, Sentence, Words
from signal_tracer.phrases import Seconds as Taken
from signal_tracer.plain import JSON
from signal_tracer.printable import printable
from signal_tracer.records import Count, Location, Ordinal, Seconds

FORMAT_VERSION = 1

FoldKind = Literal["trace", "dispatch", "call", "bypass", "on_commit", "errand"]
Kind = Literal[
    "added", "lost", "moved", "repeated", "slower", "faster", "queries", "outcome", "findings"
]


@dataclass(frozen=True, slots=True)
class Fold:
    """Equal rows of one trace that stand in the same, as one."""

    kind: FoldKind
    """``trace``: what ran outside of any receiver call."""
    name: str = ""
    """The signal, the receiver, the bulk operation, the callback, or what was started."""
    signal: str = ""
    """Of a receiver call: what it was called for."""
    sender: str = ""
    method: str = ""
    inside: str = ""
    """The receiver, or the callback of ``on_commit()``, that sent or did it; empty outside."""
    follows: str = ""
    """What stands before it in the same; empty if it is the first."""
    occurrences: Ordinal = 1
    queries: Count = 0
    """Of all its occurrences, without those of nested receiver calls."""
    own_time: Seconds = 0.0
    failures: dict[str, Count] = field(default_factory=dict)
    """How often it ended otherwise than well: ``swallowed ValueError``."""
    calls_below: Count = 0
    queries_below: Count = 0
    location: Location | None = None
    """Where the first of them was defined, or sent from."""
    package: str = ""
    """Whose it is; empty for the project. A dispatch is the project's if a receiver below it is."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What differs of one fold. ``depth``: how many lines of added or lost ones it stands below."""

    kinds: tuple[Kind, ...]
    before: Fold | None
    after: Fold | None
    depth: Count = 0

    @property
    def fold(self) -> Fold:
        """As it is now, or as it was last."""
        fold = self.after or self.before
        assert fold is not None
        return fold

    @property
    def sign(self) -> str:
        return "+" if self.before is None else "-" if self.after is None else "~"

    @property
    def title(self) -> Words:
        """What it is about."""
        return _title(self.fold, is_below=self.depth > 0)

    @property
    def details(self) -> list[Words]:
        """What there is to say of it."""
        if self.before is None or self.after is None:
            return list(_about(self.fold))
        return list(_told(self.kinds, self.before, self.after))

    def __str__(self) -> str:
        """One line: ``+ shop.receivers.text_customer on post_save of shop.Order (3 queries)``."""
        told = ", ".join(map(str, self.details))
        if self.sign == "~":
            return printable(f"~ {self.title}: {told}")
        return printable(f"{self.sign} {self.title}{f' ({told})' * bool(told)}")


@dataclass(frozen=True, slots=True)
class Side:
    """What is known of each of the two traces as a whole."""

    name: str
    started_at: datetime
    duration: Seconds
    dispatches: Count
    receiver_calls: Count
    queries: Count
    left_out: Count
    """Dispatches that were not kept, so that nobody knows whether they differ."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two traces; true if anything does that it shows.

    ``changes``: in the order of the second trace, what was lost after what it stood in.
    ``new`` and ``gone``: findings of one of the two only. ``hidden``: how many more changes and
    findings there are that ``of_project()`` left out.
    """

    before: Side
    after: Side
    changes: tuple[Changed, ...] = ()
    new: tuple[Remark, ...] = ()
    gone: tuple[Remark, ...] = ()
    hidden: Count = 0

    def __bool__(self) -> bool:
        return bool(self.changes or self.new or self.gone)

    def of_kind(self, kind: Kind) -> list[Changed]:
        return [each for each in self.changes if kind in each.kinds]

    def of_project(self) -> Difference:
        """The same without what concerns only installed packages and Django; that is counted."""
        changes = tuple(_without_packages(self.changes))
        new, gone = (
            tuple(each for each in found if each.is_projects) for found in (self.new, self.gone)
        )
        shown = len(changes) + len(new) + len(gone)
        hidden = self.hidden + len(self.changes) + len(self.new) + len(self.gone) - shown
        return replace(self, changes=changes, new=new, gone=gone, hidden=hidden)

    @property
    def totals(self) -> list[Number]:
        """``+2 receiver calls``, ``-1 query``: of the whole traces, those that differ."""
        return totals(
            {name: getattr(self.before, name) for name in COUNTED},
            {name: getattr(self.after, name) for name in COUNTED},
        )

    @property
    def notes(self) -> list[Words]:
        """What is not known."""
        told: list[Words] = []
        if self.before.left_out or self.after.left_out:
            template = Sentence(
                "%(before)s of the first trace and %(after)s of the second were not kept: what "
                "differs in those is not known. Raise MAX_DISPATCHES.",
                {
                    "before": _dispatches(self.before.left_out),
                    "after": _dispatches(self.after.left_out),
                },
            )
            told.append(template)
        if self.hidden:
            number = Number(self.hidden, "%(number)s difference", "%(number)s differences")
            told.append(Sentence("%(number)s more in installed packages.", {"number": number}))
        return told

    def __str__(self) -> str:
        """A line a change, and a line a finding, as a review would say it."""
        head = ", ".join(signed(each) for each in self.totals)
        lines = [f"{'  ' * each.depth}{each}" for each in self.changes]
        lines += [printable(f"+ {_in_a_line(each)}") for each in self.new]
        lines += [printable(f"- {_in_a_line(each)}") for each in self.gone]
        if not lines:
            lines = ["No difference."]
        elif head:
            lines = [head, *lines]
        return "\n".join([*lines, *(str(each) for each in self.notes)])

    def to_dict(self) -> JSON:
        """What JSON holds of it, by the fields."""
        return {"version": FORMAT_VERSION, **plain.write(self)}

    def to_json(self, *, indent: int | None = None) -> str:
        """``to_dict()`` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


# In words


COUNTED = ("dispatches", "receiver_calls", "queries")


def totals(before: Mapping[str, int], after: Mapping[str, int]) -> list[Number]:
    """How many more or fewer there are of what differs, by the names in ``COUNTED``."""
    more = {name: after.get(name, 0) - before.get(name, 0) for name in COUNTED}
    found = (
        _dispatches(more["dispatches"]),
        Number(more["receiver_calls"], "%(number)s receiver call", "%(number)s receiver calls"),
        _queries(more["queries"]),
    )
    return [each for each in found if each.number]


def signed(more: Number) -> str:
    """``+1 query``, ``-2 queries``."""
    template = more.one if abs(more.number) == 1 else more.many
    return template % {"number": f"{more.number:+}"}


def _dispatches(number: int) -> Number:
    return Number(number, "%(number)s dispatch", "%(number)s dispatches")


def _queries(number: int) -> Number:
    return Number(number, "%(number)s query", "%(number)s queries")


def _times(number: int) -> Number:
    return Number(number, "%(number)s time", "%(number)s times")


def short(signal: str) -> str:
    """Everybody knows where Django's are from."""
    return signal.removeprefix("django.db.models.signals.")


def _title(fold: Fold, *, is_below: bool) -> Words:
    """``is_below``: what it stands in is said above it."""
    if fold.kind == "trace":
        return Phrase("Outside of any receiver call")
    if fold.kind == "call":
        if is_below:
            return fold.name
        title: Words = Sentence(
            "%(receiver)s on %(what)s", {"receiver": fold.name, "what": _sent(fold)}
        )
    elif fold.kind == "dispatch":
        title = _sent(fold)
    elif fold.kind == "on_commit":
        title = Sentence("on_commit(%(callback)s)", {"callback": fold.name})
    else:
        title = fold.name
    if is_below or not fold.inside:
        return title
    return Sentence("%(what)s, in %(receiver)s", {"what": title, "receiver": fold.inside})


def _sent(fold: Fold) -> Words:
    signal = short(fold.signal)
    if not fold.sender:
        return signal
    return Sentence("%(signal)s of %(sender)s", {"signal": signal, "sender": fold.sender})


def _about(fold: Fold) -> Iterator[Words]:
    """What there is to say of what is in one trace only."""
    if fold.occurrences > 1:
        yield _times(fold.occurrences)
    if fold.queries:
        yield _queries(fold.queries)
    yield from _failed(fold)


def _told(kinds: Iterable[Kind], before: Fold, after: Fold) -> Iterator[Words]:
    for kind in kinds:
        if kind == "moved":
            yield _moved(before, after)
        elif kind == "repeated":
            yield _instead(before.occurrences, _times(after.occurrences))
        elif kind == "queries":
            yield _instead(before.queries, _queries(after.queries))
        elif kind == "outcome":
            nothing = Phrase("ending well")
            was, now = _all_failed(before) or nothing, _all_failed(after) or nothing
            yield _instead(was, now)
        elif kind in ("slower", "faster"):
            times = {"before": Taken(before.own_time), "now": Taken(after.own_time)}
            if kind == "slower":
                yield Sentence("slower, own time %(now)s instead of %(before)s", times)
            else:
                yield Sentence("faster, own time %(now)s instead of %(before)s", times)


def _instead(before: Words, now: Words) -> Sentence:
    return Sentence("%(now)s instead of %(before)s", {"now": now, "before": before})


def _moved(before: Fold, after: Fold) -> Words:
    was, now = _stands_in(before), _stands_in(after)
    if str(was) != str(now):
        return Sentence("moved from %(before)s", {"before": was})
    if before.method != after.method:
        return _instead(before.method, after.method)
    if before.follows == after.follows:
        return Phrase("nested in others")
    return _instead(_behind(before), _behind(after))


def _behind(fold: Fold) -> Words:
    return Sentence("after %(name)s", {"name": fold.follows}) if fold.follows else Phrase("first")


def _stands_in(fold: Fold) -> Words:
    """What it is called for, or which receiver does it."""
    outside = Phrase("outside of any receiver call")
    if fold.kind != "call":
        return fold.inside or outside
    if not fold.inside:
        return _sent(fold)
    return Sentence("%(what)s, in %(receiver)s", {"what": _sent(fold), "receiver": fold.inside})


def _all_failed(fold: Fold) -> Words:
    """Nothing if it never did."""
    failed = list(_failed(fold))
    return _joined(failed) if failed else ""


def _joined(failed: list[Words]) -> Words:
    first, *others = failed
    if not others:
        return first
    return Sentence("%(first)s, %(others)s", {"first": first, "others": _joined(others)})


def _failed(fold: Fold) -> Iterator[Words]:
    for failure, number in fold.failures.items():
        failed = _failure(failure)
        if fold.occurrences > 1:
            yield Sentence("%(failed)s %(times)s", {"failed": failed, "times": _times(number)})
        else:
            yield failed


def _failure(failure: str) -> Words:
    what, _, error = failure.partition(" ")
    match what:
        case "raised":
            return Sentence("raised %(error)s", {"error": error}) if error else Phrase("raised")
        case "swallowed":
            return Sentence("swallowed %(error)s", {"error": error})
        case "handled":
            return Sentence("%(error)s, which it caught itself", {"error": error})
        case "rolled_back":
            return Phrase("rolled back")
        case "discarded":
            return Phrase("thrown away by a rollback")
        case "not_run":
            return Phrase("not run")
        case "waiting":
            return Phrase("still waiting at the end")
    return Phrase("cancelled")


def _in_a_line(remark: Remark) -> str:
    return f"{remark.level} {remark.slug}: {remark.message}"


def _without_packages(changes: Iterable[Changed]) -> Iterator[Changed]:
    """Those of the project; each as deep as there are shown ones above it."""
    shown: list[bool] = []
    for each in changes:
        del shown[each.depth :]
        is_shown = not each.fold.package
        if is_shown:
            yield replace(each, depth=sum(shown))
        shown.append(is_shown)
