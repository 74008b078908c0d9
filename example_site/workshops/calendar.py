"""A stand-in for a calendar elsewhere: it cannot be reached."""


class CalendarError(Exception):
    """The entry was not made."""


def enter(text: str) -> None:
    """Put ``text`` into the calendar."""
    raise CalendarError(f"504 Gateway Timeout, not entered: {text}")
