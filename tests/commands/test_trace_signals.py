"""``manage.py trace_signals``: its options, what it shows, and what it refuses."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import management
from django.core.management import CommandError, ManagementUtility, call_command
from django.core.management.base import BaseCommand
from django.dispatch import Signal

from signal_tracer import Trace
from signal_tracer.management.commands import trace_signals as module

paid, shipped = Signal(), Signal()
SEND = "from test_trace_signals import shipped; shipped.send('the shop')"
reported: list[Trace] = []


def keep(trace: Trace) -> None:
    reported.append(trace)


def receipt(sender: object, **kwargs: object) -> str:
    return "sent"


def ship(sender: object, **kwargs: object) -> None:
    shipped.send("the shop")


def fail(sender: object, **kwargs: object) -> None:
    raise ValueError("no paper")


@pytest.fixture(autouse=True)
def receivers(settings: Any) -> Iterator[None]:
    settings.SIGNAL_TRACER = {}
    paid.connect(receipt)
    paid.connect(ship)
    shipped.connect(receipt)
    yield
    paid.receivers = []
    shipped.receivers = []
    reported.clear()


class Own(BaseCommand):
    """A command of the project's, which does what a test wants."""

    requires_system_checks = ()

    def __init__(self, does: Callable[..., object]) -> None:
        super().__init__()
        self.does = does

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("rest", nargs="*")
        parser.add_argument("--signal", default="")
        parser.add_argument("--limit", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> Any:
        return self.does(**options)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., object]], None]:
    """Gives the command ``own`` something to do."""
    commands = management.get_commands()

    def provide(does: Callable[..., object]) -> None:
        monkeypatch.setattr(management, "get_commands", lambda: {**commands, "own": Own(does)})

    return provide


def run(*arguments: str) -> int:
    """As the command line does; the exit status."""
    try:
        ManagementUtility(["manage.py", "trace_signals", *arguments]).execute()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def pay(**options: Any) -> None:
    paid.send("the shop", total=9)


# What is shown


def test_the_picture_of_the_whole_command_comes_to_stderr_after_its_own_output(
    own: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    own(lambda **options: print("paying") or pay())

    assert run("own") == 0
    output, picture = capsys.readouterr()
    assert output == "paying\n"
    assert picture.splitlines()[0] == ""
    assert re.fullmatch(r"manage\.py own +[\d.]+ (µs|ms)", picture.splitlines()[1])
    assert picture.splitlines()[2] == "2 dispatches · 3 receiver calls"
    assert "test_trace_signals.paid.send  sender='the shop'" in picture


def test_what_other_threads_send_is_in_the_trace(
    own: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def in_a_thread(**options: Any) -> None:
        thread = threading.Thread(target=pay)
        thread.start()
        thread.join()

    own(in_a_thread)

    assert run("own") == 0
    assert "2 dispatches · 3 receiver calls" in capsys.readouterr().err


def test_the_trace_is_given_to_the_reporters_of_the_setting_but_shown_once(
    own: Any, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SIGNAL_TRACER = {
        "REPORTERS": ["signal_tracer.showing.console.report", "test_trace_signals.keep"]
    }
    own(pay)

    assert run("own") == 0
    assert [trace.name for trace in reported] == ["manage.py own"]
    assert capsys.readouterr().err.count("manage.py own") == 1


def test_a_reporter_that_cannot_be_imported_is_logged_and_all_else_goes_on(
    own: Any, settings: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings.SIGNAL_TRACER = {"REPORTERS": ["no.such.reporter"]}
    own(pay)

    assert run("own") == 0
    assert "2 dispatches" in capsys.readouterr().err
    assert [each.getMessage() for each in caplog.records] == [
        (
            "The reporter 'no.such.reporter' of SIGNAL_TRACER['REPORTERS'] failed; "
            "the traced code went on."
        )
    ]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyboardInterrupt(), "Interrupted. What signals did up to there:"),
        (ValueError("7"), "Ended by ValueError. What signals did up to there:"),
    ],
)
def test_what_was_recorded_before_an_exception_is_shown_and_the_exception_is_the_very_one(
    own: Any, capsys: pytest.CaptureFixture[str], error: BaseException, words: str
) -> None:
    def stop(**options: Any) -> None:
        pay()
        raise error

    own(stop)
    hook = sys.excepthook
    try:
        with pytest.raises(type(error)) as raised:
            run("own")
    finally:
        sys.excepthook = hook

    assert raised.value is error
    picture = capsys.readouterr().err
    assert words in picture
    assert "2 dispatches · 3 receiver calls" in picture


def test_interrupted_before_the_trace_could_begin_it_shows_nothing(
    own: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    own(pay)
    monkeypatch.setattr(module, "Follower", interrupted)
    hook = sys.excepthook
    try:
        with pytest.raises(KeyboardInterrupt):
            run("--live", "own")
    finally:
        sys.excepthook = hook

    assert capsys.readouterr() == ("", "")


# --signal


def test_with_signal_that_signal_alone_is_kept_and_the_others_are_counted(
    own: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own(lambda **options: [pay() for _ in range(3)] and None)

    assert run("--signal", "shipped", "--json", str(tmp_path / "trace.json"), "own") == 0
    picture = capsys.readouterr().err
    assert "manage.py own, only shipped" in picture
    assert "3 dispatches · 3 receiver calls" in picture
    assert "3 dispatches of other signals left out by --signal." in picture
    assert "EXCLUDE_SIGNALS" not in picture
    trace = Trace.from_dict(json.loads((tmp_path / "trace.json").read_text()))
    assert {each.signal for each in trace.walk()} == {"test_trace_signals.shipped"}
    assert trace.excluded == 0


def test_signal_is_a_name_its_last_parts_or_a_pattern_and_may_be_given_again(
    own: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    own(pay)

    for names in (["*.paid", "shipped"], ["test_trace_signals.*"], ["paid", "nothing"]):
        assert run(*(f"--signal={name}" for name in names), "own") == 0
    pictures = capsys.readouterr().err
    assert pictures.count("2 dispatches · 3 receiver calls") == 2
    assert pictures.count("1 dispatch · 2 receiver calls") == 1
    assert pictures.count("1 dispatch of other signals left out by --signal.") == 1


def test_where_nothing_is_kept_it_says_what_else_was_sent(
    own: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    own(pay)

    assert run("--signal", "payd", "own") == 0
    assert [each.rstrip() for each in capsys.readouterr().err.splitlines()[2:]] == [
        "0 dispatches · 0 receiver calls",
        "",
        "  Nothing was sent that --signal asks for (payd).",
        "2 dispatches of other signals left out by --signal.",
        "They were: test_trace_signals.paid, test_trace_signals.shipped.",
    ]
    own(lambda **options: None)
    assert run("own") == 0
    assert "No signal was sent while the command ran." in capsys.readouterr().err


def test_only_what_is_kept_takes_room(
    own: Any, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 2}
    own(lambda **options: [pay() for _ in range(2)] and None)

    assert run("--signal=shipped", "own") == 0
    picture = capsys.readouterr().err
    assert "2 dispatches · 2 receiver calls" in picture
    assert "not kept" not in picture


# --json, --perfetto, --fail-on


def test_the_trace_is_written_for_programs_and_for_perfetto(
    own: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def go_elsewhere(**options: Any) -> None:
        (tmp_path / "below").mkdir()
        os.chdir(tmp_path / "below")
        pay()

    own(go_elsewhere)

    assert run("--json=trace.json", "--perfetto=slices.json", "own") == 0
    trace = Trace.from_dict(json.loads((tmp_path / "trace.json").read_text(encoding="utf-8")))
    assert (trace.name, len(trace.receiver_calls())) == ("manage.py own", 3)
    slices = json.loads((tmp_path / "slices.json").read_text(encoding="utf-8"))
    assert slices["otherData"]["name"] == "manage.py own"
    assert f"Wrote {tmp_path}/trace.json." in capsys.readouterr().err


def test_a_file_is_written_also_when_the_command_fails(own: Any, tmp_path: Path) -> None:
    def stop(**options: Any) -> None:
        pay()
        raise CommandError("no more orders", returncode=4)

    own(stop)

    assert run("--json", str(tmp_path / "trace.json"), "own") == 4
    trace = Trace.from_dict(json.loads((tmp_path / "trace.json").read_text()))
    assert len(trace.dispatches) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--json={folder}/nowhere/trace.json"],
            (
                "--json cannot write {folder}/nowhere/trace.json (No such file or directory), and "
                "nothing was run. Name a file in a folder that exists and is yours."
            ),
        ),
        (
            ["--perfetto={folder}"],
            (
                "--perfetto cannot write {folder} (Is a directory), and nothing was run. Name a "
                "file in a folder that exists and is yours."
            ),
        ),
        (
            ["--json={folder}/a", "--perfetto={folder}/a"],
            "--json and --perfetto cannot both write {folder}/a.",
        ),
        (["--json=-"], "--json wants a file: stdout is the command's own."),
        (["--brief", "--verbosity=2"], "--verbosity is an option of own, and stands behind it."),
        (["--traceback"], "--traceback is an option of own, and stands behind it."),
    ],
)
def test_what_cannot_be_done_is_said_before_the_command_runs(
    own: Any,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    own(lambda **options: pytest.fail("it ran"))

    assert run(*(each.format(folder=tmp_path) for each in arguments), "own") == 1
    assert capsys.readouterr().err == f"CommandError: {message.format(folder=tmp_path)}\n"


def test_a_file_that_stands_there_is_kept_until_the_trace_is_written(
    own: Any, tmp_path: Path
) -> None:
    file = tmp_path / "trace.json"
    file.write_text("of yesterday")
    seen = []
    own(lambda **options: seen.append(file.read_text()))

    assert run(f"--json={file}", "own") == 0
    assert seen == ["of yesterday"]
    assert json.loads(file.read_text())["name"] == "manage.py own"


def test_a_file_that_can_be_written_no_more_is_a_failure_of_its_own(
    own: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()

    def remove(**options: Any) -> None:
        (folder / "trace.json").unlink()
        folder.rmdir()

    own(remove)

    assert run(f"--json={folder}/trace.json", "own") == 1
    assert capsys.readouterr().err.endswith(
        f"CommandError: {folder}/trace.json cannot be written (No such file or directory).\n"
    )


def test_fail_on_is_an_exit_status_of_1_for_findings_of_that_level(
    own: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    paid.connect(fail)
    own(lambda **options: paid.send_robust("the shop") and None)

    assert run("--fail-on=error", "own") == 1
    assert capsys.readouterr().err.endswith(
        "CommandError: The trace has 1 finding of level error in the project's own code.\n"
    )
    paid.disconnect(fail)
    assert run("--fail-on=error", "own") == 0


def test_the_exit_status_of_a_command_that_fails_is_its_own(own: Any) -> None:
    paid.connect(fail)

    def stop(**options: Any) -> None:
        paid.send_robust("the shop")
        raise CommandError("no more orders", returncode=4)

    own(stop)
    assert run("--fail-on=error", "own") == 4

    own(lambda **options: paid.send_robust("the shop") and sys.exit(0))
    assert run("--fail-on=error", "own") == 1


# What stands where


def test_options_behind_the_command_are_its_own_also_those_named_like_ours(
    own: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []
    own(lambda **options: seen.append((options["signal"], options["limit"], options["rest"])))

    assert run("--signal=paid", "own", "--signal=a", "--limit", "3", "--", "--live", "x") == 0
    assert seen == [("a", 3, ["--live", "x"])]
    assert "manage.py own, only paid" in capsys.readouterr().err


def test_an_option_of_ours_is_not_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--sig", "own") == 2
    assert capsys.readouterr().err.endswith("error: unrecognized arguments: --sig\n")


def test_without_a_command_it_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--brief") == 1
    assert capsys.readouterr().err == (
        "CommandError: Name the command to run, such as: manage.py trace_signals migrate. Options "
        "of trace_signals stand before it, its own behind it.\n"
    )


def test_a_server_that_serves_elsewhere_is_refused_with_the_way_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("runserver", "8001") == 1
    assert "put SignalTracerMiddleware into MIDDLEWARE" in capsys.readouterr().err


def test_brief_and_full_are_one_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--brief", "--full", "own") == 2
    assert "argument --full: not allowed with argument --brief" in capsys.readouterr().err


# From code


@pytest.mark.django_db
def test_from_code_it_writes_to_the_stream_it_is_given_and_raises_what_the_command_raises(
    own: Any,
) -> None:
    output, picture = io.StringIO(), io.StringIO()
    call_command(
        *("trace_signals", "shell", "-c", "from django.contrib.auth.models import User; "),
        *("--verbosity=0",),
        stdout=output,
        stderr=picture,
    )
    assert "manage.py shell" in picture.getvalue()

    with pytest.raises(CommandError, match=r"^Unknown command: 'nowhere'$"):
        call_command("trace_signals", "nowhere", stderr=io.StringIO())
    with pytest.raises(CommandError, match=r"^Name the command to run"):
        call_command("trace_signals")
    assert not User.objects.exists()


def test_from_code_findings_are_an_error_and_options_may_be_keywords(own: Any) -> None:
    paid.connect(fail)
    own(lambda **options: paid.send_robust("the shop") and None)

    with pytest.raises(CommandError, match=r"^The trace has 1 finding of level error"):
        call_command("trace_signals", "own", fail_on="error", stderr=io.StringIO())


# --live


def test_live_shows_each_outermost_dispatch_as_it_ends(
    own: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    paid.connect(fail)
    seen: list[str] = []

    def work(**options: Any) -> None:
        paid.send_robust("the shop")
        seen.append(capsys.readouterr().err)
        shipped.send("the shop")
        seen.append(capsys.readouterr().err)
        shipped.disconnect(receipt)
        shipped.send("nobody")
        seen.append(capsys.readouterr().err)

    own(work)

    assert run("--live", "own") == 0
    lines = [re.sub(r" *\+?[\d.]+ (µs|ms)", " 1 ms", each) for each in seen]
    assert lines == [
        (
            "! 1 ms  paid  sender='the shop' · 1 nested dispatch 1 ms\n"
            "            4 receiver calls · 1 swallowed\n"
        ),
        " 1 ms  shipped  sender='the shop' · 1 receiver call 1 ms\n",
        "",
    ]


def test_live_counts_those_beyond_the_limit_and_says_so_once(
    own: Any, settings: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 2}
    monkeypatch.setattr(module, "BETWEEN_COUNTS", 0)
    counted: list[str] = []
    monkeypatch.setattr(module.BottomLine, "show", lambda self, text: counted.append(text))
    own(lambda **options: [shipped.send("the shop") for _ in range(5)] and None)

    assert run("--live", "own") == 0
    assert [each.partition(" in ")[0] for each in counted] == [
        *("1 dispatch", "2 dispatches", "3 dispatches", "4 dispatches", "5 dispatches")
    ]
    said = capsys.readouterr().err
    assert said.count("ms  shipped  sender=") + said.count("µs  shipped  sender=") == 2
    assert said.count("The trace is full: from here on dispatches are only counted.") == 1
    assert "3 dispatches were sent and not kept, because the trace was full." in " ".join(
        said.split()
    )


def test_of_two_live_commands_one_within_the_other_both_are_and_it_is_said(
    own: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    def work(**options: Any) -> None:
        shipped.send("the shop")
        capsys.readouterr()
        call_command("trace_signals", "shell", "-c", SEND, live=True)
        live.append(capsys.readouterr().err.partition("\nmanage.py shell")[0])
        shipped.send("the shop")
        live.append(capsys.readouterr().err)

    live: list[str] = []
    own(work)

    assert run("--live", "own") == 0
    assert [each.rstrip() for each in live[0].splitlines()[:2]] == [
        "shell is shown live within own, which is so too: what is sent in both stands",
        "here once for each.",
    ]
    assert [each.count("shipped  sender='the shop' · 1 receiver call") for each in live] == [2, 1]


def test_live_on_a_stream_that_is_closed_disturbs_nobody(own: Any) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    seen: list[object] = []
    own(lambda **options: seen.append(shipped.send("the shop")))
    call_command("trace_signals", "own", live=True, stderr=Closed())

    assert seen == [[(receipt, "sent")]]


def test_live_shows_async_and_nested_dispatches_and_those_that_raise(
    own: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async def hear(sender: object, **kwargs: object) -> None: ...

    shipped.connect(hear)
    paid.connect(fail)

    def work(**options: Any) -> None:
        shipped.send("the shop")
        with pytest.raises(ValueError, match="no paper"):
            paid.send("the shop")

    own(work)

    assert run("--live", "own") == 0
    live = capsys.readouterr().err.partition("\nmanage.py own")[0]
    assert "shipped  sender='the shop' · 2 receiver calls" in live
    assert "ValueError: no paper" in live
