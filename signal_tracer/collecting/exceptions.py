"""The place where an exception is noted that a receiver's own code caught and went on from.

Python 3.12's ``sys.monitoring`` tells when an exception is raised, raised again, and met by a
handler: an ``except``, a ``finally`` or the end of a ``with`` block. Only what is not raised again
after it met one was caught. Nothing is asked of code that raises nothing, so watching lasts as
long as the trace: to switch it for each receiver call would cost every one of them.
"""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
import threading
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import django

from signal_tracer.collecting import recording
from signal_tracer.collecting.capture import CapturedError
from signal_tracer.collecting.deeds import Activity
from signal_tracer.collecting.naming import find_in_class, is_a, locate
from signal_tracer.collecting.nodes import CallRecord
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.collecting.recording import current
from signal_tracer.trace import Location

# Python 3.12 and newer have it.
monitoring: Any = getattr(sys, "monitoring", None)

# Exceptions that one receiver call keeps; those beyond are counted.
_MOST = 20

# How iterators and generators end, which is nothing that went wrong.
_CONTROL_FLOW = (StopIteration, StopAsyncIteration, GeneratorExit)

_traceback_of = BaseException.__dict__["__traceback__"].__get__
_context_of = BaseException.__dict__["__context__"].__get__


class Handled:
    """An exception that was caught, and the line of its handler."""

    __slots__ = ("caught_at", "error")

    def __init__(self, error: CapturedError, caught_at: Location) -> None:
        self.error = error
        self.caught_at = caught_at


# Those that met a handler and were not raised again so far, by the id of the exception: the
# exceptions themselves are not kept alive. ``None`` in place of one that was only counted.
_caught: dict[int, tuple[Activity, Handled | None]] = {}


# What happens in the traced code. None of this may reach it, so each is fenced.


def _on_raise(code: CodeType, instruction: int, error: BaseException) -> None:
    try:
        if not _caught:
            return
        step = _traceback_of(error)
        if step is None or step.tb_next is None:
            _caught.pop(id(error), None)  # Raised first: whoever had that id before is gone.
        else:
            _take_back(error)
        _take_back_causes(error)
    except Exception:
        recording.report_fault(current.get(), "to follow an exception")


def _on_raise_again(code: CodeType, instruction: int, error: BaseException) -> None:
    try:
        if _caught:
            _take_back(error)
    except Exception:
        recording.report_fault(current.get(), "to follow an exception")


def _on_handler(code: CodeType, instruction: int, error: BaseException) -> None:
    try:
        if _caught:
            _take_back_causes(error)
        node = current.get()
        if node is None or not _is_own(code.co_filename):
            return
        call = node if type(node) is CallRecord else recording.innermost_call(node)
        if call is not None and not any(is_a(error, each) for each in _CONTROL_FLOW):
            _note(call, code, instruction, error, sys._getframe(1))
    except Exception:
        recording.report_fault(current.get(), "to record a handled exception")


def _note(
    call: CallRecord, code: CodeType, instruction: int, error: BaseException, frame: FrameType
) -> None:
    wanting = [
        recorder
        for recorder in call.recorders
        if recorder.is_running and recorder.config.record_handled_exceptions
    ]
    if not wanting:
        return
    if call.activity is None:
        call.activity = Activity()
    activity, handled = call.activity, None
    if len(activity.handled) < _MOST:
        captured = CapturedError(error, wanting[-1].capture, _is_others)
        clause = _clause_of(frame, code, instruction, error)
        handled = Handled(captured, locate(code, _first_with_a_line(code, clause)))
        activity.handled.append(handled)
    else:
        activity.omitted_handled += 1
    _caught[id(error)] = activity, handled


def _take_back(error: BaseException) -> None:
    """It went on after all."""
    activity, handled = _caught.pop(id(error), (None, None))
    if activity is None:
        return
    if handled is None:
        activity.omitted_handled -= 1
    else:
        activity.handled.remove(handled)


def _take_back_causes(error: BaseException) -> None:
    """Those that another was raised in place of, and whose handlers it has left."""
    in_handling = {id(each) for each in _chain(sys.exception())}
    for each in _chain(_context_of(error)):
        if id(each) in _caught and id(each) not in in_handling:
            _take_back(each)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_MOST):
        if error is None:
            return
        yield error
        error = _context_of(error)


# Which line caught it


def _first_with_a_line(code: CodeType, instruction: int) -> int:
    # A handler begins with an instruction that stands for no line.
    for start, end, line in code.co_lines():
        if end > instruction and line is not None:
            return max(start, instruction)
    return instruction


def _clause_of(frame: FrameType, code: CodeType, start: int, error: BaseException) -> int:
    """Where the clause begins that takes ``error``, of all the ``except`` of one ``try``.

    They are looked up as Python will in a moment, without running anything; where a clause holds
    more than names and attributes, what is returned is where the first one begins.
    """
    clause = at = start
    stack: list[Any] = []
    instructions = _instructions_of(code)
    for each in instructions[bisect_left(instructions, start, key=_offset_of) :]:
        if each.offset < at or each.opname in ("PUSH_EXC_INFO", "NOP", "NOT_TAKEN", "CACHE"):
            continue
        if each.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            name = each.argval
            stack.append(frame.f_globals.get(name) or frame.f_builtins.get(name))
        elif each.opname == "LOAD_ATTR" and stack:
            stack.append(_attribute_of(stack.pop(), each.argval))
        elif each.opname == "BUILD_TUPLE" and each.arg:
            stack[-each.arg :] = [tuple(stack[-each.arg :])]
        elif each.opname == "CHECK_EXC_MATCH" and stack:
            kinds = stack[-1] if type(stack[-1]) is tuple else (stack[-1],)
            if any(is_a(kind, type) and is_a(error, kind) for kind in kinds):
                return clause
        elif each.opname == "POP_JUMP_IF_FALSE" and stack:
            clause = at = each.argval
            stack = []
        elif clause != start and not stack:
            return clause  # An except without a class.
        else:
            return start
    return start


# To take a long function apart costs more than it may run for, and a loop catches many times.
@lru_cache(maxsize=32)
def _instructions_of(code: CodeType) -> list[dis.Instruction]:
    return list(dis.get_instructions(code))


_offset_of = attrgetter("offset")


def _attribute_of(owner: Any, name: str) -> object:
    if is_a(owner, type):
        return find_in_class(owner, name)
    return (
        vars(ModuleType)["__dict__"].__get__(owner).get(name) if is_a(owner, ModuleType) else None
    )


# Whose code it is

_FOLDERS = (
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    Path(os.__file__).parent,  # It may be a zip file, of which sysconfig does not know.
    Path(django.__file__).parent,
    Path(__file__).parents[1],
)
_LIBRARIES = tuple(f"{each}{os.sep}" for folder in _FOLDERS for each in (folder, folder.resolve()))
_known: dict[str, bool] = {}


def _is_own(filename: str) -> bool:
    """Whether it is a file of the project: none of Python, of an installed package or of ours."""
    found = _known.get(filename)
    if found is None:
        parts = Path(filename).parts
        found = _known[filename] = not (
            filename.startswith(("<", *_LIBRARIES))
            or "site-packages" in parts
            or "dist-packages" in parts
        )
    return found


def _is_others(filename: str) -> bool:
    return not _is_own(filename)


# Start and stop

# 0, 1, 2 and 5 belong to debuggers, coverage, profilers and optimizers.
_TOOL_IDS = (3, 4)
_NAME = "signal_tracer"
_watching: list[Recorder] = []
_tool_id: int | None = None
_lock = threading.Lock()


def start(recorder: Recorder) -> None:
    """Watch for as long as ``recorder`` runs, if it wants handled exceptions."""
    if monitoring is not None and recorder.config.record_handled_exceptions:
        with _lock:
            _watching.append(recorder)
            if _tool_id is None and not _take_tool_id():
                _say_that_others_watch(recorder)


def stop(recorder: Recorder) -> None:
    """Leave Python as it was, once no trace wants handled exceptions any more."""
    global _tool_id
    if recorder.config.record_handled_exceptions:
        with _lock:
            if recorder in _watching:
                _watching.remove(recorder)
            if _tool_id is not None and not _watching:
                # Another tool may have freed the id, and even taken it since.
                if monitoring.get_tool(_tool_id) == _NAME:
                    monitoring.set_events(_tool_id, monitoring.events.NO_EVENTS)
                    for event in _callbacks():
                        monitoring.register_callback(_tool_id, event, None)
                    monitoring.free_tool_id(_tool_id)
                _tool_id = None
                _caught.clear()


def _callbacks() -> dict[int, Any]:
    events = monitoring.events
    return {
        events.RAISE: _on_raise,
        events.RERAISE: _on_raise_again,
        events.EXCEPTION_HANDLED: _on_handler,
    }


def _take_tool_id() -> bool:
    global _tool_id
    for tool_id in _TOOL_IDS:
        try:
            monitoring.use_tool_id(tool_id, _NAME)
        except ValueError:
            continue  # It is another tool's.
        _tool_id = tool_id
        callbacks = _callbacks()
        for event, callback in callbacks.items():
            monitoring.register_callback(tool_id, event, callback)
        monitoring.set_events(tool_id, sum(callbacks))
        return True
    return False


_has_said = False


def _say_that_others_watch(recorder: Recorder) -> None:
    global _has_said
    recorder.faults += 1
    if not _has_said:
        _has_said = True
        recording.logger.warning(
            "signal_tracer records no handled exceptions: the ids %s of sys.monitoring are taken, "
            "by %s. Stop those tools, or set SIGNAL_TRACER['RECORD_HANDLED_EXCEPTIONS'] to False.",
            " and ".join(map(str, _TOOL_IDS)),
            " and ".join(str(monitoring.get_tool(each)) for each in _TOOL_IDS),
        )
