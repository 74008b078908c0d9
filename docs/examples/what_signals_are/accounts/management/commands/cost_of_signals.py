"""What a signal costs, as ratios: to a plain call, to a save and to a row that nobody hears of."""

from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models.signals import post_init, post_save
from django.dispatch import Signal

from accounts.models import Note
from signal_tracer.tracer import uninstall

ROUNDS = 15


def receiver(**kwargs: Any) -> None: ...


def several(number: int) -> list[Callable[..., None]]:
    return [lambda **kwargs: None for _ in range(number)]


class Command(BaseCommand):
    help = __doc__

    def handle(self, **options: Any) -> None:
        uninstall()  # What is measured is Django.
        unheard, one, twenty = Signal(), Signal(), Signal()
        one.connect(receiver)
        for each in several(20):
            twenty.connect(each, weak=False)
        named = {"instance": None, "created": True, "raw": False, "using": "default"}

        self.say("A call of one empty function", 1)
        for words, signal, method, times in (
            ("send(), nobody listens", unheard, Signal.send, 2000),
            ("send(), 1 receiver", one, Signal.send, 2000),
            ("send_robust(), 1 receiver", one, Signal.send_robust, 2000),
            ("send(), 20 receivers", twenty, Signal.send, 300),
        ):
            self.compared(
                words,
                lambda: receiver(signal=one, sender=Note, **named),
                lambda method=method, signal=signal: method(signal, Note, **named),
                times,
            )

        note = Note.objects.create(text="a")
        three = several(3)
        self.say("\nA save that nobody hears of (SQLite in memory)", 1)
        self.compared(
            "… with 3 empty receivers of post_save",
            note.save,
            note.save,
            50,
            lambda: [post_save.connect(each, sender=Note) for each in three],
            lambda: [post_save.disconnect(each, sender=Note) for each in three],
        )
        Note.objects.bulk_create(Note(text="b") for _ in range(500))
        self.say("\n500 rows loaded", 1)
        self.compared(
            "… with 1 empty receiver of post_init",
            lambda: list(Note.objects.all()),
            lambda: list(Note.objects.all()),
            1,
            lambda: post_init.connect(receiver, sender=Note),
            lambda: post_init.disconnect(receiver, sender=Note),
        )

    def compared(
        self,
        words: str,
        plain: Callable[[], object],
        other: Callable[[], object],
        times: int,
        begin: Callable[[], object] = lambda: None,
        end: Callable[[], object] = lambda: None,
    ) -> None:
        """Print how much longer ``other`` takes, run in turn with ``plain``."""
        ratios = []
        for _ in range(ROUNDS):
            first = timed(plain, times)
            begin()
            ratios.append(timed(other, times) / first)
            end()
        self.say(words, median(ratios))

    def say(self, words: str, ratio: float) -> None:
        digits = 0 if ratio >= 10 else 2
        self.stdout.write(f"{words:<48}{ratio:7.{digits}f} ×")


def timed(run: Callable[[], object], times: int) -> float:
    """Processor time, in seconds."""
    start = process_time()
    for _ in range(times):
        run()
    return process_time() - start
