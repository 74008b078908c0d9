"""What the library does when something happens."""

from typing import Any

from django.db.models.signals import m2m_changed, post_save
from django.dispatch import receiver

from library.models import Book
from library.signals import Desk, fee_asked, lent


@receiver(post_save, sender=Book)
def shelve(sender: type[Book], *, instance: Book, raw: bool, **kwargs: Any) -> None:
    """Put a new book on the shelf."""
    if raw:
        return


@receiver(m2m_changed, sender=Book.authors.through)
def credit_authors(sender: Any, **kwargs: Any) -> None:
    """Keep the list of authors."""


@receiver(lent)
async def remind(sender: Any, **kwargs: Any) -> None:
    """Remind the reader."""


@receiver(fee_asked, sender=Book)
def ask_fee(sender: Any, **kwargs: Any) -> int:
    """What a book costs."""
    return 1


@receiver(Desk.opened)
def switch_on_lights(sender: Any, **kwargs: Any) -> None:
    """Let there be light."""
