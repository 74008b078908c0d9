"""The panel under every way in which the toolbar may bring it, and every policy of a page."""

import django
import pytest
from debug_toolbar import store as stores
from django.conf import settings as site_settings
from looking import open_made, row, rows
from playwright.async_api import Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("toolbars_table")]

NONCE = "c2lnbmFsX3RyYWNlcg"
SELF = "default-src 'self'; img-src 'self' data:"
NONCE_ONLY = (
    f"default-src 'none'; script-src 'nonce-{NONCE}'; style-src 'nonce-{NONCE}'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'"
)
SCRIPT = "/static/signal_tracer/panel.js"


def self_only(get_response):
    """Lets a page load what comes from its own site."""

    def middleware(request):
        response = get_response(request)
        response["Content-Security-Policy"] = SELF
        return response

    return middleware


def nonce_only(get_response):
    """Lets a page load nothing but what bears the nonce, in the way of django-csp."""

    def middleware(request):
        request.csp_nonce = NONCE
        response = get_response(request)
        response["Content-Security-Policy"] = NONCE_ONLY
        return response

    return middleware


def with_middleware(path: str, **settings: object) -> dict[str, object]:
    return {"MIDDLEWARE": [path, *site_settings.MIDDLEWARE], **settings}


def toolbar(**config: object) -> dict[str, object]:
    return {"DEBUG_TOOLBAR_CONFIG": {"IS_RUNNING_TESTS": False, **config}}


DJANGOS_OWN = "django.middleware.csp.ContentSecurityPolicyMiddleware"  # since Django 6.0
WITH_THE_SCRIPT = {
    "shadow DOM": toolbar(USE_SHADOW_DOM=True),
    "no shadow DOM": toolbar(USE_SHADOW_DOM=False),
    "rendered with the page": toolbar(RENDER_PANELS=True),
    "database store": toolbar(TOOLBAR_STORE_CLASS="debug_toolbar.store.DatabaseStore"),
    "policy 'self'": with_middleware(f"{__name__}.self_only"),
    "policy 'self', rendered with the page": {
        **with_middleware(f"{__name__}.self_only"),
        **toolbar(RENDER_PANELS=True),
    },
    "decimal comma": {"LANGUAGE_CODE": "de", "USE_THOUSAND_SEPARATOR": True},
    "policy with a nonce, rendered with the page": {
        **with_middleware(f"{__name__}.nonce_only"),
        **toolbar(RENDER_PANELS=True),
    },
}
WITHOUT_THE_SCRIPT = {
    "policy with a nonce": with_middleware(f"{__name__}.nonce_only"),
    "policy with a nonce, no shadow DOM": {
        **with_middleware(f"{__name__}.nonce_only"),
        **toolbar(USE_SHADOW_DOM=False),
    },
}
if hasattr(stores, "CacheStore"):  # since toolbar 6.3
    WITH_THE_SCRIPT["cache store"] = toolbar(TOOLBAR_STORE_CLASS="debug_toolbar.store.CacheStore")
if django.VERSION >= (6, 0):
    from django.utils.csp import CSP

    WITH_THE_SCRIPT["Django's policy 'self'"] = with_middleware(
        DJANGOS_OWN, SECURE_CSP={"default-src": [CSP.SELF], "img-src": [CSP.SELF, "data:"]}
    )
    WITHOUT_THE_SCRIPT["Django's policy with a nonce"] = with_middleware(
        DJANGOS_OWN,
        SECURE_CSP={
            "default-src": [CSP.NONE],
            "script-src": [CSP.NONCE],
            "style-src": [CSP.NONCE],
            "img-src": [CSP.SELF, "data:"],
            "font-src": [CSP.SELF],
            "connect-src": [CSP.SELF],
        },
    )


def ways(settings: dict[str, dict[str, object]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("changed", list(settings.values()), ids=list(settings))


async def look_at_rows(panel: Locator) -> None:
    """Rows fold and open: all that needs no script but the toolbar's own."""
    everything = await rows(panel).count()
    outer = row(panel, "order_placed")
    fold = outer.locator("[data-toggle-id^=f]")
    switch = outer.locator("[data-toggle-id^=d]")
    await fold.click()
    await expect(rows(panel)).to_have_count(everything - 4)
    await fold.click()
    await expect(rows(panel)).to_have_count(everything)
    await expect(row(panel, "text_customer").locator("[data-toggle-id^=d]")).to_have_text("+")
    await switch.click()
    await expect(outer.locator(".djSelected")).to_contain_text("card_number = [redacted]")
    await switch.click()
    await expect(outer.get_by_text("card_number = [redacted]")).to_be_hidden()


@ways(WITH_THE_SCRIPT)
async def test_all_of_it_works(page: Page, address: str) -> None:
    panel = await open_made(page, address, "troubled")
    await expect(panel.locator(".sigtr-controls")).to_be_visible()

    await look_at_rows(panel)
    badge = row(panel, "text_customer").locator(".sigtr-mark").first
    await expect(badge).to_have_css("background-color", "rgb(179, 38, 30)")
    await panel.locator(".sigtr-head a[href$='only=swallowed']").click()
    await expect(rows(panel)).to_have_count(4)
    await panel.locator("#sigtr_filter").fill("nothing of that name")
    await expect(rows(panel)).to_have_count(0)
    await panel.locator("[data-do=all]").click()
    await panel.locator(".sigtr-findings a[href*='row=']").first.click()
    await expect(row(panel, "text_customer")).to_contain_text("raise ValueError(text)")
    await panel.locator("[data-place] a").click()
    await expect(panel.locator(".sigtr-map").first).to_be_visible()
    await expect(page.locator("#djDebugWindow")).to_be_hidden()


@pytest.mark.parametrize("foreseen", [SCRIPT])  # the toolbar gives no nonce to a panel's script
@ways(WITHOUT_THE_SCRIPT)
async def test_without_the_script_all_but_the_filter_works(page: Page, address: str) -> None:
    panel = await open_made(page, address, "troubled", scripted=False)
    window = page.locator("#djDebugWindow")

    async def opens(link: Locator, text: str) -> None:
        await link.click()
        await expect(window).to_contain_text(text)
        await window.locator(".djDebugClose").click()
        await expect(window).to_be_hidden()

    await look_at_rows(panel)
    await expect(panel.locator(".sigtr-controls")).to_be_hidden()
    badge = row(panel, "text_customer").locator(".sigtr-mark").first
    await expect(badge).to_have_css("background-color", "rgb(179, 38, 30)")
    await opens(panel.get_by_role("link", name="1 swallowed"), "SWALLOWED · 1 row")
    await opens(panel.get_by_role("link", name="4 unheard"), "django.db.models.signals.pre_init")
    await panel.get_by_text("4 dispatches of pre_init and post_init").click()
    folded = panel.get_by_text("django.db.models.signals.pre_init", exact=True)
    await expect(folded).to_be_visible()
    await opens(panel.get_by_role("link", name="Show its row").first, "raise ValueError(text)")
    await opens(panel.get_by_role("link", name="Calls", exact=True), "billing.receivers.charge")
    await opens(panel.get_by_role("link", name="Show who is connected"), "Receivers of shop")
    about = panel.get_by_role("link", name="More about swallowed-exception").first
    await opens(about, "the sender goes on, and only the log")
    outline = panel.get_by_role("link", name="Outline as text", exact=True)
    await opens(outline, "shop.signals.refunded.send")
    async with page.expect_download() as download:
        await panel.get_by_role("link", name="Trace as JSON").click()
    assert (await download.value).suggested_filename == "signal-trace-get-made.json"

    panel = await open_made(page, address, "thousand", scripted=False)
    await opens(panel.locator(".sigtr-timeline > tbody").last.get_by_title("Details"), "Sender")
    await opens(panel.locator(".sigtr-more a"), "More rows")
    panel = await open_made(page, address, "mixed", scripted=False)
    await opens(panel.get_by_role("link", name="All rows (185)"), "thumbs.handlers.resize")
    await row(panel, "thumbs").get_by_title("Details").click()
    await opens(panel.get_by_role("link", name="Show every row that it"), "shop.Model2")
    # The policy was in force, or this test shows nothing.
    policy = (await page.request.get(f"{address}/made/run/")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize("changed", [{"LANGUAGE_CODE": "fa"}], ids=["right to left"])
async def test_a_right_to_left_page_is_mirrored_and_its_names_are_not(
    page: Page, address: str
) -> None:
    await page.set_viewport_size({"width": 1024, "height": 700})
    panel = await open_made(page, address, "troubled")
    await expect(panel.locator(".sigtr-controls")).to_be_visible()

    async def left(locator: Locator) -> float:
        box = await locator.bounding_box()
        assert box
        return box["x"]

    outer, inner = row(panel, "order_placed"), row(panel, "receivers.charge")
    # The switches stand on the right, and what is nested is further to the left.
    assert await left(outer.locator("[data-toggle-id^=d]")) > await left(outer.locator("svg"))
    assert await left(inner.locator("[data-toggle-id^=f]")) < await left(
        outer.locator("[data-toggle-id^=f]")
    )
    name = outer.locator("td.djDebugSql bdi").first
    await expect(name).to_have_css("direction", "ltr")
    assert (await name.inner_text()) == "shop.signals.order_placed.send"
    await look_at_rows(panel)
    wide, there_is = await page.locator("#SignalTracerPanel .djdt-scroll").evaluate(
        "each => [each.scrollWidth, each.clientWidth]"
    )
    assert wide <= there_is
