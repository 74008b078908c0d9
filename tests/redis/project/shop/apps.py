from django.apps import AppConfig
from django.conf import settings


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self) -> None:
        from shop import signals  # noqa: F401

        if settings.HAS_CELERY:
            from shop import celery  # noqa: F401
        else:
            from signal_tracer.tasks.django import trace_tasks

            trace_tasks()
