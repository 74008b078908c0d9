"""The panel says what has come since the last request of the same path, and shows it."""

import re

import pages
import pytest
from debug_toolbar import store as stores
from debug_toolbar.store import get_store
from django.http import HttpResponse
from django.test import Client
from django.urls import path, reverse
from pages import paid, panel_of, said, send_receipt, tell_warehouse, trace_of

from signal_tracer.difference import COUNTED
from signal_tracer.panel import differences, former
from signal_tracer.records import Dispatch, Error, Location, Owner, ReceiverCall

STORES = [name for name in ("MemoryStore", "CacheStore", "DatabaseStore") if hasattr(stores, name)]


def order_view(request, number):
    if "refused" in request.GET:
        return HttpResponse("<html><body></body></html>", status=422)
    paid.send_robust(sender="shop", order=number)
    return HttpResponse("<html><body></body></html>")


urlpatterns = [path("orders/<int:number>/", order_view), *pages.urlpatterns]


@pytest.fixture(autouse=True)
def nothing_known(settings):
    settings.ROOT_URLCONF = __name__
    former._known.clear()
    yield
    former._known.clear()
    paid.disconnect(send_receipt)
    paid.disconnect(tell_warehouse)


@pytest.fixture(params=STORES)
def store(request, settings, toolbars_table):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.DEBUG_TOOLBAR_CONFIG = {
        "IS_RUNNING_TESTS": False,
        "TOOLBAR_STORE_CLASS": f"debug_toolbar.store.{request.param}",
    }
    yield request.param
    get_store().clear()


def opened(address, client=None):
    """What the panel shows of a request that is made now."""
    client = client or Client()
    return panel_of(client, client.get(address))


def sentence(content):
    found = re.search(r"<div data-place><p>(Since .*?)</p></div>", content)
    return found and said(found[1])


def shown(content):
    """What one click on the sentence shows, as text."""
    link = re.search(r'href="([^"]+\?since=\w+)"', content)[1]
    return said(Client().get(link).json()["inner"])


def test_the_first_request_of_a_path_has_nothing_to_be_compared_with(store):
    assert sentence(opened("/pay/")) is None
    assert sentence(opened("/quiet/")) is None


def test_what_has_come_since_is_said_in_every_store_and_one_click_shows_it(store):
    paid.connect(send_receipt)
    opened("/pay/")
    opened("/quiet/")
    paid.connect(tell_warehouse)
    content = opened("/pay/")

    assert sentence(content) == (
        "Since the last request of this path: +1 receiver call · Show what differs"
    )
    assert re.match(
        r"Since the last request of this path: \+1 receiver call · Took [\d.]+ \w+ instead of "
        r"[\d.]+ \w+ Change What Where \+ Added pages.tell_warehouse on pages.paid of 'shop' "
        r"\S+pages.py:\d+ in tell_warehouse",
        shown(content),
    )


def test_another_process_finds_the_request_in_the_store(store):
    paid.connect(send_receipt)
    opened("/pay/")
    former._known.clear()  # as after a reload of the server, which keeps no memory of its own
    paid.disconnect(send_receipt)

    assert sentence(opened("/pay/")) == (
        "Since the last request of this path: -1 dispatch, -1 receiver call · Show what differs"
    )


def test_no_longer_than_a_moment_is_spent_on_reading_what_others_stored(monkeypatch):
    opened("/pay/")
    former._known.clear()
    monkeypatch.setattr(former, "READING_TIME", 0)

    assert sentence(opened("/pay/")) is None


def test_orders_of_two_numbers_are_one_path():
    paid.connect(send_receipt)
    opened("/orders/3/")
    content = opened("/orders/4/")

    assert sentence(content) == (
        "Since the last request of this path: as many dispatches, receiver calls and queries · "
        "Show what differs"
    )
    assert shown(content).startswith(
        "Since the last request of this path: nothing that differs in what was sent and heard."
    )


def test_another_method_is_another_request():
    client = Client()
    client.post("/orders/3/")

    assert sentence(opened("/orders/3/", client)) is None


def test_what_was_answered_otherwise_is_passed_over():
    paid.connect(send_receipt)
    opened("/orders/3/")

    assert sentence(opened("/orders/3/?refused")) is None
    assert "as many dispatches, receiver calls" in sentence(opened("/orders/3/"))
    assert "as many dispatches, receiver calls" in sentence(opened("/orders/4/?refused"))


def test_a_request_is_compared_with_the_one_before_it_whenever_it_is_looked_at():
    client = Client()
    first = client.get("/pay/")
    paid.connect(send_receipt)
    second = client.get("/pay/")
    paid.connect(tell_warehouse)
    client.get("/pay/")

    assert sentence(panel_of(client, first)) is None
    assert "+1 dispatch, +1 receiver call ·" in sentence(panel_of(client, second))


def test_a_former_request_that_the_toolbar_has_forgotten_is_not_named(settings):
    opened("/pay/")
    get_store().clear()

    assert sentence(opened("/pay/")) is None


def test_one_that_is_forgotten_until_it_is_asked_for_says_so():
    opened("/pay/")
    content = opened("/pay/")
    link = re.search(r'href="([^"]+)\?since=(\w+)"', content)
    get_store().delete(link[2])

    answer = Client().get(f"{link[1]}?since={link[2]}")
    assert answer.status_code == 404
    assert "is not available any more" in said(answer.json()["inner"])


@pytest.mark.parametrize("since", ["", "nonsense", "%00", "../x"])
def test_an_id_that_is_none_is_answered_in_words(since):
    content = opened("/pay/")
    base = re.search(r'href="([^"]+)\?map=all"', content)[1]

    assert Client().get(f"{base}?since={since}").status_code == 404


DAY = {"started_at": "2026-01-01T00:00:00"}


@pytest.mark.parametrize(
    "stats",
    [
        None,
        {},
        {"asked": 3},
        {"asked": ["GET"]},
        {"asked": ["GET", "pay/"]},
        {"asked": ["GET", "pay/"], "trace": {"started_at": "?"}},
        {"asked": ["GET", "pay/"], "trace": DAY, "dispatches": 1},
        {"asked": ["GET", "pay/"], "trace": DAY, **dict.fromkeys(COUNTED, "1")},
        {"asked": ["GET", "pay/"], "trace": DAY, **dict.fromkeys(COUNTED, 1)},  # no offset
    ],
)
def test_a_store_that_holds_anything_else_is_no_harm(monkeypatch, stats):
    client = Client()
    client.get("/pay/")
    former._known.clear()
    response = client.get("/pay/")
    panel = get_store().panel
    monkeypatch.setattr(
        get_store(),
        "panel",
        staticmethod(lambda name, *rest: panel(name, *rest) if name in former._known else stats),
    )

    assert sentence(panel_of(client, response)) is None


def test_a_store_that_fails_leaves_the_panel_as_it_is(monkeypatch, caplog):
    opened("/pay/")
    client = Client()
    response = client.get("/pay/")

    def fail():
        raise OSError("no store")

    monkeypatch.setattr(get_store(), "request_ids", staticmethod(fail))
    content = panel_of(client, response)
    assert sentence(content) is None
    assert "GET /pay/" in said(content)
    assert "The panel could not look for the last request" in caplog.text


def test_so_many_requests_are_known_and_no_more(monkeypatch):
    monkeypatch.setattr(former, "MOST_KNOWN", 3)
    for _ in range(5):
        Client().get("/pay/")

    assert len(former._known) == 3


def test_a_request_that_nobody_looks_at_reads_nothing_of_the_store(monkeypatch):
    read = []
    panel = get_store().panel
    monkeypatch.setattr(
        get_store(), "panel", staticmethod(lambda *args: read.append(args) or panel(*args))
    )
    Client().get("/pay/")
    Client().get("/pay/")

    assert read == []


# What is shown of the difference.


@pytest.fixture
def compared(stored):
    """Stores two traces; returns what asks for what differs."""

    def store(before, after):
        one, other = (stored(each).toolbar.request_id for each in (before, after))
        address = reverse("djdt:signal_tracer_part", args=[other])
        return lambda more="": Client().get(f"{address}?since={one}{more}").json()

    return store


def test_what_is_new_and_what_is_gone_is_shown_with_its_findings(compared):
    error = Error("builtins.ValueError", "no")
    sent = Dispatch("shop.paid", "shop.Order", "send_robust")
    quiet, failing = (
        ReceiverCall("shop.mail", outcome=outcome, error=failed)
        for outcome, failed in (("returned", None), ("swallowed", error))
    )
    with_quiet, with_failing = (
        trace_of(Dispatch(sent.signal, sent.sender, sent.method, receiver_calls=[each]))
        for each in (quiet, failing)
    )

    text = said(compared(with_quiet, with_failing)()["inner"])
    assert (
        "≠ Changed shop.mail on shop.paid of shop.Order · swallowed ValueError instead of ending "
        "well"
    ) in text
    assert "+ Added ✖ Error An exception was swallowed · shop.mail raised ValueError: no" in text
    assert "Show its row" in text
    text = said(compared(with_failing, with_quiet)()["inner"])
    assert "\N{MINUS SIGN} Lost ✖ Error An exception was swallowed" in text


def test_what_concerns_packages_is_folded_away(compared):
    log = Location("/lib/site-packages/auditlog/log.py", 1, "log")
    owners = {log.file: Owner("package", "auditlog")}
    calls = [ReceiverCall("auditlog.log", log), ReceiverCall("shop.mail")]
    sent = Dispatch("shop.paid", receiver_calls=calls)

    html = compared(trace_of(), trace_of(sent, owners=owners))()["inner"]
    own, _, folded = html.partition("<details>")
    assert "shop.mail" in own
    assert "auditlog.log" not in own
    assert said(folded).startswith("● 1 in installed packages Change What Where + Added auditlog")


def test_many_lines_come_in_steps(compared, monkeypatch):
    monkeypatch.setattr(differences, "MAX_LINES", 4)
    get = compared(trace_of(), trace_of(*(Dispatch(f"shop.s{number}") for number in range(9))))

    names, more = [], ""
    while more is not None:
        inner = get(more)["inner"]
        names += re.findall(r"<strong>shop\.(s\d)</strong>", inner)
        following = re.search(r"since=\w+(&amp;from=\d+)", inner)
        more = following and following[1].replace("&amp;", "&")
    assert names == [f"s{number}" for number in range(9)]
    assert get("&from=9")["missing"] is True


def test_hostile_names_are_shown_as_text(compared):
    evil = "<script>alert(1)</script>\u202e"
    sent = Dispatch(evil, evil, receiver_calls=[ReceiverCall(evil)])

    answer = compared(trace_of(), trace_of(sent))()
    for html in (answer["inner"], answer["content"]):
        assert "<script" not in html
        assert "\u202e" not in html
        assert " style=" not in html
