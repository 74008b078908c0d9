"""The one setting, ``SIGNAL_TRACER``: its keys, defaults and mistakes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, cast

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class Config:
    """``SIGNAL_TRACER`` as it was when a trace started; a key is a field's name in capitals.

    ``enabled``: whether the middleware and workers trace; ``None`` means ``settings.DEBUG``, a
    string is the dotted path of a callable that is given the request and returns a bool: a task
    follows the request that queued it.
    ``sample_rate``: the share of requests, tasks and decorated functions that are traced, 0 to 1.
    ``reporters``: dotted paths of callables that are given each finished trace of a request, a
    command or a decorated function. These and the one in ``enabled`` may be async.
    ``exclude_signals``: ``fnmatch`` patterns of signal names whose dispatches are not recorded.
    ``slow_receiver_ms``: milliseconds of own time from which a receiver call counts as slow.
    ``max_dispatches``: how many dispatches a trace keeps; those beyond are only counted.
    ``max_value_length``: characters kept of a string value.
    ``record_locations``: whether to record where each dispatch was sent from.
    ``record_queries``: whether to record which receiver call ran which query.
    ``record_handled_exceptions``: whether to record exceptions that a receiver's own code caught
    itself; needs Python 3.12.
    ``record_cache_calls``: whether to count which receiver call asked which cache for what.
    ``ignore_findings``: slugs of findings to hide, or ``"slug:dotted.name"``.
    ``editor``: what opens a file and line from the panel: ``vscode``, ``pycharm``, ``sublime``,
    ``zed``, or a URL with ``{file}`` and ``{line}``; ``None`` for plain text.
    """

    enabled: bool | str | None = None
    sample_rate: float = 1.0
    reporters: tuple[str, ...] = ()
    # The second is sent where templates are instrumented, by the toolbar and in tests; the third
    # by override_settings() only, to some 25 receivers of Django's own.
    exclude_signals: tuple[str, ...] = (
        "debug_toolbar.*",
        "django.test.signals.template_rendered",
        "django.core.signals.setting_changed",
    )
    slow_receiver_ms: float = 10
    max_dispatches: int = 2000
    max_value_length: int = 200
    record_locations: bool = True
    record_queries: bool = True
    record_handled_exceptions: bool = False
    record_cache_calls: bool = False
    ignore_findings: tuple[str, ...] = ()
    editor: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the setting: ``key`` is ``None`` when the whole is not a dict."""

    key: str | None
    message: str
    hint: str
    is_unknown_key: bool = field(default=False)


# Below, nobody who waits for a request would notice if the receiver took no time at all.
SLOW_SHARE = 0.1

KEYS = {each.name.upper(): each.name for each in fields(Config)}


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 1


def _is_milliseconds(value: object) -> bool:
    return _is_number(value, sys.float_info.max)  # An int may be too large to become a float.


def _is_share(value: object) -> bool:
    return _is_number(value, 1)


def _is_number(value: object, most: float) -> bool:
    return isinstance(value, float | int) and type(value) is not bool and 0 <= value <= most


def _are_strings(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_editor(value: object) -> bool:
    return value is None or (
        isinstance(value, str) and (value in EDITORS or ("{file}" in value and "{line}" in value))
    )


def _is_switch(value: object) -> bool:
    return value is None or isinstance(value, bool | str)


# How each editor registers itself with the operating system.
EDITORS = {
    "vscode": "vscode://file/{file}:{line}",
    "pycharm": "pycharm://open?file={file}&line={line}",
    "sublime": "subl://open?url=file://{file}&line={line}",
    "zed": "zed://file/{file}:{line}",
}

# What a key must hold: the test, and how to say it.
_EXPECTED: dict[str, tuple[Callable[[object], bool], str]] = {
    "ENABLED": (_is_switch, "None, a bool or the dotted path of a callable(request)"),
    "SAMPLE_RATE": (_is_share, "a number from 0 to 1, such as 0.1 for one of ten"),
    "REPORTERS": (_are_strings, "a list of dotted paths"),
    "EXCLUDE_SIGNALS": (_are_strings, "a list of patterns such as 'debug_toolbar.*'"),
    "SLOW_RECEIVER_MS": (_is_milliseconds, "a number of milliseconds, 0 or more"),
    "MAX_DISPATCHES": (_is_count, "a whole number, 1 or more"),
    "MAX_VALUE_LENGTH": (_is_count, "a whole number of characters, 1 or more"),
    "RECORD_LOCATIONS": (_is_bool, "True or False"),
    "RECORD_QUERIES": (_is_bool, "True or False"),
    "RECORD_HANDLED_EXCEPTIONS": (_is_bool, "True or False"),
    "RECORD_CACHE_CALLS": (_is_bool, "True or False"),
    "IGNORE_FINDINGS": (_are_strings, "a list of slugs such as 'slow-receiver'"),
    "EDITOR": (_is_editor, f"one of {', '.join(EDITORS)}, or a URL with {{file}} and {{line}}"),
}


def read_config() -> Config:
    """The setting as it is now. A wrong entry counts as absent; ``problems()`` names it."""
    given = getattr(settings, "SIGNAL_TRACER", None) if settings_can_be_read() else None
    if not isinstance(given, Mapping):
        return Config()
    entries: dict[str, Any] = {
        KEYS[key]: tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
        if key in KEYS and _EXPECTED[key][0](value)
    }
    return Config(**entries)


def sample_rate() -> float:
    """``SAMPLE_RATE`` as ``read_config()`` has it, alone: each request asks for it."""
    try:  # Cheaper than to ask settings_can_be_read().
        given = getattr(settings, "SIGNAL_TRACER", None)
    except ImproperlyConfigured:
        return 1.0
    if type(given) is dict or isinstance(given, Mapping):
        rate = given.get("SAMPLE_RATE", 1.0)
        if (type(rate) is float and 0 <= rate <= 1) or _is_share(rate):
            return cast("float", rate)
    return 1.0


def slow_share() -> float:
    """The share of a whole trace from which a receiver call is slow.

    Where somebody has set a limit in milliseconds, that alone counts.
    """
    given = getattr(settings, "SIGNAL_TRACER", None) if settings_can_be_read() else None
    is_set = isinstance(given, Mapping) and _is_milliseconds(given.get("SLOW_RECEIVER_MS"))
    return 0.0 if is_set else SLOW_SHARE


def settings_can_be_read() -> bool:
    """Signals need no settings, and so a trace of them needs none either."""
    return settings.configured or bool(os.environ.get(ENVIRONMENT_VARIABLE))


def problems() -> Iterator[Problem]:
    """What is wrong with the setting, each with what to do about it."""
    given = getattr(settings, "SIGNAL_TRACER", None)
    if given is None:
        return
    if not isinstance(given, Mapping):
        yield Problem(
            None,
            f"SIGNAL_TRACER is a {type(given).__name__}, not a dict.",
            f"Write SIGNAL_TRACER = {{...}} with any of these keys: {', '.join(KEYS)}.",
        )
        return
    for key, value in given.items():
        if key not in KEYS:
            likely = get_close_matches(str(key).upper(), KEYS, n=1, cutoff=0.5)
            yield Problem(
                str(key),
                f"SIGNAL_TRACER has an unknown key {key!r}.",
                f"Did you mean {likely[0]!r}?" if likely else f"The keys are: {', '.join(KEYS)}.",
                is_unknown_key=True,
            )
        elif not _EXPECTED[key][0](value):
            default = getattr(Config(), KEYS[key])
            yield Problem(
                key,
                _wrong(key, value),
                f"Until this is mended the default is used: {default!r}.",
            )


def _wrong(key: str, value: object) -> str:
    test, expected = _EXPECTED[key]
    if test is _are_strings and isinstance(value, list | tuple):
        wrong = next(index for index, each in enumerate(value) if not isinstance(each, str))
        return (
            f"SIGNAL_TRACER[{key!r}][{wrong}] is {_shown(value[wrong])}, and not a string: "
            f"{key} is {expected}."
        )
    return f"SIGNAL_TRACER[{key!r}] is {_shown(value)}, not {expected}."


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 1000:
        return "an enormous number"  # Python refuses to spell some of them.
    if type(value) in (str, int, float, bool, type(None)):
        return repr(value)
    return f"a {type(value).__name__}"
