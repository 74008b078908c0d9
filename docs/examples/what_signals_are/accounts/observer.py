"""The Observer pattern as books on design show it: the subject keeps its observers itself."""

from typing import Protocol


class Observer(Protocol):
    def update(self, account: "Account") -> None: ...


class Account:
    """The subject."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._observers: list[Observer] = []

    def attach(self, observer: Observer) -> None:
        self._observers.append(observer)

    def detach(self, observer: Observer) -> None:
        self._observers.remove(observer)

    def close(self) -> None:
        for observer in self._observers:
            observer.update(self)


class Archive:
    """One observer."""

    def update(self, account: Account) -> None:
        print(f"archived {account.name}")
