"""How a test opens the panel of a page and finds its rows."""

from playwright.async_api import Locator, Page


async def open_made(page: Page, address: str, name: str, *, scripted: bool = True) -> Locator:
    """The panel of one of the pages of made.py, opened, and its script loaded if it may."""
    await page.goto(f"{address}/made/{name}/")
    await page.locator("#djDebug a.SignalTracerPanel").click()
    panel = page.locator("#sigtr")
    await panel.locator(".sigtr-controls").wait_for(state="visible" if scripted else "attached")
    return panel


async def open_history(page: Page) -> Locator:
    """The rows of the toolbar's history, opened, and its script listens to their buttons."""
    await page.locator("#djDebug a.HistoryPanel").click()
    script = page.locator("head script[src*='history']").last
    await script.wait_for(state="attached")
    # The same module, which is there when it has run.
    await script.evaluate("it => import(it.src)")
    return page.locator("#HistoryPanel tr")


def rows(panel: Locator) -> Locator:
    return panel.locator(".sigtr-timeline > tbody:visible")


def row(panel: Locator, text: str) -> Locator:
    return panel.locator(".sigtr-timeline > tbody", has=panel.page.get_by_text(text)).first
