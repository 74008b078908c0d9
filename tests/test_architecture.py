"""What the import contracts cannot say about the house."""

import ast
import re
import subprocess
import sys
from pathlib import Path

from django.dispatch import Signal

from signal_tracer import conf

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "signal_tracer"


def test_only_two_wings_name_what_is_private_to_signal() -> None:
    private = [name for name in vars(Signal) if re.match(r"_[a-z]", name)]
    assert "_live_receivers" in private
    naming_it = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if re.search(rf"\b({'|'.join(private)})\b", path.read_text())
    }
    assert naming_it == {"collecting", "mapping"}


def test_importing_the_package_loads_neither_django_nor_rich() -> None:
    code = (
        "import sys, signal_tracer; signal_tracer.Trace; print({'django', 'rich'} & {*sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert (loaded.stdout, loaded.stderr) == ("set()\n", "")


def test_the_page_of_settings_tells_every_key_with_its_default() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` \| `(.+?)` \|", page, re.MULTILINE)
    assert {key: ast.literal_eval(default) for key, default in rows} == {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in ((key, getattr(conf.Config(), name)) for key, name in conf.KEYS.items())
    }
