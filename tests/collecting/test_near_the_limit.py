"""Near Python's recursion limit all ends as it does untraced, from whatever depth it began."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CAUGHT, RAISED = ["returned"], ["RecursionError"]
# The one from the limit on, the other a few frames below it.
EITHER = ["RecursionError", "returned"]
ENDS = {
    "sends_itself": RAISED,
    "sends_itself_robustly": CAUGHT,
    "sends_itself_in_try": CAUGHT,
    "sends_itself_in_finally": RAISED,
    "sends_itself_in_with": CAUGHT,
    "goes_down": CAUGHT,
    "goes_down_again_and_again": CAUGHT,
    "goes_down_with_except": CAUGHT,
    "goes_down_with_finally": RAISED,
    "goes_down_with_with": CAUGHT,
    "goes_down_to_another_error": ["ValueError"],
    "goes_down_in_generators": RAISED,
    "goes_down_in_blocks": RAISED,
    "goes_down_in_callbacks": CAUGHT,
    "goes_down_in_coroutines": RAISED,
    "is_interrupted": ["KeyboardInterrupt"],
    "saves_itself": RAISED,
    "saves_itself_in_try": CAUGHT,
    "catches": EITHER,
    "commits": EITHER,
    "traces": EITHER,
}


@pytest.mark.parametrize("how", ["untraced", "plain", "handled"])
def test_it_ends_as_it_does_untraced_and_nothing_is_left(how: str) -> None:
    program = Path(__file__).with_name("near_the_limit.py")
    answer = subprocess.run(
        [sys.executable, program, how], capture_output=True, text=True, timeout=300, check=False
    )

    assert answer.stderr == ""
    assert json.loads(answer.stdout) == ENDS
