"""What signal coverage found, as plain data that workers can send and merge."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias

JSON: TypeAlias = "dict[str, Any]"

FORMAT_VERSION = 1

# A receiver that a Signal subclass ran in a loop of its own, or did not, is "not watched".
Outcome = Literal["ran", "never", "not watched"]


@dataclass(frozen=True, slots=True)
class CoveredReceiver:
    """One receiver of the project connected to one signal, and whether it ran through that.

    ``sender`` is ``None`` for any sender. ``number`` tells connections apart that are otherwise
    the same. ``with_run`` says that it was not connected before the first test.
    """

    app: str
    receiver: str
    signal: str
    sender: str | None = None
    file: str | None = None
    line: int | None = None
    dispatch_uid: str | None = None
    number: int = 1
    is_async: bool = False
    with_run: bool = False
    outcome: Outcome = "never"

    @property
    def key(self) -> tuple[object, ...]:
        """Who it is, in whichever process."""
        return (
            self.receiver,
            self.signal,
            self.sender or "",
            self.file or "",
            self.line or 0,
            self.dispatch_uid or "",
            self.number,
        )

    @property
    def place(self) -> str:
        return "" if self.file is None else f"{self.file}:{self.line}"


@dataclass(slots=True)
class SignalCoverage:
    """What was found and what ran.

    ``installed`` and ``in_tests`` count connections that were left out, because their receivers
    belong to installed packages or stand in the tests. ``problem`` says why nothing was found,
    or why some of it is missing.
    """

    receivers: list[CoveredReceiver] = field(default_factory=list)
    installed: int = 0
    in_tests: int = 0
    problem: str | None = None

    @property
    def ran(self) -> int:
        return sum(each.outcome == "ran" for each in self.receivers)

    @property
    def total(self) -> int:
        """How many there are, without those that could not be watched."""
        return sum(each.outcome != "not watched" for each in self.receivers)

    @property
    def percent(self) -> float:
        """Rounded down, so that only all of them are 100."""
        return int(1000 * self.ran / self.total) / 10 if self.total else 0.0

    def by_app(self) -> dict[str, list[CoveredReceiver]]:
        apps: dict[str, list[CoveredReceiver]] = {}
        for each in sorted(self.receivers, key=lambda each: (each.app, *each.key)):
            apps.setdefault(each.app, []).append(each)
        return apps

    def found(self) -> list[str]:
        """How many were found and how, a sentence each."""
        if self.problem and not self.receivers:
            return []
        late = sum(each.with_run for each in self.receivers)
        sentences = [
            (
                "Found by reading the connections of every signal in the process, before the first "
                f"test and after the last: {len(self.receivers) - late:,} of the project, and "
                f"{late:,} more that were connected in between."
            )
        ]
        if self.installed or self.in_tests:
            sentences.append(
                f"Left out: {self.installed:,} of installed packages, {self.in_tests:,} of tests."
            )
        unwatched = len(self.receivers) - self.total
        if unwatched:
            sentences.append(
                f"Not counted: {unwatched:,} that a Signal subclass ran, or did not, in a loop of "
                "its own."
            )
        return sentences

    def to_dict(self) -> JSON:
        return {
            "version": FORMAT_VERSION,
            "ran": self.ran,
            "total": self.total,
            "percent": self.percent,
            "installed": self.installed,
            "in_tests": self.in_tests,
            "problem": self.problem,
            "receivers": [asdict(each) for each in sorted(self.receivers, key=_key)],
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, data: JSON) -> SignalCoverage:
        return cls(
            [CoveredReceiver(**each) for each in data["receivers"]],
            data["installed"],
            data["in_tests"],
            data["problem"],
        )


def _key(receiver: CoveredReceiver) -> tuple[object, ...]:
    return receiver.key


def merge(results: Iterable[SignalCoverage]) -> SignalCoverage:
    """What several processes found together: what ran in one of them ran."""
    merged = SignalCoverage()
    known: dict[tuple[object, ...], CoveredReceiver] = {}
    problems: list[str] = []
    for result in results:
        merged.installed = max(merged.installed, result.installed)
        merged.in_tests = max(merged.in_tests, result.in_tests)
        if result.problem and result.problem not in problems:
            problems.append(result.problem)
        for each in result.receivers:
            earlier = known.get(each.key, each)
            known[each.key] = replace(
                each,
                with_run=earlier.with_run and each.with_run,
                outcome=_better(earlier.outcome, each.outcome),
            )
    merged.receivers = list(known.values())
    merged.problem = " ".join(problems) or None
    return merged


def _better(one: Outcome, other: Outcome) -> Outcome:
    outcomes: tuple[Outcome, ...] = ("ran", "not watched", "never")
    return min(one, other, key=outcomes.index)
