"""What happens that did not happen before: a signal graph that is kept, and what differs from it.

What is kept is the same on every machine and in every run of the same tests: it has no times,
counts, keys, lines or names of tests. What is told is told once: what a new receiver sets off
stands in the sentence about it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from signal_tracer import plain, signal_graph
from signal_tracer.graph import words
from signal_tracer.graph.words import Sent, is_of_tests
from signal_tracer.plain import JSON
from signal_tracer.printable import printable
from signal_tracer.records import DJANGO
from signal_tracer.signal_graph import (
    SeenCalls,
    SeenSendings,
    SignalGraph,
    SignalGraphFormatError,
)
from signal_tracer.wording import listed, plural

FORMAT_VERSION = 1
# Of more senders than these, or of receivers that run as before, not all are named.
MOST_NAMED = 3
Does = Literal["runs", "sends", "writes", "bypasses", "leaves", "starts"]
# What it does is told in this order.
_EFFECTS: dict[Does, Callable[[str, bool], str]] = {
    "writes": words.wrote,
    "bypasses": words.bypassed,
    "leaves": words.registered,
    "starts": words.started,
}


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """That a receiver runs when ``sender`` sends ``signal``, or what it does then.

    ``what``: the signal that it sends, to which ``by`` is the sender; or the rest in words of the
    graph: ``INSERT notifications_sms``. ``on_commit``: the callback that sends it.
    """

    signal: str
    sender: str
    receiver: str
    does: Does = "runs"
    what: str = ""
    by: str = ""
    on_commit: str = ""

    @property
    def heard(self) -> Sent:
        return Sent(self.signal, self.sender)

    @property
    def sent(self) -> Sent:
        return Sent(self.what, self.by)

    @property
    def call(self) -> Edge:
        return Edge(self.signal, self.sender, self.receiver)


@dataclass(frozen=True, slots=True)
class KeptGraph:
    """The stable part of a graph.

    ``unheard``: the senders of each signal that was sent and that nobody heard, so that a receiver
    that is new there is not taken for something new that is sent.
    """

    edges: tuple[Edge, ...]
    unheard: dict[str, tuple[str, ...]] = field(default_factory=dict)
    project_only: bool = False

    def to_text(self) -> str:
        """JSON with one line an edge, so that a diff in review is readable."""
        rows = [f"    {json.dumps(_short(each))}" for each in self.edges]
        senders = [
            f"    {json.dumps(signal)}: {json.dumps(each)}" for signal, each in self.unheard.items()
        ]
        return "\n".join(
            [
                "{",
                f'  "version": {FORMAT_VERSION},',
                f'  "project_only": {json.dumps(self.project_only)},',
                *_block('"edges": [', rows, "],"),
                *_block('"unheard": {', senders, "}"),
                "}",
                "",
            ]
        )

    def sent(self) -> set[Sent]:
        """All that was sent, heard or not."""
        return {each.heard for each in self.edges} | self.sent_to_nobody()

    def sent_to_nobody(self) -> set[Sent]:
        return {Sent(signal, each) for signal, senders in self.unheard.items() for each in senders}


# What an edge need not say in the file.
_EMPTY: JSON = {"does": "runs", "what": "", "by": "", "on_commit": ""}


def _short(edge: Edge) -> JSON:
    written = plain.write(edge)
    return {name: each for name, each in written.items() if each != _EMPTY.get(name)}


def _block(opening: str, rows: list[str], closing: str) -> Iterator[str]:
    if rows:
        yield from (f"  {opening}", ",\n".join(rows), f"  {closing}")
    else:
        yield f"  {opening}{closing}"


def keep(graph: SignalGraph, *, project_only: bool = False) -> KeptGraph:
    """What of a graph is kept. Without Django's own receivers, and without those of tests."""
    edges = set()
    for call in graph.calls.values():
        if _is_kept(call, project_only=project_only):
            edges |= set(_edges_of(call))
    calls = {each.call for each in edges}
    heard = {each.heard for each in edges}
    for each in graph.sendings.values():
        edge = _sending(each)
        # What only those hear that are left out here may have been sent all the time; and who
        # loads rows does nothing that a review is about.
        if edge.call in calls and edge.sent in heard and not edge.sent.is_of_instances:
            edges.add(edge)
    unheard: dict[str, set[str]] = {}
    for dispatches in graph.dispatches.values():
        sent = Sent(dispatches.signal, dispatches.sender)
        if sent not in heard and _may_be_heard(sent):
            unheard.setdefault(sent.signal, set()).add(sent.sender)
    return KeptGraph(
        tuple(sorted(edges)),
        {signal: tuple(sorted(senders)) for signal, senders in sorted(unheard.items())},
        project_only,
    )


def _may_be_heard(sent: Sent) -> bool:
    """Whether a receiver call may send it. None does what a migration or an import does."""
    is_custom = not sent.signal.startswith("django.") and not is_of_tests(sent.signal)
    return is_custom or (sent.is_of_rows and not sent.sender.endswith(" of a migration"))


def _is_kept(call: SeenCalls, *, project_only: bool) -> bool:
    is_left_out = call.owner.kind != "project" if project_only else call.owner == DJANGO
    return not is_left_out and not is_of_tests(call.receiver)


def _edges_of(call: SeenCalls) -> Iterator[Edge]:
    yield _call(call)
    found: tuple[tuple[Does, Iterable[str]], ...] = (
        ("writes", call.writes),
        ("bypasses", call.bypasses),
        ("leaves", call.callbacks),
        ("starts", call.errands),
    )
    for does, names in found:
        for name in names:
            yield Edge(call.signal, call.sender, call.receiver, does, name)


def _call(call: SeenCalls) -> Edge:
    return Edge(call.signal, call.sender, call.receiver)


def _sending(each: SeenSendings) -> Edge:
    call = (each.signal, each.sender, each.receiver)
    return Edge(*call, "sends", each.sent_signal, each.sent_sender, each.on_commit)


def load(text: str) -> KeptGraph | SignalGraph:
    """What ``to_text()`` wrote, or a whole graph.

    Raises ``SignalGraphFormatError`` for anything else.
    """
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SignalGraphFormatError(f"This is not JSON ({error}).") from error
    if not isinstance(data, dict) or "edges" not in data:
        return signal_graph.load(text)
    version = data.pop("version", None)
    if type(version) is not int or version != FORMAT_VERSION:
        raise SignalGraphFormatError(
            f"This kept graph has version {plain.spell(version)}, and this signal_tracer reads "
            f"version {FORMAT_VERSION}."
        )
    try:
        edges = data["edges"]
        if isinstance(edges, list):
            data["edges"] = [
                {**_EMPTY, **each} if isinstance(each, dict) else each for each in edges
            ]
        kept = plain.read(KeptGraph, data)
    except plain.DamageError as damage:
        raise SignalGraphFormatError(f"This kept graph is damaged ({damage}).") from damage
    # Who merged by hand may have kept what a receiver does without the line that it runs, or both.
    edges = {*kept.edges, *(each.call for each in kept.edges)}
    return replace(kept, edges=tuple(sorted(edges)))


# What differs


@dataclass(frozen=True, slots=True)
class Drift:
    """What differs, a sentence each.

    ``unseen``: what was sent before and not at all in this run, by a test that was not run perhaps.
    """

    new: list[str]
    lost: list[str]
    unseen: list[str]

    @property
    def count(self) -> int:
        return len(self.new) + len(self.lost) + len(self.unseen)


def compare(old: KeptGraph, graph: SignalGraph) -> Drift:
    """What happens in ``graph`` that did not, and what no longer does."""
    new = keep(graph, project_only=old.project_only)
    seen = _Seen.of(graph)
    added, gone = _Difference(new, old), _Difference(old, new)
    told_new = [_told_new(each, added, seen) for each in added.roots(is_whole=True)]
    told_lost = [_told_lost(each, gone, seen) for each in gone.roots(is_whole=False)]
    unseen = [_told_unseen(sent, receivers) for sent, receivers in gone.rest()]
    return Drift(_joined(told_new), _joined(told_lost), unseen)


@dataclass(frozen=True, slots=True)
class _Seen:
    """How often, and where, as far as it is told."""

    dispatches: dict[Sent, int]
    calls: dict[Edge, int]
    examples: dict[Edge, str]

    @classmethod
    def of(cls, graph: SignalGraph) -> _Seen:
        seen = cls({}, {}, {})
        for dispatches in graph.dispatches.values():
            seen.dispatches[Sent(dispatches.signal, dispatches.sender)] = dispatches.count
        for call in graph.calls.values():
            seen.calls[_call(call)] = call.count
            seen.examples.update(dict.fromkeys(_edges_of(call), call.example))
        seen.examples.update((_sending(each), each.example) for each in graph.sendings.values())
        return seen


class _Difference:
    """What ``here`` has and ``there`` has not, from what begins it down to what follows from it."""

    def __init__(self, here: KeptGraph, there: KeptGraph) -> None:
        self._here = here
        self._sent_there, self._sent_to_nobody = there.sent(), there.sent_to_nobody()
        known = set(there.edges)
        self.calls: dict[Sent, list[Edge]] = {}
        self.effects: dict[Edge, list[Edge]] = {}
        for edge in here.edges:
            if edge in known:
                continue
            if edge.does == "runs":
                self.calls.setdefault(edge.heard, []).append(edge)
            # Of what nobody hears a graph does not know who sent it: somebody may always have.
            elif edge.call not in known or edge.sent not in self._sent_to_nobody:
                self.effects.setdefault(edge.call, []).append(edge)
        self._told: set[Edge] = set()

    def is_new(self, call: Edge) -> bool:
        return call in self.calls.get(call.heard, ())

    def roots(self, *, is_whole: bool) -> Iterator[Edge]:
        """The calls that a sentence begins with. What it tells as well is to be ``take()``n.

        ``is_whole``: also those of what ``there`` does not know at all.
        """
        follows = {
            edge.sent
            for edges in self.effects.values()
            for edge in edges
            if edge.does == "sends" and edge.sent not in self._sent_there
        }
        calls = [each for calls in self.calls.values() for each in calls]
        begin = [each for each in calls if each.heard not in follows]
        if not is_whole:
            begin = [each for each in begin if each.heard in self._sent_there]
        yield from sorted([*begin, *(each for each in self.effects if not self.is_new(each))])
        # What follows only from itself.
        yield from (each for each in calls if is_whole and each not in self._told)

    def take(self, call: Edge) -> None:
        self._told.add(call)

    def below(self, call: Edge) -> Iterator[tuple[Sent, list[Edge]]]:
        """What ``call`` sends that it did not, with the calls that are new because of it."""
        for edge in self.effects.get(call, ()):
            if edge.does == "sends" and edge.sent not in self._sent_there:
                calls = [each for each in self.calls.get(edge.sent, ()) if each not in self._told]
                self._told.update(calls)
                if calls:
                    yield edge.sent, calls

    def as_before(self, call: Edge) -> Iterator[tuple[Sent, list[str]]]:
        """What ``call`` sends that it did not, with those who heard it before as well."""
        for sent in dict.fromkeys(
            each.sent for each in self.effects.get(call, ()) if each.does == "sends"
        ):
            heard = [
                each.receiver
                for each in self._here.edges
                if each.does == "runs" and each.heard == sent and not self.is_new(each)
            ]
            if heard:
                yield sent, heard

    def rest(self) -> Iterator[tuple[Sent, list[str]]]:
        """What was told by no sentence, by what was sent."""
        for sent, calls in sorted(self.calls.items()):
            left = [each.receiver for each in calls if each not in self._told]
            if left:
                yield sent, left


# In words. A sentence is what was sent, who runs, how often or in which test, and how it goes on.
_Sentence: TypeAlias = "tuple[Sent, str, str, str]"


def _told_new(call: Edge, added: _Difference, seen: _Seen) -> _Sentence:
    added.take(call)
    if added.is_new(call):
        runs, does = f"now runs {call.receiver}", _which(call, added)
        shown_by = [call]
    else:
        runs, does = f"runs {call.receiver}", f", which now also {_does(call, added)}"
        # Of a call that was there before, a test is known only for what it sends.
        effects = added.effects[call]
        shown_by = effects if all(each.does == "sends" for each in effects) else [call]
    example = min(seen.examples[each] for each in shown_by)
    return call.heard, runs, f" (seen in {example})" * bool(example), does + _then(call, added)


def _told_lost(call: Edge, gone: _Difference, seen: _Seen) -> _Sentence:
    gone.take(call)
    below = _then(call, gone, before=True)
    if gone.is_new(call):
        times = plural(seen.dispatches.get(call.heard, 0), "time")
        which = _which(call, gone, before=True)
        return call.heard, f"no longer runs {call.receiver}", f" (sent {times})", which + below
    times = plural(seen.calls[call], "time")
    which = f", which no longer {_does(call, gone)}"
    return call.heard, f"runs {call.receiver}", f" ({times})", which + below


def _told_unseen(sent: Sent, receivers: list[str]) -> str:
    return printable(f"{sent.doing}, which ran {_some(receivers)}")


def _which(call: Edge, difference: _Difference, *, before: bool = False) -> str:
    does = _does(call, difference, before=before)
    return f", which {does}" if does else ""


def _does(call: Edge, difference: _Difference, *, before: bool = False) -> str:
    effects = difference.effects.get(call, ())
    found = [
        say(each.what, before)
        for does, say in _EFFECTS.items()
        for each in effects
        if each.does == does
    ]
    for each in effects:
        if each.does == "sends":
            later = " after the commit" if each.on_commit else ""
            found.append(f"{each.sent.did if before else each.sent.does}{later}")
    return listed(found) if found else ""


def _then(call: Edge, difference: _Difference, *, before: bool = False) -> str:
    """What follows: told here, and so by no sentence of its own."""
    told = ""
    for sent, calls in difference.below(call):
        heard = [f"{each.receiver}{_which(each, difference, before=before)}" for each in calls]
        # Of several of which one does something, the next is not to be taken for what it does.
        runs = ", and ".join(heard) if any("," in each for each in heard) else listed(heard)
        told += f"; {sent.doing} {'ran' if before else 'runs'} {runs}"
        for each in calls:
            told += _then(each, difference, before=before)
    if not before:
        for sent, receivers in difference.as_before(call):
            told += f"; {sent.doing} runs {_some(receivers)}, as before"
    return told


def _joined(sentences: Iterable[_Sentence]) -> list[str]:
    """Sentences that say the same of several senders as one."""
    senders: dict[tuple[str, str, str], list[str]] = {}
    first: dict[tuple[str, str, str], str] = {}
    for sent, runs, seen, does in sentences:
        key = sent.signal, runs, does
        senders.setdefault(key, []).append(sent.sender)
        first.setdefault(key, seen)
    return [
        printable(f"{Sent(key[0], _some(each)).doing} {key[1]}{first[key]}{key[2]}")
        for key, each in senders.items()
    ]


def _some(names: list[str]) -> str:
    named, more = names[:MOST_NAMED], len(names) - MOST_NAMED
    return listed([*named, f"{more} more"] if more > 1 else names)
