"""What every test gets: a guard that Django was put back, and a Chromium for the browser tests."""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.dispatch import Signal

from signal_tracer import tracer
from signal_tracer.collecting import recording

# Taken before the first trace, so these are Django's own.
ORIGINALS = dict(vars(Signal))
WATCHED = {
    (cls, name): vars(cls)[name] for patches in tracer.PATCHES for cls, name, _ in patches.watched
}


@pytest.fixture(autouse=True)
def django_is_put_back() -> Iterator[None]:
    """After each test no trace runs any more, and all of Django is its own again."""
    yield
    left_running = recording.nearest_running(recording.current.get()), recording.everywhere
    # The next test starts clean, whatever this one left behind.
    recording.current.set(None)
    recording.everywhere = ()
    tracer.uninstall()
    assert left_running == (None, ()), "this test left a trace running"
    left = {
        name
        for name in ORIGINALS.keys() | vars(Signal).keys()
        if vars(Signal).get(name) is not ORIGINALS.get(name)
    }
    for name in left:
        if name in ORIGINALS:
            setattr(Signal, name, ORIGINALS[name])
        else:
            delattr(Signal, name)
    assert not left, f"this test left these of Signal changed: {sorted(left)}"
    left = set()
    for (cls, name), original in WATCHED.items():
        if vars(cls)[name] is not original:
            setattr(cls, name, original)
            left.add(f"{cls.__name__}.{name}")
    assert not left, f"this test left these of Django changed: {sorted(left)}"


CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_GET_CHROMIUM = (
    "no Chromium was found: install one (on Debian and Ubuntu: apt install chromium) "
    "or set CHROMIUM to its path"
)
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
skipped_for_want_of_chromium: list[str] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    browser_tests = [item for item in items if item.get_closest_marker("browser")]
    if not browser_tests or CHROMIUM:
        return
    if os.environ.get("BROWSER_TESTS") == "required":
        raise pytest.UsageError(f"BROWSER_TESTS=required, but {HOW_TO_GET_CHROMIUM}.")
    for item in browser_tests:
        skipped_for_want_of_chromium.append(item.nodeid)
        item.add_marker(pytest.mark.skip(reason="no Chromium"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if skipped_for_want_of_chromium:
        count = len(skipped_for_want_of_chromium)
        terminalreporter.write_line(f"{count} browser tests skipped: {HOW_TO_GET_CHROMIUM}.")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the Chromium that the browser tests drive."""
    assert CHROMIUM, HOW_TO_GET_CHROMIUM
    return CHROMIUM
