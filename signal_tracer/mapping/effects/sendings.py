"""Signals that Django sends when a row is saved or deleted, read from the models alone.

``pre_init`` and ``post_init`` are left out: every row that is loaded sends them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from django.apps import apps
from django.db.models import deletion
from django.db.models.options import Options

from signal_tracer.describing.names import class_name, is_a, namespace_of
from signal_tracer.mapping.effects.meanings import is_model
from signal_tracer.records import Location
from signal_tracer.source_steps import SourceStep

_MODELS = "django.db.models.signals"
Sends = tuple[tuple[str, str], ...]


def options_of(model: type) -> Any:
    return namespace_of(model).get("_meta")


def of_save(model: type) -> Sends:
    """Of a proxy its own, of a child the child's only: as ``Model.save_base()`` does."""
    if _is_silent(model):
        return ()
    return tuple((f"{_MODELS}.{name}", class_name(model)) for name in ("pre_save", "post_save"))


def of_delete(model: type, gone: Collection[int] = ()) -> Sends:
    """Those of the row itself, and of the rows of its parents, save what is ``gone`` by id."""
    # As Collector.delete(): all are told before the first is gone.
    models = [
        each for each in (model, *_parents(model)) if not _is_silent(each) and id(each) not in gone
    ]
    return tuple(
        (f"{_MODELS}.{name}", class_name(each))
        for name in ("pre_delete", "post_delete")
        for each in models
    )


def of_m2m(through: type) -> Sends:
    """Once, however many actions it is sent with."""
    return ((f"{_MODELS}.m2m_changed", class_name(through)),)


def cascades(model: type, location: Location, above: tuple[type, ...] = ()) -> Iterator[SourceStep]:
    """The rows that a deletion takes along, each with those that it takes along in turn."""
    seen = (*above, model)
    family = {id(each) for each in (model, *_parents(model))}
    for field in _fields_to(family):
        child: Any = field.model
        if any(child is each for each in seen) or id(child) in family or _is_silent(child):
            continue
        name = f"{class_name(child)}.{field.name}"
        yield SourceStep(
            "delete",
            f"CASCADE of {name}",
            "may",
            location,
            sends=of_delete(child, family),
            target=class_name(child),
            condition=f"rows of {class_name(child)} refer to it by {field.name}",
            steps=tuple(cascades(child, location, seen)),
        )


def _fields_to(models: set[int]) -> Iterator[Any]:
    """Every foreign key that Django follows when a row of one of them is deleted."""
    for child in _all_models():
        meta = options_of(child)
        # Not documented, and the same in Django 5.2, 6.0 and 6.1: local_fields, remote_field,
        # on_delete, private_fields.
        for field in list(meta.local_fields):
            relation: Any = getattr(field, "remote_field", None)
            if (
                relation is not None
                and getattr(relation, "on_delete", None) is deletion.CASCADE
                and id(_concrete(relation.model)) in models
            ):
                yield field


def _all_models() -> Iterator[type]:
    for models in list(apps.all_models.values()):
        for model in list(models.values()):
            meta = options_of(model)
            if type(meta) is Options and not meta.proxy and not meta.swapped:
                yield model


def _concrete(model: object) -> object:
    return options_of(model).concrete_model if is_model(model) and is_a(model, type) else model  # type: ignore[arg-type]


def _parents(model: type) -> list[type]:
    """The models whose rows a row of this one has a part in, the nearest first."""
    meta = options_of(model)
    if meta.proxy:
        return _parents(meta.concrete_model)
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: parents, with theirs.
    return [parent for parent, field in list(meta.parents.items()) if field is not None]


def _is_silent(model: type) -> bool:
    """Of the table that Django made for a many-to-many field no row sends anything."""
    return bool(options_of(model).auto_created)
