"""Settings of the example site: a shop that runs on one's own machine, and nowhere else."""

import os
from pathlib import Path

import django
from debug_toolbar.settings import PANELS_DEFAULTS

BASE_DIR = Path(__file__).resolve().parent.parent

# Where the database and the uploaded pictures are kept; another folder leaves the demo's alone.
DATA_DIR = Path(os.environ.get("EXAMPLE_SITE_DATA", BASE_DIR))

SECRET_KEY = "example-only-never-use-this-key-for-a-site-that-others-can-reach"
DEBUG = True
INTERNAL_IPS = ["127.0.0.1"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "signal_tracer",
    "debug_toolbar",
    # Receivers run in the order in which they were connected, and so in the order of these.
    "accounts",
    "shop",
    "billing",
    "warehouse",
    "notifications",
    "search",
    "newsletter",
    "delivery",
    "workshops",
    "commissions",
    "scenarios",
]

MIDDLEWARE = [
    "debug_toolbar.middleware.DebugToolbarMiddleware",
    "signal_tracer.middleware.SignalTracerMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

# Errors of system checks keep a site from starting, and these are here to be looked at. The
# scenario "Gone in production" has a receiver that is fragile, and dead once Django's cache lets go
# of it; "A module that nobody imports" has one that is missing. The checks are made all the same,
# and so the panel can tell what is missing.
SILENCED_SYSTEM_CHECKS = ["signal_tracer.E101", "signal_tracer.E102", "signal_tracer.E121"]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA_DIR / "db.sqlite3",
        # Not waiting for the disk: otherwise every receiver that saves something looks slow.
        "OPTIONS": {"init_command": "PRAGMA synchronous=OFF;"},
    },
}
# The tests run on PostgreSQL too: this is the folder of the server's socket.
if "TEST_POSTGRES" in os.environ:
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "signal_tracer",
        "USER": "tests",
        "HOST": os.environ["TEST_POSTGRES"],
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_URL = "/media/"
MEDIA_ROOT = DATA_DIR / "media"

# Where the pages link to; one that was built here: EXAMPLE_SITE_DOCS=http://127.0.0.1:8080/
DOCUMENTATION = os.environ.get(
    "EXAMPLE_SITE_DOCS", "https://django-signal-tracer.readthedocs.io/en/latest/"
)

# Nobody is written to. Not the locmem backend: that keeps every mail, and looks up the name of the
# machine, which takes seconds where there is no network. Django 6.1 renamed the setting.
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.dummy.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
DEFAULT_FROM_EMAIL = "Thistle & Clay <shop@thistle.example>"

# The tracer's panel second, below the history that it belongs to.
DEBUG_TOOLBAR_PANELS = [*PANELS_DEFAULTS]
DEBUG_TOOLBAR_PANELS.insert(1, "signal_tracer.panel.SignalTracerPanel")
# The URLconf always includes the toolbar, so that it can be turned on in tests as well.
DEBUG_TOOLBAR_CONFIG = {"IS_RUNNING_TESTS": False}

# Half of the default, so that one scenario shows a trace that is full.
SIGNAL_TRACER: dict[str, object] = {"MAX_DISPATCHES": 1000}
# With SIGNAL_TRACER_CONSOLE=1 the log of the server shows the trace of each request as a tree.
if os.environ.get("SIGNAL_TRACER_CONSOLE") == "1":
    SIGNAL_TRACER["REPORTERS"] = ["signal_tracer.showing.console.report"]
# observe.py sets this, and up an SDK of OpenTelemetry.
if os.environ.get("SIGNAL_TRACER_OPENTELEMETRY") == "1":
    SIGNAL_TRACER["REPORTERS"] = ["signal_tracer.showing.export.opentelemetry.report"]
