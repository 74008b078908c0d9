"""What it costs to go from sync code to async code and back, as ratios."""

import asyncio
from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter
from typing import Any

from asgiref.sync import sync_to_async
from django.core.management.base import BaseCommand
from django.dispatch import Signal

from delivery.models import Entry
from signal_tracer.tracer import uninstall

ROUNDS, TIMES = 15, 40


def make_sync() -> Callable[..., None]:
    return lambda **kwargs: None


def make_async() -> Callable[..., Awaitable[None]]:
    async def receiver(**kwargs: Any) -> None: ...

    return receiver


def signal_to(*receivers: Callable[..., Any]) -> Signal:
    signal = Signal()
    for receiver in receivers:
        signal.connect(receiver, weak=False)
    return signal


class Command(BaseCommand):
    help = __doc__

    def handle(self, **options: Any) -> None:
        uninstall()  # What is measured is Django.
        one, ten = signal_to(make_sync()), signal_to(*(make_sync() for _ in range(10)))
        one_async = signal_to(make_async())
        ten_async = signal_to(*(make_async() for _ in range(10)))
        entry = Entry.objects.create(text="a")

        self.say("In sync code: send() to 1 sync receiver", 1)
        self.say("send() to 10 sync receivers", ratio(one.send, ten.send))
        self.say("send() to 1 async receiver", ratio(one.send, one_async.send))
        self.say("send() to 10 async receivers", ratio(one.send, ten_async.send))
        asyncio.run(self.in_async_code(one, one_async, ten, ten_async, entry))

    async def in_async_code(
        self, one: Signal, one_async: Signal, ten: Signal, ten_async: Signal, entry: Entry
    ) -> None:
        self.say("\nIn async code: asend() to 1 async receiver", 1)
        for words, signal in (
            ("asend() to 10 async receivers", ten_async),
            ("asend() to 1 sync receiver", one),
            ("asend() to 10 sync receivers", ten),
        ):
            self.say(words, await async_ratio(one_async.asend, signal.asend))

        # In the thread of sync code, without a way there and back for each.
        self.say("\nIn sync code: save() (SQLite in memory)", 1)
        took = await sync_to_async(lambda: [timed(lambda _: entry.save()) for _ in range(ROUNDS)])()
        took_async = [await async_timed(lambda _: entry.asave()) for _ in range(ROUNDS)]
        self.say("In async code: asave()", median(took_async) / median(took))

    def say(self, words: str, times: float) -> None:
        head = "\n" if words.startswith("\n") else ""
        digits = 0 if times >= 10 else 1
        self.stdout.write(f"{head}{words.strip():<48}{times:7.{digits}f} ×")


def ratio(plain: Callable[..., Any], other: Callable[..., Any]) -> float:
    """How much longer ``other`` takes, run in turn with ``plain``."""
    pairs = [(timed(plain), timed(other)) for _ in range(ROUNDS)]
    return median(second / first for first, second in pairs)


async def async_ratio(plain: Callable[..., Any], other: Callable[..., Any]) -> float:
    pairs = [(await async_timed(plain), await async_timed(other)) for _ in range(ROUNDS)]
    return median(second / first for first, second in pairs)


def timed(run: Callable[..., Any]) -> float:
    """Seconds for one; a bridge waits for another thread, so what counts is the clock."""
    start = perf_counter()
    for _ in range(TIMES):
        run(Entry)
    return (perf_counter() - start) / TIMES


async def async_timed(run: Callable[..., Any]) -> float:
    start = perf_counter()
    for _ in range(TIMES):
        await run(Entry)
    return (perf_counter() - start) / TIMES
