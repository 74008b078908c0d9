"""The timeline: its rows, bars and switches, and what a row opens to."""

import re

from django.utils import translation
from pages import CHECKOUT, details, outline_rows, said, trace_of

from signal_tracer.panel import timeline
from signal_tracer.records import (
    Bypass,
    CacheCalls,
    Dispatch,
    Error,
    HandledException,
    Location,
    NearMiss,
    OnCommit,
    Query,
    ReceiverCall,
    Skipped,
    Summary,
    Unheard,
    Unwatched,
)


def test_the_rows_show_nesting_marks_and_times(stored):
    html = stored(trace_of(CHECKOUT)).content

    assert outline_rows(html) == [
        "shop.signals.paid.send_robust sender=shop.Order 50.0 ms",
        "shop.receivers.pack ▲ SLOW 30.0 ms 20.0 ms",
        "shop.signals.shipped.send sender=shop.Parcel 10.0 ms",
        "shop.receivers.tell ⇉ ASYNC 2.50 ms 2.50 ms",
        "shop.receivers.send_receipt ◐ SWALLOWED SMTPException: refused 1.00 ms 1.00 ms",
    ]
    # Three columns to indent by: a row takes one for each level, and its name takes the rest.
    assert re.findall(r'<td colspan="(\d)"></td><td class="djDebugSql"([^>]*)>', html) == [
        ("1", ' colspan="3"'),
        ("2", ' colspan="2"'),
        ("3", ""),
        ("1", ' colspan="3"'),
    ]


def test_each_switch_has_what_the_toolbars_script_looks_for(stored):
    html = stored(trace_of(CHECKOUT)).content

    switches = re.findall(r'data-toggle-name="(\w+)" data-toggle-id="(\w+)"', html)
    assert [key for _, key in switches] == ["d0", "f0", "d1", "f1", "d2", "f2", "d3", "d4"]
    for name, key in switches:
        assert html.count(f'id="{name}_{key}"') == 1
    folded = {
        key: re.findall(rf'<tbody id="sigtr_(\d)" class="[^"]*djToggleDetails_{key}\b', html)
        for key in ("f0", "f1", "f2")
    }
    assert folded == {"f0": ["1", "2", "3", "4"], "f1": ["2", "3"], "f2": ["3"]}


def test_a_dispatchs_details_say_what_was_sent_and_from_where(stored):
    html = stored(trace_of(CHECKOUT)).content

    assert details(html, 0) == (
        "Signal shop.signals.paid Sender shop.Order Sent with send_robust() "
        "Sent from shop/views.py:12 in checkout "
        "Keyword arguments order = shop.Order(pk=3) card = [redacted] note = 'hi'"
    )


def test_a_receiver_calls_details_say_where_it_stands_and_what_it_returned(stored):
    html = stored(trace_of(CHECKOUT)).content

    assert details(html, 1) == (
        "Receiver shop.receivers.pack Defined at shop/receivers.py:5 in pack "
        "dispatch_uid 'pack-once' Sender shop.Order Response shop.Parcel(pk=9) "
        "Keyword arguments order = shop.Order(pk=3) card = [redacted] note = 'hi'"
    )


def test_a_swallowed_exceptions_details_hold_its_traceback(stored):
    html = stored(trace_of(CHECKOUT)).content

    assert details(html, 4).startswith(
        "Swallowed: the dispatch caught the exception and went on. Whoever sent the signal knows "
        "of it only by looking through what the dispatch returned. "
        "Receiver shop.receivers.send_receipt Defined at not recorded Sender shop.Order "
        "Exception smtplib.SMTPException Message refused "
        "Traceback /srv/mail.py:8 in send connect(host) "
        "Keyword arguments order = shop.Order(pk=3) card = [redacted] note = 'hi'"
    )


def rects(html, number):
    """The boxes of a row's bar: x, width, y and height."""
    row = html[html.index(f'<tbody id="sigtr_{number}"') :]
    svg = row[: row.index("</svg>")]
    return re.findall(r'x="([\d.]+)%" width="([\d.]+)%" y="(\d+)" height="(\d+)"', svg)


def test_a_bar_shows_own_time_apart_from_nested_time(stored):
    quick = Dispatch(
        "shop.signals.paid",
        started_at=0.01,
        duration=0.03,
        receiver_calls=[
            ReceiverCall(
                "shop.receivers.pack",
                started_at=0.01,
                duration=0.03,
                own_time=0.002,
                dispatches=[Dispatch("shop.signals.shipped", started_at=0.02, duration=0.01)],
            )
        ],
    )
    html = stored(trace_of(quick)).content

    assert rects(html, 1) == [
        ("10.00", "30.00", "8", "2"),  # the whole call, thin
        ("10.00", "10.00", "4", "10"),  # its own time before the nested dispatch, thick
        ("30.00", "10.00", "4", "10"),  # and after it
    ]


def test_a_bypass_has_no_own_time_of_a_receiver(stored):
    bypass = Bypass("update", "shop.Order", 3, started_at=0.02, duration=0.01)
    html = stored(trace_of(bypasses=[bypass])).content

    assert rects(html, 0) == [("20.00", "10.00", "8", "2")]  # thin


def test_bars_of_what_was_slow_and_of_what_went_wrong_have_another_shape(stored):
    error = Error("builtins.ValueError", "no")
    calls = [
        ReceiverCall("a.slow", started_at=0.0, duration=0.05, own_time=0.05),
        ReceiverCall("a.wrong", started_at=0.05, duration=0.001, outcome="swallowed", error=error),
    ]
    html = stored(trace_of(Dispatch("a.b", receiver_calls=calls))).content

    assert rects(html, 1) == [("0.00", "50.00", "0", "18")]  # as high as its row
    assert rects(html, 2) == [("50.00", "1.00", "2", "4"), ("50.00", "1.00", "12", "4")]  # hollow


def test_a_call_too_short_to_be_seen_has_a_bar_that_can_be(stored):
    brief = ReceiverCall("shop.receivers.pack", started_at=0.05, duration=1e-6, own_time=1e-6)
    html = stored(trace_of(Dispatch("shop.signals.paid", receiver_calls=[brief]))).content

    assert rects(html, 1) == [("50.00", "0.40", "4", "10")]


def test_numbers_for_people_are_in_their_language_and_those_in_attributes_are_not(stored, settings):
    settings.USE_THOUSAND_SEPARATOR = True
    panel = stored(trace_of(CHECKOUT))
    with translation.override("de"):
        german = panel.content

    assert "50,0 ms" in said(german)
    numbers = re.findall(r' (?:x|y|width|height|colspan|data-value)="([^"]*)"', german)
    assert "10.00%" in numbers
    assert [number for number in numbers if not re.fullmatch(r"[\d.]+%?", number)] == []


def test_equal_dispatches_are_one_row_that_unfolds(stored):
    saves = [
        Dispatch(
            "django.db.models.signals.post_save",
            sender="shop.Line",
            kwargs={"created": number == 0, "using": "default"},
            started_at=number / 100,
            duration=0.001,
            receiver_calls=[
                ReceiverCall(
                    "shop.receivers.reindex",
                    started_at=number / 100,
                    duration=0.001,
                    response=number,
                    queries=[Query("SELECT 1")] * number,
                )
            ],
        )
        for number in range(3)
    ]
    html = stored(trace_of(*saves)).content

    assert outline_rows(html) == [
        "django.db.models.signals.post_save.send × 3 sender=shop.Line 3 3.00 ms",
        "shop.receivers.reindex × 3 3 3.00 ms 0 µs",
    ]
    assert details(html, 0).startswith(
        "This row stands for 3 equal ones, which are listed below. Its numbers are of all "
        "together; where values differ, those of the first stand here. Signal"
    )
    assert details(html, 0).endswith(
        "Unfold: 1 to 3 of 3 Number Started after Time Queries What differs "
        "1 0 µs 1.00 ms created = True 2 10.0 ms 1.00 ms created = False "
        "3 20.0 ms 1.00 ms created = False"
    )
    assert details(html, 1).endswith(
        "1 0 µs 1.00 ms 0 response 0 2 10.0 ms 1.00 ms 1 response 1 3 20.0 ms 1.00 ms 2 response 2"
    )


def test_receivers_that_did_not_run_and_that_could_not_be_watched_say_why(stored):
    error = Error("builtins.ValueError", "no")
    html = stored(
        trace_of(
            Dispatch(
                "shop.signals.paid",
                receiver_calls=[
                    ReceiverCall("shop.receivers.check", outcome="raised", error=error)
                ],
                near_misses=[
                    NearMiss("shop.receivers.pack", "not_run"),
                    NearMiss("shop.receivers.mail", "muted"),
                    NearMiss("shop.receivers.log", "connected_to_parent", connected_to="shop.Base"),
                ],
                error=error,
            ),
            Dispatch("plugins.signals.hook", unwatched=["plugins.receivers.hooked"]),
        )
    ).content

    assert outline_rows(html) == [
        "shop.signals.paid.send sender=None ✖ RAISED 0 µs",
        "shop.receivers.check ✖ RAISED ValueError: no 0 µs 0 µs",
        "shop.receivers.pack ○ NOT RUN",
        "shop.receivers.mail ○ MUTED",
        "shop.receivers.log ≈ NEAR MISS",
        "plugins.signals.hook.send sender=None 0 µs",
        "plugins.receivers.hooked ? NOT WATCHED",
    ]
    assert details(html, 1).startswith("Raised: the exception ended the dispatch")
    assert details(html, 2).startswith("Not run: an earlier receiver raised")
    assert details(html, 3).startswith("Muted: it would have been called")
    assert details(html, 4).startswith(
        "Near miss: the signal was sent and this receiver waits for it, but it is connected to "
        "shop.Base, a parent class of the sender. Django compares senders by identity: connect it "
        "to the very sender, or to none. Receiver shop.receivers.log Defined at not recorded "
        "Connected to shop.Base"
    )
    assert details(html, 6).startswith("Not watched: this signal's class calls its receivers")


def test_queries_are_shown_with_their_times_and_equal_ones_once(stored):
    insert = Query(
        'INSERT INTO "shop_entry" VALUES (%s)', duration=0.001, is_write=True, batch_size=3
    )
    call = ReceiverCall(
        "shop.receivers.reindex",
        queries=[insert, Query("SELECT 1", alias="other", duration=0.002), insert],
        omitted_queries=2,
    )
    html = stored(trace_of(Dispatch("shop.signals.paid", receiver_calls=[call]))).content

    assert outline_rows(html)[1] == "shop.receivers.reindex 5 0 µs 0 µs"
    assert (
        "Queries 5 queries · 4.00 ms 2.00 ms × 2 write · 3 parameter sets "
        'INSERT INTO "shop_entry" VALUES (%s) '
        "2.00 ms on other SELECT 1 "
        "⚠ 2 more queries were not kept, because the trace had too many." in details(html, 1)
    )


def test_bulk_operations_callbacks_and_rollbacks_have_rows_that_explain_them(stored):
    place = Location("/srv/site-packages/shop/views.py", 7, "import_all")
    call = ReceiverCall(
        "shop.receivers.import_lines",
        bypasses=[
            Bypass(
                "bulk_create",
                "shop.Line",
                50,
                ("ignore_conflicts",),
                place,
                started_at=0.01,
                duration=0.002,
                skipped=[Skipped("django.db.models.signals.post_save", "search.reindex")],
            )
        ],
        on_commit=[
            OnCommit("shop.receivers.mail", registered_at=0.02, outcome="discarded"),
        ],
        handled=[HandledException("builtins.KeyError", "'x'", place, place)],
    )
    html = stored(
        trace_of(
            Dispatch(
                "shop.signals.paid",
                receiver_calls=[call],
                in_atomic=("default",),
                rolled_back=("default",),
            )
        )
    ).content

    assert outline_rows(html) == [
        "shop.signals.paid.send sender=None ↺ ROLLED BACK 0 µs",
        "shop.receivers.import_lines ◑ HANDLED 0 µs 0 µs",
        "shop.Line.bulk_create(ignore_conflicts=True) 50 rows ⤼ BYPASS 2.00 ms",
        "search.reindex ○ SKIPPED",
        "on_commit shop.receivers.mail ↺ DISCARDED",
    ]
    assert "Inside atomic() on default Rolled back on default" in details(html, 0)
    assert (
        "Handled inside builtins.KeyError: 'x' raised at shop/views.py:7 in import_all "
        "caught at shop/views.py:7 in import_all" in details(html, 1)
    )
    assert "Rows 50 rows Options ignore_conflicts Called from shop/views.py:7 in import_all" in (
        details(html, 2)
    )
    assert "Waits for django.db.models.signals.post_save" in details(html, 3)
    assert details(html, 4).startswith("Discarded: its transaction was rolled back")


def test_what_is_left_out_is_said_with_the_setting_to_change(stored):
    text = said(
        stored(
            trace_of(
                CHECKOUT,
                omitted=12,
                too_deep=4,
                excluded=3,
                faults=1,
                unwatched=[Unwatched("plugins.signals.Hook", "send_chained", 2)],
            )
        ).content
    )

    assert "12 dispatches were sent and not kept, because the trace was full." in text
    assert 'raise SIGNAL_TRACER["MAX_DISPATCHES"]' in text
    assert "4 dispatches were sent and not kept, being nested more than 100 deep." in text
    assert '3 dispatches were left out by patterns in SIGNAL_TRACER["EXCLUDE_SIGNALS"].' in text
    assert "plugins.signals.Hook.send_chained ran receivers 2 times." in text
    assert "The tracer itself failed 1 time" in text


def test_a_trace_that_left_nothing_out_says_nothing_of_it(stored):
    assert "SIGNAL_TRACER[" not in stored(trace_of(CHECKOUT)).content


def test_of_too_many_rows_the_first_are_shown_and_the_others_are_one_click_further(
    stored, monkeypatch
):
    monkeypatch.setattr(timeline, "ROWS_BUDGET", 1_500)
    different = [Dispatch(f"shop.signals.s{number}") for number in range(10)]
    html = stored(trace_of(*different)).content

    shown = len(outline_rows(html))
    assert 1 < shown < 10
    assert f"{10 - shown} more rows: show the next ones" in said(html)
    assert re.search(rf'href="[^"]+/\?from={shown}"', html)


def test_details_beyond_what_a_browser_opens_gladly_are_fetched(stored, monkeypatch):
    monkeypatch.setattr(timeline, "DETAILS_BUDGET", 2_500)
    different = [Dispatch(f"shop.signals.s{number}") for number in range(10)]
    html = stored(trace_of(*different)).content

    inside = html.count('class="djUnselected djToggleDetails_d')
    fetched = re.findall(r'href="[^"]+/\?row=(\d)" title="Details"', html)
    assert inside >= 1
    assert fetched == [str(number) for number in range(inside, 10)]


def test_a_deep_recursion_stops_to_indent(stored):
    dispatch = Dispatch("shop.signals.innermost")
    for level in range(20):  # of each another sender, or they would be rounds in one row
        call = ReceiverCall("shop.receivers.again", dispatches=[dispatch])
        dispatch = Dispatch("shop.signals.again", f"{level}", receiver_calls=[call])
    html = stored(trace_of(dispatch)).content

    assert len(outline_rows(html)) == 41
    assert outline_rows(html)[-1].startswith("shop.signals.innermost")
    assert html.count('<col width="18">') == 12


def test_marks_that_turn_the_writing_direction_and_control_characters_are_seen(stored):
    html = stored(
        trace_of(
            Dispatch(
                "shop.\u202esignals.paid",
                sender="shop.\u2066Order",
                kwargs={"no\x00te": Summary("a\x1b[31mb"), "s": "\ud800"},
                receiver_calls=[ReceiverCall("shop.\u200bpack", response=Summary("x\x07"))],
            ),
            unheard=[Unheard("a\u202eb", "c", 1)],
        )
    ).content

    assert "shop.\\u202esignals." in html
    assert "sender=shop.<wbr>\\u2066Order" in html
    assert "no\\x00te = a\\x1b[31mb" in html
    assert "\\u200bpack" in html
    assert "x\\x07" in html
    assert "a\\u202eb" in html
    assert [each for each in html if not each.isprintable() and each != "\n"] == []


def test_what_was_asked_of_caches_stands_beside_the_receiver_and_in_its_details(stored):
    calls = [CacheCalls("default", 3, 2, 1, 0, 0.0012), CacheCalls("<b>", 0, 0, 0, 1, 0.0003)]
    call = ReceiverCall("shop.pack", cache_calls=calls)
    panel = stored(trace_of(Dispatch("shop.paid", receiver_calls=[call])))
    content = panel.content
    text = said(content)

    assert "cache default: 3 gets, 2 hits, 1 set, 0 deletes" in text
    assert "default: 1.20 ms" in text
    assert "5 cache calls" in text
    assert "cache &lt;b&gt;: 0 gets, 0 hits, 0 sets, 1 delete" in content
    with translation.override("de"):
        text = said(panel.content)
    assert "Cache default: 3 Lesezugriffe, 2 Treffer, 1 Schreibzugriff, 0 Löschungen" in text
    assert "Zeit in Caches" in text


def test_a_callback_that_ran_has_its_time_and_its_bar_where_it_ran(stored):
    callback = OnCommit("shop.mail", registered_at=0.012, outcome="ran", ran_at=0.05, duration=0.02)
    waiting = OnCommit("shop.later", registered_at=0.013)
    call = ReceiverCall(
        "shop.pack",
        started_at=0.01,
        duration=0.01,
        own_time=0.009,
        on_commit=[callback, waiting],
    )
    html = stored(trace_of(Dispatch("shop.paid", receiver_calls=[call]))).content

    assert outline_rows(html)[2:] == [
        "on_commit shop.mail 20.0 ms",
        "on_commit shop.later … WAITING",
    ]
    assert rects(html, 1) == [("10.00", "10.00", "4", "10")]  # none of it was the callback's
    assert rects(html, 2) == [("50.00", "20.00", "8", "2")]
