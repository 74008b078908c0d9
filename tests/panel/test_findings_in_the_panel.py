"""Findings, places and tables of the panel."""

import re

import pytest
from django.utils import translation
from pages import CHECKOUT, said, trace_of

from signal_tracer.panel import page
from signal_tracer.panel.locations import Locations
from signal_tracer.records import (
    Bypass,
    ConnectionChange,
    Dispatch,
    Error,
    Location,
    NearMiss,
    Query,
    ReceiverCall,
    Skipped,
    Unheard,
)

PLACE = Location("/srv/site-packages/shop/views.py", 7, "import_all")


def findings(html):
    """The findings as text, one each."""
    if 'id="sigtr_findings"' not in html:
        return []
    section = html[html.index('id="sigtr_findings"') :]
    tables = re.findall(r'<table class="sigtr-findings">.*?</table>', section, re.DOTALL)
    bodies = [table[table.index("<tbody>") :] for table in tables]
    return [said(row) for body in bodies for row in re.findall(r"<tr>.*?</tr>", body, re.DOTALL)]


def test_findings_stand_first_the_worst_above_with_advice_place_and_row(stored):
    html = stored(trace_of(CHECKOUT)).content

    assert html.index('id="sigtr_findings"') < html.index('id="sigtr_timeline"')
    swallowed, slow, bridge = findings(html)
    assert swallowed.startswith(
        "✖ Error An exception was swallowed · shop.receivers.send_receipt raised SMTPException: "
        "refused, and send_robust() swallowed it. → Handle in shop.receivers.send_receipt what "
        "can fail at /srv/mail.py:8"
    )
    assert swallowed.endswith("/srv/mail.py:8 in send Show its row")
    assert slow.startswith("▲ Warning A receiver was slow · shop.receivers.pack took 20.0 ms")
    assert bridge.startswith("● Info An async receiver ran under a sync send")
    assert re.findall(r'\?row=(\d)">Show its row', html) == ["4", "1", "3"]


def test_equal_findings_are_one_with_a_count(stored):
    failed = [
        Dispatch(
            "a.b",
            method="send_robust",
            receiver_calls=[ReceiverCall("a.mail", outcome="swallowed", error=Error("E", "no"))],
        )
        for _ in range(3)
    ]
    [only] = findings(stored(trace_of(*failed)).content)

    assert only.startswith("✖ Error An exception was swallowed × 3 · a.mail raised")


def test_findings_that_are_ignored_are_counted(stored):
    trace = trace_of(CHECKOUT)
    trace.ignore_findings = ("slow-receiver", "swallowed-exception:shop.*", "async-bridge")
    html = stored(trace).content

    assert findings(html) == []
    assert '3 findings are hidden by SIGNAL_TRACER["IGNORE_FINDINGS"].' in said(html)


def test_a_hostile_value_in_a_finding_is_text(stored):
    hostile = "<script>alert(1)</script>\u202e%(x)s"
    call = ReceiverCall(hostile, outcome="swallowed", error=Error("E", "no"))
    [only] = findings(stored(trace_of(Dispatch("a.b", receiver_calls=[call]))).content)

    assert "<script>alert(1)</script>\\u202e%(x)s raised" in only


@pytest.mark.parametrize(
    ("editor", "href"),
    [
        ("vscode", "vscode://file//srv/my%20shop/%7Bfile%7D.py:12"),
        ("pycharm", "pycharm://open?file=/srv/my%20shop/%7Bfile%7D.py&amp;line=12"),
        ("x://{file}?l={line}", "x:///srv/my%20shop/%7Bfile%7D.py?l=12"),
    ],
)
def test_a_place_opens_in_the_editor(editor, href):
    shown = Locations(editor).show(Location("/srv/my shop/{file}.py", 12, "f"))

    assert re.findall(r'href="([^"]*)"', shown) == [href]
    assert said(shown) == "/srv/my shop/{file}.py:12 in f"


def test_a_place_that_could_be_markup_is_text_and_breaks_at_slashes_alone():
    shown = Locations(None).show(Location("shop/<b>/views.py", 129, "f"))

    assert ">shop/<wbr>&lt;b&gt;/<wbr>views.py:129</bdi>" in shown
    assert said(shown) == "shop/<b>/views.py:129 in f"


def test_without_an_editor_a_place_is_one_piece_of_text():
    shown = Locations(None).show(PLACE)

    assert "<bdi" in shown
    assert ">shop/<wbr>views.py:7</bdi>" in shown
    assert 'title="/srv/site-packages/shop/views.py:7"' in shown
    assert "<a" not in shown


def test_code_without_a_file_has_no_link():
    assert "<a" not in Locations("vscode").show(Location("<string>", 1, "<module>"))


def test_the_setting_makes_links_of_all_places(stored, settings):
    settings.SIGNAL_TRACER = {**settings.SIGNAL_TRACER, "EDITOR": "vscode"}
    html = stored(trace_of(CHECKOUT)).content

    assert "vscode://file//srv/site-packages/shop/views.py:12" in html


def test_the_head_counts_what_the_trace_holds_and_leads_there(stored):
    trace = trace_of(
        CHECKOUT,
        unheard=[Unheard("django.db.models.signals.pre_init", "shop.Order", 4)],
        other_queries=2,
        bypasses=[Bypass("update", "shop.Order", 3)],
    )
    html = stored(trace).content

    head = said(html[: html.index("Take it away")])
    assert "2 dispatches · 3 receiver calls · 31.0 ms in receivers, 31 % of 100 ms" in head
    assert "2 queries · " in head
    assert "◐ 1 swallowed" in head
    assert "⤼ 1 bypass" in head
    assert "▲ 1 slow" in head
    assert "slow: own time of 10.0 ms or more" in said(html)
    assert "4 unheard" in head
    assert "Most own time: shop.receivers.pack, 20.0 ms" in head
    assert re.findall(r"\?only=(\w+)", html[: html.index("Take it away")]) == [
        *("dispatch", "call", "swallowed", "slow", "bypass"),
    ]


def test_the_head_tells_the_queries_of_receivers_from_the_others_and_leads_to_those(stored):
    call = ReceiverCall("a.b", queries=[Query("SELECT 1")])
    html = stored(trace_of(Dispatch("a.c", receiver_calls=[call]), other_queries=2)).content

    head = html[: html.index("Take it away")]
    assert "3 queries" in said(head)
    assert "Outside of receivers: 2 queries" in said(head)
    assert "?only=queries" in head


def test_no_number_of_the_head_leads_to_an_empty_list(stored):
    miss = NearMiss("a.b", connected_to="shop.Product", reason="connected_to_concrete")
    unheard = Unheard("a.c", "shop.Second", 1, near_misses=[miss])
    html = stored(trace_of(unheard=[unheard], other_queries=6)).content

    head = html[: html.index("Take it away")]
    numbers = "0 dispatches · 0 receiver calls · 1 finding · 6 queries · ≈ 1 near miss · 1 unheard"
    assert numbers in said(head)
    assert re.findall(r"\?(\w+=\w+)", head) == ["findings=all", "unheard=all", "unheard=all"]


def test_time_in_concurrent_receivers_is_counted_once(stored):
    together = [
        ReceiverCall("a.b", started_at=0.01, duration=0.03),
        ReceiverCall("a.c", started_at=0.02, duration=0.01),
        ReceiverCall("a.d", started_at=0.03, duration=0.02),
        ReceiverCall("a.e", started_at=0.07, duration=0.01),
    ]
    html = stored(trace_of(Dispatch("a.b", method="asend", receiver_calls=together))).content
    assert "50.0 ms in receivers, 50 % of 100 ms" in said(html)


def test_unheard_signals_name_who_nearly_heard_them_and_those_come_first(stored):
    miss = NearMiss("shop.receivers.log", "connected_to_parent", connected_to="shop.Base")
    unheard = [Unheard("a.often", "None", 50), Unheard("a.nearly", "shop.Child", 1, (miss,))]
    text = said(stored(trace_of(unheard=unheard)).content)

    assert (
        "Signal Sender Times a.nearly "
        "≈ Near miss: shop.receivers.log is connected to shop.Base shop.Child 1 a.often None 50"
    ) in text


def test_of_an_unheard_signal_it_says_who_is_not_connected_and_who_waits_for_another_sender(stored):
    misses = (
        NearMiss("shop.receivers.log", "not_connected"),
        NearMiss("shop.receivers.tell", "connected_to_other", connected_to="shop.Till"),
    )
    text = said(stored(trace_of(unheard=[Unheard("a.paid", "shop.Order", 1, misses)])).content)

    assert (
        "a.paid ≈ Near miss: the source connects shop.receivers.log, and this process does not "
        "have the connection Heard from another sender: shop.receivers.tell is connected to "
        "shop.Till shop.Order 1"
    ) in text


INIT = "django.db.models.signals.pre_init"


def unheard_lines(html):
    """The rows of the unheard dispatches, and those of them that are folded."""
    section = html[html.index('id="sigtr_unheard"') : html.index('id="sigtr_map"')]
    details = re.findall(r"<details.*?</details>", section, re.DOTALL)
    for each in details:
        section = section.replace(each, "")
    return said(section), [said(each) for each in details], details


def test_the_signals_of_each_instance_are_folded_away_and_counted(stored):
    miss = NearMiss("shop.receivers.log", "connected_to_parent", connected_to="shop.Base")
    unheard = [
        Unheard(INIT, "shop.Order", 40),
        Unheard("django.db.models.signals.post_init", "shop.Line", 2),
        Unheard(INIT, "shop.Child", 7, (miss,)),
        Unheard("shop.signals.paid", "None", 9),
        Unheard("shop.signals.pre_init", "None", 1),
    ]
    open_, [folded], [details] = unheard_lines(stored(trace_of(unheard=unheard)).content)

    assert f"{INIT} ≈ Near miss: shop.receivers.log is connected to shop.Base shop.Child 7" in open_
    assert "shop.signals.paid None 9 shop.signals.pre_init None 1" in open_
    assert folded == (
        "42 dispatches of pre_init and post_init, which Django sends for each instance "
        f"Signal Sender Times {INIT} shop.Order 40 "
        "django.db.models.signals.post_init shop.Line 2"
    )
    assert details.startswith("<details><summary>")


def test_without_signals_of_each_instance_nothing_is_folded(stored):
    unheard = [Unheard("shop.signals.paid", "None", 1)]
    text, folded, _ = unheard_lines(stored(trace_of(unheard=unheard)).content)

    assert "shop.signals.paid None 1" in text
    assert folded == []


def test_those_folded_are_counted_whole_though_some_are_one_click_further(stored, monkeypatch):
    monkeypatch.setattr(page, "MAX_LINES", 2)
    unheard = [Unheard(INIT, f"shop.M{number}", 10) for number in range(5)]
    text, [folded], _ = unheard_lines(stored(trace_of(unheard=unheard)).content)

    assert folded.startswith("50 dispatches of pre_init and post_init")
    assert "shop.M1" in folded
    assert "shop.M2" not in folded
    assert "3 more lines" in text


def test_a_finding_on_an_unheard_dispatch_leads_to_the_unheard(stored):
    miss = NearMiss("a.b", connected_to="shop.Product", reason="connected_to_concrete")
    unheard = Unheard("a.c", "shop.Second", 1, near_misses=(miss,))
    html = stored(trace_of(unheard=[unheard])).content

    [only] = findings(html)
    assert only.endswith("Show it among the unheard")
    assert re.findall(r'\?(\w+=\w+)">Show it', html) == ["unheard=all"]


def test_connections_that_were_made_and_undone_are_listed(stored):
    changes = [
        ConnectionChange("connect", "a.paid", "a.late", "a.Order", called_from=PLACE),
        ConnectionChange("disconnect", "a.paid", "a.late", called_from=PLACE, was_connected=True),
        ConnectionChange("disconnect", "a.paid", "a.late", was_connected=False),
    ]
    text = said(stored(trace_of(CHECKOUT, connection_changes=changes)).content)

    assert (
        "connected a.paid sender=a.Order a.late shop/views.py:7 in import_all 0 µs "
        "disconnected a.paid sender=None a.late shop/views.py:7 in import_all 0 µs "
        "disconnected, though it was not connected a.paid sender=None a.late not recorded 0 µs"
    ) in text


def test_bypasses_name_who_did_not_run(stored):
    skipped = [Skipped("post_save", f"a.receiver_{number}") for number in range(22)]
    bypass = Bypass("bulk_create", "a.Line", 50, ("ignore_conflicts",), PLACE, skipped=skipped)
    text = said(stored(trace_of(bypasses=[bypass])).content)

    assert "a.Line.bulk_create(ignore_conflicts) 50 a.receiver_0 a.receiver_1" in text
    assert "a.receiver_19 and 2 more, in its row shop/views.py:7 in import_all" in text


def test_of_a_long_table_the_rest_is_one_click_further(stored, monkeypatch):
    monkeypatch.setattr(page, "MAX_LINES", 2)
    unheard = [Unheard(f"a.s{number}", "None", 1) for number in range(5)]
    html = stored(trace_of(unheard=unheard)).content

    assert "a.s1 None 1 3 more lines" in said(html)


def test_a_receiver_is_one_line_with_all_its_calls(stored):
    query = Query("SELECT 1")
    calls = [
        ReceiverCall("a.mail", PLACE, duration=0.002, own_time=0.001, queries=[query, query]),
        ReceiverCall("a.mail", PLACE, duration=0.004, own_time=0.004, outcome="swallowed"),
    ]
    html = stored(trace_of(Dispatch("a.b", receiver_calls=calls))).content

    table = said(html[html.index('id="sigtr_receivers"') :])
    assert "a.mail shop/views.py:7 in import_all 2 6.00 ms 5.00 ms 3.00 ms 4.00 ms 2 1" in table


def test_a_right_to_left_language_turns_the_page_and_not_the_names(stored):
    panel = stored(trace_of(CHECKOUT))
    with translation.override("fa"):
        html = panel.content

    assert '<div id="sigtr" class="sigtr" dir="rtl">' in html
    assert "<bdi><small>shop.<wbr>receivers.</small><wbr>pack</bdi>" in html
    assert "\u206631.0 ms\u2069" in html
    assert "\u2066shop.receivers.pack\u2069" in html


def test_the_most_own_time_is_that_of_a_receiver_in_all_its_calls(stored):
    def call(receiver, own_time):
        return ReceiverCall(receiver, own_time=own_time, duration=own_time)

    dispatches = [
        Dispatch("a.paid", receiver_calls=[call("a.once", 0.005)]),
        Dispatch("a.paid", "a.A", receiver_calls=[call("a.often", 0.002)]),
        Dispatch("a.paid", "a.B", receiver_calls=[call("a.often", 0.004)]),
    ]
    html = stored(trace_of(*dispatches)).content
    head = said(html[: html.index("Take it away")])

    assert "Most own time: a.often, 6.00 ms" in head
