"""One log record a trace: its level, its line for a person, its figures for loggers of JSON."""

from __future__ import annotations

import json
import logging
from io import StringIO
from typing import Any

import pytest
from django.dispatch import Signal
from keeping import a_task, a_trace

from signal_tracer import Trace, trace_signals
from signal_tracer.showing.export import logs
from signal_tracer.showing.export.logs import report

FAILED = a_trace(swallowed="shop.receivers.text_customer", status=500)


@pytest.fixture
def record(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO)

    def of(trace: Trace) -> logging.LogRecord:
        caplog.clear()
        report(trace)
        [one] = caplog.records
        return one

    return of


def test_a_record_says_in_one_line_what_happened_and_how_bad_that_is(record: Any) -> None:
    one = record(FAILED)
    assert one.name == "signal_tracer.traces"
    assert one.levelno == logging.ERROR
    assert one.getMessage() == (
        "POST /checkout/ 500: 1 dispatch, 2 receiver calls, 1 swallowed; error "
        "swallowed-exception (39.8 ms)"
    )


def test_its_figures_stand_under_keys_of_their_own(record: Any) -> None:
    one = vars(record(FAILED))
    assert {name: value for name, value in one.items() if name.startswith("signals_")} == {
        "signals_trace_id": "00000001deadbeef",
        "signals_trace": "POST /checkout/",
        "signals_started_at": "2026-05-04T12:00:01+00:00",
        "signals_duration_ms": 39.8,
        "signals_method": "POST",
        "signals_path": "/checkout/",
        "signals_status": 500,
        "signals_state": None,
        "signals_dispatches": 1,
        "signals_receiver_calls": 2,
        "signals_queries": 0,
        "signals_swallowed": 1,
        "signals_raised": 0,
        "signals_slow": 0,
        "signals_bypasses": 0,
        "signals_rolled_back": 0,
        "signals_unheard": 0,
        "signals_omitted": 0,
        "signals_faults": 0,
        "signals_worst_level": "error",
        "signals_findings": ["swallowed-exception"],
    }


def test_no_key_is_one_that_a_log_record_has_itself() -> None:
    keys = logs.figures(logs.summary_of(FAILED))
    assert not keys.keys() & vars(logging.makeLogRecord({})).keys()
    assert all(each.startswith("signals_") for each in keys)


def test_without_a_finding_it_is_for_information(record: Any) -> None:
    one = record(a_trace())
    assert one.levelno == logging.INFO
    assert one.getMessage() == "POST /checkout/ 200: 1 dispatch, 1 receiver call (39.8 ms)"


def test_a_warning_is_a_warning(record: Any) -> None:
    slow = a_trace()
    slow.dispatches[0].receiver_calls[0].own_time = 1.0
    one = record(slow)
    assert (one.levelno, one.signals_findings) == (logging.WARNING, ["slow-receiver"])


def test_a_task_says_its_name_and_how_it_ended(record: Any) -> None:
    one = record(a_task())
    assert one.getMessage() == "shop.tasks.ship FAILURE: no receiver ran (500 ms)"
    assert (one.signals_path, one.signals_state) == (None, "FAILURE")


def test_what_a_terminal_would_obey_is_escaped(record: Any) -> None:
    one = record(a_trace("/\x1b[2J\nGET /"))
    assert one.getMessage().startswith("POST /\\x1b[2J\\nGET / 200: ")
    assert one.signals_path == "/\\x1b[2J\\nGET /"


def test_a_logger_that_is_off_makes_it_do_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logs, "summary_of", None)
    caplog.set_level(logging.CRITICAL, "signal_tracer.traces")
    report(FAILED)
    assert caplog.records == []


def test_a_json_logger_writes_the_figures_as_json() -> None:
    formatter = pytest.importorskip("pythonjsonlogger.json").JsonFormatter(
        "%(levelname)s %(message)s"
    )
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logs.logger.addHandler(handler)
    try:
        report(FAILED)
    finally:
        logs.logger.removeHandler(handler)
    written = json.loads(stream.getvalue())
    assert written["levelname"] == "ERROR"
    assert written["signals_swallowed"] == 1
    assert written["signals_findings"] == ["swallowed-exception"]
    assert written["message"].startswith("POST /checkout/ 500: ")


def test_it_is_a_reporter(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    paid = Signal()
    with trace_signals("by hand", reporters=["signal_tracer.showing.export.logs.report"]):
        paid.send("the shop")
    [one] = caplog.records
    assert one.getMessage().startswith("by hand: 1 unheard (")
