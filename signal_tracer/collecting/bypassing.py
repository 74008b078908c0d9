"""Bypasses: what changed rows without the signals that receivers wait for, and who did it.

Who sees one says of which rows and by which door; here it is found out who was left out and from
which line, and kept.
"""

from __future__ import annotations

import types
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeAlias

import django
from django.db.models import Model, QuerySet
from django.db.models.fields import related_descriptors

from signal_tracer.collecting import nodes
from signal_tracer.collecting.muting import would_mute
from signal_tracer.collecting.nodes import Node
from signal_tracer.collecting.patching import hide_file
from signal_tracer.collecting.reading import Reading
from signal_tracer.collecting.receivers import DISPATCHER_FILE
from signal_tracer.collecting.routes import ReceiverInfo, listeners
from signal_tracer.describing.frames import find_project_frame, find_sender_frame
from signal_tracer.describing.names import (
    IdentityCache,
    class_name,
    find_all_in_class,
    name_of_signal,
    unwrapped,
)
from signal_tracer.records import Bypass, Door, Skipped

hide_file(__file__)

# Signals by their names, with the receivers that wait for them.
Left: TypeAlias = "list[tuple[str, ReceiverInfo]]"

# Where Django's related managers are, and the methods of theirs that a person calls.
# Private, and the same in Django 5.2, 6.0 and 6.1.
_GENERIC_MANAGERS = Path(django.__file__).parent.joinpath("contrib", "contenttypes", "fields.py")
_MANAGER_FILES = (related_descriptors.__file__, str(_GENERIC_MANAGERS))
MANAGER_METHODS = ("add", "remove", "clear", "set")

# What is told of the operations that are part of a deletion; see ``deletions``.
in_deletion: ContextVar[Any] = ContextVar("signal_tracer.in_deletion", default=None)


class BypassRecord:
    """What changed rows. ``skipped`` pairs a signal's name with a receiver."""

    __slots__ = (
        "door",
        "field",
        "instruction",
        "method",
        "model",
        "options",
        "origin",
        "rows",
        "sent_by",
        "skipped",
        "started",
        "stopped",
        "through",
    )

    def __init__(
        self,
        method: str,
        model: str,
        rows: int | None,
        options: tuple[str, ...],
        sent_by: types.CodeType | None,
        instruction: int,
        started: int,
        stopped: int,
        skipped: Left,
        through: tuple[types.CodeType, int] | None = None,
        door: Door = "bulk",
        field: str | None = None,
        origin: str | None = None,
    ) -> None:
        self.door = door
        self.field = field
        self.origin = origin
        self.method = method
        self.model = model
        self.rows = rows
        self.options = options
        self.sent_by = sent_by
        self.instruction = instruction
        self.started = started
        self.stopped = stopped
        self.skipped = skipped
        self.through = through


class Bypasses(list[BypassRecord]):
    """Those of a receiver call, or of a trace outside of any."""

    __slots__ = ()

    def read(self, reading: Reading) -> dict[str, Any]:
        found = [each for each in self[:] if each.stopped <= reading.until]
        return {"bypasses": [_read(each, reading) for each in found]}


def _read(record: BypassRecord, reading: Reading) -> Bypass:
    return Bypass(
        method=record.method,
        model=record.model,
        rows=record.rows,
        options=record.options,
        door=record.door,
        field=record.field,
        origin=record.origin,
        sent_from=reading.location(record.sent_by, record.instruction),
        through=None if record.through is None else reading.location(*record.through),
        started_at=reading.since_start(record.started),
        duration=reading.seconds(record.started, record.stopped),
        skipped=[
            Skipped(
                signal,
                info.name,
                info.defined_at,
                reading.value(info.dispatch_uid),
                info.is_async,
                info.hears_any_sender,
            )
            for signal, info in record.skipped
        ],
    )


def left_out_by(node: Node | None, of: tuple[Any, ...], model: Any) -> Left:
    """The receivers that wait for these signals of the model, as far as a trace looks at them."""
    recorders = node.recorders.all if node is not None else ()
    return [
        (name_of_signal(signal), info)
        for signal in of
        if not all(each.excludes(name_of_signal(signal)) for each in recorders)
        for info in listeners(signal, model, would_mute)
    ]


def note(
    node: Node | None,
    site: types.FrameType | None,
    started: int,
    stopped: int,
    skipped: Left,
    method: str,
    model: Any,
    rows: int | None,
    options: tuple[str, ...] = (),
    door: Door = "bulk",
    field: str | None = None,
    origin: Any = None,
) -> None:
    """Keep a bypass in each trace that has room; ``site`` is where it was called."""
    recorders = node.recorders.all if node is not None else ()
    wanting = [each for each in recorders if each.keep_other()]  # Each counts what it lacks.
    if not wanting:
        return
    lead = find_project_frame(site) or site
    if not recorders[-1].config.record_locations:
        site = lead = None
    record = BypassRecord(
        method,
        class_name(model),
        rows,
        options,
        None if lead is None else lead.f_code,
        0 if lead is None else lead.f_lasti,
        started,
        stopped,
        skipped,
        None if site is None or site is lead else (site.f_code, site.f_lasti),
        door,
        field,
        None if origin is None else class_name(origin),
    )
    for activity in nodes.activities_at(node):
        activity[Bypasses].append(record)


def deletes_softly(frame: types.FrameType | None, model: Any, kind: type) -> bool:
    """Whether a ``delete()`` runs that is not Django's own, of the model or the queryset."""
    codes = _own_deletes(model) + _own_deletes(kind)
    while codes and frame is not None:
        if any(frame.f_code is each for each in codes):
            return True
        if frame.f_code.co_filename == DISPATCHER_FILE:
            return False
        frame = frame.f_back
    return False


def _find_own_deletes(cls: type) -> tuple[types.CodeType, ...]:
    djangos = (Model.delete.__code__, QuerySet.delete.__code__)
    found = codes_of(cls, "delete")
    return tuple([each for each in found if not any(each is other for other in djangos)])


_own_deletes: IdentityCache[tuple[types.CodeType, ...]] = IdentityCache(_find_own_deletes)


def model_of(queryset: Any) -> Any:
    return dict.get(queryset.__dict__, "model")


def who_called(
    frame: types.FrameType | None, queryset: Any, method: str
) -> tuple[str, types.FrameType | None]:
    """What a person calls the operation, such as ``add`` of a related manager, and where.

    Where a queryset's class has an override that calls Django's, that is who called the override.
    """
    overrides = codes_of(type(queryset), method)
    site = find_sender_frame(frame)
    while site is not None and any(site.f_code is each for each in overrides):
        site = find_sender_frame(site.f_back)
    while frame is not None and frame is not site:
        code = frame.f_code
        if code.co_name in MANAGER_METHODS and code.co_filename in _MANAGER_FILES:
            method = code.co_name
        frame = frame.f_back
    return method, site


def codes_of(cls: type, name: str) -> list[types.CodeType]:
    """Of each function that one of the classes has under this name."""
    return [
        unwrapped(each).__code__
        for each in find_all_in_class(cls, name)
        if type(each) is types.FunctionType
    ]
