"""``SignalTrace``: a trace that a test asserts on."""

from __future__ import annotations

from difflib import get_close_matches
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from signal_tracer.collecting import nodes, witnessing
from signal_tracer.collecting.nodes import Root
from signal_tracer.collecting.witnessing import Sent, Witness
from signal_tracer.describing.arguments import want_count, want_switch
from signal_tracer.describing.names import describe_receiver, is_a, name_of_signal
from signal_tracer.records import goes_by
from signal_tracer.testing import messages
from signal_tracer.testing.connected import connections_of
from signal_tracer.testing.lookup import (
    find_receiver_name,
    find_sender,
    find_signal,
    is_pattern,
    want_receiver,
    want_signal,
)
from signal_tracer.testing.matching import ANYTHING, Wanted
from signal_tracer.testing.patched import stands_for
from signal_tracer.trace import Trace
from signal_tracer.tracer import trace_signals
from signal_tracer.wording import listed, plural

# unittest leaves the frames of such modules out of a traceback, as pytest does after a
# __tracebackhide__, so that it ends in the test.
__unittest = True


class SignalTrace:
    """A trace of a ``with`` block, and assertions about what was sent and received in it::

        with SignalTrace() as signals:
            place_order()
        signals.assert_sent(order_placed, sender=Order, total=Decimal("194.00"))
        signals.assert_received(send_receipt, times=1)

    Signals and receivers are given as objects, by dotted name or its last parts; a name that
    nothing goes by is an error, also where something is asserted *not* to have happened.

    A mock that a patch has put in a receiver's place is an error as well: it is not what is
    connected.

    It keeps the senders and keyword arguments alive that it saw, until it is forgotten itself.
    ``trace`` is the trace, as ``trace_signals()`` would have made it. ``all_threads``: watch the
    whole process, and not only what this context sends.
    """

    def __init__(self, name: str = "", *, all_threads: bool = False) -> None:
        __tracebackhide__ = True
        self._tracing = trace_signals(name, all_threads=all_threads)
        self._trace: Trace | None = None
        self._witness: Witness | None = None

    def __enter__(self) -> Self:
        self._trace = self._tracing.__enter__()
        node = nodes.current.get()
        assert type(node) is Root
        assert node.recorder is not None
        self._witness = witnessing.start(node.recorder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._witness is not None:
            witnessing.stop(self._witness)
        self._tracing.__exit__(kind, error, traceback)

    @property
    def trace(self) -> Trace:
        if self._trace is None:
            raise RuntimeError(
                "This SignalTrace has not begun: write `with SignalTrace() as ...:`."
            )
        return self._trace

    def __str__(self) -> str:
        return str(self.trace)

    def outline(self, *, kwargs: bool = False, project_only: bool = False) -> str:
        """What happened, as text for a snapshot: ``trace.outline(stable=True)``.

        One line a dispatch, receiver call or bypass, the same on every run and machine.
        ``kwargs``: below each dispatch stands what it was sent with. ``project_only``: what only
        packages heard is in one line a package.
        """
        __tracebackhide__ = True
        want_switch("kwargs", kwargs)
        want_switch("project_only", project_only)
        return self.trace.outline(project_only=project_only, stable=True, kwargs=kwargs)

    if not TYPE_CHECKING:  # To a type checker every name would be one that there is.

        def __getattr__(self, name: str) -> None:
            __tracebackhide__ = True
            has = [each for each in dir(type(self)) if not each.startswith("_")]
            likely = get_close_matches(name, has, n=1)
            hint = f"Did you mean {likely[0]!r}?" if likely else f"It has {listed(has)}."
            raise AttributeError(f"SignalTrace has no {name!r}. {hint}")

    def assert_sent(
        self, signal: Any, /, *, sender: Any = ANYTHING, times: int | None = None, **kwargs: Any
    ) -> None:
        """``signal`` was sent by ``sender`` with these keyword arguments, whoever received it.

        Each is matched by identity, by ``==`` (asked of what is given here, so that
        ``unittest.mock.ANY`` and other matchers work), or given as a type that it is an
        instance of. A sender may also go by name. What is not given is not compared.

        ``times``: exactly so often; otherwise once or more.
        """
        __tracebackhide__ = True
        if times is not None:
            want_count("times", times)
        if times == 0:
            return self.assert_not_sent(signal, sender=sender, **kwargs)
        wanted = Wanted(self._signal(signal), sender, kwargs)
        found, left_out = self._count(wanted)
        if times is None and found:
            return None
        if left_out and (times is None or found <= times):
            raise AssertionError(messages.not_kept(wanted, left_out, self.trace))
        if found != times:
            raise AssertionError(
                messages.not_sent_so(wanted, times, found, self._sent(), self.trace)
            )
        return None

    def assert_not_sent(self, signal: Any, /, *, sender: Any = ANYTHING, **kwargs: Any) -> None:
        """The opposite of ``assert_sent()``.

        It fails as well if the signal was sent, but never with an argument of a name that is
        given here: nothing was compared then, and the name may be misspelt.
        """
        __tracebackhide__ = True
        if "times" in kwargs:
            raise TypeError(
                "assert_not_sent() takes no times=: it wants none at all. Another number is for "
                "assert_sent(..., times=...)."
            )
        wanted = Wanted(self._signal(signal), sender, kwargs)
        found, left_out = self._count(wanted)
        if found:
            raise AssertionError(messages.sent(wanted, found, self._sent(), self.trace))
        if left_out:
            raise AssertionError(messages.not_kept(wanted, left_out, self.trace))
        strange = wanted.names_unknown_to(self._sent())
        if strange:
            raise AssertionError(messages.never_with(wanted, strange, self._sent(), self.trace))

    def assert_received(self, receiver: Any, /, *, times: int | None = None) -> None:
        """``receiver`` was called; ``times``: exactly so often.

        Receivers go by what a trace calls them: two lambdas of one line are the same.
        """
        __tracebackhide__ = True
        if times is not None:
            want_count("times", times)
        if times == 0:
            return self.assert_not_received(receiver)
        name = self._receiver(receiver)
        found = self._calls_of(name)
        if self._is_incomplete and not (times is None and found):
            raise AssertionError(messages.incomplete(self.trace))
        if found != times if times is not None else not found:
            raise AssertionError(messages.not_received_so(name, times, found, self.trace))
        return None

    def assert_not_received(self, receiver: Any, /) -> None:
        """``receiver`` was not called."""
        __tracebackhide__ = True
        name = self._receiver(receiver)
        found = self._calls_of(name)
        if found:
            raise AssertionError(messages.received(name, found, self.trace))
        if self._is_incomplete:
            raise AssertionError(messages.incomplete(self.trace))

    def assert_connected(self, signal: Any, receiver: Any, /, *, sender: Any = ANYTHING) -> None:
        """``receiver`` is connected to ``signal`` now, so that what ``sender`` sends reaches it.

        Without a sender, any connection of the two will do.
        """
        __tracebackhide__ = True
        live = find_signal(signal) if is_a(signal, str) else want_signal(signal)
        name = find_receiver_name(receiver) if is_a(receiver, str) else self._receiver(receiver)
        if is_a(sender, str):
            sender = find_sender(sender)
        connections = connections_of(live)
        if not any(
            goes_by(each.receiver, name) and (sender is ANYTHING or each.hears(sender))
            for each in connections
        ):
            raise AssertionError(
                messages.not_connected(name_of_signal(live), name, sender, connections)
            )

    def assert_nothing_swallowed(self) -> None:
        """No exception of a receiver was caught by ``send_robust()`` or ``asend_robust()``."""
        __tracebackhide__ = True
        if self.trace.swallowed():
            raise AssertionError(messages.swallowed(self.trace))
        if self._is_incomplete:
            raise AssertionError(messages.incomplete(self.trace))

    def assert_max(
        self,
        *,
        dispatches: int | None = None,
        receiver_calls: int | None = None,
        queries: int | None = None,
    ) -> None:
        """No more than this many dispatches that had receivers, receiver calls, or queries."""
        __tracebackhide__ = True
        limits = {"dispatches": dispatches, "receiver_calls": receiver_calls, "queries": queries}
        if all(limit is None for limit in limits.values()):
            raise TypeError(
                "assert_max() wants at least one limit: give dispatches=, receiver_calls= or "
                "queries=."
            )
        for name, limit in limits.items():
            if limit is not None:
                want_count(name, limit)
        trace = self.trace
        not_kept = trace.omitted + trace.too_deep
        counted = (
            (dispatches, sum(1 for _ in trace.walk()) + not_kept, "dispatch", "dispatches"),
            (receiver_calls, len(trace.receiver_calls()), "receiver call", "receiver calls"),
            (queries, trace.query_count(), "query", "queries"),
        )
        over = [
            f"{plural(found, one, many)} (at most {limit})"
            for limit, found, one, many in counted
            if limit is not None and found > limit
        ]
        if over:
            raise AssertionError(messages.too_many(over, trace))
        if not_kept and receiver_calls is not None:
            raise AssertionError(messages.incomplete(trace))

    def _sent(self) -> list[Sent]:
        return [] if self._witness is None else list(self._witness.sent)

    def _count(self, wanted: Wanted) -> tuple[int, int]:
        """How many dispatches match, and of how many nobody can say, since they were not kept."""
        found = sum(wanted.matches(each) for each in self._sent())
        left_out = {} if self._witness is None else dict(self._witness.left_out)
        unknown = sum(count for name, count in left_out.items() if wanted.is_signal(name))
        return (found + unknown, 0) if wanted.is_any else (found, unknown)

    def _signal(self, signal: Any) -> Any:
        """The signal itself; or the pattern, or the name of one that was sent."""
        __tracebackhide__ = True
        if not is_a(signal, str):
            return want_signal(signal)
        if is_pattern(signal) or any(goes_by(each.signal_name, signal) for each in self._sent()):
            return signal
        return find_signal(signal)

    def _receiver(self, receiver: Any) -> str:
        __tracebackhide__ = True
        if not is_a(receiver, str):
            original = stands_for(want_receiver(receiver), self._called())
            if original is not None:
                raise AssertionError(messages.patched(original))
            return describe_receiver(receiver).name
        called = {name for name in self._called() if goes_by(name, receiver)}
        if called:
            return called.pop() if len(called) == 1 else str(receiver)
        return str(receiver) if is_pattern(receiver) else find_receiver_name(receiver)

    def _calls_of(self, name: str) -> int:
        return sum(goes_by(each, name) for each in self._called())

    def _called(self) -> list[str]:
        if self._trace is None:
            return []
        return [
            name
            for dispatch in self._trace.walk()
            for name in [
                *(call.receiver for call in dispatch.receiver_calls),
                *(dispatch.unwatched or ()),
            ]
        ]

    @property
    def _is_incomplete(self) -> bool:
        return self.trace.omitted + self.trace.too_deep > 0
