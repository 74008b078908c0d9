"""``manage.py signal_traces``: lists, picks, draws and follows what stands in files of traces."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from keeping import a_task, a_trace

from signal_tracer import trace_lines
from signal_tracer.management.commands import signal_traces
from signal_tracer.showing.export.json_lines import TraceFile, line_of
from signal_tracer.trace import FORMAT_VERSION

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Of five traces, the third with a swallowed exception, the last a task."""
    path = tmp_path / "traces.jsonl"
    keep = TraceFile(path)
    keep(a_trace("/catalogue/", number=1, receivers=()))
    keep(a_trace("/checkout/", number=2))
    keep(a_trace("/checkout/", number=3, status=500, swallowed="shop.receivers.text_customer"))
    keep(a_trace("/a/very/long/path/to/orders/17/lines/", number=4, duration=2.5))
    keep(a_task(number=5))
    return path


def ask(*arguments: object, **options: Any) -> tuple[str, str]:
    """What it writes to standard output and to standard error."""
    out, error = io.StringIO(), io.StringIO()
    call_command("signal_traces", *map(str, arguments), stdout=out, stderr=error, **options)
    return out.getvalue(), error.getvalue()


def ids(listed: str) -> list[int]:
    """The numbers of the traces that are listed."""
    return [int(each, 16) for each in re.findall(r"^[\d:]{8}  ([0-9a-f]{8})", listed, re.MULTILINE)]


def test_the_last_traces_are_listed_with_what_matters_at_80_columns(file: Path) -> None:
    out, error = ask(file)
    assert error == ""
    assert (
        out
        == """\
when      id        what                           sent  calls  queries     time
Mon 04 May 2026
12:00:01  00000001  POST /catalogue/  200             1      0        0  39.8 ms
12:00:02  00000002  POST /checkout/  200              1      1        0  39.8 ms
12:00:03  00000003  POST /checkout/  500              1      2        0  39.8 ms
                    ! error swallowed-exception
12:00:04  00000004  POST /a/very/long/path/to/        1      1        0   2.50 s
                    orders/17/lines/  200
12:00:05  00000005  shop.tasks.ship  FAILURE          0      0        0   500 ms

5 traces. One as a picture: --show ID
"""
    )


def test_on_a_wide_page_each_trace_is_one_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out, _ = ask(file)
    heading, _, *rows = out.splitlines()
    assert heading.split() == (
        ["when", "id", "what", "dispatches", "calls", "queries", "time", "worst", "finding"]
    )
    assert " ".join(rows[2].split()) == (
        "12:00:03 00000003 POST /checkout/ 500 1 2 0 39.8 ms ! error swallowed-exception"
    )
    assert len(rows) == 5 + 2
    assert max(map(len, rows)) <= 160


def test_what_a_pipe_gets_is_not_broken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    TraceFile(file)(a_trace(f"/{'long/' * 50}", number=6))
    out, _ = ask(file)
    assert f"POST /{'long/' * 50}  200" in out


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--path", "/checkout/"], [2, 3]),
        (["--path", "/a/*", "--path", "shop.tasks.*"], [4, 5]),
        (["--signal", "order_placed", "--receiver", "text_customer"], [3]),
        (["--sender", "shop.Order", "--limit", "2"], [3, 4]),
        (["--finding", "swallowed-exception"], [3]),
        (["--finding", "warning"], [3]),
        (["--status", "5xx", "--status", "FAILURE"], [3, 5]),
        (["--slower", "400"], [4, 5]),
        (["--since", "2026-05-04 12:00:03"], [3, 4, 5]),
        (["--limit", "1"], [5]),
    ],
)
def test_traces_are_picked(file: Path, options: list[str], numbers: list[int]) -> None:
    assert ids(ask(file, *options)[0]) == numbers


def test_below_a_part_of_them_stands_of_how_many(file: Path) -> None:
    out, _ = ask(file, "--path", "/checkout/", "--limit", "1")
    assert out.splitlines()[-1] == (
        "The last 1 of 2 that fit, of 5 traces. One as a picture: --show ID"
    )
    out, _ = ask(file, "--path", "/checkout/")
    assert out.splitlines()[-1] == "2 of 5 traces. One as a picture: --show ID"
    out, _ = ask(file, "--limit", "3")
    assert out.splitlines()[-1] == "The last 3 of 5 traces. One as a picture: --show ID"


def test_where_none_fits_it_says_so(file: Path) -> None:
    out, _ = ask(file, "--path", "/checkout", "--slower", "3")
    assert out == f"None of 5 traces in {file} fits --path /checkout --slower 3.\n"


def test_an_empty_file_has_none(tmp_path: Path) -> None:
    (tmp_path / "traces.jsonl").touch()
    assert ask(tmp_path)[0] == f"No trace in {tmp_path}.\n"


NOTHING = "nothing in these traces goes by"
REFUSED = {
    "--receiver=text_custmer": (
        f"--receiver: {NOTHING} 'text_custmer'. Did you mean 'shop.receivers.text_customer'?"
    ),
    "--signal=order_payed": (
        f"--signal: {NOTHING} 'order_payed'. Did you mean 'shop.signals.order_placed'?"
    ),
    "--sender=Ordr": f"--sender: {NOTHING} 'Ordr'. Did you mean 'shop.Order'?",
    "--finding=swallowed-exceptions": (
        "--finding: no finding is called 'swallowed-exceptions'. Did you mean "
        "'swallowed-exception'?"
    ),
    "--finding=x": "--finding: no finding is called 'x'. signal_map --about lists all.",
    "--status=4x": "--status takes 404, 5xx or the state of a task (FAILURE), not '4x'.",
    "--limit=0": "--limit takes a number from 1 on.",
    "--since=yesterday": (
        "--since takes 30s, 10m, 2h, 3d, a date as 2026-05-04 or a moment as '2026-05-04 13:30', "
        "not 'yesterday'."
    ),
    "--since=": (
        "--since takes 30s, 10m, 2h, 3d, a date as 2026-05-04 or a moment as '2026-05-04 13:30', "
        "not ''."
    ),
    "--since=999999d": (
        "--since takes 30s, 10m, 2h, 3d, a date as 2026-05-04 or a moment as '2026-05-04 13:30', "
        "not '999999d'."
    ),
    "--full": "--full needs --show.",
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_cannot_be_asked_is_told_with_what_was_perhaps_meant(file: Path, option: str) -> None:
    with pytest.raises(CommandError) as caught:
        ask(file, option)
    assert str(caught.value) == REFUSED[option]


def test_a_limit_beyond_what_fits_into_memory_is_as_good_as_none(file: Path) -> None:
    assert ids(ask(file, f"--limit={10**20}")[0]) == [1, 2, 3, 4, 5]
    assert len(ask(file, f"--limit={10**20}", "--json")[0].splitlines()) == 5


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the system has no time zones to choose")
def test_a_trace_at_the_end_of_the_calendar_does_not_hide_the_rest(
    file: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = line_of(a_trace(number=6)).replace(b"2026-05-04T12:00:06+00:00", moment.encode())
    assert moment.encode() in line
    with file.open("ab") as out:
        out.write(line + line_of(a_trace(number=7)))
    try:
        for zone in ("UTC+12", "UTC-12"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert ids(ask(file)[0]) == [1, 2, 3, 4, 5, 6, 7]
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()


def test_a_folder_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(trace_lines.os, "listdir", refuse)
    with pytest.raises(CommandError) as caught:
        ask(tmp_path)
    assert str(caught.value) == f"The folder {tmp_path} cannot be read (Permission denied)."


def test_what_holds_no_traces_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=r"There is no signal_traces\.jsonl\. A trace is"):
        ask()
    with pytest.raises(CommandError, match="has no file of traces"):
        ask(tmp_path)
    (tmp_path / "db.jsonl").write_bytes(b"SQLite format 3\0")
    with pytest.raises(CommandError, match="it is not text"):
        ask(tmp_path)


def test_without_a_file_it_reads_the_one_that_report_writes(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    file.rename("signal_traces.jsonl")
    assert ids(ask()[0]) == [1, 2, 3, 4, 5]


def test_broken_lines_are_told_with_their_numbers_and_the_rest_is_shown(file: Path) -> None:
    whole = line_of(a_trace(number=6))
    newer = whole.replace(b'"version":%d' % FORMAT_VERSION, b'"version":%d' % (FORMAT_VERSION + 1))
    with file.open("ab") as out:
        out.write(whole[:500] + b"\n" + newer + b"Traceback\n" * 5 + line_of(a_trace(number=7)))
    listed, error = ask(file)
    assert ids(listed) == [1, 2, 3, 4, 5, 7]
    first, second, third, *_, last = error.splitlines()
    assert first.startswith(f"! {file}, line 6: This line is cut off, and so no JSON (")
    assert second == (
        f"! {file}, line 7: This trace has version {FORMAT_VERSION + 1}, and this signal_tracer "
        f"reads version {FORMAT_VERSION}. Read it with the release that wrote it."
    )
    assert third.startswith(f"! {file}, line 8: This line is no JSON (")
    assert last == "! And 2 more lines cannot be read."
    assert len(error.splitlines()) == 6


def test_what_a_terminal_would_obey_is_shown_as_an_escape(file: Path) -> None:
    TraceFile(file)(a_trace("/\x1b[2J\n", number=6))
    with file.open("ab") as out:
        out.write(b"\x1b[2J\n")
    out, error = ask(file, "--limit", "1")
    assert "POST /\\x1b[2J\\n  200" in out
    hostile = file.rename(file.with_name("\x1b[2Jtraces.jsonl"))
    out += ask(hostile, "--path", "x")[0]
    error += ask(hostile)[1]
    assert "! " in error
    assert "\x1b" not in out + error


def test_a_folder_is_read_with_what_was_rotated_and_compressed(file: Path) -> None:
    rotated = file.with_name("traces.jsonl.1.gz")
    rotated.write_bytes(gzip.compress(file.read_bytes()))
    os.utime(rotated, (1000, 1000))
    file.write_bytes(line_of(a_trace(number=6)))
    assert ids(ask(file.parent)[0]) == [1, 2, 3, 4, 5, 6]
    assert ids(ask(rotated, file)[0]) == [1, 2, 3, 4, 5, 6]


# One


def test_one_is_drawn_by_its_id_by_how_that_begins_and_by_the_number_of_its_line(
    file: Path,
) -> None:
    pictures = {ask(file, "--show", each)[0] for each in ("00000003deadbeef", "00000003", "3")}
    [picture] = pictures
    title, counts, *_ = picture.splitlines()
    assert title.split() == ["POST", "/checkout/", "500", "39.8", "ms"]
    assert counts.startswith("1 dispatch · 2 receiver calls · 1 swallowed")
    assert "shop.receivers.text_customer  SWALLOWED" in picture


def test_without_an_id_the_last_one_that_fits_is_drawn(file: Path) -> None:
    assert ask(file, "--show")[0].startswith("shop.tasks.ship  FAILURE")
    assert ask(file, "--path", "/checkout/", "--show")[0].startswith("POST /checkout/  500")


def test_it_is_drawn_as_briefly_as_is_asked(file: Path) -> None:
    many = a_trace(number=6)
    for number in range(30):
        many.dispatches.extend(a_trace(signal=f"shop.signals.s{number}").dispatches)
    TraceFile(file)(many)
    assert "All of it: --full." in ask(file, "--show", "00000006")[0]
    assert "shop.signals.s29.send_robust" in ask(file, "--show", "00000006", "--full")[0]
    assert "All of it: --full." in ask(file, "--show", "3", "--brief")[0]
    assert ask(file, "--show", "3", "--project-only")[0]


def test_one_that_is_not_there_or_more_than_one_is_an_error(file: Path) -> None:
    with pytest.raises(CommandError, match=r"goes by 'ffff', neither by the beginning of its ID"):
        ask(file, "--show", "ffff")
    TraceFile(file)(a_task(number=3))
    with pytest.raises(CommandError) as caught:
        ask(file, "--show", "00000003")
    assert str(caught.value) == (
        "More than one ID begins with '00000003': 00000003deadbeef, 00000003cafecafe. Give more "
        "of it."
    )


def test_the_number_of_a_line_needs_one_file(file: Path) -> None:
    file.with_name("traces.jsonl.1").write_bytes(file.read_bytes())
    with pytest.raises(CommandError, match="--show with the number of a line needs one FILE"):
        ask(file.parent, "--show", "3")


def test_a_trace_that_is_damaged_behind_its_summary_is_told_when_it_is_drawn(file: Path) -> None:
    line = line_of(a_trace(number=6))
    file.write_bytes(line.replace(b'"in_atomic":[]', b'"in_atomic":77'))
    assert ids(ask(file)[0]) == [6]
    with pytest.raises(CommandError, match=r"line 1: This trace is damaged \(dispatches\[0\]\.in_"):
        ask(file, "--show")


# Lines


def test_the_lines_are_given_back_as_they_are(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert ask(file, "--json")[0].splitlines() == lines
    assert ask(file, "--json", "--limit", "2")[0].splitlines() == lines[3:]
    assert ask(file, "--json", "--finding", "error")[0].splitlines() == [lines[2]]
    assert ask(file, "--json", "--show", "00000002")[0].splitlines() == [lines[1]]


def test_all_lines_are_given_back_without_a_limit(file: Path) -> None:
    file.write_bytes(file.read_bytes() * 10)
    assert len(ask(file, "--json")[0].splitlines()) == 50
    assert len(ids(ask(file)[0])) == 20


def test_standard_input_is_read_for_a_dash(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"Listening at: http://0.0.0.0\n" + file.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    out, error = ask("-", "--path", "/checkout/")
    assert ids(out) == [2, 3]
    assert error.startswith("! standard input, line 1: This line is no JSON (")


# As they come


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens between one look at the files and the next; then somebody presses Ctrl-C."""
    happens: list[Callable[[], object]] = []

    def pause(seconds: float) -> None:
        if not happens:
            raise KeyboardInterrupt
        happens.pop(0)()

    monkeypatch.setattr(signal_traces.time, "sleep", pause)
    return happens


def test_it_follows_what_comes_until_somebody_interrupts(
    file: Path, looks: list[Callable[[], object]]
) -> None:
    keep = TraceFile(file, max_bytes=file.stat().st_size + 10)
    looks += [
        lambda: keep(a_trace(number=6)),
        lambda: None,
        lambda: [keep(a_trace(number=number)) for number in (7, 8)],
    ]
    out, error = ask(file, "--follow", "--limit", "2")
    assert ids(out) == [4, 5, 6, 7, 8]
    assert out.count("when  ") == out.count("Mon 04 May 2026") == 1
    assert error == ""


def test_it_follows_only_what_fits(file: Path, looks: list[Callable[[], object]]) -> None:
    looks += [
        lambda: TraceFile(file)(a_trace(number=6)),
        lambda: TraceFile(file)(a_trace(number=7, swallowed="shop.receivers.text_customer")),
    ]
    assert ids(ask(file, "--follow", "--finding", "error")[0]) == [3, 7]


def test_it_waits_for_a_file_that_is_not_there_yet(
    tmp_path: Path, looks: list[Callable[[], object]]
) -> None:
    file = tmp_path / "traces.jsonl"
    looks += [lambda: None, lambda: TraceFile(file)(a_trace(number=1))]
    out, error = ask(file, "--follow")
    assert ids(out) == [1]
    assert error == f"There is no {file} yet: waiting for it.\n"


def test_lines_that_were_broken_while_it_followed_are_counted_at_its_end(
    file: Path, looks: list[Callable[[], object]]
) -> None:
    def append(some: bytes) -> None:
        with file.open("ab") as out:
            out.write(some)

    looks += [lambda: append(b"Traceback\n" * 4), lambda: append(b"Traceback\n" * 4)]
    _, error = ask(file, "--follow")
    told = error.splitlines()
    assert [each.split(":")[0] for each in told[:-1]] == [
        f"! {file}, line {n}" for n in range(6, 11)
    ]
    assert told[-1] == "! And 3 more lines cannot be read."


def test_it_waits_for_a_file_that_was_emptied_and_removed(
    file: Path, looks: list[Callable[[], object]]
) -> None:
    looks += [
        lambda: [os.truncate(file, 0), file.unlink()],
        lambda: None,
        lambda: TraceFile(file)(a_trace(number=6)),
    ]
    assert ids(ask(file, "--follow")[0]) == [1, 2, 3, 4, 5, 6]


def test_it_waits_for_a_folder_that_is_not_there_yet(
    tmp_path: Path, looks: list[Callable[[], object]]
) -> None:
    folder = tmp_path / "logs"
    looks += [
        lambda: folder.mkdir(),
        lambda: TraceFile(folder / "traces.jsonl")(a_trace(number=1)),
    ]
    out, error = ask(folder, "--follow")
    assert ids(out) == [1]
    assert error == f"There is no {folder} yet: waiting for it.\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps what is open")
def test_it_lets_go_of_files_that_were_removed(
    tmp_path: Path, looks: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, still_open = tmp_path / "a.jsonl", []
    TraceFile(file)(a_trace(number=1))
    close = signal_traces._Followed.close

    def note(followed: signal_traces._Followed) -> None:
        still_open.extend(followed._tails)
        close(followed)

    monkeypatch.setattr(signal_traces._Followed, "close", note)
    looks += [
        lambda: [TraceFile(file)(a_trace(number=2)), file.unlink()],
        lambda: TraceFile(tmp_path / "b.jsonl")(a_trace(number=3)),
    ]
    assert ids(ask(tmp_path, "--follow")[0]) == [1, 2, 3]
    assert still_open == [str(tmp_path / "b.jsonl")]


def test_it_follows_every_file_of_a_folder_and_shows_none_twice(
    file: Path, looks: list[Callable[[], object]]
) -> None:
    file.with_name("traces.jsonl.1.gz").write_bytes(gzip.compress(line_of(a_trace(number=9))))
    other = TraceFile(file.with_name("other.jsonl"), max_bytes=10)
    looks += [lambda: other(a_trace(number=6)), lambda: [other(a_trace(number=n)) for n in (7, 8)]]
    assert ids(ask(file.parent, "--follow")[0]) == [9, 1, 2, 3, 4, 5, 6, 7, 8]


def test_the_lines_themselves_are_followed_with_json(
    file: Path, looks: list[Callable[[], object]]
) -> None:
    looks.append(lambda: TraceFile(file)(a_trace(number=6)))
    out, _ = ask(file, "--follow", "--json", "--limit", "1")
    assert [json.loads(each)["summary"]["id"][:8] for each in out.splitlines()] == [
        "00000005",
        "00000006",
    ]


def test_a_name_that_is_not_there_yet_is_told_and_waited_for(
    file: Path, looks: list[Callable[[], object]]
) -> None:
    looks.append(lambda: TraceFile(file)(a_trace(number=6, receivers=("shop.receivers.new",))))
    out, error = ask(file, "--follow", "--receiver", "receivers.new")
    assert ids(out) == [6]
    assert error.startswith("So far: --receiver: nothing in these traces goes by 'receivers.new'.")


WRITER = """
import sys
from keeping import a_trace
from signal_tracer.showing.export.json_lines import TraceFile

keep = TraceFile(sys.argv[1], max_bytes=30_000, keep=1000)
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    keep(a_trace(number=number))
"""


def run(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    paths = (ROOT, ROOT / "example_site", Path(__file__).parent)
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``signal_traces --follow`` of a file to come, in a process of its own."""
    process = run(
        *("-m", "django", "signal_traces", str(tmp_path / "traces.jsonl")),
        *("--follow", "--json", "--limit", "1000"),
        # Who runs the suite in the background has it ignored, and so would the command.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


def test_two_processes_write_a_third_follows_and_ctrl_c_ends_it_with_0(
    tmp_path: Path, follower: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "traces.jsonl"
    assert follower.stderr is not None
    assert follower.stdout is not None
    assert follower.stderr.readline().endswith(b"waiting for it.\n")
    TraceFile(file)(a_trace(number=0))
    lines = [follower.stdout.readline()]
    first, second = (run("-c", WRITER, str(file), *each) for each in (("1", "150"), ("150", "300")))
    assert first.communicate(timeout=60)[1] == second.communicate(timeout=60)[1] == b""
    with file.open("ab") as out:
        out.write(line_of(a_trace())[:99] + b"\n" + line_of(a_trace(number=999)))
    while json.loads(lines[-1])["summary"]["id"] != f"{999:08x}deadbeef":
        lines.append(follower.stdout.readline())
    follower.send_signal(signal.SIGINT)
    out, error = follower.communicate(timeout=60)

    assert follower.returncode == 0
    assert out == b""
    numbers = [int(json.loads(each)["summary"]["id"][:8], 16) for each in lines]
    assert sorted(numbers) == [*range(300), 999]
    assert re.fullmatch(rb"! \S+traces\.jsonl, line \d+: This line is cut off, .*\n", error)
    assert len([*tmp_path.iterdir()]) > 5
