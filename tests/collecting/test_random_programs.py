"""Random programs about signals: the same with a trace as without, and traced as they ran.

``RANDOM_PROGRAMS`` in the environment says how many; one that fails is made smaller and printed.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Iterator

import programs
import pytest
from judging import check, run_traced, run_untraced
from programs import (
    Connect,
    Muted,
    Program,
    Rearrange,
    Receiver,
    Send,
    make,
    shrink,
    spell,
)

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
        if problems := run_traced(program, untraced[seed]):
            pytest.fail(explain(first + seed, program, problems), pytrace=False)


def explain(seed: int, program: Program, seen: list[str]) -> str:
    if check(program):  # It may want what the programs before it have left.
        program = shrink(program, lambda smaller: bool(check(smaller)))
    problems = "\n".join(f"  {each}" for each in check(program) or seen)
    text = spell(program, 1)
    names = ", ".join(sorted({*re.findall(r"\b[A-Z]\w+(?=\()", text)}))
    return (
        f"Program {seed}, made smaller, does not run as it does untraced, or not as traced:\n"
        f"{problems}\n"
        "To run it again, put this into a file of tests in tests/collecting:\n\n"
        f"from judging import check\nfrom programs import {names}\n\n\n"
        f"def test_it() -> None:\n    program = {text}\n    assert check(program) == []\n"
    )


# What was found so, one of a kind.
FOUND = {
    "a cached signal refuses a sender in Django's own frame": Program(
        steps=(Connect(0, 0), Send(0)),
        signals=("cached",),
    ),
    "what is connected afterwards was not near": Program(
        steps=(Send(0, sender=0), Connect(0, 0, sender=1)),
        signals=("plain",),
        senders=("child", "parent"),
    ),
    "names follow a list that somebody sorted, with a receiver muted": Program(
        steps=(
            Connect(0, 0),
            Muted((Connect(0, 1), Send(0, method="send_robust"), Send(0)), receivers=(1,)),
        ),
        receivers=(Receiver(steps=(Rearrange(0, "slice"),)), Receiver("mock")),
        signals=("plain",),
    ),
    "a signal that sends itself past the limit is counted each time": Program(
        steps=(Connect(0, 0), Send(0)),
        receivers=(Receiver(steps=(Send(0),)),),
        signals=("plain",),
        limit=3,
    ),
    "a subclass that calls Django's send is counted once past the limit": Program(
        steps=(Connect(0, 0), Send(0), Send(0), Send(0)),
        signals=("loud",),
        limit=1,
    ),
    "what is muted past the limit is left out, not unheard": Program(
        steps=(Connect(0, 0), Muted((Send(0), Send(0), Send(0)), receivers=(0,))),
        signals=("plain",),
        limit=1,
    ),
    "tuples of receivers, in the order of a subclass": Program(
        steps=(Connect(0, 0), Connect(0, 1), Send(0, method="send_robust")),
        receivers=(Receiver(raises="base"), Receiver("class")),
        signals=("tuple",),
    ),
    "a dispatch of the same signal in a subclass that reverses": Program(
        steps=(Connect(0, 0), Connect(0, 1), Send(0, method="asend")),
        receivers=(
            Receiver("async function"),
            Receiver("async method", steps=(Send(0, method="asend_robust"),)),
        ),
        signals=("loud reversing",),
    ),
}


@pytest.mark.parametrize("program", FOUND.values(), ids=FOUND)
def test_what_was_found_once_is_so_no_more(program: Program) -> None:
    assert check(program) == []


def test_a_program_is_printed_as_it_can_be_run_again() -> None:
    for seed in range(20):
        assert eval(spell(make(seed)), vars(programs)) == make(seed)
