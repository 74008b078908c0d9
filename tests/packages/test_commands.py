"""Commands of a project of real packages do what they do without ``trace_signals``."""

from __future__ import annotations

from pathlib import Path

import pytest
from beside import ROOT, assert_as_without, has_picture, manage

pytestmark = pytest.mark.packages

MUSEUM = ROOT / "tests/packages/museum"

MIGRATED = "from django.core.management import call_command; call_command('migrate', verbosity=0); "
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
    "loaddata": ["shell", "-v0", "-c", f"{MIGRATED}call_command('loaddata', 'user.json')"],
    "shell": ["shell", "-v0", "-c", f"{MIGRATED}{SAVE}print('saved')"],
    "test": ["test", "museum_tests", "--pythonpath=."],
    "failing": ["shell", "-v0", "-c", f"{MIGRATED}{SAVE}1/0"],
    "interrupted": [
        *("shell", "-v0", "-c"),
        f"{MIGRATED}{SAVE}import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    ],
    "failing by itself": ["loaddata", "nowhere.json"],
}
STATUS = {"test": 1, "failing": 1, "interrupted": -2, "failing by itself": 1}


@pytest.mark.parametrize("name", COMMANDS)
def test_output_exit_status_and_what_it_writes_to_stderr_are_as_without(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "user.json").write_text(USER)
    (tmp_path / "museum_tests.py").write_text(TESTS)
    command = COMMANDS[name]
    plain = manage(MUSEUM, tmp_path, *command)
    traced = manage(MUSEUM, tmp_path, "trace_signals", *command)

    assert plain.returncode == STATUS.get(name, 0), plain.stderr
    assert_as_without(plain, traced)
    assert has_picture(traced, command[0]) == (name != "failing by itself")
