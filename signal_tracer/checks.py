"""System checks: what is wrong with the setting, and with the project's receivers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error

from signal_tracer import conf
from signal_tracer.findings import Level, over_signal_map, slugs
from signal_tracer.mapping import map_for_check
from signal_tracer.reporting import is_kind, look_up
from signal_tracer.wording import printable


def check_setting(**kwargs: Any) -> list[CheckMessage]:
    """E001: an unknown key. E002: a value of the wrong type, or a setting that is no dict.

    E004: a reporter, or the callable in ``ENABLED``, that cannot be imported or called, or whose
    call runs nothing of it. (E003, a panel without its app, is the panel's own check: without
    the app this one does not run.) E005: an ignored finding that does not exist. W001: a key that
    this Python cannot honour. W002: an async callable that WSGI cannot await.
    """
    messages: list[CheckMessage] = [
        Error(
            problem.message,
            hint=problem.hint,
            id="signal_tracer.E001" if problem.is_unknown_key else "signal_tracer.E002",
        )
        for problem in conf.problems()
    ]
    messages.extend(_check_paths())
    messages.extend(_check_slugs())
    messages.extend(_check_python())
    for message in messages:  # They quote values, paths and what importing them raised.
        message.msg, message.hint = printable(message.msg), printable(message.hint or "")
    return messages


def _check_python() -> Iterator[CheckMessage]:
    if conf.read_config().record_handled_exceptions and sys.version_info < (3, 12):
        yield checks.Warning(
            "SIGNAL_TRACER['RECORD_HANDLED_EXCEPTIONS'] records nothing on Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}, which cannot tell of exceptions.",
            hint="Use Python 3.12 or newer, or remove the key.",
            id="signal_tracer.W001",
        )


def _check_paths() -> Iterator[CheckMessage]:
    config = conf.read_config()
    paths = [("REPORTERS", path) for path in config.reporters]
    if isinstance(config.enabled, str):
        paths.append(("ENABLED", config.enabled))
    for key, path in paths:
        found, reason, _ = look_up(path)
        if reason:
            yield Error(
                f"SIGNAL_TRACER[{key!r}] names {path!r}, {reason}.",
                hint=(
                    "Give the dotted path of a callable, such as "
                    "'signal_tracer.showing.console.report', or remove it."
                ),
                id="signal_tracer.E004",
            )
        # Nothing of Django's says how a project is served; with Channels or Daphne, this does.
        elif is_kind(iscoroutinefunction, found) and not getattr(
            settings, "ASGI_APPLICATION", None
        ):
            yield checks.Warning(
                f"SIGNAL_TRACER[{key!r}] names {path!r}, which is async: each request that is "
                "served by WSGI starts an event loop for it, and waits until that has ended.",
                hint=(
                    "Make it a plain function; or, where ASGI serves the project, set "
                    "ASGI_APPLICATION or put 'signal_tracer.W002' in SILENCED_SYSTEM_CHECKS."
                ),
                id="signal_tracer.W002",
            )


def _check_slugs() -> Iterator[CheckMessage]:
    known = slugs()
    for ignored in conf.read_config().ignore_findings:
        slug, colon, name = ignored.partition(":")
        if slug not in known:
            likely = get_close_matches(slug.lower().replace("_", "-"), known, n=1, cutoff=0.5)
            hint = (
                f"Did you mean {likely[0] + colon + name!r}?"
                if likely
                else f"The findings are: {', '.join(known)}."
            )
            yield Error(
                f"SIGNAL_TRACER['IGNORE_FINDINGS'] names {ignored!r}, and there is no finding "
                f"{slug!r}.",
                hint=hint,
                id="signal_tracer.E005",
            )
        elif colon and not name:
            yield Error(
                f"SIGNAL_TRACER['IGNORE_FINDINGS'] names {ignored!r}, with nothing after the "
                "colon.",
                hint=f"Write {slug!r} to hide all of them, or '{slug}:dotted.name' to hide one.",
                id="signal_tracer.E005",
            )


# For SILENCED_SYSTEM_CHECKS: a number that was given away is not given again. I106 to I112 were
# kinds of level "info", which every command that checks would have printed.
IDS = {
    "missing-receiver": "signal_tracer.E121",
    "uncalled-connect": "signal_tracer.W122",
    "uncallable-receiver": "signal_tracer.E123",
    "fragile-receiver": "signal_tracer.E101",
    "dead-receiver": "signal_tracer.E102",
    "left-out-receiver": "signal_tracer.E133",
    "never-called": "signal_tracer.E103",
    "duplicate-receiver": "signal_tracer.W104",
    "signal-twice": "signal_tracer.W134",
    "robust-crash": "signal_tracer.W105",
    "key-never-none": "signal_tracer.W131",
    "gone-after-delete": "signal_tracer.W132",
    "database-cascade": "signal_tracer.W124",
    "soft-delete": "signal_tracer.W125",
    "lost-sender": "signal_tracer.W126",
}
_MESSAGES: dict[Level, Callable[..., CheckMessage]] = {
    "error": checks.Error,
    "warning": checks.Warning,
}


def check_signal_map(**kwargs: Any) -> list[CheckMessage]:
    """E101 to W134: the errors and warnings over the map of the project's own receivers."""
    signal_map = map_for_check().select(project_only=True)
    ignored = conf.read_config().ignore_findings
    found = over_signal_map(signal_map, ignored, at_least="warning").of_project
    return [
        _MESSAGES[each.level](
            printable(each.message), hint=f"{each.why} {each.advice}", id=IDS[each.slug]
        )
        for each in found
    ]
