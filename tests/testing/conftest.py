"""A small project of its own for each test of the plugin, run by a pytest of its own."""

from __future__ import annotations

import pytest
from loaded import QUICKLY, WITHOUT_SNAPSHOTS

SETTINGS = """
SECRET_KEY = "only for tests"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
ROOT_URLCONF = "urls"
STATIC_URL = "static/"
USE_TZ = True
ALLOWED_HOSTS = ["*"]
"""
URLS = """
from django.http import HttpResponse
from django.urls import path
from shop.signals import paid

def pay(request):
    paid.send("till", amount=7)
    return HttpResponse("thank you")

async def apay(request):
    await paid.asend("till", amount=7)
    return HttpResponse("thank you")

urlpatterns = [path("pay/", pay), path("apay/", apay)]
"""
APPS = """
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        import shop.receivers
"""
MODELS = """
from django.db import models

class Order(models.Model):
    total = models.IntegerField(default=0)
"""
SIGNALS = """
from django.dispatch import Signal

paid = Signal()
"""
RECEIVERS = """
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from shop.models import Order
from shop.signals import paid

ran = []

@receiver(paid)
def send_receipt(sender, **kwargs):
    ran.append("send_receipt")

@receiver(paid)
def text_customer(sender, fails=False, **kwargs):
    ran.append("text_customer")
    if fails:
        raise ConnectionError("the gateway is down")

@receiver(post_save, sender=Order)
@receiver(post_delete, sender=Order)
def count_orders(sender, **kwargs):
    ran.append("count_orders")
"""
RAN = """
from shop import receivers

def what_ran():
    found = receivers.ran[:]
    receivers.ran.clear()
    return found
"""


class Project:
    """A shop with four connections, and the tests that are given."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.path = pytester.path
        # The settings of the suite that runs us, which pytest-django exports.
        monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
        pytester.makeini(
            "[pytest]\n"
            "DJANGO_SETTINGS_MODULE = site_settings\n"
            "pythonpath = .\n"
            "asyncio_mode = auto\n"
            "asyncio_default_fixture_loop_scope = function\n"
            "filterwarnings = error\n"
        )
        pytester.makepyfile(site_settings=SETTINGS, urls=URLS, ran=RAN)
        pytester.mkpydir("shop")
        for name, source in (
            ("apps", APPS),
            ("models", MODELS),
            ("signals", SIGNALS),
            ("receivers", RECEIVERS),
        ):
            (self.path / "shop" / f"{name}.py").write_text(source)

    def tests(self, **sources: str) -> None:
        self.pytester.makepyfile(**sources)

    def run(self, *options: str) -> pytest.RunResult:
        """Run pytest in a process of its own, in the order in which the tests are written."""
        if "-p randomly" not in options:
            options = ("-p no:randomly", *options)
        result = self.pytester.runpytest_subprocess(*QUICKLY, *WITHOUT_SNAPSHOTS, *options)
        assert "warnings summary" not in result.stdout.str()
        assert result.stderr.str() == ""
        return result


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)
