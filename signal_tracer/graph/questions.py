"""Questions that a graph answers: what goes round, how far it goes, what costs, who is alone.

A link says that it was seen. Whether all links of a chain or of a cycle were seen in one go a graph
does not know: it joins what was seen apart as well.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from signal_tracer import plain
from signal_tracer.graph.words import Sent, is_of_tests
from signal_tracer.plain import JSON
from signal_tracer.records import DJANGO, Owner, Seconds, Share
from signal_tracer.signal_graph import SeenCalls, SignalGraph

Steps: TypeAlias = "tuple[Step, ...]"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """A receiver that heard one thing and sent another, which somebody heard."""

    heard: Sent
    receiver: str
    sent: Sent


@dataclass(frozen=True, slots=True)
class Chain:
    """The longest way down from something that was sent: each step hears what the one before sent.

    ``ends``: the receivers that hear what the last one sent.
    """

    steps: Steps
    ends: tuple[str, ...]
    alike: int = 0
    """How many other things that are sent lead down in the same way."""

    @property
    def length(self) -> int:
        """How many receivers stand below each other."""
        return len(self.steps) + 1

    @property
    def way(self) -> str:
        """``saving shop.Order > billing.write_invoice saves billing.Invoice > crm.note``"""
        way = way_of(self.steps, self.alike)
        return f"{way} > {', '.join(self.ends)}" if self.ends else way


def way_of(steps: Steps, alike: int = 0) -> str:
    more = f" and {alike} more" if alike else ""
    links = (f"{step.receiver} {step.sent.does}" for step in steps)
    return " > ".join([f"{steps[0].heard.doing}{more}", *links])


@dataclass(frozen=True, slots=True)
class Cost:
    """What one receiver took, whatever it heard."""

    receiver: str
    owner: Owner
    count: int
    own_time: Seconds
    """Without what was sent in its calls."""
    share: Share
    """Of the own time of all receivers, those that are left out among them."""
    queries: int


@dataclass(frozen=True, slots=True)
class Hub:
    """Something that is sent, by how much hangs together there."""

    sent: Sent
    senders: int
    """How many receivers send it."""
    receivers: int
    """How many hear it."""
    below: int
    """How many run because of it in the end, those that hear it among them."""


@dataclass(frozen=True, slots=True)
class Alone:
    """A signal of one's own that was sent in one way, and that one receiver heard."""

    signal: str
    receiver: str
    owner: Owner
    sent_by: str
    """The one receiver that sent it; empty if none did, but code outside of receivers."""
    count: int


class Questions:
    """Of one graph: the answers stand in an order that depends on nothing but the graph.

    Django's own receivers and those of test modules are left out, and with ``project_only`` those
    of packages. ``foreign``: signals that are not the project's, as far as that is known.
    """

    def __init__(
        self, graph: SignalGraph, *, project_only: bool = False, foreign: Collection[str] = ()
    ) -> None:
        self._graph = graph
        self._foreign = foreign
        self._calls: dict[Sent, list[SeenCalls]] = {}
        for call in (each for _, each in sorted(graph.calls.items())):
            is_of_others = call.owner.kind != "project" if project_only else call.owner == DJANGO
            if not is_of_others and not is_of_tests(call.receiver):
                self._calls.setdefault(Sent(call.signal, call.sender), []).append(call)

    @property
    def graph(self) -> SignalGraph:
        return self._graph

    @property
    def receivers(self) -> int:
        """How many there are, each counted once."""
        return len({call.receiver for calls in self._calls.values() for call in calls})

    def to_dict(self, most: int) -> JSON:
        """The first ``most`` answers to each question, holding only what JSON holds."""
        graph = self._graph
        return {
            "traces": graph.traces,
            "dispatches": sum(each.count for each in graph.dispatches.values()),
            "omitted": graph.omitted + graph.unrecorded,
            "cycles": [[*map(plain.write, steps)] for steps in self.cycles()[:most]],
            "chains": [*map(plain.write, self.chains()[:most])],
            "costs": [*map(plain.write, self.costs()[:most])],
            "hubs": [*map(plain.write, self.hubs()[:most])],
            "alone": [*map(plain.write, self.alone()[:most])],
        }

    # What leads to what

    @cached_property
    def steps(self) -> list[Step]:
        asked = {(sent, call.receiver) for sent, calls in self._calls.items() for call in calls}
        found = {
            Step(
                Sent(each.signal, each.sender),
                each.receiver,
                Sent(each.sent_signal, each.sent_sender),
            )
            for each in self._graph.sendings.values()
        }
        return sorted(
            each
            for each in found
            if (each.heard, each.receiver) in asked and each.sent in self._calls
        )

    @cached_property
    def _onward(self) -> dict[Sent, list[Step]]:
        found: dict[Sent, list[Step]] = {sent: [] for sent in self._calls}
        for step in self.steps:
            found[step.heard].append(step)
        return found

    def _way(self, start: Sent) -> dict[Sent, Step]:
        """All that is sent because of ``start``, each with the last step of a shortest way."""
        came_by: dict[Sent, Step] = {}
        waiting = [start]
        for sent in waiting:  # It grows: breadth first.
            for step in self._onward[sent]:
                if step.sent not in came_by:
                    came_by[step.sent] = step
                    waiting.append(step.sent)
        return came_by

    @cached_property
    def _ways(self) -> dict[Sent, dict[Sent, Step]]:
        return {sent: self._way(sent) for sent in self._calls}

    # The questions

    def cycles(self) -> list[Steps]:
        """A shortest way round through each thing that is sent because of itself.

        Each once, beginning with the first of it by the alphabet; the shortest first.
        """
        found: set[Steps] = set()
        for start, came_by in self._ways.items():
            if start in came_by:
                way = [came_by[start]]
                while way[-1].heard != start:
                    way.append(came_by[way[-1].heard])
                way.reverse()
                first = way.index(min(way))
                found.add((*way[first:], *way[:first]))
        return sorted(found, key=lambda each: (len(each), each))

    def chains(self) -> list[Chain]:
        """The longest way down from each thing that was sent outside of receivers.

        The longest first. A cycle is not followed, nor what is sent for each row that is loaded.
        What is the end of a longer chain is left out, and what only begins with another sender is
        counted.
        """
        longest: dict[Sent, Steps] = {}
        # Whatever is sent because of another has less below it.
        for sent in sorted(self._calls, key=lambda each: len({each, *self._ways[each]})):
            onward = (step for step in self._onward[sent] if self._leads_down(step))
            ways = ((step, *longest[step.sent]) for step in onward)
            longest[sent] = max(ways, key=len, default=())
        starts = [longest[sent] for sent in self._calls if longest[sent] and self._begins(sent)]
        alike: dict[Hashable, list[Steps]] = {}
        tails: set[Steps] = set()
        for steps in sorted(starts, key=lambda each: (-len(each), each)):
            if steps not in tails:
                tails.update(steps[number:] for number in range(len(steps)))
                below = tuple((step.receiver, step.sent) for step in steps)
                alike.setdefault((steps[0].heard.signal, below), []).append(steps)
        return [
            Chain(
                same[0],
                tuple(call.receiver for call in self._calls[same[0][-1].sent]),
                len(same) - 1,
            )
            for same in alike.values()
        ]

    def _leads_down(self, step: Step) -> bool:
        goes_round = step.sent == step.heard or step.heard in self._ways[step.sent]
        # Whoever loads a row sends it on to those who hear all that are loaded.
        return not goes_round and not step.sent.is_of_instances

    def _begins(self, sent: Sent) -> bool:
        """Whether no chain leads to it: it was sent by code, or what leads to it goes round."""
        seen = self._graph.dispatches.get((sent.signal, sent.sender))
        return seen is None or seen.outside > 0 or sent in self._ways[sent]

    def costs(self) -> list[Cost]:
        """What each receiver took over all, the most first; where that is the same, by queries."""
        whole = sum(call.own_time for call in self._graph.calls.values())
        found: dict[str, list[SeenCalls]] = {}
        for calls in self._calls.values():
            for call in calls:
                found.setdefault(call.receiver, []).append(call)
        costs = [
            Cost(
                receiver,
                calls[0].owner,
                sum(call.count for call in calls),
                (own := sum(call.own_time for call in calls)) / 1e9,
                own / whole if whole else 0.0,
                sum(call.queries for call in calls),
            )
            for receiver, calls in found.items()
        ]
        return sorted(costs, key=lambda each: (-each.own_time, -each.queries, each.receiver))

    def hubs(self) -> list[Hub]:
        """What more than one receiver sends or hears, by how many ways lead through it."""
        senders: dict[Sent, set[str]] = {}
        for step in self.steps:
            senders.setdefault(step.sent, set()).add(step.receiver)
        hubs = [
            Hub(sent, len(senders.get(sent, ())), len(calls), self._count_below(sent))
            for sent, calls in self._calls.items()
        ]
        hubs = [each for each in hubs if each.senders > 1 or each.receivers > 1]
        return sorted(
            hubs, key=lambda each: (-(each.senders or 1) * each.receivers, -each.below, each.sent)
        )

    def _count_below(self, sent: Sent) -> int:
        below = {sent, *self._ways[sent]}
        return len({call.receiver for each in below for call in self._calls[each]})

    def alone(self) -> list[Alone]:
        """Signals of one's own that a function call could stand for."""
        heard: dict[str, list[SeenCalls]] = {}
        for sent, calls in self._calls.items():
            if not sent.signal.startswith("django.") and sent.signal not in self._foreign:
                heard.setdefault(sent.signal, []).extend(calls)
        found = []
        for signal, calls in heard.items():
            sendings = self._graph.sendings.values()
            sent_by = {each.receiver for each in sendings if each.sent_signal == signal}
            is_sent_outside = any(
                each.outside for each in self._graph.dispatches.values() if each.signal == signal
            )
            if len({call.receiver for call in calls}) == 1 and len(sent_by) + is_sent_outside == 1:
                count = sum(call.count for call in calls)
                sender = next(iter(sent_by), "")
                found.append(Alone(signal, calls[0].receiver, calls[0].owner, sender, count))
        return sorted(found, key=lambda each: each.signal)
