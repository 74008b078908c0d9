"""The steps of one source, laid out as a chain needs them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from signal_tracer.chain import InSource
from signal_tracer.mapping.chains.roots import Root
from signal_tracer.signal_graph import steady_name
from signal_tracer.source_steps import Certainty, SourceStep

_IN_TURN = re.compile(r"super\(|[\w.]+\.(save|delete)\(\s*self\b")
_RANK: dict[Certainty, int] = {"certain": 0, "may": 1, "unknown": 2}


def flat(steps: Iterable[SourceStep]) -> Iterator[SourceStep]:
    for step in steps:
        yield step
        yield from flat(step.steps)


def plain_steps(steps: Iterable[SourceStep]) -> Iterator[SourceStep]:
    """The same with what functions of the project do in place of their calls."""
    for step in steps:
        if step.kind == "call" and step.certainty != "unknown":
            yield from plain_steps(step.steps)
        else:
            yield step


def in_source(step: SourceStep, around: InSource | None) -> InSource:
    """Where it stands; inside a function that is called under a condition, with that as well."""
    conditions = [each for each in (around and around.condition, step.condition) if each]
    worst = max(
        (step.certainty, around.certainty if around else "certain"), key=lambda each: _RANK[each]
    )
    return InSource(step.text, worst, step.location, " ".join(conditions) or None, step.reason)


def goes_on_to_djangos(step: SourceStep) -> bool:
    """Whether it is ``super().save()`` or ``Model.save(self)``, and that is Django's."""
    return bool(step.sends) and _IN_TURN.match(step.text) is not None


def is_in_turn(step: SourceStep, of: Root) -> bool:
    """Whether a model's own ``save()`` or ``delete()`` goes on to Django's by it."""
    return step.kind == of.kind and step.target == of.name and goes_on_to_djangos(step)


def name_of(step: SourceStep) -> str:
    name = step.target or step.text
    return f"task {name}" if step.kind == "task" else name


def is_like(seen: str, written: str) -> bool:
    """Whether a callback or task that was seen is the one that is written so."""
    return steady_name(written) in (seen, seen.removeprefix("partial(").removesuffix(")"))
