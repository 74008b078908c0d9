"""What the page "Good habits" shows."""

from decimal import Decimal

from django.db import transaction
from django.db.models import Count, F
from django.db.models.signals import post_save, pre_save

from good_habits import naive
from good_habits.models import Customer, Order, Parcel
from good_habits.orders import place_order
from good_habits.receipts import mail_receipts
from good_habits.signals import order_placed


def _ada() -> Customer:
    return Customer.objects.create(email="ada@example.com")


def before_order() -> Customer:
    return _ada()


def order(customer: Customer) -> None:
    """An order is placed."""
    place_order(customer, Decimal(100))


def before_mail_again() -> None:
    ada = _ada()
    Order.objects.bulk_create([Order(customer=ada, net=Decimal(100)) for _ in range(3)])


def mail_again() -> None:
    """The receipts of a day are mailed again."""
    print(mail_receipts(Order.objects.select_related("customer")), "receipts")


def before_import_counting() -> Customer:
    post_save.connect(naive.count_order, sender=Order)
    return _ada()


def import_counting(customer: Customer) -> None:
    """Twelve orders, counted one by one."""
    for net in range(100, 112):
        Order.objects.create(customer=customer, net=Decimal(net))
    customer.refresh_from_db()
    print(customer.order_count, "orders")


def before_import_counted_once() -> Customer:
    return _ada()


def import_counted_once(customer: Customer) -> None:
    """Twelve orders, counted once."""
    for net in range(100, 112):
        Order.objects.create(customer=customer, net=Decimal(net))
    Customer.objects.filter(pk=customer.pk).update(order_count=F("order_count") + 12)
    customer.refresh_from_db()
    print(customer.order_count, "orders")


def before_import_counted_when_asked() -> Customer:
    return _ada()


def import_counted_when_asked(customer: Customer) -> None:
    """Twelve orders, counted when somebody asks."""
    for net in range(100, 112):
        Order.objects.create(customer=customer, net=Decimal(net))
    print(Customer.objects.annotate(orders=Count("order")).get().orders, "orders")


def before_import_without_tax() -> Customer:
    pre_save.connect(naive.add_tax, sender=Order)
    return _ada()


def import_without_tax(customer: Customer) -> None:
    """Orders are imported, and the tax is a receiver's."""
    Order.objects.bulk_create([Order(customer=customer, net=Decimal(100))])
    print("tax:", Order.objects.get().tax)


def before_count_twice() -> Customer:
    naive.connect_counter()
    naive.connect_counter()
    return _ada()


def count_twice(customer: Customer) -> None:
    """Connected twice, without a dispatch_uid."""
    place_order(customer, Decimal(100))


def before_count_once() -> Customer:
    naive.connect_counter_once()
    naive.connect_counter_once()
    return _ada()


def count_once(customer: Customer) -> None:
    """Connected twice, under one dispatch_uid."""
    place_order(customer, Decimal(100))


def before_order_without_address() -> Customer:
    return Customer.objects.create()


def order_without_address(customer: Customer) -> None:
    """A customer without an address orders."""
    order_placed.send_robust(sender=Order, order=Order.objects.create(customer=customer, net=9))


def before_announce_naively() -> Order:
    post_save.disconnect(sender=Parcel, dispatch_uid="good_habits.announce_parcel")
    post_save.connect(naive.announce_parcel, sender=Parcel)
    return Order.objects.create(customer=_ada(), net=9)


def announce_naively(order: Order) -> None:
    """A parcel, and the printer is off."""
    with transaction.atomic():
        Parcel.objects.create(order=order)


def before_announce_robustly() -> Order:
    post_save.disconnect(sender=Parcel, dispatch_uid="good_habits.announce_parcel")
    post_save.connect(naive.announce_parcel_robustly, sender=Parcel)
    return Order.objects.create(customer=_ada(), net=9)


def announce_robustly(order: Order) -> None:
    """A parcel, the printer is off, and the callbacks are robust."""
    with transaction.atomic():
        Parcel.objects.create(order=order)


def before_announce() -> Order:
    return Order.objects.create(customer=_ada(), net=9)


def announce(order: Order) -> None:
    """A parcel is announced."""
    with transaction.atomic():
        Parcel.objects.create(order=order)
