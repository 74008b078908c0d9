"""Metrics: what alarms watch, counted by signal and receiver.

All figures are of what was traced, and hold what its trace recorded: with a ``SAMPLE_RATE`` of 0.1
they are of every tenth request. What a trace left out is counted as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opentelemetry import metrics

from signal_tracer.printable import printable
from signal_tracer.records import Bypass, Contents, Dispatch, ReceiverCall, Recorded
from signal_tracer.version import __version__

# Two a decade, from a receiver that does next to nothing to an outage, in seconds.
BOUNDARIES = (1e-05, 3e-05, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

SIGNAL = "django.signal.name"
RECEIVER = "django.signal.receiver"
REASON = "django.signal.omitted.reason"
KIND = "django.signal.trace.kind"

# What the semantic conventions call whatever a limit has no room for.
OTHER = "_OTHER"
MAX_PAIRS = 500
_ALL_OF_A_PACKAGE = ".*"


class MetricReporter:
    """A reporter that adds each trace to counters and a histogram of OpenTelemetry.

    ``max_pairs``: how many pairs of a signal and a receiver have figures of their own, for as long
    as the process lives; whatever comes later counts as ``_OTHER``. ``packages``: whether the times
    of receivers of installed packages and Django are kept one by one, and not in one sum a package
    (what goes wrong in them always is). ``meter_provider``: the global one unless given.

    Raises ``TypeError`` or ``ValueError`` for other values. Called with a trace it does nothing
    where nobody has set up an SDK.
    """

    def __init__(
        self,
        *,
        max_pairs: int = MAX_PAIRS,
        packages: bool = False,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        if type(max_pairs) is not int or max_pairs < 1:
            raise ValueError("MetricReporter(max_pairs=...) wants a whole number from 1.")
        if type(packages) is not bool:
            raise TypeError("MetricReporter(packages=...) wants True or False.")
        self._max_pairs = max_pairs
        self._packages = packages
        self._given = meter_provider
        self._counting: _Counting | None = None

    def __call__(self, trace: Recorded) -> None:
        # Asked for anew each time: the SDK may be set up late, as it should be after a fork.
        provider = metrics.get_meter_provider() if self._given is None else self._given
        if type(provider).__module__.startswith("opentelemetry.metrics"):
            return  # The API's own, which would throw all of it away.
        counting = self._counting
        if counting is None or counting.provider is not provider:
            counting = self._counting = _Counting(provider, self._max_pairs, self._packages)
        counting.add(trace)


class _Counting:
    """The instruments of one meter provider, and the pairs that they were given."""

    def __init__(self, provider: metrics.MeterProvider, max_pairs: int, packages: bool) -> None:
        self.provider = provider
        self._max_pairs = max_pairs
        self._packages = packages
        self._pairs: dict[tuple[str, str], dict[str, str]] = {}
        meter = provider.get_meter("signal_tracer", __version__)
        self._own_time = meter.create_histogram(
            "django.signal.receiver.own_time",
            unit="s",
            description="Time in a receiver call, without the dispatches nested in it.",
            explicit_bucket_boundaries_advisory=BOUNDARIES,
        )
        self._swallowed = meter.create_counter(
            "django.signal.receiver.swallowed",
            unit="{exception}",
            description="Exceptions of a receiver that send_robust() or asend_robust() caught.",
        )
        self._raised = meter.create_counter(
            "django.signal.receiver.raised",
            unit="{exception}",
            description="Exceptions that a receiver raised, and that went on to the sender.",
        )
        self._rolled_back = meter.create_counter(
            "django.signal.receiver.rolled_back",
            unit="{dispatch}",
            description="Dispatches that a receiver heard, and whose transaction was rolled back.",
        )
        self._bypasses = meter.create_counter(
            "django.signal.receiver.bypasses",
            unit="{bypass}",
            description="Bulk operations and other bypasses because of which it was not called.",
        )
        self._bypassed_rows = meter.create_counter(
            "django.signal.receiver.bypassed_rows",
            unit="{row}",
            description="Rows that they changed, as far as the number was known.",
        )
        self._traces = meter.create_counter(
            "django.signal.traces", unit="{trace}", description="Traces that the figures are of."
        )
        self._omitted = meter.create_counter(
            "django.signal.omitted",
            unit="{record}",
            description="What these traces did not record, and so is in no other figure.",
        )

    def add(self, trace: Recorded) -> None:
        contents = trace.contents
        for dispatch in _walk(contents):
            for call in dispatch.receiver_calls:
                self._add_call(dispatch.signal, call, contents)
            if dispatch.rolled_back and not dispatch.was_trial:
                called = [call.receiver for call in dispatch.receiver_calls]
                for receiver in dict.fromkeys([*called, *(dispatch.unwatched or ())]):
                    self._rolled_back.add(1, self._pair(dispatch.signal, receiver))
        self._add_bypasses(contents.bypasses)
        self._traces.add(1, {KIND: _kind_of(trace)})
        for reason, number in (
            ("max_dispatches", contents.omitted),
            ("too_deep", contents.too_deep),
            ("too_many_details", contents.omitted_details),
            ("fault", contents.faults),
        ):
            self._omitted.add(number, {REASON: reason})

    def _add_call(self, signal: str, call: ReceiverCall, contents: Contents) -> None:
        if call.outcome != "running":  # Whose time is not known yet.
            timed = self._pair(signal, self._timed_as(call, contents))
            self._own_time.record(call.own_time, timed)
        if call.outcome == "swallowed":
            self._swallowed.add(1, self._pair(signal, call.receiver))
        elif call.outcome == "raised":
            self._raised.add(1, self._pair(signal, call.receiver))
        self._add_bypasses(call.bypasses)

    def _timed_as(self, call: ReceiverCall, contents: Contents) -> str:
        owner = None if self._packages else contents.owner_of(call.defined_at, call.receiver)
        return call.receiver if owner is None or not owner.name else owner.name + _ALL_OF_A_PACKAGE

    def _add_bypasses(self, bypasses: Iterable[Bypass]) -> None:
        for bypass in bypasses:
            for signal, receiver in dict.fromkeys(
                (each.signal, each.receiver) for each in bypass.skipped
            ):
                attributes = self._pair(signal, receiver)
                self._bypasses.add(1, attributes)
                self._bypassed_rows.add(bypass.rows or 0, attributes)

    def _pair(self, signal: str, receiver: str) -> dict[str, str]:
        """The attributes of a pair, or of the other if there is no room for it.

        No lock, which a fork might leave locked: threads that come at once may each be let in.
        """
        pairs = self._pairs
        found = pairs.get((signal, receiver))
        if found is None and len(pairs) >= self._max_pairs:
            signal = receiver = OTHER
            found = pairs.get((OTHER, OTHER))
        if found is None:
            found = {SIGNAL: printable(signal), RECEIVER: printable(receiver)}
            pairs[signal, receiver] = found
            # What first appears as 1 has not increased, as Prometheus sees it: nobody would hear.
            if not receiver.endswith(_ALL_OF_A_PACKAGE):
                for counter in (self._swallowed, self._raised, self._rolled_back):
                    counter.add(0, found)
        return found


def _walk(contents: Contents) -> Iterator[Dispatch]:
    waiting = [*contents.dispatches]
    while waiting:
        dispatch = waiting.pop()
        yield dispatch
        for call in dispatch.receiver_calls:
            waiting += call.dispatches


def _kind_of(trace: Recorded) -> str:
    if trace.task is not None:
        return "task"
    return "other" if trace.request is None else "request"


record = MetricReporter()
