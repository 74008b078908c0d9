"""Keyword arguments, responses and exceptions become safe, small, redacted values.

Nothing of the user's is run to describe it: no ``repr``, ``str``, ``hash``, ``==``, ``bool`` or
``len`` of an object we do not know, no property, no query. What cannot be described so is
recorded as its type.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import itertools
import pathlib
import uuid
from collections.abc import Callable, Iterable, Sequence
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    NoneType,
)
from typing import Any, TypeAlias

from django.db.models import Model, QuerySet
from django.db.models.manager import BaseManager
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils.functional import LazyObject, Promise, empty

from signal_tracer.describing.masking import LONGEST, Secrets
from signal_tracer.describing.names import (
    IdentityCache,
    class_name,
    describe_receiver,
    find_all_in_class,
    find_in_class,
    is_a,
    name_of_signal,
)
from signal_tracer.describing.secrets import MASK, is_secret
from signal_tracer.records import Summary, Value

REDACTED = Summary(MASK)

_DEPTH = 2
_ITEMS = 10
_SORTED_ITEMS = 1000
# What looks like a secret is looked for that far behind the place where a text is cut.
_LONGEST_SHAPE = 5_000
# Members of one value that are looked at for secrets, and of one that is hidden; the outer first.
_MOST_MEMBERS = 1_000
_MOST_HIDDEN = 10_000


def _ids(*kinds: type) -> frozenset[int]:
    # By id: comparing or hashing a class would run the __eq__ or __hash__ of its metaclass.
    return frozenset(map(id, kinds))


# Their str() is the interpreter's own for exactly these types.
_PLAIN_TYPES = _ids(decimal.Decimal, uuid.UUID, datetime.date, datetime.timedelta)
_CALLABLE_TYPES = _ids(FunctionType, MethodType, BuiltinFunctionType)
_PATH_TYPES = _ids(
    pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath
)
MESSAGE_TYPES = _ids(str, int, float, bool, type(None))
# They hold nothing.
_LEAF_TYPES = MESSAGE_TYPES | _PLAIN_TYPES | _PATH_TYPES | _ids(bytes, datetime.datetime)
_instance_dict: Callable[[object], dict[str, object]] = find_in_class(Model, "__dict__").__get__  # type: ignore[attr-defined]  # its descriptor


# A model instance as its label and key: 56 bytes, and no string is made in the hot path.
Unrendered: TypeAlias = "tuple[str, object]"


def _key_attributes(model: type[Model]) -> tuple[str, ...]:
    meta: Any = find_in_class(model, "_meta")
    # Not documented, and the same in Django 5.2, 6.0 and 6.1.
    parts = getattr(meta, "pk_fields", None) or ([meta.pk] if meta.pk is not None else [])
    return tuple(part.attname for part in parts)


class _ModelKey:
    """A model's label, the attributes that make its key, and whether the key is a secret.

    It is for a session, which is known by its ``session_key``, and for an API token.
    ``attribute``: the only one of a key that is none.
    """

    __slots__ = ("attribute", "attributes", "is_secret", "label")

    def __init__(self, model: type[Model]) -> None:
        self.label = class_name(model)
        self.attributes = _key_attributes(model)
        self.is_secret = any(map(is_secret, self.attributes))
        is_plain = len(self.attributes) == 1 and not self.is_secret
        self.attribute = self.attributes[0] if is_plain else None


_model_keys: IdentityCache[_ModelKey] = IdentityCache(_ModelKey)
# How to capture keyword arguments, by their names and the ids of their types.
_At: TypeAlias = "tuple[int, ...]"
_Plan: TypeAlias = "tuple[tuple[str, ...], _At, _At, _At, _At]"
_plans: dict[tuple[object, ...], _Plan] = {}
_MOST_PLANS = 1000
# Python refuses to spell an int of more than 4,300 digits.
_WIDE = 2**128


def _plan_for(key: tuple[object, ...], named: dict[str, object]) -> _Plan:
    """The names, and the positions of texts, numbers, what else has to be looked at, and secrets.

    The rest is recorded as it is. The types are not hashed, which would run a metaclass's
    ``__hash__``; where a type has died and another has its id, the value is looked at as before,
    because the few types that are told apart here live for ever.
    """
    names = tuple(named)
    kinds = list(enumerate(map(type, named.values())))
    secret = tuple([at for at, name in enumerate(names) if is_secret(name)])
    shown = [(at, kind) for at, kind in kinds if at not in secret]
    texts = tuple([at for at, kind in shown if kind is str])
    numbers = tuple([at for at, kind in shown if kind is int])
    plain = [at for at, kind in shown if kind is bool or kind is NoneType]
    others = tuple([at for at, _ in shown if at not in (*texts, *numbers, *plain)])
    if len(_plans) >= _MOST_PLANS:
        _plans.clear()
    found = _plans[key] = names, texts, numbers, others, secret
    return found


class Capture:
    """Turns live values into recorded ones; strings are cut at ``max_length`` characters.

    ``secrets`` collects the redacted texts, so that a message quoting one can be masked too.
    """

    __slots__ = ("max_length", "secrets")

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length
        self.secrets = Secrets()

    def kwargs(self, named: dict[str, object]) -> tuple[tuple[str, ...], tuple[object, ...]]:
        """The names and the captured values; the names are shared between dispatches."""
        key = (*named, *map(id, map(type, named.values())))
        names, texts, numbers, others, secret = _plans.get(key) or _plan_for(key, named)
        values: list[Any] = list(named.values())
        for at in texts:
            if len(values[at]) > self.max_length:
                values[at] = self.value(values[at])
        for at in numbers:
            if not -_WIDE < values[at] < _WIDE:
                values[at] = self.value(values[at])
        for at in others:
            values[at] = self.value(values[at])
        for at in secret:
            values[at] = self.hide(values[at])
        return names, tuple(values)

    def value(self, live: object) -> object:
        """What is recorded of ``live``: a ``Value``, or ``Unrendered`` for a model instance."""
        if live is None or live is True or live is False:
            return live
        kind = type(live)
        if kind is str:
            return live if len(live) <= self.max_length else Summary(self._text(live))  # type: ignore[arg-type]  # exactly a str
        # A class that is known need not be asked, which would ask its metaclass.
        model = _model_keys.known.get(id(kind))
        if model is not None or issubclass(kind, Model):
            return self._instance(live, model or _model_keys(kind))
        if kind is int:
            return live if -_WIDE < live < _WIDE else Summary(self._describe(live, 0))  # type: ignore[operator]  # exactly an int
        if kind is float and live - live == 0:  # type: ignore[operator]  # neither infinite nor nan, which JSON lacks
            return live
        return Summary(self._bounded(self._describe(live, _DEPTH)))

    def _instance(self, live: object, model: _ModelKey) -> Unrendered:
        # Not values.get(): an instance may have been given a dictionary of the user's kind.
        values = _instance_dict(live)
        if model.attribute is not None:
            key = dict.get(values, model.attribute)
            if key is not None and type(key) is not int:
                key = self._key(key)
            return model.label, key
        keys = [dict.get(values, each) for each in model.attributes]
        capture = self.hide if model.is_secret else self._key
        if len(keys) == 1:
            return model.label, capture(keys[0])
        return model.label, tuple(map(capture, keys))

    def hide(self, live: object) -> Summary:
        """Redacts ``live``, and remembers its texts."""
        if type(live) is str:
            self.secrets.add(live)
            return REDACTED
        waiting = [live]
        for each in waiting:  # It grows.
            texts = _texts_of(each)
            for text in texts:
                self.secrets.add(text)
            if not texts and is_a(each, Model):
                waiting += _texts_of_model(each)
            elif not texts:
                waiting += _members_of(each, max(_MOST_HIDDEN - len(waiting), 0))[1]
        return REDACTED

    def _look_within(self, live: object) -> None:
        """Remembers what secret keys hold in ``live``, also where it is not shown."""
        waiting = [live]
        left = _MOST_MEMBERS
        for each in waiting:  # It grows.
            names, members = _members_of(each, left)
            left -= len(members)
            for name, member in zip(names, members, strict=False):
                if name is not None and is_secret(name):
                    self.hide(member)
            waiting += [
                member
                for member in members
                if id(type(member)) not in _LEAF_TYPES and not issubclass(type(member), Model)
            ]

    def _key(self, live: object) -> object:
        if live is None or type(live) is int or (type(live) is str and len(live) <= 100):
            return live
        return Summary(self._bounded(self._describe(live, 0)))

    def _bounded(self, text: str) -> str:
        limit = 5 * self.max_length
        if len(text) <= limit:
            return text
        shown = self.secrets.redact_shapes(text[: limit + _LONGEST_SHAPE])
        return f"{shown[:limit]}… ({len(text):,} characters)"

    def _text(self, text: str) -> str:
        shown = self.secrets.redact_shapes(text[: self.max_length + _LONGEST_SHAPE])
        if len(text) <= self.max_length:
            return repr(shown)
        return f"{shown[: self.max_length]!r}… ({len(text):,} characters)"

    def _describe(self, live: Any, depth: int) -> str:
        kind = type(live)
        if live is None or live is True or live is False or kind is float:
            return repr(live)
        if kind is str:
            return self._text(live)
        if kind is int:
            return _show_int(live)
        if kind is bytes or kind is bytearray:
            return f"<{kind.__name__} of length {len(live):,}>"
        if issubclass(kind, Model):
            return render_model(self.value(live))
        if id(kind) in _PLAIN_TYPES:
            return f"{kind.__name__}({live})"
        if kind is datetime.datetime or kind is datetime.time:
            # With a time zone, str() would ask the zone, which may be the user's code.
            zone = "" if live.tzinfo is None else f", {class_name(type(live.tzinfo))}"
            return f"{kind.__name__}({live.replace(tzinfo=None)}{zone})"
        if issubclass(kind, enum.Enum):
            return f"{class_name(kind)}.{self._enum_name(live)}"
        if id(kind) in _PATH_TYPES:
            return f"{kind.__name__}({self._text(str(live))})"
        if depth == _DEPTH:
            self._look_within(live)
        return self._describe_container(live, depth) or self._describe_object(live)

    def _enum_name(self, live: object) -> str:
        name = _instance_dict_of(live).get("_name_")
        return name if type(name) is str else "?"

    def _describe_container(self, live: Any, depth: int) -> str | None:
        kind = type(live)
        # The base class's own iterators: a subclass may have overridden them.
        container = next((each for each in _CONTAINERS if issubclass(kind, each[0])), None)
        if container is None:
            return None
        base, opening, closing = container
        size = base.__len__(live)
        # An instance dict counts as a plain dict; any other subclass is named.
        prefix = "" if kind is base else class_name(kind)
        if depth == 0:
            return f"{prefix or base.__name__} of {size:,}"
        if base is dict:
            items: Iterable[str] = [
                self._describe_item(key, value, depth - 1)
                for key, value in list(itertools.islice(dict.items(live), _ITEMS))
            ]
        else:
            if base is set or base is frozenset:
                members = _first_of_set(base.__iter__(live), size)
            else:
                members = list(itertools.islice(base.__iter__(live), _ITEMS))
            names = _names_of_members(kind, members, size) if base in (tuple, list) else ()
            items = [
                self.hide(each).text if is_secret(name) else self._describe(each, depth - 1)
                for each, name in itertools.zip_longest(members, names)
            ]
        shown = ", ".join(items)
        if size > _ITEMS:
            shown += f", … {size - _ITEMS:,} more"
        if base is tuple and size == 1:
            shown += ","
        if not prefix and (base is frozenset or (base is set and not size)):
            opening, closing = f"{base.__name__}({opening}", f"{closing})"
        return f"{prefix}{opening}{shown}{closing}"

    def _describe_item(self, key: object, value: object, depth: int) -> str:
        shown = self.hide(value).text if is_secret(key) else self._describe(value, depth)
        return f"{self._describe(key, 0)}: {shown}"

    def _describe_object(self, live: Any) -> str:
        kind = type(live)
        if issubclass(kind, QuerySet | BaseManager):
            # Where managers and querysets of Django 5.2, 6.0 and 6.1 have it.
            model = _instance_dict_of(live).get("model")
            of = class_name(model) if is_a(model, type) else "?"
            return f"<{class_name(kind).rpartition('.')[2]} of {of}>"
        if issubclass(kind, HttpRequest):
            values = _instance_dict_of(live)
            method, path = values.get("method"), values.get("path")
            shown = " ".join(each for each in (method, path) if type(each) is str)
            return f"<{class_name(kind).rpartition('.')[2]} {self._bounded(shown)}>"
        if issubclass(kind, LazyObject):
            wrapped = _instance_dict_of(live).get("_wrapped", empty)
            return "<lazy object, not set up>" if wrapped is empty else self._describe(wrapped, 0)
        if issubclass(kind, Promise):
            return "<lazy text, not evaluated>"
        if issubclass(kind, Signal):
            return name_of_signal(live)
        if issubclass(kind, type):
            return class_name(live)
        if id(kind) in _CALLABLE_TYPES:
            return describe_receiver(live).name
        if issubclass(kind, ModuleType):
            name = _instance_dict_of(live).get("__name__")
            return f"<module {name}>" if type(name) is str else "<module>"
        return f"<{class_name(kind)}>"


_CONTAINERS: tuple[tuple[Any, str, str], ...] = (
    (dict, "{", "}"),
    (list, "[", "]"),
    (tuple, "(", ")"),
    (set, "{", "}"),
    (frozenset, "{", "}"),
)


def _first_of_set(members: Iterable[Any], size: int) -> list[Any]:
    """The first members in their order, if they have one: that of a set varies by process."""
    found = list(itertools.islice(members, _SORTED_ITEMS if size <= _SORTED_ITEMS else _ITEMS))
    if all(type(each) is str for each in found) or all(type(each) is int for each in found):
        found.sort()
    return found[:_ITEMS]


def _names_of_members(kind: type, members: list[Any], size: int) -> tuple[object, ...]:
    """The field names of a named tuple; the rest of two or three may go by the first.

    Such as a header and its value, or a cookie with its options.
    """
    fields = find_in_class(kind, "_fields")
    if type(fields) is tuple and len(fields) == size:
        return fields[: len(members)]
    return (None, *members[:1] * (size - 1)) if size in (2, 3) else ()


def _members_of(live: Any, most: int) -> tuple[Sequence[object], list[Any]]:
    """What ``live`` holds, and the names of that, if it has any; nothing, if it is no container."""
    kind = type(live)
    if issubclass(kind, dict):
        items = list(itertools.islice(dict.items(live), most))
        return [name for name, _ in items], [value for _, value in items]
    for base in (list, tuple, set, frozenset):
        if issubclass(kind, base):
            members = list(itertools.islice(base.__iter__(live), most))
            if base is list or base is tuple:
                return _names_of_members(kind, members, base.__len__(live)), members
            return (), members
    if issubclass(kind, Promise):
        # Private, and the same in Django 5.2, 6.0 and 6.1: _args, _kw; and _wrapped, below.
        # Not the text, which would have to be made; what it is made of is often the same.
        values = _instance_dict_of(live)
        return (), [values.get("_args"), values.get("_kw")][:most]
    if issubclass(kind, LazyObject):
        wrapped = _instance_dict_of(live).get("_wrapped", empty)
        return (), [] if wrapped is empty else [wrapped][:most]
    fields = _fields_of.known.get(id(kind))
    if fields is None:
        fields = _fields_of(kind)
    return _with_values(live, fields[:most]) if fields else ((), [])


def _texts_of_model(live: Any) -> list[Any]:
    """The key of an instance, and what stands under secret names."""
    kind = type(live)
    keys = (_model_keys.known.get(id(kind)) or _model_keys(kind)).attributes
    return [
        value for name, value in dict.items(_instance_dict(live)) if name in keys or is_secret(name)
    ]


def _find_fields(kind: type) -> tuple[str, ...]:
    fields = find_in_class(kind, "__dataclass_fields__")
    return tuple(fields) if type(fields) is dict else ()


_fields_of: IdentityCache[tuple[str, ...]] = IdentityCache(_find_fields)


def _with_values(live: object, fields: tuple[str, ...]) -> tuple[list[str], list[object]]:
    """The fields of an instance of a dataclass that are set, past its own ways to read them."""
    found: dict[str, object] = {}
    values = _instance_dict_of(live)
    for name in fields:
        slot = find_in_class(type(live), name)
        if name in values:
            found[name] = values[name]
        elif type(slot) is MemberDescriptorType:
            with contextlib.suppress(AttributeError):  # Not set so far.
                found[name] = slot.__get__(live)
    return list(found), list(found.values())


def _texts_of(live: Any) -> tuple[str, ...]:
    """What a message would quote of ``live``; nothing, if it is a container or not known."""
    kind = type(live)
    if issubclass(kind, str):
        return (str.__str__(live),)
    if issubclass(kind, bytes | bytearray):
        base = bytes if issubclass(kind, bytes) else bytearray
        text = base.__getitem__(live, slice(LONGEST)).decode("utf-8", "backslashreplace")
        return (text,)
    if kind is memoryview:
        return (live[:LONGEST].tobytes().decode("utf-8", "backslashreplace"),)
    if kind is uuid.UUID:
        return str(live), live.hex
    if id(kind) in _PLAIN_TYPES or id(kind) in _PATH_TYPES:
        return (str(live),)
    if kind is int and live.bit_length() <= 128:
        return (str(live),)
    return ()


def _instance_dict_of(live: object) -> dict[str, object]:
    # Past a property of that name, which would be the user's code.
    for found in find_all_in_class(type(live), "__dict__"):
        if type(found) is GetSetDescriptorType or type(found) is MemberDescriptorType:
            values = found.__get__(live)
            return values if type(values) is dict else {}
    return {}


def render_model(captured: Any) -> str:
    label, key = captured
    if type(key) is tuple:
        return f"{label}(pk=({', '.join(_show_key(each) for each in key)}))"
    return f"{label}(pk={_show_key(key)})"


def _show_key(key: Any) -> str:
    if type(key) is int:
        return _show_int(key)
    return key.text if type(key) is Summary else repr(key)


def _show_int(live: int) -> str:
    # Python refuses to spell one of more than 4,300 digits.
    bits = live.bit_length()
    return repr(live) if bits <= 128 else f"<int of {bits:,} bits>"


def render(captured: object) -> Value:
    """The ``Value`` of what ``Capture.value`` returned."""
    if type(captured) is tuple:
        return Summary(render_model(captured))
    return captured  # type: ignore[return-value]  # anything else is one already


def name_of_sender(sender: object, capture: Capture | None = None) -> str:
    """``shop.Order`` for a model class, a dotted path for a class, ``'a string'`` in quotes.

    An instance is described as a value is: ``shop.Order(pk=3)``, ``<shop.services.Checkout>``;
    what is redacted in it is remembered by ``capture``.
    """
    if is_a(sender, type):
        return class_name(sender)
    described = render((capture or Capture(200)).value(sender))
    return described.text if isinstance(described, Summary) else repr(described)
