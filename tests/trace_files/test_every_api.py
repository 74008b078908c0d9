"""Requests of every kind of API are kept by the middleware alone, and found in the history."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.dispatch import Signal
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from test_apis_page import blocks

from signal_tracer.showing.export.json_lines import TraceFile

order_placed = Signal()
AS_JSON = {"content_type": "application/json"}


def send_receipt(sender: object, **kwargs: object) -> None: ...


@pytest.fixture(autouse=True)
def receivers() -> Iterator[None]:
    order_placed.connect(send_receipt)
    yield
    order_placed.receivers = []


@pytest.fixture
def kept(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[dict[str, Any]]]:
    """The summaries of what was kept; the middleware is the only one."""
    file = tmp_path / "traces.jsonl"
    monkeypatch.setattr(sys.modules[__name__], "reporter", TraceFile(file), raising=False)
    settings.MIDDLEWARE = ["signal_tracer.middleware.SignalTracerMiddleware"]
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.reporter"]}
    return lambda: [json.loads(line)["summary"] for line in file.read_text().splitlines()]


def told(summaries: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (each["method"], each["path"], each["status"], *each["receivers"]) for each in summaries
    ]


RECEIVER = f"{__name__}.send_receipt"


def test_a_view_that_returns_json_is_kept(kept: Any, settings: Any) -> None:
    def place(request: HttpRequest) -> JsonResponse:
        order_placed.send("the shop")
        return JsonResponse({"id": 7}, status=201)

    settings.ROOT_URLCONF = (path("api/orders/", place),)
    assert Client().post("/api/orders/").json() == {"id": 7}
    assert Client().get("/api/nothing/").status_code == 404
    assert told(kept()) == [
        ("POST", "/api/orders/", 201, RECEIVER),
        ("GET", "/api/nothing/", 404),
    ]


async def test_an_async_view_is_kept(kept: Any, settings: Any) -> None:
    async def place(request: HttpRequest) -> JsonResponse:
        await order_placed.asend("the shop")
        return JsonResponse({"id": 7}, status=201)

    settings.ROOT_URLCONF = (path("api/orders/", place),)
    await AsyncClient().post("/api/orders/")
    assert told(kept()) == [("POST", "/api/orders/", 201, RECEIVER)]


def test_a_view_of_django_rest_framework_is_kept(kept: Any, settings: Any) -> None:
    pytest.importorskip("rest_framework")
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
    }
    from rest_framework import serializers
    from rest_framework.decorators import api_view
    from rest_framework.response import Response

    class Order(serializers.Serializer[Any]):
        number = serializers.IntegerField()

    @api_view(["POST"])
    def place(request: Any) -> Response:
        order = Order(data=request.data)
        order.is_valid(raise_exception=True)
        order_placed.send("the shop")
        return Response(order.data, status=201)

    settings.ROOT_URLCONF = (path("api/orders/", place),)
    Client().post("/api/orders/", {"number": 7}, **AS_JSON)
    Client().post("/api/orders/", {"number": "seven"}, **AS_JSON)
    assert told(kept()) == [
        ("POST", "/api/orders/", 201, RECEIVER),
        ("POST", "/api/orders/", 400),
    ]


def test_an_operation_of_django_ninja_is_kept(kept: Any, settings: Any) -> None:
    ninja = pytest.importorskip("ninja")
    api = ninja.NinjaAPI(urls_namespace="test_every_api")

    @api.post("/orders/")
    def place(request: HttpRequest, number: int) -> dict[str, int]:
        order_placed.send("the shop")
        return {"number": number}

    settings.ROOT_URLCONF = (path("api/", api.urls),)
    assert Client().post("/api/orders/?number=7").json() == {"number": 7}
    assert Client().post("/api/orders/?number=seven").status_code == 422
    assert told(kept()) == [
        ("POST", "/api/orders/", 200, RECEIVER),
        ("POST", "/api/orders/", 422),
    ]


def test_the_page_for_the_toolbar_has_the_requests_of_the_api_in_its_history(
    settings: Any,
) -> None:
    from debug_toolbar.store import MemoryStore

    def place(request: HttpRequest) -> JsonResponse:
        order_placed.send("the shop")
        return JsonResponse({"id": 7}, status=201)

    settings.DEBUG = True  # else the toolbar has no URLs
    program, _ = blocks("python", "With one page: the toolbar's history")
    names: dict[str, Any] = {"__name__": "urls"}
    exec(program, names)
    settings.ROOT_URLCONF = (*names["urlpatterns"], path("api/orders/", place))
    of_others = set(MemoryStore.request_ids())
    try:
        answer = Client().post("/api/orders/", REMOTE_ADDR="127.0.0.1")
        request_id = answer.headers["djdt-request-id"]
        page = Client().get("/toolbar/").content.decode()
        [of_page] = [
            each for each in MemoryStore.request_ids() if each not in {request_id, *of_others}
        ]
        listed = Client().get("/__debug__/history_refresh/", {"request_id": of_page}).json()
        switched = Client().get("/__debug__/history_sidebar/", {"request_id": request_id}).json()
    finally:
        MemoryStore.clear()

    assert answer.json() == {"id": 7}
    assert "djDebug" in page
    assert request_id in [each["id"] for each in listed["requests"]]
    assert "1 dispatch" in switched["SignalTracerPanel"]["button"]
