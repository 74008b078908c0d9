"""The same with a signal: the subject knows the signal, and nobody who listens to it."""

from typing import Any

from django.dispatch import Signal, receiver

account_closed = Signal()


class Account:
    """The sender."""

    def __init__(self, name: str) -> None:
        self.name = name

    def close(self) -> None:
        account_closed.send(sender=type(self), account=self)


@receiver(account_closed, sender=Account)
def archive(account: Account, **kwargs: Any) -> None:
    """One receiver."""
    print(f"archived {account.name}")
