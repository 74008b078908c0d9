"""The place that keeps our own frames out of what a user reads: tracebacks and warnings."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any

# A name without a file has ``inspect`` look through all of ``sys.modules`` for it, for each stack
# that the toolbar's SQL panel takes; of an extension module it knows that there is no source.
_NO_SOURCE = EXTENSION_SUFFIXES[-1]

# Files whose frames a short traceback leaves out: Django's loop and ours around a receiver.
_hidden_files: set[str] = set()


def hide_file(filename: str) -> None:
    _hidden_files.add(filename)


def is_hidden_file(filename: str) -> bool:
    return filename in _hidden_files


def pass_over(function: Any, name: str) -> Any:
    """Keep ``function`` out of what ``warnings.warn(stacklevel=...)`` counts.

    CPython does not count frames of the import system, which it tells by two words in their
    file name; there is no other way to be passed over by a caller's ``stacklevel``.
    """
    file = f"<signal_tracer {name}, passed over like importlib._bootstrap>{_NO_SOURCE}"
    hide_file(file)
    function.__code__ = function.__code__.replace(co_filename=file)
    return function
