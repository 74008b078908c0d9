"""IPython and Jupyter: ``%load_ext signal_tracer``, then ``%signals`` and ``%%signals``."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console

from signal_tracer.showing.console import render_trace
from signal_tracer.tracer import trace_signals


def load(shell: Any) -> None:
    """Adds the magics to an ``InteractiveShell``. Raises nothing."""
    from IPython.core.magic import no_var_expand

    @no_var_expand  # type: ignore[untyped-decorator]  # or {"a": 1} would not be a dict
    def signals(line: str, cell: str | None = None) -> None:
        """Run code in a trace, and print what signals did.

        %signals order.save()      traces the rest of the line
        %%signals                  traces the cell; what follows names the trace
        """
        code, name = (line, line) if cell is None else (cell, line or "cell")
        if not code.strip():
            print("Say what to trace: %signals order.save()")  # noqa: T201
            return
        with trace_signals(name) as trace:
            # It shows what the code evaluates to, and what it raises, as it does without us.
            shell.run_cell(code)
        Console(file=sys.stdout).print(render_trace(trace))

    shell.register_magic_function(signals, magic_kind="line_cell")
