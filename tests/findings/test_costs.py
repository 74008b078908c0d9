"""What receivers cost: time, queries in loops, writes, event loops."""

# ruff: noqa: E501  The expected messages are as long as they are.

from __future__ import annotations

from dataclasses import replace

import pytest
from telling import at, call, queries, saved, sent, told, traced

from signal_tracer.findings.costs import short_sql
from signal_tracer.records import Location, Method, Owner, Query

SELECT = 'SELECT "shop_stock"."id" FROM "shop_stock" WHERE "shop_stock"."id" = %s'
UPDATE = 'UPDATE "shop_stock" SET "left" = %s WHERE "shop_stock"."id" = %s'


# Slow receivers


def test_a_slow_receiver_is_told_with_its_slowest_call() -> None:
    trace = traced(
        sent(call(own_time=0.0123)), sent(call(own_time=0.0456)), sent(call(own_time=0.00999))
    )
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning slow-receiver: shop.receivers.index took 45.6 ms of its own; the limit is "
            "10.0 ms. x 2"
        )
    ]
    assert finding.location == at(7)
    assert finding.record is trace.dispatches[1].receiver_calls[0]
    assert finding.advice == (
        "Leave the slow part of shop.receivers.index (shop/receivers.py:7) to a task (Celery, "
        "Django's tasks) that transaction.on_commit() starts."
    )


def test_a_receiver_that_is_slow_because_of_its_queries_is_told_so() -> None:
    slow = call(own_time=0.02, queries=queries(SELECT, 2, duration=0.005))
    trace = traced(sent(slow))
    [finding] = trace.findings()

    assert told(trace) == [
        (
            "warning slow-receiver: shop.receivers.index took 20.0 ms of its own, and 10.0 ms of that "
            "in 2 queries; the limit is 10.0 ms."
        )
    ]
    assert finding.advice.startswith("Make the queries of shop.receivers.index")


@pytest.mark.parametrize(
    "quick",
    [
        call(own_time=0.0099, duration=0.0099),
        call(own_time=0.001, duration=5.0),  # what it nested took that long
    ],
)
def test_a_receiver_under_the_limit_is_not_slow(quick: object) -> None:
    assert told(traced(sent(quick))) == []


# Queries in loops


def test_the_same_query_five_times_in_a_call_is_a_loop() -> None:
    trace = traced(sent(call(queries=[*queries(SELECT, 5), *queries("SELECT 1", 4)])))
    [finding] = trace.findings()

    assert told(trace) == [
        f"warning query-in-loop: shop.receivers.index ran the same query 5 times in one call: {SELECT}"
    ]
    assert finding.location == at(7)
    assert finding.record is trace.dispatches[0].receiver_calls[0]
    assert finding.advice == (
        "In shop.receivers.index (shop/receivers.py:7), fetch before the loop what it needs: "
        "select_related(), prefetch_related(), in_bulk() or filter(pk__in=...)."
    )


def test_a_loop_is_told_by_the_call_that_ran_it_most_often() -> None:
    trace = traced(*(sent(call(queries=queries(SELECT, times))) for times in (5, 2, 7)))

    assert told(trace) == [
        (
            "warning query-in-loop: shop.receivers.index ran the same query 7 times in one call: "
            f"{SELECT} x 2"
        )
    ]
    assert trace.findings()[0].record is trace.dispatches[2].receiver_calls[0]


def test_a_loop_that_writes_has_another_remedy() -> None:
    trace = traced(sent(call(queries=queries(UPDATE, 6, is_write=True))), ignore=("writes-*",))
    finding = trace.findings()[0]

    assert finding.slug == "query-in-loop"
    assert finding.advice == (
        "In shop.receivers.index (shop/receivers.py:7), collect what the loop changes and write it "
        "at once: bulk_create(), bulk_update() or update(), unless receivers wait for its rows."
    )


def test_the_same_query_in_call_after_call_counts_from_ten_on() -> None:
    trace = traced(*(sent(call(queries=queries(SELECT, 2))) for _ in range(5)))

    assert told(trace) == [
        (
            "warning query-in-loop: shop.receivers.index ran the same query 10 times in 5 calls: "
            f"{SELECT}"
        )
    ]
    assert told(traced(*trace.dispatches[:4], sent(call(queries=queries(SELECT))))) == []


def test_the_statements_that_a_receiver_repeats_are_one_finding_of_a_kind() -> None:
    selects = [f"SELECT {number}" for number in (1, 2, 3)]
    looped = [query for number, sql in enumerate(selects) for query in queries(sql, 5 + number)]

    assert told(traced(sent(call(queries=looped)))) == [
        (
            "warning query-in-loop: shop.receivers.index ran the same query 7 times in one call: "
            "SELECT 3; and 2 more like it"
        )
    ]
    repeated = [sent(call(queries=[Query("SELECT 1"), Query("SELECT 2")])) for _ in range(10)]
    assert told(traced(*repeated)) == [
        (
            "warning query-in-loop: shop.receivers.index ran the same query 10 times in 10 calls: "
            "SELECT 1; and 1 more like it"
        )
    ]


@pytest.mark.parametrize(
    "others",
    [
        queries(SELECT, 4),
        [*queries(SELECT, 4), *queries(SELECT, 4, alias="logs")],
        [Query(f"SELECT {number}") for number in range(20)],
        queries("SAVEPOINT s1", 20),
        queries("BEGIN", 20),
        [Query(UPDATE, batch_size=500)],
    ],
    ids=[
        "four times",
        "on two databases",
        "different",
        "savepoints",
        "transactions",
        "executemany",
    ],
)
def test_queries_that_are_no_loop_are_not_told(others: list[Query]) -> None:
    assert told(traced(sent(call(queries=others)))) == []


def test_two_receivers_that_run_the_same_query_are_two_matters() -> None:
    other = call("shop.receivers.other", defined_at=at(9), queries=queries(SELECT, 4))

    assert told(traced(sent(call(queries=queries(SELECT, 4)), other))) == []


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT\n  1", "SELECT 1"),
        (f'SELECT {"a, " * 80}b FROM "t" WHERE x', 'SELECT ... FROM "t" WHERE x'),
        ("INSERT INTO t (a)" + " " + "b" * 200, "INSERT INTO t (a) " + "b" * 142 + "..."),
        (
            f"SELECT (SELECT 1 FROM u){', a' * 80} FROM t",
            "SELECT (SELECT 1 FROM u)" + ", a" * 45 + ",...",
        ),
    ],
)
def test_long_sql_is_cut_where_it_says_least(sql: str, shown: str) -> None:
    assert short_sql(sql) == shown


# Writes


WROTE = [
    Query('INSERT INTO "shop_log" ("a") VALUES (%s)', is_write=True),
    Query(UPDATE, is_write=True),
    Query("DELETE FROM `shop_cart` WHERE 1", is_write=True),
    Query("WITH gone AS (DELETE FROM x) SELECT 1", is_write=True),
    Query(UPDATE, is_write=True),
    Query(SELECT),
]


def test_a_receiver_that_writes_is_a_fact_of_its_row_and_no_finding() -> None:
    assert told(traced(sent(call(queries=WROTE)), sent(call(queries=WROTE[:1])))) == []


def test_a_receiver_that_writes_in_each_of_five_dispatches_of_a_line_is_told() -> None:
    different = [
        sent(call(queries=queries(f"DELETE FROM shop_log WHERE a = {number}", is_write=True)))
        for number in range(5)
    ]
    [finding] = traced(*different).findings()
    assert str(finding) == (
        "info writes-in-receiver: shop.receivers.index wrote to the database in each of 5 "
        "dispatches from shop/views.py:30: DELETE FROM shop_log."
    )
    assert finding.location == at(7)
    assert finding.record is different[0].receiver_calls[0]
    assert told(traced(*different[:4])) == []
    # The same statement in ten of them is told already.
    same = [sent(call(queries=queries(UPDATE, is_write=True))) for _ in range(10)]
    assert [each.slug for each in traced(*same).findings()] == ["query-in-loop"]


def test_a_receiver_that_writes_in_one_dispatch_each_of_five_lines_is_not_told() -> None:
    lines = [
        sent(call(queries=WROTE[:1]), sent_from=at(number, "shop/views.py", "pay"))
        for number in range(1, 6)
    ]

    assert told(traced(*lines)) == []


def test_a_write_to_another_database_than_that_of_the_row_is_told() -> None:
    here = queries("INSERT INTO shop_log", is_write=True)
    there = queries("INSERT INTO shop_log", is_write=True, alias="logs")

    assert told(traced(saved("shop.Order(pk=3)", call(queries=here)))) == []
    assert told(traced(saved("shop.Order(pk=3)", call(queries=here + there)))) == [
        (
            "info writes-in-receiver: shop.receivers.index ran for a row on default and wrote to "
            "logs: INSERT INTO shop_log."
        )
    ]
    # Of what names no database, none is another.
    assert told(traced(sent(call(queries=there)))) == []


def test_a_write_to_another_database_than_the_one_that_is_migrated_is_told_without_a_row() -> None:
    there = queries("INSERT INTO shop_log", is_write=True)
    migrated = {"signal": "django.db.models.signals.post_migrate", "sender": "<shop.apps.Config>"}
    elsewhere = sent(call(queries=there), **migrated, kwargs={"using": "logs"})
    [finding] = traced(elsewhere).findings()

    assert finding.message == (
        "shop.receivers.index ran for post_migrate of logs and wrote to default: INSERT INTO shop_log."
    )
    assert "objects.using(using)" in finding.advice
    assert told(traced(replace(elsewhere, kwargs={"using": "default"}))) == []


@pytest.mark.parametrize(
    ("sql", "is_told"),
    [
        ('UPDATE "shop_order" SET "number" = %s WHERE "shop_order"."id" = %s', True),
        ("UPDATE `shop_order` SET `number` = %s WHERE `shop_order`.`uuid` = %s", True),
        # Other rows of the table, and another table.
        ('UPDATE "shop_order" SET "is_last" = %s WHERE "shop_order"."shop_id" IN (%s, %s)', False),
        ('UPDATE "shop_stock" SET "number" = %s WHERE "shop_stock"."id" = %s', False),
    ],
)
def test_an_update_by_key_in_the_table_of_the_row_that_was_just_saved_is_told(
    sql: str, is_told: bool
) -> None:
    wrote = call(queries=queries(sql, is_write=True))
    expected = [
        (
            "info writes-in-receiver: shop.receivers.index ran after shop.Order(pk=3) was saved, and "
            "updated a row of the same table by its key: UPDATE shop_order."
        )
    ]

    assert told(traced(saved("shop.Order(pk=3)", wrote))) == expected * is_told
    before = "django.db.models.signals.pre_save"
    assert told(traced(saved("shop.Order(pk=3)", wrote, signal=before))) == []
    by_hand = saved("shop.Order(pk=3)", wrote, called="signals.post_save.send")
    assert told(traced(by_hand)) == []


def test_a_locking_read_is_no_write() -> None:
    assert told(traced(sent(call(queries=queries(f"{SELECT} FOR UPDATE"))))) == []


def test_what_djangos_own_receivers_write_and_repeat_is_not_told() -> None:
    update = queries(UPDATE, 5, is_write=True)

    assert (
        told(traced(sent(call("django.contrib.auth.models.update_last_login", queries=update))))
        == []
    )


def test_what_a_nested_receiver_wrote_is_its_own_matter() -> None:
    there = queries("INSERT INTO shop_log", is_write=True, alias="logs")
    inner = saved("shop.Order(pk=3)", call("shop.receivers.inner", queries=there))

    assert [each.names for each in traced(sent(call(dispatches=[inner]))).findings()] == [
        ("shop.receivers.inner",)
    ]


# Async


@pytest.mark.parametrize("method", ["send", "send_robust"])
def test_an_async_receiver_under_a_sync_send_is_told(method: Method) -> None:
    trace = traced(*[sent(call(is_async=True), method=method)] * 3)
    [finding] = trace.findings()

    assert told(trace) == [
        (
            f"info async-bridge: shop.receivers.index is async, and shop.signals.paid was sent with "
            f"{method}(). x 3"
        )
    ]
    assert finding.location == at(30, "shop/views.py", "pay")
    assert finding.record is trace.dispatches[0].receiver_calls[0]
    assert finding.advice == (
        f"From async code, await a{method}() at shop/views.py:30. Otherwise make the receiver a "
        "plain function."
    )


THUMBNAILS = "site-packages/easy_thumbnails/files.py"


@pytest.mark.parametrize(
    ("signal", "sent_from"),
    [
        ("django.db.models.signals.post_save", at(30, "shop/views.py", "pay")),
        ("django.db.models.signals.post_save", at(991, "django/db/models/base.py", "save_base")),
        ("easy_thumbnails.signals.thumbnail_created", at(30, "shop/views.py", "pay")),
        ("shop.signals.paid", at(9, THUMBNAILS, "save")),
    ],
)
def test_a_send_of_djangos_or_a_packages_is_not_said_to_be_one_to_await(
    signal: str, sent_from: Location
) -> None:
    dispatch = sent(call(is_async=True), signal=signal, sent_from=sent_from)
    [finding] = traced(
        dispatch, owners={THUMBNAILS: Owner("package", "easy_thumbnails")}
    ).findings()

    assert finding.slug == "async-bridge"
    assert finding.advice == (
        "Django and packages send their signals themselves: make shop.receivers.index a plain "
        "function, or let one start a task (Celery, Django's tasks) that does the async work."
    )


def test_an_async_receiver_is_said_to_run_in_the_loop_outside_where_there_is_one() -> None:
    [finding] = traced(sent(call(is_async=True))).findings()

    assert finding.why == (
        "The thread waits while it runs in an event loop: in that of the async code outside, where "
        "sync_to_async() led here (asave(), a sync view under ASGI), else in one that is started "
        "for each such dispatch."
    )


@pytest.mark.parametrize("method", ["asend", "asend_robust"])
def test_an_async_receiver_under_an_async_send_needs_no_bridge(method: Method) -> None:
    assert told(traced(sent(call(is_async=True), method=method))) == []
    assert told(traced(replace(sent(call()), method="send"))) == []
