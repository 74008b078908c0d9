"""The clock of all records, in nanoseconds; it is read as ``clock.now()``."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns

now: Callable[[], int] = perf_counter_ns
