"""Looking up what is loaded by its dotted name: in dictionaries, importing and running nothing."""

from __future__ import annotations

import os
import sys
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from signal_tracer.describing.names import find_in_class, is_a, module_namespace, unwrapped


class _Nothing:
    """Stands for what is not there, since ``None`` may be."""


NOTHING: Final = _Nothing()


def look_up(dotted: str | None) -> Any:
    """What a dotted name stands for now; ``NOTHING`` where no loaded module or class holds it."""
    parts = dotted.split(".") if dotted else []
    for size in range(len(parts), 0, -1):
        found: Any = sys.modules.get(".".join(parts[:size]))
        if found is None:
            continue
        for part in parts[size:]:
            found = attribute_of(found, part)
        return found
    return NOTHING


def attribute_of(owner: Any, name: str) -> Any:
    """An attribute as it stands in a dictionary; ``NOTHING`` where it would have to be computed."""
    if is_a(owner, ModuleType):
        return module_namespace(owner).get(name, NOTHING)
    if is_a(owner, type):
        found = find_in_class(owner, name)
        return NOTHING if found is None else _plain(found)
    try:
        own = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        own = {}
    if type(own) is dict and name in own:
        return own[name]
    found = find_in_class(type(owner), name)
    # A property of the user's is not run to see what it says.
    return found if type(found) is FunctionType else NOTHING


def _plain(found: Any) -> Any:
    return found.__func__ if type(found) in (staticmethod, classmethod) else found


def functions_of(receiver: Any, depth: int = 0) -> set[int]:
    """The ids of what a receiver is and of the functions that it calls, by which it is known."""
    found = {id(receiver)}
    kind = type(receiver)
    if kind is MethodType:
        found.add(id(receiver.__func__))
        receiver = receiver.__func__
    if type(receiver) is FunctionType:
        found.add(id(unwrapped(receiver)))
    elif kind in (staticmethod, classmethod):
        found |= functions_of(receiver.__func__, depth + 1) if depth < 3 else set()
    elif issubclass(kind, partial) and depth < 3:
        found |= functions_of(partial.__dict__["func"].__get__(receiver), depth + 1)
    return found


def files_of_modules() -> dict[str, list[str]]:
    """The names of the loaded modules by the file that each came from."""
    found: dict[str, list[str]] = {}
    for name, module in list(sys.modules.items()):
        file = module_namespace(module).get("__file__")
        if type(file) is str and type(name) is str:
            found.setdefault(os.path.abspath(file), []).append(name)
    return found
