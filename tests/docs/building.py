"""Building the site, as ``make docs`` does."""

import os
import subprocess
import sys
from pathlib import Path


def build(source: Path, built: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--nitpicky"),
            *("--quiet", "--no-color", str(source), str(built)),
        ],
        env={**os.environ, "PYTHONPATH": str(source.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
