"""The Observer pattern, twice: written by hand, and as a signal. Both do the same work."""

from collections.abc import Callable

from django.dispatch import Signal, receiver

Observer = Callable[[int], str]


def ring_bell(degrees: int) -> str:
    return f"the bell rings at {degrees} °C"


def write_diary(degrees: int) -> str:
    return f"the diary says {degrees} °C"


class Kiln:
    """The subject. It keeps its observers, and whoever makes it hands them over."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = list(observers)

    def fire(self, degrees: int) -> list[str]:
        return [observer(degrees) for observer in self._observers]


# A kiln is fired. Sender: Kiln. Arguments: degrees.
kiln_fired = Signal()


@receiver(kiln_fired, sender=Kiln, dispatch_uid="scenarios.hear_bell")
def hear_bell(sender: type[Kiln], *, degrees: int, **kwargs: object) -> str:
    """Everybody in the house hears it."""
    return ring_bell(degrees)


@receiver(kiln_fired, sender=Kiln, dispatch_uid="scenarios.keep_diary")
def keep_diary(sender: type[Kiln], *, degrees: int, **kwargs: object) -> str:
    """What was fired when, and how hot."""
    return write_diary(degrees)
