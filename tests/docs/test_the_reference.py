"""The reference says what the code says: options, checks, records, figures."""

from __future__ import annotations

import dataclasses
import json
import re
from html import unescape
from pathlib import Path

import pytest

from signal_tracer import pytest_plugin, records
from signal_tracer.checks import IDS
from signal_tracer.findings.catalogue import kinds
from signal_tracer.management.commands import signal_map, signal_traces, trace_signals

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
COMMANDS = {
    "signal_map": signal_map,
    "signal_traces": signal_traces,
    "trace_signals": trace_signals,
}


def text_of(page: Path) -> str:
    """What a built page shows, without its markup."""
    article = re.search(r"<article.*?</article>", page.read_text(), re.DOTALL)
    assert article
    return unescape(re.sub(r"<[^>]+>", "", article[0])).replace("’", "'")


def first_cells(page: Path) -> list[str]:
    """The first column of each table of a built page."""
    rows = re.findall(r"<tr class=[^>]*>\s*<td>(.*?)</td>", page.read_text(), re.DOTALL)
    return [unescape(re.sub(r"<[^>]+>", "", row)).strip() for row in rows]


def test_the_page_of_checks_has_every_id_that_the_code_gives() -> None:
    given = {
        found
        for file in (ROOT / "signal_tracer").rglob("*.py")
        for found in re.findall(r'"(signal_tracer\.[EWI]\d{3})"', file.read_text())
    }
    page = (REFERENCE / "checks.md").read_text()

    assert set(re.findall(r"^\| `(\S+)` \|", page, re.MULTILINE)) == given


def test_the_page_of_checks_has_the_level_and_the_title_of_each_finding() -> None:
    about = {kind.slug: (kind.level, kind.title) for kind in kinds()}
    page = (REFERENCE / "checks.md").read_text()
    row = r"^\| `(\S+)` \| (\w+) \| \[(\S+)\]\(\.\./findings\.md#(\S+)\) \| (.+) \|$"

    assert {
        (slug, number, level, anchor, title)
        for number, level, slug, anchor, title in re.findall(row, page, re.MULTILINE)
    } == {(slug, number, about[slug][0], slug, about[slug][1]) for slug, number in IDS.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_of_a_command_is_on_its_page(site: Path, name: str) -> None:
    parser = COMMANDS[name].Command().create_parser("manage.py", name)
    djangos = {"-h", "--help", "--version", "-v", "--verbosity", "--settings", "--pythonpath"}
    djangos |= {"--traceback", "--no-color", "--force-color", "--skip-checks"}
    options = {each for action in parser._actions for each in action.option_strings} - djangos
    cells = first_cells(site / "reference" / "commands.html")
    shown = {word for cell in cells for word in re.split(r"[ ,]+", cell)}

    assert options
    assert options <= shown


def test_the_page_of_commands_shows_no_option_that_does_not_exist(site: Path) -> None:
    exist = {
        option
        for name, module in COMMANDS.items()
        for action in module.Command().create_parser("manage.py", name)._actions
        for option in action.option_strings
    }
    cells = " ".join(first_cells(site / "reference" / "commands.html"))

    assert set(re.findall(r"--[\w-]+", cells)) <= exist


class Group:
    """What the plugin is given to add its options to."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def getgroup(self, name: str, description: str) -> Group:
        return self

    def addoption(self, name: str, **kwargs: object) -> None:
        self.names.append(name)


def test_the_page_of_pytest_has_every_option_and_marker(site: Path) -> None:
    group = Group()
    pytest_plugin.pytest_addoption(group)  # type: ignore[arg-type]
    cells = first_cells(site / "reference" / "pytest.html")

    assert [re.match(r"[\w-]+", cell)[0] for cell in cells[: len(group.names)]] == group.names  # type: ignore[index]
    markers = {marker.partition("(")[0] for marker in pytest_plugin.MARKERS}
    assert {cell.partition("(")[0] for cell in cells[-3:]} == markers


def test_every_record_is_described_with_each_of_its_fields(site: Path) -> None:
    page = (site / "reference" / "api.html").read_text()
    kept = {
        f"signal_tracer.records.{name}.{field.name}"
        for name, each in vars(records).items()
        if isinstance(each, type) and dataclasses.is_dataclass(each)
        # Limits are of the schema, the heading is in Trace.
        if name not in {"Limits", "Heading"}
        for field in dataclasses.fields(each)
    }

    assert kept - set(re.findall(r'id="([\w.]+)"', page)) == set()


def test_the_public_names_are_described(site: Path) -> None:
    import signal_tracer
    from signal_tracer import testing

    described = set(re.findall(r'id="([\w.]+)"', (site / "reference" / "api.html").read_text()))
    for package in (signal_tracer, testing):
        for name in package.__all__:
            live = getattr(package, name)
            assert f"{live.__module__}.{live.__qualname__}" in described


def test_each_thing_in_the_schema_has_a_table(site: Path) -> None:
    schema = json.loads((ROOT / "docs" / "trace.schema.json").read_text())
    page = (site / "reference" / "schema.html").read_text()
    text = text_of(site / "reference" / "schema.html")

    for name in ("trace", *schema["$defs"]):
        assert f'id="schema-{name.replace(" ", "-").replace("_", "-")}"' in page
    cells = first_cells(site / "reference" / "schema.html")
    for described in (schema, *schema["$defs"].values()):
        assert set(described.get("properties", ())) <= set(cells)
        assert described.get("description", "") in text


def test_the_page_of_the_cost_shows_what_is_checked_in(site: Path) -> None:
    measured = json.loads((ROOT / "benchmarks" / "instructions.json").read_text())
    text = text_of(site / "reference" / "cost.html")

    for each in measured.values():
        for name, ratios in each["ratios"].items():
            assert name in text
            assert f"{ratios['traced']:.2f}×" in text
