"""What a graph has of a chain, by the names that it has for everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from signal_tracer.chain import Seen, StepKind
from signal_tracer.describing.names import namespace_of
from signal_tracer.mapping.chains.roots import ROWS, Root
from signal_tracer.mapping.chains.written import is_like
from signal_tracer.signal_graph import (
    SeenCalls,
    SeenDispatches,
    SeenSendings,
    SignalGraph,
    median_duration,
    median_queries,
    steady_name,
    steady_sender,
    steady_signal,
)
from signal_tracer.source_steps import SourceStep

# What a method sends to the database by its name; any other by what it does. The last is private,
# and the same in Django 5.2, 6.0 and 6.1.
_VERBS_OF_METHOD = {
    "create": ("INSERT",),
    "bulk_create": ("INSERT",),
    "update": ("UPDATE",),
    "bulk_update": ("UPDATE",),
    "_raw_delete": ("DELETE",),
}
_VERBS: dict[str, tuple[str, ...]] = {
    "save": ("INSERT", "UPDATE"),
    "delete": ("DELETE",),
    "bulk": ("INSERT", "UPDATE", "DELETE"),
}


@dataclass(slots=True)
class Doer:
    """Whose doing steps are: a receiver, or whoever begins the chain, and what was seen of it."""

    call: SeenCalls | None = None
    written: tuple[SourceStep, ...] = ()
    """What its source shows, all of it, in one row."""
    sendings: dict[tuple[str, str], list[SeenSendings]] = field(default_factory=dict)
    is_read: bool = False
    """Whether its source was looked at."""
    is_watched: bool = False
    """Whether a graph would have what it does: that knows of receivers, and of no others."""

    def sent(self, signal: str, sender: str) -> Seen | None:
        edges = self.sendings.get(key_of(signal, sender))
        if not edges:
            return None
        if not is_of_one(signal, sender):
            return Seen(0)
        return Seen(
            sum(each.count for each in edges),
            traces=max(each.traces for each in edges),
            example=min(each.example for each in edges),
        )

    def did(self, what: dict[str, int], name: str) -> Seen | None:
        """How often its calls did it: of that there are neither traces nor an example."""
        return Seen(what[name]) if name in what else None

    def did_like(self, what: dict[str, int], name: str) -> Seen | None:
        """The same of what is written so in the source."""
        return next((Seen(what[each]) for each in what if is_like(each, name)), None)


class Watched:
    """The graph of a chain, if there is one."""

    def __init__(self, graph: SignalGraph | None, models: dict[str, Any]) -> None:
        self.graph = graph
        self._models = models

    def dispatches(self, signal: str, sender: str) -> SeenDispatches | None:
        return None if self.graph is None else self.graph.dispatches.get(key_of(signal, sender))

    def call(self, signal: str, sender: str, receiver: str) -> SeenCalls | None:
        if self.graph is None:
            return None
        key = (*key_of(signal, sender), steady_name(receiver))
        if key not in self.graph.calls and signal != key[0] and sender == "None":
            # Of what signals without a name were sent with it is only known that it was all that.
            same = (each for each in self.graph.calls if each[::2] == key[::2])
            key = next(same, key)
        return self.graph.calls.get(key)

    def calls_of(self, signal: str, sender: str) -> list[SeenCalls]:
        """Not of one signal without a name: they may be of any other."""
        if self.graph is None or signal != steady_signal(signal):
            return []
        return self.graph.calls_of(*key_of(signal, sender))

    # Rows that were written

    def rows(self, root: Root, doer: Doer | None, method: str) -> Seen | None:
        """By the signals that were sent, or by what was written to the table."""
        signals = ROWS["save" if root.kind == "save" else "delete"]
        if doer is None:
            found = [of_dispatches(self.dispatches(signal, root.name)) for signal in signals]
        else:
            found = [doer.sent(signal, root.name) for signal in signals]
        found.append(self.written_to(root.kind, root.name, doer, method))
        return max((each for each in found if each is not None), key=by_count, default=None)

    def written_to(self, kind: StepKind, name: str, doer: Doer | None, method: str) -> Seen | None:
        """How often the table was written to in the way of the method, and in no other."""
        others = self._verbs_of_others(kind, name, doer)
        counts = self._writes(kind, name, doer, method)
        found = [count for verb, count in counts.items() if verb not in others]
        return Seen(sum(found)) if found else None

    def is_mixed_up(self, kind: StepKind, name: str, doer: Doer | None, method: str) -> bool:
        """Whether the table was written to in the way of the method, and in others as well."""
        counts = self._writes(kind, name, doer, method)
        return not self._verbs_of_others(kind, name, doer).isdisjoint(counts)

    def _writes(self, kind: StepKind, name: str, doer: Doer | None, method: str) -> dict[str, int]:
        """How often the table was written to in the way of the method, or in any, by verb."""
        model = self._models.get(name)
        if model is None or doer is None or doer.call is None:
            return {}
        if kind == "save" and not self._is_saved_unheard(name):
            return {}
        # Not documented, and the same in Django 5.2, 6.0 and 6.1: db_table.
        table = namespace_of(model)["_meta"].db_table
        counts = {verb: doer.call.writes.get(f"{verb} {table}", 0) for verb in _verbs(kind, method)}
        return {verb: count for verb, count in counts.items() if count}

    def _is_saved_unheard(self, name: str) -> bool:
        """Whether rows of the model were saved, and the graph does not tell by whom.

        Each save sends both signals; who sent one is known as soon as somebody hears it.
        """
        found = [self.dispatches(signal, name) for signal in ROWS["save"]]
        seen = [each for each in found if each is not None]
        return bool(seen) and all(each.unheard for each in seen)

    def _verbs_of_others(self, kind: StepKind, name: str, doer: Doer | None) -> set[str]:
        """How the table is written to by what goes another way: past the signals, or not."""
        if doer is None:
            return set()
        kinds: tuple[StepKind, ...] = ("bulk",)
        is_sent = any(doer.sent(signal, name) is not None for signal in ROWS["save"])
        if kind == "bulk":
            is_saved = is_sent or self._is_saved_unheard(name)
            kinds = ("save", "delete") if is_saved else ("delete",)
        steps = [each for each in doer.written if each.kind in kinds and each.target == name]
        found = {verb for each in steps for verb in _verbs(each.kind, each.method)}
        if kind == "bulk" and is_sent and all(each.kind != "save" for each in steps):
            found.update(_VERBS["save"])
        for bypass in doer.call.bypasses if doer.call is not None and kind != "bulk" else ():
            model, _, operation = bypass.removesuffix("()").rpartition(".")
            if model == name:
                found.update(_verbs("bulk", operation))
        return found


def key_of(signal: str, sender: str) -> tuple[str, str]:
    return steady_signal(signal), steady_sender(sender)


def is_of_one(signal: str, sender: str) -> bool:
    """Whether what a graph has by their names is of these alone."""
    return key_of(signal, sender) == (signal, sender)


def of_dispatches(seen: SeenDispatches | None) -> Seen | None:
    if seen is None:
        return None
    return Seen(
        seen.count,
        traces=seen.traces,
        example=seen.example,
        raised=seen.raised,
        rolled_back=seen.rolled_back,
    )


def of_calls(seen: SeenCalls | None) -> Seen | None:
    if seen is None:
        return None
    return Seen(
        seen.count,
        traces=seen.traces,
        example=seen.example,
        duration=median_duration(seen),
        queries=median_queries(seen),
        raised=seen.raised,
        swallowed=seen.swallowed,
        cancelled=seen.cancelled,
        errors=tuple(sorted(seen.errors)),
        writes=tuple(sorted(seen.writes)),
    )


def by_count(seen: Seen) -> int:
    return seen.count


def _verbs(kind: str, method: str) -> set[str]:
    """What the method sends to the database; one whose name says nothing, by its kind."""
    return {*_VERBS_OF_METHOD.get(method, _VERBS[kind])}
