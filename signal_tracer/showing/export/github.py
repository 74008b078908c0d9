"""Findings as workflow commands: lines that GitHub makes annotations of when a job prints them."""

from __future__ import annotations

from collections.abc import Iterable

from signal_tracer.findings.kinds import Level
from signal_tracer.findings.remarks import Remark
from signal_tracer.wording import path_within

_COMMANDS: dict[Level, str] = {"error": "error", "warning": "warning", "info": "notice"}


def workflow_commands(remarks: Iterable[Remark], *, root: str) -> list[str]:
    """A line for each, with the paths of files from the folder ``root``."""
    return [_command(each, root) for each in remarks]


def _command(remark: Remark, root: str) -> str:
    properties = {"title": f"{remark.slug}: {remark.title}"}
    place = remark.location
    if place is not None and not place.file.startswith("<"):  # Compiled from a file.
        file = path_within(place.file, root) or place.file
        properties = {"file": file, "line": str(place.line), **properties}
    named = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    seen = [f"Seen {remark.seen}."] if remark.seen else []
    text = "\n".join([remark.message, remark.advice, *seen])
    return f"::{_COMMANDS[remark.level]} {named}::{_data(text)}"


def _data(text: str) -> str:
    """As the runner takes it apart again: whatever is in it, it stays one line of one command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
