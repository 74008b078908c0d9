from typing import Any

from django.core.management.base import BaseCommand
from django.test import Client


class Command(BaseCommand):
    help = "Make a request for each of so many orders, and print the id of the task that it queued."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("orders", type=int)

    def handle(self, *, orders: int, **options: Any) -> None:
        client = Client()
        for order in range(orders):
            response = client.post(f"/orders/{order}/pay/")
            self.stdout.write(response.content.decode())
