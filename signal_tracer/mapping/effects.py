"""Effects of the project's functions: what their source says that they save, send, delete, queue.

A function is gone through once, statement by statement, with what each name stands for: read with
``ast`` and in the dictionaries of what is loaded. Nothing of it is imported or run. What it calls
of the project's own is gone through in turn, with what it is given. Attributes that are computed
(properties) and calls of what cannot be told are not followed.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Model
from django.db.models.fields.related_descriptors import ManyToManyDescriptor
from django.db.models.manager import BaseManager
from django.db.models.signals import ModelSignal, m2m_changed
from django.dispatch import Signal
from django.forms.models import BaseModelForm
from django.utils.functional import cached_property as django_cached_property

from signal_tracer.describing.names import (
    class_bases,
    class_name,
    find_in_class,
    is_a,
    module_namespace,
    namespace_of,
    qualname_of,
    signal_name,
)
from signal_tracer.describing.ownership import owner_of_file, project_packages
from signal_tracer.mapping.looking import NOTHING, attribute_of, look_up
from signal_tracer.mapping.meanings import (
    NONE,
    PLAIN,
    SEQUENCES,
    UNKNOWN,
    AnyOf,
    Bound,
    Class,
    Code,
    File,
    Given,
    Instance,
    Live,
    Many,
    Named,
    Rows,
    Several,
    Super,
    Text,
    Value,
    alternatives,
    any_of,
    attribute_of_class,
    attribute_of_instance,
    instance_of,
    is_model,
    is_subclass,
    is_sure,
    key_of,
    value_of_live,
)
from signal_tracer.mapping.projects import Project
from signal_tracer.mapping.senders import through_models
from signal_tracer.mapping.sendings import cascades, of_delete, of_m2m, of_save
from signal_tracer.mapping.surroundings import condition_of, text_of, text_of_call
from signal_tracer.mapping.written import Function, Source, first_line, read_source
from signal_tracer.records import DJANGO, Location
from signal_tracer.source_steps import Certainty, SourceStep, StepKind

_MOST_DEPTH = 8
_MOST_STEPS = 300
_LINE = re.compile(r" \(line \d+\)")

_OF_USERS = ("create_user", "create_superuser")
_SENDING = frozenset(("send", "send_robust", "asend", "asend_robust"))
_SAME_ROWS = frozenset(
    (
        *("all", "filter", "exclude", "order_by", "using", "select_related", "prefetch_related"),
        *("only", "defer", "distinct", "annotate", "alias", "select_for_update", "reverse"),
        *("union", "intersection", "difference", "none", "extra", "get_queryset", "db_manager"),
        *("complex_filter", "iterator", "aiterator"),
    )
)
_ONE_ROW = frozenset(
    (
        *("get", "first", "last", "latest", "earliest", "aget", "afirst", "alast", "alatest"),
        *("aearliest",),
    )
)
_BULK = frozenset(
    (
        *("update", "aupdate", "bulk_create", "abulk_create", "bulk_update", "abulk_update"),
        *("_raw_delete",),
    )
)
_CREATE = frozenset(("create", "acreate"))
_PERHAPS_CREATE = frozenset(
    ("get_or_create", "aget_or_create", "update_or_create", "aupdate_or_create")
)
_SAVE = frozenset(("save", "asave"))
_DELETE = frozenset(("delete", "adelete"))
_CHANGE_RELATED = frozenset(("add", "remove", "set", "clear", "aadd", "aremove", "aset", "aclear"))
_LATER = frozenset(
    (
        *("delay", "apply_async", "enqueue", "aenqueue", "delay_on_commit"),
        *("apply_async_on_commit", "defer_async", "send_task"),
    )
)
_WRITES = _CREATE | _PERHAPS_CREATE | _SAVE | _DELETE | _CHANGE_RELATED | _BULK
# Whose first argument is what they return, or is called.
_THROUGH = frozenset(
    (
        *("asgiref.sync.sync_to_async", "asgiref.sync.async_to_sync", "copy.copy"),
        *("asgiref.sync.SyncToAsync", "asgiref.sync.AsyncToSync", "copy.deepcopy"),
        "channels.db.database_sync_to_async",
    )
)


class Effects:
    """What the functions of a project do, each read once; made once for each reading."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._packages = project_packages()
        self._sources: dict[str, Source] = {}
        self._functions: dict[str, dict[int, list[Code]]] = {}
        self._known: dict[object, _Outcome] = {}
        self._running: list[int] = []
        # How often something was not followed because it is being followed already.
        self.cuts = 0

    def of_receiver(
        self, receiver: object, *, sender: object = None, signal: Signal | None = None
    ) -> tuple[SourceStep, ...]:
        """What a live receiver does, when ``signal`` is sent by ``sender``, a class.

        Empty for one whose source is not the project's, or is not there.
        """
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
        code, first = self._code_of(value)
        if code is None or not self.is_projects(code.source.file):
            return ()
        return self.run(code, first, keywords, is_call_of_receiver=True).steps

    def of_function(self, file: str, line: int, qualname: str) -> tuple[SourceStep, ...]:
        """What the function does that begins on the line, with its decorators or without."""
        code = self.find(file, line, qualname)
        return () if code is None else self.run(code, self._self_of(code), {}).steps

    def of_method(self, model: type, name: str) -> tuple[SourceStep, ...]:
        """What the model's own method does, such as an overridden ``save()``; else nothing."""
        code, _ = self._code_of(Bound(Instance(model), name))
        if code is None or not self.is_projects(code.source.file):
            return ()
        return self.run(code, (Instance(model),), {}).steps

    # Code

    def is_projects(self, file: str) -> bool:
        return owner_of_file(file, self._packages).kind == "project"

    def source_of(self, file: str, module: str) -> Source | None:
        file = os.path.abspath(file)
        if not self._sources:
            self._sources = {each.file: each for each in self.project.sources}
        if file not in self._sources:
            source = read_source(file, module)
            if source is None:
                return None
            self._sources[file] = source
        return self._sources[file]

    def find(self, file: str, line: int, qualname: str, module: str = "") -> Code | None:
        source = self.source_of(file, module)
        if source is None or source.tree is None:
            return None
        if source.file not in self._functions:
            self._functions[source.file] = _functions_in(source)
        found = self._functions[source.file].get(line, [])
        same = [each for each in found if each.qualname == qualname]
        return next(iter(same or found), None)

    def code_of_function(self, function: Any) -> Code | None:
        """The source of a live function, with what it closed over; of none of Django's own.

        A decorator of the project's is gone through itself, another's is passed over.
        """
        own, decorator = function, ""
        for _ in range(10):
            owner = owner_of_file(own.__code__.co_filename, self._packages)
            if owner.kind == "project":
                break
            inner = dict.get(own.__dict__, "__wrapped__")
            inner = inner.__func__ if type(inner) is MethodType else inner
            if type(inner) is not FunctionType:
                break
            if owner is not DJANGO and owner.name != "Python":
                decorator = owner.name or decorator
            own = inner
        if owner is DJANGO or owner.name == "Python":
            return None
        code = own.__code__
        module = own.__module__ if type(own.__module__) is str else ""
        found = self.find(code.co_filename, code.co_firstlineno, code.co_qualname, module)
        if found is None:
            return None
        closed = zip(code.co_freevars, own.__closure__ or (), strict=False)
        names = {name: _value_of_cell(cell) for name, cell in closed if name != "__class__"}
        condition = f"what a decorator of {decorator} decides" if decorator else None
        return replace(found, names=names, condition=condition)

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

    def code_named(self, dotted: str | None) -> Code | None:
        """A function of the project's source by its name, whatever its decorators made of it."""
        module, _, name = (dotted or "").rpartition(".")
        live = module_namespace(look_up(module)) if look_up(module) is not NOTHING else {}
        file = live.get("__file__")
        source = self.source_of(file, module) if type(file) is str else None
        if source is None or source.tree is None:
            return None
        for each in source.tree.body:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == name:
                return self.find(source.file, first_line(each), name)
        imported = source.bound.get(name)
        return self.code_named(imported) if imported and imported != dotted else None

    def _code_of(self, value: Value) -> tuple[Code | None, tuple[Value, ...]]:
        """The source of what is called, and what it is given first."""
        match value:
            case Code():
                return value, ()
            case Live(thing=thing) if type(thing) is FunctionType:
                return self.code_of_function(thing), ()
            case Given(called=called, args=args):
                code, first = self._code_of(called)
                return code, (*first, *args)
            case Bound(owner=(Instance(cls=cls) | Class(cls=cls)) as owner, name=name):
                return self._method(owner, find_in_class(cls, name))
            case Bound(owner=Live(thing=thing) as owner, name=name) if not is_a(thing, ModuleType):
                return self._method(owner, find_in_class(type(thing), name))
            case Bound(owner=Super(of=of, after=after), name=name):
                return self._method(of, _find_after(_class_of(of) or after, after, name))
            case Bound(owner=Rows(kind=kind) as owner, name=name) if kind is not None:
                return self._method(owner, find_in_class(kind, name))
        return None, ()

    def _method(self, owner: Value, found: object) -> tuple[Code | None, tuple[Value, ...]]:
        if type(found) is staticmethod:
            inner = found.__func__
            return (self.code_of_function(inner) if type(inner) is FunctionType else None), ()
        if type(found) is classmethod:
            inner = found.__func__
            cls: Value = owner
            if isinstance(owner, Instance):
                cls = Class(owner.cls, owner.is_exact)
            elif isinstance(owner, Live):
                cls = Class(type(owner.thing))
            code = self.code_of_function(inner) if type(inner) is FunctionType else None
            return code, (cls,)
        if type(found) is not FunctionType:
            return None, ()
        return self.code_of_function(found), (owner,) if not isinstance(owner, Class) else ()

    def _self_of(self, code: Code) -> tuple[Value, ...]:
        if code.owner is None or "<locals>" in code.qualname:
            return ()
        found = namespace_of(code.owner).get(_name_of_node(code.node))
        if type(found) is staticmethod:
            return ()
        if type(found) is classmethod:
            return (Class(code.owner, is_exact=False),)
        return (Instance(code.owner, is_exact=False),)

    # Running

    def run(
        self,
        code: Code,
        args: Sequence[Value],
        keywords: Mapping[str, Value],
        *,
        is_call_of_receiver: bool = False,
    ) -> _Outcome:
        """What a function does and returns that is given these."""
        key = (
            key_of(code),
            tuple(key_of(each) for each in args),
            tuple(sorted((name, repr(key_of(each))) for name, each in keywords.items())),
        )
        if key in self._known:
            return self._known[key]
        if id(code.node) in self._running or len(self._running) >= _MOST_DEPTH:
            self.cuts += 1
            return _Outcome((), UNKNOWN, is_cut=True)
        cuts = self.cuts
        self._running.append(id(code.node))
        try:
            outcome = _Run(self, code, args, keywords, is_call_of_receiver).outcome()
        finally:
            self._running.pop()
        if self.cuts == cuts:
            self._known[key] = outcome
        return outcome


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    steps: tuple[SourceStep, ...]
    returned: Value
    is_cut: bool = False


class _Run:
    """One function, gone through with what it is given."""

    def __init__(
        self,
        effects: Effects,
        code: Code,
        args: Sequence[Value],
        keywords: Mapping[str, Value],
        is_call_of_receiver: bool,
    ) -> None:
        self.effects = effects
        self.code = code
        self.source = code.source
        self.names: dict[str, Value] = dict(code.names)
        self.steps: list[SourceStep] = []
        self.returned: list[Value] = []
        self.conditions: list[str] = [code.condition] if code.condition else []
        self.quiet = 0
        self._bind_parameters(args, keywords)

    def outcome(self) -> _Outcome:
        node = self.code.node
        if isinstance(node, ast.Lambda):
            self.returned.append(self.value(node.body))
        else:
            self.block(node.body)
        declared = UNKNOWN if isinstance(node, ast.Lambda) else self.annotated(node.returns)
        returned = any_of(*self.returned) if self.returned else NONE
        if returned is UNKNOWN or returned is PLAIN:
            returned = declared if declared is not UNKNOWN else returned
        return _Outcome(tuple(self.steps[:_MOST_STEPS]), returned)

    def _bind_parameters(self, args: Sequence[Value], keywords: Mapping[str, Value]) -> None:
        given = self.code.node.args
        positional = [*given.posonlyargs, *given.args]
        left = dict(keywords)
        for number, each in enumerate(positional):
            if number < len(args):
                self.names[each.arg] = self._narrowed(args[number], each)
        for each in (*positional[len(args) :], *given.kwonlyargs):
            value = left.pop(each.arg, UNKNOWN)
            self.names[each.arg] = self._narrowed(value, each)
        if given.vararg is not None:
            self.names[given.vararg.arg] = Several(tuple(args[len(positional) :]))
        if given.kwarg is not None:
            self.names[given.kwarg.arg] = Named(left)

    def _narrowed(self, value: Value, parameter: ast.arg) -> Value:
        """What is given, or, where that cannot be told, what is declared."""
        return self.annotated(parameter.annotation) if value is UNKNOWN else value

    # Statements

    def block(self, statements: Sequence[ast.stmt]) -> bool:
        """Goes through them; whether it is certainly left at the end."""
        added = 0
        is_left = False
        for statement in statements:
            if self.statement(statement):
                is_left = True
                break
            reason = _may_leave(statement)
            if reason is not None:
                self.conditions.append(reason)
                added += 1
        del self.conditions[len(self.conditions) - added :]
        return is_left

    def statement(self, node: ast.stmt) -> bool:
        match node:
            case ast.Return(value=value):
                self.returned.append(NONE if value is None else self.value(value))
                return True
            case ast.Raise(exc=exc):
                if exc is not None:
                    self.value(exc)
                return True
            case ast.Break() | ast.Continue():
                return True
            case ast.Expr(value=value):
                self.value(value)
            case ast.Assign(targets=targets, value=value):
                found = self.value(value)
                for target in targets:
                    self.assign(target, found)
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                found = UNKNOWN if value is None else self.value(value)
                if found is UNKNOWN:
                    found = self.annotated(annotation)
                self.assign(target, found)
            case ast.AugAssign(target=target, value=value):
                self.value(value)
            case ast.If(test=test, body=body, orelse=orelse):
                return self._if(node, test, body, orelse)
            case ast.For() | ast.AsyncFor():
                self._loop(node, self.value(node.iter), node.target)
            case ast.While():
                self.value(node.test)
                self._loop(node, None, None)
            case ast.Try() | ast.TryStar():
                return self._try(node)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    found = self.value(item.context_expr)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, found)
                condition = condition_of(node, "body") if isinstance(node, ast.With) else None
                return self._under(condition, node.body) and condition is None
            case ast.Match(subject=subject, cases=cases):
                self.value(subject)
                before = dict(self.names)
                ends = [before]
                for case in cases:
                    self.names = dict(before)
                    for each in ast.walk(case.pattern):
                        if isinstance(each, ast.MatchAs | ast.MatchStar) and each.name:
                            self.names[each.name] = UNKNOWN
                    self._under(f"`case {text_of(case.pattern)}:`", case.body)
                    ends.append(self.names)
                self.names = _merged(*ends)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.names[node.name] = Code(
                    self.source,
                    node,
                    f"{self.code.qualname}.<locals>.{node.name}",
                    self.code.owner,
                    self._closed_over(node),
                )
            case ast.ClassDef():
                self.names[node.name] = UNKNOWN
            case ast.Assert(test=test):
                self.value(test)
                self._narrow(test)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.value(target)
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    self.names.pop((alias.asname or alias.name).partition(".")[0], None)
        return False

    def _under(self, condition: str | None, body: Sequence[ast.stmt]) -> bool:
        if condition is None:
            return self.block(body)
        self.conditions.append(_LINE.sub("", condition))
        try:
            return self.block(body)
        finally:
            self.conditions.pop()

    def _if(
        self,
        node: ast.If,
        test: ast.expr,
        body: Sequence[ast.stmt],
        orelse: Sequence[ast.stmt],
    ) -> bool:
        if isinstance(test, ast.Name) and test.id == "TYPE_CHECKING":
            return False
        self.value(test)
        before = dict(self.names)
        self._narrow(test)
        left_body = self._under(condition_of(node, "body"), body)
        after_body, self.names = self.names, before
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self._narrow(test.operand)
        left_else = bool(orelse) and self._under(condition_of(node, "orelse"), orelse)
        if left_body and not left_else:
            return False
        self.names = after_body if left_else else _merged(after_body, self.names)
        return left_body and left_else

    def _narrow(self, test: ast.expr) -> None:
        """``isinstance(x, Order)`` says what ``x`` is from there on."""
        match test:
            case ast.BoolOp(op=ast.And(), values=values):
                for each in values:
                    self._narrow(each)
            case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), kinds]) if (
                self.names.get(name, UNKNOWN) in (UNKNOWN, PLAIN)
            ):
                nodes = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
                found = [self.value(each) for each in nodes]
                if all(isinstance(each, Class) for each in found):
                    self.names[name] = any_of(
                        *(instance_of(each.cls) for each in found if isinstance(each, Class))
                    )

    def _loop(
        self, node: ast.For | ast.AsyncFor | ast.While, over: Value | None, target: ast.expr | None
    ) -> None:
        def once() -> None:
            if target is not None and isinstance(node, ast.For | ast.AsyncFor):
                self.assign(target, self._element(node.iter, over or UNKNOWN))
            self._under(condition_of(node, "body"), node.body)

        before = dict(self.names)
        # What the body leaves behind is what its next round begins with.
        self.quiet += 1
        once()
        self.quiet -= 1
        self.names = _merged(before, self.names)
        once()
        self.names = _merged(before, self.names)
        self.block(node.orelse)

    def _try(self, node: ast.Try | ast.TryStar) -> bool:
        before = dict(self.names)
        is_left = self._under("a try", node.body)
        if not is_left:
            is_left = self._under("a try", node.orelse)
        ends = [] if is_left else [self.names]
        for handler in node.handlers:
            self.names = _merged(before, self.names)
            if handler.name:
                self.names[handler.name] = UNKNOWN
            kind = f" {text_of(handler.type)}" if handler.type is not None else ""
            if not self._under(f"`except{kind}:`", handler.body):
                ends.append(self.names)
        self.names = _merged(*ends) if ends else before
        return self.block(node.finalbody) or not ends

    def assign(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(id=name):
                self.names[name] = value
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                values: Sequence[Value] = [UNKNOWN] * len(elts)
                if isinstance(value, Several) and len(value.values) == len(elts):
                    values = value.values
                elif isinstance(value, Many | Rows):
                    values = [_element_of(value)] * len(elts)
                for each, inner in zip(elts, values, strict=True):
                    self.assign(each, inner)
            case ast.Starred(value=inner_target):
                self.assign(inner_target, UNKNOWN)
            case ast.Attribute():
                owner = self.value(target.value)
                if isinstance(owner, Instance) and not is_model(owner.cls):
                    known = owner.attributes.get(target.attr, value)
                    owner.attributes[target.attr] = any_of(known, value)
            case ast.Subscript():
                self.value(target.value)

    def _element(self, node: ast.expr, over: Value) -> Value:
        match node:
            case ast.Call(func=ast.Name(id="enumerate"), args=[first, *_]):
                return Several((PLAIN, self._element(first, self._silently(first))))
            case ast.Call(func=ast.Name(id="zip"), args=several):
                return Several(tuple(self._element(each, self._silently(each)) for each in several))
        return _element_of(over)

    def _silently(self, node: ast.expr) -> Value:
        self.quiet += 1
        try:
            return self.value(node)
        finally:
            self.quiet -= 1

    # Expressions

    def value(self, node: ast.expr) -> Value:
        """What an expression stands for; what it does on the way is noted."""
        match node:
            case ast.Constant(value=None):
                return NONE
            case ast.Constant(value=str() as text):
                return Text(text)
            case ast.Constant() | ast.JoinedStr() | ast.Compare() | ast.Dict() | ast.DictComp():
                self._inner(node)
                return PLAIN
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.Await(value=inner) | ast.YieldFrom(value=inner):
                return self.value(inner)
            case ast.Yield(value=inner):
                if inner is not None:
                    self.value(inner)
                return UNKNOWN
            case ast.NamedExpr(target=target, value=inner):
                found = self.value(inner)
                self.assign(target, found)
                return found
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.value(test)
                return any_of(
                    self._if_only(f"`if {text_of(test)}`", body),
                    self._if_only(f"the else of `if {text_of(test)}`", orelse),
                )
            case ast.BoolOp(op=op, values=[first, *rest]):
                several = [self.value(first)]
                word = "and" if isinstance(op, ast.And) else "or"
                for each in rest:
                    several.append(self._if_only(f"`{text_of(first)} {word} …`", each))
                # Whichever comes last of `and`; with `or` any that is not None.
                return several[-1] if word == "and" else any_of(*several)
            case ast.Subscript(value=inner, slice=index):
                return self._subscript(self.value(inner), index)
            case ast.List(elts=elts) | ast.Set(elts=elts):
                several = [self.value(each) for each in elts]
                return Many(any_of(*several)) if several else PLAIN
            case ast.Tuple(elts=elts):
                return Several(tuple(self.value(each) for each in elts))
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                return self._comprehension(node)
            case ast.Lambda():
                return Code(
                    self.source,
                    node,
                    f"{self.code.qualname}.<locals>.<lambda>",
                    self.code.owner,
                    self._closed_over(node),
                )
            case ast.Starred(value=inner):
                self.value(inner)
                return UNKNOWN
        self._inner(node)
        return PLAIN if isinstance(node, ast.UnaryOp) else UNKNOWN

    def _closed_over(self, node: Function | ast.Lambda) -> dict[str, Value]:
        used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        return {name: value for name, value in self.names.items() if name in used}

    def _inner(self, node: ast.expr) -> None:
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.expr):
                self.value(each)

    def _if_only(self, condition: str, node: ast.expr) -> Value:
        self.conditions.append(condition)
        try:
            return self.value(node)
        finally:
            self.conditions.pop()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        before = dict(self.names)
        added = 0
        for each in node.generators:
            over = self.value(each.iter)
            self.assign(each.target, self._element(each.iter, over))
            self.conditions.append(f"`for {text_of(each.target)} in {text_of(each.iter)}`")
            added += 1
            for test in each.ifs:
                self.value(test)
        found = self.value(node.elt)
        del self.conditions[len(self.conditions) - added :]
        self.names = before
        return Many(found)

    def _name(self, name: str) -> Value:
        if name in self.names:
            return self.names[name]
        dotted = self.source.dotted(ast.Name(name))
        live = look_up(dotted)
        if live is not NOTHING:
            return value_of_live(live, dotted or "")
        code = self.effects.code_named(dotted)
        if code is not None:
            return code
        found = vars(builtins).get(name)
        return UNKNOWN if found is None else value_of_live(found)

    def _attribute(self, node: ast.Attribute) -> Value:
        return self._attribute_of(self.value(node.value), node.attr)

    def _attribute_of(self, owner: Value, name: str) -> Value:
        """Of whichever it is; one that has no such attribute it cannot be."""
        several = alternatives(owner)
        if len(several) > 1:
            several = tuple(each for each in several if not _lacks(each, name)) or several
        return any_of(*(self.attribute(each, name) for each in several))

    def attribute(self, owner: Value, name: str) -> Value:
        match owner:
            case Instance():
                found = attribute_of_instance(owner, name)
                if found is not None:
                    return found
                return self._of_instance(owner, name)
            case Class(cls=cls):
                found = attribute_of_class(owner, name)
                if found is not None:
                    return found
                live = attribute_of(cls, name)
                return Bound(owner, name) if type(live) is FunctionType else PLAIN
            case Rows(model=model, through=through):
                if name == "model":
                    return Class(model)
                if name == "through" and through is not None:
                    return Class(through)
                return Bound(owner, name)
            case Live(thing=thing) if thing is settings:
                # Django's own code, which finds what a module holds.
                return value_of_live(getattr(settings, name, UNKNOWN))
            case Live(thing=thing):
                live = attribute_of(thing, name)
                if live is NOTHING and is_a(thing, ModuleType):
                    live = look_up(f"{module_namespace(thing).get('__name__')}.{name}")
                if live is NOTHING and not is_a(thing, ModuleType):
                    return self._by_class(owner, type(thing), name)
                is_method = type(live) is FunctionType and not is_a(thing, ModuleType)
                if live is NOTHING or is_method:
                    return Bound(owner, name)
                return value_of_live(live, f"{owner.name}.{name}")
            case _ if owner is PLAIN or owner is NONE or isinstance(owner, Text):
                return PLAIN
        return Bound(owner, name)

    def _of_instance(self, owner: Instance, name: str) -> Value:
        if name in owner.attributes:
            return owner.attributes[name]
        found = self._by_class(owner, owner.cls, name)
        if isinstance(found, Bound) and find_in_class(owner.cls, name) is None:
            return self._set_in_init(owner, name)
        return found

    def _by_class(self, owner: Value, cls: type, name: str) -> Value:
        """An attribute of an instance that its class has; computed, where the project does so."""
        found: Any = find_in_class(cls, name)
        if found is None or type(found) in (FunctionType, classmethod, staticmethod):
            return Bound(owner, name)
        if type(found) is property:
            return self._computed(found.fget, (owner,))
        if type(found) in (cached_property, django_cached_property):
            return self._computed(found.func, (owner,))
        if is_a(found, type):
            return Class(found)
        getter = find_in_class(type(found), "__get__")
        if type(getter) is FunctionType:
            return self._computed(getter, (Live(found), owner, Class(cls)))
        return value_of_live(found)

    def _computed(self, function: Any, args: tuple[Value, ...]) -> Value:
        code = self.effects.code_of_function(function) if type(function) is FunctionType else None
        if code is None or not self.effects.is_projects(code.source.file):
            return UNKNOWN
        return self.effects.run(code, args, {}).returned

    def _set_in_init(self, owner: Instance, name: str) -> Value:
        """What ``self.name`` was set to by the class's own ``__init__()``, if in one place."""
        for cls in class_bases(owner.cls):
            namespace = namespace_of(cls)
            made = namespace.get("__init__")
            if type(made) is not FunctionType:
                continue
            code = self.effects.code_of_function(made)
            if code is None or not self.effects.is_projects(code.source.file):
                return UNKNOWN
            for each in ast.walk(code.node):
                match each:
                    case (
                        ast.Assign(
                            targets=[ast.Attribute(value=ast.Name(id="self"), attr=attr)],
                            value=value,
                        )
                        | ast.AnnAssign(
                            target=ast.Attribute(value=ast.Name(id="self"), attr=attr), value=value
                        )
                    ) if attr == name and value is not None:
                        run = _Run(self.effects, code, (owner,), {}, False)
                        run.quiet = 1
                        return run.value(value) if isinstance(value, ast.Name) else UNKNOWN
        return UNKNOWN

    def _subscript(self, owner: Value, index: ast.expr) -> Value:
        match owner, index:
            case Named(values=values), ast.Constant(value=str() as name):
                return values.get(name, UNKNOWN)
            case ((Rows() | Many()), ast.Slice()):
                return owner
            case ((Rows() | Many()), _):
                return _element_of(owner)
            case Several(values=several), ast.Constant(value=int() as number):
                return several[number] if -len(several) <= number < len(several) else UNKNOWN
        if not isinstance(index, ast.Slice):
            self.value(index)
        return UNKNOWN

    # Annotations

    def annotated(self, node: ast.expr | None) -> Value:
        """What an annotation says: an instance of the class or of a subclass."""
        match node:
            case None:
                return UNKNOWN
            case ast.Constant(value=str() as text):
                try:
                    return self.annotated(ast.parse(text, mode="eval").body)
                except (SyntaxError, ValueError, RecursionError, MemoryError):
                    return UNKNOWN
            case ast.Constant(value=None):
                return NONE
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return any_of(self.annotated(left), self.annotated(right))
            case ast.Subscript(value=outer, slice=index):
                return self._annotated_with(_last(outer), index)
            case ast.Name() | ast.Attribute():
                if _last(node) == "Self" and isinstance(self.names.get("self"), Instance):
                    return self.names["self"]
                live = look_up(self.source.dotted(node))
                if live is NOTHING and isinstance(node, ast.Name):
                    live = vars(builtins).get(node.id, NOTHING)
                # Any is a class since Python 3.11; neither it nor object says anything.
                if live is Any or live is object or not is_a(live, type):
                    return UNKNOWN
                return instance_of(live)
        return UNKNOWN

    def _annotated_with(self, outer: str, index: ast.expr) -> Value:
        first = index.elts[0] if isinstance(index, ast.Tuple) and index.elts else index
        inner = self.annotated(first)
        if outer in ("type", "Type"):
            return Class(inner.cls, is_exact=False) if isinstance(inner, Instance) else UNKNOWN
        if outer == "Optional":
            return inner
        if outer == "Union" and isinstance(index, ast.Tuple):
            return any_of(*(self.annotated(each) for each in index.elts))
        if outer in ("Annotated", "Final", "ClassVar", "Awaitable"):
            return inner
        if outer.endswith(("QuerySet", "Manager")) and isinstance(inner, Instance):
            return Rows(inner.cls) if is_model(inner.cls) else UNKNOWN
        if outer in ("tuple", "Tuple") and isinstance(index, ast.Tuple):
            if isinstance(index.elts[-1], ast.Constant) and index.elts[-1].value is Ellipsis:
                return Many(inner)
            return Several(tuple(self.annotated(each) for each in index.elts))
        if outer in SEQUENCES:
            return Many(inner)
        return UNKNOWN

    # Calls

    def _call(self, node: ast.Call) -> Value:
        called = self.value(node.func)
        args = tuple(self._arguments(node.args))
        keywords: dict[str, Value] = {}
        for each in node.keywords:
            found = self.value(each.value)
            if each.arg is not None:
                keywords[each.arg] = found
            elif isinstance(found, Named):
                keywords |= found.values
        call = _Call(node, args, keywords)
        several = alternatives(called)
        return any_of(*(self.apply(each, call, len(several) == 1) for each in several))

    def _arguments(self, nodes: Sequence[ast.expr]) -> Iterator[Value]:
        for each in nodes:
            found = self.value(each.value if isinstance(each, ast.Starred) else each)
            if not isinstance(each, ast.Starred):
                yield found
            elif isinstance(found, Several):
                yield from found.values
            else:
                # However many they are: what comes after has no place that is known.
                return

    def apply(self, called: Value, call: _Call, is_sure_of: bool = True) -> Value:
        """What is called does its work: the steps are noted, what it returns is the value."""
        call = replace(call, is_sure=call.is_sure and is_sure_of)
        match called:
            case Given(called=inner, args=args, keywords=keywords):
                return self.apply(
                    inner,
                    replace(call, args=(*args, *call.args), keywords={**keywords, **call.keywords}),
                )
            case Bound(owner=AnyOf(values=values), name=name):
                return any_of(*(self.apply(Bound(each, name), call, False) for each in values))
            case Bound(owner=owner, name=name):
                return self._method(owner, name, call)
            case Class(cls=cls):
                return self._made(cls, called, call)
            case Live(thing=thing):
                return self._live_call(thing, called, call)
            case Code():
                return self._enter(called, (), call)
        return UNKNOWN

    def _made(self, cls: type, called: Class, call: _Call) -> Value:
        name = _dotted_class(cls)
        if name == "functools.partial" and call.args:
            return Given(call.args[0], call.args[1:], call.keywords)
        if name == "builtins.type" and len(call.args) == 1:
            [owner] = call.args
            return Class(owner.cls, owner.is_exact) if isinstance(owner, Instance) else UNKNOWN
        if name == "builtins.super":
            return self._super(call)
        if name in ("builtins.list", "builtins.set", "builtins.tuple", "builtins.reversed"):
            first = call.args[0] if call.args else UNKNOWN
            element = _element_of(first)
            return PLAIN if not call.args or element is UNKNOWN else Many(element)
        if name in _THROUGH and call.args:
            return call.args[0]
        if is_model(cls):
            return Instance(cls, called.is_exact)
        made = instance_of(cls, is_exact=called.is_exact)
        if is_subclass(cls, BaseManager):
            made = Instance(cls)
        if isinstance(made, Instance):
            self._enter_method(made, "__init__", call)
            model = made.attributes.get("model")
            if is_subclass(cls, BaseManager):
                return Rows(model.cls, cls) if isinstance(model, Class) else UNKNOWN
        return made

    def _super(self, call: _Call) -> Value:
        owner = self.code.owner
        parameters = self.code.node.args
        first = next((each.arg for each in (*parameters.posonlyargs, *parameters.args)), None)
        of: Value = UNKNOWN
        if len(call.args) == 2:
            of = call.args[1]
        elif first is not None:
            of = self.names.get(first, UNKNOWN)
        if owner is None:
            return UNKNOWN
        return Super(Instance(owner, False) if of is UNKNOWN else of, owner)

    def _live_call(self, thing: Any, called: Live, call: _Call) -> Value:
        first = call.args[0] if call.args else UNKNOWN
        if type(thing) is MethodType:
            name = getattr(thing.__func__, "__name__", "")
            return self._method(_self_of_live(thing.__self__), name, call)
        if type(thing) is not FunctionType:
            name = thing.__name__ if type(thing) is BuiltinFunctionType else ""
            if name in ("sorted", "iter", "list"):
                return Many(_element_of(first))
            if name in ("next", "anext", "max", "min"):
                return _element_of(first)
            if name == "getattr" and len(call.args) > 1:
                return self._getattr(call)
            code = self.effects.code_named(called.name)
            return UNKNOWN if code is None else self._enter(code, (), call)
        name = f"{thing.__module__}.{thing.__qualname__}"
        if name == "django.db.transaction.on_commit":
            self._on_commit(first if call.args else call.keywords.get("func", UNKNOWN), call)
            return NONE
        if name == "django.contrib.auth.get_user_model":
            return _user_model()
        if name in ("django.shortcuts.get_object_or_404", "django.shortcuts.aget_object_or_404"):
            return _one_of(first)
        if name in ("django.shortcuts.get_list_or_404", "django.shortcuts.aget_list_or_404"):
            return Many(_one_of(first))
        if name in _THROUGH:
            return first
        if name in ("typing.cast", "typing_extensions.cast") and len(call.args) == 2:
            return (
                call.args[1] if call.args[1] is not UNKNOWN else self.annotated(call.node.args[0])
            )
        return self._enter(called, (), call)

    def _getattr(self, call: _Call) -> Value:
        owner, name = call.args[:2]
        if not isinstance(name, Text):
            return UNKNOWN
        if isinstance(owner, Live) and owner.thing is settings and len(call.args) > 2:
            known = getattr(settings, name.text, NOTHING)
            return call.args[2] if known is NOTHING else value_of_live(known)
        return self._attribute_of(owner, name.text)

    def _model_named(self, call: _Call) -> Value:
        """``apps.get_model("shop", "Order")``"""
        texts = [each.text for each in call.args if isinstance(each, Text)]
        label, _, name = ".".join(texts).partition(".")
        model: Any = dict(apps.all_models.get(label, {})).get(name.lower())
        return Class(model) if is_model(model) else UNKNOWN

    def _method(self, owner: Value, name: str, call: _Call) -> Value:
        match owner:
            case Instance(cls=cls):
                if is_model(cls):
                    return self._of_model_instance(owner, name, call)
                if is_a(cls, type) and is_subclass(cls, Signal):
                    return self._unknown_send(name, call)
                if name in _SAVE and _form_model(cls) is not None:
                    return self._form_save(owner, _form_model(cls), call)
                return self._enter_method(owner, name, call)
            case Super(of=of, after=after):
                return self._of_super(of, after, name, call)
            case Rows():
                return self._of_rows(owner, name, call)
            case File(of=of):
                return self._of_file(of, name, call)
            case Live():
                return self._of_live(owner, name, call)
            case Code():
                if name in _LATER:
                    self._task(owner, call)
                elif name in ("s", "si", "signature", "using"):
                    return owner
                return UNKNOWN
            case Class(cls=cls):
                if name == "from_queryset" and is_subclass(cls, BaseManager):
                    return owner
                if name in ("save", "delete", *_SAVE) and is_model(cls) and call.args:
                    return self._method(call.args[0], name, replace(call, args=call.args[1:]))
                return self._enter_method(owner, name, call)
            case Named(values=values):
                given = call.node.args[0] if call.node.args else None
                if name in ("get", "pop") and isinstance(given, ast.Constant):
                    return values.get(str(given.value), UNKNOWN)
                return UNKNOWN
            case Many() | Several():
                return _element_of(owner) if name in ("pop", "popleft") else UNKNOWN
            case _ if owner is PLAIN or owner is NONE or isinstance(owner, Text):
                return PLAIN
        return self._of_unknown(name, call)

    # Models

    def _of_model_instance(self, owner: Instance, name: str, call: _Call) -> Value:
        if name in _SAVE:
            self._save(owner, call)
            return NONE
        if name in _DELETE:
            self._delete(owner, call)
            return PLAIN
        if name == "save_base":
            self._note("save", call, owner, sends=of_save(owner.cls))
            return NONE
        return self._enter_method(owner, name, call)

    def _save(self, owner: Instance, call: _Call, kind: StepKind = "save") -> None:
        if owner.cls is Model or _is_abstract(owner.cls):
            self._note_unknown(kind, call, "it may be any model that inherits from this one")
            return
        self._write(owner, call, "save", kind, of_save(owner.cls))

    def _delete(self, owner: Instance, call: _Call) -> None:
        if owner.cls is Model or _is_abstract(owner.cls):
            self._note_unknown("delete", call, "it may be any model that inherits from this one")
            return
        self._write(owner, call, "delete", "delete", of_delete(owner.cls))

    def _write(
        self,
        owner: Instance,
        call: _Call,
        name: str,
        kind: StepKind,
        sends: tuple[tuple[str, str], ...],
    ) -> None:
        """By Django's ``save()`` or ``delete()``, or by what the model has in place of it."""
        own, _ = self.effects._code_of(Bound(owner, name))
        if own is None:
            steps: tuple[SourceStep, ...] = ()
            if kind == "delete":
                steps = tuple(cascades(owner.cls, self._location(call.node)))
            self._note(kind, call, owner, sends=sends, steps=steps)
            return
        outcome = self.effects.run(own, (owner,), call.keywords)
        if outcome.is_cut:
            self._note(kind, call, owner, reason="it is being gone through already")
        elif _sends_any(outcome.steps, sends):
            self._note(kind, call, owner, steps=outcome.steps)
        elif self._is_followed(own):
            reason = f"{class_name(owner.cls)}.{name}() never calls super(): nothing is sent"
            self._note(kind, call, owner, steps=outcome.steps, reason=reason)
        else:
            # A package's own, which may go about it in a way of its own.
            self._note(kind, call, owner, sends=sends, steps=outcome.steps, certainty="may")

    def _note_deletion(
        self, owner: Instance, call: _Call, certainty: Certainty = "certain"
    ) -> None:
        steps = tuple(cascades(owner.cls, self._location(call.node)))
        self._note(
            "delete", call, owner, sends=of_delete(owner.cls), steps=steps, certainty=certainty
        )

    def _of_super(self, of: Value, after: type, name: str, call: _Call) -> Value:
        if isinstance(of, Instance) and is_model(of.cls) and name in (*_SAVE, *_DELETE):
            code, first = self.effects._code_of(Bound(Super(of, after), name))
            if code is not None:
                return self._enter(code, first, call)
            if _is_abstract(of.cls):
                self._note_unknown(
                    "save" if name in _SAVE else "delete",
                    call,
                    "it may be any model that inherits from this one",
                )
            elif name in _SAVE:
                self._note("save", call, of, sends=of_save(of.cls))
            else:
                self._note_deletion(of, call)
            return NONE
        code, first = self.effects._code_of(Bound(Super(of, after), name))
        if code is not None and self._is_followed(code):
            return self._enter(code, first, call)
        # A queryset's or manager's own method, which goes on to Django's.
        return self._of_rows(of, name, call, is_super=True) if isinstance(of, Rows) else UNKNOWN

    def _of_rows(self, owner: Rows, name: str, call: _Call, *, is_super: bool = False) -> Value:
        code, first = (None, ()) if is_super else self.effects._code_of(Bound(owner, name))
        if code is not None and self._is_followed(code):
            returned = self._enter(code, first, call)
            if returned is not UNKNOWN:
                return returned
            if name in _SAME_ROWS:
                return owner
            return _returned_by_rows(owner, name)
        row = Instance(owner.model)
        certain: Certainty = "certain"
        if name in _CHANGE_RELATED and (owner.through is not None or owner.is_reverse):
            self._change_related(owner, name, call)
        elif name in _CREATE or name in _PERHAPS_CREATE:
            self._save(row, call if name in _CREATE else replace(call, is_sure=False))
            if owner.through is not None:
                self._note("many_to_many", call, row, sends=of_m2m(owner.through))
        elif name in ("create_user", "create_superuser", "acreate_user", "acreate_superuser"):
            self._save(row, call)
        elif name in _DELETE:
            self._note_deletion(row, call, "may")
        elif name in _BULK:
            self._note("bulk", call, row, certainty=certain)
        return _returned_by_rows(owner, name)

    def _change_related(self, owner: Rows, name: str, call: _Call) -> None:
        row = Instance(owner.model)
        if owner.through is not None:
            self._note("many_to_many", call, Instance(owner.through), sends=of_m2m(owner.through))
        elif _given_constant(call.node, "bulk", False):
            self._note("save", call, row, sends=of_save(owner.model), certainty="may")
        else:
            self._note("bulk", call, row)

    def _of_file(self, owner: Instance, name: str, call: _Call) -> Value:
        if name in ("save", "delete") and not _given_constant(call.node, "save", False):
            self._save(owner, call)
        return UNKNOWN

    def _form_save(self, owner: Instance, model: type, call: _Call) -> Value:
        code, first = self.effects._code_of(Bound(owner, "save"))
        if code is not None and self._is_followed(code):
            returned = self._enter(code, first, call)
            return Instance(model) if returned is UNKNOWN else returned
        if not _given_constant(call.node, "commit", False):
            self._save(Instance(model), call)
        return Instance(model)

    # Signals, tasks, callbacks

    def _of_live(self, of: Live, name: str, call: _Call) -> Value:
        thing = of.thing
        if is_a(thing, Signal):
            if name in _SENDING:
                self._send(thing, call)
            return UNKNOWN
        if name in _LATER:
            code = self.effects.code_named(of.name)
            if code is not None:
                self._task(code, call)
            elif call.args and name == "enqueue":
                self._task(call.args[0], call)
            elif _looks_like_task(thing):
                self._note("task", call, None, target=of.name)
            return UNKNOWN
        if thing is apps and name == "get_model":
            return self._model_named(call)
        return self._enter_method(of, name, call)

    def _send(self, signal: Any, call: _Call) -> None:
        sender = call.keywords.get("sender", call.args[0] if call.args else UNKNOWN)
        name = signal_name(signal)
        found = [
            class_name(each.cls) if isinstance(each, Class) else "None"
            for each in alternatives(sender)
            if each is NONE or isinstance(each, Class)
        ]
        if len(found) != len(alternatives(sender)):
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

    def _unknown_send(self, name: str, call: _Call) -> Value:
        if name in _SENDING:
            self._note_unknown("send", call, "which signal it is cannot be told")
        return UNKNOWN

    def _on_commit(self, called: Value, call: _Call) -> None:
        steps = self._later(called, call.node)
        self._note("callback", call, None, target=self._name_of(called), steps=steps)

    def _task(self, called: Value, call: _Call) -> None:
        code, first = self.effects._code_of(called)
        steps: tuple[SourceStep, ...] = ()
        if code is not None:
            steps = self.effects.run(code, first, {}).steps
        self._note("task", call, None, target=self._name_of(called), steps=steps)

    def _later(self, called: Value, at: ast.expr) -> tuple[SourceStep, ...]:
        """What is done when it is called, by itself: not under the conditions of here."""
        run = _Run(self.effects, replace(self.code, names=self.names), (), {}, False)
        run.names = dict(self.names)
        nothing = ast.Call(func=ast.Name("later"), args=[], keywords=[])
        ast.copy_location(nothing, at)
        for each in alternatives(called):
            run.apply(each, _Call(nothing, (), {}, text=self._name_of(each)))
        found: list[SourceStep] = []
        for step in run.steps:
            found += step.steps if step.kind == "call" and len(run.steps) == 1 else [step]
        return tuple(found)

    def _name_of(self, called: Value) -> str:
        match called:
            case Code(source=source, qualname=qualname):
                return f"{source.module}.{qualname}"
            case Live(thing=thing) if type(thing) is FunctionType:
                return f"{thing.__module__}.{thing.__qualname__}"
            case Live(thing=thing) if is_a(thing, Signal):
                return signal_name(thing)
            case Given(called=inner):
                return f"partial({self._name_of(inner)})"
            case Bound(owner=Instance(cls=cls) | Class(cls=cls), name=name):
                return f"{class_name(cls)}.{name}"
            case Bound(owner=Rows(model=model), name=name):
                return f"{class_name(model)}.{name}"
            case Bound(owner=Live() as inner, name=name):
                return f"{self._name_of(inner)}.{name}"
        return ""

    # Functions

    def _enter_method(self, owner: Value, name: str, call: _Call) -> Value:
        code, first = self.effects._code_of(Bound(owner, name))
        if code is None:
            return UNKNOWN
        return self._enter(code, first, call)

    def _is_followed(self, code: Code) -> bool:
        return self.effects.is_projects(code.source.file)

    def _enter(self, called: Value, first: tuple[Value, ...], call: _Call) -> Value:
        code, more = self.effects._code_of(called)
        if code is None:
            return UNKNOWN
        if not self._is_followed(code):
            return _Run(self.effects, code, (), {}, False).declared()
        outcome = self.effects.run(code, (*first, *more, *call.args), call.keywords)
        if outcome.steps:
            self._note("call", call, None, target=self._name_of(code), steps=outcome.steps)
        return outcome.returned

    def declared(self) -> Value:
        node = self.code.node
        return UNKNOWN if isinstance(node, ast.Lambda) else self.annotated(node.returns)

    # What cannot be told

    def _of_unknown(self, name: str, call: _Call) -> Value:
        """Only what is most probably Django's: dictionaries and sets have an update() and add()."""
        node = call.node.func
        owner = node.value if isinstance(node, ast.Attribute) else None
        what = text_of(owner) if owner is not None else "it"
        reason = f"what `{what}` is cannot be told"
        has_manager = owner is not None and any(
            isinstance(each, ast.Attribute)
            and (each.attr in ("objects", "_default_manager", "_base_manager"))
            for each in ast.walk(owner)
        )
        kind: StepKind | None = None
        if name in _SENDING:
            if "robust" in name or name == "asend" or "sender" in call.keywords:
                kind = "send"
        elif name in _SAVE:
            if not call.node.args:
                kind = "save"
        elif name in _DELETE:
            if has_manager or not (call.node.args or call.node.keywords):
                kind = "delete"
        elif name in _CREATE:
            kind = "save" if has_manager else None
        elif name in _PERHAPS_CREATE:
            kind = "save"
        elif name in _BULK:
            kind = "bulk" if has_manager or "bulk" in name or name[0] == "_" else None
        elif name in _CHANGE_RELATED:
            if isinstance(owner, ast.Attribute) and owner.attr in self.effects.relations:
                kind = "many_to_many"
        elif name in ("delay", "apply_async"):
            kind = "task"
        if kind is not None:
            self._note_unknown(kind, call, reason)
        return UNKNOWN

    # Steps

    def _note(
        self,
        kind: StepKind,
        call: _Call,
        owner: Instance | None,
        *,
        target: str = "",
        sends: tuple[tuple[str, str], ...] = (),
        steps: tuple[SourceStep, ...] = (),
        certainty: Certainty = "certain",
        reason: str = "",
    ) -> None:
        if self.quiet or len(self.steps) > _MOST_STEPS:
            return
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
                condition=condition,
                reason=reason,
                steps=steps,
            )
        )

    def _note_unknown(self, kind: StepKind, call: _Call, reason: str, target: str = "") -> None:
        self._note(kind, call, None, target=target, certainty="unknown", reason=reason)

    def _location(self, node: ast.expr) -> Location:
        return Location(self.source.file, node.lineno, self.code.qualname)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    node: ast.Call
    args: tuple[Value, ...]
    keywords: Mapping[str, Value]
    is_sure: bool = True
    text: str = ""


# Values


def _element_of(value: Value) -> Value:
    match value:
        case Rows(model=model):
            return Instance(model)
        case Many(of=of):
            return of
        case Several(values=values):
            return any_of(*values) if values else UNKNOWN
        case AnyOf(values=values):
            return any_of(*(_element_of(each) for each in values))
    return UNKNOWN


def _returned_by_rows(owner: Rows, name: str) -> Value:
    row = Instance(owner.model)
    if name in _SAME_ROWS:
        return Rows(owner.model, owner.kind)
    if name in _ONE_ROW or name in _CREATE or name.removeprefix("a") in _OF_USERS:
        return row
    if name in _PERHAPS_CREATE:
        return Several((row, PLAIN))
    if name in ("bulk_create", "abulk_create"):
        return Many(row)
    if name in ("count", "exists", "aggregate", "values", "values_list", "dates", "in_bulk"):
        return PLAIN
    return UNKNOWN


def _one_of(value: Value) -> Value:
    match value:
        case Class(cls=cls) if is_model(cls):
            return Instance(cls)
    return _element_of(value)


def _merged(*several: dict[str, Value]) -> dict[str, Value]:
    """What the names stand for after any of these."""
    names = dict.fromkeys(name for each in several for name in each)
    return {name: any_of(*(each[name] for each in several if name in each)) for name in names}


def _value_of_receiver(receiver: Any) -> Value:
    kind = type(receiver)
    if kind is MethodType:
        bound = _self_of_live(receiver.__self__)
        name = getattr(receiver.__func__, "__name__", "")
        return Bound(bound, name) if type(name) is str else UNKNOWN
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
    return Bound(_self_of_live(receiver), "__call__")


def _self_of_live(owner: Any) -> Value:
    """What ``self`` is in a method of a live object, whose attributes are there to be read."""
    return Class(owner) if is_a(owner, type) else Live(owner)


def _class_of(value: Value) -> type | None:
    match value:
        case Instance(cls=cls) | Class(cls=cls):
            return cls
        case Live(thing=thing):
            return type(thing)
        case Rows(kind=kind):
            return kind
    return None


def _value_of_cell(cell: Any) -> Value:
    try:
        return value_of_live(cell.cell_contents)
    except ValueError:
        return UNKNOWN


def _sends_instances(sender: Any, signal: Signal | None) -> bool:
    """Whether what is sent as ``instance`` is one of ``sender``, as signals of models do."""
    if not is_model(sender) or namespace_of(sender)["_meta"].auto_created:
        return False
    return signal is None or (is_a(signal, ModelSignal) and signal is not m2m_changed)


def _ends_of(sender: Any) -> dict[str, Value]:
    """What ``m2m_changed`` is sent with for a table: an instance of either end, the other's model."""
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


def _lacks(owner: Value, name: str) -> bool:
    return (
        isinstance(owner, Instance)
        and name not in owner.attributes
        and find_in_class(owner.cls, name) is None
        and is_model(owner.cls)
    )


def _user_model() -> Value:
    name = settings.AUTH_USER_MODEL
    label, _, model_name = name.partition(".") if type(name) is str else ("", "", "")
    model: Any = dict(apps.all_models.get(label, {})).get(model_name.lower())
    return Class(model) if is_model(model) else UNKNOWN


def _form_model(cls: type) -> Any:
    """The model that a form's ``save()`` saves."""
    if not any(each is BaseModelForm for each in class_bases(cls)):
        return None
    model = getattr(find_in_class(cls, "_meta"), "model", None)
    return model if is_model(model) else None


def _is_abstract(cls: type) -> bool:
    return is_model(cls) and bool(namespace_of(cls)["_meta"].abstract)


def _looks_like_task(thing: object) -> bool:
    """Whether its class has a ``delay()`` or ``enqueue()``."""
    return any(find_in_class(type(thing), name) is not None for name in ("delay", "enqueue"))


def _sends_any(steps: Sequence[SourceStep], sends: tuple[tuple[str, str], ...]) -> bool:
    return any(
        any(each in sends for each in step.sends) or _sends_any(step.steps, sends) for step in steps
    )


# Source


def _name_of_node(node: Function | ast.Lambda) -> str:
    return "" if isinstance(node, ast.Lambda) else node.name


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _given_constant(node: ast.Call, name: str, value: object) -> bool:
    return any(
        each.arg == name and isinstance(each.value, ast.Constant) and each.value.value is value
        for each in node.keywords
    )


def _may_leave(statement: ast.stmt) -> str | None:
    """Why what comes after the statement may not run, if it may not."""
    if not isinstance(
        statement,
        ast.If
        | ast.For
        | ast.AsyncFor
        | ast.While
        | ast.Try
        | ast.With
        | ast.AsyncWith
        | ast.Match,
    ):
        return None
    for each in _own_statements(statement):
        if isinstance(each, ast.Return | ast.Raise | ast.Break | ast.Continue):
            if isinstance(each, ast.Break | ast.Continue) and isinstance(
                statement, ast.For | ast.AsyncFor | ast.While
            ):
                continue
            head = condition_of(statement, "body") or text_of(statement).partition(":")[0]
            return f"what {_LINE.sub('', head)} may return before"
    return None


def _own_statements(statement: ast.AST) -> Iterator[ast.AST]:
    for each in ast.iter_child_nodes(statement):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(each, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield each
            yield from _own_statements(each)


def _functions_in(source: Source) -> dict[int, list[Code]]:
    """Every function by the lines that it may be said to begin on."""
    found: dict[int, list[Code]] = {}

    def visit(node: ast.AST, qualname: str, owner: str | None) -> None:
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                name = "<lambda>" if isinstance(each, ast.Lambda) else each.name
                full = f"{qualname}.{name}" if qualname else name
                cls: Any = NOTHING if owner is None else look_up(f"{source.module}.{owner}")
                code = Code(source, each, full, cls if is_a(cls, type) else None)
                for line in {each.lineno, first_line(each)}:
                    found.setdefault(line, []).append(code)
                visit(each, f"{full}.<locals>", owner)
            elif isinstance(each, ast.ClassDef):
                full = f"{qualname}.{each.name}" if qualname else each.name
                visit(each, full, full if "<locals>" not in full else None)
            else:
                visit(each, qualname, owner)

    if source.tree is not None:
        visit(source.tree, "", None)
    return found


def _find_after(cls: type, after: type, name: str) -> object:
    """What ``super()`` finds in a method of ``after`` for an instance of ``cls``."""
    is_after = False
    for each in class_bases(cls):
        if is_after and name in namespace_of(each):
            return namespace_of(each)[name]
        is_after = is_after or each is after
    return None


def _dotted_class(cls: type) -> str:
    module = namespace_of(cls).get("__module__", "builtins")
    return f"{module if type(module) is str else 'builtins'}.{qualname_of(cls)}"
