"""docs/my-receiver-does-not-run.md: each cause is built, and prints what stands below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from signal_tracer.findings.catalogue import slugs

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "my-receiver-does-not-run.md").read_text()

IMPORTS = """\
from django.core.mail import send_mail
from django.db import connection, models, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import Signal, receiver
"""
MODELS = "from shop.models import Archived, Order, Product, Tag, Ticket\n"

# Findings about receivers that run, or of which nothing is missing.
ELSEWHERE = [
    *("async-bridge", "connected-again", "deep-nesting", "hot-signal", "ignores-raw"),
    *("long-chain", "query-in-loop", "receiver-in-models", "robust-crash", "signal-cycle"),
    *("single-listener", "slow-receiver", "undocumented-receiver", "writes-in-receiver"),
]

# What the programs of the page are put into.
PROJECT = {
    "manage.py": """\
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
""",
    "settings.py": """\
import django

DEBUG = False
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["signal_tracer", "shop"]
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
DATABASES = {"default": SQLITE, "archive": dict(SQLITE)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DUMMY = "django.core.mail.backends.dummy.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": DUMMY}}
else:
    EMAIL_BACKEND = DUMMY
""",
    "shop/__init__.py": "",
    "shop/apps.py": """\
from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        import shop.receivers
""",
    "shop/models.py": """\
import uuid

from django.db import models


class Tag(models.Model):
    name = models.CharField(max_length=20)


class Product(models.Model):
    name = models.CharField(max_length=20)
    tags = models.ManyToManyField(Tag)


class Order(models.Model):
    product = models.ForeignKey(Product, models.SET_NULL, null=True)
    status = models.CharField(max_length=10, default="new")
    number = models.CharField(max_length=10, default="")


class Archived(Order):
    class Meta:
        proxy = True


class Ticket(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
""",
    "shop/receivers.py": "",
    "trying.py": """\
import sys

import django

django.setup()

from django.core.management import call_command

from signal_tracer import trace_signals

for alias in ("default", "archive"):
    call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
program = compile(open("try.py").read(), "try.py", "exec")
with trace_signals("try") as trace:
    try:
        exec(program, {"__name__": "try"})
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
print(trace)
""",
}
# What the page leaves out above each program.
LEFT_OUT = {
    "shop/apps.py": "from django.apps import AppConfig\n\n\n",
    "shop/models.py": PROJECT["shop/models.py"],
    "shop/receivers.py": IMPORTS + MODELS,
    "try.py": IMPORTS + MODELS,
}


def run(folder: Path, line: str) -> str:
    """What ``line`` prints: a command of ``manage.py``, or what the page has after ``>>>``."""
    if line == ">>> print(trace)":
        arguments = ["trying.py"]
    else:
        assert line.startswith("$ python manage.py "), line
        arguments = line.removeprefix("$ python ").split()
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != "COLUMNS"},
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": str(DOCS.parent),
            "PYTHONIOENCODING": "utf-8",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.stdout


def build(folder: Path, programs: dict[str, str]) -> None:
    """The project, with ``programs`` in place of some of its files."""
    for name, text in (PROJECT | programs).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(LEFT_OUT.get(name, "") + text if name in programs else text)


def sections() -> dict[str, str]:
    """What stands below each heading, up to the next."""
    parts = re.split(r"^#{2,3} (.+)\n", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


RUN = {title: text for title, text in sections().items() if blocks("text", text)}


@pytest.mark.parametrize("title", RUN)
def test_each_program_of_the_page_prints_what_stands_below_it(title: str, tmp_path: Path) -> None:
    [shown] = blocks("text", RUN[title])
    programs = blocks("python", RUN[title])
    build(tmp_path, {each.partition("\n")[0].removeprefix("# "): each for each in programs})
    line, *expected = shown.splitlines()
    printed = run(tmp_path, line)

    place = 0
    for each in expected:
        if each != "...":
            assert each in printed[place:], printed
            place = printed.index(each, place) + len(each)


def test_a_program_of_the_page_names_its_file_and_belongs_to_something_that_is_shown() -> None:
    first_lines = [each.partition("\n")[0] for each in blocks("python", PAGE)]
    assert set(first_lines) == {f"# {name}" for name in LEFT_OUT}
    assert len(blocks("text", PAGE)) == len(RUN) == 31
    assert sum(len(blocks("python", text)) for text in RUN.values()) == len(first_lines)


def test_every_link_of_the_page_leads_somewhere() -> None:
    for file, anchor in re.findall(r"\]\(([\w.-]*)#([\w-]+)\)", PAGE):
        text = (DOCS / file).read_text() if file else PAGE
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in [
            re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings
        ]
    for file in re.findall(r"\]\(([\w.-]+\.md)\)", PAGE):
        assert (DOCS / file).exists()


def test_the_page_leads_to_every_finding_of_a_receiver_that_did_not_run() -> None:
    linked = set(re.findall(r"findings\.md#([\w-]+)", PAGE))
    assert sorted(set(slugs()) - linked) == ELSEWHERE


def test_the_page_is_found_from_where_people_begin() -> None:
    assert "(docs/my-receiver-does-not-run.md)" in (DOCS.parent / "README.md").read_text()
    for page in ("signal_map.md", "findings.md", "panel.md"):
        assert "(my-receiver-does-not-run.md)" in (DOCS / page).read_text()
