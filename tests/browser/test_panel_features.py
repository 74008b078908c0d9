"""Each feature of the panel, clicked through in a real Chromium."""

import json
import re
from pathlib import Path

import pytest
from looking import open_history, open_made, row, rows
from made import HOSTILE
from playwright.async_api import expect

from signal_tracer.panel import timeline

pytestmark = pytest.mark.browser


async def test_numbers_and_findings_lead_to_their_rows(page, address):
    panel = await open_made(page, address, "troubled")
    everything = await rows(panel).count()

    await panel.get_by_role("link", name="1 swallowed").click()
    await expect(rows(panel)).to_have_count(4)  # the row, and what it is nested in
    await expect(rows(panel).last).to_contain_text("text_customer")
    await expect(panel.locator(".sigtr-count")).to_have_text(f"1 of {everything} rows")
    await expect(panel.locator("#sigtr_timeline")).to_be_in_viewport()
    await panel.get_by_role("button", name="Show all rows").click()
    await expect(rows(panel)).to_have_count(everything)

    await panel.get_by_role("button", name="Collapse all").click()
    await (
        panel.locator(".sigtr-findings tr", has_text="An exception was swallowed")
        .get_by_role("link", name="Show its row")
        .click()
    )
    swallowed = row(panel, "text_customer")
    await expect(swallowed).to_be_in_viewport()
    await expect(swallowed).to_contain_text("raise ValueError(text)")
    await expect(swallowed.locator("tr.djdt-highlighted")).to_have_count(1)
    await expect(swallowed.get_by_title("Details")).to_be_focused()
    of_instances = panel.get_by_text("4 dispatches of pre_init and post_init")
    folded = panel.get_by_text("django.db.models.signals.pre_init", exact=True)
    await expect(folded).to_be_hidden()
    await of_instances.click()
    await expect(folded).to_be_visible()
    await panel.get_by_role("link", name="4 unheard").click()
    window = page.locator("#djDebugWindow")
    await expect(window.get_by_text("django.db.models.signals.pre_init")).to_be_visible()


async def test_columns_stay_where_they_are_whatever_rows_are_shown(page, address):
    panel = await open_made(page, address, "troubled")
    headings = panel.locator(".sigtr-timeline th")

    async def edges() -> list[float]:
        return [box["x"] for each in await headings.all() if (box := await each.bounding_box())]

    before = await edges()
    await panel.locator("#sigtr_filter").fill("no row has this")
    await expect(rows(panel)).to_have_count(0)

    assert await edges() == before


async def test_the_filter_stays_in_sight_beside_its_rows_only(page, address):
    panel = await open_made(page, address, "troubled")
    controls = panel.locator(".sigtr-controls")

    await panel.locator(".sigtr-timeline > tbody:visible").last.scroll_into_view_if_needed()
    await expect(controls).to_be_in_viewport()
    await panel.locator("#sigtr_map").evaluate("each => { each.scrollIntoView(); }")
    await panel.locator("#sigtr_map ~ *").first.get_by_role("link").click()
    await panel.locator(".sigtr-map tr").last.scroll_into_view_if_needed()
    await expect(controls).not_to_be_in_viewport()


async def test_rows_fold_one_by_one_and_all_at_once(page, address):
    panel = await open_made(page, address, "troubled")
    everything = await rows(panel).count()
    outer = row(panel, "order_placed").get_by_title("Nested rows")
    inner = row(panel, "receivers.charge").get_by_title("Nested rows")
    innermost = row(panel, "text_customer")

    await inner.click()
    await expect(innermost).to_be_hidden()
    await outer.click()
    await expect(inner).to_be_hidden()
    await outer.click()
    await expect(inner).to_be_visible()
    await expect(innermost).to_be_hidden()  # it is still folded
    await expect(inner).to_have_text("+")
    await panel.get_by_role("button", name="Expand all").click()
    await expect(rows(panel)).to_have_count(everything)
    await panel.get_by_role("button", name="Collapse all").click()
    await expect(rows(panel)).to_have_count(3)


async def test_a_row_opens_to_all_that_was_recorded_of_it(page, address):
    panel = await open_made(page, address, "troubled")

    charge = row(panel, "receivers.charge")
    await charge.get_by_title("Details").click()
    for text in (
        "Defined at /srv/shop/receivers.py:12 in reindex",
        "dispatch_uid 'charge-once'",
        "Sender shop.Order",
        "Response billing.Payment(pk=3)",
        "Handled inside builtins.KeyError: 'sku'",
        "Keyword arguments card_number = [redacted]",
    ):
        label, _, value = text.partition(" ")
        await expect(charge.locator(".djSelected")).to_contain_text(
            re.compile(rf"{label}\s*{re.escape(value)}".replace(r"\ ", r"\s*"))
        )
    order = row(panel, "order_placed")
    await order.get_by_title("Details").click()
    await expect(order).to_contain_text(re.compile(r"Rolled back on\s*default"))


async def test_a_run_of_equal_dispatches_unfolds_to_the_last(page, address):
    panel = await open_made(page, address, "run")

    equal = row(panel, "post_save")
    await expect(equal).to_contain_text("× 120")
    await equal.get_by_title("Details").click()
    await equal.get_by_text("Unfold: 1 to 100 of 120").click()
    await expect(equal).to_contain_text("instance = shop.Line(pk=99)")
    await equal.get_by_role("link", name="20 more of them").click()
    await expect(equal).to_contain_text("instance = shop.Line(pk=119)")
    calls = row(panel, "index_0")
    await calls.get_by_title("Details").click()
    await expect(calls).to_contain_text('UPDATE "search_entry" SET "words" = %s')


async def test_rows_are_filtered_by_typing_and_by_keyboard_alone(page, address):
    panel = await open_made(page, address, "troubled")
    everything = await rows(panel).count()

    await panel.get_by_label("Filter").focus()
    await page.keyboard.type("stock NEGATIVE")
    await expect(rows(panel)).to_have_count(6)  # two failures, and what they are nested in
    await page.keyboard.press("Escape")
    await expect(rows(panel)).to_have_count(everything)  # and the panel is still open
    for _ in range(2):
        await page.keyboard.press("Tab")
    await expect(panel.get_by_role("button", name="Collapse all")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(rows(panel)).to_have_count(3)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(panel.locator(".djSelected")).to_contain_text("Sent with")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(row(panel, "receivers.charge")).to_be_visible()


async def test_receivers_are_sorted_by_their_headings(page, address):
    panel = await open_made(page, address, "troubled")
    table = panel.locator("#sigtr_receivers + table")

    async def names() -> list[str]:
        return [
            text.split(".")[-1]
            for text in await table.locator("tbody td:first-child > div > bdi").all_inner_texts()
        ]

    assert await names() == ["charge", "text_customer", "check"]  # by own time
    await table.get_by_role("link", name="Swallowed").click()
    assert (await names())[0] == "text_customer"
    await table.get_by_role("link", name="Longest").click()
    assert await names() == ["charge", "text_customer", "check"]
    await table.get_by_role("link", name="Longest").click()
    assert await names() == ["check", "text_customer", "charge"]
    heading = table.locator("th", has_text="Longest")
    await expect(heading).to_have_attribute("aria-sort", "ascending")
    await table.get_by_role("link", name="Receiver").click()
    assert await names() == ["charge", "text_customer", "check"]  # by module first


def _read(file: Path) -> str:
    return file.read_text()


async def test_the_trace_is_taken_away(page, address):
    panel = await open_made(page, address, "troubled")

    async def downloaded(name: str) -> tuple[str, dict[str, object]]:
        async with page.expect_download() as download:
            await panel.get_by_role("link", name=name).click()
        file = await download.value
        return file.suggested_filename, json.loads(_read(await file.path()))

    name, data = await downloaded("Trace as JSON")
    assert (name, data["version"]) == ("signal-trace-get-made.json", 5)
    name, data = await downloaded("Trace for Perfetto")
    assert name == "signal-trace-get-made-perfetto.json"
    assert "traceEvents" in data

    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await panel.get_by_role("link", name="Copy the outline", exact=True).click()
    await expect(panel.get_by_text("Outline copied")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    sent, called, *_ = copied.split("\n")
    assert sent == "shop.signals.order_placed.send  sender=shop.Order  ROLLED BACK"
    assert called.startswith("  billing.rec")


async def test_where_nothing_may_be_copied_the_outline_is_shown(page, address):
    panel = await open_made(page, address, "troubled")
    await page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }"
    )

    await panel.get_by_role("link", name="Copy the outline", exact=True).click()
    await expect(page.locator("#djDebugWindow pre")).to_contain_text("shop.signals.order_placed")


async def test_without_a_clipboard_the_link_does_not_promise_a_copy(page, address):
    await page.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined })"
    )
    panel = await open_made(page, address, "troubled")

    await panel.get_by_role("link", name="Outline as text", exact=True).click()
    await expect(page.locator("#djDebugWindow pre")).to_contain_text("shop.signals.order_placed")


async def test_the_signal_map_opens_in_place_with_who_ran(page, address):
    await page.goto(f"{address}/checkout/")
    await page.locator("main form button").first.click()
    await page.locator("#djDebug a.SignalTracerPanel").click()
    panel = page.locator("#sigtr")
    await panel.locator(".sigtr-controls").wait_for()

    await panel.get_by_role("link", name="Show who is connected to what").click()
    ran = panel.locator(".sigtr-map tr.djdt-highlighted")
    await expect(ran.filter(has_text="text_customer")).to_contain_text("ran 1 time")
    await expect(panel.locator(".sigtr-map tr", has_text="index_product").first).to_contain_text(
        "–"
    )


@pytest.mark.parametrize(
    "changed", [{"SIGNAL_TRACER": {"EDITOR": "vscode"}}], ids=["with an editor"]
)
async def test_places_are_links_to_the_editor(page, address):
    panel = await open_made(page, address, "troubled")

    place = panel.locator("#sigtr_receivers + table").get_by_role("link", name="receivers.py:12")
    await expect(place.first).to_have_attribute("href", "vscode://file//srv/shop/receivers.py:12")


async def test_a_thousand_dispatches_are_all_there_and_open_in_place(page, address):
    panel = await open_made(page, address, "thousand")

    await expect(panel).to_contain_text("230 dispatches were sent and not kept")
    last = panel.locator(".sigtr-timeline > tbody").last
    before = await rows(panel).count()
    fetched = last.get_by_title("Details")
    await expect(fetched).to_have_attribute("href", re.compile(r"\?row=\d+$"))
    await fetched.click()
    await expect(last.locator(".djSelected")).to_contain_text("Keyword arguments")
    await last.get_by_title("Details").click()  # which is the toolbar's own switch by now
    await expect(last.locator(".djUnselected")).to_be_hidden()
    while await panel.locator(".sigtr-more a").count():
        await panel.locator(".sigtr-more a").click()
        await expect(rows(panel)).not_to_have_count(before)
        before = await rows(panel).count()
    assert before == 3000
    await panel.get_by_label("Filter").fill("warehouse.StockItem")
    await expect(panel.locator(".sigtr-count")).to_have_text("250 of 3000 rows")


async def test_only_the_projects_rows_are_shown_until_all_are_wanted_and_that_is_remembered(
    page, address
):
    panel = await open_made(page, address, "mixed")
    await expect(rows(panel)).to_have_count(6)  # thumbs, the save with two, the failure with one
    await expect(rows(panel).first).to_contain_text("in thumbs 90 receiver calls in 90 dispatches")

    await row(panel, "thumbs").get_by_title("Details").click()
    await expect(panel.locator(".djSelected")).to_contain_text("thumbs.handlers.resize")
    await panel.get_by_role("link", name="Show every row that it stands for").click()
    window = page.locator("#djDebugWindow")
    await expect(window.locator(".sigtr-timeline > tbody")).to_have_count(180)
    await window.locator(".djDebugClose").click()

    every = panel.get_by_role("link", name="All rows (185)")
    await every.click()
    await expect(rows(panel)).to_have_count(185)
    await expect(every).to_have_attribute("aria-current", "true")
    await expect(window).to_be_hidden()
    panel = await open_made(page, address, "mixed")
    await expect(rows(panel)).to_have_count(185)
    await panel.get_by_role("link", name="Only this project's (6)").click()
    await expect(rows(panel)).to_have_count(6)
    panel = await open_made(page, address, "mixed")
    await page.wait_for_load_state("networkidle")
    await expect(rows(panel)).to_have_count(6)


async def test_a_number_leads_to_all_its_rows_also_those_of_packages(page, address):
    panel = await open_made(page, address, "mixed")

    await panel.get_by_role("link", name="1 swallowed").click()
    await expect(rows(panel)).to_have_count(2)  # which is in sight, whoever's it is
    await panel.get_by_role("link", name="93 receiver calls").click()
    window = page.locator("#djDebugWindow")
    await expect(window.locator(".sigtr-timeline > tbody")).to_have_count(93)


async def test_the_filter_finds_arguments_and_errors_and_a_short_result_stays_in_view(
    page, address
):
    panel = await open_made(page, address, "mixed")
    await panel.get_by_role("link", name="All rows").click()
    await expect(rows(panel)).to_have_count(185)
    controls = panel.locator(".sigtr-controls")
    await rows(panel).nth(150).scroll_into_view_if_needed()

    await panel.get_by_label("Filter").fill("pk=31)")
    await expect(panel.locator(".sigtr-count")).to_have_text("1 of 185 rows")
    await expect(rows(panel)).to_have_count(1)
    await expect(rows(panel)).to_be_in_viewport()
    await expect(controls).to_be_in_viewport()
    await panel.get_by_label("Filter").fill("such picture")
    await expect(rows(panel)).to_have_count(2)
    await expect(rows(panel).last).to_contain_text("OSError: no such picture")
    await panel.get_by_label("Filter").press("Escape")
    await expect(rows(panel)).to_have_count(185)


async def test_the_filter_fetches_the_rows_that_it_finds(page, address, monkeypatch):
    monkeypatch.setattr(timeline, "ROWS_BUDGET", 60_000)
    panel = await open_made(page, address, "mixed")
    await panel.get_by_role("link", name="All rows").click()
    await expect(panel.locator(".sigtr-more")).to_contain_text("more rows")
    assert await rows(panel).count() < 100

    await panel.get_by_label("Filter").fill("such picture")
    await expect(panel.locator(".sigtr-count")).to_have_text("1 of 185 rows")
    await expect(rows(panel)).to_have_count(2)
    await expect(rows(panel).last).to_contain_text("OSError: no such picture")


async def test_what_the_documentation_says_of_a_finding_opens_below_it(page, address):
    panel = await open_made(page, address, "troubled")
    finding = panel.locator(".sigtr-findings tr", has_text="An exception was swallowed").first

    await finding.get_by_role("link", name="More about swallowed-exception").click()
    await expect(finding).to_contain_text("only the log of django.dispatch knows")
    await expect(page.locator("#djDebugWindow")).to_be_hidden()


async def test_what_folds_and_what_opens_look_different(page, address):
    panel = await open_made(page, address, "troubled")
    outer = row(panel, "order_placed")
    sign = "each => getComputedStyle(each, '::before').content"
    fold, details = outer.get_by_title("Nested rows"), outer.get_by_title("Details")

    assert (await fold.evaluate(sign), await details.evaluate(sign)) == ('"▾"', '"⋯"')
    await fold.click()
    assert await fold.evaluate(sign) == '"▸"'
    await panel.get_by_role("button", name="Expand all nested rows").click()
    assert await fold.evaluate(sign) == '"▾"'


async def test_in_a_narrow_window_names_break_at_dots_and_bars_give_way(page, address):
    await page.set_viewport_size({"width": 800, "height": 900})
    panel = await open_made(page, address, "mixed")

    await expect(panel.locator(".sigtr-timeline svg").first).to_be_hidden()
    name = row(panel, "index_0").locator("bdi").first
    wide, there_is = await page.locator("#SignalTracerPanel .djdt-scroll").evaluate(
        "each => [each.scrollWidth, each.clientWidth]"
    )
    assert wide <= there_is
    assert await name.evaluate("each => each.innerHTML.split('.<wbr>').length") == 2


async def test_hostile_texts_are_seen_as_text(page, address):
    panel = await open_made(page, address, "hostile")

    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\x00", "\\x00")
    await panel.get_by_role("button", name="Expand all").click()
    for number in range(await rows(panel).count()):
        await rows(panel).nth(number).get_by_title("Details").first.click()
    assert (await panel.inner_text()).count(shown) > 40
    assert await page.evaluate("typeof hacked") == "undefined"
    assert await panel.locator("img, script").count() == 0


@pytest.mark.parametrize(
    "changed", [{"DEBUG_TOOLBAR_CONFIG": {"UPDATE_ON_FETCH": True}}], ids=["updating"]
)
async def test_requests_of_the_page_and_of_the_history_are_switched_to(page, address):
    await page.goto(f"{address}/made/troubled/")
    await page.locator("#djDebug a.SignalTracerPanel").click()
    panel = page.locator("#sigtr")
    await expect(panel).to_contain_text("GET /made/troubled/")
    await page.evaluate("fetch('/made/run/')")
    await expect(page.locator("#djdt-SignalTracerPanel")).to_contain_text("120 dispatches")
    await page.locator("#djDebug a.SignalTracerPanel").click()
    await expect(panel).to_contain_text("GET /made/run/")
    await expect(panel.locator(".sigtr-controls")).to_be_visible()

    history = await open_history(page)
    await history.filter(has_text="/made/troubled/").locator("button.switchHistory").click()
    await expect(page.locator("#djdt-SignalTracerPanel")).to_contain_text("1 swallowed")
    await page.locator("#djDebug a.SignalTracerPanel").click()
    await panel.get_by_label("Filter").fill("text_customer")
    await expect(rows(panel)).to_have_count(4)


async def test_the_script_may_be_loaded_twice(page, address):
    panel = await open_made(page, address, "troubled")
    await page.evaluate("import('/static/signal_tracer/panel.js?loaded=again')")

    fold = row(panel, "order_placed").get_by_title("Nested rows")
    await fold.click()
    await expect(fold).to_have_text("+")
    await expect(row(panel, "receivers.charge")).to_be_hidden()


@pytest.mark.parametrize("foreseen", ["404"])
async def test_what_the_toolbar_forgot_says_so(page, address):
    from debug_toolbar.store import MemoryStore

    panel = await open_made(page, address, "thousand")
    MemoryStore.clear()

    last = panel.locator(".sigtr-timeline > tbody").last
    await last.get_by_title("Details").click()
    await expect(last).to_contain_text("is not available any more")
    link = panel.locator("a.remoteCall[href*='only=']").first
    await link.evaluate("it => { it.search = '?unheard=all' }")  # one that opens in the window
    await link.click()
    await expect(page.locator("#djDebugWindow")).to_contain_text("is not available any more")
