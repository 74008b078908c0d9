"""What the toolbar's store gives back damaged is refused in a sentence, or shown."""

import json
import logging

import pytest
from damaging import damaged, tries
from debug_toolbar.toolbar import DebugToolbar
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from pages import quiet_view
from test_schema import rich_trace

from signal_tracer.panel.page import page_of
from signal_tracer.showing.rows import rows_of
from signal_tracer.trace import Trace, TraceFormatError

COUNTS = ("dispatches", "receiver_calls", "swallowed", "raised", "rolled_back", "queries")


def panel_from(stats):
    panel = DebugToolbar(RequestFactory().get("/"), quiet_view).panels[0]
    panel.load_stats_from_store(stats)
    return panel


@settings(tries(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged(rich_trace().to_dict()))
def test_a_damaged_trace_in_the_store_is_refused_or_shown_with_every_row(caplog, document):
    caplog.set_level(logging.ERROR)

    content = panel_from({"trace": document.data}).content

    content.encode()
    try:
        trace = Trace.from_dict(document.data)
    except TraceFormatError:
        assert content.startswith("<p>This ")
    else:
        assert "could not be shown" not in content
        page = page_of("damaged", trace)
        for row in page.rows:
            page.details.show(row).encode()
        assert len(page.rows) == len(rows_of(trace))
    assert caplog.records == []


@pytest.mark.parametrize("count", ["many", None, 1.5, [], {}, True])
def test_the_subtitle_leaves_out_a_count_that_is_none(count):
    stats = {"trace": rich_trace().to_dict(), **dict.fromkeys(COUNTS, count)}

    assert panel_from(stats).nav_subtitle == "0 dispatches · 0 receiver calls"


@pytest.mark.parametrize("stored", ["", [], 0, None, {}])
def test_nothing_where_a_trace_should_be_is_told(stored):
    panel = panel_from({"trace": stored})

    assert panel.nav_subtitle == "No trace: see the log of 'signal_tracer'"
    assert "This request was not traced" in panel.content


@pytest.mark.parametrize("stored", ["a trace", [1], 7, {"a": 1}])
def test_what_is_no_trace_is_told(stored):
    assert (
        "This is not a trace: it has no &#x27;version&#x27;."
        in panel_from(json.loads(json.dumps({"trace": stored}))).content
    )
