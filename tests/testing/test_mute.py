"""``mute()``: receivers do not run in a block and its context, and nothing else changes."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Group, Permission, User
from django.db.models.signals import post_delete, post_save, pre_delete
from django.dispatch import Signal

from search.models import SearchEntry
from signal_tracer import trace_signals
from signal_tracer.collecting import muting, nodes
from signal_tracer.testing import mute
from signal_tracer.testing.lookup import UnknownNameError

paid = Signal()
placed = Signal()
cached = Signal(use_caching=True)
ran: list[str] = []


def book(**named: Any) -> str:
    ran.append("book")
    return "booked"


def notify(**named: Any) -> str:
    ran.append("notify")
    return "notified"


async def ship(**named: Any) -> str:
    ran.append("ship")
    return "shipped"


def relay(**named: Any) -> None:
    ran.append("relay")
    placed.send("relayed")


class Desk:
    def ring(self, **named: Any) -> str:
        ran.append("ring")
        return "rang"


@contextmanager
def connected(signal: Signal, *receivers: Any, sender: Any = None) -> Iterator[None]:
    for receiver in receivers:
        signal.connect(receiver, sender=sender)
    try:
        yield
    finally:
        for receiver in receivers:
            signal.disconnect(receiver, sender=sender)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    ran.clear()
    with connected(paid, book, notify, ship), connected(cached, book, sender=User):
        yield


def what_ran(run: Callable[[], Any]) -> list[str]:
    ran.clear()
    run()
    return ran[:]


def pay() -> Any:
    return paid.send("till")


# What can be muted


def test_a_muted_signal_calls_none_of_its_receivers_and_answers_nothing() -> None:
    with mute(paid):
        assert (pay(), ran) == ([], [])
    assert what_ran(pay) == ["book", "notify", "ship"]


def test_a_muted_receiver_is_left_out_and_the_others_answer_in_their_order() -> None:
    with mute(book):
        assert pay() == [(notify, "notified"), (ship, "shipped")]


def test_an_async_receiver_is_muted_like_another() -> None:
    with mute(ship):
        assert pay() == [(book, "booked"), (notify, "notified")]


@pytest.mark.parametrize("name", ["test_mute.paid", "test_mute.notify"])
def test_signals_and_receivers_may_be_given_by_dotted_name(name: str) -> None:
    expected = [] if name.endswith("paid") else ["book", "ship"]
    with mute(name):
        assert what_ran(pay) == expected


def test_a_name_is_imported_if_nobody_has_done_so() -> None:
    with mute("django.core.signals.setting_changed", "django.test.signals.update_installed_apps"):
        pass


def test_a_closure_is_muted_by_the_name_that_a_trace_gives_it() -> None:
    def inner(**named: Any) -> None:
        ran.append("inner")

    name = f"{__name__}.test_a_closure_is_muted_by_the_name_that_a_trace_gives_it.<locals>.inner"
    with connected(paid, inner), mute(name):
        assert what_ran(pay) == ["book", "notify", "ship"]


def test_only_narrows_a_signal_to_some_of_its_receivers() -> None:
    with connected(placed, book), mute(paid, only=book):
        assert what_ran(pay) == ["notify", "ship"]
        assert what_ran(lambda: placed.send(None)) == ["book"]
    with mute(paid, only=["test_mute.notify", ship]):
        assert what_ran(pay) == ["book"]


def test_sender_narrows_a_mute_to_what_that_sender_sends() -> None:
    with mute(paid, sender=User):
        assert what_ran(lambda: paid.send(User)) == []
        assert what_ran(lambda: paid.send(Group)) == ["book", "notify", "ship"]
    with mute(book, sender="auth.User"):
        assert what_ran(lambda: paid.send(User)) == ["notify", "ship"]
        assert what_ran(lambda: paid.send(Group)) == ["book", "notify", "ship"]


def test_a_method_is_muted_for_one_instance_or_for_all() -> None:
    left, right = Desk(), Desk()
    with connected(placed, left.ring, right.ring):
        with mute(left.ring):
            assert placed.send(None) == [(right.ring, "rang")]
        with mute(Desk.ring):
            assert placed.send(None) == []


def test_a_receiver_below_a_decorator_is_found_through_it() -> None:
    import functools

    @functools.wraps(book)
    def decorated(**named: Any) -> Any:
        return book(**named)

    with mute(decorated):
        assert what_ran(pay) == ["notify", "ship"]


@pytest.mark.parametrize(
    ("what", "options", "error", "message"),
    [
        ((), {}, TypeError, "mute() wants at least one signal, receiver or dotted name."),
        (
            (5,),
            {},
            TypeError,
            "mute() wants signals, receivers or dotted names, not a int.",
        ),
        (
            (User,),
            {},
            TypeError,
            (
                "auth.User is a model, which mute() cannot mute by itself. Name the signals and "
                "give it as their sender: mute(post_save, sender=...)."
            ),
        ),
        (
            (book,),
            {"only": notify},
            TypeError,
            "mute(only=...) is about the receivers of a signal: name the signal.",
        ),
        ((paid,), {"only": placed}, TypeError, "mute(only=...) takes receivers, not signals."),
        (
            ("test_mute.notfy",),
            {},
            UnknownNameError,
            "There is no signal or receiver 'test_mute.notfy'. Did you mean 'test_mute.notify'?",
        ),
        (
            ("post_svae",),
            {},
            UnknownNameError,
            (
                "There is no signal or receiver 'post_svae'. "
                "Did you mean 'django.db.models.signals.post_save'?"
            ),
        ),
        (
            ("nowhere.at.all",),
            {},
            UnknownNameError,
            (
                "There is no signal or receiver 'nowhere.at.all'. "
                "Give its dotted path, as a trace shows it."
            ),
        ),
        (
            (paid,),
            {"sender": "auth.Usr"},
            UnknownNameError,
            "There is no model or class 'auth.Usr'. Did you mean 'auth.User'?",
        ),
    ],
)
def test_what_cannot_be_muted_is_said_at_once(
    what: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        mute(*what, **options)
    assert str(raised.value) == message


# Every way to send


@pytest.mark.parametrize("method", ["send", "send_robust", "asend", "asend_robust"])
@pytest.mark.parametrize("is_traced", [False, True])
def test_every_send_method_leaves_the_muted_out(method: str, is_traced: bool) -> None:
    send = getattr(paid, method)
    if method.startswith("a"):
        send = async_to_sync(send)
    with ExitStack() as stack:
        if is_traced:
            stack.enter_context(trace_signals())
        with mute(notify):
            assert send("till") == [(book, "booked"), (ship, "shipped")]
        with mute(paid):
            assert send("till") == []
        assert send("till") == [(book, "booked"), (notify, "notified"), (ship, "shipped")]


class Chaining(Signal):
    """Loops over its receivers itself, as pretix does."""

    def send(self, sender: Any, **named: Any) -> Any:
        return [
            (each, each(signal=self, sender=sender)) for each in self._live_receivers(sender)[0]
        ]


@pytest.mark.parametrize("is_traced", [False, True])
def test_a_signal_with_a_loop_of_its_own_is_muted_too(is_traced: bool) -> None:
    chaining = Chaining()
    with ExitStack() as stack:
        stack.enter_context(connected(chaining, book, notify))
        if is_traced:
            stack.enter_context(trace_signals())
        with mute(book):
            assert chaining.send(None) == [(notify, "notified")]
        with mute(chaining):
            assert chaining.send(None) == []


def test_receivers_that_are_called_by_other_receivers_are_muted_too() -> None:
    with connected(placed, book), connected(paid, relay), mute(placed):
        assert what_ran(pay) == ["book", "notify", "relay", "ship"]


def test_without_any_receiver_there_is_nothing_to_mute() -> None:
    with mute(placed):
        assert placed.send("nobody listens") == []


# The block, and what is around it


def test_mutes_may_be_nested() -> None:
    with mute(book):
        with mute(notify):
            assert what_ran(pay) == ["ship"]
        assert what_ran(pay) == ["notify", "ship"]
    assert what_ran(pay) == ["book", "notify", "ship"]


def test_one_mute_may_be_entered_again_after_it_ended_and_while_it_lasts() -> None:
    muting = mute(book, notify)
    for _ in range(2):
        with muting:
            with muting:
                assert what_ran(pay) == ["ship"]
            assert what_ran(pay) == ["ship"]
        assert what_ran(pay) == ["book", "notify", "ship"]


def test_an_exception_ends_the_mute_and_goes_on() -> None:
    with pytest.raises(ZeroDivisionError), mute(paid):
        1 / 0  # noqa: B018
    assert what_ran(pay) == ["book", "notify", "ship"]


def test_mutes_that_end_out_of_order_each_end_what_they_began() -> None:
    first, second = mute(book), mute(notify)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert what_ran(pay) == ["book", "ship"]
    second.__exit__(None, None, None)
    assert what_ran(pay) == ["book", "notify", "ship"]


def test_a_receiver_that_connects_inside_the_block_is_muted_there_and_runs_after_it() -> None:
    with mute(placed):
        placed.connect(book)
        assert what_ran(lambda: placed.send(None)) == []
    assert what_ran(lambda: placed.send(None)) == ["book"]
    placed.disconnect(book)


def test_disconnecting_inside_the_block_lasts() -> None:
    with mute(paid):
        assert paid.disconnect(book)
    assert what_ran(pay) == ["notify", "ship"]


def test_everything_is_as_before_compared_with_is() -> None:
    cached.send(User)
    receivers, entries = paid.receivers, list(paid.receivers)
    cached_receivers, for_users = cached.receivers, cached.sender_receivers_cache[User]
    with mute(paid, cached):
        pay()
        cached.send(User)
        assert paid.receivers is receivers
        assert cached.sender_receivers_cache[User] is for_users
        assert (paid.has_listeners("till"), cached.has_listeners(User)) == (True, True)
    assert paid.receivers is receivers
    assert all(now is then for now, then in zip(paid.receivers, entries, strict=True))
    assert cached.receivers is cached_receivers
    assert cached.sender_receivers_cache[User] is for_users


# Other contexts


def test_another_threads_signals_run() -> None:
    with mute(paid):
        thread = threading.Thread(target=pay)
        thread.start()
        thread.join()
        assert ran == ["book", "notify", "ship"]
        assert what_ran(pay) == []


def test_two_threads_mute_each_for_themselves() -> None:
    found: dict[str, list[Any]] = {}
    both_muted = threading.Barrier(2, timeout=30)

    def work(name: str, receiver: Any) -> None:
        with mute(receiver):
            both_muted.wait()
            found[name] = [response for _, response in pay()]
            both_muted.wait()

    threads = [threading.Thread(target=work, args=each) for each in (("a", book), ("b", notify))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a": ["notified", "shipped"], "b": ["booked", "shipped"]}


def test_two_tasks_mute_each_for_themselves_and_share_one_mute() -> None:
    async def work(muting: Any, arrived: asyncio.Event, go_on: asyncio.Event) -> list[Any]:
        with muting:
            arrived.set()
            await go_on.wait()
            return [response for _, response in await paid.asend("till")]

    async def both(first: Any, second: Any) -> Any:
        events = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(
            work(first, *events), work(second, events[1], events[0]), paid.asend("till")
        )

    apart = asyncio.run(both(mute(book), mute(notify)))
    shared = mute(book)
    together = asyncio.run(both(shared, shared))
    everything = [(book, "booked"), (notify, "notified"), (ship, "shipped")]
    assert apart == [["notified", "shipped"], ["booked", "shipped"], everything]
    assert together == [["notified", "shipped"], ["notified", "shipped"], everything]
    assert what_ran(pay) == ["book", "notify", "ship"]


def test_a_mute_that_two_contexts_share_ends_in_each_by_itself() -> None:
    muting = mute(paid)
    one, other = copy_context(), copy_context()
    one.run(muting.__enter__)
    other.run(muting.__enter__)
    one.run(muting.__exit__, None, None, None)
    assert what_ran(lambda: one.run(pay)) == ["book", "notify", "ship"]
    assert what_ran(lambda: other.run(pay)) == []
    other.run(muting.__exit__, None, None, None)
    assert what_ran(lambda: other.run(pay)) == ["book", "notify", "ship"]


def test_what_a_block_awaits_or_runs_in_djangos_threads_is_muted() -> None:
    async def work() -> Any:
        with mute(book):
            return await sync_to_async(pay)(), await asyncio.create_task(paid.asend("till"))

    expected = [(notify, "notified"), (ship, "shipped")]
    assert async_to_sync(work)() == (expected, expected)


def test_a_task_that_outlasts_the_block_is_no_longer_muted() -> None:
    async def work() -> Any:
        go_on = asyncio.Event()

        async def later() -> Any:
            await go_on.wait()
            return await paid.asend("till")

        with mute(paid):
            task = asyncio.create_task(later())
            await asyncio.sleep(0)
        go_on.set()
        return await task

    assert len(asyncio.run(work())) == 3


# Django's own senders


@pytest.mark.django_db
def test_models_are_saved_and_deleted_as_before_and_their_receivers_do_not_run() -> None:
    for signal in (post_save, pre_delete, post_delete):
        signal.connect(book, sender=Group)
    try:
        with mute(post_save, "pre_delete", post_delete, sender=Group):
            group = Group.objects.create(name="potters")
            group.save()
            assert Group.objects.filter(name="potters").delete() == (1, {"auth.Group": 1})
        assert ran == []
        Group.objects.create(name="potters").delete()
        assert ran == ["book", "book", "book"]
    finally:
        for signal in (post_save, pre_delete, post_delete):
            signal.disconnect(book, sender=Group)


@pytest.mark.django_db
def test_the_fixture_that_everybody_copies_mutes_for_ever_and_ours_does_not() -> None:
    """It replaces ``signal.receivers``; a queryset delete then caches "no receivers"."""

    @contextmanager
    def copied_fixture(signal: Any) -> Iterator[None]:
        receivers, signal.receivers = signal.receivers, []
        try:
            yield
        finally:
            signal.receivers = receivers

    def delete_one() -> list[str]:
        permission = Permission.objects.exclude(pk=0).first()
        return what_ran(lambda: Permission.objects.filter(pk=permission.pk).delete())

    with connected(post_delete, book, sender=Permission):
        assert delete_one() == ["book"]
        # Empty the cache, as any connect() or the first delete of a process finds it.
        post_delete.sender_receivers_cache.clear()
        with mute(post_delete, sender=Permission):
            assert delete_one() == []
        assert delete_one() == ["book"]

        post_delete.sender_receivers_cache.clear()
        with copied_fixture(post_delete):
            assert delete_one() == []
        assert delete_one() == [], "the defect: they are back, and do not run"
        post_delete.sender_receivers_cache.clear()
        assert delete_one() == ["book"]


@pytest.mark.django_db
def test_a_mute_does_not_change_the_way_in_which_django_deletes(
    django_assert_num_queries: Any,
) -> None:
    def delete() -> None:
        SearchEntry.objects.create(product_number=7, words="a bowl")
        with django_assert_num_queries(2):  # The rows are looked at first: someone listens.
            SearchEntry.objects.filter(product_number=7).delete()

    with connected(post_delete, book, sender=SearchEntry):
        delete()
        with mute(post_delete):
            delete()
    assert ran == ["book"]


# In a trace


def test_muted_receivers_are_near_misses_of_a_trace() -> None:
    with trace_signals() as trace, mute(book, ship):
        pay()
    assert trace.outline().split("\n") == [
        "test_mute.paid.send  sender='till'",
        "  test_mute.notify",
        "  test_mute.book  MUTED",
        "  test_mute.ship  MUTED ASYNC",
    ]
    [dispatch] = trace.dispatches
    assert [(miss.receiver, miss.reason, miss.is_async) for miss in dispatch.near_misses] == [
        ("test_mute.book", "muted", False),
        ("test_mute.ship", "muted", True),
    ]
    assert dispatch.near_misses[0].defined_at is not None


def test_a_dispatch_whose_receivers_are_all_muted_is_recorded_and_not_unheard() -> None:
    with trace_signals() as trace, mute(paid):
        pay()
        async_to_sync(paid.asend_robust)("till")
    muted = [
        "  test_mute.book  MUTED",
        "  test_mute.notify  MUTED",
        "  test_mute.ship  MUTED ASYNC",
    ]
    assert trace.outline().split("\n") == [
        "test_mute.paid.send  sender='till'",
        *muted,
        "test_mute.paid.asend_robust  sender='till'",
        *muted,
    ]
    assert (trace.unheard, trace.unwatched, trace.faults) == ([], [], 0)


def test_a_loop_of_its_own_names_the_muted_as_well() -> None:
    chaining = Chaining()
    with connected(chaining, book), trace_signals() as trace, mute(chaining):
        chaining.send(None)
    [dispatch] = trace.dispatches
    assert [(miss.receiver, miss.reason) for miss in dispatch.near_misses] == [
        ("test_mute.book", "muted")
    ]


def test_a_trace_names_the_right_receivers_after_the_mute() -> None:
    with connected(placed, book, notify), trace_signals() as trace:
        for muted in (book, notify):
            with mute(muted):
                placed.send(None)
        placed.send(None)
    assert trace.outline().split("\n") == [
        "test_mute.placed.send  sender=None",
        "  test_mute.notify",
        "  test_mute.book  MUTED",
        "test_mute.placed.send  sender=None",
        "  test_mute.book",
        "  test_mute.notify  MUTED",
        "test_mute.placed.send  sender=None",
        "  test_mute.book",
        "  test_mute.notify",
    ]


def test_a_receiver_that_raises_before_a_muted_one_leaves_both_reasons() -> None:
    def fail(**named: Any) -> None:
        raise ValueError("no")

    with (
        connected(placed, fail, book, notify),
        trace_signals() as trace,
        mute(notify),
        pytest.raises(ValueError, match="no"),
    ):
        placed.send(None)
    [dispatch] = trace.dispatches
    assert [(miss.receiver, miss.reason) for miss in dispatch.near_misses] == [
        ("test_mute.book", "not_run"),
        ("test_mute.notify", "muted"),
    ]


def test_a_dispatch_of_muted_receivers_beyond_the_limit_is_counted_once(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 1}
    with trace_signals() as trace, mute(paid):
        for _ in range(3):
            pay()
    assert len(trace.dispatches) == 1
    assert trace.omitted + sum(each.count for each in trace.unheard) == 2


def test_a_context_that_outlasts_the_block_is_not_muted_because_another_block_is() -> None:
    with mute(paid):
        inside = copy_context()
    with mute(placed):
        inside.run(paid.send, "later")

    assert ran == ["book", "notify", "ship"]


def test_a_mute_that_is_over_leaves_nothing_behind() -> None:
    before = set(nodes.special)
    with mute(paid), mute(placed):
        assert len(muting.in_force.get()) == 2

    assert muting.in_force.get() == ()
    assert nodes.special == before  # A dispatch is handed over as quickly as before.
