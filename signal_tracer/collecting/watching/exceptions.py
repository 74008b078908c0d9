"""An exception is noted that a receiver's own code caught and went on from.

Python 3.12's ``sys.monitoring`` tells when an exception is raised and raised again, in each frame
that it passes. Whether a handler waits for it there, an ``except``, a ``finally`` or the end of a
``with`` block, is looked up in the function's exception table. Only what is not raised again after
it met one was caught. Nothing is asked of code that raises nothing, so watching lasts as long as
the trace: to switch it for each receiver call would cost every one of them.

Python's own event for a handler that is met, ``EXCEPTION_HANDLED``, cannot be used: at the
recursion limit its callback cannot be entered, that error counts as raised where the handler
begins, and the same handler is met again, for ever. Where a callback of the other two cannot be
entered, its ``RecursionError`` goes on in place of the exception.
"""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
import threading
from bisect import bisect_left
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import django

from signal_tracer.collecting import nodes
from signal_tracer.collecting.nodes import CallRecord, current
from signal_tracer.collecting.patching import Watcher
from signal_tracer.collecting.raw import Activity
from signal_tracer.collecting.reading import Reading
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.describing.errors import CapturedError
from signal_tracer.describing.frames import locate
from signal_tracer.describing.names import class_bases, find_in_class, is_a
from signal_tracer.records import HandledException, Location

# Python 3.12 and newer have it.
monitoring: Any = getattr(sys, "monitoring", None)

# Exceptions that one receiver call keeps; those beyond are counted.
_MOST = 20

# Of those caught last it is known should they be raised again after all.
_MOST_CAUGHT = 1_000

# How iterators and generators end, which is nothing that went wrong.
_CONTROL_FLOW = (StopIteration, StopAsyncIteration, GeneratorExit)

_traceback_of = BaseException.__dict__["__traceback__"].__get__
_context_of = BaseException.__dict__["__context__"].__get__


class HandledRecord:
    """An exception that was caught, and the line of its handler."""

    __slots__ = ("caught_at", "error")

    def __init__(self, error: CapturedError, caught_at: Location) -> None:
        self.error = error
        self.caught_at = caught_at


class Handled(list[HandledRecord]):
    """Those of a receiver call that are kept; ``omitted`` counts the others."""

    omitted = 0

    def read(self, reading: Reading) -> dict[str, Any]:
        # Another trace may have wanted them where this one did not.
        if not reading.config.record_handled_exceptions:
            return {}
        found = []
        for each in self[:]:
            error = each.error.render(lambda file, line: "")
            raised_at = error.traceback[-1].location if error.traceback else each.caught_at
            message = reading.redact_shapes(error.message)
            found.append(HandledException(error.type, message, raised_at, each.caught_at))
        return {"handled": found, "omitted_handled": self.omitted}


# Those that met a handler, by the id of the exception, which itself is not kept alive: where they
# are noted, which is nowhere while one that was raised again goes on, so that each handler on its
# way need not capture it anew; and the record, which is none where it was only counted.
_caught: dict[int, tuple[Handled | None, HandledRecord | None]] = {}


# What happens in the traced code. None of this may reach it, so each is fenced. Near the recursion
# limit there is no room for us, nor for saying so.


def _on_raise(
    code: CodeType, instruction: int, error: BaseException, *, is_again: bool = False
) -> None:
    """An exception is raised in a frame or reaches it, or a handler there raises it again."""
    try:
        captured = None
        if _caught:
            step = _traceback_of(error)
            if is_again or (step is not None and step.tb_next is not None):
                captured = _take_back(error, is_again=is_again)
            else:
                _caught.pop(id(error), None)  # Raised first: whoever had that id before is gone.
            _take_back_causes(error)
        _look_for_handler(code, instruction, error, captured)
    except RecursionError:
        pass
    except Exception:
        nodes.report_fault(current.get(), "to follow an exception")


_on_raise_again = partial(_on_raise, is_again=True)


def _look_for_handler(
    code: CodeType, instruction: int, error: BaseException, captured: CapturedError | None
) -> None:
    """Note ``error`` as caught if a receiver's own code is about to meet it with a handler."""
    node = current.get()
    if node is None or not _is_own(code.co_filename):
        return
    call = node if type(node) is CallRecord else nodes.innermost_call(node)
    if call is None or any(is_a(error, each) for each in _CONTROL_FLOW):
        return
    for start, end, handler in _handlers_of(code):
        if start <= instruction < end:
            _note(call, code, handler, error, captured, sys._getframe(2))
            return


def _note(
    call: CallRecord,
    code: CodeType,
    handler: int,
    error: BaseException,
    captured: CapturedError | None,
    frame: FrameType,
) -> None:
    """``captured`` is what is known of ``error`` since it met an earlier handler."""
    wanting = [
        recorder
        for recorder in call.recorders
        if recorder.is_running and recorder.config.record_handled_exceptions
    ]
    if not wanting:
        return
    if call.activity is None:
        call.activity = Activity()
    handled, record = call.activity[Handled], None
    if len(handled) < _MOST:
        clause = _clause_of(frame, code, handler, error)
        record = HandledRecord(
            captured or CapturedError(error, wanting[-1].capture, _is_others),
            locate(code, _first_with_a_line(code, clause)),
        )
        handled.append(record)
    else:
        handled.omitted += 1
    _caught[id(error)] = handled, record
    if len(_caught) > _MOST_CAUGHT:
        _caught.pop(next(iter(_caught)), None)


def _take_back(error: BaseException, *, is_again: bool = False) -> CapturedError | None:
    """It went on after all, if it was caught.

    Returns what was captured of it, unless it may be another one with the id of one that is gone.
    """
    handled, record = _caught.pop(id(error), (None, None))
    if handled is not None:
        if record is not None:
            handled.remove(record)
        else:
            handled.omitted -= 1
        if not is_again:
            return None
        _caught[id(error)] = None, record
    return None if record is None else record.error


def _take_back_causes(error: BaseException) -> None:
    """Those that another was raised in place of, and whose handlers it has left."""
    in_handling = {id(each) for each in _chain(sys.exception())}
    for each in _chain(_context_of(error)):
        if id(each) in _caught and id(each) not in in_handling:
            _take_back(each)


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and len(found) < _MOST:
        found.append(error)
        error = _context_of(error)
    return found


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
            stack.append(_global_of(frame, each.argval))
        elif each.opname == "LOAD_ATTR" and stack:
            stack.append(_attribute_of(stack.pop(), each.argval))
        elif each.opname == "BUILD_TUPLE" and each.arg:
            stack[-each.arg :] = [tuple(stack[-each.arg :])]
        elif each.opname == "CHECK_EXC_MATCH" and stack:
            kinds = stack[-1] if type(stack[-1]) is tuple else (stack[-1],)
            if any(kind is base for kind in kinds for base in class_bases(type(error))):
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


@lru_cache(maxsize=256)
def _handlers_of(code: CodeType) -> list[tuple[int, int, int]]:
    """Where each handler of a function begins, after the stretch of instructions it is for."""
    entries: Any = vars(dis.Bytecode(code))["exception_entries"]
    return [(each.start, each.end, each.target) for each in entries]


@lru_cache(maxsize=32)
def _instructions_of(code: CodeType) -> list[dis.Instruction]:
    return list(dis.get_instructions(code))


_offset_of = attrgetter("offset")


def _global_of(frame: FrameType, name: str) -> object:
    for names in (frame.f_globals, frame.f_builtins):
        if type(names) is dict and name in names:
            return names[name]
    return None


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
    Path(__file__).parents[2],
)
_LIBRARIES = tuple(f"{each}{os.sep}" for folder in _FOLDERS for each in (folder, folder.resolve()))


# Templates and shells make up a file name for each text that they compile.
@lru_cache(maxsize=1_000)
def _is_own(filename: str) -> bool:
    """Whether it is a file of the project: none of Python, of an installed package or of ours."""
    parts = Path(filename).parts
    return not (
        filename.startswith(("<", *_LIBRARIES))
        or "site-packages" in parts
        or "dist-packages" in parts
    )


def _is_others(filename: str) -> bool:
    return not _is_own(filename)


# Start and stop

# 0, 1, 2 and 5 belong to debuggers, coverage, profilers and optimizers.
_TOOL_IDS = (3, 4)
_NAME = "signal_tracer"
_watching: list[Recorder] = []
_tool_id: int | None = None
_lock = threading.Lock()


def _start(recorder: Recorder) -> None:
    """Watch for as long as ``recorder`` runs."""
    with _lock:
        _watching.append(recorder)
        if _tool_id is None and not _take_tool_id():
            _say_that_others_watch(recorder)


def _stop(recorder: Recorder) -> None:
    """Leave Python as it was, once no trace wants handled exceptions any more."""
    global _tool_id
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
    return {events.RAISE: _on_raise, events.RERAISE: _on_raise_again}


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
        nodes.logger.warning(
            "signal_tracer records no handled exceptions: the ids %s of sys.monitoring are taken, "
            "by %s. Stop those tools, or set SIGNAL_TRACER['RECORD_HANDLED_EXCEPTIONS'] to False.",
            " and ".join(map(str, _TOOL_IDS)),
            " and ".join(str(monitoring.get_tool(each)) for each in _TOOL_IDS),
        )


WATCHER = Watcher(
    when=lambda config: monitoring is not None and config.record_handled_exceptions,
    start=_start,
    stop=_stop,
)
