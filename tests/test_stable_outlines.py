"""A stable outline: equal for equal behaviour, whatever keys, clocks, hashes and machines did."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from typing import Any

import pytest
from django.dispatch import Signal
from hypothesis import given
from hypothesis import strategies as st

from signal_tracer import Dispatch, ReceiverCall, Trace
from signal_tracer.records import (
    Bypass,
    CacheCalls,
    Contents,
    Error,
    NearMiss,
    Summary,
    Unwatched,
    Value,
)
from signal_tracer.testing import SignalTrace

UUID = "eda15b6b-4ad1-4528-a80e-7d1c1296c7f4"


def traced(*dispatches: Dispatch, **contents: Any) -> Trace:
    return Trace(
        "test",
        started_at=datetime.now(UTC),
        contents=Contents(dispatches=list(dispatches), **contents),
    )


def sent(signal: str = "shop.paid", sender: str = "None", **kwargs: Value) -> Dispatch:
    return Dispatch(signal, sender=sender, kwargs=kwargs)


def lines(*dispatches: Dispatch, **contents: Any) -> list[str]:
    return traced(*dispatches, **contents).outline(stable=True, kwargs=True).splitlines()


def spelled(value: Value, name: str = "value") -> str:
    """How an argument reads."""
    [_, arguments] = lines(sent(**{name: value}))
    return arguments.strip().removeprefix(f"{name}=")


def row(text: str) -> Summary:
    return Summary(text)


# Keys


def test_rows_are_numbered_by_model_in_the_order_in_which_they_appear() -> None:
    assert lines(
        sent(sender="shop.Order(pk=41)", order=row("shop.Order(pk=41)")),
        sent(order=row("shop.Order(pk=7)"), product=row("shop.Product(pk=41)")),
        sent(order=row("shop.Order(pk=41)"), both=row("[shop.Order(pk=7), shop.Order(pk=3)]")),
    ) == [
        "shop.paid.send  sender=shop.Order #1",
        "    order=shop.Order #1",
        "shop.paid.send  sender=None",
        "    order=shop.Order #2, product=shop.Product #1",
        "shop.paid.send  sender=None",
        "    order=shop.Order #1, both=[shop.Order #2, shop.Order #3]",
    ]


@pytest.mark.parametrize(
    "key",
    [
        "3",
        "'a (very) \"odd\" key'",
        '"it\'s (one"',
        f"UUID({UUID})",
        f"(3, UUID({UUID}))",
        "(3, 'a)', datetime(2026-11-26 12:00:00, zoneinfo.ZoneInfo))",
    ],
)
def test_a_key_of_any_kind_becomes_a_number(key: str) -> None:
    assert spelled(row(f"[shop.Order(pk={key}), None]")) == "[shop.Order #1, None]"


def test_a_row_without_a_key_and_one_whose_key_is_secret_stay_as_they_are() -> None:
    assert spelled(row("shop.Order(pk=None)")) == "shop.Order(pk=None)"
    assert spelled(row("sessions.Session(pk=[redacted])")) == "sessions.Session(pk=[redacted])"


def test_the_keys_of_a_many_to_many_relation_are_those_of_its_model() -> None:
    assert lines(
        sent(instance=row("shop.Product(pk=9)")),
        sent(model=row("shop.Product"), pk_set=row("{4, 9, 17}")),
        sent(model=row("shop.Product"), pk_set=row("{4, 9, … 12 more}")),
        sent(model=row("shop.Product"), pk_set=row("{9}")),
    )[1::2] == [
        "    instance=shop.Product #1",
        "    model=shop.Product, pk_set={#1, #2, #3}",
        "    model=shop.Product, pk_set={#1, #2, … 12 more}",
        "    model=shop.Product, pk_set={#1}",
    ]


def test_an_argument_that_is_called_like_a_key_is_one() -> None:
    assert lines(
        sent(order_id=41, id="a-1", amount=41, user_id=None, ids=row("[41, 12]"), valid=3),
        sent(order_id=12, id="a-1", amount=12, user_id=3, ids=row("[12]"), valid=True),
    )[1::2] == [
        "    order_id=#1, id=#1, amount=41, user_id=None, ids=[#1, #2], valid=3",
        "    order_id=#2, id=#1, amount=12, user_id=#1, ids=[#2], valid=True",
    ]


def test_the_order_of_a_set_of_rows_is_not_that_of_their_hashes() -> None:
    assert spelled(row("{shop.Order(pk=16), shop.Order(pk=9)}")) == spelled(
        row("{shop.Order(pk=9), shop.Order(pk=10)}")
    )
    assert lines(
        sent(first=row("shop.Order(pk=16)"), all=row("{shop.Order(pk=16), shop.Order(pk=9)}")),
    )[1:] == ["    first=shop.Order #1, all={shop.Order #2, shop.Order #1}"]


Keys = st.lists(st.integers(1, 8), min_size=1, max_size=12)


@given(keys=Keys, others=st.permutations(range(100, 108)))
def test_other_keys_make_the_same_outline(keys: list[int], others: list[int]) -> None:
    def outline(of: dict[int, int]) -> list[str]:
        return lines(*(sent(order=row(f"shop.Order(pk={of[key]})"), id=of[key]) for key in keys))

    assert outline({key: key for key in range(1, 9)}) == outline(
        dict(zip(range(1, 9), others, strict=True))
    )


@given(st.text(alphabet="shop.Order(pk=3)'\"\\#{},UID0x-[] …"))
def test_a_text_that_is_like_a_row_and_none_is_spelled(text: str) -> None:
    assert len(lines(sent(sender=text, value=row(text)))) == 2


# All else that differs


@pytest.mark.parametrize(
    ("value", "stable"),
    [
        (row("datetime(2026-11-26 12:23:16.768759, zoneinfo.ZoneInfo)"), "datetime(…)"),
        (row("[date(2026-11-26), timedelta(0:00:01.5)]"), "[date(…), timedelta(…)]"),
        ("made at 2026-11-26T12:23:16+01:00", "'made at …'"),
        (row("UUID(eda15b6b-4ad1-4528-a80e-7d1c1296c7f4)"), "UUID #1"),
        (f"/files/{UUID}.txt", "'/files/UUID #1.txt'"),
        ("<shop.Till object at 0x7fe0831a6a70>", "'<shop.Till object at …>'"),
        (
            row(f"PosixPath('{tempfile.gettempdir()}/tmpab12/a.csv')"),
            "PosixPath('<temporary file>')",
        ),
        (row("'aaa'… (1,234 characters)"), "'aaa'…"),
        ("paid", "'paid'"),
        (19.5, "19.5"),
        (row("Decimal(194.00)"), "Decimal(194.00)"),
        (row("frozenset({'status', 'total'})"), "frozenset({'status', 'total'})"),
    ],
)
def test_what_differs_from_run_to_run_is_left_out_and_all_else_stays(
    value: Value, stable: str
) -> None:
    assert spelled(value) == stable


def test_signals_without_a_name_are_numbered_anew_in_each_outline() -> None:
    assert lines(
        sent("<unnamed Signal 31>"), sent("<unnamed Hook 12>"), sent("<unnamed Signal 31>")
    ) == [
        "<unnamed Signal #1>.send  sender=None",
        "<unnamed Hook #2>.send  sender=None",
        "<unnamed Signal #1>.send  sender=None",
    ]


def test_of_an_exception_there_is_its_type_and_not_its_message() -> None:
    refused = Error("shop.errors.Refused", "order 41 at 0x7fe0831a6a70")
    call = ReceiverCall("shop.mail", outcome="swallowed", error=refused)
    trace = traced(Dispatch("shop.paid", receiver_calls=[call]), Dispatch("a.b", error=refused))

    assert trace.outline(stable=True).splitlines() == [
        "shop.paid.send  sender=None",
        "  shop.mail  SWALLOWED Refused",
        "a.b.send  sender=None  RAISED Refused",
    ]
    assert "Refused: order 41" in trace.outline()


def test_what_a_cache_held_already_is_not_in_it() -> None:
    call = ReceiverCall("shop.count", cache_calls=[CacheCalls(gets=2, hits=1)])
    trace = traced(Dispatch("shop.paid", receiver_calls=[call]))

    assert trace.outline(stable=True).splitlines()[1:] == ["  shop.count"]
    assert trace.outline().splitlines()[1:] == [
        "  shop.count  cache default: 2 gets, 1 hit, 0 sets, 0 deletes"
    ]


def test_near_misses_and_bypasses_stand_in_it() -> None:
    miss = NearMiss("shop.late", "connected_to_instance", connected_to="shop.Order(pk=4)")
    paid = Dispatch("shop.paid", sender="shop.Order", near_misses=[miss])
    bypass = Bypass("bulk_create", "shop.Line", rows=3)

    assert lines(paid, bypasses=[bypass]) == [
        "shop.paid.send  sender=shop.Order",
        "  shop.late  NEAR MISS connected to shop.Order #1, an instance of the sender",
        "shop.Line.bulk_create()  3 rows  BYPASS",
    ]


def test_what_the_trace_did_not_keep_is_said_and_what_settings_exclude_is_not() -> None:
    trace = traced(
        sent(), excluded=3, omitted=2, unwatched=[Unwatched("plugins.Hook", "send_chained", 7)]
    )

    assert trace.outline(stable=True).splitlines()[1:] == [
        (
            "plugins.Hook.send_chained ran receivers 7 times. They are not in this trace: it is a "
            "method of the signal's own class, not one of Django's."
        ),
        (
            "2 dispatches were sent and not kept, because the trace was full. To keep more, raise "
            'SIGNAL_TRACER["MAX_DISPATCHES"]; to keep fewer of no interest, name their signals in '
            'SIGNAL_TRACER["EXCLUDE_SIGNALS"].'
        ),
    ]
    assert trace.outline() == "shop.paid.send  sender=None"


# How it is asked for


def test_arguments_are_asked_for_and_are_as_recorded_where_nothing_need_be_stable() -> None:
    trace = traced(sent(order=row("shop.Order(pk=41)"), created=True))

    assert trace.outline(stable=True) == "shop.paid.send  sender=None\n"
    assert trace.outline(kwargs=True) == (
        "shop.paid.send  sender=None\n    order=shop.Order(pk=41), created=True"
    )
    assert traced().outline(stable=True) == "no dispatches\n"


def test_what_only_packages_heard_is_in_one_line_there_as_well() -> None:
    call = ReceiverCall("django.core.signals.reset", defined_at=None)
    trace = traced(Dispatch("django.started", receiver_calls=[call], kwargs={"a": 1}))

    assert trace.outline(stable=True, kwargs=True, project_only=True) == (
        "in django  1 receiver call in 1 dispatch\n"
    )


def test_the_fixture_gives_a_stable_one_while_its_trace_runs() -> None:
    def tell(**kwargs: object) -> None:
        raise ValueError("order 41")

    signal = Signal()
    signal.connect(tell)
    with SignalTrace() as signals:
        signal.send_robust("till", amount=3)
        assert signals.outline(kwargs=True).splitlines() == [
            "<unnamed Signal #1>.send_robust  sender='till'",
            "    amount=3",
            (
                "  test_stable_outlines.test_the_fixture_gives_a_stable_one_while_its_trace_runs"
                ".<locals>.tell  SWALLOWED ValueError"
            ),
        ]
    assert signals.outline() == signals.trace.outline(stable=True)


@pytest.mark.parametrize("name", ["kwargs", "project_only"])
def test_a_wrong_argument_is_refused(name: str) -> None:
    with (
        SignalTrace() as signals,
        pytest.raises(TypeError, match=rf"^{name}= wants True or False, and was given a str\.$"),
    ):
        signals.outline(**{name: "no"})


PROGRAM = """
import sys, tempfile, uuid
from pathlib import Path
sys.path.insert(0, "example_site")
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from datetime import datetime
from django.db.models.signals import m2m_changed, pre_save
from django.dispatch import Signal
from shop.models import Order, Product
from signal_tracer.testing import SignalTrace

key = int(sys.argv[1])
for _ in range(key):
    Signal().send(None)

def note(**kwargs): pass
def fail(**kwargs): raise LookupError(f"{key} in {object()}")

own = Signal()
for signal in (own, m2m_changed):
    signal.connect(note)
own.connect(fail)
order = Order(pk=key)
with SignalTrace() as signals:
    own.send_robust(order, order=order, at=datetime.now(), file=Path(tempfile.mkdtemp()))
    own.send_robust(None, all={Product(pk=key + each) for each in (1, 7, 8, 9)}, order_id=key)
    m2m_changed.send(
        Order.lines.rel.related_model if hasattr(Order, "lines") else Order, instance=order,
        model=Product, pk_set={key + each for each in (9, 1, 8)}, names={"b", "a", "c"},
        batch=uuid.uuid4(),
    )
print(signals.outline(kwargs=True), end="")
"""


def test_it_is_the_same_in_every_process() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM, key],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "TMPDIR": folder},
        ).stdout.splitlines()
        for key, seed, folder in (("3", "1", "/tmp"), ("1996", "2", "/var/tmp"))
    ]
    assert told[0] == told[1]
    assert told[0][:8] == [
        "__main__.own.send_robust  sender=shop.Order #1",
        "    order=shop.Order #1, at=datetime(…), file=PosixPath('<temporary file>')",
        "  __main__.note",
        "  __main__.fail  SWALLOWED LookupError",
        "__main__.own.send_robust  sender=None",
        "    all={shop.Product #1, shop.Product #2, shop.Product #3, shop.Product #4}, order_id=#1",
        "  __main__.note",
        "  __main__.fail  SWALLOWED LookupError",
    ]
