"""Hostile content in every field of every record arrives as text, and not as megabytes."""

import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from filling import everything
from pages import trace_of

from signal_tracer.panel.words import MAX_CHARACTERS, visible
from signal_tracer.records import Dispatch, Error, Query, ReceiverCall, Request, Summary

HOSTILE = "<script>alert(1)</script>.<b>\"'&\u202e\x00"


OURS = """
a bdi br button code col colgroup dd details div dl dt em h3 h4 i input label li p pre rect path
small span strong summary svg table tbody td th thead tr ul wbr
aria-current aria-hidden aria-sort autocomplete class colspan d data-djdt-styles data-do data-done
data-find
data-place data-text data-toggle-id data-toggle-name data-value data-whole dir download fill for
height hidden href id lang open placeholder role tabindex title type width x y
"""


def names_in(page):
    """Every name of a tag and of an attribute, as a browser would read them."""
    names = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            names.update((tag, *(name for name, _ in attributes)))

    Reader().feed(page)
    return names


@pytest.fixture
def whole(stored, client):
    """All that the panel and its views say of a trace: the HTML of each."""

    def show(trace):
        panel = stored(trace)
        base = f"/__debug__/signal_tracer/{panel.toolbar.request_id}/"
        queries = [
            *("?row=0", "?row=1", "?only=dispatch", "?only=call", "?sort=calls", "?outline=text"),
            *("?findings=all", "?bypasses=all", "?unheard=all", "?changes=all", "?map=all"),
            *("?view=all", "?view=own", f"?heard={quote(HOSTILE)}", "?about=never-called"),
        ]
        answers = [client.get(base + query).json() for query in queries]
        return [panel.content, *(answer["content"] for answer in answers)]

    return show


def test_every_field_arrives_escaped(whole):
    trace = everything(HOSTILE)
    trace.request = Request(HOSTILE, HOSTILE, 200)
    pages = whole(trace)

    assert not any("sigtr-missing" in page for page in pages)
    assert sum(page.count("&lt;script&gt;alert(1)") for page in pages) > 300
    for page in pages:
        assert re.findall(r".{30}(?:<script|<b>|[\u202e\x00]).{30}", page) == []
        assert names_in(page) <= set(OURS.split())


def test_a_hostile_editor_ends_no_attribute(whole, settings):
    settings.SIGNAL_TRACER = {"EDITOR": 'x"><script>{file}{line}'}

    for page in whole(everything(HOSTILE)):
        assert "<script" not in page


def test_a_long_text_in_every_field_does_not_reach_the_browser(whole):
    pages = whole(everything("x" * 50_000))

    assert max(map(len, pages)) < 1_500_000
    assert "… and 46000 more characters: see the downloaded trace" in pages[0]


def test_ten_megabytes_do_not_reach_the_browser(whole):
    enormous = "x" * 10_000_000
    error = Error(enormous, enormous)
    call = ReceiverCall("a.b", queries=[Query(enormous)], outcome="swallowed", error=error)
    dispatch = Dispatch("a.c", kwargs={"value": Summary(enormous)}, receiver_calls=[call])
    pages = whole(trace_of(dispatch))

    assert max(map(len, pages)) < 150_000
    assert "… and 9996000 more characters: see the downloaded trace" in pages[0]


def test_a_text_is_cut_where_it_says():
    assert visible("x" * MAX_CHARACTERS) == "x" * MAX_CHARACTERS
    assert visible("x" * (MAX_CHARACTERS + 1)) == (
        "x" * MAX_CHARACTERS + "… and 1 more character: see the downloaded trace"
    )
