"""The rules over a signal graph: what only many traces together show."""

from __future__ import annotations

from collections.abc import Iterator

from signal_tracer.findings.catalogue import LONG_CHAIN, SIGNAL_CYCLE, SINGLE_LISTENER
from signal_tracer.findings.kinds import Finding
from signal_tracer.findings.source import Sources
from signal_tracer.findings.walk import whose
from signal_tracer.graph.questions import Questions, Step, Steps
from signal_tracer.phrases import At, Names
from signal_tracer.records import Location, Owner
from signal_tracer.signal_graph import SignalGraph
from signal_tracer.signal_map import Connection, MappedSignal, SignalMap

# One more is deep for a single trace already, which says so: see deep-nesting.
MOST_BELOW_EACH_OTHER = 4


class Surroundings:
    """A graph, and what the process knows of the names in it: a graph has no lines."""

    def __init__(self, graph: SignalGraph, signal_map: SignalMap) -> None:
        self.questions = Questions(graph)
        self.sources = Sources(signal_map)
        self.owners = {each.receiver: each.owner for each in graph.calls.values()}
        self.signals = {each.name: each for each in signal_map.signals}
        self._by_receiver: dict[str, Connection] = {}
        for _, connection in signal_map.walk():
            self._by_receiver.setdefault(connection.receiver, connection)

    def place_of(self, receiver: str) -> Location | None:
        """Where it is defined; ``None`` for one that is not connected in this process."""
        found = self._by_receiver.get(receiver)
        return None if found is None else found.defined_at

    def app_of(self, receiver: str) -> str | None:
        found = self._by_receiver.get(receiver)
        return None if found is None else found.app

    def whose(self, steps: Steps) -> Owner:
        return whose(self.owners.get(step.receiver) for step in steps)

    def nearest(self, steps: Steps) -> Location | None:
        """The place of the first receiver that is known to stand somewhere, best of the project."""
        receivers = sorted(
            (step.receiver for step in steps),
            key=lambda receiver: self.owners[receiver].kind != "project",
        )
        return next(filter(None, map(self.place_of, receivers)), None)


def cycles(around: Surroundings) -> Iterator[Finding]:
    for steps in around.questions.cycles():
        if _is_of_one(steps):
            continue
        place = around.nearest(steps)
        receivers = [step.receiver for step in steps]
        yield Finding(
            SIGNAL_CYCLE,
            {
                "way": "; ".join(map(_said, steps)),
                "receivers": Names.of(receivers),
                "place": At(place),
            },
            names=tuple(dict.fromkeys([*receivers, *(each.heard.signal for each in steps)])),
            location=place,
            owner=around.whose(steps),
        )


def _said(step: Step) -> str:
    return f"{step.heard.doing} runs {step.receiver}, which {step.sent.does}"


def _is_of_one(steps: Steps) -> bool:
    """Whether a row is saved again by its own receivers: a trace says that, as a recursion."""
    return len({step.heard.sender if step.heard.is_of_rows else step.heard for step in steps}) == 1


def long_chains(around: Surroundings) -> Iterator[Finding]:
    for chain in around.questions.chains():
        receivers = [step.receiver for step in chain.steps]
        if chain.length <= MOST_BELOW_EACH_OTHER:
            continue
        place = around.nearest(chain.steps)
        yield Finding(
            LONG_CHAIN,
            {
                "length": chain.length,
                "way": chain.way,
                "place": At(place),
            },
            names=tuple(dict.fromkeys([*receivers, chain.steps[0].heard.signal])),
            location=place,
            owner=around.whose(chain.steps),
        )


def single_listeners(around: Surroundings) -> Iterator[Finding]:
    for alone in around.questions.alone():
        signal = around.signals.get(alone.signal)
        if signal is None or not _is_of_one_app(signal, alone.receiver, around):
            continue
        places = around.sources.places_that_send(signal.name)
        if places is None or len(places) != 1:
            continue
        yield Finding(
            SINGLE_LISTENER,
            {
                "signal": signal.name,
                "receiver": alone.receiver,
                "sent_from": At(places[0]),
                "place": At(signal.defined_at),
            },
            names=(signal.name, alone.receiver),
            location=signal.defined_at,
            owner=alone.owner,
        )


def _is_of_one_app(signal: MappedSignal, receiver: str, around: Surroundings) -> bool:
    """Whether the project has signal and receiver in one app, and nobody else is connected."""
    return (
        signal.is_project
        and [each.receiver for each in signal.connections] == [receiver]
        and signal.app is not None
        and signal.app == around.app_of(receiver)
    )


# In the order in which findings of one level are shown.
RULES = (cycles, long_chains, single_listeners)
