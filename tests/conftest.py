"""What every test gets: a guard that Django was put back, and a Chromium for the browser tests."""

import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest
from django.core.cache import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.mail import EmailMessage
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import Model, QuerySet
from django.db.models.deletion import Collector
from django.db.transaction import Atomic
from django.dispatch import Signal
from django.test import TestCase

from signal_tracer import tracer
from signal_tracer.collecting import nodes

# No time is a test's business, nor is a machine that is busy with something else.
hypothesis.settings.register_profile(
    "no time", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("no time")

CLASSES = (
    *(Signal, CursorWrapper, QuerySet, Model, Collector, Atomic, BaseDatabaseWrapper),
    *(BaseCache, LocMemCache),
    *(threading.Thread, ThreadPoolExecutor, EmailMessage, HTTPConnection, TestCase),
)
# pytest-django changes this itself, so that only tests that ask for a database have one.
NOT_OURS = {"ensure_connection"}
# Taken before the first trace, so these are Django's own.
ORIGINALS = {cls: dict(vars(cls)) for cls in CLASSES}


@pytest.fixture(autouse=True)
def django_is_put_back() -> Iterator[None]:
    """After each test no trace runs any more, and what was watched is Django's own again."""
    yield
    # The toolbar keeps the panels of the class that reads them from its store, whatever the
    # settings of the next test say.
    stored = getattr(sys.modules.get("debug_toolbar.toolbar"), "StoredDebugToolbar", None)
    if stored is not None and "_panel_classes" in vars(stored):
        del stored._panel_classes
    left_running = nodes.nearest_running(nodes.current.get()), nodes.everywhere
    # The next test starts clean, whatever this one left behind.
    nodes.current.set(None)
    nodes.everywhere = None
    tracer.uninstall()
    assert left_running == (None, None), "this test left a trace running"
    left = [
        (cls, name)
        for cls, originals in ORIGINALS.items()
        for name in (originals.keys() | vars(cls).keys()) - NOT_OURS
        if vars(cls).get(name) is not originals.get(name)
    ]
    for cls, name in left:
        if name in ORIGINALS[cls]:
            setattr(cls, name, ORIGINALS[cls][name])
        else:
            delattr(cls, name)
    changed = sorted(f"{cls.__name__}.{name}" for cls, name in left)
    assert not changed, f"this test left these changed: {changed}"


@pytest.fixture(autouse=True)
def the_toolbars_cursors_are_gone() -> Iterator[None]:
    """After each test no cursor is the SQL panel's, which stays around those of a connection."""
    yield
    for connection in connections.all(initialized_only=True):
        if "_djdt_cursor" in vars(connection):
            for name in ("cursor", "chunked_cursor", "_djdt_cursor", "_djdt_chunked_cursor"):
                vars(connection).pop(name, None)


CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_GET_CHROMIUM = (
    "no Chromium was found: install one (on Debian and Ubuntu: apt install chromium) "
    "or set CHROMIUM to its path"
)
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
HOW_TO_GET_POSTGRES = "no PostgreSQL server is running for them: use `make test-postgres`"
HAS_WORKERS = all(map(find_spec, ("celery", "redis", "django_tasks_db", "rq")))
HOW_TO_GET_REDIS = "no Redis server is running for them: use `make test-redis`"

MERMAID = Path(__file__).parent / "mapping/mermaid"
HAS_GRAPH_TOOLS = all(map(shutil.which, ("dot", "node"))) and (MERMAID / "node_modules").is_dir()
HOW_TO_GET_GRAPH_TOOLS = (
    "Graphviz and Node.js have to be installed (on Debian and Ubuntu: apt install graphviz nodejs "
    "npm), and Mermaid in tests/mapping/mermaid (npm ci)"
)
AXE = Path(__file__).parent / "browser/axe"
HOW_TO_GET_AXE = "axe-core has to be installed in tests/browser/axe (npm ci)"
HAS_GETTEXT = all(map(shutil.which, ("xgettext", "msguniq")))
HOW_TO_GET_GETTEXT = "GNU gettext has to be installed (on Debian and Ubuntu: apt install gettext)"
PACKAGES = (
    *("allauth", "auditlog", "axes", "bs4", "django_cleanup", "django_fsm", "easy_thumbnails"),
    *("filer", "guardian", "haystack", "imagekit", "import_export", "modelcluster", "modelsearch"),
    *("mptt", "rest_framework", "reversion", "simple_history", "taggit", "treebeard"),
)
HOW_TO_GET_PACKAGES = "they need the packages that `nox -s packages` installs"

# What tests with a marker want that is not everywhere: whether it is here, and how to get it.
WANTS = {
    "browser": (CHROMIUM is not None, HOW_TO_GET_CHROMIUM),
    "postgres": ("TEST_POSTGRES" in os.environ, HOW_TO_GET_POSTGRES),
    "redis": ("TEST_REDIS" in os.environ and HAS_WORKERS, HOW_TO_GET_REDIS),
    "axe": ((AXE / "node_modules").is_dir(), HOW_TO_GET_AXE),
    "gettext": (HAS_GETTEXT, HOW_TO_GET_GETTEXT),
    "graphs": (HAS_GRAPH_TOOLS, HOW_TO_GET_GRAPH_TOOLS),
    "packages": (all(map(find_spec, (*PACKAGES, "wagtail"))), HOW_TO_GET_PACKAGES),
}
skipped: Counter[str] = Counter()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for marker, (is_here, how_to_get_it) in WANTS.items():
        wanting = [] if is_here else [item for item in items if item.get_closest_marker(marker)]
        variable = f"{marker.upper()}_TESTS"
        if wanting and os.environ.get(variable) == "required":
            raise pytest.UsageError(f"{variable}=required, but {how_to_get_it}.")
        for item in wanting:
            skipped[marker] += 1
            item.add_marker(pytest.mark.skip(reason=how_to_get_it))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for marker, count in skipped.items():
        terminalreporter.write_line(f"{count} {marker} tests skipped: {WANTS[marker][1]}.")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the Chromium that the browser tests drive."""
    assert CHROMIUM, HOW_TO_GET_CHROMIUM
    return CHROMIUM


@pytest.fixture
def toolbars_table(transactional_db: None) -> Iterator[None]:
    """Where the database store keeps its entries; the toolbar migrates it only when in use."""
    from debug_toolbar.models import HistoryEntry
    from django.db import connection

    if HistoryEntry._meta.db_table in connection.introspection.table_names():  # always, in 6.0
        yield
        return
    with connection.schema_editor() as editor:
        editor.create_model(HistoryEntry)
    yield
    with connection.schema_editor() as editor:
        editor.delete_model(HistoryEntry)
