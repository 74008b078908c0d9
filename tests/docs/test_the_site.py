"""The documentation as a site: it builds without a warning, and asks nothing of other hosts."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from textwrap import dedent

import pytest
from building import build

pytest.importorskip("furo")
pytest.importorskip("myst_parser")

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


class Fetched(HTMLParser):
    """What a browser fetches by itself for a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in {"src", "srcset", "data", "poster"} or (tag, name) == ("link", "href"):
                self.addresses += [] if value is None else [value]


def test_every_page_is_on_the_site_and_in_its_navigation(site: Path) -> None:
    pages = {
        page.relative_to(DOCS).with_suffix(".html").as_posix()
        for page in DOCS.rglob("*.md")
        if not {"_build", "examples"} & set(page.relative_to(DOCS).parts)
    }
    linked = set(
        re.findall(r'reference internal" href="([^"#]+)', (site / "index.html").read_text())
    )

    assert pages - linked == {"index.html"}


def test_no_page_fetches_anything_from_another_host(site: Path) -> None:
    elsewhere = re.compile(r"(?:[a-z]+:)?//")
    fetched = {
        address
        for page in site.rglob("*.html")
        for address in Fetched(page.read_text()).addresses
        if elsewhere.match(address)
    }
    styles = "".join(file.read_text() for file in site.rglob("*.css"))

    assert fetched == set()
    assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", styles)


def test_the_search_finds_a_finding(site: Path) -> None:
    assert "swallowed-exception" in (site / "searchindex.js").read_text()


# A site of its own, so that the pages can change.

EXAMPLE = {
    "apps.py": """\
        from django.apps import AppConfig

        class Config(AppConfig):
            name = "some_page"

            def ready(self):
                from some_page import receivers
        """,
    "models.py": """\
        from django.db import models

        class Order(models.Model):
            name = models.CharField(max_length=20)
        """,
    "receivers.py": """\
        from django.db.models.signals import post_save
        from django.dispatch import receiver

        from some_page.models import Order

        @receiver(post_save, sender=Order)
        def notify(instance, **kwargs):
            if instance.name == "bad":
                raise ValueError("a bad order")
        """,
    "shown.py": """\
        from some_page.models import Order

        def bought():
            \"\"\"An order is bought.

            More of it.
            \"\"\"
            print("Order", Order.objects.create(name="good").pk, "is saved")

        def before_renamed():
            return Order.objects.create(name="old")

        def renamed(order):
            \"\"\"An order is renamed.\"\"\"
            order.name = "new"
            order.save()

        async def refused():
            \"\"\"An order is refused.\"\"\"
            await Order.objects.acreate(name="bad")
        """,
    "__init__.py": "",
}
CONF = """\
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
extensions = ["myst_parser", "directives"]
html_theme = "furo"
exclude_patterns = ["examples"]
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder ``docs`` with our directives, one example, and nothing else of this project."""
    docs = tmp_path / "docs"
    example = docs / "examples" / "some_page"
    example.mkdir(parents=True)
    (tmp_path / "signal_tracer").symlink_to(ROOT / "signal_tracer")
    (tmp_path / "example_site").symlink_to(ROOT / "example_site")
    (docs / "conf.py").write_text(CONF)
    for name in ("directives.py", "examples/run.py", "examples/settings.py", "examples/blocks.py"):
        (docs / name).write_text((DOCS / name).read_text())
    for name, text in EXAMPLE.items():
        (example / name).write_text(dedent(text))
    return docs


def text_of(source: Path, page: str) -> str:
    """What a page shows, without its markup."""
    (source / "index.md").write_text(f"# Page\n\n{page}")
    done = build(source, source.parent / "html")
    assert (done.returncode, done.stderr) == (0, "")
    whole = (source.parent / "html" / "index.html").read_text()
    article = re.search(r"<article.*?</article>", whole, re.DOTALL)
    assert article
    return re.sub(r"<[^>]+>", "", article[0]).replace("&#x27;", "'").replace("&#39;", "'")


def test_a_function_is_traced_under_the_first_line_of_its_docstring(source: Path) -> None:
    text = text_of(source, "```{traced} some-page.bought\n:printed:\n```\n")

    assert "Order 1 is saved" in text
    assert re.search(r"^An order is bought +\d", text, re.MULTILINE)
    assert "sent from some_page/shown.py:8 in bought" in text


def test_an_outline_is_what_outline_returns(source: Path) -> None:
    text = text_of(source, "```{traced} some-page.bought\n:outline:\n```\n")

    assert (
        "django.db.models.signals.post_save.send  sender=some_page.Order\n"
        "  some_page.receivers.notify\n"
    ) in text


def test_an_example_may_be_a_project_of_several_apps(source: Path) -> None:
    app, project = source / "examples" / "some_page", source / "examples" / "some_project"
    shutil.copytree(app, project / "shop")
    (project / "shop" / "shown.py").rename(project / "shown.py")
    for file in project.rglob("*.py"):
        file.write_text(file.read_text().replace("some_page", "shop"))

    text = text_of(source, "```{traced} some-project.bought\n```\n")

    assert "shop.receivers.notify" in text
    assert "sent from shown.py:8 in bought" in text
    assert "shop/receivers.py:6" in text


def test_each_function_finds_empty_tables_and_what_was_made_for_it_is_not_traced(
    source: Path,
) -> None:
    text = text_of(source, "```{traced} some_page.renamed\n:whole:\n```\n")

    # It is the first row, though another function made one before.
    assert "instance=some_page.Order(pk=1)  created=False" in text
    assert "created=True" not in text


def test_what_a_function_lets_out_is_shown_where_it_is_expected(source: Path) -> None:
    text = text_of(source, "```{traced} some_page.refused\n:raises: ValueError\n```\n")

    assert "ValueError: a bad order" in text
    assert "some_page/receivers.py" in text


def test_what_is_marked_in_a_terminal_is_marked_on_the_page(source: Path) -> None:
    (source / "index.md").write_text(
        "# Page\n\n```{traced} some_page.refused\n:raises: ValueError\n```\n"
    )
    build(source, source.parent / "html")
    page = (source.parent / "html" / "index.html").read_text()

    assert re.search(r'<span class="trace-red trace-bold">\s*RAISED', page)
    assert '<pre tabindex="0" class="trace trace-of-traced literal-block">' in page


def test_traces_are_compared_by_their_figures(source: Path) -> None:
    text = text_of(source, "```{compared} some_page.bought some_page.renamed\n:figures:\n```\n")
    cells = [line for line in text.splitlines() if line.strip()]
    start = cells.index("An order is bought")

    assert cells[start : start + 11] == [
        *("An order is bought", "An order is renamed"),
        *("dispatches", "1", "1"),
        *("receiver calls", "1", "1"),
        *("queries", "1", "1"),
    ]


def test_a_command_prints_what_it_prints_for_the_example(source: Path) -> None:
    text = text_of(source, "```{mapped} some-page --app some_page\n```\n")

    assert "$ python manage.py signal_map --app some_page" in text
    assert "1 receiver of 1 signal" in text
    assert "some_page.receivers.notify" in text


def test_what_differs_between_two_files_is_shown_without_their_names(source: Path) -> None:
    example = source / "examples" / "some_page"
    (example / "before.py").write_text("a = 1\nb = 2\nc = 3\nd = 4\n")
    (example / "after.py").write_text("a = 1\nb = 2\nc = 3\nd = 5\n")
    text = text_of(source, "```{changed} some_page/before.py some_page/after.py\n```\n")

    assert " b = 2\n c = 3\n-d = 4\n+d = 5\n" in text
    assert "a = 1" not in text
    assert "before.py" not in text


def test_a_scenario_and_a_page_of_django_have_a_role(source: Path) -> None:
    text_of(source, "{scenario}`twice` and {django}`ref/signals#post-save` and {django}`a <b#c>`\n")
    page = (source.parent / "html" / "index.html").read_text()

    assert "/twice/" in page
    assert 'href="https://docs.djangoproject.com/en/6.1/ref/signals/#post-save"' in page
    assert 'href="https://docs.djangoproject.com/en/6.1/b/#c">a</a>' in page


def test_what_has_not_changed_is_not_run_again(source: Path) -> None:
    text_of(source, "```{traced} some_page.bought\n```\n")
    kept = source.parent / "traces"
    [file] = kept.iterdir()
    # Whatever is kept is shown, so nothing has run.
    file.write_text(file.read_text().replace("An order is bought", "This was kept"))
    assert "This was kept" in text_of(source, "Now\n\n```{traced} some_page.bought\n```\n")

    (source / "examples" / "some_page" / "models.py").write_text(
        dedent(EXAMPLE["models.py"]) + "# changed\n"
    )
    assert "An order is bought" in text_of(source, "Now\n\n```{traced} some_page.bought\n```\n")
    assert len(list(kept.iterdir())) == 2


def test_a_mistake_fails_the_build_and_names_the_line_and_the_next_step(source: Path) -> None:
    mistakes = {
        "```{traced} some_page.refused\n```": (
            "It raised ValueError: a bad order at ",
            "write :raises: ValueError",
        ),
        "```{traced} some_page.bought\n:raises: KeyError\n```": (
            "It did not raise KeyError",
            "docs/examples/some_page/shown.py:3",
        ),
        "```{traced} some_page.renamed\n:printed:\n```": ("some_page.renamed printed nothing",),
        "```{traced} some_page.sold\n```": (
            "shown.py has no function 'sold'. It has: bought, renamed, refused.",
        ),
        "```{traced} no_page.sold\n```": ("There is no folder docs/examples/no_page.",),
        "```{mapped} some_page --no-such-option\n```": ("exits with 2, not 0",),
        "```{changed} some_page/apps.py some_page/no.py\n```": (
            "There is no file docs/examples/some_page/no.py.",
        ),
        "```{changed} some_page/apps.py some_page/apps.py\n```": (
            "some_page/apps.py and some_page/apps.py do not differ.",
        ),
        "{scenario}`nowhere`": ("The example site has no scenario 'nowhere'. It has: checkout,",),
    }
    (source / "index.md").write_text("# Page\n\n" + "\n\n".join(mistakes) + "\n")

    done = build(source, source.parent / "html")

    assert done.returncode == 1
    lines = [int(number) for number in re.findall(r"index\.md:(\d+): ", done.stderr)]
    assert lines == [3, 6, 10, 14, 17, 20, 23, 26, 29]
    for words in mistakes.values():
        for each in words:
            assert each in done.stderr
