"""Random programs about signals: the same with a trace as without, and traced as they ran.

``RANDOM_PROGRAMS`` in the environment says how many; one that fails is made smaller and printed.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator

import pytest
from judging import check, run_traced, run_untraced
from programs import Program, make, shrink, spell

# WebAssembly takes ten times as long.
COUNT = int(os.environ.get("RANDOM_PROGRAMS", "200" if sys.platform == "emscripten" else "2000"))
AT_ONCE = 100


@pytest.fixture(scope="module", autouse=True)
def collecting_is_quick() -> Iterator[None]:
    """What the other tests left is not looked at again for each program."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("first", range(0, COUNT, AT_ONCE))
def test_a_random_program_runs_the_same_and_is_traced_as_it_ran(first: int) -> None:
    programs = [make(seed) for seed in range(first, min(first + AT_ONCE, COUNT))]
    untraced = [run_untraced(program) for program in programs]
    for seed, program in enumerate(programs):
        if run_traced(program, untraced[seed]):
            pytest.fail(explain(first + seed, program), pytrace=False)


def explain(seed: int, program: Program) -> str:
    if check(program):  # It may want what the programs before it have left.
        program = shrink(program, lambda smaller: bool(check(smaller)))
    problems = "\n".join(f"  {each}" for each in check(program))
    return (
        f"Program {seed}, made smaller, does not run as it does untraced, or not as traced:\n"
        f"{problems}\n"
        "To run it again, paste it into tests/collecting/test_random_programs.py:\n\n"
        f"def test_it() -> None:\n    program = {spell(program, 1)}\n"
        "    assert check(program) == []\n"
    )
