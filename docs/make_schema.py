"""Writes the JSON Schema of a trace, docs/trace.schema.json: ``python docs/make_schema.py``.

From the fields of the records, their hints, and what is written below them.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from signal_tracer.plain import ANY_INTEGER, Shape, shapes_of  # noqa: E402
from signal_tracer.records import Contents, Heading, Limits  # noqa: E402
from signal_tracer.trace import FORMAT_VERSION  # noqa: E402

FILE = ROOT / "docs" / "trace.schema.json"
NULL = {"type": "null"}
TEXT = {"type": "string"}
VALUE = {
    "description": "A string, number, boolean or null as it was; anything else as a summary.",
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["summary"],
            "properties": {"summary": TEXT},
        },
    ],
}
MOMENT = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{6})?[+-]\d{2}:\d{2}$"


def main() -> None:
    FILE.write_text(text(), encoding="utf-8")
    print(f"Wrote {FILE}.")


def text() -> str:
    """What the file holds."""
    return f"{json.dumps(schema(), indent=2)}\n"


def schema() -> dict[str, Any]:
    definitions: dict[str, Any] = {"value": VALUE}
    heading, contents = (_object(each, definitions) for each in (Heading, Contents))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trace",
        "description": (
            "What Trace.to_dict() returns and Trace.from_dict() reads. All times are seconds; all "
            "but started_at of the trace itself are counted from its start."
        ),
        "type": "object",
        "additionalProperties": False,
        "required": ["version", *heading["required"], *contents["required"]],
        "properties": {
            "version": {"const": FORMAT_VERSION},
            **heading["properties"],
            **contents["properties"],
        },
        "$defs": dict(sorted(definitions.items())),
    }


def _object(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    shapes, said = shapes_of(cls), _said_below_fields(cls)
    description, *_ = dedent(inspect.getdoc(cls) or "").partition("\n\n")
    return {
        "description": _plainly(description),
        "type": "object",
        "additionalProperties": False,
        "required": list(shapes),
        "properties": {
            name: {
                **({"description": said[name]} if name in said else {}),
                **_schema(shape, definitions),
            }
            for name, shape in shapes.items()
        },
    }


def _said_below_fields(cls: type) -> dict[str, str]:
    """The texts that stand below fields, which Python itself does not keep."""
    [definition] = ast.parse(dedent(inspect.getsource(cls))).body
    assert isinstance(definition, ast.ClassDef)
    said = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(words))
            ):
                said[name] = _plainly(words)
    return said


def _plainly(words: str) -> str:
    """In one line, without the marks of reStructuredText, and in JSON's words."""
    return re.sub(r"\s+", " ", words.replace("``None``", "null").replace("``", ""))


def _schema(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    found = _of_kind(shape, definitions)
    if not shape.is_optional:
        return found
    if isinstance(found.get("type"), str) and found.keys() == {"type"}:
        return {"type": [found["type"], "null"]}
    return {"anyOf": [found, NULL]}


def _of_kind(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    match shape.kind:
        case "text":
            return TEXT
        case "flag":
            return {"type": "boolean"}
        case "integer" | "number":
            limits: Limits = shape.inside
            if limits is ANY_INTEGER:
                return _number(shape)
            return _reference(limits.name, definitions, lambda: _number(shape))
        case "words":
            return {"enum": list(shape.inside)}
        case "moment":
            return {"type": "string", "pattern": MOMENT}
        case "value":
            return {"$ref": "#/$defs/value"}
        case "list" | "tuple":
            return {"type": "array", "items": _schema(shape.inside, definitions)}
        case "dict":
            return {"type": "object", "additionalProperties": _schema(shape.inside, definitions)}
        case "record":
            name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", shape.inside.__name__).lower()
            return _reference(name, definitions, lambda: _object(shape.inside, definitions))
    raise AssertionError(f"a trace has no {shape.kind}")


def _number(shape: Shape) -> dict[str, Any]:
    return {"type": shape.kind, "minimum": shape.inside.least, "maximum": shape.inside.most}


def _reference(
    name: str, definitions: dict[str, Any], define: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    if name not in definitions:
        definitions[name] = {}  # while it is being made: records nest
        definitions[name] = define()
    return {"$ref": f"#/$defs/{name}"}


if __name__ == "__main__":
    main()
