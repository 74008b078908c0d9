"""OpenTelemetry's metrics of traces, by the real SDK: the right counts, and never too many."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader

import signal_tracer
from scenarios import sample_data
from shop.checkout import place_order
from signal_tracer import Trace, trace_signals
from signal_tracer.records import (
    DJANGO,
    Bypass,
    Contents,
    Dispatch,
    Error,
    Location,
    Owner,
    ReceiverCall,
    Request,
    Skipped,
    Task,
)
from signal_tracer.showing.export.opentelemetry.metrics import MetricReporter
from small_collector import SmallCollector, plain

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

ORDER_PLACED = "shop.signals.order_placed"
PAYMENT_RECEIVED = "billing.signals.payment_received"
STOCK_RESERVED = "warehouse.signals.stock_reserved"
POST_SAVE = "django.db.models.signals.post_save"
TEXT_CUSTOMER = "notifications.receivers.text_customer"
RECEIVER = "django.signal.receiver"


class Meter:
    """A reporter of a provider of its own, and what arrived there."""

    def __init__(self, **options: Any) -> None:
        self._reader = InMemoryMetricReader()
        provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.report = MetricReporter(meter_provider=provider, **options)

    def read(self) -> list[Any]:
        """The metrics that arrived, which are all of our scope."""
        data = self._reader.get_metrics_data()
        if data is None:
            return []
        scopes = [each for found in data.resource_metrics for each in found.scope_metrics]
        assert {(each.scope.name, each.scope.version) for each in scopes} == {
            ("signal_tracer", signal_tracer.__version__)
        }
        return [metric for scope in scopes for metric in scope.metrics]

    def figures(self, name: str) -> dict[tuple[str, ...], float]:
        """Of one metric: the values by those of its attributes; of a histogram the counts."""
        return {
            tuple(dict(point.attributes).values()): getattr(
                point, "value" if hasattr(point, "value") else "count"
            )
            for metric in self.read()
            if metric.name == name
            for point in metric.data.data_points
        }

    def counted(self, name: str) -> dict[tuple[str, ...], float]:
        return {key: value for key, value in self.figures(name).items() if value}


def traced(contents: Contents, **about: Any) -> Trace:
    return Trace("x", started_at=datetime(2026, 1, 2, tzinfo=UTC), contents=contents, **about)


def heard(signal: str, *calls: ReceiverCall, **rest: Any) -> Dispatch:
    return Dispatch(signal, receiver_calls=list(calls), **rest)


@pytest.fixture
def checkout(db: None, settings: Settings, tmp_path: Path) -> Trace:
    """One order of three products."""
    settings.MEDIA_ROOT = tmp_path
    sample_data.prepare()
    with trace_signals("checkout") as trace:
        place_order(
            sample_data.customer(),
            sample_data.basket(),
            phone=sample_data.PHONE,
            card_number=sample_data.CARD_NUMBER,
        )
    return trace


def test_the_counts_of_a_checkout_arrive(checkout: Trace) -> None:
    meter = Meter()
    meter.report(checkout)
    meter.report(checkout)

    assert meter.figures(f"{RECEIVER}.own_time") == {
        (ORDER_PLACED, "accounts.receivers.give_points"): 2,
        (ORDER_PLACED, "billing.receivers.charge_card"): 2,
        (PAYMENT_RECEIVED, "shop.receivers.mark_order_paid"): 2,
        (PAYMENT_RECEIVED, "warehouse.receivers.reserve_stock"): 2,
        (POST_SAVE, "shop.receivers.show_availability"): 6,
        (STOCK_RESERVED, "notifications.receivers.send_receipt"): 2,
        (STOCK_RESERVED, TEXT_CUSTOMER): 2,
    }
    assert meter.counted(f"{RECEIVER}.swallowed") == {(STOCK_RESERVED, TEXT_CUSTOMER): 2}
    assert meter.counted(f"{RECEIVER}.raised") == {}
    assert meter.counted(f"{RECEIVER}.rolled_back") == {}
    assert meter.figures("django.signal.traces") == {("other",): 2}


def test_they_arrive_by_otlp_over_http(checkout: Trace) -> None:
    arrived: list[Any] = []
    collector = SmallCollector(lambda spans: None, arrived.extend).start()
    exporter = OTLPMetricExporter(f"{collector.url}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, float("inf"))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    MetricReporter(meter_provider=provider)(checkout)
    provider.force_flush()
    collector.stop()
    provider.shutdown()
    metrics = {metric.name: metric for metric in arrived}

    swallowed = metrics[f"{RECEIVER}.swallowed"].sum
    assert swallowed.is_monotonic
    assert {
        (plain(point.attributes)[RECEIVER], point.as_int)
        for point in swallowed.data_points
        if point.as_int
    } == {(TEXT_CUSTOMER, 1)}
    assert sorted(
        (point.count, plain(point.attributes)[RECEIVER])
        for point in metrics[f"{RECEIVER}.own_time"].histogram.data_points
    ) == [
        (1, "accounts.receivers.give_points"),
        (1, "billing.receivers.charge_card"),
        (1, "notifications.receivers.send_receipt"),
        (1, "notifications.receivers.text_customer"),
        (1, "shop.receivers.mark_order_paid"),
        (1, "warehouse.receivers.reserve_stock"),
        (3, "shop.receivers.show_availability"),
    ]


def test_each_metric_says_what_it_is_and_in_which_unit(checkout: Trace) -> None:
    meter = Meter()
    checkout.contents.bypasses.append(
        Bypass("update", "shop.Order", 2, skipped=[Skipped(POST_SAVE, TEXT_CUSTOMER)])
    )
    meter.report(checkout)
    metrics = meter.read()

    assert {metric.name: metric.unit for metric in metrics} == {
        "django.signal.receiver.own_time": "s",
        "django.signal.receiver.swallowed": "{exception}",
        "django.signal.receiver.raised": "{exception}",
        "django.signal.receiver.rolled_back": "{dispatch}",
        "django.signal.receiver.bypasses": "{bypass}",
        "django.signal.receiver.bypassed_rows": "{row}",
        "django.signal.traces": "{trace}",
        "django.signal.omitted": "{record}",
    }
    assert all(metric.description.endswith(".") for metric in metrics)


def test_times_are_own_times_in_seconds_and_fall_between_10_microseconds_and_10_seconds() -> None:
    meter = Meter()
    inner = heard("b", ReceiverCall("x.inner", duration=2.0, own_time=2.0))
    outer = ReceiverCall("x.outer", duration=2.02, own_time=0.02, dispatches=[inner])
    meter.report(traced(Contents(dispatches=[heard("a", outer)])))
    (own_time,) = [each for each in meter.read() if each.name.endswith(".own_time")]
    points = {point.attributes[RECEIVER]: point for point in own_time.data.data_points}

    assert {name: point.sum for name, point in points.items()} == {"x.outer": 0.02, "x.inner": 2.0}
    bounds = points["x.outer"].explicit_bounds
    assert bounds == (1e-05, 3e-05, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    assert points["x.outer"].bucket_counts[bounds.index(0.03)] == 1


def test_what_went_wrong_is_counted_by_signal_and_receiver() -> None:
    meter = Meter()
    error = Error("ValueError", "no")
    fails = ReceiverCall("x.fails", outcome="swallowed", error=error)
    raises = ReceiverCall("x.raises", outcome="raised", error=error)
    again = ReceiverCall("x.raises", outcome="returned")
    meter.report(
        traced(
            Contents(
                dispatches=[
                    heard("a", fails, raises),
                    heard("a", again, again, rolled_back=("default",)),
                    heard("a", again, rolled_back=("default",), was_trial=True),
                    Dispatch("b", unwatched=["x.unseen"], rolled_back=("default",)),
                ]
            )
        )
    )

    assert meter.counted(f"{RECEIVER}.swallowed") == {("a", "x.fails"): 1}
    assert meter.counted(f"{RECEIVER}.raised") == {("a", "x.raises"): 1}
    # A dispatch counts once for each who heard it; one that a package rolled back on purpose no.
    assert meter.counted(f"{RECEIVER}.rolled_back") == {
        ("a", "x.raises"): 1,
        ("b", "x.unseen"): 1,
    }


def test_rows_count_for_each_receiver_that_they_bypassed_and_unknown_ones_as_a_bypass() -> None:
    meter = Meter()
    index, bill = Skipped("post_save", "x.index"), Skipped("post_save", "x.bill")
    call = ReceiverCall("x.a", bypasses=[Bypass("update", "shop.Order", None, skipped=[index])])
    meter.report(
        traced(
            Contents(
                dispatches=[heard("a", call)],
                bypasses=[Bypass("bulk_create", "shop.Order", 50, skipped=[index, bill, bill])],
            )
        )
    )

    assert meter.figures(f"{RECEIVER}.bypassed_rows") == {
        ("post_save", "x.bill"): 50,
        ("post_save", "x.index"): 50,
    }
    assert meter.figures(f"{RECEIVER}.bypasses") == {
        ("post_save", "x.bill"): 1,
        ("post_save", "x.index"): 2,
    }


def test_what_a_trace_left_out_is_counted_by_its_reason() -> None:
    meter = Meter()
    meter.report(traced(Contents(omitted=3, too_deep=2, omitted_details=7, faults=1)))
    meter.report(traced(Contents(omitted=4)))

    assert meter.figures("django.signal.omitted") == {
        ("max_dispatches",): 7,
        ("too_deep",): 2,
        ("too_many_details",): 7,
        ("fault",): 1,
    }


def test_traces_are_counted_by_what_was_traced() -> None:
    meter = Meter()
    meter.report(traced(Contents(), request=Request("GET", "/")))
    meter.report(traced(Contents(), request=Request("GET", "/other")))
    meter.report(traced(Contents(), task=Task("shop.tasks.pay")))
    meter.report(traced(Contents()))

    assert meter.figures("django.signal.traces") == {("request",): 2, ("task",): 1, ("other",): 1}


def test_counters_of_a_receiver_begin_at_0_so_that_its_first_exception_is_an_increase() -> None:
    meter = Meter()
    meter.report(traced(Contents(dispatches=[heard("a", ReceiverCall("x.fine"))])))

    for name in ("swallowed", "raised", "rolled_back"):
        assert meter.figures(f"{RECEIVER}.{name}") == {("a", "x.fine"): 0}


def test_a_call_that_has_not_ended_has_no_time() -> None:
    meter = Meter()
    running = ReceiverCall("x.long", outcome="running")
    meter.report(traced(Contents(dispatches=[heard("a", running)])))

    assert meter.figures(f"{RECEIVER}.own_time") == {}


PACKAGES = {"/site/easy_thumbnails/a.py": Owner("package", "easy_thumbnails"), "/d.py": DJANGO}
IN_PROJECT = Location("/shop/receivers.py", 1, "index")
IN_PACKAGE = Location("/site/easy_thumbnails/a.py", 1, "a")
IN_DJANGO = Location("/d.py", 1, "update_last_login")


def heard_by_packages() -> Trace:
    return traced(
        Contents(
            dispatches=[
                heard(
                    "a",
                    ReceiverCall(
                        "shop.receivers.index", Location("/shop/receivers.py", 1, "index")
                    ),
                    ReceiverCall("easy_thumbnails.a", IN_PACKAGE),
                    ReceiverCall("easy_thumbnails.b", IN_PACKAGE, outcome="swallowed"),
                    ReceiverCall("django.contrib.auth.models.update_last_login", IN_DJANGO),
                )
            ],
            owners=PACKAGES,
        )
    )


def test_times_of_packages_are_one_sum_a_package_and_their_mistakes_have_names() -> None:
    meter = Meter()
    meter.report(heard_by_packages())

    assert meter.figures(f"{RECEIVER}.own_time") == {
        ("a", "shop.receivers.index"): 1,
        ("a", "easy_thumbnails.*"): 2,
        ("a", "django.*"): 1,
    }
    # No 0 of a whole package, of which nothing is ever counted.
    assert meter.figures(f"{RECEIVER}.swallowed") == {
        ("a", "shop.receivers.index"): 0,
        ("a", "easy_thumbnails.b"): 1,
    }


def test_times_of_packages_may_be_kept_one_by_one() -> None:
    meter = Meter(packages=True)
    meter.report(heard_by_packages())

    assert set(meter.figures(f"{RECEIVER}.own_time")) == {
        ("a", "shop.receivers.index"),
        ("a", "easy_thumbnails.a"),
        ("a", "easy_thumbnails.b"),
        ("a", "django.contrib.auth.models.update_last_login"),
    }


def test_receivers_made_at_run_time_do_not_make_ever_more_figures() -> None:
    meter = Meter(max_pairs=3)
    for number in range(1000):
        call = ReceiverCall(f"x.make_{number}", outcome="swallowed")
        meter.report(traced(Contents(dispatches=[heard("a", call)])))

    expected = {
        ("a", "x.make_0"): 1,
        ("a", "x.make_1"): 1,
        ("a", "x.make_2"): 1,
        ("_OTHER", "_OTHER"): 997,
    }
    assert meter.figures(f"{RECEIVER}.own_time") == expected
    assert meter.figures(f"{RECEIVER}.swallowed") == expected


def test_threads_that_report_at_once_lose_no_count() -> None:
    meter = Meter(max_pairs=3)
    begin = threading.Barrier(8)

    def report() -> None:
        begin.wait(60)
        for number in range(100):
            call = ReceiverCall(f"x.make_{number}", outcome="swallowed")
            meter.report(traced(Contents(dispatches=[heard("a", call)])))

    threads = [threading.Thread(target=report) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    swallowed = meter.figures(f"{RECEIVER}.swallowed")
    assert sum(swallowed.values()) == 800
    # Whoever came at once may have been let in together.
    assert len(swallowed) <= 3 + 1 + 8
    assert meter.figures("django.signal.traces") == {("other",): 800}


def test_a_process_has_figures_of_500_pairs() -> None:
    meter = Meter()
    calls = [ReceiverCall(f"x.make_{number}") for number in range(600)]
    meter.report(traced(Contents(dispatches=[heard("a", *calls)])))

    figures = meter.figures(f"{RECEIVER}.own_time")
    assert len(figures) == 501
    assert figures["_OTHER", "_OTHER"] == 100


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "many", None], ids=repr)
def test_a_limit_that_is_no_number_of_pairs_is_refused(number: Any) -> None:
    with pytest.raises(ValueError, match=r"max_pairs=\.\.\.\) wants a whole number from 1\."):
        MetricReporter(max_pairs=number)


def test_a_switch_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError) as refused:
        MetricReporter(packages="no")  # type: ignore[arg-type]
    assert str(refused.value) == "MetricReporter(packages=...) wants True or False."


def test_a_name_that_no_encoding_can_write_spoils_no_batch() -> None:
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

    meter = Meter()
    meter.report(traced(Contents(dispatches=[heard("a\ud800", ReceiverCall("x.\udfff\x1b[2J"))])))
    data = meter._reader.get_metrics_data()
    assert data is not None

    sent = encode_metrics(data).SerializeToString()
    assert rb"a\ud800" in sent
    assert rb"x.\udfff\x1b[2J" in sent


def test_no_sender_is_an_attribute(checkout: Trace) -> None:
    meter = Meter()
    meter.report(checkout)
    names = {
        name
        for metric in meter.read()
        for point in metric.data.data_points
        for name in point.attributes
    }
    assert names == {
        "django.signal.name",
        "django.signal.receiver",
        "django.signal.trace.kind",
        "django.signal.omitted.reason",
    }


# Whatever a trace holds

names = st.sampled_from(["a.b", "c", "django.db.models.signals.post_save", "é\n"])
files = st.sampled_from(["/shop.py", "/d.py", "/site/easy_thumbnails/a.py"])
locations = st.none() | st.builds(Location, files, st.just(1), names)
skipped = st.builds(Skipped, names, names)
bypasses = st.lists(
    st.builds(
        Bypass,
        st.just("update"),
        names,
        st.none() | st.integers(0, 9),
        skipped=st.lists(skipped, max_size=3),
    ),
    max_size=2,
)
outcomes = st.sampled_from(["returned", "raised", "swallowed", "cancelled", "running"])


def calls(dispatches: st.SearchStrategy[list[Dispatch]]) -> st.SearchStrategy[ReceiverCall]:
    return st.builds(
        ReceiverCall,
        names,
        locations,
        outcome=outcomes,
        bypasses=bypasses,
        dispatches=dispatches,
    )


def dispatches(nested: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Dispatch]]:
    aliases = st.sampled_from([(), ("default",)])
    return st.lists(
        st.builds(
            Dispatch,
            names,
            receiver_calls=st.lists(calls(nested), max_size=3),
            rolled_back=aliases,
            was_trial=st.booleans(),
        ),
        max_size=3,
    )


trees: st.SearchStrategy[list[Dispatch]] = st.recursive(st.just([]), dispatches, max_leaves=8)
contents = st.builds(
    Contents,
    dispatches=trees,
    bypasses=bypasses,
    omitted=st.integers(0, 5),
    owners=st.just(PACKAGES),
)


@given(st.lists(contents, min_size=1, max_size=3))
def test_the_counts_of_any_traces_are_those_of_a_count_by_hand(held: list[Contents]) -> None:
    meter = Meter(packages=True)
    for each in held:
        meter.report(traced(each))

    walked = [dispatch for each in held for dispatch in traced(each).walk()]
    called = [(each.signal, call) for each in walked for call in each.receiver_calls]
    bypassed = [each for one in held for each in traced(one).all_bypasses()]
    missed = [
        (pair, bypass.rows or 0)
        for bypass in bypassed
        for pair in {(each.signal, each.receiver) for each in bypass.skipped}
    ]
    rows: Counter[tuple[str, str]] = Counter()
    for pair, number in missed:
        rows[pair] += number
    expected = {
        "own_time": Counter((s, call.receiver) for s, call in called if call.outcome != "running"),
        "swallowed": Counter(
            (s, call.receiver) for s, call in called if call.outcome == "swallowed"
        ),
        "raised": Counter((s, call.receiver) for s, call in called if call.outcome == "raised"),
        "rolled_back": Counter(
            (each.signal, receiver)
            for each in walked
            if each.rolled_back and not each.was_trial
            for receiver in {call.receiver for call in each.receiver_calls}
        ),
        "bypasses": Counter(pair for pair, _ in missed),
        "bypassed_rows": rows,
    }
    for name, counts in expected.items():
        spelled = {
            (signal.replace("\n", r"\n"), receiver.replace("\n", r"\n")): number
            for (signal, receiver), number in counts.items()
            if number
        }
        assert meter.counted(f"{RECEIVER}.{name}") == spelled, name
    assert meter.figures("django.signal.traces") == {("other",): len(held)}


# Where there is no SDK


def test_without_an_sdk_nothing_of_a_trace_is_even_read() -> None:
    def read() -> tuple[Contents, bool]:
        raise AssertionError("it was read")

    unread = Trace("x", started_at=datetime(2026, 1, 2, tzinfo=UTC), read=read)
    MetricReporter()(unread)
    MetricReporter(meter_provider=NoOpMeterProvider())(unread)
    with pytest.raises(AssertionError, match="it was read"):
        Meter().report(unread)


def test_a_provider_in_place_of_another_gets_what_comes_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = MetricReporter()
    seen = []
    for _ in range(2):
        reader = InMemoryMetricReader()
        provider = MeterProvider([reader], shutdown_on_exit=False)
        monkeypatch.setattr("opentelemetry.metrics.get_meter_provider", lambda it=provider: it)
        report(traced(Contents()))
        seen.append(reader.get_metrics_data() is not None)
    assert seen == [True, True]


def test_a_provider_that_is_set_up_late_gets_what_comes_after() -> None:
    program = """
from datetime import UTC, datetime
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from signal_tracer import Trace
from signal_tracer.showing.export.opentelemetry import report_metrics

trace = Trace("x", started_at=datetime(2026, 1, 2, tzinfo=UTC))
report_metrics(trace)
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
report_metrics(trace)
(found,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[:1]
print(found.name, [point.value for point in found.data.data_points])
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "django.signal.traces [1]\n"
