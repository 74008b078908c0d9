"""Known, new and mended findings on a project of real packages, over its tests and over its map."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.packages

MUSEUM = Path(__file__).parent / "museum"
# The plugin by its module: whether the package is installed does not matter.
INI = """
[pytest]
DJANGO_SETTINGS_MODULE = settings
pythonpath = .
addopts = -p no:signal_tracer -p signal_tracer.pytest_plugin -p no:cacheprovider --nomigrations
"""
TESTS = """
import pytest
import visit

pytestmark = pytest.mark.django_db


@pytest.fixture
def web(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    visit.prepare()
    web = visit.Visitor([])
    web.fill("/admin/login/", username="director", password="secret", next="/admin/")
    web.fill(
        "/admin/collection/painting/add/",
        title="The Mill",
        department="2",
        artists=["1"],
        picture=visit.picture("mill.jpg"),
    )
    return web


def test_urgent_reports(web):
    web.fill("/admin/collection/report/add/", item="1", text="Woodworm", is_urgent="on")


def test_masterpieces(web):
    web.fill("/admin/collection/masterpiece/1/change/", technique="oil on canvas")


def test_marking(web):
    chosen = {"_selected_action": ["1"], "index": "0"}
    web.post("/admin/collection/painting/", {"action": "mark_checked", **chosen})


def test_reports(web):
    web.fill("/admin/collection/report/add/", item="1", text="Dust")
"""
# Connected to the model, which does not send it.
NEW_FAULT = """

@receiver(m2m_changed, sender=Item)
def count_artists(**kwargs):
    \"\"\"A new fault.\"\"\"
"""
# One finding less, and another in its place.
LOOKS_AT_RAW = (
    (
        "def count_notes(instance, created, **kwargs):\n"
        '    """How many notes somebody has not read."""\n'
    ),
    "def count_notes(instance, created, raw, **kwargs):\n    if raw:\n        return\n",
)
NOBODY_IS_TOLD = ("if not report.is_urgent:", "if True:  # nobody wants to hear of it")


class Museum:
    """A copy of the project, with tests of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "museum"
        shutil.copytree(MUSEUM, self.folder, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / "pytest.ini").write_text(INI)
        (self.folder / "test_museum.py").write_text(TESTS)
        self.receivers = self.folder / "collection" / "receivers.py"
        self.kept = self.folder / "kept.json"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "ignore", *arguments],
            cwd=self.folder,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "settings", "PYTHONDONTWRITEBYTECODE": ""},
            capture_output=True,
            text=True,
        )

    def test(self, *options: str) -> tuple[int, list[str]]:
        """The exit code of pytest, and what it says of findings."""
        done = self.run("-m", "pytest", "-q", "-W", "ignore", "--signal-findings", *options)
        assert "4 passed" in done.stdout, done.stdout + done.stderr
        said = done.stdout.partition("= signal findings =")[2].splitlines()[1:]
        return done.returncode, [line for line in said if " passed in " not in line]

    def map(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run("manage.py", "signal_map", "--load-urls", "--fail-on", "info", *options)

    def move_code_by_ten_lines(self) -> None:
        for file in self.folder.glob("collection/*.py"):
            file.write_text("# A line of a comment.\n" * 10 + file.read_text())

    def change(self, *pair: str) -> None:
        source = self.receivers.read_text()
        assert pair[0] in source
        self.receivers.write_text(source.replace(*pair))


@pytest.fixture
def museum(tmp_path: Path) -> Museum:
    return Museum(tmp_path)


def about(said: list[str]) -> list[str]:
    """Which findings: ``warning near-miss``, ``known warning near-miss``."""
    return [line.partition(":")[0] for line in said if not line.startswith(" ")]


def test_two_workers_say_the_same_as_one(museum: Museum) -> None:
    alone, two = museum.test(), museum.test("-n2")

    assert alone == two
    assert alone[0] == pytest.ExitCode.TESTS_FAILED
    assert alone[1][-1] == "FAILED: 12 findings of level warning or worse"
    assert about(alone[1])[:-1] == [
        "warning bulk-bypass",
        "warning bulk-bypass",
        "warning near-miss",
        "warning near-miss",
        "warning near-miss",
        "warning near-miss",
        "warning repeated-save",
        "warning query-in-loop",
        "warning recursion",
        "warning deep-nesting",
        "warning connected-late",
        "warning connected-late",
    ]


def test_over_tests_only_a_new_finding_fails_and_a_mended_one_is_told(museum: Museum) -> None:
    kept = f"--signal-baseline={museum.kept}"
    code, said = museum.test(kept, "--signal-write-baseline")
    written = museum.kept.read_text()
    assert code == pytest.ExitCode.OK
    assert said[-1] == (
        f"Kept 12 findings in {museum.kept} as known: from now on only others fail."
    )

    museum.move_code_by_ten_lines()
    code, said = museum.test(kept, "--signal-write-baseline")
    assert code == pytest.ExitCode.OK
    assert {each[:13] for each in about(said)[:-1]} == {"known warning"}
    assert museum.kept.read_text() == written

    museum.change(*NOBODY_IS_TOLD)
    museum.receivers.write_text(museum.receivers.read_text() + NEW_FAULT)
    sarif = museum.folder / "found.sarif"
    code, said = museum.test(kept, f"--signal-sarif={sarif}")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert said[0].startswith("warning near-miss: collection.receivers.count_artists did not run")
    assert {each[:13] for each in about(said)[1:11]} == {"known warning"}
    assert said[-5:] == [
        f"2 known findings of {museum.kept} mended, which --signal-write-baseline takes out of it:",
        "  deep-nesting of collection.signals.report_filed, django.db.models.signals.post_save",
        "  query-in-loop of collection.receivers.tell_curators",
        f"Written: {sarif}",
        "FAILED: 1 new finding of level warning or worse",
    ]
    states = [each["baselineState"] for each in json.loads(sarif.read_text())["runs"][0]["results"]]
    assert (states.count("new"), states.count("unchanged")) == (1, 10)


def test_over_the_map_only_a_new_finding_fails_and_a_mended_one_is_told(museum: Museum) -> None:
    kept = ("--baseline", str(museum.kept))
    first = museum.map(*kept, "--write-baseline")
    written = museum.kept.read_text()
    assert first.returncode == 0, first.stderr

    museum.move_code_by_ten_lines()
    moved = museum.map(*kept, "--write-baseline")
    assert moved.returncode == 0, moved.stderr
    assert museum.kept.read_text() == written

    museum.change(*LOOKS_AT_RAW)
    changed = museum.map(*kept)
    assert changed.returncode == 1
    assert changed.stdout.startswith(
        "1 finding: 1 info\n\n"
        "  info undocumented-receiver\n"
        "    collection.receivers.count_notes, which hears django.db.models.signals.post_save, has "
        "no docstring.\n"
    )
    # All but the mended one, however many rules there are; two lines that update() loans go by the
    # same names, and are known by one entry.
    count = len(json.loads(written)["findings"]) - 1 + 1
    assert f"\n{count} known findings\n  known warning duplicate-receiver: " in changed.stdout
    assert (
        f"1 known finding of {museum.kept} mended, which --write-baseline takes out of it:\n"
        "  ignores-raw of collection.Note, collection.receivers.count_notes, "
        "django.db.models.signals.post_save\n"
    ) in changed.stderr
    assert changed.stderr.endswith(
        "CommandError: The signal map has 1 new finding of level info or worse.\n"
    )
