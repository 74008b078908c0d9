"""A page in a real Chromium, and the example site to look at with it.

The async API of Playwright: the sync one keeps an event loop running in the thread of the test,
and there Django refuses every query, also those that empty the database after the test.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import made
import pytest
from debug_toolbar.store import MemoryStore
from playwright.async_api import Page, async_playwright, expect
from pytest_django.live_server_helper import LiveServer

from scenarios import sample_data

QUIET = ("log: ", "info: ", "debug: ")
# Milliseconds. What comes, comes soon; but others use the machine too, and then painting is slow.
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="3"/>'


@pytest.fixture
def changed() -> dict[str, object]:
    """The settings that a test wants to be different; it says which by ``parametrize``."""
    return {}


@pytest.fixture
def address(
    transactional_db: None,
    settings: Any,
    tmp_path: Path,
    changed: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """The address of the example site, its shop filled, with the pages of made.py."""
    made.put_into_the_panel(monkeypatch)
    settings.ROOT_URLCONF = made.__name__
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.MEDIA_ROOT = tmp_path
    for name, value in changed.items():
        setattr(settings, name, value)
    sample_data.prepare()
    # Not the fixture live_server: that one keeps the middleware of the first test.
    server = LiveServer("127.0.0.1")
    yield server.url
    server.stop()
    MemoryStore.clear()


@pytest.fixture
def foreseen() -> str:
    """What a complaint in the console is about that a test foresees; it says so by itself."""
    return ""


@pytest.fixture
async def page(chromium: str, address: str, foreseen: str) -> AsyncIterator[Page]:
    """A page. The test fails if a script on it fails, or if the console shows any complaint.

    Asks for ``address`` so that the browser hangs up before the server is stopped: a connection
    that outlives its server is never closed.
    """
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = await browser.new_page(viewport={"width": 1400, "height": 1000})
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.set_default_timeout(PATIENCE)
        # The server of the tests does not know where this test keeps its uploads.
        await page.route(
            "**/media/**",
            lambda route: route.fulfill(body=PICTURE, content_type="image/svg+xml"),
        )
        yield page
        await browser.close()
    loud = [each for each in complaints if not each.startswith(QUIET)]
    assert [each for each in loud if not foreseen or foreseen not in each] == []
