"""A test that patches the name of a receiver is told what is connected nevertheless."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from django.dispatch import Signal

from signal_tracer.testing import SignalTrace, mute

paid = Signal()


def send_receipt(sender: Any, **kwargs: Any) -> None: ...


def other(sender: Any, **kwargs: Any) -> None: ...


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    paid.connect(send_receipt)
    yield
    paid.receivers = []
    paid.sender_receivers_cache.clear()


NAME = f"{__name__}.send_receipt"


def what_is_said(assertion: str, *asked: Any) -> str:
    with SignalTrace() as signals:
        paid.send(None)
    with pytest.raises(AssertionError) as raised:
        getattr(signals, assertion)(*asked)
    return str(raised.value)


def test_a_mock_in_the_place_of_a_receiver_is_not_what_is_connected() -> None:
    with mock.patch(NAME) as patched:
        during = what_is_said("assert_received", patched)

    assert during == what_is_said("assert_received", patched)
    assert during == (
        f"This is not connected: a patch has put it in the place of {NAME}, and what is connected "
        "is the function from before the patch. connect() was given the function, not its name.\n"
        "\n"
        "instead:\n"
        f'  whether it ran: assert_received("{NAME}")\n'
        f'  keep it from running: with mute("{NAME}"):\n'
        "  patch what it calls, and ask that mock"
    )


def test_that_it_was_not_called_proves_nothing_and_is_refused() -> None:
    with mock.patch(NAME) as patched:
        said = what_is_said("assert_not_received", patched)

    assert said.startswith(f"This is not connected: a patch has put it in the place of {NAME}")


def test_whether_it_is_connected_is_answered_so_too() -> None:
    with mock.patch(NAME) as patched:
        said = what_is_said("assert_connected", paid, patched)

    assert said.startswith(f"This is not connected: a patch has put it in the place of {NAME}")


@pytest.mark.parametrize("how", [{"autospec": True}, {"new": lambda **kwargs: None}])
def test_whatever_a_patch_puts_there_is_known_while_it_lasts(how: Any) -> None:
    with mock.patch(NAME, **how):
        said = what_is_said("assert_received", globals()["send_receipt"])

    assert said.startswith(f"This is not connected: a patch has put it in the place of {NAME}")


def test_the_name_goes_by_what_is_connected_while_it_is_patched() -> None:
    with mock.patch(NAME), SignalTrace() as signals:
        paid.send(None)
        signals.assert_received(NAME)
        signals.assert_connected(paid, NAME)


def test_a_mock_that_is_connected_itself_is_asked_for_as_any_receiver() -> None:
    with mock.patch(NAME) as patched:
        paid.connect(patched)
        with SignalTrace() as signals:
            paid.send(None)
        signals.assert_received(patched)


@pytest.mark.parametrize("unrelated", [mock.Mock(), mock.Mock(name="something_else"), other])
def test_what_stands_for_no_receiver_was_simply_not_called(unrelated: Any) -> None:
    with SignalTrace() as signals:
        paid.send(None)

    signals.assert_not_received(unrelated)


def test_the_receiver_itself_is_asked_for_after_the_patch_is_over() -> None:
    with mock.patch(NAME):
        pass
    with SignalTrace() as signals:
        paid.send(None)

    signals.assert_received(send_receipt)


def test_to_mute_the_mock_would_mute_nothing_and_is_refused() -> None:
    with mock.patch(NAME) as patched, pytest.raises(TypeError, match="in the place of") as raised:
        mute(patched)

    assert f'mute("{NAME}")' in str(raised.value)
