"""axe-core finds nothing serious in the panel."""

from pathlib import Path

import pytest
from looking import open_made, row
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.axe]

AXE = Path(__file__).parent / "axe/node_modules/axe-core/axe.min.js"
RUN = """async () => {
  const root = document.getElementById("djDebugRoot")?.shadowRoot ?? document;
  const { violations } = await axe.run(root.querySelector("#sigtr"));
  return violations
    .filter((each) => ["serious", "critical"].includes(each.impact))
    .map((each) => [each.id, each.nodes.length, each.nodes[0].html, each.nodes[0].failureSummary]);
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious(page: Page, address: str, theme: str) -> None:
    await page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    panel = await open_made(page, address, "troubled")
    await expect(panel.locator(".sigtr-controls")).to_be_visible()
    for name in ("order_placed", "receivers.charge", "bulk_create", "shop.receivers.audit"):
        await row(panel, name).locator("[data-toggle-id^=d]").click()
    await panel.locator("[data-place] a").click()
    await panel.locator(".sigtr-map").first.wait_for()
    await panel.locator("#sigtr_filter").fill("s")
    await page.evaluate(AXE.read_text())

    assert await page.evaluate(RUN) == []
