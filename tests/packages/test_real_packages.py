"""The map of a project with real packages holds what a look of one's own finds, and no more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.packages

SITE = Path(__file__).parent / "site"


def run(
    *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=SITE,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings", **environment},
        capture_output=True,
        text=True,
        check=check,
    )


@pytest.fixture(scope="module")
def look() -> Any:
    return json.loads(run("look.py").stdout)


def connections(signal: Any) -> list[list[Any]]:
    return [
        [each["receiver"], each["sender"], each["is_weak"], each["is_async"]]
        for each in signal["connections"]
    ]


def test_every_signal_is_in_the_map_under_a_name_it_has(look: Any) -> None:
    names = {signal["name"] for signal in look["map"]["signals"]}
    found = [names & set(each.split("|")) for each in look["before"]]

    assert [len(each) for each in found] == [1] * len(found)
    assert set().union(*found) == names
    assert len(names) > 70


def test_the_map_holds_exactly_the_connections_that_are_there(look: Any) -> None:
    mapped = {signal["name"]: connections(signal) for signal in look["map"]["signals"]}
    there = {
        next(name for name in names.split("|") if name in mapped): found
        for names, found in look["before"].items()
    }

    assert mapped == there
    assert sum(map(len, there.values())) > 100


def test_looking_connects_and_disconnects_nothing(look: Any) -> None:
    assert look["after"] == look["before"]


def test_looking_imports_no_module(look: Any) -> None:
    assert look["imported"] == []


def test_looking_sets_up_no_lazy_object(look: Any) -> None:
    assert len(look["was_lazy"]) > 20
    assert look["is_lazy"] == look["was_lazy"]


def test_a_signal_with_send_methods_of_its_own_is_in_it_and_says_so(look: Any) -> None:
    [signal] = [each for each in look["map"]["signals"] if each["name"].endswith("fee_asked")]

    assert signal["type"] == "library.signals.BranchSignal"
    assert signal["own_methods"] == ["send"]
    assert connections(signal) == [
        ["library.receivers.ask_fee", "library.Book", True, False],
    ]


def test_with_the_urlconf_what_it_connects_is_there_and_marked() -> None:
    without = run("manage.py", "signal_map", "--format", "json").stdout
    with_urls = run("manage.py", "signal_map", "--load-urls", "--format", "json").stdout
    marked = [
        each["receiver"]
        for signal in json.loads(with_urls)["signals"]
        for each in signal["connections"]
        if each["with_urls"]
    ]

    assert "library.views.count_loans" in marked
    # Without it, it is connected to nothing, and named as what the source would connect.
    data = json.loads(without)
    assert [each["receiver"] for each in data["missing"]] == ["library.views.count_loans"]
    assert "library.views.count_loans" not in json.dumps(data["signals"])
    assert "library.receivers.remind" not in marked


def test_there_is_no_finding_of_level_error() -> None:
    found = run("manage.py", "signal_map", "--load-urls", "--fail-on", "error")

    assert found.stdout == "No findings.\n"


def test_the_checks_say_nothing_of_installed_packages() -> None:
    found = run("manage.py", "check", "--tag", "signals")

    assert found.stdout == "System check identified no issues (0 silenced).\n"


def test_a_kept_map_is_the_same_for_every_hash_seed(tmp_path: Path) -> None:
    texts = []
    for seed in ("1", "2"):
        file = tmp_path / f"{seed}.json"
        run("manage.py", "signal_map", "--load-urls", "--write", str(file), PYTHONHASHSEED=seed)
        texts.append(file.read_text())

    assert texts[0] == texts[1]
    assert str(SITE) not in texts[0]
    assert "site-packages" not in texts[0]


@pytest.mark.parametrize("form", ["table", "tree", "markdown", "mermaid", "dot"])
def test_every_format_names_every_receiver(form: str, look: Any) -> None:
    text = look["printed"][form]
    if form == "mermaid":
        text = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text)
    if form == "markdown":
        text = text.replace("\\|", "|")

    for signal in look["map"]["signals"]:
        for connection in signal["connections"]:
            assert connection["receiver"] in text
