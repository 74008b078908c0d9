"""What the page "Sync and async" says of what runs where and when, on each Django."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import django
import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.contrib.auth.models import Group
from django.core.exceptions import SynchronousOnlyOperation
from django.core.handlers.asgi import ASGIHandler
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.dispatch import Signal

SENDER = object()
IN_TURN = django.VERSION >= (6, 1)
needs_threads = pytest.mark.skipif(
    sys.platform == "emscripten", reason="in WebAssembly there is one thread"
)


def thread(**kwargs: Any) -> int:
    return threading.get_ident()


def another_thread(**kwargs: Any) -> int:
    return threading.get_ident()


async def loop(**kwargs: Any) -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def thread_of_loop(**kwargs: Any) -> int:
    return threading.get_ident()


async def thread_of_sync_code(**kwargs: Any) -> int:
    return await sync_to_async(threading.get_ident)()


async def another_thread_of_sync_code(**kwargs: Any) -> int:
    return await sync_to_async(threading.get_ident)()


def signal_to(*receivers: Callable[..., Any]) -> Signal:
    signal = Signal()
    for receiver in receivers:
        signal.connect(receiver, weak=False)
    return signal


def answers(pairs: list[tuple[Any, Any]]) -> list[Any]:
    return [answer for _, answer in pairs]


# Where.


@needs_threads
def test_under_send_async_receivers_run_in_another_thread_and_others_in_the_callers() -> None:
    [plain, of_loop] = answers(signal_to(thread, thread_of_loop).send(SENDER))

    assert plain == threading.get_ident()
    assert of_loop != threading.get_ident()


@needs_threads
def test_under_send_what_async_receivers_hand_to_sync_to_async_runs_in_the_callers_thread() -> None:
    assert answers(signal_to(thread_of_sync_code).send(SENDER)) == [threading.get_ident()]


def test_under_send_all_async_receivers_have_one_loop() -> None:
    async def other(**kwargs: Any) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    first, second = answers(signal_to(loop, other).send(SENDER))

    assert first is second


@pytest.mark.django_db(transaction=True)
def test_under_send_the_database_of_an_async_receiver_is_in_the_callers_transaction() -> None:
    async def asks(**kwargs: Any) -> bool:
        return await sync_to_async(lambda: connection.in_atomic_block)()

    with transaction.atomic():
        assert answers(signal_to(asks).send(SENDER)) == [True]


async def test_under_send_in_sync_code_below_async_code_async_receivers_have_its_loop() -> None:
    pairs = await sync_to_async(signal_to(loop).send)(SENDER)

    assert answers(pairs) == [asyncio.get_running_loop()]


async def test_under_send_in_sync_code_below_async_code_others_have_that_thread() -> None:
    def sends() -> tuple[int, list[Any]]:
        return threading.get_ident(), answers(signal_to(thread).send(SENDER))

    its_thread, [of_receiver] = await sync_to_async(sends)()

    assert of_receiver == its_thread


@needs_threads
async def test_under_asend_sync_receivers_share_a_thread_that_is_not_the_loops() -> None:
    first, second = answers(await signal_to(thread, another_thread).asend(SENDER))

    assert first == second != threading.get_ident()


async def test_under_asend_async_receivers_run_in_the_callers_loop() -> None:
    [running, of_loop] = answers(await signal_to(loop, thread_of_loop).asend(SENDER))

    assert running is asyncio.get_running_loop()
    assert of_loop == threading.get_ident()


@pytest.mark.parametrize("method", ["send", "send_robust"])
async def test_send_on_a_loop_raises_for_async_receivers_after_the_others_have_run(
    method: str,
) -> None:
    ran = []

    def notes(**kwargs: Any) -> None:
        ran.append("sync")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # It was never awaited.
        with pytest.raises(RuntimeError, match="same thread as an async event loop"):
            getattr(signal_to(loop, notes), method)(SENDER)

    assert ran == ["sync"]


async def test_send_on_a_loop_runs_sync_receivers_on_it() -> None:
    assert answers(signal_to(thread).send(SENDER)) == [threading.get_ident()]


async def test_a_sync_receiver_on_a_loop_may_not_use_the_database() -> None:
    def counts(**kwargs: Any) -> int:
        return Group.objects.count()

    with pytest.raises(SynchronousOnlyOperation):
        signal_to(counts).send(SENDER)


@pytest.mark.django_db(transaction=True)
async def test_asave_sends_post_save_with_send_in_the_thread_of_sync_code() -> None:
    seen: dict[str, object] = {}

    def plain(**kwargs: Any) -> None:
        seen["plain"] = threading.get_ident()

    async def waits(**kwargs: Any) -> None:
        seen["async"] = asyncio.get_running_loop()

    for receiver in (plain, waits):
        post_save.connect(receiver, sender=Group)
    try:
        await Group.objects.acreate(name="a")
    finally:
        for receiver in (plain, waits):
            post_save.disconnect(receiver, sender=Group)

    assert seen["async"] is asyncio.get_running_loop()
    if sys.platform != "emscripten":
        assert seen["plain"] != threading.get_ident()


# When.


def test_under_send_async_receivers_run_after_all_others() -> None:
    order = []

    async def waits(**kwargs: Any) -> None:
        order.append("async")

    def plain(**kwargs: Any) -> None:
        order.append("sync")

    signal_to(waits, plain).send(SENDER)

    assert order == ["sync", "async"]


@pytest.mark.parametrize("method", ["send", "asend"])
def test_async_receivers_run_at_the_same_time(method: str) -> None:
    first_began, second_began = asyncio.Event(), asyncio.Event()

    async def first(**kwargs: Any) -> str:
        first_began.set()
        await second_began.wait()
        return "first"

    async def second(**kwargs: Any) -> str:
        second_began.set()
        await first_began.wait()
        return "second"

    sending = getattr(signal_to(first, second), method)
    pairs = asyncio.run(sending(SENDER)) if method == "asend" else sending(SENDER)

    assert answers(pairs) == ["first", "second"]


async def test_under_asend_async_receivers_begin_at_once_and_since_6_1_after_all_others() -> None:
    began, order = threading.Event(), []

    async def waits(**kwargs: Any) -> None:
        order.append("async begins")
        began.set()

    def plain(**kwargs: Any) -> None:
        if not IN_TURN:
            assert began.wait(60)
        order.append("sync ends")

    await signal_to(waits, plain).asend(SENDER)

    assert order == (["sync ends", "async begins"] if IN_TURN else ["async begins", "sync ends"])


async def test_answers_of_asend_are_those_of_sync_receivers_first() -> None:
    async def waits(**kwargs: Any) -> str:
        return "async"

    def plain(**kwargs: Any) -> str:
        return "sync"

    assert answers(await signal_to(waits, plain).asend(SENDER)) == ["sync", "async"]


# Errors.


def fails(**kwargs: Any) -> None:
    raise ValueError("of a sync one")


async def fails_too(**kwargs: Any) -> None:
    raise ValueError("of an async one")


async def fails_as_well(**kwargs: Any) -> None:
    raise KeyError("of another one")


async def test_after_a_sync_one_that_raises_async_receivers_have_begun_before_6_1() -> None:
    began = []

    async def waits(**kwargs: Any) -> None:
        began.append("async")

    with pytest.raises(ValueError, match="of a sync one"):
        await signal_to(fails, waits).asend(SENDER)

    assert began == ([] if IN_TURN else ["async"])


async def test_when_an_async_one_raises_the_others_go_on_before_6_1_and_are_cancelled_since() -> (
    None
):
    may_end, ended = asyncio.Event(), asyncio.Event()
    outcome = []

    async def waits(**kwargs: Any) -> None:
        try:
            await may_end.wait()
            outcome.append("went on")
        except asyncio.CancelledError:
            outcome.append("cancelled")
            raise
        finally:
            ended.set()

    with pytest.raises(ValueError, match="of an async one"):
        await signal_to(waits, fails_too).asend(SENDER)
    may_end.set()
    await ended.wait()

    assert outcome == (["cancelled"] if IN_TURN else ["went on"])


async def test_when_two_async_ones_raise_it_is_the_first_or_since_6_1_a_group() -> None:
    signal = signal_to(fails_too, fails_as_well)

    if IN_TURN:
        with pytest.raises(ExceptionGroup) as raised:
            await signal.asend(SENDER)
        assert [type(each) for each in raised.value.exceptions] == [ValueError, KeyError]
    else:
        with pytest.raises(ValueError, match="of an async one"):
            await signal.asend(SENDER)


async def test_asend_robust_lets_all_of_them_end() -> None:
    pairs = await signal_to(fails, fails_too, loop).asend_robust(SENDER)

    assert [type(answer) for answer in answers(pairs)[:2]] == [ValueError, ValueError]
    assert answers(pairs)[2] is asyncio.get_running_loop()


# Context variables.

name = contextvars.ContextVar("name", default="nobody")


async def sets(**kwargs: Any) -> None:
    name.set("ada")


async def gets(**kwargs: Any) -> str:
    return name.get()


def sets_in_sync_code(**kwargs: Any) -> None:
    name.set("ada")


async def test_since_6_1_async_receivers_and_the_caller_share_their_context_variables() -> None:
    pairs = await signal_to(sets, gets).asend(SENDER)

    seen = (answers(pairs)[1], name.get())
    assert seen == (("ada", "ada") if IN_TURN else ("nobody", "nobody"))


async def test_since_6_1_the_caller_sees_what_sync_receivers_set_under_asend() -> None:
    await signal_to(sets_in_sync_code).asend(SENDER)

    assert name.get() == ("ada" if IN_TURN else "nobody")


def test_since_6_1_the_caller_of_send_sees_what_async_receivers_set() -> None:
    def in_a_context() -> str:
        signal_to(sets).send(SENDER)
        return name.get()

    seen = contextvars.copy_context().run(in_a_context)

    assert seen == ("ada" if IN_TURN else "nobody")


# Two receivers that want the thread of sync code at once.


@needs_threads
def test_since_6_1_two_async_receivers_may_not_use_sync_to_async_at_once_in_a_bare_loop() -> None:
    signal = signal_to(thread_of_sync_code, another_thread_of_sync_code)

    async def send_it() -> list[Any]:
        return answers(await signal.asend(SENDER))

    if IN_TURN:
        with pytest.raises(RuntimeError, match="would deadlock"):
            asyncio.run(send_it())
    else:
        first, second = asyncio.run(send_it())
        assert first == second


@needs_threads
def test_they_may_within_a_request_and_below_async_to_sync() -> None:
    signal = signal_to(thread_of_sync_code, another_thread_of_sync_code)

    async def in_a_request() -> list[Any]:
        # As Django's ASGI handler has it around each request.
        async with ThreadSensitiveContext():
            return answers(await signal.asend(SENDER))

    first, second = asyncio.run(in_a_request())
    assert first == second

    async def below() -> list[Any]:
        return answers(await signal.asend(SENDER))

    assert async_to_sync(below)() == [threading.get_ident()] * 2
    assert answers(signal.send(SENDER)) == [threading.get_ident()] * 2


def test_the_asgi_handler_has_such_a_context_around_each_request() -> None:
    assert "async with ThreadSensitiveContext():" in inspect.getsource(ASGIHandler.__call__)
