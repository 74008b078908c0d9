"""docs/testing-signals.md: its blocks run, and it names everything there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import signal_tracer.testing
from signal_tracer.testing import SignalTestMixin, SignalTrace

if TYPE_CHECKING:
    from conftest import Project

PAGE = (Path(__file__).parents[2] / "docs" / "testing-signals.md").read_text()


def test_its_blocks_run(project: Project) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    # Those need a library each, and run in test_snapshot_libraries.py.
    blocks = [source for source in blocks if "signal_trace.outline()" not in source]
    for number, source in enumerate(blocks):
        named = re.match(r"# (\S+\.py)\n", source)
        name = named[1] if named else f"test_block_{number}.py"
        (project.path / name).write_text(source)
    with (project.path / "site_settings.py").open("a") as settings:
        settings.write("\nSEND_RECEIPTS = False\nCOUNT_VISITS = False\n")
    written = sum(len(re.findall(r"^ *def test_", source, re.MULTILINE)) for source in blocks)
    assert written == 15
    project.run("--fail-on-swallowed", "--strict-markers").assert_outcomes(passed=written)


def test_it_names_every_assertion_and_option() -> None:
    assertions = [name for name in vars(SignalTrace) if name.startswith("assert_")]
    plugin = Path(signal_tracer.__file__).with_name("pytest_plugin.py").read_text()
    options = re.findall(r'"(--[a-z-]+)"', plugin)
    assert len(assertions) == 7
    assert len(set(options)) == 11
    for name in (*assertions, *options, *signal_tracer.testing.__all__):
        assert name in PAGE


def test_the_mixin_has_every_assertion_of_a_signal_trace() -> None:
    assertions = {name for name in vars(SignalTrace) if name.startswith("assert_")}
    assert assertions == {name for name in vars(SignalTestMixin) if name.startswith("assert_")}
