"""The README is one screen: what it is, a picture, two commands, five lines, and where to go."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_it_leads_to_files_that_exist() -> None:
    linked = re.findall(r"\]\(([^)#]+)", README) + re.findall(r'(?:src|srcset)="([^"]+)"', README)

    assert "docs/tutorial.md" in linked
    assert [file for file in linked if not (ROOT / file).is_file()] == []


def test_it_has_two_commands_and_five_lines_of_code() -> None:
    shell, python = re.findall(r"```\w+\n(.*?)```", README, re.DOTALL)

    assert [line.split()[0] for line in shell.splitlines()] == ["make", "pip"]
    assert "\ndemo:" in (ROOT / "Makefile").read_text()
    assert len([line for line in python.splitlines() if line]) == 5


def test_its_code_runs_and_prints_a_trace(capsys) -> None:  # type: ignore[no-untyped-def]
    [code] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

    exec(code, {"place_order": lambda: None})

    assert "checkout" in capsys.readouterr().err


def test_it_fits_on_one_screen() -> None:
    """GitHub sets some 95 characters in a line; the picture is as high as 15 of them."""
    text = re.sub(r"<picture>.*?</picture>", "", README, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    lines = sum(-(-len(line) // 95) for line in text.splitlines())

    assert lines <= 32
