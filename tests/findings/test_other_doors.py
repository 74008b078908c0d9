"""Rows that changed by other doors, and what receivers cost by being there."""

# ruff: noqa: E501  The expected messages are as long as they are.

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from telling import POST_SAVE, at, call, queries, sent, told, traced

from signal_tracer.records import (
    Bypass,
    Dispatch,
    Listening,
    NearMiss,
    Owner,
    Skipped,
    SlowDeletion,
    Summary,
    Unheard,
)

POST_MIGRATE = "django.db.models.signals.post_migrate"
POST_INIT = "django.db.models.signals.post_init"
POST_DELETE = "django.db.models.signals.post_delete"
PACKAGE = {"wag/tail.py": Owner("package", "wagtail")}

INDEX = Skipped(POST_SAVE, "search.receivers.index", at(12, "search/receivers.py"))
SET_NULL = Bypass(
    "SET_NULL",
    "shop.Book",
    3,
    sent_from=at(41, "shop/views.py", "remove"),
    skipped=[INDEX],
    door="on_delete",
    field="author",
    origin="shop.Author",
)
BY_HAND = Bypass(
    "save",
    "shop.Membership",
    1,
    sent_from=at(9, "shop/views.py", "join"),
    skipped=[Skipped("django.db.models.signals.m2m_changed", "shop.receivers.recount")],
    door="many_to_many",
)
IN_SQL = Bypass(
    "UPDATE",
    "shop.Order",
    2,
    sent_from=at(9, "shop/views.py", "ship"),
    skipped=[INDEX],
    door="sql",
)


def test_each_door_says_what_it_did_and_who_did_not_run() -> None:
    database = replace(SET_NULL, method="DB_CASCADE", door="database", rows=None)
    changed = replace(database, method="DB_SET_NULL")
    with_object = replace(BY_HAND, method="delete", origin="shop.Team", rows=2)

    assert told(traced(bypasses=[SET_NULL, database, changed, BY_HAND, with_object, IN_SQL])) == [
        "warning set-on-delete: Deleting shop.Author changed shop.Book.author in 3 rows by on_delete=SET_NULL without sending post_save, so search.receivers.index did not run.",
        "warning database-cascade: Deleting shop.Author has the database delete the rows of shop.Book that point to it, if there are any (shop.Book.author, on_delete=DB_CASCADE). It cascades without post_save, so search.receivers.index did not run.",
        "warning database-cascade: Deleting shop.Author has the database change the rows of shop.Book that point to it, if there are any (shop.Book.author, on_delete=DB_SET_NULL). It does so without post_save, so search.receivers.index did not run.",
        "warning m2m-by-hand: shop.Membership.save() changed 1 row of the many-to-many relation without sending m2m_changed, so shop.receivers.recount did not run.",
        "warning sql-bypass: UPDATE in SQL changed 2 rows of shop.Order without sending post_save, so search.receivers.index did not run.",
        "info m2m-with-object: Deleting shop.Team deleted 2 rows of shop.Membership with it, without sending m2m_changed, so shop.receivers.recount did not run.",
    ]


def test_equal_ones_are_one_with_the_rows_of_all_and_no_row_is_none() -> None:
    assert told(traced(bypasses=[SET_NULL, SET_NULL, replace(SET_NULL, rows=0)])) == [
        "warning set-on-delete: Deleting shop.Author changed shop.Book.author in 6 rows by on_delete=SET_NULL without sending post_save, so search.receivers.index did not run. x 2"
    ]


@pytest.mark.parametrize(
    "bypass",
    [
        replace(SET_NULL, skipped=[replace(INDEX, hears_any_sender=True)]),
        replace(IN_SQL, sent_from=at(3, "wag/tail.py")),
        replace(
            SET_NULL,
            sent_from=at(3, "wag/tail.py"),
            skipped=[replace(INDEX, defined_at=at(1, "wag/tail.py"))],
        ),
    ],
)
def test_what_nobody_of_the_project_waits_for_is_a_minor_bypass(bypass: Bypass) -> None:
    assert {line.split(":")[0] for line in told(traced(bypasses=[bypass], owners=PACKAGE))} == {
        "info minor-bypass"
    }


def test_what_the_same_function_sent_by_hand_was_not_left_out() -> None:
    by_hand = sent(
        call("shop.receivers.recount", defined_at=None),
        signal="django.db.models.signals.m2m_changed",
        sender="shop.Membership",
        sent_from=at(10, "shop/views.py", "join"),
    )

    assert told(traced(by_hand, bypasses=[BY_HAND])) == []


def test_a_soft_delete_of_a_model_that_was_deleted_after_all_is_none() -> None:
    soft = Bypass(
        "delete",
        "shop.Order",
        1,
        sent_from=at(9, "shop/models.py", "Order.delete"),
        skipped=[Skipped(POST_DELETE, "shop.receivers.forget")],
        door="soft_delete",
    )
    deleted = sent(call("shop.receivers.forget"), signal=POST_DELETE, sender="shop.Order")

    assert told(traced(bypasses=[soft])) == [
        "warning soft-delete: shop.Order.delete() marked 1 row and deleted nothing: it sends no post_delete, so shop.receivers.forget did not run."
    ]
    assert told(traced(deleted, bypasses=[soft])) == []


# Rows that were loaded to be deleted


SLOW = SlowDeletion(
    "shop.Log",
    50,
    (Listening("shop.receivers.count_pages", at(4)),),
    at(30, "shop/views.py", "purge"),
)


def test_rows_that_were_loaded_for_a_receiver_of_every_model_are_told_once() -> None:
    assert told(traced(slow_deletions=[SLOW, SLOW])) == [
        "warning fast-delete-lost: shop.receivers.count_pages hears deletions of every model, so Django loads the rows first: 100 rows of shop.Log at shop/views.py:30, deleted without the fast way of one statement. x 2"
    ]


def test_for_a_packages_receiver_they_are_for_information_and_for_djangos_nothing() -> None:
    package = replace(SLOW, receivers=(Listening("wagtail.log", at(4, "wag/tail.py")),))
    djangos = replace(SLOW, receivers=(Listening("django.contrib.x.log"),))

    assert [
        line.split(":")[0] for line in told(traced(slow_deletions=[package], owners=PACKAGE))
    ] == ["info fast-delete-lost"]
    assert told(traced(slow_deletions=[djangos])) == []


# Receivers of migrate


def migrated(*apps: str, sql: str = "SELECT 1", **changes: Any) -> list[Dispatch]:
    return [
        sent(
            call("shop.receivers.load", queries=queries(sql.format(app=each)), **changes),
            signal=POST_MIGRATE,
            sender=f"<{each}.apps.Config>",
            kwargs={"using": "default"},
        )
        for each in apps
    ]


def test_a_receiver_that_did_the_same_for_each_app_is_told() -> None:
    assert told(traced(*migrated("auth", "shop", "sites"))) == [
        "warning once-an-app: shop.receivers.load ran 3 times for post_migrate, once for each app, with the same 1 query."
    ]


@pytest.mark.parametrize(
    "dispatches",
    [
        migrated("shop"),
        migrated("shop", "shop"),  # Two migrations of one app.
        migrated("auth", "shop", sql="SELECT '{app}'"),
        [replace(each, signal="shop.signals.paid") for each in migrated("auth", "shop")],
    ],
)
def test_one_that_ran_once_or_for_something_else_each_time_is_none(
    dispatches: list[Dispatch],
) -> None:
    assert told(traced(*dispatches)) == []


def test_one_that_ran_no_query_costs_nothing() -> None:
    dispatches = migrated("auth", "shop")
    for each in dispatches:
        each.receiver_calls[0].queries.clear()

    assert told(traced(*dispatches)) == []


@pytest.mark.parametrize("table", ["auth_permission", "django_content_type"])
def test_one_that_works_with_what_every_app_brings_runs_for_all_of_them(table: str) -> None:
    assert told(traced(*migrated("auth", "shop", sql=f'SELECT "id" FROM "{table}"'))) == []


# Deferred fields


def made(instance: str, *nested: Dispatch, sql: str = "SELECT 1") -> Dispatch:
    loading = queries(sql) if nested else []
    return sent(
        call("shop.receivers.remember", dispatches=list(nested), queries=loading),
        signal=POST_INIT,
        sender="shop.Node",
        kwargs={"instance": Summary(instance)},
    )


def test_a_receiver_of_post_init_that_loads_the_row_of_its_instance_reads_a_deferred_field() -> (
    None
):
    [finding] = traced(made("shop.Node(pk=1)", made("shop.Node(pk=1)"))).findings()

    assert f"{finding}" == (
        "warning recursion: shop.receivers.remember ran again before it had ended, 2 levels deep: it reads a deferred field of the instance that django.db.models.signals.post_init is sent for, and so loads that row again."
    )
    assert "get_deferred_fields()" in finding.advice


@pytest.mark.parametrize(
    "dispatch",
    [
        made("shop.Node(pk=1)", made("shop.Node(pk=2)")),
        made("shop.Node(pk=None)", made("shop.Node(pk=None)")),
        made("shop.Node(pk=1)", made("shop.Node(pk=1)"), sql="").receiver_calls[0].dispatches[0],
    ],
)
def test_one_that_makes_another_instance_reads_none(dispatch: Dispatch) -> None:
    assert "deferred field of" not in "".join(told(traced(dispatch)))


# Who else listens


@pytest.mark.parametrize(
    ("reason", "level"), [("connected_to_text", "warning"), ("connected_to_other", "info")]
)
def test_who_waits_for_another_sender_of_what_nobody_heard_is_told(reason: Any, level: str) -> None:
    miss = NearMiss("shop.receivers.post", reason, at(5), connected_to="auth.User")
    unheard = Unheard("shop.signals.stored", "shop.Profile", 2, (miss,))
    [line] = told(traced(unheard=[unheard]))

    assert line.startswith(level)
    assert "shop.receivers.post" in line
    assert "shop.Profile" in line
    assert "auth.User" in line
