"""Chains are put together: from the connections, the source, and a graph where one is given.

Everything is known by the names that a trace gives it, since that is all that a graph has.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import FunctionType
from typing import Any, Literal, NamedTuple

from django.apps import apps
from django.db.models import Model
from django.dispatch import Signal

from signal_tracer.chain import Again, Chain, ChainStep, InSource, Seen, Standing, StepKind
from signal_tracer.describing.connections import entries_of, read_entry
from signal_tracer.describing.names import (
    class_name,
    describe_receiver,
    find_in_class,
    is_a,
    namespace_of,
    signal_name,
)
from signal_tracer.describing.ownership import owner_of_file, project_packages
from signal_tracer.mapping.bulk_calls import signals_skipped_by
from signal_tracer.mapping.effects import Effects
from signal_tracer.mapping.effects.sendings import cascades, of_delete, of_save
from signal_tracer.mapping.explaining import LookUp, matching, path_of, pick
from signal_tracer.mapping.looking import look_up
from signal_tracer.mapping.ownership import Ownership
from signal_tracer.mapping.projects import Project
from signal_tracer.mapping.senders import classes_by_id, through_models
from signal_tracer.records import DJANGO, Location, Owner
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
from signal_tracer.signal_map import SENT_BY_MODELS, Connection, Prospect
from signal_tracer.source_steps import Certainty, SourceStep

MOST_DEPTH = 50
_MODELS = "django.db.models.signals."
_M2M = f"{_MODELS}m2m_changed"
_INIT = (f"{_MODELS}pre_init", f"{_MODELS}post_init")
RowKind = Literal["save", "delete"]
_ROWS: dict[RowKind, tuple[str, str]] = {
    "save": (f"{_MODELS}pre_save", f"{_MODELS}post_save"),
    "delete": (f"{_MODELS}pre_delete", f"{_MODELS}post_delete"),
}
_KIND_OF = {signal: kind for kind, signals in _ROWS.items() for signal in signals}
# What a call sends to the database by its name; any other by what it does. The last is private,
# and the same in Django 5.2, 6.0 and 6.1.
_VERBS_OF_CALL = {
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
_MAY_SEND = re.compile(r"\.\s*a?send(_robust)?\s*\(")
_CALLED = re.compile(r"\.\s*(\w+)\s*\(")
_NOWHERE = Location("", 1, "")
_QUERYSET = "of a queryset"
_WITHOUT_PARENTS = "that keeps its parents"
_PAST_ITS_OWN = "past its own"
# `super().save()`, and `Model.save(self)`.
_IN_TURN = re.compile(r"super\(|[\w.]+\.(save|delete)\(\s*self\b")
_RANK: dict[Certainty, int] = {"certain": 0, "may": 1, "unknown": 2}


class Root(NamedTuple):
    """What a chain begins with: a save or delete of a model, or a signal by a sender."""

    kind: Literal["save", "delete", "signal"]
    name: str
    sender: str = ""


def chain_of(
    start: str,
    sender: str | None = None,
    *,
    graph: SignalGraph | None = None,
    depth: int = MOST_DEPTH,
) -> Chain:
    """What ``start`` sets off, ``depth`` dispatches deep.

    ``start``: a model (all that is sent with it as the sender), its ``save`` or ``delete``, any
    other sender, or a signal: of all senders that are known of, or of ``sender``. Each is named
    in full or by its last parts. Raises ``UnknownNameError``.
    """
    chains = _Chains(graph, depth)
    title, roots = chains.roots_of(start, sender)
    steps = (chains.step_of(root) for root in chains.in_order(roots))
    return Chain(title, depth, None if graph is None else graph.traces, tuple(steps))


@dataclass(slots=True)
class _Doer:
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
        edges = self.sendings.get(_key(signal, sender))
        if not edges:
            return None
        if not _is_of_one(signal, sender):
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
        return next((Seen(what[each]) for each in what if _is_like(each, name)), None)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the chain something stands: how deep, and what it is in."""

    level: int = 1
    above: tuple[Root, ...] = ()

    def inside(self, root: Root, levels: int = 0) -> _Place:
        return _Place(self.level + levels, (*self.above, root))


class _Chains:
    """One chain as it is put together: what is looked up once, and what is shown already."""

    def __init__(self, graph: SignalGraph | None, depth: int) -> None:
        self.graph = graph
        self.depth = depth
        self.look = LookUp()
        self.project = Project(Ownership())
        self.effects = Effects(self.project)
        self.live_signals = {signal_name(each): each for each in self.look.signals}
        # All models of each app by name: not documented, the same in Django 5.2, 6.0 and 6.1.
        self.models: dict[str, Any] = {
            class_name(model): model
            for models in list(apps.all_models.values())
            for model in list(models.values())
        }
        # How deep each was shown whose steps are not to be shown again.
        self.shown: dict[Root, int] = {}
        self._silent: dict[Root, bool] = {}
        self._heard: dict[tuple[str, str], list[Prospect]] = {}

    # What it begins with

    def roots_of(self, start: str, sender: str | None) -> tuple[str, list[Root]]:
        """What was asked for, as a trace names it, and what it begins with."""
        signals = [*self.live_signals.items()]
        if sender is not None:
            signal = self.look.signal(start)
            found = self.look.sender(sender, signal)
            name = self.look.senders.describe_live(found)[0] if found is not None else "None"
            root = Root("signal", signal_name(signal), name or "None")
            return f"{root.name} sent by {root.sender}", [root]
        models = [each for name, live in self.models.items() for each in _named(name, live)]
        owner, _, method = start.removesuffix("()").rpartition(".")
        if method in _ROWS and not matching(start, signals):
            model = class_name(self._pick("model", owner, models))
            kind: RowKind = "save" if method == "save" else "delete"
            return f"{model}.{kind}()", [Root(kind, model)]
        others = [(name, name) for name in sorted(self._other_senders)]
        live: Any = self._pick("model, signal or sender", start, [*models, *signals, *others])
        if is_a(live, Signal):
            name = signal_name(live)
            return name, [Root("signal", name, each) for each in self._senders_of(name)]
        name = live if is_a(live, str) else class_name(live)
        return name, [*self._of_model(name), *self._custom(name)]

    def _pick(self, what: str, wanted: str, candidates: list[tuple[str, Any]]) -> Any:
        by_case = matching(wanted.lower(), [(name.lower(), live) for name, live in candidates])
        exact = {id(live): live for name, live in by_case if name == wanted.lower()}
        if len(exact) == 1 and not matching(wanted, candidates):
            return next(iter(exact.values()))
        return pick(what, wanted, candidates)

    def _of_model(self, name: str) -> Iterator[Root]:
        """What Django sends with the model as the sender, and for its many-to-many fields."""
        model = self.models.get(name)
        if model is None:
            return
        for signal in _INIT:
            if self._is_heard(signal, name):
                yield Root("signal", signal, name)
        if namespace_of(model)["_meta"].auto_created:
            yield Root("signal", _M2M, name)
            return
        yield Root("save", name)
        if self._is_silent(Root("save", name)):
            # Sent all the same by what calls no save(), as loading a fixture.
            for signal in _ROWS["save"]:
                if self._is_heard_or_seen(signal, name):
                    yield Root("signal", signal, name)
        yield Root("delete", name)
        if self._is_silent(Root("delete", name)):
            yield Root("delete", name, _QUERYSET)
        for through in dict.fromkeys(self._throughs_of(model)):
            yield Root("signal", _M2M, through)

    def _throughs_of(self, model: Any) -> Iterator[str]:
        """Of its own fields, and of those of others that lead to it and are heard."""
        for owner, name, through in through_models(self.models.values()):
            field_ = namespace_of(owner)["_meta"].get_field(name)
            if owner is model or (
                field_.related_model is model and self._is_heard(_M2M, class_name(through))
            ):
                yield class_name(through)

    def _custom(self, sender: str) -> list[Root]:
        # Of a model that is no longer there, as one of a test's, only the signals are known.
        of_model = {*SENT_BY_MODELS, _M2M, f"{_MODELS}class_prepared"}
        of_django = of_model if sender in self.models else set()
        names = {signal for signal, by in self._known if by == sender} - of_django
        return [Root("signal", name, sender) for name in sorted(names)]

    def _senders_of(self, signal: str) -> list[str]:
        """Every sender that is known of; of none, what any sender would set off."""
        return sorted({by for name, by in self._known if name == signal}) or ["None"]

    @cached_property
    def _known(self) -> set[tuple[str, str]]:
        """Signals with senders: connected, seen, or sent in the source."""
        connected = {
            (signal.name, each.sender)
            for signal, each in self.look.map.walk()
            if each.sender is not None and each.sender_kind not in ("gone", "unknown", "lazy")
        }
        seen = set() if self.graph is None else {*self.graph.dispatches}
        # An instance was seen as its class.
        connected = {
            (signal, steady_sender(sender)) if _key(signal, sender) in seen else (signal, sender)
            for signal, sender in connected
        }
        return connected | seen | {*_sent_in(self.project)}

    @cached_property
    def _other_senders(self) -> set[str]:
        return {by for _, by in self._known} - {*self.models, "None"}

    def in_order(self, roots: list[Root]) -> list[Root]:
        """Those that others of them lead to stand behind these, and are shown there."""
        custom = [root for root in roots if self._is_custom(root)]
        reached: dict[Root, set[Root]] = {}
        for root in custom if len(custom) > 1 else ():
            self.shown = {}
            inside = {Root("signal", s.name, s.sender) for s in self.step_of(root).walk()}
            reached[root] = inside - {root}
        self.shown = {}
        led_to = {
            root
            for root in custom
            for other in custom
            if root in reached.get(other, ()) and other not in reached.get(root, ())
        }
        return sorted(roots, key=lambda root: root in led_to)

    def _is_custom(self, root: Root) -> bool:
        return root.kind == "signal" and not root.name.startswith(_MODELS)

    def step_of(self, root: Root) -> ChainStep:
        """A root with all that it sets off."""
        if root.kind == "signal":
            return self._signal(root.name, root.sender, None, _Place())
        return self._rows(root, None, _Place())

    # Signals and receivers

    def _signal(
        self,
        name: str,
        sender: str,
        doer: _Doer | None,
        place: _Place,
        in_source: tuple[InSource, ...] = (),
        *,
        is_sought: bool = True,
    ) -> ChainStep:
        """``is_sought``: whether the source would show it by a step of its own."""
        root = Root("signal", name, sender)
        dispatches = self._dispatches(name, sender)
        seen = doer.sent(name, sender) if doer is not None else _of_dispatches(dispatches)
        if dispatches is not None and not _is_of_one(name, sender):
            seen, dispatches = seen and Seen(0), None
        step = ChainStep(
            "signal",
            name,
            sender,
            standing=self._standing(
                seen, in_source, doer, is_sought=is_sought and _is_sought(name)
            ),
            owner=self._owner_of(name),
            seen=seen,
            in_source=in_source,
        )
        if self._again(root, place) is None and dispatches is not None and seen is not None:
            step = replace(
                step,
                seen=replace(
                    seen,
                    of=dispatches.count,
                    raised=dispatches.raised,
                    # A row that was only loaded has nothing to lose.
                    rolled_back=0 if name in _INIT else dispatches.rolled_back,
                ),
            )
        return self._continued(root, step, place, self._receivers)

    def _continued(self, root: Root, step: ChainStep, place: _Place, steps: Any) -> ChainStep:
        """The step with what follows, unless that is shown above, or is too deep."""
        again = self._again(root, place)
        if again is not None:
            return replace(step, again=again)
        found = tuple(steps(root, place))
        step = replace(step, steps=found)
        if any(map(_leads_on, found)):
            is_cut = any(each.omitted for each in step.walk())
            self.shown[root] = place.level if is_cut else 0
        return step

    def _again(self, root: Root, place: _Place) -> Again | None:
        if root in place.above:
            return "cycle"
        # What was cut elsewhere, and is not so deep here, is shown once more.
        level = self.shown.get(root)
        return "above" if level is not None and level <= place.level else None

    def _receivers(self, root: Root, place: _Place) -> Iterator[ChainStep]:
        name, sender = root.name, root.sender
        prospects = self._prospects(name, sender)
        running = [each.connection for each in prospects if each.obstacle is None]
        running.sort(key=lambda each: each.is_async is True)
        live = self.live_signals.get(name)
        entries = [] if live is None else entries_of(live)
        names = set()
        for position, connection in enumerate(running, 1):
            names.add(steady_name(connection.receiver))
            call = self._call(name, sender, connection.receiver)
            seen = _of_calls(call)
            step = ChainStep(
                "receiver",
                connection.receiver,
                standing="connected" if call is None else "seen",
                owner=connection.owner,
                location=connection.defined_at,
                position=position,
                is_async=connection.is_async is True,
                seen=Seen(0) if seen is not None and not _is_of_one(name, sender) else seen,
            )
            receiver = read_entry(entries[connection.position - 1]).receiver
            yield self._with_doings(step, root, call, receiver, place)
        alike = {*self._connected_alike(name, sender)}
        for call in self._calls_of(name, sender):
            if call.receiver not in names | alike:
                step = ChainStep(
                    "receiver",
                    call.receiver,
                    # To which of all that have no name it is connected cannot be told.
                    standing="seen" if name.startswith("<unnamed ") else "only_seen",
                    owner=call.owner,
                    is_async=call.is_async,
                    seen=_of_calls(call),
                )
                yield self._with_doings(step, root, call, None, place)
        is_asked_for = place.level == 1 and all(each.name == sender for each in place.above)
        for each in prospects:
            if each.obstacle in ("dead", "waiting") or (
                # Who is only nearly called, of what was asked for; further down it were too much.
                each.obstacle is not None
                and is_asked_for
                and steady_name(each.connection.receiver) not in names
            ):
                names.add(steady_name(each.connection.receiver))
                yield ChainStep(
                    "receiver",
                    each.connection.receiver,
                    owner=each.connection.owner,
                    location=each.connection.defined_at,
                    obstacle=each.obstacle,
                    connected_to=each.connection.heard,
                )

    def _with_doings(
        self, step: ChainStep, root: Root, call: SeenCalls | None, receiver: Any, place: _Place
    ) -> ChainStep:
        written: tuple[SourceStep, ...] = ()
        is_read = step.owner.kind == "project" and receiver is not None
        if is_read:
            sender = self._live_sender(root)[1]
            signal = self.live_signals.get(root.name)
            written = self.effects.of_receiver(receiver, sender=sender, signal=signal)
        doer = _Doer(call, (*_flat(written),), is_read=is_read, is_watched=self.graph is not None)
        for each in [] if self.graph is None or call is None else self.graph.sent_by(call):
            doer.sendings.setdefault((each.sent_signal, each.sent_sender), []).append(each)
        inside = place.inside(root, 1)
        if inside.level > self.depth:
            return replace(step, omitted=self._count(written, doer))
        found = [*self._of_source(written, doer, inside), *self._only_seen(written, doer, inside)]
        return replace(step, steps=_merged(found))

    def _count(self, written: tuple[SourceStep, ...], doer: _Doer) -> int:
        """How many steps would follow: those that the source shows, and what else was seen."""
        mentioned = {_key(*each) for each in self._sent_by_source(written)}
        return len([*_plain_steps(written)]) + len({*doer.sendings} - mentioned)

    def _prospects(self, name: str, sender: str) -> list[Prospect]:
        """The connections that this sender would reach, or nearly."""
        key = name, sender
        if key not in self._heard:
            self._heard[key] = [*self._find_prospects(Root("signal", name, sender))]
        return self._heard[key]

    def _find_prospects(self, root: Root) -> Iterator[Prospect]:
        signal = self.live_signals.get(root.name)
        mapped = self.look.mapped.get(root.name)
        if signal is None or mapped is None:
            return
        found, sender = self._live_sender(root)
        if found:
            prospects = self.look.prospects(signal, sender)
        else:
            prospects = tuple(
                Prospect(each, None if each.sender in (None, root.sender) else "connected_to_other")
                for each in mapped.connections
                if each.state == "alive"
            )
        for prospect in prospects:
            each = prospect
            if prospect.obstacle is not None and self._was_seen(prospect.connection, root):
                each = Prospect(prospect.connection, None)
            if each.obstacle in ("connected_to_other", "sender_gone"):
                continue
            if each.obstacle in ("dead", "waiting"):
                connected = (each.connection.sender or root.sender).strip("'").casefold()
                if connected != root.sender.casefold():
                    continue
            yield each

    def _is_heard(self, name: str, sender: str) -> bool:
        return any(each.obstacle is None for each in self._prospects(name, sender))

    def _live_sender(self, root: Root) -> tuple[bool, Any]:
        """Whether the sender is there, and the sender."""
        name = root.sender
        if name in ("None", ""):
            return True, None
        if name in self.models:
            return True, self.models[name]
        return name in self._classes, self._classes.get(name)

    @cached_property
    def _classes(self) -> dict[str, type]:
        return {class_name(each): each for each in classes_by_id().values()}

    # What the graph has, by the names that it has for it

    def _dispatches(self, signal: str, sender: str) -> SeenDispatches | None:
        return None if self.graph is None else self.graph.dispatches.get(_key(signal, sender))

    def _call(self, signal: str, sender: str, receiver: str) -> SeenCalls | None:
        if self.graph is None:
            return None
        key = (*_key(signal, sender), steady_name(receiver))
        if key not in self.graph.calls and signal != key[0] and sender == "None":
            # Of what signals without a name were sent with it is only known that it was all that.
            same = (each for each in self.graph.calls if each[::2] == key[::2])
            key = next(same, key)
        return self.graph.calls.get(key)

    def _calls_of(self, signal: str, sender: str) -> list[SeenCalls]:
        """Not of one signal without a name: they may be of any other."""
        if self.graph is None or signal != steady_signal(signal):
            return []
        return self.graph.calls_of(*_key(signal, sender))

    def _connected_alike(self, signal: str, sender: str) -> Iterator[str]:
        """Receivers that are connected to what counts as this sender in a graph."""
        mapped = self.look.mapped.get(signal)
        for each in () if mapped is None else mapped.connections:
            is_other = each.state == "alive" and each.sender not in (None, sender)
            if is_other and steady_sender(each.sender or "") == steady_sender(sender):
                yield steady_name(each.receiver)

    def _was_seen(self, connection: Connection, root: Root) -> bool:
        """Whether it was called for a sender that is connected by itself, as an instance is."""
        return (
            connection.state == "alive"
            and connection.sender not in (None, root.sender)
            and steady_sender(connection.sender or "") == root.sender
            and self._call(root.name, root.sender, connection.receiver) is not None
        )

    def _owner_of(self, signal: str) -> Owner:
        mapped = self.look.mapped.get(signal)
        if signal.startswith("django."):
            return DJANGO
        if mapped is None or mapped.is_project:
            return Owner("project")
        return Owner("package", mapped.app or signal.partition(".")[0])

    def _standing(
        self,
        seen: Seen | None,
        in_source: tuple[InSource, ...],
        doer: _Doer | None,
        *,
        is_sought: bool = True,
        is_visible: bool = True,
    ) -> Standing:
        """``is_visible``: whether a graph would tell it from what else was done."""
        if seen is None and not in_source:
            return "connected"
        if seen is None:
            is_watched = doer is not None and doer.is_watched and is_visible
            return "only_in_source" if is_watched else "in_source"
        if in_source:
            return "seen_and_in_source"
        return "only_seen" if doer is not None and doer.is_read and is_sought else "seen"

    # Rows that are saved and deleted

    def _rows(
        self,
        root: Root,
        doer: _Doer | None,
        place: _Place,
        in_source: tuple[InSource, ...] = (),
    ) -> ChainStep:
        """A save or a delete of a model: what its own method does, and the signals it sends."""
        has_own = self._own_method(root._replace(sender="")) is not None
        if root.sender != _WITHOUT_PARENTS and not has_own:
            root = root._replace(sender="")
        is_silent = self._is_silent(root, doer)
        is_mixed_up = self._is_mixed_up(root.kind, root.name, doer, _calls_in(in_source))
        seen = None if is_silent else self._seen_rows(root, doer, in_source)
        own = self._own_method(root)
        step = ChainStep(
            root.kind,
            f"{root.name}.{root.kind}(){root.sender and f' {root.sender}'}",
            standing=self._standing(
                seen, in_source, doer, is_visible=not (is_silent or is_mixed_up)
            ),
            owner=DJANGO if own is None else own[1],
            location=None if own is None else own[0],
            seen=seen,
            in_source=in_source,
        )

        return self._continued(root, step, place, lambda *_: self._of_rows(root, doer, place))

    def _of_rows(self, root: Root, doer: _Doer | None, place: _Place) -> tuple[ChainStep, ...]:
        inside = place.inside(root)
        model = self.models.get(root.name)
        written: tuple[SourceStep, ...] = ()
        if model is not None and self._own_method(root) is not None:
            written = self.effects.of_method(model, root.kind)
        steps = [*self._of_source(written, doer or _Doer(), inside)]
        is_done = any(_is_in_turn(each, root) for each in _plain_steps(written))
        if not is_done and not self._is_silent(root, doer):
            keeps_parents = root.sender == _WITHOUT_PARENTS
            steps += self._of_rows_themselves(root, doer, inside, keeps_parents=keeps_parents)
        return _merged(steps)

    def _of_rows_themselves(
        self, root: Root, doer: _Doer | None, place: _Place, *, keeps_parents: bool = False
    ) -> Iterator[ChainStep]:
        """What Django sends; and between the first and the last, what a deletion takes along."""
        model = self.models.get(root.name)
        before, after = _ROWS["save" if root.kind == "save" else "delete"]
        sends: Iterable[tuple[str, str]] = [(before, root.name), (after, root.name)]
        taken: Iterable[SourceStep] = ()
        if model is not None and root.kind == "save":
            sends = of_save(model)
        elif model is not None:
            sends = of_delete(model, keeps_parents=keeps_parents)
            taken = cascades(model, _NOWHERE, keeps_parents=keeps_parents)
        is_begun = False
        for signal, sender in sends:
            if signal == after and not is_begun:
                is_begun = True
                for each in taken:
                    yield from self._cascade(each, doer, place)
            # Of what nobody hears, only what was asked for is shown.
            is_asked_for = place.level == 1 and len(place.above) == 1
            if is_asked_for or self._is_heard_or_seen(signal, sender):
                yield self._signal(signal, sender, doer, place, is_sought=False)

    def _cascade(
        self, cascade: SourceStep, doer: _Doer | None, place: _Place
    ) -> Iterator[ChainStep]:
        """The rows that are deleted as well, if any receiver hears of them."""
        root = Root("delete", cascade.target)
        if root in place.above:
            return
        inside = place.inside(root)
        steps = [
            self._signal(signal, sender, doer, inside, is_sought=False)
            for signal, sender in cascade.sends
            if self._is_heard_or_seen(signal, sender)
        ]
        nested = [step for each in cascade.steps for step in self._cascade(each, doer, inside)]
        if steps or nested:
            found = [each.seen for each in steps if each.seen is not None]
            yield ChainStep(
                "cascade",
                cascade.text.removeprefix("CASCADE of "),
                owner=DJANGO,
                seen=max(found, key=_by_count, default=None),
                steps=(*steps, *nested),
            )

    def _is_heard_or_seen(self, signal: str, sender: str) -> bool:
        if self._prospects(signal, sender):
            return True
        return bool(self._calls_of(signal, sender))

    def _own_method(self, root: Root) -> tuple[Location, Owner] | None:
        """Where a save() or delete() is defined that is not Django's, and whose it is."""
        model = self.models.get(root.name)
        own: Any = (
            find_in_class(model, root.kind) if model is not None and not root.sender else None
        )
        if type(own) is not FunctionType or own is namespace_of(Model)[root.kind]:
            return None
        location = describe_receiver(own).defined_at
        owner = None if location is None else owner_of_file(location.file, project_packages())
        return None if location is None or owner is None or owner == DJANGO else (location, owner)

    def _is_silent(self, root: Root, doer: _Doer | None = None) -> bool:
        """Whether its own method does something else, and Django sends nothing."""
        model = self.models.get(root.name)
        if root.kind == "signal" or model is None or self._own_method(root) is None:
            return False
        if doer is not None and any(doer.sent(each, root.name) for each in _ROWS[root.kind]):
            return False
        if root not in self._silent:
            self._silent[root] = self.effects.keeps_from_django(model, root.kind)
        return self._silent[root]

    def _seen_rows(
        self, root: Root, doer: _Doer | None, in_source: tuple[InSource, ...]
    ) -> Seen | None:
        """By the signals that were sent, or by what was written to the table."""
        signals = _ROWS["save" if root.kind == "save" else "delete"]
        if doer is None:
            found = [_of_dispatches(self._dispatches(signal, root.name)) for signal in signals]
        else:
            found = [doer.sent(signal, root.name) for signal in signals]
        found.append(self._seen_to_write(root.kind, root.name, doer, _calls_in(in_source)))
        return max((each for each in found if each is not None), key=_by_count, default=None)

    def _seen_to_write(
        self, kind: StepKind, name: str, doer: _Doer | None, calls: Iterable[str]
    ) -> Seen | None:
        """How often the table was written to in the way of these calls, and in no other."""
        others = self._verbs_of_others(kind, name, doer)
        counts = self._writes(kind, name, doer, calls)
        found = [count for verb, count in counts.items() if verb not in others]
        return Seen(sum(found)) if found else None

    def _is_mixed_up(
        self, kind: StepKind, name: str, doer: _Doer | None, calls: Iterable[str]
    ) -> bool:
        """Whether the table was written to in the way of these calls, and of others as well."""
        counts = self._writes(kind, name, doer, calls)
        return not self._verbs_of_others(kind, name, doer).isdisjoint(counts)

    def _writes(
        self, kind: StepKind, name: str, doer: _Doer | None, calls: Iterable[str]
    ) -> dict[str, int]:
        """How often the table was written to in the way of these calls, or of any, by verb."""
        model = self.models.get(name)
        if model is None or doer is None or doer.call is None:
            return {}
        if kind == "save" and not self._is_saved_unheard(name):
            return {}
        # Not documented, and the same in Django 5.2, 6.0 and 6.1: db_table.
        table = namespace_of(model)["_meta"].db_table
        counts = {verb: doer.call.writes.get(f"{verb} {table}", 0) for verb in _verbs(kind, calls)}
        return {verb: count for verb, count in counts.items() if count}

    def _is_saved_unheard(self, name: str) -> bool:
        """Whether rows of the model were saved, and the graph does not tell by whom.

        Each save sends both signals; who sent one is known as soon as somebody hears it.
        """
        found = [self._dispatches(signal, name) for signal in _ROWS["save"]]
        seen = [each for each in found if each is not None]
        return bool(seen) and all(each.unheard for each in seen)

    def _verbs_of_others(self, kind: StepKind, name: str, doer: _Doer | None) -> set[str]:
        """How the table is written to by what goes another way: past the signals, or not."""
        if doer is None:
            return set()
        kinds: tuple[StepKind, ...] = ("bulk",)
        is_sent = any(doer.sent(signal, name) is not None for signal in _ROWS["save"])
        if kind == "bulk":
            is_saved = is_sent or self._is_saved_unheard(name)
            kinds = ("save", "delete") if is_saved else ("delete",)
        steps = [each for each in doer.written if each.kind in kinds and each.target == name]
        found = {verb for each in steps for verb in _verbs(each.kind, _CALLED.findall(each.text))}
        if kind == "bulk" and is_sent and all(each.kind != "save" for each in steps):
            found.update(_VERBS["save"])
        for bypass in doer.call.bypasses if doer.call is not None and kind != "bulk" else ():
            model, _, operation = bypass.removesuffix("()").rpartition(".")
            if model == name:
                found.update(_verbs("bulk", [operation]))
        return found

    # What a receiver or a method does

    def _of_source(
        self,
        steps: Iterable[SourceStep],
        doer: _Doer,
        place: _Place,
        around: InSource | None = None,
    ) -> Iterator[ChainStep]:
        """What its source shows, in the order in which it stands there."""
        for step in steps:
            place_in_source = _in_source(step, around)
            said = (place_in_source,)
            match step.kind:
                case _ if step.certainty == "unknown" and not step.sends:
                    yield ChainStep("unknown", step.text, standing="in_source", in_source=said)
                case "call":
                    yield from self._of_source(step.steps, doer, place, place_in_source)
                case "save" | "delete" if place.above and _is_in_turn(step, place.above[-1]):
                    keeps_parents = self._keeps_parents(step)
                    yield from self._of_rows_themselves(
                        place.above[-1], doer, place, keeps_parents=keeps_parents
                    )
                case "save" | "delete" if step.target:
                    root = Root(step.kind, step.target, self._manner_of(step))
                    yield self._rows(root, doer, place, said)
                case "bulk" if step.target:
                    yield self._bulk(f"{step.target}.{_operation(step)}()", doer, said)
                case "callback":
                    yield self._put_off("callback", step, doer, place, said)
                case "task":
                    yield self._put_off("errand", step, doer, place, said)
                case _ if step.sends:
                    for signal, sender in step.sends:
                        yield self._signal(signal, sender, doer, place, said)
                case _:
                    yield ChainStep("unknown", step.text, standing="in_source", in_source=said)

    def _put_off(
        self,
        kind: Literal["callback", "errand"],
        step: SourceStep,
        doer: _Doer,
        place: _Place,
        said: tuple[InSource, ...],
    ) -> ChainStep:
        """What is done later: a callback by the same receiver, a task by whoever runs it."""
        if kind == "callback":
            counts = doer.call.callbacks if doer.call else {}
            inside = self._of_source(step.steps, doer, place, said[0])
        else:
            counts = doer.call.errands if doer.call else {}
            inside = self._of_source(step.steps, _Doer(), place)
        name = _name_of(step)
        seen = doer.did_like(counts, name)
        return ChainStep(
            kind,
            name,
            standing=self._standing(seen, said, doer),
            seen=seen,
            in_source=said,
            steps=_merged(inside),
        )

    def _manner_of(self, step: SourceStep) -> str:
        """What sends by itself, though the model has a method of its own, calls none."""
        if self._keeps_parents(step):
            return _WITHOUT_PARENTS
        if step.sends and _IN_TURN.match(step.text):
            return _PAST_ITS_OWN
        return _QUERYSET if step.sends and step.kind == "delete" else ""

    def _keeps_parents(self, step: SourceStep) -> bool:
        """Whether it deletes a row, and not the rows of its parents."""
        model = self.models.get(step.target)
        if step.kind != "delete" or model is None or not step.sends:
            return False
        return len(step.sends) < len(of_delete(model))

    def _bulk(self, name: str, doer: _Doer, said: tuple[InSource, ...] = ()) -> ChainStep:
        model, _, operation = name.removesuffix("()").rpartition(".")
        seen = doer.did_like(doer.call.bypasses if doer.call else {}, name)
        seen = seen or self._seen_to_write("bulk", model, doer, [operation])
        is_mixed_up = self._is_mixed_up("bulk", model, doer, [operation])
        skipped = [
            each.receiver
            for signal in signals_skipped_by(operation)
            for each in self.look.mapped[signal].connections
            if each.state == "alive" and each.sender == model
        ]
        return ChainStep(
            "bulk",
            name,
            standing=self._standing(seen, said, doer, is_visible=not is_mixed_up),
            owner=DJANGO,
            seen=seen,
            in_source=said,
            skipped=tuple(dict.fromkeys(skipped)),
        )

    def _only_seen(
        self, written: tuple[SourceStep, ...], doer: _Doer, place: _Place
    ) -> Iterator[ChainStep]:
        """What its calls were seen to do, and its source does not show."""
        mentioned = {_key(*each) for each in self._sent_by_source(written)}
        callbacks: dict[str, list[ChainStep]] = {}
        rows: set[Root] = set()
        for (signal, sender), edges in doer.sendings.items():
            if (signal, sender) in mentioned:
                continue
            kind = _KIND_OF.get(signal)
            if kind is None:
                step = self._signal(signal, sender, doer, place)
            elif Root(kind, sender) in rows:
                continue
            else:
                rows.add(Root(kind, sender))
                step = self._rows(Root(kind, sender), doer, place)
            for name in {each.on_commit for each in edges}:
                if name:
                    callbacks.setdefault(name, []).append(step)
                else:
                    yield step
        yield from self._only_seen_besides(written, doer, callbacks)

    def _only_seen_besides(
        self,
        written: tuple[SourceStep, ...],
        doer: _Doer,
        callbacks: dict[str, list[ChainStep]],
    ) -> Iterator[ChainStep]:
        """Bulk operations, callbacks with what they sent, and errands."""
        call = doer.call
        if call is None:
            return
        steps = [*_flat(written)]
        shown = {f"{each.target}.{_operation(each)}()" for each in steps if each.kind == "bulk"}
        for name in sorted({*call.bypasses} - shown):
            yield self._bulk(name, doer)
        told = [_name_of(each) for each in steps if each.kind in ("callback", "task")]
        for name in sorted({*call.callbacks, *callbacks}):
            if not any(_is_like(name, each) for each in told):
                seen = doer.did(call.callbacks, name)
                standing = self._standing(seen, (), doer)
                nested = tuple(callbacks.get(name, ()))
                yield ChainStep("callback", name, standing=standing, seen=seen, steps=nested)
        for name in sorted(call.errands):
            if not any(_is_like(name, each) for each in told):
                seen = doer.did(call.errands, name)
                # The source is read for tasks only.
                is_sought = name.startswith("task ")
                standing = self._standing(seen, (), doer, is_sought=is_sought)
                yield ChainStep("errand", name, standing=standing, seen=seen)

    def _sent_by_source(self, steps: Iterable[SourceStep]) -> Iterator[tuple[str, str]]:
        """All signals that these steps account for, with those of the rows they take along."""
        for step in _flat(steps):
            yield from step.sends
            if step.kind in ("save", "delete") and not step.sends and step.target in self.models:
                model = self.models[step.target]
                yield from of_save(model) if step.kind == "save" else of_delete(model)
                for each in cascades(model, _NOWHERE) if step.kind == "delete" else ():
                    yield from (sent for nested in _flat([each]) for sent in nested.sends)


# What was seen


def _key(signal: str, sender: str) -> tuple[str, str]:
    return steady_signal(signal), steady_sender(sender)


def _is_of_one(signal: str, sender: str) -> bool:
    """Whether what a graph has by their names is of these alone."""
    return _key(signal, sender) == (signal, sender)


def _of_dispatches(seen: SeenDispatches | None) -> Seen | None:
    if seen is None:
        return None
    return Seen(
        seen.count,
        traces=seen.traces,
        example=seen.example,
        raised=seen.raised,
        rolled_back=seen.rolled_back,
    )


def _of_calls(seen: SeenCalls | None) -> Seen | None:
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


def _by_count(seen: Seen) -> int:
    return seen.count


def _verbs(kind: str, calls: Iterable[str]) -> set[str]:
    """What these calls send to the database; those whose name says nothing, by their kind."""
    names = (each.removeprefix("a") for each in calls)
    known = {verb for each in names for verb in _VERBS_OF_CALL.get(each, ())}
    return known or {*_VERBS[kind]}


def _is_sought(signal: str) -> bool:
    """Whether the source is read for it: not for what Django sends beside those of rows."""
    return not signal.startswith("django.") or signal in {*_KIND_OF, _M2M}


# What the source says


def _flat(steps: Iterable[SourceStep]) -> Iterator[SourceStep]:
    for step in steps:
        yield step
        yield from _flat(step.steps)


def _plain_steps(steps: Iterable[SourceStep]) -> Iterator[SourceStep]:
    """The same with what functions of the project do in place of their calls."""
    for step in steps:
        if step.kind == "call" and step.certainty != "unknown":
            yield from _plain_steps(step.steps)
        else:
            yield step


def _in_source(step: SourceStep, around: InSource | None) -> InSource:
    """Where it stands; inside a function that is called under a condition, with that as well."""
    conditions = [each for each in (around and around.condition, step.condition) if each]
    worst = max(
        (step.certainty, around.certainty if around else "certain"), key=lambda each: _RANK[each]
    )
    return InSource(step.text, worst, step.location, " ".join(conditions) or None, step.reason)


def _calls_in(places: Iterable[InSource]) -> set[str]:
    return {name for each in places for name in _CALLED.findall(each.text)}


def _is_in_turn(step: SourceStep, of: Root) -> bool:
    """Whether a model's own ``save()`` or ``delete()`` goes on to Django's by it."""
    is_same = step.kind == of.kind and step.target == of.name
    return is_same and bool(step.sends) and _IN_TURN.match(step.text) is not None


def _operation(step: SourceStep) -> str:
    found = _CALLED.findall(step.text)
    return found[-1] if found else step.text


def _name_of(step: SourceStep) -> str:
    name = step.target or step.text
    return f"task {name}" if step.kind == "task" else name


def _is_like(seen: str, written: str) -> bool:
    """Whether a callback or task that was seen is the one that is written so."""
    return steady_name(written) in (seen, seen.removeprefix("partial(").removesuffix(")"))


def _sent_in(project: Project) -> Iterator[tuple[str, str]]:
    """Signals with senders, as each ``send()`` of the project's source names them."""
    for source in project.sources:
        for call, _ in source.calls(_MAY_SEND):
            if not isinstance(call.func, ast.Attribute):
                continue
            signal = look_up(source.dotted(call.func.value))
            given = [each.value for each in call.keywords if each.arg == "sender"]
            sender = look_up(source.dotted(next(iter((*given, *call.args)), None)))
            if is_a(signal, Signal) and is_a(sender, type):
                yield signal_name(signal), class_name(sender)
        source.let_go()


# Names and steps


def _named(name: str, model: Any) -> Iterable[tuple[str, Any]]:
    return [(name, model), (path_of(model), model)]


def _leads_on(step: ChainStep) -> bool:
    """Whether anything comes of it: of a signal that nobody hears nothing does."""
    return step.kind != "signal" or bool(step.steps or step.again or step.omitted)


def _merged(steps: Iterable[ChainStep]) -> tuple[ChainStep, ...]:
    """Each thing once, with every place in the source that says so."""
    kept: dict[tuple[object, ...], ChainStep] = {}
    for step in steps:
        # Each place that could not be resolved may mean something else.
        place = step.in_source[0].location if step.kind == "unknown" else step.position
        key = step.kind, step.name, step.sender, place
        if key not in kept:
            kept[key] = step
            continue
        earlier = kept[key]
        in_source = tuple(dict.fromkeys((*earlier.in_source, *step.in_source)))
        # Other functions may go by the same name: every lambda is a `<lambda>`.
        both = earlier.steps and step.steps
        found = _merged((*earlier.steps, *step.steps)) if both else earlier.steps or step.steps
        kept[key] = replace(earlier, in_source=in_source, steps=found)
    return tuple(kept.values())
