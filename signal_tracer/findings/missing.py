"""The rule about what a trace missed because it is not connected, though the source has it."""

from __future__ import annotations

from collections.abc import Iterator

from signal_tracer.findings.catalogue import MISSING_IN_TRACE
from signal_tracer.findings.kinds import Finding
from signal_tracer.findings.walk import Walk
from signal_tracer.phrases import At


def missing_receivers(walk: Walk) -> Iterator[Finding]:
    for unheard in walk.contents.unheard:
        for miss in unheard.near_misses:
            if miss.reason == "not_connected":
                yield Finding(
                    MISSING_IN_TRACE,
                    {
                        "receiver": miss.receiver,
                        "signal": unheard.signal,
                        "sender": unheard.sender,
                        "place": At(miss.defined_at),
                    },
                    names=(miss.receiver, unheard.signal, unheard.sender),
                    location=miss.defined_at,
                    count=unheard.count,
                )
