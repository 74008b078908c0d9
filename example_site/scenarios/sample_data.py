"""What the shop sells and to whom, so that every scenario has something to work on."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from django.contrib.auth.models import User
from django.core.files import File
from django.utils.crypto import get_random_string

from commissions.models import Account, AsFound, ConnectedOnce, SavedOnce
from shop.models import Product, Review
from warehouse.models import StockItem

PICTURES = Path(__file__).parent / "pictures"

USERNAME = "demo"
PASSWORD = "demo"  # it is meant to be known
PHONE = "+44 7700 900123"  # from the numbers set aside for films and books
CARD_NUMBER = "4242 4242 4242 4242"  # a test number: no such card exists

IN_STOCK = 500

# name: price, picture, description
PRODUCTS = {
    "Morning mug": ("18.00", "mug.svg", "Holds the first coffee, and most of the second."),
    "Soup bowl": ("24.00", "bowl.svg", "Deep, wide, and warm to hold."),
    "Round teapot": ("62.00", "teapot.svg", "Pours without a drip. Six cups."),
    "Bud vase": ("29.50", "vase.svg", "For the one flower that made it home."),
}
BASKET = {"Morning mug": 2, "Soup bowl": 4, "Round teapot": 1}

EGG_CUP = "Egg cup"
EGG_CUP_REVIEWS = ((5, "Sits straight."), (4, "Small, as eggs go."), (2, "Mine rolled away."))

TO_REVISE = "Bud vase"
SECOND = "Mug with a bubble"
MADE_TO_ORDER = "Bud vase"
COMMISSIONS_BEFORE = 4
SUPPLIED = ("Blue plate", "Blue dish", "Blue jug")


def prepare() -> None:
    """Fill the shop. What is there already stays; shelves that ran low are filled up again."""
    customer()
    for name in PRODUCTS:
        product = _product(name, *PRODUCTS[name])
        item, _ = StockItem.objects.get_or_create(product=product, defaults={"quantity": 0})
        if item.quantity < IN_STOCK:
            item.quantity = IN_STOCK
            item.save()
    discontinued_product()
    commissions_before()


def customer() -> User:
    """The user who buys; may also enter the admin."""
    user, created = User.objects.get_or_create(
        username=USERNAME,
        defaults={"email": "demo@customer.example", "is_staff": True, "is_superuser": True},
    )
    if created:
        user.set_password(PASSWORD)
        user.save()
    return user


def basket() -> list[tuple[Product, int]]:
    """What the customer is about to buy; empty as long as nothing was prepared."""
    products = Product.objects.filter(name__in=BASKET)
    return [(product, BASKET[product.name]) for product in products]


def egg_cup_on_the_shelf() -> Product | None:
    return Product.objects.filter(name=EGG_CUP).first()


def discontinued_product() -> Product:
    """The egg cup with its picture, its reviews and the last two in stock; put back if gone."""
    product = egg_cup_on_the_shelf()
    if product is None:
        product = _product(EGG_CUP, "9.00", "egg-cup.svg", "Nobody eats eggs any more.")
        StockItem.objects.create(product=product, quantity=2)
        for stars, text in EGG_CUP_REVIEWS:
            Review.objects.create(product=product, stars=stars, text=text)
    return product


def customer_with_account() -> User:
    """The user who buys, and who has things made to order."""
    user = customer()
    Account.objects.get_or_create(customer=user)
    return user


def commissions_before() -> None:
    """What the customer has had made, for the receivers that add all of it up."""
    user, product = customer_with_account(), made_to_order()
    if AsFound.objects.exists():
        return
    numbers = [f"C-{each}" for each in range(COMMISSIONS_BEFORE)]
    AsFound.objects.bulk_create(
        AsFound(customer=user, product=product, number=number) for number in numbers
    )
    ConnectedOnce.objects.bulk_create(
        ConnectedOnce(customer=user, product=product, number=number) for number in numbers
    )
    SavedOnce.objects.bulk_create(
        SavedOnce(customer=user, product=product, number=number) for number in numbers
    )


def made_to_order() -> Product:
    """What customers want another one of."""
    return _product(MADE_TO_ORDER, *PRODUCTS[MADE_TO_ORDER])


def from_the_supplier() -> list[Product]:
    """What the supplier has this time: another glaze than before, and so another text."""
    glaze = f"Glaze number {get_random_string(5, '123456789')}."
    return [Product(name=name, description=glaze, price=Decimal("21.00")) for name in SUPPLIED]


def flaw() -> str:
    """What is wrong with it this time."""
    return f"The bubble is {get_random_string(3, '123456789')} degrees from the handle."


def _product(name: str, price: str, picture: str, description: str) -> Product:
    product = Product.objects.filter(name=name).first()
    if product is None:
        with (PICTURES / picture).open("rb") as file:
            product = Product.objects.create(
                name=name,
                price=Decimal(price),
                description=description,
                picture=File(file, name=picture),
            )
    return product
