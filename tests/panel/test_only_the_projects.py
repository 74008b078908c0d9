"""The project's code first: findings, rows, and what packages did one click further."""

import re

import pytest
from django.test import Client
from pages import details, outline_rows, said, trace_of

from signal_tracer.panel import timeline
from signal_tracer.records import (
    ConnectionChange,
    Dispatch,
    Error,
    Location,
    Owner,
    Query,
    ReceiverCall,
)

PROJECT = Location("shop/receivers.py", 7, "relay")
THUMBS = Location("lib/site-packages/thumbs/handlers.py", 3, "resize")
SEARCH = Location("lib/site-packages/search/signals.py", 9, "index")
OWNERS = {THUMBS.file: Owner("package", "thumbs"), SEARCH.file: Owner("package", "search")}


def called(receiver, place, at=0.0, **more):
    return ReceiverCall(receiver, place, started_at=at, duration=0.001, own_time=0.001, **more)


def loaded(number, *calls):
    sent = {"number": number}
    return Dispatch(
        "shop.loaded",
        f"shop.M{number % 2}",
        kwargs=sent,
        receiver_calls=list(calls),
        duration=0.001,
    )


def many(*more):
    """Three rows that a package loads, and what else there is."""
    loads = (loaded(n, called("thumbs.resize", THUMBS, n / 100)) for n in range(3))
    return trace_of(*loads, *more, owners=OWNERS)


OWN = Dispatch("shop.paid", "shop.Order", receiver_calls=[called("shop.relay", PROJECT)])


@pytest.fixture
def ask(stored):
    def store(trace):
        panel = stored(trace)
        base = f"/__debug__/signal_tracer/{panel.toolbar.request_id}/"
        return panel.content, lambda query: Client().get(base + query).json()

    return store


def test_what_only_packages_heard_is_one_row_a_package(ask):
    html, _ = ask(many(OWN))

    assert outline_rows(html) == [
        "in thumbs 3 receiver calls in 3 dispatches 3.00 ms 3.00 ms",
        "shop.paid.send sender=shop.Order 0 µs",
        "shop.relay 1.00 ms 1.00 ms",
    ]
    assert "Show: Only this project's (3) · All rows (8)" in said(html)
    assert re.findall(r'\?view=(\w+)" aria-current="(\w+)"', html) == [
        ("own", "true"),
        ("all", "false"),
    ]


def test_without_receivers_of_packages_there_is_nothing_to_switch(ask):
    html, _ = ask(trace_of(OWN, owners=OWNERS))

    assert "?view=" not in html


def test_all_rows_are_one_click_further_and_have_the_numbers_they_have_among_all(ask):
    html, get = ask(many(OWN))
    answer = get("?view=all")

    assert outline_rows(answer["inner"]) == [
        *(
            line
            for number in range(3)
            for line in (
                f"shop.loaded.send sender=shop.M{number % 2} 1.00 ms",
                "thumbs.resize 1.00 ms 1.00 ms",
            )
        ),
        "shop.paid.send sender=shop.Order 0 µs",
        "shop.relay 1.00 ms 1.00 ms",
    ]
    for shown in (html, answer["inner"]):
        assert '<tbody id="sigtr_6">' in shown
    assert "All rows" in said(answer["content"])
    assert 'id="sigtrw_6"' in answer["content"]  # for whoever has no script
    assert "sigtrw" not in get("?view=all&placed=1")["content"]


def test_what_went_wrong_in_a_package_stays_in_sight(ask):
    error = Error("builtins.ValueError", "no")
    failed = loaded(9, called("search.index", SEARCH, outcome="swallowed", error=error))
    html, _ = ask(many(failed))

    assert outline_rows(html)[1:] == [
        "shop.loaded.send sender=shop.M1 1.00 ms",
        "search.index ◐ SWALLOWED ValueError: no 1.00 ms 1.00 ms",
    ]


def test_the_row_of_a_package_opens_to_its_receivers_and_leads_to_all_it_stands_for(ask):
    query = Query("SELECT 1", duration=0.0005)
    both = loaded(5, called("thumbs.clean", THUMBS, 0.05, queries=[query]), OWN.receiver_calls[0])
    html, get = ask(many(loaded(4, called("thumbs.clean", THUMBS, queries=[query])), both))
    number = int(re.search(r"\?in=(\d+)", html)[1])

    assert details(html, number) == (
        "Only receivers of this package ran there, and nothing went wrong: put together, because "
        "only the project's own code is shown. Package thumbs Receiver calls 4 receiver calls in "
        "4 dispatches Queries 1 query · 500 µs 500 µs SELECT 1 Receiver Calls Queries Own time "
        "thumbs.resize thumbs/handlers.py:3 in resize 3 3.00 ms "
        "thumbs.clean thumbs/handlers.py:3 in resize 1 1 1.00 ms Show every row that it stands for"
    )
    answer = get(f"?in={number}")
    assert said(answer["content"]).startswith("in thumbs")
    assert len(outline_rows(answer["inner"].replace("sigtrw", "sigtr"))) == 8
    assert get(f"?row={number}")["inner"] in html
    assert get("?in=0")["missing"]


def test_so_many_rows_of_a_package_come_in_pieces(ask, monkeypatch):
    monkeypatch.setattr(timeline, "ROWS_BUDGET", 1_500)
    html, get = ask(many())
    query = re.search(r"\?in=\d+", html)[0]
    numbers, at = [], query
    while at:
        inner = get(at)["inner"]
        numbers += re.findall(r'<tbody id="sigtrw_(\d)"', inner)
        following = re.search(r"\?in=\d+&amp;from=\d+", inner)
        at = following and following[0].replace("&amp;", "&")

    assert numbers == ["0", "1", "2", "3", "4", "5"]


def test_the_bar_of_a_package_shows_when_its_receivers_ran(ask):
    html, _ = ask(many())
    svg = html[html.index('<svg class="djDebugLineChart') : html.index("</svg></td>")]

    assert re.findall(r'x="([\d.]+)%" width="([\d.]+)%" y="(\d+)" height="(\d+)"', svg) == [
        ("0.00", "21.00", "8", "2"),
        ("0.00", "1.00", "4", "10"),
        ("10.00", "1.00", "4", "10"),
        ("20.00", "1.00", "4", "10"),
    ]


def test_the_filter_finds_names_arguments_marks_and_errors_of_rows_wherever_they_are(
    ask, monkeypatch
):
    monkeypatch.setattr(timeline, "ROWS_BUDGET", 10)  # one row is in the panel
    error = Error("builtins.ValueError", "no such address")
    failed = Dispatch(
        "shop.paid",
        kwargs={"order": 77},
        receiver_calls=[called("shop.mail", PROJECT, outcome="swallowed", error=error)],
    )
    _, get = ask(many(OWN, failed))

    def found(words, **more):
        return get("?" + "&".join(f"{k}={v}" for k, v in {"find": words, **more}.items()))

    assert found("shop.Order")["numbers"] == [6]
    assert found("order=77")["numbers"] == [8]
    assert found("SUCH+address")["numbers"] == [9]
    assert found("swallowed+mail")["numbers"] == [9]
    assert found("nowhere")["numbers"] == []
    assert found("", only="call") == {**found("", only="call"), "numbers": [7, 9], "hidden": 3}
    package = found("number=2")["numbers"]  # which is in the row of the package
    assert package == found("thumbs.resize")["numbers"] == [10]
    assert found("number=2", view="all")["numbers"] == [4]
    assert found("number=2", view="all")["all"] == 10
    assert found("number=2")["all"] == 5


def test_the_filter_finds_the_arguments_of_each_that_a_row_stands_for(ask):
    equal = [
        Dispatch("a.b", kwargs={"n": number, "x": "<i>"}, receiver_calls=[]) for number in (5, 6, 7)
    ]
    _, get = ask(trace_of(*equal))

    assert get("?find=n%3D7")["numbers"] == [0]
    assert get("?find=<I>")["numbers"] == [0]


def swallowing(receiver, place):
    error = Error("builtins.ValueError", "no")
    call = ReceiverCall(receiver, place, outcome="swallowed", error=error)
    return Dispatch("shop.paid", "shop.Order", "send_robust", receiver_calls=[call])


def bridging(receiver, place):
    call = ReceiverCall(receiver, place, is_async=True)
    return Dispatch("shop.paid", "shop.Order", receiver_calls=[call], sent_from=place)


def test_the_projects_findings_come_first_then_losses_of_packages_and_the_rest_is_folded(ask):
    html, _ = ask(
        trace_of(
            bridging("search.index", SEARCH),
            bridging("thumbs.resize", THUMBS),
            bridging("thumbs.clean", THUMBS),
            swallowing("search.index", SEARCH),
            bridging("shop.relay", PROJECT),
            swallowing("shop.relay", PROJECT),
            owners=OWNERS,
        )
    )

    shown = said(html[html.index('id="sigtr_findings"') : html.index('id="sigtr_timeline"')])
    order = [
        "shop.relay raised ValueError: no",
        "search.index raised ValueError: no",
        "● 1 for information",
        "shop.relay is async",
        "● 3 in installed packages: thumbs 2, search 1",
        "thumbs.resize is async",
    ]
    places = [shown.find(each) for each in order]
    assert -1 not in places, shown
    assert places == sorted(places)
    assert html.count("<details><summary>●") == 2  # and they are closed


def test_only_the_projects_errors_and_warnings_count_in_the_head_and_beside_the_title(stored):
    panel = stored(
        trace_of(
            swallowing("search.index", SEARCH),
            bridging("shop.relay", PROJECT),
            swallowing("shop.relay", PROJECT),
            owners=OWNERS,
        )
    )
    assert panel.nav_subtitle == "3 dispatches · 3 receiver calls · 1 finding · 2 swallowed"
    head = panel.content[: panel.content.index("Take it away")]
    assert "<strong>1 finding</strong>" in head
    assert '?findings=all">' in head

    panel = stored(trace_of(bridging("shop.relay", PROJECT), owners=OWNERS))
    assert panel.nav_subtitle == "1 dispatch · 1 receiver call"


def test_what_the_toolbar_connects_for_itself_is_not_listed(stored):
    own = ConnectionChange("connect", "a.paid", "shop.late")
    toolbars = ConnectionChange(
        "connect",
        "django.test.signals.template_rendered",
        "debug_toolbar.panels.templates.panel.TemplatesPanel._store_template_info",
    )
    text = said(stored(trace_of(OWN, connection_changes=[toolbars, own])).content)
    assert "connected a.paid sender=None shop.late" in text
    assert "template_rendered" not in text

    text = said(stored(trace_of(OWN, connection_changes=[toolbars])).content)
    assert "Connections made and undone" not in text
