"""``--explain``: who would run if a sender sent a signal now, who would not, and why."""

from __future__ import annotations

import gc
import io
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from django.apps import apps
from django.contrib.auth.models import AbstractUser, Group, User
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_save
from django.dispatch import Signal

from shop.models import Order, Product
from signal_tracer import records, trace_signals
from signal_tracer.showing import map_text

chime = Signal()


def first(**kwargs: Any) -> None:
    pass


def second(**kwargs: Any) -> None:
    pass


def third(**kwargs: Any) -> None:
    pass


async def later(**kwargs: Any) -> None:
    pass


class Bell:
    pass


class Doorbell(Bell):
    pass


HINT = (
    "This is who is connected so far. A server imports the URLconf as well, and what that "
    "connects: --load-urls shows it too."
)


@pytest.fixture(autouse=True)
def lines_are_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def nobody_hears_it() -> Iterator[None]:
    yield
    chime.receivers = []
    apps._pending_operations.clear()  # type: ignore[attr-defined]  # private


def explained(signal: str, sender: str) -> list[str]:
    """The lines above the hint, without the places of this module."""
    out = io.StringIO()
    call_command("signal_map", explain=(signal, sender), stdout=out)
    *lines, nothing, hint = out.getvalue().replace(f"{__name__}.", "").splitlines()
    assert (nothing, hint) == ("", HINT)
    return [line.split("  tests/mapping/")[0] for line in lines]


def refusal(signal: str, sender: str) -> str:
    with pytest.raises(CommandError) as raised:
        explained(signal, sender)
    return str(raised.value)


def test_who_would_run_stands_in_calling_order_the_async_ones_last() -> None:
    chime.connect(later)
    chime.connect(first)
    chime.connect(second, sender=Order)
    chime.connect(third, sender=Product)
    lines = explained("chime", "shop.Order")
    with trace_signals() as trace:
        chime.send(Order)
    [dispatch] = trace.dispatches

    assert lines[:5] == [
        "chime  sent by shop.Order",
        "",
        "3 receivers would run:",
        "  1  first  any sender",
        "  2  second  shop.Order",
    ]
    assert lines[5].startswith("  3  later  any sender  ASYNC")
    assert lines[6:] == [
        "",
        "1 receiver would not:",
        "  -  third",
        "     it is connected to shop.Product",
    ]
    assert [call.receiver for call in dispatch.receiver_calls] == [
        f"{__name__}.{name}" for name in ("first", "second", "later")
    ]


def test_whom_djangos_cache_leaves_out_would_not_run() -> None:
    post_save.connect(first, sender=Group)
    receivers, post_save.receivers = post_save.receivers, []
    post_save.has_listeners(Group)
    post_save.receivers = receivers
    try:
        lines = explained("post_save", "auth.Group")
    finally:
        post_save.disconnect(first, sender=Group)

    why = lines[lines.index("  -  first") + 1]
    assert why == (
        "     Django's cache of who hears that sender was filled while it was not connected"
    )


@pytest.mark.parametrize(
    ("connected", "sent", "why"),
    [
        (
            Bell,
            "test_explain.Doorbell",
            "it is connected to Bell, a parent class of the sender",
        ),
        (Doorbell, "Bell", "it is connected to Doorbell, a child class of the sender"),
        (Product, "shop.Order", "it is connected to shop.Product"),
        (Product, "None", "it is connected to shop.Product"),
    ],
    ids=["parent", "child", "other", "none"],
)
def test_why_a_receiver_would_not_run(connected: Any, sent: str, why: str) -> None:
    chime.connect(first, sender=connected)

    assert explained("chime", sent)[-2:] == ["  -  first", f"     {why}"]


def test_a_proxy_and_its_concrete_model_are_told_apart() -> None:
    class EagerOrder(Order):
        class Meta:
            app_label = "shop"
            proxy = True

    try:
        chime.connect(first, sender=Order)
        chime.connect(second, sender=EagerOrder)

        assert explained("chime", "shop.EagerOrder")[-1] == (
            "     it is connected to shop.Order, which the sender is a proxy of"
        )
        assert explained("chime", "shop.Order")[-1] == (
            "     it is connected to shop.EagerOrder, a proxy of the sender"
        )
    finally:
        del apps.all_models["shop"]["eagerorder"]
        apps.clear_cache()


def test_one_that_is_connected_to_a_model_of_m2m_changed_is_told() -> None:
    m2m_changed.connect(first, sender=User)

    assert explained("m2m_changed", "auth.User_groups")[-1] == (
        "     it is connected to auth.User, a model, and not the table between two"
    )
    assert "  ! auth.User never sends it: the through of a field does." in explained(
        "m2m_changed", "auth.User"
    )


def test_a_dead_and_a_waiting_receiver_are_told(settings: Any) -> None:
    settings.DEBUG = False
    post_save.connect(first, sender="shop.Ordre")

    def short_lived(**kwargs: Any) -> None:
        pass

    post_save.connect(short_lived, sender=Order)
    del short_lived
    gc.collect()
    lines = explained("post_save", "shop.Order")

    assert "     it was collected as garbage: nothing but the connection referred to it" in lines
    assert "     it waits for a model shop.ordre, and no model goes by that name" in lines


def test_an_abstract_sender_is_said_never_to_send() -> None:
    assert (
        "  ! auth.AbstractUser is an abstract model: Django sends the model that inherits from it."
        in explained("post_save", "auth.AbstractUser")
    )
    assert AbstractUser._meta.abstract


class SelfWilled(Signal):
    def send(self, sender: Any, **named: Any) -> list[Any]:
        return []


self_willed = SelfWilled()


def test_a_signal_with_a_send_of_its_own_is_said_to_decide_itself() -> None:
    assert explained("self_willed", "None")[1] == (
        "  SelfWilled has its own send and decides itself whom it calls; this is what Django's own "
        "send() would do."
    )


# Names


@pytest.mark.parametrize(
    "name", ["shop.Order", "shop.order", "Order", "shop.models.Order", "models.Order"]
)
def test_a_sender_goes_by_its_label_or_path_or_the_last_parts(name: str) -> None:
    assert explained("django.db.models.signals.post_save", name)[0] == (
        "django.db.models.signals.post_save  sent by shop.Order"
    )


@pytest.mark.parametrize(
    "name",
    [
        "auth.User.groups.through",
        "auth.user.groups.through",
        "User.groups.through",
        "django.contrib.auth.models.User.groups.through",
        "auth.User_groups",
    ],
)
def test_the_through_of_a_field_goes_by_how_it_is_written_in_python(name: str) -> None:
    m2m_changed.connect(first, sender=User.groups.through)
    try:
        lines = explained("m2m_changed", name)
    finally:
        m2m_changed.disconnect(first, sender=User.groups.through)

    assert lines[0] == "django.db.models.signals.m2m_changed  sent by auth.User_groups"
    assert "  1  first  auth.User_groups" in [line.rstrip() for line in lines]


def test_a_through_that_is_misspelt_is_answered_with_what_was_meant() -> None:
    assert refusal("m2m_changed", "auth.User.group.through") == (
        "No sender goes by 'auth.User.group.through'. Did you mean 'auth.User.groups.through'?"
    )


def test_an_instance_goes_by_what_the_map_calls_it() -> None:
    chime.connect(first, sender=apps.get_app_config("shop"))

    assert explained("chime", "<shop.apps.ShopConfig>")[2:4] == [
        "1 receiver would run:",
        "  1  first  <shop.apps.ShopConfig>",
    ]


@pytest.mark.parametrize(
    ("signal", "sender", "message"),
    [
        (
            "post_svae",
            "shop.Order",
            "No signal goes by 'post_svae'. Did you mean 'django.db.models.signals.post_save'?",
        ),
        (
            "post_save",
            "shop.Oder",
            "No sender goes by 'shop.Oder'. Did you mean 'shop.Order'?",
        ),
    ],
)
def test_a_typo_is_answered_with_what_was_meant(signal: str, sender: str, message: str) -> None:
    assert refusal(signal, sender) == message


def test_a_name_that_several_go_by_is_refused() -> None:
    assert refusal("signals.nothing_like_it_at_all", "None").startswith("No signal goes by ")
    chime.connect(first, sender=Group)

    class Order:
        """Another one."""

    chime.connect(first, sender=Order)
    assert refusal("chime", "Order").startswith("More than one sender goes by 'Order': ")
    assert issubclass(Group, Model)


def test_an_answer_after_the_urlconf_was_loaded_lacks_nothing() -> None:
    out = io.StringIO()
    call_command("signal_map", explain=("chime", "shop.Order"), load_urls=True, stdout=out)

    assert HINT not in out.getvalue()


def test_an_answer_is_broken_at_the_width_of_the_page_and_names_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chime.connect(first, sender=Order)
    monkeypatch.setenv("COLUMNS", "80")
    out = io.StringIO()
    call_command("signal_map", explain=("chime", "shop.Product"), stdout=out)
    lines = out.getvalue().splitlines()

    assert max(map(len, lines)) <= 80
    assert lines[-2:] == [
        "This is who is connected so far. A server imports the URLconf as well, and what",
        "that connects: --load-urls shows it too.",
    ]
    assert any(f"{__name__}.first" in line for line in lines)


def test_every_reason_why_a_receiver_would_not_run_has_words() -> None:
    wanted = {*get_args(records.Reason), "dead", "waiting", "sender_gone", "connected_to_other"}
    wanted |= {"left_out"}

    assert set(map_text._OBSTACLES) == wanted
