"""What tests need of signals, without pytest: assert what was sent and received, and mute."""

from signal_tracer.testing.assertions import SignalTrace
from signal_tracer.testing.mixin import SignalTestMixin
from signal_tracer.testing.mute import mute

__all__ = ["SignalTestMixin", "SignalTrace", "mute"]
