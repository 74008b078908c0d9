"""What a trace of each request costs on sites of real packages, in processor time.

    python benchmarks/real_project.py                   every site
    python benchmarks/real_project.py library office    some of them
    python benchmarks/real_project.py --instructions    counted by valgrind, on a busy machine
    python benchmarks/real_project.py --where           where our own time goes
    python benchmarks/real_project.py --only sampling   what requests cost that are not all traced

Each round is a process of its own for each way to serve the site, one after the other: with the
debug toolbar and without us, with our panel in it; without either, with our middleware alone. A
ratio compares the two processes of a round. Nothing of ours is installed or imported where we are
not. The console is our middleware with the console as its reporter, which nobody reads. With
OpenTelemetry's SDK and its instrumentation of Django on both sides, whose spans are dropped, ours
makes spans and metrics as well; and once more for requests that its sampler drops. A process visits
every page some times, with the database as it was before each visit, and the median of a page's
times counts. No panel is opened. ``library`` needs what the dependency group ``packages``
names.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import importlib
import json
import logging
import os
import platform
import pstats
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from http.cookies import SimpleCookie
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from instructions import Measured, require_valgrind, wait

sys.path.insert(0, str(Path(__file__).parents[1]))

SITES = ("library", "shop", "office")
WARM_UP = 2
TOOLBAR = "debug_toolbar.middleware.DebugToolbarMiddleware"
MIDDLEWARE = "signal_tracer.middleware.SignalTracerMiddleware"
REPORT = "signal_tracer.showing.export.opentelemetry.report"
PANEL = "signal_tracer.panel.SignalTracerPanel"
OURS = f"{os.sep}signal_tracer{os.sep}"
# SAMPLE_RATE; at the second the middleware decides about each request, and traces none.
RATES = (0.0, 1e-9, 0.01, 0.1, 1.0)
# What is compared: with us, without us, and the target.
COMPARED = {
    "panel": ("with panel", "toolbar", 1.10),
    "middleware": ("with middleware", "bare", 1.05),
    "console": ("with console", "bare", 1.15),
    "opentelemetry": ("with spans", "spans", 1.15),
    "not sampled": ("with spans, not sampled", "spans, not sampled", 1.05),
}


# In the process that is measured.


def set_up(site: str, way: str) -> Any:
    """Django with the settings of a site and, of the toolbar and us, what ``way`` says."""
    import django
    from django.conf import settings

    module = importlib.import_module(f"sites.{site}")
    chosen = dict(module.SETTINGS)
    apps, middleware = list(chosen["INSTALLED_APPS"]), list(chosen["MIDDLEWARE"])
    apps = [each for each in apps if each not in ("signal_tracer", "debug_toolbar")]
    if way in ("toolbar", "with panel"):
        from debug_toolbar.settings import PANELS_DEFAULTS

        apps.append("debug_toolbar")
        middleware.insert(0, TOOLBAR)
        chosen["DEBUG_TOOLBAR_PANELS"] = list(PANELS_DEFAULTS)
    if way == "with panel":
        apps.append("signal_tracer")
        chosen["DEBUG_TOOLBAR_PANELS"].append(PANEL)
    if way == "with console":
        chosen["SIGNAL_TRACER"] = {"REPORTERS": ["signal_tracer.showing.console.report"]}
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # until the end
    if way.startswith("sampled "):
        chosen["SIGNAL_TRACER"] = {"SAMPLE_RATE": float(way.removeprefix("sampled "))}
    if way.startswith("with spans"):
        chosen["SIGNAL_TRACER"] = {"REPORTERS": [REPORT]}
    if way.startswith(("with middleware", "with console", "with spans", "sampled ")):
        apps.append("signal_tracer")
        middleware.insert(0, MIDDLEWARE)
    templates = [
        {**each, "DIRS": [*each.get("DIRS", []), Path(__file__).parent / "sites/templates"]}
        for each in chosen["TEMPLATES"]
    ]
    chosen |= {
        "SITE": site,
        "DEBUG": True,
        "ALLOWED_HOSTS": ["*"],
        "INTERNAL_IPS": ["127.0.0.1"],
        "ROOT_URLCONF": "sites.urls",
        "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        "INSTALLED_APPS": apps,
        "MIDDLEWARE": middleware,
        "TEMPLATES": templates,
        # Slow on purpose, the usual one would hide everything else of a login.
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        "SILENCED_SYSTEM_CHECKS": ["signal_tracer.E101", "signal_tracer.E102"],
    }
    settings.configure(**chosen)
    if "spans" in way:
        set_up_opentelemetry(is_sampled="not sampled" not in way)
    django.setup()
    logging.disable(logging.CRITICAL)
    return module


def set_up_opentelemetry(*, is_sampled: bool) -> None:
    """The SDK as in production, but that what it would send is dropped. Their middleware first."""
    from opentelemetry import metrics, trace
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

    class Dropping(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider(sampler=ParentBased(ALWAYS_ON if is_sampled else ALWAYS_OFF))
    provider.add_span_processor(BatchSpanProcessor(Dropping()))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider())
    DjangoInstrumentor().instrument()


def fill(site: str, database: str) -> None:
    """Makes the database of a site, which every measured process starts from."""
    from django.core.management import call_command

    module = set_up(site, "bare")
    from django.conf import settings
    from django.db import connection

    sys.path.append(str(Path(database).parent))
    for label, name in settings.MIGRATION_MODULES.items():
        Path(database).with_name(name).mkdir()
        Path(database).with_name(name).joinpath("__init__.py").touch()
        call_command("makemigrations", label, verbosity=0)
    call_command("migrate", verbosity=0)
    module.prepare()
    with sqlite3.connect(database) as file:
        connection.connection.backup(file)


class Client:
    """A browser that keeps cookies and asks the handler of a server.

    ``measured`` is given the kind of a page and stands around what the server does for it.
    """

    def __init__(self, measured: Callable[[str], AbstractContextManager[object]]) -> None:
        from django.core.wsgi import get_wsgi_application
        from django.test import RequestFactory

        self._serve = get_wsgi_application()
        self._factory = RequestFactory()
        self._measured = measured
        self._cookies = SimpleCookie({"csrftoken": "a" * 32})

    def get(self, kind: str, path: str) -> None:
        self._ask(kind, self._factory.get(path))

    def post(self, kind: str, path: str, **data: Any) -> None:
        token = self._cookies["csrftoken"].value
        self._ask(kind, self._factory.post(path, data, headers={"X-CSRFToken": token}))

    def _ask(self, kind: str, request: Any) -> None:
        cookies = "; ".join(f"{name}={each.value}" for name, each in self._cookies.items())
        environ = {**request.environ, "HTTP_COOKIE": cookies}
        answered: list[Any] = []
        with self._measured(kind):
            response = self._serve(environ, lambda *answer: answered.extend(answer))
            body = b"".join(response)
            response.close()
        status, headers = answered
        for name, value in headers:
            if name == "Set-Cookie":
                self._cookies.load(value)
        # A page that says what is wrong would be measured as well as the one that was meant.
        if int(status[:3]) >= 400 or b'class="errorlist' in body:
            sys.exit(f"{kind}: {environ['REQUEST_METHOD']} {environ['PATH_INFO']} gave {status}")


Measure = Callable[[str], AbstractContextManager[object]]


def visitor(site: str, way: str, database: str) -> Callable[[Measure], None]:
    """What asks for all pages, after the first times, which fill caches."""
    module = set_up(site, way)
    from django.db import connection

    connection.ensure_connection()
    file = sqlite3.connect(database)

    def visit(measured: Measure) -> None:
        file.backup(connection.connection)
        gc.collect()
        module.visit(Client(measured))

    for _ in range(WARM_UP):
        visit(nullcontext)
    return visit


def visit(site: str, way: str, database: str, times: int, measured: Measure) -> None:
    """Asks for all pages some times."""
    visit_once = visitor(site, way, database)
    for _ in range(times):
        visit_once(measured)


def taking_turns(site: str, way: str, database: str) -> None:
    """A visit for each line that comes, and then its seconds."""
    seconds = 0.0

    @contextmanager
    def measured(kind: str) -> Iterator[None]:
        nonlocal seconds
        started = process_time()
        yield
        seconds += process_time() - started

    visit_once = visitor(site, way, database)
    while True:
        wait(str(seconds))
        seconds = 0.0
        visit_once(measured)


def timed(site: str, way: str, database: str, times: int) -> dict[str, list[float]]:
    """The seconds of each kind of page, one for each visit."""
    seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def measured(kind: str) -> Iterator[None]:
        started = process_time()
        yield
        seconds[kind].append(process_time() - started)

    visit(site, way, database, times, measured)
    return seconds


def counted(site: str, way: str, database: str) -> None:
    """One visit in which each page waits to be counted."""

    @contextmanager
    def measured(kind: str) -> Iterator[None]:
        wait(kind)
        yield
        wait("answered")

    visit(site, way, database, 1, measured)
    print("done", flush=True)


def is_ours(file: str) -> bool:
    # The frames that warnings pass over have no file, but a name.
    return OURS in file or file.startswith("<signal_tracer ")


def room(file: str) -> str:
    return file.rpartition(OURS)[2]


def where(site: str, way: str, database: str, times: int) -> Iterator[str]:
    """Milliseconds a request in each of our modules and functions, as the profiler sees them."""
    profile = cProfile.Profile(process_time)
    requests = 0

    @contextmanager
    def measured(kind: str) -> Iterator[None]:
        nonlocal requests
        requests += 1
        with profile:
            yield

    visit(site, way, database, times, measured)
    rooms: dict[str, float] = defaultdict(float)
    functions = []
    for (file, _, name), (_, calls, own, total, callers) in pstats.Stats(profile).stats.items():
        by_us = {each: edge for each, edge in callers.items() if is_ours(each[0])}
        if is_ours(file):
            place = room(file)
            rooms[place] += own
            functions.append((total, own, calls, f"{place} {name}"))
        elif file == "~":  # built in: part of whoever calls it
            for caller, edge in by_us.items():
                rooms[room(caller[0])] += edge[2]
        elif by_us:
            _, calls, own, total = map(sum, zip(*by_us.values(), strict=True))
            functions.append((total, own, calls, f"  called by us: {Path(file).name} {name}"))

    def per_request(seconds: float) -> str:
        return f"{seconds / requests * 1000:8.3f}"

    yield f"| {site}, {way}: our modules, with what is built in | ms a request |"
    yield "|---|--:|"
    for place, own in sorted(rooms.items(), key=lambda each: -each[1])[:20]:
        yield f"| {place} | {per_request(own)} |"
    yield f"| all | {per_request(sum(rooms.values()))} |"
    yield ""
    yield "| function | calls a request | own ms | ms with what it calls |"
    yield "|---|--:|--:|--:|"
    for total, own, calls, name in sorted(functions, reverse=True)[:40]:
        yield f"| {name} | {calls / requests:.1f} | {per_request(own)} | {per_request(total)} |"


# In the process that measures.


def start(*arguments: object, seed: int = 0) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, "--run", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


def run(*arguments: object) -> str:
    process = start(*arguments)
    printed, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: failed, see above.")
    return printed


def seconds_of(site: str, way: str, database: str, times: int) -> dict[str, float]:
    """Seconds of each kind of page, and of them all."""
    found = json.loads(run("timed", site, way, database, times))
    totals = map(sum, zip(*found.values(), strict=True))
    return {**{kind: median(each) for kind, each in found.items()}, "all": median(totals)}


def instructions_of(site: str, way: str, database: str) -> dict[str, float]:
    """Instructions of each kind of page, and of them all."""
    found = {}
    with Measured("-W", "ignore", __file__, "--run", "counted", site, way, database) as measured:
        measured.switch("on")
        while measured.at != "done":
            kind = measured.at
            found[kind] = float(measured.count())
            measured.go_on()
    return {**found, "all": sum(found.values())}


def compare_seconds(site: str, what: str, database: str, rounds: int, times: int) -> Iterator[str]:
    with_us, without_us, target = COMPARED[what]
    pairs = [
        tuple(seconds_of(site, way, database, times) for way in (without_us, with_us))
        for _ in range(rounds)
    ]
    yield f"| {site}, {what} | without, ms | more, ms | min | median | target |"
    yield "|---|--:|--:|--:|--:|--:|"
    for kind in pairs[0][0]:
        ratios = [ours[kind] / without[kind] for without, ours in pairs]
        without = median(without[kind] for without, _ in pairs) * 1000
        more = median(ours[kind] - without[kind] for without, ours in pairs) * 1000
        yield (
            f"| {kind} | {without:.1f} | {more:+.1f} | {min(ratios):.2f}× "
            f"| {median(ratios):.2f}× | {f'{target:.2f}×' if kind == 'all' else ''} |"
        )


class InTurn:
    """A process that visits a site when it is its turn."""

    def __init__(self, *arguments: str, seed: int) -> None:
        self._process = start("turns", *arguments, seed=seed)
        self._answer()

    def visit(self) -> float:
        """The seconds that it took."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        self._process.communicate()  # There is nothing more to read, and so it ends.

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit("A process that visits a site has ended, see above.")
        return float(line)


def compare_rates(site: str, database: str, rounds: int, times: int) -> Iterator[str]:
    """Visits without us and at each rate, one after the other, each by a process of its own.

    Without us there are two: what they differ in is what cannot be told from nothing. The mean
    says what a rate costs, and is what a busy machine disturbs most; in the median visit, nothing
    is traced at a low rate. Each round has processes of its own, and a seed for the hashes of
    strings: for as long as it lives, one may be 4 % quicker by the layout of its memory alone.
    """
    ways = {"": "bare", "without, again": "bare"}
    ways |= {f"SAMPLE_RATE {rate:g}": f"sampled {rate}" for rate in RATES}
    seconds: list[list[float]] = [[] for _ in ways]
    for seed in range(rounds):
        processes = [InTurn(site, way, database, seed=seed) for way in ways.values()]
        for number in range(times):
            for turn in range(len(processes)):
                which = (number + turn) % len(processes)
                seconds[which].append(processes[which].visit())
        for each in processes:
            each.end()
    without = seconds[0]
    yield f"| {site}, sampling | without, ms | more, ms | median | mean | target |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, ours in list(zip(ways, seconds, strict=True))[1:]:
        ratios = [each / beside for each, beside in zip(ours, without, strict=True)]
        more = median(each - beside for each, beside in zip(ours, without, strict=True)) * 1000
        target = f"{COMPARED['middleware'][2]:.2f}×" if name == "SAMPLE_RATE 1" else ""
        yield (
            f"| {name} | {median(without) * 1000:.1f} | {more:+.1f} | {median(ratios):.3f}× "
            f"| {sum(ours) / sum(without):.3f}× | {target} |"
        )


def compare_instructions(site: str, what: str, database: str) -> Iterator[str]:
    with_us, without_us, target = COMPARED[what]
    with ThreadPoolExecutor(2) as pool:
        without, ours = pool.map(
            lambda way: instructions_of(site, way, database), (without_us, with_us)
        )
    yield f"| {site}, {what} | without, millions | more, millions | ratio | target |"
    yield "|---|--:|--:|--:|--:|"
    for kind, count in without.items():
        yield (
            f"| {kind} | {count / 1e6:.1f} | {(ours[kind] - count) / 1e6:+.1f} "
            f"| {ours[kind] / count:.3f}× | {f'{target:.2f}×' if kind == 'all' else ''} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sites", nargs="*", metavar="site", help=f"of {', '.join(SITES)}")
    parser.add_argument("--rounds", type=int, default=7, help="processes a way (default: 7)")
    parser.add_argument("--visits", type=int, default=5, help="a process (default: 5)")
    parser.add_argument("--only", choices=[*COMPARED, "sampling"], help="only one comparison")
    parser.add_argument(
        "--instructions", action="store_true", help="count instructions instead, by valgrind"
    )
    parser.add_argument("--where", action="store_true", help="profile what is ours instead")
    options = parser.parse_args()
    if unknown := set(options.sites) - set(SITES):
        parser.error(f"no site is called {', '.join(unknown)}; there are {', '.join(SITES)}")
    if options.instructions:
        require_valgrind()
    if options.only == "sampling" and (options.instructions or options.where):
        parser.error("which requests are sampled is left to chance: it is measured in seconds only")
    compared = [options.only] if options.only else list(COMPARED)
    print(f"Python {platform.python_version()}, Django {version('django')}, {platform.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        for site in options.sites or SITES:
            database = str(Path(folder, f"{site}.sqlite3"))
            run("fill", site, database)
            for what in compared:
                print()
                if options.where:
                    print(run("where", site, COMPARED[what][0], database, options.visits), end="")
                    continue
                if what == "sampling":
                    lines = compare_rates(site, database, options.rounds, options.visits)
                elif options.instructions:
                    lines = compare_instructions(site, what, database)
                else:
                    lines = compare_seconds(site, what, database, options.rounds, options.visits)
                for line in lines:
                    print(line, flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--run", "fill", site, database]:
            fill(site, database)
        case ["--run", "timed", site, way, database, times]:
            print(json.dumps(timed(site, way, database, int(times))))
        case ["--run", "counted", site, way, database]:
            counted(site, way, database)
        case ["--run", "turns", site, way, database]:
            taking_turns(site, way, database)
        case ["--run", "where", site, way, database, times]:
            print("\n".join(where(site, way, database, int(times))))
        case _:
            main()
