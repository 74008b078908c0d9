"""Tables of the reference, made while it is built, of the code and of what is checked in."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "docs" / "trace.schema.json"
INSTRUCTIONS = ROOT / "benchmarks" / "instructions.json"
PLUGIN = ROOT / "signal_tracer" / "pytest_plugin.py"

Cell = list[nodes.Node]
# An option's spelling, and what it does.
Option = tuple[str, str]


class _Made(SphinxDirective):
    """A directive whose page is made again when a file has changed."""

    def depends_on(self, file: Path) -> str:
        self.env.note_dependency(str(file))
        return file.read_text(encoding="utf-8")


class Options(_Made):
    """``{options} trace_signals``: the options of a command of ours, as its parser has them."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        self.depends_on(ROOT / "signal_tracer" / "management" / "commands" / f"{name}.py")
        made: list[nodes.Node] = []
        for group, about, options in options_of_command(name):
            made += [nodes.paragraph("", "", nodes.strong("", group))] if group else []
            made += [nodes.paragraph("", about)] if about else []
            made.append(_options_table(options))
        return made


class PytestOptions(_Made):
    """``{pytest-options}``: those of the plugin, read from its source: pytest may be missing."""

    def run(self) -> list[nodes.Node]:
        return [_options_table(options_of_pytest(self.depends_on(PLUGIN)))]


class Schema(_Made):
    """``{schema}``: a section with a table for each object in the JSON Schema of a trace."""

    def run(self) -> list[nodes.Node]:
        schema = json.loads(self.depends_on(SCHEMA))
        objects = {"trace": schema, **schema["$defs"]}
        return [_section(name, each) for name, each in objects.items()]


class Instructions(_Made):
    """``{instructions}``: the ratios that CI compares, by Python and Django."""

    def run(self) -> list[nodes.Node]:
        measured = json.loads(self.depends_on(INSTRUCTIONS))
        head = ["operation"]
        for each in measured.values():
            python, django = (part.split()[:2] for part in each["interpreter"].split(","))
            head += [f"{' '.join(python)}, {' '.join(django)}: installed", "traced"]
        operations = list(
            dict.fromkeys(name for each in measured.values() for name in each["ratios"])
        )
        rows = [
            [_text(name), *(cell for each in measured.values() for cell in _ratios(each, name))]
            for name in operations
        ]
        return [_table(head, rows)]


def options_of_command(name: str) -> Iterator[tuple[str, str, list[Option]]]:
    """By group of its ``--help``: the title, the description, the options that are ours."""
    command = importlib.import_module(f"signal_tracer.management.commands.{name}").Command()
    parser = argparse.ArgumentParser(prog=f"manage.py {name}")
    command.add_arguments(parser)
    for group in parser._action_groups:
        options = [
            (_spelled(action), (action.help or "") % vars(action))
            for action in group._group_actions
            if not isinstance(action, argparse._HelpAction)
        ]
        if options:
            title = group.title or ""
            yield "" if title == "positional arguments" else title, group.description or "", options


def options_of_pytest(source: str) -> list[Option]:
    """What ``pytest_addoption`` adds."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "addoption":
            given = {word.arg: word.value for word in call.keywords}
            name = ast.literal_eval(call.args[0])
            takes = ""
            if "metavar" in given:
                takes = ast.literal_eval(given["metavar"])
            elif "choices" in given:
                takes = "{" + ",".join(ast.literal_eval(given["choices"])) + "}"
            takes = f"={takes}" if takes else ""
            found.append(
                (
                    name + (f"[{takes}]" if "nargs" in given else takes),
                    ast.literal_eval(given["help"]),
                )
            )
    return found


def type_of(field: dict[str, Any]) -> Cell:
    """What a value in the schema may be, in words, with a link where it is an object."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return [nodes.reference("", name, refid=_anchor(name), internal=True)]
    if "anyOf" in field:
        return _joined([type_of(each) for each in field["anyOf"]])
    if "enum" in field:
        return _joined([[nodes.literal("", json.dumps(each))] for each in field["enum"]])
    if "const" in field:
        return [nodes.literal("", json.dumps(field["const"]))]
    kind = field.get("type", "anything")
    if kind == "array":
        return [nodes.Text("list of "), *type_of(field.get("items", {}))]
    if kind == "object" and isinstance(field.get("additionalProperties"), dict):
        return [nodes.Text("object, of names: "), *type_of(field["additionalProperties"])]
    words = kind if isinstance(kind, list) else [kind]
    return _text(" or ".join(words))


def _section(name: str, described: dict[str, Any]) -> nodes.Node:
    section = nodes.section(
        "", nodes.title("", name), ids=[_anchor(name)], names=[f"schema {name}"]
    )
    if "description" in described:
        section += nodes.paragraph("", described["description"])
    if "properties" not in described:
        section += nodes.paragraph("", "", *type_of(described), nodes.Text(_bounds(described)))
        return section
    rows = [
        [[nodes.literal("", key)], type_of(field), _text(field.get("description", ""))]
        for key, field in described["properties"].items()
    ]
    section += _table(["key", "type", "meaning"], rows)
    return section


def _bounds(described: dict[str, Any]) -> str:
    least, most = described.get("minimum"), described.get("maximum")
    return "" if least is None else f", {least:,} to {most:,}"


def _anchor(name: str) -> str:
    return f"schema-{name.replace(' ', '-').replace('_', '-')}"


def _joined(cells: list[Cell]) -> Cell:
    made: Cell = []
    for cell in cells:
        made += [*([nodes.Text(" or ")] if made else []), *cell]
    return made


def _ratios(measured: dict[str, Any], name: str) -> Iterator[Cell]:
    ratios = measured["ratios"].get(name)
    for way in ("installed", "traced"):
        yield _text(f"{ratios[way]:.2f}×" if ratios else "")


def _spelled(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices:
        metavar = "{" + ",".join(map(str, action.choices)) + "}"
    names = ", ".join(action.option_strings)
    if not names or action.nargs == 0:
        return names or metavar
    if action.nargs == "?":
        return f"{names} [{metavar}]"
    return f"{names} {metavar}" + (" …" if action.nargs in ("*", "+") else "")


def _options_table(options: list[Option]) -> nodes.Node:
    rows: list[list[Cell]] = [[[nodes.literal("", name)], _text(does)] for name, does in options]
    return _table(["option", "meaning"], rows)


def _text(words: str) -> Cell:
    return [nodes.Text(words)]


def _table(head: list[str], rows: list[list[Cell]]) -> nodes.table:
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    for place, lines in ((nodes.thead(), [[_text(each) for each in head]]), (nodes.tbody(), rows)):
        for line in lines:
            cells = [nodes.entry("", nodes.paragraph("", "", *cell)) for cell in line]
            place += nodes.row("", *cells)
        group += place
    return nodes.table("", group, classes=["reference"])


def _without_fields(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str, returns: str
) -> tuple[str, None] | None:
    """A record's fields stand below it, each with its type; not in its signature once more."""
    if what == "class" and dataclasses.is_dataclass(obj):
        return "", None
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("options", Options)
    app.add_directive("pytest-options", PytestOptions)
    app.add_directive("schema", Schema)
    app.add_directive("instructions", Instructions)
    app.connect("autodoc-process-signature", _without_fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
