"""What a trace costs, counted in Python calls and bytes, never in time."""

import asyncio
import gc
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models.signals import m2m_changed
from django.dispatch import Signal
from library import Book
from observing import is_ours

from signal_tracer import trace_signals

sent = Signal(use_caching=True)


def first(**named: Any) -> None: ...


def second(**named: Any) -> None: ...


def third(**named: Any) -> None: ...


@pytest.fixture(autouse=True)
def three_receivers() -> Any:
    receivers = (first, second, third)
    for receiver in receivers:
        sent.connect(receiver, sender=int)
    yield
    for receiver in receivers:
        sent.disconnect(receiver, sender=int)


def our_calls(run: Callable[[], Any]) -> int:
    """How many Python functions of ours one more run calls."""
    run()
    run()
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        if event == "call" and is_ours(frame.f_code.co_filename):
            count += 1

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def send() -> None:
    sent.send(int, created=True, using="default")


def send_unheard() -> None:
    sent.send(str, created=True)


@pytest.mark.usefixtures("books")
def test_a_row_that_is_no_link_costs_next_to_nothing_more_where_links_are_waited_for() -> None:
    def calls() -> int:
        with trace_signals():
            return our_calls(lambda: Book.objects.create(title="a"))

    def receiver(**named: Any) -> None: ...

    before = calls()
    m2m_changed.connect(receiver)
    try:
        assert calls() - before <= 4
    finally:
        m2m_changed.disconnect(receiver)


def bytes_per_run(run: Callable[[], Any], times: int) -> float:
    for _ in range(10):
        run()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            run()
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / times
    finally:
        tracemalloc.stop()


def test_before_the_first_trace_nothing_of_ours_is_called() -> None:
    assert our_calls(send) == 0


def test_a_dispatch_that_no_trace_sees_costs_one_call() -> None:
    with trace_signals():
        pass

    # Of _live_receivers; the send method itself has Django's own frame.
    assert our_calls(send) == 1
    assert our_calls(send_unheard) == 0


def test_an_unheard_dispatch_costs_no_call() -> None:
    with trace_signals():
        assert our_calls(send_unheard) == 0


def test_a_traced_dispatch_costs_a_bounded_number_of_calls() -> None:
    with trace_signals():
        with_three = our_calls(send)
        sent.disconnect(third, sender=int)
        with_two = our_calls(send)

    # One resumes the loop's iterator, one makes the record.
    assert with_three - with_two == 2
    assert with_two <= 25


def test_a_dispatch_takes_400_bytes_and_each_receiver_call_165() -> None:
    # A target of the design: the records of a trace are in memory for as long as it is.
    found = {}
    for count in (1, 2, 3, 20):
        heard = Signal(use_caching=True)
        receivers = [partial(first) for _ in range(count)]
        for receiver in receivers:
            heard.connect(receiver, sender=int)
        with trace_signals() as trace:
            found[count] = bytes_per_run(
                lambda heard=heard: heard.send(int, created=True, using="default"), 400
            )
        assert (len(trace.receiver_calls()), trace.omitted) == (410 * count, 0)

    too_much = {count: each for count, each in found.items() if each > 400 + 165 * count}
    assert not too_much, f"bytes of a dispatch by its receiver calls: {found}"


def test_an_unheard_dispatch_takes_nothing() -> None:
    with trace_signals():
        assert bytes_per_run(send_unheard, 1000) < 1


def test_beyond_the_limit_nothing_more_is_kept(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 5}
    with trace_signals() as trace:
        beyond = bytes_per_run(send, 1000)

    assert beyond < 1
    assert (len(trace.dispatches), trace.omitted) == (5, 1005)


def test_beyond_the_limit_async_dispatches_keep_nothing_more(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 5}

    async def run() -> None:
        await sent.asend(int)

    def measure(runner: asyncio.Runner) -> float:
        # The least of six: asyncio's own sets of tasks grow by a leap now and then.
        return min(bytes_per_run(lambda: runner.run(run()), 100) for _ in range(6))

    with asyncio.Runner() as runner:
        untraced = measure(runner)
    with trace_signals() as trace, asyncio.Runner() as runner:
        runner.run(run())
        beyond = measure(runner)

    assert beyond - untraced < 30
    assert (len(trace.dispatches), trace.omitted) == (5, 656)


def test_many_senders_do_not_make_the_counts_of_the_unheard_grow(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 5}
    with trace_signals() as trace:
        for number in range(100):
            Signal().send(f"sender {number}")
            sent.send_robust(type(f"Sender{number}", (), {}))

    assert sum(each.count for each in trace.unheard) == 200


class Driver:
    """A cursor as a database driver has it, which runs nothing."""

    def execute(self, sql: str, *params: Any) -> None: ...


def query(**named: Any) -> None:
    CursorWrapper(Driver(), connection).execute(f"SELECT {len(named)}")


def test_a_query_that_no_trace_sees_costs_no_call_and_a_traced_one_costs_one() -> None:
    with trace_signals():
        pass
    # What looks whether one sees it has the frame of Django's own function.
    assert our_calls(query) == 0

    sent.connect(query, sender=float)
    with trace_signals():
        with_one = our_calls(lambda: sent.send(float))
        sent.connect(lambda **named: query(**named), sender=float, weak=False, dispatch_uid="2")
        with_two = our_calls(lambda: sent.send(float))
    sent.disconnect(query, sender=float)
    sent.disconnect(sender=float, dispatch_uid="2")

    # Two of the second receiver, as of any, and one for what it did; then one of its query.
    assert with_two - with_one == 4


def test_a_query_takes_200_bytes_and_its_statement_nothing_more_once_known() -> None:
    taken = []

    def many(**named: Any) -> None:
        taken.append(bytes_per_run(lambda: query(one=1), 1_000))

    sent.connect(many, sender=float)
    with trace_signals():
        sent.send(float)
    sent.disconnect(many, sender=float)

    assert taken[0] <= 200
