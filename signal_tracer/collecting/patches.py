"""The place that puts functions of ours in the place of Django's methods, and puts those back."""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable
from typing import Any

from signal_tracer.collecting.receivers import pass_over


class Patches:
    """Methods of Django's classes that are watched together.

    They are installed once and stay, for the reason that ``signals.install()`` gives. A function
    that another tool has put over ours stays too, and ours below it passes everything through.
    """

    def __init__(self, *watched: tuple[type, str, Callable[[Any], Any]]) -> None:
        """Each is a class, the name of a method, and what makes ours from the original."""
        self.watched = watched
        self._originals: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._installed: list[tuple[type, str]] = []
        # What stood over ours when we left: while it still stands, ours is still below it.
        self._covers: dict[tuple[type, str], Any] = {}

    def install(self) -> None:
        """Watch them, from now until ``uninstall()``. Idempotent."""
        if self._installed:
            return
        for cls, name, watch in self.watched:
            found = vars(cls)[name]
            if not self._is_ours(found) and self._covers.get((cls, name)) is not found:
                ours = pass_over(functools.wraps(found)(watch(found)), name)
                self._originals[ours] = found
                setattr(cls, name, ours)
            self._installed.append((cls, name))

    def uninstall(self) -> None:
        """Put back what is still ours."""
        for cls, name in self._installed:
            found = original = vars(cls).get(name)
            # Another tool that went away may have put back an earlier one of ours.
            while self._is_ours(original):
                original = self._originals[original]
            if original is not found:
                setattr(cls, name, original)
            else:
                self._covers[cls, name] = found
        self._installed.clear()

    def _is_ours(self, function: Any) -> bool:
        return type(function) is types.FunctionType and function in self._originals
