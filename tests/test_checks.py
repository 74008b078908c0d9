"""The system checks: whatever is wrong with the setting is named, with what to do about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import Error, Warning, run_checks  # noqa: A004
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from signal_tracer.findings import slugs

KEYS = (
    "ENABLED, SAMPLE_RATE, REPORTERS, EXCLUDE_SIGNALS, SLOW_RECEIVER_MS, MAX_DISPATCHES, "
    "MAX_VALUE_LENGTH, "
    "RECORD_LOCATIONS, RECORD_QUERIES, RECORD_HANDLED_EXCEPTIONS, RECORD_CACHE_CALLS, "
    "IGNORE_FINDINGS, EDITOR"
)
DEFAULT_EXCLUDED = (
    "('debug_toolbar.*', 'django.test.signals.template_rendered', "
    "'django.core.signals.setting_changed')"
)
not_callable = "text"


def a_reporter(trace: object) -> None:
    """A callable that a setting can name."""


async def an_async_reporter(trace: object) -> None:
    """Awaited by the middleware."""


def a_generator(trace: object) -> Iterator[None]:
    yield


async def an_async_generator(trace: object) -> AsyncIterator[None]:
    yield


class Reporter:
    """Called as a class, it is told what an instance is told when that is called."""

    def __init__(self, trace: object = None) -> None:
        pass

    async def __call__(self, trace: object) -> None:
        pass


class Generator:
    def __call__(self, trace: object) -> Iterator[None]:
        yield


a_partial = partial(an_async_reporter)
an_instance = Reporter()
a_generators_instance = Generator()


def found(setting: Any, settings: Any) -> list[tuple[str, str, str]]:
    """The id, message and hint of each message of ours."""
    settings.SIGNAL_TRACER = setting
    of_settings = ("signal_tracer.E0", "signal_tracer.W0")
    messages = [each for each in run_checks() if str(each.id).startswith(of_settings)]
    assert all(type(each) is (Warning if "W" in str(each.id) else Error) for each in messages)
    return [(str(each.id)[-4:], each.msg, str(each.hint)) for each in messages]


@pytest.mark.parametrize(
    "setting",
    [
        {},
        None,
        {"ENABLED": None},
        {"ENABLED": True},
        {"ENABLED": False},
        {"ENABLED": "test_checks.a_reporter"},
        {"REPORTERS": []},
        {"REPORTERS": ()},
        {"REPORTERS": ["test_checks.a_reporter", "signal_tracer.showing.console.report"]},
        {"EXCLUDE_SIGNALS": ["*"]},
        {"EXCLUDE_SIGNALS": ("debug_toolbar.*", "a")},
        {"SLOW_RECEIVER_MS": 0},
        {"SAMPLE_RATE": 0},
        {"SAMPLE_RATE": 1},
        {"SAMPLE_RATE": 0.01},
        {"SLOW_RECEIVER_MS": 0.5},
        {"MAX_DISPATCHES": 1},
        {"MAX_VALUE_LENGTH": 10**9},
        {"RECORD_LOCATIONS": False},
        {"IGNORE_FINDINGS": ["slow-receiver", "bulk-bypass:shop.*"]},
        {"ENABLED": "test_checks.Reporter"},
        {"REPORTERS": ["test_checks.Reporter"]},
    ],
    ids=str,
)
def test_a_right_setting_is_fine(setting: Any, settings: Any) -> None:
    assert found(setting, settings) == []


def test_no_setting_is_fine(settings: Any) -> None:
    settings.SIGNAL_TRACER = {}
    del settings.SIGNAL_TRACER

    assert [each for each in run_checks() if str(each.id).startswith("signal_tracer.E0")] == []


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("SLOW_MS", "Did you mean 'SLOW_RECEIVER_MS'?"),
        ("SAMPLING_RATE", "Did you mean 'SAMPLE_RATE'?"),
        ("MAX_DISPATCH", "Did you mean 'MAX_DISPATCHES'?"),
        ("enabled", "Did you mean 'ENABLED'?"),
        ("reporter", "Did you mean 'REPORTERS'?"),
        ("ENABELD", "Did you mean 'ENABLED'?"),
        ("RECORD_LOCATION", "Did you mean 'RECORD_LOCATIONS'?"),
        ("EXCLUDE", "Did you mean 'EXCLUDE_SIGNALS'?"),
        ("XYZ", f"The keys are: {KEYS}."),
        ("", f"The keys are: {KEYS}."),
        (3, f"The keys are: {KEYS}."),
        (None, f"The keys are: {KEYS}."),
    ],
)
def test_an_unknown_key_is_named_with_the_likeliest_one(key: Any, hint: str, settings: Any) -> None:
    assert found({key: 1}, settings) == [
        ("E001", f"SIGNAL_TRACER has an unknown key {key!r}.", hint)
    ]


WRONG = [
    ("ENABLED", 1, "1", "None, a bool or the dotted path of a callable(request)", "None"),
    ("ENABLED", len, "a builtin_function_or_method", None, "None"),
    ("ENABLED", [], "a list", None, "None"),
    *(
        ("SAMPLE_RATE", value, shown, "a number from 0 to 1, such as 0.1 for one of ten", "1.0")
        for value, shown in (
            *((1.5, "1.5"), (-0.1, "-0.1"), (10, "10"), (float("nan"), "nan"), (None, "None")),
            *((float("inf"), "inf"), (True, "True"), (False, "False"), ("0.1", "'0.1'")),
            *((Decimal("0.1"), "a Decimal"), ([0.1], "a list")),
        )
    ),
    ("REPORTERS", "a.b", "'a.b'", "a list of dotted paths", "()"),
    ("REPORTERS", None, "None", "a list of dotted paths", "()"),
    ("REPORTERS", {"a"}, "a set", "a list of dotted paths", "()"),
    (
        "EXCLUDE_SIGNALS",
        "a.*",
        "'a.*'",
        "a list of patterns such as 'debug_toolbar.*'",
        DEFAULT_EXCLUDED,
    ),
    ("SLOW_RECEIVER_MS", "10", "'10'", "a number of milliseconds, 0 or more", "10"),
    ("SLOW_RECEIVER_MS", -1, "-1", "a number of milliseconds, 0 or more", "10"),
    ("SLOW_RECEIVER_MS", True, "True", "a number of milliseconds, 0 or more", "10"),
    ("SLOW_RECEIVER_MS", float("nan"), "nan", "a number of milliseconds, 0 or more", "10"),
    ("SLOW_RECEIVER_MS", float("inf"), "inf", "a number of milliseconds, 0 or more", "10"),
    ("SLOW_RECEIVER_MS", None, "None", "a number of milliseconds, 0 or more", "10"),
    ("MAX_DISPATCHES", 0, "0", "a whole number, 1 or more", "2000"),
    ("MAX_DISPATCHES", True, "True", "a whole number, 1 or more", "2000"),
    ("MAX_DISPATCHES", 1.5, "1.5", "a whole number, 1 or more", "2000"),
    ("MAX_DISPATCHES", None, "None", "a whole number, 1 or more", "2000"),
    ("MAX_VALUE_LENGTH", -3, "-3", "a whole number of characters, 1 or more", "200"),
    ("RECORD_LOCATIONS", 1, "1", "True or False", "True"),
    ("RECORD_LOCATIONS", None, "None", "True or False", "True"),
]


@pytest.mark.parametrize(("key", "value", "shown", "expected", "default"), WRONG)
def test_a_value_of_the_wrong_type_is_named_with_the_default_used_instead(
    key: str, value: Any, shown: str, expected: str | None, default: str, settings: Any
) -> None:
    ((check_id, message, hint),) = found({key: value}, settings)

    assert check_id == "E002"
    assert message.startswith(f"SIGNAL_TRACER[{key!r}] is {shown}, not ")
    if expected is not None:
        assert message == f"SIGNAL_TRACER[{key!r}] is {shown}, not {expected}."
    assert hint == f"Until this is mended the default is used: {default}."


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "IGNORE_FINDINGS",
            ["slow-receiver", 5, 6],
            (
                "SIGNAL_TRACER['IGNORE_FINDINGS'][1] is 5, and not a string: "
                "IGNORE_FINDINGS is a list of slugs such as 'slow-receiver'."
            ),
        ),
        (
            "REPORTERS",
            (len,),
            (
                "SIGNAL_TRACER['REPORTERS'][0] is a builtin_function_or_method, and not a string: "
                "REPORTERS is a list of dotted paths."
            ),
        ),
    ],
)
def test_the_entry_of_a_list_that_is_wrong_is_named(
    key: str, value: Any, message: str, settings: Any
) -> None:
    assert found({key: value}, settings) == [
        ("E002", message, "Until this is mended the default is used: ().")
    ]


def test_a_number_too_large_to_be_milliseconds_is_named(settings: Any) -> None:
    ((check_id, message, _),) = found({"SLOW_RECEIVER_MS": 10**400}, settings)

    assert check_id == "E002"
    assert message.endswith("not a number of milliseconds, 0 or more.")


def test_a_number_too_large_to_be_spelled_is_named(settings: Any) -> None:
    ((check_id, message, _),) = found({"SLOW_RECEIVER_MS": 10**5000}, settings)

    assert check_id == "E002"
    assert message == (
        "SIGNAL_TRACER['SLOW_RECEIVER_MS'] is an enormous number, "
        "not a number of milliseconds, 0 or more."
    )


@pytest.mark.parametrize(
    ("setting", "kind"), [([], "list"), ("on", "str"), (True, "bool"), (5, "int"), (len, None)]
)
def test_a_setting_that_is_no_dict_is_named(setting: Any, kind: str | None, settings: Any) -> None:
    kind = kind or "builtin_function_or_method"

    assert found(setting, settings) == [
        (
            "E002",
            f"SIGNAL_TRACER is a {kind}, not a dict.",
            f"Write SIGNAL_TRACER = {{...}} with any of these keys: {KEYS}.",
        )
    ]


@pytest.mark.parametrize("key", ["REPORTERS", "ENABLED"])
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("test_checks.nowhere", "which cannot be imported (ImportError: "),
        ("no.such.module", "which cannot be imported (ModuleNotFoundError: "),
        ("no_dots", "which cannot be imported (ImportError: no_dots doesn't look like"),
        ("", "which cannot be imported (ImportError: "),
        (".relative", "which cannot be imported ("),
        ("test_checks.not_callable", "which is not callable."),
        ("module_that_fails.report", "which cannot be imported (ZeroDivisionError: "),
        ("module_that_exits.report", "which cannot be imported (SystemExit: 3)"),
        ("module_that_shouts.report", r"which cannot be imported (ValueError: \x1b[2J\n)."),
        ("test_checks.a_generator", "which is a generator function: to call it runs none of its "),
        ("test_checks.an_async_generator", "which is a generator function: "),
        ("test_checks.a_generators_instance", "which is a generator function: "),
    ],
    ids=[
        *("no attribute", "no module", "no dots", "empty", "relative", "no callable", "failing"),
        *("exiting", "shouting", "generator", "async generator", "instance"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(
    key: str,
    path: str,
    reason: str,
    settings: Any,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "module_that_fails.py").write_text("1 / 0")
    (tmp_path / "module_that_exits.py").write_text("raise SystemExit(3)")
    (tmp_path / "module_that_shouts.py").write_text(r"raise ValueError('\x1b[2J\n')")
    monkeypatch.syspath_prepend(tmp_path)
    ((check_id, message, hint),) = found({key: [path] if key == "REPORTERS" else path}, settings)

    assert check_id == "E004"
    assert message.startswith(f"SIGNAL_TRACER[{key!r}] names {path!r}, {reason}")
    assert hint == (
        "Give the dotted path of a callable, such as "
        "'signal_tracer.showing.console.report', or remove it."
    )


ASYNC = ["an_async_reporter", "a_partial", "an_instance"]


@pytest.mark.parametrize("key", ["REPORTERS", "ENABLED"])
@pytest.mark.parametrize("name", ASYNC)
def test_an_async_callable_is_named_where_wsgi_would_have_to_wait_for_it(
    key: str, name: str, settings: Any
) -> None:
    settings.ASGI_APPLICATION = None
    path = f"test_checks.{name}"
    setting = {key: [path] if key == "REPORTERS" else path}

    assert found(setting, settings) == [
        (
            "W002",
            (
                f"SIGNAL_TRACER[{key!r}] names {path!r}, which is async: each request that is "
                "served by WSGI starts an event loop for it, and waits until that has ended."
            ),
            (
                "Make it a plain function; or, where ASGI serves the project, set "
                "ASGI_APPLICATION or put 'signal_tracer.W002' in SILENCED_SYSTEM_CHECKS."
            ),
        )
    ]
    settings.ASGI_APPLICATION = "config.asgi.application"
    assert found(setting, settings) == []


def test_everything_wrong_is_named_at_once(settings: Any) -> None:
    setting = {
        "REPORTERS": ["nowhere", "test_checks.a_reporter", "no.where"],
        "MAX_DISPATCHES": "x",
        "SLOW": 1,
    }

    assert [check_id for check_id, _, _ in found(setting, settings)] == [
        *("E002", "E001", "E004", "E004"),
    ]


def test_manage_check_fails_for_a_wrong_setting_and_says_why(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"SLOW_MS": 1}

    with pytest.raises(SystemCheckError) as caught:
        call_command("check")

    text = str(caught.value)
    assert "(signal_tracer.E001) SIGNAL_TRACER has an unknown key 'SLOW_MS'." in text
    assert "HINT: Did you mean 'SLOW_RECEIVER_MS'?" in text


def test_a_panel_without_the_app_is_an_error(settings: Any) -> None:
    settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if each != "signal_tracer"]

    messages = [each for each in run_checks() if str(each.id).startswith("signal_tracer.E0")]

    assert [(each.id, each.hint) for each in messages] == [
        ("signal_tracer.E003", "Add 'signal_tracer' to INSTALLED_APPS.")
    ]


@pytest.mark.parametrize(
    ("ignored", "message", "hint"),
    [
        (
            "slow-reciever",
            "'slow-reciever', and there is no finding 'slow-reciever'.",
            "Did you mean 'slow-receiver'?",
        ),
        (
            "BULK_BYPASS:shop.Order",
            "'BULK_BYPASS:shop.Order', and there is no finding 'BULK_BYPASS'.",
            "Did you mean 'bulk-bypass:shop.Order'?",
        ),
        (
            "slow-receiver:",
            "'slow-receiver:', with nothing after the colon.",
            (
                "Write 'slow-receiver' to hide all of them, or 'slow-receiver:dotted.name' to hide "
                "one."
            ),
        ),
        ("", "'', and there is no finding ''.", f"The findings are: {', '.join(slugs())}."),
    ],
)
def test_a_finding_that_does_not_exist_cannot_be_ignored(
    ignored: str, message: str, hint: str, settings: Any
) -> None:
    assert found({"IGNORE_FINDINGS": ["repeated-save", ignored]}, settings) == [
        ("E005", f"SIGNAL_TRACER['IGNORE_FINDINGS'] names {message}", hint)
    ]


@pytest.mark.parametrize(
    ("version", "messages"),
    [
        (
            (3, 11, 7),
            [
                (
                    "W001",
                    (
                        "SIGNAL_TRACER['RECORD_HANDLED_EXCEPTIONS'] records nothing on "
                        "Python 3.11, which cannot tell of exceptions."
                    ),
                    "Use Python 3.12 or newer, or remove the key.",
                )
            ],
        ),
        ((3, 12, 0), []),
    ],
)
def test_handled_exceptions_need_a_python_that_tells_of_them(
    version: Any, messages: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal_tracer.checks.sys", SimpleNamespace(version_info=version))

    assert found({"RECORD_HANDLED_EXCEPTIONS": True}, settings) == messages
    assert found({"RECORD_HANDLED_EXCEPTIONS": False}, settings) == []
