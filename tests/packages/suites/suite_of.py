"""What the suites of the packages need to run under pytest, beside what they bring.

Django's settings where their own runner configures them, and databases that are here.
"""

from __future__ import annotations

import gc
import importlib
import os
from typing import Any

import pytest

PACKAGE = os.environ["SUITE_OF"]
QUICK = {"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]}


def settings() -> dict[str, Any]:
    if PACKAGE == "django-simple-history":
        found = importlib.import_module("runtests").get_default_settings()
    elif PACKAGE == "django-reversion":
        found = vars(importlib.import_module("test_project.settings"))
        sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        found = {**found, "DATABASES": {alias: {**sqlite} for alias in found["DATABASES"]}}
    else:
        found = vars(importlib.import_module("test_settings"))
    return {name: value for name, value in found.items() if name.isupper()} | QUICK


def forget() -> None:
    """Django keeps the content types that it has loaded: for all tests that run later."""
    from django.contrib.contenttypes.models import ContentType

    ContentType.objects.clear_cache()


if PACKAGE == "django-reversion":
    # Some tests connect Mocks and leave them, and they are called until they are collected.
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol() -> None:
        gc.collect()

    def pytest_collection_finish() -> None:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    forget()


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> None:
    if fixturedef.scope != "function":
        forget()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    forget()


def configure() -> None:
    from django.conf import settings as django_settings

    django_settings.configure(**settings())


configure()
