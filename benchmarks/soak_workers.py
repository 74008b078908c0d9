"""Whether anything grows or is lost in the worker processes of a server, over many requests.

    python benchmarks/soak_workers.py                             two workers of gunicorn
    python benchmarks/soak_workers.py --server uvicorn            two of uvicorn, asynchronous
    python benchmarks/soak_workers.py --requests 50000 REPORTER   dotted paths, several if you like

Serves the example site, without the toolbar, over a database of its own that is thrown away, and
has some clients ask for its scenarios, each page as often as it is sent. Printed is the memory of
each worker over the run, and how many traces each reporter has taken and how much of that has
arrived where it leads, against the requests that were answered: pictures of the console and
records of the log in files, lines of JSON in files that rotate, spans and metrics at a collector
of OTLP over HTTP in this process. The exit status is 1 if memory is not flat, if anything is
missing, or if something of the tracer or of OpenTelemetry's has failed. Without a reporter it is
every one there is. Needs gunicorn or uvicorn, and what the reporters need.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REQUESTS = 50_000
# What a worker may have more at the end of the run than in its middle.
FREE_RESIDENT_BYTES = 4_000_000
# Caches fill, and Python's allocator finds its size: fewer tell nothing about memory.
FEWEST_REQUESTS = 5_000
SAMPLES = 40
TOKEN = "a" * 32
CONSOLE = "signal_tracer.showing.console.report"
JSON_LINES = "soak_settings.trace_file"
LOGS = "signal_tracer.showing.export.logs.report"
OPENTELEMETRY = "signal_tracer.showing.export.opentelemetry.report"
EVERY = (CONSOLE, JSON_LINES, LOGS, OPENTELEMETRY)
# A thousand dispatches, and so one of many.
RARE = "stocktaking"
# Two at once would take each other's egg cup.
ALONE = "deletion"


def paths() -> list[tuple[str, str]]:
    """Each page of the site, shown and sent."""
    sys.path.insert(0, str(ROOT / "example_site"))
    from scenarios.catalogue import SCENARIOS

    slugs = [each.slug for each in SCENARIOS if each.slug not in (RARE, ALONE)] * 20 + [RARE]
    return [(method, f"/{slug}/") for slug in slugs for method in ("GET", "POST")]


# What arrives


class Collector(ThreadingHTTPServer):
    """Counts the spans of OTLP that it is sent, and keeps the last sum of each process."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self) -> None:
        self.spans = 0
        self._sums: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Posted)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def traces(self) -> int:
        """Those that the metrics count."""
        return sum(self._sums.values())

    def wait_for(self, spans: int, traces: int) -> None:
        """uvicorn's workers end by a signal, and the SDK in them sends nothing more then."""
        for _ in range(200):
            if self.spans >= spans and self.traces >= traces:
                return
            sleep(0.1)

    def take(self, path: str, body: bytes) -> None:
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        with self._lock:
            if path == "/v1/traces":
                sent: Any = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
                for resource in sent.resource_spans:
                    self.spans += sum(len(scope.spans) for scope in resource.scope_spans)
                return
            sent = metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)
            for resource in sent.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        if metric.name == "django.signal.traces":
                            for point in metric.sum.data_points:
                                key = str(resource.resource), str(point.attributes)
                                self._sums[key] = point.as_int


class _Posted(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.take(self.path, body)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Says nothing."""


# The server


SERVERS = {
    "gunicorn": "-m gunicorn --bind fd://{fd} --workers {workers} config.wsgi:application",
    "uvicorn": (
        "-m uvicorn --fd {fd} --workers {workers} --log-level warning config.asgi:application"
    ),
}


class Server:
    """The site in its folder, and its processes, which are gone when the block ends."""

    def __init__(
        self, options: argparse.Namespace, folder: Path, collector: Collector | None
    ) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self._options = options
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self._socket.getsockname()[1]
        here = [str(ROOT / "benchmarks"), str(ROOT / "example_site"), str(ROOT)]
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "soak_settings",
            "EXAMPLE_SITE_DATA": str(folder),
            "PYTHONPATH": os.pathsep.join([*here, os.environ.get("PYTHONPATH", "")]),
            "SOAK_FOLDER": str(folder),
            "SOAK_RATE": str(options.rate),
            "SOAK_REPORTERS": " ".join(options.reporters),
            "OTEL_BSP_SCHEDULE_DELAY": "1000",
        }
        if collector is not None:
            self._environment["SOAK_OTLP"] = f"http://127.0.0.1:{collector.server_port}"

    def __enter__(self) -> Server:
        manage = [sys.executable, str(ROOT / "example_site/manage.py"), "prepare_demo"]
        subprocess.run(manage, env=self._environment, check=True, stdout=subprocess.DEVNULL)
        command = SERVERS[self._options.server].format(
            fd=self._socket.fileno(), workers=self._options.workers
        )
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command.split()],
                env=self._environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                pass_fds=[self._socket.fileno()],
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._socket.close()

    def stop(self) -> None:
        """Ask the server to end its workers, who may have something left to hand over."""
        if self._process.poll() is not None:
            return
        workers = self.workers()
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            for each in (self._process.pid, *workers):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            self._process.wait()

    def workers(self) -> list[int]:
        """The ids of the processes that serve, which Python's own for uvicorn does not."""
        found = children(self._process.pid)
        return [each for each in found if "resource_tracker" not in _read(f"/proc/{each}/cmdline")]

    def memory(self) -> dict[int, int]:
        return {each: resident(each) for each in self.workers()}

    def complaints(self) -> list[str]:
        """The lines in which the tracer says that something of it failed."""
        words = (
            *("signal_tracer failed", "of SIGNAL_TRACER[", "cannot be written"),
            *("Queue full", "Queue is full", "Failed to export", "Exception while exporting"),
        )
        with open(self.log, errors="replace") as log:
            return [line.strip() for line in log if any(word in line for word in words)]

    def errors(self) -> list[str]:
        """The last frame and the exception of each error of the site, no more than ten."""
        text = self.log.read_text(errors="replace")
        found = re.findall(
            r"^Traceback .+(?:\n .*)*\n(  File .+\n    .+\n\S.*)", text, re.MULTILINE
        )
        return found[:10] or [text[-2_000:]]

    def count(self, what: str) -> int:
        """What ``soak_settings.count()`` has counted, in all processes."""
        return sum(each.stat().st_size for each in self.folder.glob(f"{what}-*"))

    def lines(self, pattern: str, start: str = "") -> int:
        """How many lines of these files begin so."""
        begins = re.compile(start)
        found = 0
        for each in self.folder.glob(pattern):
            with open(each, errors="replace") as file:
                found += sum(1 for line in file if begins.match(line))
        return found


def children(process: int) -> list[int]:
    return [int(each) for each in _read(f"/proc/{process}/task/{process}/children").split()]


def resident(process: int) -> int:
    """Bytes of the process in memory; 0 if it is gone."""
    for line in _read(f"/proc/{process}/status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


class Arrival:
    """What became of the traces that a reporter has taken."""

    def __init__(self, name: str, taken: int, what: str, sent: int, arrived: int) -> None:
        self.name = name
        self.taken = taken
        self.what = what
        self.sent = sent
        self.arrived = arrived


def arrivals(server: Server, reporters: list[str], collector: Collector | None) -> list[Arrival]:
    found = []
    for number, name in enumerate(reporters):
        taken = server.count(f"taken-{number}")
        if name == CONSOLE:
            # The heads of pictures: name and time.
            pictures = server.lines("server.log", r"(GET|POST) /\S*/  .+(µs|ms|s)$")
            found.append(Arrival(name, taken, "pictures", taken, pictures))
        elif name == JSON_LINES:
            lines = server.lines("traces.jsonl*", r'\{"summary":.+\}$')
            found.append(Arrival(name, taken, "lines", taken, lines))
        elif name == LOGS:
            found.append(Arrival(name, taken, "records", taken, server.lines("traces.log")))
        elif name == OPENTELEMETRY and collector is not None:
            spans = server.count("spans")
            found.append(Arrival(name, taken, "spans", spans, collector.spans))
            found.append(Arrival(name, taken, "in metrics", taken, collector.traces))
        else:
            found.append(Arrival(name, taken, "", taken, taken))
    return found


# The clients


class Run:
    """All requests, by some threads; the one whose turn it is looks at the memory."""

    def __init__(self, server: Server, requests: int) -> None:
        self.answers: Counter[int | str] = Counter()
        self.memory: list[tuple[int, dict[int, int]]] = []
        self._server = server
        self._requests = requests
        self._every = max(requests // SAMPLES, 1)
        self._pages = paths()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def go(self, clients: int) -> None:
        threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.memory.append((self._requests, self._server.memory()))

    def _ask(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._server.port, timeout=120)
        headers = {"Cookie": f"csrftoken={TOKEN}", "X-CSRFToken": TOKEN}
        while (number := next(self._numbers)) <= self._requests:
            method, path = self._pages[number % len(self._pages)]
            try:
                connection.request(method, path, headers=headers)
                response = connection.getresponse()
                response.read()
                answer: int | str = response.status
            except (OSError, HTTPException) as error:
                connection.close()
                answer = type(error).__name__
            with self._lock:
                self.answers[answer] += 1
                if number % self._every == 0:
                    self.memory.append((number, self._server.memory()))
        connection.close()

    @property
    def answered(self) -> int:
        return sum(times for answer, times in self.answers.items() if isinstance(answer, int))


# What came of it


def middle_and_end(memory: list[tuple[int, dict[int, int]]], worker: int) -> tuple[float, float]:
    """The mean memory of a worker in the fifth around the middle and in the last fifth."""
    seen = [found[worker] for _, found in memory if worker in found]
    fifth = max(len(seen) // 5, 1)
    middle, end = seen[2 * fifth : 3 * fifth] or seen, seen[-fifth:]
    return sum(middle) / len(middle), sum(end) / len(end)


def table_of_memory(memory: list[tuple[int, dict[int, int]]]) -> Iterator[str]:
    workers = sorted({each for _, found in memory for each in found})
    yield f"| after requests | {' | '.join(f'worker {n}' for n, _ in enumerate(workers, 1))} |"
    yield f"|--:|{'--:|' * len(workers)}"
    for number, found in memory[:: max(len(memory) // 10, 1)]:
        sizes = " | ".join(f"{found.get(each, 0) / 1e6:.1f} MB" for each in workers)
        yield f"| {number:,} | {sizes} |"


def problems_of(
    run: Run, server: Server, arrived: list[Arrival], options: argparse.Namespace
) -> Iterator[str]:
    if failed := options.requests - run.answers[200]:
        answers = f"{failed:,} requests had no page for an answer: {dict(run.answers)}"
        yield "\n".join([answers, *server.errors()])
    workers = {each for _, found in run.memory[1:] for each in found}
    if len(workers) > options.workers:
        yield f"workers died: there were {len(workers)} processes"
    if options.requests >= FEWEST_REQUESTS:
        for each in workers:
            middle, end = middle_and_end(run.memory, each)
            if end - middle > FREE_RESIDENT_BYTES:
                yield f"a worker grew by {(end - middle) / 1e6:.1f} MB in the second half"
    expected = run.answered if options.rate == 1 else arrived[0].taken
    for each in arrived:
        if each.taken != expected:
            yield f"{each.name} has taken {each.taken:,} traces of {expected:,}"
        if each.arrived != each.sent:
            yield f"{each.arrived:,} {each.what} of {each.sent:,} have arrived from {each.name}"
    for line in server.complaints()[:5]:
        yield f"it logged: {line}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("reporters", nargs="*", metavar="reporter", help="dotted paths")
    parser.add_argument("--server", choices=SERVERS, default="gunicorn")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--clients", type=int, default=4, help="threads (default: 4)")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="(default: 50,000)")
    parser.add_argument("--rate", type=float, default=1.0, help="SAMPLE_RATE (default: 1)")
    options = parser.parse_args()
    options.reporters = options.reporters or list(EVERY)
    print(
        f"{options.requests:,} requests, {options.workers} workers of {options.server}, "
        f"{options.clients} clients, SAMPLE_RATE {options.rate:g}\n",
        flush=True,
    )
    collector = Collector() if OPENTELEMETRY in options.reporters else None
    with TemporaryDirectory() as folder, Server(options, Path(folder), collector) as server:
        run = Run(server, options.requests)
        started = perf_counter()
        run.go(options.clients)
        elapsed = perf_counter() - started
        if collector is not None:
            collector.wait_for(server.count("spans"), run.answered if options.rate == 1 else 0)
        server.stop()
        for line in table_of_memory(run.memory):
            print(line)
        print(f"\n{run.answered:,} answered in {elapsed:,.0f} s\n")
        arrived = arrivals(server, options.reporters, collector)
        print("| reporter | traces taken | sent on | arrived |\n|---|--:|--:|--:|")
        for each in arrived:
            sent = f"{each.sent:,} {each.what}"
            print(f"| {each.name} | {each.taken:,} | {sent} | {each.arrived:,} |")
        problems = list(problems_of(run, server, arrived, options))
    for problem in problems:
        print(f"\nNOT FLAT OR LOST: {problem}")
    if not problems:
        print("\nNothing grows, and nothing is lost.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
