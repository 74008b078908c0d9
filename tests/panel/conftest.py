"""A site with nothing but the panel, and the panel as it comes from the toolbar's store."""

from contextlib import nullcontext

import pages
import pytest
from debug_toolbar.store import MemoryStore
from debug_toolbar.toolbar import DebugToolbar
from django.http import HttpResponse
from django.test import RequestFactory
from pages import paid, quiet_view, send_receipt, tell_warehouse

from signal_tracer import panel as panel_module


@pytest.fixture(autouse=True)
def a_site_with_the_panel(settings):
    settings.DEBUG = True
    settings.ROOT_URLCONF = pages.__name__
    settings.MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware"]
    settings.DEBUG_TOOLBAR_PANELS = ["signal_tracer.panel.SignalTracerPanel"]
    settings.DEBUG_TOOLBAR_CONFIG = {"IS_RUNNING_TESTS": False}
    settings.SIGNAL_TRACER = {"SLOW_RECEIVER_MS": 60_000}  # no real call is marked as slow
    yield
    MemoryStore.clear()


@pytest.fixture
def receivers():
    paid.connect(send_receipt)
    paid.connect(tell_warehouse)
    yield
    paid.disconnect(send_receipt)
    paid.disconnect(tell_warehouse)


@pytest.fixture
def stored(monkeypatch):
    """Has the panel record a trace made by hand; returns the panel as it comes from the store."""

    def store(trace, method="GET"):
        monkeypatch.setattr(
            panel_module, "trace_signals", lambda name, *, request: nullcontext(trace)
        )
        request = RequestFactory().generic(method, "/pay/")
        toolbar = DebugToolbar(request, quiet_view)
        panel = toolbar.get_panel_by_id("SignalTracerPanel")
        panel.enable_instrumentation()
        panel.disable_instrumentation()
        panel.generate_stats(request, HttpResponse())
        return DebugToolbar.fetch(toolbar.request_id).get_panel_by_id("SignalTracerPanel")

    return store
