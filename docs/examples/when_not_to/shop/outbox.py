"""The outbox is emptied by a process of its own: a command that runs all the time."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone

from shop.models import Message


def relay(publish: Callable[[str, dict[str, Any]], object]) -> None:
    """Tell the oldest first. What fails stays in the outbox, and is told again."""
    with transaction.atomic():
        # On PostgreSQL and MySQL: .select_for_update(skip_locked=True), for several relays.
        for message in Message.objects.filter(sent_at=None).order_by("pk")[:100]:
            publish(message.topic, {"id": message.pk, **message.body})
            message.sent_at = timezone.now()
            message.save(update_fields=["sent_at"])
