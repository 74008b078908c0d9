"""What the page "Custom signals" shows."""

from decimal import Decimal

from django.db import transaction

from shop import chain, steps
from shop.models import Order
from shop.payments import pay
from shop.signals import offers_wanted, order_paid


def before_paid() -> Order:
    return Order.objects.create(number="A-1", email="ada@example.com")


def paid(order: Order) -> None:
    """An order is paid."""
    pay(order, Decimal(20), "card")


def before_told_by_send() -> Order:
    return Order.objects.create(number="A-1")


def told_by_send(order: Order) -> None:
    """send()"""
    order_paid.send(Order, order=order, amount=Decimal(20), paid_by="card")


before_told_by_send_robust = before_told_by_send


def told_by_send_robust(order: Order) -> None:
    """send_robust()"""
    order_paid.send_robust(Order, order=order, amount=Decimal(20), paid_by="card")


before_misspelt = before_paid


def misspelt(order: Order) -> None:
    """An argument has another name than its receivers expect."""
    order_paid.send_robust(Order, order=order, total=Decimal(20), paid_by="card")


def before_offers() -> Order:
    return Order.objects.create(number="A-1")


def offers(order: Order) -> None:
    """Offers for a delivery are collected."""
    for receiver, price in offers_wanted.send(Order, order=order):
        print(f"{receiver.__name__}: {price}")


def before_by_a_chain() -> Order:
    return Order(number="A-1")


def by_a_chain(order: Order) -> None:
    """A chain of signals"""
    chain.order_accepted.send(Order, order=order)


before_by_steps = before_by_a_chain


def by_steps(order: Order) -> None:
    """One function"""
    steps.fulfil(order)


before_undone = before_paid


def undone(order: Order) -> None:
    """A payment is undone."""
    with transaction.atomic():
        pay(order, Decimal(20), "card")
        transaction.set_rollback(True)
