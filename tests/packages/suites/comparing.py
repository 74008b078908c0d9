"""What a signal graph says beside what ``counting.py`` counted, key by key."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from signal_tracer.signal_graph import SignalGraph

Key = tuple[str, ...]

# What EXCLUDE_SIGNALS leaves out of every trace unless a project says otherwise.
EXCLUDED = {"django.core.signals.setting_changed", "django.test.signals.template_rendered"}


def counted(data: dict[str, Any], graph: SignalGraph) -> dict[Key, dict[str, int]]:
    """By key how often in which test, with signals under the one of their names that it says."""
    known = {signal for signal, _ in graph.dispatches}

    def spelled(part: str) -> str:
        names = part.split("|")
        return next((each for each in names if each in known), names[0])

    found: dict[Key, Counter[str]] = defaultdict(Counter)
    for key, by_test in data["counts"]:
        by_test.pop("no test", None)
        if by_test and not EXCLUDED.intersection(key[1].split("|")):
            found[tuple(map(spelled, key))] += Counter(by_test)
    # What Django did not send, since nobody would have heard it, counts as sent to nobody.
    for key in [key for key in found if key[0] == "asked"]:
        found["dispatch", *key[1:]] += found.pop(key)
    return {key: dict(by_test) for key, by_test in found.items()}


def seen(graph: SignalGraph) -> Iterator[tuple[Key, int, int | None, str]]:
    """By key how often, in how many traces (``None`` if it does not say), and an example."""
    for dispatches in graph.dispatches.values():
        yield ("dispatch", *dispatches.key), dispatches.count, dispatches.traces, dispatches.example
        yield ("heard", *dispatches.key), dispatches.count - dispatches.unheard, None, ""
    for calls in graph.calls.values():
        yield ("call", *calls.key), calls.count, calls.traces, calls.example
        yield ("raised", *calls.key), calls.raised, None, ""
        yield ("swallowed", *calls.key), calls.swallowed, None, ""
    for sendings in graph.sendings.values():
        yield ("sending", *sendings.key), sendings.count, sendings.traces, sendings.example


def differences(data: dict[str, Any], graph: SignalGraph) -> list[str]:
    """A line for each key that the two do not agree about."""
    expected = counted(data, graph)
    said = {key: rest for key, *rest in seen(graph) if rest[0]}
    lines = []
    for key in sorted(expected.keys() | said.keys()):
        by_test = expected.get(key, {})
        count, traces, example = said.get(key, (0, 0, ""))
        there = [sum(by_test.values()), len(by_test), min(by_test, default="")]
        if traces is None:
            there[1:] = [None, ""]
        if there != [count, traces, example]:
            lines.append(f"{' > '.join(key)}: counted {there}, graph {[count, traces, example]}")
    return lines + [f"not followed: {each}" for each in data["not_followed"]]
