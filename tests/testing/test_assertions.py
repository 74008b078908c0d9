"""``SignalTrace``: each assertion holds and fails, and a failure says the whole story."""

import re
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, User
from django.db.models.signals import post_save
from django.dispatch import Signal

from signal_tracer import trace_signals
from signal_tracer.testing import SignalTrace, mute
from signal_tracer.testing.lookup import UnknownNameError

ordered = Signal()
settled = Signal()
refunded = Signal()


def charge(sender: Any, **named: Any) -> str:
    settled.send(sender, amount=named.get("total"))
    return "charged"


def post_mail(**named: Any) -> None: ...


def text(**named: Any) -> None:
    raise ConnectionError("the gateway is down")


def never(**named: Any) -> None: ...


@pytest.fixture(autouse=True)
def receivers() -> Iterator[None]:
    ordered.connect(charge)
    settled.connect(post_mail)
    yield
    ordered.disconnect(charge)
    settled.disconnect(post_mail)


@pytest.fixture
def signals() -> Iterator[SignalTrace]:
    with SignalTrace("an order") as signals:
        yield signals


def failure(assertion: Callable[..., None], *args: Any, **named: Any) -> str:
    """What the failed assertion says; a line of a file is shown as LINE."""
    with pytest.raises(AssertionError) as raised:
        assertion(*args, **named)
    return re.sub(r"\S+\.py:\d+", "FILE:LINE", str(raised.value))


OUTLINE = """
the outline:
  test_assertions.ordered.send  sender=auth.User
    test_assertions.charge
      test_assertions.settled.send  sender=auth.User
        test_assertions.post_mail\
"""


# assert_sent


def test_a_signal_was_sent(signals: SignalTrace) -> None:
    user = User(pk=7)
    ordered.send(User, total=Decimal("194.00"), user=user, card_number="4111")
    signals.assert_sent(ordered)
    signals.assert_sent(ordered, times=1)
    signals.assert_sent(settled, sender=User, amount=Decimal("194.00"))
    for name in ("test_assertions.ordered", "ordered", "test_assertions.*ed"):
        signals.assert_sent(name)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (Decimal("194.00"), Decimal(194)),
        (Decimal("194.00"), Decimal),
        (Decimal("194.00"), ANY),
        (194.0000001, pytest.approx(194)),
        ([1, {"a": 2}], [1, {"a": 2}]),
        (User(pk=7), User(pk=7)),
        (User, User),
        (True, bool),
        (None, None),
    ],
    ids=str,
)
def test_arguments_match_by_value_by_type_and_by_whatever_says_that_it_is_equal(
    signals: SignalTrace, given: Any, wanted: Any
) -> None:
    refunded.send(None, amount=given)
    signals.assert_sent(refunded, amount=wanted)
    signals.assert_not_sent(refunded, amount=Group)
    with pytest.raises(AssertionError):
        signals.assert_not_sent(refunded, amount=wanted)


@pytest.mark.parametrize("wanted", [User, "auth.User", "User", ANY, type], ids=str)
def test_senders_match_by_identity_name_type_and_equality(
    signals: SignalTrace, wanted: Any
) -> None:
    refunded.send(User)
    signals.assert_sent(refunded, sender=wanted)
    signals.assert_not_sent(refunded, sender=Group)


def test_an_instance_that_sent_is_matched_as_such_and_by_its_type(signals: SignalTrace) -> None:
    sender = User(pk=7)
    refunded.send(sender)
    for wanted in (sender, User(pk=7), User, "auth.User(pk=7)"):
        signals.assert_sent(refunded, sender=wanted)
    signals.assert_not_sent(refunded, sender=User(pk=8))


def test_an_instance_is_the_same_one_after_it_got_its_key(signals: SignalTrace) -> None:
    user = User()
    refunded.send(User, instance=user)
    user.pk = 3
    signals.assert_sent(refunded, instance=user)


def test_a_signal_that_nobody_hears_was_sent_all_the_same(signals: SignalTrace) -> None:
    refunded.send(User, amount=1)
    refunded.send(User, amount=2)
    async_to_sync(refunded.asend)(User, amount=2)
    signals.assert_sent(refunded, times=3)
    signals.assert_sent(refunded, amount=2, times=2)
    assert signals.trace.dispatches == []


def test_all_four_ways_to_send_count_once_each(signals: SignalTrace) -> None:
    ordered.send(None)
    ordered.send_robust(None)
    async_to_sync(ordered.asend)(None)
    async_to_sync(ordered.asend_robust)(None)
    signals.assert_sent(ordered, times=4)
    signals.assert_sent(settled, times=4)


def test_a_signal_with_a_send_of_its_own_counts_once(signals: SignalTrace) -> None:
    class Own(Signal):
        def send(self, sender: Any, **named: Any) -> Any:
            return super().send(sender, **named)

    own, unheard = Own(), Own()
    own.connect(post_mail)
    own.send(None, amount=1)
    unheard.send(None, amount=1)
    signals.assert_sent(own, amount=1, times=1)
    signals.assert_sent(unheard, amount=1, times=1)


def test_a_trace_of_all_threads_sees_what_another_thread_sent() -> None:
    with SignalTrace(all_threads=True) as signals:
        for target in (ordered, refunded):
            thread = threading.Thread(target=target.send, args=(User,), kwargs={"amount": 1})
            thread.start()
            thread.join()
    signals.assert_sent(ordered, times=1, amount=1)
    signals.assert_sent(refunded, times=1, amount=1)


def test_a_trace_inside_another_sees_its_own_part() -> None:
    with SignalTrace() as outer, trace_signals():
        ordered.send(User, total=1)
        with SignalTrace() as inner:
            ordered.send(User, total=2)
            refunded.send(User)
    outer.assert_sent(ordered, times=2)
    inner.assert_sent(ordered, times=1, total=2)
    for each in outer, inner:
        each.assert_sent(refunded, times=1)


def test_sent_but_not_as_asked_for(signals: SignalTrace) -> None:
    ordered.send(User, total=20, card_number="4111 1111")
    assert (
        failure(signals.assert_sent, ordered, sender=Group, total=194, gift=True)
        == """\
test_assertions.ordered was sent once, but never as asked for.

asked for:
  test_assertions.ordered  sender=auth.Group  total=194  gift=True  (once or more)

sent instead:
  test_assertions.ordered.send  sender=auth.User  total=20  card_number=[redacted]
    sender is auth.User, not auth.Group
    total is 20, not 194
    it has no argument gift
"""
        + OUTLINE
    )


def test_never_sent(signals: SignalTrace) -> None:
    ordered.send(User, total=20)
    assert (
        failure(signals.assert_sent, refunded, sender=User, amount=ANY)
        == """\
test_assertions.refunded was never sent.

asked for:
  test_assertions.refunded  sender=auth.User  amount=<ANY>  (once or more)

sent instead:
  test_assertions.ordered.send  sender=auth.User
  test_assertions.settled.send  sender=auth.User
"""
        + OUTLINE
    )


def test_nothing_sent_at_all(signals: SignalTrace) -> None:
    assert (
        failure(signals.assert_sent, refunded, times=2)
        == """\
test_assertions.refunded was never sent.

asked for:
  test_assertions.refunded  (exactly twice)

sent instead:
  nothing

the outline:
  no dispatches"""
    )


def test_sent_another_number_of_times(signals: SignalTrace) -> None:
    ordered.send(User, total=20)
    assert (
        failure(signals.assert_sent, ordered, total=20, times=3)
        == """\
test_assertions.ordered was sent once as asked for, not exactly 3 times.

asked for:
  test_assertions.ordered  total=20  (exactly 3 times)

sent:
  test_assertions.ordered.send  sender=auth.User  total=20
    as asked for
"""
        + OUTLINE
    )


def test_near_misses_are_part_of_the_story(signals: SignalTrace) -> None:
    with mute(post_mail):
        ordered.send(User, total=20)
    assert (
        failure(signals.assert_sent, settled, amount=21)
        == """\
test_assertions.settled was sent once, but never as asked for.

asked for:
  test_assertions.settled  amount=21  (once or more)

sent instead:
  test_assertions.settled.send  sender=auth.User  amount=20
    amount is 20, not 21

near misses:
  test_assertions.post_mail of test_assertions.settled: muted

the outline:
  test_assertions.ordered.send  sender=auth.User
    test_assertions.charge
      test_assertions.settled.send  sender=auth.User
        test_assertions.post_mail  MUTED"""
    )


def test_equal_dispatches_are_one_line_and_many_are_cut(signals: SignalTrace) -> None:
    for amount in [0, 0, *range(25)]:
        refunded.send(None, amount=amount)
    said = failure(signals.assert_sent, refunded, amount=99)
    lines = said.split("\n")
    assert lines[0] == "test_assertions.refunded was sent 27 times, but never as asked for."
    assert lines[6:10] == [
        "  test_assertions.refunded.send  sender=None  amount=0  (3 times)",
        "    amount is 0, not 99",
        "  test_assertions.refunded.send  sender=None  amount=1",
        "    amount is 1, not 99",
    ]
    assert "  ... and 5 more" in lines


def test_a_secret_that_another_argument_quotes_is_not_shown(signals: SignalTrace) -> None:
    refunded.send(None, token="hunter2-hunter2", note="with hunter2-hunter2")
    said = failure(signals.assert_sent, refunded, note="", token="swordfish")
    assert "hunter2" not in said
    assert "swordfish" not in said
    assert "token is another [redacted] than the one asked for" in said
    assert "note is 'with [redacted]', not ''" in said


@pytest.mark.parametrize(
    ("assertion", "named", "error", "message"),
    [
        (
            "assert_sent",
            {"times": "1"},
            TypeError,
            "times= wants a whole number, 0 or more, and was given a str.",
        ),
        (
            "assert_received",
            {"times": True},
            TypeError,
            "times= wants a whole number, 0 or more, and was given a bool.",
        ),
        (
            "assert_received",
            {"times": -1},
            ValueError,
            "times= wants a whole number, 0 or more, and was given -1.",
        ),
        (
            "assert_max",
            {"queries": 1.5},
            TypeError,
            "queries= wants a whole number, 0 or more, and was given a float.",
        ),
        (
            "assert_max",
            {},
            TypeError,
            "assert_max() wants at least one limit: give dispatches=, receiver_calls= or queries=.",
        ),
    ],
)
def test_what_is_no_count_is_refused_and_what_to_give_is_said(
    signals: SignalTrace,
    assertion: str,
    named: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    about = {"assert_sent": [ordered], "assert_received": [charge], "assert_max": []}[assertion]
    with pytest.raises(error) as raised:
        getattr(signals, assertion)(*about, **named)
    assert str(raised.value) == message


def test_no_times_at_all_is_the_opposite_assertion(signals: SignalTrace) -> None:
    signals.assert_sent(ordered, times=0)
    signals.assert_received(charge, times=0)
    ordered.send(User, total=20)
    signals.assert_sent(ordered, total=21, times=0)
    assert failure(signals.assert_sent, ordered, times=0) == failure(
        signals.assert_not_sent, ordered
    )
    assert failure(signals.assert_received, charge, times=0).startswith(
        "test_assertions.charge was called once, and should not have been.\n"
    )


# assert_not_sent


def test_a_signal_was_not_sent(signals: SignalTrace) -> None:
    ordered.send(User, total=20)
    signals.assert_not_sent(refunded)
    signals.assert_not_sent(ordered, sender=Group)
    signals.assert_not_sent(ordered, total=21)


def test_sent_and_should_not_have_been(signals: SignalTrace) -> None:
    ordered.send(User, total=20)
    assert (
        failure(signals.assert_not_sent, ordered, total=int)
        == """\
test_assertions.ordered was sent once, and should not have been.

asked for:
  test_assertions.ordered  total=int  (never)

sent:
  test_assertions.ordered.send  sender=auth.User  total=20
"""
        + OUTLINE
    )


def test_a_name_that_no_dispatch_has_as_an_argument_is_no_pass(signals: SignalTrace) -> None:
    signals.assert_not_sent(ordered, pasword="x")  # It was not sent at all.
    ordered.send(User, password="hunter2", total=20)
    ordered.send(User, total=20, gift=True)
    signals.assert_not_sent(ordered, gift=False)
    said = failure(signals.assert_not_sent, ordered, pasword="x", total=20)
    assert said.startswith(
        """\
test_assertions.ordered was sent twice, but never with an argument pasword: nothing was compared. \
Did you mean password?

asked for:
  test_assertions.ordered  pasword='x'  total=20  (never)

sent:
  test_assertions.ordered.send  sender=auth.User  password=[redacted]  total=20
  test_assertions.ordered.send  sender=auth.User  total=20  gift=True

the outline:
"""
    )
    assert failure(signals.assert_sent, ordered, zebra=1, yak=2, times=0).startswith(
        "test_assertions.ordered was sent twice, but never with an argument zebra or yak: nothing "
        "was compared.\n"
    )


@pytest.mark.parametrize(
    "assertion", ["assert_sent", "assert_not_sent", "assert_received", "assert_not_received"]
)
def test_a_name_that_nothing_goes_by_is_an_error_and_no_pass(
    signals: SignalTrace, assertion: str
) -> None:
    what = "signal" if assertion.endswith("sent") else "receiver"
    name, likely = ("test_assertions.orderd", "test_assertions.ordered")
    if what == "receiver":
        name, likely = ("test_assertions.chrge", "test_assertions.charge")
    with pytest.raises(UnknownNameError) as raised:
        getattr(signals, assertion)(name)
    assert str(raised.value) == (
        f"There is no signal or receiver {name!r}. Did you mean {likely!r}?"
    )


def test_a_signal_is_not_a_receiver_and_the_other_way_round(signals: SignalTrace) -> None:
    with pytest.raises(TypeError, match=r"'test_assertions.never' is a receiver, and a signal is"):
        signals.assert_not_sent("test_assertions.never")
    with pytest.raises(TypeError, match=r"'test_assertions.refunded' is a signal, and a receiver"):
        signals.assert_not_received("test_assertions.refunded")
    with pytest.raises(TypeError, match=r"Give a signal, or its dotted name\."):
        signals.assert_not_sent(never)


# assert_received, assert_not_received


def test_a_receiver_was_called(signals: SignalTrace) -> None:
    ordered.send(User)
    for receiver in (charge, "test_assertions.charge", "charge"):
        signals.assert_received(receiver)
        signals.assert_received(receiver, times=1)
    signals.assert_received(post_mail)
    signals.assert_not_received(never)
    signals.assert_not_received("test_assertions.never")


def test_not_called_and_why(signals: SignalTrace) -> None:
    with mute("test_assertions.post_mail"):
        ordered.send(User)
    assert (
        failure(signals.assert_received, post_mail)
        == """\
test_assertions.post_mail was never called.

asked for:
  test_assertions.post_mail  (once or more)

called:
  test_assertions.charge

near misses:
  test_assertions.post_mail of test_assertions.settled: muted

the outline:
  test_assertions.ordered.send  sender=auth.User
    test_assertions.charge
      test_assertions.settled.send  sender=auth.User
        test_assertions.post_mail  MUTED"""
    )


def test_not_called_while_something_took_all_receivers_away(signals: SignalTrace) -> None:
    kept, ordered.receivers = ordered.receivers, []
    ordered.send(User)
    said = failure(signals.assert_received, charge)
    ordered.receivers = kept
    assert (
        said
        == """\
test_assertions.charge was never called.

asked for:
  test_assertions.charge  (once or more)

called:
  nothing

sent, and nobody was connected then to hear it:
  test_assertions.ordered  sender=auth.User

the outline:
  no dispatches"""
    )
    ordered.send(User)
    assert "connected then" not in failure(signals.assert_received, never)


def test_called_another_number_of_times(signals: SignalTrace) -> None:
    ordered.send(User)
    assert (
        failure(signals.assert_received, charge, times=2)
        == """\
test_assertions.charge was called once, not exactly twice.

asked for:
  test_assertions.charge  (exactly twice)

called:
  test_assertions.charge
  test_assertions.post_mail
"""
        + OUTLINE
    )


def test_called_and_should_not_have_been(signals: SignalTrace) -> None:
    ordered.send(User)
    assert (
        failure(signals.assert_not_received, "charge")
        == """\
test_assertions.charge was called once, and should not have been.

called for:
  test_assertions.ordered.send  sender=auth.User
"""
        + OUTLINE
    )


# assert_connected


def test_a_receiver_is_connected(signals: SignalTrace) -> None:
    signals.assert_connected(ordered, charge)
    signals.assert_connected("ordered", "test_assertions.charge", sender=User)
    refunded.connect(never, sender=User)
    try:
        signals.assert_connected(refunded, never)
        signals.assert_connected(refunded, never, sender=User)
        assert (
            failure(signals.assert_connected, refunded, never, sender=Group)
            == """\
test_assertions.never is not connected to test_assertions.refunded for sender auth.Group.

it is connected for:
  auth.User

connected are:
  test_assertions.never  sender=auth.User"""
        )
    finally:
        refunded.disconnect(never, sender=User)


def test_a_receiver_is_not_connected(signals: SignalTrace) -> None:
    assert (
        failure(signals.assert_connected, refunded, charge)
        == """\
test_assertions.charge is not connected to test_assertions.refunded.

connected are:
  nothing"""
    )


# assert_nothing_swallowed


def test_nothing_was_swallowed(signals: SignalTrace) -> None:
    ordered.send_robust(User)
    signals.assert_nothing_swallowed()


def test_something_was_swallowed(signals: SignalTrace) -> None:
    settled.connect(text)
    settled.send_robust(User)
    settled.disconnect(text)
    assert (
        failure(signals.assert_nothing_swallowed)
        == """\
1 exception of a receiver was swallowed.

swallowed:
  test_assertions.text  ConnectionError: the gateway is down
    by test_assertions.settled.send_robust  sender=auth.User
    at FILE:LINE

the outline:
  test_assertions.settled.send_robust  sender=auth.User
    test_assertions.post_mail
    test_assertions.text  SWALLOWED ConnectionError: the gateway is down"""
    )


# assert_max


def test_no_more_than_allowed(signals: SignalTrace) -> None:
    ordered.send(User)
    signals.assert_max(dispatches=2, receiver_calls=2, queries=0)


def test_more_than_allowed(signals: SignalTrace) -> None:
    ordered.send(User)
    assert (
        failure(signals.assert_max, dispatches=1, receiver_calls=0, queries=0)
        == """\
Too much happened: 2 dispatches (at most 1), 2 receiver calls (at most 0).
"""
        + OUTLINE
    )


# What a trace cannot know


def test_what_was_only_counted_is_not_passed_over_in_silence(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 2}
    with SignalTrace() as signals:
        for amount in range(4):
            settled.send(None, amount=amount)
    signals.assert_sent(settled, times=4)
    signals.assert_sent(settled, amount=1)
    signals.assert_not_sent(refunded)
    signals.assert_received(post_mail)
    outline = """

the outline:
  test_assertions.settled.send  sender=None
    test_assertions.post_mail
  test_assertions.settled.send  sender=None
    test_assertions.post_mail"""
    what_to_do = "Trace a shorter part of the test, or raise SIGNAL_TRACER['MAX_DISPATCHES']."
    counted = (
        "test_assertions.settled was sent so often that 2 dispatches were only counted, and nobody "
        f"can say whether they are as asked for. {what_to_do}\n\n"
        "asked for:\n  test_assertions.settled  amount=%s" + outline
    )
    assert failure(signals.assert_sent, settled, amount=3) == counted % 3
    assert failure(signals.assert_sent, settled, amount=1, times=1) == counted % 1
    assert failure(signals.assert_not_sent, settled, amount=9) == counted % 9
    incomplete = (
        "There were too many dispatches, or they were nested too deep: 2 dispatches were only "
        f"counted, and nobody can say which receivers ran. {what_to_do}{outline}"
    )
    for assertion, args, named in (
        (signals.assert_received, (post_mail,), {"times": 2}),
        (signals.assert_not_received, (never,), {}),
        (signals.assert_nothing_swallowed, (), {}),
        (signals.assert_max, (), {"receiver_calls": 9}),
    ):
        assert failure(assertion, *args, **named) == incomplete
    assert failure(signals.assert_max, dispatches=3).startswith(
        "Too much happened: 4 dispatches (at most 3)."
    )


def test_a_trace_that_has_not_begun_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"This SignalTrace has not begun: write `with Sig"):
        SignalTrace().assert_sent(ordered)


def test_its_trace_is_the_one_that_the_messages_outline_and_is_whole_before_its_end(
    signals: SignalTrace,
) -> None:
    refunded.send(None)
    ordered.send(User)
    outline = OUTLINE.replace("\nthe outline:\n", "").replace("\n  ", "\n").strip()
    assert signals.trace.outline() == outline
    assert str(signals).splitlines()[1] == "2 dispatches · 2 receiver calls · 1 unheard"


# Why a receiver did not run


@pytest.mark.django_db
def test_a_bulk_operation_that_left_the_receiver_out_is_named(signals: SignalTrace) -> None:
    post_save.connect(never, sender=Group)
    try:
        Group.objects.bulk_create([Group(name="potters"), Group(name="glaziers")])
    finally:
        post_save.disconnect(never, sender=Group)
    bypassed = """
bypassed:
  test_assertions.never of django.db.models.signals.post_save: skipped by \
auth.Group.bulk_create()  2 rows

the outline:
  auth.Group.bulk_create()  2 rows  BYPASS
    test_assertions.never  SKIPPED"""
    assert (
        failure(signals.assert_received, never)
        == """\
test_assertions.never was never called.

asked for:
  test_assertions.never  (once or more)

called:
  nothing
"""
        + bypassed
    )
    assert failure(signals.assert_sent, post_save, sender=Group).endswith(bypassed)


def test_a_receiver_that_waits_for_a_sender_close_to_this_one_is_named(
    signals: SignalTrace,
) -> None:
    refunded.connect(never, sender=User)
    try:
        refunded.send(User(pk=7))
        said = failure(signals.assert_received, never)
    finally:
        refunded.disconnect(never, sender=User)
    assert said.split("\n\n")[3] == (
        "near misses:\n"
        "  test_assertions.never of test_assertions.refunded: connected to class (auth.User)"
    )


def test_what_another_thread_sends_in_its_own_block_is_not_seen_in_this_one() -> None:
    sent_there = []

    def elsewhere() -> None:
        with SignalTrace("there") as there:
            settled.send("elsewhere")
            there.assert_sent(settled, times=1)
            sent_there.append(there)

    with SignalTrace("here") as here:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    assert len(sent_there) == 1
    here.assert_not_sent(settled)
