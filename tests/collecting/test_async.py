"""Async receivers: who sent what while several wait, how calls end, and what stays behind."""

import asyncio
import contextlib
import contextvars
import gc
import linecache
import threading
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.dispatch import Signal
from observing import names

from signal_tracer import Trace, trace_signals
from signal_tracer.collecting import nodes

paid = Signal()
shipped = Signal()
billed = Signal()


@pytest.fixture(autouse=True)
def no_connections() -> Iterator[None]:
    yield
    for signal in (paid, shipped, billed):
        signal.receivers = []
        signal.sender_receivers_cache.clear()


def notify(**named: Any) -> None: ...


def outline(trace: Trace) -> list[str]:
    """The outline, with names without their module."""
    lines = trace.outline().replace("test_async.", "").split("\n")
    return [line.replace(line.strip(), line.strip().rpartition("<locals>.")[2]) for line in lines]


@pytest.mark.parametrize("method", ["asend", "asend_robust"])
async def test_siblings_that_wait_for_each_other_get_their_own_children(method: str) -> None:
    first_waits, second_waits = asyncio.Event(), asyncio.Event()

    async def first(**named: Any) -> None:
        first_waits.set()
        await second_waits.wait()
        await shipped.asend("from first")
        await asyncio.sleep(0)
        await shipped.asend("from first again")

    async def second(**named: Any) -> None:
        await first_waits.wait()
        await billed.asend("from second")
        second_waits.set()
        await asyncio.sleep(0)
        billed.send_robust("from second again")

    paid.connect(first)
    paid.connect(second)
    shipped.connect(notify)
    billed.connect(notify)
    with trace_signals() as trace:
        await getattr(paid, method)(None)

    assert outline(trace) == [
        f"paid.{method}  sender=None",
        "  first  ASYNC",
        "    shipped.asend  sender='from first'",
        "      notify",
        "    shipped.asend  sender='from first again'",
        "      notify",
        "  second  ASYNC",
        "    billed.asend  sender='from second'",
        "      notify",
        "    billed.send_robust  sender='from second again'",
        "      notify",
    ]


def test_siblings_of_a_synchronous_send_get_their_own_children() -> None:
    async def first(**named: Any) -> None:
        await asyncio.sleep(0)
        await shipped.asend("from first")

    async def second(**named: Any) -> None:
        await asyncio.sleep(0)
        await shipped.asend("from second")

    paid.connect(first)
    paid.connect(second)
    shipped.connect(notify)
    with trace_signals() as trace:
        paid.send(None)

    assert outline(trace) == [
        "paid.send  sender=None",
        "  first  ASYNC",
        "    shipped.asend  sender='from first'",
        "      notify",
        "  second  ASYNC",
        "    shipped.asend  sender='from second'",
        "      notify",
    ]


async def test_the_context_of_the_sender_is_as_before() -> None:
    async def receiver(**named: Any) -> None:
        await asyncio.sleep(0)

    paid.connect(receiver)
    paid.connect(notify)
    with trace_signals():
        root = nodes.current.get()
        await paid.asend(None)
        assert nodes.current.get() is root
        await sync_to_async(paid.send)(None)
        assert nodes.current.get() is root
    assert nodes.current.get() is None


async def test_dispatches_gathered_outside_are_siblings() -> None:
    async def slow(**named: Any) -> None:
        await asyncio.sleep(0)
        await billed.asend("slow")

    async def quick(**named: Any) -> None:
        await billed.asend("quick")

    paid.connect(slow)
    shipped.connect(quick)
    billed.connect(notify)
    with trace_signals() as trace:
        await asyncio.gather(paid.asend(None), shipped.asend_robust(None))

    assert outline(trace) == [
        "paid.asend  sender=None",
        "  slow  ASYNC",
        "    billed.asend  sender='slow'",
        "      notify",
        "shipped.asend_robust  sender=None",
        "  quick  ASYNC",
        "    billed.asend  sender='quick'",
        "      notify",
    ]


async def test_a_gathered_dispatch_is_sent_from_the_line_that_called_asend() -> None:
    paid.connect(notify)
    with trace_signals() as trace:
        coroutine = paid.asend(None)
        await asyncio.gather(coroutine)

    site = trace.dispatches[0].sent_from
    assert site is not None
    assert (site.file, site.function) == (
        __file__,
        "test_a_gathered_dispatch_is_sent_from_the_line_that_called_asend",
    )
    assert linecache.getline(__file__, site.line).strip() == "coroutine = paid.asend(None)"


async def test_a_task_that_a_receiver_started_belongs_to_the_receiver() -> None:
    tasks = []

    async def later() -> None:
        await asyncio.sleep(0)
        shipped.send("from the task")

    async def receiver(**named: Any) -> None:
        tasks.append(asyncio.create_task(later()))

    paid.connect(receiver)
    shipped.connect(notify)
    with trace_signals() as trace:
        await paid.asend(None)
        await tasks[0]

    assert outline(trace) == [
        "paid.asend  sender=None",
        "  receiver  ASYNC",
        "    shipped.send  sender='from the task'",
        "      notify",
    ]


async def test_a_thread_that_an_async_receiver_waits_for_belongs_to_it() -> None:
    async def receiver(**named: Any) -> None:
        await sync_to_async(shipped.send)("from a thread")
        await shipped.asend("from the loop")

    paid.connect(receiver)
    shipped.connect(notify)
    with trace_signals() as trace:
        await paid.asend(None)

    assert outline(trace) == [
        "paid.asend  sender=None",
        "  receiver  ASYNC",
        "    shipped.send  sender='from a thread'",
        "      notify",
        "    shipped.asend  sender='from the loop'",
        "      notify",
    ]


def test_asend_through_async_to_sync_in_a_receiver_belongs_to_the_receiver() -> None:
    def receiver(**named: Any) -> None:
        async_to_sync(shipped.asend)("bridged")

    paid.connect(receiver)
    shipped.connect(notify)
    with trace_signals() as trace:
        paid.send(None)

    assert outline(trace) == [
        "paid.send  sender=None",
        "  receiver",
        "    shipped.asend  sender='bridged'",
        "      notify",
    ]


@pytest.mark.parametrize("method", ["asend", "asend_robust"])
async def test_cancelling_a_dispatch_cancels_the_receivers_that_wait(method: str) -> None:
    waiting = asyncio.Event()
    heard = []

    async def quick(**named: Any) -> str:
        return "done"

    async def patient(**named: Any) -> None:
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            heard.append(error.args)
            raise

    paid.connect(quick)
    paid.connect(patient)
    with trace_signals() as trace:
        task = asyncio.create_task(getattr(paid, method)(None))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert heard == [()]
    assert task.cancelled()
    (dispatch,) = trace.dispatches
    assert [(call.receiver[-7:], call.outcome) for call in dispatch.receiver_calls] == [
        (">.quick", "returned"),
        ("patient", "cancelled"),
    ]
    assert dispatch.error is not None
    assert dispatch.error.type == "asyncio.exceptions.CancelledError"


async def test_a_receiver_may_refuse_to_be_cancelled() -> None:
    waiting = asyncio.Event()

    async def stubborn(**named: Any) -> str:
        waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "stayed"

    paid.connect(stubborn)
    with trace_signals() as trace:
        task = asyncio.create_task(paid.asend(None))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Up to 6.0 the task of the receiver goes on after its dispatch was cancelled.
        for _ in range(5):
            await asyncio.sleep(0)

    (call,) = trace.receiver_calls()
    assert call.outcome == "returned"


async def test_a_failing_receiver_cancels_its_siblings_where_django_does_so() -> None:
    failed = asyncio.Event()

    async def failing(**named: Any) -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def patient(**named: Any) -> None:
        await failed.wait()

    paid.connect(failing)
    paid.connect(patient)
    with trace_signals() as trace:
        with pytest.raises(ValueError, match="no"):
            await paid.asend(None)
        failed.set()
        await asyncio.sleep(0)

    # Until 6.1 gather() let the siblings run on.
    patiently = "cancelled" if django.VERSION >= (6, 1) else "returned"
    (dispatch,) = trace.dispatches
    assert [call.outcome for call in dispatch.receiver_calls] == ["raised", patiently]
    assert dispatch.near_misses == []


async def test_async_receivers_do_not_run_after_a_failing_sync_one() -> None:
    # Before 6.1 they start first, and only the synchronous ones after the failing one do not run.
    expected = ["failing", "late", *(["patient"] if django.VERSION >= (6, 1) else [])]

    def failing(**named: Any) -> None:
        raise ValueError("no")

    def late(**named: Any) -> None: ...

    async def patient(**named: Any) -> None: ...

    paid.connect(failing)
    paid.connect(late)
    paid.connect(patient)
    with trace_signals() as trace, pytest.raises(ValueError, match="no"):
        await paid.asend(None)

    (dispatch,) = trace.dispatches
    missed = [each.receiver.rpartition(".")[2] for each in dispatch.near_misses]
    assert ["failing", *missed] == expected
    assert {each.reason for each in dispatch.near_misses} == {"not_run"}
    assert [call.outcome for call in dispatch.receiver_calls if not call.is_async] == ["raised"]


def test_a_receiver_that_could_not_be_called_leaves_its_siblings_not_run() -> None:
    async def never_started(**named: Any) -> None: ...

    async def takes_nothing() -> None: ...

    paid.connect(never_started)
    paid.connect(takes_nothing)
    with warnings.catch_warnings(record=True) as caught, trace_signals() as trace:
        warnings.simplefilter("always")
        with pytest.raises(TypeError):
            paid.send(None)
    gc.collect(1)

    assert [str(each.message) for each in caught] == [
        f"coroutine '{never_started.__qualname__}' was never awaited"
    ]
    (dispatch,) = trace.dispatches
    assert names(dispatch.receiver_calls) == ["takes_nothing"]
    assert names(dispatch.near_misses) == ["never_started"]


async def test_a_trace_read_while_it_runs_leaves_out_what_has_not_started() -> None:
    read = []

    async def first(**named: Any) -> None:
        read.append([(call.receiver[-5:], call.outcome) for call in trace.receiver_calls()])
        assert all(call.started_at >= 0 for call in trace.receiver_calls())

    async def second(**named: Any) -> None: ...

    paid.connect(first)
    paid.connect(second)
    with trace_signals() as trace:
        await paid.asend(None)

    assert read == [[("first", "running")]]
    assert names(trace.receiver_calls()) == ["first", "second"]


async def test_every_end_of_an_async_receiver_is_told_apart() -> None:
    async def returning(**named: Any) -> int:
        return 7

    async def failing(**named: Any) -> None:
        raise ValueError("no")

    async def returning_an_exception(**named: Any) -> Exception:
        return ValueError("only returned")

    for receiver in (returning, failing, returning_an_exception):
        paid.connect(receiver)
    with trace_signals() as trace:
        await paid.asend_robust(None)

    assert [(call.outcome, str(call.response)) for call in trace.receiver_calls()] == [
        ("returned", "7"),
        ("swallowed", "None"),
        ("returned", "<ValueError>"),
    ]
    assert str(trace.swallowed()[0].error) == "ValueError: no"


@pytest.mark.parametrize("ending", ["cancelled", "raising", "returning"])
async def test_what_a_receiver_held_is_freed_as_soon_as_without_a_trace(ending: str) -> None:
    class Held:
        pass

    async def run() -> bool:
        signal, waiting, references = Signal(), asyncio.Event(), []

        async def receiver(**named: Any) -> None:
            held = Held()
            references.append(weakref.ref(held))
            waiting.set()
            await asyncio.sleep(0)
            if ending == "raising":
                raise ValueError
            if ending == "cancelled":
                await asyncio.Event().wait()

        signal.connect(receiver)
        task = asyncio.create_task(signal.asend(None))
        await waiting.wait()
        if ending == "cancelled":
            task.cancel()
        with contextlib.suppress(ValueError, asyncio.CancelledError):
            await task
        del task
        await asyncio.sleep(0)
        return references[0]() is None

    gc.collect()
    gc.disable()
    try:
        untraced = await run()
        with trace_signals():
            traced = await run()
    finally:
        gc.enable()

    assert traced == untraced


async def test_a_stand_in_is_seen_by_nobody() -> None:
    seen: list[Any] = []

    class Curious(Signal):
        def _live_receivers(self, sender: Any) -> Any:
            found = super()._live_receivers(sender)
            seen.extend(receiver for receivers in found for receiver in receivers)
            return found

    async def receiver(**named: Any) -> None: ...

    curious = Curious()
    curious.connect(receiver)
    with trace_signals() as trace:
        responses = await curious.asend(None)

    assert seen == [receiver]
    assert responses == [(receiver, None)]
    assert names(trace.receiver_calls()) == ["receiver"]


async def test_tasks_of_receivers_have_the_names_of_the_receivers() -> None:
    async def run() -> list[str]:
        signal, found = Signal(), []

        async def receiver(**named: Any) -> None:
            task = asyncio.current_task()
            assert task is not None
            found.append(task.get_coro().__qualname__)  # type: ignore[union-attr]

        signal.connect(receiver)
        await signal.asend(None)
        return found

    untraced = await run()
    with trace_signals():
        assert await run() == untraced


# Traces that start and end inside one another


def test_a_trace_inside_a_receiver_is_a_part_of_the_outer_one() -> None:
    inner: list[Trace] = []

    def receiver(**named: Any) -> None:
        with trace_signals("inner") as trace:
            inner.append(trace)
            shipped.send("inside")
        shipped.send("after")

    paid.connect(receiver)
    shipped.connect(notify)
    with trace_signals("outer") as outer:
        shipped.send("before")
        paid.send(None)

    assert outline(inner[0]) == ["shipped.send  sender='inside'", "  notify"]
    assert outline(outer) == [
        "shipped.send  sender='before'",
        "  notify",
        "paid.send  sender=None",
        "  receiver",
        "    shipped.send  sender='inside'",
        "      notify",
        "    shipped.send  sender='after'",
        "      notify",
    ]


async def test_a_trace_may_stay_open_while_an_async_receiver_waits() -> None:
    inner: list[Trace] = []
    resume = asyncio.Event()

    async def tracing(**named: Any) -> None:
        with trace_signals("inner") as trace:
            inner.append(trace)
            shipped.send("before waiting")
            await resume.wait()
            shipped.send("after waiting")

    async def other(**named: Any) -> None:
        shipped.send("of the sibling")
        resume.set()

    paid.connect(tracing)
    paid.connect(other)
    shipped.connect(notify)
    with trace_signals("outer") as outer:
        await paid.asend(None)

    assert [each.sender for each in inner[0].dispatches] == ["'before waiting'", "'after waiting'"]
    assert [each.sender for each in outer.walk()] == [
        "None",
        "'before waiting'",
        "'after waiting'",
        "'of the sibling'",
    ]


def test_traces_that_end_out_of_order_forget_each_other() -> None:
    first, second = trace_signals("first"), trace_signals("second")
    paid.connect(notify)
    of_first, of_second = first.__enter__(), second.__enter__()
    paid.send("both")
    first.__exit__(None, None, None)
    paid.send("second only")
    second.__exit__(None, None, None)
    assert nodes.current.get() is None
    paid.send("neither")

    assert [each.sender for each in of_first.dispatches] == ["'both'"]
    assert [each.sender for each in of_second.dispatches] == ["'both'", "'second only'"]


def test_a_trace_that_ends_inside_a_receiver_is_forgotten_by_the_next_dispatch() -> None:
    tracing = trace_signals()

    def ending(**named: Any) -> None:
        tracing.__exit__(None, None, None)

    paid.connect(ending)
    shipped.connect(notify)
    trace = tracing.__enter__()
    paid.send(None)
    shipped.send("after")

    assert outline(trace) == ["paid.send  sender=None", "  ending"]
    assert trace.unheard == []
    assert nodes.current.get() is None


def test_what_is_unheard_after_a_trace_has_ended_is_not_counted() -> None:
    context = contextvars.copy_context()
    with trace_signals() as trace:
        paid.send(int)
        context = contextvars.copy_context()
    context.run(paid.send, int)
    context.run(paid.send, str)

    assert [(each.sender, each.count) for each in trace.unheard] == [("int", 1)]


def test_a_thread_is_traced_when_all_threads_are() -> None:
    paid.connect(notify)
    with trace_signals() as narrow, trace_signals(all_threads=True) as wide:
        thread = threading.Thread(target=paid.send, args=("thread",))
        thread.start()
        thread.join()
        paid.send("here")

    assert [each.sender for each in narrow.dispatches] == ["'here'"]
    assert [each.sender for each in wide.dispatches] == ["'thread'", "'here'"]


async def test_a_receiver_whose_dispatch_was_closed_before_it_began_still_runs() -> None:
    async def run() -> list[str]:
        signal, ran = Signal(), []

        async def receiver(**named: Any) -> None:
            ran.append("ran")

        signal.connect(receiver)
        dispatch = signal.asend(None)
        dispatch.send(None)
        dispatch.close()
        for _ in range(3):
            await asyncio.sleep(0)
        return ran

    untraced = await run()
    with trace_signals():
        traced = await run()

    assert traced == untraced
