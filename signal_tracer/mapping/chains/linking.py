"""Links of a chain, put together: from the connections, the source, and a graph where one is given.

Everything is known by the names that a trace gives it, since that is all that a graph has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from signal_tracer.chain import Again, ChainStep, InSource, Seen, Standing
from signal_tracer.describing.connections import entries_of, read_entry
from signal_tracer.mapping.bulk_calls import signals_skipped_by
from signal_tracer.mapping.chains.heard import Heard
from signal_tracer.mapping.chains.own_methods import OwnMethods
from signal_tracer.mapping.chains.roots import (
    INIT,
    KIND_OF,
    M2M,
    MODELS,
    OF_A_QUERYSET,
    PAST_ITS_OWN,
    ROWS,
    WITHOUT_PARENTS,
    Root,
)
from signal_tracer.mapping.chains.seen import (
    Doer,
    Watched,
    by_count,
    is_of_one,
    key_of,
    of_calls,
    of_dispatches,
)
from signal_tracer.mapping.chains.written import (
    flat,
    goes_on_to_djangos,
    in_source,
    is_in_turn,
    is_like,
    name_of,
    plain_steps,
)
from signal_tracer.mapping.effects import Effects
from signal_tracer.mapping.effects.sendings import cascades, of_delete, of_save
from signal_tracer.mapping.methods import CHANGE_RELATED
from signal_tracer.records import DJANGO, Location
from signal_tracer.signal_graph import SeenCalls, steady_name
from signal_tracer.source_steps import SourceStep

_NOWHERE = Location("", 1, "")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the chain something stands: how deep, what it is in, and who is disconnected
    there, each by signal and receiver."""

    level: int = 1
    above: tuple[Root, ...] = ()
    away: frozenset[tuple[str, str]] = frozenset()

    def inside(self, root: Root, levels: int = 0) -> _Place:
        return replace(self, level=self.level + levels, above=(*self.above, root))

    def without(self, signal: str, receiver: str) -> _Place:
        """Where one of those above is not called: what they lead to does not go round by it."""
        return replace(self, above=(), away=self.away | {(signal, receiver)})


class Links:
    """One chain as it is put together: what is shown already is not shown again."""

    def __init__(
        self,
        heard: Heard,
        watched: Watched,
        own_methods: OwnMethods,
        effects: Effects,
        depth: int,
    ) -> None:
        self.heard = heard
        self.watched = watched
        self.own_methods = own_methods
        self.effects = effects
        self.depth = depth
        # How deep each was shown whose steps are not to be shown again.
        self.shown: dict[Root, int] = {}

    def in_order(self, roots: list[Root]) -> list[Root]:
        """Those that others of them lead to stand behind these, and are shown there."""
        custom = [root for root in roots if _is_custom(root)]
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
        doer: Doer | None,
        place: _Place,
        in_source: tuple[InSource, ...] = (),
        *,
        is_sought: bool = True,
    ) -> ChainStep:
        """``is_sought``: whether the source would show it by a step of its own."""
        root = Root("signal", name, sender)
        dispatches = self.watched.dispatches(name, sender)
        seen = doer.sent(name, sender) if doer is not None else of_dispatches(dispatches)
        if dispatches is not None and not is_of_one(name, sender):
            seen, dispatches = seen and Seen(0), None
        step = ChainStep(
            "signal",
            name,
            sender,
            standing=self._standing(
                seen, in_source, doer, is_sought=is_sought and _is_sought(name)
            ),
            owner=self.heard.owner_of(name),
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
                    rolled_back=0 if name in INIT else dispatches.rolled_back,
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
        prospects = self.heard.prospects(name, sender)
        running = [each.connection for each in prospects if each.obstacle is None]
        running.sort(key=lambda each: each.is_async is True)
        live = self.heard.signals.get(name)
        entries = [] if live is None else entries_of(live)
        names = set()
        for position, connection in enumerate(running, 1):
            names.add(steady_name(connection.receiver))
            if (name, connection.receiver) in place.away:
                continue
            call = self.watched.call(name, sender, connection.receiver)
            seen = of_calls(call)
            step = ChainStep(
                "receiver",
                connection.receiver,
                standing="connected" if call is None else "seen",
                owner=connection.owner,
                location=connection.defined_at,
                position=position,
                is_async=connection.is_async is True,
                seen=Seen(0) if seen is not None and not is_of_one(name, sender) else seen,
            )
            receiver = read_entry(entries[connection.position - 1]).receiver
            yield self._with_doings(step, root, call, receiver, place)
        alike = {*self.heard.connected_alike(name, sender)}
        for call in self.watched.calls_of(name, sender):
            if call.receiver not in names | alike:
                step = ChainStep(
                    "receiver",
                    call.receiver,
                    # To which of all that have no name it is connected cannot be told.
                    standing="seen" if name.startswith("<unnamed ") else "only_seen",
                    owner=call.owner,
                    is_async=call.is_async,
                    seen=of_calls(call),
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
            sender = self.heard.live_sender(root)[1]
            signal = self.heard.signals.get(root.name)
            written = self.effects.of_receiver(receiver, sender=sender, signal=signal)
        doer = Doer(
            call, (*flat(written),), is_read=is_read, is_watched=self.watched.graph is not None
        )
        for each in (
            [] if self.watched.graph is None or call is None else self.watched.graph.sent_by(call)
        ):
            doer.sendings.setdefault((each.sent_signal, each.sent_sender), []).append(each)
        inside = place.inside(root, 1)
        if is_read and self.effects.disconnects_itself(receiver, root.name):
            inside = inside.without(root.name, step.name)
        if inside.level > self.depth:
            return replace(step, omitted=self._count(written, doer))
        found = [*self._of_source(written, doer, inside), *self._only_seen(written, doer, inside)]
        return replace(step, steps=_merged(found))

    def _count(self, written: tuple[SourceStep, ...], doer: Doer) -> int:
        """How many steps would follow: those that the source shows, and what else was seen."""
        mentioned = {key_of(*each) for each in self._sent_by_source(written)}
        return len([*plain_steps(written)]) + len({*doer.sendings} - mentioned)

    def _standing(
        self,
        seen: Seen | None,
        in_source: tuple[InSource, ...],
        doer: Doer | None,
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
        doer: Doer | None,
        place: _Place,
        in_source: tuple[InSource, ...] = (),
        method: str = "",
    ) -> ChainStep:
        """A save or a delete of a model: what its own method does, and the signals it sends.

        ``method``: that which is called for it in the source, as ``create``.
        """
        has_own = self.own_methods.of(root._replace(sender="")) is not None
        if root.sender != WITHOUT_PARENTS and not has_own:
            root = root._replace(sender="")
        is_silent = self.own_methods.is_silent(root, doer)
        is_mixed_up = self.watched.is_mixed_up(root.kind, root.name, doer, method)
        seen = None if is_silent else self.watched.rows(root, doer, method)
        own = self.own_methods.of(root)
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

    def _of_rows(self, root: Root, doer: Doer | None, place: _Place) -> tuple[ChainStep, ...]:
        inside = place.inside(root)
        model = self.heard.models.get(root.name)
        written: tuple[SourceStep, ...] = ()
        if model is not None and self.own_methods.of(root) is not None:
            written = self.effects.of_method(model, root.kind)
        steps = [*self._of_source(written, doer or Doer(), inside)]
        is_done = any(is_in_turn(each, root) for each in plain_steps(written))
        if not is_done and not self.own_methods.is_silent(root, doer):
            keeps_parents = root.sender == WITHOUT_PARENTS
            steps += self._of_rows_themselves(root, doer, inside, keeps_parents=keeps_parents)
        return _merged(steps)

    def _of_rows_themselves(
        self,
        root: Root,
        doer: Doer | None,
        place: _Place,
        in_source: tuple[InSource, ...] = (),
        *,
        keeps_parents: bool = False,
    ) -> Iterator[ChainStep]:
        """What Django sends; and between the first and the last, what a deletion takes along.

        ``in_source``: where the model's own method goes on to it, unless that is certain.
        """
        model = self.heard.models.get(root.name)
        before, after = ROWS["save" if root.kind == "save" else "delete"]
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
            if is_asked_for or self.heard.is_heard_or_seen(signal, sender):
                yield self._signal(signal, sender, doer, place, in_source, is_sought=False)

    def _cascade(
        self, cascade: SourceStep, doer: Doer | None, place: _Place
    ) -> Iterator[ChainStep]:
        """The rows that are deleted as well, if any receiver hears of them."""
        root = Root("delete", cascade.target)
        if root in place.above:
            return
        inside = place.inside(root)
        steps = [
            self._signal(signal, sender, doer, inside, is_sought=False)
            for signal, sender in cascade.sends
            if self.heard.is_heard_or_seen(signal, sender)
        ]
        nested = [step for each in cascade.steps for step in self._cascade(each, doer, inside)]
        if steps or nested:
            found = [each.seen for each in steps if each.seen is not None]
            yield ChainStep(
                "cascade",
                cascade.text.removeprefix("CASCADE of "),
                owner=DJANGO,
                seen=max(found, key=by_count, default=None),
                steps=(*steps, *nested),
            )

    # What a receiver or a method does

    def _of_source(
        self,
        steps: Iterable[SourceStep],
        doer: Doer,
        place: _Place,
        around: InSource | None = None,
    ) -> Iterator[ChainStep]:
        """What its source shows, in the order in which it stands there."""
        for step in steps:
            place_in_source = in_source(step, around)
            said = (place_in_source,)
            match step.kind:
                case _ if step.certainty == "unknown" and not step.sends:
                    yield ChainStep("unknown", step.text, standing="in_source", in_source=said)
                case "call":
                    yield from self._of_source(step.steps, doer, place, place_in_source)
                case "save" | "delete" if place.above and is_in_turn(step, place.above[-1]):
                    yield from self._of_rows_themselves(
                        place.above[-1],
                        doer,
                        place,
                        () if place_in_source.certainty == "certain" else said,
                        keeps_parents=self._keeps_parents(step),
                    )
                case "save" | "delete" if step.target:
                    root = Root(step.kind, step.target, self._manner_of(step))
                    yield self._rows(root, doer, place, said, step.method)
                case "bulk" if step.target:
                    yield self._bulk(_bulk_name(step), doer, said)
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
        doer: Doer,
        place: _Place,
        said: tuple[InSource, ...],
    ) -> ChainStep:
        """What is done later: a callback by the same receiver, a task by whoever runs it."""
        if kind == "callback":
            counts = doer.call.callbacks if doer.call else {}
            inside = self._of_source(step.steps, doer, place, said[0])
        else:
            counts = doer.call.errands if doer.call else {}
            inside = self._of_source(step.steps, Doer(), place)
        name = name_of(step)
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
            return WITHOUT_PARENTS
        if goes_on_to_djangos(step):
            return PAST_ITS_OWN
        return OF_A_QUERYSET if step.sends and step.kind == "delete" else ""

    def _keeps_parents(self, step: SourceStep) -> bool:
        """Whether it deletes a row, and not the rows of its parents."""
        model = self.heard.models.get(step.target)
        if step.kind != "delete" or model is None or not step.sends:
            return False
        return len(step.sends) < len(of_delete(model))

    def _bulk(self, name: str, doer: Doer, said: tuple[InSource, ...] = ()) -> ChainStep:
        model, _, operation = name.removesuffix("()").rpartition(".")
        seen = doer.did_like(doer.call.bypasses if doer.call else {}, name)
        seen = seen or self.watched.written_to("bulk", model, doer, operation)
        is_mixed_up = self.watched.is_mixed_up("bulk", model, doer, operation)
        # What is changed through a relation is changed by update().
        method = "update" if operation in CHANGE_RELATED else operation
        skipped = [
            each.receiver
            for signal in signals_skipped_by(method)
            for each in self.heard.look.mapped[signal].connections
            # Packages that hear every model are no news of this one.
            if each.state == "alive"
            and (each.sender == model or (each.sender is None and each.is_project))
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
        self, written: tuple[SourceStep, ...], doer: Doer, place: _Place
    ) -> Iterator[ChainStep]:
        """What its calls were seen to do, and its source does not show."""
        mentioned = {key_of(*each) for each in self._sent_by_source(written)}
        callbacks: dict[str, list[ChainStep]] = {}
        rows: set[Root] = set()
        for (signal, sender), edges in doer.sendings.items():
            if (signal, sender) in mentioned:
                continue
            kind = KIND_OF.get(signal)
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
        doer: Doer,
        callbacks: dict[str, list[ChainStep]],
    ) -> Iterator[ChainStep]:
        """Bulk operations, callbacks with what they sent, and errands."""
        call = doer.call
        if call is None:
            return
        steps = [*flat(written)]
        shown = {_bulk_name(each) for each in steps if each.kind == "bulk"}
        for name in sorted({*call.bypasses} - shown):
            yield self._bulk(name, doer)
        told = [name_of(each) for each in steps if each.kind in ("callback", "task")]
        for name in sorted({*call.callbacks, *callbacks}):
            if not any(is_like(name, each) for each in told):
                seen = doer.did(call.callbacks, name)
                standing = self._standing(seen, (), doer)
                nested = tuple(callbacks.get(name, ()))
                yield ChainStep("callback", name, standing=standing, seen=seen, steps=nested)
        for name in sorted(call.errands):
            if not any(is_like(name, each) for each in told):
                seen = doer.did(call.errands, name)
                # The source is read for tasks only.
                is_sought = name.startswith("task ")
                standing = self._standing(seen, (), doer, is_sought=is_sought)
                yield ChainStep("errand", name, standing=standing, seen=seen)

    def _sent_by_source(self, steps: Iterable[SourceStep]) -> Iterator[tuple[str, str]]:
        """All signals that these steps account for, with those of the rows they take along."""
        for step in flat(steps):
            yield from step.sends
            if (
                step.kind in ("save", "delete")
                and not step.sends
                and step.target in self.heard.models
            ):
                model = self.heard.models[step.target]
                yield from of_save(model) if step.kind == "save" else of_delete(model)
                for each in cascades(model, _NOWHERE) if step.kind == "delete" else ():
                    yield from (sent for nested in flat([each]) for sent in nested.sends)


def _is_certain(place: InSource) -> bool:
    return place.certainty == "certain"


def _bulk_name(step: SourceStep) -> str:
    return f"{step.target}.{step.method}()" if step.method else step.text


def _is_sought(signal: str) -> bool:
    """Whether the source is read for it: not for what Django sends beside those of rows."""
    return not signal.startswith("django.") or signal in {*KIND_OF, M2M}


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
        if not (earlier.in_source and step.in_source) and step.kind == "signal":
            # What a save sends each time is certain, wherever else it may be sent as well.
            always = step if earlier.in_source else earlier
            earlier = replace(earlier, standing=always.standing)
            in_source = in_source if any(map(_is_certain, in_source)) else ()
        # Other functions may go by the same name: every lambda is a `<lambda>`.
        both = earlier.steps and step.steps
        found = _merged((*earlier.steps, *step.steps)) if both else earlier.steps or step.steps
        kept[key] = replace(earlier, in_source=in_source, steps=found)
    return tuple(kept.values())


def _is_custom(root: Root) -> bool:
    return root.kind == "signal" and not root.name.startswith(MODELS)
