"""What the findings over the map cost on a project of 400 modules in a folder of packages.

    python benchmarks/large_project.py          400 modules, among 2,000 of other packages
    python benchmarks/large_project.py 1000     so many modules

The project is installed as packages are, and other packages stand beside it, which it imports:
what reads more than its own modules is seen here. Seconds of the processor and megabytes at most,
after Django's own start-up and in all, each in a process of its own; ``manage.py check`` without
our checks is what it is to be compared with.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = 3
MODULES = 400
APPS = 20
PACKAGES, MODULES_OF_A_PACKAGE = 20, 100
FUNCTIONS = 25

MEASURED = {
    "check, without ours": ["check", "--tag", "models"],
    "check --tag signals": ["check", "--tag", "signals"],
    "signal_map --fail-on warning": ["signal_map", "--fail-on", "warning"],
    "signal_map --fail-on info": ["signal_map", "--fail-on", "info"],
}

PROGRAM = """
import io, json, os, resource, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "acme.settings"
import django
django.setup()
import acme.urls
from django.core.management import CommandError, call_command
from django.core.management.commands import check  # Both are imported before the clock starts.
if sys.argv[1] == "signal_map":
    import signal_tracer.management.commands.signal_map
started = time.process_time()
try:
    call_command(*sys.argv[1:], stdout=io.StringIO(), stderr=io.StringIO())
except CommandError:
    pass  # It found what it was asked for.
took = time.process_time() - started
print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def write_project(
    folder: Path, modules: int = MODULES, *, functions: int = FUNCTIONS, packages: int = PACKAGES
) -> list[str]:
    """Write the package ``acme`` and ``packages`` others into ``folder``; its apps are returned.

    ``acme`` has a receiver in ``receivers`` of each app, which ``ready()`` imports, and one in
    ``views``, which only the URLconf does. The other modules are imported by both, and every
    second one imports one of the next app.
    """
    acme = folder / "acme"
    acme.mkdir(parents=True)
    apps = [f"acme.app_{number}" for number in range(APPS)]
    (acme / "__init__.py").touch()
    (acme / "settings.py").write_text(
        f"INSTALLED_APPS = ['django.contrib.contenttypes', 'signal_tracer', *{apps!r}]\n"
        "SECRET_KEY = 'only for benchmarks'\nROOT_URLCONF = 'acme.urls'\nUSE_TZ = True\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\n"
    )
    imports = "".join(f"import {app}.views\n" for app in apps)
    (acme / "urls.py").write_text(f"{imports}urlpatterns = []\n")
    for number, app in enumerate(apps):
        library = f"from library_{number} import part_0 as library\n" * (number < packages)
        _write_app(folder.joinpath(*app.split(".")), number, modules // APPS, functions, library)
    for number in range(packages):
        _write_package(folder / f"library_{number}", number, functions)
    return apps


def _write_app(folder: Path, number: int, modules: int, functions: int, library: str) -> None:
    app = f"acme.app_{number}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "apps.py").write_text(
        f"from django.apps import AppConfig\n\n\nclass Config(AppConfig):\n    name = {app!r}\n\n"
        f"    def ready(self):\n        from {app} import receivers\n"
    )
    (folder / "signals.py").write_text("from django.dispatch import Signal\n\nfiled = Signal()\n")
    parts = range(modules - 5)
    for module in ("receivers", "views"):
        (folder / f"{module}.py").write_text(
            f"from django.dispatch import receiver\nfrom {app}.signals import filed\n{library}"
            + "".join(f"from . import part_{each}\n" for each in parts)
            + f"\n\n@receiver(filed)\ndef receive_in_{module}(sender, **kwargs):\n"
            + '    """What follows."""\n'
        )
    for each in parts:
        beside = f"from acme.app_{(number + 1) % APPS} import part_{each} as beside\n" * (each % 2)
        (folder / f"part_{each}.py").write_text(beside + _functions(functions))


def _write_package(folder: Path, number: int, functions: int) -> None:
    folder.mkdir()
    (folder / "__init__.py").touch()
    for each in range(MODULES_OF_A_PACKAGE):
        after = (each + 1) % MODULES_OF_A_PACKAGE
        (folder / f"part_{each}.py").write_text(
            f"import library_{number}.part_{after}\n" + _functions(functions // 5)
        )


def _functions(count: int) -> str:
    return "".join(
        f"\n\ndef work_{each}(rows, limit={each}):\n"
        '    """Sum up what the rows hold, up to a limit."""\n'
        "    found = {}\n"
        "    for name, row in rows.items():\n"
        "        if row is None or name.startswith('_'):\n"
        "            continue\n"
        "        found[name] = [part for part in str(row).split(',') if len(part) > limit]\n"
        "    return sorted(found, key=lambda name: (-len(found[name]), name))[:limit]\n"
        for each in range(count)
    )


def measure(folder: Path, arguments: list[str]) -> tuple[float, float]:
    """Seconds of the processor after the start, and megabytes in all; the best of some runs."""
    found = []
    for _ in range(RUNS):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM, *arguments],
            cwd=folder,
            env={"PYTHONPATH": f"{folder}:{ROOT}", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    return min(seconds for seconds, _ in found), min(most for _, most in found)


def main() -> None:
    modules = int(sys.argv[1]) if len(sys.argv) > 1 else MODULES
    print(f"| {modules} modules of the project, best of {RUNS} | processor | at most |")
    print("|---|--:|--:|")
    with tempfile.TemporaryDirectory() as temporary:
        for name in ("site-packages", "lib"):  # pip install, and pip install --target
            folder = Path(temporary) / name
            write_project(folder, modules)
            info = folder / "acme-1.0.dist-info"
            info.mkdir()
            tops = ["acme", *(f"library_{number}" for number in range(PACKAGES))]
            (info / "RECORD").write_text("".join(f"{top}/__init__.py,,\n" for top in tops))
            for what, arguments in MEASURED.items():
                seconds, megabytes = measure(folder, arguments)
                print(f"| {what}, in {name} | {seconds:.2f} s | {megabytes:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
