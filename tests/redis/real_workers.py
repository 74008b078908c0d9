"""What tests with real workers need: the shop's processes, and an inbox for their traces."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer, ThreadingMixIn
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from signal_tracer import Trace

PROJECT = Path(__file__).parent / "project"
SECONDS = 60


class Inbox(ThreadingMixIn, TCPServer):
    """Keeps each trace that is sent to it; half a one, of a process that was killed, is none."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self) -> None:
        self.traces: list[Trace] = []
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Letter)

    def wait_until(self, enough: Callable[[list[Trace]], bool]) -> list[Trace]:
        with self.changed:
            assert self.changed.wait_for(lambda: enough(self.of_tasks()), SECONDS), (
                f"{len(self.of_tasks())} traces of tasks came"
            )
            return self.of_tasks()

    def of_tasks(self) -> list[Trace]:
        return [trace for trace in self.traces if trace.task is not None]


class _Letter(StreamRequestHandler):
    server: Inbox

    def handle(self) -> None:
        text = self.rfile.read()
        try:
            trace = Trace.from_dict(json.loads(text))
        except ValueError:
            return
        with self.server.changed:
            self.server.traces.append(trace)
            self.server.changed.notify_all()


class Shop:
    """The project, in a folder of its own; what it started is gone when the block ends."""

    def __init__(self, **environment: str) -> None:
        self._folder = TemporaryDirectory(prefix="shop")
        self._processes: list[subprocess.Popen[str]] = []
        self._environment = environment

    def __enter__(self) -> Shop:
        folder = self._folder.name
        self.inbox = Inbox()
        threading.Thread(target=self.inbox.serve_forever, daemon=True).start()
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "SHOP_FOLDER": folder,
            "SHOP_INBOX": str(self.inbox.server_address[1]),
            "PYTHONPATH": os.pathsep.join([str(PROJECT), *filter(None, sys.path)]),
            **self._environment,
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(SECONDS)
        self.inbox.shutdown()
        self.inbox.server_close()
        self._folder.cleanup()

    def run(self, *arguments: str) -> str:
        """What ``manage.py`` prints."""
        return subprocess.run(
            [sys.executable, PROJECT / "manage.py", *arguments],
            **self._how(),
            check=True,
            stdout=subprocess.PIPE,
            timeout=SECONDS,
        ).stdout

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, *arguments], **self._how(), start_new_session=True
        )
        self._processes.append(process)
        return process

    def _how(self) -> dict[str, Any]:
        return {"cwd": PROJECT, "env": self._environment, "text": True}


def told(trace: Trace) -> tuple[str, str]:
    """The request that queued it; and its outline with the number of the order."""
    task = trace.task
    assert task is not None
    assert task.queued_by is not None
    assert task.queued_by.request is not None
    outline = trace.outline().replace("shop.signals.", "")
    orders = {str(dispatch.kwargs["order"]) for dispatch in trace.walk()}
    return task.queued_by.request.path, f"{' '.join(sorted(orders))}: {outline}"


def expected(order: int) -> tuple[str, str]:
    return f"/orders/{order}/pay/", (
        f"{order}: paid.send  sender='the shop'\n"
        "  ship\n"
        "    shipped.send  sender='the shop'\n"
        "      meet_an_accident"
    )
