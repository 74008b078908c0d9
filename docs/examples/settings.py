"""Settings of an example of the documentation: its apps, in a database that is only in memory.

``run.py`` says which one in the environment. An example that wants more has a ``settings.py`` of
its own in its folder, whose names replace these.
"""

import os
from importlib import import_module
from pathlib import Path

import django

HERE = Path(__file__).resolve().parent
EXAMPLE = os.environ.get("DOCS_EXAMPLE", "")

SECRET_KEY = "only-for-the-documentation"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "signal_tracer"]
# An example is one app, or a project: a folder of apps, here in the order of their names.
if EXAMPLE and (HERE / EXAMPLE / "apps.py").is_file():
    INSTALLED_APPS.append(EXAMPLE)
elif EXAMPLE:
    INSTALLED_APPS += sorted(file.parent.name for file in (HERE / EXAMPLE).glob("*/apps.py"))
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        # Shared, because async code reaches the database from another thread.
        "NAME": "file:docs?mode=memory&cache=shared",
    }
}
# The tables of Django's own apps are made as they are now, without their history.
MIGRATION_MODULES = {"auth": None, "contenttypes": None}
# Django 6.1 renamed the setting.
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Five times the default: on a busy machine everything is slow now and then, and a trace of the
# documentation is to say so of what is slow by itself only.
SIGNAL_TRACER: dict[str, object] = {"SLOW_RECEIVER_MS": 50}

if EXAMPLE and (HERE / EXAMPLE / "settings.py").is_file():
    own = vars(import_module(f"{EXAMPLE}.settings"))
    globals().update({name: value for name, value in own.items() if name.isupper()})
