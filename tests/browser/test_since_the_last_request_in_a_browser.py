"""What has come since the last request of a path, in a real Chromium: one click opens it."""

import made
import pytest
from looking import open_made
from playwright.async_api import expect

from signal_tracer.panel import former

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def another_time_each(monkeypatch):
    """The traces of one page are made by hand, and differ: as after a change of the code."""
    former._known.clear()
    versions = [made.trace_of(), made.troubled()]
    for number, each in enumerate(versions):
        each.started_at = each.started_at.replace(hour=number)
    monkeypatch.setitem(made.TRACES, "changing", lambda: versions.pop(0))
    yield
    former._known.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_one_click_shows_in_place_what_differs(page, address, scheme):
    await page.emulate_media(color_scheme=scheme)
    await page.goto(f"{address}/made/changing/")
    panel = await open_made(page, address, "changing")

    place = panel.locator("[data-place]").first
    await expect(place).to_contain_text(
        "Since the last request of this path: +3 dispatches, +3 receiver calls"
    )
    await place.get_by_role("link", name="Show what differs").click()
    added = place.locator("tr", has_text="billing.receivers.charge")
    await expect(added.first).to_contain_text("+ Added")
    await expect(place.get_by_text("An exception was swallowed")).to_be_visible()
    # A link in it leads to the row, as elsewhere.
    await (
        place.locator("tr", has_text="swallowed")
        .get_by_role("link", name="Show its row")
        .first.click()
    )
    await expect(panel.locator("tr.djdt-highlighted")).to_be_in_viewport()


async def test_without_the_script_it_opens_in_the_toolbars_window(page, address):
    await page.route(
        "**/signal_tracer/panel.js*",
        lambda route: route.fulfill(body="", content_type="text/javascript"),
    )
    await page.goto(f"{address}/made/changing/")
    panel = await open_made(page, address, "changing", scripted=False)

    await panel.get_by_role("link", name="Show what differs").click()
    window = page.locator("#djDebugWindow")
    await expect(window.get_by_role("heading")).to_have_text("Since the last request of this path")
    await expect(window).to_contain_text("billing.receivers.charge")
