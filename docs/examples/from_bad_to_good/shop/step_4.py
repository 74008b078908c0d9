from functools import partial

from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_save
from django.dispatch import receiver

from shop.models import Customer, Order, Product, new_number
from shop.others import charge, mail


def place_order(customer: Customer, product: Product) -> Order:
    with transaction.atomic():
        order = Order(customer=customer, product=product, number=new_number())
        order.save()
        charge(order)
    return order


@receiver(post_save, sender=Order, dispatch_uid="shop.order_saved")
def order_saved(instance, created, raw, **kwargs):
    if not created or raw:
        return
    spent = F("spent") + instance.product.price
    Customer.objects.filter(pk=instance.customer_id).update(spent=spent)
    transaction.on_commit(partial(try_to_mail, instance))


def try_to_mail(order):
    try:
        mail(order)
    except Exception:
        pass
