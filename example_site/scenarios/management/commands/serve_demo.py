"""``manage.py serve_demo``: serves the example site and says what to click."""

import errno
import socket
from argparse import ArgumentParser
from typing import Any

from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

HOST = "127.0.0.1"

WHAT_TO_CLICK = """
Open http://{host}:{port}/ and choose "Checkout".
Press "Place the order", then open "Signal tracer" in the toolbar on the right.
Who is connected to what: .venv/bin/python example_site/manage.py signal_map
Stop with Control-C.
"""


class Command(BaseCommand):
    help = "Serve the example site on 127.0.0.1 and say what to click."
    # The mistakes that the scenarios make on purpose: manage.py check tells them.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        port = port_number(options["port"])
        refuse_unless_free(port)
        # As runserver makes them: from then on the panel can tell what the source connects and the
        # process does not. What they say is for manage.py check.
        run_checks(tags=["signals"])
        self.stdout.write(WHAT_TO_CLICK.format(host=HOST, port=port))
        self.stdout.flush()
        call_command("runserver", f"{HOST}:{port}", use_reloader=False, skip_checks=True)


def port_number(given: object) -> int:
    """Of what ``call_command()`` was given, over which Django does not run the option's type."""
    if type(given) is int or (isinstance(given, str) and given.isdecimal()):
        return int(given)
    raise CommandError("--port takes a whole number, such as 8001.")


def refuse_unless_free(port: int) -> None:
    """Raise ``CommandError`` with the way out if the site cannot be served on ``port``."""
    if not 1 <= port <= 65535:
        raise CommandError(f"{port} is not a port: choose one from 1024 to 65535.")
    with socket.socket() as probe:
        # As runserver does it: a port that a stopped server has just left is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                what = f"Port {port} on {HOST} is taken by another program"
            else:
                what = f"Port {port} on {HOST} cannot be used ({error.strerror})"
            other = port + 1 if 1024 <= port < 65535 else 8001
            raise CommandError(f"{what}. Choose another: make demo PORT={other}") from error
