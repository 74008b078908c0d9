"""Exceptions as type, message and traceback, without running them."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType

from signal_tracer.describing.frames import locate
from signal_tracer.describing.names import class_name, find_in_class
from signal_tracer.describing.values import MESSAGE_TYPES, Capture
from signal_tracer.records import Error, TracebackLine

_TRACEBACK_LINES = 40

_args_of: Callable[[BaseException], tuple[object, ...]] = BaseException.__dict__["args"].__get__
_traceback_of = BaseException.__dict__["__traceback__"].__get__


class CapturedError:
    """An exception as type, message and places; the source lines are looked up when read."""

    __slots__ = ("_message", "_steps", "_type")

    def __init__(self, error: BaseException, capture: Capture, hidden: Callable[[str], bool]):
        """``hidden`` says of a file that its frames are not worth showing."""
        self._type = class_name(type(error))
        self._message = _message_of(error, capture)
        self._steps: list[tuple[CodeType, int]] = []
        step = _traceback_of(error)
        while step is not None:
            code = step.tb_frame.f_code
            if not hidden(code.co_filename):
                self._steps.append((code, step.tb_lasti))
            step = step.tb_next

    def render(self, read_line: Callable[[str, int], str]) -> Error:
        """The plain record; ``read_line`` returns a line of source, or nothing."""
        steps = self._steps
        lines = []
        for index, (code, instruction) in enumerate(steps):
            left_out = len(steps) - _TRACEBACK_LINES
            if left_out > 0 and 5 <= index < 5 + left_out:
                if index == 5:
                    where = locate(code, -1)
                    lines.append(TracebackLine(where, f"… {left_out:,} more"))
                continue
            where = locate(code, instruction)
            lines.append(TracebackLine(where, read_line(where.file, where.line)))
        return Error(self._type, self._message, tuple(lines))


def _message_of(error: BaseException, capture: Capture) -> str:
    """The message without running ``__str__``: the exception's arguments, described."""
    args = _args_of(error)
    if len(args) == 1 and type(args[0]) is str:
        return capture._bounded(args[0])
    plain = all(id(type(each)) in MESSAGE_TYPES for each in args)
    own_str = find_in_class(type(error), "__str__")
    if plain and own_str is OSError.__dict__["__str__"] and len(args) >= 2:
        return capture._bounded(f"[Errno {args[0]}] {args[1]}")
    if not args:
        return ""
    if not plain:
        for each in args:
            capture._look_within(each)
    return capture._bounded(", ".join(capture._describe(each, 1) for each in args))
