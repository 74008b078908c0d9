"""Reads which connections wait for a model, named by a string, to be defined."""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from django.apps.registry import Apps
from django.dispatch import Signal

from signal_tracer.describing.names import is_a


class Waiting(NamedTuple):
    """``signal.connect(receiver, sender="shop.Order")`` without a model of that name."""

    signal: Any
    receiver: Any
    sender: str
    is_weak: bool
    dispatch_uid: Any


def waiting_connections(registry: Apps) -> list[Waiting]:
    """What ``ModelSignal.connect()`` has put off, in the order in which it was asked for.

    ``Apps._pending_operations`` is private, and the same in Django 5.2, 6.0 and 6.1: functions
    by ``(app_label, model_name)``, each with the callable it was made for in its ``func``.
    Other things are put off there too, such as the fields that name a model.
    """
    pending: Any = getattr(registry, "_pending_operations", {})
    found = []
    for key, functions in list(pending.items()):
        for function in list(functions):
            waiting = _read(function, key)
            if waiting is not None:
                found.append(waiting)
    return found


def _read(function: Any, key: Any) -> Waiting | None:
    operation = dict.get(function.__dict__, "func") if type(function) is FunctionType else None
    if type(operation) is not partial or type(operation.func) is not MethodType:
        return None
    method, signal = operation.func.__func__, operation.func.__self__
    if (
        not is_a(signal, Signal)
        or type(method) is not FunctionType
        or method.__name__ != "connect"
        or not operation.args
    ):
        return None
    named = operation.keywords
    return Waiting(
        signal,
        operation.args[0],
        ".".join(key),
        named.get("weak", True) is not False,
        named.get("dispatch_uid"),
    )
