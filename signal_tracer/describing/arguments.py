"""Refuses wrong arguments of what is public, and says what is wanted instead."""

from __future__ import annotations

from signal_tracer.describing.names import class_name, is_a


def kind_of(given: object) -> str:
    """``a str`` or ``None``: said of what was given, without asking it anything."""
    return "None" if given is None else f"a {class_name(type(given))}"


def want_text(name: str, given: object) -> None:
    """Raises ``TypeError`` unless it is a ``str``."""
    __tracebackhide__ = True
    if not is_a(given, str):
        raise TypeError(f"{name}= wants a str, and was given {kind_of(given)}.")


def want_switch(name: str, given: object) -> None:
    """Raises ``TypeError`` unless it is ``True`` or ``False``: ``"no"`` would be true."""
    __tracebackhide__ = True
    if given is not True and given is not False:
        raise TypeError(f"{name}= wants True or False, and was given {kind_of(given)}.")


def want_count(name: str, given: object) -> None:
    """Raises ``TypeError`` or ``ValueError`` unless it is a whole number of at least 0."""
    __tracebackhide__ = True
    wanted = f"{name}= wants a whole number, 0 or more, and was given"
    if not isinstance(given, int) or given is True or given is False:
        raise TypeError(f"{wanted} {kind_of(given)}.")
    if given < 0:
        raise ValueError(f"{wanted} {given}.")
