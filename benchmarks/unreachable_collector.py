"""Whether a collector that is away makes requests of the example site slower.

    python benchmarks/unreachable_collector.py [--rounds 7] [--visits 20]

Each round is a process of its own for each way to serve the site, one after the other: our
middleware without a reporter; with OpenTelemetry's spans and metrics, a batch of them exported
every half second by the SDK in a thread of its own, to a collector that takes them, to a port where
nobody listens, and to one who takes the connection and never answers. A process visits every page
some times, with the database as it was before each visit. Counted are the processor time of the
thread that answers, and the time on the clock; the median of a process, and of all rounds. Printed
are as well how many lines each logger wrote, and how long the end of the process took.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import platform
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import Any

import real_project

sys.path.insert(0, str(Path(__file__).parents[1] / "example_site"))

SITE = "shop"
WAYS = ("no reporter", "reachable", "unreachable", "never answers")
WARM_UP = 3


# In the process that is measured.


class Lines(logging.Handler):
    """Counts what each library logs, and drops it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.counted: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        self.counted[record.name.partition(".")[0]] += 1


def set_up_opentelemetry(endpoint: str) -> list[Any]:
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    spans = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{endpoint}/v1/traces")
    spans.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    trace.set_tracer_provider(spans)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{endpoint}/v1/metrics"), 500)
    figures = MeterProvider([reader], shutdown_on_exit=False)
    metrics.set_meter_provider(figures)
    return [spans, figures]


def timed(endpoint: str, database: str, times: int) -> dict[str, Any]:
    """Seconds of each visit, of the processor and the clock; lines logged; seconds of the end."""
    module = real_project.set_up(SITE, "with middleware")
    from django.conf import settings
    from django.db import connection

    logging.disable(logging.NOTSET)
    lines = Lines()
    logging.getLogger().handlers = [lines]
    logging.getLogger("django.dispatch").disabled = True  # It tells of each swallowed exception.
    providers = []
    if endpoint:
        settings.SIGNAL_TRACER = {
            "REPORTERS": ["signal_tracer.showing.export.opentelemetry.report"]
        }
        providers = set_up_opentelemetry(endpoint)
    seconds: dict[str, list[float]] = defaultdict(list)
    visit: dict[str, float] = {}

    @contextmanager
    def measured(kind: str) -> Iterator[None]:
        clock, processor = perf_counter(), thread_time()
        yield
        visit["processor"] += thread_time() - processor
        visit["clock"] += perf_counter() - clock

    connection.ensure_connection()
    with sqlite3.connect(database) as file:
        for number in range(WARM_UP + times):
            visit.update(processor=0.0, clock=0.0)
            file.backup(connection.connection)
            gc.collect()
            module.visit(real_project.Client(measured if number >= WARM_UP else nullcontext))
            if number >= WARM_UP:
                for name, each in visit.items():
                    seconds[name].append(each)
    started = perf_counter()
    for provider in providers:
        provider.shutdown()
    return {
        **{name: median(each) for name, each in seconds.items()},
        "lines": dict(lines.counted),
        "end": perf_counter() - started,
    }


# In the process that compares.


@contextmanager
def collectors() -> Iterator[dict[str, str]]:
    """The endpoint of each way."""
    from small_collector import SmallCollector

    arrived: Counter[str] = Counter()
    reachable = SmallCollector(
        lambda spans: arrived.update(spans=len(spans)), lambda metrics: None
    ).start()
    with socket.socket() as nobody, socket.socket() as silent:
        # Bound and not listening: refused at once, and nobody else gets the port.
        nobody.bind(("127.0.0.1", 0))
        silent.bind(("127.0.0.1", 0))
        silent.listen(100)  # The system takes the connections, and nobody ever reads them.
        yield {
            "no reporter": "",
            "reachable": reachable.url,
            "unreachable": f"http://127.0.0.1:{nobody.getsockname()[1]}",
            "never answers": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
    reachable.stop()
    print(f"\nThe reachable one got {arrived['spans']:,} spans.")


def run(*arguments: object) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, "--run", *map(str, arguments)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: failed, see above.")
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="processes a way (default: 7)")
    parser.add_argument("--visits", type=int, default=20, help="a process (default: 20)")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, Django {version('django')}, {platform.machine()}")
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, collectors() as endpoints:
        database = str(Path(folder, "shop.sqlite3"))
        run("fill", database)
        for number in range(options.rounds):
            for way in (*WAYS[number % len(WAYS) :], *WAYS[: number % len(WAYS)]):
                found[way].append(run("timed", endpoints[way] or "none", database, options.visits))
        print(
            "\n| a visit of 8 requests | processor, ms | min–max | clock, ms | min–max "
            "| lines of signal_tracer | of the SDK | end, s |\n|---|--:|--:|--:|--:|--:|--:|--:|"
        )
        for way in WAYS:
            print(row(way, found[way]))


def row(way: str, rounds: list[dict[str, Any]]) -> str:
    cells = [way]
    for name in ("processor", "clock"):
        each = sorted(one[name] * 1000 for one in rounds)
        cells += [f"{median(each):.1f}", f"{each[0]:.1f}–{each[-1]:.1f}"]
    for library in ("signal_tracer", "opentelemetry"):
        cells.append(f"{max(one['lines'].get(library, 0) for one in rounds)}")
    cells.append(f"{median(one['end'] for one in rounds):.1f}")
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--run", "fill", database]:
            real_project.fill(SITE, database)
        case ["--run", "timed", endpoint, database, times]:
            print(json.dumps(timed("" if endpoint == "none" else endpoint, database, int(times))))
        case _:
            main()
