"""Labels of the findings over the museum: whether each is worth reading, by what the code does.

    python tests/packages/labels.py                        what is useful, noise and false, by rule
    python tests/packages/labels.py --prune                the same, and old rows leave the table
    python tests/packages/labels.py --slow 10 --times 10   the receivers that are slow, how often

The labels are in ``findings.toml``. What has none is printed as it has to be entered there, and
what no finding of this run matches is named.

Which receivers are slow differs from run to run and from machine to machine. That rule is no part
of the table: the limit is an hour for the findings that have labels. For it there is the second
form, where a name that is there in some runs only is one that the rule should not give.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TABLE = HERE / "findings.toml"
LABELS = ("useful", "noise", "false")
LEVELS = ("error", "warning", "info")

Found = dict[str, Any]
"""A finding as ``museum/visit.py`` prints it."""


@dataclass(frozen=True)
class Row:
    """One finding of the table, which is known by its slug and names.

    ``where`` tells two apart that have the same: ``package/file.py function``.
    """

    slug: str
    names: tuple[str, ...]
    label: str
    reason: str
    where: str | None = None

    def __post_init__(self) -> None:
        if self.label not in LABELS or not self.reason.strip():
            raise ValueError(f"{self.slug} of {self.names}: a label is one of {LABELS}, and why.")

    def is_of(self, finding: Found) -> bool:
        return (self.slug, self.names) == known_by(finding) and (
            self.where in (None, finding["place"])
        )


def known_by(finding: Found) -> tuple[str, tuple[str, ...]]:
    return finding["slug"], tuple(sorted(finding["names"]))


def table() -> list[Row]:
    return rows_of(TABLE.read_text())


def rows_of(text: str) -> list[Row]:
    return [
        Row(**{**row, "names": tuple(sorted(row["names"]))})
        for row in tomllib.loads(text).get("finding", [])
    ]


def pruned(text: str, unused: Collection[Row]) -> str:
    """The text of the table without some of its rows; what is left stays as it is written."""
    head, *rows = text.split("\n[[finding]]")
    rows = [f"\n[[finding]]{row}" for row in rows]
    return head + "".join(row for row in rows if not set(rows_of(row)) & set(unused))


def visited(*options: str) -> dict[str, Any]:
    """What one visit of the museum prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "visit.py", *options],
        cwd=HERE / "museum",
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"visit.py failed:\n{done.stderr}")
    visit: dict[str, Any] = json.loads(done.stdout)
    return visit


class Labelled:
    """The different findings of a visit, each with its row of the table.

    ``labels`` are by level and slug, each finding once, however often it was there.
    """

    def __init__(self, findings: Iterable[Found], rows: Iterable[Row]) -> None:
        rows = list(rows)
        self.missing: dict[tuple[str, tuple[str, ...]], Found] = {}
        found: dict[Row, str] = {}
        for finding in findings:
            row = next((each for each in rows if each.is_of(finding)), None)
            if row is None:
                self.missing.setdefault(known_by(finding), finding)
            else:
                found[row] = min(finding["level"], found.get(row, "info"), key=LEVELS.index)
        self.unused = [row for row in rows if row not in found]
        self.labels: dict[tuple[str, str], Counter[str]] = {}
        for row, level in found.items():
            self.labels.setdefault((level, row.slug), Counter())[row.label] += 1

    def precision(self) -> Counter[str]:
        """How many are useful, noise and false, of level warning and above."""
        total: Counter[str] = Counter()
        for (level, _), labels in self.labels.items():
            if level != "info":
                total += labels
        return total

    def __str__(self) -> str:
        lines = [f"{'':40}" + "".join(f"{label:>8}" for label in LABELS)]
        by_level = sorted(self.labels.items(), key=lambda each: (LEVELS.index(each[0][0]), each[0]))
        for (level, slug), labels in [
            *by_level,
            (("all of", "warning and above"), self.precision()),
        ]:
            lines.append(f"{f'{level} {slug}':40}" + "".join(f"{labels[x]:8}" for x in LABELS))
        lines += [
            f"No finding any more: {row.slug} of {', '.join(row.names)}" for row in self.unused
        ]
        lines += map(to_be_entered, self.missing.values())
        return "\n".join(lines)


def to_be_entered(finding: Found) -> str:
    """A finding without a label, as ``findings.toml`` wants it."""
    names = "".join(f"    {json.dumps(name)},\n" for name in finding["names"])
    return (
        f"\n# {finding['level']}, {finding['request']}, {finding['place']}\n"
        f"# {finding['message']}\n"
        f'[[finding]]\nslug = "{finding["slug"]}"\nnames = [\n{names}]\n'
        'label = ""\nreason = ""'
    )


def slow(limit: str, times: int) -> str:
    """In how many of some visits each receiver was slow."""
    runs: Counter[tuple[str, str | None]] = Counter()
    for _ in range(times):
        findings = visited("--slow", limit)["findings"]
        runs.update(
            {(each["names"][0], each["owner"]) for each in findings if "slow" in each["slug"]}
        )
    lines = [f"{count} of {times}  {name}  {owner or ''}" for (name, owner), count in runs.items()]
    return "\n".join(sorted(lines, reverse=True)) or "No receiver was slow."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slow", metavar="MS", help="SLOW_RECEIVER_MS: which are slow instead")
    parser.add_argument("--times", type=int, default=3, help="how many visits (default: 3)")
    parser.add_argument("--prune", action="store_true", help="take out rows without a finding")
    options = parser.parse_args()
    if options.slow:
        print(slow(options.slow, options.times))
        return
    labelled = Labelled(visited()["findings"], table())
    print(labelled)
    if options.prune:
        TABLE.write_text(pruned(TABLE.read_text(), labelled.unused))


if __name__ == "__main__":
    main()
