"""Signals that Django sends when a row is saved or deleted, read from the models alone.

``pre_init`` and ``post_init`` are left out: every row that is loaded sends them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from django.apps import apps
from django.db.models import deletion
from django.db.models.options import Options

from signal_tracer.describing.names import class_name, find_in_class, is_a, namespace_of
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


def of_delete(model: type, gone: Collection[int] = (), *, keeps_parents: bool = False) -> Sends:
    """Those of the row itself, and of the rows of its parents, save what is ``gone`` by id."""
    # As Collector.delete(): all are told before the first is gone.
    parents = [] if keeps_parents else parents_of(model)
    models = [each for each in (model, *parents) if not _is_silent(each) and id(each) not in gone]
    return tuple(
        (f"{_MODELS}.{name}", class_name(each))
        for name in ("pre_delete", "post_delete")
        for each in models
    )


def of_m2m(through: type) -> Sends:
    """Once, however many actions it is sent with."""
    return ((f"{_MODELS}.m2m_changed", class_name(through)),)


def cascades(
    model: type, location: Location, *, keeps_parents: bool = False
) -> Iterator[SourceStep]:
    """The rows that a deletion takes along, each with those that it takes along in turn.

    Of a model that is met again, what it takes along is not told again.
    """
    keys = list(_keys())
    expanded: set[int] = set()

    def taken_along_by(
        model: type, above: frozenset[int], keeps_parents: bool = False
    ) -> Iterator[SourceStep]:
        expanded.add(id(model))
        # A proxy has the relations of its model.
        parents = [] if keeps_parents else parents_of(model)
        family = {id(each) for each in (model, _concrete(model), *parents)}
        for child, name, condition in _rows_with(model, family, keys):
            if id(child) in above | family or _is_silent(child):
                continue
            is_told = id(child) in expanded
            yield SourceStep(
                "delete",
                f"CASCADE of {name}",
                "may",
                location,
                sends=of_delete(child, family),
                target=class_name(child),
                condition=condition,
                steps=() if is_told else tuple(taken_along_by(child, above | {id(child)})),
            )

    return taken_along_by(model, frozenset((id(model),)), keeps_parents)


def _rows_with(
    model: type, family: set[int], keys: list[tuple[int, Any]]
) -> Iterator[tuple[Any, str, str]]:
    """Each model whose rows go as well, with the field that says so, in full, and in words."""
    for field in [field for referred, field in keys if referred in family]:
        name = class_name(field.model)
        yield field.model, f"{name}.{field.name}", f"rows of {name} refer to it by {field.name}"
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: private_fields, of which a
    # GenericRelation has bulk_related_objects(), and remote_field.
    for field in list(options_of(model).private_fields):
        related: Any = getattr(getattr(field, "remote_field", None), "model", None)
        if find_in_class(type(field), "bulk_related_objects") is not None and is_model(related):
            yield (
                _concrete(related),
                f"{class_name(model)}.{field.name}",
                f"rows of {class_name(related)} are its {field.name}",
            )


def _keys() -> Iterator[tuple[int, Any]]:
    """Every foreign key that Django follows when a row is deleted, with its model's id."""
    for child in _all_models():
        # Not documented, and the same in Django 5.2, 6.0 and 6.1: local_fields, remote_field,
        # on_delete.
        for field in list(options_of(child).local_fields):
            relation: Any = getattr(field, "remote_field", None)
            if relation is not None and getattr(relation, "on_delete", None) is deletion.CASCADE:
                yield id(_concrete(relation.model)), field


def _all_models() -> Iterator[type]:
    for models in list(apps.all_models.values()):
        for model in list(models.values()):
            meta = options_of(model)
            if type(meta) is Options and not meta.proxy and not meta.swapped:
                yield model


def _concrete(model: object) -> object:
    return options_of(model).concrete_model if is_model(model) and is_a(model, type) else model  # type: ignore[arg-type]


def parents_of(model: type) -> list[type]:
    """The models whose rows a row of this one has a part in, the nearest first."""
    meta = options_of(model)
    if meta.proxy:
        return parents_of(meta.concrete_model)
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: parents, with theirs.
    return [parent for parent, field in list(meta.parents.items()) if field is not None]


def _is_silent(model: type) -> bool:
    """Of the table that Django made for a many-to-many field no row sends anything."""
    return bool(options_of(model).auto_created)
