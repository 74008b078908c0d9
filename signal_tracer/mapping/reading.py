"""Signals and their connections become a ``SignalMap``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from signal_tracer.describing.connections import (
    Entry,
    entries_of,
    identity,
    read_entry,
)
from signal_tracer.describing.names import class_name, find_in_class, is_a, signal_name
from signal_tracer.describing.values import Capture, render
from signal_tracer.mapping.bulk_calls import bulk_calls
from signal_tracer.mapping.connectors import Connectors
from signal_tracer.mapping.doors import detours, gone_after_deletion
from signal_tracer.mapping.lazy import Waiting
from signal_tracer.mapping.missing import missing_connections
from signal_tracer.mapping.ownership import Ownership
from signal_tracer.mapping.projects import Project
from signal_tracer.mapping.receivers import (
    describe_dead,
    inspected_receivers,
    is_fragile,
    left_out_of_cache,
    look_at,
)
from signal_tracer.mapping.searching import find_signals, locate_signal
from signal_tracer.mapping.senders import Senders
from signal_tracer.mapping.signatures import Sending, why_not_callable
from signal_tracer.records import Location
from signal_tracer.signal_map import Connection, MappedSignal, SignalMap

# The methods that decide which receivers are called. _live_receivers() is private, and the same
# in Django 5.2, 6.0 and 6.1.
_DECIDING = ("send", "send_robust", "asend", "asend_robust", "_live_receivers")
_uids = Capture(200)


def read_map(*, before: Collection[int] = (), with_source: bool = True) -> SignalMap:
    """Every signal and connection of this process.

    ``before``: what ``connected_now()`` returned; connections since then are marked.
    ``with_source``: compare them with what the project's source connects.
    """
    return _Reader(thorough=True, before=before).read(limit=None, with_source=with_source)


def map_for_request(*, limit: int = 2000) -> SignalMap:
    """The signals that modules hold, and up to ``limit`` connections: quick enough for a request.

    Names are those of a trace.
    """
    return _Reader(thorough=False, before=()).read(limit=limit)


def map_for_check() -> SignalMap:
    """The signals that modules hold, and all their connections: what every command can afford."""
    return _Reader(thorough=False, before=()).read(limit=None, with_source=True)


def connected_now() -> list[Any]:
    """Every connection, as it stands in Django's lists; for ``read_map()``, and not for long."""
    signals, _ = find_signals(thorough=True)
    return [entry for signal in signals for entry in entries_of(signal)]


class _Reader:
    """One reading: what is found once and used for every connection."""

    def __init__(self, *, thorough: bool, before: Collection[int]) -> None:
        self.thorough = thorough
        self.before = before
        self.ownership = Ownership()
        self.senders = Senders()
        self.fragile: set[int] = set()
        self.with_source = False
        self.project = Project(self.ownership)
        self.connectors = Connectors(self.ownership.apps) if thorough else None

    def read(self, limit: int | None, *, with_source: bool = False) -> SignalMap:
        self.with_source = with_source
        signals, waiting = find_signals(thorough=self.thorough)
        self.senders = Senders(among_all_objects_for=signals if self.thorough else ())
        named = sorted(
            ((signal_name(signal), signal) for signal in signals), key=lambda each: each[0]
        )
        # Before anything here keeps the receivers alive.
        self.fragile = _fragile_entries(signals)
        mapped, count, omitted = [], 0, 0
        for name, signal in named:
            entries = entries_of(signal)
            kept = entries if limit is None else entries[: max(limit - count, 0)]
            count += len(kept)
            omitted += len(entries) - len(kept)
            mapped.append(self._signal(name, signal, kept, waiting))
        calls, unknown = (
            bulk_calls(self.project, self.ownership, mapped)
            if with_source and self.thorough
            else ((), 0)
        )
        return SignalMap(
            tuple(mapped),
            tuple(self.ownership.apps),
            is_complete=self.thorough,
            omitted=omitted,
            missing=missing_connections(signals, waiting, self.project) if with_source else (),
            bulk_calls=calls,
            unknown_bulk_calls=unknown,
        )

    def _signal(
        self, name: str, signal: Any, entries: list[Any], waiting: list[Waiting]
    ) -> MappedSignal:
        twins = _Twins()
        left_out: dict[int, list[str]] = {}
        for entry, sender in left_out_of_cache(signal):
            left_out.setdefault(id(entry), []).append(self.senders.describe_live(sender)[0])
        connections = [
            replace(
                self._connection(name, signal, entry, position, twins),
                left_out_for=tuple(sorted(left_out.get(id(entry), ()))),
            )
            for position, entry in enumerate(entries, 1)
        ]
        connections += [
            self._waiting(each, len(entries) + number)
            for number, each in enumerate((each for each in waiting if each.signal is signal), 1)
        ]
        location = locate_signal(signal)
        app, is_project = self.ownership.of(
            _module_of_signal(name), None if location is None else location.file
        )
        return MappedSignal(
            name,
            type=class_name(type(signal)),
            defined_at=location,
            app=app,
            is_project=is_project,
            own_methods=_own_methods(signal),
            connections=tuple(connections),
        )

    def _connection(
        self, name: str, signal: Any, live: Any, position: int, twins: _Twins
    ) -> Connection:
        entry = read_entry(live)
        sender, sender_kind = self.senders.describe(entry)
        # Those of models look strings up, in Django 5.2, 6.0 and 6.1.
        if sender_kind in ("unknown", "instance"):
            written = self.senders.describe_written(
                entry, signal_name(signal), looks_up=is_a(signal, ModelSignal)
            )
            sender, sender_kind = written or (sender, sender_kind)
            if sender_kind == "string" and self.with_source and self.project.sends_text(name):
                sender_kind = "instance"
        known: dict[str, Any] = {
            "position": position,
            "sender": sender,
            "sender_kind": sender_kind,
            "dispatch_uid": entry.dispatch_uid,
            "is_weak": None if not entry.is_known_shape else entry.reference is not None,
            "is_async": entry.is_async,
            "with_urls": bool(self.before) and id(live) not in self.before,
            "is_fragile": id(live) in self.fragile,
            "preset_key": self.senders.preset_key(entry, sender_kind),
        }
        if sender_kind == "model":
            model = self.senders.find(entry)[1]
            known["detours"] = detours(signal, model)
            known["gone"] = gone_after_deletion(signal, model)
        if entry.receiver is None:
            return self._dead(signal, entry, known)
        known["cannot"] = why_not_callable(entry.receiver, name, self._sendings(signal, name))
        return self._described(entry.receiver, known, twin=twins.of(entry, position))

    def _sendings(self, signal: Any, name: str) -> Iterable[Sending]:
        """Every ``send()`` of a signal of the project's own, if the source is to be read."""
        if not self.with_source or not self.ownership.of(_module_of_signal(name))[1]:
            return ()
        return self.project.sendings.get(id(signal)) or ()

    def _dead(self, signal: Any, entry: Entry, known: dict[str, Any]) -> Connection:
        if not entry.is_known_shape:
            return Connection("an unknown receiver", "unknown", **known)
        described, module = describe_dead(entry.reference)
        if module is None:
            # Nothing of it is left; who it was for says best whose it was.
            app, is_project = None, self._hears_the_project(entry, signal)
        else:
            app, is_project = self.ownership.of(module, _file(described.defined_at))
        return Connection(
            described.name,
            "unknown",
            **known,
            state="dead",
            defined_at=described.defined_at,
            module=module,
            app=app,
            is_project=is_project,
        )

    def _hears_the_project(self, entry: Entry, signal: Any) -> bool:
        _, sender = self.senders.find(entry)
        if is_a(sender, type):
            return self.ownership.of(look_at(sender).module)[1]
        return self.ownership.of(_module_of_signal(signal_name(signal)))[1]

    def _waiting(self, waiting: Waiting, position: int) -> Connection:
        known = {
            "position": position,
            "sender": waiting.sender,
            "sender_kind": "lazy",
            "state": "waiting",
            "dispatch_uid": render(_uids.value(waiting.dispatch_uid)),
            "is_weak": waiting.is_weak,
            "with_urls": False,
        }
        return self._described(waiting.receiver, known)

    def _described(
        self, receiver: Any, known: dict[str, Any], twin: int | None = None
    ) -> Connection:
        look = look_at(receiver)
        app, is_project = self.ownership.of(look.module, _file(look.described.defined_at))
        return Connection(
            look.described.name,
            look.kind,
            **known,
            defined_at=look.described.defined_at,
            module=look.module,
            app=app,
            connected_by=(
                None
                if self.connectors is None
                else self.connectors.of(look.described.defined_at, app)
            ),
            doc=look.doc,
            is_project=is_project,
            has_qualname=look.has_qualname,
            twin=twin,
        )


class _Twins:
    """Which connections of one signal run the same code for the same sender."""

    def __init__(self) -> None:
        self._seen: dict[object, list[tuple[Any, int]]] = {}

    def of(self, entry: Entry, position: int) -> int | None:
        """The position of an earlier connection that would run for a sender of this one too."""
        any_sender = identity(None)
        seen = self._seen.setdefault(_code_of(entry.receiver), [])
        # The one for the same sender says more than one for any.
        twin = next(
            (earlier for sender_id, earlier in seen if sender_id == entry.sender_id), None
        ) or next(
            (earlier for sender_id, earlier in seen if any_sender in (sender_id, entry.sender_id)),
            None,
        )
        seen.append((entry.sender_id, position))
        return twin


def _code_of(receiver: Any) -> object:
    """What two receivers share that run the same code on the same object.

    A function that was imported under two names is there twice, and the same line of a file.
    Those that were made inside another function may differ in what they closed over.
    """
    look = look_at(receiver)
    location = look.described.defined_at
    if look.kind == "function" and location is not None:
        return location
    return identity(receiver)


def _fragile_entries(signals: list[Signal]) -> set[int]:
    """The ids of the entries whose receiver nothing keeps alive but a cache of Django's."""
    inspected = inspected_receivers()
    return {
        id(entry)
        for signal in signals
        for entry in entries_of(signal)
        if type(entry) is tuple and len(entry) in (3, 4) and is_fragile(entry[1], inspected)
    }


def _own_methods(signal: Any) -> tuple[str, ...]:
    kind = type(signal)
    if kind is Signal:
        return ()
    return tuple(
        name for name in _DECIDING if find_in_class(kind, name) is not find_in_class(Signal, name)
    )


def _module_of_signal(name: str) -> str | None:
    return None if name.startswith("<") else name.rpartition(".")[0]


def _file(location: Location | None) -> str | None:
    return None if location is None else location.file
