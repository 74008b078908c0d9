"""What the pytest plugin costs whoever has it installed and asks it for nothing.

    python benchmarks/pytest_plugin.py

First the import of the plugin after pytest's own, of which 15 ms are allowed. Then a suite of many
small tests, run in turn with the plugin and without it; compared is processor time of neighbours.
"""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

IMPORTS = 15
ROUNDS = 7
TESTS = 3000
ALLOWED_MS = 15

SUITE = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_it(number):
    assert number >= 0
"""


def import_ms() -> float:
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import pytest, signal_tracer.pytest_plugin"],
        capture_output=True,
        text=True,
        check=True,
    )
    # Each line: its own time | with what it imported | name. The package comes on the way.
    found = re.findall(r"\| +(\d+) \| +(signal_tracer(?:\.\w+)*)$", run.stderr, re.MULTILINE)
    spent = {module: int(microseconds) for microseconds, module in found}
    return (spent["signal_tracer"] + spent["signal_tracer.pytest_plugin"]) / 1000


def suite_seconds(folder: Path, *options: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"),
            *("-p", "no:django", "-p", "no:asyncio", *options),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main() -> None:
    import_ms()  # Python writes its caches.
    imports = [import_ms() for _ in range(IMPORTS)]
    print(f"import of the plugin, after pytest: {statistics.median(imports):.1f} ms", end=" ")
    print(f"(from {min(imports):.1f} to {max(imports):.1f}; {ALLOWED_MS} ms are allowed)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_it.py").write_text(SUITE.format(tests=TESTS))
        (folder / "pytest.ini").write_text("[pytest]\n")
        pairs = []
        for number in range(ROUNDS + 1):
            without = suite_seconds(folder, "-p", "no:signal_tracer")
            with_plugin = suite_seconds(folder)
            if number:  # The first is to warm up.
                pairs.append((with_plugin, without))
        ratios = [one / other for one, other in pairs]
        quickest = min(one for one, _ in pairs) / min(other for _, other in pairs)
        print(
            f"{TESTS:,} tests that use nothing of it: {statistics.median(ratios):.3f} times "
            f"the time without (from {min(ratios):.3f} to {max(ratios):.3f}; "
            f"the quickest of each: {quickest:.3f})"
        )


if __name__ == "__main__":
    main()
