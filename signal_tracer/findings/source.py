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
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path

from signal_tracer.records import Location
from signal_tracer.signal_map import MappedApp, MappedSignal, SignalMap


@dataclass(frozen=True, slots=True)
class Function:
    """A ``def`` as it stands in the source."""

    node: ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def has_docstring(self) -> bool:
        return ast.get_docstring(self.node, clean=False) is not None

    @property
    def is_wrapped(self) -> bool:
        """Whether a decorator that is not Django's may have put another in its place.

        What stands above ``@receiver`` comes when the function is connected already.
        """
        names = [_name(each) for each in self.node.decorator_list]
        first = names.index("receiver") if "receiver" in names else 0
        return not all(name in ("receiver", "staticmethod") for name in names[first:])

    def ignores(self, argument: str) -> bool:
        """Whether its code certainly never looks at the keyword argument.

        Not if somebody else may: a decorator that is not Django's, or what it gives all its
        keyword arguments to.
        """
        node = self.node
        if self.is_wrapped:
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
    """The source files of a project, each parsed once and only when it is asked for.

    The trees are kept of files that the map names; of others only what they import.
    """

    def __init__(self, signal_map: SignalMap) -> None:
        self._signal_map = signal_map
        self._trees: dict[str, ast.Module | None] = {}
        self._functions: dict[str, dict[tuple[int, str], Function]] = {}
        self._imported_by_ready: set[str] = set()
        self._following = self._follow()
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
            text = _read(file)
            self._trees[file] = None if text is None else _parse(text, file)
        return self._trees[file]

    def is_imported_by_ready(self, module: str | None) -> bool | None:
        """Whether some ``AppConfig.ready()`` of the project is seen to import the module.

        Also through other modules of the project; ``None`` where that cannot be known.
        """
        if module is None or self._file_of(module) is None:
            return None
        # Most receivers stand near ready(): no further than to where this one is found.
        if module not in self._imported_by_ready and module not in self._following:
            # A string in ready(), as in autodiscover_modules("receivers"), may be its name.
            is_named = module in self._hints or module.rpartition(".")[2] in self._hints
            return is_named if self._is_readable else None
        return True if self._is_readable else None

    def sends_robustly(self, signal: MappedSignal) -> bool:
        """Whether the source of the signal's own package is seen to send it with send_robust().

        True as well where there is no source to look at.
        """
        name = signal.name.rpartition(".")[2]
        if signal.name.startswith("django."):
            return name in _DJANGO_SENDS_ROBUSTLY
        if signal.defined_at is None:
            return True
        file = signal.defined_at.file
        # Beside a module that is in no package stands what has nothing to do with it.
        is_alone = os.path.basename(file) == f"{signal.name.partition('.')[0]}.py"
        source = file if is_alone else _package_folder(file)
        if source not in self._sent_robustly:
            self._sent_robustly[source] = set(_names_sent_robustly(source))
        return name in self._sent_robustly[source]

    def places_that_send(self, signal: str) -> list[Location] | None:
        """Where the project's source sends the signal that goes by this name, tests left out.

        ``None`` where that cannot be known: it is given to something else, or renamed.
        """
        name = signal.rpartition(".")[2]
        found: list[Location] = []
        for file in self._project_files:
            text = _read(file)
            tree = None if text is None or name not in text else _parse(text, file)
            for node, function in [] if tree is None else _uses(tree, name):
                if node is None:
                    return None
                found.append(Location(file, node.lineno, function))
        return found

    @cached_property
    def _project_files(self) -> list[str]:
        """The modules of the project, as far as they are no tests."""
        wholes = (
            os.path.join(root, package)
            for root, packages in self._packages.items()
            for package in sorted(packages)
        )
        files = (
            os.path.join(where, name)
            for whole in wholes
            for where, _, names in os.walk(whole)
            for name in sorted(names)
            if name.endswith(".py") and not _is_of_tests(os.path.relpath(where, whole), name)
        )
        return list(islice(files, _MOST_FILES))

    def _follow(self) -> Iterator[str]:
        """Every module that is imported from ``ready()``, the nearest first."""
        found = self._imported_by_ready
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
        for module in waiting:  # which grows as it is read
            if module in found:
                continue
            found.add(module)
            file = self._file_of(module)
            if file is not None:
                waiting += self._imports_of(module, file)
            yield module

    def _imports_of(self, module: str, file: str) -> list[str]:
        text = _read(file)
        if text is None or not self._names_the_project.search(text):
            return []
        tree = self.tree(file) if file in self._named_files else _parse(text, file)
        return [] if tree is None else _imports(tree, module, is_package=_is_init(file))

    @cached_property
    def _named_files(self) -> set[str]:
        places = (connection.defined_at for _, connection in self._signal_map.walk())
        return {place.file for place in places if place is not None}

    @cached_property
    def _names_the_project(self) -> re.Pattern[str]:
        """What stands in every source that imports anything of the project."""
        packages = {each for packages in self._packages.values() for each in packages}
        names = "|".join(map(re.escape, sorted(packages)))
        return re.compile(rf"\bfrom[\s\\]*\.|\b(?:{names})\b")

    @cached_property
    def _packages(self) -> dict[str, set[str]]:
        """The folders that the project's packages stand in, and what in each is the project's."""
        mapped = self._signal_map
        known = {app.name for app in mapped.apps if app.is_project}
        known |= {signal.name for signal in mapped.signals if signal.is_project}
        known |= {each.module for _, each in mapped.walk() if each.is_project and each.module}
        packages = {name.partition(".")[0] for name in known}
        roots = set()
        for app in mapped.apps:
            tail = os.path.join("", *app.name.split("."))
            if app.is_project and app.folder and app.folder.endswith(os.sep + tail):
                roots.add(app.folder.removesuffix(tail).rstrip(os.sep))
        return {root: packages | _not_installed(root) for root in sorted(roots)}

    def _file_of(self, module: str) -> str | None:
        package = module.partition(".")[0]
        for root, packages in self._packages.items():
            if package not in packages:
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


def _not_installed(root: str) -> set[str]:
    """What stands in a folder and was not put there by an installer, as it is imported."""
    if os.path.basename(root) in _PACKAGE_FOLDERS:
        return set()
    try:
        names = {name.partition(".")[0] for name in os.listdir(root or os.sep)}
    except OSError:
        return set()
    return {name for name in names if name.isidentifier()} - installed_in(root)


@lru_cache(maxsize=100)
def installed_in(root: str) -> frozenset[str]:
    """What ``pip install --target`` has put into a folder, where a project may be as well."""
    found: set[str] = set()
    try:
        for info in Path(root).glob("*.dist-info"):
            for line in info.joinpath("RECORD").read_text(encoding="utf-8").splitlines():
                found.add(line.partition(",")[0].partition("/")[0].partition(".")[0])
    except (OSError, ValueError):
        pass
    return frozenset(found)


def _package_folder(file: str) -> str:
    """The outermost folder above a module that is a package."""
    folder = os.path.dirname(file)
    while os.path.isfile(os.path.join(os.path.dirname(folder), "__init__.py")):
        folder = os.path.dirname(folder)
    return folder


def _names_sent_robustly(source: str) -> Iterator[str]:
    """Of the signals that are sent so in a file, or in the files of a folder."""
    files = (
        os.path.join(where, name)
        for where, _, names in os.walk(source)
        for name in names
        if name.endswith(".py")
    )
    for file in [source] if source.endswith(".py") else islice(files, _MOST_FILES):
        with contextlib.suppress(OSError), open(file, encoding="utf-8", errors="replace") as opened:
            yield from _SENT_ROBUSTLY.findall(opened.read())


_SENDS = frozenset(("send", "send_robust", "asend", "asend_robust"))


def _uses(tree: ast.Module, name: str) -> Iterator[tuple[ast.expr | None, str]]:
    """Each place that sends what goes by ``name``, and the function it stands in.

    ``None`` in its place for a use of which it cannot be told what becomes of it.
    """
    known: set[int] = set()
    waiting: list[tuple[ast.AST, str]] = [(tree, "<module>")]
    for node, function in waiting:  # which grows as it is read
        if isinstance(node, ast.ImportFrom):
            if any(each.name == name and each.asname not in (None, name) for each in node.names):
                yield None, function
        elif isinstance(node, ast.Call):
            if _name(node) == "receiver":
                known |= {id(part) for each in node.args for part in ast.walk(each)}
        elif isinstance(node, ast.Attribute) and _named(node.value) == name:
            known.add(id(node.value))
            if node.attr in _SENDS:
                yield node, function
        if _named(node) == name and id(node) not in known and _is_loaded(node):
            yield None, function
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        waiting += ((each, function) for each in ast.iter_child_nodes(node))


def _named(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _is_loaded(node: ast.AST) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Load)


def _is_of_tests(folder: str, name: str) -> bool:
    parts = {*folder.split(os.sep)}
    return "tests" in parts or name.startswith("test") or name == "conftest.py"


def _read(file: str) -> str | None:
    if not file.endswith(".py"):
        return None
    try:
        with tokenize.open(file) as opened:
            return opened.read()
    except (OSError, SyntaxError, ValueError):
        return None


def _parse(text: str, file: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            # Python says when it compiles the file what it thinks of it.
            warnings.simplefilter("ignore")
            return ast.parse(text, file)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement, wherever: quicker than ast.walk(), which also sees each expression."""
    waiting: list[ast.AST] = [*tree.body]
    for node in waiting:  # which grows as it is read
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, name, ())


def _functions(tree: ast.Module) -> Iterator[tuple[tuple[int, str], Function]]:
    for node in _statements(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # The first line of the compiled function is that of its first decorator.
            line = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield (line, node.name), Function(node)


def _imports(tree: ast.Module, module: str, *, is_package: bool) -> list[str]:
    """The modules that a module's source imports, wherever in it; and perhaps some attributes."""
    # What "from . import" starts from.
    package = module.split(".") if is_package else module.split(".")[:-1]
    found: list[str] = []
    for node in _statements(tree):
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
