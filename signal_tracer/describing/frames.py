"""Frames and code objects: who sent a dispatch, and on which line of which file."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dis
import functools
import os
import threading
from pathlib import Path
from types import CodeType, FrameType

import asgiref
import django

from signal_tracer.describing.ownership import owner_of_file, project_packages
from signal_tracer.records import PROJECT, Location

# What calls send() on somebody's behalf: ourselves, Django, and what starts threads and tasks.
# A folder ends with its separator: django_extensions is not Django.
_NOT_THE_SENDER = (
    *(
        f"{folder}{os.sep}"
        for folder in (
            Path(__file__).parents[1],
            Path(django.__file__).parent,
            Path(asgiref.__file__).parent,
            Path(asyncio.__file__).parent,
            Path(concurrent.futures.__file__).parent,
        )
    ),
    threading.__file__,
    contextlib.__file__,
    functools.__file__,
    "<signal_tracer ",
)
_DJANGOS = os.path.join(os.path.dirname(django.__file__), "")
# Where Django begins to run somebody's code, for a request or a command: what lies further out,
# such as a middleware or manage.py, has not asked for what is sent.
_ENTRANCES = (
    os.path.join(_DJANGOS, "core", "handlers", ""),
    os.path.join(_DJANGOS, "core", "management", "__init__.py"),
)
ENTRANCE = "entrance"
# In the same file, and called by who wants the command.
_CALLED_BY_NAME = "call_command"
# Whether it is Django's, say, by file; an entrance is.
is_machinery: dict[str, bool | str] = {}
# Cells of a notebook and pieces of generated code make up a new name each.
_MOST_FILES = 1000

# Methods that people override to do a little more: who called the override is who sent.
_OVERRIDDEN = frozenset(
    (
        *("save", "save_base", "delete", "create", "update", "bulk_create", "bulk_update"),
        *("connect", "disconnect"),
    )
)
# By file, first line and instruction of a call: whether it calls on what it overrides.
_calling_on: dict[tuple[str, int, int], bool] = {}

# What Django's ORM and dispatcher do, they do for somebody, who may be Django's own as well.
_FOR_OTHERS = tuple(os.path.join(_DJANGOS, name, "") for name in ("db", "dispatch"))


def find_sender_frame(frame: FrameType | None) -> FrameType | None:
    """The nearest frame outside Django, up to where Django began to run it.

    A method that is there to call on the one it overrides, as many a ``save()`` is, is passed
    over. If all are inside, the nearest of Django's that is not one of the ORM's; ``None`` if
    there is none, as in the thread that runs what ``asave()`` awaits.
    """
    start, passed = frame, None
    while frame is not None:
        code = frame.f_code
        filename = code.co_filename
        machinery = is_machinery.get(filename)
        if machinery is None:
            machinery = _look_at(filename)
        if machinery is False:
            if code.co_name not in _OVERRIDDEN or not _calls_on(code, frame.f_lasti):
                return frame
            passed = frame
        elif machinery is ENTRANCE and code.co_name != _CALLED_BY_NAME:
            break
        frame = frame.f_back
    return passed or _nearest(start)


def _look_at(filename: str) -> bool | str:
    if len(is_machinery) >= _MOST_FILES:
        is_machinery.clear()
    found = filename.startswith(_NOT_THE_SENDER)
    is_machinery[filename] = ENTRANCE if found and filename.startswith(_ENTRANCES) else found
    return is_machinery[filename]


def _calls_on(code: CodeType, instruction: int) -> bool:
    """Whether it is the call of ``super().save()`` in a ``save()``."""
    key = code.co_filename, code.co_firstlineno, instruction
    found = _calling_on.get(key)
    if found is None:
        if len(_calling_on) >= _MOST_FILES:
            _calling_on.clear()
        found = _calling_on[key] = _is_of_super(code, instruction)
    return found


def _is_of_super(code: CodeType, instruction: int) -> bool:
    parts = {(each.opname, each.argval) for each in _parts_of_call(code, instruction)}
    return ("LOAD_GLOBAL", "super") in parts and any(code.co_name == name for _, name in parts)


def called_by(code: CodeType, instruction: int) -> str | None:
    """``Order.objects.create``: what the call at an instruction calls, as its source has it.

    ``None`` where that cannot be told, as of a Python that keeps no columns of its code.
    """
    key = code.co_filename, code.co_firstlineno, instruction
    if key not in _called:
        if len(_called) >= _MOST_FILES:
            _called.clear()
        _called[key] = ".".join(
            each.argval
            for each in _parts_of_call(code, instruction)
            if each.opname.startswith("LOAD_")
            and each.opname != "LOAD_CONST"
            and type(each.argval) is str
            and each.positions is not None
            and each.positions.col_offset is not None
        )
    return _called[key] or None


# By file, first line and instruction of a call: the names that are looked up for it.
_called: dict[tuple[str, int, int], str] = {}


def _parts_of_call(code: CodeType, instruction: int) -> list[dis.Instruction]:
    instructions = list(dis.get_instructions(code))
    # Python may stand on what a call keeps in the code behind itself.
    calls = [each for each in instructions if each.offset <= instruction][-1:]
    # What is called and how it is looked up begin where the whole call begins.
    return [each for call in calls for each in instructions if _start(each) == _start(call)]


def _start(instruction: dis.Instruction) -> tuple[int | None, int | None] | None:
    positions = instruction.positions
    return None if positions is None else (positions.lineno, positions.col_offset)


def _nearest(frame: FrameType | None) -> FrameType | None:
    while frame is not None and frame.f_code.co_filename.startswith(_FOR_OTHERS):
        frame = frame.f_back
    is_djangos = frame is not None and frame.f_code.co_filename.startswith(_DJANGOS)
    return frame if is_djangos else None


def find_project_frame(site: FrameType | None) -> FrameType | None:
    """The nearest frame of the project, from ``site`` on, up to where Django began to run it."""
    projects = project_packages()
    frame = site
    while frame is not None:
        code = frame.f_code
        machinery = is_machinery.get(code.co_filename)
        if machinery is None:
            machinery = _look_at(code.co_filename)
        if machinery is ENTRANCE and code.co_name != _CALLED_BY_NAME:
            break
        if machinery is False and owner_of_file(code.co_filename, projects) is PROJECT:
            return frame
        frame = frame.f_back
    return None


def code_of(frame: FrameType | None) -> tuple[CodeType | None, int]:
    """What of a frame is kept to say its line later: its code, and the instruction."""
    return (None, 0) if frame is None else (frame.f_code, frame.f_lasti)


def locate(code: CodeType, instruction: int) -> Location:
    """The line of an instruction. Late, because finding it is linear in the function's length."""
    line = code.co_firstlineno  # Where there is no such instruction.
    for start, end, number in code.co_lines():
        if start <= instruction < end and number is not None:
            line = number
    return Location(code.co_filename, max(line, 1), code.co_qualname)
