"""Signal coverage is measured in one process: what is connected, and what ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace

from signal_tracer.collecting import counting, signals
from signal_tracer.collecting.counting import Counting, Ran
from signal_tracer.conf import settings_can_be_read
from signal_tracer.coverage.result import CoveredReceiver, Outcome, SignalCoverage
from signal_tracer.mapping import read_map
from signal_tracer.signal_map import Connection, MappedSignal
from signal_tracer.wording import short_path

NO_SETTINGS = "Django has no settings here: nothing is connected, and nothing was looked for."


class Measuring:
    """From the first test to the last."""

    def __init__(self) -> None:
        signals.install()
        self._counting = counting.start()
        self._before = _connected()

    def go_on(self) -> None:
        """To be called before each test: the one before may have uninstalled what watches."""
        signals.install()

    def end(self, test_files: Collection[str]) -> SignalCoverage:
        """What was found. Receivers in ``test_files`` are not the project's."""
        counting.stop()
        if not settings_can_be_read():
            return SignalCoverage(problem=NO_SETTINGS)
        numbers: Counter[CoveredReceiver] = Counter()
        result = SignalCoverage()
        for key, (signal, connection) in {**_connected(), **self._before}.items():
            location = connection.defined_at
            if not connection.is_project:
                result.installed += 1
            elif location is not None and location.file in test_files:
                result.in_tests += 1
            else:
                uid = connection.dispatch_uid
                found = CoveredReceiver(
                    app=connection.app or "?",
                    receiver=connection.receiver,
                    signal=signal.name,
                    sender=connection.sender,
                    file=None if location is None else short_path(location.file),
                    line=None if location is None else location.line,
                    # Anything but a text may be another one in the next process: a hash is.
                    dispatch_uid=uid if isinstance(uid, str) else None,
                    is_async=bool(connection.is_async),
                )
                numbers[found] += 1
                result.receivers.append(
                    replace(
                        found,
                        number=numbers[found],
                        with_run=key not in self._before,
                        outcome=_outcome(self._counting, key),
                    )
                )
        return result


def _connected() -> dict[Ran, tuple[MappedSignal, Connection]]:
    """Every connection of a live receiver, under what it is noted as when it runs."""
    return dict(_walk()) if settings_can_be_read() else {}


def _walk() -> Iterator[tuple[Ran, tuple[MappedSignal, Connection]]]:
    for signal, connection in read_map(with_source=False).walk():
        if connection.state != "dead":
            key = Ran(
                signal.name,
                connection.sender,
                connection.receiver,
                connection.defined_at,
                connection.dispatch_uid,
            )
            yield key, (signal, connection)


def _outcome(counted: Counting, key: Ran) -> Outcome:
    if key in counted.ran:
        return "ran"
    return "not watched" if key in counted.handed_over else "never"
