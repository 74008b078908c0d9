"""Only the project's: what is put together in a row a package, and what stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from signal_tracer.records import (
    DJANGO,
    Bypass,
    Contents,
    Dispatch,
    Error,
    Location,
    NearMiss,
    OnCommit,
    Owner,
    Query,
    ReceiverCall,
    Skipped,
)
from signal_tracer.showing.project_only import project_only
from signal_tracer.showing.rows import Row, rows_of
from signal_tracer.trace import Trace

PROJECT = Location("shop/receivers.py", 7, "relay")
THUMBS = Location("lib/site-packages/thumbs/handlers.py", 3, "resize")
SEARCH = Location("lib/site-packages/search/signals.py", 9, "index")
OF_DJANGO = Location("lib/site-packages/django/contrib/auth/models.py", 9, "update_last_login")
OWNERS = {
    THUMBS.file: Owner("package", "thumbs"),
    SEARCH.file: Owner("package", "search"),
    OF_DJANGO.file: DJANGO,
}


def called(receiver: str, place: Location | None, *dispatches: Dispatch) -> ReceiverCall:
    return ReceiverCall(
        receiver, place, duration=0.004, own_time=0.003, dispatches=list(dispatches)
    )


def sent(*calls: ReceiverCall, signal: str = "saved") -> Dispatch:
    return Dispatch(signal, "shop.Order", sent_from=PROJECT, receiver_calls=list(calls))


THUMBS_RUNS = called("thumbs.resize", THUMBS)
SEARCH_RUNS = called("search.index", SEARCH)
PROJECT_RUNS = called("shop.relay", PROJECT)


def shown(*dispatches: Dispatch, bypasses: tuple[Bypass, ...] = ()) -> list[str]:
    return [_line(row) for row in rows(*dispatches, bypasses=bypasses)]


def rows(*dispatches: Dispatch, bypasses: tuple[Bypass, ...] = ()) -> list[Row]:
    contents = Contents(dispatches=list(dispatches), bypasses=list(bypasses), owners=OWNERS)
    trace = Trace("test", started_at=datetime(2026, 1, 1, tzinfo=UTC), contents=contents)
    return project_only(rows_of(trace), contents, 0.01)


def _line(row: Row) -> str:
    beside = [str(each) for each in row.facts if each.where == "beside" and row.kind == "package"]
    times = [f"x{row.count}"] if row.count > 1 else []
    return "  ".join([f"{'  ' * row.depth}{row.title}", *times, *beside, *row.marks])


def test_dispatches_that_only_packages_hear_are_one_row_a_package_where_the_first_of_them_was():
    assert shown(
        sent(THUMBS_RUNS), sent(PROJECT_RUNS), sent(THUMBS_RUNS, SEARCH_RUNS), sent(THUMBS_RUNS)
    ) == [
        "in thumbs  3 receiver calls in 3 dispatches",
        "saved.send",
        "  shop.relay",
        "in search  1 receiver call in 1 dispatch",
    ]


def test_a_dispatch_that_the_project_hears_stays_with_all_its_receivers():
    assert shown(sent(THUMBS_RUNS, PROJECT_RUNS)) == [
        "saved.send",
        "  thumbs.resize",
        "  shop.relay",
    ]


def test_what_a_receiver_of_the_project_sets_off_in_packages_is_folded_below_it():
    inside = called("shop.relay", PROJECT, sent(THUMBS_RUNS), sent(THUMBS_RUNS, signal="resized"))
    assert shown(sent(inside)) == [
        "saved.send",
        "  shop.relay",
        "    in thumbs  2 receiver calls in 2 dispatches",
    ]


def test_what_a_package_sets_off_in_the_project_stays_below_it():
    assert shown(sent(called("thumbs.resize", THUMBS, sent(PROJECT_RUNS, signal="resized")))) == [
        "saved.send",
        "  thumbs.resize",
        "    resized.send",
        "      shop.relay",
    ]


def test_what_packages_set_off_in_packages_counts_for_each_of_them():
    assert shown(sent(called("thumbs.resize", THUMBS, sent(SEARCH_RUNS, THUMBS_RUNS)))) == [
        "in thumbs  2 receiver calls in 2 dispatches",
        "in search  1 receiver call in 1 dispatch",
    ]


def test_receivers_of_django_are_folded_under_its_name():
    ran = called("django.contrib.auth.models.update_last_login", OF_DJANGO)
    assert shown(sent(ran)) == ["in django  1 receiver call in 1 dispatch"]


def test_what_went_wrong_in_a_package_stays_with_what_it_is_nested_in():
    error = Error("ValueError", "no image")
    swallowed = replace(THUMBS_RUNS, outcome="swallowed", error=error)
    nested = called("search.index", SEARCH, sent(swallowed, signal="resized"))
    assert shown(sent(nested), sent(THUMBS_RUNS)) == [
        "saved.send",
        "  search.index",
        "    resized.send",
        "      thumbs.resize  SWALLOWED",
        "in thumbs  1 receiver call in 1 dispatch",
    ]


def test_what_was_rolled_back_and_what_had_not_ended_stays():
    undone = replace(sent(THUMBS_RUNS), in_atomic=("default",), rolled_back=("default",))
    running = sent(replace(THUMBS_RUNS, outcome="running"))
    assert shown(undone, running) == [
        "saved.send  ROLLED BACK",
        "  thumbs.resize",
        "saved.send",
        "  thumbs.resize  RUNNING",
    ]


def test_a_callback_that_was_discarded_stays():
    lost = OnCommit("thumbs.upload", defined_at=THUMBS, outcome="discarded")
    ran = OnCommit("thumbs.upload", defined_at=THUMBS, outcome="ran")
    assert shown(
        sent(replace(THUMBS_RUNS, on_commit=[lost])), sent(replace(THUMBS_RUNS, on_commit=[ran]))
    ) == [
        "saved.send",
        "  thumbs.resize",
        "    on_commit thumbs.upload  DISCARDED",
        "in thumbs  1 receiver call in 1 dispatch",
    ]


def test_a_near_miss_of_the_project_keeps_its_dispatch_and_one_of_a_package_does_not():
    theirs = NearMiss("search.index", "connected_to_proxy", SEARCH)
    ours = NearMiss("shop.relay", "connected_to_proxy", PROJECT)
    assert shown(
        replace(sent(THUMBS_RUNS), near_misses=[theirs]),
        replace(sent(THUMBS_RUNS), near_misses=[ours]),
    ) == [
        "in thumbs  1 receiver call in 1 dispatch",
        "saved.send",
        "  thumbs.resize",
        "  shop.relay  NEAR MISS",
    ]


def test_receivers_that_could_not_be_watched_or_whose_owner_is_not_known_stay():
    unwatched = replace(sent(), unwatched=["thumbs.resize"])
    assert shown(unwatched, sent(called("<lambda>", None))) == [
        "saved.send",
        "  thumbs.resize  NOT WATCHED",
        "saved.send",
        "  <lambda>",
    ]


def test_bulk_operations_of_packages_that_skipped_packages_are_folded_and_others_stay():
    def bypass(place: Location, *skipped: Skipped) -> Bypass:
        return Bypass("update", "thumbs.Image", 3, sent_from=place, skipped=list(skipped))

    theirs = Skipped("post_save", "search.index", SEARCH)
    ours = Skipped("post_save", "shop.relay", PROJECT)
    through = replace(bypass(PROJECT, theirs), through=THUMBS)
    operations = (bypass(THUMBS, theirs), through, bypass(THUMBS, ours), bypass(PROJECT, theirs))
    assert shown(bypasses=operations) == [
        "in thumbs  2 bulk operations",
        "thumbs.Image.update()  BYPASS",
        "  shop.relay  SKIPPED",
        "thumbs.Image.update()  BYPASS",
        "  search.index  SKIPPED",
    ]


def test_a_row_of_a_package_has_the_time_the_queries_and_the_marks_of_its_calls():
    slow = called("thumbs.resize", THUMBS)
    slow.own_time, slow.started_at = 0.5, 0.2
    slow.queries = [Query("SELECT 1", duration=0.01), Query("SELECT 2", duration=0.02)]
    [row] = rows(sent(slow), sent(THUMBS_RUNS))
    assert (row.started_at, row.duration, row.own_time) == (0.0, 0.503, 0.503)
    assert (row.query_count, row.query_count_with_nested, row.query_time) == (2, 2, 0.03)
    assert (row.marks, row.count) == (("SLOW",), 1)
    assert [str(fact) for fact in row.facts if fact.where == "nowhere"] == [
        "package thumbs",
        "receivers thumbs.resize",
    ]


def test_rows_that_stay_keep_their_numbers_and_those_of_packages_are_numbered_on():
    found = rows(sent(THUMBS_RUNS), sent(PROJECT_RUNS), sent(called("search.index", SEARCH)))
    assert [(row.number, str(row.title)) for row in found] == [
        (6, "in thumbs"),
        (2, "saved.send"),
        (3, "shop.relay"),
        (7, "in search"),
    ]


def test_the_whole_rows_are_not_changed():
    contents = Contents(dispatches=[sent(called("shop.relay", PROJECT, sent(THUMBS_RUNS)))])
    contents.owners = OWNERS
    trace = Trace("test", started_at=datetime(2026, 1, 1, tzinfo=UTC), contents=contents)
    whole = rows_of(trace)
    project_only(whole, contents, 0.01)
    assert whole == rows_of(trace)
