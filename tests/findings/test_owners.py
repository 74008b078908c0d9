"""Whose a finding is: the project's first, a package's at most for information, Django's never."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from telling import POST_SAVE, at, call, queries, saved, sent, told, traced

from signal_tracer.findings import over_trace
from signal_tracer.records import (
    DJANGO,
    PROJECT,
    Bypass,
    ConnectionChange,
    Dispatch,
    Error,
    Location,
    NearMiss,
    Owner,
    Query,
    ReceiverCall,
    Skipped,
    Summary,
)
from signal_tracer.trace import Trace

HAYSTACK = at(50, "haystack/signals.py", "BaseSignalProcessor.handle_save")
THUMBNAILS = at(20, "easy_thumbnails/models.py", "FileManager.get_file")
LOGIN = at(400, "django/contrib/auth/models.py", "update_last_login")
OWNERS = {
    HAYSTACK.file: Owner("package", "haystack"),
    THUMBNAILS.file: Owner("package", "easy_thumbnails"),
    LOGIN.file: DJANGO,
}
SLOW = {"own_time": 0.5, "duration": 0.5}


def owned(*dispatches: Dispatch, **contents: Any) -> Trace:
    return traced(*dispatches, owners=OWNERS, **contents)


def test_what_is_the_projects_comes_first_and_what_is_a_packages_is_for_information() -> None:
    trace = owned(
        sent(call("haystack.signals.handle_save", defined_at=HAYSTACK, **SLOW)),
        sent(call("django.contrib.auth.models.update_last_login", defined_at=LOGIN, **SLOW)),
        sent(call(is_async=True)),
        sent(call("shop.receivers.pay", defined_at=at(9), **SLOW)),
    )
    found = over_trace(trace)

    assert [(each.level, each.slug, each.owner) for each in found.shown] == [
        ("warning", "slow-receiver", PROJECT),
        ("info", "async-bridge", PROJECT),
        ("info", "slow-receiver", Owner("package", "haystack")),
    ]
    assert [each.slug for each in found.of_project] == ["slow-receiver", "async-bridge"]
    assert found.packages() == [("haystack", 1)]


def test_packages_are_counted_those_with_the_most_findings_first() -> None:
    trace = owned(
        sent(call("haystack.signals.handle_save", defined_at=HAYSTACK, **SLOW)),
        sent(call("easy_thumbnails.a", defined_at=THUMBNAILS, **SLOW)),
        sent(call("easy_thumbnails.b", defined_at=replace(THUMBNAILS, line=30), **SLOW)),
    )

    assert over_trace(trace).packages() == [("easy_thumbnails", 2), ("haystack", 1)]


def test_an_exception_that_was_swallowed_in_a_package_is_an_error_all_the_same() -> None:
    swallowed = {"outcome": "swallowed", "error": Error("a.E", "no")}
    trace = owned(sent(call("haystack.signals.handle_save", defined_at=HAYSTACK, **swallowed)))
    [finding] = trace.findings()

    assert (finding.level, finding.owner) == ("error", Owner("package", "haystack"))
    assert told(owned(sent(call("django.x", defined_at=LOGIN, **swallowed)))) == []


def test_a_trace_read_from_json_knows_whose_everything_is() -> None:
    trace = owned(sent(call("haystack.signals.handle_save", defined_at=HAYSTACK, **SLOW)))

    assert over_trace(Trace.from_dict(trace.to_dict())) == over_trace(trace)
    assert [each.owner.name for each in over_trace(trace).shown] == ["haystack"]


def test_a_receiver_without_a_line_is_owned_by_whom_its_name_says() -> None:
    nameless = call("haystack.signals.Handler()", defined_at=None, **SLOW)
    trace = owned(sent(nameless, sent_from=HAYSTACK))

    assert [each.owner for each in trace.findings()] == [Owner("package", "haystack")]
    builtin = call("django.core.signals.Handler()", defined_at=None, **SLOW)
    assert told(owned(sent(builtin))) == []


# Bulk operations


def skipped(receiver: str = "shop.receivers.index", **changes: Any) -> Skipped:
    return replace(Skipped(POST_SAVE, receiver, at(7)), **changes)


EVERYBODYS = skipped("haystack.handle_save", defined_at=HAYSTACK, hears_any_sender=True)
REGISTERED = skipped("haystack.handle_save", defined_at=HAYSTACK)


def bypass(*receivers: Skipped, **changes: Any) -> Bypass:
    made = Bypass("update", "shop.Order", 2, sent_from=at(30, "shop/views.py", "pay"))
    return replace(made, skipped=list(receivers), **changes)


def levels(*bypasses: Bypass) -> list[tuple[str, str, str]]:
    found = owned(bypasses=list(bypasses)).findings()
    return [(each.level, each.slug, each.owner.name) for each in found]


def test_a_bypass_is_told_where_the_projects_receiver_waits_or_the_project_did_it() -> None:
    warned = [("warning", "bulk-bypass", "")]

    assert levels(bypass(skipped())) == warned
    assert levels(bypass(skipped(), sent_from=THUMBNAILS)) == warned
    assert levels(bypass(REGISTERED)) == warned


def test_a_bypass_of_receivers_of_every_model_or_among_packages_is_for_information() -> None:
    for_information = [("info", "minor-bypass", "haystack")]

    assert levels(bypass(EVERYBODYS)) == for_information
    assert levels(bypass(REGISTERED, sent_from=THUMBNAILS)) == for_information
    # The project called the package that did it.
    through = bypass(REGISTERED, through=THUMBNAILS)
    assert levels(through) == for_information
    assert levels(bypass(skipped(hears_any_sender=True))) == [("info", "minor-bypass", "")]


def test_bypasses_for_information_are_one_finding_that_names_the_first_and_counts_the_rest() -> (
    None
):
    trace = owned(
        bypasses=[
            bypass(EVERYBODYS),
            bypass(EVERYBODYS, model="shop.Line", started_at=1.0),
            bypass(replace(EVERYBODYS, receiver="haystack.other"), method="bulk_create"),
            *(
                bypass(
                    skipped(f"easy_thumbnails.{name}", defined_at=THUMBNAILS),
                    model="shop.Log",
                    sent_from=THUMBNAILS,
                )
                for name in "abc"
            ),
        ]
    )

    assert told(trace) == [
        (
            "info minor-bypass: shop.Order.update, shop.Order.bulk_create, shop.Log.update and "
            "shop.Line.update changed rows without sending what easy_thumbnails.a, "
            "easy_thumbnails.b, easy_thumbnails.c and 2 more would have heard. x 6"
        )
    ]
    assert [each.owner.name for each in trace.findings()] == ["haystack"]


def test_a_warning_names_only_who_waits_for_the_model() -> None:
    [finding, other] = owned(bypasses=[bypass(EVERYBODYS, skipped())]).findings()

    assert finding.names == ("shop.Order", "shop.receivers.index")
    assert other.names == ("haystack.handle_save",)


def test_djangos_own_receivers_are_skipped_without_a_word() -> None:
    djangos = skipped("django.contrib.x.receive", defined_at=LOGIN)

    assert levels(bypass(djangos)) == []
    [finding] = owned(bypasses=[bypass(djangos, skipped())]).findings()
    assert finding.names == ("shop.Order", "shop.receivers.index")


def by_hand(moment: float, function: str = "pay", **changes: Any) -> Dispatch:
    place = at(33, "shop/views.py", function)
    return saved(
        "shop.Order(pk=1)", call(defined_at=at(7)), sent_from=place, started_at=moment, **changes
    )


def test_a_receiver_that_the_same_function_called_by_hand_was_not_bypassed() -> None:
    did = bypass(skipped(), started_at=1.0)

    assert told(owned(by_hand(0.5), bypasses=[did])) == []
    assert told(owned(by_hand(1.5), bypasses=[did])) == []


def test_a_receiver_that_another_function_or_call_or_model_had_called_was_bypassed() -> None:
    did = bypass(skipped(), started_at=1.0)
    elsewhere = by_hand(1.5, function="ship")
    other_model = by_hand(1.5, sender="shop.Line")
    nested = sent(call("shop.receivers.relay", dispatches=[by_hand(1.5)]))

    for trace in (owned(each, bypasses=[did]) for each in (elsewhere, other_model, nested)):
        assert [each.slug for each in trace.findings()] == ["bulk-bypass"]
    # Of two calls only the second sent by hand.
    later = replace(did, started_at=2.0)
    [finding] = owned(by_hand(2.5), bypasses=[did, later]).findings()
    assert finding.record is did
    assert finding.count == 1


def test_an_ignored_receiver_is_taken_out_and_only_an_empty_finding_goes() -> None:
    operation = bypass(skipped("audit.receivers.log"), skipped())
    trace = traced(bypasses=[operation], ignore=("bulk-bypass:audit.*",))
    found = over_trace(trace)

    [finding] = found.shown
    assert finding.names == ("shop.Order", "shop.receivers.index")
    assert "audit" not in finding.message + finding.advice
    both = ("bulk-bypass:audit.*", "bulk-bypass:shop.receivers.*")
    found = over_trace(traced(bypasses=[operation], ignore=both))
    assert (len(found.shown), len(found.hidden)) == (0, 1)


# Repeated saves


def fields(*names: str) -> dict[str, Any]:
    return {
        "instance": Summary("shop.Order(pk=3)"),
        "raw": False,
        "using": "default",
        "update_fields": Summary(f"frozenset({{{', '.join(map(repr, names))}}})"),
    }


def test_saves_of_other_fields_each_are_no_repetition_and_of_the_same_are() -> None:
    states = saved("shop.Order(pk=3)", kwargs=fields("state"))
    others = saved("shop.Order(pk=3)", kwargs=fields("number", "place"))
    both = saved("shop.Order(pk=3)", kwargs=fields("place", "state"))
    every = saved("shop.Order(pk=3)")

    assert told(traced(states, others)) == []
    assert len(told(traced(states, both))) == 1
    assert len(told(traced(states, states))) == 1
    assert len(told(traced(states, every))) == 1


def save_at(location: Location, *calls: ReceiverCall) -> Dispatch:
    return saved("shop.Order(pk=3)", *calls, sent_from=location)


def test_saves_that_django_or_one_package_did_alone_are_not_told() -> None:
    here, options = at(30, "shop/views.py", "pay"), at(554, LOGIN.file, "save")

    assert told(owned(save_at(options), save_at(options))) == []
    assert told(owned(save_at(HAYSTACK), save_at(HAYSTACK), save_at(options))) == []
    [finding] = owned(save_at(HAYSTACK), save_at(THUMBNAILS)).findings()
    assert finding.level == "info"
    [finding] = owned(save_at(options), save_at(here)).findings()
    assert (finding.level, finding.location) == ("warning", here)


def test_what_a_receiver_of_djangos_saves_is_no_second_save() -> None:
    inner = save_at(at(12, LOGIN.file, "update_last_login"))
    login = sent(
        call("django.contrib.auth.models.update_last_login", defined_at=LOGIN, dispatches=[inner])
    )

    assert told(owned(save_at(at(30, "shop/views.py", "pay")), login)) == []


def test_a_repeated_save_names_the_projects_receivers_and_packages_only_without_any() -> None:
    of_package = call("haystack.signals.handle_save", defined_at=HAYSTACK)
    here = at(30, "shop/views.py", "pay")
    [both] = owned(save_at(here, of_package, call()), save_at(here, call())).findings()
    [packages] = owned(save_at(here, of_package), save_at(here, of_package)).findings()

    assert both.names == ("shop.Order", "shop.receivers.index")
    assert packages.names == ("shop.Order", "haystack.signals.handle_save")


# Others


def test_a_near_miss_of_a_packages_receiver_is_for_information() -> None:
    miss = NearMiss("haystack.handle_save", "connected_to_parent", HAYSTACK, connected_to="a.B")
    [finding] = owned(sent(call(), near_misses=[miss])).findings()

    assert (finding.level, finding.owner.name) == ("info", "haystack")


def test_what_a_package_connects_late_is_for_information_and_what_django_does_is_nothing() -> None:
    change = ConnectionChange("connect", POST_SAVE, "haystack.handle_save", called_from=HAYSTACK)
    [finding] = owned(connection_changes=[change]).findings()

    assert (finding.level, finding.owner.name) == ("info", "haystack")
    djangos = replace(change, receiver="django.db.models.fields.x")
    assert told(owned(connection_changes=[djangos])) == []


def test_work_of_a_packages_receiver_is_not_said_to_be_lost_with_a_rollback() -> None:
    undone = {"in_atomic": ("default",), "rolled_back": ("default",)}
    of_package = call("haystack.signals.handle_save", defined_at=HAYSTACK)

    assert told(owned(sent(of_package, **undone))) == []
    assert len(told(owned(sent(of_package, call(), **undone)))) == 1


def test_a_loop_in_a_packages_receiver_is_for_information() -> None:
    loop = queries("SELECT a", 6)
    [finding] = owned(
        sent(call("haystack.signals.handle_save", defined_at=HAYSTACK, queries=loop))
    ).findings()

    assert (finding.level, finding.slug) == ("info", "query-in-loop")


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_receiver_is_slow_from_the_limit_on_and_from_the_share_of_the_trace(
    share: float,
) -> None:
    trace = traced(sent(call(own_time=0.05, duration=0.05)), duration=1.0)
    trace.slow_share = share
    slow = not share

    assert [each.slug for each in trace.findings()] == ["slow-receiver"] * slow
    assert trace.is_slow(trace.dispatches[0].receiver_calls[0]) is slow
    quick = traced(sent(call(own_time=0.05, duration=0.05)), duration=0.2)
    quick.slow_share = share
    assert [each.slug for each in quick.findings()] == ["slow-receiver"]


def test_what_a_thread_waited_for_a_processor_makes_no_receiver_slow() -> None:
    def slugs(waited: float) -> list[str]:
        trace = traced(sent(call(own_time=0.05, duration=0.05)), duration=0.2, waited=waited)
        trace.slow_share = 0.1
        return [each.slug for each in trace.findings()]

    assert slugs(0.0) == ["slow-receiver"]
    assert slugs(0.03) == ["slow-receiver"]
    assert slugs(0.045) == []
    # Where somebody has set a limit, that alone counts.
    trace = traced(sent(call(own_time=0.05, duration=0.05)), duration=0.2, waited=0.045)
    assert [each.slug for each in trace.findings()] == ["slow-receiver"]


def test_in_a_trace_that_names_no_owners_all_is_the_projects() -> None:
    [finding] = traced(sent(call(queries=[Query("SELECT a")] * 5))).findings()

    assert finding.owner == PROJECT
