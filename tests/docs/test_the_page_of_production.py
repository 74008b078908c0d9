"""docs/production.md: its settings are right, its functions work, and no field is forgotten."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from django.core.checks import run_checks
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from signal_tracer import conf, trace_signals
from signal_tracer.records import Contents, Heading

PAGE = (Path(__file__).parents[2] / "docs" / "production.md").read_text()
BLOCKS = [
    re.sub("^  ", "", block, flags=re.MULTILINE) if indent else block
    for indent, block in re.findall(r"^( *)```python\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
]

paid = Signal()
raised: list[BaseException] = []


def fail(sender: object, **kwargs: object) -> None:
    raise ValueError("no address")


def pay(request: HttpRequest) -> HttpResponse:
    raised.extend(error for _, error in paid.send_robust("the shop") if error)
    return HttpResponse("paid")


urlpatterns = [path("pay/", pay)]


def run(block: int) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(BLOCKS[block], names)
    return names


def test_the_page_has_as_many_blocks_as_it_should() -> None:
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("block", [0, 1], ids=["staging", "production"])
def test_a_block_of_settings_is_right_and_disturbs_no_request(
    settings: Any,
    block: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    setting = run(block)["SIGNAL_TRACER"]
    for reporter in setting["REPORTERS"]:
        module = pytest.importorskip(reporter.rpartition(".")[0], exc_type=ImportError)
        if hasattr(module, "_default"):  # It keeps to the folder in which it was imported.
            monkeypatch.setattr(module, "_default", module.TraceFile(tmp_path / "traces.jsonl"))
    settings.DEBUG = False
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["signal_tracer.middleware.SignalTracerMiddleware"]
    settings.SIGNAL_TRACER = {**setting, "SAMPLE_RATE": 1}
    assert list(conf.problems()) == []
    assert [each for each in run_checks() if str(each.id).startswith("signal_tracer.E00")] == []

    caplog.clear()
    assert Client().get("/pay/").content == b"paid"
    assert [each for each in caplog.records if each.name == "signal_tracer"] == []


def test_the_callable_knows_who_has_the_key(settings: Any) -> None:
    is_wanted = run(2)["is_wanted"]
    settings.TRACE_KEY = "only for me"

    def asked(**headers: str) -> bool:
        return is_wanted(RequestFactory().get("/", headers=headers))

    assert [asked(), asked(x_trace_signals="x"), asked(x_trace_signals="only for me")] == [
        *(False, False, True)
    ]
    settings.TRACE_KEY = ""
    assert not asked(x_trace_signals="")


def test_the_reporter_keeps_the_last_traces() -> None:
    names = run(3)
    for number in range(101):
        with trace_signals(f"{number}", reporters=[names["keep"]]):
            pass

    assert len(names["latest"]) == 100
    assert '"name": "1"' in names["latest"][0]


def test_django_logs_what_send_robust_catches_where_nothing_is_traced(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = ["signal_tracer.middleware.SignalTracerMiddleware"]
    settings.SIGNAL_TRACER = {"ENABLED": True, "SAMPLE_RATE": 0}
    paid.connect(fail)
    try:
        Client().get("/pay/")
    finally:
        paid.disconnect(fail)

    [record] = [each for each in caplog.records if each.name == "django.dispatch"]
    assert (record.levelno, record.exc_info and record.exc_info[1]) == (logging.ERROR, raised.pop())


# The privacy of each field

# What the settings say themselves; and the text of a value, which is told with those that have it.
ELSEWHERE = {"ignore_findings", "text"}


def texts(cls: type, found: set[str], seen: set[type]) -> set[str]:
    """The names of all fields, here and below, that may hold a text of somebody's."""
    seen.add(cls)
    for name, hint in get_type_hints(cls).items():
        kinds = list(leaves(hint))
        if str in kinds:
            found.add(name)
        for kind in kinds:
            if dataclasses.is_dataclass(kind) and kind not in seen:
                texts(kind, found, seen)
    return found


def leaves(hint: Any) -> Iterator[Any]:
    """The types of which a hint is made, but no words that the tracer itself chooses among."""
    arguments = get_args(hint)
    if not arguments:
        yield hint
    elif get_origin(hint) is not Literal:
        for each in arguments:
            yield from leaves(each)


def test_each_field_that_may_hold_a_text_is_in_the_table() -> None:
    table = PAGE.partition("## What a trace holds")[2].partition("\n## ")[0]
    told = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\|[^|]+\|", table, re.MULTILINE))))
    fields = texts(Contents, set(), set()) | texts(Heading, set(), set())

    assert fields - told - ELSEWHERE == set()
