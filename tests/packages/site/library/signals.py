"""Signals of its own, one of a class that decides for itself who is called."""

from typing import Any

from django.dispatch import Signal


class BranchSignal(Signal):
    """Calls the receivers one by one, each with what the one before returned."""

    def send_chained(self, sender: Any, value: Any) -> Any:
        for receiver, _ in self.send(sender, value=value):
            value = receiver
        return value

    def send(self, sender: Any, **named: Any) -> list[Any]:
        return super().send(sender, **named)


lent = Signal()
fee_asked = BranchSignal()


class Desk:
    """Holds a signal in a class attribute."""

    opened = Signal()
