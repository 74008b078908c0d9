"""Settings of the example site as ``soak_workers.py`` serves it, read from its environment.

``SOAK_REPORTERS``: dotted paths, by spaces. ``SOAK_RATE``: the share of requests that are traced.
``SOAK_FOLDER``: where each worker process counts what it has given to each reporter.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.settings import *  # noqa: F403
from config.settings import DATABASES, MIDDLEWARE

FOLDER = Path(os.environ["SOAK_FOLDER"])
NAMES = os.environ["SOAK_REPORTERS"].split()

DEBUG = False
ALLOWED_HOSTS = ["*"]
# The URLconf names the toolbar, which needs its app.
MIDDLEWARE = [each for each in MIDDLEWARE if not each.startswith("debug_toolbar")]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler", "level": "WARNING"}},
    "root": {"handlers": ["stderr"]},
    # Its log of what send_robust() swallowed, which the scenarios do on purpose.
    "loggers": {"django.dispatch": {"propagate": False}},
}
# Several processes write to one file.
DATABASES = {
    "default": {
        **DATABASES["default"],
        "OPTIONS": {
            "timeout": 60,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL;",
        },
    }
}
SIGNAL_TRACER = {
    "ENABLED": True,
    "SAMPLE_RATE": float(os.environ["SOAK_RATE"]),
    "REPORTERS": [f"{__name__}.report_{number}" for number in range(len(NAMES))],
}


def counting(number: int, name: str) -> Callable[[Any], None]:
    """The reporter, and a byte in a file of the process for each trace that it has taken."""
    found: list[Callable[[Any], object]] = []

    def report(trace: Any) -> None:
        from django.utils.module_loading import import_string

        if not found:
            found.append(import_string(name))
        found[0](trace)
        with open(FOLDER / f"taken-{number}-{os.getpid()}", "ab") as file:
            file.write(b".")

    return report


for _number, _name in enumerate(NAMES):
    globals()[f"report_{_number}"] = counting(_number, _name)
