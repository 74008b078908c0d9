"""What the pages show is made while they are built: traces, comparisons, what a command prints.

The code that it is made by stands in ``docs/examples``, and ``docs/examples/run.py`` runs it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from difflib import unified_diff
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
EXAMPLES = DOCS / "examples"
RUN = EXAMPLES / "run.py"
DJANGO_DOCS = "https://docs.djangoproject.com/en/6.1/"
FORMS = ("auto", "brief", "whole", "findings", "outline")
TOO_LONG = 120  # seconds for all functions of a page

sys.path.insert(0, str(ROOT / "example_site"))
from scenarios.catalogue import BY_SLUG  # noqa: E402  # it lies in a folder of its own


class ExampleError(Exception):
    """An example does not do what a page says; the message says where and why."""


class _Directive(SphinxDirective):
    """A directive whose mistakes fail the build at its line of the page."""

    def run(self) -> list[nodes.Node]:
        try:
            return list(self.shown())
        except ExampleError as mistake:
            raise self.error(str(mistake)) from None

    def shown(self) -> Iterator[nodes.Node]:
        raise NotImplementedError

    def one(self, name: str) -> dict[str, Any]:
        """What ``page.function`` showed when it ran."""
        page, _, function = name.partition(".")
        example = page.replace("-", "_")
        for file in sources_of(example):
            self.env.note_dependency(str(file))
        made = made_by(Path(self.env.app.outdir), example)
        if function not in made:
            raise ExampleError(
                f"docs/examples/{example}/shown.py has no function {function!r}. "
                f"It has: {', '.join(made)}."
            )
        return made[function]

    def picture(self, made: dict[str, Any], form: str) -> nodes.Node:
        return _picture(made["forms"][form], self, "traced")

    def captioned(self, block: nodes.Node) -> nodes.Node:
        if "caption" not in self.options:
            return block
        words, _ = self.state.inline_text(self.options["caption"], self.lineno)
        return nodes.container(
            "",
            nodes.caption(self.options["caption"], "", *words),
            block,
            literal_block=True,
            classes=["literal-block-wrapper"],
        )


class Traced(_Directive):
    """``{traced} page.function``: runs it in a trace, and shows the trace."""

    required_arguments = 1
    option_spec = {  # noqa: RUF012  # as docutils declares it
        **dict.fromkeys(FORMS[1:], directives.flag),
        "printed": directives.flag,
        "raises": directives.unchanged_required,
        "caption": directives.unchanged_required,
    }

    def shown(self) -> Iterator[nodes.Node]:
        made = self.one(self.arguments[0])
        chosen = [form for form in FORMS if form in self.options] or ["auto"]
        _want_error(made, self.options.get("raises"))
        if "printed" in self.options:
            if not made["printed"]:
                raise ExampleError(f"{self.arguments[0]} printed nothing ({made['location']}).")
            yield _picture([[made["printed"].rstrip("\n"), ""]], self, "printed")
        for form in chosen:
            yield self.captioned(self.picture(made, form))
        if made["error"]:
            yield _picture([[made["error"]["line"], "red"]], self, "let-out")


class Compared(_Directive):
    """``{compared} page.before page.after ...``: their figures, and the trace of each below."""

    required_arguments = 2
    optional_arguments = 8
    option_spec = {  # noqa: RUF012
        **dict.fromkeys((*FORMS[1:], "figures"), directives.flag),
        "raises": directives.unchanged_required,
        "caption": directives.unchanged_required,
    }

    def shown(self) -> Iterator[nodes.Node]:
        made = [self.one(name) for name in self.arguments]
        chosen = next((form for form in FORMS if form in self.options), "auto")
        raises = self.options.get("raises")
        for each in made:
            # Of several, one may be the one that raises.
            _want_error(each, raises if each["error"] else None)
        if raises and not any(each["error"] for each in made):
            raise ExampleError(f"None of them raised {raises}.")
        yield self.captioned(_table(made))
        if "figures" not in self.options:
            for each in made:
                yield nodes.paragraph("", "", nodes.strong("", each["title"]))
                yield self.picture(each, chosen)


class Managed(_Directive):
    """``{managed} page command ...``: what ``manage.py`` prints with the page's apps."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {  # noqa: RUF012
        "exits": directives.nonnegative_int,
        "caption": directives.unchanged_required,
    }
    command = ""

    def shown(self) -> Iterator[nodes.Node]:
        page, _, given = self.arguments[0].partition(" ")
        example = page.replace("-", "_")
        for file in sources_of(example):
            self.env.note_dependency(str(file))
        line = f"{self.command} {given}".strip()
        printed = printed_by(Path(self.env.app.outdir), example, line, self.options.get("exits", 0))
        prompt = [[f"$ python manage.py {line}", "bold"], ["\n", ""], [printed, ""]]
        yield self.captioned(_picture(prompt, self, "managed"))


class Mapped(Managed):
    """``{mapped} page ...``: the same of ``manage.py signal_map``."""

    command = "signal_map"


class Changed(_Directive):
    """``{changed} page/before.py page/after.py``: what differs between two files of examples."""

    required_arguments = 2

    def shown(self) -> Iterator[nodes.Node]:
        texts = []
        for name in self.arguments:
            file = EXAMPLES / name
            if not file.is_file():
                raise ExampleError(f"There is no file docs/examples/{name}.")
            self.env.note_dependency(str(file))
            texts.append(file.read_text(encoding="utf-8").splitlines())
        # Neither the names, which say where it was built, nor the numbers of lines.
        lines = list(unified_diff(*texts, n=2, lineterm=""))[2:]
        if not lines:
            raise ExampleError(f"{' and '.join(self.arguments)} do not differ.")
        kept = [" …" if line.startswith("@@") else line.rstrip() for line in lines]
        block = nodes.literal_block("", "\n".join(kept[1:]).strip("\n"), language="udiff")
        self.set_source_info(block)
        yield block


class ScenarioRole(SphinxRole):
    """``{scenario}`slug` ``: a scenario of the example site, and where to click it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        scenario = BY_SLUG.get(self.text)
        if scenario is None:
            slugs = ", ".join(BY_SLUG)
            words = f"The example site has no scenario {self.text!r}. It has: {slugs}."
            return [], [self.inliner.reporter.error(words, line=self.lineno)]
        # Not a link: it is on the reader's machine, while ``make demo`` runs.
        address = nodes.literal("", f"/{scenario.slug}/")
        return [
            nodes.inline(
                "",
                "",
                nodes.emphasis("", scenario.title),
                nodes.Text(" (in "),
                nodes.literal("", "make demo"),
                nodes.Text(": "),
                address,
                nodes.Text(")"),
                classes=["scenario"],
            )
        ], []


class DjangoRole(SphinxRole):
    """``{django}`post_save <ref/signals#post-save>` ``: a page of Django's documentation."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        named = re.fullmatch(r"(.+?)\s*<(.+)>", self.text, re.DOTALL)
        words, target = named.groups() if named else ("", self.text)
        page, _, anchor = target.partition("#")
        address = f"{DJANGO_DOCS}{page.strip('/')}/" + (f"#{anchor}" if anchor else "")
        shown = nodes.Text(words) if words else nodes.literal("", anchor or page)
        return [nodes.reference("", "", shown, refuri=address)], []


def made_by(outdir: Path, example: str) -> dict[str, Any]:
    """What each function of an example showed; they run once for each state of what they use."""
    return json.loads(_output(outdir, example, ("--json",)))


def printed_by(outdir: Path, example: str, line: str, exits: int) -> str:
    """What ``manage.py`` prints for a command line, without its prompt."""
    return _output(outdir, example, ("--manage", *shlex.split(line)), exits).rstrip()


def sources_of(example: str) -> list[Path]:
    """What an example's traces depend on, besides the versions of Python and Django."""
    of_example = [file for file in (EXAMPLES / example).rglob("*") if file.is_file()]
    package = (ROOT / "signal_tracer").rglob("*.py")
    found = [*of_example, *package, *EXAMPLES.glob("*.py")]
    return sorted(file for file in found if "__pycache__" not in file.parts)


def _output(outdir: Path, example: str, options: tuple[str, ...], exits: int = 0) -> str:
    name = "-".join((example, *options, str(exits)))
    key = hashlib.sha256(f"{name} {_state_of(example)}".encode()).hexdigest()
    kept = outdir.parent / "traces" / f"{example}-{key[:16]}.txt"
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    environment = {
        **{name: it for name, it in os.environ.items() if name != "FORCE_COLOR"},
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
        "COLUMNS": "92",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [sys.executable, str(RUN), example, *options],
        cwd=EXAMPLES,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=TOO_LONG,
        check=False,
    )
    if done.returncode != exits:
        raise ExampleError(
            f"docs/examples/run.py {example} {shlex.join(options)} exits with {done.returncode}, "
            f"not {exits}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Two processes of Sphinx may want the same at once.
    written = kept.with_suffix(f".{os.getpid()}")
    written.write_text(done.stdout, encoding="utf-8")
    written.replace(kept)
    return done.stdout


@cache
def _state_of(example: str) -> str:
    import django

    state = hashlib.sha256(f"{sys.version} {django.__version__}".encode())
    for file in sources_of(example):
        state.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return state.hexdigest()


def _want_error(made: dict[str, Any], expected: str | None) -> None:
    error, where = made["error"], made["location"]
    if error is None and expected is not None:
        raise ExampleError(f"It did not raise {expected}, which :raises: expects ({where}).")
    if error is not None and error["type"] != expected:
        raise ExampleError(
            f"It raised {error['line']} at {error['location'] or where}. If that is meant, write "
            f":raises: {error['type']}.\n{error['traceback']}"
        )


def _picture(stretches: list[list[str]], directive: SphinxDirective, kind: str) -> nodes.Node:
    """Text with styles as classes: it reads without scripts, in light and in dark."""
    parts: list[nodes.Node] = []
    for text, style in stretches:
        styles = [f"trace-{name}" for name in style.split()]
        parts.append(nodes.inline("", text, classes=styles) if styles else nodes.Text(text))
    # Sphinx highlights what has its text as its source, and leaves the parts of others alone.
    classes = ["trace", f"trace-of-{kind}"]
    block = nodes.literal_block("made by the tool", "", *parts, classes=classes)
    directive.set_source_info(block)
    return block


def _table(made: list[dict[str, Any]]) -> nodes.table:
    always = ("dispatches", "receiver calls", "queries")
    names = [
        name
        for name in made[0]["figures"]
        if name in always or any(each["figures"][name] for each in made)
    ]
    rows = [("figures", *(each["title"] for each in made))]
    rows += [(name, *(str(each["figures"][name]) for each in made)) for name in names]
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in rows[0]), cols=len(rows[0]))
    for place, head in ((nodes.thead(), rows[:1]), (nodes.tbody(), rows[1:])):
        for row in head:
            cells = [nodes.entry("", nodes.paragraph("", text)) for text in row]
            place += nodes.row("", *cells)
        group += place
    return nodes.table("", group, classes=["compared"])


def _as_links_of_the_site(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    """What lies above ``docs/`` and is included: its links and its pictures, as from the site."""
    text = re.sub(r"\]\((?:\.\./)?docs/([^)]+)\)", r"](/\1)", content[0])
    text = re.sub(r"\]\((CHANGELOG|CONTRIBUTING|README)\.md", _page_of, text)
    text = re.sub(r"\[([^\]]+)\]\(LICENSE\)", r"\1", text)
    content[0] = re.sub(
        r'<picture>.*?srcset="docs/(\S+)".*?alt="(.*?)" src="docs/(\S+)".*?</picture>',
        r"![\2](/\3){.only-light}\n![\2](/\1){.only-dark}",
        text,
        flags=re.DOTALL,
    )


def _as_links_between_pages(app: Sphinx, page: str, content: list[str]) -> None:
    content[0] = re.sub(r"\]\(\.\./(CHANGELOG|CONTRIBUTING|README)\.md", _page_of, content[0])


def _page_of(link: re.Match[str]) -> str:
    return f"](/project/{link[1].lower()}.md"


def _for_everybody(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """What axe-core finds lacking in what Sphinx and Furo write.

    What may be wider than a small screen scrolls, and so must be reached without a mouse; a
    heading has a level; and the parameters of a function are no list of definitions.
    """
    body = context.get("body", "")
    body = re.sub(r'<(pre|div class="table-wrapper)', _focusable, body)
    context["body"] = re.sub(r"<dl>\n((?:<dd>.*</dd>\n)+)</dl>", _one_a_line, body)
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )


def _focusable(tag: re.Match[str]) -> str:
    name, _, rest = tag[1].partition(" ")
    return f'<{name} tabindex="0"' + (f" {rest}" if rest else "")


def _one_a_line(parameters: re.Match[str]) -> str:
    lines = parameters[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f'<span class="sig-lines">{lines}</span>'


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("traced", Traced)
    app.add_directive("compared", Compared)
    app.add_directive("managed", Managed)
    app.add_directive("changed", Changed)
    app.add_directive("mapped", Mapped)
    app.add_role("scenario", ScenarioRole())
    app.add_role("django", DjangoRole())
    app.connect("include-read", _as_links_of_the_site)
    app.connect("source-read", _as_links_between_pages)
    # After Furo has made its navigation.
    app.connect("html-page-context", _for_everybody, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
