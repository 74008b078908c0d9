"""From each scenario leads a link to the page of the guide that tells more, which is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.test import Client

from scenarios.catalogue import SCENARIOS, Scenario

if TYPE_CHECKING:
    from pytest_django import Settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.slug)
def test_the_page_of_the_guide_that_a_scenario_names_is_there(scenario: Scenario) -> None:
    assert (DOCS / f"{scenario.guide}.md").is_file()


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.slug)
def test_a_scenario_links_to_its_page_of_the_guide(scenario: Scenario) -> None:
    page = Client().get(f"/{scenario.slug}/").content.decode()
    [address] = re.findall(r'<a href="([^"]+)">What the guide says about it</a>', page)
    assert address == (
        f"https://django-signal-tracer.readthedocs.io/en/latest/{scenario.guide}.html"
    )


@pytest.mark.usefixtures("shop")
def test_the_links_lead_to_where_the_documentation_is(settings: Settings) -> None:
    settings.DOCUMENTATION = "http://127.0.0.1:8080/"
    page = Client().get("/twice/").content.decode()
    assert '<a href="http://127.0.0.1:8080/guide/connecting.html">' in page
