"""What looks like a finding and is none, each beside its close neighbour that is one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import post_delete, post_init, post_save
from django.dispatch import Signal
from telling import POST_SAVE, at, call, saved, sent, told, traced

from shop.models import Order, Product, Second
from signal_tracer import Trace, trace_signals
from signal_tracer.findings import Finding
from signal_tracer.records import ConnectionChange, Dispatch, NearMiss, ReceiverCall

paid = Signal()


@pytest.fixture(autouse=True)
def signals_are_left_alone(settings: Any) -> Iterator[None]:
    settings.SIGNAL_TRACER = {"SLOW_RECEIVER_MS": 15_000}
    before = [(signal, list(signal.receivers)) for signal in (paid, post_save, post_delete)]
    yield
    for signal, receivers in before:
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


def slugs(trace: Trace) -> list[str]:
    return [each.slug for each in trace.findings()]


# Near misses

INDEX = NearMiss("search.receivers.index", "connected_to_parent", at(5), connected_to="shop.Page")


def article(*calls: ReceiverCall, **changes: Any) -> Dispatch:
    return saved("shop.Article(pk=3)", *calls, **{"near_misses": [INDEX], **changes})


def page(pk: int, **changes: Any) -> Dispatch:
    return saved(f"shop.Page(pk={pk})", call(INDEX.receiver, defined_at=at(5)), **changes)


def test_a_receiver_that_ran_for_the_same_row_missed_nothing() -> None:
    assert told(traced(article(), page(3))) == []


@pytest.mark.parametrize(
    "other",
    [
        page(4),
        page(3, signal="django.db.models.signals.pre_save"),
        page(3, sender="shop.Leaflet"),
        saved("shop.Page(pk=3)", call("search.receivers.other", defined_at=at(5))),
    ],
    ids=["another row", "another signal", "another model", "another receiver"],
)
def test_a_receiver_that_ran_for_something_else_missed_this(other: Dispatch) -> None:
    assert slugs(traced(article(), other)) == ["near-miss"]


def test_a_row_without_a_key_is_the_same_as_no_other() -> None:
    unsaved = {"near_misses": [INDEX]}
    ran = saved("shop.Page(pk=None)", call(INDEX.receiver, defined_at=at(5)))

    assert slugs(traced(saved("shop.Article(pk=None)", **unsaved), ran)) == ["near-miss"]


def test_a_receiver_that_made_the_row_itself_missed_nothing() -> None:
    itself = call(INDEX.receiver, defined_at=at(5), dispatches=[article()])
    another = call("search.receivers.other", defined_at=at(5), dispatches=[article()])

    assert told(traced(sent(itself))) == []
    assert slugs(traced(sent(another))) == ["near-miss"]


# Connections


def change(action: Any, **changes: Any) -> ConnectionChange:
    made = ConnectionChange(
        action,
        POST_SAVE,
        "shop.receivers.index",
        "shop.Product",
        called_from=at(15, "shop/views.py", "show"),
        was_connected=True if action == "disconnect" else None,
    )
    return replace(made, **changes)


def of_changes(*changes: ConnectionChange) -> list[str]:
    return told(traced(connection_changes=list(changes)))


def test_a_receiver_that_is_disconnected_and_stays_so_is_told() -> None:
    assert of_changes(change("disconnect")) == [
        (
            "warning left-disconnected: shop.receivers.index was disconnected from "
            "django.db.models.signals.post_save at shop/views.py:15, and not connected again by "
            "the end of the trace."
        )
    ]
    [undone] = of_changes(change("disconnect"), change("connect"))
    assert undone.startswith("info disconnected-for-a-while: ")
    assert len(of_changes(change("disconnect"), change("connect"), change("disconnect"))) == 1


def test_a_connect_that_did_nothing_is_told_only_where_another_has_the_place() -> None:
    again = change("connect", held_by="shop.receivers.index", dispatch_uid="index")
    taken = change("connect", held_by="shop.receivers.log", dispatch_uid="index")

    assert of_changes(again) == []
    assert of_changes(taken) == [
        (
            "warning uid-taken: connect() of shop.receivers.index to "
            "django.db.models.signals.post_save at shop/views.py:15 did nothing: "
            "shop.receivers.log is connected with dispatch_uid='index' already."
        )
    ]
    # It undoes nothing either.
    assert len(of_changes(change("disconnect", dispatch_uid="index"), again)) == 1


def test_what_an_import_connects_is_told_with_what_to_move() -> None:
    location = at(20, "shop/views.py", "<module>")
    [finding] = traced(connection_changes=[change("connect", called_from=location)]).findings()

    assert finding.slug == "connected-late"
    assert finding.advice == (
        "Move shop.receivers.index and its connect() into a module that AppConfig.ready() "
        "imports, such as receivers.py."
    )


# Recursions and deep nesting


def nested(*dispatches: Dispatch) -> Dispatch:
    """Each sent by the receiver of the one before."""
    *others, last = dispatches
    for each in reversed(others):
        each.receiver_calls[0].dispatches = [last]
        last = each
    return last


def test_a_receiver_of_every_model_inside_itself_for_another_model_is_no_recursion() -> None:
    assert told(traced(nested(sent(call()), sent(call(), sender="shop.Line")))) == []
    assert told(traced(nested(sent(call()), sent(call(), signal="shop.signals.sent")))) == []
    assert slugs(traced(nested(sent(call()), sent(call())))) == ["recursion"]


@pytest.mark.parametrize(
    ("signal", "advice"),
    [
        ("django.db.models.signals.post_init", "load no instances of the model"),
        ("django.db.models.signals.post_save", "return early by created or update_fields"),
        ("django.db.models.signals.pre_delete", "delete no more rows of the model by hand"),
        ("django.db.models.signals.m2m_changed", "do not change the relation again"),
        ("shop.signals.paid", "and not send shop.signals.paid again"),
        ("shop.signals.post_init", "and not send shop.signals.post_init again"),
    ],
)
def test_the_advice_against_a_recursion_fits_its_signal(signal: str, advice: str) -> None:
    trace = traced(nested(sent(call(), signal=signal), sent(call(), signal=signal)))
    [finding] = trace.findings()

    assert advice in finding.advice


def chain(*ends: Dispatch) -> Dispatch:
    """What ends three dispatches deep in all of ``ends``."""
    third = call("shop.c", defined_at=at(3), dispatches=list(ends))
    return nested(
        sent(call("shop.a", defined_at=at(1))),
        sent(call("shop.b", defined_at=at(2)), signal="shop.signals.b"),
        sent(third, signal="shop.signals.c"),
    )


def test_a_chain_is_deep_once_whatever_its_last_row_sends() -> None:
    row = "shop.Profile(pk=1)"
    ends = [
        saved(row, signal=f"django.db.models.signals.{name}")
        for name in ("post_init", "pre_save", "post_save")
    ]

    assert told(traced(chain(*ends))) == [
        (
            "warning deep-nesting: Dispatches are nested 4 deep: paid (shop.Order) > b "
            "(shop.Order) > c (shop.Order) > post_save (shop.Profile)."
        )
    ]
    other = saved("shop.Line(pk=1)", signal="django.db.models.signals.post_save")
    assert len(told(traced(chain(*ends, other)))) == 2


# In real code


def found(trace: Trace, slug: str) -> list[Finding]:
    return [each for each in trace.findings() if each.slug == slug]


def test_django_that_refuses_async_receivers_is_not_taken_for_one_that_raised() -> None:
    async def later(**kwargs: object) -> None: ...

    def now(**kwargs: object) -> None: ...

    paid.connect(later, weak=False)
    paid.connect(now, weak=False)

    async def send() -> None:
        with pytest.raises(RuntimeError):
            paid.send(Order)

    with trace_signals() as trace:
        asyncio.run(send())
    [dispatch] = trace.dispatches
    [finding] = trace.findings()

    assert [(each.receiver[-5:], each.reason) for each in dispatch.near_misses] == [
        ("later", "refused")
    ]
    assert [each.outcome for each in dispatch.receiver_calls] == ["returned"]
    assert (finding.level, finding.slug) == ("error", "send-in-event-loop")
    assert finding.advice.startswith("await asend() at ")


def test_who_cannot_await_a_signal_of_djangos_is_not_told_to() -> None:
    async def later(**kwargs: object) -> None: ...

    async def make() -> None:
        with pytest.raises(RuntimeError):
            Order()

    post_init.connect(later, weak=False, sender=Order)
    try:
        with trace_signals() as trace:
            asyncio.run(make())
    finally:
        post_init.disconnect(later, sender=Order)
    [finding] = found(trace, "send-in-event-loop")

    assert "asend" not in finding.advice
    assert "a plain function, or run the code at" in finding.advice


def test_a_receiver_that_raised_ends_the_dispatch_as_before() -> None:
    def fail(**kwargs: object) -> None:
        raise RuntimeError("You cannot use AsyncToSync in the same thread as I please")

    async def later(**kwargs: object) -> None: ...

    paid.connect(fail, weak=False)
    paid.connect(later, weak=False)
    with trace_signals() as trace, pytest.raises(RuntimeError):
        paid.send(Order)

    assert [each.reason for each in trace.dispatches[0].near_misses] == ["not_run"]
    assert found(trace, "send-in-event-loop") == []


@pytest.mark.django_db
@pytest.mark.parametrize("is_packages", [True, False])
def test_what_a_package_undoes_on_purpose_is_a_trial_and_what_the_project_undoes_is_not(
    is_packages: bool,
) -> None:
    paid.connect(lambda **kwargs: None, weak=False)
    source = (
        "def work():\n"
        "    with transaction.atomic():\n"
        "        paid.send(Order)\n"
        "        transaction.set_rollback(True)\n"
    )
    folder = "/srv/site-packages/importing" if is_packages else "/srv/project/importing"
    namespace: dict[str, Any] = {"transaction": transaction, "paid": paid, "Order": Order}
    exec(compile(source, f"{folder}/trial.py", "exec"), namespace)
    with trace_signals() as trace:
        namespace["work"]()
    [dispatch] = trace.dispatches

    assert dispatch.rolled_back == ("default",)
    assert dispatch.was_trial is is_packages
    assert slugs(trace) == ([] if is_packages else ["lost-on-rollback"])


@pytest.mark.django_db
def test_a_package_whose_block_an_exception_left_did_not_try() -> None:
    paid.connect(lambda **kwargs: None, weak=False)
    source = (
        "def work():\n"
        "    with transaction.atomic():\n"
        "        paid.send(Order)\n"
        "        raise KeyError\n"
    )
    namespace: dict[str, Any] = {"transaction": transaction, "paid": paid, "Order": Order}
    exec(compile(source, "/srv/site-packages/importing/trial.py", "exec"), namespace)
    with trace_signals() as trace, pytest.raises(KeyError):
        namespace["work"]()

    assert trace.dispatches[0].was_trial is False


def test_a_signal_whose_receivers_are_put_aside_has_nobody_near() -> None:
    def index(**kwargs: object) -> None: ...

    post_save.connect(index, sender=Product)
    kept = post_save.receivers
    with trace_signals() as trace:
        post_save.receivers = []
        post_save.sender_receivers_cache.clear()
        post_save.send(Second, instance=Second())
        post_save.receivers = kept
        post_save.sender_receivers_cache.clear()
    assert slugs(trace) == []

    with trace_signals() as trace:
        post_save.send(Second, instance=Second())
    assert set(slugs(trace)) == {"near-miss"}


@pytest.mark.django_db
def test_connect_says_what_it_did() -> None:
    def index(**kwargs: object) -> None: ...

    def log(**kwargs: object) -> None: ...

    post_save.connect(index, sender=Product, dispatch_uid="index")
    with trace_signals() as trace:
        post_save.connect(index, sender=Product, dispatch_uid="index")
        post_save.connect(log, sender=Product, dispatch_uid="index")
        post_save.connect(log, sender=Product)
        post_save.connect(log, sender=Product)
    holders = [each.held_by and each.held_by[-5:] for each in trace.connection_changes]

    assert holders == ["index", "index", None, ">.log"]
    assert [each.did_nothing for each in trace.connection_changes] == [True, True, False, True]
    assert slugs(trace) == ["uid-taken", "connected-late"]
