"""Two traces compared: what was added, lost, moved, repeated or slower.

Rows are matched by what they are and by what they stand in, never by a key, an id, an address or a
line; equal ones that stand in the same are one, with a count. So a loop of ten rows and one of
eleven differ in a number, and a variable of another name in nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias, cast

from signal_tracer import plain
from signal_tracer.difference import Changed, Difference, Fold, FoldKind, Kind, Side, short
from signal_tracer.findings import over_trace
from signal_tracer.findings.remarks import Remark, remark_of
from signal_tracer.records import (
    Bypass,
    Contents,
    Dispatch,
    Errand,
    Location,
    OnCommit,
    ReceiverCall,
    Recorded,
)
from signal_tracer.wording import without_addresses

# One sample of each is noisy: what has not doubled, and by more than what is slow, says nothing.
MUCH_SLOWER = 2

Key: TypeAlias = "tuple[str, ...]"
_Row: TypeAlias = "Dispatch | ReceiverCall | Bypass | OnCommit | Errand"


def compare(before: Recorded, after: Recorded) -> Difference:
    """What differs between two traces, as they are now: of one request, before a change and after.

    A dispatch goes by its signal, sender and method, a receiver call by its receiver, and both by
    what they are nested in. Keys, ids, addresses, lines and arguments make no difference, and how
    long something took only if it has more than doubled, by more than the slow limit of both
    traces. Raises ``TypeError`` for what is no trace.
    """
    for which, each in (("first", before), ("second", after)):
        if not any("frozen" in vars(cls) for cls in type(each).__mro__):
            raise TypeError(
                f"compare() takes two traces, and the {which} is {plain.spell(each)}. Give what "
                "trace_signals() or Trace.from_dict() returned."
            )
    before, after = before.frozen(), after.frozen()
    was = _Tree(before.contents, is_new=False)
    now = _Tree(after.contents, is_new=True)
    _pair(was.root, now.root)
    _pair_moved(was, now)
    # The greater of both limits: either trace may have had to wait for a processor.
    limit = max(before.slow_from, after.slow_from)
    changes = tuple(_changes(was, now, limit))
    new, gone = _findings(before, after, changes)
    return Difference(
        _side(before, was), _side(after, now), changes, new=tuple(new), gone=tuple(gone)
    )


# What a trace holds, as a tree of folds


class _Node:
    """A fold while both traces are compared, and its partner in the other one."""

    __slots__ = (
        "below",
        "calls_below",
        "count",
        "failures",
        "first",
        "is_new",
        "key",
        "number",
        "own_time",
        "package",
        "parent",
        "partner",
        "previous",
        "queries",
        "queries_below",
        "size",
    )

    def __init__(self, key: Key, parent: _Node | None, number: int, *, is_new: bool) -> None:
        self.key = key
        self.parent = parent
        self.number = number
        self.is_new = is_new
        self.first: _Row | None = None
        self.below: dict[Key, _Node] = {}
        self.previous: _Node | None = None
        self.partner: _Node | None = None
        self.count = self.queries = self.calls_below = self.queries_below = 0
        self.own_time = 0.0
        self.failures: dict[str, int] = {}
        self.size = 1
        self.package = ""

    @property
    def lasting_key(self) -> Key:
        """What it is known by wherever it moves: a dispatch may be sent by another method."""
        return self.key[:3] if self.key[0] == "dispatch" else self.key


class _Tree:
    """``is_new``: whether it is of the second trace."""

    def __init__(self, contents: Contents, *, is_new: bool) -> None:
        self.is_new = is_new
        self.root = _Node(("trace",), None, 0, is_new=is_new)
        self.root.count, self.root.queries = 1, contents.other_queries
        self.nodes = [self.root]
        self.dispatches = self.receiver_calls = 0
        self.unheard: dict[Key, int] = {}
        for unheard in contents.unheard:
            self.unheard[_stable(unheard.signal), _stable(unheard.sender)] = unheard.count
        self.queries = contents.other_queries
        # Explicitly, not by recursion: a trace is as deep as what it recorded.
        roots: list[_Row] = [*contents.dispatches, *contents.bypasses]
        waiting = [(self.root, each) for each in reversed(roots)]
        while waiting:
            parent, row = waiting.pop()
            node = self._node(parent, row)
            node.count += 1
            for each in _failures(row, parent):
                node.failures[each] = node.failures.get(each, 0) + 1
            if isinstance(row, Dispatch):
                self.dispatches += 1
                self.receiver_calls += len(row.receiver_calls)
            elif isinstance(row, ReceiverCall):
                node.queries += row.query_count
                node.own_time += row.own_time
                self.queries += row.query_count
            inside = reversed(_inside(row))
            waiting += [(node, each) for each in inside]
        for node in reversed(self.nodes[1:]):  # what is nested before what it is nested in
            node.package = _package(node, contents)
            above = node.parent
            assert above is not None
            above.size += node.size
            above.calls_below += node.calls_below + node.count * (node.key[0] == "call")
            above.queries_below += node.queries_below + node.queries

    def _node(self, parent: _Node, row: _Row) -> _Node:
        key = _key(row)
        node = parent.below.get(key)
        if node is None:
            node = _Node(key, parent, len(self.nodes), is_new=self.is_new)
            node.previous = next(reversed(parent.below.values()), None)
            node.first = row
            parent.below[key] = node
            self.nodes.append(node)
        return node


def _inside(row: _Row) -> list[_Row]:
    """What of it is compared, each kind in its order."""
    if isinstance(row, Dispatch):
        unwatched = [ReceiverCall(each) for each in row.unwatched or ()]
        return [*row.receiver_calls, *unwatched]
    if isinstance(row, ReceiverCall):
        return [*row.dispatches, *row.bypasses, *row.on_commit, *row.errands]
    return []


def _key(row: _Row) -> Key:
    match row:
        case Dispatch():
            callback = row.on_commit or ""
            return "dispatch", _stable(row.signal), _stable(row.sender), row.method, callback
        case ReceiverCall():
            return "call", _stable(row.receiver)
        case Bypass():
            return "bypass", _stable(f"{row.model}{row.operation}")
        case OnCommit():
            return "on_commit", _stable(row.callback), row.alias
        case Errand():
            return "errand", row.kind, _stable(row.target)


_KEY_OF_ROW = re.compile(r"\(pk=.*\)$", re.DOTALL)
# Signals without a name are numbered as they are met.
_NUMBER = re.compile(r"(<unnamed .*) \d+>$", re.DOTALL)


@lru_cache(4096)
def _stable(name: str) -> str:
    """``name`` as it is of every row, and in every run: a sender may be an instance."""
    return _NUMBER.sub(r"\1>", _KEY_OF_ROW.sub("(pk=…)", without_addresses(name)))


def _failures(row: _Row, parent: _Node) -> Iterator[str]:
    """How it ended, if that was not well."""
    if isinstance(row, Dispatch):
        above = parent.parent  # whose being rolled back says it of all that is nested
        is_told = above is not None and "rolled_back" in above.failures
        if row.rolled_back and not row.was_trial and not is_told:
            yield "rolled_back"
        raised = any(call.outcome in ("raised", "cancelled") for call in row.receiver_calls)
        if row.error is not None and not raised:
            yield f"raised {_last_name(row.error.type)}"
    elif isinstance(row, ReceiverCall):
        if row.outcome not in ("returned", "running"):
            error = "" if row.error is None else _last_name(row.error.type)
            yield f"{row.outcome} {error}".rstrip()
        for each in row.handled:
            yield f"handled {_last_name(each.type)}"
    elif isinstance(row, OnCommit) and row.outcome != "ran":
        yield row.outcome


def _last_name(dotted: str) -> str:
    return _stable(dotted).rpartition(".")[2]


def _package(node: _Node, contents: Contents) -> str:
    """The name of whose it is; nothing if it is the project's, or nobody's that is known.

    A dispatch is the project's if one of its receivers is.
    """
    row = node.first
    assert row is not None
    if node.below and isinstance(row, Dispatch):
        packages = [each.package for each in node.below.values()]
        return packages[0] if all(packages) else ""
    name = row.receiver if isinstance(row, ReceiverCall) else ""
    owner = contents.owner_of(_location(row), name)
    return "" if owner is None or owner.kind == "project" else owner.name


def _location(row: _Row) -> Location | None:
    if isinstance(row, ReceiverCall | OnCommit):
        return row.defined_at
    return row.sent_from


# Who goes with whom


def _pair(before: _Node, after: _Node) -> None:
    """These two, and all below them that is in both."""
    waiting = [(before, after)]
    while waiting:
        one, other = waiting.pop()
        one.partner, other.partner = other, one
        for key, node in one.below.items():
            found = other.below.get(key)
            if found is not None and node.partner is None and found.partner is None:
                waiting.append((node, found))


def _pair_moved(was: _Tree, now: _Tree) -> None:
    """What is left goes with its like in another place, the greatest with the greatest.

    In an order that is the same from either side, so that comparing the other way round says the
    opposite.
    """
    before, after = _left(was), _left(now)
    both = [key for key in before if key in after]
    both.sort(key=lambda key: (-max(each.size for each in (*before[key], *after[key])), key))
    for key in both:
        one = sorted(before[key], key=lambda each: (-each.size, each.number))
        other = sorted(after[key], key=lambda each: (-each.size, each.number))
        while one and other:
            if one[0].partner is not None:
                del one[0]
            elif other[0].partner is not None:
                del other[0]
            else:
                _pair(one[0], other[0])


def _left(tree: _Tree) -> dict[Key, list[_Node]]:
    found: dict[Key, list[_Node]] = {}
    for node in tree.nodes:
        if node.partner is None:
            found.setdefault(node.lasting_key, []).append(node)
    return found


def _reordered(parent: _Node, partner: _Node) -> set[_Node]:
    """Those below it that stand in another order than below its partner: the fewest there are.

    Of several choices it is the same one from either side.
    """
    rows = [
        node
        for node in parent.below.values()
        if node.partner is not None and node.partner.parent is partner
    ]
    places = {id(node): place for place, node in enumerate(partner.below.values())}
    were = [places[id(node.partner)] for node in rows]
    if were == sorted(were):
        return set()
    # How long the longest run is that goes on in the same order, from each of them on.
    tails: list[int] = []
    lengths: list[int] = []
    for place in reversed(were):
        length = bisect_left(tails, -place)
        tails[length : length + 1] = [-place]
        lengths.append(length + 1)
    by_length: dict[int, list[int]] = {}
    for index, length in enumerate(reversed(lengths)):
        by_length.setdefault(length, []).append(index)
    stay: list[int] = []
    for length in range(len(tails), 0, -1):
        fitting = [
            index
            for index in by_length[length]
            if not stay or (index > stay[-1] and were[index] > were[stay[-1]])
        ]
        stay.append(min(fitting, key=lambda index: _either(rows[index])))
    moved = set(rows).difference([rows[index] for index in stay])
    # What goes along with the one before it has not moved by itself.
    return {node for node in moved if not _goes_along(node, moved)}


def _either(node: _Node) -> tuple[Key, ...]:
    assert node.partner is not None
    return tuple(sorted((node.key, node.partner.key)))


def _goes_along(node: _Node, moved: set[_Node]) -> bool:
    assert node.partner is not None
    before = node.previous
    return before in moved and before is not None and before.partner is node.partner.previous


# What differs


def _changes(was: _Tree, now: _Tree, limit: float) -> Iterator[Changed]:
    """In the order of the second trace; what was lost below what it stood in."""
    root = now.root
    assert root.partner is not None
    if root.partner.queries != root.queries:
        yield Changed(("queries",), _fold(root.partner), _fold(root))
    waiting = _below(root, 0)
    while waiting:
        node, is_reordered, depth = waiting.pop()
        if node.partner is not None:
            kinds = tuple(_kinds(node.partner, node, limit, is_reordered=is_reordered))
            if kinds:
                yield Changed(kinds, _fold(node.partner), _fold(node), depth)
        elif _is_sent_by_both(node, was, now):
            waiting += _below(node, depth)
            continue
        elif node.is_new:
            yield Changed(("added",), None, _fold(node), depth)
        else:
            yield Changed(("lost",), _fold(node), None, depth)
        waiting += _below(node, 0 if node.partner is not None else depth + 1)


def _is_sent_by_both(node: _Node, was: _Tree, now: _Tree) -> bool:
    """Whether a dispatch is in one trace only because nobody heard it in the other: what differs
    is who hears it.

    Unheard ones are counted, and nobody knows from where they were sent: those that are gone from
    there are taken for those that have come here.
    """
    if node.key[0] != "dispatch" or node.parent is None or node.parent.partner is None:
        return False
    here, there = (now, was) if node.is_new else (was, now)
    key = node.key[1:3]
    return there.unheard.get(key, 0) > here.unheard.get(key, 0)


def _below(node: _Node, depth: int) -> list[tuple[_Node, bool, int]]:
    """What stands below it and below its partner, the last first; with what is to be said of it."""
    if node.partner is None:
        # What was below something lost and is not lost itself is told where it is now.
        found = [each for each in node.below.values() if node.is_new or each.partner is None]
        return [(each, False, depth) for each in reversed(found)]
    reordered = _reordered(node, node.partner)
    lost = [each for each in node.partner.below.values() if each.partner is None]
    return [
        *((each, False, depth) for each in reversed(lost)),
        *((each, each in reordered, depth) for each in reversed(node.below.values())),
    ]


def _kinds(before: _Node, after: _Node, limit: float, *, is_reordered: bool) -> Iterator[Kind]:
    assert before.parent is not None
    assert after.parent is not None
    stayed = before.parent.partner is after.parent and before.key == after.key
    if not stayed or is_reordered:
        yield "moved"
    # As often as before for each of what it stands in: that one says so.
    per = (before.parent.count, after.parent.count) if stayed else (1, 1)
    if _differs(before.count, after.count, per):
        yield "repeated"
    counts = before.count, after.count
    if _differs(before.queries, after.queries, counts):
        yield "queries"
    calls = min(counts)
    was, now = before.own_time / before.count * calls, after.own_time / after.count * calls
    if abs(now - was) > limit and max(was, now) > MUCH_SLOWER * min(was, now):
        yield "slower" if now > was else "faster"
    failed = before.failures.keys() | after.failures.keys()
    if any(
        _differs(before.failures.get(each, 0), after.failures.get(each, 0), counts)
        for each in failed
    ):
        yield "outcome"


def _differs(before: int, after: int, per: tuple[int, int]) -> bool:
    """Whether these are other numbers, and other ones for each of ``per`` as well."""
    return before != after and before * per[1] != after * per[0]


def _findings(
    before: Recorded, after: Recorded, changes: Iterable[Changed]
) -> tuple[list[Remark], list[Remark]]:
    was, now = ([remark_of(each) for each in over_trace(trace).shown] for trace in (before, after))
    # Whether a call is at the limit or just below is noise: it counts where its time does.
    told = {
        _stable(each.fold.name)
        for each in changes
        if each.fold.kind == "call"
        and not {"added", "lost", "slower", "faster"}.isdisjoint(each.kinds)
    }

    def only(here: list[Remark], there: list[Remark]) -> list[Remark]:
        known = {_key_of(each) for each in there}
        found = {_key_of(each): each for each in reversed(here) if _key_of(each) not in known}
        return [
            each
            for each in reversed(found.values())
            if each.slug != "slow-receiver" or not told.isdisjoint(map(_stable, each.names))
        ]

    return only(now, was), only(was, now)


def _key_of(remark: Remark) -> tuple[str, Key]:
    return remark.slug, tuple(sorted({_stable(each) for each in remark.names}))


def _side(trace: Recorded, tree: _Tree) -> Side:
    contents = trace.contents
    return Side(
        name=trace.name,
        started_at=trace.started_at,
        duration=contents.duration,
        dispatches=tree.dispatches,
        receiver_calls=tree.receiver_calls,
        queries=tree.queries,
        left_out=contents.omitted + contents.too_deep,
    )


def _fold(node: _Node) -> Fold:
    kind = node.key[0]
    row, above = node.first, node.parent
    around = above if kind == "call" else node
    sent = around.first if around is not None and isinstance(around.first, Dispatch) else None
    receiver = around.parent if around is not None else None
    inside = sent.on_commit if sent is not None else None
    if inside is None and receiver is not None and isinstance(receiver.first, ReceiverCall):
        inside = receiver.first.receiver
    return Fold(
        kind=cast("FoldKind", kind),
        name=_what(node.key),
        signal="" if sent is None else _stable(sent.signal),
        sender="" if sent is None or sent.sender == "None" else _stable(sent.sender),
        method="" if sent is None else sent.method,
        inside=_stable(inside or ""),
        follows=_name(node.previous),
        occurrences=node.count,
        queries=node.queries,
        own_time=node.own_time,
        failures=dict(sorted(node.failures.items())),
        calls_below=node.calls_below,
        queries_below=node.queries_below,
        location=None if row is None else _location(row),
        package=node.package,
    )


def _name(node: _Node | None) -> str:
    """``shop.receivers.index``, ``post_save of shop.Order``; nothing of none."""
    if node is None:
        return ""
    kind, *names = node.key
    if kind == "dispatch":
        return short(names[0]) if names[1] == "None" else f"{short(names[0])} of {names[1]}"
    return _what(node.key)


def _what(key: Key) -> str:
    kind, *names = key
    if kind == "errand":
        return names[1] or names[0]
    return names[0] if names else ""
