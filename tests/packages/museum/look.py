"""Serves the museum, filled and with the debug toolbar: ``make museum``.

A page of hundreds of dispatches that packages hear is /admin/auth/group/add/.
"""

from __future__ import annotations

import os
import sys
import tempfile

PORT = sys.argv[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        import visit  # which wants the settings without the toolbar

        os.environ |= {"MUSEUM_DATA": data, "DJANGO_SETTINGS_MODULE": "with_toolbar"}
        visit.django.setup()
        from django.core.management import call_command
        from django.test.utils import override_settings

        call_command("migrate", verbosity=0)
        visit.prepare()
        with override_settings(INTERNAL_IPS=[]):
            visit.office(visit.Visitor([]))
        print(f"http://127.0.0.1:{PORT}/admin/ (director, secret)", flush=True)
        call_command("runserver", f"127.0.0.1:{PORT}", "--noreload", verbosity=0)


if __name__ == "__main__":
    main()
