"""What the page "Custom signals" says of Django's dispatcher."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import Signal

SENDER = object()


def first(**kwargs: Any) -> str:
    return "first"


def second(**kwargs: Any) -> str:
    return "second"


def fails(**kwargs: Any) -> None:
    raise ValueError("of the receiver")


async def waits(**kwargs: Any) -> str:
    return "async"


def test_a_signal_takes_no_providing_args() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'providing_args'"):
        Signal(providing_args=["order"])  # type: ignore[call-arg]


def test_all_arguments_but_the_sender_are_keywords() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        Signal().send(SENDER, "an order")  # type: ignore[call-arg]


def test_a_signal_cannot_be_sent_without_saying_by_whom() -> None:
    with pytest.raises(TypeError, match="'sender'"):
        Signal().send()  # type: ignore[call-arg]


def test_a_receiver_gets_the_signal_the_sender_and_what_was_sent_as_keywords() -> None:
    signal, got = Signal(), []

    def notes(*args: Any, **kwargs: Any) -> None:
        got.append((args, kwargs))

    signal.connect(notes)
    signal.send(SENDER, order="an order")

    assert got == [((), {"signal": signal, "sender": SENDER, "order": "an order"})]


def test_signal_and_sender_are_taken_as_names() -> None:
    signal = Signal()
    signal.connect(first)

    with pytest.raises(TypeError, match="multiple values for"):
        signal.send(SENDER, signal="mine")


def test_a_name_that_is_missing_is_only_noticed_by_who_asks_for_it() -> None:
    signal = Signal()

    def wants_an_order(order: object, **kwargs: Any) -> None: ...

    signal.connect(first)
    assert signal.send(SENDER) == [(first, "first")]

    signal.connect(wants_an_order)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'order'"):
        signal.send(SENDER)


def test_receivers_share_the_objects_that_were_sent_and_not_the_dictionary() -> None:
    signal, lines = Signal(), ["a line"]
    seen: list[tuple[list[str], bool]] = []

    def changes(lines: list[str], **kwargs: Any) -> None:
        kwargs["added"] = True
        lines.append("another")

    def looks(lines: list[str], **kwargs: Any) -> None:
        seen.append((list(lines), "added" in kwargs))

    signal.connect(changes)
    signal.connect(looks)
    signal.send(SENDER, lines=lines)

    assert seen == [(["a line", "another"], False)]


@pytest.mark.parametrize("method", ["send", "send_robust"])
def test_answers_are_pairs_in_the_order_of_the_calls(method: str) -> None:
    signal = Signal()
    signal.connect(first)
    signal.connect(second)

    assert getattr(signal, method)(SENDER) == [(first, "first"), (second, "second")]


def test_async_receivers_answer_after_all_others() -> None:
    signal = Signal()
    signal.connect(waits)
    signal.connect(first)

    assert signal.send(SENDER) == [(first, "first"), (waits, "async")]


def test_nobody_answers_nothing() -> None:
    assert Signal().send(SENDER) == []


def test_after_one_that_raises_no_other_runs_under_send() -> None:
    signal, ran = Signal(), []

    def notes(**kwargs: Any) -> None:
        ran.append("notes")

    signal.connect(fails)
    signal.connect(notes)

    with pytest.raises(ValueError, match="of the receiver"):
        signal.send(SENDER)
    assert ran == []


def test_send_robust_answers_with_the_exception_and_logs_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    signal = Signal()
    signal.connect(fails)
    signal.connect(first)

    [(_, error), answer] = signal.send_robust(SENDER)

    assert (type(error), error.args) == (ValueError, ("of the receiver",))
    assert answer == (first, "first")
    [record] = caplog.records
    assert (record.name, record.levelno) == ("django.dispatch", logging.ERROR)
    assert "Error calling fails in Signal.send_robust()" in record.getMessage()
    assert record.exc_info


def test_send_robust_does_not_catch_what_is_no_exception() -> None:
    signal = Signal()

    def leaves(**kwargs: Any) -> None:
        raise SystemExit

    signal.connect(leaves)

    with pytest.raises(SystemExit):
        signal.send_robust(SENDER)


def test_a_receiver_cannot_stop_the_others_by_what_it_returns() -> None:
    signal = Signal()

    def refuses(**kwargs: Any) -> bool:
        return False

    signal.connect(refuses)
    signal.connect(first)

    assert signal.send(SENDER) == [(refuses, False), (first, "first")]


def test_receivers_run_in_the_order_of_their_connection() -> None:
    signal = Signal()
    signal.connect(second)
    signal.connect(first)

    assert [answer for _, answer in signal.send(SENDER)] == ["second", "first"]


def test_who_is_connected_again_goes_to_the_end() -> None:
    signal = Signal()
    signal.connect(first)
    signal.connect(second)
    signal.disconnect(first)
    signal.connect(first)

    assert [answer for _, answer in signal.send(SENDER)] == ["second", "first"]


def test_who_is_connected_during_a_dispatch_runs_from_the_next_on() -> None:
    signal = Signal()

    def connects(**kwargs: Any) -> str:
        signal.connect(second)
        return "connects"

    signal.connect(connects)

    assert [answer for _, answer in signal.send(SENDER)] == ["connects"]
    assert [answer for _, answer in signal.send(SENDER)] == ["connects", "second"]


def test_what_a_receiver_sends_is_done_before_the_next_receiver_runs() -> None:
    paid, shipped, order = Signal(), Signal(), []

    def ships(**kwargs: Any) -> None:
        order.append("ships")
        shipped.send(SENDER)

    def packs(**kwargs: Any) -> None:
        order.append("packs")

    def thanks(**kwargs: Any) -> None:
        order.append("thanks")

    paid.connect(ships)
    paid.connect(thanks)
    shipped.connect(packs)
    paid.send(SENDER)

    assert order == ["ships", "packs", "thanks"]


def test_save_hands_no_keyword_of_yours_on_to_its_signals() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'changed_by'"):
        Group(name="a").save(changed_by="ada")


@pytest.mark.django_db
def test_an_attribute_of_the_instance_reaches_the_receivers_of_post_save() -> None:
    seen = []

    def notes(instance: Any, **kwargs: Any) -> None:
        seen.append(getattr(instance, "_changed_by", None))

    post_save.connect(notes, sender=Group)
    try:
        group = Group(name="a")
        group._changed_by = "ada"
        group.save()
        Group.objects.get(name="a").save()
    finally:
        post_save.disconnect(notes, sender=Group)

    assert seen == ["ada", None]


@pytest.mark.django_db(transaction=True)
def test_what_is_sent_on_commit_is_not_sent_after_a_rollback() -> None:
    signal, heard = Signal(), []

    def notes(name: str, **kwargs: Any) -> None:
        heard.append(name)

    signal.connect(notes)

    with transaction.atomic():
        transaction.on_commit(lambda: signal.send(SENDER, name="kept"))
        assert heard == []
    with transaction.atomic():
        transaction.on_commit(lambda: signal.send(SENDER, name="undone"))
        transaction.set_rollback(True)

    assert heard == ["kept"]
