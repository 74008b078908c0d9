"""The observed graph of traces that were recorded: what Django's own doings become in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal

from signal_tracer import SignalGraph, trace_signals

joined = Signal()
NAME = "test_graph_of_real_traces"


def tell_later(sender: object, **kwargs: object) -> None:
    transaction.on_commit(tell)


def tell() -> None:
    joined.send(Group)


def count(sender: object, **kwargs: object) -> None:
    User.objects.create(username="counter")


def greet(sender: object, **kwargs: object) -> None: ...


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    pairs = ((post_save, tell_later, Group), (joined, count, None), (pre_save, greet, User))
    for signal, receiver, sender in pairs:
        signal.connect(receiver, sender=sender)
    yield
    for signal, receiver, sender in pairs:
        signal.disconnect(receiver, sender=sender)


@pytest.mark.django_db(transaction=True)
def test_a_callback_and_all_that_it_sets_off_belong_to_the_receiver_that_registered_it() -> None:
    with trace_signals("joins") as trace, transaction.atomic():
        Group.objects.create(name="readers")

    graph = SignalGraph.from_traces([trace])

    [later] = [call for call in graph.calls.values() if call.receiver == f"{NAME}.tell_later"]
    assert later.callbacks == {f"{NAME}.tell": 1}
    [sent] = graph.sent_by(later)
    assert (sent.sent_signal, sent.sent_sender, sent.on_commit, sent.count) == (
        *(f"{NAME}.joined", "auth.Group", f"{NAME}.tell", 1),
    )
    [counting] = graph.calls_of(sent.sent_signal, sent.sent_sender)
    assert counting.writes == {"INSERT auth_user": 1}
    # The example site has a receiver of any sender for the second.
    assert [each.sent_signal for each in graph.sent_by(counting)] == [
        "django.db.models.signals.pre_save",
        "django.db.models.signals.post_save",
    ]
    assert graph.dispatches[f"{NAME}.joined", "auth.Group"].outside == 0


def test_an_instance_that_sends_is_its_class_and_a_made_up_signal_has_no_number() -> None:
    nameless = Signal()
    nameless.connect(greet)
    with trace_signals("sends") as trace:
        nameless.send(Group(pk=3))
        nameless.send(Group(pk=4))
        nameless.send(object())

    graph = SignalGraph.from_traces([trace])

    assert {key for key in graph.dispatches if key[0].startswith("<")} == {
        ("<unnamed Signal>", "auth.Group"),
        ("<unnamed Signal>", "object"),
    }
