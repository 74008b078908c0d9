"""A reporter adds each trace to one graph in a file, whatever else writes there."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from small_traces import trace_of

from signal_tracer import SignalGraph
from signal_tracer.middleware import SignalTracerMiddleware
from signal_tracer.records import Dispatch, ReceiverCall
from signal_tracer.showing.export import signal_graph
from signal_tracer.showing.export.signal_graph import GraphFile
from signal_tracer.signal_graph import load

ROOT = Path(__file__).resolve().parents[2]
TRACE = trace_of(Dispatch("shop.paid", receiver_calls=[ReceiverCall("shop.receive")]))
ADDS = """
import os, sys
sys.path[:0] = [{root!r}, {here!r}]
from test_graph_file import TRACE
from signal_tracer.showing.export.signal_graph import GraphFile

graph_file = GraphFile(sys.argv[1])

def add(times):
    for _ in range(times):
        graph_file(TRACE)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "graph.json"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its last number is what time it is."""
    now = [1000.0]
    monkeypatch.setattr(signal_graph.time, "monotonic", lambda: now[-1])
    return now


def calls_in(file: Path) -> int:
    return sum(each.count for each in load(file.read_text()).calls.values())


def run(script: str, file: Path) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).parent)
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.Popen(
        [sys.executable, "-c", ADDS.format(root=str(ROOT), here=here) + script, str(file)],
        env={**os.environ, **settings},
        stderr=subprocess.PIPE,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate(timeout=120)
    assert said == b""
    assert process.returncode == 0


def test_the_first_trace_is_written_and_others_ten_seconds_later(
    file: Path, clock: list[float]
) -> None:
    add = GraphFile(file)

    add(TRACE)
    assert calls_in(file) == 1
    clock.append(1009.9)
    add(TRACE)
    assert calls_in(file) == 1
    clock.append(1010.0)
    add(TRACE)
    assert calls_in(file) == 3
    add(TRACE)
    add.flush()
    add.flush()
    assert calls_in(file) == 4
    assert [*file.parent.iterdir()] == [file]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_file_that_is_there_keeps_its_mode_and_what_links_to_it(
    file: Path, clock: list[float]
) -> None:
    real = file.with_name("shared.json")
    real.touch()
    real.chmod(0o664)
    file.symlink_to(real)
    add = GraphFile(file)

    add(TRACE)
    clock.append(1010.0)
    add(TRACE)

    assert file.is_symlink()
    assert calls_in(real) == 2
    assert stat.S_IMODE(real.stat().st_mode) == 0o664
    assert {*file.parent.iterdir()} == {file, real}


def test_it_goes_on_from_what_is_in_the_file(file: Path) -> None:
    file.write_text(SignalGraph.from_traces([TRACE, TRACE]).to_json(indent=1))

    GraphFile(file)(TRACE)

    assert load(file.read_text()) == SignalGraph.from_traces([TRACE] * 3)


def test_several_processes_lose_nothing_to_each_other(file: Path) -> None:
    script = "\nfor _ in range(20):\n    add(1)\n    graph_file.flush()\nadd(5)\n"

    for each in [run(script, file) for _ in range(3)]:
        end(each)

    assert calls_in(file) == 75
    assert [*file.parent.iterdir()] == [file]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork()")
def test_a_forked_worker_writes_what_it_has_seen_itself_and_no_more(file: Path) -> None:
    script = """
add(1)
add(3)  # in memory
worker = os.fork()
add(2)
if worker:
    assert os.waitpid(worker, 0)[1] == 0
"""

    end(run(script, file))

    assert calls_in(file) == 8


def test_threads_lose_nothing_to_each_other(file: Path, clock: list[float]) -> None:
    add = GraphFile(file)

    def add_often() -> None:
        for number in range(50):
            if number % 10 == 0:
                clock.append(clock[-1] + 20)
            add(TRACE)

    threads = [threading.Thread(target=add_often) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    add.flush()

    assert calls_in(file) == 200


def test_what_cannot_be_written_is_kept_told_once_and_written_later(
    tmp_path: Path, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "later/graph.json"
    add = GraphFile(file)

    with caplog.at_level(logging.WARNING, "signal_tracer"):
        for _ in range(3):
            add(TRACE)
            clock.append(clock[-1] + 10)
    [record] = caplog.records
    assert record.getMessage() == (
        f"The signal graph cannot be written to {file} (No such file or directory). It is kept in "
        "memory, and written when it can be; the traced code went on."
    )
    file.parent.mkdir()
    add(TRACE)

    assert calls_in(file) == 4


@pytest.mark.parametrize("text", ["{", '{"version": 99}', "[]"])
def test_a_file_of_something_else_is_left_alone(
    file: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    file.write_text(text)

    with caplog.at_level(logging.WARNING, "signal_tracer"):
        GraphFile(file)(TRACE)

    assert file.read_text() == text
    [record] = caplog.records
    assert record.getMessage().startswith(f"The signal graph cannot be written to {file} (This ")
    assert record.getMessage().endswith("Move it away: a new one is begun then.")


def test_a_disk_that_is_full_leaves_the_file_as_it_was(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    add = GraphFile(file)
    add(TRACE)
    before = file.read_text()

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(signal_graph.os, "replace", lambda *_: refuse(0))
        add(TRACE)
        add.flush()

    assert file.read_text() == before
    assert [*file.parent.iterdir()] == [file]
    assert "No space left on device" in caplog.text
    add.flush()
    assert calls_in(file) == 2


def test_a_system_without_locks_is_told_and_writes_all_the_same(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(signal_graph, "fcntl", None)
    add = GraphFile(file)

    add(TRACE)
    add(TRACE)
    add.flush()

    assert calls_in(file) == 2
    assert "without a lock" in caplog.text
    assert len(caplog.records) == 1


def test_requests_are_added_by_the_middleware(
    file: Path, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = Signal()

    def receive(**kwargs: object) -> None: ...

    def view(request: HttpRequest) -> HttpResponse:
        paid.send(Signal)
        return HttpResponse()

    paid.connect(receive)
    monkeypatch.setattr(signal_graph, "_default", GraphFile(file))
    settings.SIGNAL_TRACER = {  # type: ignore[attr-defined]
        "ENABLED": True,
        "REPORTERS": ["signal_tracer.showing.export.signal_graph.report"],
    }
    request = HttpRequest()
    request.method, request.path = "POST", "/checkout/"

    SignalTracerMiddleware(view)(request)

    [call] = load(file.read_text()).calls.values()
    assert call.example == "POST /checkout/"


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        (7, TypeError, "was given an object of the type int"),
        (b"graph.json", TypeError, "was given an object of the type bytes"),
        ("", ValueError, "was given ''"),
        ("a\0b", ValueError, "was given 'a\\\\x00b'"),
    ],
)
def test_what_is_no_path_is_refused(path: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        GraphFile(path)  # type: ignore[arg-type]
