"""The setting: its defaults, what is read from it, and that a wrong entry breaks nothing."""

from __future__ import annotations

import collections
import dataclasses
import types
from typing import Any

import pytest

from signal_tracer import conf, trace_signals
from signal_tracer.conf import Config, read_config

DEFAULTS = {
    "enabled": None,
    "sample_rate": 1.0,
    "reporters": (),
    "exclude_signals": (
        "debug_toolbar.*",
        "django.test.signals.template_rendered",
        "django.core.signals.setting_changed",
    ),
    "slow_receiver_ms": 10,
    "max_dispatches": 2000,
    "max_value_length": 200,
    "record_locations": True,
    "record_queries": True,
    "record_handled_exceptions": False,
    "record_cache_calls": False,
    "ignore_findings": (),
    "editor": None,
}


def test_the_defaults_are_those_of_the_documentation(settings: Any) -> None:
    settings.SIGNAL_TRACER = {}

    assert dataclasses.asdict(read_config()) == DEFAULTS
    assert [name.upper() for name in DEFAULTS] == list(conf.KEYS)


def test_every_key_is_read(settings: Any) -> None:
    settings.SIGNAL_TRACER = {
        "ENABLED": "shop.tracing.is_wanted",
        "SAMPLE_RATE": 0.25,
        "REPORTERS": ["shop.tracing.report"],
        "EXCLUDE_SIGNALS": ["shop.*"],
        "SLOW_RECEIVER_MS": 2.5,
        "MAX_DISPATCHES": 3,
        "MAX_VALUE_LENGTH": 4,
        "RECORD_LOCATIONS": False,
        "RECORD_QUERIES": False,
        "RECORD_HANDLED_EXCEPTIONS": True,
        "RECORD_CACHE_CALLS": True,
        "IGNORE_FINDINGS": ["slow-receiver"],
        "EDITOR": "zed",
    }

    assert dataclasses.asdict(read_config()) == {
        "enabled": "shop.tracing.is_wanted",
        "sample_rate": 0.25,
        "reporters": ("shop.tracing.report",),
        "exclude_signals": ("shop.*",),
        "slow_receiver_ms": 2.5,
        "max_dispatches": 3,
        "max_value_length": 4,
        "record_locations": False,
        "record_queries": False,
        "record_handled_exceptions": True,
        "record_cache_calls": True,
        "ignore_findings": ("slow-receiver",),
        "editor": "zed",
    }


def test_a_config_does_not_change_with_the_list_it_was_read_from(settings: Any) -> None:
    patterns = ["a.*"]
    settings.SIGNAL_TRACER = {"EXCLUDE_SIGNALS": patterns}
    config = read_config()
    patterns.append("b.*")

    assert config.exclude_signals == ("a.*",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.max_dispatches = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "setting",
    [
        {"MAX_DISPATCHES": 3},
        collections.OrderedDict(MAX_DISPATCHES=3),
        types.MappingProxyType({"MAX_DISPATCHES": 3}),
        collections.ChainMap({"MAX_DISPATCHES": 3}),
        {"MAX_DISPATCHES": 3, "UNKNOWN": 1, 5: 6, None: 7, "max_value_length": 1},
        {"MAX_DISPATCHES": 3, "MAX_VALUE_LENGTH": 0, "REPORTERS": "x", "ENABLED": object()},
    ],
    ids=["dict", "OrderedDict", "proxy", "ChainMap", "unknown keys", "wrong values"],
)
def test_what_is_right_is_read_from_any_mapping(setting: Any, settings: Any) -> None:
    settings.SIGNAL_TRACER = setting

    assert read_config() == Config(max_dispatches=3)


@pytest.mark.parametrize(
    "setting",
    [None, [], "on", 0, object(), {"SLOW_RECEIVER_MS": 10**400}, {"SLOW_RECEIVER_MS": -(10**400)}],
    ids=["None", "list", "text", "number", "object", "too large", "too small"],
)
def test_what_is_wrong_counts_as_absent(setting: Any, settings: Any) -> None:
    settings.SIGNAL_TRACER = setting

    assert read_config() == Config()
    with trace_signals() as trace:
        pass
    assert trace.slow_after == 0.01


def test_the_largest_numbers_that_are_taken_break_no_trace(settings: Any) -> None:
    settings.SIGNAL_TRACER = {
        "SLOW_RECEIVER_MS": 10**308,
        "MAX_DISPATCHES": 10**400,
        "MAX_VALUE_LENGTH": 10**400,
    }
    with trace_signals() as trace:
        pass

    assert trace.slow_after == 1e305
    assert read_config().max_dispatches == 10**400


def test_every_key_says_what_it_takes() -> None:
    assert set(conf._EXPECTED) == set(conf.KEYS)
