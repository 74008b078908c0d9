"""Findings as SARIF 2.1.0, which code hosts read to annotate the lines of a review."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from signal_tracer.findings import catalogue
from signal_tracer.findings.kinds import Level
from signal_tracer.findings.remarks import Key, Remark
from signal_tracer.plain import JSON
from signal_tracer.wording import path_within

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: dict[Level, str] = {"error": "error", "warning": "warning", "info": "note"}
_FILLED_IN = re.compile(r"%\((\w+)\)[sd]")


def to_sarif(
    remarks: Iterable[Remark],
    *,
    root: str,
    elsewhere: str,
    version: str,
    known: Collection[Key] | None = None,
) -> JSON:
    """What a ``.sarif`` file holds.

    ``root``: the folder of the sources, from which their paths are given. ``elsewhere``: the file
    that stands for what has no location, since hosts refuse a result without one. ``version``:
    of signal_tracer. ``known``: what a baseline names; without one nothing is said of what is new.
    """
    remarks = list(remarks)
    slugs = sorted({each.slug for each in remarks})
    seen: Counter[Key] = Counter()
    results = []
    for remark in remarks:
        seen[remark.key] += 1
        results.append(
            {
                "ruleId": remark.slug,
                "ruleIndex": slugs.index(remark.slug),
                "level": _LEVELS[remark.level],
                "message": {"text": "\n".join(_texts(remark))},
                "locations": [{"physicalLocation": _location(remark, root, elsewhere)}],
                "partialFingerprints": _fingerprints(remark.key, seen[remark.key]),
                "properties": {"names": list(remark.names)},
                **_baseline_state(remark, known),
            }
        )
    driver = {
        "name": "signal_tracer",
        "version": version,
        "rules": [_rule(slug) for slug in slugs],
    }
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "originalUriBaseIds": {
                    "%SRCROOT%": {"description": {"text": "The root of the repository."}}
                },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _texts(remark: Remark) -> Iterator[str]:
    yield remark.message
    yield remark.advice
    if remark.seen:
        yield f"Seen {remark.seen}."


def _location(remark: Remark, root: str, elsewhere: str) -> JSON:
    place = remark.location
    if place is not None and place.file.startswith("<"):  # Compiled from no file.
        place = None
    file = elsewhere if place is None else place.file
    inside = path_within(file, root)
    artifact = (
        {"uri": Path(file).absolute().as_uri()}
        if inside is None
        else {"uri": quote(inside, errors="backslashreplace"), "uriBaseId": "%SRCROOT%"}
    )
    return {
        "artifactLocation": artifact,
        "region": {"startLine": 1 if place is None else place.line},
    }


def _fingerprints(key: Key, occurrence: int) -> dict[str, str]:
    slug, names = key
    digest = sha256("\n".join([slug, *names]).encode("utf-8", "backslashreplace")).hexdigest()[:32]
    # The second is the one that GitHub compares, and would else make of the text of the line.
    return {
        "signalTracerNames/v1": digest,
        "primaryLocationLineHash": f"{digest[:16]}:{occurrence}",
    }


def _baseline_state(remark: Remark, known: Collection[Key] | None) -> dict[str, Any]:
    if known is None:
        return {}
    if remark.key not in known:
        return {"baselineState": "new"}
    because = {"kind": "external", "justification": "It is in the file of known findings."}
    return {"baselineState": "unchanged", "suppressions": [because]}


def _rule(slug: str) -> JSON:
    kinds = [kind for kind in catalogue.kinds() if kind.slug == slug]
    why = _in_general(kinds[0].why)
    advices = dict.fromkeys(_in_general(kind.advice) for kind in kinds)
    return {
        "id": slug,
        "shortDescription": {"text": f"{kinds[0].title}."},
        "fullDescription": {"text": why},
        "help": {
            "text": "\n".join([why, *advices]),
            "markdown": "\n".join([why, "", *(f"- {each}" for each in advices)]),
        },
        "defaultConfiguration": {"level": _LEVELS[kinds[0].level]},
    }


def _in_general(template: str) -> str:
    """A template of the catalogue where nothing fills it in: ``RECEIVER`` for the receiver."""
    return _FILLED_IN.sub(lambda found: found[1].replace("_", " ").upper(), template)
