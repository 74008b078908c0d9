"""What a signal graph costs: beside a traced test run, and in memory over 100,000 traces.

    python benchmarks/signal_graph.py               both; --only run, or --only memory
    python benchmarks/signal_graph.py --traces 10000

The run is one of pytest over tests that each place an order in the example site, in turn with
--signal-trace=failed and with --signal-graph; compared is processor time of neighbours, without
what one test takes. For memory, 100 traces of receivers that send again are recorded, and added
again and again under other names.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
SITE = ROOT / "example_site"
ROUNDS = 7
TESTS = 400
ALLOWED = 1.10

SUITE = """
from decimal import Decimal
import pytest
from django.contrib.auth.models import User
from shop.checkout import place_order
from shop.models import Product

@pytest.fixture
def customer():
    return User.objects.create(username="ada")

@pytest.fixture
def basket():
    names = ("lamp", "chair", "table")
    return [
        (Product.objects.create(name=each, description="", price=Decimal("7.50")), 2)
        for each in names
    ]

@pytest.mark.django_db
@pytest.mark.parametrize("number", range({tests}))
def test_orders(number, customer, basket):
    place_order(customer, basket, phone="0123", card_number="4111")
"""


def run_seconds(folder: Path, tests: int, option: str) -> float:
    (folder / "test_it.py").write_text(SUITE.format(tests=tests))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"),
            *("-p", "no:asyncio", "--ds=config.settings", "--import-mode=importlib", option),
        ],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, SITE)))},
    )
    assert f"{tests} passed" in done.stdout, done.stdout + done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def measure_run() -> None:
    traced, graph = "--signal-trace=failed", "--signal-graph=graph.json"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")
        start = min(run_seconds(folder, 1, traced) for _ in range(3))
        pairs = [
            (run_seconds(folder, TESTS, traced) - start, run_seconds(folder, TESTS, graph) - start)
            for _ in range(ROUNDS)
        ]
    ratios = [one / other for other, one in pairs]
    print(
        f"{TESTS} tests with {graph}: {statistics.median(ratios):.3f} times the processor time "
        f"with {traced} (from {min(ratios):.3f} to {max(ratios):.3f}; {ALLOWED} are allowed; "
        f"{statistics.median(each for each, _ in pairs) / TESTS * 1000:.1f} ms a traced test)"
    )


def measure_memory(times: int) -> None:
    from django.conf import settings

    settings.configure()
    from django.dispatch import Signal

    from signal_tracer import SignalGraph, trace_signals

    paid, shipped = Signal(), Signal()

    def relay(sender: object, **kwargs: object) -> None:
        shipped.send(sender, order=3)

    def receive(**kwargs: object) -> None: ...

    paid.connect(relay)
    for signal in (paid, shipped):
        signal.connect(receive)
    traces = []
    for number in range(100):
        with trace_signals() as trace:
            for sender in ("till", "desk", f"order {number}"):
                paid.send_robust(sender, amount=number)
        traces.append(trace)
    graph = SignalGraph()
    grown = []
    began = time.process_time()
    tracemalloc.start()
    for number in range(times):
        trace = traces[number % 100]
        trace.name = f"test_{number}"
        graph.add(trace)
        if number + 1 in (times // 10, times):
            grown.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    spent = (time.process_time() - began) / times * 1e6
    print(
        f"{times:,} traces in one graph: {grown[0] / 1000:,.0f} kB after a tenth of them, "
        f"{grown[1] / 1000:,.0f} kB after all; {spent:.0f} µs each, with memory being watched"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=["run", "memory"])
    parser.add_argument("--traces", type=int, default=100_000)
    options = parser.parse_args()
    if options.only != "memory":
        measure_run()
    if options.only != "run":
        measure_memory(options.traces)


if __name__ == "__main__":
    main()
