"""What one trace collects while it runs."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator
from fnmatch import fnmatchcase
from types import CodeType
from typing import Any, TypeAlias

from signal_tracer.collecting import clock
from signal_tracer.collecting.raw import Activity
from signal_tracer.collecting.routes import MissInfo, Route
from signal_tracer.conf import Config
from signal_tracer.describing.names import is_a
from signal_tracer.describing.values import Capture
from signal_tracer.records import Origin

# The text of a query, and whether it writes; shared by all that ran it.
Statement: TypeAlias = tuple[str, bool]

# A trace keeps this many times as many queries as dispatches.
QUERIES_PER_DISPATCH = 5


class Counter:
    """How many unheard dispatches one signal and sender had, and the code that sent the first."""

    __slots__ = ("count", "instruction", "sent_by")

    def __init__(self) -> None:
        self.count = 0
        self.sent_by: CodeType | None = None
        self.instruction = 0

    def copy(self) -> Counter:
        copy = Counter()
        copy.count, copy.sent_by, copy.instruction = self.count, self.sent_by, self.instruction
        return copy


class Recorder:
    """What one trace collects while it runs.

    Counts are plain integers: CPython switches threads between two bytecodes of ``x.n += 1``
    only at calls and jumps, of which there are none.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.capture = Capture(config.max_value_length)
        # What a task that is queued in the trace says of where that was.
        self.origin: Origin | None = None
        self.is_of_request_or_task = False
        self.is_running = True
        self.is_witnessed = False
        self.started = clock.now()
        self.stopped = 0
        # Nanoseconds that the thread which ran it waited for a processor.
        self.waited = 0
        # Each dispatch and the receiver call that sent it, or None, in the order in which they
        # were heard. Flat: a call that some task still holds keeps nothing but itself alive.
        self.dispatches: list[Any] = []
        self.activity = Activity()  # Outside of any receiver call.
        self.has_room = True
        # A number for each dispatch that is kept: of two threads, each gets one of its own.
        self.room = iter(range(config.max_dispatches))
        self.omitted = 0
        self._other_numbers = itertools.count()
        self.omitted_details = 0
        self.too_deep = 0
        self.excluded = 0
        self.faults = 0
        self._groups: weakref.WeakSet[Recorders] = weakref.WeakSet()
        self._joined: weakref.WeakKeyDictionary[Recorders, Recorders] = weakref.WeakKeyDictionary()
        self.alone = Recorders((self,))
        self._unheard_by_name: dict[tuple[str, str], Counter] = {}
        # Weak references to the signal and to the sender's class, and whether that was sent.
        self.unheard_senders: dict[tuple[str, str], tuple[Any, Any, bool]] = {}
        # Of those: who was near when they were sent, as far as that was looked up.
        self.near_unheard: dict[tuple[str, str], list[MissInfo]] = {}
        self._unwatched: dict[tuple[str, str], int] = {}
        self.excluded_names: dict[str, bool] = {}
        # All of them, wherever they ran, and of how many more there is room for what they were.
        self.takes_queries = config.record_queries
        self.takes_locations = config.record_locations
        self.query_count = 0
        self.room_for_queries = QUERIES_PER_DISPATCH * config.max_dispatches
        self.statements: dict[str, Statement] = {}

    def excludes(self, signal: str) -> bool:
        found = self.excluded_names.get(signal)
        if found is None:
            found = any(fnmatchcase(signal, each) for each in self.config.exclude_signals)
            self.excluded_names[signal] = found
        return found

    def keep_other(self) -> bool:
        """Whether there is room for one more record that is no dispatch; if not, count it."""
        if next(self._other_numbers) < self.config.max_dispatches:
            return True
        self.omitted_details += 1
        return False

    def leave_out(self, signal: str) -> None:
        """Count a dispatch that is not kept, unless the trace has ended."""
        if self.is_running:
            if self.excludes(signal):
                self.excluded += 1
            else:
                self.omitted += 1

    def count_unheard(
        self,
        signal: Any,
        sender: Any,
        names: tuple[str, str],
        sent_by: CodeType | None = None,
        instruction: int = 0,
    ) -> Counter:
        """Count one under these names, and return what counts the next one of the same."""
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
        # Whoever takes all receivers off a signal for a while has nobody near.
        if names not in self.unheard_senders and signal.receivers:
            is_class = is_a(sender, type)
            own = sender if is_class else type(sender)
            self.unheard_senders[names] = weakref.ref(signal), weakref.ref(own), is_class
        if not counter.count:
            counter.sent_by, counter.instruction = sent_by, instruction
        counter.count += 1
        return counter

    def has_counted(self, names: tuple[str, str]) -> bool:
        return names in self._unheard_by_name

    def count_anew(self) -> None:
        """Have each unheard dispatch pass ``count_unheard()`` again."""
        for group in list(self._groups):
            group.unheard.clear()

    def count_unwatched(self, signal: str, method: str) -> None:
        key = signal, method
        self._unwatched[key] = self._unwatched.get(key, 0) + 1

    def stop(self) -> None:
        """Record nothing more. Whatever still runs in the trace lets go of this recorder."""
        self.is_running = False
        self.has_room = False
        self.takes_queries = False
        self.stopped = clock.now()
        for group in list(self._groups):
            group.leave(self)
        self._joined.clear()
        # Routes that others hold may go on counting, and no longer here.
        self._unheard_by_name = {
            names: counter.copy() for names, counter in list(self._unheard_by_name.items())
        }

    def unheard(self) -> list[tuple[tuple[str, str], Counter]]:
        """By signal and sender, without those that are excluded."""
        return [
            (names, counter)
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


class Recorders:
    """The running traces that are to see what is sent at a node, and how many dispatches deep.

    One is shared by all nodes of the same traces and depth. A trace that ends leaves it, so that
    a task or a thread that goes on with an old context keeps alive no more than this.
    """

    __slots__ = ("__weakref__", "all", "below", "depth", "innermost", "single", "unheard")

    def __init__(
        self,
        recorders: tuple[Recorder, ...],
        depth: int = 0,
        unheard: dict[Route, tuple[Counter, ...]] | None = None,
    ) -> None:
        self.all = recorders
        self.innermost = recorders[-1] if recorders else None
        # The only one, if it keeps all that there is room for.
        self.single = self.innermost if len(recorders) == 1 else None
        self.depth = depth
        self.below: Recorders | None = None
        # What counts the dispatches that nobody hears, in each of the traces.
        self.unheard: dict[Route, tuple[Counter, ...]] = {} if unheard is None else unheard
        for each in recorders:
            each._groups.add(self)

    def __iter__(self) -> Iterator[Recorder]:
        return iter(self.all)

    def __contains__(self, recorder: Recorder) -> bool:
        return any(each is recorder for each in self.all)

    def go_below(self) -> Recorders:
        """The same, one dispatch deeper; kept as ``below``."""
        self.below = Recorders(self.all, self.depth + 1, self.unheard)
        self.below.single = self.single
        return self.below

    def apart(self) -> Recorders:
        """The same, for a dispatch whose own unheard ones are not counted at once."""
        apart = Recorders(self.all, self.depth)
        apart.single = self.single
        return apart

    def and_also(self, recorder: Recorder, *, is_deep: bool) -> Recorders:
        """The same, and a trace that was started inside."""
        found = recorder._joined.get(self)
        if found is None:
            found = Recorders((*self.all, recorder), self.depth if is_deep else 0)
            recorder._joined[self] = found
            # What one of them redacts, the others must not show either.
            for each in self.all:
                recorder.capture.secrets.share(each.capture.secrets)
        return found

    def leave(self, recorder: Recorder) -> None:
        """The trace has ended."""
        self.all = tuple([each for each in self.all if each is not recorder])
        self.innermost = self.all[-1] if self.all else None
        self.single = None
        self.unheard.clear()
