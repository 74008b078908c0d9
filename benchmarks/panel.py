"""What the panel takes on a full trace: ``python benchmarks/panel.py``.

1,000 dispatches with two receivers each, of which no two neighbours are equal, so that nothing is
folded: the server's processor time from the stored trace to HTML, the size of that, and in a real
Chromium the time from a click on a row until its details are laid out. Needs Playwright, and a
Chromium in PATH or named by CHROMIUM.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from threading import Thread
from time import process_time
from types import SimpleNamespace

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "example_site"), str(ROOT / "tests" / "browser")]
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
os.environ["EXAMPLE_SITE_DATA"] = tempfile.mkdtemp()
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's sync API runs an event loop

import django  # noqa: E402

django.setup()

import made  # noqa: E402
import pytest  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from signal_tracer.panel import SignalTracerPanel  # noqa: E402

ROUNDS = 15
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
# From the click until the browser has laid out and painted what it brought.
OPEN = """async (switch_) => {
  const body = switch_.closest("tbody");
  const start = performance.now();
  switch_.click();
  while (!body.querySelector("tr.djSelected table")) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""


def main() -> None:
    stored = made.thousand().to_dict()
    costs, html = [], ""
    for _ in range(ROUNDS):
        toolbar = SimpleNamespace(stats={}, request=None, request_id="full")
        panel = SignalTracerPanel(toolbar, None)
        panel.load_stats_from_store({"trace": stored})
        start = process_time()
        html = panel.content
        costs.append((process_time() - start) * 1000)
    assert 'id="sigtr_timeline"' in html  # and not a sentence about a failure
    say("server time", costs)
    print(f"{'HTML':<44}{len(html.encode()) / 1_000_000:6.2f} MB of 1.5")
    in_the_browser()


def in_the_browser() -> None:
    settings.ROOT_URLCONF = made.__name__
    call_command("migrate", verbosity=0)
    made.put_into_the_panel(pytest.MonkeyPatch())

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.daemon_threads = True
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    Thread(target=server.serve_forever, daemon=True).start()
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/made/thousand/")
        page.locator("a.SignalTracerPanel").click()
        page.locator("#sigtr .sigtr-controls").wait_for()
        say("opening a row whose details are there", opened(page, "button[data-toggle-id^=d]"))
        say("opening a row whose details are fetched", opened(page, "a.remoteCall"))
        browser.close()


def opened(page: Page, switch: str) -> list[float]:
    switches = page.locator(f".sigtr-timeline td.djdt-toggle > {switch}").all()
    return [each.evaluate(OPEN) for each in switches[:ROUNDS]]


def say(what: str, costs: list[float]) -> None:
    print(f"{what:<44}{min(costs):6.0f} ms at best, {statistics.median(costs):.0f} ms median")


if __name__ == "__main__":
    main()
