"""The place that knows in which transactions, and in which callback, a thread runs.

``transactions`` and ``callbacks`` keep it up to date; a dispatch that is sent remembers it.
"""

from __future__ import annotations

import threading
from typing import Any


class Span:
    """A stretch of work in a database that is undone together.

    ``sid`` is its savepoint, ``None`` from the ``BEGIN`` on; ``depth`` the number of atomic blocks
    around it. It lives as long as the dispatches that were sent in it, and only its flags change:
    ``is_over`` is that of the outermost, and says that no rollback can come any more.
    """

    __slots__ = ("alias", "depth", "is_over", "is_rolled_back", "parent", "sid")

    def __init__(self, alias: str, parent: Span | None, sid: str | None, depth: int) -> None:
        self.alias = alias
        self.parent = parent
        self.sid = sid
        self.depth = depth
        self.is_over = False
        self.is_rolled_back = False

    def was_undone(self) -> bool:
        span: Span | None = self
        while span is not None:
            if span.is_rolled_back:
                return True
            span = span.parent
        return False

    def is_settled(self) -> bool:
        """Whether it is known for good if this was undone."""
        span = self
        while span.parent is not None and not span.is_rolled_back:
            span = span.parent
        return span.is_rolled_back or span.is_over


class Here:
    """Where a dispatch is sent: in which spans, and by which ``on_commit()`` callback.

    The callback sends what it sends at ``node``; all below that is sent at ``below``.
    """

    __slots__ = ("below", "callback", "node", "spans")

    def __init__(
        self,
        spans: tuple[Span, ...],
        callback: str | None = None,
        node: object = None,
        below: Here | None = None,
    ) -> None:
        self.spans = spans
        self.callback = callback
        self.node = node
        self.below = below

    def of(self, node: object, around: object) -> Here | None:
        """The same for a dispatch that is sent at ``node``, or in a trace ``around`` it."""
        if self.callback is None or node is self.node or around is self.node:
            return self
        return self.below


class _Place(threading.local):
    """What the dispatches of one thread are to remember."""

    def __init__(self) -> None:
        self.here: Here | None = None
        # The open spans of each connection, by its id.
        self.stacks: dict[int, Any] = {}
        # The on_commit() callback that runs, and the node at which it does.
        self.callback: str | None = None
        self.node: object = None
        self.running: object = None


place = _Place()


def leave_places() -> None:
    """Forget the transactions of all threads."""
    global place
    place = _Place()
