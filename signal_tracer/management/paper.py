"""Paper that rich draws on, as able as the stream that what is on it will be written to."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

from rich.console import Console, RenderableType

# What a pipe or a file gets is not broken into lines, so that a search finds whole names.
UNBROKEN = 1000


def drawn(renderable: RenderableType, stream: Any, options: Mapping[str, Any]) -> str:
    """What rich draws for ``stream``, or for a file if it is ``None``.

    ``options``: those of the command, which say whether there are to be colours.
    """
    is_terminal = stream is not None and stream.isatty()
    paper = _Paper(getattr(stream, "encoding", None))
    is_coloured = is_terminal or options["force_color"]
    console = Console(
        file=paper,
        width=None if is_terminal or os.environ.get("COLUMNS") else UNBROKEN,
        force_terminal=is_coloured,
        color_system="auto" if is_coloured else None,
        no_color=options["no_color"] or None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(renderable)
    return "\n".join(line.rstrip() for line in paper.getvalue().splitlines())


class _Paper(io.StringIO):
    def __init__(self, encoding: str | None) -> None:
        super().__init__()
        self._encoding = encoding or "utf-8"

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute
        return self._encoding
