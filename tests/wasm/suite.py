"""The suite on CPython 3.14 in WebAssembly, where there are no threads, processes and sockets.

A test that asks for one of these is left out when it does so, and what must be known beforehand
stands in ``NOT_HERE``. Any other failure is one. The end of the output counts what was left out.

Work for a pool of threads, which is how Django goes from ``async`` code to other code and back,
is done by the one thread there is, at once: so nearly all tests of ``async`` code run.

``--part=1/4`` runs every fourth file of tests, so that several processes can share the work.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import pty
import socket
import subprocess
import sys
import threading
import time
import tomllib
import warnings
from asyncio import events
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from asgiref.current_thread_executor import CurrentThreadExecutor

# So that a run in which nearly everything is left out is not taken for a good one.
AT_LEAST = 4000

# What a test cannot be seen to ask for, by its marker or its name.
NOT_HERE = {
    "gettext": "other programs",
    "graphs": "other programs",
    "packages": "packages with parts in C",
    "postgres": "sockets",
    "redis": "sockets",
    "test_ids_do_not_get_into_a_kept_map": "addresses as long as on 64 bits",
    "test_preparing_twice_is_as_good_as_once": "OpenSSL",
    "test_the_list_of_what_django_sends_is_what_it_sends": "OpenSSL",
    "test_a_failed_login_is_sent_by_a_string": "OpenSSL",
    "test_a_failed_login_is_told_without_its_password": "OpenSSL",
    "test_it_lets_go_of_files_that_were_removed": "files that are known to be removed",
    "test_nobody_waits_for_long_for_a_file_that_somebody_keeps_locked": "locks of files",
    "test_a_worker_that_waits_for_the_commit_begins_after_it": "threads",
    "test_a_worker_that_waits_for_the_commit_is_not_told": "threads",
    "test_every_mistake_has_a_twin_without_it": "threads",
    "test_what_stood_there_first_and_went_away_leaves_it_to_be_watched_again": "threads",
    "test_of_a_model_signal_of_an_async_save_no_line_is_known": "threads",
    "test_a_path_stays_as_it_is_when_the_current_directory_is_gone": (
        "a current directory that can be removed"
    ),
}
# These import Playwright, so they are not even counted.
BROWSER = "tests/browser"

# What the running test asked for and did not get.
asked_for: set[str] = set()
worked_at_once: list[object] = []


class NotHere(RuntimeError):
    """There is no such thing in WebAssembly."""


def refuse(owner: object, name: str, what: str) -> None:
    def not_here(*args: object, **kwargs: object) -> None:
        asked_for.add(what)
        raise NotHere(what)

    setattr(owner, name, not_here)


def at_once(executor: object, work: Callable[..., object], /, *args: object) -> Future[object]:
    """Do the work as another thread would, while all that this one was at stands still."""
    worked_at_once.append(executor)
    future: Future[object] = Future()
    loop = asyncio._get_running_loop()
    task = asyncio.tasks._swap_current_task(loop, None) if loop else None
    asyncio._set_running_loop(None)
    try:
        future.set_result(contextvars.Context().run(work, *args))
    except BaseException as error:
        # Without this frame, which would keep the error alive in a circle, by way of the future.
        future.set_exception(error.with_traceback(error.__traceback__.tb_next))
    finally:
        asyncio._set_running_loop(loop)
        if loop:
            asyncio.tasks._swap_current_task(loop, task)
    return future


class Loop(asyncio.BaseEventLoop):
    """An event loop that has nothing to wait for but the time."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            # Every task waits, and there is no thread that could wake one.
            asked_for.add("threads")
            raise NotHere("threads")
        time.sleep(max(timeout, 0))
        return []

    def run_in_executor(self, executor: Any, work: Any, *args: Any) -> asyncio.Future[Any]:
        if executor is None:
            # The loop's own pool is asked for where it has to be another thread.
            asked_for.add("threads")
            raise NotHere("threads")
        return super().run_in_executor(executor, work, *args)

    def _process_events(self, happened: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class Policy(events._BaseDefaultEventLoopPolicy):
    _loop_factory = Loop


def make_do() -> None:
    """Refuse what there is not, and put in its place what can be."""
    refuse(threading.Thread, "start", "threads")
    # With one thread, who waits waits for ever.
    refuse(threading.Condition, "wait", "threads")
    refuse(subprocess.Popen, "__init__", "processes")
    # It is there, and answers that this is the child.
    refuse(os, "fork", "processes")
    # It would ask a process that was never started whether it has ended.
    del subprocess.Popen.__del__
    refuse(socket.socket, "__init__", "sockets")
    refuse(pty, "openpty", "terminals")
    ThreadPoolExecutor.submit = CurrentThreadExecutor.submit = at_once
    # Pyodide's own loop is that of Node.js, which runs when Python has ended.
    asyncio._set_running_loop(None)
    events._event_loop_policy = Policy()


class LeavingOut:
    """Leaves out the tests that cannot run, and counts them by what they lacked."""

    def __init__(self, part: int, parts: int) -> None:
        self.part = part
        self.parts = parts
        self.passed = 0
        self.lacking: dict[str, str] = {}
        self.looked_for: set[str] = set()

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        return collection_path == Path(BROWSER).absolute() or None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            names = {item.originalname, *(mark.name for mark in item.iter_markers())}
            self.looked_for |= names
            for name in names & NOT_HERE.keys():
                item.add_marker(pytest.mark.skip(reason=NOT_HERE[name]), append=False)
        files = sorted({item.path for item in items})
        mine = set(files[self.part - 1 :: self.parts])
        items[:] = [item for item in items if item.path in mine]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        asked_for.clear()
        worked_at_once.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None]:
        try:
            yield
        finally:
            # What failed at once has the test's frame in its traceback, which keeps coroutines
            # that were never started: another test would get the warning when they are freed.
            if worked_at_once:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", ".* was never awaited", RuntimeWarning)
                    gc.collect()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        # A fixture that failed before, for another test, fails again without asking.
        if call.excinfo and isinstance(call.excinfo.value, NotHere):
            asked_for.add(str(call.excinfo.value))
        if report.failed and asked_for:
            report.outcome = "skipped"
            reason = " and ".join(sorted(asked_for))
            report.longrepr = (str(item.path), item.location[1] or 0, reason)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped:
            self.lacking[report.nodeid] = report.longrepr[2].removeprefix("Skipped: ")
        elif report.passed and report.when == "call":
            self.passed += 1


def announce_our_plugin() -> None:
    """Make pytest find our plugin as it does where this project is installed."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    [(name, module)] = project["entry-points"]["pytest11"].items()
    installed = Path("/ours", f"{project['name'].replace('-', '_')}-0.dist-info")
    installed.mkdir(parents=True)
    sys.path.append("/ours")
    (installed / "METADATA").write_text(f"Name: {project['name']}\nVersion: 0\n")
    (installed / "entry_points.txt").write_text(f"[pytest11]\n{name} = {module}\n")


def main(arguments: Iterable[str]) -> int:
    """Run pytest, say what became of it, and return what the process should exit with."""
    arguments = list(arguments)
    part, parts = 1, 1
    if arguments and arguments[0].startswith("--part="):
        part, parts = map(int, arguments.pop(0).removeprefix("--part=").split("/"))
    announce_our_plugin()
    make_do()
    leaving_out = LeavingOut(part, parts)
    status = pytest.main(
        # What watches for tests that hang does so in a thread.
        ["-p", "no:cacheprovider", "-o", "faulthandler_timeout=0", *arguments],
        plugins=[leaving_out],
    )
    lacking = Counter(leaving_out.lacking.values()).most_common()
    left_out = ", ".join(f"{what} ({count})" for what, count in lacking)
    if not arguments:
        if stale := NOT_HERE.keys() - leaving_out.looked_for:
            print(f"NOT_HERE in tests/wasm/suite.py names what no test has: {sorted(stale)}.")
            status = 1
        if leaving_out.passed < AT_LEAST // parts:
            print(f"At least {AT_LEAST // parts} tests should have passed.")
            status = 1
    of_parts = f", part {part} of {parts}" if parts > 1 else ""
    print(
        f"CPython {sys.version.split()[0]} in WebAssembly{of_parts}: "
        f"{leaving_out.passed} tests passed, "
        f"{len(leaving_out.lacking)} were left out for want of {left_out or 'nothing'}, "
        f"and all of {BROWSER} for want of Playwright."
    )
    return int(status)
