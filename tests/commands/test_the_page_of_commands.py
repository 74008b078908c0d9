"""docs/commands.md: its command lines and blocks run, and it names every option."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import load_command_class

from signal_tracer import Trace

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "commands.md").read_text()
# The recipes for workers run in tests of their own.
PAGE = re.sub(r"^## Tasks and workers\n.*?(?=^## )", "", PAGE, flags=re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example site with a filled shop, and the files that the page names."""
    folder = tmp_path_factory.mktemp("project")
    example = ROOT / "example_site"
    (folder / "manage.py").write_text(
        f"import sys\nsys.path.insert(0, {str(example)!r})\n" + (example / "manage.py").read_text()
    )
    user = {"model": "auth.user", "pk": 7, "fields": {"username": "ada", "password": "x"}}
    (folder / "users.json").write_text(json.dumps([user]))
    (folder / "script.py").write_text("print('from the script')\n")
    assert shell(folder, "python manage.py prepare_demo").returncode == 0
    return folder


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "EXAMPLE_SITE_DATA": str(folder),
            "PYTHONIOENCODING": "utf-8",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


LINES = [line for block in blocks("sh") for line in block.splitlines()]


def test_the_page_has_as_many_command_lines_as_it_should() -> None:
    assert len(LINES) == 9


@pytest.mark.parametrize("line", LINES)
def test_each_command_line_runs_and_shows_its_trace(project: Path, line: str) -> None:
    ended = shell(project, line)

    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^manage\.py \w+.* +[\d.]+ (s|ms|µs)$", ended.stderr, re.MULTILINE)
    if "--json" in line:
        assert Trace.from_dict(json.loads((project / "trace.json").read_text())).dispatches
        assert json.loads((project / "slices.json").read_text())["traceEvents"]


def test_the_blocks_of_python_run() -> None:
    functions, by_hand, command = blocks("python")
    names: dict[str, Any] = {}
    exec(functions, names)
    assert names["import_orders"]("orders.csv") is None
    exec(by_hand, {})
    exec(command, names)
    assert "signal_tracer.trace_signals" in names["Command"]().get_auto_imports()


@pytest.mark.django_db
def test_the_lines_of_the_shell_run(capsys: pytest.CaptureFixture[str]) -> None:
    from shop.models import Product

    Product.objects.create(name="Mug", price=5)
    ipython = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell()
    lines, cell = blocks("ipython")
    for each in (*lines.splitlines(), cell):
        ipython.run_cell(each).raise_error()
    shown = capsys.readouterr().out

    assert re.search(r"^mug\.save\(\) +[\d.]+ (s|ms|µs)$", shown, re.MULTILINE)
    assert re.search(r"^two mugs +[\d.]+ (s|ms|µs)$", shown, re.MULTILINE)


def test_it_names_every_option() -> None:
    command = load_command_class("signal_tracer", "trace_signals")
    base = {"--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback"}
    base |= {"--no-color", "--force-color"}
    options = {
        name
        for action in command.create_parser("manage.py", "trace_signals")._actions
        for name in action.option_strings
        if name.startswith("--")
    } - base
    assert options == set(re.findall(r"--[a-z][a-z-]+", PAGE.split("## A function")[0]))
