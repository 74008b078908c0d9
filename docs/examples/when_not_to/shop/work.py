"""What is to happen when an order is placed. The same for every way of saying so."""

from django.core.mail import send_mail
from django.db.models import F

from shop.models import BaseOrder, Product


def take_from_stock(order: BaseOrder) -> None:
    Product.objects.filter(pk=order.product_id).update(stock=F("stock") - order.quantity)


def confirm(*orders: BaseOrder) -> None:
    text = "\n".join(str(order) for order in orders)
    send_mail("Thank you for your order", text, None, [orders[0].email])
