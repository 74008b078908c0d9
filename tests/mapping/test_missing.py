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

def plain(function):
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner

def on_save(**kwargs): ...
def on_each(**kwargs): ...

class Handlers:
    @staticmethod
    def on_save(**kwargs): ...

    @receiver(post_save)
    def decorated(sender, **kwargs): ...

class Kept:
    def on_other(self, **kwargs): ...

kept = Kept()
held = functools.partial(on_save, 1)
post_save.connect(held)

@receiver(post_save, sender="fine_everything.Order")
@plain
def wrapped(**kwargs): ...

try:
    import json
except ImportError:
    @receiver(post_save)
    def never(**kwargs): ...
else:
    @receiver(post_save)
    def in_else(**kwargs): ...

def make():
    def made(**kwargs): ...
    return made

post_save.connect(make(), weak=False)
post_save.connect(lambda **kwargs: None, weak=False)
sqlite3.connect(":memory:").close()
"""
    },
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
findings = over_signal_map(found, at_least="info").of_project
print(json.dumps({
    "missing": [dataclasses.asdict(each) for each in found.missing],
    "levels": [(each.names[0], each.level) for each in findings if each.slug == "missing-receiver"],
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
        env=os.environ | {"PYTHONPATH": f"{Path(__file__).parents[2]}{os.pathsep}{root}"},
    )
    assert not ran.returncode, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
def said(answer: Any) -> Any:
    def of(app: str) -> list[tuple[str, str]]:
        return [
            (each["certainty"], f"{each['because']}. {each['mend']}.")
            for each in answer["missing"]
            if each["module"].split(".")[0] == app
        ]

    return of
