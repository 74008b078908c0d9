"""The last line of a terminal, kept for a count while others write above it."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import pytest

from signal_tracer.management.screen import BottomLine

fcntl, pty, termios = map(pytest.importorskip, ("fcntl", "pty", "termios"))  # Not on Windows.

ESC = "\x1b"


class Terminal:
    """A terminal of 24 lines and 40 columns, unless it is resized."""

    def __init__(self) -> None:
        self.outside, self.inside = pty.openpty()
        self.stream: TextIO = os.fdopen(self.inside, "w", encoding="utf-8")
        self.resize(24, 40)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.inside, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def written(self) -> str:
        os.set_blocking(self.outside, False)
        read = b""
        with suppress(BlockingIOError):
            while part := os.read(self.outside, 10_000):
                read += part
        return read.decode().replace("\r\n", "\n")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    yield terminal
    terminal.stream.close()
    os.close(terminal.outside)


def test_the_first_text_takes_the_last_line_out_of_what_scrolls_and_the_end_gives_it_back(
    terminal: Terminal,
) -> None:
    with BottomLine(terminal.stream) as line:
        assert terminal.written() == ""
        line.show("1 dispatch")
        assert terminal.written() == (
            f"\n{ESC}7{ESC}[1;23r{ESC}8{ESC}[1A{ESC}7{ESC}[24;1H1 dispatch{ESC}[K{ESC}8"
        )
        line.show("2 dispatches")
        assert terminal.written() == f"{ESC}7{ESC}[24;1H2 dispatches{ESC}[K{ESC}8"
    assert terminal.written() == f"{ESC}7{ESC}[r{ESC}[24;1H{ESC}[K{ESC}8"


def test_of_two_the_inner_one_has_the_line_until_it_ends_and_the_outer_one_takes_it_anew(
    terminal: Terminal,
) -> None:
    with BottomLine(terminal.stream) as outer:
        outer.show("1 dispatch")
        with BottomLine(terminal.stream) as inner:
            inner.show("2 dispatches")
            terminal.written()
            outer.show("3 dispatches")
            assert terminal.written() == ""
        assert terminal.written() == f"{ESC}7{ESC}[r{ESC}[24;1H{ESC}[K{ESC}8"
        outer.show("4 dispatches")
        assert f"{ESC}[1;23r" in (written := terminal.written())
        assert f"{ESC}[24;1H4 dispatches{ESC}[K" in written


def test_it_follows_the_size_of_the_terminal_and_is_never_longer_than_a_line(
    terminal: Terminal,
) -> None:
    with BottomLine(terminal.stream) as line:
        line.show("1 dispatch")
        terminal.written()
        terminal.resize(10, 5)
        line.show("2 dispatches")
        assert f"{ESC}[1;9r" in (written := terminal.written())
        assert f"{ESC}[10;1H2 di{ESC}[K" in written


def test_a_terminal_of_two_lines_has_none_to_spare(terminal: Terminal) -> None:
    terminal.resize(2, 40)
    with BottomLine(terminal.stream) as line:
        line.show("1 dispatch")
    assert terminal.written() == ""


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_can_do_nothing_is_left_alone(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    with BottomLine(terminal.stream) as line:
        line.show("1 dispatch")
    assert terminal.written() == ""


def test_what_is_no_terminal_gets_nothing() -> None:
    stream = io.StringIO()
    with BottomLine(stream) as line:
        line.show("1 dispatch")
    assert stream.getvalue() == ""


def test_it_is_given_back_also_when_the_command_is_interrupted(terminal: Terminal) -> None:
    def interrupted() -> None:
        with BottomLine(terminal.stream) as line:
            line.show("1 dispatch")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert terminal.written().endswith(f"{ESC}[r{ESC}[24;1H{ESC}[K{ESC}8")
