"""The debug toolbar's panel: through the toolbar's own store and back, as a person gets it."""

import json
import logging
import re
from contextlib import nullcontext
from datetime import UTC, datetime
from html import unescape

import pytest
from asgiref.sync import sync_to_async
from debug_toolbar import store as stores
from debug_toolbar.models import HistoryEntry
from debug_toolbar.store import MemoryStore, get_store
from debug_toolbar.toolbar import DebugToolbar
from django.core.checks import run_checks
from django.db import connection
from django.dispatch import Signal
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import include, path, reverse
from django.utils import translation

from signal_tracer import panel as panel_module
from signal_tracer.panel import SignalTracerPanel
from signal_tracer.trace import (
    Contents,
    Dispatch,
    Error,
    Location,
    NearMiss,
    ReceiverCall,
    Request,
    Summary,
    Trace,
    TracebackLine,
    Unheard,
    Unwatched,
)

paid = Signal()


def send_receipt(sender, **kwargs):
    raise ValueError("no address <b>here</b>")


async def tell_warehouse(sender, **kwargs):
    return "told"


def view(request):
    paid.send_robust(sender="shop", order=7, card_number="4111111111111111")
    return HttpResponse("<html><body></body></html>")


async def async_view(request):
    await paid.asend_robust(sender="shop", order=7)
    return HttpResponse("<html><body></body></html>")


def quiet_view(request):
    return HttpResponse("<html><body></body></html>")


urlpatterns = [
    path("pay/", view),
    path("async-pay/", async_view),
    path("quiet/", quiet_view),
    path("__debug__/", include("debug_toolbar.urls")),
]


@pytest.fixture(autouse=True)
def a_site_with_the_panel(settings):
    settings.DEBUG = True
    settings.ROOT_URLCONF = __name__
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


def trace_of(*dispatches, **contents):
    contents = {"duration": 0.1} | contents
    return Trace(
        "GET /pay/",
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        contents=Contents(dispatches=list(dispatches), **contents),
    )


@pytest.fixture
def stored(monkeypatch):
    """Has the panel record a trace made by hand; returns the panel as it comes from the store."""

    def store(trace):
        monkeypatch.setattr(
            panel_module, "trace_signals", lambda name, *, request: nullcontext(trace)
        )
        request = RequestFactory().get("/pay/")
        toolbar = DebugToolbar(request, quiet_view)
        panel = toolbar.get_panel_by_id("SignalTracerPanel")
        panel.enable_instrumentation()
        panel.disable_instrumentation()
        panel.generate_stats(request, HttpResponse())
        return DebugToolbar.fetch(toolbar.request_id).get_panel_by_id("SignalTracerPanel")

    return store


def said(html):
    """The text of ``html``, as a person reads it."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def outline_rows(html):
    """The rows of the outline as text: name, marks and times."""
    rows = re.findall(r'<tr id="signalTracer_.*?</tr>', html, re.DOTALL)
    return [said(row).removeprefix("+ ") for row in rows]


def without_times(html):
    return [re.sub(r"\d[\d.]* (µs|ms|s)\b", "TIME", row) for row in outline_rows(html)]


def details(html, key):
    start = html.index(f'<tr id="signalTracerDetails_{key}"')
    return said(html[start : html.index("</table>", start)])


def panel_of(client, response):
    """What the browser fetches when the panel is opened on the page ``response``."""
    request_id = re.search(r'data-request-id="(\w+)"', response.content.decode())[1]
    panel = {"request_id": request_id, "panel_id": "SignalTracerPanel"}
    return client.get(reverse("djdt:render_panel"), panel).json()["content"]


CHECKOUT = Dispatch(
    "shop.signals.paid",
    sender="shop.Order",
    method="send_robust",
    kwargs={"order": Summary("shop.Order(pk=3)"), "card": Summary("[redacted]"), "note": "hi"},
    sent_from=Location("/srv/site-packages/shop/views.py", 12, "checkout"),
    started_at=0.01,
    duration=0.05,
    receiver_calls=[
        ReceiverCall(
            "shop.receivers.pack",
            Location("/srv/site-packages/shop/receivers.py", 5, "pack"),
            dispatch_uid="pack-once",
            started_at=0.01,
            duration=0.03,
            own_time=0.02,
            response=Summary("shop.Parcel(pk=9)"),
            dispatches=[
                Dispatch(
                    "shop.signals.shipped",
                    sender="shop.Parcel",
                    started_at=0.02,
                    duration=0.01,
                    receiver_calls=[
                        ReceiverCall(
                            "shop.receivers.tell",
                            is_async=True,
                            started_at=0.02,
                            duration=0.0025,
                            own_time=0.0025,
                        )
                    ],
                )
            ],
        ),
        ReceiverCall(
            "shop.receivers.send_receipt",
            started_at=0.04,
            duration=0.001,
            own_time=0.001,
            outcome="swallowed",
            error=Error(
                "smtplib.SMTPException",
                "refused",
                (TracebackLine(Location("/srv/mail.py", 8, "send"), "connect(host)"),),
            ),
        ),
    ],
)


def test_the_outline_shows_nesting_marks_and_times(stored):
    html = stored(trace_of(CHECKOUT)).content

    assert outline_rows(html) == [
        "shop.signals. paid .send_robust sender=shop.Order 50.0 ms",
        "shop.receivers. pack SLOW 30.0 ms 20.0 ms",
        "shop.signals. shipped .send sender=shop.Parcel 10.0 ms",
        "shop.receivers. tell ASYNC 2.50 ms 2.50 ms",
        "shop.receivers. send_receipt SWALLOWED SMTPException: refused 1.00 ms 1.00 ms",
    ]
    # Three columns to indent by: a row takes one for each level, and its name takes the rest.
    assert re.findall(r'<td colspan="(\d)"></td>\s*<td colspan="(\d)">', html) == [
        ("1", "3"),
        ("2", "2"),
        ("3", "1"),
        ("1", "3"),
    ]


def test_each_row_has_the_switch_that_the_toolbars_script_looks_for(stored):
    html = stored(trace_of(CHECKOUT)).content

    switches = re.findall(r'data-toggle-name="(\w+)" data-toggle-id="([\w-]+)"', html)
    assert [key for _, key in switches] == ["0", "0-0", "0-0-0", "0-0-0-0", "0-1"]
    for name, key in switches:
        assert html.count(f'id="{name}_{key}"') == 1
        assert len(re.findall(rf'class="djUnselected djToggleDetails_{key}"', html)) == 1


def test_a_dispatchs_details_say_what_was_sent_and_from_where(stored):
    html = stored(trace_of(CHECKOUT)).content

    assert details(html, "0") == (
        "Signal shop.signals.paid Sender shop.Order Sent with send_robust() "
        "Sent from shop/views.py:12 in checkout "
        "Keyword arguments order = shop.Order(pk=3) card = [redacted] note = 'hi'"
    )


def test_a_receiver_calls_details_say_where_it_stands_and_what_it_returned(stored):
    html = stored(trace_of(CHECKOUT)).content

    assert details(html, "0-0") == (
        "Receiver shop.receivers.pack Defined at shop/receivers.py:5 in pack "
        "dispatch_uid 'pack-once' Sender shop.Order Response shop.Parcel(pk=9) "
        "Keyword arguments order = shop.Order(pk=3) card = [redacted] note = 'hi'"
    )


def test_a_swallowed_exceptions_details_hold_its_traceback(stored):
    html = stored(trace_of(CHECKOUT)).content

    assert details(html, "0-1") == (
        "Swallowed: the dispatch caught the exception and went on. Whoever sent the signal knows "
        "of it only by looking through what the dispatch returned. "
        "Receiver shop.receivers.send_receipt Defined at not recorded Sender shop.Order "
        "Exception smtplib.SMTPException Message refused "
        "Traceback /srv/mail.py:8 in send connect(host) "
        "Keyword arguments order = shop.Order(pk=3) card = [redacted] note = 'hi'"
    )


def test_a_bar_shows_own_time_apart_from_nested_time(stored):
    html = stored(trace_of(CHECKOUT)).content

    pack = html[html.index('id="signalTracer_0-0"') : html.index('id="signalTracerDetails_0-0"')]
    assert re.findall(r'<rect x="([\d.]+)" y="(\d)" height="(\d)" width="([\d.]+)"', pack) == [
        ("10.00", "4", "2", "30.00"),  # the whole call, thin
        ("10.00", "1", "8", "10.00"),  # its own time before the nested dispatch, thick
        ("30.00", "1", "8", "10.00"),  # and after it
    ]


def test_a_call_too_short_to_be_seen_has_a_bar_that_can_be(stored):
    brief = ReceiverCall("shop.receivers.pack", started_at=0.05, duration=1e-6, own_time=1e-6)
    html = stored(trace_of(Dispatch("shop.signals.paid", receiver_calls=[brief]))).content

    assert '<rect x="50.00" y="1" height="8" width="0.40"' in html


def test_numbers_in_attributes_have_a_decimal_point_in_every_language(stored, settings):
    settings.USE_THOUSAND_SEPARATOR = True
    panel = stored(trace_of(CHECKOUT))
    with translation.override("de"):
        german = panel.content

    numbers = re.findall(r' (?:x|y|width|height|colspan|viewBox)="([^"]*)"', german)
    assert "10.00" in numbers
    assert [number for number in numbers if not re.fullmatch(r"[\d. ]+", number)] == []


def test_the_head_counts_what_the_trace_holds(stored):
    html = stored(
        trace_of(CHECKOUT, unheard=[Unheard("django.db.models.signals.pre_init", "shop.Order", 4)])
    ).content

    assert (
        "2 dispatches · 3 receiver calls · 1 swallowed · 1 slow (own time of 10.0 ms or more) · "
        "4 unheard · 50.0 ms of 100 ms in dispatches" in said(html)
    )


def test_time_in_concurrent_dispatches_is_counted_once(stored):
    together = [
        Dispatch("a.b", started_at=0.01, duration=0.03),
        Dispatch("a.c", started_at=0.02, duration=0.01),
        Dispatch("a.d", started_at=0.03, duration=0.02),
        Dispatch("a.e", started_at=0.07, duration=0.01),
    ]
    assert "50.0 ms of 100 ms in dispatches" in said(stored(trace_of(*together)).content)


def test_equal_dispatches_are_one_row_that_says_so(stored):
    saves = [
        Dispatch(
            "django.db.models.signals.post_save",
            sender="shop.Line",
            kwargs={"created": number == 0},
            started_at=number / 100,
            duration=0.001,
            receiver_calls=[ReceiverCall("shop.receivers.reindex", duration=0.001)],
        )
        for number in range(3)
    ]
    html = stored(trace_of(*saves)).content

    assert outline_rows(html) == [
        "django.db.models.signals. post_save .send × 3 sender=shop.Line 3.00 ms",
        "shop.receivers. reindex × 3 3.00 ms 0 µs",
    ]
    assert details(html, "0").startswith(
        "The row stands for 3 equal ones: the times are of all together, what follows is of the "
        "first. Signal"
    )


def test_receivers_that_did_not_run_and_that_could_not_be_watched_say_why(stored):
    error = Error("builtins.ValueError", "no")
    html = stored(
        trace_of(
            Dispatch(
                "shop.signals.paid",
                receiver_calls=[
                    ReceiverCall("shop.receivers.check", outcome="raised", error=error)
                ],
                near_misses=[NearMiss("shop.receivers.pack", "not_run")],
                error=error,
            ),
            Dispatch("plugins.signals.hook", unwatched=["plugins.receivers.hooked"]),
        )
    ).content

    assert outline_rows(html) == [
        "shop.signals. paid .send sender=None RAISED 0 µs",
        "shop.receivers. check RAISED ValueError: no 0 µs 0 µs",
        "shop.receivers. pack NOT RUN",
        "plugins.signals. hook .send sender=None 0 µs",
        "plugins.receivers. hooked NOT WATCHED",
    ]
    assert details(html, "0-0").startswith("Raised: the exception ended the dispatch")
    assert details(html, "0-1").startswith("Not run: an earlier receiver raised")
    assert details(html, "1-0").startswith("Not watched: this signal's class calls its receivers")


def test_what_is_left_out_is_said_with_the_setting_to_change(stored):
    text = said(
        stored(
            trace_of(
                CHECKOUT,
                omitted=12,
                too_deep=4,
                excluded=3,
                faults=1,
                unwatched=[Unwatched("plugins.signals.Hook", "send_chained", 2)],
            )
        ).content
    )

    assert "12 more dispatches were sent and not kept, because the trace was full." in text
    assert 'raise SIGNAL_TRACER["MAX_DISPATCHES"]' in text
    assert "4 more dispatches were sent and not kept, being nested more than 100 deep." in text
    assert '3 dispatches were left out by patterns in SIGNAL_TRACER["EXCLUDE_SIGNALS"].' in text
    assert "plugins.signals.Hook.send_chained called receivers 2 times." in text
    assert "The tracer failed to record 1 time" in text


def test_a_trace_that_left_nothing_out_says_nothing_of_it(stored):
    assert "SIGNAL_TRACER[" not in stored(trace_of(CHECKOUT)).content


def test_of_too_many_rows_the_first_and_those_that_went_wrong_are_shown(stored, monkeypatch):
    monkeypatch.setattr(panel_module, "MAX_ROWS", 3)
    fine = [
        Dispatch(f"shop.signals.s{number}", receiver_calls=[ReceiverCall("shop.receivers.fine")])
        for number in range(4)
    ]
    failed = ReceiverCall("shop.receivers.bad", outcome="swallowed", error=Error("E", "no"))
    html = stored(trace_of(*fine, Dispatch("shop.signals.last", receiver_calls=[failed]))).content

    assert outline_rows(html) == [
        "shop.signals. s0 .send sender=None 0 µs",
        "shop.receivers. fine 0 µs 0 µs",
        "shop.signals. s1 .send sender=None 0 µs",
        "shop.signals. last .send sender=None 0 µs",
        "shop.receivers. bad SWALLOWED E: no 0 µs 0 µs",
    ]
    assert "5 of 10 rows are not shown here" in said(html)


def test_a_deep_recursion_stops_to_indent(stored):
    innermost = dispatch = Dispatch("shop.signals.again")
    for _ in range(20):
        call = ReceiverCall("shop.receivers.again", dispatches=[dispatch])
        dispatch = Dispatch("shop.signals.again", receiver_calls=[call])
    html = stored(trace_of(dispatch)).content

    assert innermost.signal in html
    assert len(outline_rows(html)) == 41
    assert html.count('<col width="18">') == 12


HOSTILE = "<script>alert(1)</script>.<b>"


def test_hostile_texts_arrive_escaped(stored):
    error = Error(HOSTILE, HOSTILE, (TracebackLine(Location(HOSTILE, 1, HOSTILE), HOSTILE),))
    location = Location(HOSTILE, 1, HOSTILE)
    dispatch = Dispatch(
        HOSTILE,
        sender=HOSTILE,
        kwargs={HOSTILE: HOSTILE, "summary": Summary(HOSTILE)},
        sent_from=location,
        duration=0.1,
        receiver_calls=[
            ReceiverCall(HOSTILE, location, HOSTILE, outcome="raised", error=error),
            ReceiverCall(HOSTILE, response=HOSTILE),
        ],
        near_misses=[NearMiss(HOSTILE, "not_run", location, HOSTILE)],
        error=error,
    )
    trace = trace_of(
        dispatch,
        Dispatch(HOSTILE, unwatched=[HOSTILE], error=error),
        unheard=[Unheard(HOSTILE, HOSTILE, 1)],
        unwatched=[Unwatched(HOSTILE, HOSTILE, 1)],
    )
    html = stored(trace).content

    assert html.count("&lt;script&gt;") > 40
    assert "<script" not in html
    assert "<b>" not in html


def test_a_hostile_path_arrives_escaped():
    trace = trace_of(CHECKOUT)
    trace.request = Request("GET", HOSTILE, 200)
    panel = DebugToolbar(RequestFactory().get("/"), quiet_view).panels[0]
    panel.load_stats_from_store({"trace": trace.to_dict()})

    assert "GET &lt;script&gt;alert(1)&lt;/script&gt;.&lt;b&gt; · 200" in panel.content


def test_marks_that_turn_the_writing_direction_and_control_characters_are_seen(stored):
    html = stored(
        trace_of(
            Dispatch(
                "shop.\u202esignals.paid",
                sender="shop.\u2066Order",
                kwargs={"no\x00te": Summary("a\x1b[31mb"), "s": "\ud800"},
                receiver_calls=[ReceiverCall("shop.\u200bpack", response=Summary("x\x07"))],
            )
        )
    ).content

    assert "shop.\\u202esignals." in html
    assert "sender=shop.\\u2066Order" in html
    assert "no\\x00te = a\\x1b[31mb" in html
    assert "\\u200bpack" in html
    assert "x\\x07" in html
    assert [each for each in html if not each.isprintable() and each != "\n"] == []


def test_the_subtitle_counts_dispatches_receivers_and_swallowed(stored):
    assert stored(trace_of(CHECKOUT)).nav_subtitle == "2 dispatches · 3 receivers · 1 swallowed"


def test_the_subtitle_has_the_singular_and_leaves_nothing_swallowed_out(stored):
    one = Dispatch("shop.signals.paid", receiver_calls=[ReceiverCall("shop.receivers.pack")])
    assert stored(trace_of(one)).nav_subtitle == "1 dispatch · 1 receiver"


def test_an_empty_trace_says_what_to_try(stored):
    text = said(stored(trace_of()).content)

    assert "No receiver was called during this request" in text
    assert "No signal was sent while the view ran." in text
    assert "open the History panel, switch to the POST" in text
    assert "AppConfig.ready() imports the module" in text


def test_a_trace_of_unheard_dispatches_says_how_many_and_lists_them(stored):
    unheard = [Unheard("shop.signals.paid", "shop.Order", 2), Unheard("shop.signals.x", "None", 5)]
    text = said(stored(trace_of(unheard=unheard)).content)

    assert "7 dispatches were sent, but no receiver is connected to their signals" in text
    assert "Signal Sender Times shop.signals.x None 5 shop.signals.paid shop.Order 2" in text


@pytest.fixture
def toolbars_table(transactional_db):
    """Where the database store keeps its entries; the toolbar migrates it only when in use."""
    if HistoryEntry._meta.db_table in connection.introspection.table_names():  # always, in 6.0
        yield
        return
    with connection.schema_editor() as editor:
        editor.create_model(HistoryEntry)
    yield
    with connection.schema_editor() as editor:
        editor.delete_model(HistoryEntry)


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
    assert outline_rows(panel.content)[1] == "shop.receivers. pack SLOW 30.0 ms 20.0 ms"
    get_store().clear()


@pytest.mark.usefixtures("receivers")
def test_a_page_shows_its_own_dispatches():
    client = Client()
    response = client.get("/pay/")

    page = response.content.decode()
    assert "Signal tracer" in page
    assert "1 dispatch · 2 receivers · 1 swallowed" in page
    assert re.fullmatch(
        r"SignalTracerPanel_dispatches;dur=[\d.]+;desc=\"Signal dispatches and their receivers\"",
        response["Server-Timing"],
    )
    content = panel_of(client, response)
    assert "GET /pay/ · 200" in said(content)
    assert without_times(content) == [
        f"{__name__}. paid .send_robust sender='shop' TIME",
        f"{__name__}. send_receipt SWALLOWED ValueError: no address <b>here</b> TIME TIME",
        f"{__name__}. tell_warehouse ASYNC TIME TIME",
    ]
    assert "4111111111111111" not in content


@pytest.mark.usefixtures("receivers")
async def test_an_async_page_shows_its_own_dispatches():
    client = AsyncClient()
    response = await client.get("/async-pay/")

    content = await sync_to_async(panel_of)(Client(), response)
    assert sorted(without_times(content)) == [
        f"{__name__}. paid .asend_robust sender='shop' TIME",
        f"{__name__}. send_receipt SWALLOWED ValueError: no address <b>here</b> TIME TIME",
        f"{__name__}. tell_warehouse ASYNC TIME TIME",
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

    assert panel.nav_subtitle == "1 dispatch · 2 receivers · 1 swallowed"


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

    monkeypatch.setattr(panel_module, "outline", fail)

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


def test_the_panel_brings_no_style_and_no_script(stored):
    html = stored(trace_of(CHECKOUT, omitted=1)).content

    assert re.findall(r"<(?:style|script|link)|\sstyle=|\son\w+=|javascript:", html) == []
