"""Going through a trace once, for all the rules that read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TypeVar

from signal_tracer.findings.catalogue import RECURSION
from signal_tracer.findings.kinds import Kind
from signal_tracer.phrases import Count, Names
from signal_tracer.records import (
    DJANGO,
    PROJECT,
    Bypass,
    Contents,
    Dispatch,
    Location,
    Owner,
    ReceiverCall,
    Summary,
)

T = TypeVar("T")
# What Django makes anew for each app, by a receiver of post_migrate: who works with all of them
# has to run after the last app, and not after its own. As a table, a class and a field.
MADE_FOR_EACH_APP = re.compile(r"permission|content_?type", re.IGNORECASE)
_MODELS = "django.db.models.signals."
_SENDS = ("send", "send_robust", "asend", "asend_robust")
# Of the signals there the two that are about a whole database, and no row.
MIGRATIONS = frozenset(_MODELS + name for name in ("pre_migrate", "post_migrate"))


@dataclass(frozen=True, slots=True)
class Step:
    """A dispatch and what it is nested in: a receiver call of the step ``above``, if any."""

    dispatch: Dispatch
    inside: ReceiverCall | None = None
    above: Step | None = None
    depth: int = 1

    def path(self) -> Iterator[Step]:
        """This step, then those above it."""
        step: Step | None = self
        while step:
            yield step
            step = step.above


class Walk:
    """What a trace holds at this moment, in the order of ``Trace.walk()``."""

    def __init__(
        self,
        contents: Contents,
        slow_after: float,
        slow_share: float = 0.0,
        ignored: tuple[str, ...] = (),
        *,
        is_request: bool = False,
    ) -> None:
        self.contents = contents
        self.is_request = is_request
        self.slow_from = slow_from(contents, slow_after, slow_share)
        self.ignored = ignored
        self.slow_after = slow_after
        self.steps: list[Step] = []
        self.calls: list[tuple[ReceiverCall, Step]] = []
        waiting = [Step(dispatch) for dispatch in reversed(self.contents.dispatches)]
        while waiting:
            step = waiting.pop()
            self.steps.append(step)
            for call in step.dispatch.receiver_calls:
                self.calls.append((call, step))
            for call in reversed(step.dispatch.receiver_calls):
                for nested in reversed(call.dispatches):
                    waiting.append(Step(nested, call, step, step.depth + 1))

    def goes_round(self, step: Step) -> bool:
        """Whether it is in a round, but the first, of a recursion that ends in ``RecursionError``.

        All that is repeated there is because of that, which has a finding of its own.
        """
        return id(step.dispatch) in self._rounds

    @cached_property
    def _rounds(self) -> set[int]:
        found: set[int] = set()
        for step in self.steps:  # What is above comes first.
            is_below = step.above is not None and id(step.above.dispatch) in found
            if is_below or any(
                is_of_recursion(call)
                and levels_of(call, step) > 1
                and not is_ignored(RECURSION, (call.receiver, step.dispatch.signal), self.ignored)
                for call in step.dispatch.receiver_calls
            ):
                found.add(id(step.dispatch))
        return found

    def is_slow(self, call: ReceiverCall) -> bool:
        return call.own_time >= self.slow_from

    def owner_of(self, location: Location | None, name: str = "") -> Owner | None:
        """Whose a line is; without one, whose the code of this name. ``None`` if unknown."""
        return self.contents.owner_of(location, name)

    def owner_of_call(self, call: ReceiverCall) -> Owner | None:
        return self.owner_of(call.defined_at, call.receiver)

    def is_sent_by_project(self, dispatch: Dispatch) -> bool:
        """Whether the line that was found sends it: others' signals come from a line that saves."""
        owners = self.owner_of(dispatch.sent_from), self.owner_of(None, dispatch.signal)
        return all(each in (None, PROJECT) for each in owners)

    def not_ignored(self, kind: Kind, names: Iterable[str]) -> set[str]:
        """What of several names a finding is about that ``IGNORE_FINDINGS`` leaves of it.

        All of them where it leaves none: then the finding goes as a whole.
        """
        every = set(names)
        return {name for name in every if not is_ignored(kind, [name], self.ignored)} or every

    def bypasses(self) -> list[tuple[Bypass, ReceiverCall | None]]:
        """Each with the receiver call that did it, in the order in which they began."""
        found: list[tuple[Bypass, ReceiverCall | None]] = [
            (each, None) for each in self.contents.bypasses
        ]
        found += [(each, call) for call, _ in self.calls for each in call.bypasses]
        return sorted(found, key=lambda each: each[0].started_at)


def levels_of(call: ReceiverCall, step: Step) -> int:
    """How many calls of the same receiver have begun and not ended, this one included.

    For the same signal and sender: one of every model that is called for a model which it saves
    itself has not come back to where it was.
    """
    about = step.dispatch.signal, step.dispatch.sender
    return 1 + sum(
        each.inside is not None
        and each.above is not None
        and each.inside.receiver == call.receiver
        and each.inside.defined_at == call.defined_at
        and (each.above.dispatch.signal, each.above.dispatch.sender) == about
        for each in step.path()
    )


def is_of_recursion(call: ReceiverCall) -> bool:
    """Whether it ended because Python stops what calls itself for ever."""
    return call.error is not None and call.error.type == "RecursionError"


def slow_from(contents: Contents, after: float, share: float) -> float:
    """The own time in seconds from which a receiver call is slow in this trace.

    That is ``after``; and unless somebody has set that limit, so that ``share`` is 0, it is this
    share of the whole trace at least, and all that the trace waited for a processor comes on top:
    that may have been in the very call.
    """
    if not share:
        return after
    return max(after + contents.waited, share * contents.duration)


def whose(owners: Iterable[Owner | None]) -> Owner:
    """Who can change something: the project, if any of it is its own; else the first package.

    What nobody is known to own is taken for the project's.
    """
    known = [each for each in owners if each is not None]
    if not known or any(each.kind == "project" for each in known):
        return PROJECT
    return next((each for each in known if each.kind == "package"), DJANGO)


def is_ignored(kind: Kind, names: Iterable[str], patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is the slug, or the slug with one of the names."""
    for pattern in patterns:
        slug, _, name = pattern.partition(":")
        if slug == kind.slug and (not name or any(fnmatchcase(each, name) for each in names)):
            return True
    return False


def grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Items of equal ``key`` together, in the order in which the first of each came."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


_MOST_NAMED = 3


def some(names: Iterable[str]) -> Names:
    """The first of them, and how many more there are."""
    every = list(dict.fromkeys(names))
    more = len(every) - _MOST_NAMED
    if more < 2:  # The last takes no more room than its number would.
        return Names.of(every)
    return Names.of([*every[:_MOST_NAMED], Count(more, "%(number)s more", "%(number)s more")])


def last_name(dotted: str) -> str:
    """``Order`` of ``shop.Order``."""
    return dotted.rpartition(".")[2]


def on_commit(aliases: Iterable[str]) -> str:
    """The call that waits for the commit on these databases: any but the default one is named."""
    other = _other_than_default(aliases)
    return f"transaction.on_commit(..., using={other!r})" if other else "transaction.on_commit()"


def atomic(aliases: Iterable[str]) -> str:
    """The block that makes one of several writes on these databases."""
    other = _other_than_default(aliases)
    return f"transaction.atomic(using={other!r})" if other else "transaction.atomic()"


def _other_than_default(aliases: Iterable[str]) -> str | None:
    return next((each for each in aliases if each != "default"), None)


def using_of(dispatch: Dispatch) -> str | None:
    """The database of the row that one of Django's model signals is about."""
    using = dispatch.kwargs.get("using")
    is_of_row = dispatch.signal.startswith(_MODELS) and dispatch.signal not in MIGRATIONS
    return using if is_of_row and type(using) is str else None


def instance_of(dispatch: Dispatch) -> str:
    """The row that it is about, as ``shop.Order(pk=3)``; the sender where there is none."""
    instance = dispatch.kwargs.get("instance")
    return instance.text if isinstance(instance, Summary) else dispatch.sender


def update_fields_of(dispatch: Dispatch) -> frozenset[str] | None:
    """What a save names to be written; ``None`` for all of it, and where that is not known."""
    given = dispatch.kwargs.get("update_fields")
    if not isinstance(given, Summary) or "… " in given.text:
        return None
    return frozenset(re.findall(r"'([^']*)'", given.text))


def is_sent_by_hand(dispatch: Dispatch) -> bool:
    """Whether somebody else than Django sent a signal of its models: nothing was saved by that."""
    name = last_name(dispatch.signal)
    return dispatch.signal.startswith(_MODELS) and (
        dispatch.method != "send"  # Which is how Django sends them all.
        or f".{dispatch.called}".endswith(tuple(f".{name}.{each}" for each in _SENDS))
    )
