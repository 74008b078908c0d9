"""A trace as OpenTelemetry's spans: which there are, below which, and what they say."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.dispatch import Signal
from filling import everything
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace as api
from opentelemetry.context import attach, detach, set_value
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.semconv.attributes import code_attributes, error_attributes, exception_attributes
from opentelemetry.semconv.schemas import Schemas

from signal_tracer import Trace, __version__, trace_signals
from signal_tracer.records import (
    Bypass,
    CacheCalls,
    Contents,
    Dispatch,
    Errand,
    Error,
    HandledException,
    Location,
    NearMiss,
    OnCommit,
    Owner,
    Query,
    ReceiverCall,
    Skipped,
    Task,
    TracebackLine,
)
from signal_tracer.showing.export.opentelemetry import SpanReporter, spans
from signal_tracer.showing.rows import Row, rows_of
from signal_tracer.tasks import start_run

# 2026-01-02 as nanoseconds since 1970.
MIDNIGHT = 1_767_312_000_000_000_000
MS = 1_000_000

SENT_FROM = Location("shop/checkout.py", 12, "place_order")
HERE = Location("shop/receivers.py", 7, "pack")
PACKAGE = Location("lib/site-packages/thumbs/handlers.py", 3, "resize")
OWNERS = {PACKAGE.file: Owner("package", "thumbs")}
NO_PAPER = Error("shop.PaperError", "no paper", (TracebackLine(HERE, "raise PaperError()"),))


class Seen:
    """The spans that a reporter made of what it was given."""

    def __init__(self, sampler: Any = ALWAYS_ON, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.report = SpanReporter(tracer_provider=self.provider, **options)

    @property
    def all(self) -> list[ReadableSpan]:
        # They end in reverse.
        finished = reversed(self.exporter.get_finished_spans())
        return sorted(finished, key=lambda span: span.start_time or 0)

    def start(self, name: str) -> api.Span:
        return self.provider.get_tracer("server").start_span(name)

    def of(self, trace: Trace) -> list[ReadableSpan]:
        """Ours below the span of a request, each before those below it."""
        with self.provider.get_tracer("server").start_as_current_span("GET /"):
            self.report(trace)
        return [span for span in self.all if span.instrumentation_scope.name == "signal_tracer"]

    def named(self, trace: Trace) -> list[str]:
        """Their names, two spaces a level."""
        ours = self.of(trace)
        below: dict[int | None, list[ReadableSpan]] = {}
        ids = {span.context.span_id for span in ours}
        for span in ours:
            parent = span.parent.span_id if span.parent else None
            below.setdefault(parent if parent in ids else None, []).append(span)

        def lines(parent: int | None, depth: int) -> Iterator[str]:
            for span in below.get(parent, []):
                yield f"{'  ' * depth}{span.name}"
                yield from lines(span.context.span_id, depth + 1)

        return list(lines(None, 0))


def trace_of(*dispatches: Dispatch, **contents: Any) -> Trace:
    return Trace(
        "GET /checkout/",
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        slow_after=0.5,
        contents=Contents(
            dispatches=list(dispatches), owners=OWNERS, **{"duration": 1.0, **contents}
        ),
    )


def call(receiver: str, at: float = 0.0, *dispatches: Dispatch, **more: Any) -> ReceiverCall:
    more = {"defined_at": HERE, "duration": 0.001, **more}
    return ReceiverCall(receiver, started_at=at, dispatches=list(dispatches), **more)


def sent(signal: str, at: float = 0.0, *calls: ReceiverCall, **more: Any) -> Dispatch:
    more = {"sent_from": SENT_FROM, "duration": 0.002, **more}
    return Dispatch(signal, started_at=at, receiver_calls=list(calls), **more)


def hear(sender: object, **kwargs: object) -> None: ...


report_tasks: Any = None


def told(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes without those of the whole trace."""
    return {
        name: value
        for name, value in (span.attributes or {}).items()
        if not name.startswith("django.signal.trace.")
    }


# What a span says.


def test_a_dispatch_and_a_receiver_call_are_spans_with_their_own_times() -> None:
    trace = trace_of(sent("shop.paid", 0.25, call("shop.pack", 0.2505), sender="shop.Order"))

    dispatch, receiver = Seen().of(trace)

    assert (dispatch.name, receiver.name) == ("paid shop.Order", "shop.pack")
    assert (dispatch.start_time, dispatch.end_time) == (MIDNIGHT + 250 * MS, MIDNIGHT + 252 * MS)
    assert receiver.start_time == MIDNIGHT + 250 * MS + MS // 2
    assert receiver.end_time == MIDNIGHT + 251 * MS + MS // 2
    assert {dispatch.kind, receiver.kind} == {api.SpanKind.INTERNAL}
    assert {dispatch.status.status_code, receiver.status.status_code} == {api.StatusCode.UNSET}


def test_a_span_says_of_a_dispatch_what_the_trace_knows_without_what_was_sent() -> None:
    dispatch = sent(
        "shop.paid",
        0.0,
        call("shop.pack"),
        sender="shop.Order",
        method="send_robust",
        kwargs={"card_number": "4111"},
        in_atomic=("default", "logs"),
        rolled_back=("default",),
        on_commit="shop.tell",
        left_out=("total",),
    )

    assert told(Seen().of(trace_of(dispatch))[0]) == {
        "django.signal.kind": "dispatch",
        "django.signal.name": "shop.paid",
        "django.signal.sender": "shop.Order",
        "django.signal.method": "send_robust",
        "code.function.name": "place_order",
        "code.file.path": "shop/checkout.py",
        "code.line.number": 12,
        "django.signal.in_atomic": ("default", "logs"),
        "django.signal.rolled_back": ("default",),
        "django.signal.sent_by_on_commit": "shop.tell",
        "django.signal.changed_and_not_saved": ("total",),
    }


def test_a_span_says_of_a_receiver_call_what_it_took_without_what_it_returned() -> None:
    receiver = call(
        "shop.pack",
        dispatch_uid="pack",
        is_async=True,
        own_time=0.75,
        response="4111",
        queries=[Query("SELECT 4111", duration=0.25), Query("SELECT 1", duration=0.25)],
        omitted_queries=3,
        cache_calls=[CacheCalls(gets=4, hits=3, sets=1), CacheCalls("fast", deletes=2)],
    )

    [_, span] = Seen().of(trace_of(sent("shop.paid", 0.0, receiver, sender="shop.Order")))

    assert told(span) == {
        "django.signal.kind": "receiver_call",
        "django.signal.receiver": "shop.pack",
        "django.signal.dispatch_uid": "pack",
        "django.signal.outcome": "returned",
        "django.signal.is_async": True,
        "code.function.name": "shop.pack",
        "code.file.path": "shop/receivers.py",
        "code.line.number": 7,
        "django.signal.name": "shop.paid",
        "django.signal.sender": "shop.Order",
        "django.signal.own_time": 0.75,
        "django.signal.is_slow": True,
        "django.signal.query.count": 5,
        "django.signal.query.duration": 0.5,
        "django.signal.cache.gets": 4,
        "django.signal.cache.hits": 3,
        "django.signal.cache.sets": 1,
        "django.signal.cache.deletes": 2,
    }
    assert span.events == ()


def test_a_bypass_is_a_span_of_its_own_wherever_it_happened() -> None:
    skipped = [Skipped("post_save", "search.index"), Skipped("pre_save", "search.index")]
    bypass = Bypass("bulk_create", "shop.Product", 3, (), SENT_FROM, 0.5, 0.25, skipped=skipped)
    inside = Bypass("update", "shop.Order", None, (), HERE, 0.0, 0.0005, skipped=skipped[:1])
    seen = Seen()

    assert seen.named(
        trace_of(sent("shop.paid", 0.0, call("shop.pack", bypasses=[inside])), bypasses=[bypass])
    ) == [
        "paid",
        "  shop.pack",
        "    shop.Order.update()",
        "shop.Product.bulk_create()",
    ]
    [span] = [span for span in seen.all if "bulk_create" in span.name]
    assert told(span) == {
        "django.signal.kind": "bypass",
        "django.signal.bypass.model": "shop.Product",
        "django.signal.bypass.method": "bulk_create",
        "django.signal.bypass.door": "bulk",
        "django.signal.bypass.rows": 3,
        "django.signal.bypass.skipped": ("search.index",),
        "code.function.name": "place_order",
        "code.file.path": "shop/checkout.py",
        "code.line.number": 12,
    }
    assert span.start_time == MIDNIGHT + 500 * MS
    assert span.end_time == MIDNIGHT + 750 * MS


@pytest.mark.parametrize(("method", "outcome"), [("send", "raised"), ("send_robust", "swallowed")])
def test_what_a_receiver_raised_is_an_event_of_its_span(method: str, outcome: str) -> None:
    failed = call("shop.pack", 0.1, outcome=outcome, error=NO_PAPER)
    error = NO_PAPER if outcome == "raised" else None
    trace = trace_of(sent("shop.paid", 0.1, failed, method=method, error=error))

    dispatch, span = Seen().of(trace)

    assert span.status.status_code is api.StatusCode.ERROR
    assert span.status.description == "PaperError: no paper"
    assert told(span)["django.signal.outcome"] == outcome
    assert told(span)["error.type"] == "shop.PaperError"
    [event] = span.events
    assert (event.name, event.timestamp) == ("exception", span.end_time)
    assert event.attributes == {
        "exception.type": "shop.PaperError",
        "exception.message": "no paper",
        "exception.stacktrace": (
            "Traceback (most recent call last):\n"
            '  File "shop/receivers.py", line 7, in pack\n'
            "    raise PaperError()\n"
            "shop.PaperError: no paper"
        ),
        "django.signal.outcome": outcome,
    }
    # The dispatch ended with it, or did not; the exception is told of once.
    is_error = dispatch.status.status_code is api.StatusCode.ERROR
    assert is_error is (outcome == "raised")
    assert dispatch.events == ()


def test_a_dispatch_that_raised_by_itself_has_the_event() -> None:
    [dispatch, _] = Seen().of(trace_of(sent("shop.paid", 0.0, call("shop.pack"), error=NO_PAPER)))

    assert [event.name for event in dispatch.events] == ["exception"]
    assert dispatch.status.status_code is api.StatusCode.ERROR


def test_what_took_no_time_is_an_event() -> None:
    receiver = call(
        "shop.pack",
        0.1,
        on_commit=[OnCommit("shop.tell", "logs", HERE, 0.125, "discarded")],
        errands=[Errand("mail", "", HERE, 0.25)],
        handled=[HandledException("KeyError", "'size'", HERE, SENT_FROM)],
    )
    miss = NearMiss("search.index", "connected_to_parent", HERE, connected_to="shop.Product")
    seen = Seen()

    dispatch, span = seen.of(trace_of(sent("shop.paid", 0.0, receiver, near_misses=[miss])))

    code = {"code.file.path": "shop/receivers.py", "code.line.number": 7}
    assert [(event.name, event.timestamp, event.attributes) for event in dispatch.events] == [
        (
            "django.signal.near_miss",
            MIDNIGHT,
            {
                "django.signal.receiver": "search.index",
                "django.signal.reason": "connected_to_parent",
                "django.signal.connected_to": "shop.Product",
                "code.function.name": "search.index",
                **code,
            },
        )
    ]
    assert [(event.name, event.timestamp, event.attributes) for event in span.events] == [
        (
            "django.signal.on_commit",
            MIDNIGHT + 125 * MS,
            {
                "django.signal.callback": "shop.tell",
                "django.signal.outcome": "discarded",
                "django.signal.database": "logs",
                "code.function.name": "shop.tell",
                **code,
            },
        ),
        (
            "django.signal.errand",
            MIDNIGHT + 250 * MS,
            {"django.signal.errand.kind": "mail", "code.function.name": "pack", **code},
        ),
        (
            "django.signal.handled_exception",
            MIDNIGHT + 101 * MS,
            {
                "exception.type": "KeyError",
                "exception.message": "'size'",
                "code.function.name": "pack",
                **code,
            },
        ),
    ]
    assert span.status.status_code is api.StatusCode.UNSET


def test_a_sender_that_is_a_value_is_no_part_of_the_name() -> None:
    named = Seen().named(
        trace_of(
            sent("shop.paid", 0.1, call("a"), sender="shop.Order(pk=3)"),
            sent("shop.paid", 0.2, call("a"), sender="'ada@example.com'"),
            sent("shop.paid", 0.3, call("a"), sender="None"),
        )
    )

    assert named == ["paid", "  a"] * 3


def test_the_names_are_those_of_the_semantic_conventions() -> None:
    theirs = {
        getattr(module, name)
        for module in (code_attributes, exception_attributes, error_attributes)
        for name in vars(module)
        if isinstance(getattr(module, name), str)
    }
    used: set[str] = set()
    for span in Seen(max_spans=500).of(everything("text")):
        used |= {*(span.attributes or {})}
        for event in span.events:
            used |= {*(event.attributes or {})}

    not_ours = {name for name in used if not name.startswith("django.signal.")}
    assert not_ours == {
        "code.file.path",
        "code.function.name",
        "code.line.number",
        "error.type",
        "exception.message",
        "exception.stacktrace",
        "exception.type",
    }
    assert not_ours <= theirs


def test_no_name_of_an_attribute_is_the_beginning_of_another() -> None:
    used = {name for span in Seen(max_spans=500).of(everything("x")) for name in told(span)}

    assert [name for name in used if any(each.startswith(f"{name}.") for each in used)] == []


def test_the_scope_says_by_whom_and_by_which_conventions() -> None:
    [span, _] = Seen().of(trace_of(sent("shop.paid", 0.0, call("shop.pack"))))

    scope = span.instrumentation_scope
    assert (scope.name, scope.version) == ("signal_tracer", __version__)
    assert scope.schema_url == Schemas.V1_33_0.value


def test_the_first_span_says_how_much_the_trace_held() -> None:
    first = sent("shop.paid", 0.1, call("shop.pack", 0.1, queries=[Query("SELECT 1")]))
    trace = trace_of(first, sent("shop.shipped", 0.2, call("b", 0.2)), omitted=7, other_queries=2)
    of_trace = {
        "django.signal.trace.name": "GET /checkout/",
        "django.signal.trace.dispatches": 2,
        "django.signal.trace.receiver_calls": 2,
        "django.signal.trace.omitted": 7,
        "django.signal.trace.queries": 3,
    }

    assert [
        {name: value for name, value in span.attributes.items() if ".trace." in name}
        for span in Seen().of(trace)
    ] == [of_trace, {}, {}, {}]


# Which spans there are.


def test_equal_siblings_are_one_span_with_a_count() -> None:
    saved = [
        sent("post_save", at, call("shop.pack", at, queries=[Query("SELECT 1", duration=0.25)]))
        for at in (0.1, 0.2, 0.3)
    ]

    dispatch, receiver = Seen().of(trace_of(*saved))

    for span in (dispatch, receiver):
        assert told(span)["django.signal.count"] == 3
        assert span.start_time == MIDNIGHT + 100 * MS
    assert dispatch.end_time == MIDNIGHT + 302 * MS
    assert receiver.end_time == MIDNIGHT + 301 * MS
    assert told(dispatch)["django.signal.duration"] == pytest.approx(0.006)
    assert told(receiver)["django.signal.query.count"] == 3
    assert told(receiver)["django.signal.query.duration"] == 0.75


def test_what_only_packages_heard_is_left_out_and_counted() -> None:
    thumbs = sent("post_save", 0.2, call("thumbs.resize", 0.2, defined_at=PACKAGE))
    inside = sent("post_save", 0.3, call("shop.pack", 0.3, thumbs))
    seen = Seen()

    assert seen.named(trace_of(thumbs, inside)) == ["post_save", "  shop.pack"]
    dispatch, receiver = seen.of(trace_of())
    assert dispatch.attributes["django.signal.trace.package_spans"] == 4
    assert "django.signal.package_spans" not in dispatch.attributes
    assert receiver.attributes["django.signal.package_spans"] == 2


def test_what_went_wrong_in_a_package_stays() -> None:
    failed = call("thumbs.resize", defined_at=PACKAGE, outcome="swallowed", error=NO_PAPER)
    seen = Seen()

    _, span = seen.of(trace_of(sent("post_save", 0.0, failed)))

    assert told(span)["django.signal.package"] == "thumbs"
    assert span.status.status_code is api.StatusCode.ERROR


def test_packages_have_spans_where_that_is_asked_for() -> None:
    thumbs = sent("post_save", 0.2, call("thumbs.resize", 0.2, defined_at=PACKAGE))

    assert Seen().named(trace_of(thumbs)) == []
    assert Seen(packages=True).named(trace_of(thumbs)) == ["post_save", "  thumbs.resize"]


def test_beyond_the_limit_what_went_wrong_stays_with_what_it_is_nested_in() -> None:
    failed = call("shop.fail", 0.9, outcome="swallowed", error=NO_PAPER)
    quick = [sent("quick", at / 100, call(f"shop.quick_{at}", at / 100)) for at in range(50)]
    deep = sent("outer", 0.9, call("shop.outer", 0.9, sent("inner", 0.9, failed)))
    slow = sent("slow", 0.8, call("shop.slow", 0.8, duration=0.05), duration=0.06)
    seen = Seen(max_spans=6)

    assert seen.named(trace_of(*quick, slow, deep)) == [
        "slow",
        "  shop.slow",
        "outer",
        "  shop.outer",
        "    inner",
        "      shop.fail",
    ]
    assert seen.all[0].attributes["django.signal.trace.omitted_spans"] == 100


def test_what_went_wrong_too_deep_for_the_limit_stands_alone() -> None:
    failed = sent("inner", 0.0, call("shop.fail", 0.0, outcome="raised", error=NO_PAPER))
    for depth in range(50):
        failed = sent(f"level_{depth}", 0.0, call("shop.relay", 0.0, failed))

    assert Seen(max_spans=1).named(trace_of(failed)) == ["shop.fail"]


def test_what_is_left_out_is_counted_where_it_would_be() -> None:
    below = [sent("nested", at / 100, call(f"shop.{at}", at / 100)) for at in range(9)]
    outer = sent("outer", 0.0, call("shop.outer", 0.0, *below, duration=0.5), duration=0.6)
    seen = Seen(max_spans=4)

    assert seen.named(trace_of(outer)) == ["outer", "  shop.outer", "    nested", "    nested"]
    made = seen.of(trace_of())
    omitted = [span.attributes.get("django.signal.omitted_spans") for span in made]
    assert omitted == [None, 14, 1, 1]
    assert made[0].attributes["django.signal.trace.omitted_spans"] == 16


# Below which.


def test_without_any_span_there_is_one_of_the_whole_trace() -> None:
    seen = Seen()

    seen.report(trace_of(sent("shop.paid", 0.25, call("shop.pack", 0.25)), duration=2.0))

    root, dispatch, _ = seen.all
    assert (root.name, root.parent) == ("GET /checkout/", None)
    assert (root.start_time, root.end_time) == (MIDNIGHT, MIDNIGHT + 2000 * MS)
    assert root.attributes["django.signal.kind"] == "trace"
    assert root.attributes["django.signal.trace.dispatches"] == 1
    assert dispatch.parent.span_id == root.context.span_id
    assert "django.signal.trace.dispatches" not in dispatch.attributes


def test_the_span_of_the_whole_trace_counts_to_the_limit() -> None:
    seen = Seen(max_spans=3)

    seen.report(trace_of(*(sent("paid", at / 9, call(f"shop.{at}", at / 9)) for at in range(9))))

    assert [span.name for span in seen.all] == ["GET /checkout/", "paid", "paid"]


def test_a_trace_in_which_nobody_heard_anything_has_no_spans() -> None:
    seen = Seen()

    seen.report(trace_of())

    assert seen.all == []


class Unread:
    """A trace of which nothing may be read."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was read")


def test_nothing_is_read_of_a_trace_whose_request_is_not_sampled() -> None:
    seen = Seen(ParentBased(ALWAYS_OFF))

    with seen.provider.get_tracer("server").start_as_current_span("GET /"):
        seen.report(Unread())  # type: ignore[arg-type]

    assert seen.all == []


def test_what_began_before_any_span_belongs_to_the_first_that_was_active() -> None:
    seen = Seen()
    companion = seen.report.accompany()
    companion.begun(0.1)  # as in middleware outside of that which starts the span
    with seen.provider.get_tracer("server").start_as_current_span("GET /") as server:
        companion.begun(0.2)
    companion(
        trace_of(sent("early", 0.1, call("shop.a", 0.1)), sent("later", 0.2, call("shop.b", 0.2)))
    )

    parents = {span.name: span.parent.span_id for span in seen.all if span.parent}
    assert parents["early"] == parents["later"] == server.get_span_context().span_id


def test_what_is_below_a_span_that_is_not_sampled_takes_no_room() -> None:
    seen = Seen(max_spans=2)
    dropped = api.NonRecordingSpan(api.SpanContext(1, 2, is_remote=False))
    slow = sent("slow", 0.25, call("shop.slow", 0.25, duration=0.5), duration=0.6)

    with seen.provider.get_tracer("server").start_as_current_span("GET /"):
        companion = seen.report.accompany()
        with api.use_span(dropped):
            companion.begun(0.25)
        companion.begun(0.1)
        companion(trace_of(sent("shop.paid", 0.1, call("shop.pack", 0.1)), slow))

    assert [span.name for span in seen.all] == ["paid", "shop.pack", "GET /"]


def test_the_sampler_decides_about_a_trace_that_no_span_is_around() -> None:
    seen = Seen(ParentBased(ALWAYS_OFF))

    seen.report(trace_of(sent("shop.paid", 0.25, call("shop.pack", 0.25))))

    assert seen.all == []


def test_nothing_is_read_of_a_trace_where_nobody_has_set_up_the_sdk(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(api, "get_tracer_provider", api.ProxyTracerProvider)
    monkeypatch.setattr(spans, "_has_said_so", False)
    report = SpanReporter()

    for _ in range(3):
        report(Unread())  # type: ignore[arg-type]

    message = (
        "signal_tracer makes no spans, because OpenTelemetry has no tracer provider. Set one up "
        "before the first request, in each worker process: see docs/opentelemetry.md."
    )
    assert caplog.record_tuples == [("signal_tracer", logging.WARNING, message)]


def test_a_provider_that_was_set_up_late_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    report, first, second = SpanReporter(), Seen(), Seen()
    trace = trace_of(sent("shop.paid", 0.25, call("shop.pack", 0.25)))

    for each in (first, second):  # as after a fork
        monkeypatch.setattr(api, "get_tracer_provider", lambda each=each: each.provider)
        report(trace)

    assert [len(each.all) for each in (first, second)] == [3, 3]


def test_a_block_belongs_to_the_span_that_is_active_in_it() -> None:
    signal, seen = Signal(), Seen()
    tracer = seen.provider.get_tracer("shop")
    signal.connect(hear)
    with tracer.start_as_current_span("job"), trace_signals("nightly", reporters=[seen.report]):
        signal.send("the job")
        with tracer.start_as_current_span("step"):
            signal.send("the step")

    below = {
        next(s.name for s in seen.all if s.context.span_id == span.parent.span_id): span
        for span in seen.all
        if span.attributes.get("django.signal.kind") == "dispatch"
    }
    assert {name: told(span)["django.signal.sender"] for name, span in below.items()} == {
        "job": "'the job'",
        "step": "'the step'",
    }


def test_what_was_active_is_let_go_of_when_the_spans_are_made() -> None:
    seen = Seen()
    companion = seen.report.accompany()

    class Held:
        """What somebody put into the context."""

    held = Held()
    is_gone = weakref.ref(held)
    token = attach(set_value("shop", held, api.set_span_in_context(seen.start("GET /"))))
    companion.begun(0.25)
    detach(token)
    del held, token
    companion(trace_of(sent("shop.paid", 0.25, call("shop.pack", 0.25))))

    assert [span.name for span in seen.all] == ["paid", "shop.pack"]
    assert is_gone() is None


@pytest.mark.parametrize("ends_first", ["the span", "the trace"])
def test_a_task_is_below_the_span_of_its_worker(
    ends_first: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal, seen = Signal(), Seen()
    signal.connect(hear)
    monkeypatch.setitem(globals(), "report_tasks", seen.report)
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.report_tasks"]}
    run = None
    with seen.provider.get_tracer("celery").start_as_current_span("run/shop.bill") as worker:
        run = start_run(Task("shop.bill", "7"))
        assert run is not None
        signal.send("the task")
        if ends_first == "the trace":
            run.end("SUCCESS")
    if ends_first == "the span":
        run.end("SUCCESS")

    [dispatch] = [span for span in seen.all if told(span).get("django.signal.kind") == "dispatch"]
    assert dispatch.parent is not None
    assert dispatch.parent.span_id == worker.get_span_context().span_id


NUMBER = (
    "SpanReporter(max_spans=...) wants a whole number from 1. For no spans at all, take the "
    "reporter out of REPORTERS."
)
SWITCH = "SpanReporter(packages=...) wants True or False."


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_spans": 0}, ValueError, NUMBER),
        ({"max_spans": True}, ValueError, NUMBER),
        ({"max_spans": "100"}, ValueError, NUMBER),
        ({"packages": "thumbs"}, TypeError, SWITCH),
    ],
)
def test_a_wrong_option_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as refused:
        SpanReporter(**options)

    assert str(refused.value) == message


# Any trace.


def test_whatever_a_trace_holds_can_be_sent() -> None:
    common = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.trace_encoder")
    for text in ("", "\ud800", "a\x00b", "\x1b[2J", "é µ", "x" * 100_000, "%s", "django.", "."):
        for packages in (True, False):
            seen = Seen(max_spans=500, packages=packages)
            assert seen.of(everything(text))
            common.encode_spans(seen.all).SerializeToString()


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_nobody_can_send_is_the_nearest_that_one_can(moment: str) -> None:
    common = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.trace_encoder")
    data = trace_of(sent("shop.paid", 0.25, call("shop.pack", 0.25, duration=1e10))).to_dict()
    seen = Seen()

    [dispatch, _] = seen.of(Trace.from_dict({**data, "started_at": moment}))

    assert dispatch.start_time == (0 if moment.startswith("0") else 2**63 - 1)
    common.encode_spans(seen.all).SerializeToString()


def test_a_huge_trace_makes_as_many_spans_as_a_small_one_may() -> None:
    dispatches = [
        sent(f"signal_{number % 7}", number / 1e4, call(f"shop.{number % 5}", number / 1e4))
        for number in range(10_000)
    ]

    assert len(Seen().of(trace_of(*dispatches))) == 100


def test_what_is_nested_a_hundred_deep_is_nested_as_deep_in_spans() -> None:
    dispatch = sent("level_0", 0.0, call("shop.relay"))
    for depth in range(1, 100):
        dispatch = sent(f"level_{depth}", 0.0, call("shop.relay", 0.0, dispatch))
    read = Trace.from_dict(trace_of(dispatch).to_dict())

    named = Seen(max_spans=1000).named(read)

    assert named[-1] == f"{'  ' * 199}shop.relay"


outcomes = st.sampled_from(["returned", "returned", "returned", "raised", "swallowed"])
shapes: st.SearchStrategy[Any] = st.recursive(
    st.just([]),
    lambda nested: st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.lists(
                st.tuples(st.sampled_from(["x", "y", "thumbs.z"]), outcomes, nested), max_size=3
            ),
        ),
        max_size=4,
    ),
    max_leaves=30,
)


def laid_out(shape: Any, at: float) -> tuple[list[Dispatch], float]:
    """Dispatches of a shape one after the other from ``at`` on, and when the last has ended."""
    found = []
    for signal, receivers in shape:
        began, calls = at, []
        for receiver, outcome, nested in receivers:
            start = at = at + 0.001
            dispatches, at = laid_out(nested, at)
            at += 0.001
            where = PACKAGE if receiver.startswith("thumbs") else HERE
            error = None if outcome == "returned" else NO_PAPER
            calls.append(
                ReceiverCall(
                    receiver,
                    where,
                    started_at=start,
                    duration=at - start,
                    outcome=outcome,
                    error=error,
                    dispatches=dispatches,
                )
            )
        at += 0.001
        found.append(sent(signal, began, *calls, duration=at - began))
    return found, at


@given(shapes, st.integers(1, 40), st.booleans(), st.booleans())
def test_any_trace_is_a_tree_of_spans_within_its_limits(
    shape: Any, most: int, packages: bool, is_below: bool
) -> None:
    dispatches, end = laid_out(shape, 0.0)
    trace = trace_of(*dispatches, duration=end)
    seen = Seen(max_spans=most, packages=packages)
    if is_below:
        ours = seen.of(trace)
    else:
        seen.report(trace)
        ours = seen.all
    by_id = {span.context.span_id: span for span in ours}
    timed = [row for row in rows_of(trace) if row.is_timed]

    # Within each other in time, in one trace, and no more of them than allowed.
    assert len(ours) <= max(most, 2)
    assert len({span.context.trace_id for span in ours}) <= 1
    for span in ours:
        above = by_id.get(span.parent.span_id) if span.parent else None
        if above is not None:
            assert above.start_time <= span.start_time <= span.end_time <= above.end_time
    # As the records are nested: a receiver call below its dispatch or what that is nested in.
    expected = {(id(row.record), _path(row)) for row in timed}
    assert len(expected) == len(timed)
    paths = {path for _, path in expected}
    made = [span for span in ours if span.attributes["django.signal.kind"] != "trace"]
    for span in made:
        assert any(_is_part(_spans_above(span, by_id), path) for path in paths)
    # What is not there was counted.
    if made:
        first = next(s for s in ours if "django.signal.trace.dispatches" in s.attributes)
        left_out = sum(
            first.attributes.get(f"django.signal.trace.{name}", 0)
            for name in ("omitted_spans", "package_spans")
        )
        assert len(made) + left_out == len(timed)
        below = sum(
            span.attributes.get(f"django.signal.{name}", 0)
            for span in ours
            for name in ("omitted_spans", "package_spans")
        )
        assert below <= left_out
    # Nothing that went wrong is left out while there is room for it.
    wrong = [row for row in timed if row.went_wrong]
    in_spans = [
        span for span in made if told(span).get("django.signal.outcome", "returned") != "returned"
    ]
    room = most if is_below else max(most - 1, 1)
    assert len(in_spans) == min(len(wrong), room) or len(made) == room
    if not wrong and packages:
        assert len(made) == min(len(timed), room)


def _path(row: Row) -> tuple[str, ...]:
    return tuple(_name(each) for each in (*row.rows_above(), row))


def _name(row: Row) -> str:
    return str(row.title).removesuffix(".send")


def _spans_above(span: ReadableSpan, by_id: dict[int, ReadableSpan]) -> tuple[str, ...]:
    found: list[str] = []
    each: ReadableSpan | None = span
    while each is not None and each.attributes["django.signal.kind"] != "trace":
        found.append(each.name)
        each = by_id.get(each.parent.span_id) if each.parent else None
    return tuple(reversed(found))


def _is_part(names: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether the names stand in the path in this order, the last at its end."""
    rest = iter(path)
    return names[-1] == path[-1] and all(name in rest for name in names)
