"""What the tests of the panel share: a small site, traces made by hand, and ways to read HTML."""

import re
from datetime import UTC, datetime
from html import unescape

from django.dispatch import Signal
from django.http import HttpResponse
from django.urls import include, path, reverse

from signal_tracer.records import (
    Contents,
    Dispatch,
    Error,
    Location,
    ReceiverCall,
    Summary,
    TracebackLine,
)
from signal_tracer.trace import Trace

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


def trace_of(*dispatches, **contents):
    contents = {"duration": 0.1} | contents
    return Trace(
        "GET /pay/",
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        contents=Contents(dispatches=list(dispatches), **contents),
    )


INLINE = r"</?(?:bdi|wbr|small|strong|i|a)\b[^>]*>"


def said(html):
    """The text of ``html``, as a person reads it."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", re.sub(INLINE, "", html))).split())


def outline_rows(html):
    """The rows of the timeline as text: name, marks, queries and times."""
    rows = re.findall(r'<tbody id="sigtr_\d+".*?</tr>', html, re.DOTALL)
    return [re.sub(r"^[+] (- )?", "", said(row)) for row in rows]


def without_times(html):
    return [re.sub(r"\d[\d.]* (µs|ms|s)\b", "TIME", row) for row in outline_rows(html)]


def details(html, number):
    """What the row with ``number`` opens to, as text."""
    start = html.index(f'<tr id="sigtr_d{number}"')
    following = html.find('<tbody id="sigtr_', start)
    return said(
        html[start : following if following > 0 else html.index('<h4 id="sigtr_receivers', start)]
    )


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
