import os
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(os.environ["SHOP_FOLDER"])

SECRET_KEY = "not a secret"
USE_TZ = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["signal_tracer", "shop"]
MIDDLEWARE = ["signal_tracer.middleware.SignalTracerMiddleware"]
# Quick: no power is lost here.
OPTIONS = {"timeout": 30, "init_command": "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL"}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "db",
        "OPTIONS": OPTIONS,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SIGNAL_TRACER = {
    "ENABLED": True,
    "SAMPLE_RATE": float(os.environ.get("SHOP_SAMPLE_RATE", "1")),
    "REPORTERS": ["shop.reporting.send"],
}

HAS_CELERY = "SHOP_BROKER" in os.environ
if HAS_CELERY:
    CELERY_BROKER_URL = os.environ["SHOP_BROKER"]
    CELERY_RESULT_BACKEND = os.environ["SHOP_BROKER"]
    # What a worker that was killed had not done is done by another one, and soon.
    CELERY_TASK_ACKS_LATE = CELERY_TASK_REJECT_ON_WORKER_LOST = True
    CELERY_WORKER_PREFETCH_MULTIPLIER = 1
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 3,
        # Seconds between two looks at what another worker has left, and each of them is one.
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    }
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    CELERY_TASK_IGNORE_RESULT = True
else:
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
    INSTALLED_APPS += ["django_tasks_db"]
    if not find_spec("django.tasks"):
        INSTALLED_APPS += ["django_tasks"]
