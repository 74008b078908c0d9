"""What somebody does who has installed the wheel, in an environment that has nothing else.

``python use.py [EXTRA]``, beside neither the package nor this repository's settings.
"""

import importlib
import io
import sys
from importlib.util import find_spec

import django
from django.conf import settings
from django.core.management import call_command

OF_EXTRAS = {
    "debug-toolbar": "signal_tracer.panel",
    "opentelemetry": "signal_tracer.showing.export.opentelemetry",
    "celery": "signal_tracer.tasks.celery",
}
BROUGHT = {"debug-toolbar": "debug_toolbar", "opentelemetry": "opentelemetry", "celery": "celery"}

extra = sys.argv[1] if len(sys.argv) > 1 else ""
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        *(["django.contrib.staticfiles", "debug_toolbar"] if extra == "debug-toolbar" else []),
        "signal_tracer",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEBUG_TOOLBAR_PANELS=["signal_tracer.panel.SignalTracerPanel"],
    STATIC_URL="static/",
    SECRET_KEY="only here",
)
django.setup()

from django.contrib.auth.models import Group  # noqa: E402
from django.db.models.signals import post_save  # noqa: E402

from signal_tracer import __version__, report, trace_signals  # noqa: E402


def welcome(instance: Group, **kwargs: object) -> None:
    """Greets a new group."""


post_save.connect(welcome, sender=Group, dispatch_uid="welcome")
call_command("migrate", verbosity=0)
with trace_signals("a group is made") as trace:
    Group.objects.create(name="potters")
drawn = io.StringIO()
report(trace, file=drawn)
assert "__main__.welcome" in drawn.getvalue(), drawn.getvalue()

listed = io.StringIO()
call_command("signal_map", stdout=listed)
assert "__main__.welcome" in listed.getvalue(), listed.getvalue()

for name, module in OF_EXTRAS.items():
    if name == extra:
        importlib.import_module(module)
    elif find_spec(BROUGHT[name]) is None:
        said = ""
        try:
            importlib.import_module(module)
        except ImportError as error:
            said = str(error)
        assert said, f"{module} was imported without {BROUGHT[name]}"
        # The panel is named by whoever has the toolbar; the others say how to get what they want.
        assert name == "debug-toolbar" or f"django-signal-tracer[{name}]" in said, said
print(f"signal_tracer {__version__} with Django {django.__version__}: {extra or 'no extra'}")
