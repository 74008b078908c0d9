"""What the page "Connecting and disconnecting receivers" says of Django's dispatcher."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import django
import pytest
from django.apps.registry import Apps
from django.contrib.auth.models import Group, User
from django.db.models import signals
from django.db.models.signals import ModelSignal, m2m_changed, post_save
from django.dispatch import Signal, receiver
from django.test import override_settings

Receiver = Callable[..., Any]


class Order: ...


class LargeOrder(Order): ...


def first(**kwargs: Any) -> str:
    return "first"


def second(**kwargs: Any) -> str:
    return "second"


class Shop:
    def notify(self, **kwargs: Any) -> str:
        return "notified"


def made() -> Receiver:
    def inner(**kwargs: Any) -> str:
        return "inner"

    return inner


def answers(signal: Signal, sender: object = Order) -> list[Any]:
    return [answer for _, answer in signal.send(sender)]


# How many connections two calls of connect() make.


def test_the_same_function_and_sender_are_one_connection() -> None:
    signal = Signal()
    signal.connect(first, sender=Order)
    signal.connect(first, sender=Order)

    assert answers(signal) == ["first"]


def test_the_same_function_with_two_senders_is_two_connections() -> None:
    signal = Signal()
    signal.connect(first, sender=Order)
    signal.connect(first, sender=LargeOrder)

    assert answers(signal, Order) == answers(signal, LargeOrder) == ["first"]


def test_connected_to_any_sender_and_to_one_it_runs_twice() -> None:
    signal = Signal()
    signal.connect(first)
    signal.connect(first, sender=Order)

    assert answers(signal) == ["first", "first"]


def test_a_function_that_is_made_anew_is_another_receiver() -> None:
    signal = Signal()
    for _ in range(2):
        signal.connect(made(), sender=Order, weak=False)

    assert answers(signal) == ["inner", "inner"]


def test_a_function_that_is_made_anew_is_the_same_with_a_dispatch_uid() -> None:
    signal = Signal()
    for _ in range(2):
        signal.connect(made(), sender=Order, weak=False, dispatch_uid="inner")

    assert answers(signal) == ["inner"]


def test_methods_of_two_objects_are_two_receivers() -> None:
    signal, shops = Signal(), [Shop(), Shop()]
    for shop in shops:
        signal.connect(shop.notify, sender=Order)
        signal.connect(shop.notify, sender=Order)

    assert answers(signal) == ["notified", "notified"]


def test_of_two_functions_with_one_dispatch_uid_the_first_stays() -> None:
    signal = Signal()
    signal.connect(first, sender=Order, dispatch_uid="shop")
    signal.connect(second, sender=Order, dispatch_uid="shop")

    assert answers(signal) == ["first"]


def test_a_dispatch_uid_counts_for_each_sender_by_itself() -> None:
    signal = Signal()
    signal.connect(first, dispatch_uid="shop")
    signal.connect(first, sender=Order, dispatch_uid="shop")

    assert answers(signal) == ["first", "first"]


def test_a_dispatch_uid_counts_for_each_signal_by_itself() -> None:
    one, other = Signal(), Signal()
    receiver([one, other], sender=Order, dispatch_uid="shop")(first)

    assert answers(one) == answers(other) == ["first"]


def test_the_same_function_with_a_dispatch_uid_and_without_runs_twice() -> None:
    signal = Signal()
    signal.connect(first, sender=Order)
    signal.connect(first, sender=Order, dispatch_uid="shop")

    assert answers(signal) == ["first", "first"]


# Weak references.


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: lambda **kwargs: "lambda", id="lambda"),
        pytest.param(made, id="function in a function"),
        pytest.param(lambda: partial(first, "a"), id="partial"),
        pytest.param(lambda: Shop().notify, id="method of an object nobody keeps"),
    ],
)
@override_settings(DEBUG=False)
def test_what_nobody_keeps_is_gone(make: Callable[[], Receiver]) -> None:
    signal = Signal()
    signal.connect(make(), sender=Order)
    gc.collect()

    assert answers(signal) == []


@override_settings(DEBUG=False)
def test_weak_false_keeps_it() -> None:
    signal = Signal()
    signal.connect(made(), sender=Order, weak=False)
    gc.collect()

    assert answers(signal) == ["inner"]


@override_settings(DEBUG=True)
def test_with_debug_what_nobody_keeps_is_kept_by_a_cache_of_django() -> None:
    signal = Signal()
    signal.connect(made(), sender=Order)
    gc.collect()

    assert answers(signal) == ["inner"]


@override_settings(DEBUG=False)
def test_a_decorated_function_of_a_module_is_kept_by_its_module() -> None:
    signal = Signal()
    receiver(signal, sender=Order)(first)
    gc.collect()

    assert answers(signal) == ["first"]


def test_a_receiver_that_cannot_be_referred_to_weakly_is_refused() -> None:
    class Slotted:
        __slots__ = ()

        def __call__(self, **kwargs: Any) -> None: ...

    with pytest.raises(TypeError, match="cannot create weak reference"):
        Signal().connect(Slotted(), sender=Order)
    Signal().connect(Slotted(), sender=Order, weak=False)


# **kwargs.


def without_kwargs(sender: object) -> None: ...


@override_settings(DEBUG=True)
def test_with_debug_a_receiver_without_kwargs_is_refused_when_it_is_connected() -> None:
    with pytest.raises(ValueError, match=r"must accept keyword arguments \(\*\*kwargs\)"):
        Signal().connect(without_kwargs)


@override_settings(DEBUG=False)
def test_without_debug_it_fails_when_the_signal_is_sent() -> None:
    signal = Signal()
    signal.connect(without_kwargs)

    with pytest.raises(TypeError, match="unexpected keyword argument 'signal'"):
        signal.send(Order)


@override_settings(DEBUG=False)
def test_without_debug_what_cannot_be_called_fails_when_the_signal_is_sent() -> None:
    signal, thing = Signal(), Order()
    signal.connect(thing)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="not callable"):
        signal.send(Order)


# Senders.


def test_a_subclass_is_another_sender() -> None:
    signal = Signal()
    signal.connect(first, sender=Order)

    assert answers(signal, LargeOrder) == []


def test_an_instance_is_another_sender_than_its_class() -> None:
    signal = Signal()
    signal.connect(first, sender=Order)

    assert answers(signal, Order()) == []


def test_a_sender_is_compared_by_identity_and_not_by_equality() -> None:
    signal, name = Signal(), "django.contrib.auth"
    equal = name.upper().lower()
    signal.connect(first, sender=name)

    assert equal == name
    assert answers(signal, equal) == []


def test_a_signal_that_is_sent_without_a_sender_reaches_only_who_waits_for_any() -> None:
    signal = Signal()
    signal.connect(first, sender=Order)
    signal.connect(second)

    assert answers(signal, None) == ["second"]


def test_any_sender_and_one_sender_are_called_in_the_order_of_their_connection() -> None:
    signal = Signal()
    signal.connect(first, sender=Order)
    signal.connect(second)
    signal.connect(made(), sender=Order, weak=False)

    assert answers(signal) == ["first", "second", "inner"]


def test_the_connection_of_a_sender_that_is_gone_goes_since_6_0() -> None:
    signal, sender = Signal(), Order()
    signal.connect(first, sender=sender)
    del sender
    gc.collect()
    signal.disconnect(second)  # Whatever connects or disconnects clears what is dead.

    assert len(signal.receivers) == (0 if django.VERSION >= (6, 0) else 1)


def test_a_signal_with_a_cache_wants_senders_that_can_be_referred_to_weakly() -> None:
    signal = Signal(use_caching=True)
    signal.connect(first)

    assert answers(signal, Order) == ["first"]
    with pytest.raises(TypeError, match="weak reference"):
        signal.send("a string")


# Strings.


def test_a_string_names_a_model_for_the_signals_of_models() -> None:
    post_save.connect(first, sender="auth.Group")
    try:
        assert (first, "first") in post_save.send(Group, instance=None)
    finally:
        assert post_save.disconnect(first, sender=Group)


def test_a_string_of_m2m_changed_names_the_through_model() -> None:
    m2m_changed.connect(first, sender="auth.User_groups")
    try:
        assert (first, "first") in m2m_changed.send(User.groups.through)
    finally:
        assert m2m_changed.disconnect(first, sender=User.groups.through)


def test_all_signals_of_models_take_a_string_but_those_of_migrate_and_class_prepared() -> None:
    there = {name: it for name, it in vars(signals).items() if isinstance(it, Signal)}

    assert {name for name, it in there.items() if isinstance(it, ModelSignal)} == {
        *("pre_init", "post_init", "pre_save", "post_save", "pre_delete", "post_delete"),
        "m2m_changed",
    }
    assert there.keys() >= {"class_prepared", "pre_migrate", "post_migrate"}


def test_for_another_signal_a_string_is_a_sender_like_any_other() -> None:
    signal = Signal()
    signal.connect(first, sender="auth.Group")

    assert answers(signal, Group) == []


def test_a_string_that_names_no_model_waits_for_ever_and_says_nothing() -> None:
    before = len(post_save.receivers)
    post_save.connect(first, sender="auth.Gruop", apps=Apps())

    assert len(post_save.receivers) == before


def test_a_string_without_a_dot_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be of the form 'app_label\.ModelName'"):
        post_save.connect(first, sender="Group")


# disconnect().


def test_disconnect_says_whether_there_was_something_to_disconnect() -> None:
    signal = Signal()
    signal.connect(first, sender=Order)

    assert signal.disconnect(first, sender=Order) is True
    assert signal.disconnect(first, sender=Order) is False


def test_disconnect_wants_the_sender_that_it_was_connected_with() -> None:
    signal = Signal()
    signal.connect(first, sender=Order)

    assert signal.disconnect(first) is False
    assert answers(signal) == ["first"]


def test_disconnect_wants_the_dispatch_uid_that_it_was_connected_with() -> None:
    signal = Signal()
    signal.connect(first, sender=Order, dispatch_uid="shop")

    assert signal.disconnect(first, sender=Order) is False
    assert signal.disconnect(sender=Order, dispatch_uid="shop") is True
    assert answers(signal) == []


def test_disconnect_with_a_string_returns_nothing_even_if_it_did_disconnect() -> None:
    post_save.connect(first, sender="auth.Group")

    assert post_save.disconnect(first, sender="auth.Group") is None
    assert post_save.disconnect(first, sender=Group) is False


def test_who_disconnects_another_during_a_dispatch_does_not_stop_it() -> None:
    signal = Signal()

    def disconnects(**kwargs: Any) -> str:
        signal.disconnect(second)
        return "disconnects"

    signal.connect(disconnects)
    signal.connect(second)

    assert answers(signal) == ["disconnects", "second"]
    assert answers(signal) == ["disconnects"]


# @receiver.


def test_the_decorator_returns_the_function_itself() -> None:
    assert receiver(Signal())(first) is first


def test_the_decorator_takes_a_list_of_signals() -> None:
    one, other = Signal(), Signal()
    receiver([one, other], sender=Order)(first)

    assert answers(one) == answers(other) == ["first"]


def test_two_decorators_connect_to_two_senders() -> None:
    signal = Signal()
    receiver(signal, sender=Order)(receiver(signal, sender=LargeOrder)(first))

    assert answers(signal, Order) == answers(signal, LargeOrder) == ["first"]


def test_has_listeners_asks_for_one_sender() -> None:
    signal = Signal()
    signal.connect(first, sender=Order)

    assert signal.has_listeners(Order)
    assert not signal.has_listeners(LargeOrder)
    assert not signal.has_listeners()
