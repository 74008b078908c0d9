"""Known findings, kept in a file: they are shown and do not fail, so that only new ones do.

The file is the same on every machine: it has no line numbers and no paths, and is sorted, with a
line for each finding. It only gets shorter: what is mended leaves it, and nothing is added.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from signal_tracer import plain
from signal_tracer.findings.kinds import LEVELS, Level
from signal_tracer.findings.remarks import Key, Remark, key_of
from signal_tracer.plain import JSON
from signal_tracer.printable import printable
from signal_tracer.wording import plural

FORMAT_VERSION = 1
# What findings were looked for over. Either finds little of what the other does.
Over = Literal["signal_map", "tests", "signal_graph"]
_IN_WORDS: dict[Over, str] = {
    "signal_map": "the signal map",
    "tests": "tests",
    "signal_graph": "a signal graph",
}


class BaselineError(ValueError):
    """A file of known findings that cannot be used: the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class KnownFinding:
    """What a file says of a finding; ``level`` is what it was when it was written."""

    level: Level
    slug: str
    names: tuple[str, ...]

    @property
    def key(self) -> Key:
        return key_of(self.slug, self.names)

    def __str__(self) -> str:
        return printable(f"{self.slug} of {', '.join(self.names)}")


@dataclass(frozen=True, slots=True)
class Baseline:
    """The known findings, and the filters that chose what they were looked for over."""

    over: Over
    filters: dict[str, Any]
    findings: tuple[KnownFinding, ...]

    def to_text(self) -> str:
        """JSON with one line a finding, so that a diff in review is readable."""
        rows = [f"    {json.dumps(plain.write(each))}" for each in self.findings]
        return "\n".join(
            [
                "{",
                f'  "version": {FORMAT_VERSION},',
                f'  "over": {json.dumps(self.over)},',
                f'  "filters": {json.dumps(self.filters, sort_keys=True)},',
                '  "findings": [' if rows else '  "findings": []',
                *([",\n".join(rows), "  ]"] if rows else []),
                "}",
                "",
            ]
        )

    def without(self, mended: Iterable[KnownFinding]) -> Baseline:
        gone = {each.key for each in mended}
        rest = tuple(each for each in self.findings if each.key not in gone)
        return Baseline(self.over, self.filters, rest)


def baseline_of(remarks: Iterable[Remark], over: Over, filters: JSON) -> Baseline:
    """All of them are known from now on."""
    levels: dict[Key, Level] = {}
    for each in remarks:
        levels[each.key] = min(each.level, levels.get(each.key, "info"), key=LEVELS.index)
    known = (KnownFinding(level, slug, names) for (slug, names), level in sorted(levels.items()))
    return Baseline(over, filters, tuple(known))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Findings that nobody knows yet, those that are known, and the known ones that are gone."""

    new: list[Remark]
    known: list[Remark]
    mended: list[KnownFinding]


def compare(baseline: Baseline | None, remarks: Iterable[Remark], at_least: Level) -> Comparison:
    """What of ``remarks`` is new; all of it without a baseline.

    ``at_least``: the level from which up was looked; of what is below nobody knows whether it is
    mended.
    """
    remarks = list(remarks)
    listed = () if baseline is None else baseline.findings
    known, found = {each.key for each in listed}, {each.key for each in remarks}
    looked_for = LEVELS[: LEVELS.index(at_least) + 1]
    return Comparison(
        [each for each in remarks if each.key not in known],
        [each for each in remarks if each.key in known],
        [each for each in listed if each.key not in found and each.level in looked_for],
    )


def load(file: Path, over: Over, *, write: str) -> Baseline:
    """What ``save()`` wrote. ``write``: the command that writes one.

    Raises ``BaselineError`` for a file that is missing, broken, newer, or of something else.
    """
    try:
        data: Any = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BaselineError(f"There is no {file}. Write it first: {write}") from error
    except json.JSONDecodeError as error:
        raise BaselineError(
            f"{file} is not JSON ({error}). Mend it, or remove it and write it again: {write}"
        ) from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or no name.
        raise BaselineError(f"{file} cannot be read ({reason(error)}).") from error
    if not isinstance(data, dict) or not {"version", "findings"} <= data.keys():
        raise BaselineError(
            f"{file} is not a baseline of findings: it has no 'version' and 'findings'. Give "
            f"another file, or write one: {write}"
        )
    version = data.pop("version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise BaselineError(
            f"{file} has version {plain.spell(version)}, and this signal_tracer reads version "
            f"{FORMAT_VERSION}. Install the signal_tracer that wrote it, or remove it and write "
            f"it again: {write}"
        )
    try:
        baseline = plain.read(Baseline, data)
    except plain.DamageError as damage:
        raise BaselineError(
            f"{file} is damaged ({damage}). Mend it, or remove it and write it again: {write}"
        ) from damage
    if baseline.over != over:
        raise BaselineError(
            f"{file} has known findings over {_IN_WORDS[baseline.over]}, and here they are over "
            f"{_IN_WORDS[over]}. Give each a file of its own."
        )
    return baseline


def save(baseline: Baseline, file: Path) -> None:
    """Raises ``BaselineError`` if it cannot be written."""
    try:
        file.write_text(baseline.to_text(), encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have.
        raise BaselineError(
            f"{file} cannot be written ({reason(error)}). Give another file, or make its folder."
        ) from error


def renewed(old: Baseline | None, found: Comparison, over: Over, filters: JSON) -> Baseline:
    """What is to be kept from now on: all that was found, or what is left of ``old``."""
    return baseline_of(found.new, over, filters) if old is None else old.without(found.mended)


def mended(found: Comparison, file: Path, option: str) -> list[str]:
    """What is said of known findings that are gone; ``option`` takes them out of the file."""
    count = plural(len(found.mended), "known finding")
    return [
        f"{count} of {file} mended, which {option} takes out of it:",
        *(f"  {each}" for each in found.mended),
    ]


def written(old: Baseline | None, new: Baseline, found: Comparison, file: Path) -> list[str]:
    """What is said when ``new`` was written in the place of ``old``, and what was not added."""
    if old is None:
        count = plural(len(new.findings), "finding")
        return [f"Kept {count} in {file} as known: from now on only others fail."]
    count = plural(len(old.findings) - len(new.findings), "mended finding")
    left = plural(len(new.findings), "known finding")
    lines = [f"Took {count} out of {file}, and added none: it has {left} left."]
    if found.new:
        lines.append(
            f"{plural(len(found.new), 'new finding')} not added, because {file} only gets "
            "shorter. If they are to be known all the same, remove it and write it again."
        )
    return lines


def reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
