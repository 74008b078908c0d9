"""Rules read source files, as text and never by running them."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from signal_tracer.records import Location
from signal_tracer.signal_map import MappedApp, MappedSignal, SignalMap


@dataclass(frozen=True, slots=True)
class Function:
    """A ``def`` as it stands in the source."""

    node: ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def has_docstring(self) -> bool:
        return ast.get_docstring(self.node, clean=False) is not None

    def ignores(self, argument: str) -> bool:
        """Whether its code certainly never looks at the keyword argument.

        Not if somebody else may: a decorator that is not Django's, or what it gives all its
        keyword arguments to.
        """
        node = self.node
        if not all(_name(each) in ("receiver", "staticmethod") for each in node.decorator_list):
            return False
        rest = node.args.kwarg.arg if node.args.kwarg else None
        plain: set[int] = set()  # kwargs["created"] and kwargs.get("created") pass nothing on
        for each in _body(node):
            if isinstance(each, ast.Name) and each.id == argument:
                return False
            if isinstance(each, ast.Constant) and each.value == argument:
                return False
            if isinstance(each, ast.Subscript | ast.Attribute) and _is_one_look(each):
                plain.add(id(each.value))
            if isinstance(each, ast.Name) and each.id == rest and id(each) not in plain:
                return False
        return True


def _is_one_look(node: ast.Subscript | ast.Attribute) -> bool:
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant)
    return node.attr in ("get", "pop")


def _body(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    for statement in node.body:
        yield from ast.walk(statement)  # what is outside comes before what is inside


def _name(decorator: ast.expr) -> str:
    if isinstance(decorator, ast.Call):
        decorator = decorator.func
    return decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")


class Sources:
    """The source files that a map names, each read once and only when it is asked for."""

    def __init__(self, signal_map: SignalMap) -> None:
        self._signal_map = signal_map
        self._trees: dict[str, ast.Module | None] = {}
        self._functions: dict[str, dict[tuple[int, str], Function]] = {}
        self._imported_by_ready: set[str] | None = None
        self._hints: set[str] = set()
        self._is_readable = True
        self._sent_robustly: dict[str, set[str]] = {}

    def function_at(self, location: Location | None) -> Function | None:
        """The ``def`` at a location; ``None`` for a lambda, and where there is no source."""
        if location is None:
            return None
        if location.file not in self._functions:
            tree = self.tree(location.file)
            self._functions[location.file] = {} if tree is None else dict(_functions(tree))
        name = location.function.rpartition(".")[2]
        return self._functions[location.file].get((location.line, name))

    def tree(self, file: str) -> ast.Module | None:
        if file not in self._trees:
            self._trees[file] = _parse(file)
        return self._trees[file]

    def is_imported_by_ready(self, module: str | None) -> bool | None:
        """Whether some ``AppConfig.ready()`` of the project is seen to import the module.

        Also through other modules of the project; ``None`` where that cannot be known.
        """
        if module is None or self._file_of(module) is None:
            return None
        if self._imported_by_ready is None:
            self._imported_by_ready = self._follow()
        if not self._is_readable:
            return None
        # A string in ready(), as in autodiscover_modules("receivers"), may be its name.
        named = module in self._hints or module.rpartition(".")[2] in self._hints
        return named or module in self._imported_by_ready

    def sends_robustly(self, signal: MappedSignal) -> bool:
        """Whether the source of the signal's own package is seen to send it with send_robust().

        True as well where there is no source to look at.
        """
        name = signal.name.rpartition(".")[2]
        if signal.name.startswith("django."):
            return name in _DJANGO_SENDS_ROBUSTLY
        if signal.defined_at is None:
            return True
        folder = _package_folder(signal.defined_at.file)
        if folder not in self._sent_robustly:
            self._sent_robustly[folder] = set(_names_sent_robustly(folder))
        return name in self._sent_robustly[folder]

    def _follow(self) -> set[str]:
        found: set[str] = set()
        waiting: list[str] = []
        for app in self._signal_map.apps:
            if not app.is_project or app.config_file is None:
                continue
            tree = self.tree(app.config_file)
            if tree is None:
                self._is_readable = False
                continue
            # What the module itself imports is there when ready() runs, and so is the module.
            module = _module_of_config(app)
            self._hints.add(module)  # Receivers may stand beside ready() itself.
            waiting += _imports(tree, module, is_package=_is_init(app.config_file))
            self._hints |= {
                each.value
                for ready in ast.walk(tree)
                if isinstance(ready, ast.FunctionDef) and ready.name == "ready"
                for each in ast.walk(ready)
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            }
        while waiting:
            module = waiting.pop()
            if module in found:
                continue
            found.add(module)
            file = self._file_of(module)
            tree = None if file is None else self.tree(file)
            if tree is not None:
                waiting += _imports(tree, module, is_package=_is_init(file))
        return found

    @cached_property
    def _roots(self) -> set[str]:
        """The folders that the project's packages stand in."""
        roots = set()
        for app in self._signal_map.apps:
            tail = os.path.join("", *app.name.split("."))
            if app.is_project and app.folder and app.folder.endswith(os.sep + tail):
                roots.add(app.folder.removesuffix(tail).rstrip(os.sep))
        return roots

    @cached_property
    def _packages(self) -> set[str]:
        """The packages of the project, where they are known to be apps."""
        return {app.name.partition(".")[0] for app in self._signal_map.apps if app.is_project}

    def _file_of(self, module: str) -> str | None:
        package = module.partition(".")[0]
        for root in self._roots:
            # What stands beside the project in a folder of packages is not the project's.
            if os.path.basename(root) in _PACKAGE_FOLDERS and package not in self._packages:
                continue
            path = os.path.join(root, *module.split("."))
            for file in (f"{path}.py", os.path.join(path, "__init__.py")):
                if os.path.isfile(file):
                    return file
        return None


def _module_of_config(app: MappedApp) -> str:
    last = os.path.basename(app.config_file or "").removesuffix(".py")
    return app.name if last == "__init__" else f"{app.name}.{last}"


def _is_init(file: str | None) -> bool:
    return os.path.basename(file or "") == "__init__.py"


_PACKAGE_FOLDERS = ("site-packages", "dist-packages")
# By override_settings() when it ends, in Django 5.2, 6.0 and 6.1.
_DJANGO_SENDS_ROBUSTLY = frozenset(("setting_changed",))
_SENT_ROBUSTLY = re.compile(r"(\w+)\s*\.\s*a?send_robust\s*\(")
_MOST_FILES = 2_000


def _package_folder(file: str) -> str:
    """The outermost folder above a module that is a package."""
    folder = os.path.dirname(file)
    while os.path.isfile(os.path.join(os.path.dirname(folder), "__init__.py")):
        folder = os.path.dirname(folder)
    return folder


def _names_sent_robustly(folder: str) -> Iterator[str]:
    files = (
        os.path.join(where, name)
        for where, _, names in os.walk(folder)
        for name in names
        if name.endswith(".py")
    )
    for file in islice(files, _MOST_FILES):
        with contextlib.suppress(OSError), open(file, encoding="utf-8", errors="replace") as opened:
            yield from _SENT_ROBUSTLY.findall(opened.read())


def _parse(file: str) -> ast.Module | None:
    if not file.endswith(".py"):
        return None
    try:
        with tokenize.open(file) as opened, warnings.catch_warnings():
            # Python says when it compiles the file what it thinks of it.
            warnings.simplefilter("ignore")
            return ast.parse(opened.read(), file)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _functions(tree: ast.Module) -> Iterator[tuple[tuple[int, str], Function]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # The first line of the compiled function is that of its first decorator.
            line = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield (line, node.name), Function(node)


def _imports(tree: ast.Module, module: str, *, is_package: bool) -> list[str]:
    """The modules that a module's source imports, wherever in it; and perhaps some attributes."""
    # What "from . import" starts from.
    package = module.split(".") if is_package else module.split(".")[:-1]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [name for alias in node.names for name in _with_parents(alias.name)]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package[: len(package) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            found += _with_parents(base)
            found += [f"{base}.{alias.name}" for alias in node.names]
    return found


def _with_parents(dotted: str) -> list[str]:
    parts = dotted.split(".")
    return [".".join(parts[:number]) for number in range(1, len(parts) + 1)]
