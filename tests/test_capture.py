"""Values: how each kind is recorded, and that nothing of the user's runs to record it."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import functools
import gc
import json
import logging
import pathlib
import tracemalloc
import types
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import django
import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import models
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse, QueryDict
from django.test import AsyncRequestFactory, RequestFactory
from django.utils.functional import SimpleLazyObject, lazy
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from accounts.models import Profile
from shop.models import Order, Product
from signal_tracer import Trace, trace_signals
from signal_tracer.describing import values
from signal_tracer.records import Summary, Value

sent = Signal()


def accept(sender: object, **kwargs: object) -> None:
    """Takes any dispatch and looks at nothing."""


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    sent.connect(accept)
    yield
    sent.receivers = []
    sent.sender_receivers_cache.clear()


def recorded(value: object) -> Value:
    """What the trace holds of a keyword argument."""
    with trace_signals() as trace:
        sent.send(None, value=value)
    assert trace.faults == 0
    (dispatch,) = trace.dispatches
    return dispatch.kwargs["value"]


def text_of(value: object) -> str:
    """The same for a value that is recorded as a summary."""
    found = recorded(value)
    assert isinstance(found, Summary)
    return found.text


# Models of no installed app: instances of them are made, and none is saved.


class Parcel(models.Model):
    code = models.UUIDField(primary_key=True, default=uuid.uuid4)

    class Meta:
        app_label = "safety"


class Vehicle(models.Model):
    class Meta:
        app_label = "safety"


class Lorry(Vehicle):
    class Meta:
        app_label = "safety"


class FastLorry(Lorry):
    class Meta:
        app_label = "safety"
        proxy = True


class Named(models.Model):
    name = models.CharField(primary_key=True, max_length=200)

    class Meta:
        app_label = "safety"


class Place(models.Model):
    pk = models.CompositePrimaryKey("row", "seat")
    row = models.IntegerField()
    seat = models.CharField(max_length=5)

    class Meta:
        app_label = "safety"


class Colour(enum.Enum):
    RED = object()


class Level(enum.IntEnum):
    HIGH = 3


class Right(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


class Point(NamedTuple):
    x: int
    y: int


class Plain:
    """An object of which nothing is known."""


# What is recorded of each kind


def expected_only(value: object) -> str:
    return f"{value[:40]}{len(value)}" if type(value) is str else ""


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -7,
        3,
        2**127,
        1.5,
        -0.25,
        1e308,
        "",
        "x",
        "it's <b>",
        "é\n\x00",
        "\ud800",
    ],
)
def test_a_primitive_is_recorded_as_it_is(value: object) -> None:
    found = recorded(value)

    assert type(found) is type(value)
    assert found == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**128, "<int of 129 bits>"),
        (-(10**5000), "<int of 16,610 bits>"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (1 + 2j, "<complex>"),
        (b"secret bytes", "<bytes of length 12>"),
        (bytearray(1500), "<bytearray of length 1,500>"),
        (memoryview(b"x"), "<memoryview>"),
        (decimal.Decimal("12.50"), "Decimal(12.50)"),
        (decimal.Decimal("sNaN"), "Decimal(sNaN)"),
        (Fraction(1, 3), "<fractions.Fraction>"),
        (uuid.UUID(int=5), "UUID(00000000-0000-0000-0000-000000000005)"),
        (datetime.date(2026, 1, 2), "date(2026-01-02)"),
        (datetime.time(3, 4), "time(03:04:00)"),
        (datetime.datetime(2026, 1, 2, 3, 4), "datetime(2026-01-02 03:04:00)"),  # noqa: DTZ001
        (
            datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC),
            "datetime(2026-01-02 03:04:00, datetime.timezone)",
        ),
        (
            datetime.datetime(2026, 1, 2, tzinfo=ZoneInfo("Europe/Berlin")),
            "datetime(2026-01-02 00:00:00, zoneinfo.ZoneInfo)",
        ),
        (datetime.timedelta(days=1, seconds=5), "timedelta(1 day, 0:00:05)"),
        (Colour.RED, "test_capture.Colour.RED"),
        (Level.HIGH, "test_capture.Level.HIGH"),
        (Right.READ, "test_capture.Right.READ"),
        (Order.Status.PAID, "shop.models.Order.Status.PAID"),
        (pathlib.PurePosixPath("/etc/x"), "PurePosixPath('/etc/x')"),
        (pathlib.PureWindowsPath("c:/x"), "PureWindowsPath('c:\\\\x')"),
        (mark_safe("<b>"), "<django.utils.safestring.SafeString>"),
        (range(10**9), "<range>"),
        (Plain(), "<test_capture.Plain>"),
        (object(), "<object>"),
        (Ellipsis, "<ellipsis>"),
        (NotImplemented, "<NotImplementedType>"),
        (ValueError("quiet"), "<ValueError>"),
        (Plain, "test_capture.Plain"),
        (Product, "shop.Product"),
        (int, "int"),
        (accept, "test_capture.accept"),
        (len, "len"),
        ("x".upper, "str.upper"),
        (json, "<module json>"),
        (sent, "test_capture.sent"),
        (weakref.ref(Plain), "<weakref.ReferenceType>"),
        (HttpResponse("body"), "<django.http.response.HttpResponse>"),
        (AnonymousUser(), "<django.contrib.auth.models.AnonymousUser>"),
    ],
    ids=expected_only,
)
def test_what_is_no_primitive_is_recorded_as_a_summary(value: object, expected: str) -> None:
    assert recorded(value) == Summary(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "[]"),
        ((), "()"),
        ({}, "{}"),
        (set(), "set({})"),
        (frozenset(), "frozenset({})"),
        ([1, "two", None], "[1, 'two', None]"),
        ((1,), "(1,)"),
        ({"a": 1, 2: "b"}, "{'a': 1, 2: 'b'}"),
        ([[1, [2, [3]]]], "[[1, list of 2]]"),
        ({"a": {"b": {"c": 1}}}, "{'a': {'b': dict of 1}}"),
        (list(range(1000)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … 990 more]"),
        (collections.OrderedDict(a=1), "collections.OrderedDict{'a': 1}"),
        (collections.defaultdict(list, a=[1]), "collections.defaultdict{'a': [1]}"),
        (collections.Counter("a"), "collections.Counter{'a': 1}"),
        (collections.deque([1]), "<collections.deque>"),
        (types.MappingProxyType({"a": 1}), "<mappingproxy>"),
        (Point(1, 2), "test_capture.Point(1, 2)"),
        ({(1, 2): 3}, "{tuple of 2: 3}"),
        ([Product(pk=3)], "[shop.Product(pk=3)]"),
        ({"product": Product(pk=3)}, "{'product': shop.Product(pk=3)}"),
        ([Plain()], "[<test_capture.Plain>]"),
        (QueryDict("a=1&a=2"), "django.http.request.QueryDict{'a': ['1', '2']}"),
    ],
    ids=expected_only,
)
def test_a_container_is_shown_two_levels_deep_and_ten_items_long(
    value: object, expected: str
) -> None:
    assert recorded(value) == Summary(expected)


def test_a_container_that_holds_itself_is_shown_two_levels_deep() -> None:
    looped: list[object] = [1]
    looped.append(looped)
    tied: dict[str, object] = {}
    tied["self"] = tied

    assert text_of(looped) == "[1, [1, list of 2]]"
    assert text_of(tied) == "{'self': {'self': dict of 1}}"


def test_a_set_is_shown_in_an_order_that_does_not_depend_on_hashes() -> None:
    words = [f"word {number:02}" for number in range(30)]
    shown = ", ".join(repr(word) for word in words[:10])

    assert text_of({"pear", "apple", "fig"}) == "{'apple', 'fig', 'pear'}"
    assert text_of(frozenset({"b", "a"})) == "frozenset({'a', 'b'})"
    assert text_of({64, 8, 1}) == "{1, 8, 64}"
    assert text_of(set(words)) == f"{{{shown}, … 20 more}}"


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        (Product(), "shop.Product(pk=None)"),
        (Product(pk=3, name="x"), "shop.Product(pk=3)"),
        (
            Parcel(code=uuid.UUID(int=1)),
            "safety.Parcel(pk=UUID(00000000-0000-0000-0000-000000000001))",
        ),
        (Lorry(), "safety.Lorry(pk=None)"),
        (Lorry(vehicle_ptr_id=7), "safety.Lorry(pk=7)"),
        (FastLorry(vehicle_ptr_id=7), "safety.FastLorry(pk=7)"),
        (Named(name="x'y"), 'safety.Named(pk="x\'y")'),
        (Named(name="n" * 200), f"safety.Named(pk={'n' * 200!r})"),
        (Named(name="n" * 300), f"safety.Named(pk={'n' * 200!r}… (300 characters))"),
        (Named(name=Plain()), "safety.Named(pk=<test_capture.Plain>)"),
        (Named(name=2**200), "safety.Named(pk=<int of 201 bits>)"),
        (Place(row=2, seat="b"), "safety.Place(pk=(2, 'b'))"),
        (Place(), "safety.Place(pk=(None, ''))"),
        (Named(name=10**5000), "safety.Named(pk=<int of 16,610 bits>)"),
        (Profile(user_id=4), "accounts.Profile(pk=None)"),
    ],
    ids=expected_only,
)
def test_a_model_instance_is_recorded_as_its_label_and_key(
    instance: models.Model, expected: str
) -> None:
    assert recorded(instance) == Summary(expected)


def test_a_key_given_after_the_dispatch_does_not_change_the_record() -> None:
    product = Product()
    with trace_signals() as trace:
        sent.send(Product, instance=product)
        product.pk = 9
        sent.send(Product, instance=product)

    assert [each.kwargs["instance"] for each in trace.dispatches] == [
        Summary("shop.Product(pk=None)"),
        Summary("shop.Product(pk=9)"),
    ]


def test_a_request_is_recorded_as_its_method_and_path_without_its_query() -> None:
    assert text_of(RequestFactory().post("/pay/?token=abc", {"x": 1})) == "<WSGIRequest POST /pay/>"
    assert text_of(AsyncRequestFactory().get("/pay/?a=b")) == "<ASGIRequest GET /pay/>"
    assert text_of(HttpRequest()) == "<HttpRequest >"


# Limits


def test_a_long_string_is_cut_and_its_length_said(settings: Any) -> None:
    assert recorded("x" * 200) == "x" * 200
    assert recorded("x" * 201) == Summary(f"{'x' * 200!r}… (201 characters)")

    settings.SIGNAL_TRACER = {"MAX_VALUE_LENGTH": 3}

    assert recorded("abc") == "abc"
    assert recorded("abcd" * 500) == Summary("'abc'… (2,000 characters)")
    settings.SIGNAL_TRACER = {"MAX_VALUE_LENGTH": 10}

    assert text_of(["abcd" * 3]) == "['abcdabcdab'… (12 characters)]"
    assert text_of({"abcd" * 3: 1}) == "{'abcdabcdab'… (12 characters): 1}"


def test_a_summary_is_bounded_as_a_whole(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_VALUE_LENGTH": 10}

    assert text_of([[1234567890] * 10] * 10) == (
        "[[1234567890, 1234567890, 1234567890, 1234567890, …"[:50] + "… (1,220 characters)"
    )
    assert text_of(decimal.Decimal("1" * 5000)).endswith("… (5,009 characters)")


def test_a_huge_string_costs_no_more_than_what_is_kept() -> None:
    huge = "x" * 10_000_000
    recorded(huge)
    tracemalloc.start()
    try:
        with trace_signals() as trace:
            sent.send(huge, value=huge, nested=[{"deep": huge}], error=ValueError(huge))
            sent.send(huge, password=huge)
        assert len(trace.to_json()) < 5_000
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_a_huge_container_costs_no_more_than_what_is_kept() -> None:
    values = [list(range(100_000)), dict.fromkeys(range(100_000)), set(range(100_000))]
    recorded(values)
    tracemalloc.start()
    try:
        with trace_signals() as trace:
            sent.send(None, values=values, a=values[0], b=values[1], c=values[2])
        assert len(trace.to_json()) < 5_000
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


# Nothing is evaluated


@pytest.mark.django_db
def test_nothing_that_would_query_does(django_assert_num_queries: Any) -> None:
    product = Product.objects.create(name="cup", description="a cup", price=1)
    deferred = Product.objects.only("id").get()
    queryset = Product.objects.filter(name="cup")
    values = [
        queryset,
        Product.objects.all()[:5],
        Product.objects.values("name"),
        Product.objects,
        product.reviews,
        product.reviews.all(),
        deferred,
        Order(customer_id=12345),
    ]
    with django_assert_num_queries(0):
        texts = [text_of(value) for value in values]
        inner = text_of(values[:2])

    assert texts == [
        "<QuerySet of shop.Product>",
        "<QuerySet of shop.Product>",
        "<QuerySet of shop.Product>",
        f"<{type(Product.objects).__name__} of shop.Product>",
        "<RelatedManager of shop.Review>",
        "<QuerySet of shop.Review>",
        f"shop.Product(pk={product.pk})",
        "shop.Order(pk=None)",
    ]
    assert inner == "[<QuerySet of shop.Product>, <QuerySet of shop.Product>]"
    assert queryset._result_cache is None
    assert deferred.get_deferred_fields() == {"name", "description", "price", "picture"}


def test_a_lazy_object_is_not_set_up() -> None:
    def set_up() -> object:
        raise AssertionError("the lazy object was set up")

    def spell() -> str:
        raise AssertionError("the lazy text was evaluated")

    waiting = SimpleLazyObject(set_up)
    text = lazy(spell, str)()
    with trace_signals() as trace:
        for value in (waiting, text, gettext_lazy("Home")):
            sent.send(None, value=value, nested=[value], named={"user": value})
    ready = SimpleLazyObject(lambda: Product(pk=3))
    bool(ready.name)

    assert trace.faults == 0
    assert [tuple(each.kwargs.values()) for each in trace.dispatches] == [
        (Summary(shown), Summary(f"[{shown}]"), Summary(f"{{'user': {shown}}}"))
        for shown in (
            "<lazy object, not set up>",
            "<lazy text, not evaluated>",
            "<lazy text, not evaluated>",
        )
    ]
    assert text_of(ready) == "shop.Product(pk=3)"


# Hostile values

_TRAPPED = [
    *("__repr__", "__str__", "__hash__", "__eq__", "__ne__", "__bool__", "__len__", "__iter__"),
    *("__getattr__", "__getattribute__", "__setattr__", "__format__", "__reduce__", "__dir__"),
    *("__reduce_ex__", "__getitem__", "__contains__", "__next__", "__call__", "__index__"),
    *("__int__", "__float__", "__lt__", "__gt__", "__le__", "__ge__", "__sizeof__", "__copy__"),
    *("__deepcopy__", "__length_hint__", "__fspath__", "__bytes__", "__enter__", "__await__"),
    *("__get__", "__sub__", "__add__", "__instancecheck__", "__subclasscheck__", "__missing__"),
]
_TRAPPED_NAMES = ["items", "keys", "values", "get", "bit_length", "replace", "isoformat", "args"]
_TRAPPED_PROPERTIES = ["pk", "tzinfo", "name", "func", "_wrapped", "model"]
_mro_of = type.__dict__["__mro__"].__get__
_namespace_of = type.__dict__["__dict__"].__get__

touched_by_anybody: list[str] = []
armed: list[bool] = []


class Touched(Exception):
    """Somebody ran the user's code."""


def touch(name: str) -> Any:
    touched_by_anybody.append(name)
    raise Touched(name)


# These two cannot be put into a class that exists.
_own_class = property(lambda self: touch("__class__") if armed else type(self))


def _own_dict(base: type) -> property:
    dicts = (_namespace_of(cls).get("__dict__") for cls in _mro_of(base))
    found = next(filter(None, dicts), None)
    return property(lambda self: touch("__dict__") if armed or not found else found.__get__(self))


@contextmanager
def traps_on(*classes: type) -> Iterator[list[str]]:
    """Whatever is asked of the classes and their instances in this block is noted, and raises."""

    def trap(name: str) -> Any:
        return lambda *args, **kwargs: touch(name)

    before = [(cls, dict(_namespace_of(cls))) for cls in classes]
    touched_by_anybody.clear()
    armed.append(True)
    try:
        for cls, namespace in before:
            is_meta = type in _mro_of(cls)
            for name in _TRAPPED if is_meta else [*_TRAPPED, *_TRAPPED_NAMES]:
                type.__setattr__(cls, name, trap(name))
            for name in () if is_meta else _TRAPPED_PROPERTIES:
                if name not in namespace:
                    type.__setattr__(cls, name, property(trap(name)))
        yield touched_by_anybody
    finally:
        armed.clear()
        for cls, namespace in before:
            for name in [each for each in _namespace_of(cls) if each not in namespace]:
                type.__delattr__(cls, name)
            for name, value in namespace.items():
                if _namespace_of(cls)[name] is not value:
                    type.__setattr__(cls, name, value)


def a_subclass_of(base: type) -> tuple[type, type]:
    """A subclass twice removed, with a metaclass of its own; both may be trapped."""
    meta = type("HostileMeta", (type(base),), {"__module__": __name__, "__class__": _own_class})
    between = types.new_class("Between", (base,), {"metaclass": meta})
    namespace = {
        "__module__": __name__,
        "__class__": _own_class,
        "__dict__": _own_dict(between),
    }
    return types.new_class(
        "Hostile", (between,), {"metaclass": meta}, lambda own: own.update(namespace)
    ), meta


def hostile_list(cls: Any) -> Any:
    made = cls()
    list.extend(made, [1, "x"])
    return made


def hostile_dict(cls: Any) -> Any:
    made = cls()
    dict.update(made, {"a": 1, "password": "x"})
    return made


def hostile_query_dict(cls: Any) -> Any:
    return cls("a=1&password=x")


HOSTILE: dict[str, tuple[type, Any, str]] = {
    "object": (object, lambda cls: cls(), "<test_capture.Hostile>"),
    "list": (list, hostile_list, "test_capture.Hostile[1, 'x']"),
    "dict": (dict, hostile_dict, "test_capture.Hostile{'a': 1, 'password': [redacted]}"),
    "QueryDict": (
        QueryDict,
        hostile_query_dict,
        "test_capture.Hostile{'a': ['1'], 'password': [redacted]}",
    ),
    "tuple": (tuple, lambda cls: cls([1]), "test_capture.Hostile(1,)"),
    "set": (set, lambda cls: cls([1]), "test_capture.Hostile{1}"),
    "frozenset": (frozenset, lambda cls: cls([1]), "test_capture.Hostile{1}"),
    "str": (str, lambda cls: cls("x"), "<test_capture.Hostile>"),
    "bytes": (bytes, lambda cls: cls(b"x"), "<test_capture.Hostile>"),
    "int": (int, lambda cls: cls(5), "<test_capture.Hostile>"),
    "float": (float, lambda cls: cls(5), "<test_capture.Hostile>"),
    "Decimal": (decimal.Decimal, lambda cls: cls(5), "<test_capture.Hostile>"),
    "UUID": (uuid.UUID, lambda cls: cls(int=5), "<test_capture.Hostile>"),
    "date": (datetime.date, lambda cls: cls(2026, 1, 1), "<test_capture.Hostile>"),
    "datetime": (datetime.datetime, lambda cls: cls(2026, 1, 1), "<test_capture.Hostile>"),
    "timedelta": (datetime.timedelta, lambda cls: cls(1), "<test_capture.Hostile>"),
    "path": (pathlib.PurePosixPath, lambda cls: cls("/x"), "<test_capture.Hostile>"),
    "exception": (ValueError, lambda cls: cls("x"), "<test_capture.Hostile>"),
    "partial": (functools.partial, lambda cls: cls(accept), "<test_capture.Hostile>"),
    "module": (types.ModuleType, lambda cls: cls("m"), "<module m>"),
    "signal": (Signal, lambda cls: cls(), "<unnamed Hostile "),
    "request": (HttpRequest, lambda cls: cls(), "<Hostile >"),
    "queryset": (models.QuerySet, lambda cls: cls(Product), "<Hostile of shop.Product>"),
    "manager": (models.Manager, lambda cls: cls(), "<Hostile of ?>"),
    "lazy": (SimpleLazyObject, lambda cls: cls(accept), "<lazy object, not set up>"),
    "response": (HttpResponse, lambda cls: cls(), "<test_capture.Hostile>"),
    "class": (type, lambda cls: cls("Klass", (), {"__module__": "m"}), "m.Klass"),
}


@pytest.fixture(params=HOSTILE)
def hostile(request: Any) -> tuple[Any, tuple[type, ...], str]:
    """A hostile value, the classes to be trapped, and how the value is recorded."""
    base, make, expected = HOSTILE[request.param]
    cls, meta = a_subclass_of(base)
    return make(cls), (cls, meta), expected


def test_no_code_of_a_hostile_value_runs_when_it_is_a_keyword_argument_or_a_response(
    hostile: tuple[Any, tuple[type, ...], str],
) -> None:
    value, classes, expected = hostile
    sent.connect(respond := lambda **kwargs: kwargs["value"])
    # What a Signal's metaclass does runs when a trace starts, which patches the class.
    trapped = classes[:1] if isinstance(value, Signal) else classes
    with traps_on(*trapped) as touched:
        with trace_signals() as trace:
            sent.send(None, value=value, items=[value, {"a": value}], one=(value,))
        data = trace.to_json()
        outline = str(trace)
    del respond

    assert touched == []
    assert trace.faults == 0
    (dispatch,) = trace.dispatches
    assert str(dispatch.kwargs["value"]).startswith(expected)
    assert str(dispatch.receiver_calls[1].response).startswith(expected)
    assert data
    assert outline


def test_no_code_of_a_hostile_exception_runs() -> None:
    cls, meta = a_subclass_of(ValueError)
    error = cls("no address", 7)

    def fail(**kwargs: object) -> None:
        raise error

    sent.connect(fail)
    is_the_same = False
    with traps_on(cls, meta) as touched, trace_signals() as trace:
        type.__delattr__(meta, "__subclasscheck__")  # which `raise` itself runs
        try:
            sent.send(None)
        except BaseException as caught:
            is_the_same = caught is error

    assert is_the_same
    assert touched == []
    assert [call.outcome for call in trace.receiver_calls()] == ["returned", "raised"]
    call = trace.receiver_calls()[1]
    assert call.error is not None
    assert (call.error.type, call.error.message) == ("test_capture.Hostile", "'no address', 7")


def test_no_code_of_a_hostile_receiver_runs_but_the_call() -> None:
    class Receiver:
        def __call__(self, **kwargs: object) -> str:
            return "called"

        @property
        def __class__(self) -> Any:
            calls.append("__class__")
            return Receiver

        __hash__ = object.__hash__

    calls: list[str] = []
    receiver = Receiver()
    sent.connect(receiver)

    def count(self: object, name: str) -> object:
        calls.append(name)
        return object.__getattribute__(self, name)

    def counts() -> list[str]:
        calls.clear()
        sent.send(None)
        return list(calls)

    Receiver.__getattribute__ = count  # type: ignore[method-assign,assignment]
    Receiver.__eq__ = lambda self, other: bool(calls.append("__eq__"))  # type: ignore[assignment,method-assign]
    untraced = counts()
    with trace_signals() as trace:
        traced = counts()

    assert traced == untraced
    assert [call.receiver for call in trace.receiver_calls()][-1].endswith("Receiver()")


def counting(base: type, touched: list[str]) -> Any:
    """A class, with its metaclass, whose methods do as ever, and note that they were called."""

    def noting(owner: type, name: str) -> Any:
        original = getattr(owner, name)

        def method(self: object, *args: object) -> object:
            touched.append(name)
            return original(self, *args)

        return method

    names = ["__hash__", "__eq__", "__repr__", "__str__", "__getattribute__"]
    meta = type("Meta", (type(base),), {name: noting(type(base), name) for name in names})
    namespace = {name: noting(base, name) for name in names}
    namespace["__bool__"] = lambda self: touched.append("__bool__") or False
    namespace["__len__"] = lambda self: touched.append("__len__") or 0
    return meta("Counting", (base,), namespace)


def identity_hash(base: type, touched: list[str]) -> Any:
    """Hashed by identity like any object, but compared by code of its own."""

    class Compared(base):  # type: ignore[misc,valid-type]
        __hash__ = object.__hash__

        def __eq__(self, other: object) -> bool:
            touched.append("__eq__")
            return self is other

    return Compared


SENDERS = {
    "an instance": lambda touched: counting(Plain, touched)(),
    "a class": lambda touched: counting(Plain, touched),
    "a model": lambda touched: counting(object, touched),
    "an instance with an eq of its own": lambda touched: identity_hash(Plain, touched)(),
    "a class whose metaclass has an eq of its own": lambda touched: identity_hash(type, touched)(
        "Sender", (), {}
    ),
}


@pytest.mark.parametrize("make", SENDERS.values(), ids=SENDERS)
@pytest.mark.parametrize("use_caching", [False, True], ids=["", "caching"])
@pytest.mark.parametrize("is_heard", [True, False], ids=["heard", "unheard"])
def test_of_a_hostile_sender_only_that_runs_which_django_runs(
    make: Any, use_caching: bool, is_heard: bool
) -> None:
    touched: list[str] = []
    sender = make(touched)
    signal = Signal(use_caching=use_caching)
    signal.connect(accept, sender=None if is_heard else Product)

    def touched_by_sending() -> list[str]:
        touched.clear()
        signal.send(sender)
        return list(touched)

    touched_by_sending()  # fills the cache
    untraced = touched_by_sending()
    with trace_signals() as trace:
        touched_by_sending()
        traced = touched_by_sending()

    assert traced == untraced
    assert trace.faults == 0


@pytest.mark.parametrize(("base", "filling"), [(object, None), (str, "x"), (int, 5), (tuple, "x")])
def test_of_a_hostile_dispatch_uid_only_that_runs_which_django_runs(
    base: type, filling: Any
) -> None:
    cls, meta = a_subclass_of(base)
    uid = cls(filling) if filling else cls()
    signal = Signal()
    signal.connect(accept, dispatch_uid=uid)
    with traps_on(cls, meta) as touched, trace_signals() as trace:
        signal.send(None)
        trace.to_json()

    assert touched == []
    assert trace.faults == 0
    (call,) = trace.receiver_calls()
    assert isinstance(call.dispatch_uid, Summary)


def test_no_code_of_a_hostile_model_runs() -> None:
    class Field(models.CharField):
        def from_db_value(self, *args: object) -> object:
            raise Touched

    class HostileModel(models.Model):
        name = Field(primary_key=True, max_length=10)

        class Meta:
            app_label = "safety"

    key_class, key_meta = a_subclass_of(str)
    instance = HostileModel(name=key_class("x"))
    state = dict(vars(instance))
    with traps_on(HostileModel, key_class, key_meta) as touched, trace_signals() as trace:
        sent.send(None, instance=instance, instances=[instance])
        trace.to_json()

    assert touched == []
    assert trace.faults == 0
    assert trace.dispatches[0].kwargs == {
        "instance": Summary("safety.HostileModel(pk=<test_capture.Hostile>)"),
        "instances": Summary("[safety.HostileModel(pk=<test_capture.Hostile>)]"),
    }
    assert {name: id(value) for name, value in vars(instance).items()} == {
        name: id(value) for name, value in state.items()
    }


def test_no_code_of_a_models_metaclass_runs() -> None:
    class Base(models.base.ModelBase):
        pass

    class MetaModel(models.Model, metaclass=Base):
        class Meta:
            app_label = "safety"

    instance = MetaModel(pk=4)
    with traps_on(Base) as touched, trace_signals() as trace:
        sent.send(None, instance=instance, model=MetaModel)

    assert touched == []
    assert trace.dispatches[0].kwargs == {
        "instance": Summary("safety.MetaModel(pk=4)"),
        "model": Summary("safety.MetaModel"),
    }


def test_no_code_of_a_dict_key_or_of_a_time_zone_runs() -> None:
    key_class, key_meta = a_subclass_of(object)
    key = key_class()
    keyed = {key: 1}

    class Zone(datetime.tzinfo):
        pass

    moment = datetime.datetime(2026, 1, 2, tzinfo=Zone())
    with traps_on(key_class, key_meta, Zone) as touched:
        for name in ("utcoffset", "tzname", "dst", "fromutc"):
            setattr(Zone, name, lambda *args: touched.append("zone"))
        found = text_of(keyed), text_of([moment])

    assert touched == []
    assert found == (
        "{<test_capture.Hostile>: 1}",
        f"[datetime(2026-01-02 00:00:00, {__name__}.{Zone.__qualname__})]",
    )


def test_an_enum_that_hides_its_dictionary_is_recorded() -> None:
    touched = []

    class Hidden(enum.Enum):
        ONE = 1

        __dict__ = property(lambda self: touched.append("__dict__"))  # type: ignore[assignment]

        def __str__(self) -> str:
            touched.append("__str__")
            return "!"

        __repr__ = __str__

    expected = "test_an_enum_that_hides_its_dictionary_is_recorded.<locals>.Hidden.ONE"
    touched.clear()

    assert text_of(Hidden.ONE) == f"test_capture.{expected}"
    assert touched == []


def test_an_attribute_dictionary_of_the_users_own_kind_runs_nothing() -> None:
    touched = []

    class Attributes(dict[str, object]):
        def get(self, *args: object) -> object:
            touched.append("get")

        __getitem__ = __contains__ = items = keys = get  # type: ignore[assignment]

    product = Product(pk=3)
    product.__dict__ = Attributes(product.__dict__)

    def receiver(**kwargs: object) -> None:
        pass

    receiver.__dict__ = Attributes()
    sent.connect(receiver)

    with trace_signals() as trace:
        sent.send(None, product=product)

    assert touched == []
    assert trace.dispatches[0].kwargs == {"product": Summary("shop.Product(pk=3)")}


def test_a_secret_of_any_size_and_kind_is_redacted_and_loses_no_dispatch() -> None:
    cls, meta = a_subclass_of(str)
    text = cls("x")
    with traps_on(cls, meta) as touched, trace_signals() as trace:
        for value in (10**5000, text, b"x", None, "", 1.5, [10**5000], {"a": {"b": text}}):
            sent.send(None, password=value, nested={"password": value})

    assert touched == []
    assert trace.faults == 0
    assert [each.kwargs for each in trace.dispatches] == [
        {"password": Summary("[redacted]"), "nested": Summary("{'password': [redacted]}")}
    ] * 8


# Nothing is kept alive


def send_what_dies() -> list[weakref.ref[Any]]:
    """Sends objects of every role, and returns weak references to them."""

    class Sender:
        pass

    class Answer:
        pass

    class Failure(Exception):
        pass

    class Owner:
        def receive(self, **kwargs: object) -> object:
            return Answer()

        def fail(self, **kwargs: object) -> None:
            raise Failure(Answer())

    owner, sender, product = Owner(), Sender(), Product(pk=1)
    signal = Signal()
    signal.connect(owner.receive)
    signal.connect(owner.fail)
    signal.send_robust(sender, instance=product, items=[product])
    signal.send_robust(Sender, instance=product)
    Signal().send(Sender)
    Signal().send(sender)
    with suppress(Failure):
        signal.send(sender, instance=product)
    return [weakref.ref(each) for each in (owner, sender, product, signal, Owner, Sender, Failure)]


def test_a_trace_keeps_no_object_of_the_users_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest keeps log records, and with them the exceptions that send_robust logs.
    monkeypatch.setattr(logging.getLogger("django.dispatch"), "disabled", True)

    with trace_signals() as trace:
        references = send_what_dies()
        gc.collect()
        assert [each() for each in references] == [None] * 7

    assert [call.outcome for call in trace.receiver_calls()] == [
        *("returned", "swallowed", "returned", "swallowed"),
        *("returned", "raised"),
    ]


def test_a_weak_receiver_that_dies_in_a_trace_is_not_called_again() -> None:
    class Owner:
        def receive(self, **kwargs: object) -> None:
            pass

    owner = Owner()
    signal = Signal()
    signal.connect(owner.receive)
    with trace_signals() as trace:
        first = len(signal.send(None))
        del owner
        gc.collect()
        second = len(signal.send(None))

    assert (first, second) == (1, 0)
    assert len(trace.dispatches) == 1
    assert [(each.sender, each.count) for each in trace.unheard] == [("None", 1)]


def test_a_trace_holds_only_what_json_holds() -> None:
    values: list[Any] = [make(a_subclass_of(base)[0]) for base, make, _ in HOSTILE.values()]
    with trace_signals() as trace:
        for value in [*values, float("nan"), 10**400, Group(pk=1), User(pk=2), "\ud800"]:
            sent.send(None, value=value)

    again = Trace.from_dict(json.loads(trace.to_json()))

    assert again.to_dict() == trace.to_dict()
    assert len(again.dispatches) == len(HOSTILE) + 5
    assert django.VERSION >= (5, 2)


def test_what_is_kept_of_how_arguments_are_captured_does_not_grow_without_end(
    settings: Any,
) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 2_000}
    with trace_signals() as trace:
        for number in range(1_100):
            sent.send(None, **{f"argument_{number}": "text"})

    assert len(values._plans) <= 1_000
    assert trace.dispatches[-1].kwargs == {"argument_1099": "text"}
