"""Findings of a whole test run: gathered in each process, merged, and said once at its end."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from signal_tracer import __version__, baseline, plain
from signal_tracer.baseline import Baseline, BaselineError, Comparison
from signal_tracer.findings import catalogue, over_trace
from signal_tracer.findings.kinds import LEVELS, Level
from signal_tracer.findings.remarks import Key, Remark, in_order, key_of, remark_of
from signal_tracer.mapping import settings_file
from signal_tracer.plain import JSON
from signal_tracer.records import MOST, Count
from signal_tracer.showing.export.github import workflow_commands
from signal_tracer.showing.export.sarif import to_sarif
from signal_tracer.trace import Trace
from signal_tracer.wording import location_of, plural, printable, source_root


@dataclass(frozen=True, slots=True)
class Sighting:
    """A finding and where it was seen.

    ``tests``: by name, each with its number in the order of collection; ``first`` is the number
    of the one that ``remark`` is from. ``fixtures``: what tests share, and so does not belong to
    the one that happens to come first.
    """

    remark: Remark
    first: Count
    tests: dict[str, Count] = field(default_factory=dict)
    fixtures: dict[str, Count] = field(default_factory=dict)

    def joined(self, other: Sighting) -> Sighting:
        """Both as one. What is said is the worst, of the first test, whoever saw it first."""
        one = min(self, other, key=lambda each: each._rank())
        tests, fixtures = self.tests | other.tests, self.fixtures | other.fixtures
        return Sighting(one.remark, one.first, tests, fixtures)

    def _rank(self) -> tuple[object, ...]:
        remark = self.remark
        level = LEVELS.index(remark.level)
        return not remark.is_projects, level, self.first, remark.message, str(remark.location)

    def told(self) -> Remark:
        """The finding, which says in how many tests it was seen, and the first of them."""
        where = [
            next(iter(names)) if len(names) == 1 else plural(len(names), what)
            for names, what in ((self.tests, "test"), (self.fixtures, "shared fixture"))
            if names
        ]
        first = min(self.tests, key=lambda name: (self.tests[name], name), default="")
        is_first = f", first {first}" if len(self.tests) > 1 else ""
        return replace(self.remark, seen=printable(f"in {' and '.join(where)}{is_first}"))


@dataclass(slots=True)
class Gathered:
    """What one process saw, or several. ``not_kept``: dispatches that were only counted.

    ``is_whole``: nothing was left out, and all tests passed, so that what was not seen is gone.
    """

    sightings: dict[Key, Sighting] = field(default_factory=dict)
    hidden: set[Key] = field(default_factory=set)
    not_kept: int = 0
    is_whole: bool = True

    def note(self, trace: Trace, at_least: Level, **where: dict[str, int]) -> None:
        """What is worth attention in the trace of a test, or of a shared fixture."""
        wanted = LEVELS[: LEVELS.index(at_least) + 1]
        found = over_trace(trace)
        self.not_kept += trace.omitted + trace.too_deep
        self.hidden |= {key_of(each.slug, each.names) for each in found.hidden}
        for finding in found.shown:
            # What is slow differs from run to run, unless somebody has said what is.
            is_guessed = finding.slug == "slow-receiver" and trace.slow_share > 0
            if finding.level in wanted and not is_guessed:
                # Once in a process, in whichever of its tests comes first.
                by_import = finding.kind is catalogue.CONNECTED_BY_IMPORT
                seen = {"fixtures": {"the first test that imports it": 0}} if by_import else where
                first = min(seen.get("tests", {}).values(), default=MOST)
                self._add(Sighting(remark_of(finding), first, **seen))

    def _add(self, sighting: Sighting) -> None:
        key = sighting.remark.key
        seen = self.sightings.get(key)
        self.sightings[key] = sighting if seen is None else seen.joined(sighting)

    def join(self, other: Gathered) -> None:
        for each in other.sightings.values():
            self._add(each)
        self.hidden |= other.hidden
        self.not_kept += other.not_kept
        self.is_whole &= other.is_whole

    def to_text(self) -> str:
        """For another process, with nothing that its channel could not carry."""
        return json.dumps(
            {
                "sightings": [plain.write(each) for each in self.sightings.values()],
                "hidden": sorted(self.hidden),
                "not_kept": self.not_kept,
                "is_whole": self.is_whole,
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Gathered:
        data: JSON = json.loads(text)
        gathered = cls(
            hidden={(slug, tuple(names)) for slug, names in data["hidden"]},
            not_kept=data["not_kept"],
            is_whole=data["is_whole"],
        )
        for each in data["sightings"]:
            gathered._add(plain.read(Sighting, each))
        return gathered


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line; files from where pytest was started."""

    at_least: Level
    baseline: Path | None = None
    is_written: bool = False
    sarif: Path | None = None
    for_github: bool = False
    tests: tuple[str, ...] = ()

    @property
    def filters(self) -> dict[str, Any]:
        """Of the run: those tests that were asked for by name or folder."""
        return {"tests": list(self.tests)} if self.tests else {}

    def known(self) -> Baseline | None:
        """What the baseline names. Raises ``BaselineError`` if it cannot be used."""
        if self.baseline is None or (self.is_written and not self.baseline.exists()):
            return None
        write = f"pytest --signal-findings={self.at_least} --signal-baseline={self.baseline} "
        return baseline.load(self.baseline, "tests", write=f"{write}--signal-write-baseline")


@dataclass(slots=True)
class Review:
    """What is said at the end of the run: ``said``, and in ``failures`` why it fails."""

    said: list[str]
    failures: list[str]


def review(
    gathered: Gathered,
    asked: Asked,
    known: Baseline | None,
    test_files: Collection[str],
    folder: Path,
) -> Review:
    """Compare, write what is asked for, and say it. ``folder``: where pytest was started."""
    told = in_order(each.told() for each in gathered.sightings.values())
    of_project = [each for each in told if each.is_projects]
    # A test that sets up its rows in bulk, say, is not what anybody wants to hear of.
    of_tests = [each for each in of_project if each.location and each.location.file in test_files]
    counting = [each for each in of_project if each not in of_tests]
    found = baseline.compare(known, counting, asked.at_least)
    result = Review([*_lines(found)], [])
    result.said += _folds([each for each in told if not each.is_projects], of_tests)
    result.said += _left_out(gathered)
    is_whole = gathered.is_whole and (known is None or known.filters == asked.filters)
    if asked.is_written:
        _write_baseline(asked, known, found, result, is_whole=is_whole)
    elif found.mended and asked.baseline is not None:
        result.said += _mended(found, asked.baseline, is_whole=is_whole)
    if found.new and not (asked.is_written and known is None and is_whole):
        new = "finding" if known is None else "new finding"
        worse = "" if asked.at_least == "error" else " or worse"
        result.failures.append(f"{plural(len(found.new), new)} of level {asked.at_least}{worse}")
    _take_away(counting, found, asked, result, folder)
    return result


def _lines(found: Comparison) -> Iterator[str]:
    if not (found.new or found.known):
        yield "No findings."
    for each in found.new:
        yield f"{each.level} {each.slug}: {each.message}"
        yield f"  {location_of(each.location)}, {each.seen}"
        yield f"  {each.advice}"
    for each in found.known:
        yield f"known {each.level} {each.slug}: {each.message}"
        yield f"  {location_of(each.location)}, {each.seen}"


def _folds(of_packages: list[Remark], of_tests: list[Remark]) -> Iterator[str]:
    if of_packages:
        counted = Counter(each.owner.name for each in of_packages)
        most_first = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
        packages = ", ".join(f"{name} {count}" for name, count in most_first)
        yield (
            f"{plural(len(of_packages), 'finding')} in installed packages, which do not count: "
            f"{packages}."
        )
    if of_tests:
        yield f"{plural(len(of_tests), 'finding')} at lines of the tests, which do not count."


def _left_out(gathered: Gathered) -> Iterator[str]:
    if gathered.hidden:
        count = plural(len(gathered.hidden), "finding")
        yield f"{count} not shown, because IGNORE_FINDINGS names them."
    if gathered.not_kept:
        count = plural(gathered.not_kept, "dispatch", "dispatches")
        yield (
            f"{count} only counted, with whatever is to be found there. Raise "
            "SIGNAL_TRACER['MAX_DISPATCHES'] for the tests."
        )


def _mended(found: Comparison, file: Path, *, is_whole: bool) -> Iterator[str]:
    if is_whole:
        yield from baseline.mended(found, file, "--signal-write-baseline")
        return
    count = plural(len(found.mended), "known finding")
    yield (
        f"{count} of {file} not seen. Whether they are mended is not known: not all the tests ran "
        "that it was written with, or some failed."
    )


def _write_baseline(
    asked: Asked, known: Baseline | None, found: Comparison, result: Review, *, is_whole: bool
) -> None:
    file = asked.baseline
    if file is None:
        return
    if not is_whole:
        result.failures.append(
            f"{file} was not written: not all the tests ran that it is about, or some failed"
        )
        return
    new = baseline.renewed(known, found, "tests", asked.filters)
    try:
        baseline.save(new, file)
        result.said += baseline.written(known, new, found, file)
    except BaselineError as error:
        result.failures.append(str(error))


def _take_away(
    remarks: Iterable[Remark], found: Comparison, asked: Asked, result: Review, folder: Path
) -> None:
    """The findings for a code host, as a file or as lines that it reads."""
    root = source_root(str(folder))
    if asked.sarif is not None:
        known = None if asked.baseline is None else {each.key for each in found.known}
        elsewhere = settings_file() or os.path.join(root, "manage.py")
        data = to_sarif(remarks, root=root, elsewhere=elsewhere, version=__version__, known=known)
        try:
            asked.sarif.write_text(f"{json.dumps(data, indent=2)}\n", encoding="utf-8")
            result.said.append(f"Written: {asked.sarif}")
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have.
            result.failures.append(
                f"{asked.sarif} cannot be written ({baseline.reason(error)}). Give another "
                "file: --signal-sarif=FILE"
            )
    if asked.for_github:
        result.said += workflow_commands(found.new, root=root)
