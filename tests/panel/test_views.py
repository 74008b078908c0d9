"""The panel's views: more of a trace, the whole of it to take away, and who may have it."""

import json
import re

import pytest
from debug_toolbar.store import MemoryStore
from debug_toolbar.toolbar import DebugToolbar
from django.test import Client
from django.utils import translation
from pages import CHECKOUT, paid, said, trace_of

from signal_tracer.panel import details, timeline, views
from signal_tracer.records import Bypass, Dispatch, ReceiverCall, Skipped, Unheard
from signal_tracer.trace import Trace


@pytest.fixture
def ask(stored):
    """Stores a trace, and returns what asks the views for a part of it."""

    def store(trace):
        base = f"/__debug__/signal_tracer/{stored(trace).toolbar.request_id}/"
        return lambda query="": Client().get(base + query)

    return store


def test_a_row_comes_for_the_window_and_for_its_place_in_the_panel(ask):
    answer = ask(trace_of(CHECKOUT))("?row=1").json()

    assert said(answer["inner"]).startswith("Receiver shop.receivers.pack Defined at")
    assert said(answer["content"]).startswith(
        "shop.receivers.pack » Receiver shop.receivers.pack Defined at"
    )


def test_the_rows_of_one_kind_come_for_the_window(ask):
    answer = ask(trace_of(CHECKOUT))("?only=swallowed").json()

    text = said(answer["content"])
    assert text.startswith("SWALLOWED · 1 row")
    assert "shop.receivers.send_receipt ◐ SWALLOWED SMTPException: refused" in text
    assert "shop.receivers.pack" not in text
    # Their ids are not those of the rows in the panel, which are on the same page.
    assert 'id="sigtrw_4"' in answer["content"]


def test_rows_that_were_too_many_for_the_panel_come_in_steps_until_none_is_left(ask, monkeypatch):
    monkeypatch.setattr(timeline, "ROWS_BUDGET", 1_500)
    get = ask(trace_of(*(Dispatch(f"shop.signals.s{number}") for number in range(9))))

    seen, query = 2, "?from=2"
    names = []
    while query:
        answer = get(query).json()
        names += re.findall(r"<strong>(s\d)</strong>", answer["inner"])
        following = re.search(r"\?from=\d+", answer["more"])
        query = following and following[0]
    assert names == [f"s{number}" for number in range(seen, 9)]


def test_a_long_run_of_equal_dispatches_unfolds_in_steps(ask, monkeypatch):
    monkeypatch.setattr(details, "OCCURRENCES", 2)
    get = ask(trace_of(*(Dispatch("a.b", kwargs={"n": number}) for number in range(5))))

    first = get("?row=0").json()["inner"]
    assert "Unfold: 1 to 2 of 5" in said(first)
    assert re.search(r'href="[^"]+\?row=0&amp;from=2"', first)
    text = said(get("?row=0&from=2").json()["inner"])
    assert text.startswith("Unfold: 3 to 4 of 5")
    assert "3 0 µs 0 µs n = 2 4 0 µs 0 µs n = 3 1 more of them" in text
    assert "more of them" not in said(get("?row=0&from=4").json()["inner"])


def test_receivers_come_sorted_by_any_column(ask):
    calls = [
        ReceiverCall("a.often", duration=0.001, own_time=0.001),
        ReceiverCall("a.often", duration=0.001, own_time=0.001),
        ReceiverCall("a.long", duration=0.005, own_time=0.0005, outcome="swallowed"),
    ]
    get = ask(trace_of(Dispatch("a.b", receiver_calls=calls)))

    def names(column):
        return re.findall(r"(a\.\w+) not recorded", said(get(f"?sort={column}").json()["inner"]))

    assert names("calls") == ["a.often", "a.long"]
    assert names("longest") == ["a.long", "a.often"]
    assert names("swallowed") == ["a.long", "a.often"]
    assert names("name") == ["a.long", "a.often"]
    assert names("own") == names("nonsense") == ["a.often", "a.long"]
    assert "a.long not recorded 1 5.00 ms 500 µs 5.00 ms 5.00 ms 0 1" in said(
        get("?sort=total").json()["inner"]
    )


def test_the_outline_comes_as_text_to_be_copied(ask):
    answer = ask(trace_of(CHECKOUT))("?outline=text").json()

    assert answer["text"] == trace_of(CHECKOUT).outline()
    assert "shop.receivers.pack" in said(answer["content"])


def test_the_other_lists_come_whole(ask):
    skipped = [Skipped("django.db.models.signals.post_save", f"a.r{n}") for n in range(3)]
    bypasses = [Bypass("bulk_create", "shop.Line", rows=n, skipped=skipped) for n in range(2)]
    get = ask(
        trace_of(Dispatch("a.b"), bypasses=bypasses, unheard=[Unheard("a.signal", "a.Sender", 7)])
    )

    assert "shop.Line.bulk_create()" in said(get("?bypasses=all").json()["inner"])
    assert "a.signal a.Sender 7" in said(get("?unheard=all").json()["inner"])
    assert "A bulk operation went past receivers" in said(get("?findings=all").json()["inner"])
    assert get("?changes=all").status_code == 200


def test_the_signal_map_marks_and_counts_who_ran(ask, receivers):
    from signal_tracer import trace_signals

    with trace_signals("x") as trace:
        paid.send_robust(sender="shop")
        paid.send_robust(sender="shop")
    inner = ask(trace)("?map=all").json()["inner"]

    rows = [said(row) for row in re.findall(r"<tr.*?</tr>", inner, re.DOTALL)]
    ran = [row for row in rows if row.startswith("✔")]
    assert [row.split(" pages.py")[0].split(" tests/")[0] for row in ran] == [
        "✔ ran 2 times pages.send_receipt",
        "✔ ran 2 times pages.tell_warehouse (async)",
    ]
    assert re.search(r"[1-9]\d* connections in this process, as it is now; 2 of them ran", inner)
    assert [row for row in rows if row.startswith("– accounts.receivers.")]


def test_a_part_that_fails_says_where_to_read_why(ask, monkeypatch, caplog):
    def fail(*args):
        raise KeyError("broken on purpose")

    monkeypatch.setattr(views, "map_context", fail)

    answer = ask(trace_of(CHECKOUT))("?map=all").json()
    assert "This could not be shown." in said(answer["content"])
    assert "broken on purpose" in caplog.text


def test_the_parts_of_the_page_looked_at_last_need_not_read_it_again(ask, monkeypatch):
    get = ask(trace_of(CHECKOUT))
    first = get("?row=1").json()
    monkeypatch.setattr(views, "stored_trace", None)

    assert get("?row=1").json() == first


def test_a_request_that_the_toolbar_forgot_says_so(ask):
    get = ask(trace_of(CHECKOUT))
    get("?row=1")
    MemoryStore.clear()
    answer = get("?row=1")

    assert answer.status_code == 404
    assert "The trace of this request is not available any more" in said(answer.json()["content"])
    for file in ("trace.json", "perfetto.json"):
        download = Client().get(f"/__debug__/signal_tracer/0123456789abcdef/{file}")
        assert download.status_code == 404
        assert "is not available any more" in download.content.decode()


@pytest.mark.parametrize(
    "query", ["?row=99", "?row=x", "?row=-1", "?from=1e9", "", "?row=0&from=²"]
)
def test_a_part_that_is_not_there_is_said_to_be_missing(ask, query):
    answer = ask(trace_of(CHECKOUT))(query).json()

    assert answer["missing"]
    assert "There is no such" in said(answer["content"])


@pytest.mark.parametrize("file", ["", "trace.json", "perfetto.json"])
def test_who_may_not_see_the_toolbar_sees_nothing(ask, file, settings):
    get = ask(trace_of(CHECKOUT))
    settings.DEBUG = False

    assert get(file).status_code == 404


def test_the_views_only_read(ask):
    request_id = ask(trace_of(CHECKOUT))().request["PATH_INFO"].split("/")[3]

    assert Client().post(f"/__debug__/signal_tracer/{request_id}/?row=1").status_code == 405


def test_the_views_speak_the_toolbars_language(ask, settings):
    settings.DEBUG_TOOLBAR_CONFIG = {"IS_RUNNING_TESTS": False, "TOOLBAR_LANGUAGE": "de"}
    with translation.override("en"):
        answer = ask(trace_of(CHECKOUT))("?only=slow").json()

    assert "30,0 ms" in said(answer["content"])


def test_a_downloaded_trace_is_read_again(ask):
    response = ask(trace_of(CHECKOUT))("trace.json")

    assert response["Content-Disposition"] == 'attachment; filename="signal-trace-get-pay.json"'
    trace = Trace.from_dict(json.loads(response.content))
    assert str(trace) == str(trace_of(CHECKOUT))


def test_a_download_for_perfetto_holds_trace_events(ask):
    response = ask(trace_of(CHECKOUT))("perfetto.json")

    assert response["Content-Disposition"].endswith('"signal-trace-get-pay-perfetto.json"')
    events = json.loads(response.content)["traceEvents"]
    assert {event["ph"] for event in events} == {"M", "X"}


def test_the_addresses_are_the_panels_own():
    names = [url.name for url in DebugToolbar.get_urls() if "signal_tracer" in (url.name or "")]
    assert names == ["signal_tracer_part", "signal_tracer_trace", "signal_tracer_perfetto"]


def test_an_unheard_signal_leads_to_who_listens_to_it_and_to_which_sender(ask, receivers):
    get = ask(trace_of(unheard=[Unheard("pages.paid", "market", 2)]))

    inner = get("?unheard=all").json()["inner"]
    assert "pages.paid market 2" in said(inner)
    assert '?heard=pages.paid" title="Who listens to it?"' in inner
    text = said(get("?heard=pages.paid").json()["inner"])
    assert "They listen to it in this process, as it is now" in text
    assert re.search(r"– pages.send_receipt tests/panel/pages.py:\d+ in send_receipt", text)
    assert "any sender" in text
    assert "order_placed" not in text
    text = said(get("?heard=shop.signals.nobody").json()["inner"])
    assert text == "Nobody is connected to it in this process, as it is now."


def test_what_the_documentation_says_of_a_finding_comes_as_html(ask):
    get = ask(trace_of(CHECKOUT))
    inner = get("?about=fragile-receiver").json()["inner"]

    assert said(inner).startswith("Error. A weakly connected lambda, closure or partial")
    assert "<code>connect()</code>" in inner
    assert "<pre>def connect_discount(percent):\n    def discount" in inner
    assert "<strong>Do:</strong>" in inner
    assert "<li>" in get("?about=never-called").json()["inner"]
    missing = get("?about=near-mis")
    assert missing.status_code == 404
    assert "No finding is called 'near-mis'. Did you mean 'near-miss'?" in said(
        missing.json()["content"]
    )
