"""What tracing costs, as ratios against untraced Django, interleaved in one process.

    python benchmarks/overhead.py            a table
    python benchmarks/overhead.py --json     the same for machines

Each workload runs in turn without the tracer installed, with it installed and this context
untraced, and traced; a ratio compares runs that were neighbours, so that a machine whose speed
drifts does not matter. What is counted is processor time, of all threads, so that other processes
matter little. The receivers are empty and the database is SQLite in memory: the worst
case, since everything real makes the tracer's share smaller.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import platform
import statistics
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from types import SimpleNamespace

import django
from django.conf import settings

sys.path.insert(0, str(Path(__file__).parents[1]))

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["signal_tracer", "debug_toolbar", "django.contrib.staticfiles"],
    DEBUG_TOOLBAR_PANELS=["signal_tracer.panel.SignalTracerPanel"],
    STATIC_URL="static/",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="only for benchmarks",
    USE_TZ=True,
)
django.setup()
logging.getLogger("django.dispatch").addHandler(logging.NullHandler())
logging.getLogger("django.dispatch").propagate = False

from django.db import connection, models  # noqa: E402
from django.db.models.signals import post_save  # noqa: E402
from django.dispatch import Signal  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from django.urls import include, path  # noqa: E402

from signal_tracer import trace_signals  # noqa: E402
from signal_tracer.panel import SignalTracerPanel  # noqa: E402
from signal_tracer.sampling import is_sampled  # noqa: E402
from signal_tracer.tracer import uninstall  # noqa: E402

DJANGOS_OWN = dict(vars(Signal))


class Row(models.Model):
    title = models.CharField(max_length=50)
    count = models.IntegerField(default=0)

    class Meta:
        app_label = "overhead"


with connection.schema_editor() as editor:
    editor.create_model(Row)


def first(sender: object, **kwargs: object) -> None: ...
def second(sender: object, **kwargs: object) -> None: ...
def third(sender: object, **kwargs: object) -> None: ...


for receiver in (first, second, third):
    post_save.connect(receiver, sender=Row)


def save_rows(count: int) -> None:
    for number in range(count):
        Row(title="a title", count=number).save()


def view(request: HttpRequest) -> HttpResponse:
    save_rows(20)
    return HttpResponse("saved")


urlpatterns = [path("__debug__/", include("debug_toolbar.urls")), path("", view)]
client = Client()


def request() -> None:
    client.get("/")


def load_rows() -> None:
    for _ in Row.objects.all():
        pass


def signal_with(*receivers: Callable[..., object]) -> Signal:
    signal = Signal()
    for receiver in receivers:
        signal.connect(receiver, weak=False)
    return signal


def empty() -> Callable[..., None]:
    def receiver(sender: object, **kwargs: object) -> None: ...

    return receiver


def failing(sender: object, **kwargs: object) -> None:
    raise ValueError("no")


def asynchronous() -> Callable[..., object]:
    async def receiver(sender: object, **kwargs: object) -> None: ...

    return receiver


def chain_of(depth: int) -> Signal:
    last = signal_with(empty())
    for _ in range(depth - 1):
        following = last

        def relay(sender: object, following: Signal = following, **kwargs: object) -> None:
            following.send(sender=sender, number=1)

        last = signal_with(relay)
    return last


one = signal_with(empty())
twenty = signal_with(*(empty() for _ in range(20)))
deep = chain_of(10)
robust = signal_with(empty(), empty(), failing, empty(), empty())
ten_async = signal_with(*(asynchronous() for _ in range(10)))


def send(signal: Signal, times: int) -> Callable[[], None]:
    def run() -> None:
        for number in range(times):
            signal.send(sender=Row, number=number)

    return run


def send_robust() -> None:
    for number in range(200):
        robust.send_robust(sender=Row, number=number)


def asend() -> None:
    async def run() -> None:
        for number in range(50):
            await ten_async.asend(sender=Row, number=number)

    asyncio.run(run())


def traced() -> AbstractContextManager[object]:
    return trace_signals("benchmark")


def installed() -> AbstractContextManager[object]:
    with trace_signals():
        pass
    return nullcontext()


def through_middleware() -> AbstractContextManager[object]:
    global client
    client = Client()  # With handlers of its own, which load the middleware anew.
    return override_settings(
        MIDDLEWARE=["signal_tracer.middleware.SignalTracerMiddleware"],
        SIGNAL_TRACER={"ENABLED": True},
    )


@dataclass
class Workload:
    name: str
    run: Callable[[], None]
    mode: Callable[[], AbstractContextManager[object]]
    target: float


WORKLOADS = [
    Workload("installed, untraced: 1,000 saves", lambda: save_rows(1000), installed, 1.03),
    Workload("installed, untraced: a request with 20 saves", request, installed, 1.03),
    Workload("loading 10,000 rows", load_rows, traced, 1.05),
    Workload("1,000 saves, three receivers each", lambda: save_rows(1000), traced, 1.20),
    Workload("a request with 20 saves", request, through_middleware, 1.15),
    Workload("one dispatch with 1 receiver", send(one, 500), traced, 4.5),
    Workload("one dispatch with 20 receivers", send(twenty, 200), traced, 2.6),
    Workload("ten dispatches deep", send(deep, 50), traced, 4.4),
    Workload("asend with 10 async receivers", asend, traced, 1.5),
    Workload("send_robust, one of five raising", send_robust, traced, 3.3),
]


@dataclass
class Result:
    name: str
    target: float
    minimum: float
    median: float
    unit: str = "×"

    @property
    def is_met(self) -> bool:
        return self.median <= self.target


def timed(run: Callable[[], None]) -> float:
    gc.collect()
    gc.disable()
    started = process_time()
    run()
    elapsed = process_time() - started
    gc.enable()
    return elapsed


def ratio_of(workload: Workload, rounds: int) -> Result:
    global client
    ratios = []
    repeats = 5 if workload.run is request else 1

    def run() -> None:
        for _ in range(repeats):
            workload.run()

    for _ in range(rounds):
        clear_rows(workload)
        uninstall()
        client = Client()
        run()  # Warm the caches that uninstalling has emptied.
        untraced = timed(run)
        clear_rows(workload)
        with workload.mode():
            run()
        clear_rows(workload)
        with workload.mode():
            if workload.run is request:
                run()  # A new client loads its middleware with the first request.
            ratios.append(timed(run) / untraced)
    return Result(workload.name, workload.target, *spread(ratios))


def spread(figures: list[float]) -> tuple[float, float]:
    return min(figures), statistics.median(figures)


def clear_rows(workload: Workload) -> None:
    if workload.run is load_rows:
        if Row.objects.count() != 10_000:
            Row.objects.all().delete()
            Row.objects.bulk_create(Row(title="a title", count=number) for number in range(10_000))
    else:
        Row.objects.all()._raw_delete("default")


def memory() -> list[Result]:
    """Bytes per record: of a dispatch, and of a receiver call, as the difference 20 - 1 makes."""

    def bytes_for(signal: Signal) -> float:
        with trace_signals():
            send(signal, 10)()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for number in range(1000):
                signal.send(sender=Row, instance=None, number=number)
            after = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
        return (after - before) / 1000

    one_call, twenty_calls = bytes_for(one), bytes_for(twenty)
    a_call = (twenty_calls - one_call) / 19
    return [
        Result("memory of a dispatch", 400, one_call - a_call, one_call - a_call, " B"),
        Result("memory of a receiver call", 165, a_call, a_call, " B"),
    ]


def past_the_limit(rounds: int) -> Result:
    costs = []
    with override_settings(SIGNAL_TRACER={"MAX_DISPATCHES": 1}):
        for _ in range(rounds):
            uninstall()
            run = send(one, 2000)
            run()
            untraced = timed(run)
            with trace_signals():
                run()
                costs.append((timed(run) - untraced) / 2000 * 1e6)
    return Result("a dispatch past the limit", 2, *spread(costs), " µs")


def decision(rounds: int) -> Result:
    """Whether a request is traced, by SAMPLE_RATE: all that one pays which is not."""
    costs = []
    with override_settings(SIGNAL_TRACER={"SAMPLE_RATE": 0.01}):
        for _ in range(rounds):
            started = process_time()
            for _ in range(10_000):
                is_sampled()
            costs.append((process_time() - started) / 10_000 * 1e6)
    return Result("a decision by SAMPLE_RATE", 1, *spread(costs), " µs")


def panel(rounds: int) -> Result:
    """Server time of the panel on a full trace: from what the store returned to HTML."""
    full = Signal()
    for receiver in (first, second, third):
        full.connect(receiver)
    with trace_signals("a full trace") as trace:
        for number in range(2000):
            # Of two senders in turn, so that no two neighbours are folded into one row.
            full.send(sender=(Row, Signal)[number % 2], number=number)
    stored = json.loads(trace.to_json())
    costs = []
    for _ in range(rounds):
        toolbar = SimpleNamespace(stats={}, request=None, request_id="full")
        shown = SignalTracerPanel(toolbar, None)
        shown.load_stats_from_store({"trace": stored})
        costs.append(timed(lambda: shown.content) * 1000)  # noqa: B023  # called at once
    assert 'id="sigtr_timeline"' in shown.content  # and not a sentence about a failure
    return Result("panel on a full trace of 2,000 dispatches", 300, *spread(costs), " ms")


def is_untouched() -> bool:
    return all(vars(Signal).get(name) is value for name, value in DJANGOS_OWN.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rounds", type=int, default=25, help="runs of each (default: 25)")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    options = parser.parse_args()
    untouched = is_untouched()
    results = [
        ratio_of(workload, options.rounds)
        for workload in WORKLOADS
        if options.only in workload.name
    ]
    if not options.only:
        results += [*memory(), past_the_limit(options.rounds), panel(5)]
    if options.only in "a decision by SAMPLE_RATE":
        results.append(decision(options.rounds))
    versions = f"Python {platform.python_version()}, Django {django.get_version()}"
    if options.json:
        rows = [{**asdict(result), "is_met": result.is_met} for result in results]
        print(json.dumps({"versions": versions, "untouched": untouched, "rows": rows}, indent=2))
        return
    print(f"{versions}, {platform.machine()}, {options.rounds} rounds\n")
    print(f"| {'work':46} | {'target':>9} | {'min':>9} | {'median':>9} | met |")
    print(f"|{'-' * 48}|{'-' * 10}:|{'-' * 10}:|{'-' * 10}:|-----|")
    own = "Django's own" if untouched else "NOT Django's"
    met = "yes" if untouched else "NO"
    print(f"| {'never asked for a trace: Signal is':46} | {'Djangos':>9} | {own:>21} | {met:3} |")
    for result in results:
        figures = [
            f"{number:,.{0 if number >= 100 else 2}f}{result.unit}"
            for number in (result.target, result.minimum, result.median)
        ]
        met = "yes" if result.is_met else "NO"
        print(
            f"| {result.name:46} | "
            + " | ".join(f"{each:>9}" for each in figures)
            + f" | {met:3} |"
        )


if __name__ == "__main__":
    main()
