"""The panel as a person meets it: in a real Chromium, on the example site."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from scenarios.sample_data import CARD_NUMBER
from shop.signals import order_placed

pytestmark = pytest.mark.browser

EXAMPLE_SITE = Path(__file__).parents[2] / "example_site"
THREE_DEEP = [".order_placed.send_robust", ".payment_received.send", ".stock_reserved.send_robust"]


async def open_panel(page: Page, address: str, scenario: str = "checkout") -> Locator:
    """Does what a person would, to the open panel of the request that did the scenario."""
    await page.goto(f"{address}/{scenario}/")
    await page.locator("main form button").click()
    await page.get_by_role("status").get_by_text("Signal tracer").wait_for()
    await page.locator("#djDebug a.SignalTracerPanel").click()
    panel = page.locator("#SignalTracerPanel")
    await panel.get_by_text("The bars show the whole request").wait_for()
    return panel


def row(panel: Locator, text: str) -> Locator:
    return panel.locator(".sigtr-timeline > tbody", has_text=text).first


async def left_edges(panel: Locator, texts: list[str]) -> list[float]:
    """Where the names of rows begin, in pixels; all at one moment, for styles may come late."""
    rows = """(panel, texts) => texts.map((text) =>
        [...panel.querySelectorAll(".sigtr-timeline > tbody")]
            .find((each) => each.textContent.replace(/\\s+/g, " ").includes(text))
            .querySelector("td.djDebugSql bdi").getBoundingClientRect().x)"""
    edges: list[float] = await panel.evaluate(rows, texts)
    return edges


async def assert_whole(panel: Locator) -> None:
    """Nesting can be seen, and a row opens and closes: all that needs the toolbar's own script."""
    edges = await left_edges(panel, THREE_DEEP)
    assert edges == sorted(set(edges))  # each further to the right than the one before
    switch = row(panel, "SWALLOWED").get_by_title("Details")
    code = panel.get_by_text("sms.send_text(order.phone")
    await expect(code).to_be_hidden()
    await switch.click()
    await expect(code).to_be_visible()
    await switch.click()
    await expect(code).to_be_hidden()
    nested = row(panel, THREE_DEEP[1])
    fold = row(panel, THREE_DEEP[0]).get_by_title("Nested rows")
    await fold.click()
    await expect(nested).to_be_hidden()
    await fold.click()
    await expect(nested).to_be_visible()


async def test_the_checkout_is_shown_three_dispatches_deep(page, address):
    panel = await open_panel(page, address)

    await expect(page.locator("#djdt-SignalTracerPanel")).to_contain_text(
        re.compile(
            r"\d+ dispatches · \d+ receiver calls · \d findings? · \d+ queries · 1 swallowed"
        )
    )
    await expect(panel).to_contain_text("POST /checkout/ · 200")
    await assert_whole(panel)


async def test_an_opened_row_shows_arguments_and_traceback(page, address):
    panel = await open_panel(page, address)

    await row(panel, "text_customer").get_by_title("Details").click()
    opened = panel.locator("tr.djSelected")
    await expect(opened).to_contain_text("notifications.sms.SmsGatewayError")
    await expect(opened).to_contain_text("example_site/notifications/receivers.py:")
    await expect(opened).to_contain_text("quantities = {'Morning mug': 2")


async def test_a_card_number_is_redacted(page, address):
    panel = await open_panel(page, address)

    await row(panel, ".order_placed").get_by_title("Details").click()
    await expect(panel.locator("tr.djSelected")).to_contain_text("card_number = [redacted]")
    assert CARD_NUMBER not in await panel.inner_html()


async def test_hostile_texts_are_shown_and_not_run(page, address):
    hostile = '<img src="x" onerror="hacked = 1"><script>hacked = 1</script>'

    def fail(sender, **kwargs):
        raise ValueError(hostile)

    fail.__qualname__ = hostile
    order_placed.connect(fail)
    try:
        panel = await open_panel(page, address)
    finally:
        order_placed.disconnect(fail)

    await expect(row(panel, "ValueError")).to_contain_text(f"ValueError: {hostile}")
    assert await page.evaluate("typeof hacked") == "undefined"


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_outline_fits_a_small_window_in_both_themes(theme, page, address):
    await page.emulate_media(color_scheme=theme)
    await page.set_viewport_size({"width": 1024, "height": 700})
    panel = await open_panel(page, address)

    await expect(page.locator("#djDebug")).to_have_attribute("data-theme", theme)
    wide, there_is = await panel.locator(".djdt-scroll").evaluate(
        "each => [each.scrollWidth, each.clientWidth]"
    )
    assert wide <= there_is
    await assert_whole(panel)


async def test_a_page_without_dispatches_says_what_to_try(page, address):
    await page.goto(f"{address}/nothing/")
    await page.locator("#djDebug a.SignalTracerPanel").click()

    panel = page.locator("#SignalTracerPanel")
    await expect(panel).to_contain_text("No receiver was called during this request")


@pytest.fixture(scope="module")
def asgi_address(tmp_path_factory):
    """The example site under uvicorn, in a process of its own with its own database."""
    environment = {**os.environ, "EXAMPLE_SITE_DATA": str(tmp_path_factory.mktemp("data"))}
    manage = [sys.executable, EXAMPLE_SITE / "manage.py", "prepare_demo"]
    subprocess.run(manage, env=environment, check=True, stdout=subprocess.DEVNULL)
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "--port=0", "--no-access-log"),
            *(f"--app-dir={EXAMPLE_SITE}", "config.asgi:application"),
        ],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = ""
    for line in server.stderr:
        said += line
        if found := re.search(r"running on (http://[\d.:]+)", line):
            break
    else:
        pytest.fail(f"uvicorn did not start:\n{said}")
    yield found[1]
    server.terminate()
    server.communicate()


async def test_an_async_page_is_traced_under_asgi(page, asgi_address):
    panel = await open_panel(page, asgi_address, "delivery")

    await expect(panel).to_contain_text("POST /delivery/ · 200")
    await expect(row(panel, ".asend")).to_contain_text("parcel_handed_over.asend")
    await expect(panel.get_by_text("ASYNC").first).to_be_visible()


async def test_a_sync_page_is_traced_under_asgi(page, asgi_address):
    panel = await open_panel(page, asgi_address)

    await assert_whole(panel)
    await panel.locator(".sigtr-controls").wait_for()
    await panel.get_by_role("link", name="1 swallowed").click()
    await expect(panel.locator(".sigtr-timeline > tbody:visible").last).to_contain_text("SWALLOWED")
    await panel.get_by_role("link", name="Show who is connected to what").click()
    await expect(panel.locator(".sigtr-map tr.djdt-highlighted").first).to_contain_text("ran")
    async with page.expect_download() as download:
        await panel.get_by_role("link", name="Trace for Perfetto").click()
    assert (await download.value).suggested_filename == "signal-trace-post-checkout-perfetto.json"
