"""Masks the secrets of a trace in every text of its finished records.

By reflection, so that a field that is new is masked as well.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from signal_tracer.describing.masking import Secrets
from signal_tracer.describing.secrets import MASK
from signal_tracer.records import Contents, Location, Summary, Value

# Fields that say what code is called: there only what is no word of code is masked.
_NAMES = frozenset(
    (
        *(
            "signal",
            "sender",
            "receiver",
            "connected_to",
            "held_by",
            "callback",
            "called",
            "on_commit",
            "unwatched",
        ),
        *("type", "model", "method", "function", "options", "alias", "in_atomic", "rolled_back"),
    )
)
_PATHS = frozenset(("file",))

# How one field is veiled: what it holds goes in, and the same comes out if there is no secret.
_Way: TypeAlias = "Callable[[_Veil, Any], Any]"


def veil(contents: Contents, secrets: Secrets) -> None:
    """Masks each secret in each text of ``contents``, in place."""
    if not secrets:
        return
    veiling = _Veil(secrets)
    # A list and no recursion: dispatches nest a hundred deep.
    veiling.waiting.append(contents)
    while veiling.waiting:
        record = veiling.waiting.pop()
        for name, value in veiling.changes(record).items():
            setattr(record, name, value)


class _Veil:
    """Masks one value after the other; what is called alike is looked at once."""

    def __init__(self, secrets: Secrets) -> None:
        self.secrets = secrets
        self.waiting: list[Any] = []
        self._names: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._locations: dict[Location, Location] = {}

    def changes(self, record: Any) -> dict[str, Any]:
        """The fields that hold something else when they are veiled."""
        changed = {}
        kind: Any = type(record)
        for name, way in _ways_of(kind):
            value = getattr(record, name)
            if value is not None:
                veiled = way(self, value)
                if veiled is not value:
                    changed[name] = veiled
        return changed

    def text(self, text: str) -> str:
        found = self._texts.get(text)
        if found is None:
            found = self._texts[text] = self.secrets.mask(text)
        return text if found == text else found

    def name(self, name: str) -> str:
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = self.secrets.mask_name(name)
        return name if found == name else found

    def path(self, path: str) -> str:
        found = self.secrets.mask_file(path)
        return path if found == path else found

    def value(self, value: Value) -> Value:
        if isinstance(value, str):
            masked = self.text(value)
            return value if masked is value else Summary(repr(masked))
        if isinstance(value, Summary):
            masked = self.text(value.text)
            return value if masked is value.text else Summary(masked)
        if type(value) is int and abs(value) >= 10_000 and self.text(str(value)) == MASK:
            return Summary(MASK)
        return value

    def named_values(self, values: dict[str, Value]) -> dict[str, Value]:
        return {self.name(name): self.value(value) for name, value in values.items()}

    def of_files(self, records: dict[str, Any]) -> dict[str, Any]:
        return {self.path(file): self.record(each) for file, each in records.items()}

    def record(self, record: Any) -> Any:
        if type(record) is Location:
            found = self._locations.get(record)
            if found is None:
                found = self._locations[record] = self._replaced(record)
            return record if found == record else found
        return self._replaced(record)

    def _replaced(self, record: Any) -> Any:
        changed = self.changes(record)
        return dataclasses.replace(record, **changed) if changed else record

    def records(self, records: Any) -> Any:
        if records and not _is_frozen(type(records[0])):
            self.waiting += records
            return records
        veiled = [self.record(each) for each in records]
        if all(map(_is, veiled, records)):
            return records
        return type(records)(veiled)


def _is(one: object, other: object) -> bool:
    return one is other


def _is_frozen(kind: Any) -> bool:
    return bool(kind.__dataclass_params__.frozen)


@cache
def _ways_of(kind: Any) -> tuple[tuple[str, _Way], ...]:
    """The fields of a record that hold texts, and how each of them is veiled."""
    ways = ((name, _way(name, hint)) for name, hint in typing.get_type_hints(kind).items())
    return tuple((name, way) for name, way in ways if way is not None)


def _way(name: str, hint: Any) -> _Way | None:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return None  # Our own words.
    if hint is str:
        return _Veil.name if name in _NAMES else _Veil.path if name in _PATHS else _Veil.text
    if dataclasses.is_dataclass(hint):
        return _Veil.record
    if origin is dict:
        return _Veil.of_files if dataclasses.is_dataclass(parts[1]) else _Veil.named_values
    if Summary in parts:
        return _Veil.value
    if origin in (list, tuple):
        return _Veil.records if dataclasses.is_dataclass(parts[0]) else _each(_way(name, parts[0]))
    # Or None.
    return next(filter(None, (_way(name, part) for part in parts)), None)


def _each(way: _Way | None) -> _Way | None:
    if way is None:
        return None
    return lambda veiling, values: type(values)(way(veiling, each) for each in values)
