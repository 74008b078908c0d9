"""What a connection knows of its sender becomes a name."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db.models import NOT_PROVIDED
from django.db.models.options import Options
from django.dispatch import Signal

from signal_tracer.describing.connections import Entry, entries_of, identity, read_entry
from signal_tracer.describing.names import class_name, is_a, module_namespace, namespace_of
from signal_tracer.describing.near_misses import is_named_by
from signal_tracer.describing.values import name_of_sender
from signal_tracer.describing.written import sender_in_source, senders_in_source
from signal_tracer.signal_map import SenderKind

_NONE_ID = identity(None)


class Senders:
    """Finds senders; made once for each reading of the map.

    From Django 6.0 a connection holds a weak reference to its sender; in 5.2, and for what takes
    no weak reference, only its ``id()``: so that it has to be found among what is alive. Whoever
    has that id now is who Django would call the receiver for.
    """

    def __init__(self, among_all_objects_for: Iterable[Signal] = ()) -> None:
        """``among_all_objects_for``: the signals for whose connections every object that is alive
        may be looked at, which takes a while; without it, only models and classes are found."""
        self._signals = tuple(among_all_objects_for)
        self._classes: dict[int, type] | None = None
        self._objects: dict[int, Any] | None = None
        self._constants: dict[int, Any] | None = None
        self._models = {
            # All models of each app by name: not documented, the same in Django 5.2, 6.0 and 6.1.
            id(model): model
            for models in list(apps.all_models.values())
            for model in list(models.values())
        }
        self._throughs = {id(through) for _, _, through in through_models(self._models.values())}
        self._described: dict[int, tuple[str | None, SenderKind]] = {}

    def describe(self, entry: Entry) -> tuple[str | None, SenderKind]:
        """The sender's name, ``None`` for any sender, and what it is."""
        if entry.sender_id == _NONE_ID and entry.is_known_shape:
            return None, "any"
        found, sender = self.find(entry)
        if found:
            known = self._described.get(id(sender))
            if known is None:
                known = self._described[id(sender)] = self.describe_live(sender)
            return known
        if entry.sender_reference is not None:
            return "a sender that is gone", "gone"
        return "an unknown sender", "unknown"

    def describe_written(
        self, entry: Entry, signal: str, *, looks_up: bool
    ) -> tuple[str, SenderKind] | None:
        """A string or a list, if the source says so: of those only an address is kept.

        What has that address now may be something else, unless it is written as an identifier:
        then it is the same object wherever it is written. ``looks_up``: whether the signal is one
        of Django's models', which know a model by its label.
        """
        if entry.receiver is None or entry.sender_reference is not None:
            return None
        text = senders_in_source(entry.receiver, signal)
        if text is not None:
            return text, "several"
        text = None if looks_up else sender_in_source(entry.receiver, signal)
        if text is None:
            return None
        is_model = "." in text and any(is_named_by(text, name) for name in model_names())
        return repr(text), "string" if is_model else "instance"

    def describe_live(self, sender: object) -> tuple[str, SenderKind]:
        """The name of a live sender, as a trace would give it, and what it is."""
        if not is_a(sender, type):
            return name_of_sender(sender), "instance"
        name = class_name(sender)
        meta = namespace_of(sender).get("_meta")
        if type(meta) is not Options:
            return name, "class"
        if meta.abstract:
            return name, "abstract"
        if id(sender) in self._throughs:
            # Django's save() and delete() ask the same, in Django 5.2, 6.0 and 6.1: auto_created.
            return name, "table" if meta.auto_created else "through"
        # Not documented, and the same in Django 5.2, 6.0 and 6.1: swapped.
        return name, "swapped" if meta.swapped else "model"

    def preset_key(self, entry: Entry, kind: SenderKind) -> str | None:
        """``shop.Order.id``, if the key has a default and so is never ``None``; of any sender the
        first of a model that has one."""
        if kind == "model":
            return _preset_key(self.find(entry)[1])
        return self._some_preset_key if kind == "any" else None

    @cached_property
    def _some_preset_key(self) -> str | None:
        return min(filter(None, map(_preset_key, self._models.values())), default=None)

    def find(self, entry: Entry) -> tuple[bool, Any]:
        """Whether the sender was found, and the sender."""
        if issubclass(type(entry.sender_reference), weakref.ReferenceType):
            sender = entry.sender_reference()
            return sender is not None, sender
        key = entry.sender_id
        for index in (self._models, self._all_classes):
            known = index() if callable(index) else index
            if type(key) is int and key in known:
                return True, known[key]
        if self._signals and type(key) is int:
            for known in (self._all_objects(), self._all_constants()):
                if key in known:
                    return True, known[key]
        return False, None

    def _all_classes(self) -> dict[int, type]:
        if self._classes is None:
            self._classes = classes_by_id()
        return self._classes

    def _all_constants(self) -> dict[int, Any]:
        """Texts and numbers that stand in a module, which the collector does not list."""
        if self._constants is None:
            self._constants = {
                id(value): value
                for module in list(sys.modules.values())
                for value in list(module_namespace(module).values())
                if type(value) in (str, int, float, bytes)
            }
        return self._constants

    def _all_objects(self) -> dict[int, Any]:
        if self._objects is None:
            # Not every object by its id: that would take as much memory as there is in use.
            wanted = {
                read_entry(live).sender_id
                for signal in self._signals
                for live in entries_of(signal)
            }
            self._objects = {id(each): each for each in gc.get_objects() if id(each) in wanted}
        return self._objects


def model_names() -> set[str]:
    """Every model that is there, as a trace names it."""
    return {
        class_name(model)
        for models in list(apps.all_models.values())
        for model in list(models.values())
    }


def classes_by_id() -> dict[int, type]:
    """Every class that is alive. By id, for a metaclass may have a ``__hash__`` of its own."""
    found: dict[int, type] = {}
    waiting: list[type] = [object]
    while waiting:
        cls = waiting.pop()
        if id(cls) not in found:
            found[id(cls)] = cls
            waiting += type.__subclasses__(cls)
    return found


def _preset_key(model: Any) -> str | None:
    meta = namespace_of(model).get("_meta") if is_a(model, type) else None
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: pk, default, db_default.
    key = _attributes(meta.pk) if type(meta) is Options and meta.pk is not None else {}
    given = (key.get("default", NOT_PROVIDED), key.get("db_default", NOT_PROVIDED))
    is_preset = any(each is not NOT_PROVIDED for each in given)
    return f"{class_name(model)}.{key.get('name')}" if is_preset else None


def through_models(models: Iterable[type]) -> Iterator[tuple[type, str, type]]:
    """The many-to-many fields of the models: model, field name, and what stands between."""
    for model in models:
        meta = namespace_of(model).get("_meta")
        if type(meta) is not Options:
            continue
        # Not documented, and the same in Django 5.2, 6.0 and 6.1.
        for field in list(meta.local_many_to_many):
            # From the instance's own dictionary: a field may be of a class of the user's.
            attributes = _attributes(field)
            relation = attributes.get("remote_field")
            through: Any = None if relation is None else _attributes(relation).get("through")
            if is_a(through, type):
                yield model, attributes.get("name", ""), through


def _attributes(live: object) -> dict[str, Any]:
    found = object.__getattribute__(live, "__dict__")
    return found if type(found) is dict else {}
