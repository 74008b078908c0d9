from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_save
from django.dispatch import receiver

from from_bad_to_good.models import Customer, Order, Product, new_number
from from_bad_to_good.others import charge, mail


def place_order(customer: Customer, product: Product) -> Order:
    with transaction.atomic():
        order = Order.objects.create(customer=customer, product=product, number=new_number())
        charge(order)
    return order


@receiver(post_save, sender=Order, dispatch_uid="shop.order_saved")
def order_saved(instance, created, raw, **kwargs):
    if not created or raw:
        return
    try:
        spent = F("spent") + instance.product.price
        Customer.objects.filter(pk=instance.customer_id).update(spent=spent)
        mail(instance)
    except Exception:
        pass
