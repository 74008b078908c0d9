"""What type checkers know of the public API: checked by mypy with the package, never run.

A wrong call carries the error that it must be; an ignore of none would be an error itself.
"""

from collections.abc import Callable, Coroutine
from typing import Any, assert_type

from signal_tracer import SignalGraph, Trace, compare, report, trace_signals
from signal_tracer.difference import Difference
from signal_tracer.signal_graph import median_duration


@trace_signals("nightly import")
def import_orders(file: str, *, limit: int = 0) -> list[int]:
    return [len(file), limit]


@trace_signals(reporters=["shop.reports.keep", print])
async def fetch_orders(address: str) -> bytes:
    return address.encode()


class Importer:
    @trace_signals()
    def run(self, limit: int) -> int:
        return limit

    @classmethod
    @trace_signals()
    def make(cls, limit: int) -> "Importer":
        return cls()

    @staticmethod
    @trace_signals()
    def parse(line: str) -> int:
        return int(line)


async def everything() -> None:
    assert_type(import_orders("orders.csv", limit=3), list[int])
    assert_type(await fetch_orders("https://shop.example"), bytes)
    assert_type(Importer().run(3), int)
    assert_type(Importer.make(3), Importer)
    assert_type(Importer.parse("3"), int)
    plain: Callable[[str], Coroutine[Any, Any, bytes]] = fetch_orders
    await plain("https://shop.example")
    import_orders(3)  # type: ignore[arg-type]
    import_orders("orders.csv", limits=3)  # type: ignore[call-arg]
    with trace_signals() as trace:
        assert_type(trace, Trace)
        difference = compare(trace, trace)
        assert_type(difference, Difference)
        report(difference, project_only=True)
        compare(trace)  # type: ignore[call-arg]
        compare("before", trace)  # type: ignore[arg-type]
    async with trace_signals("checkout", reporters=[print]) as trace:
        assert_type(trace, Trace)


def graphs(trace: Trace) -> None:
    graph = SignalGraph.from_traces([trace])
    graph.add(trace)
    graph.merge(SignalGraph())
    graph.add("checkout")  # type: ignore[arg-type]
    for call in graph.calls.values():
        assert_type(median_duration(call), float | None)
        assert_type([sent.sent_signal for sent in graph.sent_by(call)], list[str])


@trace_signals  # type: ignore[arg-type]  # it wants its parentheses
def without_parentheses() -> None: ...
