"""What the package promises to whoever imports it: its names, its types, and that it is light."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.resources import files

import pytest

import signal_tracer
from signal_tracer import comparing, signal_graph, trace, tracer
from signal_tracer.showing import console


def run(program: str) -> str:
    """The output of a Python that has imported nothing yet."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=files("signal_tracer").joinpath(".."),  # type: ignore[arg-type]
    )
    assert result.stderr == ""
    return result.stdout.strip()


def test_the_public_names_are_these() -> None:
    assert signal_tracer.__all__ == [
        "Dispatch",
        "ReceiverCall",
        "SignalGraph",
        "Trace",
        "compare",
        "report",
        "trace_signals",
    ]
    assert signal_tracer.Trace is trace.Trace
    assert signal_tracer.SignalGraph is signal_graph.SignalGraph
    assert signal_tracer.Dispatch is trace.Dispatch
    assert signal_tracer.ReceiverCall is trace.ReceiverCall
    assert signal_tracer.trace_signals is tracer.trace_signals
    assert signal_tracer.report is console.report
    assert signal_tracer.compare is comparing.compare
    assert set(signal_tracer.__all__) <= set(dir(signal_tracer))
    assert isinstance(signal_tracer.__version__, str)


def test_a_star_import_brings_the_public_names() -> None:
    namespace: dict[str, object] = {}
    exec("from signal_tracer import *", namespace)

    assert sorted(set(namespace) - {"__builtins__"}) == sorted(signal_tracer.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'signal_tracer' has no attribute 'tracing'"):
        signal_tracer.tracing  # noqa: B018


def test_every_public_name_is_documented() -> None:
    for name in signal_tracer.__all__:
        assert inspect.getdoc(getattr(signal_tracer, name))


def test_the_package_says_that_it_is_typed() -> None:
    assert files("signal_tracer").joinpath("py.typed").is_file()


@pytest.mark.parametrize(
    "imported",
    [
        "import signal_tracer",
        "from signal_tracer import Trace, Dispatch, ReceiverCall, SignalGraph",
        "from signal_tracer import compare",
        "import signal_tracer.trace",
        "import signal_tracer.showing.outline",
    ],
)
def test_importing_it_loads_neither_django_nor_rich(imported: str) -> None:
    loaded = run(
        f"{imported}; import sys; "
        "print([name for name in ('django', 'rich', 'asgiref', 'debug_toolbar', 'pytest') "
        "if name in sys.modules])"
    )

    assert loaded == "[]"


@pytest.mark.parametrize(
    "module",
    [
        *("signal_tracer", "signal_tracer.apps", "signal_tracer.checks", "signal_tracer.conf"),
        *("signal_tracer.middleware", "signal_tracer.trace", "signal_tracer.tracer"),
        *("signal_tracer.showing.console", "signal_tracer.showing.outline"),
    ],
)
def test_every_module_can_be_imported_before_django_is_set_up(module: str) -> None:
    assert run(f"import {module}; print('imported')") == "imported"


def test_trace_signals_can_be_imported_before_django_is_set_up_and_used_after() -> None:
    printed = run(
        """
from signal_tracer import trace_signals
import django
from django.conf import settings
from django.dispatch import Signal

original = Signal.send
settings.configure()
django.setup()
signal = Signal()

def receive(**kwargs):
    return 7

signal.connect(receive)
assert Signal.send is original
with trace_signals() as trace:
    signal.send(None)
print(trace.outline())
"""
    )

    assert printed == "__main__.signal.send  sender=None\n  __main__.receive"


def test_without_the_app_installed_a_trace_works_all_the_same() -> None:
    printed = run(
        """
from django.conf import settings
settings.configure(SIGNAL_TRACER={"MAX_DISPATCHES": 1})
from django.dispatch import Signal
from signal_tracer import trace_signals
signal = Signal()
def receive(**kwargs): pass
signal.connect(receive)
with trace_signals() as trace:
    signal.send(None)
    signal.send(None)
print(len(trace.dispatches), trace.omitted)
"""
    )

    assert printed == "1 1"


def test_before_the_first_trace_and_after_uninstall_signal_is_djangos_own() -> None:
    printed = run(
        """
from django.dispatch import Signal
before = dict(vars(Signal))
from django.conf import settings
settings.configure()
import signal_tracer.middleware, signal_tracer.checks, signal_tracer.showing.console
from signal_tracer import trace_signals, tracer
assert {k: id(v) for k, v in vars(Signal).items()} == {k: id(v) for k, v in before.items()}
with trace_signals():
    pass
assert Signal.send is not before["send"]
tracer.uninstall()
assert {k: id(v) for k, v in vars(Signal).items()} == {k: id(v) for k, v in before.items()}
tracer.uninstall()
print("as before")
"""
    )

    assert printed == "as before"
