"""The museum with the debug toolbar, to be looked at: served by look.py, in a folder of its own."""

import os
from pathlib import Path

from settings import *  # noqa: F403
from settings import DATABASES, INSTALLED_APPS, MIDDLEWARE, SIGNAL_TRACER

DATA = Path(os.environ["MUSEUM_DATA"])
DATABASES = {"default": {**DATABASES["default"], "NAME": DATA / "db.sqlite3"}}
MEDIA_ROOT = DATA / "media"
ROOT_URLCONF = "urls_with_toolbar"
INTERNAL_IPS = ["127.0.0.1"]
INSTALLED_APPS = [*INSTALLED_APPS, "debug_toolbar"]
SIGNAL_TRACER = {"ENABLED": SIGNAL_TRACER["ENABLED"], "REPORTERS": SIGNAL_TRACER["REPORTERS"]}
MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware", *MIDDLEWARE]
# What the page fetches is shown at once, such as what the API of the museum did.
DEBUG_TOOLBAR_CONFIG = {"UPDATE_ON_FETCH": True}
DEBUG_TOOLBAR_PANELS = [
    "signal_tracer.panel.SignalTracerPanel",
    "debug_toolbar.panels.history.HistoryPanel",
    "debug_toolbar.panels.sql.SQLPanel",
    "debug_toolbar.panels.templates.TemplatesPanel",
    "debug_toolbar.panels.signals.SignalsPanel",
]
