"""The scenarios with several buttons: one order four ways, and from bad to good in five steps."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.test import Client

from commissions.models import Account, Commission, ForReceiver, WithSave
from scenarios import sample_data
from scenarios.catalogue import SCENARIOS, Scenario
from signal_tracer import Trace, trace_signals

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.usefixtures("shop")

PRICE = Decimal("29.50")
WITH_CHOICES = [scenario for scenario in SCENARIOS if scenario.choices]


@pytest.fixture(autouse=True)
def nothing_is_slow_by_accident(settings: Settings) -> None:
    settings.SIGNAL_TRACER = {"SLOW_RECEIVER_MS": 15_000}


def press(slug: str, choice: str) -> Trace:
    browser = Client()
    with trace_signals(slug) as trace:
        response = browser.post(f"/{slug}/", {"choice": choice} if choice else {})
    assert response.status_code == 200
    return trace


def findings(trace: Trace) -> list[str]:
    return [each.slug for each in trace.findings() if each.level != "info"]


def heard(trace: Trace) -> list[str]:
    """Who was called for a commission, without the modules in front of the names."""
    calls = [call.receiver for call in trace.receiver_calls()]
    return [name.rpartition(".")[2] for name in calls if name.startswith("commissions.")]


@pytest.mark.parametrize("scenario", WITH_CHOICES, ids=lambda each: each.slug)
def test_there_is_a_button_for_each_choice(scenario: Scenario) -> None:
    page = Client().get(f"/{scenario.slug}/").content.decode()
    assert f"<button>{scenario.button}</button>" in page
    for choice, label in scenario.choices:
        assert f'name="choice" value="{choice}">{label}</button>' in page


@pytest.mark.parametrize("choice", ["", "save", "service", "task"])
def test_an_order_comes_to_the_same_whichever_way_it_is_written(choice: str) -> None:
    trace = press("four-ways", choice)

    models = (ForReceiver, WithSave, Commission)
    [written] = [each for model in models for each in model._default_manager.all()]
    assert written.number.startswith("C-")
    assert Account.objects.get().spent == PRICE
    assert heard(trace) == ([] if choice else ["complete"])
    assert findings(trace) == []


def test_the_same_work_takes_the_same_queries_whichever_way_it_is_written() -> None:
    choices = ["", "save", "service", "task"]
    counts = [press("four-ways", choice).query_count() for choice in choices]
    assert counts == [counts[0]] * 4


@pytest.mark.parametrize(
    ("choice", "mailed", "queued"),
    [("", 1, 0), ("save", 1, 0), ("service", 1, 0), ("task", 0, 1)],
)
def test_only_a_task_leaves_the_mail_to_a_worker(
    choice: str,
    mailed: int,
    queued: int,
    django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue: list[Any] = []
    monkeypatch.setattr("commissions.services.queue", queue)
    with django_capture_on_commit_callbacks(execute=True):
        Client().post("/four-ways/", {"choice": choice})

    assert (len(mail.outbox), len(queue)) == (mailed, queued)
    for work in queue:
        work()
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (
            "",
            ["before-commit", "called-twice", "query-in-loop", "recursion", "repeated-save"],
        ),
        ("1", ["before-commit", "query-in-loop", "recursion", "repeated-save"]),
        ("2", ["before-commit", "query-in-loop"]),
        ("3", ["before-commit"]),
        ("4", []),
        ("5", []),
    ],
)
def test_each_step_takes_away_what_was_found(step: str, expected: list[str]) -> None:
    assert sorted(set(findings(press("five-steps", step)))) == expected


@pytest.mark.parametrize(
    ("step", "mails"), [("", 4), ("1", 1), ("2", 1), ("3", 1), ("4", 1), ("5", 1)]
)
def test_only_as_it_was_found_one_order_is_mailed_four_times(
    step: str, mails: int, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        Client().post("/five-steps/", {"choice": step})
    assert len(mail.outbox) == mails


@pytest.mark.parametrize("step", ["", "1", "2"])
def test_before_step_3_all_earlier_orders_are_added_up_again(step: str) -> None:
    press("five-steps", step)
    assert Account.objects.get().spent == PRICE * (sample_data.COMMISSIONS_BEFORE + 1)


@pytest.mark.parametrize("step", ["3", "4", "5"])
def test_from_step_3_on_what_is_new_is_added(step: str) -> None:
    press("five-steps", step)
    assert Account.objects.get().spent == PRICE


def test_observers_and_receivers_do_the_same() -> None:
    with trace_signals("observer") as trace:
        page = Client().post("/observer/").content.decode()

    assert page.count("the bell rings at 1240 °C, the diary says 1240 °C") == 2
    [dispatch] = trace.find(signal="kiln_fired")
    assert [call.receiver for call in dispatch.receiver_calls] == [
        "scenarios.observer.hear_bell",
        "scenarios.observer.keep_diary",
    ]
    assert findings(trace) == []
