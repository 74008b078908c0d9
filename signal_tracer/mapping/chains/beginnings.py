"""What was asked for, found by its name, as that with which a chain begins."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from django.dispatch import Signal

from signal_tracer.describing.names import class_name, is_a, namespace_of, signal_name
from signal_tracer.mapping.chains.heard import Heard
from signal_tracer.mapping.chains.own_methods import OwnMethods
from signal_tracer.mapping.chains.roots import INIT, M2M, MODELS, OF_A_QUERYSET, ROWS, Root, RowKind
from signal_tracer.mapping.chains.seen import key_of
from signal_tracer.mapping.explaining import matching, path_of, pick
from signal_tracer.mapping.looking import look_up
from signal_tracer.mapping.projects import Project
from signal_tracer.mapping.senders import through_models
from signal_tracer.signal_graph import SignalGraph, steady_sender
from signal_tracer.signal_map import SENT_BY_MODELS

_MAY_SEND = re.compile(r"\.\s*a?send(_robust)?\s*\(")


class Beginnings:
    """What goes by a name: a model, its save or delete, a signal, another sender."""

    def __init__(
        self, heard: Heard, own_methods: OwnMethods, project: Project, graph: SignalGraph | None
    ) -> None:
        self._heard = heard
        self._own_methods = own_methods
        self._project = project
        self._graph = graph

    def roots_of(self, start: str, sender: str | None) -> tuple[str, list[Root]]:
        """What was asked for, as a trace names it, and what it begins with."""
        signals = [*self._heard.signals.items()]
        if sender is not None:
            signal = self._heard.look.signal(start)
            found = self._heard.look.sender(sender, signal)
            name = self._heard.look.senders.describe_live(found)[0] if found is not None else "None"
            root = Root("signal", signal_name(signal), name or "None")
            return f"{root.name} sent by {root.sender}", [root]
        models = [each for name, live in self._heard.models.items() for each in _named(name, live)]
        owner, _, method = start.removesuffix("()").rpartition(".")
        if method in ROWS and not matching(start, signals):
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
        model = self._heard.models.get(name)
        if model is None:
            return
        for signal in INIT:
            if self._heard.is_heard(signal, name):
                yield Root("signal", signal, name)
        if namespace_of(model)["_meta"].auto_created:
            yield Root("signal", M2M, name)
            return
        yield Root("save", name)
        if self._own_methods.is_silent(Root("save", name)):
            # Sent all the same by what calls no save(), as loading a fixture.
            for signal in ROWS["save"]:
                if self._heard.is_heard_or_seen(signal, name):
                    yield Root("signal", signal, name)
        yield Root("delete", name)
        if self._own_methods.is_silent(Root("delete", name)):
            yield Root("delete", name, OF_A_QUERYSET)
        for through in dict.fromkeys(self._throughs_of(model)):
            yield Root("signal", M2M, through)

    def _throughs_of(self, model: Any) -> Iterator[str]:
        """Of its own fields, and of those of others that lead to it and are heard."""
        for owner, name, through in through_models(self._heard.models.values()):
            field_ = namespace_of(owner)["_meta"].get_field(name)
            if owner is model or (
                field_.related_model is model and self._heard.is_heard(M2M, class_name(through))
            ):
                yield class_name(through)

    def _custom(self, sender: str) -> list[Root]:
        # Of a model that is no longer there, as one of a test's, only the signals are known.
        of_model = {*SENT_BY_MODELS, M2M, f"{MODELS}class_prepared"}
        of_django = of_model if sender in self._heard.models else set()
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
            for signal, each in self._heard.look.map.walk()
            if each.sender is not None and each.sender_kind not in ("gone", "unknown", "lazy")
        }
        seen = set() if self._graph is None else {*self._graph.dispatches}
        # An instance was seen as its class.
        connected = {
            (signal, steady_sender(sender)) if key_of(signal, sender) in seen else (signal, sender)
            for signal, sender in connected
        }
        return connected | seen | {*_sent_in(self._project)}

    @cached_property
    def _other_senders(self) -> set[str]:
        return {by for _, by in self._known} - {*self._heard.models, "None"}


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


def _named(name: str, model: Any) -> Iterable[tuple[str, Any]]:
    return [(name, model), (path_of(model), model)]
