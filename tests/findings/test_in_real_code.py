"""Findings in traces of real code: each rule once where it holds, and once close by where not."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models.signals import ModelSignal, post_delete, post_save
from django.dispatch import Signal

from shop.models import Order, OrderLine, Product, Second
from signal_tracer import Trace, trace_signals
from signal_tracer.findings import Finding

if TYPE_CHECKING:
    from pytest_django import Settings

paid = Signal()
first, second, third, fourth = Signal(), Signal(), Signal(), Signal()
HERE = __name__


@pytest.fixture(autouse=True)
def signals_are_left_alone(settings: Settings) -> Iterator[None]:
    settings.SIGNAL_TRACER = {"SLOW_RECEIVER_MS": 15_000}
    signals: list[Signal | ModelSignal] = [paid, first, second, third, fourth]
    signals += [post_save, post_delete]
    before = [list(signal.receivers) for signal in signals]
    yield
    for signal, receivers in zip(signals, before, strict=True):
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()


def found(trace: Trace, slug: str) -> list[Finding]:
    return [each for each in trace.findings() if each.slug == slug]


def line_of(function: Callable[..., object], code: str) -> int:
    lines, start = inspect.getsourcelines(function)
    [number] = [number for number, line in enumerate(lines, start) if code in line]
    return number


def product(name: str = "Plate") -> Product:
    return Product(name=name, description="Flat.", price=Decimal(9))


def do_nothing(**kwargs: object) -> None:
    """A receiver."""


# Recursion, nesting


def save_again(instance: Product, **kwargs: object) -> None:
    if instance.price < 11:
        instance.price += 1
        instance.save()


@pytest.mark.django_db
def test_a_receiver_that_saves_its_instance_ran_inside_itself() -> None:
    post_save.connect(save_again, sender=Product)
    with trace_signals() as trace:
        product().save()
    [recursion] = found(trace, "recursion")
    [repeated] = found(trace, "repeated-save")

    assert recursion.message.startswith(f"{HERE}.save_again ran again before it had ended, 3 ")
    assert recursion.location
    assert recursion.location.line == line_of(save_again, "instance.save()")
    assert "was saved 3 times" in repeated.message


@pytest.mark.django_db
def test_a_receiver_that_saves_something_else_did_not_run_inside_itself() -> None:
    def save_line(**kwargs: object) -> None:
        Product.objects.create(name="Other", price=Decimal(1))

    post_save.connect(save_line, sender=Order)
    with trace_signals() as trace:
        post_save.send(Order)

    assert found(trace, "recursion") == []
    assert found(trace, "repeated-save") == []


def test_signals_that_send_each_other_on_are_nested_deep() -> None:
    relays = [
        lambda **kwargs: second.send(Order),
        lambda **kwargs: third.send(Order),
        lambda **kwargs: fourth.send(Order),
        do_nothing,
    ]
    for signal, relay in zip((first, second, third, fourth), relays, strict=True):
        signal.connect(relay, weak=False)
    with trace_signals() as trace:
        second.send(Order)
    assert found(trace, "deep-nesting") == []

    with trace_signals() as trace:
        first.send(Order)
    [finding] = found(trace, "deep-nesting")
    assert finding.message == (
        "Dispatches are nested 4 deep: first (shop.Order) > second (shop.Order) > "
        "third (shop.Order) > fourth (shop.Order)."
    )
    assert finding.location
    assert finding.location.file == __file__


# Async


async def book(**kwargs: object) -> None:
    """An async receiver."""


def test_an_async_receiver_needs_a_bridge_under_send_and_none_under_asend() -> None:
    paid.connect(book)
    with trace_signals() as trace:
        paid.send(Order)
        asyncio.run(paid.asend(Order))
    [finding] = found(trace, "async-bridge")

    assert finding.message == f"{HERE}.book is async, and {HERE}.paid was sent with send()."
    assert finding.location
    assert finding.location.function.endswith("under_send_and_none_under_asend")
    assert finding.count == 1


# Connections


def connect_late() -> None:
    paid.connect(book)


def test_connecting_while_the_trace_runs_is_late_and_before_it_is_not() -> None:
    paid.connect(do_nothing)
    with trace_signals() as trace:
        connect_late()
        paid.send(Order)
    [finding] = found(trace, "connected-late")

    assert finding.names[:2] == (f"{HERE}.book", f"{HERE}.paid")
    assert finding.location
    assert finding.location.line == line_of(connect_late, "connect(book)")


def disconnect_in_vain() -> None:
    assert not paid.disconnect(do_nothing)


def test_a_disconnect_that_finds_nothing_is_told_and_one_that_does_is_not() -> None:
    paid.connect(do_nothing, sender=Order)
    with trace_signals() as trace:
        disconnect_in_vain()
        assert paid.disconnect(do_nothing, sender=Order)
    [finding] = found(trace, "nothing-disconnected")

    assert "returned False" in finding.message
    assert finding.location
    assert finding.location.line == line_of(disconnect_in_vain, "paid.disconnect")


# Exceptions


def look_up(**kwargs: object) -> None:
    address = None
    try:
        address = {}["email"]
    except KeyError:
        assert address is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12")
def test_an_exception_that_the_receiver_caught_is_told_if_it_was_asked_for(
    settings: Settings,
) -> None:
    paid.connect(look_up)
    with trace_signals() as trace:
        paid.send(Order)
    assert found(trace, "swallowed-exception") == []

    settings.SIGNAL_TRACER = {"RECORD_HANDLED_EXCEPTIONS": True}
    with trace_signals() as trace:
        paid.send(Order)
    [finding] = found(trace, "swallowed-exception")
    assert finding.message.startswith(f"{HERE}.look_up caught KeyError: email itself at ")
    assert finding.location
    assert finding.location.line == line_of(look_up, "except KeyError")


# Bypasses and near misses


@pytest.mark.django_db
def test_bulk_operations_on_a_model_without_receivers_are_no_bypass() -> None:
    with trace_signals() as trace:
        Order.objects.filter(pk=1).update(phone="1")
        OrderLine.objects.bulk_create([])
        OrderLine.objects.all().delete()

    assert found(trace, "bulk-bypass") == []
    assert trace.all_bypasses() == []


@pytest.mark.django_db
def test_saving_and_deleting_are_no_bypass() -> None:
    with trace_signals() as trace:
        plate = product()
        plate.save()
        plate.save(update_fields=["price"])
        plate.delete()

    assert found(trace, "bulk-bypass") == []


@pytest.mark.django_db
def test_an_update_in_a_receiver_that_others_wait_for_is_told_with_its_rows() -> None:
    def cheaper(**kwargs: object) -> None:
        Product.objects.update(price=1)

    product("Plate").save()
    product("Bowl").save()
    paid.connect(cheaper, weak=False)
    with trace_signals() as trace:
        paid.send(Order)
    [finding] = found(trace, "bulk-bypass")

    assert finding.message == (
        "shop.Product.update() changed 2 rows without sending post_save, so "
        "search.receivers.index_product did not run."
    )
    assert finding.location
    assert finding.location.line == line_of(cheaper, "update(price=1)")


@pytest.mark.django_db
def test_a_receiver_that_is_connected_to_the_proxy_as_well_is_no_near_miss() -> None:
    post_save.connect(do_nothing, sender=Product)
    post_save.connect(do_nothing, sender=Second)
    with trace_signals() as trace:
        Second(name="Plate", description="", price=Decimal(1)).save()

    missed = [each.names[0] for each in found(trace, "near-miss")]
    assert missed == ["search.receivers.index_product"]


# Transactions


def mail(**kwargs: object) -> None:
    """A receiver that does something outside of the database."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_new", [False, True], ids=["a row that was there", "a new row"])
def test_a_savepoint_that_is_rolled_back_and_tried_again_has_lost_only_a_new_row(
    *, is_new: bool
) -> None:
    plate = product()
    if not is_new:
        plate.save()
    post_save.connect(mail, sender=Product)
    with trace_signals() as trace, transaction.atomic():
        for attempt in (1, 2):
            try:
                with transaction.atomic():
                    plate.save()
                    if attempt == 1:
                        raise IntegrityError
            except IntegrityError:
                plate._state.adding = is_new

    first_save, second_save = trace.find(signal="post_save", receiver="mail")
    assert (first_save.rolled_back, second_save.rolled_back) == (("default",), ())
    assert first_save.kwargs == second_save.kwargs
    assert len(found(trace, "lost-on-rollback")) == is_new


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_is_rolled_back_for_good_has_lost_what_receivers_did() -> None:
    post_save.connect(mail, sender=Product)
    with trace_signals() as trace, transaction.atomic():
        product().save()
        transaction.set_rollback(True)
    [finding] = found(trace, "lost-on-rollback")

    assert finding.names[0] == f"{HERE}.mail"  # and not the one that only wrote its row


# Queries


@pytest.mark.django_db
def test_a_receiver_that_locks_rows_reads_and_one_that_updates_them_writes() -> None:
    def lock(**kwargs: object) -> None:
        list(Product.objects.select_for_update())

    def write(number: int, **kwargs: object) -> None:
        Order.objects.filter(pk=number).update(phone=f"{number}")

    paid.connect(lock, weak=False)
    paid.connect(write, weak=False)
    with trace_signals() as trace, transaction.atomic():
        for number in range(5):
            paid.send(Order, number=number)
    [finding] = found(trace, "writes-in-receiver")

    assert ".write wrote to the database in each of 5 dispatches from " in finding.message
    assert finding.message.endswith(": UPDATE shop_order.")


@pytest.mark.django_db
def test_five_equal_queries_are_a_loop_and_four_are_not() -> None:
    def look(times: int, **kwargs: Any) -> None:
        for _ in range(times):
            Product.objects.filter(pk=1).exists()

    paid.connect(look, weak=False)
    with trace_signals() as trace:
        paid.send(Order, times=4)
    assert found(trace, "query-in-loop") == []

    with trace_signals() as trace:
        paid.send(Order, times=5)
    [finding] = found(trace, "query-in-loop")
    assert "ran the same query 5 times in one call: SELECT %s AS" in finding.message
