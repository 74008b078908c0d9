"""The toolbar's SQL panel and ours watch the same queries, whichever comes first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from debug_toolbar.panels.sql import SQLPanel
from debug_toolbar.store import MemoryStore, get_store
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path

from signal_tracer.panel import SignalTracerPanel

pytestmark = pytest.mark.django_db

OURS = "signal_tracer.panel.SignalTracerPanel"
SQL = "debug_toolbar.panels.sql.SQLPanel"
TOKEN = "tok-7d1e-parameter"

SAVEPOINT = re.compile(r'"s\d+_x\d+"')

paid = Signal()


def write(sender: object, **kwargs: object) -> None:
    with transaction.atomic():
        Group.objects.create(name=TOKEN)
    list(Group.objects.filter(name=TOKEN).iterator(chunk_size=1))
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [TOKEN])
        cursor.execute("DELETE FROM auth_group WHERE name = %s", [TOKEN])


def read(sender: object, **kwargs: object) -> None:
    Group.objects.count()


def quote(sender: object, **kwargs: object) -> None:
    """Writes a secret into the statement itself."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'key-2b8a-quoted'")


def view(request: HttpRequest) -> HttpResponse:
    Group.objects.count()
    paid.send(None, api_key="key-2b8a-quoted")
    return HttpResponse("<html><body></body></html>")


async def async_view(request: HttpRequest) -> HttpResponse:
    await Group.objects.acount()
    await paid.asend(None, api_key="key-2b8a-quoted")
    return HttpResponse("<html><body></body></html>")


urlpatterns = [
    path("sync/", view),
    path("async/", async_view),
    path("__debug__/", include("debug_toolbar.urls")),
]


@pytest.fixture(autouse=True)
def a_site_with_the_toolbar(settings: Any) -> Iterator[None]:
    settings.DEBUG = True
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware"]
    settings.DEBUG_TOOLBAR_CONFIG = {"IS_RUNNING_TESTS": False}
    for receiver in (write, read, quote):
        paid.connect(receiver)
    MemoryStore.clear()
    yield
    for receiver in (write, read, quote):
        paid.disconnect(receiver)
    MemoryStore.clear()


def ask(settings: Any, panels: list[str], kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """One request with these panels: the numbers of the SQL panel, and what ours kept."""
    settings.DEBUG_TOOLBAR_PANELS = panels
    if kind == "sync":
        response = Client().get("/sync/")
    else:
        response = async_to_sync(AsyncClient().get)(f"/{kind}/")
    assert response.status_code == 200
    store = get_store()
    [request_id] = store.request_ids()
    found = (
        store.panel(request_id, SQLPanel.panel_id),
        store.panel(request_id, SignalTracerPanel.panel_id),
    )
    MemoryStore.clear()
    return found


def numbers(stats: dict[str, Any]) -> dict[str, Any]:
    """What a person reads there, without what differs from one request to the next."""
    return {
        "databases": [
            (alias, each["num_queries"], each["similar_count"], each["duplicate_count"])
            for alias, each in stats["databases"]
        ],
        "queries": [
            (
                each["alias"],
                SAVEPOINT.sub("a savepoint", each["raw_sql"]),
                each["params"],
                each.get("similar_count"),
                each.get("duplicate_count"),
                # The frame of ours around Django's send() shows there.
                [step[2] for step in each["stacktrace"] if "signal_tracer " not in step[0]],
            )
            for each in stats["queries"]
        ],
    }


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    "panels", [[SQL, OURS], [OURS, SQL]], ids=["the SQL panel first", "ours first"]
)
def test_the_sql_panels_numbers_are_the_same_with_and_without_ours(
    settings: Any, panels: list[str], kind: str
) -> None:
    alone, _ = ask(settings, [SQL], kind)
    beside, _ = ask(settings, panels, kind)
    again, _ = ask(settings, [SQL], kind)

    assert len(alone["queries"]) == 9
    assert numbers(beside) == numbers(alone)
    assert numbers(again) == numbers(alone)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    "panels", [[OURS], [SQL, OURS], [OURS, SQL]], ids=["alone", "the SQL panel first", "ours first"]
)
def test_our_numbers_are_the_same_with_and_without_the_sql_panel(
    settings: Any, panels: list[str], kind: str
) -> None:
    _, stats = ask(settings, panels, kind)

    [dispatch] = stats["trace"]["dispatches"]
    assert [
        (call["receiver"].rpartition(".")[2], len(call["queries"]))
        for call in dispatch["receiver_calls"]
    ] == [("write", 6), ("read", 1), ("quote", 1)]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_no_parameter_and_no_quoted_secret_is_in_what_the_panel_keeps_and_shows(
    settings: Any, kind: str
) -> None:
    settings.DEBUG_TOOLBAR_PANELS = [OURS]
    if kind == "sync":
        Client().get("/sync/")
    else:
        async_to_sync(AsyncClient().get)("/async/")
    store = get_store()
    [request_id] = store.request_ids()
    stats = store.panel(request_id, SignalTracerPanel.panel_id)
    panel = SignalTracerPanel(type("Toolbar", (), {"stats": {}, "request": None})(), None)
    panel.load_stats_from_store(stats)
    kept = json.dumps(stats) + panel.content

    assert "DELETE FROM auth_group WHERE name = %s" in kept
    assert "SELECT '[redacted]'" in kept
    assert TOKEN not in kept
    assert "key-2b8a" not in kept
