"""Frames and code objects: who sent a dispatch, and on which line of which file."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import os
import threading
from pathlib import Path
from types import CodeType, FrameType

import asgiref
import django

from signal_tracer.records import Location

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
is_machinery: dict[str, bool] = {}
# Cells of a notebook and pieces of generated code make up a new name each.
_MOST_FILES = 1000


def find_sender_frame(frame: FrameType | None) -> FrameType | None:
    """The nearest frame outside Django; if all are inside, the nearest."""
    nearest = frame
    while frame is not None:
        filename = frame.f_code.co_filename
        machinery = is_machinery.get(filename)
        if machinery is None:
            if len(is_machinery) >= _MOST_FILES:
                is_machinery.clear()
            machinery = is_machinery[filename] = filename.startswith(_NOT_THE_SENDER)
        if not machinery:
            return frame
        frame = frame.f_back
    return nearest


def locate(code: CodeType, instruction: int) -> Location:
    """The line of an instruction. Late, because finding it is linear in the function's length."""
    line = code.co_firstlineno  # Where there is no such instruction.
    for start, end, number in code.co_lines():
        if start <= instruction < end and number is not None:
            line = number
    return Location(code.co_filename, max(line, 1), code.co_qualname)
