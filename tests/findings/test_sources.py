"""Source files that the rules read: those of the project, each once, and as few as can be.

Files are counted as Python itself tells of them: what is opened, and what is compiled.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from signal_tracer.findings.source import Sources
from signal_tracer.records import Location
from signal_tracer.signal_map import Connection, MappedApp, MappedSignal, SignalMap

ROOT = Path(__file__).parents[2]
PROGRAM = """
import io, json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "acme.settings"
import django
django.setup()
import acme.urls
from django.core.management import CommandError, call_command
from django.core.management.commands import check
import signal_tracer.management.commands.signal_map
opened, parsed = [], []
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.append(arguments[0])
    elif event == "compile" and isinstance(arguments[1], str):
        parsed.append(arguments[1])
sys.addaudithook(note)
try:
    call_command(*sys.argv[1:], stdout=io.StringIO(), stderr=io.StringIO())
except CommandError as error:
    print(error, file=sys.stderr)
here = os.path.join(os.getcwd(), "")
print(json.dumps([[each[len(here):] for each in some if each.startswith(here)]
                  for some in (opened, parsed)]))
"""


def large_project() -> Any:
    spec = importlib.util.spec_from_file_location(
        "large_project", ROOT / "benchmarks/large_project.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def files_of(folder: Path, *command: str) -> tuple[list[str], list[str], str]:
    """What of a folder a command opens and what it parses, and the last thing it said."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, *command],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    opened, parsed = json.loads(done.stdout)
    return opened, parsed, done.stderr


@pytest.fixture(params=["site-packages", "lib"])
def folder_of_packages(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project of 400 modules, installed by pip beside others; ``lib`` is pip's ``--target``."""
    folder = tmp_path / request.param
    large_project().write_project(folder, 400, functions=1, packages=3)
    info = folder / "acme-1.0.dist-info"
    info.mkdir()
    names = ["acme", "library_0", "library_1", "library_2"]
    (info / "RECORD").write_text("".join(f"{name}/__init__.py,,\n" for name in names))
    return folder


def test_checks_parse_only_what_may_connect_a_receiver_and_each_file_once(
    folder_of_packages: Path,
) -> None:
    opened, parsed, _ = files_of(folder_of_packages, "check", "--tag", "signals")

    assert {file.partition("/")[0] for file in opened if file.endswith(".py")} == {"acme"}
    # Of each of 20 apps, and none of its 15 parts.
    assert Counter(file.rpartition("/")[2] for file in parsed) == dict.fromkeys(
        ("apps.py", "receivers.py", "views.py"), 20
    )
    assert len(set(parsed)) == len(parsed)


def test_of_a_folder_of_packages_only_the_project_is_read_and_few_files_parsed(
    folder_of_packages: Path,
) -> None:
    opened, parsed, said = files_of(folder_of_packages, "signal_map", "--fail-on", "info")

    assert said == "The signal map has 20 findings of level info or worse.\n"
    assert {file.partition("/")[0] for file in opened if file.endswith(".py")} == {"acme"}
    # Once for what they connect: of each of 20 apps: apps, receivers, views. And once for what they
    # import of the project: these, and 7 of 15 parts.
    assert len(set(parsed)) == 20 * 10
    assert len(parsed) == 20 * (10 + 3)


def test_reading_ends_where_every_receiver_is_found(tmp_path: Path) -> None:
    large_project().write_project(tmp_path / "site-packages", 400, functions=1, packages=0)
    for views in tmp_path.glob("site-packages/acme/*/views.py"):
        views.write_text("")

    _, parsed, said = files_of(tmp_path / "site-packages", "signal_map", "--fail-on", "info")

    assert said == ""
    assert {file.rpartition("/")[2] for file in parsed} == {"apps.py", "receivers.py"}


def mapped(folder: Path, *connected: Path) -> SignalMap:
    """The map of a project in a folder, with a receiver on line 1 of each file."""
    connections = tuple(
        Connection(
            f"{file.stem}.receive",
            "function",
            position,
            defined_at=Location(str(file), 1, "receive"),
            module=".".join(file.relative_to(folder).with_suffix("").parts),
            is_project=True,
        )
        for position, file in enumerate(connected, 1)
    )
    shop = str(folder / "shop")
    app = MappedApp("shop", "shop", shop, f"{shop}/apps.py", "ShopConfig", is_project=True)
    return SignalMap((MappedSignal("shop.signals.paid", connections=connections),), (app,))


def write(folder: Path, **sources: str) -> None:
    for name, source in sources.items():
        file = folder.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(source)


RECEIVER = "def receive(**kwargs): ...\n"


def test_what_is_beside_a_project_that_nothing_installed_is_followed(tmp_path: Path) -> None:
    write(
        tmp_path / "src",
        shop__apps="class ShopConfig:\n    def ready(self):\n        import tools.start\n",
        tools__start="import tools.receivers",
        tools__receivers=RECEIVER,
        tools__others=RECEIVER,
    )
    folder = tmp_path / "src"
    sources = Sources(mapped(folder))

    assert sources.is_imported_by_ready("tools.receivers") is True
    assert sources.is_imported_by_ready("tools.others") is False


def test_what_an_installer_put_beside_a_project_is_not_followed(tmp_path: Path) -> None:
    write(
        tmp_path / "src",
        shop__apps="import tools.start, helper.start",
        tools__start="import shop.receivers",
        helper__start="import shop.others",
        shop__receivers=RECEIVER,
        shop__others=RECEIVER,
    )
    folder = tmp_path / "src"
    (folder / "tools-1.dist-info").mkdir()
    (folder / "tools-1.dist-info/RECORD").write_text("tools/__init__.py,,\n")
    sources = Sources(mapped(folder))

    assert sources.is_imported_by_ready("shop.receivers") is False
    assert sources.is_imported_by_ready("shop.others") is True


@pytest.mark.parametrize(
    "imports",
    [
        "from . import receivers",
        "from .receivers import receive",
        "from \\\n    .receivers import receive",
        "import os, shop.receivers",
        "if True: from shop import receivers",
        "def later():\n    try:\n        pass\n    except OSError:\n        import shop.receivers",
        "match 1:\n    case 1:\n        import shop.receivers",
    ],
)
def test_imports_are_followed_however_they_are_written(imports: str, tmp_path: Path) -> None:
    write(
        tmp_path / "site-packages",
        shop__apps="import shop.start",
        shop__start=imports,
        shop__receivers=RECEIVER,
    )

    sources = Sources(mapped(tmp_path / "site-packages"))

    assert sources.is_imported_by_ready("shop.receivers") is True


def test_a_signal_in_a_module_of_no_package_is_looked_for_in_that_file_alone(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "site-packages"
    write(folder, others__tasks="paid.send_robust(None)")
    alone = folder / "payments.py"
    alone.write_text("paid = Signal()\n")
    signal = MappedSignal("payments.paid", defined_at=Location(str(alone), 1, "<module>"))
    packaged = folder / "others/signals.py"
    other = MappedSignal("others.signals.paid", defined_at=Location(str(packaged), 1, "<module>"))

    assert Sources(SignalMap()).sends_robustly(signal) is False
    assert Sources(SignalMap()).sends_robustly(other) is True
