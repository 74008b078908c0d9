"""Functions as they stand in the source, found for what is called."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import replace
from types import FunctionType, MethodType, ModuleType
from typing import Any

from django.dispatch import Signal

from signal_tracer.describing.names import (
    class_bases,
    class_name,
    describe_receiver,
    find_in_class,
    is_a,
    module_namespace,
    namespace_of,
    signal_name,
)
from signal_tracer.describing.ownership import owner_of_file, project_packages
from signal_tracer.mapping.effects.meanings import (
    UNKNOWN,
    Bound,
    Class,
    Code,
    Given,
    Instance,
    Live,
    Rows,
    Super,
    Value,
    value_of_live,
)
from signal_tracer.mapping.looking import NOTHING, look_up
from signal_tracer.mapping.methods import SYNC_NAMES
from signal_tracer.mapping.projects import Project
from signal_tracer.mapping.written import Function, Source, first_line, read_source
from signal_tracer.records import DJANGO


class Functions:
    """The functions of a project's files and of others that are asked for; each file read once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._packages = project_packages()
        self._sources: dict[str, Source] = {}
        self._functions: dict[str, dict[int, list[Code]]] = {}

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
        self._in(source)
        found = self._functions[source.file].get(line, [])
        same = [each for each in found if each.qualname == qualname]
        return next(iter(same or found), None)

    def that_send(self) -> Iterator[Code]:
        """The project's functions in which something is sent, perhaps a signal."""
        for source in self.project.sources:
            lines = {line for _, _, line in source.sends()}
            if not lines:
                continue
            for each in self._in(source):
                end = each.node.end_lineno or each.node.lineno
                if any(each.node.lineno <= line <= end for line in lines):
                    yield each

    def _in(self, source: Source) -> list[Code]:
        if source.file not in self._functions:
            try:
                self._functions[source.file] = _functions_in(source)
            except RecursionError:
                self._functions[source.file] = {}
        found = self._functions[source.file].values()
        # A decorated one is found by two lines.
        return list({id(each.node): each for several in found for each in several}.values())

    def code_of_function(self, function: Any) -> Code | None:
        """The source of a live function, with what it closed over; of none of Django's own.

        A decorator of the project's is gone through itself, another's is passed over.
        """
        own, condition = function, None
        for _ in range(10):
            owner = owner_of_file(own.__code__.co_filename, self._packages)
            if owner.kind == "project":
                break
            inner = dict.get(own.__dict__, "__wrapped__")
            inner = inner.__func__ if type(inner) is MethodType else inner
            if type(inner) is not FunctionType:
                break
            if registered_with(own):
                condition = "what `singledispatch` chooses by the type of its argument"
            elif owner is not DJANGO and owner.name != "Python" and owner.name:
                condition = f"what a decorator of {owner.name} decides"
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
        return replace(found, names=names, condition=condition)

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

    def code_of(self, value: Value) -> tuple[Code | None, tuple[Value, ...]]:
        """The source of what is called, and what it is given first."""
        match value:
            case Code():
                return value, ()
            case Live(thing=thing) if type(thing) is FunctionType:
                return self.code_of_function(thing), ()
            case Given(called=called, args=args):
                code, first = self.code_of(called)
                return code, (*first, *args)
            case Bound(owner=(Instance(cls=cls) | Class(cls=cls)) as owner, name=name):
                return self._method(owner, find_in_class(cls, name))
            case Bound(owner=Live(thing=thing) as owner, name=name) if not is_a(thing, ModuleType):
                return self._method(owner, find_in_class(type(thing), name))
            case Bound(owner=Super(of=of, after=after), name=name):
                return self._method(of, _find_after(class_of(of) or after, after, name))
            case Bound(owner=Rows(kind=kind) as owner, name=name) if kind is not None:
                code, first = self._method(owner, find_in_class(kind, name))
                if code is None and name in SYNC_NAMES and not owner.is_manager:
                    return self.code_of(Bound(owner, SYNC_NAMES[name]))
                return code, first
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
        if isinstance(owner, Rows) and owner.is_manager and self._is_djangos(found):
            return None, ()  # it asks its queryset, which may have a method of its own
        return self.code_of_function(found), (owner,) if not isinstance(owner, Class) else ()

    def _is_djangos(self, function: FunctionType) -> bool:
        return owner_of_file(function.__code__.co_filename, self._packages) is DJANGO

    def self_of(self, code: Code) -> tuple[Value, ...]:
        if code.owner is None or "<locals>" in code.qualname:
            return ()
        found = namespace_of(code.owner).get(_name_of_node(code.node))
        if type(found) is staticmethod:
            return ()
        if type(found) is classmethod:
            return (Class(code.owner, is_exact=False),)
        return (Instance(code.owner, is_exact=False),)


def registered_with(function: FunctionType) -> list[FunctionType]:
    """The functions that one made by ``functools.singledispatch`` chooses from; else none."""
    # Not documented, and the same in Python 3.11 to 3.13: what it is called inside.
    if function.__code__.co_qualname != "singledispatch.<locals>.wrapper":
        return []
    registry = dict.get(function.__dict__, "registry", {})
    return [each for each in registry.values() if type(each) is FunctionType]


def _name_of_node(node: Function | ast.Lambda) -> str:
    return "" if isinstance(node, ast.Lambda) else node.name


def _value_of_cell(cell: Any) -> Value:
    try:
        return value_of_live(cell.cell_contents)
    except ValueError:
        return UNKNOWN


def self_of_live(owner: Any) -> Value:
    """What ``self`` is in a method of a live object, whose attributes are there to be read."""
    return Class(owner) if is_a(owner, type) else Live(owner)


def class_of(value: Value) -> type | None:
    match value:
        case Instance(cls=cls) | Class(cls=cls):
            return cls
        case Live(thing=thing):
            return type(thing)
        case Rows(kind=kind):
            return kind
    return None


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


def name_of(called: Value) -> str:
    """What a person would call it: ``shop.tasks.notify``, ``shop.Order.save``."""
    match called:
        case Code(source=source, qualname=qualname):
            return f"{source.module}.{qualname}"
        case Live(thing=thing) if type(thing) is FunctionType:
            return describe_receiver(thing).name
        case Live(thing=thing) if is_a(thing, Signal):
            return signal_name(thing)
        case Live(name=name):
            return name
        case Given(called=inner):
            return f"partial({name_of(inner)})"
        case Bound(owner=Instance(cls=cls) | Class(cls=cls), name=name):
            return f"{class_name(cls)}.{name}"
        case Bound(owner=Rows(model=model), name=name):
            return f"{class_name(model)}.{name}"
        case Bound(owner=Live() as inner, name=name):
            return f"{name_of(inner)}.{name}"
    return ""
