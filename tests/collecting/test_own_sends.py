"""Subclasses of Signal with send methods of their own: watched, or said not to be."""

import asyncio
import gc
import logging
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.dispatch import Signal
from observing import SEND_METHODS, Stage, assert_same_traced, names, sending

from signal_tracer import Trace, trace_signals
from signal_tracer.tracer import uninstall


def short(trace: Trace) -> list[str]:
    """The outline without what stands before the last dot of a receiver."""
    lines = []
    for line in trace.outline().split("\n"):
        name, _, rest = line.strip().partition("  ")
        indent = line[: len(line) - len(line.lstrip())]
        if name.startswith("<"):
            name = name.rpartition(".")[2]
        lines.append(f"{indent}{name.rpartition('.')[2]}  {rest}".rstrip())
    return lines


class PluginSignal(Signal):
    """Sends to the receivers of active plugins only, in the order of their names."""

    def _is_active(self, receiver: Any) -> bool:
        return not receiver.__name__.startswith("inactive")

    def _sorted_receivers(self, sender: Any) -> list[Any]:
        return sorted(self._live_receivers(sender)[0], key=lambda each: each.__name__)

    def send(self, sender: Any, **named: Any) -> list[tuple[Any, Any]]:
        return [
            (receiver, receiver(signal=self, sender=sender, **named))
            for receiver in self._sorted_receivers(sender)
            if self._is_active(receiver)
        ]

    def send_chained(self, sender: Any, chain: str, **named: Any) -> Any:
        response = named.get(chain)
        for receiver in self._sorted_receivers(sender):
            response = receiver(signal=self, sender=sender, **{**named, chain: response})
        return response

    def send_robust(self, sender: Any, **named: Any) -> Iterator[tuple[Any, Any]]:
        for receiver in self._sorted_receivers(sender):
            try:
                yield receiver, receiver(signal=self, sender=sender, **named)
            except Exception as error:
                self._log_robust_failure(receiver, error)
                yield receiver, error

    async def asend(self, sender: Any, **named: Any) -> list[Any]:
        await asyncio.sleep(0)
        return [
            await receiver(signal=self, sender=sender, **named)
            for receiver in self._live_receivers(sender)[1]
        ]


class LoudSignal(Signal):
    """Adds an argument to each dispatch, and leaves the sending to Django."""

    def send(self, sender: Any, **named: Any) -> Any:
        return super().send(sender, loud=True, **named)

    def send_robust(self, sender: Any, **named: Any) -> Any:
        return super().send_robust(sender, loud=True, **named)

    async def asend(self, sender: Any, **named: Any) -> Any:
        return await super().asend(sender, loud=True, **named)

    def asend_robust(self, sender: Any, **named: Any) -> Any:
        # Not a coroutine function, as many an override is.
        return super().asend_robust(sender, loud=True, **named)


class OrderedSignal(Signal):
    """Runs the receivers in the order of their names, sorted in Django's own list."""

    def _live_receivers(self, sender: Any) -> Any:
        synchronous, asynchronous = super()._live_receivers(sender)
        synchronous.sort(key=lambda each: each.__name__)
        asynchronous.sort(key=lambda each: each.__name__)
        return synchronous, asynchronous


class FilteringSignal(Signal):
    def _live_receivers(self, sender: Any) -> Any:
        return tuple(
            [each for each in receivers if not each.__name__.startswith("inactive")]
            for receivers in super()._live_receivers(sender)
        )


class OddSignal(Signal):
    """Takes other arguments than Django's, and returns what it likes."""

    def send(self, event: Any, *more: Any, **named: Any) -> Any:
        for receiver in self._live_receivers(event)[0]:
            receiver(signal=self, sender=event, **named)
        return (event, more)


def stage_of(kind: type[Signal]) -> Stage:
    stage = Stage(signal=kind(), sender=int)

    def zebra(**named: Any) -> str:
        stage.note("zebra", named)
        return "zebra's"

    def ant(**named: Any) -> str:
        stage.note("ant", named)
        return "ant's"

    def inactive_mole(**named: Any) -> str:
        stage.note("mole", named)
        return "mole's"

    async def yak(**named: Any) -> str:
        stage.note("yak", named)
        return "yak's"

    async def bee(**named: Any) -> str:
        stage.note("bee", named)
        return "bee's"

    for receiver in (zebra, ant, inactive_mole, yak, bee):
        stage.connect(receiver.__name__, receiver)
    return stage


KINDS = [PluginSignal, LoudSignal, OrderedSignal, FilteringSignal, OddSignal]


@pytest.mark.parametrize("method", SEND_METHODS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_subclass_behaves_the_same_with_and_without_a_trace(
    kind: type[Signal], method: str
) -> None:
    def make_stage() -> Stage:
        stage = stage_of(kind)
        if method.startswith("a"):
            # Until Django 6.1 asend() runs the two sorts at the same time.
            stage.signal.receivers = [each for each in stage.signal.receivers if each[-1]]
        return stage

    def send(stage: Stage) -> Any:
        answer = sending(method, amount=3)(stage)
        return list(answer) if isinstance(answer, Iterator) else answer

    _, trace = assert_same_traced(make_stage, send)

    assert trace.dispatches or trace.unwatched


def test_receivers_of_a_loop_that_cannot_be_watched_are_named() -> None:
    stage = stage_of(PluginSignal)
    with trace_signals() as trace:
        stage.signal.send(int)

    assert short(trace) == [
        "send  sender=int",
        "  ant  NOT WATCHED",
        "  zebra  NOT WATCHED",
    ]


def test_a_send_that_lets_django_do_it_is_one_dispatch_and_watched() -> None:
    stage = stage_of(LoudSignal)
    with trace_signals() as trace:
        stage.signal.send(int)

    assert short(trace) == [
        "send  sender=int",
        "  zebra",
        "  ant",
        "  inactive_mole",
        "  yak  ASYNC",
        "  bee  ASYNC",
    ]
    assert trace.dispatches[0].unwatched is None


@pytest.mark.parametrize("method", ["asend", "asend_robust"])
async def test_an_asend_that_lets_django_do_it_is_one_dispatch_and_watched(method: str) -> None:
    stage = stage_of(LoudSignal)
    with trace_signals() as trace:
        await getattr(stage.signal, method)(int)

    assert short(trace)[0] == f"{method}  sender=int"
    assert sorted(names(trace.receiver_calls())) == ["ant", "bee", "inactive_mole", "yak", "zebra"]
    assert len(trace.dispatches) == 1


def test_an_unheard_dispatch_of_a_subclass_is_counted_once() -> None:
    with trace_signals() as trace:
        LoudSignal().send(int)
        PluginSignal().send(str)

    assert trace.dispatches == []
    assert sorted((each.sender, each.count) for each in trace.unheard) == [("int", 1), ("str", 1)]


def test_receivers_that_a_subclass_has_sorted_keep_their_names() -> None:
    stage = stage_of(OrderedSignal)
    with trace_signals() as trace:
        responses = stage.signal.send(int)

    assert [receiver.__name__ for receiver, _ in responses] == [
        "ant",
        "inactive_mole",
        "zebra",
        "bee",
        "yak",
    ]
    assert [(call.receiver[-3:], call.response) for call in trace.receiver_calls()] == [
        ("ant", "ant's"),
        ("ole", "mole's"),
        ("bra", "zebra's"),
        ("bee", "bee's"),
        ("yak", "yak's"),
    ]


def test_a_failure_after_sorting_names_the_receivers_that_did_not_run() -> None:
    signal = OrderedSignal()

    def zebra(**named: Any) -> None: ...

    def ant(**named: Any) -> None:
        raise ValueError("no")

    signal.connect(zebra)
    signal.connect(ant)
    with trace_signals() as trace, pytest.raises(ValueError, match="no"):
        signal.send(None)

    assert short(trace)[1:] == ["  ant  RAISED ValueError: no", "  zebra  NOT RUN"]


def test_a_list_that_a_subclass_has_filtered_is_watched_as_well() -> None:
    stage = stage_of(FilteringSignal)
    with trace_signals() as trace:
        stage.signal.send(int)

    assert short(trace)[1:] == [
        "  zebra",
        "  ant",
        "  yak  ASYNC",
        "  bee  ASYNC",
    ]


def test_a_loop_that_returns_no_list_of_responses_is_said_to_be_unwatched() -> None:
    stage = stage_of(OddSignal)
    with trace_signals() as trace:
        assert stage.signal.send(event=int) == (int, ())
        assert stage.signal.send(str, 1, 2) == (str, (1, 2))

    assert [(each.sender, each.unwatched) for each in trace.dispatches] == [
        ("None", []),
        ("str", []),
    ]


def test_a_loop_that_raises_is_said_to_be_unwatched() -> None:
    signal = PluginSignal()

    def failing(**named: Any) -> None:
        raise ValueError("no")

    signal.connect(failing)
    with trace_signals() as trace, pytest.raises(ValueError, match="no"):
        signal.send(None)

    (dispatch,) = trace.dispatches
    assert dispatch.unwatched == []
    assert str(dispatch.error) == "ValueError: no"


def test_nobody_asks_what_a_subclass_returns_whether_it_is_true() -> None:
    class Touchy:
        def __bool__(self) -> bool:
            raise AssertionError("asked")

        __len__ = __eq__ = __bool__  # type: ignore[assignment]
        __hash__ = None  # type: ignore[assignment]

    class Answering(Signal):
        def send(self, sender: Any, **named: Any) -> Any:
            return Touchy()

    with trace_signals() as trace:
        assert type(Answering().send(None)) is Touchy

    assert trace.faults == 0


def test_a_method_that_is_no_send_is_counted_as_unwatched() -> None:
    stage = stage_of(PluginSignal)
    with trace_signals() as trace:
        assert stage.signal.send_chained(int, "price", price=3) == "zebra's"
        assert len(list(stage.signal.send_robust(int))) == 3

    assert sorted((each.method, each.count) for each in trace.unwatched) == [
        ("send_chained", 1),
        ("send_robust", 1),
    ]


def test_a_loop_inside_a_receiver_does_not_mark_the_receiver_as_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inner, outer = PluginSignal(), Signal()

    def failing(**named: Any) -> None:
        raise ValueError("no")

    def receiver(**named: Any) -> None:
        list(inner.send_robust(None))

    inner.connect(failing)
    outer.connect(receiver)
    with caplog.at_level(logging.CRITICAL), trace_signals() as trace:
        outer.send(None)

    assert [call.outcome for call in trace.find(receiver=receiver)[0].receiver_calls] == [
        "returned"
    ]


def test_a_subclass_defined_after_the_tracer_was_installed_is_watched() -> None:
    with trace_signals() as trace:

        class Late(Signal):
            def send(self, sender: Any, **named: Any) -> Any:
                return [(receiver, 1) for receiver in self._live_receivers(sender)[0]]

        late = Late()

        def receiver(**named: Any) -> None: ...

        late.connect(receiver)
        late.send(None)

    assert short(trace) == ["send  sender=None", "  receiver  NOT WATCHED"]


def test_a_subclass_with_an_init_subclass_of_its_own_is_not_missed_in_silence() -> None:
    class Quiet(Signal):
        def __init_subclass__(cls) -> None: ...

    def receiver(**named: Any) -> None: ...

    with trace_signals() as trace:

        class Late(Quiet):
            def send(self, sender: Any, **named: Any) -> Any:
                return [(receiver, 1) for receiver in self._live_receivers(sender)[0]]

        late = Late()
        late.connect(receiver)
        late.send(None)

    assert [(each.method, each.count) for each in trace.unwatched] == [("send", 1)]


def test_a_class_that_takes_keywords_is_created_as_without_the_tracer() -> None:
    class Mixin:
        def __init_subclass__(cls, /, colour: str, **others: Any) -> None:
            cls.colour = colour  # type: ignore[attr-defined]
            super().__init_subclass__(**others)

    errors = []
    for tracing in (False, True):
        with trace_signals() if tracing else asyncio.Runner():

            class Coloured(Signal, Mixin, colour="red"): ...

            assert Coloured.colour == "red"  # type: ignore[attr-defined]
            with pytest.raises(TypeError) as raised:
                type("Wrong", (Signal,), {}, shape="round")
            errors.append(str(raised.value))
    assert errors[0] == errors[1]


def test_a_send_of_a_mixin_is_not_missed_in_silence() -> None:
    """Nor is it taken for one when it belongs to something else than a signal."""

    class Mixin:
        def send(self, sender: Any, **named: Any) -> None:
            for receiver in self._live_receivers(sender)[0]:  # type: ignore[attr-defined]
                receiver(signal=self, sender=sender, **named)

    class Mixed(Mixin, Signal): ...  # type: ignore[misc]

    class Letterbox(Mixin):
        def _live_receivers(self, sender: Any) -> Any:
            return [], []

    stage = stage_of(Mixed)
    with trace_signals() as trace:
        stage.signal.send(None)
        Letterbox().send(None)

    assert [(each.method, each.unwatched) for each in trace.dispatches] == [("send", [])]


def test_uninstalling_gives_subclasses_their_own_methods_back() -> None:
    originals = [dict(vars(kind)) for kind in KINDS]
    with trace_signals():
        assert vars(LoudSignal)["send"] is not originals[1]["send"]
        assert iscoroutinefunction(LoudSignal.asend)
        assert not iscoroutinefunction(LoudSignal.asend_robust)
    uninstall()

    for kind, original in zip(KINDS, originals, strict=True):
        assert [name for name in original if vars(kind)[name] is not original[name]] == []


def test_a_send_that_survives_djangos_keeps_no_async_receiver_alive() -> None:
    class Forgiving(Signal):
        async def asend(self, sender: Any, **named: Any) -> Any:
            try:
                return await super().asend(sender, **named)
            except ValueError:
                return []

    async def send() -> bool:
        signal = Forgiving()

        async def failing(**named: Any) -> None:
            raise ValueError

        signal.connect(failing)
        reference = weakref.ref(failing)
        await signal.asend(None)
        del failing
        await asyncio.sleep(0)
        gc.collect()
        return reference() is None

    assert asyncio.run(send())
    with trace_signals() as trace:
        assert asyncio.run(send())
    assert [call.outcome for call in trace.receiver_calls()] == ["raised"]
