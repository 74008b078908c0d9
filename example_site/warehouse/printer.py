"""A stand-in for a worker in a process of its own: it begins as soon as it is told to."""

from threading import Thread

from django.core.cache import cache

_at_work: dict[int, Thread] = {}


def start(number: int) -> None:
    """Let a slip be printed for the order ``number``, and do not wait for it."""
    _at_work[number] = Thread(target=_print_slip, args=(number,))
    _at_work[number].start()


def wait_for(number: int) -> None:
    """If the slip was begun, until it is printed."""
    if worker := _at_work.get(number):
        worker.join()


def has_begun(number: int) -> bool:
    return cache.get(f"slip:{number}", default=False)


def _print_slip(number: int) -> None:
    # A real one asks the database for the order, which has none yet for anybody else.
    cache.set(f"slip:{number}", True)
    del _at_work[number]
