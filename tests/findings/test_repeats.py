"""What ran again, inside itself, or deep inside of others."""

# ruff: noqa: E501  The expected messages are as long as they are.

from __future__ import annotations

from dataclasses import replace

import pytest
from telling import POST_SAVE, at, call, queries, saved, sent, told, traced

from signal_tracer.records import Dispatch, Error, Method, ReceiverCall, Summary


def test_a_receiver_that_ran_twice_in_a_dispatch_is_told() -> None:
    twice = sent(call(dispatch_uid="a"), call("shop.other", defined_at=at(20)), call())
    trace = traced(twice, twice)
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning called-twice: shop.receivers.index ran 2 times in one shop.signals.paid from "
            "shop.Order. x 2"
        )
    ]
    assert finding.location == at(7)
    assert finding.record is twice.receiver_calls[2]
    assert finding.names == ("shop.receivers.index", "shop.signals.paid", "shop.Order")
    assert finding.advice == (
        "Connect shop.receivers.index (shop/receivers.py:7) once: to any sender or to shop.Order, "
        "from one import path. With a dispatch_uid, a connect() that runs again does nothing."
    )


def test_a_function_that_is_made_twice_is_called_twice() -> None:
    made = call(defined_at=at(7, function="ready.<locals>.index"))

    assert [each.slug for each in traced(sent(made, made)).findings()] == ["called-twice"]


def test_functions_that_were_made_with_a_uid_each_are_receivers_of_their_own() -> None:
    made = call(defined_at=at(7, function="register.<locals>.index"), dispatch_uid="price")
    other = replace(made, dispatch_uid="cost")

    assert told(traced(sent(made, other))) == []
    # A function of a module is the same whatever it is connected by.
    plain = call(dispatch_uid="price"), call(dispatch_uid="cost")
    assert [each.slug for each in traced(sent(*plain)).findings()] == ["called-twice"]


def test_a_receiver_whose_module_was_imported_under_two_names_is_told_with_both() -> None:
    assert told(traced(sent(call(), call("mysite.shop.receivers.index")))) == [
        (
            "warning called-twice: shop.receivers.index and mysite.shop.receivers.index ran 2 times "
            "in one shop.signals.paid from shop.Order."
        )
    ]


@pytest.mark.parametrize(
    "calls",
    [
        (call(), call("shop.receivers.other", defined_at=at(9))),
        (call("partial(shop.receivers.index)"), call("partial(shop.receivers.index)")),
        (call("shop.receivers.Indexer()"), call("shop.receivers.Indexer()")),
        (call(defined_at=None), call(defined_at=None)),
        (
            call(defined_at=at(7, function="Index.add")),
            call(defined_at=at(7, function="Index.add")),
        ),
    ],
    ids=["two receivers", "partials", "callable instances", "no code to compare", "methods"],
)
def test_receivers_that_may_differ_are_not_called_twice(
    calls: tuple[ReceiverCall, ReceiverCall],
) -> None:
    assert told(traced(sent(*calls))) == []


def test_a_receiver_that_runs_in_two_dispatches_is_not_called_twice() -> None:
    assert told(traced(sent(call()), sent(call()))) == []


# Repeated saves


def test_an_instance_that_was_saved_again_is_told_with_the_lines_that_did_it() -> None:
    lines = [at(number, "shop/checkout.py", "place") for number in (10, 12, 15)]
    trace = traced(*(saved("shop.Order(pk=3)", sent_from=line) for line in lines))
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning repeated-save: shop.Order(pk=3) was saved 3 times, at shop/checkout.py:10, "
            "shop/checkout.py:12 and shop/checkout.py:15, and each time shop.receivers.index ran."
        )
    ]
    assert finding.location == at(12, "shop/checkout.py", "place")
    assert finding.record is trace.dispatches[1]
    assert finding.names == ("shop.Order", "shop.receivers.index")


@pytest.mark.parametrize(
    ("called", "method"), [("signals.post_save.send", "send"), (None, "send_robust")]
)
def test_a_signal_that_is_sent_by_hand_saves_nothing(called: str | None, method: Method) -> None:
    first = saved("shop.Order(pk=3)", sent_from=at(1))
    by_hand = saved("shop.Order(pk=3)", sent_from=at(2), called=called, method=method)
    by_another = replace(by_hand, called="paid.send", method="send")

    assert found_slugs(first, by_hand) == []
    # What a receiver of another signal saves is saved: the line that sent that one is named.
    assert found_slugs(first, by_another) == ["repeated-save"]


def test_instances_that_were_saved_again_by_the_same_lines_are_one_finding() -> None:
    trace = traced(*(saved(f"shop.Order(pk={pk})") for pk in (1, 1, 2, 2, 3)))

    assert told(trace) == [
        (
            "warning repeated-save: shop.Order(pk=1) was saved 2 times, at shop/views.py:30, and each "
            "time shop.receivers.index ran. x 2"
        )
    ]


def test_an_instance_that_is_saved_again_by_its_receiver_is_told() -> None:
    again = saved("shop.Order(pk=3)", call("shop.receivers.log"))
    first = saved("shop.Order(pk=3)", call("shop.receivers.total", dispatches=[again]))

    assert told(traced(first)) == [
        (
            "warning repeated-save: shop.Order(pk=3) was saved 2 times, at shop/views.py:30, and each "
            "time shop.receivers.total and shop.receivers.log ran."
        )
    ]


CREATED = {"instance": Summary("shop.Order(pk=3)"), "raw": False, "created": True}
RAW = {"instance": Summary("shop.Order(pk=3)"), "raw": True}
OTHER_DATABASE = {"instance": Summary("shop.Order(pk=3)"), "raw": False, "using": "archive"}


@pytest.mark.parametrize(
    "dispatches",
    [
        [saved("shop.Order(pk=3)"), saved("shop.Order(pk=4)")],
        [saved("shop.Order(pk=3)"), saved("shop.Line(pk=3)")],
        [saved("shop.Order(pk=None)"), saved("shop.Order(pk=None)")],
        [saved("shop.Token(pk=[redacted])"), saved("shop.Token(pk=[redacted])")],
        [saved("shop.Page(pk='ab'… (300 characters))")] * 2,
        [saved("shop.Order(pk=3)", kwargs=CREATED), saved("shop.Order(pk=3)", kwargs=CREATED)],
        [saved("shop.Order(pk=3)", kwargs=RAW), saved("shop.Order(pk=3)", kwargs=RAW)],
        [saved("shop.Order(pk=3)"), saved("shop.Order(pk=3)", kwargs=OTHER_DATABASE)],
        [saved("<shop.services.Order>"), saved("<shop.services.Order>")],
        [saved("shop.Order(pk=3)", signal="django.db.models.signals.post_delete")] * 2,
        [saved("shop.Order(pk=3)", kwargs={"instance": "shop.Order(pk=3)"})] * 2,
    ],
    ids=[
        "two instances",
        "two models",
        "no primary key",
        "a redacted primary key",
        "a primary key that was cut",
        "a key that was used again",
        "fixtures",
        "two databases",
        "no model",
        "another signal",
        "a string",
    ],
)
def test_saves_of_what_may_differ_are_no_repetition(dispatches: list[Dispatch]) -> None:
    assert told(traced(*dispatches)) == []


# Recursion and nesting


def nested(*names: str) -> Dispatch:
    """Dispatches inside one another, with a receiver for each of ``names``."""
    dispatch: Dispatch | None = None
    for line, name in reversed([*enumerate(names, start=1)]):
        inner = call(
            f"shop.receivers.{name}",
            defined_at=at(100 + ord(name[0])),
            dispatches=[dispatch] if dispatch else [],
        )
        dispatch = sent(inner, signal=f"shop.signals.{name}", sent_from=at(line))
    assert dispatch
    return dispatch


def test_a_receiver_that_ran_inside_itself_is_told_with_the_line_that_sent_it_there() -> None:
    trace = traced(nested("a", "b", "a", "a"))
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning recursion: shop.receivers.a ran again before it had ended, 3 levels deep, because "
            "of the shop.signals.a sent at shop/receivers.py:3."
        )
    ]
    assert finding.location == at(3)
    assert finding.names == ("shop.receivers.a", "shop.signals.a")
    again = trace.dispatches[0].receiver_calls[0].dispatches[0].receiver_calls[0].dispatches[0]
    assert finding.record is again.receiver_calls[0]


def test_a_receiver_that_ran_again_after_it_had_ended_is_no_recursion() -> None:
    relay = call("shop.receivers.relay", dispatches=[sent(call("b")), sent(call("b"))])

    assert told(traced(sent(relay), sent(call("shop.receivers.relay")))) == []


def test_more_than_three_dispatches_deep_is_told_with_the_way_down() -> None:
    trace = traced(nested("a", "b", "c", "d", "e"), nested("a", "b", "c", "d", "e"))
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning deep-nesting: Dispatches are nested 5 deep: a (shop.Order) > b (shop.Order) > "
            "c (shop.Order) > d (shop.Order) > e (shop.Order). x 2"
        )
    ]
    assert finding.location == at(4)
    assert str(finding.record) == "shop.signals.d.send  sender=shop.Order"
    assert finding.advice == (
        "Let one function call the steps by name, in order. At the latest where shop.signals.d is "
        "sent (shop/receivers.py:4): call what must happen, or start a task with "
        "transaction.on_commit()."
    )


def test_three_dispatches_deep_is_not_too_deep() -> None:
    assert told(traced(nested("a", "b", "c"))) == []


def test_a_recursion_is_not_told_as_deep_nesting_as_well() -> None:
    assert [each.slug for each in traced(nested("a", "a", "a", "a", "a")).findings()] == [
        "recursion"
    ]


def test_a_sender_that_is_not_known_is_left_out_of_the_way_down() -> None:
    inner = sent(call("d", defined_at=None), signal="shop.signals.last", sender="None")
    for name in "cba":
        inner = sent(call(name, defined_at=None, dispatches=[inner]), signal=POST_SAVE)

    assert "post_save (shop.Order) > last." in told(traced(inner))[0]


# What an endless recursion repeats

SELECT = "SELECT 1 FROM shop_rate"
PRE_SAVE = "django.db.models.signals.pre_save"


def rounds(number: int, error: Error | None, *beside: Dispatch) -> Dispatch:
    """Saves of one order, each by a receiver of the one before; the last of them raises."""
    dispatch: Dispatch | None = None
    for _ in range(number):
        again = call(
            "shop.receivers.again",
            dispatches=[*map(replace, beside), *([dispatch] if dispatch else [])],
            error=error,
            outcome="raised" if error else "returned",
            queries=queries(SELECT),
        )
        counting = call("shop.receivers.count", defined_at=at(50), queries=queries(SELECT))
        dispatch = saved("shop.Order(pk=3)", counting, again, sent_from=at(9))
    assert dispatch
    return dispatch


def found_slugs(*dispatches: Dispatch, ignore: tuple[str, ...] = ()) -> list[str]:
    return [each.slug for each in traced(*dispatches, ignore=ignore).findings()]


ENDLESS = Error("RecursionError", "maximum recursion depth exceeded")


def test_what_an_endless_recursion_repeats_is_told_as_that_recursion_alone() -> None:
    assert found_slugs(rounds(12, ENDLESS)) == ["left-half-done", "recursion"]


@pytest.mark.parametrize("error", [None, Error("ValueError", "no")])
def test_a_recursion_that_comes_to_an_end_leaves_what_it_repeats_to_be_told(
    error: Error | None,
) -> None:
    assert set(found_slugs(rounds(12, error))) >= {"repeated-save", "query-in-loop", "recursion"}


def test_what_is_repeated_beside_an_endless_recursion_or_in_its_first_round_is_told() -> None:
    loop = call("shop.receivers.loop", defined_at=at(60), queries=queries(SELECT, 6))
    beside = saved("shop.Order(pk=3)", call("shop.receivers.other", defined_at=at(70)))
    found = traced(rounds(12, ENDLESS, sent(loop)), beside).findings()

    assert [(each.slug, each.names[-1]) for each in found if each.slug != "left-half-done"] == [
        ("repeated-save", "shop.receivers.other"),
        ("query-in-loop", "shop.receivers.loop"),
        ("recursion", POST_SAVE),
    ]


def test_a_recursion_that_python_ended_is_not_said_to_end_by_itself() -> None:
    [_, endless] = traced(rounds(3, ENDLESS)).findings()
    ending = next(each for each in traced(rounds(3, None)).findings() if each.slug == "recursion")

    assert endless.message == (
        "shop.receivers.again ran again before it had ended, and so on until Python stopped that "
        f"with RecursionError, because of the {POST_SAVE} sent at shop/receivers.py:9."
    )
    assert endless.kind.why.startswith("Nothing in it comes to an end")
    assert endless.advice == ending.advice
    assert "3 levels deep" in ending.message
    assert ending.kind.why.startswith("It ends only because something stops it")


@pytest.mark.parametrize(
    ("error", "slugs"),
    [
        (ENDLESS, ["recursion"]),
        (Error("ValueError", "no"), ["slow-receiver", "recursion", "raised-and-undone"]),
    ],
)
def test_beside_an_endless_recursion_nothing_is_slow_or_may_be_meant(
    error: Error, slugs: list[str]
) -> None:
    slow = call("shop.receivers.again", outcome="raised", error=error, own_time=0.05)
    inner = sent(slow, signal=PRE_SAVE, error=error)
    outer = replace(slow, own_time=0.0, dispatches=[inner])

    assert found_slugs(sent(outer, signal=PRE_SAVE, error=error)) == slugs


def test_a_refusal_outside_of_a_recursion_stays_for_information() -> None:
    alone = call("shop.receivers.again", outcome="raised", error=ENDLESS)

    assert found_slugs(sent(alone, signal=PRE_SAVE, error=ENDLESS)) == ["raised-and-undone"]


def test_where_the_recursion_is_ignored_what_it_repeats_is_told() -> None:
    found = found_slugs(rounds(12, ENDLESS), ignore=("recursion:shop.receivers.again",))
    assert set(found) >= {"repeated-save", "query-in-loop"}
