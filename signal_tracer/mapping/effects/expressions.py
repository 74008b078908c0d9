"""Expressions of a function, gone through for what they stand for and for what they do."""

from __future__ import annotations

import ast
import asyncio
import builtins
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partialmethod
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, connections
from django.db.models import Model, QuerySet
from django.db.models.manager import BaseManager
from django.db.models.options import Options
from django.dispatch import Signal
from django.utils.functional import cached_property as django_cached_property

from signal_tracer.describing.names import (
    class_bases,
    find_in_class,
    is_a,
    module_namespace,
    namespace_of,
    qualname_of,
)
from signal_tracer.mapping.effects.binding import bound_after
from signal_tracer.mapping.effects.functions import registered_with, self_of_live
from signal_tracer.mapping.effects.meanings import (
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
    element_of,
    instance_of,
    is_model,
    is_subclass,
    manager_of,
    may_be_overridden,
    value_of_live,
)
from signal_tracer.mapping.effects.stepping import Call, Steps, form_model
from signal_tracer.mapping.looking import NOTHING, attribute_of, look_up
from signal_tracer.mapping.methods import AT_ONCE, DELETE, LATER, SAVE, SIGNATURES
from signal_tracer.mapping.surroundings import text_of, text_of_call
from signal_tracer.mapping.written import Function

_THROUGH = frozenset(
    (
        *("asgiref.sync.sync_to_async", "asgiref.sync.async_to_sync", "copy.copy"),
        *("asgiref.sync.SyncToAsync", "asgiref.sync.AsyncToSync", "copy.deepcopy"),
        "channels.db.database_sync_to_async",
    )
)

_METHODS = (FunctionType, classmethod, staticmethod)


class Expressions(Steps):
    """What the expressions of one function stand for, given what its names do."""

    yielded: list[Value]

    def assign(self, target: ast.expr, value: Value) -> None:
        """A name, or several, stand for this from now on."""
        raise NotImplementedError

    def value(self, node: ast.expr) -> Value:
        """What an expression stands for; what it does on the way is noted."""
        match node:
            case ast.Constant(value=None):
                return NONE
            case ast.Constant(value=str() as text):
                return Text(text)
            case ast.Constant() | ast.JoinedStr() | ast.Compare() | ast.Dict():
                self._inner(node)
                return PLAIN
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Call():
                return self._call(node)
            case ast.Await(value=inner):
                self.awaited.add(inner)
                return self.value(inner)
            case ast.YieldFrom(value=inner):
                return self.value(inner)
            case ast.Yield(value=inner):
                self.yielded.append(NONE if inner is None else self.value(inner))
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
                return Many(self._comprehension(node, node.elt))
            case ast.DictComp():
                self._comprehension(node, node.key, node.value)
                return PLAIN
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
        """What the names stand for when it is called: unknown, of those that are bound anew."""
        used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        closed = {name: value for name, value in self.names.items() if name in used}
        own = {getattr(node, "name", "")}
        for name in (bound_after(node, self.code.node) | own) & used:
            closed[name] = UNKNOWN
        return closed

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

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, *made: ast.expr
    ) -> Value:
        """What the last of those stands for that it makes in each round."""
        before = dict(self.names)
        added = 0
        for each in node.generators:
            over = self.value(each.iter)
            self.assign(each.target, self._element(each.iter, over))
            self.conditions.append(f"`for {text_of(each.target)} in {text_of(each.iter)}`")
            added += 1
            for test in each.ifs:
                self.value(test)
        found = [self.value(each) for each in made][-1]
        del self.conditions[len(self.conditions) - added :]
        # All that it binds is its own, but for what it assigns in an expression, if it runs at all.
        assigned = {each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr)}
        for name in assigned & self.names.keys():
            before[name] = any_of(before.get(name, NONE), self.names[name])
        self.names = before
        return found

    def _element(self, node: ast.expr, over: Value) -> Value:
        match node:
            case ast.Call(func=ast.Name(id="enumerate"), args=[first, *_]):
                return Several((PLAIN, self._element(first, self._silently(first))))
            case ast.Call(func=ast.Name(id="zip"), args=several):
                return Several(tuple(self._element(each, self._silently(each)) for each in several))
        return element_of(over)

    def _silently(self, node: ast.expr) -> Value:
        self.quiet += 1
        try:
            return self.value(node)
        finally:
            self.quiet -= 1

    def _name(self, name: str) -> Value:
        if name in self.names:
            return self.names[name]
        found = self._named(self._dotted(ast.Name(name)))
        if found is not None:
            return found
        builtin = vars(builtins).get(name)
        return UNKNOWN if builtin is None else value_of_live(builtin)

    def _dotted(self, node: ast.Name | ast.Attribute) -> str | None:
        """By the names of the module, in which imports inside its functions bind nothing."""
        dotted, own = self.source.dotted(node), f"{self.source.module}.{text_of(node)}"
        live = look_up(own)
        return dotted if live is NOTHING or live is look_up(dotted) else own

    def _named(self, dotted: str | None) -> Value | None:
        live = look_up(dotted)
        if live is not NOTHING:
            return value_of_live(live, dotted or "")
        return self.functions.code_named(dotted)

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
                if type(live) is FunctionType:
                    return Bound(owner, name)
                if live is NOTHING:
                    return PLAIN
                return UNKNOWN if may_be_overridden(owner, name) else value_of_live(live)
            case Rows(model=model, through=through):
                if name == "model":
                    return Class(model)
                if name == "through" and through is not None:
                    return Class(through)
                return Bound(owner, name)
            case Live(thing=thing) if thing is settings:
                # Django's own code, which finds what a module holds.
                return value_of_live(getattr(settings, name, UNKNOWN))
            case Live(thing=thing) if name in ("default_manager", "base_manager") and (
                is_a(thing, Options)
            ):
                return Rows(thing.model, manager_of(thing.model, name))
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
        kind = type(found)
        if found is None or any(kind is each for each in _METHODS):
            return Bound(owner, name)
        if kind is partialmethod and type(found.func) is FunctionType:
            given = tuple(value_of_live(each) for each in found.args)
            named = {each: value_of_live(value) for each, value in found.keywords.items()}
            return Given(Live(found.func), (owner, *given), named)
        if kind is property:
            return self._computed(found.fget, (owner,))
        if kind is cached_property or kind is django_cached_property:
            return self._computed(found.func, (owner,))
        if is_a(found, type):
            return Class(found)
        getter = find_in_class(type(found), "__get__")
        if type(getter) is FunctionType:
            return self._computed(getter, (Live(found), owner, Class(cls)))
        return value_of_live(found)

    def _computed(self, function: Any, args: tuple[Value, ...]) -> Value:
        code = self.functions.code_of_function(function) if type(function) is FunctionType else None
        if code is None or not self.functions.is_projects(code.source.file):
            return UNKNOWN
        return self.reader.run(code, args, {}).returned

    def _set_in_init(self, owner: Instance, name: str) -> Value:
        """What ``self.name`` was set to by the class's own ``__init__()``, if in one place."""
        for cls in class_bases(owner.cls):
            namespace = namespace_of(cls)
            made = namespace.get("__init__")
            if type(made) is not FunctionType:
                continue
            code = self.functions.code_of_function(made)
            if code is None or not self.functions.is_projects(code.source.file):
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
                        run = type(self)(self.reader, code, (owner,))
                        run.quiet = 1
                        return run.value(value) if isinstance(value, ast.Name) else UNKNOWN
        return UNKNOWN

    def _subscript(self, owner: Value, index: ast.expr) -> Value:
        match owner, index:
            case Named(values=values), ast.Constant(value=str() as name):
                return values.get(name, UNKNOWN)
            case Live(thing=thing), _ if thing is connections:
                return Live(connection)  # or one like it
            case Live(thing=thing), _ if type(thing) is dict:
                keys = alternatives(self.value(index))
                return any_of(*(_looked_up(thing, each) for each in keys))
            case ((Rows() | Many()), ast.Slice()):
                return owner
            case ((Rows() | Many()), _):
                return element_of(owner)
            case Several(values=several), ast.Constant(value=int() as number):
                return several[number] if -len(several) <= number < len(several) else UNKNOWN
        if not isinstance(index, ast.Slice):
            self.value(index)
        return UNKNOWN

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
                known = self.names.get(node.id) if isinstance(node, ast.Name) else None
                live = known.cls if isinstance(known, Class) else look_up(self._dotted(node))
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
        if outer in ("tuple", "Tuple") and isinstance(index, ast.Tuple) and index.elts:
            if isinstance(index.elts[-1], ast.Constant) and index.elts[-1].value is Ellipsis:
                return Many(inner)
            return Several(tuple(self.annotated(each) for each in index.elts))
        if outer in SEQUENCES:
            return Many(inner)
        return UNKNOWN

    def _call(self, node: ast.Call) -> Value:
        called = self.value(node.func)
        if isinstance(called, Live) and called.thing is asyncio.run:
            self.awaited.update(node.args)
        args = tuple(self._arguments(node.args))
        keywords: dict[str, Value] = {}
        is_open = False
        for each in node.keywords:
            found = self.value(each.value)
            if each.arg is not None:
                keywords[each.arg] = found
            elif isinstance(found, Named):
                keywords |= found.values
            else:
                is_open = True
        call = Call(node, args, keywords, is_open=is_open)
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

    def apply(self, called: Value, call: Call, is_sure_of: bool = True) -> Value:
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

    def _made(self, cls: type, called: Class, call: Call) -> Value:
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
            element = element_of(first)
            return PLAIN if not call.args or element is UNKNOWN else Many(element)
        if name == "builtins.map" and len(call.args) > 1:
            return Many(self._mapped(call))
        if name in _THROUGH and call.args:
            return call.args[0]
        if is_model(cls):
            return Instance(cls, called.is_exact)
        if is_subclass(cls, QuerySet):
            model = call.args[0] if call.args else call.keywords.get("model")
            return Rows(model.cls, cls) if isinstance(model, Class) else UNKNOWN
        made = instance_of(cls, is_exact=called.is_exact)
        if is_subclass(cls, BaseManager):
            made = Instance(cls)
        if isinstance(made, Instance):
            self._enter_method(made, "__init__", call)
            model = made.attributes.get("model")
            if is_subclass(cls, BaseManager):
                return Rows(model.cls, cls) if isinstance(model, Class) else UNKNOWN
        return made

    def _mapped(self, call: Call) -> Value:
        """``map(function, rows)`` calls it for each that is gone over, and that may be none."""
        function, *several = call.args
        inner = ast.Call(func=call.node.args[0], args=[], keywords=[])
        given = tuple(element_of(each) for each in several)
        called = Call(ast.copy_location(inner, call.node), given, {}, text=text_of_call(call.node))
        return self.apply(function, called, is_sure_of=False)

    def _super(self, call: Call) -> Value:
        """Of ``super(Mixin, self)`` what comes after the mixin, whoever's method it stands in."""
        after = self.code.owner
        parameters = self.code.node.args
        first = next((each.arg for each in (*parameters.posonlyargs, *parameters.args)), "")
        of = self.names.get(first, UNKNOWN)
        if call.args:
            named, of = call.args[0], call.args[1] if len(call.args) == 2 else UNKNOWN
            after = named.cls if isinstance(named, Class) else None
        if after is None:
            return UNKNOWN
        return Super(Instance(after, False) if of is UNKNOWN else of, after)

    def _live_call(self, thing: Any, called: Live, call: Call) -> Value:
        first = call.args[0] if call.args else UNKNOWN
        if type(thing) is MethodType:
            inner = thing.__func__
            if type(inner) is not FunctionType:
                return UNKNOWN
            return self._method(self_of_live(thing.__self__), inner.__name__, call)
        if type(thing) is not FunctionType:
            name = thing.__name__ if type(thing) is BuiltinFunctionType else ""
            if name in ("sorted", "iter", "list"):
                return Many(element_of(first))
            if name in ("next", "anext", "max", "min"):
                return element_of(first)
            if name == "getattr" and len(call.args) > 1:
                return self._getattr(call)
            # Its decorator decides: it may remember what it returned.
            code = self.functions.code_named(called.name)
            return UNKNOWN if code is None else self._enter(code, (), replace(call, is_sure=False))
        module = thing.__module__ if type(thing.__module__) is str else ""
        name = f"{module}.{thing.__qualname__}"
        if name == "django.db.transaction.on_commit":
            self._on_commit(first if call.args else call.keywords.get("func", UNKNOWN), call)
            return NONE
        if name == "django.db.transaction.get_connection":
            return Live(connection)
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
        several = registered_with(thing)
        if len(several) > 1:
            unsure = replace(call, is_sure=False)
            return any_of(*(self._enter(Live(each), (), unsure) for each in several))
        return self._enter(called, (), call)

    def _getattr(self, call: Call) -> Value:
        owner, name = call.args[:2]
        if not isinstance(name, Text):
            return UNKNOWN
        if isinstance(owner, Live) and owner.thing is settings and len(call.args) > 2:
            known = getattr(settings, name.text, NOTHING)
            return call.args[2] if known is NOTHING else value_of_live(known)
        return self._attribute_of(owner, name.text)

    def _method(self, owner: Value, name: str, call: Call) -> Value:
        match owner:
            case Instance(cls=cls):
                if is_model(cls):
                    return self._of_model_instance(owner, name, call)
                if is_a(cls, type) and is_subclass(cls, Signal):
                    return self._unknown_send(name, call)
                if name in SAVE and form_model(cls) is not None:
                    return self._form_save(owner, form_model(cls), call)
                if name in (*SAVE, *LATER) and not self._is_read(owner, name):
                    return self._of_unknown(name, call, cls)
                return self._enter_method(owner, name, call)
            case Super(of=of, after=after):
                return self._of_super(of, after, name, call)
            case Rows():
                return self._of_rows(owner, name, call)
            case File(of=of):
                return self._of_file(of, name, call)
            case Live():
                if name in SIGNATURES and self._is_task(owner):
                    return owner
                code = self.functions.code_named(owner.name) if name in AT_ONCE else None
                if code is not None:
                    # What it is given stands in `args=` and `kwargs=` of apply().
                    now = replace(call, args=(), keywords={}) if name == "apply" else call
                    return self._enter(code, (), replace(now, is_sure=False))
                return self._of_live(owner, name, call)
            case Code():
                if name in LATER:
                    self._task(owner, call)
                elif name in SIGNATURES:
                    return owner
                return UNKNOWN
            case Class(cls=cls):
                if name == "from_queryset" and is_subclass(cls, BaseManager):
                    return owner
                if (name in SAVE or name in DELETE) and call.args:
                    first = call.args[0]
                    # Of a mixin it is one of its methods if that is what it is given.
                    model = first.cls if isinstance(first, Instance) else cls
                    if is_subclass(model, cls) and (model is Model or is_model(model)):
                        return self._of_class(cls, name, call)
                return self._enter_method(owner, name, call)
            case Named(values=values):
                given = call.node.args[0] if call.node.args else None
                if name in ("get", "pop") and isinstance(given, ast.Constant):
                    return values.get(str(given.value), UNKNOWN)
                return UNKNOWN
            case Many() | Several():
                return element_of(owner) if name in ("pop", "popleft") else UNKNOWN
            case _ if owner is PLAIN or owner is NONE or isinstance(owner, Text):
                return PLAIN
        return self._of_unknown(name, call)


def _looked_up(live: dict[Any, Any], key: Value) -> Value:
    """What a dictionary holds: for a key that is known that, else any; no key is hashed."""
    items = list(live.items())
    match key:
        case Live(thing=thing):
            items = [each for each in items if each[0] is thing]
        case Text(text=text):
            items = [each for each in items if type(each[0]) is str and each[0] == text]
    return any_of(*(value_of_live(value) for _, value in items))


def _one_of(value: Value) -> Value:
    match value:
        case Class(cls=cls) if is_model(cls):
            return Instance(cls)
    return element_of(value)


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


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _dotted_class(cls: type) -> str:
    module = namespace_of(cls).get("__module__", "builtins")
    return f"{module if type(module) is str else 'builtins'}.{qualname_of(cls)}"
