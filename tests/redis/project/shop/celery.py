import os

from celery import Celery

from signal_tracer.tasks.celery import trace_tasks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["shop"])
trace_tasks()
