"""The project's own source: its modules and apps, and what its ``AppConfig.ready()`` methods do."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cached_property
from types import FunctionType
from typing import NamedTuple

from django.apps import AppConfig, apps
from django.conf import settings
from django.dispatch import Signal

from signal_tracer.describing.names import class_bases, find_in_class, is_a
from signal_tracer.describing.ownership import project_packages
from signal_tracer.mapping.looking import files_of_modules, look_up
from signal_tracer.mapping.ownership import Ownership, file_of_module
from signal_tracer.mapping.signatures import Sending
from signal_tracer.mapping.surroundings import text_of
from signal_tracer.mapping.written import (
    NOT_FOR_SERVERS,
    Around,
    Function,
    Source,
    first_line,
    read_source,
    sources_in,
)
from signal_tracer.signal_map import Certainty, MappedApp

_PACKAGE_FOLDERS = ("site-packages", "dist-packages")


class Why(NamedTuple):
    """Why a connection is missing, and what would mend it: the rest of two sentences."""

    certainty: Certainty
    because: str
    mend: str


class Project:
    """What stands in the folders of the project's apps; made once for each reading of the map."""

    def __init__(self, ownership: Ownership) -> None:
        self.apps = [each for each in ownership.apps if each.is_project]
        self._installed = {each.name.partition(".")[0] for each in ownership.apps}
        self._loaded = files_of_modules()
        self._app_of: dict[str, MappedApp | None] = {}
        self._by_folder = {each.folder: each for each in self.apps if each.folder}

    # Its modules

    @cached_property
    def sources(self) -> list[Source]:
        """Every module that a server may import, each once, also those of no installed app."""
        found: dict[str, Source] = {}
        for source in self._read():
            names = self._loaded.get(source.file, [])
            if names and source.module not in names:
                # It is loaded under another name, which is the one that its own imports know.
                source = read_source(source.file, names[0]) or source
            found.setdefault(source.file, source)
        return list(found.values())

    def _read(self) -> Iterator[Source]:
        walked: set[str] = set()
        for folder, module in self._packages.items():
            walked.add(folder)
            yield from sources_in(folder, module)
        for app in self.apps:
            file = file_of_module(app.name)
            if file is None or os.path.basename(file) != "__init__.py":
                # A module that is an app, such as a script: what stands beside it is not its.
                source = None if file is None else read_source(os.path.abspath(file), app.name)
                if source is not None:
                    yield source
            elif app.folder and not any(
                app.folder == each or app.folder.startswith(each + os.sep) for each in walked
            ):
                yield from sources_in(app.folder, app.name)
            if app.config_file is not None and "site-packages" not in app.config_file:
                source = read_source(app.config_file, _module_of(app.config_file, app.name))
                if source is not None:
                    yield source
        for root in self._roots:
            for name in sorted(_listed(root)):
                if name.endswith(".py") and name.removesuffix(".py").isidentifier():
                    source = read_source(os.path.join(root, name), name.removesuffix(".py"))
                    if source is not None:
                        yield source

    @cached_property
    def _roots(self) -> set[str]:
        """The folders that the project's packages stand in, unless those are shared."""
        found = set()
        for app in self.apps:
            tail = os.path.join("", *app.name.split("."))
            file = file_of_module(app.name)
            if (
                app.folder
                and file is not None
                and os.path.basename(file) == "__init__.py"
                and app.folder.endswith(os.sep + tail)
            ):
                found.add(app.folder.removesuffix(tail).rstrip(os.sep))
        return {each for each in found if os.path.basename(each) not in _PACKAGE_FOLDERS}

    @cached_property
    def _packages(self) -> dict[str, str]:
        """The folders of the outermost packages of the project, and their names."""
        names = {app.name.partition(".")[0] for app in self.apps} | project_packages()
        found = {}
        for root in sorted(self._roots):
            for name in sorted(_listed(root)):
                folder = os.path.join(root, name)
                if not name.isidentifier() or not os.path.isfile(
                    os.path.join(folder, "__init__.py")
                ):
                    if name not in names or not os.path.isdir(folder):
                        continue
                elif name not in names and (
                    name in NOT_FOR_SERVERS | self._installed or not _may_be_app(folder)
                ):
                    continue
                found[folder] = name
        for name in project_packages():
            file = file_of_module(name)
            if file is not None and os.path.basename(file) == "__init__.py":
                found.setdefault(os.path.dirname(os.path.abspath(file)), name)
        return found

    def is_loaded(self, source: Source) -> bool:
        return source.file in self._loaded

    def app_of(self, source: Source) -> MappedApp | None:
        """The installed app whose folder it stands in, the innermost."""
        for app in self.apps:
            if source.module == app.name:
                return app
        folder = os.path.dirname(source.file)
        if folder not in self._app_of:
            where, found = folder, None
            while found is None and os.path.dirname(where) != where:
                found = self._by_folder.get(where)
                # An app inside another app's folder, which is not installed.
                if found is None and os.path.isfile(os.path.join(where, "apps.py")):
                    break
                where = os.path.dirname(where)
            self._app_of[folder] = found
        return self._app_of[folder]

    def is_plain(self, source: Source) -> bool:
        """Whether a module of no app is the project's nevertheless, such as beside its settings."""
        top = source.module.partition(".")[0]
        if top not in {app.name.partition(".")[0] for app in self.apps} | project_packages():
            return False
        folder = os.path.dirname(source.file)
        while os.path.isfile(os.path.join(folder, "__init__.py")):
            if _is_app(folder):
                return False
            folder = os.path.dirname(folder)
        return True

    def place(self, source: Source, line: int) -> str:
        """``shop/apps.py:7``, from the folder that the package stands in."""
        depth = source.module.count(".") + (2 if source.is_package else 1)
        parts = source.file.split(os.sep)
        return f"{'/'.join(parts[-depth:])}:{line}"

    def makes_signal(self, dotted: str) -> bool:
        """Whether a module of the project, loaded or not, is seen to assign a signal to it."""
        module, _, name = dotted.rpartition(".")
        source = self._by_module.get(module)
        if source is None:
            return False
        return (
            re.search(rf"^{re.escape(name)}\b[^=\n]*=\s*[\w.]*Signal\(", source.text, re.MULTILINE)
            is not None
        )

    @cached_property
    def _by_module(self) -> dict[str, Source]:
        return {source.module: source for source in self.sources}

    def label_of(self, dotted: str) -> str | None:
        """``shop.Order`` for ``shop.models.Order``."""
        module, _, name = dotted.rpartition(".")
        for app in self.apps:
            if module == f"{app.name}.models" or module.startswith(f"{app.name}.models."):
                return f"{app.label}.{name}"
        return None

    # What its text says

    def mentions(self, name: str) -> bool:
        """Whether any code has the name, beside its own ``def``, or a string ends with it."""
        word = re.compile(rf"\b{re.escape(name)}\b")
        for source in self.sources:
            if word.search(source.text) is None or source.tree is None:
                continue
            for node in ast.walk(source.tree):
                match node:
                    case ast.Name(id=found) | ast.Attribute(attr=found) | ast.alias(name=found):
                        if found == name:
                            return True
                    case ast.Constant(value=str() as text) if text.endswith(f".{name}"):
                        return True
        return False

    def names_in_text(self, module: str) -> str | None:
        """Where a string names a module: in full, as settings do, or by its end in an import.

        That is ``import_module(f"{app}.receivers")`` and ``autodiscover_modules("receivers")``.
        What the module itself says imports it no more than a ``dispatch_uid`` or a logger's name.
        """
        end = re.escape(module.rpartition(".")[2])
        whole = re.compile(rf"{re.escape(module)}([.:]\S*)?")
        by_end = re.compile(rf"""(?:import|discover)\w*\([^\n]*["'.}}]{end}["']""")
        for source in self.sources:
            if source.module == module:
                continue
            lines = [
                source.text.count("\n", 0, found.start()) + 1
                for found in by_end.finditer(source.text)
            ]
            if module in source.text and source.tree is not None:
                mere = set(_mere_names(source.tree))
                lines += [
                    node.lineno
                    for node in ast.walk(source.tree)
                    if isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and whole.fullmatch(node.value)
                    and id(node) not in mere
                ]
            if lines:
                return self.place(source, min(lines))
        return None

    def line_of_disconnect(self, name: str) -> str | None:
        """Where the project's source disconnects what goes by the name."""
        if not name:
            return None
        call = re.compile(rf"\.disconnect\(\s*(?:receiver\s*=\s*)?(?:[\w.]+\.)?{re.escape(name)}\b")
        for source in self.sources:
            if ".disconnect" in source.text and (found := call.search(source.text)):
                return self.place(source, source.text.count("\n", 0, found.start()) + 1)
        return None

    @cached_property
    def sendings(self) -> dict[int, list[Sending] | None]:
        """Every ``send()`` of the source by its signal's id; ``None`` where one is not known."""
        found: dict[int, list[Sending] | None] = {}
        for source in self.sources:
            for node, names, line in source.sends():
                signal = look_up(source.dotted(node))
                if not is_a(signal, Signal):
                    continue
                known = found.setdefault(id(signal), [])
                if known is None or names is None:
                    found[id(signal)] = None
                else:
                    known.append(Sending(names - {"sender"}, self.place(source, line)))
        return found

    def sends_text(self, signal: str) -> bool:
        """Whether the source sends the signal with a string as its sender, which then may match."""
        last = re.escape(signal.rpartition(".")[2])
        sending = re.compile(
            rf"""\b{last}\.a?send(?:_robust)?\(\s*(?:sender\s*=\s*)?(?:[\w.]*settings\.[A-Z]|["'])"""
        )
        return any(sending.search(source.text) for source in self.sources)

    def importers_of(self, wanted: Source) -> Iterator[tuple[Source, ast.stmt, Around]]:
        """Every import of the module in the project's source, and what it stands in."""
        last = re.compile(rf"\b{re.escape(wanted.module.rpartition('.')[2])}\b")
        for source in self.sources:
            if source is wanted or last.search(source.text) is None:
                continue
            for name, node, around in source.imported():
                if name == wanted.module or (
                    wanted.is_package
                    and name.startswith(f"{wanted.module}.")
                    and not source.module.startswith(f"{wanted.module}.")
                ):
                    yield source, node, around
                    break

    # What an AppConfig does

    def import_in_ready(self, module: str, app: MappedApp | None) -> str:
        """Which line would import the module, and where."""
        if app is None:
            return f"Import {module} in the ready() of an AppConfig"
        found = self._class_of(app)
        if found is None:
            return (
                f"Give the app an AppConfig in {app.name.replace('.', '/')}/apps.py, with a "
                f"ready() that has `import {module}`"
            )
        source, cls = found
        ready = _ready_of(cls)
        if ready is None:
            return (
                f"Give {cls.name} ({self.place(source, cls.lineno)}) a ready() with "
                f"`import {module}`"
            )
        return f"Add `import {module}` to {cls.name}.ready() ({self.place(source, ready.lineno)})"

    def misspelt_import(self, module: str, app: MappedApp | None) -> str | None:
        """What the app's ``ready()`` imports in its place, which does not exist."""
        found = None if app is None else self._class_of(app)
        ready = None if found is None else _ready_of(found[1])
        if found is None or ready is None:
            return None
        source = found[0]
        inside = {id(each) for each in ast.walk(ready)}
        for name, node, _ in source.imported():
            if (
                id(node) in inside
                and name not in self._by_module
                and name.rpartition(".")[0] == module.rpartition(".")[0]
                and get_close_matches(name, [module], cutoff=0.8)
            ):
                place = self.place(source, getattr(node, "lineno", 1))
                return f"{found[1].name}.ready() ({place}) imports {name}, which does not exist"
        return None

    def config_of_ready(
        self, source: Source, around: Around, function: Function
    ) -> tuple[Why | None, str | None] | None:
        """Of the ``ready()`` of an ``AppConfig``: why it did not run, or what it depended on.

        ``(None, None)``: it ran. ``None``: it is no such method.
        """
        cls = around[-1][0] if around else None
        if not isinstance(cls, ast.ClassDef) or function.name != "ready":
            return None
        live = look_up(f"{source.module}.{cls.name}")
        if not self._is_config(cls, live):
            return None
        last = _ready_of(cls)
        if last is not None and last is not function:
            return (
                Why(
                    "sure",
                    f"{cls.name} has two ready() methods, and the one at "
                    f"{self.place(source, last.lineno)} takes the place of this one",
                    "Make one of the two",
                ),
                None,
            )
        if self._runs(source, function):
            return None, None
        for config in list(apps.app_configs.values()):
            if any(each is live for each in class_bases(type(config))):
                return None, f"the ready() of {cls.name}, which {type(config).__name__} overrides"
        return self._why_not_taken(source, cls), None

    def why_not_taken(self, source: Source, around: Around) -> Why | None:
        """For a method of an ``AppConfig`` that is none of those that Django took."""
        cls = around[-1][0] if around else None
        if not isinstance(cls, ast.ClassDef):
            return None
        live = look_up(f"{source.module}.{cls.name}")
        if not self._is_config(cls, live):
            return None
        configs = list(apps.app_configs.values())
        if any(each is live for config in configs for each in class_bases(type(config))):
            return None
        return self._why_not_taken(source, cls)

    def made_and_dropped(self, name: str, *, calling: str) -> str | None:
        """Where an object of a class is made to call one method of it, and so kept by nobody."""
        method = "" if calling == "__init__" else rf"\.{re.escape(calling)}\([^\n]*\)"
        bare = re.compile(
            rf"^[ \t]*(?:\w+\.)*{re.escape(name)}\([^\n]*\){method}[ \t]*(#.*)?$", re.MULTILINE
        )
        for source in self.sources:
            if self.is_loaded(source) and (found := bare.search(source.text)):
                start = found.start() + len(found[0]) - len(found[0].lstrip())
                return self.place(source, source.text.count("\n", 0, start) + 1)
            for cls in _classes_in(source) if name in source.text else ():
                ready = _ready_of(cls)
                if ready is not None and self._runs(source, ready):
                    for line in _made_for_a_while(ready, name, calling):
                        return self.place(source, line)
        return None

    def _runs(self, source: Source, ready: Function) -> bool:
        here = (source.file, first_line(ready))
        configs = list(apps.app_configs.values())
        return any(_place_of(find_in_class(type(each), "ready")) == here for each in configs)

    def misspelt_ready(self, source: Source, around: Around, function: Function) -> Why | None:
        """For a function that would be the ``ready()`` of an ``AppConfig``, but for its name.

        Or but for its place: beside the class, with the ``self`` of a method.
        """
        cls = around[-1][0] if around else None
        if isinstance(cls, ast.Module):
            return self._ready_beside(source, function)
        if not isinstance(cls, ast.ClassDef) or _ready_of(cls) is not None:
            return None
        if not self._is_config(cls, look_up(f"{source.module}.{cls.name}")):
            return None
        if not get_close_matches(function.name.lower().strip("_"), ["ready"], cutoff=0.6):
            return None
        if self.mentions(function.name):
            return None
        place = self.place(source, function.lineno)
        return Why(
            "sure",
            f"{cls.name}.{function.name}() ({place}) would do it, and Django calls ready()",
            f"Call the method ready ({place})",
        )

    def _ready_beside(self, source: Source, function: Function) -> Why | None:
        arguments = [each.arg for each in function.args.args]
        if function.name != "ready" or arguments != ["self"]:
            return None
        if re.search(r"=\s*ready\b", source.text):  # It may be given to the class.
            return None
        taken = [type(each) for each in apps.app_configs.values()]
        for cls in _classes_in(source):
            live = look_up(f"{source.module}.{cls.name}")
            if _ready_of(cls) is None and any(each is live for each in taken):
                place = self.place(source, function.lineno)
                return Why(
                    "sure",
                    f"ready() ({place}) stands beside {cls.name} and is no method of it, and "
                    "Django calls the method",
                    f"Indent it, into {cls.name} ({self.place(source, cls.lineno)})",
                )
        return None

    def _is_config(self, cls: ast.ClassDef, live: object) -> bool:
        if is_a(live, type):
            return any(each is AppConfig for each in class_bases(live))  # type: ignore[arg-type]
        return any(ast.unparse(each).endswith("Config") for each in cls.bases)

    def _why_not_taken(self, source: Source, cls: ast.ClassDef) -> Why:
        app = self.app_of(source)
        place = self.place(source, cls.lineno)
        here = f"{cls.name}.ready() ({place}) would do it"
        path = f"{source.module}.{cls.name}"
        if app is None:
            return Why(
                "possible",
                f"{here}, and its app is not in INSTALLED_APPS",
                f"Add {path!r} to INSTALLED_APPS",
            )
        entry = _entry_of(app)
        taken = f"Django took {app.config_class} for the app {app.label!r}"
        if app.config_file is None:
            taken = f"Django took no AppConfig of its own for the app {app.label!r}"
        because, or_else = "", ""
        if entry != app.name:
            because = f": INSTALLED_APPS names {entry!r}"
        elif source.module != f"{app.name}.apps":
            because = f": with {entry!r} in INSTALLED_APPS it looks for one in apps.py only"
            or_else = ", or move the class there"
        else:
            because = ": apps.py has more than one, and not this one says default = True"
            # Of two that have it Django takes none: it raises RuntimeError.
            default = next(filter(_is_default, _classes_in(source)), None)
            or_else = (
                f", or give {cls.name} default = True"
                if default is None
                else f", or move default = True from {default.name} to {cls.name}"
            )
        return Why(
            "sure",
            f"{here}, and {taken}{because}",
            f"Write {path!r} in INSTALLED_APPS in place of {entry!r}{or_else}",
        )

    def _class_of(self, app: MappedApp) -> tuple[Source, ast.ClassDef] | None:
        """The ``AppConfig`` that Django took for the app, as it stands in the source."""
        if app.config_file is None:
            return None
        file = os.path.abspath(app.config_file)
        for source in self.sources:
            if source.file == file and source.tree is not None:
                for each in ast.walk(source.tree):
                    if isinstance(each, ast.ClassDef) and each.name == app.config_class:
                        return source, each
        return None


def _is_app(folder: str) -> bool:
    return any(
        os.path.exists(os.path.join(folder, name)) for name in ("apps.py", "models.py", "models")
    )


def _may_be_app(folder: str) -> bool:
    return _is_app(folder) or any(
        os.path.exists(os.path.join(folder, name)) for name in ("receivers.py", "signals.py")
    )


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _module_of(file: str, app: str) -> str:
    last = os.path.basename(file).removesuffix(".py")
    return app if last == "__init__" else f"{app}.{last}"


def _ready_of(cls: ast.ClassDef) -> Function | None:
    """The last ``ready()`` of a class, which is the one that counts."""
    found = [
        each
        for each in cls.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == "ready"
    ]
    return found[-1] if found else None


def _classes_in(source: Source) -> list[ast.ClassDef]:
    body = [] if source.tree is None else source.tree.body
    return [each for each in body if isinstance(each, ast.ClassDef)]


def _is_default(cls: ast.ClassDef) -> bool:
    return any(
        isinstance(each, ast.Assign) and ast.unparse(each) == "default = True" for each in cls.body
    )


def _mere_names(tree: ast.Module) -> Iterator[int]:
    """The ids of the strings that nobody imports by: of docstrings, receivers and loggers."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as text):
                yield id(text)
            case ast.keyword(arg="dispatch_uid", value=text):
                yield id(text)
            case ast.Call(func=func, args=[text]) if text_of(func).endswith("getLogger"):
                yield id(text)
            case ast.Assign(targets=[ast.Name(id="LOGGING")], value=value):
                for each in ast.walk(value):
                    yield from map(id, each.keys if isinstance(each, ast.Dict) else ())


def _made_for_a_while(function: Function, name: str, calling: str) -> Iterator[int]:
    """The lines at which a local variable is given an object that is only called methods of."""
    inside = list(ast.walk(function))
    called = {
        id(each.func.value): (each.func.value.id, each.func.attr)
        for each in inside
        if isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and isinstance(each.func.value, ast.Name)
    }
    for statement in function.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=local)], value=ast.Call(func=made)):
                uses = [each for each in inside if isinstance(each, ast.Name) and each.id == local]
                if (
                    text_of(made).rpartition(".")[2] == name
                    and (calling == "__init__" or (local, calling) in called.values())
                    and sum(id(each) not in called for each in uses) == 1  # where it is made
                ):
                    yield statement.lineno


def _place_of(function: object) -> tuple[str, int] | None:
    if type(function) is not FunctionType:
        return None
    return os.path.abspath(function.__code__.co_filename), function.__code__.co_firstlineno


def _entry_of(app: MappedApp) -> str:
    """The line of ``INSTALLED_APPS`` that the app stands for."""
    entries = [each for each in settings.INSTALLED_APPS if type(each) is str]
    if app.name in entries:
        return app.name
    last = f".{app.config_class}"
    return next(
        (each for each in entries if each.endswith(last) and each.startswith(app.name)), app.name
    )
