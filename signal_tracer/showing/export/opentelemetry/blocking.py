"""SimpleSpanProcessor, which sends each span while the request waits: that is said, once."""

from __future__ import annotations

import logging

logger = logging.getLogger("signal_tracer")


def warn_of_blocking_exports(provider: object) -> None:
    """Log a warning if spans of the provider go to a server one by one, within the request.

    An exporter of the SDK's own writes to memory or to the console: nothing waits for that. Looked
    at are names that the SDK does not promise, so that what is not found there is no reason.
    """
    chain = getattr(provider, "_active_span_processor", None)
    for processor in getattr(chain, "_span_processors", ()):
        exporter = type(getattr(processor, "span_exporter", None))
        sends = not exporter.__module__.startswith(("opentelemetry.sdk.", "builtins"))
        if type(processor).__name__ == "SimpleSpanProcessor" and sends:
            logger.warning(
                "SimpleSpanProcessor exports within the request: with a trace of 100 spans, %s is "
                "waited for 100 times. Use BatchSpanProcessor; see docs/opentelemetry.md.",
                exporter.__name__,
            )
