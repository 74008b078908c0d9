"""Traces are read from files of lines again: as they stand there, and as they come."""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from keeping import NOON, a_task, a_trace

from signal_tracer import Trace, trace_lines
from signal_tracer.showing.export.json_lines import TraceFile, line_of
from signal_tracer.trace import FORMAT_VERSION
from signal_tracer.trace_lines import (
    Broken,
    Kept,
    NoTracesError,
    Tail,
    Wanted,
    files_in,
    read_file,
    read_line,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "traces.jsonl"


def told(found: Any) -> list[str]:
    return [each.summary.name if isinstance(each, Kept) else str(each) for each in found]


def fits(trace: Trace, **wanted: Any) -> bool:
    kept = read_line("traces.jsonl", 1, line_of(trace))
    assert isinstance(kept, Kept)
    return Wanted(**wanted).takes(kept)


# Lines


def test_of_a_line_of_ours_only_the_summary_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_lines, "_parsed", None)
    kept = read_line("traces.jsonl", 3, line_of(a_trace()))
    assert isinstance(kept, Kept)
    assert (kept.number, kept.summary.what, kept.summary.outcome) == (3, "POST /checkout/", "200")


def test_a_line_that_jq_wrote_again_and_one_of_to_json_are_read_as_well() -> None:
    trace = a_trace(swallowed="shop.receivers.text_customer")
    ours = read_line("x", 1, line_of(trace))
    again = read_line("x", 1, json.dumps(json.loads(line_of(trace)), indent=None).encode())
    bare = read_line("x", 1, trace.to_json().encode())
    assert isinstance(ours, Kept)
    assert isinstance(again, Kept)
    assert isinstance(bare, Kept)
    assert ours.summary == again.summary == bare.summary
    assert ours.trace().to_dict() == bare.trace().to_dict() == trace.to_dict()


NEXT = FORMAT_VERSION + 1
NO_TRACE = "This is not a trace: it has no 'version'."
FROM_THE_FUTURE = (
    f"This trace has version {NEXT}, and this signal_tracer reads version {FORMAT_VERSION}. Read "
    "it with the release that wrote it."
)
DAMAGED = "This trace is damaged (duration: expected a number of seconds from 0 to"
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "end": (lambda line: line[:-9], "This line is cut off, and so no JSON ("),
    "most": (lambda line: line[:40], "This line is cut off, and so no JSON (Unterminated string,"),
    "log": (lambda line: b"GET / 200", "This line is no JSON (Expecting value, at character 1 of"),
    "bytes": (lambda line: line.replace(b"POST", b"\xff"), "This line is no UTF-8 (invalid start"),
    "list": (lambda line: b"[]", NO_TRACE),
    "object": (lambda line: b"{}", NO_TRACE),
    "half": (lambda line: b'{"summary":7}', NO_TRACE),
    "deep": (lambda line: b"[" * 100_000, "This line cannot be read (RecursionError)."),
    "number": (lambda line: b"9" * 9_000, "This line cannot be read (ValueError)."),
    "version": (
        lambda line: line.replace(b'"version":%d' % FORMAT_VERSION, b'"version":%d' % NEXT),
        FROM_THE_FUTURE,
    ),
    "field": (lambda line: line.replace(b'"duration":0.0398,"wa', b'"duration":-1,"wa'), DAMAGED),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_wrong_with_a_line_is_told_with_its_number(name: str) -> None:
    damage, reason = DAMAGES[name]
    broken = read_line("traces.jsonl", 7, damage(line_of(a_trace())))
    assert isinstance(broken, Broken)
    if name == "deep" and sys.platform == "emscripten":
        reason = "This line is no JSON ("  # Its stack is deep enough.
    assert str(broken).startswith(f"traces.jsonl, line 7: {reason}")


def test_a_line_that_was_changed_anywhere_is_read_or_told(file: Path) -> None:
    line = line_of(a_trace(swallowed="shop.receivers.text_customer")).rstrip()
    chance = random.Random(7)
    for _ in range(2000):
        damaged = bytearray(line)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        assert isinstance(read_line("x", 1, bytes(damaged)), Kept | Broken | None)


def test_a_summary_that_is_damaged_is_made_anew_from_the_trace() -> None:
    line = line_of(a_trace()).replace(b'"counts":{', b'"counts":[],"was":{', 1)
    kept = read_line("x", 1, line)
    assert isinstance(kept, Kept)
    assert kept.summary.counts == {"dispatches": 1, "receiver_calls": 1}


# Which of them

CHECKOUT = a_trace(
    "/api/orders/7/", status=404, duration=0.2, swallowed="shop.receivers.text_customer"
)


@pytest.mark.parametrize(
    ("wanted", "is_fit"),
    [
        ({"paths": ["/api/orders/7/"]}, True),
        ({"paths": ["/api/*"]}, True),
        ({"paths": ["/other/", "*/7/"]}, True),
        ({"paths": ["/api/"]}, False),
        ({"signals": ["order_placed"]}, True),
        ({"signals": ["shop.*"]}, True),
        ({"signals": ["placed"]}, False),
        ({"senders": ["Order"]}, True),
        ({"receivers": ["text_customer"]}, True),
        ({"receivers": ["nobody", "send_receipt"]}, True),
        ({"signals": ["order_placed"], "receivers": ["send_receipt"]}, True),
        ({"findings": ["swallowed-exception"]}, True),
        ({"findings": ["near-miss"]}, False),
        ({"findings": ["error"]}, True),
        ({"findings": ["info"]}, True),
        ({"statuses": ["404"]}, True),
        ({"statuses": ["4xx"]}, True),
        ({"statuses": ["5XX", "40x"]}, False),
        ({"slower": 0.2}, True),
        ({"slower": 0.3}, False),
        ({"since": NOON}, True),
        ({"since": NOON + timedelta(minutes=1)}, False),
        ({"paths": ["/api/*"], "slower": 0.3}, False),
    ],
)
def test_a_trace_fits_what_is_wanted(wanted: dict[str, Any], is_fit: bool) -> None:
    assert fits(CHECKOUT, **wanted) is is_fit


def test_a_level_means_the_projects_findings_of_it_and_worse() -> None:
    assert not fits(a_trace(), findings=["info"])
    assert fits(CHECKOUT, findings=["warning"])


def test_a_task_goes_by_its_name_and_its_state() -> None:
    assert fits(a_task(), paths=["shop.tasks.*"], statuses=["failure"])
    assert not fits(a_task(state="SUCCESS"), statuses=["FAILURE"])


def test_signal_and_receiver_are_wanted_of_one_and_the_same_dispatch() -> None:
    trace = a_trace()
    other = a_trace(signal="shop.signals.order_packed", receivers=("shop.receivers.count",))
    trace.dispatches.extend(other.dispatches)
    assert fits(trace, signals=["order_packed"], receivers=["count"])
    assert not fits(trace, signals=["order_placed"], receivers=["count"])


# Files


def test_a_file_is_read_line_by_line_and_what_is_broken_is_told(file: Path) -> None:
    first, second = line_of(a_trace("/1/")), line_of(a_trace("/2/"))
    file.write_bytes(first + b"\n" + first[:-5] + b"\n" + second)
    one, broken, two = told(read_file(str(file)))
    assert (one, two) == ("POST /1/", "POST /2/")
    assert broken.startswith(f"{file}, line 3: This line is cut off")


def test_a_file_compressed_by_gzip_is_read_whatever_its_name_is(file: Path) -> None:
    file.write_bytes(gzip.compress(line_of(a_trace())))
    assert told(read_file(str(file))) == ["POST /checkout/"]


def test_of_a_compressed_file_that_was_cut_the_beginning_is_read(file: Path) -> None:
    lines = b"".join(line_of(a_trace(f"/{n}/")) for n in range(500))
    packed = gzip.compress(lines)
    file.write_bytes(packed[: len(packed) // 2])
    *found, last = told(read_file(str(file)))
    assert found[:2] == ["POST /0/", "POST /1/"]
    assert last == (
        f"{file}: What follows line {len(found)} cannot be read (Compressed file ended before the "
        "end-of-stream marker was reached)."
    )


def test_a_line_that_is_too_long_is_told_and_not_kept(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_lines, "LONGEST", 2**20)
    file.write_bytes(b"x" * 3_000_000 + b"\n" + line_of(a_trace()))
    assert told(read_file(str(file))) == [
        f"{file}, line 1: This line is longer than 1 MB, and no trace.",
        "POST /checkout/",
    ]


def test_an_empty_file_holds_nothing(file: Path) -> None:
    file.write_bytes(b"")
    assert told(read_file(str(file))) == []


def test_what_is_no_text_is_refused(file: Path) -> None:
    file.write_bytes(b"SQLite format 3\0")
    with pytest.raises(NoTracesError, match="is no file of traces: it is not text"):
        list(read_file(str(file)))


def test_files_of_a_folder_are_read_the_oldest_first(tmp_path: Path) -> None:
    names = ["traces.jsonl", "traces.jsonl.1", "traces.jsonl.2.gz", "traces.jsonl-20260504.gz"]
    for age, name in enumerate(names):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    (tmp_path / "other.log").write_bytes(b"")
    (tmp_path / "folder.jsonl").mkdir()
    assert files_in([str(tmp_path)]) == [str(tmp_path / each) for each in reversed(names)]


def test_files_of_the_same_age_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("t.jsonl", "t.jsonl.1", "t.jsonl.2"):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (1000, 1000))
    assert [Path(each).suffix for each in files_in([str(tmp_path)])] == [".2", ".1", ".jsonl"]


def test_a_folder_without_traces_and_what_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NoTracesError, match=r"has no file of traces: none has '.jsonl' in its"):
        files_in([str(tmp_path)])
    with pytest.raises(NoTracesError, match=r"There is no .*/nowhere\. A trace is written to it"):
        files_in([str(tmp_path / "nowhere")])


def test_many_traces_are_read_in_flat_memory(file: Path) -> None:
    line = line_of(a_trace(receivers=tuple(f"shop.receivers.{n}" for n in range(50))))
    with file.open("wb") as out:
        for number in range(2_000):
            out.write(line[:500] + b"\n" if number == 1_000 else line)
    sum(1 for _ in read_file(str(file)))  # what is made once
    tracemalloc.start()
    try:
        found = sum(isinstance(each, Kept) for each in read_file(str(file)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == 1_999
    assert most < 20 * len(line) < file.stat().st_size / 50


# As they come


def test_a_tail_gives_what_has_come_since_the_last_time(file: Path) -> None:
    keep, tail = TraceFile(file), Tail(str(file))
    assert told(tail.more()) == []
    keep(a_trace("/1/"))
    keep(a_trace("/2/"))
    assert told(tail.more()) == ["POST /1/", "POST /2/"]
    assert told(tail.more()) == []
    keep(a_trace("/3/"))
    assert told(tail.more()) == ["POST /3/"]
    tail.close()


def test_a_line_in_the_midst_of_being_written_is_waited_for(file: Path) -> None:
    line, tail = line_of(a_trace()), Tail(str(file))
    file.write_bytes(line[:100])
    assert told(tail.more()) == []
    assert told(tail.more()) == []
    with file.open("ab") as out:
        out.write(line[100:])
    assert told(tail.more()) == ["POST /checkout/"]
    tail.close()


def test_a_line_that_was_cut_for_good_is_told_once_the_next_has_come(file: Path) -> None:
    tail = Tail(str(file))
    file.write_bytes(line_of(a_trace())[:100])
    assert told(tail.more()) == []
    TraceFile(file)(a_trace("/2/"))
    broken, whole = told(tail.more())
    assert broken.startswith(f"{file}, line 1: This line is cut off")
    assert whole == "POST /2/"
    tail.close()


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_tail_follows_a_file_that_was_moved_on_several_times_meanwhile(
    file: Path, times: int
) -> None:
    tail = Tail(str(file))
    keep = TraceFile(file, max_bytes=len(line_of(a_trace("/0/"))), keep=10)
    keep(a_trace("/0/"))
    assert told(tail.more()) == ["POST /0/"]
    for number in range(1, times + 1):
        keep(a_trace(f"/{number}/"))
    assert told(tail.more()) == [f"POST /{number}/" for number in range(1, times + 1)]
    tail.close()


def test_a_tail_follows_what_logrotate_does(file: Path) -> None:
    keep, tail = TraceFile(file), Tail(str(file))
    keep(a_trace("/1/"))
    keep(a_trace("/2/"))
    assert told(tail.more()) == ["POST /1/", "POST /2/"]
    file.rename(file.with_name("traces.jsonl-20260504"))
    assert told(tail.more()) == []
    keep(a_trace("/3/"))
    assert told(tail.more()) == ["POST /3/"]
    os.truncate(file, 0)  # with "copytruncate"
    keep(a_trace("/4/"))
    keep(a_trace("/5/"))
    os.truncate(file, 0)
    assert told(tail.more()) == []
    keep(a_trace("/6/"))
    assert told(tail.more()) == ["POST /6/"]
    tail.close()


def test_a_line_that_was_cut_for_good_is_told_when_its_file_was_moved_away(file: Path) -> None:
    keep, tail = TraceFile(file), Tail(str(file))
    keep(a_trace("/1/"))
    with file.open("ab") as out:
        out.write(line_of(a_trace())[:100])
    assert told(tail.more()) == ["POST /1/"]
    file.rename(file.with_name("traces.jsonl.1"))
    keep(a_trace("/2/"))
    broken, whole = told(tail.more())
    assert broken.startswith(f"{file}, line 2: This line is cut off")
    assert whole == "POST /2/"
    tail.close()


def test_what_is_moved_on_while_a_tail_looks_is_found_the_next_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, tail = TraceFile(file, max_bytes=10), Tail(str(file))
    keep(a_trace("/1/"))
    assert told(tail.more()) == ["POST /1/"]
    keep(a_trace("/2/"))
    opened = trace_lines._opened

    def late(path: str) -> Any:
        if not file.with_name("traces.jsonl.2").exists():
            keep(a_trace("/3/"))
        return opened(path)

    monkeypatch.setattr(trace_lines, "_opened", late)
    assert told(tail.more()) == []
    assert told(tail.more()) == ["POST /2/", "POST /3/"]
    tail.close()


def test_a_file_that_is_gone_before_it_is_read_is_told(tmp_path: Path) -> None:
    gone = str(tmp_path / "traces.jsonl.1")
    assert told(read_file(gone)) == [f"{gone}: It was moved or removed while the others were read."]
