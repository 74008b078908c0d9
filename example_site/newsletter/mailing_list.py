"""A stand-in for the mailing-list service: it no longer takes our key."""


class MailingListError(Exception):
    """The address was not added."""


def add(email: str) -> None:
    """Add ``email`` to the list that the newsletter goes to."""
    raise MailingListError(f"403 Forbidden: the API key has expired, {email} was not added")
