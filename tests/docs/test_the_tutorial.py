"""The tutorial is followed to the letter: its files, settings and commands, in its order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("debug_toolbar")

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
STEP = re.compile(
    r"(?P<not_run><!-- not run: [^\n]+ -->\n)?"
    r"```(?:\{literalinclude\} (?P<source>\S+)\n:caption: (?P<name>\S+)|(?P<language>sh|python)"
    r"|\{(?:managed|(?P<mapped>mapped))\} \S+ (?P<line>[^\n]+))\n"
    r"(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


class Followed:
    """A project in an empty folder, in which somebody does what the page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed: list[tuple[str, str]] = []
        self.call(sys.executable, "-m", "django", "startproject", "mysite", ".")

    def call(self, *words: str) -> str:
        done = subprocess.run(
            words,
            cwd=self.folder,
            env={
                **{name: it for name, it in os.environ.items() if not name.startswith("DJANGO_")},
                "PYTHONPATH": str(ROOT),
                "PYTHONIOENCODING": "utf-8",
                "COLUMNS": "100",
                "NO_COLOR": "1",
            },
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def follow(self, page: str) -> None:
        for step in STEP.finditer(page):
            if step["source"]:
                source = (PAGE.parent / step["source"]).read_text()
                (self.folder / step["name"]).write_text(source)
            elif step["language"] == "python":
                named = re.findall(r"`(mysite/\w+\.py)`", page[: step.start()])[-1]
                with (self.folder / named).open("a") as file:
                    file.write("\n" + step["text"])
            elif step["line"]:
                self.run(("signal_map " if step["mapped"] else "") + step["line"])
            elif not step["not_run"]:
                for line in step["text"].splitlines():
                    self.run(line.removeprefix("python manage.py "))

    def run(self, line: str) -> None:
        printed = self.call(sys.executable, "manage.py", *shlex.split(line))
        self.printed.append((line, printed))

    def printed_by(self, part: str) -> list[str]:
        """What each command printed in which this stands."""
        return [printed for line, printed in self.printed if part in line]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    reader = Followed(tmp_path_factory.mktemp("tutorial"))
    reader.follow(PAGE.read_text())
    return reader


def test_the_first_trace_has_no_receiver_and_after_the_repair_it_has(followed: Followed) -> None:
    before, after = followed.printed_by("Post.objects.create")

    assert "0 dispatches · 0 receiver calls" in before
    assert "django.db.models.signals.post_save sender=blog.Post × 1" in before
    assert "1 dispatch · 1 receiver call" in after
    assert "blog.receivers.index_post" in after


def test_the_first_finding_names_the_repair_and_is_gone_after_it(followed: Followed) -> None:
    before, after = followed.printed_by("--missing")

    assert "! error missing-receiver" in before
    assert "Give BlogConfig (blog/apps.py:4) a ready() with `import blog.receivers`." in before
    assert after == "All that the project's source is seen to connect is connected.\n"


def test_until_it_is_mended_the_system_check_fails(followed: Followed) -> None:
    config = followed.folder / "blog" / "apps.py"
    mended = config.read_text()
    config.write_text(mended[: mended.index("    def ready")])
    try:
        with pytest.raises(AssertionError, match=r"signal_tracer\.E121"):
            followed.call(sys.executable, "manage.py", "check")
    finally:
        config.write_text(mended)


def test_the_next_finding_is_the_one_that_the_page_shows(followed: Followed) -> None:
    (printed,) = followed.printed_by("bulk_create")

    assert "blog.receivers.index_post  SKIPPED" in printed
    assert "! warning bulk-bypass" in printed


def test_the_settings_at_the_end_are_without_a_fault(followed: Followed) -> None:
    (printed,) = followed.printed_by("check")

    assert printed == "System check identified no issues (0 silenced).\n"


def test_the_page_has_a_step_for_each_file_and_line_of_a_project() -> None:
    # Named here, so that "tutorial.md" is known to be tested.
    steps = [step["name"] or step["language"] for step in STEP.finditer(PAGE.read_text())]

    assert steps.count("blog/models.py") == steps.count("blog/apps.py") == 1
    assert steps.count("python") == 4
