"""A signal map is plain data: it goes through JSON, and refuses what is no map."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signal_tracer.records import Location, Summary
from signal_tracer.signal_map import (
    Connection,
    MappedApp,
    MappedSignal,
    SignalMap,
    SignalMapFormatError,
)

FULL = SignalMap(
    signals=(
        MappedSignal(
            "shop.signals.sold",
            "shop.signals.Own",
            Location("/srv/shop/signals.py", 3, "<module>"),
            "shop",
            True,
            ("send",),
            (
                Connection("shop.receivers.hear", "function", 1),
                Connection(
                    "partial(shop.receivers.hear)",
                    "partial",
                    2,
                    sender="shop.Ordre",
                    sender_kind="lazy",
                    state="waiting",
                    dispatch_uid=Summary("(1, 2)"),
                    is_weak=False,
                    is_async=True,
                    defined_at=Location("/srv/shop/receivers.py", 9, "hear"),
                    module="shop.receivers",
                    app="shop",
                    connected_by="market",
                    doc="Hear.",
                    is_project=True,
                    with_urls=True,
                    is_fragile=True,
                    has_qualname=False,
                    twin=1,
                ),
            ),
        ),
        MappedSignal("shop.signals.unheard"),
    ),
    apps=(MappedApp("shop", "shop", "/srv/shop", "/srv/shop/apps.py", "ShopConfig", True),),
    is_complete=False,
    omitted=3,
)


@pytest.mark.parametrize("whole", [FULL, SignalMap()], ids=["full", "empty"])
def test_a_map_comes_back_from_json_as_it_was(whole: SignalMap) -> None:
    assert SignalMap.from_dict(json.loads(whole.to_json())) == whole


def test_a_map_says_its_version() -> None:
    assert FULL.to_dict()["version"] == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "This is not a signal map: it has no 'version'."),
        ({}, "This is not a signal map: it has no 'version'."),
        (
            {"version": 2},
            (
                "This signal map has version 2, and this signal_tracer reads version 1. Write it "
                "again with: manage.py signal_map --format json"
            ),
        ),
        (
            {"version": 1},
            (
                "This signal map is damaged (signals: expected a list, found nothing). Write it "
                "again with: manage.py signal_map --format json"
            ),
        ),
        ({"version": 1, "signals": [{"name": "a"}], "apps": []}, None),
        ({"version": 1, "signals": 3, "apps": []}, None),
    ],
    ids=range(6),
)
def test_data_that_is_no_map_is_refused(data: Any, message: str | None) -> None:
    with pytest.raises(SignalMapFormatError) as raised:
        SignalMap.from_dict(data)

    text = str(raised.value)
    assert text == message if message else text.startswith("This signal map is damaged (")


def test_a_connection_as_text_says_what_must_not_be_missed() -> None:
    first, second = FULL.signals[0].connections

    assert str(first) == "shop.receivers.hear  sender=None"
    assert str(second) == (
        "partial(shop.receivers.hear)  sender=shop.Ordre  WAITING FRAGILE ASYNC STRONG WITH URLS"
    )
