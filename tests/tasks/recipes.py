"""The recipes of docs/commands.md, each as a module that its worker can import."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from django.dispatch import Signal

from signal_tracer import Trace

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
# What the recipes send.
order_placed = Signal()
traces: list[Trace] = []


def keep(trace: Trace) -> None:
    traces.append(trace)


def told() -> list[str]:
    """Each trace by its name, with the numbers of the orders that were sent in it."""
    return [
        f"{trace.name}: {[dispatch.kwargs['order'] for dispatch in trace.dispatches]}"
        for trace in traces
    ]


@contextmanager
def recipe(name: str, settings: Any) -> Iterator[Any]:
    """The block below that heading, run as a module of that name; its traces are kept."""
    [block] = re.findall(rf"^### {name}\n.*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    module: Any = ModuleType(f"recipe_{name.lower()}")
    module.order_placed = order_placed
    sys.modules[module.__name__] = module
    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.keep"]}
    order_placed.connect(receipt)
    try:
        exec(compile(block, f"{name}.py", "exec"), vars(module))
        yield module
    finally:
        order_placed.disconnect(receipt)
        del sys.modules[module.__name__]
        traces.clear()


def receipt(sender: object, **kwargs: object) -> None: ...
