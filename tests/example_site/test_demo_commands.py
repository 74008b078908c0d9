"""The commands behind ``make demo``, and the two servers that the site runs under."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from shop.models import Order, Product, Review
from warehouse.models import StockItem

if TYPE_CHECKING:
    from pytest_django import Settings

ROOT = Path(__file__).resolve().parents[2]
MANAGE = [sys.executable, "-u", "example_site/manage.py"]


@pytest.mark.django_db
def test_preparing_twice_is_as_good_as_once(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    seen = []
    for _ in range(2):
        call_command("prepare_demo", stdout=StringIO())
        seen.append(
            {
                "users": list(User.objects.values_list("username", flat=True)),
                "products": list(Product.objects.values_list("name", flat=True)),
                "reviews": Review.objects.count(),
                "stock": StockItem.objects.count(),
                "pictures": sorted(path.name for path in tmp_path.rglob("*.svg")),
            }
        )
    assert seen[0] == seen[1]
    assert seen[0] == {
        "users": ["demo"],
        "products": ["Morning mug", "Soup bowl", "Round teapot", "Bud vase", "Egg cup"],
        "reviews": 3,
        "stock": 5,
        "pictures": ["bowl.svg", "egg-cup.svg", "mug.svg", "teapot.svg", "vase.svg"],
    }
    assert authenticate(username="demo", password="demo") is not None


@pytest.mark.usefixtures("shop")
def test_preparing_again_fills_the_shelves() -> None:
    StockItem.objects.filter(product__name="Soup bowl").update(quantity=1)
    call_command("prepare_demo", stdout=StringIO())
    assert StockItem.objects.get(product__name="Soup bowl").quantity == 500


@pytest.mark.usefixtures("shop")
def test_the_demo_checkout_shows_a_real_order_three_dispatches_deep() -> None:
    output = StringIO()
    call_command("demo_checkout", stdout=output)
    shown = output.getvalue()
    order = Order.objects.get()
    assert f"Order {order.pk} was placed and is paid." in shown
    places = [
        shown.index(name)
        for name in (
            "shop.signals.order_placed",
            "billing.receivers.charge_card",
            "billing.signals.payment_received",
            "warehouse.receivers.reserve_stock",
            "warehouse.signals.stock_reserved",
            "notifications.receivers.text_customer",
            "SmsGatewayError",
        )
    ]
    assert places == sorted(places)
    assert "4242" not in shown


@pytest.mark.django_db
def test_a_demo_checkout_in_an_empty_shop_says_how_to_fill_it() -> None:
    with pytest.raises(CommandError, match=r"manage\.py prepare_demo"):
        call_command("demo_checkout")


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_number_that_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(CommandError, match=f"^{port} is not a port"):
        call_command("serve_demo", "--port", port)


@pytest.mark.parametrize("port", ["65536", 65536], ids=repr)
def test_a_port_may_be_given_by_keyword_as_a_text_too(port: object) -> None:
    with pytest.raises(CommandError, match=r"^65536 is not a port"):
        call_command("serve_demo", port=port)


@pytest.mark.parametrize("port", ["many", "-1", "", True, 8000.5, None], ids=repr)
def test_what_is_no_number_is_no_port(port: object) -> None:
    with pytest.raises(CommandError, match=r"^--port takes a whole number, such as 8001\.$"):
        call_command("serve_demo", port=port)


def test_a_taken_port_is_named_with_the_way_out_and_the_exit_code_is_1() -> None:
    with socket.socket() as other_program:
        other_program.bind(("127.0.0.1", 0))
        other_program.listen()
        port = other_program.getsockname()[1]
        ended = subprocess.run(
            [*MANAGE, "serve_demo", "--port", str(port)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken by another program." in ended.stderr
    assert re.search(r"make demo PORT=\d+", ended.stderr)
    assert "Traceback" not in ended.stderr
    assert "Open http://" not in ended.stdout


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database and pictures, made as ``make demo`` makes them."""
    data = tmp_path_factory.mktemp("example_site")
    subprocess.run(
        [*MANAGE, "prepare_demo"],
        cwd=ROOT,
        env=os.environ | {"EXAMPLE_SITE_DATA": str(data)},
        check=True,
        timeout=60,
    )
    return data


def test_the_demo_says_what_to_click_and_runs_the_async_scenario_under_wsgi(prepared: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with served(
        [*MANAGE, "serve_demo", "--port", str(port)], prepared, until="development server at"
    ) as said:
        what_to_click = "".join(said)
        assert f"Open http://127.0.0.1:{port}/" in what_to_click
        assert "Place the order" in what_to_click
        assert "Signal tracer" in what_to_click
        hand_over_a_parcel(f"http://127.0.0.1:{port}")
    assert "delivery.signals.parcel_handed_over.asend" in said[-1]


def test_the_async_scenario_runs_under_an_asgi_server(prepared: Path) -> None:
    uvicorn = [sys.executable, "-u", "-m", "uvicorn", "--app-dir", "example_site", "--port", "0"]
    with served([*uvicorn, "config.asgi:application"], prepared, until="Uvicorn running") as said:
        address = re.search(r"http://127\.0\.0\.1:\d+", said[-1])
        assert address
        hand_over_a_parcel(address[0])
    assert "delivery.signals.parcel_handed_over.asend" in said[-1]


@contextmanager
def served(command: list[str], data: Path, *, until: str) -> Iterator[list[str]]:
    """Run a server; gives what it said until it listened, and afterwards all that it said."""
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ
        | {
            "EXAMPLE_SITE_DATA": str(data),
            "SIGNAL_TRACER_CONSOLE": "1",
            "PYTHONIOENCODING": "utf-8",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    # A server that neither listens nor ends must not hold up the suite for ever.
    patience = threading.Timer(60, server.kill)
    patience.start()
    said: list[str] = []
    try:
        assert server.stdout
        while not said or until not in said[-1]:
            said.append(server.stdout.readline())
            assert said[-1], f"the server ended:\n{''.join(said)}"
        yield said
    finally:
        patience.cancel()
        server.terminate()
        said.append(server.communicate(timeout=60)[0])


def hand_over_a_parcel(address: str) -> None:
    """Press the button of the async scenario, as a browser does, and look at the whole answer."""
    with httpx.Client(base_url=address, timeout=60) as browser:
        assert browser.get("/static/site.css").status_code == 200
        page = browser.get("/delivery/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token
        answer = browser.post("/delivery/", data={"csrfmiddlewaretoken": token[1]})
        assert answer.status_code == 200
        assert "14:00 to 16:00" in answer.text
        assert "SignalTracerPanel" in answer.text
