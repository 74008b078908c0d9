"""What only a real PostgreSQL server and its driver have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext

from signal_tracer import trace_signals
from signal_tracer.records import Query

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]

paid = Signal()


@pytest.fixture(autouse=True)
def nothing_connected() -> Iterator[None]:
    yield
    paid.receivers = []


def queries_in(work: Callable[[], object]) -> list[Query]:
    """The queries of a receiver that does ``work``, as many as Django itself counts."""
    counts = []

    def receiver(**named: Any) -> None:
        with CaptureQueriesContext(connection) as captured:
            work()
        counts.append(len(captured))

    paid.connect(receiver)
    with trace_signals() as trace:
        paid.send(None)
    [call] = trace.receiver_calls()
    assert len(call.queries) == counts[0]
    return call.queries


def test_these_run_on_postgres() -> None:
    assert connection.vendor == "postgresql"


def test_a_server_side_cursor_is_one_query() -> None:
    Group.objects.bulk_create(Group(name=str(number)) for number in range(10))
    [query] = queries_in(lambda: list(Group.objects.iterator(chunk_size=2)))

    assert query.sql.startswith('SELECT "auth_group"."id"')


def test_a_composed_statement_is_named_by_its_type() -> None:
    from psycopg import sql

    composed = sql.SQL("SELECT name FROM {} WHERE name = {}").format(
        sql.Identifier("auth_group"), sql.Literal("a-parameter")
    )

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute(composed)

    assert [query.sql for query in queries_in(work)] == ["<psycopg.sql.Composed>"]


def test_a_lock_is_no_write_and_a_writing_part_of_a_with_is() -> None:
    def work() -> None:
        with transaction.atomic():
            list(Group.objects.select_for_update())
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH gone AS (DELETE FROM auth_group WHERE name = %s RETURNING id) "
                "SELECT count(*) FROM gone",
                ["a-parameter"],
            )

    queries = [query for query in queries_in(work) if "SAVEPOINT" not in query.sql]
    assert [query.is_write for query in queries] == [False, True]
    assert "FOR UPDATE" in queries[0].sql
    assert "a-parameter" not in str(queries)


def test_a_failed_query_and_the_savepoint_rolled_back_after_it_count() -> None:
    def work() -> None:
        with pytest.raises(Exception, match="no_such_table"), transaction.atomic():
            connection.cursor().execute("SELECT * FROM no_such_table")

    assert [query.sql.split()[0] for query in queries_in(work)] == [
        "SAVEPOINT",
        "SELECT",
        "ROLLBACK",
        "RELEASE",
    ]


def test_a_batch_is_one_query_with_its_size() -> None:
    def work() -> None:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO auth_group (name) VALUES (%s)", [["a-parameter"], ["another"]]
            )

    [query] = queries_in(work)
    assert (query.sql, query.is_write, query.batch_size) == (
        "INSERT INTO auth_group (name) VALUES (%s)",
        True,
        2,
    )
