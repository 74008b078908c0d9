"""Effects of the project's functions: what their source says that they save, send, delete, queue.

A function is gone through once, statement by statement, with what each name stands for: read with
``ast`` and in the dictionaries of what is loaded. Nothing of it is imported or run. What it calls
of the project's own is gone through in turn, with what it is given. Attributes that are computed
(properties) and calls of what cannot be told are not followed.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import FunctionType, MethodType
from typing import Any

from django.apps import apps
from django.db.models.fields.related_descriptors import ManyToManyDescriptor
from django.db.models.signals import ModelSignal, m2m_changed
from django.dispatch import Signal

from signal_tracer.describing.names import (
    class_name,
    find_in_class,
    is_a,
    namespace_of,
    unwrapped,
)
from signal_tracer.mapping.effects.following import Following
from signal_tracer.mapping.effects.functions import Functions, name_of, self_of_live
from signal_tracer.mapping.effects.meanings import (
    NONE,
    UNKNOWN,
    Bound,
    Class,
    Code,
    Given,
    Instance,
    Live,
    Value,
    alternatives,
    any_of,
    is_model,
    is_subclass,
    key_of,
    value_of_live,
)
from signal_tracer.mapping.effects.stepping import Outcome
from signal_tracer.mapping.looking import look_up
from signal_tracer.mapping.projects import Project
from signal_tracer.mapping.senders import through_models
from signal_tracer.records import Location
from signal_tracer.source_steps import SourceStep

_MOST_DEPTH = 8
_MOST_RUNS = 600
# Sent by Django with `sender=user.__class__, user=user`; looked up, since it may not be loaded.
_OF_USERS = tuple(
    f"django.contrib.auth.signals.{name}" for name in ("user_logged_in", "user_logged_out")
)


class Effects:
    """What the functions of a project do, each read once; made once for each reading."""

    def __init__(self, project: Project) -> None:
        self.functions = Functions(project)
        # Of what is being read: what was gone through, what is being, and how often.
        self._known: dict[object, list[_Run]] = {}
        self._running: list[_Run] = []
        self._runs = 0
        # What each signal is sent with, by its id: the senders, and the arguments by name.
        self._sent: dict[int, list[tuple[Value, Mapping[str, Value]]]] = {}
        self._has_looked_for_sends = False
        self._is_looking_for_sends = False

    def of_receiver(
        self, receiver: object, *, sender: object = None, signal: Signal | None = None
    ) -> tuple[SourceStep, ...]:
        """What a live receiver does, when ``signal`` is sent by ``sender``, a class.

        Empty for one whose source is not the project's, or is not there.
        """
        try:
            return self._of_receiver(receiver, sender, signal)
        except Exception as error:  # one that cannot be read is not the end of the others
            reason = f"reading it failed with {type(error).__name__}"
            return (SourceStep("call", "it", "unknown", Location("", 1, ""), reason=reason),)

    def _of_receiver(
        self, receiver: object, sender: object, signal: Signal | None
    ) -> tuple[SourceStep, ...]:
        value = _value_of_receiver(receiver)
        keywords: dict[str, Value] = {}
        if is_a(sender, type):
            keywords["sender"] = Class(sender)  # type: ignore[arg-type]  # is_a() asked
            if _sends_instances(sender, signal):
                keywords["instance"] = Instance(sender)  # type: ignore[arg-type]
            elif signal is None or signal is m2m_changed:
                keywords |= _ends_of(sender)
        if signal is not None:
            keywords["signal"] = Live(signal)
            if not is_a(signal, ModelSignal):
                keywords = {**self._sent_with(signal, sender), **keywords}
        if isinstance(value, Given):
            keywords |= value.keywords
        code, first = self.functions.code_of(value)
        if code is None or not self.functions.is_projects(code.source.file):
            return ()
        return self._read(code, first, keywords)

    def disconnects_itself(self, receiver: object, signal: str) -> bool:
        """Whether the receiver's source takes it away from the signal that goes by this name, as
        one does around a save of one's own."""
        code, _ = self.functions.code_of(_value_of_receiver(receiver))
        if code is None:
            return False
        own = code.qualname.rpartition(".")[2]
        names = (signal.rpartition(".")[2], "signal")
        for each in ast.walk(code.node):
            match each:
                case ast.Call(
                    func=ast.Attribute(
                        attr="disconnect", value=ast.Name(id=name) | ast.Attribute(attr=name)
                    )
                ) if name in names:
                    given = (*each.args, *(keyword.value for keyword in each.keywords))
                    if any(isinstance(arg, ast.Name) and arg.id == own for arg in given):
                        return True
        return False

    def of_function(self, file: str, line: int, qualname: str) -> tuple[SourceStep, ...]:
        """What the function does that begins on the line, with its decorators or without."""
        code = self.functions.find(file, line, qualname)
        return () if code is None else self._read(code, self.functions.self_of(code), {})

    def of_method(self, model: type, name: str) -> tuple[SourceStep, ...]:
        """What the model's own method does, such as an overridden ``save()``, that is given
        nothing; no steps where it has none."""
        code, _ = self.functions.code_of(Bound(Instance(model), name))
        if code is None or not self.functions.is_projects(code.source.file):
            return ()
        # `update_fields` too: a save() hands on what it has of it, and an empty one saves nothing.
        given: dict[str, Value] = {"update_fields": NONE} if name == "save" else {}
        return self._read(code, (Instance(model),), given)

    def keeps_from_django(self, model: type, name: str) -> bool:
        """Whether the model's own ``save()`` or ``delete()`` never goes on to Django's.

        Only where its source is there, and nothing in it could be that.
        """
        found = find_in_class(model, name)
        code, _ = self.functions.code_of(Bound(Instance(model), name))
        if code is None or type(found) is not FunctionType or code.condition is not None:
            return False
        # Whatever its decorators are.
        own = self.functions.code_of_function(unwrapped(found))
        if own is None or not self.functions.is_projects(own.source.file):
            return False
        if _mentions_django(own.node, name):
            return False
        return not any(_may_be_own(each, model, name) for each in self.of_method(model, name))

    @cached_property
    def relations(self) -> set[str]:
        """The names by which models reach others through a table between them."""
        return {
            name
            for models in list(apps.all_models.values())
            for model in list(models.values())
            for name, found in list(namespace_of(model).items())
            if is_a(found, ManyToManyDescriptor)
        }

    # What custom signals are sent with

    def note_sent(self, signal: Signal, sender: Value, keywords: Mapping[str, Value]) -> None:
        """Somebody was seen to send it so."""
        if self._is_looking_for_sends:
            self._sent.setdefault(id(signal), []).append((sender, keywords))

    def _sent_with(self, signal: Signal, sender: object) -> dict[str, Value]:
        """What receivers of a custom signal are given, by every place that sends it."""
        if not self._has_looked_for_sends:
            self._has_looked_for_sends = self._is_looking_for_sends = True
            for code in self.functions.that_send():
                self._read(code, self.functions.self_of(code), {})
            self._is_looking_for_sends = False
        found: dict[str, Value] = {}
        if is_model(sender) and any(signal is look_up(each) for each in _OF_USERS):
            found["user"] = Instance(sender)  # type: ignore[arg-type]  # is_model() asked
        places = [
            keywords for by, keywords in self._sent.get(id(signal), ()) if _may_be(by, sender)
        ]
        for name in {name for keywords in places for name in keywords} - {"sender"}:
            found[name] = any_of(*(keywords.get(name, UNKNOWN) for keywords in places))
        return found

    def _read(
        self, code: Code, args: Sequence[Value], keywords: Mapping[str, Value]
    ) -> tuple[SourceStep, ...]:
        """What a function does that nobody calls here: the same whatever was read before."""
        self._known.clear()
        self._runs = 0
        try:
            return self.run(code, args, keywords).steps
        except Exception as error:  # one that cannot be read is not the end of the others
            return (_unknown(code, f"reading it failed with {type(error).__name__}"),)
        finally:
            self._running.clear()

    def run(self, code: Code, args: Sequence[Value], keywords: Mapping[str, Value]) -> Outcome:
        """What a function does and returns that is given these."""
        node = id(code.node)
        above = [each.node for each in self._running]
        left = _MOST_DEPTH - len(above)
        key = (
            key_of(code),
            tuple(key_of(each) for each in args),
            tuple(sorted((name, repr(key_of(each))) for name, each in keywords.items())),
        )
        for known in self._known.get(key, ()):
            if known.holds(above, left):
                self._note_inside(known)
                return known.outcome
        given = (code, args, keywords)
        run = _Run(node, left, {node}, is_calling=_calls_any(code.node), given=given)
        if node in above:
            self._running[-1].again.add(node)
            return Outcome((), UNKNOWN, is_cut=True)
        if run.is_calling and left <= 0:
            run.is_too_deep = True
            run.outcome = Outcome(
                (_unknown(code, "it is called deeper than is followed"),), UNKNOWN
            )
        elif self._runs >= _MOST_RUNS:
            run.outcome = Outcome((_unknown(code, "too much is called to follow it all"),), UNKNOWN)
        else:
            self._runs += 1
            self._running.append(run)
            try:
                run.outcome = Following(self, code, args, keywords).outcome()
            except RecursionError:
                run.is_too_deep = True
                reason = "it is called deeper than is followed"
                run.outcome = Outcome((_unknown(code, reason),), UNKNOWN)
            finally:
                self._running.pop()
            run.again.discard(node)
            self._known.setdefault(key, []).append(run)
        self._note_inside(run)
        return run.outcome

    def _note_inside(self, run: _Run) -> None:
        if self._running:
            self._running[-1].add(run)


@dataclass(slots=True)
class _Run:
    """A function gone through, and what of those around it that depends on: told again if not."""

    node: int
    left: int
    """How many more may be called in each other."""
    inside: set[int]
    """What was gone through in it, itself among them."""
    is_calling: bool
    given: object
    """Kept as long as the run: ids tell it apart, and those of what is gone are given anew."""
    again: set[int] = field(default_factory=set)
    """What was not, since it is being gone through already."""
    height: int = 0
    is_too_deep: bool = False
    outcome: Outcome = field(default_factory=partial(Outcome, (), UNKNOWN))

    def add(self, other: _Run) -> None:
        self.inside |= other.inside
        self.again |= other.again
        self.height = max(self.height, other.height + 1)
        self.is_too_deep |= other.is_too_deep

    def holds(self, above: Collection[int], left: int) -> bool:
        """Whether it would come out the same inside these, so many deep."""
        fits = self.left == left if self.is_too_deep else self.height < left
        return fits and self.again.issubset(above) and self.inside.isdisjoint(above)


def _calls_any(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Call) for each in ast.walk(node))


def _unknown(code: Code, reason: str) -> SourceStep:
    location = Location(code.source.file, code.node.lineno, code.qualname)
    return SourceStep("call", f"{name_of(code)}()", "unknown", location, reason=reason)


def _value_of_receiver(receiver: Any) -> Value:
    kind = type(receiver)
    if kind is MethodType:
        called = receiver.__func__
        is_function = type(called) is FunctionType
        return (
            Given(Live(called), (self_of_live(receiver.__self__),), {}) if is_function else UNKNOWN
        )
    if issubclass(kind, partial):
        about = partial.__dict__
        return Given(
            _value_of_receiver(about["func"].__get__(receiver)),
            tuple(value_of_live(each) for each in about["args"].__get__(receiver)),
            {
                name: value_of_live(each)
                for name, each in about["keywords"].__get__(receiver).items()
            },
        )
    if kind is FunctionType:
        return Live(receiver)
    if issubclass(kind, type):
        return Bound(Instance(receiver), "__init__")
    return Bound(self_of_live(receiver), "__call__")


def _mentions_django(node: ast.AST, name: str) -> bool:
    """Whether it uses ``super()`` for anything but other methods, or ``Base.save(self)``."""
    named, others = 0, 0
    for each in ast.walk(node):
        match each:
            case ast.Name(id="super"):
                named += 1
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=attr):
                others += attr not in (name, "save_base")
            case ast.Call(func=ast.Attribute(attr=attr), args=[ast.Name(id="self"), *_]):
                named += attr in (name, "save_base")
    return named > others


def _may_be_own(step: SourceStep, model: type, name: str) -> bool:
    """Whether a step of the model's own method may be Django's, for the same row.

    What a queryset deletes is no such: that has its signals beside it.
    """
    if step.kind in ("call", "callback") and step.certainty != "unknown":
        return any(_may_be_own(each, model, name) for each in step.steps)
    if step.certainty == "unknown":
        return step.kind in (name, "call", "callback")
    is_same = step.kind == name and step.target == class_name(model)
    return is_same and not (name == "delete" and step.sends)


def _may_be(value: Value, sender: object) -> bool:
    """Whether a sender as it is written may be this one."""
    known = [each.cls for each in alternatives(value) if isinstance(each, Class)]
    if len(known) < len(alternatives(value)) or not is_a(sender, type):
        return True
    return any(is_subclass(sender, each) for each in known)


def _sends_instances(sender: Any, signal: Signal | None) -> bool:
    """Whether what is sent as ``instance`` is one of ``sender``, as signals of models do."""
    if not is_model(sender) or namespace_of(sender)["_meta"].auto_created:
        return False
    return signal is None or (is_a(signal, ModelSignal) and signal is not m2m_changed)


def _ends_of(sender: Any) -> dict[str, Value]:
    """What ``m2m_changed`` is sent with for a table: of either end an instance, or the model."""
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: ManyToManyDescriptor, rel.
    models = [model for each in apps.all_models.values() for model in each.values()]
    for model, name, through in through_models(models):
        found: Any = find_in_class(model, name)
        if through is sender and is_a(found, ManyToManyDescriptor):
            ends = [each for each in (found.rel.field.model, found.rel.model) if is_model(each)]
            return {
                "instance": any_of(*(Instance(each, is_exact=False) for each in ends)),
                "model": any_of(*(Class(each) for each in ends)),
            }
    return {}
