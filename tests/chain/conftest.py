"""What the tests of chains share: the command's answer, and a graph of one checkout."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from scenarios import sample_data
from shop.checkout import place_order
from shop.models import Product
from signal_tracer import trace_signals
from signal_tracer.describing.connections import read_entry
from signal_tracer.mapping.searching import find_signals
from signal_tracer.signal_graph import SignalGraph

SITE = Path(__file__).parents[2] / "example_site"
TESTS = str(Path(__file__).parents[1])

ChainText = Callable[..., str]


@pytest.fixture
def only_the_site_is_connected() -> Iterator[None]:
    """Without what other tests in this process have left connected to signals of their own."""
    signals, _ = find_signals(thorough=True)
    # Past what a signal of another test makes of being asked.
    before = [(signal, object.__getattribute__(signal, "receivers")) for signal in signals]
    before = [(signal, entries) for signal, entries in before if any(map(is_of_tests, entries))]
    for signal, entries in before:
        signal.receivers = [each for each in entries if not is_of_tests(each)]
        signal.sender_receivers_cache.clear()
    yield
    for signal, entries in before:
        known = {id(each) for each in entries}
        # What was set up meanwhile, as Django's storages, has connected receivers as well.
        signal.receivers = [*entries, *(each for each in signal.receivers if id(each) not in known)]
        signal.sender_receivers_cache.clear()


def is_of_tests(entry: Any) -> bool:
    receiver = read_entry(entry).receiver
    module = sys.modules.get(getattr(receiver, "__module__", None) or "")
    return receiver is None or str(getattr(module, "__file__", TESTS)).startswith(TESTS)


@pytest.fixture
def chain_text(monkeypatch: pytest.MonkeyPatch, only_the_site_is_connected: None) -> ChainText:
    """What ``signal_map --chain`` prints in the folder of the example site."""
    monkeypatch.chdir(SITE)

    def run(*names: str, width: int | None = None, **options: Any) -> str:
        if width is None:
            monkeypatch.delenv("COLUMNS", raising=False)
        else:
            monkeypatch.setenv("COLUMNS", str(width))
        out = io.StringIO()
        call_command("signal_map", chain=names, stdout=out, stderr=io.StringIO(), **options)
        return out.getvalue().partition("\n  This is who is connected so far.")[0].rstrip()

    return run


@pytest.fixture
def checkout_file(db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The graph of one checkout, in which each receiver took a millisecond, in a file."""
    settings.MEDIA_ROOT = tmp_path
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the quick one
    monkeypatch.setattr("billing.gateway.time.sleep", lambda seconds: None)
    sample_data.prepare()
    basket = [(product, 1) for product in Product.objects.all()[:2]]
    with trace_signals("test_checkout") as trace:
        place_order(User.objects.all()[0], basket, phone="1", card_number="4111111111111111")
    graph = SignalGraph.from_traces([trace])
    for call in graph.calls.values():
        call.durations = {"1048576": call.count}
    file = tmp_path / "graph.json"
    file.write_text(graph.to_json(), encoding="utf-8")
    return file
