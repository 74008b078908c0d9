"""What each alternative to a receiver costs in instructions, against storing the order alone.

    python benchmarks/alternatives.py            a table
    python benchmarks/alternatives.py --write    check in what was measured, for the documentation

The ways are those of ``docs/examples/when_not_to``: the same order, written with each. All are
counted in one process, without a trace, and each is divided by the plain write. A mail is made and
kept in memory, a task goes into a queue in memory, and the database is SQLite in memory: what a
network takes is not in here. Needs valgrind.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from pathlib import Path

from instructions import Measured, interpreter, require_valgrind, wait

ROOT = Path(__file__).parents[1]
CHECKED_IN = Path(__file__).with_suffix(".json")
TIMES = 10  # of the short run; the long one has three times as many
PLAIN = "only_the_order"
WAYS = ("receiver", "save", "manager", "service", "on_commit", "task", "outbox", "trigger")


def run_ways() -> None:
    """In the process that is measured: each way when a line on stdin says so."""
    examples = ROOT / "docs" / "examples"
    sys.path[:0] = [str(ROOT), str(examples), str(examples / "when_not_to")]
    os.environ |= {"DJANGO_SETTINGS_MODULE": "settings", "DOCS_EXAMPLE": "when_not_to"}

    import django
    from django.core.mail.utils import DNS_NAME
    from django.core.management import call_command

    # A mail's Message-ID asks for it, which takes seconds where there is no network.
    DNS_NAME._fqdn = "benchmark.example"
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    from when_not_to import shown

    product = shown.before_receiver()
    gc.collect()
    gc.disable()
    for way in (PLAIN, *WAYS):
        run = getattr(shown, way)
        for _ in range(TIMES * 2):  # Fills caches, and the interpreter specialises.
            run(product)
        for times in (TIMES, TIMES * 3):
            wait()
            for _ in range(times):
                run(product)
        wait()
    print("done", flush=True)


def measure() -> dict[str, float]:
    """The instructions of each way as a multiple of those of the plain write."""
    counts = {}
    with Measured(__file__, "--run") as measured:
        for way in (PLAIN, *WAYS):
            measured.switch("on")
            short, long = measured.count(), measured.count()
            measured.switch("off")
            measured.go_on()
            counts[way] = (long - short) / (TIMES * 2)
    return {way: round(counts[way] / counts[PLAIN], 1) for way in WAYS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=f"into {CHECKED_IN.name}")
    options = parser.parse_args()
    if options.run:
        run_ways()
        return
    require_valgrind()
    ratios = measure()
    print(f"{interpreter()}; only the order: 1")
    for way, ratio in ratios.items():
        print(f"{way:<10} {ratio:>5}")
    if options.write:
        text = json.dumps({"interpreter": interpreter(), "ratios": ratios}, indent=2)
        CHECKED_IN.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
