"""Makes the pictures of the panel: ``python docs/make_screenshots.py [folder]``.

Serves the example site with a database of its own on a free port, places an order in a real
Chromium, opens the panel and the row of the swallowed exception, and writes panel-light.png and
panel-dark.png beside this file. With a folder it takes there instead what to look at after a
change: every state of the panel, in both themes, in a wide and in a narrow window. Needs
Playwright, and a Chromium in PATH or named by CHROMIUM.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).resolve().parent
MANAGE = HERE.parent / "example_site" / "manage.py"
WIDE, NARROW = 1440, 1024
HEIGHT = 1000
# What the panel can look like: the scenario, and the button that brings it about.
STATES = {
    "empty": ("nothing", "Do nothing"),
    "small": ("checkout", "Place the order"),
    "200": ("stocktaking", "Count 200 times"),
    "1000": ("stocktaking", "Count 1,200 times"),
    "findings": ("rollback", None),
}
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS = 30


def main() -> None:
    chromium = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, CHROMIUM_NAMES)), None
    )
    if chromium is None:
        sys.exit(
            "No Chromium was found. Install one (on Debian and Ubuntu: apt install chromium) or "
            "set CHROMIUM to its path."
        )
    with example_site() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        # The first request of a process is slow: it imports the URLconf, say.
        take(browser, address, "small", "light", WIDE, HERE / "panel-light.png")
        for state, theme, width, picture in wanted():
            take(browser, address, state, theme, width, picture)
            print(f"{picture}: {picture.stat().st_size // 1000} kB")
        browser.close()


def wanted() -> Iterator[tuple[str, str, int, Path]]:
    """Each picture to take: the state, the theme, the width and the file."""
    for theme in ("light", "dark"):
        if len(sys.argv) == 1:
            yield "small", theme, WIDE, HERE / f"panel-{theme}.png"
            continue
        folder = Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        for state in STATES:
            for width in (WIDE, NARROW):
                yield state, theme, width, folder / f"{state}-{theme}-{width}.png"


@contextmanager
def example_site() -> Iterator[str]:
    """The address of an example site that nobody has used before."""
    with tempfile.TemporaryDirectory() as data:
        environment = {**os.environ, "EXAMPLE_SITE_DATA": data}
        subprocess.run([sys.executable, MANAGE, "prepare_demo"], env=environment, check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, MANAGE, "runserver", "--noreload", f"127.0.0.1:{port}"]
        server = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(address, server)
            yield address
        finally:
            server.terminate()
            server.wait()


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(address).close()
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"The example site did not start. Try it by hand: {MANAGE} runserver")


def take(browser: Browser, address: str, state: str, theme: str, width: int, picture: Path) -> None:
    scenario, button = STATES[state]
    page = browser.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=theme)
    page.goto(f"{address}/{scenario}/")
    page.locator("main form button", has_text=button).first.click()
    page.locator("a.SignalTracerPanel").click()
    panel = page.locator("#sigtr")
    panel.get_by_text("Signal map", exact=True).wait_for()
    if state == "small":
        panel.locator(".sigtr-controls").wait_for()
        swallowed = panel.locator(".sigtr-timeline > tbody", has_text="SWALLOWED").first
        swallowed.get_by_title("Details").click()
        panel.get_by_text("Swallowed: the dispatch caught").wait_for()
        page.locator("#SignalTracerPanel .djdt-scroll").evaluate("each => { each.scrollTop = 0; }")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=picture)
    page.close()
    with Image.open(picture) as taken:  # a third of the size, and nobody sees the difference
        taken.quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    main()
