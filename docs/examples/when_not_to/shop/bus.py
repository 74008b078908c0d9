"""A stand-in for Redis or Kafka, in memory: who publishes does not know who has subscribed."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from shop.models import Order
from shop.work import confirm

Subscriber = Callable[[dict[str, Any]], object]
subscribers: dict[str, list[Subscriber]] = defaultdict(list)


def publish(topic: str, body: dict[str, Any]) -> None:
    for subscriber in subscribers[topic]:
        subscriber(body)


# In another service. What arrives twice must do no harm: it remembers what it has seen.
seen: set[int] = set()


def confirm_once(body: dict[str, Any]) -> None:
    if body["id"] not in seen:
        confirm(Order.objects.get(pk=body["order"]))
        seen.add(body["id"])


subscribers["order-placed"].append(confirm_once)
