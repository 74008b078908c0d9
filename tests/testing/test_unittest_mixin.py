"""The mixin for ``unittest`` and Django's test cases."""

import unittest

import pytest
from django.contrib.auth.models import Group
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import TestCase

from signal_tracer.testing import SignalTestMixin

rung = Signal()


def answer(**named: object) -> str:
    return "who is there?"


def ignore(**named: object) -> None: ...


def run(name: str) -> unittest.TestResult:
    result = unittest.TestResult()
    case: unittest.TestCase = Doorbell(name)
    case.run(result)
    return result


class Doorbell(SignalTestMixin, unittest.TestCase):
    __test__ = False  # Run below, by unittest itself.

    def setUp(self) -> None:
        for receiver in (answer, ignore):
            rung.connect(receiver)
            self.addCleanup(rung.disconnect, receiver)

    def test_all_assertions_hold(self) -> None:
        with self.signal_trace() as signals:
            rung.send("visitor", times=2)
        self.assert_sent(rung, sender="visitor")
        self.assert_sent(rung, times=1)
        self.assert_not_sent(rung, sender="thief")
        self.assert_received(answer, times=1)
        self.assert_connected(rung, answer)
        self.assert_nothing_swallowed()
        self.assert_max(dispatches=1, receiver_calls=2, queries=0)
        assert signals.trace.name == f"{__name__}.Doorbell.test_all_assertions_hold"

    def test_a_mute_until_the_end(self) -> None:
        self.mute(answer)
        with self.signal_trace():
            assert rung.send(None) == [(ignore, None)]
        self.assert_not_received(answer)

    def test_an_assertion_fails(self) -> None:
        with self.signal_trace():
            rung.send("visitor")
        self.assert_not_sent(rung)

    def test_without_a_trace(self) -> None:
        self.assert_connected(rung, answer)
        self.assert_sent(rung)


class AsyncDoorbell(SignalTestMixin, unittest.IsolatedAsyncioTestCase):
    async def test_a_trace_and_a_mute(self) -> None:
        rung.connect(answer)
        self.addCleanup(rung.disconnect, answer)
        self.mute("test_unittest_mixin.answer")
        with self.signal_trace():
            assert await rung.asend("visitor") == []
        self.assert_sent(rung)
        self.assert_not_received(answer)


class InDjangosTestCase(SignalTestMixin, TestCase):
    def test_models_and_queries(self) -> None:
        with self.signal_trace():
            Group.objects.create(name="potters")
        self.assert_sent(post_save, sender=Group, created=True)
        self.assert_max(queries=1)
        with pytest.raises(AssertionError, match=r"Too much happened: 1 query \(at most 0\)"):
            self.assert_max(queries=0)


@pytest.mark.parametrize("name", ["test_all_assertions_hold", "test_a_mute_until_the_end"])
def test_what_holds_passes(name: str) -> None:
    result = run(name)
    assert (result.testsRun, result.failures, result.errors) == (1, [], [])
    rung.connect(answer)
    assert rung.send(None) == [(answer, "who is there?")], "the mute has ended"
    rung.disconnect(answer)


def test_what_does_not_hold_fails_with_a_traceback_that_ends_in_the_test() -> None:
    [(_, said)] = run("test_an_assertion_fails").failures
    assert said.count("File ") == 1
    assert "test_unittest_mixin.rung was sent once, and should not have been." in said


def test_an_assertion_without_a_trace_says_what_to_write() -> None:
    [(_, said)] = run("test_without_a_trace").errors
    assert (
        "RuntimeError: There is no trace to assert on: write `with self.signal_trace():` before."
        in said
    )
