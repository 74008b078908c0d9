"""Knows in which transactions, and in which callback, a thread runs.

``transactions`` and ``callbacks`` keep it up to date; a dispatch that is sent remembers it.
"""

from __future__ import annotations

import threading
from collections.abc import Container
from typing import Any


class Savepoint:
    """A stretch of work in a database that is undone together.

    ``sid`` is its savepoint, ``None`` from the ``BEGIN`` on; ``depth`` the number of atomic blocks
    around it. It lives as long as the dispatches that were sent in it, and only its flags change:
    ``is_over`` is that of the outermost, and says that no rollback can come any more;
    ``is_trial`` that a package undid its own work on purpose.
    """

    __slots__ = ("alias", "depth", "is_over", "is_rolled_back", "is_trial", "parent", "sid")

    def __init__(self, alias: str, parent: Savepoint | None, sid: str | None, depth: int) -> None:
        self.alias = alias
        self.parent = parent
        self.sid = sid
        self.depth = depth
        self.is_over = False
        self.is_rolled_back = False
        self.is_trial = False

    def was_undone(self) -> bool:
        return self.undone_with() is not None

    def undone_with(self) -> Savepoint | None:
        """Itself, or the one around it that was rolled back."""
        savepoint: Savepoint | None = self
        while savepoint is not None and not savepoint.is_rolled_back:
            savepoint = savepoint.parent
        return savepoint

    def is_settled(self) -> bool:
        """Whether it is known for good if this was undone."""
        savepoint = self
        while savepoint.parent is not None and not savepoint.is_rolled_back:
            savepoint = savepoint.parent
        return savepoint.is_rolled_back or savepoint.is_over


class Here:
    """Where a dispatch is sent: in which savepoints, and by which ``on_commit()`` callback.

    The callback sends what it sends at ``node``; all below that is sent at ``below``. ``aliases``
    are all that a dispatch may name.
    """

    __slots__ = ("_about", "aliases", "below", "callback", "node", "savepoints")

    def __init__(
        self,
        savepoints: tuple[Savepoint, ...],
        aliases: Container[str],
        callback: str | None = None,
        node: object = None,
        below: Here | None = None,
    ) -> None:
        self.savepoints = savepoints
        self.aliases = aliases
        self.callback = callback
        self.node = node
        self.below = below
        self._about: dict[str, Here | None] | None = None

    def of(self, node: object, around: object, using: object) -> Here | None:
        """The same for a dispatch that is sent at ``node``, or in a trace ``around`` it.

        One that is about the database ``using`` is in the savepoints of that one only.
        """
        here: Here | None = self
        if self.callback is not None and node is not self.node and around is not self.node:
            here = self.below
        # Nothing is run that an object, or a subclass of str, may have of its own.
        if here is None or using is None or not issubclass(type(using), str):
            return here
        return here._about_database(using if type(using) is str else str.__str__(using))

    def _about_database(self, alias: str) -> Here | None:
        for savepoint in self.savepoints:
            if savepoint.alias != alias:
                break
        else:
            return self
        if alias not in self.aliases:
            return self  # Another kind of ``using``, of somebody's own signal.
        if self._about is None:
            self._about = {}
        if alias not in self._about:
            own = tuple([each for each in self.savepoints if each.alias == alias])
            is_anywhere = own or self.callback is not None
            self._about[alias] = Here(own, self.aliases, self.callback) if is_anywhere else None
        return self._about[alias]


class _Thread(threading.local):
    """What the dispatches of one thread are to remember."""

    def __init__(self) -> None:
        self.here: Here | None = None
        # Whether the block of a test case begins or ends now, and not one of the code's own.
        self.is_tests = False
        # Whether a package leaves a block of its own, of which it wanted nothing to stay.
        self.is_trial = False
        # The open savepoints of each connection, by its id.
        self.stacks: dict[int, Any] = {}
        # The on_commit() callback that runs, and the node at which it does.
        self.callback: str | None = None
        self.node: object = None
        self.running: object = None


thread = _Thread()
# Those of them whose dispatches have something to remember. To look into a place that each thread
# has for itself costs as much as a record; most of the time nobody needs to.
busy: set[int] = set()


def remember(here: Here | None) -> None:
    """Have the dispatches of this thread remember this from now on."""
    thread.here = here
    (busy.discard if here is None else busy.add)(threading.get_ident())


def forget_all() -> None:
    """Forget the transactions of all threads."""
    global thread
    thread = _Thread()
    busy.clear()
