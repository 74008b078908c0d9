"""What the page "Large projects" shows of the project as it has grown."""

from shop.models import Order, Product


def save_product() -> None:
    """A product is saved, before."""
    Product.objects.create(name="Egg cup")


def before_pay() -> Order:
    product = Product.objects.create(name="Egg cup")
    return Order.objects.create(product=product, email="ada@example.com")


def pay(order: Order) -> None:
    """An order is paid, before."""
    order.pay()
