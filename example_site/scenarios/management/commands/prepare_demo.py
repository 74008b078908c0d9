"""``manage.py prepare_demo``: makes the database and fills the shop; may be run again."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from scenarios import sample_data


class Command(BaseCommand):
    help = "Make the database and fill the shop. What is there already stays."
    # The mistakes that the scenarios make on purpose: manage.py check tells them.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        sample_data.prepare()
        self.stdout.write(
            f"The shop is ready. The user '{sample_data.USERNAME}' has the password "
            f"'{sample_data.PASSWORD}'."
        )
