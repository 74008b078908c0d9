"""What the shop does when something happens to a product, to its stock or to an order."""

from django.core.cache import cache
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from billing.models import Payment
from billing.signals import payment_received
from shop.models import Order, Product, Review, rating_key
from warehouse.models import StockItem


@receiver(payment_received, dispatch_uid="shop.mark_order_paid")
def mark_order_paid(sender: type[Payment], *, payment: Payment, **kwargs: object) -> None:
    """An order is paid as soon as its payment is."""
    payment.order.status = Order.Status.PAID
    payment.order.save(update_fields=["status"])


@receiver(post_save, sender=StockItem, dispatch_uid="shop.show_availability")
def show_availability(
    sender: type[StockItem], *, instance: StockItem, raw: bool, **kwargs: object
) -> None:
    """The product pages read from the cache how many are left."""
    if not raw:
        cache.set(f"left:{instance.product_id}", instance.quantity)


@receiver(post_save, sender=Review, dispatch_uid="shop.forget_rating_on_save")
@receiver(post_delete, sender=Review, dispatch_uid="shop.forget_rating_on_delete")
def forget_rating(sender: type[Review], *, instance: Review, **kwargs: object) -> None:
    """A review came or went: the mean in the cache is no longer right."""
    cache.delete(rating_key(instance.product_id))


@receiver(post_delete, sender=Product, dispatch_uid="shop.delete_picture")
def delete_picture(sender: type[Product], *, instance: Product, **kwargs: object) -> None:
    """Django deletes the row and leaves the file: no picture without its product."""
    if instance.picture:
        instance.picture.delete(save=False)
