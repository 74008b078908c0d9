"""``manage.py demo_checkout``: one real checkout, traced and shown in the console."""

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from scenarios import sample_data
from shop.checkout import place_order
from signal_tracer import trace_signals
from signal_tracer.showing.console import render_trace

DISPATCH_LOG = logging.getLogger("django.dispatch")


def without_traceback(record: logging.LogRecord) -> bool:
    """Django logs the swallowed exception with its traceback; the tree below shows that one."""
    record.exc_info = None
    return True


class Command(BaseCommand):
    help = "Place one order in the example shop and show the signals that it sends."
    # The mistakes that the scenarios make on purpose: manage.py check tells them.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        basket = sample_data.basket()
        if not basket:
            raise CommandError("The shop is empty. Run this first: manage.py prepare_demo")
        customer = sample_data.customer()
        self.stdout.write("Placing an order in the example shop. All that Django says of it:")
        self.stdout.flush()
        DISPATCH_LOG.addFilter(without_traceback)
        try:
            with trace_signals("checkout") as trace:
                order = place_order(
                    customer,
                    basket,
                    phone=sample_data.PHONE,
                    card_number=sample_data.CARD_NUMBER,
                )
        finally:
            DISPATCH_LOG.removeFilter(without_traceback)
        order.refresh_from_db()
        self.stdout.write(f"\nOrder {order.pk} was placed and is {order.status}. Its signals:\n\n")
        Console(file=self.stdout).print(render_trace(trace, brief=False))
