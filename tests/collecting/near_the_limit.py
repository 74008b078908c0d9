"""What receivers near the recursion limit end in; a process of its own, since it might never end.

``python near_the_limit.py {untraced,plain,handled}`` prints for each receiver what came of it when
it was sent from each of many depths, and what was left behind.
"""

# ruff: noqa: SIM105  # what is tried is the except itself

import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, cast

import django
from django.conf import settings

HOW = sys.argv[1]
settings.configure(
    LOGGING_CONFIG=None,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    SIGNAL_TRACER={"RECORD_HANDLED_EXCEPTIONS": HOW == "handled"},
)
django.setup()
logging.disable(logging.CRITICAL)

from django.contrib.auth.models import Group  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models.signals import post_save  # noqa: E402
from django.dispatch import Signal  # noqa: E402

from signal_tracer import Trace, trace_signals  # noqa: E402
from signal_tracer.collecting import nodes, savepoints  # noqa: E402
from signal_tracer.collecting.watching import exceptions  # noqa: E402

sent = Signal()


class Catching:
    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        return kind is RecursionError


def down() -> None:
    down()


def down_with_except() -> None:
    try:
        down_with_except()
    except RecursionError:
        pass


def down_with_finally() -> None:
    try:
        down_with_finally()
    finally:
        len("")


def down_with_with() -> None:
    with Catching():
        down_with_with()


def down_to_another_error() -> None:
    try:
        down_to_another_error()
    except RecursionError:
        raise ValueError from None


def down_in_generators() -> Iterator[None]:
    yield from down_in_generators()


async def down_in_coroutines() -> None:
    await down_in_coroutines()


def down_in_blocks() -> None:
    with transaction.atomic(savepoint=False):
        down_in_blocks()


def down_in_callbacks() -> None:
    transaction.on_commit(down_in_callbacks, robust=True)


# Receivers


def sends_itself(**named: Any) -> None:
    sent.send(None)


def sends_itself_robustly(**named: Any) -> None:
    sent.send_robust(None)


def sends_itself_in_try(**named: Any) -> None:
    try:
        sent.send(None)
    except RecursionError:
        pass


def sends_itself_in_finally(**named: Any) -> None:
    try:
        sent.send(None)
    finally:
        len("")


def sends_itself_in_with(**named: Any) -> None:
    with Catching():
        sent.send(None)


def goes_down(**named: Any) -> None:
    with contextlib.suppress(RecursionError):
        down()


def goes_down_again_and_again(**named: Any) -> None:
    for _ in range(3):
        try:
            down()
        except RecursionError:
            continue


def goes_down_with_except(**named: Any) -> None:
    down_with_except()


def goes_down_with_finally(**named: Any) -> None:
    down_with_finally()


def goes_down_with_with(**named: Any) -> None:
    down_with_with()


def goes_down_to_another_error(**named: Any) -> None:
    down_to_another_error()


def goes_down_in_generators(**named: Any) -> None:
    list(down_in_generators())


def goes_down_in_blocks(**named: Any) -> None:
    down_in_blocks()


def goes_down_in_callbacks(**named: Any) -> None:
    down_in_callbacks()


async def goes_down_in_coroutines(**named: Any) -> None:
    await down_in_coroutines()


def is_interrupted(**named: Any) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    while True:
        down_with_except()


def saves_itself(instance: Any, **named: Any) -> None:
    instance.save()


def saves_itself_in_try(instance: Any, **named: Any) -> None:
    try:
        instance.save()
    except RecursionError:
        pass


def catches(**named: Any) -> None:
    try:
        raise ValueError
    except ValueError:
        pass


def commits(**named: Any) -> None:
    with transaction.atomic():
        transaction.on_commit(catches, robust=True)


def traces(**named: Any) -> None:
    with contextlib.nullcontext() if HOW == "untraced" else trace_signals():
        Signal().send(None)


# Each receiver, and from how many depths it is tried: those that go down themselves from the
# bottom on, as many as one round of theirs has frames; the others from the limit downwards.
RECEIVERS: dict[Callable[..., Any], int] = {
    sends_itself: 20,
    sends_itself_robustly: 12,
    sends_itself_in_try: 12,
    sends_itself_in_finally: 12,
    sends_itself_in_with: 12,
    goes_down: 12,
    goes_down_again_and_again: 12,
    goes_down_with_except: 12,
    goes_down_with_finally: 12,
    goes_down_with_with: 12,
    goes_down_to_another_error: 12,
    goes_down_in_generators: 12,
    goes_down_in_blocks: 12,
    goes_down_in_callbacks: 12,
    goes_down_in_coroutines: 12,
    is_interrupted: 3,
    saves_itself: 25,
    saves_itself_in_try: 25,
    catches: 60,
    commits: 60,
    traces: 60,
}


def at_depth(depth: int, receiver: Callable[..., Any]) -> str:
    if depth:
        return at_depth(depth - 1, receiver)
    try:
        if receiver in (saves_itself, saves_itself_in_try):
            Group(pk=1, name="a").save()
        elif receiver is goes_down_in_coroutines:
            asyncio.run(cast("Coroutine[Any, Any, Any]", sent.asend(None)))
        else:
            sent.send(None)
    except BaseException as error:
        return type(error).__name__
    return "returned"


def what_is_left() -> list[str]:
    place = savepoints.thread
    left = {
        "a trace": nodes.current.get() is not None,
        "a watcher of exceptions": exceptions._tool_id is not None or exceptions._caught != {},
        "a place": (place.here, place.callback, place.stacks, place.is_tests)
        != (None, None, {}, False),
        "a block": connection.in_atomic_block or connection.atomic_blocks != [],
        "a list of ours": type(connection.run_on_commit) is not list,
        "a filter": logging.getLogger("django.db.backends.base").filters != [],
    }
    return [name for name, is_left in left.items() if is_left]


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    signal.signal(signal.SIGALRM, interrupt)
    with connection.schema_editor() as editor:
        editor.create_model(Group)
    came: dict[str, list[str]] = {}
    for receiver, depths in RECEIVERS.items():
        answers = set()
        for number in range(depths):
            depth = number
            watched: Any = post_save if receiver.__name__.startswith("saves") else sent
            watched.connect(receiver)
            if receiver in (catches, commits, traces):
                depth = sys.getrecursionlimit() - 5 - number
            with contextlib.nullcontext() if HOW == "untraced" else trace_signals() as trace:
                answers.add(at_depth(depth, receiver))
            watched.disconnect(receiver)
            answers.update(f"left {each}" for each in what_is_left())
            if isinstance(trace, Trace):
                trace.to_json()
        came[receiver.__name__] = sorted(answers)
    print(json.dumps(came))


if __name__ == "__main__":
    main()
