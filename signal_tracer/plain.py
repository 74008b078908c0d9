"""Any of the records as JSON, and read back from it: by its fields and their hints.

What is read is checked throughout, because all that shows a record takes it at its word. Writers
and readers are made once for each class, from what its hints say.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast

from signal_tracer.records import MOST, Limits, Summary

JSON: TypeAlias = "dict[str, Any]"
Kind = Literal[
    "text",
    "flag",
    "integer",
    "number",
    "words",
    "moment",
    "value",
    "anything",
    "record",
    "list",
    "tuple",
    "dict",
]
Write: TypeAlias = "Callable[[Any], Any]"
Read: TypeAlias = "Callable[[Any], Any]"
R = TypeVar("R")

ANY_INTEGER = Limits("integer", -MOST, MOST)
# The fewest digits that Python can be told to spell at most are 640.
_MOST_BITS = 2_048
_LONGEST_SHOWN = 60


class DamageError(ValueError):
    """Data that is not such a record; as text: where in it, what was expected, what was found."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected, found)
        self.expected, self.found = expected, found
        self.steps: list[object] = []  # from the inside out, as they are added on the way up

    def inside(self, step: object) -> DamageError:
        """The same, as seen from around it: ``step`` is the key or the index of what was read."""
        self.steps.append(step)
        return self

    @property
    def path(self) -> str:
        """``dispatches[3].receiver_calls[0].duration``; empty for the whole."""
        return "".join(map(_step, reversed(self.steps))).removeprefix(".")

    def __str__(self) -> str:
        where = f"{self.path}: " if self.steps else ""
        return f"{where}expected {self.expected}, found {self.found}"


def _step(step: object) -> str:
    return f".{step}" if type(step) is str and step.isidentifier() else f"[{spell(step)}]"


def spell(data: object) -> str:
    """``data`` as a message names it: in JSON's words, short, and without running any of it."""
    kind = type(data)
    if data is None or data is True or data is False:
        return {None: "null", True: "true", False: "false"}[data]
    if type(data) is str:
        length = len(data)
        return repr(data) if length <= _LONGEST_SHOWN else f"a text of {length:,} characters"
    if type(data) is int:
        bits = data.bit_length()
        return repr(data) if bits <= 128 else f"an integer of {bits:,} bits"
    if kind is float:
        return repr(data)
    if kind is list or kind is dict:
        return "a list" if kind is list else "an object"
    name = repr(type.__dict__["__name__"].__get__(kind))
    return f"something of the type {name[:_LONGEST_SHOWN]}"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the hint of a field asks for.

    ``inside``: the limits of a number, the words to choose from, the class of a record, or the
    shape of each member of a list, a tuple or a dict.
    """

    kind: Kind
    inside: Any = None
    is_optional: bool = False

    def __str__(self) -> str:
        """What it is called in a message."""
        return f"{self._name()}{' or null' if self.is_optional else ''}"

    def _name(self) -> str:
        match self.kind:
            case "text" | "anything":
                return self.kind
            case "flag":
                return "true or false"
            case "integer" | "number":
                limits = self.inside
                what = "an integer" if self.kind == "integer" else f"a number of {limits.name}"
                return f"{what} from {limits.least:,} to {limits.most:,}"
            case "words":
                return f"one of {', '.join(map(repr, self.inside))}"
            case "moment":
                return "an ISO 8601 moment with its offset from UTC"
            case "value":
                return 'text, a number, true, false, null or an object {"summary": text}'
            case "list" | "tuple":
                return "a list"
        return "an object"


@cache
def shapes_of(cls: type) -> dict[str, Shape]:
    """The shape of each field of a record, in their order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {each.name: _shape(hints[each.name]) for each in fields(cls)}


def _shape(hint: Any) -> Shape:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return Shape("anything")
    if Summary in inside:
        return Shape("value")
    if origin is UnionType or origin is typing.Union:
        [wanted] = [each for each in inside if each is not NoneType]
        shape = _shape(wanted)
        return Shape(shape.kind, shape.inside, is_optional=True)
    if origin is Annotated:
        kind, limits = inside
        return Shape("integer" if kind is int else "number", limits)
    if origin is Literal:
        return Shape("words", inside)
    if origin is list or origin is tuple:
        return Shape("list" if origin is list else "tuple", _shape(inside[0]))
    if origin is dict:
        return Shape("dict", _shape(inside[1]))
    if is_dataclass(hint):
        return Shape("record", hint)
    return {
        str: Shape("text"),
        bool: Shape("flag"),
        int: Shape("integer", ANY_INTEGER),
        datetime: Shape("moment"),
    }[hint]


# Writing


def write(record: Any) -> JSON:
    """What JSON holds of ``record``: a dict by its fields."""
    cls: type = type(record)
    return cast("JSON", _writer_of(cls)(record))


@cache
def _writer_of(cls: type) -> Write:
    return _record_writer(cls, {"Summary": Summary})


def _record_writer(cls: type, known: dict[str, Any]) -> Write:
    """Made from text, as dataclasses make their methods: twice as fast, and half the frames."""
    if cls.__name__ not in known:
        known[cls.__name__] = None  # while it is being made: records nest
        items = [
            f"{name!r}: {_text_of(shape, f'record.{name}', known)}"
            for name, shape in shapes_of(cls).items()
        ]
        known[cls.__name__] = eval(f"lambda record: {{{', '.join(items)}}}", known)
    return cast("Write", known[cls.__name__])


def _text_of(shape: Shape, value: str, known: dict[str, Any]) -> str:
    """The expression for what JSON holds of ``value``, itself an expression."""
    match shape.kind:
        case "value":
            return f"{{'summary': {value}.text}} if type({value}) is Summary else {value}"
        case "moment":
            text = f"{value}.isoformat()"
        case "record":
            _record_writer(shape.inside, known)
            text = f"{shape.inside.__name__}({value})"
        case "list" | "tuple":
            text = f"[{_text_of(shape.inside, 'each', known)} for each in {value}]"
        case "dict":
            item = f"name: {_text_of(shape.inside, 'each', known)}"
            text = f"{{{item} for name, each in {value}.items()}}"
        case _:
            return value
    return f"None if {value} is None else {text}" if shape.is_optional else text


# Reading


def read(cls: type[R], data: object) -> R:
    """The record that ``write()`` described. Raises ``DamageError`` for all other data."""
    wanted: type = cls
    return cast("R", _reader_of(wanted)(data))


@cache
def _reader_of(cls: type) -> Read:
    return _record_reader(cls, {})


def _record_reader(cls: type, known: dict[type, Read]) -> Read:
    if cls in known:
        return known[cls]
    shapes = shapes_of(cls)
    readers: list[tuple[str, tuple[type, ...], Read]] = []

    def read_record(data: Any) -> Any:
        if not issubclass(type(data), dict):
            raise DamageError("an object", spell(data))
        values = []
        name = ""
        try:
            for name, as_it_is, read_it in readers:
                value = data[name]
                values.append(value if type(value) in as_it_is else read_it(value))
        except KeyError:
            raise DamageError(str(shapes[name]), "nothing").inside(name) from None
        except DamageError as damage:
            raise damage.inside(name) from None
        if len(data) > len(readers):
            name = next(each for each in data if each not in shapes)
            raise DamageError("no such key", spell(data[name])).inside(name)
        return cls(*values)

    known[cls] = read_record
    readers += [(name, _as_it_is(shape), _reader(shape, known)) for name, shape in shapes.items()]
    return read_record


def _as_it_is(shape: Shape) -> tuple[type, ...]:
    """The types of what needs no reader. A tuple: it compares by identity, and never hashes."""
    types: dict[Kind, tuple[type, ...]] = {
        "text": (str,),
        "flag": (bool,),
        "value": (str, NoneType, bool),
    }
    return (*types.get(shape.kind, ()), *([NoneType] if shape.is_optional else []))


def _reader(shape: Shape, known: dict[type, Read]) -> Read:
    """Reads what is not taken as it is; raises ``DamageError`` for what has another shape."""
    match shape.kind:
        case "anything":
            return lambda data: data
        case "value":
            return _read_value
        case "record":
            return _record_reader(shape.inside, known)
        case "list" | "tuple":
            return _list_reader(shape, known)
        case "dict":
            return _dict_reader(shape, known)
        case "moment":
            return _read_moment
    fits = _test(shape)

    def read_one(data: Any) -> Any:
        if fits(data) or fits(data := _bare(data)):
            return data
        raise DamageError(str(shape), spell(data))

    return read_one


def _test(shape: Shape) -> Callable[[Any], bool]:
    if shape.kind == "text":
        return lambda data: type(data) is str
    if shape.kind == "words":
        words = shape.inside
        return lambda data: type(data) is str and data in words
    if shape.kind == "flag":
        return lambda data: type(data) is bool
    least, most = shape.inside.least, shape.inside.most
    if shape.kind == "integer":
        return lambda data: type(data) is int and least <= data <= most
    # Neither is true of what is not a number, as JSON's NaN.
    return lambda data: (type(data) is float or type(data) is int) and least <= data <= most


def _list_reader(shape: Shape, known: dict[type, Read]) -> Read:
    make = list if shape.kind == "list" else tuple
    as_it_is, read_one = _as_it_is(shape.inside), _reader(shape.inside, known)

    def read_list(data: Any) -> Any:
        if not issubclass(type(data), list):
            raise DamageError(str(shape), spell(data))
        found: list[Any] = []
        try:
            for each in data:
                found.append(each if type(each) in as_it_is else read_one(each))
        except DamageError as damage:
            raise damage.inside(len(found)) from None
        return make(found)

    return read_list


def _dict_reader(shape: Shape, known: dict[type, Read]) -> Read:
    as_it_is, read_one = _as_it_is(shape.inside), _reader(shape.inside, known)

    def read_dict(data: Any) -> dict[str, Any]:
        if not issubclass(type(data), dict):
            raise DamageError(str(shape), spell(data))
        found = {}
        name = ""
        try:
            for name, each in data.items():
                if type(name) is not str:
                    raise DamageError("a key that is text", spell(name))
                found[name] = each if type(each) in as_it_is else read_one(each)
        except DamageError as damage:
            raise damage.inside(name) from None
        return found

    return read_dict


def _read_moment(data: Any) -> datetime:
    expected = str(Shape("moment"))
    if not issubclass(type(data), str):
        raise DamageError(expected, spell(data))
    try:
        moment = datetime.fromisoformat(data)
    except ValueError:
        raise DamageError(expected, spell(data)) from None
    if moment.tzinfo is None:
        raise DamageError(expected, f"{spell(data)}, which has no offset")
    return moment


@dataclass(frozen=True, slots=True)
class _Summary:
    """A ``Summary`` in JSON, where nothing else tells it from a text."""

    summary: str


def _read_value(data: Any) -> Any:
    kind = type(data)
    if kind is int and data.bit_length() <= _MOST_BITS:
        return data
    if kind is float and data - data == 0:  # neither infinite nor nan
        return data
    if issubclass(kind, dict):
        return Summary(read(_Summary, data).summary)
    bare = _bare(data)
    if bare is data:
        raise DamageError(str(Shape("value")), spell(data))
    return bare if type(bare) is str else _read_value(bare)


def _bare(data: Any) -> Any:
    """What JSON would make of an instance of a subclass, such as ``HTTPStatus``."""
    for base, bare in ((str, str.__str__), (int, int.__int__), (float, float.__float__)):
        if issubclass(type(data), base) and type(data) not in (base, bool):
            return bare(data)
    return data
