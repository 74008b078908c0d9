"""axe-core finds nothing serious in the site, which asks nothing of anybody and reads as it is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("playwright")

from playwright.async_api import Browser, async_playwright

pytestmark = [pytest.mark.browser, pytest.mark.axe]

AXE = Path(__file__).parents[1] / "browser/axe/node_modules/axe-core/axe.min.js"
RUN = """async () => {
  const { violations } = await axe.run();
  return violations
    .filter((each) => ["serious", "critical"].includes(each.impact))
    .map((each) => [each.id, each.nodes.length, each.nodes[0].html, each.nodes[0].failureSummary]);
}"""
PAGES = [
    *("index", "findings", "my-receiver-does-not-run", "project/readme"),
    "guide/what-signals-are",
    *("reference/api", "reference/commands", "reference/schema", "reference/cost"),
    "project/how-it-works",
]


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        await browser.close()


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious_in_a_page(
    browser: Browser, site: Path, theme: str, width: int
) -> None:
    page = await browser.new_page(
        viewport={"width": width, "height": 1000},
        color_scheme=theme,  # type: ignore[arg-type]
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in PAGES:
        await page.goto((site / f"{name}.html").as_uri())
        await page.evaluate(AXE.read_text())
        assert await page.evaluate(RUN) == [], name
        # Text that is wider than the screen scrolls by itself.
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert {url for url in asked if not url.startswith(("file:", "data:"))} == set()


async def test_a_trace_reads_without_scripts(browser: Browser, site: Path) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto((site / "index.html").as_uri())

    assert await page.locator("pre.trace").first.is_visible()
    assert await page.locator("nav, .sidebar-tree").first.is_visible()
