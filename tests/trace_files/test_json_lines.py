"""Traces are appended to a file that several processes share, whatever happens to it."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import stat
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from keeping import a_trace

from signal_tracer import Trace
from signal_tracer.middleware import SignalTracerMiddleware
from signal_tracer.showing.export import json_lines
from signal_tracer.showing.export.json_lines import TraceFile, line_of, report_to_stdout

paid = Signal()
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "traces.jsonl"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its last number is what time it is."""
    now = [1000.0]
    monkeypatch.setattr(json_lines.time, "monotonic", lambda: now[-1])
    return now


def names_in(*files: Path) -> list[str]:
    return [
        json.loads(line)["trace"]["name"]
        for each in files
        for line in each.read_bytes().splitlines()
    ]


def run(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_line_has_the_trace_as_it_is_read_again_and_its_summary_in_front() -> None:
    trace = a_trace(swallowed="shop.receivers.text_customer")

    data = json.loads(line_of(trace))

    assert list(data) == ["summary", "trace"]
    assert Trace.from_dict(data["trace"]).to_dict() == trace.to_dict()
    assert data["summary"] == {
        "name": "POST /checkout/",
        "id": "00000001deadbeef",
        "started_at": "2026-05-04T12:00:01+00:00",
        "duration": 0.0398,
        "method": "POST",
        "path": "/checkout/",
        "status": 200,
        "state": None,
        "counts": {"dispatches": 1, "receiver_calls": 2, "swallowed": 1},
        "findings": [{"slug": "swallowed-exception", "level": "error", "count": 1, "package": ""}],
        "signals": ["shop.signals.order_placed"],
        "senders": ["shop.Order"],
        "receivers": ["shop.receivers.send_receipt", "shop.receivers.text_customer"],
        "length": len(json.dumps(trace.to_dict(), separators=(",", ":"))),
    }


def test_each_trace_is_one_line_of_ascii_whatever_its_name_is(file: Path) -> None:
    names = ["a\nb", "\u2028", "Größe 🙂", "\udc80", ""]
    keep = TraceFile(file)
    for each in names:
        trace = a_trace()
        trace.request = None
        trace.name = each
        keep(trace)

    assert file.read_bytes().isascii()
    assert names_in(file) == names


def test_only_whoever_writes_it_may_read_it(file: Path) -> None:
    TraceFile(file)(a_trace())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_middleware_gives_it_each_request_by_its_dotted_path(
    file: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "kept", TraceFile(file), raising=False)
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.kept"]}
    request = HttpRequest()
    request.method, request.path = "GET", "/api/orders/"

    SignalTracerMiddleware(lambda request: HttpResponse("[]"))(request)

    assert names_in(file) == ["GET /api/orders/"]


def test_it_stays_where_it_was_made_when_the_current_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keep = TraceFile("traces.jsonl")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    keep(a_trace())
    assert (tmp_path / "traces.jsonl").exists()


# Rotation


def test_a_file_that_would_grow_too_long_is_moved_on_and_the_oldest_goes(file: Path) -> None:
    length = len(line_of(a_trace("/1/")))
    keep = TraceFile(file, max_bytes=2 * length, keep=2)
    for number in range(1, 10):
        keep(a_trace(f"/{number}/"))

    names = {each.name: names_in(each) for each in sorted(file.parent.iterdir())}
    assert names == {
        "traces.jsonl": ["POST /9/"],
        "traces.jsonl.1": ["POST /7/", "POST /8/"],
        "traces.jsonl.2": ["POST /5/", "POST /6/"],
    }


def test_a_line_longer_than_a_file_may_be_has_one_of_its_own(file: Path) -> None:
    keep = TraceFile(file, max_bytes=10, keep=3)
    keep(a_trace("/1/"))
    keep(a_trace("/2/"))
    assert names_in(file) == ["POST /2/"]
    assert names_in(file.with_name("traces.jsonl.1")) == ["POST /1/"]


def test_without_a_limit_a_file_is_never_moved(file: Path) -> None:
    keep = TraceFile(file, max_bytes=None)
    for _ in range(20):
        keep(a_trace())
    assert len(names_in(file)) == 20
    assert [each.name for each in file.parent.iterdir()] == ["traces.jsonl"]


WRITER = """
import sys
from keeping import a_trace
from signal_tracer.showing.export.json_lines import TraceFile

keep = TraceFile(sys.argv[1], max_bytes=int(sys.argv[3]), keep=1000)
for number in range(int(sys.argv[4])):
    keep(a_trace(f"/{sys.argv[2]}-{number}/", receivers=("r" * 9000,)))
"""


def test_four_processes_write_to_one_file_and_no_line_is_lost_where_it_is_moved(
    file: Path,
) -> None:
    writers = [run(WRITER, str(file), str(number), "100000", "60") for number in range(4)]
    for each in writers:
        assert each.communicate(timeout=120)[1] == b""

    files = list(file.parent.iterdir())
    names = names_in(*files)
    assert sorted(names) == sorted(f"POST /{n}-{i}/" for n in range(4) for i in range(60))
    assert len(files) > 20
    # Each has written in its order.
    in_order = sorted(files, key=lambda each: -int(each.suffix[1:]) if each != file else 1)
    of_first = [each for each in names_in(*in_order) if each.startswith("POST /0-")]
    assert of_first == [f"POST /0-{i}/" for i in range(60)]


def test_threads_write_to_one_file(file: Path) -> None:
    keep = TraceFile(file, max_bytes=20_000, keep=100)
    threads = [
        threading.Thread(target=lambda n=n: [keep(a_trace(f"/{n}-{i}/")) for i in range(20)])
        for n in range(6)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert Counter(names_in(*file.parent.iterdir())) == {
        f"POST /{n}-{i}/": 1 for n in range(6) for i in range(20)
    }


def test_a_file_that_is_moved_away_while_one_waits_for_it_is_not_written_to(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_bytes(b"")
    lock = json_lines._lock

    def late(descriptor: int, patience: float) -> bool:
        if not file.with_name("moved").exists():
            file.rename(file.with_name("moved"))
        return lock(descriptor, patience)

    monkeypatch.setattr(json_lines, "_lock", late)
    TraceFile(file)(a_trace())
    assert names_in(file) == ["POST /checkout/"]
    assert file.with_name("moved").read_bytes() == b""


# What others do to the file


def test_a_file_that_vanished_or_was_moved_is_begun_anew(file: Path) -> None:
    keep = TraceFile(file)
    keep(a_trace("/1/"))
    file.rename(file.with_name("traces.jsonl-20260504"))  # as logrotate does
    keep(a_trace("/2/"))
    assert names_in(file) == ["POST /2/"]
    file.unlink()
    keep(a_trace("/3/"))
    assert names_in(file) == ["POST /3/"]


def test_a_file_that_was_copied_and_emptied_is_gone_on_with(file: Path) -> None:
    keep = TraceFile(file)
    keep(a_trace("/1/"))
    os.truncate(file, 0)
    keep(a_trace("/2/"))
    assert names_in(file) == ["POST /2/"]


def test_behind_a_line_that_was_cut_a_new_line_begins(file: Path) -> None:
    file.write_bytes(line_of(a_trace("/1/"))[:50])
    TraceFile(file)(a_trace("/2/"))
    cut, whole = file.read_bytes().splitlines()
    assert len(cut) == 50
    assert json.loads(whole)["trace"]["name"] == "POST /2/"


# What cannot be written


def a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(descriptor: int, line: bytes) -> None:
        os.write(descriptor, line[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(json_lines, "_write", write)


def test_a_full_disk_is_told_once_leaves_no_part_of_a_line_and_is_recovered_from(
    file: Path,
    clock: list[float],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep = TraceFile(file)
    keep(a_trace("/1/"))
    with monkeypatch.context() as full:
        a_full_disk(full)
        for _ in range(3):
            keep(a_trace("/lost/"))
    clock.append(1061.0)
    keep(a_trace("/2/"))

    assert names_in(file) == ["POST /1/", "POST /2/"]
    began, ended = [record.getMessage() for record in caplog.records]
    assert began == (
        f"Traces cannot be written to {file} (No space left on device), and are lost until they "
        "can be; the traced code went on. Make room on the disk; TraceFile(max_bytes=..., "
        "keep=...) bounds what it takes."
    )
    assert ended == f"Traces are written to {file} again; 3 traces were lost meanwhile."


def test_what_comes_and_goes_is_told_no_more_than_twice_a_minute(
    file: Path,
    clock: list[float],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep = TraceFile(file)
    for second in range(120):
        clock.append(1000.0 + second)
        keep(a_trace("/kept/"))
        with monkeypatch.context() as full:
            a_full_disk(full)
            keep(a_trace("/lost/"))
    assert len(names_in(file)) == 120
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == [
        f"Traces cannot be written to {file}",
        f"Traces are written to {file} again; 60 traces were lost meanwhile.",
        f"Traces cannot be written to {file}",
    ]


def test_a_folder_that_is_not_there_is_told_and_used_once_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "var" / "traces.jsonl"
    keep = TraceFile(file)
    keep(a_trace("/1/"))
    (tmp_path / "var").mkdir()
    keep(a_trace("/2/"))
    assert names_in(file) == ["POST /2/"]
    [record] = caplog.records
    assert (record.name, record.levelno) == ("signal_tracer", logging.WARNING)
    assert record.getMessage() == (
        f"Traces cannot be written to {file} (No such file or directory), and are lost until they "
        "can be; the traced code went on. Make its folder."
    )


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_ordinary_file_is_told_and_nobody_waits_for_it(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "it" if kind != "device" else Path("/dev/null")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("there are no named pipes here")
        os.mkfifo(path)
    TraceFile(path)(a_trace())
    [record] = caplog.records
    assert ("Name a file, not a folder." if kind == "folder" else "report_to_stdout") in (
        record.getMessage()
    )


def test_nobody_waits_for_long_for_a_file_that_somebody_keeps_locked(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(json_lines, "_PATIENCE", 0.0)
    keep = TraceFile(file)
    with file.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        keep(a_trace("/lost/"))
    keep(a_trace("/kept/"))
    assert names_in(file) == ["POST /kept/"]
    [record] = caplog.records
    assert "(another process keeps it locked for too long)" in record.getMessage()


def test_where_there_are_no_locks_it_is_said_once_what_that_means(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "fcntl", None)  # as on Windows
    keep = TraceFile(file)
    keep(a_trace("/1/"))
    keep(a_trace("/2/"))
    assert names_in(file) == ["POST /1/", "POST /2/"]
    [record] = caplog.records
    assert record.getMessage().startswith(f"Traces are written to {file} without a lock, which")


def test_without_a_lock_a_full_disk_takes_nothing_that_others_wrote(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(descriptor: int, line: bytes) -> None:
        os.write(descriptor, line[:10])
        with file.open("ab") as other:
            other.write(b"\nof another\n")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(json_lines, "fcntl", None)
    monkeypatch.setattr(json_lines, "_write", write)
    TraceFile(file)(a_trace())
    assert file.read_bytes().endswith(b"of another\n")


# Processes that are forked


FORKED_WHILE_LOCKED = """
import os, sys
from keeping import a_trace
from signal_tracer.showing.export import json_lines

keep = json_lines.TraceFile(sys.argv[1])
append = json_lines._append_whole
read, write = os.pipe()
children = []

def fork_in_the_midst(*arguments):
    children.append(os.fork())
    if not children[-1]:
        os.close(write)
        os.read(read, 1)  # It lives for as long as its parent.
        keep(a_trace("/child/"))
        os._exit(0)
    append(*arguments)

json_lines._append_whole = fork_in_the_midst
keep(a_trace("/1/"))
json_lines._append_whole = append
keep(a_trace("/2/"))
os.close(write)
assert os.waitpid(children[0], 0)[1] == 0
"""


def test_a_process_that_is_forked_in_the_midst_of_a_line_keeps_nobody_from_writing(
    file: Path,
) -> None:
    # The child has the parent's open file, and the lock of a thread that it does not have.
    script = FORKED_WHILE_LOCKED.replace(
        "        keep(a_trace", "        json_lines._append_whole = append; keep(a_trace"
    )
    parent = run(script, str(file))
    assert parent.communicate(timeout=60)[1] == b""
    assert names_in(file) == ["POST /1/", "POST /2/", "POST /child/"]


# Standard output


def test_to_standard_output_goes_one_line_a_trace(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    report_to_stdout(a_trace("/1/"))
    report_to_stdout(a_trace("/2/"))
    first, *lines = capfd.readouterr().out.splitlines()
    assert first == "before"
    assert [json.loads(each)["trace"]["name"] for each in lines] == ["POST /1/", "POST /2/"]


def test_a_standard_output_that_is_no_file_is_written_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report_to_stdout(a_trace())
    assert json.loads(capsys.readouterr().out)["trace"]["name"] == "POST /checkout/"


def test_without_a_standard_output_it_is_told_and_nothing_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(json_lines, "_to_stdout", json_lines._Trouble("standard output"))
    monkeypatch.setattr(sys, "stdout", None)
    report_to_stdout(a_trace())
    report_to_stdout(a_trace())
    [record] = caplog.records
    assert re.match(r"Traces cannot be written to standard output \(this", record.getMessage())


SIBLINGS = """
import os
from keeping import a_trace
from signal_tracer.showing.export.json_lines import report_to_stdout

for number in range(4):
    if not os.fork():
        for each in range(30):
            report_to_stdout(a_trace(f"/{number}-{each}/", receivers=("r" * 30_000,)))
        os._exit(0)
for number in range(4):
    assert os.wait()[1] == 0
"""


def test_workers_that_share_a_pipe_print_lines_longer_than_it_takes_at_once_whole() -> None:
    out, error = run(SIBLINGS).communicate(timeout=120)
    assert error == b""
    names = [json.loads(line)["trace"]["name"] for line in out.splitlines()]
    assert sorted(names) == sorted(f"POST /{n}-{i}/" for n in range(4) for i in range(30))


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": ""}, "TraceFile() wants the path of a file, and was given ''."),
        (
            {"path": "x", "max_bytes": 0},
            "TraceFile('x', max_bytes=...) wants a whole number from 1 on, and was given 0.",
        ),
        (
            {"path": "x", "max_bytes": 1e6},
            "TraceFile('x', max_bytes=...) wants a whole number from 1 on, and was given 1000000.0",
        ),
        (
            {"path": "x", "keep": None},
            "TraceFile('x', keep=...) wants a whole number from 1 on, and was given null.",
        ),
        (
            {"path": "x", "keep": True},
            "TraceFile('x', keep=...) wants a whole number from 1 on, and was given true.",
        ),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        TraceFile(**arguments)


def test_a_path_that_names_no_file_is_refused_when_it_is_given() -> None:
    wanted = "TraceFile() wants the path of a file"
    with pytest.raises(ValueError, match=re.escape(f"{wanted}, and was given 'a\\x00b'.")):
        TraceFile("a\0b")
    for path, kind in ((None, "NoneType"), (b"traces.jsonl", "bytes"), (1, "int")):
        with pytest.raises(TypeError) as refused:
            TraceFile(path)  # type: ignore[arg-type]
        assert str(refused.value) == (
            f"{wanted}, a str or a pathlib.Path, and was given an object of the type {kind}."
        )
