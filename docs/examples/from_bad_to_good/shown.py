"""What the page "From bad to good in five steps" shows."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from django.core import mail

from shop.models import Customer, Order, Product
from shop.others import CardRefusedError

EARLIER = 4


@dataclass
class Sale:
    step: ModuleType
    customer: Customer
    product: Product

    def close(self) -> None:
        try:
            self.step.place_order(self.customer, self.product)
        except CardRefusedError:
            answer = "Your card was refused."
        else:
            answer = "Thank you!"
        orders = Order.objects.count() - EARLIER
        [spent] = Customer.objects.values_list("spent", flat=True)
        print(f"{answer}  orders: {orders}  mails: {len(mail.outbox)}  spent: {spent}")


def _sale(step: int, *, product: str = "Teapot", email: str = "ada@example.com") -> Sale:
    """A customer who has ordered before, and the receivers of a step and of no other."""
    mail.outbox = []
    customer = Customer.objects.create(email=email, spent=40 * EARLIER)
    earlier = Product.objects.create(name="Vase", price=40)
    Order.objects.bulk_create(
        Order(customer=customer, product=earlier, number=f"A-{each}") for each in range(EARLIER)
    )
    sold = Product.objects.create(name=product, price=60)
    return Sale(import_module(f"shop.step_{step}"), customer, sold)


def before_as_found() -> Sale:
    return _sale(0)


def as_found(sale: Sale) -> None:
    """As it was found."""
    sale.close()


def before_heard_once() -> Sale:
    return _sale(1)


def heard_once(sale: Sale) -> None:
    """1: connected once."""
    sale.close()


def before_saved_once() -> Sale:
    return _sale(2)


def saved_once(sale: Sale) -> None:
    """2: saved once."""
    sale.close()


def before_light() -> Sale:
    return _sale(3)


def light(sale: Sale) -> None:
    """3: one query."""
    sale.close()


def before_after_commit() -> Sale:
    return _sale(4)


def after_commit(sale: Sale) -> None:
    """4: after the commit."""
    sale.close()


def before_in_the_open() -> Sale:
    return _sale(5)


def in_the_open(sale: Sale) -> None:
    """5: in the open."""
    sale.close()


# The card is refused.


def before_refused_at_step_3() -> Sale:
    return _sale(3, product="Gold teapot")


def refused_at_step_3(sale: Sale) -> None:
    """3, and the card is refused."""
    sale.close()


def before_refused_at_step_4() -> Sale:
    return _sale(4, product="Gold teapot")


def refused_at_step_4(sale: Sale) -> None:
    """4, and the card is refused."""
    sale.close()


# The mail server does not answer.


def before_no_mail_at_step_4() -> Sale:
    return _sale(4, email="ada@down.example")


def no_mail_at_step_4(sale: Sale) -> None:
    """4, and no mail goes out."""
    sale.close()


def before_no_mail_at_step_5() -> Sale:
    return _sale(5, email="ada@down.example")


def no_mail_at_step_5(sale: Sale) -> None:
    """5, and no mail goes out."""
    sale.close()
