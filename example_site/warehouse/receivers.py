"""What the warehouse does when an order is paid."""

from django.dispatch import receiver

from billing.models import Payment
from billing.signals import payment_received
from shop.models import Order
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
