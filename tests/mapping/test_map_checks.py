"""The rules over the map as system checks: for the project's own code, and to be silenced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import Error, Warning, run_checks  # noqa: A004  # as Django calls it
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.dispatch import Signal

from shop.models import Order
from signal_tracer.checks import IDS
from signal_tracer.findings import catalogue, over_signal_map
from signal_tracer.mapping import read_map

DOCS = Path(__file__).parents[2] / "docs"

gong = Signal()


@pytest.fixture(autouse=True)
def nobody_hears_it() -> Iterator[None]:
    yield
    gong.receivers = []


@pytest.fixture(autouse=True)
def nothing_is_silenced(settings: Any) -> None:
    settings.SILENCED_SYSTEM_CHECKS = []


def documented(**kwargs: Any) -> None:
    """It says what it does."""


def undocumented(**kwargs: Any) -> None:
    pass


def undocumented_too(**kwargs: Any) -> None:
    pass


def messages(number: str) -> list[Any]:
    return [each for each in run_checks(tags=["signals"]) if str(each.id).endswith(number)]


def about_me(number: str) -> list[Any]:
    return [each for each in messages(number) if __name__ in each.msg]


def test_a_fragile_receiver_is_an_error(settings: Any) -> None:
    settings.DEBUG = True

    def connect() -> None:
        def short_lived(**kwargs: Any) -> None:
            """It says what it does."""

        gong.connect(short_lived)

    connect()
    [message] = about_me("E101")

    assert type(message) is Error
    assert message.msg.startswith(f"{__name__}.test_a_fragile_receiver_is_an_error.")
    assert "weak=False" in message.hint


def test_a_duplicate_is_a_warning() -> None:
    gong.connect(documented)
    gong.connect(documented, sender=Order)
    [message] = about_me("W104")

    assert type(message) is Warning
    assert message.msg == (
        f"{__name__}.documented is connected to {__name__}.gong twice, and runs twice for "
        "shop.Order."
    )


def test_what_is_for_information_is_said_by_no_command_that_checks() -> None:
    gong.connect(undocumented)
    found = over_signal_map(read_map()).of_project
    assert {"undocumented-receiver", "ignores-raw"} <= {each.slug for each in found}

    assert {type(each) for each in run_checks(tags=["signals"])} <= {Error, Warning}


def test_nothing_is_said_of_djangos_own_receivers_nor_by_a_check_of_a_packages() -> None:
    # Django has many receivers without a docstring, such as this one.
    undocumented = "django.db.close_old_connections"
    connected = [each.receiver for _, each in read_map().walk()]
    assert undocumented in connected

    names = [name for each in over_signal_map(read_map()).shown for name in each.names]
    assert undocumented not in names
    assert not [each for each in run_checks(tags=["signals"]) if undocumented in each.msg]


def test_a_check_is_silenced_as_usual(settings: Any) -> None:
    settings.DEBUG = True
    gong.connect(partial(documented))
    gong.connect(documented)

    with pytest.raises(SystemCheckError, match=r"signal_tracer\.E101"):
        call_command("check", tags=["signals"])
    # E102: once Django's cache has let go of it, the fragile receiver of the example site is dead.
    # E121: one of its receivers is missing.
    silenced = [f"signal_tracer.{number}" for number in ("E101", "E102", "E121")]
    settings.SILENCED_SYSTEM_CHECKS = silenced
    call_command("check", tags=["signals"])


def test_a_finding_can_be_ignored_by_name(settings: Any) -> None:
    gong.connect(documented)
    gong.connect(documented, sender=Order)
    settings.SIGNAL_TRACER = {"IGNORE_FINDINGS": [f"duplicate-receiver:{__name__}.documented"]}

    assert about_me("W104") == []


def kinds_over_the_map() -> list[str]:
    text = Path(catalogue.__file__).read_text()
    over_map = text.partition("# Over the signal map")[2].partition("# Over a graph")[0]
    return re.findall(r'Kind\(\n    "([a-z-]+)",\n    "(?:error|warning)"', over_map)


def test_every_error_and_warning_over_the_map_has_a_check_of_its_own() -> None:
    assert list(IDS) == kinds_over_the_map()
    assert len(set(IDS.values())) == len(IDS)


def test_every_rule_and_check_is_documented() -> None:
    findings, page = (DOCS / "findings.md").read_text(), (DOCS / "signal_map.md").read_text()

    for slug, check_id in IDS.items():
        assert f"\n### {slug}\n" in findings
        assert f"| `{check_id}` | [{slug}](findings.md#{slug}) |" in page


def test_every_option_of_the_command_is_documented() -> None:
    from django.core.management import load_command_class

    parser = load_command_class("signal_tracer", "signal_map").create_parser(
        "manage.py", "signal_map"
    )
    own = {
        option
        for group in parser._action_groups[2:]
        for action in group._group_actions
        for option in action.option_strings
    }
    page = (DOCS / "signal_map.md").read_text()

    assert len(own) == 25
    assert [option for option in sorted(own) if option not in page] == []
