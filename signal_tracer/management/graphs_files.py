"""The file of ``--graph``: read, or a line that says what is wrong with it and what to do."""

from __future__ import annotations

from argparse import _ArgumentGroup
from pathlib import Path

from django.core.management.base import CommandError

from signal_tracer import signal_graph
from signal_tracer.management.keywords import file_name
from signal_tracer.signal_graph import SignalGraph, SignalGraphFormatError


def add_graph(group: _ArgumentGroup) -> None:
    """The option ``--graph FILE``."""
    group.add_argument(
        "--graph",
        metavar="FILE",
        type=file_name,
        help="what was seen over a test run, from pytest --signal-graph=FILE",
    )


def load_graph(file: Path) -> SignalGraph:
    """The graph that ``file`` holds.

    Raises ``CommandError``, which names the file and says how to make it.
    """
    try:
        return signal_graph.load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CommandError(
            f"There is no {file}. Make it with: pytest --signal-graph={file}"
        ) from error
    except SignalGraphFormatError as error:
        raise CommandError(f"{file}: {error}") from error
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a name that no file can have.
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise CommandError(f"{file} cannot be read ({reason}).") from error
