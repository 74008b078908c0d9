"""Attributes of Django's classes are replaced by ours, and put back."""

from __future__ import annotations

import inspect
import sys
import types
import weakref
from collections.abc import Callable, Iterable
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any, TypeAlias

from signal_tracer.conf import Config

# What each function of ours stands for, as long as another tool may hold it.
_originals: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def is_ours(function: Any) -> bool:
    return type(function) is types.FunctionType and function in _originals


class _Patch:
    __slots__ = ("cls", "name", "original", "ours")

    def __init__(self, cls: type, name: str, original: Any, ours: Any) -> None:
        self.cls = cls
        self.name = name
        self.original = original
        self.ours = ours


class Patches:
    """What one module has replaced, so that it can be put back. Replacing twice is harmless."""

    def __init__(self) -> None:
        self._patches: dict[tuple[type, str], _Patch] = {}
        # Where another tool stood above ours when ours was to go: what it put there.
        self._covered: dict[tuple[type, str], tuple[Any, _Patch]] = {}

    def __contains__(self, key: tuple[type, str]) -> bool:
        return key in self._patches

    def original(self, cls: type, name: str) -> Any:
        """What stood there before ours."""
        return self._patches[cls, name].original

    def replace(self, cls: type, name: str, watch: Callable[[Any], Any]) -> None:
        """Put what ``watch`` makes of the class's own function in its place."""
        original = vars(cls)[name]
        known = self._patches.get((cls, name))
        if known is not None and known.ours is original:
            return  # As in all traces but the first.
        cover, covered = self._covered.pop((cls, name), (None, None))
        if covered is not None and cover is original:
            # Ours is still below it, and a second one would see everything twice.
            self._patches[cls, name] = covered
        elif is_ours(original):
            self._patches[cls, name] = _Patch(cls, name, _originals[original], original)
        elif _is_method(original):
            ours = watch(original)
            _show_parameters(ours, original)
            _originals[ours] = original
            self._put(_Patch(cls, name, original, ours))

    def add(self, cls: type, name: str, ours: Any) -> None:
        """Give the class one that it has only by inheritance."""
        self._put(_Patch(cls, name, None, ours))

    def _put(self, patch: _Patch) -> None:
        self._patches[patch.cls, patch.name] = patch
        setattr(patch.cls, patch.name, patch.ours)

    def restore(self) -> None:
        """Put back what is still ours.

        Where another tool has since replaced one of our functions, its own stays, and ours below
        it passes everything through while no trace runs. Once the tool is gone, to do this again
        puts back the original.
        """
        covered = {key: patch for key, (_, patch) in self._covered.items()}
        self._covered.clear()
        for patch in (covered | self._patches).values():
            found = original = vars(patch.cls).get(patch.name)
            if patch.original is None:
                if found is patch.ours:
                    delattr(patch.cls, patch.name)
                continue
            # Another tool that went away may have put back an earlier one of ours.
            while is_ours(original):
                original = _originals[original]
            is_covered = original is found and original is not patch.original
            if is_covered and not _is_as_written(patch.cls, found):
                self._covered[patch.cls, patch.name] = found, patch
            if original is not found:
                setattr(patch.cls, patch.name, original)
        self._patches.clear()


def _is_method(attribute: Any) -> bool:
    """Whether a call is given the instance, which it is not of a test's ``Mock``."""
    kind = type(attribute)
    is_bound = hasattr(kind, "__get__") and kind is not staticmethod
    return is_bound and callable(attribute) and hasattr(attribute, "__name__")


def _show_parameters(ours: Any, original: Any) -> None:
    """For ``inspect.getfullargspec()`` too, which does not follow ``__wrapped__``.

    Annotations, which Django has none of, would have to be evaluated for that.
    """
    if type(original) is types.FunctionType and "__wrapped__" not in vars(original):
        annotate = getattr(original, "__annotate__", None)  # Python 3.14
        if annotate is None and not original.__annotations__:
            ours.__signature__ = inspect.signature(original)


def _is_as_written(cls: type, function: Any) -> bool:
    """Whether it is of the package of the class, to the last of its decorators: not over ours."""
    package = sys.modules.get(cls.__module__.partition(".")[0])
    home = str(getattr(package, "__file__", None)).removesuffix("__init__.py")
    while type(function) is types.FunctionType:
        if is_ours(function) or not function.__code__.co_filename.startswith(home):
            return False
        function = vars(function).get("__wrapped__")
    return function is None


# One function of Django's: its class, its name, and what makes ours of it; of ``None``, where the
# class only inherits it.
Replacement: TypeAlias = tuple[type, str, Callable[[Any], Any]]


def _nothing(*_: object) -> None: ...


class Watcher:
    """What a module watches: the functions of Django's that it replaces, and what else it does.

    ``replacements`` is asked when a trace begins; what is replaced stays so until ``uninstall()``.
    ``when``: whether a trace wants it at all. ``start`` and ``stop`` are given the recorder of
    such a trace, once it runs and once it has ended. ``forget``: what else ``uninstall()`` does.
    """

    def __init__(
        self,
        replacements: Callable[[], Iterable[Replacement]] = tuple,
        *,
        when: Callable[[Config], bool] = lambda config: True,
        start: Callable[[Any], None] = _nothing,
        stop: Callable[[Any], None] = _nothing,
        forget: Callable[[], None] = _nothing,
    ) -> None:
        self._replacements = replacements
        self._when = when
        self._start = start
        self._stop = stop
        self._forget = forget
        self.patches = Patches()

    def install(self, config: Config) -> None:
        """Watch from now on, if the trace wants it. Idempotent."""
        if self._when(config):
            for cls, name, watch in self._replacements():
                if name in vars(cls):
                    self.patches.replace(cls, name, watch)
                else:
                    self.patches.add(cls, name, watch(None))

    def start(self, recorder: Any) -> None:
        if self._when(recorder.config):
            self._start(recorder)

    def stop(self, recorder: Any) -> None:
        if self._when(recorder.config):
            self._stop(recorder)

    def uninstall(self) -> None:
        """Put back what is still ours; see ``Patches.restore``."""
        self.patches.restore()
        self._forget()


# Our own frames, kept out of what a user reads: tracebacks and warnings

# A name without a file has ``inspect`` look through all of ``sys.modules`` for it, for each stack
# that the toolbar's SQL panel takes; of an extension module it knows that there is no source.
_NO_SOURCE = EXTENSION_SUFFIXES[-1]

# Files whose frames a short traceback leaves out: Django's loop and ours around a receiver.
_hidden_files: set[str] = set()


def hide_file(filename: str) -> None:
    _hidden_files.add(filename)


def is_hidden_file(filename: str) -> bool:
    return filename in _hidden_files


def hide_from_stacklevel(function: Any, name: str) -> Any:
    """Keep ``function`` out of what ``warnings.warn(stacklevel=...)`` counts.

    CPython does not count frames of the import system, which it tells by two words in their
    file name; there is no other way to be passed over by a caller's ``stacklevel``.
    """
    file = f"<signal_tracer {name}, passed over like importlib._bootstrap>{_NO_SOURCE}"
    hide_file(file)
    function.__code__ = function.__code__.replace(co_filename=file)
    return function
