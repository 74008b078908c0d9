"""Watchers of Django, a module each. Whoever adds one adds a file here: it is found by itself.

A module says in its ``WATCHER`` what it replaces. What it sees it notes in a class of its own, in
``nodes.activities_at()``, and that class reads it: see ``raw.Activity``. What runs in the midst of
the traced code is ``nodes.fenced``.
"""

from importlib import import_module
from pkgutil import iter_modules

from signal_tracer.collecting.patching import Watcher

WATCHERS: tuple[Watcher, ...] = tuple(
    import_module(f"{__name__}.{each.name}").WATCHER for each in iter_modules(__path__)
)
