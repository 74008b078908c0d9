"""What was sent is compared with what a test asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from signal_tracer.collecting.witnessing import Sent
from signal_tracer.describing.names import class_name, is_a, name_of_signal
from signal_tracer.describing.values import Capture, name_of_sender, render
from signal_tracer.records import goes_by, show_value


class _Anything:
    def __repr__(self) -> str:
        return "anything"


ANYTHING: Any = _Anything()
_MISSING: Any = object()


def is_match(expected: Any, actual: Any) -> bool:
    """By identity, by ``==``, or as an instance of the expected type."""
    if expected is actual or expected is ANYTHING or expected == actual:
        return True
    return is_a(expected, type) and isinstance(actual, expected)


def is_sender(expected: Any, sent: Sent) -> bool:
    if is_a(expected, str) and goes_by(sent.sender_name, expected):
        return True
    return is_match(expected, sent.sender)


class Wanted:
    """A dispatch that a test asks for. ``signal`` is the object, or a name or pattern."""

    def __init__(self, signal: Any, sender: Any, named: dict[str, Any]) -> None:
        self.signal = signal
        self.sender = sender
        self.named = named

    @property
    def is_any(self) -> bool:
        """Whether any dispatch of the signal will do."""
        return self.sender is ANYTHING and not self.named

    @property
    def signal_name(self) -> str:
        return self.signal if is_a(self.signal, str) else name_of_signal(self.signal)

    def is_signal(self, name: str) -> bool:
        return goes_by(name, self.signal_name)

    def is_of_signal(self, sent: Sent) -> bool:
        if is_a(self.signal, str):
            return goes_by(sent.signal_name, self.signal)
        return sent.signal is self.signal

    def matches(self, sent: Sent) -> bool:
        return self.is_of_signal(sent) and not any(True for _ in self._differences(sent))

    def differences(self, sent: Sent) -> list[str]:
        """In what a dispatch of the signal is not as asked, a sentence each."""
        return list(self._differences(sent))

    def names_unknown_to(self, sent: list[Sent]) -> list[str]:
        """The arguments asked for that no dispatch of the signal had, if there was a dispatch."""
        of_signal = [each for each in sent if self.is_of_signal(each)]
        known = {name for each in of_signal for name in each.named}
        return [name for name in self.named if name not in known] if of_signal else []

    def _differences(self, sent: Sent) -> Iterator[str]:
        if not is_sender(self.sender, sent):
            yield _difference("sender", sent.shown_sender(), show_sender(self.sender))
        for name, expected in self.named.items():
            actual = sent.named.get(name, _MISSING)
            if actual is _MISSING:
                yield f"it has no argument {name}"
            elif not is_match(expected, actual):
                yield _difference(name, sent.shown(name), show(name, expected))

    def __str__(self) -> str:
        """One line, as an outline names a dispatch."""
        parts = [self.signal_name]
        if self.sender is not ANYTHING:
            parts.append(f"sender={show_sender(self.sender)}")
        parts += [f"{name}={show(name, value)}" for name, value in self.named.items()]
        return "  ".join(parts)


def _difference(name: str, actual: str, expected: str) -> str:
    if actual == expected:
        return f"{name} is another {actual} than the one asked for"
    return f"{name} is {actual}, not {expected}"


def show_sender(sender: Any) -> str:
    return str(sender) if is_a(sender, str) else name_of_sender(sender)


def show(name: str, value: Any) -> str:
    """A value as a trace would show it under this name; a matcher as it describes itself."""
    captured = show_value(render(Capture(200).kwargs({name: value})[1][0]))
    if captured == f"<{class_name(type(value))}>":
        return repr(value)
    return captured


def show_sent(sent: Sent) -> str:
    named = (f"{name}={sent.shown(name)}" for name in sent.captured)
    return "  ".join([f"{sent.signal_name}.{sent.method}", f"sender={sent.shown_sender()}", *named])
