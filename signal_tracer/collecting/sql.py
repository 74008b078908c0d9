"""SQL of one's own that changes rows of a model is seen where its queries are noted.

Only what is certain: a statement that somebody else than Django gave to a cursor, and that begins
with its verb and the table of one model.
"""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.db.models import signals
from django.db.models.sql import compiler

from signal_tracer.collecting.bypassing import left_out_by, note
from signal_tracer.collecting.nodes import Node
from signal_tracer.collecting.patching import hide_file, is_hidden_file
from signal_tracer.describing.frames import find_sender_frame

hide_file(__file__)

_SAVED = (signals.pre_save, signals.post_save)
_DELETED = (signals.pre_delete, signals.post_delete)
_DJANGO = str(Path(django.__file__).parent)
# Between a cursor and whoever uses it, in Django 5.2, 6.0 and 6.1.
_BACKENDS = str(Path(_DJANGO, "db", "backends"))
_CURSORS = (str(Path(_BACKENDS, "utils.py")), str(Path(_BACKENDS, "base", "schema.py")))
# The very text that its functions carry, which is quick to compare, in Django 5.2, 6.0 and 6.1.
COMPILER = compiler.SQLCompiler.execute_sql.__code__.co_filename
_MOST_FRAMES = 15
_traceback_of: Any = vars(BaseException)["__traceback__"].__get__
_NAME = r'((?:[\w$]+|"[^"]+"|`[^`]+`)(?:\.(?:[\w$]+|"[^"]+"|`[^`]+`))?)'
_WRITES = re.compile(
    rf"\s*(?:(UPDATE)\s+(?:ONLY\s+)?{_NAME}(?:\s+(?:AS\s+)?\w+)?\s+SET\b"
    rf"|(DELETE)\s+FROM\s+(?:ONLY\s+)?{_NAME}(?:\s+WHERE\b|\s*;?\s*$)"
    rf"|(INSERT)\s+INTO\s+{_NAME}\s*[(\w])",
    re.IGNORECASE,
)


def note_write(node: Node | None, cursor: Any, sql: str, started: int, stopped: int) -> None:
    """A bypass, if the statement was somebody's own and went through."""
    runs = sys._getframe(2)
    user = _user_of(runs)
    if user is None or not _is_listening() or _has_failed(runs):
        return
    found = _WRITES.match(sql)
    if found is None:
        return
    verb, table = (each for each in found.groups() if each is not None)
    models = _models_of(table.rpartition(".")[2].strip('"`'))
    if len(models) != 1:
        return
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: the driver's own is ``cursor``.
    rows = cursor.cursor.rowcount
    rows = rows if type(rows) is int and rows >= 0 else None
    if rows == 0:
        return
    of = _DELETED if verb.upper() == "DELETE" else _SAVED
    skipped = left_out_by(node, of, models[0])
    if skipped:
        note(
            *(node, find_sender_frame(user), started, stopped, skipped, verb.upper(), models[0]),
            rows,
            door="sql",
        )


def _has_failed(frame: types.FrameType) -> bool:
    """Whether an exception goes through the frame; its code may run while another is handled."""
    error = sys.exception()
    traceback = None if error is None else _traceback_of(error)
    return traceback is not None and traceback.tb_frame is frame


def _user_of(frame: types.FrameType | None) -> types.FrameType | None:
    """Who gave the statement to the cursor; ``None`` if that was Django itself.

    Other tools may stand between a cursor and Django, as the toolbar's SQL panel does.
    """
    user = None
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        file = frame.f_code.co_filename
        if file == COMPILER:
            return None
        if file in _CURSORS:
            user = None
        elif user is None and not (file.startswith(_BACKENDS) or is_hidden_file(file)):
            if file.startswith(_DJANGO):
                return None
            user = frame
        frame = frame.f_back
    return user


def _is_listening() -> bool:
    return any(each.receivers for each in (*_SAVED, *_DELETED))


def _models_of(table: str) -> list[Any]:
    """The models whose rows stand in a table; a proxy has none of its own."""
    # Not documented, and the same in Django 5.2, 6.0 and 6.1: all_models.
    return [
        model
        for registered in list(apps.all_models.values())
        for model in list(registered.values())
        if model._meta.db_table.strip('"') == table and not model._meta.proxy
    ]
