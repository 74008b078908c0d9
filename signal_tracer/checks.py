"""The place for system checks: what is wrong with ``SIGNAL_TRACER``, before a request finds out."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from signal_tracer import conf
from signal_tracer.findings import slugs


def check_setting(**kwargs: Any) -> list[CheckMessage]:
    """E001: an unknown key. E002: a value of the wrong type, or a setting that is no dict.

    E004: a reporter, or the callable in ``ENABLED``, that cannot be imported or called. (E003,
    a panel without its app, is the panel's own check: without the app this one does not run.)
    E005: an ignored finding that does not exist.
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
    return messages


def _check_paths() -> Iterator[CheckMessage]:
    config = conf.read_config()
    paths = [("REPORTERS", path) for path in config.reporters]
    if isinstance(config.enabled, str):
        paths.append(("ENABLED", config.enabled))
    for key, path in paths:
        reason = _why_not_callable(path)
        if reason:
            yield Error(
                f"SIGNAL_TRACER[{key!r}] names {path!r}, {reason}.",
                hint=(
                    "Give the dotted path of a callable, such as "
                    "'signal_tracer.showing.console.report', or remove it."
                ),
                id="signal_tracer.E004",
            )


def _why_not_callable(path: str) -> str | None:
    try:
        found = import_string(path)
    except Exception as error:  # The module is the user's, and may raise anything.
        return f"which cannot be imported ({type(error).__name__}: {error})"
    return None if callable(found) else "which is not callable"


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
