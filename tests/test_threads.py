"""Threads: which of them a trace sees, and where what they send is recorded."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.dispatch import Signal

from signal_tracer import Trace, trace_signals
from signal_tracer.collecting import nodes

paid = Signal()
shipped = Signal()


def notify(sender: object, **kwargs: object) -> None:
    """A receiver that sends nothing."""


def relay(sender: object, **kwargs: object) -> None:
    shipped.send(sender)


async def relay_soon(sender: object, **kwargs: object) -> None:
    await asyncio.sleep(0)
    await shipped.asend(sender)


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    paid.connect(relay)
    shipped.connect(notify)
    yield
    for signal in (paid, shipped):
        signal.receivers = []
        signal.sender_receivers_cache.clear()


@pytest.fixture
def threads_switch_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    yield
    sys.setswitchinterval(interval)


def in_a_thread(function: Callable[[], Any]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert failures == []


def outline(trace: Trace) -> list[str]:
    return trace.outline().replace("test_threads.", "").splitlines()


def senders(trace: Trace) -> list[str]:
    return [each.sender for each in trace.dispatches]


# One thread


def test_a_thread_started_by_hand_is_not_in_the_trace() -> None:
    with trace_signals() as trace:
        in_a_thread(lambda: paid.send("a thread"))
        paid.send("here")

    assert senders(trace) == ["'here'"]


def test_a_thread_that_runs_in_a_copy_of_the_context_is_in_the_trace() -> None:
    with trace_signals() as trace:
        context = copy_context()
        in_a_thread(lambda: context.run(paid.send, "a thread"))

    assert outline(trace) == [
        "paid.send  sender='a thread'",
        "  relay",
        "    shipped.send  sender='a thread'",
        "      notify",
    ]


def test_a_trace_may_run_in_a_thread() -> None:
    traces = []

    def work() -> None:
        with trace_signals() as trace:
            paid.send("a thread")
        traces.append(trace)
        assert nodes.current.get() is None

    with trace_signals() as here:
        in_a_thread(work)

    assert senders(traces[0]) == ["'a thread'"]
    assert outline(here) == ["no dispatches"]


def test_each_thread_has_a_trace_of_its_own() -> None:
    begin = threading.Barrier(8)

    def work(number: int) -> Trace:
        with trace_signals(f"thread {number}") as trace:
            begin.wait()
            for _ in range(20):
                paid.send(number)
        return trace

    with ThreadPoolExecutor(8) as pool:
        traces = list(pool.map(work, range(8)))

    for number, trace in enumerate(traces):
        assert {each.sender for each in trace.walk()} == {str(number)}
        assert len(list(trace.walk())) == 40


# The whole process


def test_all_threads_sees_every_thread() -> None:
    with trace_signals(all_threads=True) as trace:
        in_a_thread(lambda: paid.send("a thread"))
        with ThreadPoolExecutor(1) as pool:
            pool.submit(paid.send, "a pool").result()
        paid.send("here")
    in_a_thread(lambda: paid.send("too late"))

    assert outline(trace) == [
        line
        for sender in ("'a thread'", "'a pool'", "'here'")
        for line in (
            f"paid.send  sender={sender}",
            "  relay",
            f"    shipped.send  sender={sender}",
            "      notify",
        )
    ]


def test_all_threads_sees_a_thread_that_ran_before_it_started() -> None:
    ready, send, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        ready.set()
        send.wait()
        paid.send("an old thread")
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    with trace_signals(all_threads=True) as trace:
        send.set()
        done.wait()
    thread.join()

    assert senders(trace) == ["'an old thread'"]


def test_all_threads_counts_unheard_dispatches_of_every_thread() -> None:
    unheard = Signal()
    with trace_signals(all_threads=True) as trace:
        for _ in range(3):
            in_a_thread(lambda: unheard.send(int))
            in_a_thread(lambda: async_to_sync(unheard.asend)(int))
        unheard.send(int)

    assert [(each.sender, each.count) for each in trace.unheard] == [("int", 7)]


@pytest.mark.usefixtures("threads_switch_often")
def test_counts_are_exact_when_many_threads_send() -> None:
    unheard = Signal()
    begin = threading.Barrier(8)

    def work() -> None:
        begin.wait()
        for number in range(200):
            unheard.send(int)
            unheard.send(f"sender {number % 7}")
            paid.send(None)

    with trace_signals(all_threads=True) as trace:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sum(each.count for each in trace.unheard) == 8 * 200 * 2
    assert next(each.count for each in trace.unheard if each.sender == "int") == 1600
    assert len(trace.dispatches) + len(list(trace.find(signal=shipped))) + trace.omitted == 3200
    assert trace.faults == 0


@pytest.mark.usefixtures("threads_switch_often")
def test_a_signal_that_many_threads_send_first_goes_by_one_name() -> None:
    def work(begin: threading.Barrier, signal: Signal) -> None:
        begin.wait()
        signal.send(int)

    for _ in range(100):
        begin, signal = threading.Barrier(6), Signal()
        with trace_signals(all_threads=True) as trace:
            threads = [threading.Thread(target=work, args=(begin, signal)) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert [each.count for each in trace.unheard] == [6]


def test_a_trace_of_a_thread_and_one_of_the_whole_process_share_what_they_see() -> None:
    traces = []

    def work() -> None:
        with trace_signals("one thread") as trace:
            paid.send("both")
        traces.append(trace)
        paid.send("the whole only")

    with trace_signals("whole", all_threads=True) as whole:
        in_a_thread(work)

    assert senders(traces[0]) == ["'both'"]
    assert senders(whole) == ["'both'", "'the whole only'"]


def test_two_traces_of_the_whole_process_may_overlap() -> None:
    first, second = trace_signals(all_threads=True), trace_signals(all_threads=True)
    one = first.__enter__()
    in_a_thread(lambda: paid.send(1))
    two = second.__enter__()
    in_a_thread(lambda: paid.send(2))
    first.__exit__(None, None, None)
    in_a_thread(lambda: paid.send(3))
    second.__exit__(None, None, None)
    in_a_thread(lambda: paid.send(4))

    assert senders(one) == ["1", "2"]
    assert senders(two) == ["2", "3"]
    assert nodes.everywhere is None


def test_a_trace_may_be_ended_in_another_thread() -> None:
    tracing = trace_signals()
    trace = tracing.__enter__()
    paid.send("before")
    in_a_thread(lambda: tracing.__exit__(None, None, None))
    paid.send("after")
    with trace_signals() as other:
        paid.send("in another trace")

    assert senders(trace) == ["'before'"]
    assert senders(other) == ["'in another trace'"]
    nodes.current.set(None)  # The context of this test still holds the first trace.


def test_a_thread_that_goes_on_after_the_end_is_cut_off() -> None:
    started, go_on = threading.Event(), threading.Event()
    results = []

    def slow(sender: object, **kwargs: object) -> str:
        started.set()
        go_on.wait()
        shipped.send("after the end")
        return "done"

    signal = Signal()
    signal.connect(slow)
    thread = threading.Thread(target=lambda: results.append(signal.send("a thread")))
    with trace_signals(all_threads=True) as trace:
        thread.start()
        started.wait()
    outcomes = [call.outcome for call in trace.receiver_calls()]
    go_on.set()
    thread.join()

    assert outcomes == ["running"]
    assert results == [[(slow, "done")]]
    assert [each.sender for each in trace.walk()] == ["'a thread'"]


# Between sync and async


async def test_what_sync_to_async_runs_is_in_the_trace() -> None:
    with trace_signals() as trace:
        await sync_to_async(paid.send)("a thread")
        await sync_to_async(paid.send, thread_sensitive=False)("a pool")
        await asyncio.to_thread(paid.send, "asyncio's")

    assert senders(trace) == ["'a thread'", "'a pool'", '"asyncio\'s"']
    assert len(trace.find(signal=shipped)) == 3
    assert nodes.current.get() is None


async def test_what_a_receiver_runs_in_a_thread_belongs_to_it() -> None:
    async def relay_in_a_thread(sender: object, **kwargs: object) -> None:
        await sync_to_async(shipped.send, thread_sensitive=False)(sender)
        await asyncio.gather(*(asyncio.to_thread(shipped.send, name) for name in "ab"))

    paid.disconnect(relay)
    paid.connect(relay_in_a_thread)
    with trace_signals() as trace:
        await paid.asend("root")

    (dispatch,) = trace.dispatches
    (call,) = dispatch.receiver_calls
    assert sorted(each.sender for each in call.dispatches) == ["'a'", "'b'", "'root'"]


def test_what_async_to_sync_runs_is_in_the_trace() -> None:
    paid.disconnect(relay)
    paid.connect(relay_soon)
    with trace_signals() as trace:
        async_to_sync(paid.asend)("bridged")
        paid.send("through send")

    assert outline(trace) == [
        "paid.asend  sender='bridged'",
        "  relay_soon  ASYNC",
        "    shipped.asend  sender='bridged'",
        "      notify",
        "paid.send  sender='through send'",
        "  relay_soon  ASYNC",
        "    shipped.asend  sender='through send'",
        "      notify",
    ]
    assert nodes.current.get() is None


async def test_a_task_belongs_to_the_trace_it_was_started_in() -> None:
    async def send_later(sender: str, event: asyncio.Event) -> None:
        await event.wait()
        await paid.asend(sender)

    first_event, second_event = asyncio.Event(), asyncio.Event()
    with trace_signals() as first:
        first_task = asyncio.create_task(send_later("first", first_event))
        with trace_signals() as second:
            second_task = asyncio.create_task(send_later("second", second_event))
            await asyncio.sleep(0)
        first_event.set()
        await first_task
        second_event.set()
        await second_task

    assert senders(first) == ["'first'", "'second'"]
    assert senders(second) == []


async def test_a_task_that_outlives_its_trace_disturbs_no_other() -> None:
    event = asyncio.Event()

    async def send_later() -> None:
        await event.wait()
        await paid.asend("late")

    with trace_signals() as first:
        task = asyncio.create_task(send_later())
        await asyncio.sleep(0)
    with trace_signals() as second:
        event.set()
        await task
        await paid.asend("in time")

    assert senders(first) == []
    assert senders(second) == ["'in time'"]


async def test_concurrent_traces_in_one_loop_see_their_own() -> None:
    async def work(number: int) -> Trace:
        with trace_signals() as trace:
            for _ in range(3):
                await asyncio.sleep(0)
                await paid.asend(number)
        return trace

    traces = await asyncio.gather(*map(work, range(20)))

    assert [{each.sender for each in trace.walk()} for trace in traces] == [
        {str(number)} for number in range(20)
    ]
    assert [len(trace.dispatches) for trace in traces] == [3] * 20
