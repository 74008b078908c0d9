"""Celery's tasks: a trace each, linked to what queued it. Real workers, a broker in memory."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("celery")
from celery import Celery, chain, chord, signals
from celery._state import _task_stack
from celery.contrib.testing.worker import start_worker
from celery.worker import state
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from signal_tracer import Trace, sampling, tasks, trace_signals
from signal_tracer.collecting import nodes
from signal_tracer.records import Origin, Request, Task
from signal_tracer.showing.console import report
from signal_tracer.tasks import celery as tracing

HERE = __name__
DJANGOS_SEND = vars(Signal)["send"]
LINK = {"name": "x", "started_at": "2026-01-01T00:00:00+00:00", "id": "1", "request": None}
MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
# A JSON Web Token, which is redacted by its shape.
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9"

paid = Signal()
traces: list[Trace] = []
app = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
app.conf.update(
    broker_transport_options={"polling_interval": 0.02},
    broker_connection_retry_on_startup=False,
    task_default_queue="shop",  # The broker in memory is one for all tests of the process.
    worker_hijack_root_logger=False,
)


# One for each trace of a task that has been reported.
arrived = threading.Semaphore(0)


def keep(trace: Trace) -> None:
    traces.append(trace)
    if trace.task is not None:
        arrived.release()


def fail_to_report(trace: Trace) -> None:
    raise ValueError("no room on the disk")


def receipt(sender: object, **kwargs: object) -> None: ...


@app.task(name="shop.pay", shared=False)
def pay(order: int) -> int:
    paid.send("the shop", order=order)
    return order


@app.task(name="shop.pay_in_the_end", shared=False, bind=True, max_retries=2)
def pay_in_the_end(self: Any, order: int) -> int:
    paid.send("the shop", order=order)
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return order


@app.task(name="shop.crash", shared=False)
def crash() -> None:
    paid.send("the shop")
    raise ZeroDivisionError("in the task")


@app.task(name="shop.pay_all", shared=False)
def pay_all(orders: list[int]) -> None:
    for order in orders:
        pay.delay(order)


@app.task(name="shop.total", shared=False)
def total(orders: list[int]) -> int:
    paid.send("the total")
    return sum(orders)


# One result for each path: what the view has queued.
queued: dict[str, Any] = {}
QUEUES: dict[str, Any] = {
    "pay": lambda: pay.delay(7),
    "in-the-end": lambda: pay_in_the_end.delay(7),
    "crash": lambda: crash.delay(),
    "all": lambda: pay_all.delay([1, 2]),
    "chain": lambda: chain(pay.s(1), pay.s()).apply_async(),
    "chord": lambda: chord([pay.s(1), pay.s(2)])(total.s()),
    # What a backend does that cannot count.
    "unlock": lambda: app.tasks["celery.chord_unlock"].delay("1", total.s(), result=[]),
}


def queue(request: HttpRequest, what: str) -> HttpResponse:
    queued[what] = QUEUES[what]()
    return HttpResponse("queued")


urlpatterns = [path("queue/<what>/", queue)]


@pytest.fixture(autouse=True)
def site(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["signal_tracer.middleware.SignalTracerMiddleware"]
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.keep"]}
    monkeypatch.setattr(tasks, "_said", set())
    tracing.trace_tasks()
    paid.connect(receipt)
    yield
    paid.disconnect(receipt)
    tracing.uninstall()
    traces.clear()
    queued.clear()
    while arrived.acquire(blocking=False):
        pass


@pytest.fixture
def eager() -> Iterator[None]:
    app.conf.update(task_always_eager=True)
    yield
    app.conf.update(task_always_eager=False, task_eager_propagates=False)


@pytest.fixture(scope="module")
def worker() -> Iterator[None]:
    """Without a pool: in memory, threads may lose count of what of a chord is done."""
    root = logging.getLogger()
    level = root.level
    with start_worker(app, pool="solo", perform_ping_check=False):
        # It lets only errors through, for every test after these as well.
        root.setLevel(level)
        yield
        state.should_terminate = 0
        pay.delay(0)  # Wakes it, so that it sees that at once.


def run(what: str, traced: int = 1) -> list[Trace]:
    """Request that this be queued, and wait for so many traces of tasks."""
    Client().post(f"/queue/{what}/")
    return wait_for(traced)


def wait_for(traced: int = 1) -> list[Trace]:
    for _ in range(traced):
        assert arrived.acquire(timeout=10), traces
    return [trace for trace in traces if trace.task is not None]


def told(trace: Trace) -> str:
    task = trace.task
    assert task is not None
    return f"{task.name} {task.attempt} {task.state}: {task.queued_by}"


def request_of(what: str) -> Trace:
    [found] = [
        trace for trace in traces if trace.request == Request("POST", f"/queue/{what}/", 200)
    ]
    return found


# What a worker runs


def test_a_task_has_a_trace_named_after_it_and_linked_to_the_request_that_queued_it(
    worker: None,
) -> None:
    [trace] = run("pay")

    request = request_of("pay")
    origin = Origin(
        "POST /queue/pay/", request.started_at, request.id, Request("POST", "/queue/pay/")
    )
    assert trace.name == "shop.pay"
    assert trace.task == Task("shop.pay", queued["pay"].id, 1, "SUCCESS", origin)
    assert trace.outline() == f"{HERE}.paid.send  sender='the shop'\n  {HERE}.receipt"
    assert [dispatch.kwargs for dispatch in trace.dispatches] == [{"order": 7}]
    assert request.dispatches == []
    assert re.fullmatch("[0-9a-f]{16}", request.id)
    assert trace.id not in ("", request.id)


def test_each_attempt_has_a_trace_that_is_linked_to_the_first_request(worker: None) -> None:
    attempts = run("in-the-end", 3)

    assert list(map(told, attempts)) == [
        "shop.pay_in_the_end 1 RETRY: POST /queue/in-the-end/",
        "shop.pay_in_the_end 2 RETRY: POST /queue/in-the-end/",
        "shop.pay_in_the_end 3 SUCCESS: POST /queue/in-the-end/",
    ]
    assert [len(trace.dispatches) for trace in attempts] == [1, 1, 1]
    assert {trace.task and trace.task.id for trace in attempts} == {queued["in-the-end"].id}


def test_a_task_that_fails_says_so_and_has_what_it_sent(worker: None) -> None:
    [trace] = run("crash")

    assert told(trace) == "shop.crash 1 FAILURE: POST /queue/crash/"
    assert len(trace.dispatches) == 1


def test_a_task_of_a_task_names_that_one_and_the_request_that_it_began_with(worker: None) -> None:
    by_all, *of_all = run("all", 3)

    assert told(by_all) == "shop.pay_all 1 SUCCESS: POST /queue/all/"
    assert [told(trace) for trace in of_all] == [
        "shop.pay 1 SUCCESS: shop.pay_all, for POST /queue/all/"
    ] * 2
    assert {trace.task.queued_by.id for trace in of_all} == {by_all.id}  # type: ignore[union-attr]
    assert by_all.dispatches == []


def test_a_chain_goes_on_from_the_task_before(worker: None) -> None:
    assert list(map(told, run("chain", 2))) == [
        "shop.pay 1 SUCCESS: POST /queue/chain/",
        "shop.pay 1 SUCCESS: shop.pay, for POST /queue/chain/",
    ]


def test_the_end_of_a_chord_is_queued_by_the_last_of_its_tasks(worker: None) -> None:
    assert list(map(told, run("chord", 3))) == [
        "shop.pay 1 SUCCESS: POST /queue/chord/",
        "shop.pay 1 SUCCESS: POST /queue/chord/",
        "shop.total 1 SUCCESS: shop.pay, for POST /queue/chord/",
    ]


def test_a_task_of_celerys_own_has_no_trace_and_hands_on_the_link(worker: None) -> None:
    assert list(map(told, run("unlock"))) == ["shop.total 1 SUCCESS: POST /queue/unlock/"]


def test_tasks_that_run_at_once_in_threads_are_not_mixed() -> None:
    together = threading.Barrier(8)

    def receipt_of_all(sender: object, **kwargs: object) -> None:
        together.wait(10)

    paid.connect(receipt_of_all)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: pay.apply([number]), range(24)))
    finally:
        paid.disconnect(receipt_of_all)

    assert sorted(str([dispatch.kwargs for dispatch in trace.dispatches]) for trace in traces) == (
        sorted(f"[{{'order': {number}}}]" for number in range(24))
    )


def test_a_task_that_nobody_traced_the_queueing_of_has_no_link(worker: None) -> None:
    pay.delay(1)

    assert [trace.task and trace.task.queued_by for trace in wait_for()] == [None]


def test_a_block_is_what_queued_a_task_where_there_is_no_request(worker: None) -> None:
    with trace_signals("nightly import") as block:
        pay.delay(1)

    [trace] = wait_for()
    assert told(trace) == "shop.pay 1 SUCCESS: nightly import"
    assert trace.task.queued_by == Origin("nightly import", block.started_at, block.id)  # type: ignore[union-attr]


# Eager tasks


def test_an_eager_task_has_a_trace_of_its_own_inside_the_requests(eager: None) -> None:
    Client().post("/queue/pay/")

    trace, request = traces
    assert told(trace) == "shop.pay 1 SUCCESS: POST /queue/pay/"
    assert (
        trace.outline()
        == request.outline()
        == f"{HERE}.paid.send  sender='the shop'\n  {HERE}.receipt"
    )
    assert trace.task.queued_by.id == request.id  # type: ignore[union-attr]


def test_an_eager_retry_is_another_attempt_of_the_same_request(eager: None) -> None:
    Client().post("/queue/in-the-end/")

    assert [told(trace) for trace in traces if trace.task] == [
        "shop.pay_in_the_end 1 RETRY: POST /queue/in-the-end/",
        "shop.pay_in_the_end 2 RETRY: POST /queue/in-the-end/",
        "shop.pay_in_the_end 3 SUCCESS: POST /queue/in-the-end/",
    ]
    assert nodes.current.get() is None


def test_an_eager_task_that_raises_through_ends_its_trace(eager: None) -> None:
    app.conf.task_eager_propagates = True
    with pytest.raises(ZeroDivisionError):
        crash.delay()

    assert nodes.current.get() is None
    assert [trace.name for trace in traces] == ["shop.crash"]


@app.task(name="shop.pay_decorated", shared=False)
@trace_signals("paying")
def pay_decorated(order: int, *, tip: int = 0) -> int:
    """Pay, and say so."""
    paid.send("the shop", order=order)
    return order + tip


def test_the_decorator_below_the_tasks_own_gives_a_trace_inside(eager: None) -> None:
    assert pay_decorated.delay(3, tip=1).get() == 4

    assert [trace.name for trace in traces] == ["paying", "shop.pay_decorated"]
    assert traces[0].outline() == traces[1].outline() != ""
    assert pay_decorated.__doc__ == "Pay, and say so."


# Whether a task is traced


@pytest.mark.parametrize("setting", [{"ENABLED": False}, {}, None])
def test_where_it_is_off_nothing_is_installed_and_no_message_is_touched(
    settings: Any, setting: Any, eager: None
) -> None:
    settings.SIGNAL_TRACER = setting
    headers: dict[str, object] = {}
    signals.before_task_publish.send("shop.pay", headers=headers)

    assert pay.delay(3).get() == 3
    assert vars(Signal)["send"] is DJANGOS_SEND
    assert (headers, traces) == ({}, [])


def only_pay(request: HttpRequest) -> bool:
    return request.path == "/queue/pay/"


def test_a_callable_decides_about_requests_and_tasks_follow_theirs(
    settings: Any, eager: None
) -> None:
    settings.SIGNAL_TRACER = {**settings.SIGNAL_TRACER, "ENABLED": f"{__name__}.only_pay"}
    Client().post("/queue/pay/")
    Client().post("/queue/all/")
    pay.delay(3)

    assert [trace.name for trace in traces] == ["shop.pay", "POST /queue/pay/"]


# SAMPLE_RATE


def sample(settings: Any, monkeypatch: pytest.MonkeyPatch, *numbers: float) -> None:
    """Half of what begins is traced, by these numbers; to draw another one is an error."""
    settings.SIGNAL_TRACER = {**settings.SIGNAL_TRACER, "SAMPLE_RATE": 0.5}
    monkeypatch.setattr(sampling, "draw", iter(numbers).__next__)


def run_message(task: Any, headers: dict[str, object] | None, task_id: str = "1") -> None:
    """As a worker runs what it was sent."""
    task.push_request(id=task_id, is_eager=False, headers=headers)
    _task_stack.push(task)
    signals.task_prerun.send(task, task_id=task_id, task=task)
    paid.send("the shop")
    published.clear()
    signals.before_task_publish.send("shop.pay", headers=published)
    signals.task_postrun.send(task, task_id=task_id, task=task, state="SUCCESS")
    _task_stack.pop()
    task.pop_request()


# What the last message said that a running task queued.
published: dict[str, object] = {}


def test_a_task_follows_the_request_that_queued_it(
    settings: Any, monkeypatch: pytest.MonkeyPatch, worker: None
) -> None:
    sample(settings, monkeypatch, 0.9, 0.1, 0.9)
    for _ in range(3):
        Client().post("/queue/pay/")

    [trace] = wait_for()
    assert told(trace) == "shop.pay 1 SUCCESS: POST /queue/pay/"
    assert trace.task.queued_by.id == request_of("pay").id  # type: ignore[union-attr]
    pay.delay(0).get(timeout=10)
    assert [trace.name for trace in traces] == ["POST /queue/pay/", "shop.pay"]


def test_a_task_that_no_request_queued_is_sampled_by_itself_and_what_it_queues_follows(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(settings, monkeypatch, 0.9, 0.1)
    run_message(pay, None)
    assert (published, traces) == ({"signal_tracer": "unsampled"}, [])
    run_message(pay, dict(published), "2")
    assert (published, traces) == ({"signal_tracer": "unsampled"}, [])
    run_message(pay, None, "3")
    assert [trace.task and trace.task.id for trace in traces] == ["3"]
    run_message(pay, dict(published), "4")
    assert [trace.task and trace.task.id for trace in traces] == ["3", "4"]

    assert not sampling.is_unsampled()


@pytest.mark.parametrize("rate", [1, 0.5])
def test_what_a_message_says_counts_whatever_the_rate_of_the_worker(
    settings: Any, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    sample(settings, monkeypatch)
    settings.SIGNAL_TRACER = {**settings.SIGNAL_TRACER, "SAMPLE_RATE": rate}
    run_message(pay, {"signal_tracer": "unsampled"})
    run_message(pay, {"signal_tracer": json.dumps(LINK)})

    assert list(map(told, traces)) == ["shop.pay 1 SUCCESS: x"]


def test_at_zero_no_task_is_traced_and_no_message_is_touched(settings: Any) -> None:
    settings.SIGNAL_TRACER = {**settings.SIGNAL_TRACER, "SAMPLE_RATE": 0}
    run_message(pay, {"signal_tracer": json.dumps(LINK)})

    assert (published, traces) == ({}, [])


def test_eager_tasks_and_retries_follow_the_request(
    settings: Any, monkeypatch: pytest.MonkeyPatch, eager: None
) -> None:
    sample(settings, monkeypatch, 0.9, 0.9, 0.1)
    Client().post("/queue/in-the-end/")
    Client().post("/queue/all/")
    assert traces == []
    Client().post("/queue/all/")

    assert [trace.name for trace in traces] == [
        *("shop.pay", "shop.pay", "shop.pay_all", "POST /queue/all/"),
    ]


def test_a_task_of_celerys_own_hands_on_that_nothing_is_traced(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(settings, monkeypatch)
    run_message(app.tasks["celery.chord_unlock"], {"signal_tracer": "unsampled"})

    assert (published, traces) == ({"signal_tracer": "unsampled"}, [])


def test_a_block_inside_of_what_is_not_sampled_links_no_task(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(settings, monkeypatch)
    headers: dict[str, object] = {}
    with sampling.unsampled(), trace_signals("by hand"):
        signals.before_task_publish.send("shop.pay", headers=headers)

    assert headers == {"signal_tracer": "unsampled"}


def test_a_run_that_is_not_sampled_and_was_never_ended_ends_where_the_next_begins(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(settings, monkeypatch, 0.9, 0.1)
    pay.push_request(id="1", is_eager=False)
    signals.task_prerun.send(pay, task_id="1", task=pay)
    signals.task_prerun.send(pay, task_id="2", task=pay)
    signals.task_postrun.send(pay, task_id="2", task=pay, state="SUCCESS")
    pay.pop_request()

    assert [trace.task and trace.task.id for trace in traces] == ["2"]
    assert not sampling.is_unsampled()


# Nothing of it breaks a task


def test_a_reporter_that_fails_is_logged_and_the_task_goes_on(
    settings: Any, eager: None, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.fail_to_report"]}

    assert [pay.delay(3).get(), pay.delay(4).get()] == [3, 4]
    [record] = [record for record in caplog.records if record.name == "signal_tracer"]
    assert "fail_to_report" in record.getMessage()


@pytest.mark.parametrize("broken", ["__enter__", "__exit__"])
def test_a_trace_that_cannot_begin_or_end_is_logged_and_the_task_goes_on(
    broken: str,
    eager: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(trace_signals, broken, fail)
        assert [pay.delay(3).get(), pay.delay(4).get()] == [3, 4]
    nodes.current.set(None)

    [record] = [record for record in caplog.records if record.name == "signal_tracer"]
    assert "'shop.pay'" in record.getMessage()


def test_a_run_that_was_never_ended_ends_where_the_next_begins() -> None:
    pay.push_request(id="1", is_eager=False)
    signals.task_prerun.send(pay, task_id="1", task=pay)
    signals.task_prerun.send(pay, task_id="2", task=pay)
    paid.send("the second")
    signals.task_postrun.send(pay, task_id="2", task=pay, state="SUCCESS")
    signals.task_postrun.send(pay, task_id="2", task=pay, state="SUCCESS")
    pay.pop_request()

    assert [(trace.task.id, trace.task.state) for trace in traces if trace.task] == [
        ("1", None),
        ("2", "SUCCESS"),
    ]
    assert [len(trace.dispatches) for trace in traces] == [0, 1]
    assert nodes.current.get() is None


@pytest.mark.parametrize(
    "link",
    [
        *(None, 7, "", "{", "{}", "[]", "null", '{"name": 3}', "[" * 3_000),
        *(json.dumps({**LINK, **wrong}) for wrong in ({"started_at": "today"}, {"request": []})),
        json.dumps({**LINK, "name": "x" * 5_000}),
    ],
    ids=lambda link: str(link)[:40],
)
def test_a_header_that_somebody_else_wrote_is_no_link(link: object) -> None:
    pay.push_request(id="1", is_eager=False, headers={"signal_tracer": link})
    signals.task_prerun.send(pay, task_id="1", task=pay)
    signals.task_postrun.send(pay, task_id="1", task=pay, state="SUCCESS")
    pay.pop_request()

    assert [trace.task for trace in traces] == [Task("shop.pay", "1", 1, "SUCCESS", None)]


def test_what_a_message_says_of_a_request_is_short_and_has_no_secrets() -> None:
    headers: dict[str, str] = {}
    request = Request("GET", f"/reset/{TOKEN}/" + "x" * 5_000)
    with trace_signals(f"GET {request.path}", request=request):
        signals.before_task_publish.send("shop.pay", headers=headers)

    assert len(headers["signal_tracer"]) < 1_000
    assert TOKEN not in headers["signal_tracer"]
    origin = tasks.read_link(headers["signal_tracer"])
    assert origin is not None
    assert origin.request is not None
    assert origin.request.path.startswith("/reset/[redacted]/xxx")


def test_what_is_no_task_is_refused_before_a_trace_begins() -> None:
    with pytest.raises(TypeError, match="task= wants a Task, and was given a str"):
        trace_signals(task="shop.pay")  # type: ignore[arg-type]


# Coming and going


def test_tracing_twice_is_tracing_once_and_uninstall_takes_it_away(eager: None) -> None:
    tracing.trace_tasks()
    pay.delay(1)
    assert len(traces) == 1
    tracing.uninstall()
    tracing.uninstall()
    pay.delay(1)

    assert len(traces) == 1


def test_without_celery_it_says_what_to_install() -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['celery'] = None; import signal_tracer.tasks.celery",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.stderr.strip().splitlines()[-1] == (
        "ImportError: signal_tracer.tasks.celery needs Celery 5, which cannot be imported "
        "(import of celery halted; None in sys.modules). "
        "Install it: pip install 'django-signal-tracer[celery]'."
    )


def test_it_reads_no_setting_before_a_task_does() -> None:
    program = (
        "from signal_tracer.tasks.celery import trace_tasks; trace_tasks(); print('read none')"
    )

    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "there.is.none"},
    )

    assert (result.stdout, result.stderr) == ("read none\n", "")


def test_a_worker_that_starts_says_what_is_wrong_with_the_setting(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": ["shop.reporters.kep"]}
    signals.celeryd_after_setup.send("celery@here", instance=None, conf=None)

    [record] = caplog.records
    assert record.getMessage() == (
        "SIGNAL_TRACER['REPORTERS'] names 'shop.reporters.kep', which cannot be imported "
        "(ModuleNotFoundError: No module named 'shop.reporters'). Give the dotted path of a "
        "callable, such as 'signal_tracer.showing.console.report', or remove it."
    )


# What is shown


def test_the_console_says_how_a_task_ended_and_who_queued_it(capsys: Any) -> None:
    origin = Origin("POST /pay/", MOMENT, "1", Request("POST", "/pay/"))
    trace = Trace("shop.pay", started_at=MOMENT, task=Task("shop.pay", "1", 2, "RETRY", origin))
    report(trace)

    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first.split() == ["shop.pay", "RETRY", "0", "µs"]
    assert "queued by POST /pay/ · attempt 2" in second


def test_a_trace_of_a_task_comes_back_from_json() -> None:
    origin = Origin("shop.all", MOMENT, "2", Request("POST", "/pay/"))
    task = Task("shop.pay", "1", 2, "RETRY", origin)
    trace = Trace("shop.pay", started_at=MOMENT, task=task, trace_id="3")

    again = Trace.from_dict(json.loads(trace.to_json()))
    assert (again.task, again.id, again.to_dict()) == (task, "3", trace.to_dict())
