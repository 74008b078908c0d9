"""Transactions: what was sent inside one, what was rolled back, and what on_commit() ran later."""

import contextlib
import contextvars
import functools
import gc
import logging
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import DatabaseError, connection, transaction
from django.dispatch import Signal
from django.test import TestCase
from library import Book

from signal_tracer import Trace, trace_signals
from signal_tracer.collecting import savepoints
from signal_tracer.collecting.watching import callbacks as watched
from signal_tracer.tracer import uninstall

sent = Signal()
mailed = Signal()


class Failed(Exception):
    pass


def listen(sender: Any, **named: Any) -> None: ...


@pytest.fixture(autouse=True)
def listening(transactional_db: None) -> Iterator[None]:
    """Somebody listens; no transaction is around the test, as in a real process."""
    sent.connect(listen)
    mailed.connect(listen)
    yield
    sent.receivers = []
    mailed.receivers = []


def send(text: str) -> None:
    sent.send(text)


def told(trace: Trace) -> list[tuple[str, str]]:
    """For each dispatch its sender, and what became of the transactions that it was sent in."""
    return [
        (
            each.sender.strip("'"),
            ", ".join(
                f"{alias} {'lost' if alias in each.rolled_back else 'kept'}"
                for alias in each.in_atomic
            ),
        )
        for each in trace.walk()
    ]


@contextmanager
def failing(block: Any = None) -> Iterator[None]:
    """A block that ends with an exception, which is caught outside of it."""
    with contextlib.suppress(Failed), block or transaction.atomic():
        yield
        raise Failed


def failing_block(**options: Any) -> None:
    with failing(transaction.atomic(**options)):
        send("in the block")


def test_a_dispatch_outside_of_any_block_is_in_none() -> None:
    with trace_signals() as trace:
        send("before")
        with transaction.atomic():
            send("inside")
        send("after")

    assert told(trace) == [("before", ""), ("inside", "default kept"), ("after", "")]
    assert trace.faults == 0


def test_a_block_that_raises_is_rolled_back() -> None:
    with trace_signals() as trace:
        failing_block()
        failing_block(durable=True)
        failing_block(savepoint=False)
        send("after")

    assert told(trace) == [
        ("in the block", "default lost"),
        ("in the block", "default lost"),
        ("in the block", "default lost"),
        ("after", ""),
    ]
    assert Trace.from_dict(trace.to_dict()).dispatches == trace.dispatches


def test_a_savepoint_rolled_back_and_retried_loses_the_first_try_only() -> None:
    with trace_signals() as trace, transaction.atomic():
        send("before")
        for attempt in ("first", "second"):
            try:
                with transaction.atomic():
                    send(attempt)
                    if attempt == "first":
                        raise Failed
            except Failed:
                send("between")
        send("after")

    assert told(trace) == [
        ("before", "default kept"),
        ("first", "default lost"),
        ("between", "default kept"),
        ("second", "default kept"),
        ("after", "default kept"),
    ]


def test_a_kept_savepoint_is_lost_with_the_block_around_it() -> None:
    with trace_signals() as trace, failing():
        with transaction.atomic():
            send("inner")
        send("outer")

    assert told(trace) == [("inner", "default lost"), ("outer", "default lost")]


def test_an_exception_through_a_block_without_savepoint_loses_the_one_around() -> None:
    with trace_signals() as trace, transaction.atomic():
        send("before")
        failing_block(savepoint=False)
        send("after")

    assert told(trace) == [
        ("before", "default lost"),
        ("in the block", "default lost"),
        ("after", "default lost"),
    ]


def test_set_rollback_without_an_exception_counts() -> None:
    with trace_signals() as trace, transaction.atomic():
        send("inside")
        transaction.set_rollback(True)

    assert told(trace) == [("inside", "default lost")]


def test_a_rollback_that_was_called_off_does_not_count() -> None:
    with trace_signals() as trace, transaction.atomic():
        failing_block(savepoint=False)
        transaction.set_rollback(False)

    assert told(trace) == [("in the block", "default kept")]


def test_savepoints_by_hand_lose_what_came_after_them() -> None:
    with trace_signals() as trace, transaction.atomic():
        send("before")
        sid = connection.savepoint()
        send("first")
        connection.savepoint()
        send("deeper")
        connection.savepoint_rollback(sid)
        send("second")
        connection.savepoint_commit(sid)
        send("after")

    assert told(trace) == [
        ("before", "default kept"),
        ("first", "default lost"),
        ("deeper", "default lost"),
        ("second", "default kept"),
        ("after", "default kept"),
    ]


def test_a_block_that_was_open_before_the_trace_counts() -> None:
    def run(error: bool) -> Trace:
        with transaction.atomic():
            with trace_signals() as trace:
                send("inside")
            if error:
                transaction.set_rollback(True)
        return trace

    assert told(run(error=False)) == [("inside", "default kept")]
    assert told(run(error=True)) == [("inside", "default lost")]
    uninstall()
    assert told(run(error=True)) == [("inside", "default lost")]


def test_a_trace_that_was_read_before_its_transaction_ended_tells_how_that_ended() -> None:
    with transaction.atomic():
        with trace_signals() as trace:
            send("inside")
        assert told(trace) == [("inside", "default kept")]
        with transaction.atomic():
            pass
        assert told(trace) == [("inside", "default kept")]
        transaction.set_rollback(True)

    assert told(trace) == [("inside", "default lost")]
    assert trace.dispatches is trace.dispatches  # Read once more, and then no more.


def test_a_savepoint_that_is_older_than_the_trace_loses_all_of_it() -> None:
    uninstall()
    with transaction.atomic():
        sid = connection.savepoint()
        with trace_signals() as trace:
            send("first")
            with transaction.atomic():
                send("inner")
            connection.savepoint_rollback(sid)
            send("second")

    assert told(trace) == [
        ("first", "default lost"),
        ("inner", "default lost"),
        ("second", "default kept"),
    ]


def test_one_block_used_twice_is_two_transactions() -> None:
    block = transaction.atomic()
    with trace_signals() as trace:
        with failing(block):
            send("first")
        with block:
            send("second")
            with block:
                send("inner")

    assert told(trace) == [
        ("first", "default lost"),
        ("second", "default kept"),
        ("inner", "default kept"),
    ]


def test_a_failed_commit_loses_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise DatabaseError("no")

    @transaction.atomic
    def run() -> None:
        send("inside")
        monkeypatch.setattr(connection, "_commit", fail)

    with trace_signals() as trace:
        with pytest.raises(DatabaseError):
            run()
        monkeypatch.undo()
        with transaction.atomic():
            send("again")

    assert told(trace) == [("inside", "default lost"), ("again", "default kept")]


def test_a_durable_block_inside_another_is_refused_as_ever() -> None:
    with trace_signals() as trace, transaction.atomic():
        with pytest.raises(RuntimeError, match="durable atomic block cannot be nested"):
            transaction.atomic(durable=True).__enter__()
        send("after")

    assert told(trace) == [("after", "default kept")]


def test_a_decorated_function_is_a_block() -> None:
    @transaction.atomic
    def run() -> None:
        send("inside")

    with trace_signals() as trace:
        run()
        run()

    assert told(trace) == [("inside", "default kept"), ("inside", "default kept")]


def test_locking_rows_is_neither_a_block_nor_a_rollback() -> None:
    with trace_signals() as trace:
        Book.objects.select_for_update()
        send("outside")

    assert told(trace) == [("outside", "")]


def test_nested_dispatches_are_in_it_too() -> None:
    def relay(sender: Any, **named: Any) -> None:
        with transaction.atomic():
            mailed.send("nested")

    sent.connect(relay)
    with trace_signals() as outer, trace_signals() as trace:
        send("outside")
        with failing():
            send("inside")

    for each in (trace, outer):
        assert told(each) == [
            ("outside", ""),
            ("nested", "default kept"),
            ("inside", "default lost"),
            ("nested", "default lost"),
        ]


def test_the_blocks_that_a_test_case_puts_around_a_test_do_not_count() -> None:
    traces: list[Trace] = []

    class Case(TestCase):
        def test(self) -> None:
            with trace_signals() as trace:
                send("outside")
                with transaction.atomic():
                    send("inside")
                failing_block()
                with failing(transaction.atomic(savepoint=False)):
                    send("doomed")
                connection.set_rollback(False)
                with transaction.atomic(savepoint=False):
                    send("without savepoint")
            traces.append(trace)

    result = unittest.TestResult()
    unittest.TestSuite([Case("test")]).run(result)  # With the block around the whole class.
    assert result.wasSuccessful(), result.failures + result.errors
    assert told(traces[0]) == [
        ("outside", ""),
        ("inside", "default kept"),
        ("in the block", "default lost"),
        ("doomed", "default lost"),
        ("without savepoint", "default kept"),
    ]


def test_each_thread_has_transactions_of_its_own() -> None:
    @sync_to_async(thread_sensitive=False)
    def elsewhere() -> None:
        try:
            send("elsewhere")
            with transaction.atomic():
                send("elsewhere inside")
        finally:
            connection.connection.close()  # Django leaves a database in memory open.

    @sync_to_async
    def inside(text: str) -> None:
        with transaction.atomic():
            send(text)
            if text == "fails":
                raise Failed

    async def run() -> None:
        await inside("works")
        with pytest.raises(Failed):
            await inside("fails")
        await elsewhere()

    with trace_signals() as trace:
        async_to_sync(run)()

    assert told(trace) == [
        ("works", "default kept"),
        ("fails", "default lost"),
        ("elsewhere", ""),
        ("elsewhere inside", "default kept"),
    ]


# on_commit()


def send_mail() -> None:
    mailed.send("mail")


def send_mail_and_fail() -> None:
    mailed.send("mail")
    raise Failed


def register(callback: Any, **options: Any) -> None:
    def receiver(sender: Any, **named: Any) -> None:
        transaction.on_commit(callback, **options)

    sent.receivers = []
    sent.connect(receiver, weak=False)


def callbacks(trace: Trace) -> list[tuple[str, str, str]]:
    return [
        (each.callback.rpartition(".")[2], each.alias, each.outcome)
        for call in trace.receiver_calls()
        for each in call.on_commit
    ]


def test_a_callback_that_ran_is_known_to_the_receiver_call_that_registered_it() -> None:
    register(send_mail)
    with trace_signals() as trace:
        with transaction.atomic():
            send("order")
            assert callbacks(trace) == [("send_mail", "default", "waiting")]
            assert connection.run_on_commit[0][1] is send_mail
        send("after")

    assert callbacks(trace) == [
        ("send_mail", "default", "ran"),
        ("send_mail", "default", "ran"),  # Outside of a transaction it runs at once.
    ]
    [first] = trace.find(sender="'order'")[0].receiver_calls[0].on_commit
    assert first.defined_at is not None
    assert (first.defined_at.file, first.defined_at.function) == (__file__, "send_mail")
    assert first.ran_at is not None
    assert 0 < first.registered_at < first.ran_at
    assert first.duration > 0
    mails = trace.find(signal=mailed)
    assert [each.on_commit for each in mails] == ["test_transactions.send_mail"] * 2
    assert [each.in_atomic for each in mails] == [(), ()]
    assert trace.find(signal=sent)[0].on_commit is None
    assert trace.faults == 0


def test_what_a_receiver_of_the_callbacks_dispatch_sends_was_not_sent_by_the_callback() -> None:
    def relay(sender: Any, **named: Any) -> None:
        sent.send("nested")

    mailed.receivers = []
    mailed.connect(relay)
    with trace_signals(all_threads=True) as trace, transaction.atomic():
        transaction.on_commit(functools.partial(send_mail))

    assert [(each.sender, each.on_commit) for each in trace.walk()] == [
        ("'mail'", "partial(test_transactions.send_mail)"),
        ("'nested'", None),
    ]


def test_a_rollback_discards_the_callbacks_of_its_savepoint_only() -> None:
    register(send_mail)
    with trace_signals() as trace:
        with transaction.atomic():
            send("kept")
            with failing():
                send("lost")
        with failing():
            send("all lost")

    assert callbacks(trace) == [
        ("send_mail", "default", "ran"),
        ("send_mail", "default", "discarded"),
        ("send_mail", "default", "discarded"),
    ]
    assert len(trace.find(signal=mailed)) == 1


def test_a_callback_that_raises_ends_the_others_as_ever() -> None:
    @transaction.atomic
    def run() -> None:
        send("first")
        send("second")

    register(send_mail_and_fail)
    with trace_signals() as trace:
        with pytest.raises(Failed):
            run()
        register(send_mail)
        send("after")
        register(send_mail_and_fail)
        with pytest.raises(Failed):
            send("at once")

    assert callbacks(trace) == [
        ("send_mail_and_fail", "default", "raised"),
        ("send_mail_and_fail", "default", "not_run"),
        ("send_mail", "default", "ran"),
        ("send_mail_and_fail", "default", "raised"),
    ]
    assert len(trace.find(signal=mailed)) == 3
    assert connection.run_on_commit == []


@pytest.mark.parametrize("inside", [True, False])
def test_a_robust_callback_that_raises_is_logged_as_ever(
    inside: bool, caplog: pytest.LogCaptureFixture
) -> None:
    filters = logging.getLogger("django.db.backends.base").filters[:]

    def run() -> list[Any]:
        caplog.clear()
        register(send_mail_and_fail, robust=True)
        if inside:
            with transaction.atomic():
                send("first")
                register(send_mail, robust=True)
                send("second")
        else:
            send("first")
        return [
            (each.name, each.levelname, each.getMessage(), each.funcName) for each in caplog.records
        ]

    untraced = run()
    with trace_signals() as trace:
        assert run() == untraced

    assert callbacks(trace) == [
        ("send_mail_and_fail", "default", "raised"),
        *([("send_mail", "default", "ran")] if inside else []),
    ]
    assert logging.getLogger("django.db.backends.base").filters == filters


def test_a_callback_that_registers_another_runs_both() -> None:
    def outer() -> None:
        with transaction.atomic():
            mailed.send("outer")
            transaction.on_commit(send_mail)
        mailed.send("outer again")

    with trace_signals() as trace, transaction.atomic():
        transaction.on_commit(outer)

    assert [
        (each.sender.strip("'"), (each.on_commit or "").rpartition(".")[2], each.in_atomic)
        for each in trace.walk()
    ] == [
        ("outer", "outer", ("default",)),
        ("mail", "send_mail", ()),
        ("outer again", "outer", ()),
    ]


def test_callbacks_of_a_transaction_that_outlives_the_trace_are_followed() -> None:
    register(send_mail)
    with transaction.atomic(), trace_signals() as trace:
        send("inside")

    assert callbacks(trace) == [("send_mail", "default", "ran")]
    assert trace.find(signal=mailed) == []


def test_what_is_no_callback_is_refused_as_ever() -> None:
    with trace_signals() as trace:
        with pytest.raises(TypeError, match="must be a callable"):
            transaction.on_commit("no")  # type: ignore[arg-type]  # on purpose
        with transaction.atomic(), pytest.raises(TypeError, match="must be a callable"):
            transaction.on_commit("no")  # type: ignore[arg-type]  # on purpose
        send("after")

    assert trace.faults == 0
    assert told(trace) == [("after", "")]


def test_captured_callbacks_are_the_users_own() -> None:
    register(send_mail)
    capturing = TestCase.captureOnCommitCallbacks()
    with trace_signals() as trace, capturing as captured, transaction.atomic():
        send("inside")
        found = [each[1] for each in connection.run_on_commit]

    assert found == [send_mail]
    assert captured == []  # No test case holds them back here, and so they ran.
    assert type(connection.run_on_commit) is list
    assert callbacks(trace) == [("send_mail", "default", "ran")]


def test_to_capture_callbacks_may_decorate_a_function_that_is_called_twice() -> None:
    with trace_signals():
        pass

    @TestCase.captureOnCommitCallbacks()
    def answer() -> str:
        return "answer"

    assert [answer(), answer()] == ["answer", "answer"]


def test_to_capture_callbacks_may_end_in_another_context() -> None:
    with trace_signals():
        pass
    capturing = TestCase.captureOnCommitCallbacks()

    assert contextvars.copy_context().run(capturing.__enter__) == []
    assert capturing.__exit__(None, None, None) is False


def test_only_a_limited_number_of_callbacks_is_kept(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 2}

    def receiver(sender: Any, **named: Any) -> None:
        for _ in range(5):
            transaction.on_commit(send_mail)

    sent.receivers = []
    sent.connect(receiver)
    with trace_signals() as trace, transaction.atomic():
        send("one")

    assert (len(callbacks(trace)), trace.omitted_details) == (2, 3)


def test_nothing_is_kept_of_a_callback_that_has_run_or_was_thrown_away() -> None:
    register(send_mail)
    with trace_signals():
        with transaction.atomic():
            send("runs")
        with failing():
            send("is thrown away")
        gc.collect()

        assert watched._waiting == {}


def test_callbacks_that_may_not_run_yet_stay_in_djangos_list() -> None:
    with trace_signals() as trace, transaction.atomic():
        transaction.on_commit(send_mail)
        held = connection.run_on_commit
        with pytest.raises(transaction.TransactionManagementError):
            connection.run_and_clear_commit_hooks()
        kept = connection.run_on_commit

    assert type(kept) is list
    assert kept is held
    assert held == []  # Django takes each out of this very list before it runs.
    assert [each.sender for each in trace.find(signal=mailed)] == ["'mail'"]


@pytest.mark.parametrize("inside", [True, False])
def test_what_a_callback_raised_is_known_to_be_logged_if_django_caught_it(inside: bool) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    def run(callback: Callable[[], None], robust: bool) -> None:
        register(callback, robust=robust)
        if inside:
            with transaction.atomic():
                send("first")
        else:
            send("first")

    with trace_signals() as trace:
        run(send_mail_and_fail, robust=True)
        run(send_mail, robust=True)
        with pytest.raises(Failed):
            run(send_mail_and_fail, robust=False)
        with pytest.raises(KeyboardInterrupt):  # No Exception: Django lets it through.
            run(stop, robust=True)

    assert [
        (each.outcome, each.was_logged)
        for call in trace.receiver_calls()
        for each in call.on_commit
    ] == [("raised", True), ("ran", False), ("raised", False), ("raised", False)]


def test_a_robust_callback_that_runs_inside_another_fails_alone() -> None:
    def outer() -> None:
        register(send_mail_and_fail, robust=True)
        with transaction.atomic():
            send("inner")

    register(outer, robust=True)
    with trace_signals() as trace, transaction.atomic():
        send("outer")

    # What runs in a callback is not below the receiver call that registered it.
    assert callbacks(trace) == [
        ("outer", "default", "ran"),
        ("send_mail_and_fail", "default", "raised"),
    ]


def test_what_is_no_callback_is_none_of_the_receiver_call() -> None:
    register("no")
    with trace_signals() as trace, pytest.raises(TypeError, match="must be a callable"):
        send("outside of a transaction")

    assert callbacks(trace) == []


def test_the_blocks_of_a_test_case_do_not_hide_those_in_it_if_the_trace_began_before() -> None:
    class Case(TestCase):
        def test(self) -> None:
            send("outside")
            failing_block()

    with trace_signals() as trace:
        result = unittest.TestResult()
        unittest.TestSuite([Case("test")]).run(result)

    assert result.wasSuccessful(), result.failures + result.errors
    assert told(trace) == [("outside", ""), ("in the block", "default lost")]


def test_a_trace_whose_transactions_have_ended_is_read_once() -> None:
    with trace_signals() as trace:
        with transaction.atomic():
            send("kept")
        failing_block()

    assert trace.dispatches is trace.dispatches


def test_a_savepoint_that_was_released_by_hand_is_over() -> None:
    class Case(TestCase):
        def test(self) -> None:
            sid = connection.savepoint()
            send("inside")
            connection.savepoint_commit(sid)
            send("after")

    with trace_signals() as trace:
        result = unittest.TestResult()
        unittest.TestSuite([Case("test")]).run(result)

    assert result.wasSuccessful(), result.failures + result.errors
    assert told(trace) == [("inside", "default kept"), ("after", "")]


def test_a_database_without_savepoints_loses_nothing_by_a_rollback_to_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection.features, "uses_savepoints", False)
    # SQLite's own does not ask that.
    monkeypatch.setattr(connection, "_savepoint_allowed", lambda: False)
    with trace_signals() as trace, transaction.atomic():
        send("inside")
        connection.savepoint_rollback("of no effect")

    assert told(trace) == [("inside", "default kept")]


def test_a_block_whose_end_was_missed_is_over_for_the_next_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with trace_signals() as first:
        block = transaction.atomic()
        block.__enter__()
        send("inside")
        with monkeypatch.context() as patch:
            patch.setattr(savepoints.thread, "is_tests", True)  # As if there were no room for us.
            patch.setattr(block, "_from_testcase", True)
            block.__exit__(None, None, None)
    with trace_signals() as second:
        send("after")

    assert told(first) == [("inside", "default kept")]
    assert told(second) == [("after", "")]


def test_after_uninstall_nothing_is_known_of_open_blocks() -> None:
    with transaction.atomic():
        with trace_signals():
            send("inside")
        uninstall()

        assert (savepoints.thread.stacks, savepoints.thread.here) == ({}, None)
