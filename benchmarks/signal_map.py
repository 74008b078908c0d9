"""What ``manage.py signal_map`` takes after Django's own start-up, for a project made for it.

    python benchmarks/signal_map.py            100 signals with 500 receivers, then 5,000
    python benchmarks/signal_map.py 300        so many receivers

The apps are written to a temporary folder, so that sources are read as in a real project. Each
measurement is a process of its own: nothing has been imported or read before.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SIGNALS = 100
APPS = 25
RUNS = 5

MEASURED = {
    "the table": ["--project-only"],
    "--format tree": ["--format", "tree"],
    "--format json": ["--format", "json"],
    "--fail-on info": ["--fail-on", "info"],
}

PROGRAM = """
import io, json, sys, time
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "signal_tracer", *{apps}],
    USE_TZ=True,
    SECRET_KEY="only for benchmarks",
)
django.setup()
started = time.perf_counter()
if sys.argv[1:] == ["for a request"]:
    from signal_tracer.mapping import map_for_request
    first = time.perf_counter()
    map_for_request(limit=10_000)
    again = time.perf_counter()
    map_for_request(limit=10_000)
    print(json.dumps([again - first, time.perf_counter() - again]))
else:
    from django.core.management import CommandError, call_command
    try:
        call_command("signal_map", *sys.argv[1:], stdout=io.StringIO(), stderr=io.StringIO())
    except CommandError:
        pass  # It found what it was asked for.
    print(json.dumps([time.perf_counter() - started]))
"""


def write_project(folder: Path, receivers: int) -> list[str]:
    """Apps with signals of their own, and receivers of these and of a model's."""
    names = [f"app_{number}" for number in range(APPS)]
    for number, name in enumerate(names):
        app = folder / name
        app.mkdir()
        (app / "__init__.py").touch()
        (app / "apps.py").write_text(
            "from django.apps import AppConfig\n\n\nclass Config(AppConfig):\n"
            f"    name = {name!r}\n\n    def ready(self):\n        from {name} import receivers\n"
        )
        own = range(number, SIGNALS, APPS)
        (app / "signals.py").write_text(
            "from django.dispatch import Signal\n\n"
            + "".join(f"signal_{each} = Signal()\n" for each in own)
        )
        lines = [
            "from django.contrib.auth.models import User",
            "from django.db.models.signals import post_save",
            "from django.dispatch import receiver",
            f"from {name} import signals",
        ]
        for each in range(number, receivers, APPS):
            signal = "post_save" if each % 5 == 0 else f"signals.signal_{own[each % len(own)]}"
            lines += [
                "",
                "",
                f"@receiver({signal}, sender=User, dispatch_uid='{name}.{each}')",
                f"def receive_{each}(sender, **kwargs):",
                f'    """What number {each} does when it is called."""',
            ]
        (app / "receivers.py").write_text("\n".join(lines) + "\n")
    return names


def measure(folder: Path, apps: list[str], arguments: list[str]) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(apps=apps), *arguments],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{Path(__file__).parents[1]}", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[float] = json.loads(done.stdout)
    return found


def main() -> None:
    sizes = [int(each) for each in sys.argv[1:]] or [500, 5_000]
    print(f"| {SIGNALS} signals, best and median of {RUNS} | receivers | best | median |")
    print("|---|--:|--:|--:|")
    for receivers in sizes:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            apps = write_project(folder, receivers)
            rows = {
                what: [measure(folder, apps, arguments)[0] for _ in range(RUNS)]
                for what, arguments in MEASURED.items()
            }
            both = [measure(folder, apps, ["for a request"]) for _ in range(RUNS)]
            rows["for a request, the first time"] = [first for first, _ in both]
            rows["for a request, again"] = [again for _, again in both]
        for what, times in rows.items():
            best, median = min(times), sorted(times)[len(times) // 2]
            print(f"| {what} | {receivers} | {best * 1000:.0f} ms | {median * 1000:.0f} ms |")


if __name__ == "__main__":
    main()
