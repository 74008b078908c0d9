"""What a trace of each request costs on sites of real packages, in processor time.

    python benchmarks/real_project.py                    every site
    python benchmarks/real_project.py library office     some of them
    python benchmarks/real_project.py --where            where our own time goes; --middleware too

Each round is a process of its own for each way to serve the site, one after the other: with the
debug toolbar and without us, with our panel in it; without either, with our middleware alone. A
ratio compares the two processes of a round. Nothing of ours is installed or imported where we are
not. A process visits every page some times, with the database as it was before each visit, and
the median of a page's times counts. No panel is opened. ``library`` needs what the dependency
group ``packages`` names.
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
from collections.abc import Iterator
from http.cookies import SimpleCookie
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

SITES = ("library", "shop", "office")
WARM_UP = 2
TOOLBAR = "debug_toolbar.middleware.DebugToolbarMiddleware"
MIDDLEWARE = "signal_tracer.middleware.SignalTracerMiddleware"
PANEL = "signal_tracer.panel.SignalTracerPanel"
# What is compared: with us, without us, and the target.
COMPARED = {
    "panel": ("with panel", "toolbar", 1.10),
    "middleware": ("with middleware", "bare", 1.05),
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
    if way == "with middleware":
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
    django.setup()
    logging.disable(logging.CRITICAL)
    return module


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
    """A browser that keeps cookies, asks the handler of a server, and times each kind of page."""

    def __init__(self, profile: cProfile.Profile | None = None) -> None:
        from django.core.wsgi import get_wsgi_application
        from django.test import RequestFactory

        self._serve = get_wsgi_application()
        self._factory = RequestFactory()
        self._profile = profile
        self._cookies = SimpleCookie({"csrftoken": "a" * 32})
        self.seconds: dict[str, float] = {}

    def get(self, kind: str, path: str) -> None:
        self._ask(kind, self._factory.get(path))

    def post(self, kind: str, path: str, **data: Any) -> None:
        token = self._cookies["csrftoken"].value
        self._ask(kind, self._factory.post(path, data, headers={"X-CSRFToken": token}))

    def _ask(self, kind: str, request: Any) -> None:
        cookies = "; ".join(f"{name}={each.value}" for name, each in self._cookies.items())
        environ = {**request.environ, "HTTP_COOKIE": cookies}
        answered: list[Any] = []
        if self._profile:
            self._profile.enable()
        started = process_time()
        response = self._serve(environ, lambda *answer: answered.extend(answer))
        body = b"".join(response)
        response.close()
        self.seconds[kind] = process_time() - started
        if self._profile:
            self._profile.disable()
        status, headers = answered
        for name, value in headers:
            if name == "Set-Cookie":
                self._cookies.load(value)
        # A page that says what is wrong would be measured as well as the one that was meant.
        if int(status[:3]) >= 400 or b'class="errorlist' in body:
            sys.exit(f"{kind}: {environ['REQUEST_METHOD']} {environ['PATH_INFO']} gave {status}")


def visits(
    site: str, way: str, database: str, times: int, profile: cProfile.Profile | None = None
) -> list[dict[str, float]]:
    """Seconds of each kind of page, once a visit."""
    module = set_up(site, way)
    from django.db import connection

    connection.ensure_connection()
    found = []
    with sqlite3.connect(database) as file:
        for number in range(WARM_UP + times):
            file.backup(connection.connection)
            gc.collect()
            client = Client(profile if number >= WARM_UP else None)
            module.visit(client)
            found.append(client.seconds)
    return found[WARM_UP:]


def where(site: str, way: str, database: str, times: int) -> Iterator[str]:
    """Milliseconds a request in each of our modules and functions, as the profiler sees them."""
    profile = cProfile.Profile(process_time)
    found = visits(site, way, database, times, profile)
    requests = sum(map(len, found))
    ours = f"{os.sep}signal_tracer{os.sep}"
    rooms: dict[str, float] = defaultdict(float)
    functions = []
    for (file, _, name), (_, calls, own, total, callers) in pstats.Stats(profile).stats.items():
        by_us = {each: edge for each, edge in callers.items() if ours in each[0]}
        if ours in file:
            place = file.rpartition(ours)[2]
            rooms[place] += own
            functions.append((total, own, calls, f"{place} {name}"))
        elif file == "~":  # built in: part of whoever calls it
            for caller, edge in by_us.items():
                rooms[caller[0].rpartition(ours)[2]] += edge[2]
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


def run(*arguments: object) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, "--run", *map(str, arguments)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: failed, see above.")
    return done.stdout


def measure(site: str, way: str, database: str, times: int) -> dict[str, float]:
    """Seconds of each kind of page, and of them all."""
    found = json.loads(run("visits", site, way, database, times))
    kinds = {kind: median(each[kind] for each in found) for kind in found[0]}
    return {**kinds, "all": median(sum(each.values()) for each in found)}


def compare(site: str, what: str, database: str, rounds: int, times: int) -> Iterator[str]:
    with_us, without_us, target = COMPARED[what]
    pairs = [
        (measure(site, without_us, database, times), measure(site, with_us, database, times))
        for _ in range(rounds)
    ]
    yield f"| {site}, {what} | without, ms | more, ms | min | median | target |"
    yield "|---|--:|--:|--:|--:|--:|"
    for kind in pairs[0][0]:
        ratios = [with_[kind] / without[kind] for without, with_ in pairs]
        without = median(without[kind] for without, _ in pairs)
        more = median(with_[kind] - without[kind] for without, with_ in pairs)
        yield (
            f"| {kind} | {without * 1000:.1f} | {more * 1000:+.1f} | {min(ratios):.2f}× "
            f"| {median(ratios):.2f}× | {f'{target:.2f}×' if kind == 'all' else ''} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sites", nargs="*", metavar="site", help=f"of {', '.join(SITES)}")
    parser.add_argument("--rounds", type=int, default=7, help="processes a way (default: 7)")
    parser.add_argument("--visits", type=int, default=5, help="a process (default: 5)")
    parser.add_argument("--only", choices=COMPARED, help="only one comparison")
    parser.add_argument("--where", action="store_true", help="profile what is ours instead")
    options = parser.parse_args()
    if unknown := set(options.sites) - set(SITES):
        parser.error(f"no site is called {', '.join(unknown)}; there are {', '.join(SITES)}")
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
                for line in compare(site, what, database, options.rounds, options.visits):
                    print(line)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--run", "fill", site, database]:
            fill(site, database)
        case ["--run", "visits", site, way, database, times]:
            print(json.dumps(visits(site, way, database, int(times))))
        case ["--run", "where", site, way, database, times]:
            print("\n".join(where(site, way, database, int(times))))
        case _:
            main()
