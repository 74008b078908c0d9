"""Random trees of signals and receivers: the same with a trace as without, and traced as grown."""

import asyncio
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.dispatch import Signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signal_tracer import trace_signals


@dataclass(frozen=True)
class Receiver:
    """What a receiver does: sends, then raises or returns."""

    is_async: bool
    raises: bool
    sends: "tuple[Dispatch, ...]"


@dataclass(frozen=True)
class Dispatch:
    """One send; ``robust`` or not, and never by ``asend`` from a synchronous receiver."""

    robust: bool
    caught: bool
    receivers: tuple[Receiver, ...]


# Receivers of both sorts under one dispatch run in an order of their own (the async ones last), and
# bridges from one sort to the other deadlock in Django itself when they nest. So below an async
# receiver all are async, and below a synchronous one all are synchronous.
def trees(is_async: bool) -> st.SearchStrategy[Dispatch]:
    def grow(dispatches: st.SearchStrategy[Dispatch]) -> st.SearchStrategy[Dispatch]:
        receivers = st.builds(
            Receiver,
            is_async=st.just(is_async),
            raises=st.booleans(),
            sends=st.lists(dispatches, max_size=3).map(tuple),
        )
        return st.builds(
            Dispatch,
            robust=st.booleans(),
            caught=st.booleans(),
            receivers=st.lists(receivers, max_size=4).map(tuple),
        )

    bare = st.builds(Dispatch, robust=st.booleans(), caught=st.booleans(), receivers=st.just(()))
    return st.recursive(bare, grow, max_leaves=12)


class Failed(Exception):
    """Raised by a receiver of the tree."""


class Grown:
    """The signals and receivers of a tree, connected, and what they did."""

    def __init__(self, tree: Dispatch) -> None:
        self.journal: list[str] = []
        self.kept: list[Any] = []
        self.signals: dict[str, Signal] = {}
        self.grow(tree, "0")

    def grow(self, dispatch: Dispatch, path: str) -> None:
        signal = self.signals[path] = Signal()
        for number, receiver in enumerate(dispatch.receivers):
            below = f"{path}-{number}"
            signal.connect(self.receiver(receiver, below), weak=False)
            for index, sent in enumerate(receiver.sends):
                self.grow(sent, f"{below}-{index}")

    def receiver(self, receiver: Receiver, path: str) -> Any:
        def run(**named: Any) -> str:
            self.journal.append(path)
            for index, sent in enumerate(receiver.sends):
                self.send(sent, f"{path}-{index}")
            if receiver.raises:
                raise Failed(path)
            return path

        async def arun(**named: Any) -> str:
            self.journal.append(path)
            await asyncio.sleep(0)
            for index, sent in enumerate(receiver.sends):
                await self.asend(sent, f"{path}-{index}")
                await asyncio.sleep(0)
            if receiver.raises:
                raise Failed(path)
            return path

        chosen = arun if receiver.is_async else run
        chosen.__qualname__ = f"receiver_{path}"
        return chosen

    def send(self, dispatch: Dispatch, path: str) -> None:
        signal = self.signals[path]
        try:
            if dispatch.robust:
                self.note(path, signal.send_robust(path))
            else:
                self.note(path, signal.send(path))
        except Failed as error:
            self.journal.append(f"{path} failed with {error}")
            if not dispatch.caught:
                raise

    async def asend(self, dispatch: Dispatch, path: str) -> None:
        signal = self.signals[path]
        try:
            if dispatch.robust:
                self.note(path, await signal.asend_robust(path))
            else:
                self.note(path, await signal.asend(path))
        except Failed as error:
            self.journal.append(f"{path} failed with {error}")
            if not dispatch.caught:
                raise

    def note(self, path: str, responses: list[tuple[Any, Any]]) -> None:
        answers = [f"{receiver.__qualname__}: {response!r}" for receiver, response in responses]
        self.journal.append(f"{path} answered {answers}")


def expected_outline(dispatch: Dispatch, path: str, depth: int = 0) -> tuple[list[str], bool]:
    """The outline of a synchronous tree, and whether its dispatch raises."""
    if not dispatch.receivers:
        return [], False
    method = "send_robust" if dispatch.robust else "send"
    pad = "  " * depth
    lines = []
    error = ""
    for number, receiver in enumerate(dispatch.receivers):
        below = f"{path}-{number}"
        if error:
            lines.append(f"{pad}  receiver_{below}  NOT RUN")
            continue
        failed, nested = "", []
        for index, sent in enumerate(receiver.sends):
            more, raised = expected_outline(sent, f"{below}-{index}", depth + 2)
            nested += more
            if raised and not sent.caught:
                failed = origin(sent, f"{below}-{index}")
                break
        if not failed and receiver.raises:
            failed = below
        marks = []
        if failed:
            marks.append("SWALLOWED" if dispatch.robust else "RAISED")
            error = "" if dispatch.robust else failed
        if receiver.is_async:
            marks.append("ASYNC")
        if failed:
            marks.append(f"Failed: {failed}")
        lines += [f"{pad}  receiver_{below}  {' '.join(marks)}".rstrip(), *nested]
    fate = "  RAISED" if error else ""
    return [f"{pad}{method}  sender='{path}'{fate}", *lines], bool(error)


def origin(dispatch: Dispatch, path: str) -> str:
    """The receiver whose exception leaves the dispatch."""
    for number, receiver in enumerate(dispatch.receivers):
        below = f"{path}-{number}"
        for index, sent in enumerate(receiver.sends):
            if not sent.caught and expected_outline(sent, f"{below}-{index}")[1]:
                return origin(sent, f"{below}-{index}")
        if receiver.raises:
            return below
    raise AssertionError("nothing raises")


def seen_outline(trace: Any) -> list[str]:
    lines = []
    for line in trace.outline().split("\n") if trace.dispatches else []:
        name, _, rest = line.strip().partition("  ")
        pad = line[: len(line) - len(line.lstrip())]
        lines.append(f"{pad}{name.rpartition('.')[2]}  {rest}".rstrip())
    return lines


# The guard around each test is a fixture of a function; it need not run for each example.
many = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@many
@given(trees(is_async=False))
def test_a_synchronous_tree_runs_the_same_and_is_traced_as_grown(tree: Dispatch) -> None:
    untraced, traced = Grown(tree), Grown(tree)
    tree = Dispatch(tree.robust, True, tree.receivers)
    untraced.send(tree, "0")
    with trace_signals() as trace:
        traced.send(tree, "0")

    assert traced.journal == untraced.journal
    assert seen_outline(trace) == expected_outline(tree, "0")[0]
    assert trace.faults == 0
    unheard = sum(each.count for each in trace.unheard)
    assert unheard == sum(line.endswith("answered []") for line in traced.journal)


def all_robust(dispatch: Dispatch) -> Dispatch:
    """The same tree without exceptions that end a dispatch while siblings still run."""
    return Dispatch(
        True,
        dispatch.caught,
        tuple(
            Receiver(each.is_async, each.raises, tuple(map(all_robust, each.sends)))
            for each in dispatch.receivers
        ),
    )


@many
@given(trees(is_async=True).map(all_robust))
def test_an_async_tree_runs_the_same_and_is_traced_as_grown(tree: Dispatch) -> None:
    untraced, traced = Grown(tree), Grown(tree)
    asyncio.run(untraced.asend(tree, "0"))
    with trace_signals() as trace:
        asyncio.run(traced.asend(tree, "0"))

    assert traced.journal == untraced.journal
    expected = [
        line.replace("send_robust", "asend_robust") for line in expected_outline(tree, "0")[0]
    ]
    assert seen_outline(trace) == expected
    assert trace.faults == 0


@many
@given(trees(is_async=True))
def test_an_async_tree_in_which_anything_fails_runs_the_same(tree: Dispatch) -> None:
    journals, errors = [], []
    for traced in (False, True):
        grown = Grown(tree)
        with trace_signals() if traced else asyncio.Runner() as trace:
            try:
                asyncio.run(grown.asend(tree, "0"))
                errors.append(None)
            except Exception as error:
                errors.append(describe(error))
        journals.append(grown.journal)

    assert journals[1] == journals[0]
    assert errors[1] == errors[0]
    assert trace.faults == 0
    known = set(grown.signals)
    assert {each.sender.strip("'") for each in trace.walk()} <= known
    for dispatch in trace.walk():
        path = dispatch.sender.strip("'")
        for call in dispatch.receiver_calls:
            # Each call stands under its dispatch, and each nested dispatch under its call.
            assert call.receiver.rpartition("_")[2].rpartition("-")[0] == path
            for nested in call.dispatches:
                assert (
                    nested.sender.strip("'").rpartition("-")[0] == call.receiver.rpartition("_")[2]
                )


def describe(error: BaseException) -> Any:
    inner = getattr(error, "exceptions", ())
    return (type(error).__name__, str(error.args[0]), [describe(each) for each in inner])


@settings(many, max_examples=40)
@given(trees(is_async=True).map(all_robust))
def test_an_async_tree_sent_from_synchronous_code_is_traced_as_grown(tree: Dispatch) -> None:
    untraced, traced = Grown(tree), Grown(tree)
    async_to_sync(untraced.asend)(tree, "0")
    with trace_signals() as trace:
        async_to_sync(traced.asend)(tree, "0")

    assert traced.journal == untraced.journal
    expected = [
        line.replace("send_robust", "asend_robust") for line in expected_outline(tree, "0")[0]
    ]
    assert seen_outline(trace) == expected


@settings(many, max_examples=40)
@given(trees(is_async=False), trees(is_async=True).map(all_robust))
def test_both_sorts_under_one_dispatch_each_keep_what_they_nest(
    below_sync: Dispatch, below_async: Dispatch
) -> None:
    below_sync = Dispatch(below_sync.robust, True, below_sync.receivers)
    tree = Dispatch(
        True,
        True,
        (Receiver(False, False, (below_sync,)), Receiver(True, True, (below_async,))),
    )
    untraced, traced = Grown(tree), Grown(tree)
    untraced.send(tree, "0")
    with trace_signals() as trace:
        traced.send(tree, "0")

    assert traced.journal == untraced.journal
    synchronous = expected_outline(below_sync, "0-0-0", 2)[0]
    asynchronous = [
        line.replace("send_robust", "asend_robust")
        for line in expected_outline(below_async, "0-1-0", 2)[0]
    ]
    assert seen_outline(trace) == [
        "send_robust  sender='0'",
        "  receiver_0-0",
        *synchronous,
        "  receiver_0-1  SWALLOWED ASYNC Failed: 0-1",
        *asynchronous,
    ]
