"""Receivers that cannot take what their signal sends, by their code and by the sends in sight."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.signals import user_logged_in
from django.core.signals import request_started
from django.db.models.signals import m2m_changed, post_migrate, post_save
from django.dispatch import Signal

from shop.models import Order
from signal_tracer import trace_signals
from signal_tracer.findings import over_signal_map
from signal_tracer.mapping import read_map
from signal_tracer.mapping.signatures import DJANGO_SENDS, Sending, why_not_callable

POST_SAVE = "django.db.models.signals.post_save"
OWN = "shop.signals.paid"


class Handler:
    def bound(self, sender: Any, instance: Any, created: Any) -> None: ...

    def bound_well(self, sender: Any, **kwargs: Any) -> None: ...

    def __call__(self, order: Any, **kwargs: Any) -> None: ...


def no_rest(sender: Any, instance: Any, created: Any) -> None: ...


def wants_more(sender: Any, order: Any, **kwargs: Any) -> None: ...


def by_position(sender: Any, /, **kwargs: Any) -> None: ...


async def keyword_only(*, sender: Any, order: Any, **kwargs: Any) -> None: ...


def every_name(signal: Any, sender: Any, instance: Any, raw: Any, using: Any,
               update_fields: Any, created: Any) -> None: ...  # fmt: skip


def plain(sender: Any, instance: Any, created: bool = False, **kwargs: Any) -> None: ...


def with_default(sender: Any, order: Any = None, **kwargs: Any) -> None: ...


def only_rest(*args: Any, **kwargs: Any) -> None: ...


@wraps(no_rest)
def wrapped(*args: Any, **kwargs: Any) -> None: ...


ALL = ("signal", "created", "instance", "raw", "update_fields", "using")
NO_REST = "it takes no **kwargs, and is given "


@pytest.mark.parametrize(
    ("receiver", "why"),
    [
        (no_rest, f"{NO_REST}signal, raw, update_fields and using as well"),
        (Handler().bound, f"{NO_REST}signal, raw, update_fields and using as well"),
        (lambda sender: None, f"{NO_REST}{', '.join(ALL[:-1])} and using as well"),
        (wants_more, "it wants order, which the signal does not send"),
        (keyword_only, "it wants order, which the signal does not send"),
        (Handler(), "it wants order, which the signal does not send"),
        (partial(wants_more, flag=True), "it wants order, which the signal does not send"),
        (by_position, "it takes sender by position, and a signal gives all by name"),
        (staticmethod(by_position), "it takes sender by position, and a signal gives all by name"),
    ],
    ids=range(9),
)
def test_what_cannot_take_what_django_sends_is_told_with_the_names(receiver: Any, why: str) -> None:
    assert why_not_callable(receiver, POST_SAVE, ()) == why


@pytest.mark.parametrize(
    "receiver",
    [
        every_name,
        plain,
        with_default,
        only_rest,
        wrapped,
        Handler().bound_well,
        partial(wants_more, order=1),
        Mock(),
        print,
        Order,
        staticmethod(plain),
    ],
    ids=range(11),
)
def test_what_can_be_called_or_cannot_be_told_is_left_alone(receiver: Any) -> None:
    assert why_not_callable(receiver, POST_SAVE, ()) is None


def test_of_an_unknown_signal_only_what_every_signal_gives_is_certain() -> None:
    def without_signal(sender: Any, order: Any) -> None: ...

    def with_both(signal: Any, sender: Any, order: Any) -> None: ...

    assert why_not_callable(without_signal, OWN, ()) == f"{NO_REST}signal as well"
    assert why_not_callable(with_both, OWN, ()) is None
    assert why_not_callable(wants_more, OWN, ()) is None


def test_the_sends_of_a_signal_in_the_source_say_what_it_gives() -> None:
    full = Sending(frozenset({"order", "request"}), "shop/views.py:3")
    bare = Sending(frozenset({"request"}), "shop/tasks.py:9")

    def takes_two(signal: Any, sender: Any, order: Any) -> None: ...

    assert why_not_callable(wants_more, OWN, [full]) is None
    assert why_not_callable(wants_more, OWN, [full, bare]) == (
        "it wants order, which the send() at shop/tasks.py:9 does not send"
    )
    assert why_not_callable(takes_two, OWN, [full]) == f"{NO_REST}request as well"


@pytest.mark.parametrize("name", ["plan", "stdout", "app_config"])
def test_what_is_sent_at_times_may_be_asked_for(name: str) -> None:
    receiver = eval(f"lambda sender, {name}, **kwargs: None")

    assert why_not_callable(receiver, "django.db.models.signals.post_migrate", ()) is None


@pytest.mark.django_db
def test_the_list_of_what_django_sends_is_what_it_sends(client: Any, admin_user: Any) -> None:
    seen: dict[str, set[str]] = {}

    def note(signal: Any, sender: Any, **kwargs: Any) -> None:
        seen[names[id(signal)]] = {*kwargs}

    signals = {
        "django.core.signals.request_started": request_started,
        "django.contrib.auth.signals.user_logged_in": user_logged_in,
        "django.db.models.signals.m2m_changed": m2m_changed,
        "django.db.models.signals.post_migrate": post_migrate,
        POST_SAVE: post_save,
    }
    names = {id(signal): name for name, signal in signals.items()}
    for signal in signals.values():
        signal.connect(note)
    try:
        client.force_login(admin_user)
        client.get("/")
        admin_user.groups.clear()
        admin_user.save()
    finally:
        for signal in signals.values():
            signal.disconnect(note)

    for name, found in seen.items():
        always, sometimes = DJANGO_SENDS[name]
        assert {*always} <= found <= {*always, *sometimes}
    assert len(seen) == 4


rung = Signal()


def test_it_is_an_error_over_the_map(settings: Any) -> None:
    settings.DEBUG = False  # With DEBUG = True connect() would refuse it.
    rung.connect(no_rest)
    try:
        [found] = [
            each
            for each in over_signal_map(read_map()).shown
            # Other tests may have left such receivers, too.
            if each.slug == "uncallable-receiver" and f"{__name__}.rung" in each.message
        ]
    finally:
        rung.receivers = []

    assert found.level == "error"
    assert found.message == (
        f"{__name__}.no_rest cannot be called by {__name__}.rung: it takes no **kwargs, and is "
        "given signal as well."
    )
    assert "def no_rest(sender, **kwargs)" in found.advice


def test_a_swallowed_refusal_says_what_to_write(settings: Any) -> None:
    settings.DEBUG = False

    def own_bug(**kwargs: Any) -> None:
        no_rest()  # type: ignore[call-arg]

    rung.connect(no_rest)
    rung.connect(own_bug)
    try:
        with trace_signals() as trace:
            rung.send_robust(None)
    finally:
        rung.receivers = []
    refused, raised = [each for each in trace.findings() if each.slug == "swallowed-exception"]

    assert "could not be called" in refused.message
    assert "def no_rest(sender, **kwargs)" in refused.advice
    assert "could not be called" not in raised.message
