"""Every code block of the documentation runs, or says why not; and no trace is typed in."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
RUN = DOCS / "examples" / "run.py"
NOT_PAGES = {"_build", "examples"}
PAGES = sorted(
    page for page in DOCS.rglob("*.md") if not NOT_PAGES & set(page.relative_to(DOCS).parts)
)

# Pages whose blocks need more than an example of their own, and the test that runs them.
ELSEWHERE = {
    "apis-without-a-page.md": "trace_files/test_apis_page.py",
    "commands.md": "commands/test_the_page_of_commands.py",
    "my-receiver-does-not-run.md": "commands/test_my_receiver_page.py",
    "opentelemetry.md": "telemetry/test_the_page_of_opentelemetry.py",
    "testing-signals.md": "testing/test_the_docs_page.py",
    "tutorial.md": "docs/test_the_tutorial.py",
}
# What runs here, and what is not code that could.
RUNS = {"python", "sh", "toml", "json"}
DOES_NOT_RUN = {"", "text", "html", "yaml", "ini", "sql", "diff"}

PICTURE = re.compile(
    r"[├└]─|\bsent from \S+:\d+|\d dispatch(?:es)? · |\d receiver calls? · |unheard: \S+\.\S+"
)
# Typed in by hand, and why that is right all the same.
TYPED = {
    "my-receiver-does-not-run.md": "its own test builds each cause and compares what it prints",
    "opentelemetry.md": "spans that arrived, compared with what the script draws of them",
}


def load_blocks() -> ModuleType:
    """``docs/examples/blocks.py``, which lies beside a ``settings.py`` that nobody wants here."""
    spec = importlib.util.spec_from_file_location("docs_blocks", RUN.with_name("blocks.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


blocks_of = load_blocks().blocks_of
HERE = [page for page in PAGES if page.name not in ELSEWHERE]


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


def example_of(page: Path) -> str:
    example = page.stem.replace("-", "_")
    return example if (DOCS / "examples" / example).is_dir() else ""


def run(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_page_that_is_tested_elsewhere_is_tested_there(name: str) -> None:
    assert (DOCS / name).is_file()
    assert f'"{name}"' in (ROOT / "tests" / ELSEWHERE[name]).read_text()


@pytest.mark.parametrize("page", HERE, ids=name_of)
def test_a_block_says_what_it_is_written_in(page: Path) -> None:
    for block in blocks_of(page.read_text()):
        assert block.is_made or block.language in RUNS | DOES_NOT_RUN, (
            f"{name_of(page)}:{block.line} is {block.language!r}. What is run is "
            f"{', '.join(sorted(RUNS))}; what is not, {', '.join(sorted(DOES_NOT_RUN - {''}))}."
        )


@pytest.mark.parametrize("page", HERE, ids=name_of)
def test_python_blocks_run_one_after_another(page: Path) -> None:
    written = [block for block in blocks_of(page.read_text()) if block.language == "python"]
    if any(not block.reason for block in written):
        run(example_of(page), "--blocks", str(page))


@pytest.mark.parametrize("page", HERE, ids=name_of)
def test_shell_blocks_run_line_by_line(page: Path, tmp_path: Path) -> None:
    for block in blocks_of(page.read_text()):
        if block.language != "sh" or block.reason:
            continue
        for line in block.source.splitlines():
            words = shlex.split(line, comments=True)
            assert not words or words[:2] == ["python", "manage.py"], (
                f"{name_of(page)}:{block.line}: {line!r} is no command line of manage.py, which "
                "alone runs here. Put a comment above the block: <!-- not run: why -->"
            )
            if words:
                run(example_of(page), "--folder", str(tmp_path), "--manage", *words[2:])


@pytest.mark.parametrize("page", HERE, ids=name_of)
def test_toml_and_json_can_be_read(page: Path) -> None:
    reads = {"toml": tomllib.loads, "json": json.loads}
    for block in blocks_of(page.read_text()):
        if block.language in reads and not block.reason:
            reads[block.language](block.source)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_trace_is_typed_in(page: Path) -> None:
    typed = [
        f"{name_of(page)}:{block.line}: write ```{{traced}} page.function instead"
        for block in blocks_of(page.read_text())
        if not block.is_made and PICTURE.search(block.source)
    ]
    assert bool(typed) == (page.name in TYPED), typed


def test_a_block_knows_its_language_its_line_and_why_it_does_not_run() -> None:
    text = (
        "# A page\n\n```python\na = 1\n```\n\n"
        "<!-- not run: no network -->\n```sh\npip install x\n```\n"
        "1. A step\n\n   % not run: yours\n   ```toml\n   a = 1\n   ```\n"
        "````{traced} page.function\n:brief:\n````\n~~~{code-block} python\nb\n~~~\n"
    )
    assert [(each.language, each.source, each.line, each.reason) for each in blocks_of(text)] == [
        ("python", "a = 1\n", 3, ""),
        ("sh", "pip install x\n", 8, "no network"),
        ("toml", "a = 1\n", 14, "yours"),
        ("{traced} page.function", ":brief:\n", 17, ""),
        ("python", "b\n", 20, ""),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "  ├─ shop.receivers.notify   14 µs",
        "  │  sent from shop/views.py:12 in pay",
        "6 dispatches · 9 receiver calls",
        "unheard: django.db.models.signals.pre_save sender=auth.User × 1",
    ],
)
def test_a_line_of_a_trace_is_known_by_its_marks(line: str) -> None:
    assert PICTURE.search(line)
