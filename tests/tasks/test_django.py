"""Django's own tasks: a trace each, by the backends of Django and of the package before it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from signal_tracer import Trace, sampling, tasks, trace_signals, tracer
from signal_tracer.collecting import nodes
from signal_tracer.records import Origin, Request, Task
from signal_tracer.tasks import django as tracing

PACKAGE = "django.tasks" if find_spec("django.tasks") else "django_tasks"
pytest.importorskip(PACKAGE)
base = import_module(f"{PACKAGE}.base")
task = import_module(PACKAGE).task
task_started = import_module(f"{PACKAGE}.signals").task_started
ORIGINALS = {name: vars(base.Task)[name] for name in ("call", "acall")}
DJANGOS_SEND = vars(Signal)["send"]

HERE = __name__
paid = Signal()
traces: list[Trace] = []


def keep(trace: Trace) -> None:
    traces.append(trace)


async def keep_soon(trace: Trace) -> None:
    traces.append(trace)


def fail_to_report(trace: Trace) -> None:
    raise ValueError("no room on the disk")


def receipt(sender: object, **kwargs: object) -> None: ...


@task
def pay(order: int) -> int:
    paid.send("the shop", order=order)
    return order


@task
def old() -> None:
    # Past the method by which Django calls it.
    warnings.warn("old", DeprecationWarning, stacklevel=3)


@task
async def pay_soon(order: int) -> int:
    await paid.asend("the shop", order=order)
    return order


@task(takes_context=True)
def pay_again(context: Any, order: int) -> str:
    paid.send("the shop", order=order)
    return f"{context.task_result.id} {context.attempt}"


@task
def crash(error: str) -> None:
    paid.send("the shop")
    raise {"ZeroDivisionError": ZeroDivisionError, "StopIteration": StopIteration}[error]("no")


@task
def interrupt() -> None:
    raise KeyboardInterrupt


@task
def pay_all(orders: list[int]) -> None:
    for order in orders:
        pay.enqueue(order)


@task
@trace_signals("paying")
def pay_twice_traced(order: int) -> int:
    paid.send("the shop", order=order)
    return order


queued: dict[str, Any] = {}


def queue(request: HttpRequest, what: str) -> HttpResponse:
    queued[what] = pay_all.enqueue([1, 2]) if what == "all" else pay.enqueue(7)
    return HttpResponse("queued")


urlpatterns = [path("queue/<what>/", queue)]


@pytest.fixture(autouse=True)
def site(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["signal_tracer.middleware.SignalTracerMiddleware"]
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.keep"]}
    if PACKAGE == "django_tasks":
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django_tasks"]
    monkeypatch.setattr(tasks, "_said", set())
    paid.connect(receipt)
    tracing.trace_tasks()
    yield
    tracing.uninstall()
    paid.disconnect(receipt)
    traces.clear()
    queued.clear()


def told(trace: Trace) -> str:
    of = trace.task
    assert of is not None
    return f"{of.name.removeprefix(HERE)} {of.attempt} {of.state}: {of.queued_by}"


# What the backend runs


def test_a_task_has_a_trace_named_after_it_and_linked_to_the_request_that_queued_it() -> None:
    Client().post("/queue/pay/")

    trace, request = traces
    origin = Origin(
        "POST /queue/pay/", request.started_at, request.id, Request("POST", "/queue/pay/")
    )
    assert trace.name == f"{HERE}.pay"
    assert trace.task == Task(f"{HERE}.pay", queued["pay"].id, 1, "returned", origin)
    assert trace.outline() == f"{HERE}.paid.send  sender='the shop'\n  {HERE}.receipt"
    assert queued["pay"].return_value == 7
    assert request.find(signal=paid)


def test_a_task_of_a_task_names_that_one_and_the_request_that_it_began_with() -> None:
    Client().post("/queue/all/")

    assert [told(trace) for trace in traces if trace.task] == [
        *[f".pay 1 returned: {HERE}.pay_all, for POST /queue/all/"] * 2,
        ".pay_all 1 returned: POST /queue/all/",
    ]
    assert len({trace.task.id for trace in traces if trace.task}) == 3


async def test_an_async_task_is_traced_and_awaited() -> None:
    result = await pay_soon.aenqueue(5)

    assert result.return_value == 5
    assert [trace.outline() for trace in traces] == [
        f"{HERE}.paid.asend  sender='the shop'\n  {HERE}.receipt"
    ]
    assert traces[0].task == Task(f"{HERE}.pay_soon", result.id, 1, "returned")


async def test_a_task_that_is_awaited_is_given_to_reporters_that_are(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.keep_soon"]}

    assert await pay_soon.acall(5) == 5
    assert list(map(told, traces)) == [".pay_soon 1 returned: None"]
    with pytest.raises(ZeroDivisionError):
        await crash.acall("ZeroDivisionError")
    assert list(map(told, traces))[1:] == [".crash 1 raised: None"]


def test_a_task_is_given_its_context_as_without_a_trace() -> None:
    result = pay_again.enqueue(5)

    assert result.return_value == f"{result.id} 1"
    assert traces[0].task == Task(f"{HERE}.pay_again", result.id, 1, "returned")


def test_a_warning_of_a_task_names_the_line_that_called_it() -> None:
    with pytest.warns(DeprecationWarning, match="old") as warned:
        old.call()

    assert [each.filename for each in warned] == [__file__]
    assert len(traces) == 1


@pytest.mark.parametrize("error", ["ZeroDivisionError", "StopIteration"])
def test_a_task_that_fails_says_so_and_fails_as_without_a_trace(error: str) -> None:
    result = crash.enqueue(error)

    assert result.status == "FAILED"
    assert [each.exception_class_path for each in result.errors] == [f"builtins.{error}"]
    assert list(map(told, traces)) == [".crash 1 raised: None"]
    assert len(traces[0].dispatches) == 1


def test_a_task_that_is_interrupted_ends_its_trace() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt.enqueue()

    assert list(map(told, traces)) == [".interrupt 1 raised: None"]
    assert nodes.current.get() is None


def test_a_task_that_is_called_by_hand_has_no_id() -> None:
    assert pay.call(3) == 3
    pay.enqueue(4)
    assert pay.call(5) == 5

    assert [bool(trace.task and trace.task.id) for trace in traces] == [False, True, False]


def test_the_decorator_below_the_tasks_own_gives_a_trace_inside() -> None:
    assert pay_twice_traced.enqueue(3).return_value == 3

    assert [trace.name for trace in traces] == ["paying", f"{HERE}.pay_twice_traced"]
    assert traces[0].outline() == traces[1].outline()


# Whether a task is traced


@pytest.mark.parametrize("setting", [{"ENABLED": False}, {}, None])
def test_where_it_is_off_nothing_is_installed(settings: Any, setting: Any) -> None:
    tracing.uninstall()
    tracer.uninstall()
    settings.SIGNAL_TRACER = setting
    before = len(task_started.receivers)
    tracing.trace_tasks()

    assert pay.enqueue(3).return_value == 3
    assert {name: vars(base.Task)[name] for name in ORIGINALS} == ORIGINALS
    assert len(task_started.receivers) == before
    assert vars(Signal)["send"] is DJANGOS_SEND
    assert traces == []


def only_pay(request: HttpRequest) -> bool:
    return request.path == "/queue/pay/"


def test_a_callable_decides_about_requests_and_tasks_follow_theirs(settings: Any) -> None:
    settings.SIGNAL_TRACER = {**settings.SIGNAL_TRACER, "ENABLED": f"{__name__}.only_pay"}
    Client().post("/queue/pay/")
    Client().post("/queue/all/")
    pay.enqueue(3)

    assert [trace.name for trace in traces] == [f"{HERE}.pay", "POST /queue/pay/"]


# SAMPLE_RATE


def sample(settings: Any, monkeypatch: pytest.MonkeyPatch, *numbers: float) -> None:
    """Half of what begins is traced, by these numbers; to draw another one is an error."""
    settings.SIGNAL_TRACER = {**settings.SIGNAL_TRACER, "SAMPLE_RATE": 0.5}
    monkeypatch.setattr(sampling, "draw", iter(numbers).__next__)


def test_a_task_follows_the_request_that_queued_it(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(settings, monkeypatch, 0.9, 0.1)
    Client().post("/queue/all/")
    assert (traces, queued["all"].status) == ([], "SUCCESSFUL")
    Client().post("/queue/all/")

    assert [told(trace) for trace in traces if trace.task] == [
        *[f".pay 1 returned: {HERE}.pay_all, for POST /queue/all/"] * 2,
        ".pay_all 1 returned: POST /queue/all/",
    ]


async def test_a_task_that_no_request_queued_is_sampled_by_itself_and_what_it_queues_follows(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(settings, monkeypatch, 0.9, 0.9, 0.9, 0.1, 0.1)
    pay_all.enqueue([1, 2])
    await pay_soon.aenqueue(5)
    with pytest.raises(ZeroDivisionError):
        await crash.acall("ZeroDivisionError")
    assert (traces, sampling.is_unsampled()) == ([], False)
    pay_all.enqueue([1])
    await pay_soon.aenqueue(5)

    assert [trace.name.removeprefix(HERE) for trace in traces] == [".pay", ".pay_all", ".pay_soon"]


def test_what_the_row_of_a_task_says_counts_whatever_the_rate_of_the_worker() -> None:
    row = SimpleNamespace(_state=SimpleNamespace(adding=True), args_kwargs={"args": [3]})
    with sampling.unsampled():
        tracing._link(row)
    result = SimpleNamespace(id=1, task=pay, worker_ids=["a"], db_result=row, status="new")
    task_started.send("another backend", task_result=result)

    assert row.args_kwargs == {"args": [3], "signal_tracer": "unsampled"}
    assert (pay.call(3), traces) == (3, [])


def test_at_zero_nothing_is_installed(settings: Any) -> None:
    tracing.uninstall()
    settings.SIGNAL_TRACER = {**settings.SIGNAL_TRACER, "SAMPLE_RATE": 0}
    tracing.trace_tasks()

    assert pay.enqueue(3).return_value == 3
    assert {name: vars(base.Task)[name] for name in ORIGINALS} == ORIGINALS
    assert traces == []


# Nothing of it breaks a task


def test_a_reporter_that_fails_is_logged_and_the_task_goes_on(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.fail_to_report"]}

    assert [pay.enqueue(3).return_value, pay.enqueue(4).return_value] == [3, 4]
    [record] = [each for each in caplog.records if each.name == "signal_tracer"]
    assert "fail_to_report" in record.getMessage()


@pytest.mark.parametrize("broken", ["__enter__", "__exit__"])
def test_a_trace_that_cannot_begin_or_end_is_logged_and_the_task_goes_on(
    broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(trace_signals, broken, fail)
        assert [pay.enqueue(3).return_value, pay.enqueue(4).return_value] == [3, 4]
    nodes.current.set(None)

    [record] = [each for each in caplog.records if each.name == "signal_tracer"]
    assert f"{HERE}.pay" in record.getMessage()


def test_what_cannot_be_read_of_a_task_costs_its_id_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task_started.send("another backend", task_result=SimpleNamespace(id=1, task=pay, status="new"))
    pay.call(3)

    [record] = [each for each in caplog.records if each.name == "signal_tracer"]
    assert record.getMessage() == "What task_started says of a task could not be read."
    assert [trace.task for trace in traces] == [Task(f"{HERE}.pay", None, 1, "returned")]


# Coming and going


def test_tracing_twice_is_tracing_once_and_uninstall_puts_back_djangos_own() -> None:
    tracing.trace_tasks()
    pay.enqueue(1)
    assert len(traces) == 1
    tracing.uninstall()
    tracing.uninstall()
    pay.enqueue(1)

    assert len(traces) == 1
    assert all(vars(base.Task)[name] is original for name, original in ORIGINALS.items())
    assert all("signal_tracer" not in str(each[0]) for each in task_started.receivers)


def test_where_there_are_no_tasks_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_modules", lambda: iter(()))

    with pytest.raises(ImproperlyConfigured) as raised:
        tracing.trace_tasks()
    assert str(raised.value) == (
        "trace_tasks() found no tasks of Django's: they came with Django 6.0. For an older one "
        "install django-tasks and add it to INSTALLED_APPS, or take the call away."
    )
