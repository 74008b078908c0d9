"""The mails to whoever had something made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from django.core.mail import send_mail

if TYPE_CHECKING:
    from commissions.models import BaseCommission

_mailed: ContextVar[list[str] | None] = ContextVar("mailed", default=None)


def confirm(commission: BaseCommission) -> None:
    """Mail what was ordered."""
    send_mail(
        f"Your commission {commission.number}",
        f"We begin with the {commission.product} tomorrow.",
        None,
        [commission.customer.email],
    )
    if (mailed := _mailed.get()) is not None:
        mailed.append(commission.number)


@contextmanager
def noting_mails() -> Iterator[list[str]]:
    """The numbers of what is confirmed meanwhile."""
    mailed: list[str] = []
    token = _mailed.set(mailed)
    try:
        yield mailed
    finally:
        _mailed.reset(token)
