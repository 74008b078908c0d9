"""The example site: a shop whose receivers do the work."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from real_project import Client

sys.path.insert(0, str(Path(__file__).parents[2] / "example_site"))
os.environ.setdefault("EXAMPLE_SITE_DATA", tempfile.gettempdir())  # Uploads; nothing is uploaded.

OURS = ("debug_toolbar", "signal_tracer", "DEBUG_TOOLBAR", "SIGNAL_TRACER")


def _without_ours(value: Any) -> Any:
    if isinstance(value, list):
        return [each for each in value if not str(each).startswith(OURS)]
    return value


SETTINGS = {
    name: _without_ours(value)
    for name, value in vars(importlib.import_module("config.settings")).items()
    if name.isupper() and not name.startswith(OURS)
}


def urls() -> list[Any]:
    from django.contrib import admin
    from django.urls import include, path

    return [path("admin/", admin.site.urls), path("", include("scenarios.urls"))]


def prepare() -> None:
    from scenarios import sample_data
    from shop.checkout import place_order

    sample_data.prepare()
    for _ in range(10):
        place_order(
            sample_data.customer(),
            sample_data.basket(),
            phone=sample_data.PHONE,
            card_number=sample_data.CARD_NUMBER,
        )


def visit(client: Client) -> None:
    client.get("index", "/")
    client.post("login", "/admin/login/", username="demo", password="demo", next="/admin/")
    client.post("checkout", "/checkout/")
    client.post("new user", "/profile/")
    client.post("newsletter", "/newsletter/")
    client.get("page without signals", "/nothing/")
    client.get("admin list", "/admin/shop/order/")
    client.get("admin form", "/admin/shop/order/3/change/")
