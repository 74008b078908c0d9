"""Whose code it is: the project's, a named package's, or Django's; by the file it stands in."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import django
from django.conf import settings

from signal_tracer.findings.source import installed_in
from signal_tracer.records import DJANGO, PROJECT, Bypass, Contents, Location, Owner

# A project may live in a folder of that name, so that the whole name of a folder must match.
_PACKAGE_FOLDERS = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
_OURS = f"{Path(__file__).parents[1]}{os.sep}"
_DJANGOS = f"{Path(django.__file__).parent}{os.sep}"
_PYTHONS = (
    *(
        f"{folder}{os.sep}"
        for folder in (
            *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")),
            Path(os.__file__).parent,  # It may be a zip file, of which sysconfig does not know.
        )
    ),
    "<frozen ",
)


def project_packages() -> frozenset[str]:
    """What holds the settings is the project, also where it is installed like a package."""
    if not settings.configured:
        return frozenset()
    names = (getattr(settings, name, None) for name in ("SETTINGS_MODULE", "ROOT_URLCONF"))
    return frozenset(name.partition(".")[0] for name in names if type(name) is str) - {"django"}


@lru_cache(maxsize=5_000)
def owner_of_file(file: str, projects: frozenset[str]) -> Owner:
    """Whose ``file`` is; ``projects`` are the packages that are the project wherever they are.

    A package that is installed editable stands where somebody edits it, and is the project's.
    """
    if file.startswith(_DJANGOS):
        return DJANGO
    if file.startswith(_OURS):
        return Owner("package", "signal_tracer")
    package = _package_of(file)
    if package is not None:
        return PROJECT if package in projects else Owner("package", package)
    return Owner("package", "Python") if file.startswith(_PYTHONS) else PROJECT


def _package_of(file: str) -> str | None:
    """The installed package that it is in, as it is imported."""
    for folder in _PACKAGE_FOLDERS:
        _, found, inside = file.rpartition(folder)
        if found:
            return _top_of(inside)
    root = max((each for each in _roots() if file.startswith(each)), key=len, default=None)
    package = None if root is None else _top_of(file.removeprefix(root))
    return package if root is not None and package in installed_in(root) else None


def _top_of(inside: str) -> str:
    return inside.partition(os.sep)[0].partition(".")[0]


def _roots() -> Iterator[str]:
    """The folders that Python imports from."""
    for each in list(sys.path):
        if type(each) is str and os.path.isabs(each):
            yield each.rstrip(os.sep) + os.sep


def owners_of(contents: Contents) -> dict[str, Owner]:
    """Whose each file is that a trace names, without those that are the project's."""
    projects = project_packages()
    files = {location.file for location in _locations(contents) if location is not None}
    owners = ((file, owner_of_file(file, projects)) for file in sorted(files))
    return {file: owner for file, owner in owners if owner.kind != "project"}


def _locations(contents: Contents) -> Iterator[Location | None]:
    for unheard in contents.unheard:
        yield unheard.sent_from
        yield from (miss.defined_at for miss in unheard.near_misses)
    yield from (change.called_from for change in contents.connection_changes)
    yield from _of_bypasses(contents.bypasses)
    waiting = list(contents.dispatches)
    for dispatch in waiting:  # which grows as it is read
        yield dispatch.sent_from
        yield from (miss.defined_at for miss in dispatch.near_misses)
        for call in dispatch.receiver_calls:
            yield call.defined_at
            if call.error is not None:
                yield from (line.location for line in call.error.traceback)
            for handled in call.handled:
                yield from (handled.raised_at, handled.caught_at)
            yield from (callback.defined_at for callback in call.on_commit)
            yield from (errand.sent_from for errand in call.errands)
            yield from _of_bypasses(call.bypasses)
            waiting += call.dispatches


def _of_bypasses(bypasses: list[Bypass]) -> Iterator[Location | None]:
    for bypass in bypasses:
        yield bypass.sent_from
        yield from (skipped.defined_at for skipped in bypass.skipped)
