"""What the warehouse does when an order is paid, and when it is packed."""

from functools import partial

from django.db import transaction
from django.dispatch import receiver

from billing.models import Payment
from billing.signals import payment_received
from shop.models import Order
from shop.signals import order_packed
from warehouse import printer
from warehouse.models import StockItem
from warehouse.signals import stock_reserved


@receiver(payment_received, dispatch_uid="warehouse.reserve_stock")
def reserve_stock(sender: type[Payment], *, payment: Payment, **kwargs: object) -> None:
    """Put aside what was bought. The parcel must not depend on a mail: hence send_robust."""
    quantities = {}
    for line in payment.order.lines.select_related("product__stock"):
        item: StockItem = line.product.stock
        item.quantity -= line.quantity
        item.save(update_fields=["quantity"])
        quantities[line.product.name] = line.quantity
    stock_reserved.send_robust(sender=Order, order=payment.order, quantities=quantities)


@receiver(order_packed, dispatch_uid="warehouse.print_slip")
def print_slip(
    sender: type[Order], *, order: Order, wait_for_commit: bool, **kwargs: object
) -> None:
    """Let a worker print the slip. At once, that is before the order is there for the worker."""
    if wait_for_commit:
        transaction.on_commit(partial(printer.start, order.pk))
    else:
        printer.start(order.pk)
