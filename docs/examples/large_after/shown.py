"""What the page "Large projects" shows of the project as it is afterwards."""

from shop.models import Order, Product


def save_product() -> None:
    """A product is saved, after."""
    Product.objects.create(name="Egg cup")


def before_pay() -> Order:
    product = Product.objects.create(name="Egg cup")
    return Order.objects.create(product=product, email="ada@example.com")


def pay(order: Order) -> None:
    """An order is paid, after."""
    order.pay()
