"""Pages whose traces are made by hand, so that each shows what the example site cannot.

A URLconf as well: the example site's, and ``/made/<name>/`` for each of TRACES.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType

import django
import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import urlpatterns as example_urls
from signal_tracer import panel
from signal_tracer.records import (
    Bypass,
    ConnectionChange,
    Contents,
    Dispatch,
    Error,
    HandledException,
    Location,
    NearMiss,
    OnCommit,
    Owner,
    Query,
    ReceiverCall,
    Request,
    Skipped,
    Summary,
    TracebackLine,
    Unheard,
)
from signal_tracer.trace import Trace

PLACE = Location("/srv/shop/receivers.py", 12, "reindex")
HOSTILE = '<img src=x onerror="hacked=1"><script>hacked=1</script>\'"&\u202e\x00'


def trace_of(*dispatches: Dispatch, duration: float = 0.1, **contents: object) -> Trace:
    return Trace(
        "GET /made/",
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        contents=Contents(dispatches=list(dispatches), duration=duration, **contents),  # type: ignore[arg-type]
    )


def save(number: int, *, sender: str, at: float, receivers: int = 2) -> Dispatch:
    """One save with receivers that run a query each."""
    calls = [
        ReceiverCall(
            f"search.receivers.index_{index}",
            PLACE,
            started_at=at + index * 0.0002,
            duration=0.0002,
            own_time=0.0002,
            queries=[
                Query(
                    'UPDATE "search_entry" SET "words" = %s WHERE "id" = %s',
                    started_at=at,
                    duration=0.0001,
                    is_write=True,
                )
            ],
        )
        for index in range(receivers)
    ]
    return Dispatch(
        "django.db.models.signals.post_save",
        sender,
        kwargs={
            "instance": Summary(f"{sender}(pk={number})"),
            "created": False,
            "update_fields": None,
            "raw": False,
            "using": "default",
        },
        sent_from=Location("/srv/site-packages/django/db/models/base.py", 980, "Model.save_base"),
        started_at=at,
        duration=0.0005,
        receiver_calls=calls,
        in_atomic=("default",),
    )


def run() -> Trace:
    """A run of equal dispatches."""
    return trace_of(*(save(number, sender="shop.Line", at=number / 2000) for number in range(120)))


def thousand() -> Trace:
    """1,000 dispatches of which no two neighbours are equal, in a trace that was full."""
    models = ("shop.Order", "shop.Line", "warehouse.StockItem", "search.SearchEntry")
    return trace_of(
        *(save(number, sender=models[number % 4], at=number / 1000) for number in range(1000)),
        duration=1.0,
        omitted=230,
    )


def troubled() -> Trace:
    """Something of all that can be wrong."""
    error = Error(
        "builtins.ValueError",
        "the stock is negative",
        (TracebackLine(PLACE, "raise ValueError(text)"),),
    )
    charge = ReceiverCall(
        "billing.receivers.charge",
        PLACE,
        dispatch_uid="charge-once",
        started_at=0.01,
        duration=0.04,
        own_time=0.03,
        response=Summary("billing.Payment(pk=3)"),
        dispatches=[
            Dispatch(
                "billing.signals.paid",
                "billing.Payment",
                method="send_robust",
                started_at=0.02,
                duration=0.01,
                receiver_calls=[
                    ReceiverCall(
                        "notifications.receivers.text_customer",
                        PLACE,
                        started_at=0.02,
                        duration=0.005,
                        own_time=0.005,
                        outcome="swallowed",
                        error=error,
                    )
                ],
            )
        ],
        on_commit=[OnCommit("mail.send", registered_at=0.03, outcome="discarded")],
        handled=[HandledException("builtins.KeyError", "'sku'", PLACE, PLACE)],
    )
    order = Dispatch(
        "shop.signals.order_placed",
        "shop.Order",
        kwargs={"card_number": Summary("[redacted]")},
        sent_from=PLACE,
        started_at=0.01,
        duration=0.05,
        receiver_calls=[charge],
        in_atomic=("default",),
        rolled_back=("default",),
    )
    refund = Dispatch(
        "shop.signals.refunded",
        "shop.Order",
        started_at=0.07,
        duration=0.002,
        error=error,
        receiver_calls=[
            ReceiverCall(
                "warehouse.receivers.check",
                started_at=0.07,
                duration=0.001,
                own_time=0.001,
                outcome="raised",
                error=error,
            )
        ],
        near_misses=[
            NearMiss("billing.receivers.refund", "not_run"),
            NearMiss("shop.receivers.audit", "connected_to_proxy", connected_to="shop.Old"),
        ],
    )
    bypass = Bypass(
        "bulk_create",
        "shop.Line",
        50,
        sent_from=PLACE,
        started_at=0.08,
        duration=0.004,
        skipped=[Skipped("django.db.models.signals.post_save", "search.receivers.index")],
    )
    return trace_of(
        order,
        refund,
        bypasses=[bypass],
        unheard=[Unheard("django.db.models.signals.pre_init", "shop.Order", 4)],
        connection_changes=[ConnectionChange("connect", "shop.signals.refunded", "shop.late")],
    )


def mixed() -> Trace:
    """Rows that a package loads between those of the project, and one that failed in a package."""
    thumbs = Location("/srv/lib/site-packages/thumbs/handlers.py", 3, "resize")

    def loaded(number: int, **call: object) -> Dispatch:
        at = number / 1000
        receiver = ReceiverCall("thumbs.handlers.resize", thumbs, started_at=at, **call)  # type: ignore[arg-type]
        return Dispatch(
            "django.db.models.signals.post_init",
            f"shop.Model{number % 3}",
            kwargs={"instance": Summary(f"shop.Model(pk={number})")},
            started_at=at,
            receiver_calls=[receiver],
        )

    error = Error("builtins.OSError", "no such picture")
    return trace_of(
        *(loaded(number, duration=0.0002, own_time=0.0002) for number in range(90)),
        save(7, sender="shop.Order", at=0.09),
        loaded(91, outcome="swallowed", error=error),
        owners={thumbs.file: Owner("package", "thumbs")},
    )


def hostile() -> Trace:
    place = Location(HOSTILE, 1, HOSTILE)
    error = Error(HOSTILE, HOSTILE, (TracebackLine(place, HOSTILE),))
    call = ReceiverCall(
        HOSTILE,
        place,
        HOSTILE,
        outcome="swallowed",
        error=error,
        queries=[Query(HOSTILE, HOSTILE)],
        handled=[HandledException(HOSTILE, HOSTILE, place, place)],
        on_commit=[OnCommit(HOSTILE, HOSTILE, place)],
    )
    dispatch = Dispatch(
        HOSTILE,
        HOSTILE,
        "send_robust",
        {HOSTILE: HOSTILE, "long": "x" * 10_000_000},
        place,
        receiver_calls=[call],
        near_misses=[NearMiss(HOSTILE, "connected_to_parent", place, HOSTILE, False, HOSTILE)],
        rolled_back=(HOSTILE,),
    )
    trace = trace_of(
        dispatch,
        unheard=[Unheard(HOSTILE, HOSTILE, 1)],
        bypasses=[Bypass(HOSTILE, HOSTILE, 1, (HOSTILE,), place)],
        connection_changes=[ConnectionChange("connect", HOSTILE, HOSTILE, HOSTILE, HOSTILE, place)],
    )
    trace.request = Request("GET", HOSTILE)
    return trace


TRACES: dict[str, Callable[[], Trace]] = {
    each.__name__: each for each in (run, thousand, troubled, mixed, hostile)
}


def page(request: HttpRequest, name: str) -> HttpResponse:
    if django.VERSION >= (6, 0):
        from django.middleware.csp import get_nonce

        # Django's policy names a nonce, and the toolbar writes it, once a page has made use of it.
        str(get_nonce(request))
    return HttpResponse(
        '<!doctype html><html lang="en"><head><title>made</title>'
        '<link rel="icon" href="data:,"></head><body><h1>made</h1></body></html>'
    )


urlpatterns = [path("made/<str:name>/", page), *example_urls]


def put_into_the_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the panel record the trace that a page's address names."""
    trace_signals = panel.trace_signals

    class Made:
        def __init__(self, name: str, *, request: Request) -> None:
            self.made = request.path.removeprefix("/made/").strip("/")
            self.real = trace_signals(name, request=request)

        def __enter__(self) -> Trace:
            trace = self.real.__enter__()
            return TRACES[self.made]() if self.made in TRACES else trace

        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            traceback: TracebackType | None,
        ) -> None:
            self.real.__exit__(kind, error, traceback)

    monkeypatch.setattr(panel, "trace_signals", Made)
