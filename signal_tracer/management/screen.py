"""A line at the bottom of a terminal that stays there, whatever else is written above it."""

from __future__ import annotations

import os
from contextlib import suppress
from types import TracebackType
from typing import ClassVar, TextIO

SAVE, RESTORE, CLEAR = "\x1b7", "\x1b8", "\x1b[K"


class BottomLine:
    """Keeps the last line of the terminal for a text of ours, from the first one on.

    What others write scrolls in the lines above, as it does above the progress of Debian's apt:
    a line that is written over and over would stand in the midst of what they write. Where
    ``stream`` is no terminal that can do so, nothing is written. Of two, one within the other, the
    inner one has the line until it ends; a process that was forked meanwhile leaves it alone.
    """

    _open: ClassVar[list[BottomLine]] = []

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._size = (0, 0)
        self._process = os.getpid()
        self._is_able = stream.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")

    def show(self, text: str) -> None:
        size = self._ask_for_size() if self._is_able and self._has_line() else None
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

    def _has_line(self) -> bool:
        return bool(self._open) and self._open[-1] is self and self._process == os.getpid()

    def __enter__(self) -> BottomLine:
        if self._is_able:
            self._open.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(ValueError):
            self._open.remove(self)
        _, lines = self._size
        if lines and self._process == os.getpid():
            self._stream.write(f"{SAVE}\x1b[r\x1b[{lines};1H{CLEAR}{RESTORE}")
            self._stream.flush()
            for outer in self._open:
                outer._size = (0, 0)  # It takes the line anew.
