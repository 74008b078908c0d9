"""Each topic of the guide has what it promises, and each question is near the front page."""

from __future__ import annotations

import re
from collections import deque
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"

TOPICS = {
    "what signals are": "guide/what-signals-are",
    "connecting": "guide/connecting",
    "custom signals": "guide/custom-signals",
    "sync and async": "guide/sync-and-async",
    "good uses": "guide/good-uses",
    "good habits": "guide/good-habits",
    "pitfalls": "guide/pitfalls",
    "large projects": "guide/large-projects",
    "when not to, and what instead": "guide/when-not-to",
    "from bad to good": "guide/from-bad-to-good",
    "testing": "testing-signals",
    "debugging recipes": "guide/debugging-recipes",
}
RECIPES = {
    "It does not run": "it-does-not-run",
    "It runs twice": "it-runs-twice",
    "It runs too late": "it-runs-too-late",
    "It runs too early": "it-runs-too-early",
    "The page is slow": "the-page-is-slow",
    "It works here and not in production": "it-works-here-and-not-in-production",
    "What does saving X trigger?": "what-does-saving-x-trigger",
    "Where does this row come from?": "where-does-this-row-come-from",
    "It fails, and nobody is told": "it-fails-and-nobody-is-told",
    "It never ends": "it-never-ends",
    "It does not run in a test": "it-does-not-run-in-a-test",
    "It ran yesterday": "it-ran-yesterday",
}
QUESTIONS = {
    "When should I use them?": "guide/good-uses.html",
    "How do I test this?": "testing-signals.html",
    "why?": "guide/debugging-recipes.html#it-runs-twice",
    "Where do receivers belong?": "guide/large-projects.html",
    "What instead?": "guide/when-not-to.html",
}
IS_MADE = re.compile(r"^`{3,}\{(?:traced|compared)\} ", re.MULTILINE)


class Article(HTMLParser):
    """The links in the text of a page, without those of the navigation; and what has an id."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.depth = 0
        self.links: dict[str, str] = {}  # words by address
        self.ids: set[str] = set()
        self.open = ""
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        there = dict(attributes)
        self.ids.add(there.get("id") or "")
        if tag == "article":
            self.depth += 1
        href = there.get("href") or ""
        if tag == "a" and self.depth and not href.startswith(("http", "#")):
            self.open = href
            self.links.setdefault(href, "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self.depth -= 1
        elif tag == "a":
            self.open = ""

    def handle_data(self, data: str) -> None:
        if self.open:
            self.links[self.open] += data


def clicks_from(front: str, site: Path) -> dict[str, int]:
    """How many clicks each page is from another, by the links in the text alone."""
    clicks = {front: 0}
    waiting = deque([front])
    while waiting:
        page = waiting.popleft()
        for href in Article(site / page).links:
            linked = urljoin(page, href).partition("#")[0]
            if linked.endswith(".html") and linked not in clicks:
                clicks[linked] = clicks[page] + 1
                waiting.append(linked)
    return clicks


@pytest.mark.parametrize("page", TOPICS.values(), ids=TOPICS)
def test_a_topic_has_a_page_that_is_written(page: str) -> None:
    text = (DOCS / page).with_suffix(".md").read_text()

    assert "to be written" not in text
    assert len(text.splitlines()) > 50


@pytest.mark.parametrize("page", TOPICS.values(), ids=TOPICS)
def test_a_topic_has_a_scenario_to_click(page: str) -> None:
    assert "{scenario}`" in (DOCS / page).with_suffix(".md").read_text()


@pytest.mark.parametrize("page", TOPICS.values(), ids=TOPICS)
def test_a_topic_has_a_trace_that_the_build_makes(page: str, site: Path) -> None:
    assert IS_MADE.search((DOCS / page).with_suffix(".md").read_text())
    assert "trace-of-traced" in (site / page).with_suffix(".html").read_text()


@pytest.mark.parametrize(("words", "anchor"), RECIPES.items(), ids=RECIPES)
def test_a_recipe_is_one_click_from_the_front_page(words: str, anchor: str, site: Path) -> None:
    address = f"guide/debugging-recipes.html#{anchor}"

    assert Article(site / "index.html").links[address].startswith(words)
    assert anchor in Article(site / "guide" / "debugging-recipes.html").ids


@pytest.mark.parametrize(("words", "address"), QUESTIONS.items(), ids=QUESTIONS)
def test_a_question_is_one_click_from_the_front_page(words: str, address: str, site: Path) -> None:
    assert Article(site / "index.html").links[address].endswith(words)


def test_each_topic_is_one_click_from_the_front_page(site: Path) -> None:
    clicks = clicks_from("index.html", site)

    assert {clicks.get(f"{page}.html") for page in TOPICS.values()} == {1}


def test_every_page_but_those_of_the_project_is_at_most_two_clicks_away(site: Path) -> None:
    clicks = clicks_from("index.html", site)
    pages = {
        page.relative_to(DOCS).with_suffix(".html").as_posix()
        for page in DOCS.rglob("*.md")
        if not {"_build", "examples", "project"} & set(page.relative_to(DOCS).parts)
    }

    assert {page for page in pages if clicks.get(page, 99) > 2} == set()


@pytest.mark.parametrize("anchor", RECIPES.values(), ids=RECIPES)
def test_a_recipe_has_a_command_a_trace_a_cause_a_repair_and_a_scenario(anchor: str) -> None:
    text = (DOCS / "guide" / "debugging-recipes.md").read_text()
    parts = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-"): part
        for title, _, part in (each.partition("\n") for each in text.split("\n## ")[1:])
    }
    recipe = parts[anchor]

    assert IS_MADE.search(recipe)
    assert re.search(r"^`{3}(?:sh|python|\{mapped\})", recipe, re.MULTILINE)
    assert "{scenario}`" in recipe
    if anchor != "what-does-saving-x-trigger":  # a question, and no fault
        assert "**Cause.**" in recipe
        assert "**Repair.**" in recipe
