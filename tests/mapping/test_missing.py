"""What the source connects and the process does not have: one project, an app for each way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODELS = """
from django.db import models

class Order(models.Model):
    pass
"""
RECEIVERS = """
from django.db.models.signals import post_save
from django.dispatch import receiver
from {app}.models import Order

@receiver(post_save, sender=Order)
def send_receipt(sender, instance, **kwargs):
    pass
"""
CONFIG = """
from django.apps import AppConfig

class {name}Config(AppConfig):
    name = "{app}"

    def {ready}(self):
        {body}
"""


def config(app: str, body: str, *, ready: str = "ready", name: str = "Shop") -> str:
    return CONFIG.format(app=app, body=body, ready=ready, name=name)


ON_SAVE = "\n    def on_save(self, **kwargs): ...\n"


def in_ready(app: str, body: str, methods: str = "") -> dict[str, str]:
    """An app whose ready() does this, with what receivers often need at hand."""
    lines = [
        "from django.db.models.signals import post_save",
        "from django.conf import settings",
        f"from {app}.models import Order",
        *body.strip("\n").split("\n"),
    ]
    return {"apps.py": config(app, "\n        ".join(lines)) + methods}


def in_models(code: str) -> dict[str, str]:
    head = "from django.db.models.signals import post_save\nfrom django.dispatch import receiver\n"
    return {"models.py": f"{head}{MODELS}\n{code}"}


TWO_CONFIGS = config("two", "import two.receivers") + config("two", "pass", name="Other").replace(
    "from django.apps import AppConfig", ""
)
DEFAULT = config("chosen", "import chosen.receivers") + config(
    "chosen", "pass", name="Other"
).replace("from django.apps import AppConfig", "").replace(
    'name = "chosen"', 'name = "chosen"\n    default = True'
)

BULK_MODELS = """
from django.db import models
from django.db.models import signals
from django.dispatch import receiver

class Order(models.Model):
    name = models.CharField(max_length=9)

class Line(models.Model):
    def save(self, **kwargs):
        Line.objects.update()
        super().save(**kwargs)

    def delete(self, **kwargs):
        Line.objects.all().delete()
        return super().delete(**kwargs)

class Quiet(models.Model):
    pass

@receiver(signals.post_save, sender=Order)
def index(sender, instance, **kwargs):
    Order.objects.filter(pk=instance.pk).update(name="")

@receiver(signals.post_delete, sender=Order)
def forget(sender, instance, **kwargs): ...
"""
BULK = """
from bulk import models
from bulk.models import Line, Order, Quiet

def write(rows, unknown):
    Order.objects.bulk_create(rows)
    models.Order.objects.filter(pk=1).exclude(pk=2).update(name="x")
    (
        Order.objects
        .using("default")
        ._raw_delete("default")
    )
    orders = Order._default_manager.all()
    orders.update(name="y")
    Line.objects.all()[:3].delete()
    Line.objects.bulk_update(rows, ["order"])

async def write_later(rows):
    await Order.objects.abulk_create(rows)

def harmless(rows, unknown):
    Quiet.objects.bulk_create(rows)
    Order.objects.all().delete()
    Order.objects.create().delete()
    Order.objects.update_or_create(pk=1)
    {}.update(name="z")
    rows = {}
    rows.update(name="z")

def of_unknown_models(rows, unknown, order):
    unknown.objects.bulk_create(rows)
    unknown.filter(pk=1).update(name="z")
    order.lines.filter(pk=1).delete()
    if rows:
        either = Order.objects.all()
    else:
        either = Line.objects.all()
    either.exclude(pk=1).update(name="z")
"""

# The files of each app. One without receivers of its own has those above, which nobody imports.
APPS: dict[str, dict[str, str]] = {
    # Never imported
    "plain": {"receivers.py": RECEIVERS},
    "without_ready": {
        "receivers.py": RECEIVERS,
        "apps.py": "from django.apps import AppConfig\n\n\nclass ShopConfig(AppConfig):\n"
        '    name = "without_ready"\n',
    },
    "idle_ready": {"receivers.py": RECEIVERS, "apps.py": config("idle_ready", "pass")},
    "typing_only": {
        "receivers.py": RECEIVERS,
        "apps.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from . import receivers\n" + config("typing_only", "pass"),
    },
    "aliased": {
        "receivers.py": """
from django.db.models import signals as s
from django import dispatch

from . import models as m

@dispatch.receiver([s.post_save, s.post_delete], sender=m.Order)
async def send_receipt(**kwargs): ...
"""
    },
    "own_signal": {
        "signals.py": "from django.dispatch import Signal\npaid: Signal = Signal()\n",
        "handlers.py": "from .signals import paid\n\ndef on_paid(**kwargs): ...\n\n"
        "paid.connect(on_paid, dispatch_uid='x')\n",
    },
    "as_method": {
        "handlers.py": "from django.db.models.signals import post_save\n\nclass Handlers:\n"
        "    @staticmethod\n    def on_save(**kwargs): ...\n\n"
        "post_save.connect(Handlers.on_save, sender='as_method.Order', weak=False)\n"
    },
    "package": {
        "receivers/__init__.py": "from .orders import *\n",
        "receivers/orders.py": RECEIVERS,
    },
    # The ready() that would import it
    "two": {"receivers.py": RECEIVERS, "apps.py": TWO_CONFIGS},
    "chosen": {"receivers.py": RECEIVERS, "apps.py": DEFAULT},
    "in_init": {
        "receivers.py": RECEIVERS,
        "__init__.py": config("in_init", "import in_init.receivers"),
    },
    "named": {
        "receivers.py": RECEIVERS,
        "apps.py": config("named", "import named.receivers")
        + "\n\nclass OldConfig(AppConfig):\n    name = 'named'\n",
    },
    "misspelt": {
        "receivers.py": RECEIVERS,
        "apps.py": config("misspelt", "import misspelt.receivers", ready="raedy"),
    },
    "beside": {
        "receivers.py": RECEIVERS,
        "apps.py": config("beside", "import beside.receivers").replace("\n    def", "\ndef"),
    },
    "beside_and_given": {
        "receivers.py": RECEIVERS,
        "apps.py": config("beside_and_given", "import beside_and_given.receivers").replace(
            "\n    def", "\ndef"
        )
        + "\n\nif AppConfig is None:\n    ShopConfig.ready = ready\n",
    },
    "overwritten": {
        "receivers.py": RECEIVERS,
        "apps.py": config("overwritten", "import overwritten.receivers")
        + "\n    def ready(self):\n        pass\n",
    },
    "wrong_module": {
        "receivers.py": RECEIVERS,
        "apps.py": config(
            "wrong_module",
            "try:\n            import wrong_module.reciever\n        except ImportError:\n"
            "            pass",
        ),
    },
    "failed": {
        "receivers.py": "import no_such_package\n" + RECEIVERS,
        "apps.py": config(
            "failed",
            "try:\n            import failed.receivers\n        except ImportError:\n"
            "            pass",
        ),
    },
    "under_if": {
        "receivers.py": RECEIVERS,
        "apps.py": config(
            "under_if",
            "from django.conf import settings\n        if settings.SEND_MAIL:\n"
            "            import under_if.receivers",
        ),
    },
    "early_return": in_ready(
        "early_return",
        """
if not settings.SEND_MAIL:
    return
post_save.connect(self.on_save, sender=Order)
""",
        ON_SAVE,
    ),
    # Loaded, and not connected
    "uid": in_models(
        """
@receiver(post_save, sender=Order, dispatch_uid="uid.on_order")
def index(**kwargs): ...

@receiver(post_save, sender=Order, dispatch_uid="uid.on_order")
def send_mail(**kwargs): ...
"""
    ),
    "same_name": in_models(
        """
@receiver(post_save, sender=Order)
def on_save(**kwargs): ...

@receiver(post_save, sender="same_name.Order", weak=True)
def on_save(**kwargs): ...
"""
    ),
    "loop": in_models(
        "class Line(models.Model): ...\n\nfor model in (Order, Line):\n"
        "    def on_save(**kwargs): ...\n    post_save.connect(on_save, sender=model)\n"
    ),
    "deleted_name": in_models(
        "def on_save(**kwargs): ...\n\npost_save.connect(on_save, sender=Order)\ndel on_save\n"
    ),
    "by_connect": in_models("@post_save.connect\ndef on_save(**kwargs): ...\n"),
    "lambdas": in_models("post_save.connect(lambda **kwargs: None, sender=Order)\n"),
    "partials": in_models(
        "from functools import partial\n\ndef on_save(flag, **kwargs): ...\n\n"
        "post_save.connect(partial(on_save, 1), sender=Order)\n"
    ),
    "methods": in_models(
        "class Handler:\n    def on_save(self, **kwargs): ...\n\n"
        "post_save.connect(Handler().on_save, sender=Order)\n"
    ),
    "local_object": in_ready(
        "local_object",
        "from local_object.handlers import Handler\nhandler = Handler()\n"
        "post_save.connect(handler.on_save, sender=Order)",
    )
    | {"handlers.py": "class Handler:\n    def on_save(self, **kwargs): ...\n"},
    "local_function": in_ready(
        "local_function",
        "def on_save(**kwargs): ...\npost_save.connect(on_save, sender=Order)",
    ),
    "made": in_models(
        "def make():\n    def on_save(**kwargs): ...\n    return on_save\n\n"
        "post_save.connect(make(), sender=Order)\n"
    ),
    "local_elsewhere": in_models(
        "def hook_up():\n    @receiver(post_save, sender=Order)\n"
        "    def on_save(**kwargs): ...\n\nhook_up()\n"
    ),
    "dropped": in_models(
        "class Notifier:\n    def __init__(self):\n"
        "        post_save.connect(self.on_save, sender=Order)\n\n"
        "    def on_save(self, **kwargs): ...\n\nNotifier()\n"
    ),
    "lambda_elsewhere": in_models(
        "def hook_up_lambda():\n    post_save.connect(lambda **kwargs: None, sender=Order)\n"
        "    print(end='')\n\nhook_up_lambda()\n"
    ),
    "dropped_after": in_models(
        "class Hooks:\n    def hook_up_all(self):\n"
        "        post_save.connect(self.on_save, sender=Order)\n\n"
        "    def on_save(self, **kwargs): ...\n\nHooks().hook_up_all()\n"
    ),
    "dropped_by_ready": {
        "apps.py": config(
            "dropped_by_ready",
            "from dropped_by_ready.models import Briefly\n        briefly = Briefly()\n"
            "        briefly.hook_up_briefly(1)",
        ),
    }
    | in_models(
        "class Briefly:\n    def hook_up_briefly(self, size):\n"
        "        post_save.connect(self.on_save, sender=Order)\n\n"
        "    def on_save(self, **kwargs): ...\n"
    ),
    "called_object": in_models(
        "class Indexer:\n    def __call__(self, **kwargs): ...\n\n"
        "post_save.connect(Indexer(), sender=Order)\n"
    ),
    "helper": {
        "receivers.py": RECEIVERS,
        "apps.py": config("helper", "self.hook_up()")
        + "\n    def hook_up(self):\n        from helper import receivers\n"
        + "\n\nclass OldConfig(AppConfig):\n    name = 'helper'\n",
    },
    "condition": in_models(
        "from django.conf import settings\n\nif settings.SEND_MAIL:\n"
        "    @receiver(post_save, sender=Order)\n    def on_save(**kwargs): ...\n"
    ),
    "uncalled": in_models(
        "def on_save(**kwargs): ...\n\ndef hook_up_uncalled():\n"
        "    post_save.connect(on_save, sender=Order)\n"
    ),
    "disconnected": in_models(
        "@receiver(post_save, sender=Order)\ndef on_save_disconnected(**kwargs): ...\n\n"
        "post_save.disconnect(on_save_disconnected, sender=Order)\n"
    ),
    # All is well
    "bulk": {"models.py": BULK_MODELS, "work.py": BULK},
    "fine": {"receivers.py": RECEIVERS, "apps.py": config("fine", "from . import receivers")},
    "fine_everything": in_ready(
        "fine_everything",
        """
from fine_everything import handlers
post_save.connect(self.on_save, sender=Order)
post_save.connect(handlers.on_save, sender=Order)
post_save.connect(handlers.Handlers.on_save, sender="fine_everything.Order")
post_save.connect(handlers.kept.on_other, sender=self.get_model("Order"))
self.local = local = handlers.Kept()
post_save.connect(local.on_other, sender=Order)
for model in (Order, "fine_everything.Later"):
    post_save.connect(handlers.on_each, sender=model, dispatch_uid=str(model))
""",
        ON_SAVE,
    )
    | {
        "handlers.py": """
import functools
import sqlite3
from django.db.models.signals import post_save
from django.dispatch import receiver

mine = "fine_everything.Order"

def plain(function):
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner

def on_save(**kwargs): ...
def on_each(**kwargs): ...

class Handlers:
    @staticmethod
    def on_save(**kwargs): ...

    @receiver(post_save, sender=mine)
    def decorated(sender, **kwargs): ...

class Kept:
    def on_other(self, **kwargs): ...

kept = Kept()
held = functools.partial(on_save, flag=1)
post_save.connect(held, mine)

@receiver(post_save, sender="fine_everything.Order")
@plain
def wrapped(**kwargs): ...

try:
    import json
except ImportError:
    @receiver(post_save, sender=mine)
    def never(**kwargs): ...
else:
    @receiver(post_save, sender=mine)
    def in_else(**kwargs): ...

def make():
    def made(**kwargs): ...
    return made

post_save.connect(make(), mine, weak=False)

def for_a_while(work):
    def meanwhile(**kwargs): ...
    post_save.connect(meanwhile, sender=mine)
    work()

for_a_while(lambda: None)

class One: ...
class Two: ...

def of_each(**kwargs): ...

for each in (One, Two):
    def once_each(**kwargs): ...
    post_save.connect(once_each, sender=each, weak=False)
    def kept_each(**kwargs): ...
    keep = [*globals().get("keep", ()), kept_each]
    post_save.connect(kept_each, sender=each)
    post_save.connect(of_each, sender=each)

class Recorder:
    def __init__(self):
        post_save.connect(self.note, sender=mine)

    def note(self, **kwargs): ...

recorder = Recorder()

class Registered:
    def __init__(self): kept_objects.append(self)
    def __call__(self, **kwargs): ...

kept_objects = []
post_save.connect(Registered(), sender=mine)

class Starter:
    def start_all(self):
        post_save.connect(self.heard, sender=mine)
        kept_objects.append(self)

    def heard(self, **kwargs): ...

Starter().start_all()

def with_a_lambda(is_weak=False):
    post_save.connect(lambda **kwargs: None, sender=mine, weak=is_weak)

with_a_lambda()
post_save.connect(lambda **kwargs: None, mine, False)
sqlite3.connect(":memory:").close()
"""
    },
    # What they connect was disconnected, and they are kept: nobody dropped them.
    "kept_by_ready": {
        "apps.py": config(
            "kept_by_ready",
            "from kept_by_ready.models import Lasting\n        lasting = Lasting()\n"
            "        lasting.hook_up_lasting()\n        self.lasting = lasting",
        ),
    }
    | in_models(
        "class Lasting:\n    def hook_up_lasting(self):\n"
        "        post_save.connect(self.on_save, sender=Order)\n"
        "        post_save.receivers.pop()\n\n"
        "    def on_save(self, **kwargs): ...\n"
    ),
    "fine_tests": {
        "tests/test_it.py": RECEIVERS,
        "migrations/0001_initial.py": RECEIVERS,
        "migrations/__init__.py": "",
        "test_more.py": RECEIVERS,
    },
    "lazily": {
        "receivers.py": RECEIVERS,
        "models.py": MODELS + "\n\ndef use():\n    from lazily import receivers\n",
    },
    "by_string": {
        "receivers.py": RECEIVERS,
        "models.py": MODELS + "\nHOOKS = ['by_string.receivers.send_receipt']\n",
    },
    "only_told_of": {
        "receivers.py": RECEIVERS.replace(
            "Order)", "Order, dispatch_uid='only_told_of.receivers.send_receipt')"
        ),
        "models.py": "import logging\n"
        + MODELS
        + """
    def pay(self):
        'As "only_told_of.receivers" says.'
        logging.getLogger("only_told_of.receivers").info("look at 'only_told_of.receivers'")

LOGGING = {"loggers": {"only_told_of.receivers": {"level": "INFO"}}}
UID = dict(dispatch_uid="only_told_of.receivers.send_receipt")
""",
    },
    "by_its_end": {
        "found_receivers.py": RECEIVERS,
        "plugins.py": """
from importlib import import_module

def find(app):
    import_module(f"{app}.found_receivers")
""",
    },
    "through_urls": {
        "receivers.py": RECEIVERS,
        "views.py": "from through_urls import receivers\n",
    },
}
INSTALLED = {"named": "named.apps.OldConfig"}
NOT_INSTALLED = {"not_installed": {"receivers.py": RECEIVERS}}

PROGRAM = """
import dataclasses, json, sys
import django
from django.conf import settings
settings.configure(
    DEBUG=False, SECRET_KEY="x", SEND_MAIL=False, SETTINGS_MODULE="none.settings",
    INSTALLED_APPS=json.loads(sys.argv[1]),
)
django.setup()
before = set(sys.modules)
from signal_tracer.findings import over_signal_map
from signal_tracer.mapping import read_map
read_map()  # loads what it needs itself
before = set(sys.modules)
found = read_map()
assert set(sys.modules) == before, set(sys.modules) - before
findings = [
    each for each in over_signal_map(found).of_project
    if each.slug in ("missing-receiver", "uncalled-connect", "perhaps-missing")
]
import io
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import call_command
from django.db.models.signals import post_save
from signal_tracer import trace_signals
with trace_signals() as trace:
    for label in ("plain", "under_if"):
        post_save.send(apps.get_model(label, "Order"))
explained, listed = io.StringIO(), io.StringIO()
call_command("signal_map", explain=("post_save", "plain.Order"), stdout=explained)
call_command("signal_map", missing=True, app=["plain"], stdout=listed)
print(json.dumps({
    "missing": [dataclasses.asdict(each) for each in found.missing],
    "findings": [(each.slug, each.names[0], each.level) for each in findings],
    "bulk": [
        (each.method, each.model, each.receivers, each.own_method, each.written_at.line)
        for each in found.bulk_calls
    ],
    "unknown_bulk": found.unknown_bulk_calls,
    "bulk_found": [str(each) for each in over_signal_map(found).shown if each.slug == "bulk-call"],
    "over_trace": [str(each) for each in trace.findings() if each.slug == "missing-receiver"],
    "explained": explained.getvalue(),
    "listed": listed.getvalue(),
    "checks": [(each.id, each.msg) for each in run_checks(tags=["signals"])],
}))
"""


@pytest.fixture(scope="module")
def answer(tmp_path_factory: Any) -> Any:
    root = tmp_path_factory.mktemp("project")
    for app, files in (APPS | NOT_INSTALLED).items():
        for name, text in ({"__init__.py": "", "models.py": MODELS} | files).items():
            file = root / app / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("{app}", app), encoding="utf-8")
    installed = [*(INSTALLED.get(app, app) for app in APPS), "signal_tracer"]
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(installed)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ
        | {"PYTHONPATH": f"{Path(__file__).parents[2]}{os.pathsep}{root}", "COLUMNS": "160"},
    )
    assert not ran.returncode, ran.stderr
    return json.loads(ran.stdout)


# Of each app: how sure it is, why the first of what is missing is missing, and what to do.
SAID = {
    "plain": (
        "sure",
        "plain.receivers was never imported: no line of the project imports it",
        (
            "Give the app an AppConfig in plain/apps.py, with a ready() that has `import "
            "plain.receivers`"
        ),
    ),
    "without_ready": (
        "sure",
        "without_ready.receivers was never imported: no line of the project imports it",
        (
            "Give ShopConfig (without_ready/apps.py:4) a ready() with `import "
            "without_ready.receivers`"
        ),
    ),
    "idle_ready": (
        "sure",
        "idle_ready.receivers was never imported: no line of the project imports it",
        "Add `import idle_ready.receivers` to ShopConfig.ready() (idle_ready/apps.py:7)",
    ),
    "typing_only": (
        "sure",
        (
            "typing_only.receivers was never imported: no line of the project imports it "
            "(typing_only/apps.py:3 imports it for type checkers only)"
        ),
        "Add `import typing_only.receivers` to ShopConfig.ready() (typing_only/apps.py:10)",
    ),
    "aliased": (
        "sure",
        "aliased.receivers was never imported: no line of the project imports it",
        (
            "Give the app an AppConfig in aliased/apps.py, with a ready() that has `import "
            "aliased.receivers`"
        ),
    ),
    "own_signal": (
        "sure",
        "own_signal.handlers was never imported: no line of the project imports it",
        (
            "Give the app an AppConfig in own_signal/apps.py, with a ready() that has `import "
            "own_signal.handlers`"
        ),
    ),
    "as_method": (
        "sure",
        "as_method.handlers was never imported: no line of the project imports it",
        (
            "Give the app an AppConfig in as_method/apps.py, with a ready() that has `import "
            "as_method.handlers`"
        ),
    ),
    "package": (
        "sure",
        "package.receivers was never imported: no line of the project imports it",
        (
            "Give the app an AppConfig in package/apps.py, with a ready() that has `import "
            "package.receivers`"
        ),
    ),
    "two": (
        "sure",
        (
            "ShopConfig.ready() (two/apps.py:4) would do it, and Django took no AppConfig of its "
            "own for the app 'two': apps.py has more than one, and not this one says default = "
            "True"
        ),
        (
            "Write 'two.apps.ShopConfig' in INSTALLED_APPS in place of 'two', or give ShopConfig "
            "default = True"
        ),
    ),
    "chosen": (
        "sure",
        (
            "ShopConfig.ready() (chosen/apps.py:4) would do it, and Django took OtherConfig for "
            "the app 'chosen': apps.py has more than one, and not this one says default = True"
        ),
        (
            "Write 'chosen.apps.ShopConfig' in INSTALLED_APPS in place of 'chosen', or move "
            "default = True from OtherConfig to ShopConfig"
        ),
    ),
    "in_init": (
        "sure",
        (
            "ShopConfig.ready() (in_init/__init__.py:4) would do it, and Django took no AppConfig"
            " of its own for the app 'in_init': with 'in_init' in INSTALLED_APPS it looks for one"
            " in apps.py only"
        ),
        (
            "Write 'in_init.ShopConfig' in INSTALLED_APPS in place of 'in_init', or move the "
            "class there"
        ),
    ),
    "named": (
        "sure",
        (
            "ShopConfig.ready() (named/apps.py:4) would do it, and Django took OldConfig for the "
            "app 'named': INSTALLED_APPS names 'named.apps.OldConfig'"
        ),
        "Write 'named.apps.ShopConfig' in INSTALLED_APPS in place of 'named.apps.OldConfig'",
    ),
    "misspelt": (
        "sure",
        "ShopConfig.raedy() (misspelt/apps.py:7) would do it, and Django calls ready()",
        "Call the method ready (misspelt/apps.py:7)",
    ),
    "beside": (
        "sure",
        (
            "ready() (beside/apps.py:7) stands beside ShopConfig and is no method of it, and "
            "Django calls the method"
        ),
        "Indent it, into ShopConfig (beside/apps.py:4)",
    ),
    "beside_and_given": (
        "possible",
        (
            "beside_and_given.receivers was never imported so far: beside_and_given/apps.py:8 does,"
            " in ready()"
        ),
        (
            "Give ShopConfig (beside_and_given/apps.py:4) a ready() with `import "
            "beside_and_given.receivers`"
        ),
    ),
    "overwritten": (
        "sure",
        (
            "ShopConfig has two ready() methods, and the one at overwritten/apps.py:10 takes the "
            "place of this one"
        ),
        "Make one of the two",
    ),
    "wrong_module": (
        "sure",
        (
            "wrong_module.receivers was never imported: ShopConfig.ready() "
            "(wrong_module/apps.py:9) imports wrong_module.reciever, which does not exist"
        ),
        "Add `import wrong_module.receivers` to ShopConfig.ready() (wrong_module/apps.py:7)",
    ),
    "failed": (
        "possible",
        (
            "failed.receivers was never imported: failed/apps.py:9 imports it inside a try (line "
            "8), and the import failed there, or was not reached"
        ),
        "Nothing, if that is meant. Otherwise import failed.receivers unconditionally",
    ),
    "under_if": (
        "possible",
        (
            "under_if.receivers was never imported: under_if/apps.py:10 imports it inside `if "
            "settings.SEND_MAIL:` (line 9), and that was false"
        ),
        "Nothing, if that is meant. Otherwise import under_if.receivers unconditionally",
    ),
    "early_return": (
        "possible",
        (
            "it stands inside what `if not settings.SEND_MAIL:` (line 11) may return before, and "
            "was not connected there"
        ),
        "Nothing, if that is meant. Otherwise connect it where nothing stands before it",
    ),
    "uid": (
        "sure",
        (
            "its dispatch_uid 'uid.on_order' is taken by uid.models.index, and connect() does "
            "nothing where a uid is taken"
        ),
        "Give each receiver a dispatch_uid of its own, such as its dotted name",
    ),
    "same_name": (
        "sure",
        (
            "a later function of the same name (line 14) took its name, and as nothing else "
            "referred to it, it was collected as garbage"
        ),
        "Give each of the two a name of its own",
    ),
    "loop": (
        "sure",
        (
            "the next round of `for model in (Order, Line):` (line 11) gave its name to another, "
            "and as nothing else referred to it, it was collected as garbage: only the last is kept"
        ),
        "Define it once, before the loop; or connect it with weak=False (loop/models.py:13)",
    ),
    "deleted_name": (
        "sure",
        (
            "a later del of the same name (line 12) took its name, and as nothing else referred "
            "to it, it was collected as garbage"
        ),
        "Give each of the two a name of its own",
    ),
    "by_connect": (
        "sure",
        (
            "connect() returned None as a decorator, and None took the place of the function, "
            "which was then collected as garbage"
        ),
        "Write @receiver(post_save, ...) of django.dispatch at by_connect/models.py:9",
    ),
    "lambdas": (
        "sure",
        (
            "the lambda was collected as garbage: connect() holds it weakly, and nothing else "
            "refers to it"
        ),
        (
            "Keep a reference to it, as a name of its module does; or connect it with weak=False "
            "(lambdas/models.py:9)"
        ),
    ),
    "partials": (
        "sure",
        (
            "the partial was collected as garbage: connect() holds it weakly, and nothing else "
            "refers to it"
        ),
        (
            "Keep a reference to it, as a name of its module does; or connect it with weak=False "
            "(partials/models.py:13)"
        ),
    ),
    "methods": (
        "sure",
        (
            "the Handler that the method belongs to was collected as garbage: connect() holds it "
            "weakly, and nothing else refers to it"
        ),
        (
            "Keep a reference to it, as a name of its module does; or connect it with weak=False "
            "(methods/models.py:12)"
        ),
    ),
    "local_object": (
        "sure",
        (
            "handler, a local variable, was collected as garbage: connect() holds it weakly, and "
            "nothing else refers to it"
        ),
        (
            "Keep a reference to it, as a name of its module does; or connect it with weak=False "
            "(local_object/apps.py:13)"
        ),
    ),
    "local_function": (
        "sure",
        (
            "on_save(), which is made in a function, was collected as garbage: connect() holds it"
            " weakly, and nothing else refers to it"
        ),
        (
            "Keep a reference to it, as a name of its module does; or connect it with weak=False "
            "(local_function/apps.py:12)"
        ),
    ),
    "made": (
        "sure",
        (
            "what make() returned was collected as garbage: connect() holds it weakly, and "
            "nothing else refers to it"
        ),
        (
            "Keep a reference to it, as a name of its module does; or connect it with weak=False "
            "(made/models.py:13)"
        ),
    ),
    "local_elsewhere": (
        "sure",
        (
            "on_save(), which is made in a function, is collected as garbage when hook_up() "
            "returns: connect() holds it weakly, and nothing else refers to it"
        ),
        (
            "Define it at the level of the module, keep a reference to it, or connect it with "
            "weak=False (local_elsewhere/models.py:10)"
        ),
    ),
    "dropped": (
        "sure",
        (
            "the Notifier made at dropped/models.py:15 was collected as garbage: connect() holds "
            "it weakly, and nothing else refers to it"
        ),
        (
            "Keep a reference to it at dropped/models.py:15, as a name of its module does; or "
            "connect it with weak=False (dropped/models.py:11)"
        ),
    ),
    "lambda_elsewhere": (
        "sure",
        (
            "the lambda is collected as garbage as soon as connect() returns, which holds it "
            "weakly: nothing else refers to it"
        ),
        (
            "Give it a name at the level of the module, or connect it with weak=False "
            "(lambda_elsewhere/models.py:10)"
        ),
    ),
    "dropped_after": (
        "sure",
        (
            "the Hooks made at dropped_after/models.py:15 was collected as garbage: connect() "
            "holds it weakly, and nothing else refers to it"
        ),
        (
            "Keep a reference to it at dropped_after/models.py:15, as a name of its module does; "
            "or connect it with weak=False (dropped_after/models.py:11)"
        ),
    ),
    "dropped_by_ready": (
        "sure",
        (
            "the Briefly made at dropped_by_ready/apps.py:9 was collected as garbage: connect() "
            "holds it weakly, and nothing else refers to it"
        ),
        (
            "Keep a reference to it at dropped_by_ready/apps.py:9, as a name of its module does; "
            "or connect it with weak=False (dropped_by_ready/models.py:11)"
        ),
    ),
    "called_object": (
        "sure",
        (
            "the Indexer was collected as garbage: connect() holds it weakly, and nothing else "
            "refers to it"
        ),
        (
            "Keep a reference to it, as a name of its module does; or connect it with weak=False "
            "(called_object/models.py:12)"
        ),
    ),
    "helper": (
        "sure",
        (
            "ShopConfig.ready() (helper/apps.py:4) would do it, and Django took no AppConfig of "
            "its own for the app 'helper': apps.py has more than one, and not this one says "
            "default = True"
        ),
        (
            "Write 'helper.apps.ShopConfig' in INSTALLED_APPS in place of 'helper', or give "
            "ShopConfig default = True"
        ),
    ),
    "condition": (
        "possible",
        "it stands inside `if settings.SEND_MAIL:` (line 11), and was not connected there",
        "Nothing, if that is meant. Otherwise connect it where nothing stands before it",
    ),
    "uncalled": (
        "likely",
        "it is connected in hook_up_uncalled(), and no line of the project calls that",
        (
            "Call hook_up_uncalled() in AppConfig.ready(); or, better, decorate the receiver with"
            " @receiver and import its module there"
        ),
    ),
    "disconnected": (
        "possible",
        "something disconnected it, perhaps disconnected/models.py:12",
        "Nothing, if that is meant. Otherwise connect it again there, in a finally",
    ),
    "lazily": (
        "possible",
        "lazily.receivers was never imported so far: lazily/models.py:9 does, in use()",
        (
            "Give the app an AppConfig in lazily/apps.py, with a ready() that has `import "
            "lazily.receivers`"
        ),
    ),
    "by_string": (
        "possible",
        "by_string.receivers was never imported so far; by_string/models.py:7 names it",
        (
            "Give the app an AppConfig in by_string/apps.py, with a ready() that has `import "
            "by_string.receivers`"
        ),
    ),
    "only_told_of": (
        "sure",
        "only_told_of.receivers was never imported: no line of the project imports it",
        (
            "Give the app an AppConfig in only_told_of/apps.py, with a ready() that has `import "
            "only_told_of.receivers`"
        ),
    ),
    "by_its_end": (
        "possible",
        ("by_its_end.found_receivers was never imported so far; by_its_end/plugins.py:5 names it"),
        (
            "Give the app an AppConfig in by_its_end/apps.py, with a ready() that has `import "
            "by_its_end.found_receivers`"
        ),
    ),
    "through_urls": (
        "possible",
        (
            "through_urls.receivers was never imported so far: through_urls.views imports it, and"
            " was not imported itself"
        ),
        (
            "Give the app an AppConfig in through_urls/apps.py, with a ready() that has `import "
            "through_urls.receivers`"
        ),
    ),
    "not_installed": (
        "possible",
        "not_installed.receivers was not imported, and is in no app of INSTALLED_APPS",
        (
            "Add its app to INSTALLED_APPS, and import not_installed.receivers in the ready() of "
            "its AppConfig"
        ),
    ),
}


@pytest.mark.parametrize("app", SAID)
def test_what_is_missing_is_said_with_the_reason_and_what_would_mend_it(
    app: str, answer: Any
) -> None:
    found = [each for each in answer["missing"] if each["module"].split(".")[0] == app]

    assert (found[0]["certainty"], found[0]["because"], found[0]["mend"]) == SAID[app]


def test_nothing_else_is_missing(answer: Any) -> None:
    silent = {"bulk", "fine", "fine_everything", "fine_tests", "kept_by_ready"}

    assert {each["module"].split(".")[0] for each in answer["missing"]} == SAID.keys()
    assert SAID.keys() == (APPS.keys() | NOT_INSTALLED.keys()) - silent


def test_each_signal_of_a_list_is_one_connection_by_its_own_name(answer: Any) -> None:
    found = [each for each in answer["missing"] if each["app"] == "aliased"]

    assert [(each["receiver"], each["signal"], each["sender"]) for each in found] == [
        ("aliased.receivers.send_receipt", f"django.db.models.signals.{name}", "aliased.Order")
        for name in ("post_save", "post_delete")
    ]


def test_a_signal_that_was_never_imported_itself_goes_by_where_it_is_assigned(answer: Any) -> None:
    [found] = [each for each in answer["missing"] if each["app"] == "own_signal"]

    assert found["signal"] == "own_signal.signals.paid"
    assert found["written_at"]["line"] == 5


def test_only_what_is_sure_is_an_error_and_only_what_is_likely_a_warning(answer: Any) -> None:
    assert {(slug, level) for slug, _, level in answer["findings"]} == {
        ("missing-receiver", "error"),
        ("uncalled-connect", "warning"),
        ("perhaps-missing", "info"),
    }
    sure = {name for slug, name, _ in answer["findings"] if slug == "missing-receiver"}

    assert "plain.receivers.send_receipt" in sure
    assert "under_if.receivers.send_receipt" not in sure


def test_a_trace_tells_who_would_have_heard_what_went_unheard(answer: Any) -> None:
    assert [each for each in answer["over_trace"] if "plain.receivers" in each] == [
        (
            "error missing-receiver: django.db.models.signals.post_save from plain.Order was sent, "
            "and plain.receivers.send_receipt (plain/receivers.py:6) did not run: the source "
            "connects it, and this process does not have the connection."
        )
    ]
    assert not [each for each in answer["over_trace"] if "under_if.receivers" in each]


def test_an_explanation_names_what_is_missing(answer: Any) -> None:
    assert answer["explained"].splitlines()[-5:-2] == [
        "  !  plain.receivers.send_receipt  plain/receivers.py:6",
        "     plain.receivers was never imported: no line of the project imports it",
        (
            "     Give the app an AppConfig in plain/apps.py, with a ready() that has "
            "`import plain.receivers`."
        ),
    ]


def test_the_command_lists_what_is_missing(answer: Any) -> None:
    assert answer["listed"].startswith("1 finding: 1 error\n\n! error missing-receiver\n")
    assert "A connection is made by code that runs." in answer["listed"]


def test_the_checks_have_the_errors_and_warnings(answer: Any) -> None:
    ids = {number for number, _ in answer["checks"]}

    assert {"signal_tracer.E121", "signal_tracer.W122"} <= ids
    assert any("plain.receivers.send_receipt" in text for _, text in answer["checks"])


def test_bulk_calls_are_named_with_what_they_skip(answer: Any) -> None:
    assert answer["bulk"] == [
        ["bulk_create", "bulk.Order", ["bulk.models.index"], None, 6],
        ["update", "bulk.Order", ["bulk.models.index"], None, 7],
        ["_raw_delete", "bulk.Order", ["bulk.models.forget"], None, 11],
        ["update", "bulk.Order", ["bulk.models.index"], None, 14],
        ["delete", "bulk.Line", [], "bulk.Line.delete()", 15],
        ["bulk_update", "bulk.Line", [], "bulk.Line.save()", 16],
        ["abulk_create", "bulk.Order", ["bulk.models.index"], None, 19],
    ]
    assert answer["bulk_found"][0] == (
        "info bulk-call: bulk_create() of bulk.Order at bulk/work.py:6 skips bulk.models.index."
    )


def test_bulk_calls_of_a_model_that_cannot_be_told_are_counted(answer: Any) -> None:
    assert answer["unknown_bulk"] == 4
