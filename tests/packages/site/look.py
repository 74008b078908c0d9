"""Looks at this process by itself, has the command look too, and prints both as JSON.

Nothing of signal_tracer is used for the first look: every object that the collector knows is
asked for its type, and each connection of a Signal is named by what it is.
"""

import functools
import gc
import io
import json
import os
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

import django
from django.core.management import call_command, load_command_class
from django.dispatch import Signal
from django.utils.functional import LazyObject, empty

django.setup()


def signals() -> list[Signal]:
    return [each for each in gc.get_objects() if issubclass(type(each), Signal)]


def name_of(receiver: Any) -> str:
    if type(receiver) is functools.partial:
        return f"partial({name_of(receiver.func)})"
    if type(receiver) in (types.FunctionType, types.MethodType, types.BuiltinFunctionType):
        return f"{receiver.__module__}.{receiver.__qualname__}"
    if issubclass(type(receiver), type):
        return f"{receiver.__module__}.{receiver.__qualname__}"
    kind = type(receiver)
    return f"{kind.__module__}.{kind.__qualname__}()"


def sender_of(entry: Any) -> str | None:
    sender_id = entry[0][1]
    if sender_id == id(None):
        return None
    # Django 6.0 and newer hold the sender; 5.2 has its id only.
    if len(entry) == 4 and entry[2] is not None:
        sender = entry[2]()
    else:
        [sender] = [each for each in gc.get_objects() if id(each) == sender_id]
    if isinstance(sender, type):
        meta = getattr(sender, "_meta", None)
        return meta.label if meta is not None else f"{sender.__module__}.{sender.__qualname__}"
    return f"<{type(sender).__module__}.{type(sender).__qualname__}>"


def connections(signal: Signal) -> Iterator[list[Any]]:
    for entry in signal.receivers:
        receiver = entry[1]
        is_weak = isinstance(receiver, weakref.ReferenceType)
        live = receiver() if is_weak else receiver
        yield [name_of(live), sender_of(entry), is_weak, entry[-1]]


def named() -> dict[str, list[Any]]:
    """The connections of each signal, under every name by which some module or class has it."""
    found: dict[int, list[str]] = {}
    for module_name, module in list(sys.modules.items()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if issubclass(type(value), Signal):
                found.setdefault(id(value), []).append(f"{module_name}.{name}")
            elif issubclass(type(value), type):
                for attribute, inner in list(vars(value).items()):
                    if issubclass(type(inner), Signal):
                        path = f"{value.__module__}.{value.__qualname__}.{attribute}"
                        found.setdefault(id(inner), []).append(path)
    return {
        "|".join(sorted(set(found.get(id(signal), ["?"])))): list(connections(signal))
        for signal in signals()
    }


def lazy_objects() -> list[int]:
    """Those that nothing has set up yet."""
    return sorted(
        id(each)
        for each in gc.get_objects()
        if issubclass(type(each), LazyObject)
        and object.__getattribute__(each, "__dict__").get("_wrapped") is empty
    )


def main(*options: str) -> None:
    load_command_class("signal_tracer", "signal_map")
    before, was_lazy, modules = named(), lazy_objects(), set(sys.modules)
    printed: dict[str, str] = {}
    for form in ("json", "table", "tree", "markdown", "mermaid", "dot"):
        out = io.StringIO()
        call_command("signal_map", *options, format=form, stdout=out, stderr=io.StringIO())
        printed[form] = out.getvalue()
    imported = sorted(set(sys.modules) - modules)
    report = {
        "before": before,
        "after": named(),
        "was_lazy": was_lazy,
        "is_lazy": lazy_objects(),
        "imported": imported,
        "map": json.loads(printed["json"]),
        "printed": printed,
        "django": django.__version__,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
