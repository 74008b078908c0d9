"""The history recipe of docs/apis-without-a-page.md, in a real Chromium."""

import re
from pathlib import Path

import pytest
from django.http import HttpRequest, JsonResponse
from django.urls import path
from looking import open_history
from made import urlpatterns as made_urls
from playwright.async_api import expect

from shop.models import Product

pytestmark = pytest.mark.browser
PAGE = Path(__file__).resolve().parents[2] / "docs" / "apis-without-a-page.md"
RECIPE = re.findall(
    r"^```python\n# urls\.py\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE
)


def rename(request: HttpRequest) -> JsonResponse:
    product = Product.objects.order_by("pk").first()
    assert product is not None
    product.save()
    return JsonResponse({"saved": product.name})


def recipe(name: str) -> object:
    names = {"__name__": __name__}
    exec(RECIPE[0], names)
    return names[name]


urlpatterns = [
    path("toolbar/", recipe("toolbar")),
    path("api/rename/", rename),
    *made_urls,
]


@pytest.mark.parametrize("changed", [{"ROOT_URLCONF": __name__}], ids=["api"])
async def test_a_request_from_elsewhere_is_switched_to_in_the_history(page, address):
    await page.goto(f"{address}/toolbar/")
    answer = await page.request.get(f"{address}/api/rename/")  # by no script of the page
    assert "saved" in await answer.json()
    history = await open_history(page)
    await page.locator("button.refreshHistory").click()
    asked = history.filter(has_text="/api/rename/")
    await asked.locator("button.switchHistory").click()
    # Until the answer has come, the toolbar is still that of the page, and then it closes.
    await expect(page.locator("#djdt-SignalTracerPanel")).to_contain_text("1 dispatch")
    await page.locator("#djDebug a.SignalTracerPanel").click()
    await expect(page.locator("#sigtr")).to_contain_text("GET /api/rename/")
    await expect(page.locator("#sigtr")).to_contain_text("post_save")
