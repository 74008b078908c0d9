"""What the map says of each signal, receiver and sender, and that looking changes nothing."""

from __future__ import annotations

import functools
import gc
import json
import sys
import tracemalloc
import types
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import Mock

import django
import pytest
from django.apps import apps
from django.contrib.auth.models import AbstractUser, User
from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal
from django.utils.functional import SimpleLazyObject

from shop.models import Order
from signal_tracer.mapping import read_map
from signal_tracer.mapping.reading import connected_now
from signal_tracer.signal_map import MappedSignal, SignalMap

MapOf = Callable[[Signal], MappedSignal]

held = Signal()


class Holder:
    in_a_class = Signal()


def function(**kwargs: Any) -> None:
    """What it does.

    And more.
    """


async def coroutine_function(**kwargs: Any) -> None:
    pass


def make() -> Callable[..., None]:
    def inner(**kwargs: Any) -> None:
        pass

    return inner


class Receiver:
    """A receiver by being called."""

    def __init__(self, **kwargs: Any) -> None:
        pass

    def method(self, **kwargs: Any) -> None:
        """A method."""

    @classmethod
    def class_method(cls, **kwargs: Any) -> None:
        pass

    def __call__(self, **kwargs: Any) -> None:
        pass


class Hostile:
    """Once it is armed it raises whatever it is asked; connect() itself asks a lot."""

    armed = False

    def __getattribute__(self, name: str) -> Any:
        if Hostile.armed:
            raise RuntimeError(name)
        return object.__getattribute__(self, name)

    def __hash__(self) -> int:
        if Hostile.armed:
            raise RuntimeError("__hash__")
        return 1

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("__eq__")

    def __repr__(self) -> str:
        raise RuntimeError("__repr__")

    def __call__(self, **kwargs: Any) -> None:
        pass


kept = Receiver()
closure = make()
nameless = lambda **kwargs: None  # noqa: E731
mock = Mock()

KINDS: list[tuple[str, Any, str, str, str]] = [
    ("function", function, "function", "function", "What it does."),
    ("async", coroutine_function, "function", "coroutine_function", ""),
    ("lambda", nameless, "lambda", "<lambda>", ""),
    ("closure", closure, "closure", "make.<locals>.inner", ""),
    ("method", kept.method, "method", "Receiver.method", "A method."),
    ("class method", Receiver.class_method, "method", "Receiver.class_method", ""),
    ("class", Receiver, "class", "Receiver", "A receiver by being called."),
    ("instance", kept, "instance", "Receiver()", "A receiver by being called."),
]


@pytest.fixture
def without_debug(settings: Any) -> None:
    # Django's connect() inspects the receiver with DEBUG = True, and so runs what is hostile.
    settings.DEBUG = False


@pytest.mark.parametrize(
    ("receiver", "kind", "name", "doc"),
    [each[1:] for each in KINDS],
    ids=[each[0] for each in KINDS],
)
def test_each_kind_of_receiver_is_named(
    receiver: Any, kind: str, name: str, doc: str, signal: Signal, map_of: MapOf
) -> None:
    signal.connect(receiver, weak=False)
    [connection] = map_of(signal).connections

    assert (connection.kind, connection.receiver, connection.doc) == (
        kind,
        f"{__name__}.{name}",
        doc,
    )
    assert (connection.state, connection.is_weak, connection.module) == ("alive", False, __name__)


@pytest.mark.usefixtures("without_debug")
@pytest.mark.parametrize(
    ("receiver", "kind", "name"),
    [
        (partial(function), "partial", f"partial({__name__}.function)"),
        (mock, "mock", "unittest.mock.Mock()"),
        (print, "builtin", "print"),
    ],
    ids=["partial", "mock", "builtin"],
)
def test_what_has_no_name_of_its_own_goes_by_what_it_is(
    receiver: Any, kind: str, name: str, signal: Signal, map_of: MapOf
) -> None:
    signal.connect(receiver, weak=False, dispatch_uid="one")
    [connection] = map_of(signal).connections

    assert (connection.kind, connection.receiver) == (kind, name)


@pytest.mark.usefixtures("without_debug")
def test_a_hostile_receiver_does_not_stop_the_list(
    signal: Signal, map_of: MapOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal.connect(Hostile(), weak=False, dispatch_uid="hostile")
    signal.connect(function)
    monkeypatch.setattr(Hostile, "armed", True)

    assert [each.receiver for each in map_of(signal).connections] == [
        f"{__name__}.Hostile()",
        f"{__name__}.function",
    ]


def test_async_weak_and_uid_are_what_connect_was_given(signal: Signal, map_of: MapOf) -> None:
    signal.connect(coroutine_function, dispatch_uid="once")
    signal.connect(function, weak=False)
    first, second = map_of(signal).connections

    assert (first.is_async, first.is_weak, first.dispatch_uid) == (True, True, "once")
    assert (second.is_async, second.is_weak, second.dispatch_uid) == (False, False, None)


def test_a_dead_receiver_says_dead(signal: Signal, map_of: MapOf, settings: Any) -> None:
    settings.DEBUG = False
    short_lived = make(), Receiver()
    signal.connect(short_lived[0])
    signal.connect(short_lived[1].method, sender=Order, dispatch_uid="method")
    del short_lived
    function_of, method_of = map_of(signal).connections

    assert (function_of.state, function_of.receiver) == ("dead", "a receiver that is gone")
    assert (method_of.state, method_of.sender, method_of.dispatch_uid) == (
        "dead",
        "shop.Order",
        "method",
    )
    assert method_of.receiver == f"{__name__}.Receiver.method (of an object that is gone)"
    assert "DEAD" in str(method_of)


def test_an_entry_of_an_unknown_shape_is_there_and_unknown(signal: Signal, map_of: MapOf) -> None:
    signal.receivers.append("no tuple")
    signal.receivers.append((1, 2, 3, 4, 5, 6))
    found = map_of(signal).connections

    assert [(each.receiver, each.kind, each.is_weak) for each in found] == [
        ("an unknown receiver", "unknown", None),
        ("an unknown receiver", "unknown", None),
    ]


def test_connections_stand_in_calling_order(signal: Signal, map_of: MapOf) -> None:
    for receiver in (closure, function, nameless):
        signal.connect(receiver)

    assert [(each.position, each.kind) for each in map_of(signal).connections] == [
        (1, "closure"),
        (2, "function"),
        (3, "lambda"),
    ]


# Senders


class Plain:
    """No model."""


@pytest.mark.parametrize(
    ("sender", "name", "kind"),
    [
        (None, None, "any"),
        (Order, "shop.Order", "model"),
        (AbstractUser, "auth.AbstractUser", "abstract"),
        (User.groups.through, "auth.User_groups", "table"),
        (Plain, f"{__name__}.Plain", "class"),
        (apps.get_app_config("shop"), "<shop.apps.ShopConfig>", "instance"),
    ],
    ids=["any", "model", "abstract", "table", "class", "instance"],
)
def test_each_kind_of_sender_is_named(
    sender: Any, name: str | None, kind: str, signal: Signal, map_of: MapOf
) -> None:
    signal.connect(function, sender=sender)
    [connection] = map_of(signal).connections

    assert (connection.sender, connection.sender_kind) == (name, kind)


def test_a_sender_named_by_a_string_is_resolved(map_of: MapOf) -> None:
    post_save.connect(function, sender="shop.Order")
    connection = map_of(post_save).connections[-1]

    assert (connection.sender, connection.sender_kind, connection.state) == (
        "shop.Order",
        "model",
        "alive",
    )


def test_a_sender_that_no_model_goes_by_is_waited_for(map_of: MapOf) -> None:
    pre_save.connect(function, sender="shop.Ordre", dispatch_uid="typo")
    try:
        connection = map_of(pre_save).connections[-1]
    finally:
        apps._pending_operations.clear()  # type: ignore[attr-defined]  # private

    assert (connection.receiver, connection.sender, connection.sender_kind, connection.state) == (
        f"{__name__}.function",
        "shop.ordre",
        "lazy",
        "waiting",
    )
    assert connection.dispatch_uid == "typo"


def test_a_sender_that_is_gone_says_so(signal: Signal, map_of: MapOf) -> None:
    signal.connect(function, sender=type("Short", (), {}))
    gc.collect()
    [connection] = map_of(signal).connections

    # Django 5.2 has no more than an id, which nobody has now.
    expected = "gone" if django.VERSION >= (6, 0) else "unknown"
    assert connection.sender_kind == expected


def test_a_sender_is_looked_for_without_an_index_of_all_objects(signal: Signal) -> None:
    signal.connect(function, sender=object())  # type: ignore[arg-type]  # has no weak reference
    alone = most_memory_of_reading()
    company: list[list[None]] = [[] for _ in range(200_000)]

    # The collector's list takes eight bytes each.
    assert (most_memory_of_reading() - alone) / len(company) < 16


def most_memory_of_reading() -> int:
    tracemalloc.start()
    try:
        read_map(with_source=False)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Signals


def named(name: str) -> MappedSignal:
    return next(each for each in read_map().signals if each.name == f"{__name__}.{name}")


def test_a_signal_is_named_by_the_module_that_holds_it_and_located() -> None:
    found = named("held")

    assert found.defined_at is not None
    assert (found.defined_at.file, found.app, found.is_project) == (__file__, __name__, True)
    with open(__file__) as source:
        line = source.read().splitlines()[found.defined_at.line - 1]
    assert line == "held = Signal()"


def test_a_signal_in_a_class_is_named_by_the_class() -> None:
    found = named("Holder.in_a_class")

    assert found.defined_at is not None


def test_signals_that_no_module_holds_are_found() -> None:
    registry = {"one": Signal()}
    owner = types.SimpleNamespace(two=Signal())
    registry["one"].connect(function, dispatch_uid="in a dict")
    owner.two.connect(function, dispatch_uid="in an object")
    found = {
        each.dispatch_uid: signal.name
        for signal, each in read_map().walk()
        if each.dispatch_uid in ("in a dict", "in an object")
    }

    assert len(found) == 2
    assert all(name.startswith("<unnamed Signal ") for name in found.values())


def test_a_signal_that_was_assigned_after_a_look_is_named_all_the_same() -> None:
    late = Signal()
    late.connect(function, dispatch_uid="late")

    def names() -> list[str]:
        return [signal.name for signal, each in read_map().walk() if each.dispatch_uid == "late"]

    assert names()[0].startswith("<unnamed Signal ")
    sys.modules[__name__].assigned_late = late  # type: ignore[attr-defined]  # not before
    try:
        assert names() == [f"{__name__}.assigned_late"]
    finally:
        del sys.modules[__name__].assigned_late  # type: ignore[attr-defined]  # as above


def test_signals_hidden_from_the_collector_are_found_in_their_modules() -> None:
    held.connect(function)
    gc.freeze()
    try:
        assert not [each for each in gc.get_objects() if each is held]
        assert [each.receiver for each in named("held").connections] == [f"{__name__}.function"]
    finally:
        gc.unfreeze()
        held.disconnect(function)


class OwnSend(Signal):
    def send(self, sender: Any, **named: Any) -> list[Any]:
        return []

    def _live_receivers(self, sender: Any) -> Any:
        return [], []


own = OwnSend()


def test_a_signal_with_methods_of_its_own_says_which() -> None:
    assert named("own").type == f"{__name__}.OwnSend"
    assert named("own").own_methods == ("send", "_live_receivers")


class HostileSignal(Signal):
    """Answers no question."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("__class__", "__dict__", "receivers", "__hash__"):
            raise RuntimeError(name)
        return super().__getattribute__(name)

    def __hash__(self) -> int:
        raise RuntimeError("__hash__")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("__eq__")


hostile = HostileSignal()


def test_a_hostile_signal_is_in_the_map() -> None:
    assert named("hostile").connections == ()


# What looking must not do


def test_looking_sets_up_no_lazy_object_and_imports_nothing() -> None:
    def fail() -> Any:
        raise AssertionError("it was set up")

    module = types.ModuleType("lazily_held")
    module.lazy = SimpleLazyObject(fail)  # type: ignore[attr-defined]  # made here
    sys.modules["lazily_held"] = module
    modules = set(sys.modules)
    try:
        read_map()
        assert set(sys.modules) == modules
    finally:
        del sys.modules["lazily_held"]


def test_looking_keeps_nothing_alive_and_changes_no_connection(
    signal: Signal, map_of: MapOf, settings: Any
) -> None:
    settings.DEBUG = False
    short_lived = make()
    signal.connect(short_lived)
    entries = list(signal.receivers)
    map_of(signal)
    assert list(map(id, signal.receivers)) == list(map(id, entries))
    del short_lived
    gc.collect()

    assert map_of(signal).connections[0].state == "dead"


def test_what_was_connected_since_a_look_is_marked(signal: Signal) -> None:
    held.connect(function)
    before = connected_now()
    held.connect(closure)
    try:
        found = read_map(before={id(each) for each in before})
        mapped = next(each for each in found.signals if each.name == f"{__name__}.held")
        assert [(each.kind, each.with_urls) for each in mapped.connections] == [
            ("function", False),
            ("closure", True),
        ]
    finally:
        held.receivers.clear()


# Whose it is


def test_code_of_the_project_and_of_packages_is_told_apart() -> None:
    by_name = {each.receiver: each for _, each in read_map().walk()}

    assert by_name["shop.receivers.mark_order_paid"].is_project is True
    assert by_name["shop.receivers.mark_order_paid"].app == "shop"
    assert by_name["django.contrib.auth.models.update_last_login"].is_project is False
    assert by_name["django.contrib.auth.models.update_last_login"].app == "auth"
    assert by_name["django.db.close_old_connections"].app == "django"


# Fragile receivers


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("what", ["closure", "lambda", "partial"])
def test_a_receiver_that_only_djangos_cache_keeps_is_fragile(
    what: str, debug: bool, signal: Signal, map_of: MapOf, settings: Any
) -> None:
    settings.DEBUG = debug
    made: dict[str, Callable[[], Any]] = {
        "closure": make,
        "lambda": lambda: lambda **kwargs: None,
        "partial": lambda: partial(function),
    }
    signal.connect(made[what]())
    [connection] = map_of(signal).connections

    assert (connection.state, connection.is_fragile) == (
        ("alive", True) if debug else ("dead", False)
    )


def test_a_receiver_that_something_keeps_is_not_fragile(
    signal: Signal, map_of: MapOf, settings: Any
) -> None:
    settings.DEBUG = True
    keeper = [make(), partial(function)]
    for receiver in (*keeper, nameless, closure, function, kept):
        signal.connect(receiver)
    signal.connect(make(), weak=False)
    del receiver

    assert [each.is_fragile for each in map_of(signal).connections] == [False] * 7


def test_a_receiver_that_a_wrapper_keeps_is_not_fragile(
    signal: Signal, map_of: MapOf, settings: Any
) -> None:
    settings.DEBUG = True
    inner = make()
    wrapper = functools.wraps(inner)(lambda **kwargs: None)
    signal.connect(inner)
    del inner

    assert map_of(signal).connections[0].is_fragile is False
    del wrapper


def test_the_whole_map_round_trips_through_json() -> None:
    found = read_map()

    assert SignalMap.from_dict(json.loads(found.to_json())) == found
