"""The same task for Celery and for Django."""

from importlib import import_module
from importlib.util import find_spec

from django.conf import settings

from shop.signals import paid


def pay(order: int) -> None:
    paid.send("the shop", order=order)


if settings.HAS_CELERY:
    from shop.celery import app

    pay = app.task(name="shop.tasks.pay")(pay)
    queue = pay.delay
else:
    package = import_module("django.tasks" if find_spec("django.tasks") else "django_tasks")
    pay = package.task(pay)
    queue = pay.enqueue
