"""Collectors as they are on a bad day, on loopback: each answers an export in its own way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class BadCollector:
    """Answers each export with ``status`` and ``body``, or with ``raw`` bytes that are no HTTP.

    ``hold()`` has it wait with its answers until ``release()``: it has taken the connection, and
    read what was sent. ``asked`` is set when the first export is there, and ``bodies`` has all.
    """

    def __init__(self, status: int = 200, body: bytes = b"", raw: bytes | None = None) -> None:
        self.asked = threading.Event()
        self.bodies: list[bytes] = []
        self._free = threading.Event()
        self._free.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805  # self is the collector
                self.bodies.append(handler.rfile.read(int(handler.headers["Content-Length"])))
                self.asked.set()
                self._free.wait(60)
                if raw is not None:
                    handler.wfile.write(raw)
                    return
                handler.send_response(status)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *args: object) -> None:  # noqa: N805
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def hold(self) -> None:
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    def __enter__(self) -> BadCollector:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def nobody_there() -> Iterator[str]:
    """An address where every connection is refused, and that nobody else gets."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
