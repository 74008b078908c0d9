"""report() of what compare() returned: the picture at several widths, whole and brief."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest

from signal_tracer import Trace, compare, report
from signal_tracer.difference import Difference
from signal_tracer.records import Contents, Dispatch, Error, Location, ReceiverCall

POST_SAVE = "django.db.models.signals.post_save"


def a_trace(*dispatches: Dispatch, duration: float) -> Trace:
    return Trace(
        "POST /checkout/",
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        contents=Contents(duration=duration, dispatches=list(dispatches)),
    )


@pytest.fixture
def difference() -> Difference:
    """A receiver more that sends on, one that is slow and swallowed now, a loop, one gone."""
    mail = ReceiverCall("shop.receivers.mail", own_time=0.001)
    slow = ReceiverCall(
        "shop.receivers.mail",
        own_time=0.05,
        outcome="swallowed",
        error=Error("builtins.ValueError", "no address"),
    )
    sent = Dispatch("notifications.sent", "None", receiver_calls=[ReceiverCall("log.write")])
    text = ReceiverCall(
        "shop.receivers.text_customer",
        Location("/srv/shop/receivers.py", 40, "text_customer"),
        omitted_queries=3,
        dispatches=[sent],
    )
    index = Dispatch(POST_SAVE, "shop.Line", receiver_calls=[ReceiverCall("search.index")])
    old = ReceiverCall("shop.receivers.old")
    return compare(
        a_trace(
            Dispatch(POST_SAVE, "shop.Order", "send_robust", receiver_calls=[mail, old]),
            index,
            duration=0.04,
        ),
        a_trace(
            Dispatch(POST_SAVE, "shop.Order", "send_robust", receiver_calls=[slow, text]),
            *[index] * 3,
            duration=0.09,
        ),
    )


def drawn(difference: Difference, width: int, **options: bool) -> str:
    file = io.StringIO()
    report(difference, width=width, file=file, **options)
    return file.getvalue()


def test_at_80_columns_each_change_is_in_words_and_what_went_wrong_has_a_mark(
    difference: Difference,
) -> None:
    assert (
        drawn(difference, 80)
        == """\
POST /checkout/, compared                                                90.0 ms
+3 dispatches · +3 receiver calls · +3 queries · 40.0 ms before

! ~ shop.receivers.mail on post_save of shop.Order
      slower, own time 50.0 ms instead of 1.00 ms
      swallowed ValueError instead of ending well
  + shop.receivers.text_customer on post_save of shop.Order · 3 queries
     + notifications.sent
        + log.write
  - shop.receivers.old on post_save of shop.Order
  ~ post_save of shop.Line · 3 times instead of 1

! + error swallowed-exception: shop.receivers.mail raised ValueError: no
      address, and send_robust() swallowed it.
      → Handle in shop.receivers.mail what can fail at a line not recorded, and
      retry what must not be lost in a task (Celery, Django's tasks). Or let the
      sender look through what send_robust() returns.
! + warning slow-receiver: shop.receivers.mail took 50.0 ms of its own; the
      limit is 10.0 ms.
      → Leave the slow part of shop.receivers.mail (a line not recorded) to a
      task (Celery, Django's tasks) that transaction.on_commit() starts.
"""
    )


def test_on_a_wide_page_each_change_has_its_line_of_code(difference: Difference) -> None:
    [line] = [each for each in drawn(difference, 160).splitlines() if "text_customer" in each]

    assert line.split("  ")[-1].strip() == "/srv/shop/receivers.py:40"
    assert len(line) <= 140


def test_in_brief_what_stands_below_something_added_is_counted(difference: Difference) -> None:
    out = drawn(difference, 120, brief=True)

    assert "text_customer on post_save of shop.Order · 3 queries · 1 receiver call below it" in out
    assert "notifications.sent" not in out
    assert "Not shown: 2 lines below these. All of it: brief=False." in out


def test_a_long_difference_is_brief_unless_all_of_it_is_asked_for() -> None:
    calls = [ReceiverCall(f"a.r{number}") for number in range(60)]
    long = compare(a_trace(duration=0), a_trace(Dispatch("a.s", receiver_calls=calls), duration=0))

    assert "+ a.s · 60 receiver calls below it" in drawn(long, 80)
    assert "a.r59" not in drawn(long, 80)
    assert "+ a.r59" in drawn(long, 80, brief=False)


def test_a_level_that_a_narrow_terminal_has_no_room_for_is_counted() -> None:
    deep = Dispatch("a.s")
    for _ in range(40):
        deep = Dispatch("a.s", receiver_calls=[ReceiverCall("a.r", dispatches=[deep])])
    out = drawn(compare(a_trace(duration=0), a_trace(deep, duration=0)), 80, brief=False)

    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"\+66 +\+ a\.s$", out, re.MULTILINE)
    assert "A number such as +66 in front of a line counts levels of nesting" in out


def test_what_is_alike_says_so() -> None:
    alike = compare(a_trace(duration=0.04), a_trace(duration=0.05))

    assert drawn(alike, 80).splitlines() == [
        "POST /checkout/, compared                                                50.0 ms",
        "No difference. · 40.0 ms before",
    ]


def test_control_characters_and_markup_are_shown_as_they_are() -> None:
    hostile = Dispatch("a.s", "[red]\x1b[2J", receiver_calls=[ReceiverCall("[b]x\x07")])
    out = drawn(compare(a_trace(duration=0), a_trace(hostile, duration=0)), 80)

    assert "+ a.s of [red]\\x1b[2J" in out
    assert "+ [b]x\\x07" in out
