"""Damages JSON documents at random, for the tests of everything that reads one.

``DAMAGES=20 pytest -o faulthandler_timeout=0 -k damaged`` tries twenty times as much.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import Any, TypeAlias

from hypothesis import settings
from hypothesis import strategies as st

Container: TypeAlias = "dict[str, Any] | list[Any]"

MORE = int(os.environ.get("DAMAGES", "1"))
SURPRISES = [
    *(None, True, False, 0, 1, -1, 7, 2**53 - 1, 2**53, -(2**70), 1 << 20_000),
    *(0.0, -0.0, 0.5, -0.5, 1e-300, 1e10, 1e11, 1e308, float("nan"), float("inf"), -float("inf")),
    *(
        "",
        "a",
        "None",
        "0",
        "send",
        "raised",
        "ran",
        "any",
        "dead",
        "\ud800",
        "\udfff.b",
        "\x1b[2J",
    ),
    *("\u202e", "%s", "%(receiver)s", "[red]", "x" * 10_000, "2026-03-01T12:30:15"),
    *("2026-03-01T12:30:15+00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *("(pk=", "shop.Order(pk=3)", "django.db.models.signals.post_save", "connected_to_parent"),
    *([], [[]], [None], ["a"], ["a", "a"], [1], [{}]),
    *({}, {"": None}, {"summary": "a"}, {"summary": 1}, {"summary": "a", "more": 1}, {"a": {}}),
]


def tries(number: int) -> settings:
    return settings(max_examples=number * MORE, database=None)


class Damaged:
    """A damaged document; shown as what was done to it, because it may be too deep to be shown."""

    def __init__(self, data: Any, damages: list[str]) -> None:
        self.data = data
        self.damages = damages

    def __repr__(self) -> str:
        return f"Damaged({'; '.join(self.damages)})"


def places_in(data: object) -> Iterator[tuple[Container, Any]]:
    """Every container in ``data`` with every key or index of it, at any depth."""
    waiting = [data]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict | list):
            for key in [*each] if isinstance(each, dict) else range(len(each)):
                yield each, key
                waiting.append(each[key])


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Damaged:
    """``document`` with one to three random damages: of another type or value, gone, doubled."""
    data = json.loads(json.dumps(document))
    told = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        places = list(places_in(data))
        if not places:
            break
        chosen = st.integers(0, len(places) - 1).map(places.__getitem__)
        holder, key = draw(chosen)
        value = holder[key]
        what = draw(st.sampled_from(["replace"] * 6 + ["delete", "copy", "swap", "nest", "add"]))
        told.append(f"{what} {key!r} of {[*holder] if isinstance(holder, dict) else 'a list'}")
        match what:
            case "replace":
                number = draw(st.integers(0, len(SURPRISES) - 1))
                holder[key] = _copy(SURPRISES[number])
                told[-1] += f" by SURPRISES[{number}]"
            case "delete":
                del holder[key]
            case "copy":  # of another place, so that a key or a member stands twice
                other, its_key = draw(chosen)
                _put(holder, key, _copy(other[its_key]))
            case "swap":
                other, its_key = draw(chosen)
                holder[key], other[its_key] = _copy(other[its_key]), _copy(value)
            case "nest":
                holder[key] = draw(st.sampled_from([[value], {"summary": value}, {"a": value}]))
                for _ in range(draw(st.sampled_from([0, 0, 0, 3, 100, 5_000]))):
                    holder[key] = [holder[key]]
            case "add":
                _put(holder, draw(st.sampled_from(["surprise", "", "\ud800", "a b"])), _copy(value))
    return Damaged(data, told)


def _put(holder: Container, key: Any, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    else:
        holder.append(value)


def _copy(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except RecursionError:  # a nest that is deep already
        return None


def is_told(steps: list[Any], data: Any) -> bool:
    """Whether the steps lead into ``data``, but for the last, which may be what is missing."""
    for step in steps[:-1]:
        if not (isinstance(data, dict) and step in data) and not (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        ):
            return False
        data = data[step]
    return isinstance(data, dict | list)
