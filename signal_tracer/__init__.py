"""See what Django's signals do: every dispatch, its receivers, their nesting, times and errors."""

from typing import TYPE_CHECKING

from signal_tracer.version import __version__ as __version__

if TYPE_CHECKING:
    from signal_tracer.comparing import compare
    from signal_tracer.records import Dispatch, ReceiverCall
    from signal_tracer.showing.console import report
    from signal_tracer.signal_graph import SignalGraph
    from signal_tracer.trace import Trace
    from signal_tracer.tracer import trace_signals

__all__ = [
    "Dispatch",
    "ReceiverCall",
    "SignalGraph",
    "Trace",
    "compare",
    "report",
    "trace_signals",
]


def __getattr__(name: str) -> object:
    # Late, so that whoever imports a part of this package (pytest does, in every run) does not
    # load Django with it, or rich.
    if name == "compare":
        from signal_tracer.comparing import compare

        return compare
    if name == "report":
        from signal_tracer.showing.console import report

        return report
    if name == "trace_signals":
        from signal_tracer.tracer import trace_signals

        return trace_signals
    if name in __all__:
        from signal_tracer import records, signal_graph, trace

        homes = {"Trace": trace, "SignalGraph": signal_graph}
        return getattr(homes.get(name, records), name)
    raise AttributeError(f"module 'signal_tracer' has no attribute {name!r}")


def load_ipython_extension(shell: object) -> None:
    """``%load_ext signal_tracer`` in IPython and Jupyter: adds ``%signals`` and ``%%signals``."""
    from signal_tracer.ipython import load

    load(shell)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
