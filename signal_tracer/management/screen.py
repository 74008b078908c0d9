"""A line at the bottom of a terminal that stays there, whatever else is written above it."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TextIO

SAVE, RESTORE, CLEAR = "\x1b7", "\x1b8", "\x1b[K"


class BottomLine:
    """Keeps the last line of the terminal for a text of ours, from the first one on.

    What others write scrolls in the lines above, as it does above the progress of Debian's apt:
    a line that is written over and over would stand in the midst of what they write. Where
    ``stream`` is no terminal that can do so, nothing is written.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._size = (0, 0)
        self._is_able = stream.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")

    def show(self, text: str) -> None:
        size = self._ask_for_size() if self._is_able else None
        if size is None:
            return
        if size != self._size:
            # A new line first, in case that the cursor stands in the last one.
            self._stream.write(f"\n{SAVE}\x1b[1;{size[1] - 1}r{RESTORE}\x1b[1A")
            self._size = size
        columns, lines = size
        self._stream.write(f"{SAVE}\x1b[{lines};1H{text[: columns - 1]}{CLEAR}{RESTORE}")
        self._stream.flush()

    def _ask_for_size(self) -> tuple[int, int] | None:
        """Columns and lines; ``None`` if there is no room to spare."""
        try:
            columns, lines = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return None
        return (columns, lines) if lines > 2 and columns > 1 else None

    def __enter__(self) -> BottomLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _, lines = self._size
        if lines:
            self._stream.write(f"{SAVE}\x1b[r\x1b[{lines};1H{CLEAR}{RESTORE}")
            self._stream.flush()
