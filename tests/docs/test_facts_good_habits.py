"""What the page "Good habits" says of Django."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal
from pytest_django import DjangoAssertNumQueries


def made(heard: list[str], name: str = "ran") -> Callable[..., None]:
    """A receiver that is another function object each time."""

    def note(**named: Any) -> None:
        heard.append(name)

    return note


def failing(**named: Any) -> None:
    raise ValueError("no address")


def test_send_lets_an_exception_out_and_does_not_call_the_receivers_after_it() -> None:
    signal, heard = Signal(), list[str]()
    after = made(heard)
    signal.connect(failing)
    signal.connect(after)

    with pytest.raises(ValueError, match="no address"):
        signal.send(None)

    assert heard == []


def test_send_robust_calls_them_returns_the_exception_and_logs_it_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    signal, heard = Signal(), list[str]()
    after = made(heard)
    signal.connect(failing)
    signal.connect(after)

    answers = signal.send_robust(None)

    assert heard == ["ran"]
    assert answers[0][0] is failing
    assert str(answers[0][1]) == "no address"
    [record] = caplog.records
    assert (record.name, record.levelno) == ("django.dispatch", logging.ERROR)
    assert record.exc_info


def test_a_function_that_is_made_anew_is_connected_once_more() -> None:
    signal, heard = Signal(), list[str]()
    signal.connect(made(heard), weak=False)
    signal.connect(made(heard), weak=False)

    signal.send(None)

    assert heard == ["ran", "ran"]


def test_under_one_dispatch_uid_the_first_receiver_stays_and_no_other_is_connected() -> None:
    signal, heard = Signal(), list[str]()
    signal.connect(made(heard, "first"), weak=False, dispatch_uid="x")
    signal.connect(made(heard, "second"), weak=False, dispatch_uid="x")

    signal.send(None)

    assert heard == ["first"]


def test_a_dispatch_uid_is_compared_together_with_the_sender() -> None:
    signal, heard = Signal(), list[str]()
    receiver = made(heard)
    signal.connect(receiver, dispatch_uid="x")
    signal.connect(receiver, sender=Group, dispatch_uid="x")

    signal.send(Group)

    assert heard == ["ran", "ran"]


@pytest.mark.django_db
def test_a_field_set_in_pre_save_costs_no_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    def name_it(instance: Group, **named: Any) -> None:
        instance.name = "set in pre_save"

    pre_save.connect(name_it, sender=Group)
    try:
        with django_assert_num_queries(1):
            Group.objects.create(name="a")
    finally:
        pre_save.disconnect(name_it, sender=Group)

    assert Group.objects.get().name == "set in pre_save"


@pytest.mark.django_db
def test_save_in_post_save_costs_a_query_and_calls_the_receivers_again(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    calls: list[bool] = []

    def name_it(instance: Group, created: bool, **named: Any) -> None:
        calls.append(created)
        if created:
            instance.name = "set in post_save"
            instance.save()

    post_save.connect(name_it, sender=Group)
    try:
        with django_assert_num_queries(2):
            Group.objects.create(name="a")
    finally:
        post_save.disconnect(name_it, sender=Group)

    assert calls == [True, False]


@pytest.mark.django_db(transaction=True)
def test_a_callback_that_raises_ends_those_after_it_and_nothing_is_taken_back() -> None:
    ran: list[str] = []

    def save() -> None:
        with transaction.atomic():
            Group.objects.create(name="kept")
            transaction.on_commit(failing)
            transaction.on_commit(lambda: ran.append("second"))

    with pytest.raises(ValueError, match="no address"):
        save()

    assert ran == []
    assert Group.objects.get().name == "kept"


@pytest.mark.django_db(transaction=True)
def test_a_robust_callback_that_raises_is_logged_and_those_after_it_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ran: list[str] = []

    with transaction.atomic():
        transaction.on_commit(failing, robust=True)
        transaction.on_commit(lambda: ran.append("second"))

    assert ran == ["second"]
    assert [record.name for record in caplog.records] == ["django.db.backends.base"]


@pytest.mark.django_db
def test_in_a_test_case_no_callback_runs_unless_it_is_captured(
    django_capture_on_commit_callbacks: Any,
) -> None:
    ran: list[str] = []

    transaction.on_commit(lambda: ran.append("waits"))
    assert ran == []

    with django_capture_on_commit_callbacks(execute=True):
        transaction.on_commit(lambda: ran.append("captured"))
    assert ran == ["captured"]
