"""The traced code cannot tell: the same run without and with a trace, seen from inside and out."""

import asyncio
import functools
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import django
import pytest
from asgiref.sync import async_to_sync, markcoroutinefunction
from django.contrib.auth.models import User
from django.db.models import signals as model_signals
from django.dispatch import Signal
from observing import (
    SEND_METHODS,
    Stage,
    assert_same_traced,
    look_at,
    names,
    request_id,
    sending,
)

from signal_tracer import trace_signals


class Halt(BaseException):
    """Like KeyboardInterrupt, without what asyncio does about that one."""


class Order:
    """What signals are about."""


def function(stage: Stage) -> Any:
    def receiver(**named: Any) -> str:
        stage.note("subject", named)
        return "answer"

    return receiver


def bound_method(stage: Stage) -> Any:
    class Service:
        def receive(self, **named: Any) -> str:
            stage.note("subject", named)
            return "answer"

    stage.service = Service()
    return stage.service.receive


def static_method(stage: Stage) -> Any:
    class Service:
        @staticmethod
        def receive(**named: Any) -> None:
            stage.note("subject", named)

    return Service.receive


def class_method(stage: Stage) -> Any:
    class Service:
        @classmethod
        def receive(cls, **named: Any) -> str:
            stage.note("subject", named)
            return cls.__name__

    return Service.receive


def partial(stage: Stage) -> Any:
    return functools.partial(function(stage), extra="more")


def callable_instance(stage: Stage) -> Any:
    class Service:
        def __call__(self, **named: Any) -> str:
            stage.note("subject", named)
            return "answer"

    return Service()


def mock(stage: Stage) -> Any:
    return Mock(side_effect=lambda **named: stage.note("subject", named))


def magic_mock(stage: Stage) -> Any:
    return MagicMock(side_effect=lambda **named: stage.note("subject", named))


def failing_mock(stage: Stage) -> Any:
    # Has no __qualname__, so Django's send_robust() raises AttributeError.
    return Mock(side_effect=ValueError("no"))


def failing_partial(stage: Stage) -> Any:
    return functools.partial(raising(stage), extra="more")


def lambda_function(stage: Stage) -> Any:
    return lambda **named: stage.note("subject", named)


def class_as_receiver(stage: Stage) -> Any:
    class Job:
        def __init__(self, **named: Any) -> None:
            stage.note("subject", named)

        def __eq__(self, other: object) -> bool:
            return type(self).__qualname__ == type(other).__qualname__

        __hash__ = None  # type: ignore[assignment]

    return Job


def builtin(stage: Stage) -> Any:
    return "answer".format


def wrong_signature(stage: Stage) -> Any:
    def receiver() -> None: ...

    return receiver


def raising(stage: Stage) -> Any:
    def receiver(**named: Any) -> None:
        stage.note("subject", named)
        raise ValueError("no", 7)

    return receiver


def raising_from_a_cause(stage: Stage) -> Any:
    def receiver(**named: Any) -> None:
        try:
            {}["missing"]
        except KeyError as error:
            raise ValueError("no") from error

    return receiver


def raising_while_handling(stage: Stage) -> Any:
    def receiver(**named: Any) -> None:
        try:
            {}["missing"]
        except KeyError:
            raise ValueError("no")  # noqa: B904

    return receiver


def raising_stop_iteration(stage: Stage) -> Any:
    def receiver(**named: Any) -> None:
        # Not in a thread: a future refuses StopIteration, and Django's asend() waits for ever.
        if threading.current_thread() is threading.main_thread():
            raise StopIteration("stop")

    return receiver


def interrupting(stage: Stage) -> Any:
    def receiver(**named: Any) -> None:
        raise KeyboardInterrupt("stop")

    return receiver


def exiting(stage: Stage) -> Any:
    def receiver(**named: Any) -> None:
        raise SystemExit(3)

    return receiver


def halting(stage: Stage) -> Any:
    def receiver(**named: Any) -> None:
        raise Halt("stop")

    return receiver


def returning_an_exception(stage: Stage) -> Any:
    return lambda **named: ValueError("returned, not raised")


def disconnecting_itself(stage: Stage) -> Any:
    def receiver(**named: Any) -> bool:
        stage.note("subject", named)
        return stage.signal.disconnect(receiver)

    return receiver


def disconnecting_others(stage: Stage) -> Any:
    def receiver(**named: Any) -> list[bool]:
        stage.note("subject", named)
        others = [each for each in stage.receivers if each[0] != "subject"]
        return [stage.signal.disconnect(each) for _, each in others]

    return receiver


def connecting_others(stage: Stage) -> Any:
    def receiver(**named: Any) -> None:
        stage.note("subject", named)
        stage.connect("newcomer", lambda **named: stage.note("newcomer", named))
        stage.signal.send(stage.sender, again="yes") if "again" not in named else None

    return receiver


def recursing(stage: Stage) -> Any:
    def receiver(*, depth: int = 0, **named: Any) -> Any:
        stage.note("subject", {"depth": depth, **named})
        return depth if depth == 3 else stage.signal.send(stage.sender, depth=depth + 1)[1][1]

    return receiver


def sending_nested(stage: Stage) -> Any:
    other = Signal()

    def inner(**named: Any) -> str:
        stage.note("inner", named)
        return "inner answer"

    other.connect(inner, weak=False)

    def receiver(**named: Any) -> Any:
        stage.note("subject", named)
        return [response for _, response in other.send_robust(stage.sender)]

    return receiver


def setting_context(stage: Stage) -> Any:
    def receiver(**named: Any) -> None:
        stage.note("subject", named)
        request_id.set("set by subject")

    return receiver


def warning_at_every_level(stage: Stage) -> Any:
    def receiver(**named: Any) -> None:
        for level in (1, 2, 3, 4, 5):
            warnings.warn(f"level {level}", stacklevel=level)

    return receiver


def async_function(stage: Stage) -> Any:
    async def receiver(**named: Any) -> str:
        stage.note("subject", named)
        await asyncio.sleep(0)
        stage.note("subject, resumed", named)
        return "answer"

    return receiver


def async_callable(stage: Stage) -> Any:
    class Service:
        def __init__(self) -> None:
            markcoroutinefunction(self)

        async def __call__(self, **named: Any) -> str:
            stage.note("subject", named)
            return "answer"

    return Service()


def async_bound_method(stage: Stage) -> Any:
    class Service:
        async def receive(self, **named: Any) -> str:
            stage.note("subject", named)
            return "answer"

    stage.service = Service()
    return stage.service.receive


def async_partial(stage: Stage) -> Any:
    return functools.partial(async_function(stage), extra="more")


def async_mock(stage: Stage) -> Any:
    return AsyncMock(side_effect=lambda **named: stage.note("subject", named))


def async_failing_partial(stage: Stage) -> Any:
    return functools.partial(async_raising(stage), extra="more")


def async_raising(stage: Stage) -> Any:
    async def receiver(**named: Any) -> None:
        stage.note("subject", named)
        raise ValueError("no", 7)

    return receiver


def async_raising_late(stage: Stage) -> Any:
    async def receiver(**named: Any) -> None:
        await asyncio.sleep(0)
        try:
            await async_raising(stage)(**named)
        except ValueError as error:
            raise TypeError("worse") from error

    return receiver


def async_halting(stage: Stage) -> Any:
    async def receiver(**named: Any) -> None:
        await asyncio.sleep(0)
        raise Halt("stop")

    return receiver


def async_wrong_signature(stage: Stage) -> Any:
    async def receiver() -> None: ...

    return receiver


def async_setting_context(stage: Stage) -> Any:
    async def receiver(**named: Any) -> None:
        request_id.set("set by subject")
        await asyncio.sleep(0)
        stage.note("subject, resumed", named)

    return receiver


def async_sending_nested(stage: Stage) -> Any:
    other = Signal()

    async def inner(**named: Any) -> str:
        await asyncio.sleep(0)
        stage.note("inner", named)
        return "inner answer"

    other.connect(inner, weak=False)

    async def receiver(**named: Any) -> Any:
        stage.note("subject", named)
        return [response for _, response in await other.asend(stage.sender)]

    return receiver


def async_warning_at_every_level(stage: Stage) -> Any:
    async def receiver(**named: Any) -> None:
        for level in (1, 2, 3, 4):
            warnings.warn(f"level {level}", stacklevel=level)

    return receiver


def async_cancelling_itself(stage: Stage) -> Any:
    async def receiver(**named: Any) -> None:
        raise asyncio.CancelledError("given up")

    return receiver


def coroutine_left_alone(stage: Stage) -> Any:
    """A plain function that returns a coroutine: Django does not await it, and Python warns."""

    async def forgotten() -> None: ...

    def receiver(**named: Any) -> None:
        forgotten()

    return receiver


SUBJECTS: list[Callable[[Stage], Any]] = [
    function,
    bound_method,
    static_method,
    class_method,
    partial,
    callable_instance,
    mock,
    magic_mock,
    failing_mock,
    failing_partial,
    lambda_function,
    class_as_receiver,
    builtin,
    wrong_signature,
    raising,
    raising_from_a_cause,
    raising_while_handling,
    raising_stop_iteration,
    interrupting,
    exiting,
    halting,
    returning_an_exception,
    disconnecting_itself,
    disconnecting_others,
    connecting_others,
    recursing,
    sending_nested,
    setting_context,
    warning_at_every_level,
    coroutine_left_alone,
    async_function,
    async_callable,
    async_bound_method,
    async_partial,
    async_mock,
    async_failing_partial,
    async_raising,
    async_raising_late,
    async_halting,
    async_wrong_signature,
    async_setting_context,
    async_sending_nested,
    async_warning_at_every_level,
    async_cancelling_itself,
]


def stage_with(
    make: Callable[[Stage], Any], *, among_async: bool, sender: Any, only: str = ""
) -> Stage:
    """The subject between others; ``only`` "sync" or "async" ones where those two would race."""
    stage = Stage(signal=Signal(use_caching=sender is not None), sender=sender)

    def before(**named: Any) -> str:
        stage.note("before", named)
        return "before"

    async def async_before(**named: Any) -> str:
        stage.note("async before", named)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stage.note("async before, resumed", named)
        return "async before"

    def after(**named: Any) -> str:
        stage.note("after", named)
        return "after"

    async def async_after(**named: Any) -> str:
        stage.note("async after", named)
        request_id.set("set by async after")
        await asyncio.sleep(0)
        return "async after"

    if only != "async":
        stage.connect("before", before)
    if among_async and only != "sync":
        stage.connect("async before", async_before)
    stage.connect("subject", make(stage))
    if only != "async":
        stage.connect("after", after, sender=sender)
    if among_async and only != "sync":
        stage.connect("async after", async_after, sender=sender)
    return stage


@pytest.mark.parametrize("among_async", [False, True], ids=["alone", "among async"])
@pytest.mark.parametrize("method", SEND_METHODS)
@pytest.mark.parametrize("make", SUBJECTS, ids=lambda make: make.__name__)
def test_a_receiver_is_run_the_same_with_and_without_a_trace(
    make: Callable[[Stage], Any], method: str, among_async: bool
) -> None:
    sender = Order if among_async else None
    only = ""
    if django.VERSION < (6, 1) and method.startswith("a"):
        # Until 6.1 asend() runs the sync receivers in a thread beside the async ones.
        only = "async" if make.__name__.startswith("async") else "sync"

    def make_stage() -> Stage:
        return stage_with(make, among_async=among_async, sender=sender, only=only)

    seen, trace = assert_same_traced(make_stage, sending(method, amount=3))

    assert seen.responses is not None or seen.error is not None
    (dispatch,) = (each for each in trace.dispatches)
    assert dispatch.method == method
    assert dispatch.unwatched is None
    called_or_missed = len(dispatch.receiver_calls) + len(dispatch.near_misses)
    others = {"": 2, "sync": 2, "async": 0}[only] + {"": 2, "sync": 0, "async": 2}[
        only
    ] * among_async
    assert called_or_missed == 1 + others
    if seen.error is None:
        assert [call.outcome for call in dispatch.receiver_calls].count("raised") == 0


@pytest.mark.parametrize("method", ["send", "send_robust"])
def test_no_frame_of_ours_stands_around_a_synchronous_dispatch(method: str) -> None:
    def make_stage() -> Stage:
        return stage_with(function, among_async=False, sender=None)

    stage = make_stage()
    look_at(stage, sending(method), traced=True)

    assert stage.our_frames == [0, 0, 0]


@pytest.mark.parametrize("method", ["asend", "asend_robust"])
def test_an_async_method_called_from_sync_code_behaves_the_same(method: str) -> None:
    def make_stage() -> Stage:
        only = "async" if django.VERSION < (6, 1) else ""
        return stage_with(async_function, among_async=True, sender=Order, only=only)

    _, trace = assert_same_traced(
        make_stage, lambda stage: async_to_sync(getattr(stage.signal, method))(stage.sender)
    )

    assert [name for name in names(trace.receiver_calls()) if name not in {"before", "after"}] == [
        "async_before",
        "receiver",
        "async_after",
    ]


def test_the_responses_hold_the_receivers_themselves() -> None:
    for make in SUBJECTS:
        if make is coroutine_left_alone:
            continue  # Its warning is another test's.
        stage = Stage()
        subject = stage.connect("subject", make(stage))
        with trace_signals():
            try:
                responses = stage.signal.send_robust(None)
            except BaseException:
                continue
        assert responses[0][0] is subject, make.__name__


@pytest.mark.parametrize("method", SEND_METHODS)
@pytest.mark.parametrize(
    "arguments",
    [
        ((), {}),
        ((1, 2), {}),
        ((1,), {"sender": 2}),
        ((), {"sender": 1, "self": 2}),
        ((1,), {"self": 2}),
    ],
    ids=str,
)
def test_wrong_arguments_get_the_same_type_error(method: str, arguments: Any) -> None:
    positional, named = arguments

    def call(stage: Stage) -> Any:
        return getattr(stage.signal, method)(*positional, **named)

    seen, _ = assert_same_traced(Stage, call)

    assert seen.error[0] == "TypeError"
    assert f"Signal.{method}()" in seen.error[1][0]


@pytest.mark.parametrize("method", ["connect", "disconnect"])
def test_connecting_with_wrong_arguments_gets_the_same_type_error(method: str) -> None:
    seen, _ = assert_same_traced(Stage, lambda stage: getattr(stage.signal, method)(nonsense=1))

    assert seen.error[0] == "TypeError"
    assert f"Signal.{method}()" in seen.error[1][0]


UNHASHABLE: list[Callable[[], Any]] = [list, dict, User]


@pytest.mark.parametrize("method", SEND_METHODS)
@pytest.mark.parametrize("make_sender", UNHASHABLE, ids=["list", "dict", "unsaved instance"])
@pytest.mark.parametrize("heard", [False, True])
def test_an_unhashable_sender_is_treated_as_django_treats_it(
    make_sender: Callable[[], Any], method: str, heard: bool
) -> None:
    def make_stage() -> Stage:
        stage = Stage(sender=make_sender())
        if heard:
            stage.connect("subject", function(stage))
        return stage

    seen, _ = assert_same_traced(make_stage, sending(method))

    assert seen.error[0] == "TypeError" if heard else seen.responses == []


class Counted:
    """A sender that counts what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __hash__(self) -> int:
        self.asked.append("hash")
        return 1

    def __eq__(self, other: object) -> bool:
        self.asked.append("eq")
        return self is other

    def __bool__(self) -> bool:
        self.asked.append("bool")
        return True

    def __repr__(self) -> str:
        self.asked.append("repr")
        return "counted"

    __str__ = __repr__


class HashCounted:
    """A sender that counts how often it is hashed, and compares as any object does."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __hash__(self) -> int:
        self.asked.append("hash")
        return 1


class CountedMeta(type):
    asked: list[str] = []

    def __hash__(cls) -> int:
        cls.asked.append("hash")
        return 2

    def __eq__(cls, other: object) -> bool:
        cls.asked.append("eq")
        return cls is other


@pytest.mark.parametrize("method", SEND_METHODS)
@pytest.mark.parametrize("caching", [False, True])
@pytest.mark.parametrize("receivers", [0, 1, 2])
def test_a_sender_is_hashed_and_compared_as_often_as_django_does(
    method: str, caching: bool, receivers: int
) -> None:
    asked = []
    for traced in (False, True):
        counted_class = CountedMeta("CountedClass", (), {"asked": []})
        for sender in (Counted(), HashCounted(), counted_class):
            stage = Stage(signal=Signal(use_caching=caching), sender=sender)
            for number in range(receivers):
                # The second is for the sender only; without receivers there is one for others.
                stage.connect(f"{number}", function(stage), sender=sender if number else None)
            if not receivers:
                stage.connect("another's", function(stage), sender=Order)
            for _ in range(2):
                look_at(stage, sending(method), traced=traced)
            asked.append(list(sender.asked))

    assert asked[:3] == asked[3:]


@pytest.mark.parametrize("caching", [False, True])
def test_has_listeners_answers_the_same_and_records_nothing(caching: bool) -> None:
    def make_stage() -> Stage:
        stage = Stage(signal=Signal(use_caching=caching))
        stage.connect("subject", async_function(stage), sender=Order)
        return stage

    def ask(stage: Stage) -> Any:
        return str([stage.signal.has_listeners(each) for each in (str, Order, int)])

    seen, trace = assert_same_traced(make_stage, ask)

    assert seen.responses == "[False, True, False]"
    assert (trace.outline(), trace.unheard, trace.unwatched) == ("no dispatches", [], [])


def test_a_receiver_may_ask_has_listeners() -> None:
    def make_stage() -> Stage:
        stage = Stage()

        def asking(**named: Any) -> bool:
            return stage.signal.has_listeners()

        stage.connect("asking", asking)
        return stage

    seen, trace = assert_same_traced(make_stage, sending("send"))

    assert seen.responses == [("tuple", "asking", True)]
    assert trace.unwatched == []


def test_an_unheard_dispatch_is_counted_by_signal_and_sender() -> None:
    signal, cached = Signal(), Signal(use_caching=True)
    cached.connect(lambda **named: None, sender=int, weak=False)
    with trace_signals() as trace:
        for _ in range(3):
            signal.send(Order)
            cached.send_robust(Order)
        asyncio.run(signal.asend(Order))
        asyncio.run(cached.asend_robust(Order))

    assert trace.dispatches == []
    assert sorted((each.sender.rpartition(".")[2], each.count) for each in trace.unheard) == [
        ("Order", 4),
        ("Order", 4),
    ]


def test_a_weak_receiver_dies_as_it_would_without_a_trace() -> None:
    def make_stage() -> Stage:
        stage = Stage()
        stage.kept = function(stage)
        stage.signal.connect(stage.kept)
        stage.receivers.append(("kept", stage.kept))
        return stage

    def send_twice(stage: Stage) -> Any:
        first = stage.signal.send(None)
        del stage.kept
        stage.receivers.clear()
        del first
        return stage.signal.send(None)

    seen, trace = assert_same_traced(make_stage, send_twice)

    assert seen.responses == []
    assert [dispatch.method for dispatch in trace.dispatches] == ["send"]


@pytest.mark.parametrize("method", ["asend", "asend_robust"])
def test_a_coroutine_that_is_never_awaited_warns_at_the_same_moment(method: str) -> None:
    moments = []

    def forget(stage: Stage) -> str:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _forget_to_await(stage, method)
            moments.append([str(each.message) for each in caught])
        return "done"

    def make_stage() -> Stage:
        stage = Stage()
        stage.connect("subject", function(stage))
        return stage

    assert_same_traced(make_stage, forget)

    assert moments == [[f"coroutine 'Signal.{method}' was never awaited"]] * 2


def _forget_to_await(stage: Stage, method: str) -> None:
    # Held by a local variable, as it would be in real code.
    coroutine = getattr(stage.signal, method)(None)  # noqa: F841


def test_the_warning_of_a_deprecated_call_names_the_line_that_sent_the_signal() -> None:
    signal = Signal()

    def receiver(**named: Any) -> None:
        warnings.warn("old", DeprecationWarning, stacklevel=3)

    signal.connect(receiver)
    with trace_signals(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        signal.send(None)
        line = sys._getframe().f_lineno - 1

    assert [(each.filename, each.lineno) for each in caught] == [(__file__, line)]


@pytest.mark.django_db
def test_saving_a_model_sends_the_same_signals_in_the_same_order() -> None:
    def make_stage() -> Stage:
        return Stage(signal=model_signals.post_save, sender=User)

    def save(stage: Stage) -> Any:
        heard = []

        def receiver(signal: Any, sender: Any, **named: Any) -> None:
            heard.append((sender is User, named.get("created"), named["instance"].pk is None))

        for signal in (model_signals.pre_save, model_signals.post_save):
            signal.connect(receiver, sender=User)
        try:
            user = User(username=f"user {save.count}")
            save.count += 1
            user.save()
        finally:
            for signal in (model_signals.pre_save, model_signals.post_save):
                signal.disconnect(receiver, sender=User)
        return str(heard)

    save.count = 0  # type: ignore[attr-defined]
    seen, trace = assert_same_traced(make_stage, save)

    assert seen.responses == "[(True, None, True), (True, True, False)]"
    assert [dispatch.signal for dispatch in trace.find(sender=User)] == [
        "django.db.models.signals.pre_save",
        "django.db.models.signals.post_save",
    ]
