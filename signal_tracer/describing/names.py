"""Live signals, senders, receivers and frames become names and locations.

Looking must not run the code of what is looked at: attributes are read from class and module
dictionaries through the methods of ``type`` and ``ModuleType`` themselves, never by ``getattr``
or ``isinstance`` (which reads ``__class__``) on an object that we do not know.
"""

from __future__ import annotations

import contextlib
import re
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    MethodType,
    ModuleType,
)
from typing import Any, Generic, TypeVar

from django.db.models.options import Options
from django.dispatch import Signal

from signal_tracer.records import Location

T = TypeVar("T")

_mro_of = type.__dict__["__mro__"].__get__
namespace_of = type.__dict__["__dict__"].__get__
_module_of = type.__dict__["__module__"].__get__
_qualname_of = type.__dict__["__qualname__"].__get__
_module_dict_of = vars(ModuleType)["__dict__"].__get__
_partial_func_of = partial.__dict__["func"].__get__

_LONGEST_NAME = 300


class IdentityCache(Generic[T]):
    """Remembers a value for each live object, by identity, without keeping the object alive.

    A plain ``WeakKeyDictionary`` would hash and compare the objects. ``known`` is the values by
    id, for callers in the hot path to look into first.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._references: dict[int, weakref.ref[object]] = {}
        self.known: dict[int, T] = {}

    def __call__(self, live: object) -> T:
        key = id(live)
        found = self.known.get(key)
        if found is not None:
            return found
        value = self._make(live)
        with contextlib.suppress(TypeError):  # Without a weak reference its id may be reused.
            self._references[key] = weakref.ref(live, lambda _: self._forget(key))
            # Another thread may have been faster: a signal must not go by two names.
            value = self.known.setdefault(key, value)
        return value

    def _forget(self, key: int) -> None:
        self.known.pop(key, None)
        self._references.pop(key, None)

    def forget(self, live: object) -> None:
        self._forget(id(live))

    def clear(self) -> None:
        self.known.clear()
        self._references.clear()


def is_a(live: object, kind: type) -> bool:
    """``isinstance`` without reading ``__class__``, which would set up a lazy object."""
    return issubclass(type(live), kind)


def class_bases(cls: type) -> tuple[type, ...]:
    """The class and all that it inherits from, in the order of look-up."""
    bases: tuple[type, ...] = _mro_of(cls)
    return bases


def qualname_of(cls: type) -> str:
    name: str = _qualname_of(cls)
    return name


def find_in_class(cls: type, name: str) -> object:
    """The attribute as it stands in a class's own or inherited dictionary, or ``None``."""
    # Not by a generator, which has to be closed: near the recursion limit that may fail.
    for each in _mro_of(cls):
        namespace = namespace_of(each)
        if name in namespace:
            return namespace[name]
    return None


def find_all_in_class(cls: type, name: str) -> Iterator[object]:
    """The attribute as it stands in each of the dictionaries, the class's own first."""
    for each in _mro_of(cls):
        namespace = namespace_of(each)
        if name in namespace:
            yield namespace[name]


def _dotted(module: object, name: object) -> str:
    text = name if type(name) is str else "?"
    if type(module) is str and module not in ("", "builtins"):
        text = f"{module}.{text}"
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def name_of_class(cls: type) -> str:
    """``shop.Order`` for a model (its label), otherwise the dotted path."""
    namespace = namespace_of(cls)
    meta = namespace.get("_meta")
    if type(meta) is Options:
        return f"{meta.label} of a migration" if is_of_migration(cls) else str(meta.label)
    try:
        # A class written in C has none in its namespace.
        module = _module_of(cls)
    except AttributeError:
        module = None
    return _dotted(module, _qualname_of(cls))


class_name: IdentityCache[str] = IdentityCache(name_of_class)


def is_of_migration(cls: type) -> bool:
    """Whether it stands for a model as it was when a migration was written.

    Such classes are made for each state of the project that migrations go through.
    """
    namespace = namespace_of(cls)
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: where ModelState.render() puts them.
    return namespace.get("__module__") == "__fake__" and type(namespace.get("_meta")) is Options


# Receivers


@dataclass(frozen=True, slots=True)
class Description:
    """What can be said of a receiver without running it."""

    name: str
    defined_at: Location | None


def describe_receiver(receiver: Any, depth: int = 0) -> Description:
    """Names any callable: function, method, partial, class, builtin, callable instance, Mock."""
    kind = type(receiver)
    if kind is FunctionType:
        return _describe_function(receiver)
    if kind is MethodType:
        function = receiver.__func__
        if type(function) is FunctionType:
            return _describe_function(function)
        return describe_receiver(function, depth + 1) if depth < 3 else Description("?", None)
    if issubclass(kind, partial) and depth < 3:
        inner = describe_receiver(_partial_func_of(receiver), depth + 1)
        return Description(f"partial({inner.name})", inner.defined_at)
    if kind is BuiltinFunctionType:
        owner = receiver.__self__
        if owner is None or is_a(owner, ModuleType):
            module = receiver.__module__
        else:  # A method of an object, or a class method.
            module = class_name(owner if is_a(owner, type) else type(owner))
        return Description(_dotted(module, receiver.__name__), None)
    if issubclass(kind, type):
        return Description(class_name(receiver), _class_location(receiver))
    called = find_in_class(kind, "__call__")
    return Description(
        f"{class_name(kind)}()",
        _location_of_code(called.__code__) if type(called) is FunctionType else None,
    )


def _describe_function(function: Any) -> Description:
    return Description(
        _dotted(function.__module__, function.__qualname__),
        _location_of_code(unwrapped(function).__code__),
    )


def unwrapped(function: Any) -> Any:
    """The function behind ``functools.wraps`` decorators, which is the one worth opening."""
    for _ in range(10):
        wrapped = dict.get(function.__dict__, "__wrapped__")
        if type(wrapped) is MethodType:
            wrapped = wrapped.__func__
        if type(wrapped) is not FunctionType:
            break
        function = wrapped
    return function


def _class_location(cls: Any) -> Location | None:
    initialiser = find_in_class(cls, "__init__")
    return _location_of_code(initialiser.__code__) if type(initialiser) is FunctionType else None


def _location_of_code(code: CodeType) -> Location:
    # Code that was made by hand may begin on line 0.
    return Location(code.co_filename, max(code.co_firstlineno, 1), code.co_qualname)


# Signals

_numbers: Iterator[int] = iter(range(1, sys.maxsize))
_scanned_modules: tuple[int, str] = (0, "")
_bindings: dict[int, list[tuple[str, str]]] = {}
_bound: list[weakref.ref[Signal]] = []


def signal_types(root: type = Signal) -> Iterator[type]:
    yield root
    subclasses: list[type] = type.__subclasses__(root)
    for subclass in subclasses:
        yield from signal_types(subclass)


def module_namespace(module: object) -> dict[str, object]:
    # Not vars(): a lazily loaded module would load itself.
    return _module_dict_of(module) if is_a(module, ModuleType) else {}


def _scan_modules() -> None:
    """Note under which names each signal stands in a module, or in a class of one."""
    global _scanned_modules, _bindings, _bound
    modules = _modules_now()
    # By id, because hashing a class would run the __hash__ of its metaclass.
    kinds = {id(kind) for kind in signal_types()}
    bindings: dict[int, list[tuple[str, str]]] = {}
    bound: list[weakref.ref[Signal]] = []

    def note(signal: Any, module_name: str, name: str) -> None:
        names = bindings.setdefault(id(signal), [])
        if not names:
            bound.append(weakref.ref(signal))
        names.append((module_name, name))

    for module_name, module in list(sys.modules.items()):
        for name, value in list(module_namespace(module).items()):
            if id(type(value)) in kinds:
                note(value, module_name, name)
            elif issubclass(type(value), type) and value is not Signal:
                for inner, held in _held_by(value, module_name):
                    if id(type(held)) in kinds:
                        note(held, module_name, f"{_qualname_of(value)}.{inner}")
    # Only now: if it ends before, as it may near the recursion limit, half of it would stay.
    _scanned_modules, _bindings, _bound = modules, bindings, bound


def _held_by(cls: Any, module_name: str) -> list[tuple[str, object]]:
    """The attributes of a class, unless the module only imports it."""
    namespace = namespace_of(cls)
    home = namespace.get("__module__")
    return list(namespace.items()) if type(home) is str and home == module_name else []


def signals_in_modules(*, again: bool = False) -> list[Signal]:
    """Every signal that a module, or a class of one, holds.

    Looked for when modules have come, or ``again``: one may have been assigned since.
    """
    if again or _scanned_modules != _modules_now():
        _scan_modules()
        for reference in _bound:
            signal = reference()
            if signal is not None and signal_name.known.get(id(signal), "").startswith("<"):
                _forget_name(signal)
    return [signal for signal in (reference() for reference in _bound) if signal is not None]


def _modules_now() -> tuple[int, str]:
    # Enough to tell that modules came, without looking at each.
    return len(sys.modules), next(reversed(sys.modules))


def _bound_names(signal: Signal) -> list[tuple[str, str]]:
    if id(signal) not in _bindings and _scanned_modules != _modules_now():
        _scan_modules()
    return [
        (module_name, name)
        for module_name, name in _bindings.get(id(signal), ())
        if _is_bound(signal, module_name, name)
    ]


def _is_bound(signal: Signal, module_name: str, name: str) -> bool:
    owner, _, attribute = name.rpartition(".")
    namespace = module_namespace(sys.modules.get(module_name))
    if owner:
        cls = namespace.get(owner)
        return is_a(cls, type) and namespace_of(cls).get(attribute) is signal
    return namespace.get(name) is signal


def _assigns(module_name: str, name: str) -> bool:
    """Whether the module's source assigns the name, so that it did not just import it."""
    path = module_namespace(sys.modules.get(module_name)).get("__file__")
    if type(path) is not str or not path.endswith(".py"):
        return False
    try:
        source = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    pattern = rf"^\s*{re.escape(name.rpartition('.')[2])}\s*(:[^=\n]+)?=(?!=)"
    return re.search(pattern, source, re.MULTILINE) is not None


def _find_signal_name(signal: Signal) -> str:
    names = _bound_names(signal)
    if len(names) > 1:
        # A signal has no name of its own, and many modules import it: the one that assigns it
        # is its home. Modules called "signals" are the likeliest, and asked first.
        names.sort(key=lambda each: (not each[0].endswith("signals"), each[0].count(".")))
        names = [next((each for each in names if _assigns(*each)), names[0])]
    if names:
        return ".".join(names[0])
    return f"<unnamed {_qualname_of(type(signal))} {next(_numbers)}>"


signal_name: IdentityCache[str] = IdentityCache(_find_signal_name)
# Told of each signal that may go by another name from now on.
when_renamed: list[Callable[[Signal], None]] = []


def _forget_name(signal: Signal) -> None:
    signal_name.forget(signal)
    for tell in when_renamed:
        tell(signal)


def name_of_signal(signal: Signal, caller: FrameType | None = None) -> str:
    """The dotted name of the module variable (or class attribute) that holds the signal.

    One that no module holds is called ``<unnamed Signal 1>``, numbered as they are met.
    """
    name = signal_name(signal)
    if name.startswith("<") and caller is not None:
        # It may have been assigned since the modules were scanned: look where it is sent from.
        module_name = caller.f_globals.get("__name__")
        for attribute, value in list(caller.f_globals.items()):
            if value is signal and type(module_name) is str and type(attribute) is str:
                _bindings[id(signal)] = [(module_name, attribute)]
                signal_name.forget(signal)
                return signal_name(signal)
    return name
