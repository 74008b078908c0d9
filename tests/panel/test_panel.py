"""The panel itself: through the toolbar's own store and back, as a person gets it."""

import json
import logging
import re

import pytest
from asgiref.sync import sync_to_async
from debug_toolbar import store as stores
from debug_toolbar.store import get_store
from debug_toolbar.toolbar import DebugToolbar
from django.core.checks import run_checks
from django.test import AsyncClient, Client, RequestFactory
from django.utils import translation
from pages import CHECKOUT, outline_rows, panel_of, quiet_view, said, trace_of, view, without_times

from signal_tracer import panel as panel_module
from signal_tracer.panel import SignalTracerPanel, page
from signal_tracer.records import Dispatch, NearMiss, ReceiverCall, Request, Unheard


def test_the_subtitle_counts_dispatches_receivers_and_swallowed(stored):
    assert (
        stored(trace_of(CHECKOUT)).nav_subtitle
        == "2 dispatches · 3 receiver calls · 2 findings · 1 swallowed · 1 slow"
    )


def test_the_subtitle_has_the_singular_and_leaves_nothing_swallowed_out(stored):
    one = Dispatch("shop.signals.paid", receiver_calls=[ReceiverCall("shop.receivers.pack")])
    assert stored(trace_of(one)).nav_subtitle == "1 dispatch · 1 receiver call"


def test_the_subtitle_counts_all_that_went_wrong(stored):
    calls = [ReceiverCall("a.b", outcome="raised")]
    sent = Dispatch("a.c", receiver_calls=calls, rolled_back=["default"])
    assert (
        stored(trace_of(sent)).nav_subtitle
        == "1 dispatch · 1 receiver call · 1 raised · 1 rolled back"
    )


def test_the_subtitle_reads_from_right_to_left_in_a_language_that_does(stored):
    trace = trace_of(CHECKOUT)
    trace.ignore_findings = ("swallowed-exception", "slow-receiver")
    panel = stored(trace)
    with translation.override("fa"):
        subtitle = panel.nav_subtitle

    assert subtitle == "\u20672 ارسال · 3 فراخوانی گیرنده · 1 بلعیده · 1 کند\u2069"


def test_an_empty_trace_says_what_to_try(stored):
    text = said(stored(trace_of()).content)

    assert "No receiver was called during this request" in text
    assert "No signal was sent while the view ran." in text
    assert "What to try, if a receiver was meant to be called:" in text
    assert "open the History panel, switch to the POST" in text
    assert "AppConfig.ready() imports the module" in text


def test_an_empty_trace_of_a_form_does_not_send_a_reader_to_the_form(stored):
    text = said(stored(trace_of(), "POST").content)

    assert "AppConfig.ready() imports the module" in text
    assert "switch to the POST" not in text


def test_an_empty_trace_with_a_finding_leaves_the_general_advice_out(stored):
    miss = NearMiss("a.b", connected_to="shop.Product", reason="connected_to_concrete")
    unheard = Unheard("a.c", "shop.Second", 1, near_misses=(miss,))
    text = said(stored(trace_of(unheard=[unheard])).content)

    assert "A receiver waits for another sender" in text
    assert "No receiver was called during this request" in text
    assert "What to try" not in text
    assert "AppConfig.ready() imports the module" not in text


def test_a_trace_of_unheard_dispatches_says_how_many_and_lists_them(stored):
    unheard = [Unheard("shop.signals.paid", "shop.Order", 2), Unheard("shop.signals.x", "None", 5)]
    text = said(stored(trace_of(unheard=unheard)).content)

    assert "7 dispatches were sent, but no receiver is connected to their signals" in text
    assert "Signal Sender Times shop.signals.x None 5 shop.signals.paid shop.Order 2" in text


# The toolbar has the one for the cache since 6.3.
STORES = [name for name in ("MemoryStore", "CacheStore", "DatabaseStore") if hasattr(stores, name)]


@pytest.mark.usefixtures("toolbars_table")
@pytest.mark.parametrize("store", STORES)
def test_a_trace_survives_every_store_of_the_toolbar(store, settings, stored):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.DEBUG_TOOLBAR_CONFIG = {
        "IS_RUNNING_TESTS": False,
        "TOOLBAR_STORE_CLASS": f"debug_toolbar.store.{store}",
    }
    trace = trace_of(CHECKOUT, unheard=[Unheard("shop.signals.x", "None", 5)], excluded=1)
    panel = stored(trace)
    trace.request = Request("GET", "/pay/", 200)

    assert panel.get_stats()["trace"] == json.loads(trace.to_json())
    assert outline_rows(panel.content)[1] == "shop.receivers.pack ▲ SLOW 30.0 ms 20.0 ms"
    get_store().clear()


@pytest.mark.usefixtures("receivers")
def test_a_page_shows_its_own_dispatches():
    client = Client()
    response = client.get("/pay/")

    page = response.content.decode()
    assert "Signal tracer" in page
    assert "1 dispatch · 2 receiver calls · 1 finding · 1 swallowed" in page
    assert re.fullmatch(
        r"SignalTracerPanel_receivers;dur=[\d.]+;desc=\"Signal receivers\"",
        response["Server-Timing"],
    )
    content = panel_of(client, response)
    assert "GET /pay/ · 200" in said(content)
    assert without_times(content) == [
        "pages.paid.send_robust sender='shop' TIME",
        "pages.send_receipt ◐ SWALLOWED ValueError: no address <b>here</b> TIME TIME",
        "pages.tell_warehouse ⇉ ASYNC TIME TIME",
    ]
    assert "4111111111111111" not in content


@pytest.mark.usefixtures("receivers")
@pytest.mark.parametrize("rate", [0, 0.000_001])
def test_each_page_is_shown_however_few_requests_are_traced(settings, rate):
    settings.SIGNAL_TRACER = {**settings.SIGNAL_TRACER, "SAMPLE_RATE": rate}

    assert "1 dispatch · 2 receiver calls" in Client().get("/pay/").content.decode()


@pytest.mark.usefixtures("receivers")
async def test_an_async_page_shows_its_own_dispatches():
    client = AsyncClient()
    response = await client.get("/async-pay/")

    content = await sync_to_async(panel_of)(Client(), response)
    assert sorted(without_times(content)) == [
        "pages.paid.asend_robust sender='shop' TIME",
        "pages.send_receipt ◐ SWALLOWED ValueError: no address <b>here</b> TIME TIME",
        "pages.tell_warehouse ⇉ ASYNC TIME TIME",
    ]


def test_a_page_without_dispatches_shows_the_empty_state():
    client = Client()
    content = panel_of(client, client.get("/quiet/"))

    assert "No receiver was called during this request" in content


@pytest.mark.usefixtures("receivers")
def test_to_start_or_to_end_twice_does_no_harm():
    request = RequestFactory().get("/pay/")
    toolbar = DebugToolbar(request, view)
    panel = toolbar.get_panel_by_id("SignalTracerPanel")

    panel.disable_instrumentation()
    panel.enable_instrumentation()
    panel.enable_instrumentation()
    response = view(request)
    panel.disable_instrumentation()
    view(request)  # which is no longer traced
    panel.disable_instrumentation()
    panel.enable_instrumentation()
    view(request)
    panel.generate_stats(request, response)

    assert panel.nav_subtitle == "1 dispatch · 2 receiver calls · 1 finding · 1 swallowed"


def test_a_trace_is_started_once_and_ended_once(monkeypatch):
    calls = []

    class Tracing:
        def __init__(self, name, *, request):
            calls.append(f"{name} {request}")

        def __enter__(self):
            return trace_of()

        def __exit__(self, *args):
            calls.append("ended")

    monkeypatch.setattr(panel_module, "trace_signals", Tracing)
    panel = DebugToolbar(RequestFactory().get("/pay/?card=1"), view).panels[0]
    for _ in range(2):
        panel.enable_instrumentation()
    for _ in range(2):
        panel.disable_instrumentation()

    assert calls == ["GET /pay/ Request(method='GET', path='/pay/', status=None)", "ended"]


class Broken:
    """A tracer that fails: ``at`` names the method."""

    def __init__(self, at):
        self.at = at

    def __call__(self, *args, **kwargs):
        self.fail("__init__")
        return self

    def __enter__(self):
        self.fail("__enter__")
        return trace_of(CHECKOUT)

    def __exit__(self, *args):
        self.fail("__exit__")

    def fail(self, where):
        if where == self.at:
            raise RuntimeError("broken on purpose")


@pytest.mark.parametrize("at", ["__init__", "__enter__", "__exit__"])
def test_a_tracer_that_fails_costs_the_trace_and_not_the_page(at, monkeypatch, caplog):
    monkeypatch.setattr(panel_module, "trace_signals", Broken(at))
    response = Client().get("/quiet/")

    assert response.status_code == 200
    assert [record.name for record in caplog.records] == ["signal_tracer"]
    assert "broken on purpose" in caplog.text


def test_a_request_that_could_not_be_traced_says_so(monkeypatch, caplog):
    monkeypatch.setattr(panel_module, "trace_signals", Broken("__enter__"))
    client = Client()
    response = client.get("/quiet/")

    assert "No trace: see the log of &#x27;signal_tracer&#x27;" in response.content.decode()
    assert "This request was not traced, because the tracer failed." in panel_of(client, response)
    assert "The panel could not start a trace" in caplog.text


def test_a_trace_that_cannot_be_recorded_says_so(monkeypatch, caplog):
    def fail(trace):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(panel_module, "count", fail)
    client = Client()

    assert "This request was not traced" in panel_of(client, client.get("/quiet/"))
    assert "The panel could not record its trace" in caplog.text


def test_a_trace_that_cannot_be_shown_says_so(stored, monkeypatch, caplog):
    def fail(trace):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(page, "rows_of", fail)

    assert "This trace could not be shown." in stored(trace_of(CHECKOUT)).content
    assert caplog.record_tuples == [
        ("signal_tracer", logging.ERROR, "The panel could not show a trace.")
    ]


def test_a_trace_that_another_release_stored_says_what_to_do():
    panel = DebugToolbar(RequestFactory().get("/"), quiet_view).panels[0]
    panel.load_stats_from_store({"trace": {"version": 99}})

    assert "This trace has version 99" in panel.content


def test_the_panel_without_the_app_is_a_check_error(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "signal_tracer"]

    (error,) = [each for each in run_checks() if each.id == "signal_tracer.E003"]
    assert error.msg == (
        "DEBUG_TOOLBAR_PANELS lists signal_tracer.panel.SignalTracerPanel, but 'signal_tracer' is "
        "not in INSTALLED_APPS: the panel's template will not be found."
    )
    assert error.hint == "Add 'signal_tracer' to INSTALLED_APPS."


def test_the_panel_with_the_app_passes_its_check():
    assert SignalTracerPanel.run_checks() == []


def test_the_toolbars_own_signals_panel_is_not_replaced():
    assert SignalTracerPanel.panel_id == "SignalTracerPanel"


def test_the_panel_brings_one_script_and_no_style(stored):
    panel = stored(trace_of(CHECKOUT, omitted=1))

    assert panel.scripts == ["/static/signal_tracer/panel.js"]
    assert re.findall(r"<(?:style|script|link)|\sstyle=|\son\w+=|javascript:", panel.content) == []
