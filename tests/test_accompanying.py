"""A reporter that goes along with a trace is told, as they begin, of the outermost things in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import AsyncClient, Client, RequestFactory

from signal_tracer import Trace, reporting, trace_signals
from signal_tracer.collecting.following import Follower
from signal_tracer.collecting.nodes import current
from signal_tracer.tracer import reported

paid, shipped = Signal(), Signal()
MIDDLEWARE = "signal_tracer.middleware.SignalTracerMiddleware"


def ship(sender: object, **kwargs: object) -> None:
    shipped.send("the shop")


def note(sender: object, **kwargs: object) -> None: ...


async def hear(sender: object, **kwargs: object) -> None:
    await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def receivers(settings: Any) -> Iterator[None]:
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.reporter"]}
    paid.connect(ship)
    shipped.connect(note)
    reporter.__init__()  # type: ignore[misc]
    reporting._logged.clear()
    yield
    paid.receivers = []
    shipped.receivers = []


class Reporter:
    """Keeps when it was told of something, and in the midst of what."""

    def __init__(self) -> None:
        self.companions: list[Companion] = []
        self.traces: list[Trace] = []

    def accompany(self) -> Companion:
        self.companions.append(Companion())
        return self.companions[-1]

    def __call__(self, trace: Trace) -> None:
        self.traces.append(trace)


class Companion:
    def __init__(self) -> None:
        self.told: list[float] = []
        self.while_traced: list[bool] = []
        self.traces: list[Trace] = []

    def begun(self, started_at: float) -> None:
        self.told.append(started_at)
        self.while_traced.append(current.get() is not None)

    def __call__(self, trace: Trace) -> None:
        self.traces.append(trace)


reporter = Reporter()


def test_a_companion_is_told_of_outermost_dispatches_alone_and_is_given_the_trace() -> None:
    with trace_signals("checkout", reporters=[reporter]) as trace:
        paid.send("a")
        shipped.send("b")
        assert len(reporter.companions[0].told) == 2  # at once, not at the end

    [companion] = reporter.companions
    assert companion.told == [dispatch.started_at for dispatch in trace.dispatches]
    assert companion.while_traced == [True, True]
    assert companion.traces == [trace]
    assert reporter.traces == []


def test_unheard_and_excluded_dispatches_are_not_told_of(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"EXCLUDE_SIGNALS": ["*.paid"]}
    shipped.receivers = []
    with trace_signals(reporters=[reporter]) as trace:
        paid.send("a")
        shipped.send("b")

    assert trace.dispatches == []
    assert reporter.companions[0].told == []


@pytest.mark.django_db
def test_a_companion_is_told_of_bypasses_outside_of_receivers() -> None:
    def bulk(sender: object, **kwargs: object) -> None:
        User.objects.bulk_create([User(username="c")])

    post_save.connect(note, sender=User)
    paid.connect(bulk)
    try:
        with trace_signals(reporters=[reporter]) as trace:
            User.objects.bulk_create([User(username="a")])
            paid.send("a")
    finally:
        post_save.disconnect(note, sender=User)

    [bypass], [dispatch] = trace.bypasses, trace.dispatches
    assert reporter.companions[0].told == [bypass.started_at, dispatch.started_at]
    assert len(trace.all_bypasses()) == 2


async def test_async_dispatches_are_told_of_in_the_task_that_sends_them() -> None:
    names: list[str] = []

    class NamingCompanion(Companion):
        def begun(self, started_at: float) -> None:
            task = asyncio.current_task()
            assert task is not None
            names.append(task.get_name())

    class Naming(Reporter):
        def accompany(self) -> Companion:
            return NamingCompanion()

    shipped.connect(hear)
    async with trace_signals(reporters=[Naming()]):
        tasks = [asyncio.create_task(shipped.asend("a"), name=name) for name in ("first", "second")]
        await asyncio.gather(*tasks)

    assert sorted(names) == ["first", "second"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_each_request_has_a_companion_of_its_own(settings: Any, is_async: bool) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [MIDDLEWARE]
    for _ in range(2):
        await AsyncClient().get("/nowhere/") if is_async else await asyncio.to_thread(
            Client().get, "/nowhere/"
        )

    assert [len(each.traces) for each in reporter.companions] == [1, 1]
    assert [each.traces[0].name for each in reporter.companions] == ["GET /nowhere/"] * 2


urlpatterns: list[Any] = []


def test_a_trace_that_somebody_follows_may_be_accompanied_as_well() -> None:
    followed = []
    tracing = reported(
        make_recorder=lambda config: Follower(config, told=lambda _, each: followed.append(each))
    )
    with tracing as trace:
        paid.send("a")

    assert [each.signal for each in followed] == [trace.dispatches[0].signal]
    assert reporter.companions[0].told == [trace.dispatches[0].started_at]


def test_each_of_several_reporters_has_its_companion() -> None:
    others = [Reporter(), Reporter()]
    with trace_signals(reporters=others) as outer, trace_signals(reporters=[reporter]) as inner:
        paid.send("a")

    for each in others:
        assert each.companions[0].told == [outer.dispatches[0].started_at]
    assert reporter.companions[0].told == [inner.dispatches[0].started_at]


def test_a_mock_is_a_reporter_and_accompanies_nothing() -> None:
    mock = Mock()
    with trace_signals(reporters=[mock]) as trace:
        paid.send("a")

    assert mock.mock_calls == [((trace,),)]


def test_a_companion_that_fails_disturbs_nobody_and_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(Companion):
        def begun(self, started_at: float) -> None:
            raise ValueError("no span")

    class FailingReporter(Reporter):
        def accompany(self) -> Companion:
            return Failing()

    with trace_signals(reporters=[FailingReporter()]) as trace:
        assert paid.send("a") == [(ship, None)]

    assert trace.faults == 1
    assert [dispatch.sender for dispatch in trace.dispatches] == ["'a'"]
    assert "to tell a reporter where something happens" in caplog.text


def test_a_reporter_that_does_not_come_along_is_given_the_trace_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Refusing(Reporter):
        def accompany(self) -> Companion:
            raise ValueError("no provider")

    refusing = Refusing()
    for _ in range(2):
        with trace_signals("checkout", reporters=[refusing]):
            paid.send("a")

    assert [trace.name for trace in refusing.traces] == ["checkout", "checkout"]
    [record] = caplog.records
    assert (record.name, record.levelno) == ("signal_tracer", logging.ERROR)
    assert record.getMessage().endswith("does not accompany the trace.")


def test_a_companion_that_fails_at_the_end_is_named_as_its_reporter(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Companion):
        def __call__(self, trace: Trace) -> None:
            raise ValueError("no collector")

    reporter.accompany = Failing  # type: ignore[method-assign]
    try:
        from signal_tracer.middleware import SignalTracerMiddleware

        answer = SignalTracerMiddleware(lambda request: Mock(status_code=200))(
            RequestFactory().get("/")
        )
    finally:
        del reporter.accompany
    assert answer.status_code == 200
    name = f"{__name__}.reporter"
    assert caplog.messages == [
        f"The reporter {name!r} of SIGNAL_TRACER['REPORTERS'] failed; the request went on."
    ]


def test_a_trace_without_such_a_reporter_keeps_its_dispatches_in_a_plain_list() -> None:
    with trace_signals(reporters=[lambda trace: None]):
        node: Any = current.get()
        assert type(node.recorder.dispatches) is list
        assert node.recorder.activity == {}
