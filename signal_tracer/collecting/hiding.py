"""The place that keeps our own frames out of what a user reads: tracebacks and warnings."""

from __future__ import annotations

from typing import Any

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
    file = f"<signal_tracer {name}, passed over like importlib._bootstrap>"
    hide_file(file)
    function.__code__ = function.__code__.replace(co_filename=file)
    return function
