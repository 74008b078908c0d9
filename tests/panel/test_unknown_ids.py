"""Ids and questions that nobody gave out: a 404 in every view, with every store, and no log."""

import json
import logging
import uuid
from urllib.parse import quote

import pytest
from debug_toolbar import store as stores
from debug_toolbar.store import MemoryStore, get_store
from debug_toolbar.toolbar import DebugToolbar
from django.test import Client
from pages import CHECKOUT, trace_of

from signal_tracer.panel import page

KNOWN = "0d5aa6f9-9f0f-4f1e-8f6b-3f2f1c1f0a77"
STORES = [name for name in ("MemoryStore", "CacheStore", "DatabaseStore") if hasattr(stores, name)]
VIEWS = ["?row=0", "?only=call", "?from=1", "?map=all", "", "trace.json", "perfetto.json"]
NO_IDS = {
    "a word": "abc",
    "a number": "7",
    "zero": "0",
    "an enormous number": "9" * 5_000,
    "a name of Python": "__class__",
    "dashes": "---",
    "a UUID that is too short": KNOWN[:-1],
    "a UUID that is too long": f"{KNOWN}0",
    "a UUID that nobody gave out": "00000000-0000-0000-0000-000000000000",
    "the same in capitals, as hex": uuid.UUID(int=0xABC).hex.upper(),
    "not ASCII": "ключ",
    "digits that are not ASCII": "١٢٣",
    "a NUL": "a%00b",
    "a slash": "a%2Fb",
    "the folder above": "..%2F..%2Fetc%2Fpasswd",
    "SQL": "1'%20OR%20'1'='1",
    "a line break": "a%0Ab",
    "half a character": "%ED%A0%80",
    "nothing": "",
    "very long": "x" * 100_000,
}


@pytest.fixture(params=STORES)
def store(request, settings, toolbars_table):
    """Each store of the toolbar, holding a request without any stats of ours."""
    settings.DEBUG_TOOLBAR_CONFIG = {
        "IS_RUNNING_TESTS": False,
        "TOOLBAR_STORE_CLASS": f"debug_toolbar.store.{request.param}",
    }
    get_store().set(KNOWN)
    get_store().save_panel(KNOWN, "TimerPanel", {"total": 3})
    yield get_store()
    get_store().clear()


@pytest.fixture(autouse=True)
def no_page_is_remembered():
    page._latest.clear()


@pytest.fixture
def known():
    """A request with a trace."""
    MemoryStore.set(KNOWN)
    MemoryStore.save_panel(KNOWN, "SignalTracerPanel", {"trace": trace_of(CHECKOUT).to_dict()})


@pytest.fixture
def statuses(caplog):
    """What each view answers for an id, of which nothing is logged."""

    def ask(request_id):
        with caplog.at_level(logging.INFO):
            answers = [
                Client().get(f"/__debug__/signal_tracer/{request_id}/{view}") for view in VIEWS
            ]
        # Django itself says of each 404 that it was one.
        assert {each.name for each in caplog.records} <= {"django.request"}
        assert "Traceback" not in caplog.text
        return [answer.status_code for answer in answers]

    return ask


@pytest.mark.parametrize("request_id", NO_IDS.values(), ids=NO_IDS.keys())
def test_an_id_that_nobody_gave_out_is_not_found_in_any_view(store, statuses, request_id):
    assert statuses(request_id) == [404] * len(VIEWS)


def test_a_request_of_other_panels_only_is_not_found_in_any_view(store, statuses):
    assert statuses(KNOWN) == [404] * len(VIEWS)


DAMAGED = [
    *([], [1], 5, "text", None, {}, {"trace": None}, {"trace": 5}, {"trace": "text"}),
    *({"trace": [1]}, {"trace": {"version": 1}}, {"trace": {"version": 10**400}}),
    {"trace": {"version": 5}},
    {"trace": {**trace_of(CHECKOUT).to_dict(), "dispatches": 7}},
]


@pytest.mark.parametrize("stats", DAMAGED, ids=range(len(DAMAGED)))
def test_stats_that_are_damaged_or_of_another_version_are_not_found(store, statuses, stats):
    store.save_panel(KNOWN, "SignalTracerPanel", stats)

    assert statuses(KNOWN) == [404] * len(VIEWS)


# For an entry that is empty, the toolbar 6.0 itself fails.
@pytest.mark.parametrize("stats", [*filter(None, DAMAGED)], ids=lambda stats: f"{stats}"[:90])
def test_the_panel_of_such_stats_is_shown_all_the_same(store, stats, caplog):
    store.save_panel(KNOWN, "SignalTracerPanel", stats)
    asked = {"request_id": KNOWN, "panel_id": "SignalTracerPanel"}
    answer = Client().get("/__debug__/render_panel/", asked)

    assert answer.status_code == 200
    assert answer.json()["content"].startswith("<p>This ")
    assert caplog.records == []


def test_counts_that_are_none_are_taken_for_nothing(store):
    data = trace_of(CHECKOUT).to_dict()
    stats = {"trace": data, "dispatches": "many", "queries": [1], "receiver_calls": 3}
    store.save_panel(KNOWN, "SignalTracerPanel", stats)
    panel = DebugToolbar.fetch(KNOWN).get_panel_by_id("SignalTracerPanel")

    assert panel.nav_subtitle == "0 dispatches · 3 receiver calls"


def test_an_entry_that_is_no_json_is_not_found(store, statuses, monkeypatch):
    monkeypatch.setattr(store, "panel", lambda request_id, panel_id: json.loads("{"))

    assert statuses(KNOWN) == [404] * len(VIEWS)


NO_NUMBERS = ["", "x", "-1", "-0", "1.5", "1e9", "²", "٣", "0x1", " 1", "1 ", "1_0", "nan", "%00"]
NO_NUMBERS += ["9" * 9, "9" * 5_000, "1;DROP TABLE", "None", "\ud800"]


@pytest.mark.parametrize("number", NO_NUMBERS, ids=lambda number: ascii(number)[:12])
@pytest.mark.parametrize(
    "query",
    ["row={}", "row=0&from={}", "from={}", "only=call&from={}", "sort=calls&from={}"]
    + [f"{name}=all&from={{}}" for name in ("findings", "bypasses", "unheard", "changes")],
)
def test_a_number_that_is_none_or_too_large_is_not_found(known, query, number, caplog):
    asked = query.format(quote(number, errors="surrogatepass"))
    answer = Client().get(f"/__debug__/signal_tracer/{KNOWN}/?{asked}")

    assert answer.status_code == 404
    assert {each.name for each in caplog.records} == {"django.request"}
    assert "There is no such" in answer.json()["content"]


@pytest.mark.parametrize("name", ["only", "sort", "findings", "map", "outline", "other"])
@pytest.mark.parametrize("word", ["", "\x00", "<script>", "a" * 50_000, "' OR 1=1", "\u202e", "🎉"])
def test_a_word_that_means_nothing_fails_nowhere(known, name, word):
    answer = Client().get(f"/__debug__/signal_tracer/{KNOWN}/", {name: word})

    assert answer.status_code == (404 if name == "other" else 200)
    assert "<script" not in answer.json()["content"]
