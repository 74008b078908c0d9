"""The place for what one trace collects while it runs."""

from __future__ import annotations

import itertools
import weakref
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from signal_tracer.collecting import clock
from signal_tracer.collecting.capture import Capture, name_of_sender
from signal_tracer.collecting.deeds import Activity, ChangeRecord
from signal_tracer.collecting.infos import MissInfo
from signal_tracer.collecting.naming import is_a, name_of_signal
from signal_tracer.conf import Config

# The text of a query, and whether it writes; shared by all that ran it.
Statement: TypeAlias = tuple[str, bool]

# A trace keeps this many times as many queries as dispatches.
QUERIES_PER_DISPATCH = 5


class Counter:
    """How many unheard dispatches one signal and sender had."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Recorder:
    """What one trace collects while it runs.

    Counts are plain integers: CPython switches threads between two bytecodes of ``x.n += 1``
    only at calls and jumps, of which there are none.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.capture = Capture(config.max_value_length)
        self.is_running = True
        self.is_witnessed = False
        self.started = clock.now()
        self.stopped = 0
        self.roots: list[Any] = []  # Dispatches.
        self.changes: list[ChangeRecord] = []
        self.activity = Activity()  # Outside of any receiver call.
        self.has_room = True
        self._numbers = itertools.count()
        self.omitted = 0
        self._other_numbers = itertools.count()
        self.omitted_others = 0
        self.too_deep = 0
        self.excluded = 0
        self.faults = 0
        self.unheard_counters: dict[tuple[int, int], Counter] = {}
        self._watched: dict[tuple[int, int], tuple[object, object]] = {}
        self._unheard_by_name: dict[tuple[str, str], Counter] = {}
        # Weak references to the signal and to the sender's class, and whether that was sent.
        self.unheard_senders: dict[tuple[str, str], tuple[Any, Any, bool]] = {}
        self.near_misses_of_unheard: dict[tuple[str, str], list[MissInfo]] | None = None
        self._unwatched: dict[tuple[str, str], int] = {}
        self.excluded_names: dict[str, bool] = {}
        # All of them, wherever they ran, and of how many more there is room for what they were.
        self.takes_queries = config.record_queries
        self.query_count = 0
        self.room_for_queries = QUERIES_PER_DISPATCH * config.max_dispatches
        self.statements: dict[str, Statement] = {}

    def excludes(self, signal: str) -> bool:
        found = self.excluded_names.get(signal)
        if found is None:
            found = any(fnmatchcase(signal, each) for each in self.config.exclude_signals)
            self.excluded_names[signal] = found
        return found

    def keep(self) -> bool:
        """Whether there is room for one more dispatch, which is then taken."""
        # Of two threads, each gets a number of its own.
        if self.has_room and next(self._numbers) < self.config.max_dispatches:
            return True
        self.has_room = False
        return False

    def keep_other(self) -> bool:
        """Whether there is room for one more record that is no dispatch; if not, count it."""
        if next(self._other_numbers) < self.config.max_dispatches:
            return True
        self.omitted_others += 1
        return False

    def leave_out(self, signal: str) -> None:
        """Count a dispatch that is not kept, unless the trace has ended."""
        if self.is_running:
            if self.excludes(signal):
                self.excluded += 1
            else:
                self.omitted += 1

    def count_unheard(self, signal: Any, sender: Any) -> None:
        counter = self.unheard_counters.get((id(signal), id(sender)))
        if counter is None:
            counter = self._counter_of(signal, sender)
        counter.count += 1

    def _counter_of(self, signal: Any, sender: Any) -> Counter:
        """A counter under the names; found by identity next time, for as long as both live."""
        names = name_of_signal(signal), name_of_sender(sender, self.capture)
        if self.excludes(names[0]):
            names = names[0], ""
        elif (
            names not in self._unheard_by_name
            and len(self._unheard_by_name) >= self.config.max_dispatches
        ):
            # Bounded, whatever is sent, from whatever sender.
            names = names[0], "other senders"
            if len(self._unheard_by_name) >= 2 * self.config.max_dispatches:
                names = "other signals", "other senders"
        counter = self._unheard_by_name.get(names)
        if counter is None:
            counter = self._unheard_by_name.setdefault(names, Counter())
            is_class = is_a(sender, type)
            own = sender if is_class else type(sender)
            self.unheard_senders[names] = weakref.ref(signal), weakref.ref(own), is_class
        # One that is found here next time is counted, and its arguments are not looked at.
        if is_a(sender, type) and not self.is_witnessed:
            key = id(signal), id(sender)

            def forget(_: object) -> None:
                self.unheard_counters.pop(key, None)
                self._watched.pop(key, None)

            self.unheard_counters[key] = counter
            self._watched[key] = weakref.ref(signal, forget), weakref.ref(sender, forget)
        return counter

    def count_unwatched(self, signal: str, method: str) -> None:
        key = signal, method
        self._unwatched[key] = self._unwatched.get(key, 0) + 1

    def stop(self) -> None:
        self.is_running = False
        self.has_room = False
        self.takes_queries = False
        self.stopped = clock.now()
        self.unheard_counters.clear()  # The hot path looks here first, and must find nothing now.

    def unheard(self) -> list[tuple[str, str, int]]:
        """Signal, sender and count, without those that are excluded."""
        return [
            (*names, counter.count)
            for names, counter in list(self._unheard_by_name.items())
            if not self.excludes(names[0])
        ]

    def excluded_dispatches(self) -> int:
        """How many were left out by pattern, heard or not."""
        return self.excluded + sum(
            counter.count
            for names, counter in list(self._unheard_by_name.items())
            if self.excludes(names[0])
        )

    def unwatched(self) -> list[tuple[str, str, int]]:
        return [(*names, count) for names, count in list(self._unwatched.items())]


class Recorders(tuple["Recorder", ...]):
    """The traces that are to see what is sent at a node, and how many dispatches deep it is."""

    depth: int = 0
    below: Recorders | None = None
    # Those of the trace, for the hot path; empty for several traces, which count one by one.
    unheard_counters: dict[tuple[int, int], Counter]

    def go_below(self) -> Recorders:
        """The same, one dispatch deeper; kept as ``below``."""
        self.below = self.at(self.depth + 1)
        return self.below

    def at(self, depth: int) -> Recorders:
        found = Recorders(self)
        found.depth = depth
        found.unheard_counters = self[0].unheard_counters if len(self) == 1 else {}
        return found

    def running(self) -> Recorders:
        """Those that have not ended."""
        for each in self:
            if not each.is_running:
                break
        else:
            return self
        return Recorders(each for each in self if each.is_running).at(self.depth)
