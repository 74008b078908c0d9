"""Commands of a project of real packages do what they do without ``trace_signals``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from beside import ROOT, assert_as_without, has_picture, manage

pytestmark = pytest.mark.packages

MUSEUM = ROOT / "tests/packages/museum"

# A database in a file, so that it is migrated once for all.
SETTINGS = """
from settings import *

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "museum.sqlite3",
        "TEST": {"MIGRATE": False},
    }
}
"""
SAVE = "from collection.models import Artist; Artist.objects.create(name='Käthe'); "
TESTS = """
from django.contrib.auth.models import User
from django.test import TestCase

class Tests(TestCase):
    def test_that_passes(self):
        User.objects.create_user("ada").delete()

    def test_that_fails(self):
        self.fail("as it should")
"""
USER = '[{"model": "auth.user", "pk": 7, "fields": {"username": "ada", "password": "x"}}]'

COMMANDS = {
    "migrate": ["migrate"],
    "loaddata": ["loaddata", "user.json"],
    "shell": ["shell", "-v0", "-c", f"{SAVE}print('saved')"],
    "test": ["test", "museum_tests"],
    "failing": ["shell", "-v0", "-c", f"{SAVE}1/0"],
    "interrupted": [
        *("shell", "-v0", "-c", f"{SAVE}import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    ],
}
HERE = ["--settings=museum_settings", "--pythonpath=."]
STATUS = {"test": 1, "failing": 1, "interrupted": -2}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated database, and files for the commands."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "museum_settings.py").write_text(SETTINGS)
    (folder / "user.json").write_text(USER)
    (folder / "museum_tests.py").write_text(TESTS)
    ended = manage(MUSEUM, folder, "migrate", "-v0", *HERE)
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_output_exit_status_and_what_it_writes_to_stderr_are_as_without(
    prepared: Path, tmp_path: Path, name: str
) -> None:
    command = [*COMMANDS[name], *HERE]
    ended = []
    for tracing in ([], ["trace_signals"]):
        folder = tmp_path / "museum"  # The same name, which some of them print.
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(prepared, folder)
        ended.append(manage(MUSEUM, folder, *tracing, *command))
    plain, traced = ended

    assert plain.returncode == STATUS.get(name, 0), plain.stderr
    assert_as_without(plain, traced)
    assert has_picture(traced, command[0])
