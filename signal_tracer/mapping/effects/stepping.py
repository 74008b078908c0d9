"""Steps that calls upon models, their rows, signals, tasks and functions of the project are."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Literal, Protocol, TypeAlias

from django.apps import apps
from django.db import connection
from django.db.models import Model
from django.dispatch import Signal
from django.forms import BaseModelForm

from signal_tracer.describing.names import (
    class_bases,
    class_name,
    find_in_class,
    is_a,
    namespace_of,
    signal_name,
)
from signal_tracer.describing.values import name_of_sender
from signal_tracer.mapping.effects.functions import Functions, name_of
from signal_tracer.mapping.effects.meanings import (
    NONE,
    PLAIN,
    UNKNOWN,
    Bound,
    Class,
    Code,
    Instance,
    Live,
    Many,
    Rows,
    Several,
    Super,
    Text,
    Value,
    alternatives,
    is_model,
    is_sure,
    may_be_overridden,
    queryset_of,
)
from signal_tracer.mapping.effects.sendings import (
    cascades,
    of_delete,
    of_m2m,
    of_save,
    parents_of,
)
from signal_tracer.mapping.methods import (
    BULK,
    CHANGE_RELATED,
    CREATE,
    DELETE,
    LATER,
    MANAGERS,
    OF_USERS,
    ONE_ROW,
    PERHAPS_CREATE,
    SAME_ROWS,
    SAVE,
    SENDING,
    SYNC_NAMES,
)
from signal_tracer.mapping.surroundings import text_of, text_of_call
from signal_tracer.records import Location
from signal_tracer.source_steps import Certainty, SourceStep, StepKind

# With those inside them: what is told after them is that there are more.
MOST_STEPS = 2_000
Told: TypeAlias = Literal["yes", "perhaps", "no"]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a function does, and what it returns."""

    steps: tuple[SourceStep, ...]
    returned: Value
    is_cut: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call, with what it is given; ``is_sure`` of what is called."""

    node: ast.Call
    args: tuple[Value, ...]
    keywords: Mapping[str, Value]
    is_sure: bool = True
    text: str = ""
    is_open: bool = False
    """Whether a ``**`` gives it what cannot be told."""

    def given(self, name: str, place: int | None = None) -> tuple[ast.expr | None, Value | None]:
        """An argument by its name or, if it has one, its place: as it is written here, if it is,
        and what it stands for."""
        if name in self.keywords or self.is_open:
            written = [each.value for each in self.node.keywords if each.arg == name]
            return next(iter(written), None), self.keywords.get(name, UNKNOWN)
        if place is None or place >= len(self.args):
            return None, None
        nodes = self.node.args
        # A partial is given more than is written here, `Model.save(row)` less than is.
        here = place - len(self.args) + len(nodes)
        is_written = here >= 0 and not any(isinstance(each, ast.Starred) for each in nodes)
        return nodes[here] if is_written else None, self.args[place]

    def tells(self, name: str, place: int | None = None, *, default: bool) -> Told:
        """Whether an argument is true, as far as it is written here."""
        node, value = self.given(name, place)
        is_true = bool(node.value) if isinstance(node, ast.Constant) else default
        if value is None or isinstance(node, ast.Constant):
            return "yes" if is_true else "no"
        return "perhaps"

    def bare(self) -> Call:
        """A call in the same place that is given nothing: Django's own, within this one."""
        node = ast.Call(func=self.node.func, args=[], keywords=[])
        ast.copy_location(node, self.node)
        text = self.text or text_of_call(self.node)
        return replace(self, node=node, args=(), keywords={}, text=text, is_open=False)


class Reader(Protocol):
    """Who goes through functions, each once."""

    functions: Functions

    @property
    def relations(self) -> set[str]: ...

    def note_sent(self, signal: Signal, sender: Value, keywords: Mapping[str, Value]) -> None: ...

    def run(self, code: Code, args: Sequence[Value], keywords: Mapping[str, Value]) -> Outcome: ...


class Steps:
    """The steps of one function, as they are met, and the conditions that they stand under."""

    def __init__(
        self,
        reader: Reader,
        code: Code,
        args: Sequence[Value] = (),
        keywords: Mapping[str, Value] | None = None,
    ) -> None:
        self.reader = reader
        self.functions = reader.functions
        self.code = code
        self.source = code.source
        self.names: dict[str, Value] = dict(code.names)
        self.steps: list[SourceStep] = []
        self.conditions: list[str] = [code.condition] if code.condition else []
        # Calls that are awaited, and those whose result nobody takes.
        self.awaited: set[ast.expr] = set()
        self.dropped: set[ast.expr] = set()
        # What is gone through only for what it stands for leaves no steps.
        self.quiet = 0
        # The steps, with those inside them.
        self.count = 0
        self.is_full = False
        self.bind(args, keywords or {})

    def bind(self, args: Sequence[Value], keywords: Mapping[str, Value]) -> None:
        """The parameters stand for what is given."""
        raise NotImplementedError

    def apply(self, called: Value, call: Call, is_sure_of: bool = True) -> Value:
        """What is called does its work."""
        raise NotImplementedError

    def annotated(self, node: ast.expr | None) -> Value:
        """What an annotation says."""
        raise NotImplementedError

    def _model_named(self, call: Call) -> Value:
        """``apps.get_model("shop", "Order")``"""
        named = [call.keywords.get(each) for each in ("app_label", "model_name")]
        texts = [each.text for each in (*call.args, *named) if isinstance(each, Text)]
        label, _, name = ".".join(texts).partition(".")
        model: Any = dict(apps.all_models.get(label, {})).get(name.lower())
        return Class(model) if is_model(model) else UNKNOWN

    def declared(self) -> Value:
        node = self.code.node
        return UNKNOWN if isinstance(node, ast.Lambda) else self.annotated(node.returns)

    def _of_model_instance(self, owner: Instance, name: str, call: Call) -> Value:
        if name in SAVE:
            self._save(owner, call)
            return NONE
        if name in DELETE:
            self._delete(owner, call)
            return PLAIN
        if name == "save_base":
            self._note("save", call, owner, sends=of_save(owner.cls))
            return NONE
        return self._enter_method(owner, name, call)

    def _save(self, owner: Instance, call: Call, kind: StepKind = "save") -> None:
        if owner.cls is Model or _is_abstract(owner.cls):
            self._note_unknown(kind, call, "it may be any model that inherits from this one")
            return
        self._write(owner, call, "save", kind, of_save(owner.cls))

    def _delete(self, owner: Instance, call: Call) -> None:
        if owner.cls is Model or _is_abstract(owner.cls):
            self._note_unknown("delete", call, "it may be any model that inherits from this one")
            return
        sends = of_delete(owner.cls, keeps_parents=_keeps_parents(call) == "yes")
        self._write(owner, call, "delete", "delete", sends)

    def _write(
        self,
        owner: Instance,
        call: Call,
        name: str,
        kind: StepKind,
        sends: tuple[tuple[str, str], ...],
    ) -> None:
        """By Django's ``save()`` or ``delete()``, or by what the model has in place of it."""
        own, _ = self.functions.code_of(Bound(owner, name))
        if own is None:
            if kind == "delete":
                self._note_deletion(owner, call)
            else:
                self._note_save(owner, call)
            return
        given = call.keywords if kind == "delete" else _with_fields(call).keywords
        outcome = self.reader.run(own, (owner,), given)
        if outcome.is_cut:
            self._note(kind, call, owner, reason="it is being gone through already")
        elif _sends_any(outcome.steps, sends):
            self._note(kind, call, owner, steps=outcome.steps)
        elif self._is_followed(own) and not _has_unknown(outcome.steps):
            reason = f"{class_name(owner.cls)}.{name}() never calls super(): nothing is sent"
            self._note(kind, call, owner, steps=outcome.steps, reason=reason)
        else:
            # A package's own, which may go about it in a way of its own; or it cannot be told.
            self._note(kind, call, owner, sends=sends, steps=outcome.steps, certainty="may")

    def _note_save(self, owner: Instance, call: Call, certainty: Certainty = "certain") -> None:
        writes = _writes(call)
        if writes == "perhaps":
            certainty = "may"
        if writes != "no":
            self._note("save", call, owner, sends=of_save(owner.cls), certainty=certainty)

    def _note_deletion(self, owner: Instance, call: Call, certainty: Certainty = "certain") -> None:
        keeps = _keeps_parents(call)
        if keeps == "perhaps" and parents_of(owner.cls):
            certainty = "may"
        sends = of_delete(owner.cls, keeps_parents=keeps == "yes")
        taken = cascades(owner.cls, self._location(call.node), keeps_parents=keeps == "yes")
        self._note("delete", call, owner, sends=sends, steps=tuple(taken), certainty=certainty)

    def _of_super(self, of: Value, after: type, name: str, call: Call) -> Value:
        code, first = self.functions.code_of(Bound(Super(of, after), name))
        if isinstance(of, Instance) and is_model(of.cls) and name in (*SAVE, *DELETE):
            return self._write_by(code, of, name, call)
        if isinstance(of, Instance) and name in SAVE and form_model(of.cls) is not None:
            return self._form_save(Super(of, after), form_model(of.cls), call)
        if code is not None and self._is_followed(code):
            return self._enter(code, first, call)
        if code is not None and name in SAVE and isinstance(of, Instance):
            return self._of_unknown(name, call, of.cls)
        # A queryset's or manager's own method, which goes on to Django's.
        return self._of_rows(of, name, call, is_super=True) if isinstance(of, Rows) else UNKNOWN

    def _of_class(self, cls: type, name: str, call: Call) -> Value:
        """``Model.save(order)``, which is that of the class and of none that inherits from it."""
        of, rest = call.args[0], replace(call, args=call.args[1:])
        code, _ = self.functions.code_of(Bound(Class(cls), name))
        if not (isinstance(of, Instance) and is_model(of.cls)):
            of = Instance(cls, is_exact=False)
        return self._write_by(code, of, name, rest)

    def _write_by(self, code: Code | None, of: Instance, name: str, call: Call) -> Value:
        """By this ``save()`` or ``delete()`` of one of its classes, or by Django's."""
        if code is not None and self._is_followed(code):
            return self._enter(code, (of,), _with_fields(call) if name in SAVE else call)
        # A package's own goes on to Django's, as far as anyone can tell.
        certainty: Certainty = "certain" if code is None else "may"
        if of.cls is Model or _is_abstract(of.cls):
            kind: StepKind = "save" if name in SAVE else "delete"
            self._note_unknown(kind, call, "it may be any model that inherits from this one")
        elif name in SAVE:
            self._note_save(of, call, certainty)
        else:
            self._note_deletion(of, call, certainty)
        return NONE

    def _of_rows(self, owner: Rows, name: str, call: Call, *, is_super: bool = False) -> Value:
        code, first = (None, ()) if is_super else self.functions.code_of(Bound(owner, name))
        rows: Rows | None = owner
        if code is None and owner.is_manager and name not in (*CHANGE_RELATED, "db_manager"):
            rows = self._queryset_of(owner, name)
            if rows is not None:
                code, first = self.functions.code_of(Bound(rows, name))
        row = Instance(owner.model)
        if code is not None and self._is_followed(code):
            returned = self._enter(code, first, call)
            if name in CREATE and owner.through is not None:
                self._note("many_to_many", call, row, sends=of_m2m(owner.through))
            return _returned_by_rows(rows or owner, name) if returned is UNKNOWN else returned
        if code is not None or rows is None:
            # A package's own, or that of a queryset that cannot be told, may do otherwise.
            call = replace(call, is_sure=False)
        certain: Certainty = "certain"
        if name in CHANGE_RELATED and (owner.through is not None or owner.is_reverse):
            self._change_related(owner, name, call)
        elif name in CREATE or name in PERHAPS_CREATE:
            # A row that is got is neither saved nor added: it is related already.
            created = call if name in CREATE else replace(call, is_sure=False)
            self._save(row, created.bare())
            if owner.through is not None and not is_super:
                self._note("many_to_many", created, row, sends=of_m2m(owner.through))
        elif name in ("create_user", "create_superuser", "acreate_user", "acreate_superuser"):
            self._save(row, call.bare())
        elif name in DELETE:
            self._note_deletion(row, call, "may")
        elif name in BULK:
            self._note("bulk", call, row, certainty=certain)
        return _returned_by_rows(rows or owner, name)

    def _queryset_of(self, manager: Rows, name: str) -> Rows | None:
        """The queryset that it asks to do this: of its own ``get_queryset()``, if that is told."""
        code, first = self.functions.code_of(Bound(manager, "get_queryset"))
        if code is None or name == "get_queryset":
            return queryset_of(manager)
        returned = self._is_followed(code) and self.reader.run(code, first, {}).returned
        return returned if isinstance(returned, Rows) else None

    def _change_related(self, owner: Rows, name: str, call: Call) -> None:
        row = Instance(owner.model)
        certainty: Certainty = "may" if _may_change_nothing(name, call) else "certain"
        if owner.through is not None:
            between = Instance(owner.through)
            sends = of_m2m(owner.through)
            self._note("many_to_many", call, between, sends=sends, certainty=certainty)
            return
        if owner.is_generic and _in_sync(name) != "add":
            self._delete_related(row, name, call)
            if _in_sync(name) != "set" or any(_is_empty(each) for each in call.node.args[:1]):
                return
            certainty = "may"
        is_bulk = call.tells("bulk", default=True)
        if is_bulk != "yes":
            self._save(row, replace(call.bare(), is_sure=False))
        if is_bulk != "no":
            self._note("bulk", call, row, certainty=certainty if is_bulk == "yes" else "may")

    def _delete_related(self, row: Instance, name: str, call: Call) -> None:
        """What is taken out of a generic relation is deleted, as its key cannot be ``None``."""
        each = replace(call.bare(), is_sure=False)
        # set() goes on to remove() without its `bulk`.
        if call.tells("bulk", default=True) == "no" and _in_sync(name) != "set":
            self._delete(row, each)
        else:
            self._note_deletion(row, each)

    def _of_file(self, owner: Instance, name: str, call: Call) -> Value:
        # save(name, content, save=True), delete(save=True)
        saves = call.tells("save", 0 if name == "delete" else 2, default=True)
        if name in ("save", "delete") and saves != "no":
            # There may be no file to delete: then nothing is done.
            is_sure = call.is_sure and saves == "yes" and name == "save"
            self._save(owner, replace(call.bare(), is_sure=is_sure))
        return UNKNOWN

    def _form_save(self, owner: Instance | Super, model: type, call: Call) -> Value:
        code, first = self.functions.code_of(Bound(owner, "save"))
        if isinstance(owner, Instance) and may_be_overridden(owner, "save"):
            call = replace(call, is_sure=False)
        if code is not None and self._is_followed(code):
            returned = self._enter(code, first, call)
            return Instance(model) if returned is UNKNOWN else returned
        # save(commit=True), which a package's own hands on, as far as anyone can tell.
        commits = call.tells("commit", 0, default=True)
        if commits != "no":
            is_sure = call.is_sure and commits == "yes" and code is None
            self._save(Instance(model), replace(call.bare(), is_sure=is_sure))
        return Instance(model)

    def _of_live(self, of: Live, name: str, call: Call) -> Value:
        thing = of.thing
        if is_a(thing, Signal):
            if name in SENDING:
                self._send(thing, call)
            return UNKNOWN
        if name in LATER:
            code = self.functions.code_named(of.name)
            if code is not None:
                self._task(code, call)
            elif call.args and name == "enqueue":
                self._task(call.args[0], call)
            elif _looks_like_task(thing):
                self._note("task", call, None, target=of.name)
            elif name == "send_task" and call.args and isinstance(call.args[0], Text):
                self._task_named(call.args[0].text, call)
            elif not self._is_read(of, name):
                return self._of_unknown(name, call, type(thing))
            return UNKNOWN
        if name in SAVE and not self._is_read(of, name):
            return self._of_unknown(name, call, type(thing))
        if thing is connection and name == "on_commit":
            self._on_commit(call.args[0] if call.args else call.keywords.get("func", UNKNOWN), call)
            return NONE
        if thing is apps and name == "get_model":
            return self._model_named(call)
        return self._enter_method(of, name, call)

    def _send(self, signal: Any, call: Call) -> None:
        sender = call.keywords.get("sender", call.args[0] if call.args else UNKNOWN)
        name = signal_name(signal)
        self.reader.note_sent(signal, sender, call.keywords)
        names = [_name_of_sender(each) for each in alternatives(sender)]
        found = [each for each in names if each is not None]
        if len(found) < len(names):
            self._note_unknown("send", call, "its sender cannot be told", target=name)
            return
        sure = len(found) == 1 and is_sure(sender)
        self._note(
            "send",
            call,
            None,
            target=name,
            sends=tuple((name, each) for each in found),
            certainty="certain" if sure else "may",
        )

    def _unknown_send(self, name: str, call: Call) -> Value:
        if name in SENDING:
            self._note_unknown("send", call, "which signal it is cannot be told")
        return UNKNOWN

    def _on_commit(self, called: Value, call: Call) -> None:
        steps = self._later(called, call.node)
        self._note("callback", call, None, target=name_of(called), steps=steps)

    def _task(self, called: Value, call: Call) -> None:
        code, first = self.functions.code_of(called)
        steps: tuple[SourceStep, ...] = ()
        if code is not None:
            steps = self.reader.run(code, first, {}).steps
        self._note("task", call, None, target=name_of(called), steps=steps)

    def _task_named(self, name: str, call: Call) -> None:
        """Celery calls a task by where its function stands, unless it is told otherwise."""
        code = self.functions.code_named(name)
        if code is None:
            self._note("task", call, None, target=name)
        else:
            self._task(code, call)

    def _later(self, called: Value, at: ast.expr) -> tuple[SourceStep, ...]:
        """What is done when it is called, by itself: not under the conditions of here."""
        run = type(self)(self.reader, replace(self.code, names=self.names))
        run.names = dict(self.names)
        nothing = ast.Call(func=ast.Name("later"), args=[], keywords=[])
        ast.copy_location(nothing, at)
        for each in alternatives(called):
            run.apply(each, Call(nothing, (), {}, text=name_of(each)))
        found: list[SourceStep] = []
        for step in run.steps:
            found += step.steps if step.kind == "call" and len(run.steps) == 1 else [step]
        return tuple(found)

    def _enter_method(self, owner: Value, name: str, call: Call) -> Value:
        code, first = self.functions.code_of(Bound(owner, name))
        if code is None:
            return UNKNOWN
        if not (isinstance(owner, Instance | Class) and may_be_overridden(owner, name)):
            return self._enter(code, first, call)
        # A subclass has a method of its own in its place, which may return anything.
        self._enter(code, first, replace(call, is_sure=False))
        return UNKNOWN

    def _is_task(self, of: Live) -> bool:
        return _looks_like_task(of.thing) or self.functions.code_named(of.name) is not None

    def _is_read(self, owner: Value, name: str) -> bool:
        """Whether the method is the project's, and what it does is read in its source."""
        code, _ = self.functions.code_of(Bound(owner, name))
        return code is not None and self._is_followed(code)

    def _is_followed(self, code: Code) -> bool:
        return self.functions.is_projects(code.source.file)

    def _enter(self, called: Value, first: tuple[Value, ...], call: Call) -> Value:
        code, more = self.functions.code_of(called)
        if code is None:
            return UNKNOWN
        if not self._is_followed(code):
            return type(self)(self.reader, code).declared()
        outcome = self.reader.run(code, (*first, *more, *call.args), call.keywords)
        certainty = self._begins(code, call)
        if outcome.steps and certainty is not None:
            name = name_of(code)
            self._note("call", call, None, target=name, steps=outcome.steps, certainty=certainty)
        return outcome.returned

    def _begins(self, code: Code, call: Call) -> Literal["certain", "may"] | None:
        """Whether the call runs the body: a generator does when it is gone over, a coroutine when
        it is awaited."""
        node = code.node
        is_coroutine = isinstance(node, ast.AsyncFunctionDef)
        # `async_to_sync(function)()` has no function as its name.
        is_plain = isinstance(call.node.func, ast.Name | ast.Attribute)
        if not (is_coroutine and is_plain) and not _is_generator(node):
            return "certain"
        if call.node in self.dropped and not isinstance(node, ast.Lambda):
            # A decorator may make of it what runs at once.
            return "may" if node.decorator_list else None
        return "certain" if is_coroutine and call.node in self.awaited else "may"

    def _of_unknown(self, name: str, call: Call, of: type | None = None) -> Value:
        """Only what is most probably Django's: dictionaries and sets have an update() and add()."""
        node = call.node.func
        owner = node.value if isinstance(node, ast.Attribute) else None
        what = text_of(owner) if owner is not None else "it"
        reason = f"what `{what}` is cannot be told"
        if of is not None:
            reason = f"the code of {class_name(of)}.{name}() is not the project's"
        has_manager = owner is not None and any(
            isinstance(each, ast.Attribute) and each.attr in MANAGERS for each in ast.walk(owner)
        )
        kind: StepKind | None = None
        if name in SENDING:
            if "robust" in name or name == "asend" or "sender" in call.keywords:
                kind = "send"
        elif name in SAVE:
            # A form that is told not to has nothing to save.
            if not call.node.args and call.tells("commit", default=True) != "no":
                kind = "save"
        elif name in DELETE:
            if has_manager or not (call.node.args or call.node.keywords):
                kind = "delete"
        elif name in CREATE:
            kind = "save" if has_manager else None
        elif name in PERHAPS_CREATE:
            kind = "save"
        elif name in BULK:
            kind = "bulk" if has_manager or "bulk" in name or name[0] == "_" else None
        elif name in CHANGE_RELATED:
            if isinstance(owner, ast.Attribute) and owner.attr in self.reader.relations:
                kind = "many_to_many"
        elif name in LATER:
            kind = "task"
        if kind is not None:
            self._note_unknown(kind, call, reason)
        return UNKNOWN

    def _note(
        self,
        kind: StepKind,
        call: Call,
        owner: Instance | None,
        *,
        target: str = "",
        sends: tuple[tuple[str, str], ...] = (),
        steps: tuple[SourceStep, ...] = (),
        certainty: Certainty = "certain",
        reason: str = "",
    ) -> None:
        if self.quiet or self.is_full:
            return
        self.count += 1 + _count(steps)
        if self.count > MOST_STEPS:
            self.is_full = True
            name, kind, steps, sends, target = name_of(self.code), "call", (), (), ""
            certainty, reason = "unknown", f"{name}() does more than is told here"
            owner = None
        condition = " and ".join(dict.fromkeys(self.conditions)) or None
        is_certain = condition is None and call.is_sure and certainty == "certain"
        if owner is not None and not is_sure(owner):
            is_certain = False
            reason = reason or f"or what inherits from {class_name(owner.cls)}"
        self.steps.append(
            SourceStep(
                kind,
                call.text or text_of_call(call.node),
                "unknown" if certainty == "unknown" else "certain" if is_certain else "may",
                self._location(call.node),
                sends=sends,
                target=target or ("" if owner is None else class_name(owner.cls)),
                method=_method_of(call.node),
                condition=condition,
                reason=reason,
                steps=steps,
            )
        )

    def _note_unknown(self, kind: StepKind, call: Call, reason: str, target: str = "") -> None:
        self._note(kind, call, None, target=target, certainty="unknown", reason=reason)

    def _location(self, node: ast.expr) -> Location:
        return Location(self.source.file, node.lineno, self.code.qualname)


def _method_of(node: ast.Call) -> str:
    called = node.func
    if isinstance(called, ast.Call) and called.args:  # `sync_to_async(rows.update)()`
        called = called.args[0]
    match called:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return SYNC_NAMES.get(name, name)
    return ""


def _name_of_sender(sender: Value) -> str | None:
    """As a trace names it; an instance is named with its key, which no source tells."""
    match sender:
        case Class(cls=cls):
            return class_name(cls)
        case Text(text=text):
            return name_of_sender(text)
        case Live(thing=thing) if not is_a(thing, ModuleType):
            return name_of_sender(thing)
    return "None" if sender is NONE else None


def _is_generator(node: ast.AST) -> bool:
    inner = [each for each in ast.iter_child_nodes(node) if not isinstance(each, _FUNCTIONS)]
    return any(isinstance(each, ast.Yield | ast.YieldFrom) or _is_generator(each) for each in inner)


def _returned_by_rows(owner: Rows, name: str) -> Value:
    row = Instance(owner.model)
    if name in SAME_ROWS:
        return Rows(owner.model, owner.kind)
    if name in ONE_ROW or name in CREATE or name.removeprefix("a") in OF_USERS:
        return row
    if name in PERHAPS_CREATE:
        return Several((row, PLAIN))
    if name in ("bulk_create", "abulk_create"):
        return Many(row)
    if name in ("count", "exists", "aggregate", "values", "values_list", "dates", "in_bulk"):
        return PLAIN
    return UNKNOWN


def form_model(cls: type) -> Any:
    """The model that a form's ``save()`` saves."""
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: BaseModelForm and its _meta.
    if not any(each is BaseModelForm for each in class_bases(cls)):
        return None
    model = getattr(find_in_class(cls, "_meta"), "model", None)
    return model if is_model(model) else None


def _is_abstract(cls: type) -> bool:
    return is_model(cls) and bool(namespace_of(cls)["_meta"].abstract)


def _looks_like_task(thing: object) -> bool:
    """Whether its class has a ``delay()`` or ``enqueue()``."""
    return any(find_in_class(type(thing), name) is not None for name in ("delay", "enqueue"))


def _count(steps: Sequence[SourceStep]) -> int:
    return sum(1 + _count(each.steps) for each in steps)


def _has_unknown(steps: Sequence[SourceStep]) -> bool:
    return any(each.certainty == "unknown" or _has_unknown(each.steps) for each in steps)


def _sends_any(steps: Sequence[SourceStep], sends: tuple[tuple[str, str], ...]) -> bool:
    return any(
        any(each in sends for each in step.sends) or _sends_any(step.steps, sends) for step in steps
    )


def _may_change_nothing(name: str, call: Call) -> bool:
    """``set()`` changes what differs, and nobody knows what is in ``*orders``."""
    if _in_sync(name) == "set":
        return call.tells("clear", default=False) != "yes"
    is_clear = _in_sync(name) == "clear"
    return not is_clear and all(isinstance(each, ast.Starred) for each in call.node.args)


def _in_sync(name: str) -> str:
    """``add`` of ``aadd``"""
    return name if name == "add" else name.removeprefix("a")


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple | ast.Set) and not node.elts


def _fields_of(call: Call) -> Value:
    """What ``save()`` is told to write: ``None`` for all, a tuple of at least as many fields, or
    what cannot be told."""
    # By place in Django 5.2, with a warning, and by name alone since 6.0.
    node, value = call.given("update_fields", 3)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return Several((PLAIN,) * sum(not isinstance(each, ast.Starred) for each in node.elts))
    return NONE if value is None else value


def _with_fields(call: Call) -> Call:
    """What a ``save()`` of the project's hands on to Django's, also that all are written."""
    return replace(call, keywords={**call.keywords, "update_fields": _fields_of(call)})


def _writes(call: Call) -> Told:
    """Whether Django's ``save()`` does anything: of an empty ``update_fields`` it does not."""
    node, _ = call.given("update_fields", 3)
    if node is not None and _is_empty(node):
        return "no"
    fields = _fields_of(call)
    # What cannot be told may be a star, which may stand for none.
    told = fields.values if isinstance(fields, Several) else ()
    is_any = any(each is not UNKNOWN for each in told)
    return "yes" if fields is NONE or is_any else "perhaps"


def _keeps_parents(call: Call) -> Told:
    """Whether ``delete()`` is told to leave the rows of the parents."""
    # delete(using=None, keep_parents=False)
    return call.tells("keep_parents", 1, default=False)
