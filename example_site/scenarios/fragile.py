"""A receiver that works on every developer's machine, and is silently gone in production."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.dispatch import Signal

kiln_opened = Signal()
kiln_closed = Signal()


def connect_notice(signal: Signal) -> None:
    """Connect a receiver to which nobody refers once this returns: what not to do."""

    def notify_town(sender: object, **kwargs: object) -> str:
        """Tell the town that it may come and look."""
        return "the town was told"

    signal.connect(notify_town)


@contextmanager
def production() -> Iterator[None]:
    """As it would be on a server. Not override_settings(), which sends a signal of its own."""
    before = settings.DEBUG
    settings.DEBUG = False
    try:
        yield
    finally:
        settings.DEBUG = before
