"""A dotted name that a test gives becomes the signal or receiver it means."""

from __future__ import annotations

import importlib
import sys
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.dispatch import Signal

from signal_tracer.describing.arguments import kind_of
from signal_tracer.describing.connections import entries_of, read_entry
from signal_tracer.describing.names import (
    class_name,
    describe_receiver,
    is_a,
    name_of_signal,
    signals_in_modules,
)
from signal_tracer.records import goes_by
from signal_tracer.testing.patched import stands_for
from signal_tracer.wording import printable

_MISSING = object()


class UnknownNameError(LookupError):
    """A test names a signal or receiver that is not there."""

    def __init__(self, name: str, wanted: str, likely: list[str]) -> None:
        hint = (
            f"Did you mean {likely[0]!r}?"
            if likely
            else "Give its dotted path, as a trace shows it."
        )
        super().__init__(printable(f"There is no {wanted} {name!r}. {hint}"))


def is_pattern(name: str) -> bool:
    return any(each in name for each in "*?[")


def find(name: str) -> tuple[Any, str]:
    """The signal or receiver, imported if need be, and its full name.

    A receiver that cannot be imported, such as a closure, is looked for among the connected
    ones, and so are names of which only the last parts are given. For those that share a name
    there is no single object, and ``None`` is returned with it.
    """
    __tracebackhide__ = True
    found = _import(name)
    if is_a(found, Signal):
        return found, name_of_signal(found)
    if found is not _MISSING and callable(found):
        return found, name
    signals = signals_in_modules()
    named = [each for each in signals if goes_by(name_of_signal(each), name)]
    if len(named) == 1:
        return named[0], name_of_signal(named[0])
    if named:
        raise _ambiguous(name, [name_of_signal(each) for each in named])
    connected = [read_entry(each).receiver for signal in signals for each in entries_of(signal)]
    names = {describe_receiver(each).name for each in connected if each is not None}
    fitting = sorted(each for each in names if goes_by(each, name))
    if len(fitting) == 1:
        return None, fitting[0]
    if fitting:
        raise _ambiguous(name, fitting)
    raise UnknownNameError(name, "signal or receiver", _likely(name, signals, names))


def find_signal(name: str) -> Any:
    __tracebackhide__ = True
    found, _ = find(name)
    if not is_a(found, Signal):
        raise TypeError(f"{name!r} is a receiver, and a signal is wanted here.")
    return found


def find_receiver_name(name: str) -> str:
    """The name that a trace gives to the receiver."""
    __tracebackhide__ = True
    found, full_name = find(name)
    if is_a(found, Signal):
        raise TypeError(f"{name!r} is a signal, and a receiver is wanted here.")
    return full_name if found is None else stands_for(found) or describe_receiver(found).name


def is_receiver(wanted: Any, name: str) -> bool:
    """Whether a receiver of that name is the one wanted, given as an object or a name."""
    return goes_by(name, wanted if is_a(wanted, str) else describe_receiver(wanted).name)


def find_sender(name: str) -> Any:
    """The model of a label such as ``shop.Order``, or the class of a dotted path."""
    __tracebackhide__ = True
    try:
        return apps.get_model(name)
    except (LookupError, ValueError):
        pass
    found = _import(name)
    if found is _MISSING:
        labels = [model._meta.label for model in apps.get_models()]
        raise UnknownNameError(name, "model or class", get_close_matches(name, labels, n=1))
    return found


def want_signal(live: Any) -> Any:
    """The signal, if it is one. Raises ``TypeError``, which says what is wanted."""
    __tracebackhide__ = True
    if not is_a(live, Signal):
        raise TypeError(f"Give a signal, or its dotted name. This is {kind_of(live)}.")
    return live


def want_receiver(live: Any) -> Any:
    """What may be a receiver, if it is. Raises ``TypeError``, which says what is wanted."""
    __tracebackhide__ = True
    if not callable(live) or is_a(live, Signal) or is_model(live):
        what = f"the model {class_name(live)}" if is_model(live) else kind_of(live)
        raise TypeError(f"Give a receiver, or its dotted name. This is {what}.")
    return live


def is_model(live: Any) -> bool:
    return is_a(live, type) and issubclass(live, Model)


def _ambiguous(name: str, names: list[str]) -> LookupError:
    could_be = printable(", ".join(sorted(names)))
    return LookupError(f"{name!r} could be any of {could_be}. Give the full name.")


def _import(name: str) -> Any:
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        module_name = ".".join(parts[:size])
        if not all(each.isidentifier() for each in parts[:size]):
            continue
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            # Not the module itself, but one that it imports: that is the user's to know.
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise
            continue
        found: Any = module
        for part in parts[size:]:
            found = getattr(found, part, _MISSING)
        return found
    return _MISSING


def _likely(name: str, signals: list[Any], receivers: set[str]) -> list[str]:
    candidates = {name_of_signal(each) for each in signals} | receivers
    module = sys.modules.get(name.rpartition(".")[0])
    if module is not None:
        candidates |= {
            f"{module.__name__}.{each}"
            for each, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module.__name__
        }
    by_last_parts = {
        ".".join(each.split(".")[-1 - name.count(".") :]): each for each in sorted(candidates)
    }
    return [by_last_parts[each] for each in get_close_matches(name, by_last_parts, n=1)]
