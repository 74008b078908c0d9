"""Programs that gevent or eventlet have patched: each greenlet is to a trace what a thread is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Each of 50 traces waits in the midst of receivers, transactions and callbacks until all the others
# are there as well. Prints those as they were told.
PROGRAM = """
import sys

if sys.argv[1] == "gevent":
    from gevent import joinall, monkey, sleep, spawn

    monkey.patch_all()
else:
    from eventlet import GreenPool, monkey_patch, sleep, spawn

    monkey_patch()

import json
import threading

import django
from django.conf import settings

ORDERS = range(100, 150)
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    SIGNAL_TRACER={"RECORD_HANDLED_EXCEPTIONS": True},
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": "file:orders?mode=memory&cache=shared",
            "OPTIONS": {"uri": True},
        }
    },
)
django.setup()

from django.core.management import call_command
from django.db import connection, transaction
from django.dispatch import Signal
from django.contrib.auth.models import User

from signal_tracer import trace_signals

call_command("migrate", verbosity=0)
paid, shipped = Signal(), Signal()
barrier = threading.Barrier(len(ORDERS))


def meet():
    sleep(0)
    barrier.wait(30)


def ship(sender, order, **kwargs):
    meet()
    shipped.send("the shop", order=order)
    try:
        meet()
        raise LookupError(f"order {order}")
    except LookupError:
        meet()


def print_receipt(sender, order, **kwargs):
    meet()
    User.objects.filter(pk=order).count()
    raise ValueError(f"order {order}")


def note(sender, order, **kwargs):
    meet()


paid.connect(ship)
paid.connect(print_receipt)
shipped.connect(note)
traces = {}


def pay(order):
    with trace_signals(f"order {order}") as trace:
        with transaction.atomic():
            meet()
            paid.send_robust("the shop", order=order)
            transaction.on_commit(lambda: shipped.send("after", order=order))
            meet()
        meet()
    traces[order] = trace
    connection.close()


started = [spawn(pay, order) for order in ORDERS]
for each in started:
    each.join() if sys.argv[1] == "gevent" else each.wait()


def told(order):
    trace = traces[order]
    found = [f"{trace.faults} faults"]
    for each in trace.walk():
        found.append(f"{each.signal}({each.kwargs['order']}) {each.in_atomic} {each.on_commit}")
        for call in each.receiver_calls:
            found.append(f"{call.receiver} {len(call.queries)} queries")
            found += [f"caught {caught.message}" for caught in call.handled]
            found += [f"raised {call.error.message}"] if call.error else []
    return [each.replace("__main__.", "").replace(str(order), "N") for each in found]


print(json.dumps([told(order) for order in ORDERS]))
"""


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
def test_traces_of_50_greenlets_that_switch_in_receivers_and_transactions_do_not_mix(
    kind: str, tmp_path: Path
) -> None:
    pytest.importorskip(kind)
    (tmp_path / "program.py").write_text(PROGRAM)
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "program.py", kind],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)

    # Only newer ones tell of exceptions that a receiver catches itself.
    caught = ["caught order N"] if sys.version_info >= (3, 12) else []
    assert told == 50 * [
        [
            *("0 faults", "paid(N) ('default',) None"),
            *("ship 0 queries", *caught),
            *("print_receipt 1 queries", "raised order N"),
            *("shipped(N) ('default',) None", "note 0 queries"),
            *("shipped(N) () pay.<locals>.<lambda>", "note 0 queries"),
        ]
    ]
