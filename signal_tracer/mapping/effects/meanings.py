"""Values of expressions in the source, as far as it says them: an instance of a model, its rows."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from django.db.models import Manager, Model, QuerySet
from django.db.models.fields.files import FileDescriptor
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ManyToManyDescriptor,
    ReverseManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)
from django.db.models.manager import BaseManager, ManagerDescriptor
from django.db.models.options import Options
from django.db.models.query_utils import DeferredAttribute

from signal_tracer.describing.names import (
    class_bases,
    find_in_class,
    is_a,
    is_of_migration,
    namespace_of,
)
from signal_tracer.mapping.methods import MANAGERS
from signal_tracer.mapping.written import Function, Source


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """An instance of the class, and ``is_exact``: of no subclass.

    ``attributes`` are those that were seen to be set, as far as it was seen to be made.
    """

    cls: type
    is_exact: bool = True
    attributes: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Class:
    """The class itself, and ``is_exact``: no subclass of it."""

    cls: type
    is_exact: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A manager or a queryset of a model; through which table, or by which key, it is related.

    ``is_generic``: by a key that is of any model, a ``GenericForeignKey``.
    """

    model: type
    kind: type | None = None
    through: type | None = None
    is_reverse: bool = False
    is_generic: bool = False

    @property
    def is_manager(self) -> bool:
        return is_subclass(self.kind, BaseManager)


@dataclass(frozen=True, slots=True, eq=False)
class Many:
    """Something to go over: a list, a generator."""

    of: Value


@dataclass(frozen=True, slots=True, eq=False)
class Several:
    """A tuple."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A text that is known."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class File:
    """The file of a file field, which saves the instance that it belongs to."""

    of: Instance


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """The ``**kwargs`` of a function, by name."""

    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A method, not called yet."""

    owner: Value
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """``partial(called, *args, **keywords)``"""

    called: Value
    args: tuple[Value, ...]
    keywords: Mapping[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class Super:
    """``super()`` in a method of ``after``, for what ``self`` is."""

    of: Value
    after: type


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """A function as it stands in the source, with the class and the names that it was made in."""

    source: Source
    node: Function | ast.Lambda
    qualname: str
    owner: type | None = None
    names: Mapping[str, Value] = field(default_factory=dict)
    condition: str | None = None
    """What decides whether it is called at all: a decorator's code that is not read."""


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """Anything else that is loaded: a function, a signal, a module, a cache; by which name."""

    thing: Any
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class AnyOf:
    """One of these."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Nothing:
    name: str


PLAIN: Final = _Nothing("a text, a number, a dictionary: nothing of Django's")
UNKNOWN: Final = _Nothing("what cannot be told")
NONE: Final = _Nothing("None")

Value: TypeAlias = (
    "Instance | Class | Rows | Many | Several | Text | File | Named | Bound | Given | Super | Code"
    " | Live | AnyOf | _Nothing"
)


def key_of(value: Value, depth: int = 0) -> object:
    """What is equal for values that mean the same. By ids: a metaclass may hash by itself."""
    if depth > 4:
        return id(value)
    match value:
        case Class():
            return "Class", id(value.cls), value.is_exact
        case Instance():
            attributes = sorted(value.attributes.items())
            return (
                "Instance",
                id(value.cls),
                value.is_exact,
                *((name, key_of(each, depth + 1)) for name, each in attributes),
            )
        case Text():
            return "Text", value.text
        case Rows():
            return (
                *("Rows", id(value.model), id(value.kind), id(value.through)),
                *(value.is_reverse, value.is_generic),
            )
        case Many() | File():
            return type(value).__name__, key_of(value.of, depth + 1)
        case Several() | AnyOf():
            return type(value).__name__, tuple(key_of(each, depth + 1) for each in value.values)
        case Named():
            return "Named", *(
                (name, key_of(each, depth + 1)) for name, each in value.values.items()
            )
        case Bound():
            return "Bound", key_of(value.owner, depth + 1), value.name
        case Given():
            return (
                "Given",
                key_of(value.called, depth + 1),
                tuple(key_of(each, depth + 1) for each in value.args),
                tuple((name, key_of(each, depth + 1)) for name, each in value.keywords.items()),
            )
        case Super():
            return "Super", key_of(value.of, depth + 1), id(value.after)
        case Code():
            return (
                "Code",
                id(value.node),
                id(value.owner),
                tuple((name, key_of(each, depth + 1)) for name, each in value.names.items()),
            )
        case Live():
            return "Live", id(value.thing)
    return value.name


def alternatives(value: Value) -> tuple[Value, ...]:
    return value.values if isinstance(value, AnyOf) else (value,)


def any_of(*values: Value) -> Value:
    """One of them; where only one is not ``None``, that one."""
    found: dict[object, Value] = {}
    for value in values:
        for each in alternatives(value):
            found.setdefault(key_of(each), each)
    if len(found) > 1:
        found.pop(NONE.name, None)
    if UNKNOWN.name in found or len(found) > _FEW:
        return UNKNOWN
    kept = tuple(found.values())
    return kept[0] if len(kept) == 1 else AnyOf(kept) if kept else UNKNOWN


def is_model(live: object) -> bool:
    return (
        is_a(live, type)
        and type(namespace_of(live).get("_meta")) is Options
        and any(each is Model for each in class_bases(live))  # type: ignore[arg-type]  # is_a() asked
    )


def is_subclass(live: object, base: type) -> bool:
    return is_a(live, type) and any(each is base for each in class_bases(live))  # type: ignore[arg-type]


def is_sure(value: Value) -> bool:
    """Whether it is of this class: an annotation may mean any of its subclasses."""
    match value:
        case Instance(cls=cls, is_exact=exact) | Class(cls=cls, is_exact=exact):
            return exact or not _subclasses(cls)
        case AnyOf():
            return False
    return True


def may_be_overridden(owner: Instance | Class, name: str) -> bool:
    """Whether it may be of a subclass that has a method of its own by this name."""
    waiting = [] if owner.is_exact else _subclasses(owner.cls)
    for each in waiting:  # which grows as it is read
        if name in namespace_of(each):
            return True
        waiting += _subclasses(each)
    return False


def _subclasses(cls: type) -> list[type]:
    found: list[type] = type.__subclasses__(cls)
    return [each for each in found if not is_of_migration(each)]


def value_of_live(thing: Any, name: str = "", depth: int = 0) -> Value:
    """What a loaded object stands for."""
    if thing is None:
        return NONE
    if is_a(thing, type):
        return Class(thing)
    if is_a(thing, ManagerDescriptor):
        manager = thing.manager
        model: Any = getattr(manager, "model", None)
        return Rows(model, type(manager)) if is_model(model) else UNKNOWN
    if is_a(thing, BaseManager) or is_a(thing, QuerySet):
        model = object.__getattribute__(thing, "__dict__").get("model")
        return Rows(model, type(thing)) if is_model(model) else UNKNOWN
    if is_a(thing, Model):
        return Instance(type(thing))
    if type(thing) is str:
        return Text(thing)
    # By identity: a metaclass may have an __eq__ of its own.
    kind = type(thing)
    if (kind is list or kind is tuple) and 0 < len(thing) <= _FEW:
        # A list may hold itself.
        deep = depth > 3
        return (
            UNKNOWN if deep else Many(any_of(*(value_of_live(it, "", depth + 1) for it in thing)))
        )
    if any(kind is each for each in (int, float, bool, bytes, list, set, tuple, frozenset)):
        return PLAIN
    return Live(thing, name)


# Attributes


def attribute_of_instance(owner: Instance, name: str) -> Value | None:
    """What an attribute of an instance is by its class; ``None`` for a method or anything else."""
    if name == "__class__":
        return Class(owner.cls, owner.is_exact)
    found = find_in_class(owner.cls, name)
    if found is None:
        return None
    # What the descriptors hold is not documented, and the same in Django 5.2, 6.0 and 6.1.
    descriptor: Any = found
    if is_a(found, ForwardManyToOneDescriptor):
        return _instance_of(getattr(descriptor.field.remote_field, "model", None))
    if is_a(found, ReverseOneToOneDescriptor):
        return _instance_of(descriptor.related.field.model)
    if is_a(found, ManyToManyDescriptor):
        relation = descriptor.rel
        model = relation.field.model if descriptor.reverse else relation.model
        return (
            Rows(model, manager_of(model), through=relation.through)
            if is_model(model) and is_model(relation.through)
            else UNKNOWN
        )
    if is_a(found, ReverseManyToOneDescriptor):
        relation = descriptor.rel
        # A GenericRelation, which stands in the model that the others refer to. It is known by its
        # bulk_related_objects(), in Django 5.2, 6.0 and 6.1: where contenttypes is not installed
        # it cannot be imported.
        is_generic = find_in_class(type(relation.field), "bulk_related_objects") is not None
        model = relation.model if is_generic else relation.field.model
        if not is_model(model):
            return UNKNOWN
        return Rows(model, manager_of(model), is_reverse=True, is_generic=is_generic)
    if is_a(found, FileDescriptor):
        return File(owner)
    return PLAIN if is_a(found, DeferredAttribute) else None


def _instance_of(model: Any) -> Value:
    # One that was assigned may be of a subclass.
    return Instance(model, is_exact=False) if is_model(model) else UNKNOWN


def manager_of(model: Any, which: str = "default_manager") -> type | None:
    """The class of a model's default manager, of which related managers are made, or its base."""
    manager = getattr(namespace_of(model)["_meta"], which)
    return None if manager is None else type(manager)


def queryset_of(manager: Rows) -> Rows:
    """What Django's own ``get_queryset()`` returns: of the class that the manager was made from."""
    # Not documented, and the same in Django 5.2, 6.0 and 6.1.
    kind: Any = find_in_class(manager.kind, "_queryset_class") if manager.kind else None
    return Rows(manager.model, kind if is_subclass(kind, QuerySet) else None)


def attribute_of_class(owner: Class, name: str) -> Value | None:
    # ManagerDescriptor and what it holds are not documented, and the same in Django 5.2, 6.0, 6.1.
    if name in MANAGERS[1:] and is_model(owner.cls):
        return Rows(owner.cls, manager_of(owner.cls, name.removeprefix("_")))
    found: Any = find_in_class(owner.cls, name)
    if is_a(found, ManagerDescriptor):
        return Rows(owner.cls, type(found.manager))
    if is_a(found, ManyToManyDescriptor):
        return attribute_of_instance(Instance(owner.cls), name)
    return Class(found) if is_a(found, type) else None


# Annotations

# More than these a value is not told apart from.
_FEW = 6
SEQUENCES = frozenset(
    (
        *("list", "set", "frozenset", "List", "Set", "Iterable", "Iterator", "Sequence"),
        *("Collection", "AsyncIterator", "AsyncIterable", "Generator", "Deque", "deque"),
    )
)
_WRAPPERS = frozenset(("Optional", "Annotated", "Final", "ClassVar", "Awaitable", "Required"))


def is_plain_class(cls: type) -> bool:
    """Whether instances of it can be nothing of Django's."""
    module = namespace_of(cls).get("__module__", "builtins")
    return module in ("builtins", "datetime", "decimal", "uuid", "collections", "enum") and (
        cls is not object and cls is not type
    )


def instance_of(cls: type, *, is_exact: bool = False) -> Value:
    if cls is object or is_subclass(cls, QuerySet) or is_subclass(cls, Manager):
        return UNKNOWN
    if is_plain_class(cls):
        return PLAIN
    return Instance(cls, is_exact)


def element_of(value: Value) -> Value:
    """What going over it gives."""
    match value:
        case Rows(model=model):
            return Instance(model)
        case Many(of=of):
            return of
        case Several(values=values):
            return any_of(*values) if values else UNKNOWN
        case AnyOf(values=values):
            return any_of(*(element_of(each) for each in values))
    return UNKNOWN
