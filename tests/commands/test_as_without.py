"""``manage.py trace_signals COMMAND`` beside ``manage.py COMMAND``: what the command does is equal.

Both run in processes of their own, on the example site, each with a copy of the same database.
"""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from beside import ROOT, assert_as_without, has_picture, manage

SITE = ROOT / "example_site"

SAVE = "from django.contrib.auth.models import User; User(username='ada').save(); "
FORK = "import os, sys; child = os.fork(); child or sys.exit(3); print(os.waitpid(child, 0)[1])"
USER = '[{"model": "auth.user", "pk": 7, "fields": {"username": "ada", "password": "x"}}]'
TESTS = """
from django.contrib.auth.models import User
from django.test import TestCase

class Tests(TestCase):
    def test_that_passes(self):
        User(username="ada").save()

    def test_that_fails(self):
        self.fail("as it should")
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a migrated database, and files for the commands."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "user.json").write_text(USER)
    (folder / "users_tests.py").write_text(TESTS)
    ended = manage(SITE, folder, "migrate", "-v0")
    assert (ended.returncode, ended.stderr.count("Traceback")) == (0, 0), ended.stderr
    return folder


COMMANDS = {
    "migrate": ["migrate"],
    "loaddata": ["loaddata", "user.json"],
    "a fixture that is not there": ["loaddata", "nowhere.json"],
    "the same with its traceback": ["loaddata", "nowhere.json", "--traceback"],
    "shell -c": ["shell", "-c", f"{SAVE}print('saved')"],
    "shell from a script": ["shell"],
    "tests": ["test", "users_tests", "--pythonpath=."],
    "an own command": ["prepare_demo"],
    "an own command that fails": ["demo_checkout"],
    "one that raises": ["shell", "-c", f"{SAVE}1/0"],
    "one that exits": ["shell", "-c", f"{SAVE}import sys; sys.exit(7)"],
    "one that is interrupted": [
        *("shell", "-c", f"{SAVE}import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    ],
    "one that forks a child, which exits": ["shell", "-c", f"{SAVE}{FORK}"],
    "a prompt": ["flush"],
    "a prompt without an answer": ["flush"],
    "wrong options": ["migrate", "--bogus"],
    "its help": ["migrate", "--help"],
    "no such command": ["migrat"],
    "what it finds in sys.argv": ["shell", "-c", "import sys; print(sys.argv[1:])", "-v0"],
    "options that are ours, behind it": ["shell", "--brief", "-c", "0"],
}
STDIN = {"shell from a script": f"{SAVE}\nprint('from the script')\n", "a prompt": "no\n"}
STATUS = {
    "a fixture that is not there": 1,
    "the same with its traceback": 1,
    "tests": 1,
    "an own command that fails": 1,
    "one that raises": 1,
    "one that exits": 7,
    "one that is interrupted": -signal.SIGINT,
    "a prompt without an answer": 1,
    "wrong options": 2,
    "no such command": 1,
    "options that are ours, behind it": 2,
}


# Those that end before anything is sent, and so have nothing to show.
WITHOUT_A_PICTURE = {
    *("wrong options", "its help", "no such command"),
    "options that are ours, behind it",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_output_exit_status_and_what_it_writes_to_stderr_are_as_without(
    prepared: Path, tmp_path: Path, name: str
) -> None:
    ended = []
    for tracing in ([], ["trace_signals"]):
        folder = tmp_path / "site"  # The same name, which some of them print.
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(prepared, folder)
        arguments = [*tracing, *COMMANDS[name]]
        ended.append(manage(SITE, folder, *arguments, stdin=STDIN.get(name, "")))
    plain, traced = ended

    assert plain.returncode == STATUS.get(name, 0), plain.stderr
    assert_as_without(plain, traced)
    assert has_picture(traced, COMMANDS[name][0]) == (name not in WITHOUT_A_PICTURE)


def test_a_forked_child_writes_no_file_shows_nothing_live_and_complains_of_nothing(
    prepared: Path,
) -> None:
    file = prepared / "trace.json"
    ended = manage(
        SITE,
        prepared,
        *("trace_signals", "--live", "--fail-on=info", f"--json={file}", "shell", "-v0", "-c"),
        "import os, sys; child = os.fork(); "
        "from django.contrib.auth.models import User; User(username=f'ada {child}').save(); "
        "child or sys.exit(3); "
        f"print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), open({str(file)!r}).read())",
    )

    assert ended.stdout == "3 \n"
    assert ended.stderr.count("post_save  sender=auth.User") == ended.stderr.count("Wrote ") == 1
