"""What ``unittest`` and Django's ``TestCase`` get: a trace, a mute, assertions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signal_tracer.describing.names import is_a
from signal_tracer.testing.assertions import SignalTrace
from signal_tracer.testing.matching import ANYTHING
from signal_tracer.testing.mute import mute

if TYPE_CHECKING:
    from unittest import TestCase as _Base
else:
    _Base = object

__unittest = True  # See assertions.


class SignalTestMixin(_Base):
    """Mix it into a test case::

        class CheckoutTests(SignalTestMixin, TestCase):
            def test_the_receipt_is_sent(self):
                with self.signal_trace():
                    place_order()
                self.assert_received("shop.receivers.send_receipt")

    The assertions are those of ``SignalTrace``, about the latest trace of the test.
    """

    _signal_trace: SignalTrace | None = None

    def signal_trace(self, name: str = "", *, all_threads: bool = False) -> SignalTrace:
        """A trace, to be used with ``with``."""
        own = self.id() if is_a(name, str) and not name else name
        self._signal_trace = SignalTrace(own, all_threads=all_threads)
        self.addCleanup(self._forget_signal_trace)
        return self._signal_trace

    def mute(self, *what: Any, sender: Any = None, only: Any = None) -> None:
        """Mute until the test ends; ``with mute(...)`` does so for a block."""
        self.enterContext(mute(*what, sender=sender, only=only))

    def assert_sent(
        self, signal: Any, /, *, sender: Any = ANYTHING, times: int | None = None, **kwargs: Any
    ) -> None:
        self._latest().assert_sent(signal, sender=sender, times=times, **kwargs)

    def assert_not_sent(self, signal: Any, /, *, sender: Any = ANYTHING, **kwargs: Any) -> None:
        self._latest().assert_not_sent(signal, sender=sender, **kwargs)

    def assert_received(self, receiver: Any, /, *, times: int | None = None) -> None:
        self._latest().assert_received(receiver, times=times)

    def assert_not_received(self, receiver: Any, /) -> None:
        self._latest().assert_not_received(receiver)

    def assert_connected(self, signal: Any, receiver: Any, /, *, sender: Any = ANYTHING) -> None:
        """Needs no trace."""
        SignalTrace().assert_connected(signal, receiver, sender=sender)

    def assert_nothing_swallowed(self) -> None:
        self._latest().assert_nothing_swallowed()

    def assert_max(
        self,
        *,
        dispatches: int | None = None,
        receiver_calls: int | None = None,
        queries: int | None = None,
    ) -> None:
        self._latest().assert_max(
            dispatches=dispatches, receiver_calls=receiver_calls, queries=queries
        )

    def _latest(self) -> SignalTrace:
        if self._signal_trace is None:
            raise RuntimeError(
                "There is no trace to assert on: write `with self.signal_trace():` before."
            )
        return self._signal_trace

    def _forget_signal_trace(self) -> None:
        self._signal_trace = None
