"""Whether anything grows in a process that traces for long, over code that keeps changing.

    python benchmarks/soak.py [--traces 20000] [--dispatches 1000000]

Each trace runs code of its own, as the cells of a notebook do: a made-up file name, new classes,
signals, receivers, keyword arguments and statements, which all die with it; every tenth is a
request through the middleware. Then one trace of a million dispatches. Printed is the memory at
the start, in the middle and at the end, and how much all containers of ours hold, whichever module
or object of ours has them. The exit status is 1 if the second half needed more than the first.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
import tracemalloc
import types
from collections.abc import Callable, Iterator, MutableMapping, MutableSequence, MutableSet
from itertools import pairwise
from pathlib import Path
from typing import Any

TRACES = 20_000
DISPATCHES = 1_000_000
# What may be more at the end than in the middle: some caches are emptied when they are full.
FREE_ENTRIES = 500
FREE_RESIDENT_BYTES = 16_000_000
FREE_BYTES_A_TRACE = 100
FREE_BYTES_OF_A_LONG_TRACE = 100_000
# Two rounds of a cache that is emptied at a thousand entries.
WINDOW = 2_000

CELL = """
from django.db import connection, transaction
from django.dispatch import Signal
from signal_tracer.testing import mute

sent, unheard = Signal(use_caching=bool({n} % 2)), Signal()


class Parent_{n}: ...
class Child_{n}(Parent_{n}): ...
class Failed_{n}(Exception): ...


class Owner_{n}:
    def listen(self, **named): ...
    def __call__(self, **named): ...


def receive_{n}(sender, **named):
    try:
        raise Failed_{n}("handled {n}")
    except Failed_{n}:
        unheard.send(sender)
    with connection.cursor() as cursor:
        cursor.execute("SELECT {n}")


def fail_{n}(**named):
    raise Failed_{n}("swallowed {n}")


def commit_{n}(**named):
    with transaction.atomic():
        transaction.on_commit(lambda: None)


async def receive_async_{n}(**named): ...


owner = Owner_{n}()
sent.connect(receive_{n}, dispatch_uid="uid {n}")
sent.connect(fail_{n})
sent.connect(owner.listen)
sent.connect(owner)
sent.connect(commit_{n}, sender=Parent_{n})
for sender in (Parent_{n}, Child_{n}, Child_{n}()):
    sent.send_robust(sender, value_{n}={n}, owner=owner, password="secret {n}")
sent.receivers.reverse()
with mute(fail_{n}):
    sent.send(Parent_{n}, text="secret {n}")
unheard.send(Child_{n})
unheard.connect(receive_async_{n}, sender=Parent_{n})


async def main():
    await unheard.asend(Parent_{n})
"""


def run_cell(number: int) -> None:
    """Run code that nobody has seen before, and of which nothing is left."""
    module = types.ModuleType(f"cell_{number}")
    if number % 50 == 0:
        sys.modules[module.__name__] = module
    try:
        code = compile(CELL.format(n=number), f"<cell {number}>", "exec")
        exec(code, vars(module))
        if number % 20 == 0:
            asyncio.run(module.main())
    finally:
        sys.modules.pop(module.__name__, None)


def view(request: Any, number: int) -> Any:
    from django.http import HttpResponse

    run_cell(number)
    return HttpResponse(f"{number}")


class Urls:
    """A URLconf that needs no settings until it is asked."""

    def __iter__(self) -> Iterator[Any]:
        from django.urls import path

        yield path("cell/<int:number>/", view)


urlpatterns = Urls()


def run_one(number: int, client: Any) -> None:
    """A cell, or every tenth time a request that runs it."""
    if number % 10 == 0:
        client.get(f"/cell/{number}/")
    else:
        run_cell(number)


def trace_one(number: int, client: Any) -> None:
    from signal_tracer import trace_signals

    if number % 10 == 0:
        run_one(number, client)
        return
    with trace_signals(f"cell {number}") as trace:
        run_cell(number)
    if trace.faults:
        raise SystemExit(f"The tracer failed to record {trace.faults} times in cell {number}.")
    if number % 3:
        trace.findings()
        trace.to_json()


# What is ours and could grow


def containers() -> dict[str, int]:
    """How many entries each container has that a module or an object of ours holds."""
    gc.collect()
    found: dict[str, int] = {}
    seen: set[int] = set()
    for name, module in list(sys.modules.items()):
        if name == "signal_tracer" or name.startswith("signal_tracer."):
            for attribute, value in list(vars(module).items()):
                if not attribute.startswith("__"):
                    _measure(f"{name}.{attribute}", value, found, seen, 0)
    return found


def _measure(path: str, value: Any, found: dict[str, int], seen: set[int], depth: int) -> None:
    if id(value) in seen or depth > 5:
        return
    seen.add(id(value))
    if hasattr(value, "cache_info"):
        info = value.cache_info()
        if info.maxsize is None:
            found[f"{path}.cache_info()"] = info.currsize
    elif isinstance(value, types.ModuleType):
        return
    elif isinstance(value, MutableMapping | MutableSequence | MutableSet):
        found[path] = len(value)
        if isinstance(value, dict):
            for key, each in list(value.items()):
                _measure(f"{path}[{key!s:.60}]", each, found, seen, depth + 1)
    if type(value).__module__.startswith("signal_tracer") or (
        isinstance(value, type | types.FunctionType)
        and value.__module__.startswith("signal_tracer")
    ):
        for name, each in _attributes(value):
            _measure(f"{path}.{name}", each, found, seen, depth + 1)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    yield from list(getattr(value, "__dict__", {}).items())
    for cls in type(value).__mro__:
        for name in getattr(cls, "__slots__", ()):
            if hasattr(value, name):
                yield name, getattr(value, name)
    for name, cell in zip(
        getattr(getattr(value, "__code__", None), "co_freevars", ()),
        getattr(value, "__closure__", None) or (),
        strict=False,
    ):
        yield name, cell.cell_contents


def most(run: Callable[[int], object], first: int, last: int, every: int) -> dict[str, int]:
    """The most entries that each container had while ``run(first)`` to ``run(last - 1)`` ran."""
    found: dict[str, int] = {}
    for number in range(first, last):
        run(number)
        if (number + 1 - first) % every == 0:
            for path, size in containers().items():
                found[path] = max(size, found.get(path, 0))
    return found


def grown(before: dict[str, int], after: dict[str, int], free: int = 0) -> dict[str, str]:
    """The containers that have more entries than before, and how many."""
    return {
        path: f"{before.get(path, 0):,} to {size:,}"
        for path, size in after.items()
        if size > before.get(path, 0) + free
    }


# Measuring


def resident() -> int:
    """Bytes of the process in memory; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def bytes_kept(run: Callable[[int], object], first: int, last: int) -> float:
    """How many bytes each run leaves behind, which nothing ever takes back.

    The least of four parts: a table that Python makes anew, larger, is not left by one run.
    """
    tracemalloc.start()
    try:
        run(first)
        size = max((last - first - 1) // 4, 1)
        seen = []
        for start in range(first + 1, first + 1 + 4 * size, size):
            gc.collect()
            seen.append(tracemalloc.get_traced_memory()[0])
            for number in range(start, start + size):
                run(number)
        gc.collect()
        seen.append(tracemalloc.get_traced_memory()[0])
        return min(after - before for before, after in pairwise(seen)) / size
    finally:
        tracemalloc.stop()


def show(moment: str, figure: str) -> None:
    sizes = containers()
    entries = f"{sum(sizes.values()):,} entries in {len(sizes)} containers of ours"
    in_memory = f"resident {resident() / 1e6:6.1f} MB"
    print(f"  {moment:<22}", figure, in_memory, entries, sep="   ", flush=True)


def soak_traces(count: int, client: Any) -> list[str]:
    """Trace ``count`` times, and return what grew."""
    from django.test import Client, override_settings

    with override_settings(MIDDLEWARE=[]):
        plain_client = Client()
        run_one(0, plain_client)  # It asks for its middleware once.

    def run(number: int) -> None:
        trace_one(number, client)

    def run_untraced(number: int) -> None:
        run_one(number, plain_client)

    def soaked(first: int, last: int) -> tuple[dict[str, int], float, int]:
        window = min(WINDOW, (last - first) // 2)
        sizes = most(run, first, last - window, max(count // 200, 1))
        in_memory = resident()  # Before tracemalloc, which keeps the name of each file.
        kept = bytes_kept(run, last - window, last)
        show(f"at trace {last:,}", f"a trace leaves {kept:5,.0f} B")
        return sizes, kept, in_memory

    soaked(0, count // 4)
    # Python itself keeps something for each new name, and Django 5.2 for each connection.
    untraced = bytes_kept(run_untraced, 1_000_000, 1_000_000 + min(WINDOW, count // 4))
    show("untraced", f"a run leaves   {untraced:5,.0f} B")
    middle, _, in_memory = soaked(count // 4, count * 5 // 8)
    end, kept, in_memory_at_end = soaked(count * 5 // 8, count)
    problems = [
        f"{path} grew from {change}" for path, change in grown(middle, end, FREE_ENTRIES).items()
    ]
    if kept - untraced > FREE_BYTES_A_TRACE:
        problems.append(f"a trace leaves {kept - untraced:,.0f} B more than its code untraced")
    if in_memory_at_end - in_memory > FREE_RESIDENT_BYTES:
        gained = (in_memory_at_end - in_memory) / 1e6
        problems.append(f"resident memory grew by {gained:.1f} MB")
    return problems


def soak_dispatches(count: int) -> list[str]:
    """Send ``count`` times in one trace, and return what grew."""
    from django.dispatch import Signal

    from signal_tracer import trace_signals

    signal = Signal()
    signal.connect(listen)
    allocated = []
    tracemalloc.start()
    with trace_signals() as trace:
        for first, last in ((0, count // 10), (count // 10, count // 2), (count // 2, count)):
            for number in range(first, last):
                signal.send(None, number=number)
            gc.collect()
            allocated.append(tracemalloc.get_traced_memory()[0])
            show(f"at dispatch {last:,}", f"allocated {allocated[-1] / 1e6:6.2f} MB")
    tracemalloc.stop()
    problems = []
    if allocated[2] - allocated[1] > FREE_BYTES_OF_A_LONG_TRACE:
        problems.append(f"the trace grew by {allocated[2] - allocated[1]:,} B")
    kept = len(trace.dispatches)
    if kept + trace.omitted != count or trace.faults:
        problems.append(f"{kept:,} kept and {trace.omitted:,} omitted, {trace.faults} faults")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description="Whether anything grows while the tracer runs.")
    parser.add_argument("--traces", type=int, default=TRACES, help="how many traces")
    parser.add_argument("--dispatches", type=int, default=DISPATCHES, help="of the long trace")
    options = parser.parse_args()
    set_up()

    from django.test import Client

    print(f"{options.traces:,} traces, each of new code")
    problems = soak_traces(options.traces, Client())
    print(f"One trace of {options.dispatches:,} dispatches")
    problems += soak_dispatches(options.dispatches)
    for problem in problems:
        print(f"GROWS: {problem}")
    if not problems:
        print("Nothing grows.")
    return 1 if problems else 0


def listen(sender: object, **named: object) -> None: ...


def set_up() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.modules["soak"] = sys.modules[__name__]

    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["signal_tracer"],
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="only for benchmarks",
        USE_TZ=True,
        **SETTINGS,
    )
    django.setup()
    logging.getLogger("django.dispatch").addHandler(logging.NullHandler())
    logging.getLogger("django.dispatch").propagate = False


# What the cells want to find, in the tests as well.
SETTINGS: dict[str, Any] = {
    "ROOT_URLCONF": "soak",
    "MIDDLEWARE": ["signal_tracer.middleware.SignalTracerMiddleware"],
    "SIGNAL_TRACER": {
        "ENABLED": True,
        "RECORD_HANDLED_EXCEPTIONS": True,
        "RECORD_CACHE_CALLS": True,
    },
}


if __name__ == "__main__":
    sys.exit(main())
