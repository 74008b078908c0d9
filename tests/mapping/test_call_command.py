"""``call_command("signal_map", ...)``: each option by keyword, as a test of a project gives it."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.dispatch import Signal

from signal_tracer.management import commands
from signal_tracer.management.commands import signal_traces
from signal_tracer.management.commands.signal_map import Command

rung = Signal()
RUNG = f"{__name__}.rung"


def hear(**kwargs: Any) -> None:
    """Hears the bell."""


@pytest.fixture(autouse=True)
def bell() -> Iterator[None]:
    rung.connect(hear)
    yield
    rung.receivers = []


def signal_map(*arguments: str, **options: Any) -> tuple[str, str]:
    """What the command prints, and what it says beside."""
    out, beside = io.StringIO(), io.StringIO()
    call_command("signal_map", *arguments, stdout=out, stderr=beside, **options)
    return out.getvalue(), beside.getvalue()


def refusal(**options: Any) -> str:
    with pytest.raises(CommandError) as raised:
        signal_map(**options)
    assert raised.value.returncode == 1
    return str(raised.value)


# The same as from the shell


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--signal", RUNG], {"signal": RUNG}),
        (["--signal", RUNG], {"signal": [RUNG]}),
        (["--signal", RUNG, "--signal", "post_init"], {"signal": (RUNG, "post_init")}),
        (["--sender", "any"], {"sender": "any"}),
        (["--receiver", "*.hear"], {"receiver": ["*.hear"]}),
        (["--app", "shop"], {"app": "shop"}),
        (["--project-only"], {"project_only": True}),
        (["--unheard"], {"unheard": True}),
        (["--signal", RUNG, "--load-urls"], {"signal": RUNG, "load_urls": True}),
        (["--signal", RUNG, "--format", "json"], {"signal": RUNG, "format": "json"}),
        (["--explain", RUNG, "shop.Order"], {"explain": [RUNG, "shop.Order"]}),
        (["--explain", RUNG, "shop.Order"], {"explain": (RUNG, "shop.Order")}),
        (["--explain", RUNG, "shop.Order"], {"explain": f"{RUNG} shop.Order"}),
        (["--signal", RUNG, "--fail-on", "error"], {"signal": RUNG, "fail_on": "error"}),
        (["--signal", RUNG, "--no-color"], {"signal": RUNG, "no_color": True}),
        (["--signal", RUNG, "--verbosity", "2"], {"signal": RUNG, "verbosity": 2}),
        (["--signal", RUNG], {"signal": RUNG, "explain": None, "project_only": False}),
    ],
)
def test_an_option_does_by_keyword_what_it_does_in_a_shell(
    arguments: list[str], options: dict[str, Any]
) -> None:
    # Signals of other tests that are garbage would be in the first map only, and what the first
    # map leaves as garbage refers to receivers that nothing else keeps alive.
    gc.collect()
    by_keyword = signal_map(**options)
    gc.collect()

    assert by_keyword == signal_map(*arguments)


@pytest.mark.parametrize("as_given", [str, Path])
def test_a_file_may_be_a_text_or_a_path(tmp_path: Path, as_given: Callable[[Path], Any]) -> None:
    kept, output = tmp_path / "kept.json", tmp_path / "map.txt"

    assert "Kept 1 connection of 1 signal" in signal_map(signal=RUNG, write=as_given(kept))[0]
    assert signal_map(check=as_given(kept))[0] == f"The signal map is as it was kept in {kept}.\n"
    assert signal_map(signal=RUNG, format="tree", output=as_given(output)) == (
        "",
        f"Wrote {output}.\n",
    )
    assert output.read_text() == signal_map(signal=RUNG, format="tree")[0]


# What is refused


class Hostile:
    """An object of the user's that does not want to be described."""

    def __str__(self) -> str:
        raise AssertionError("nobody may ask")

    __repr__ = __str__


CHOICES = "(choose from 'table', 'tree', 'json', 'markdown', 'mermaid', 'dot')"
EXPLAIN = "--explain takes SIGNAL and SENDER, as a list or as a str of them"
SIGNAL = "django.dispatch.dispatcher.Signal"
LEVELS = "(choose from 'error', 'warning', 'info')"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "bogus"}, f"Error: argument --format: invalid choice: 'bogus' {CHOICES}"),
        ({"format": ""}, f"Error: argument --format: invalid choice: '' {CHOICES}"),
        (
            {"format": 5},
            "--format takes one of table, tree, json, markdown, mermaid, dot; it was given a int.",
        ),
        (
            {"format": ["json"]},
            "--format takes one of table, tree, json, markdown, mermaid, dot; it was given a list.",
        ),
        ({"fail_on": "bogus"}, f"Error: argument --fail-on: invalid choice: 'bogus' {LEVELS}"),
        ({"fail_on": True}, "--fail-on takes one of error, warning, info; it was given a bool."),
        (
            {"explain": "post_save"},
            f"{EXPLAIN}; it was given 1.",
        ),
        (
            {"explain": []},
            f"{EXPLAIN}; it was given 0.",
        ),
        (
            {"explain": ["post_save", "shop.Order", "shop.Product"]},
            f"{EXPLAIN}; it was given 3.",
        ),
        (
            {"explain": 5},
            f"{EXPLAIN}; it was given a int.",
        ),
        (
            {"explain": [rung, "shop.Order"]},
            f"{EXPLAIN}; it was given a {SIGNAL}.",
        ),
        (
            {"write": ""},
            "Error: argument --write: give the name of a file, not an empty text",
        ),
        ({"write": 5}, "--write takes FILE, as a str or a pathlib.Path; it was given a int."),
        ({"check": True}, "--check takes FILE, as a str or a pathlib.Path; it was given a bool."),
        ({"check": b"a"}, "--check takes FILE, as a str or a pathlib.Path; it was given a bytes."),
        (
            {"output": Hostile()},
            f"--output takes FILE, as a str or a pathlib.Path; it was given a {__name__}.Hostile.",
        ),
        (
            {"write": "a\0b"},
            (
                r"a\x00b cannot be written (embedded null byte). Give another file, or make its "
                "folder."
            ),
        ),
        ({"check": "a\0b"}, r"a\x00b cannot be read (embedded null byte)."),
        (
            {"signal": rung},
            f"--signal takes NAME, as a str or a list of such; it was given a {SIGNAL}.",
        ),
        (
            {"app": ["shop", 5]},
            "--app takes NAME, as a str or a list of such; it was given a int.",
        ),
        ({"project_only": "no"}, "--project-only takes True or False; it was given a str."),
        ({"unheard": 1}, "--unheard takes True or False; it was given a int."),
        ({"load_urls": []}, "--load-urls takes True or False; it was given a list."),
        (
            {"verbosity": "loud"},
            "Error: argument -v/--verbosity: invalid int value: 'loud'",
        ),
        ({"verbosity": [1]}, "--verbosity takes one of 0, 1, 2, 3; it was given a list."),
    ],
)
def test_a_wrong_value_is_refused_with_the_option_and_what_it_takes(
    options: dict[str, Any], message: str
) -> None:
    # Python 3.12 and newer spell the choices of argparse without quotes.
    assert refusal(**options).replace("'", "") == message.replace("'", "")


@pytest.mark.parametrize("name", ["signal", "sender", "receiver", "app"])
def test_an_empty_name_is_no_filter_that_lets_all_through(name: str) -> None:
    assert refusal(**{name: ""}).startswith(f"--{name}: nothing goes by ''.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"write": "a", "check": "b"}, "Give either --write or --check, not both."),
        ({"explain": "a b", "check": "c"}, "Give either --explain or --check, not both."),
        ({"explain": "a b", "format": "json"}, "Give either --explain or --format, not both."),
        ({"explain": "a b", "signal": "c"}, "Give either --explain or --signal, not both."),
        (
            {"explain": "a b", "project_only": True},
            "Give either --explain or --project-only, not both.",
        ),
        ({"write": "a", "format": "json"}, "Give either --write or --format, not both."),
        ({"write": "a", "output": "b"}, "Give either --write or --output, not both."),
        ({"check": "a", "format": "json"}, "Give either --check or --format, not both."),
        ({"check": "a", "output": "b"}, "Give either --check or --output, not both."),
    ],
)
def test_what_would_be_left_out_in_silence_is_refused(
    options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert refusal(**options) == message
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_is_one_line_that_a_terminal_obeys_nothing_of(tmp_path: Path) -> None:
    assert refusal(check=tmp_path / "a\x1b[31m\nb\u202e").startswith(
        rf"There is no {tmp_path}/a\x1b[31m\nb\u202e. Keep the map in it first:"
    )


def test_every_option_of_every_command_refuses_an_object_that_is_no_value() -> None:
    with_keywords = {"signal_map": Command(), "signal_traces": signal_traces.Command()}
    assert {path.stem for path in Path(commands.__path__[0]).glob("*.py")} == {
        "__init__",
        *with_keywords,
        "trace_signals",  # which has no keywords: its options stand before another command
    }, "a new command belongs into this test"

    for command, made in with_keywords.items():
        options = {
            action.dest: action.option_strings[-1]
            for action in made.create_parser("manage.py", command)._actions
            if action.dest not in ("help", "version", "args")
        }
        assert len(options) >= 12
        for name, spelled in options.items():
            with pytest.raises(CommandError) as raised:
                call_command(command, **{name: Hostile()})
            assert str(raised.value).startswith(f"{spelled} takes ")


def test_a_shell_refuses_an_empty_file_name_too() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "signal_map", "--write", ""],
        cwd=Path(__file__).parents[2] / "example_site",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.endswith(
        "error: argument --write: give the name of a file, not an empty text\n"
    )
