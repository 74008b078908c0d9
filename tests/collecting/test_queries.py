"""Which receiver call ran a query, and that the traced code cannot tell that this is noted."""

import gc
import inspect
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Group
from django.db import ProgrammingError, connection, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.utils import ConnectionHandler
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext
from django.utils.functional import lazy
from django.utils.safestring import mark_safe
from rich.console import Console

from signal_tracer import Trace, trace_signals
from signal_tracer.records import Query, ReceiverCall
from signal_tracer.showing.console import render_trace
from signal_tracer.tracer import uninstall

pytestmark = pytest.mark.django_db

PATCHED = ["_execute", "_executemany", "callproc"]

paid = Signal()
shipped = Signal()


@pytest.fixture(autouse=True)
def nothing_connected() -> Iterator[None]:
    yield
    for signal in (paid, shipped):
        signal.receivers = []
        signal.sender_receivers_cache.clear()


def on(signal: Signal, work: Callable[[], object]) -> None:
    """Connect a receiver that does ``work``."""

    def receiver(**named: Any) -> None:
        work()

    signal.connect(receiver, weak=False)


def run(sql: Any, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)


def select(number: int = 1) -> None:
    run(f"SELECT {number}")


def calls_of(trace: Trace) -> list[ReceiverCall]:
    """Without those of Django itself, such as when a setting changes."""
    return [call for call in trace.receiver_calls() if call.receiver.startswith("test_queries.")]


def calls_in(work: Callable[[], object]) -> list[ReceiverCall]:
    """The receiver calls of a trace in which one receiver does ``work``."""
    on(paid, work)
    with trace_signals() as trace:
        paid.send(None)
    paid.receivers = []
    assert trace.faults == 0
    return calls_of(trace)


def queries_in(work: Callable[[], object]) -> list[Query]:
    return calls_in(work)[0].queries


class Driver:
    """A cursor as a database driver has it, which runs nothing."""

    def __init__(self, run: Callable[..., object] = lambda *args: None) -> None:
        self.execute = self.executemany = self.callproc = run


def pretend(sql: Any) -> Query:
    """How a statement is recorded that no database has to understand."""
    [query] = queries_in(lambda: CursorWrapper(Driver(), connection).execute(sql))
    return query


# Whose it is


def own_queries(trace: Trace) -> list[tuple[str, list[str]]]:
    return [
        (call.receiver.rpartition(".")[2], [query.sql for query in call.queries])
        for call in calls_of(trace)
    ]


def test_a_query_belongs_to_the_innermost_receiver_call_that_ran_it() -> None:
    def outer(**named: Any) -> None:
        select(1)
        shipped.send(None)
        select(4)

    def inner(**named: Any) -> None:
        select(2)

    def quiet(**named: Any) -> None: ...

    def second(**named: Any) -> None:
        select(3)

    paid.connect(outer)
    for receiver in (inner, quiet, second):
        shipped.connect(receiver)
    with trace_signals() as trace:
        select(0)
        paid.send(None)
        select(5)

    assert own_queries(trace) == [
        ("outer", ["SELECT 1", "SELECT 4"]),
        ("inner", ["SELECT 2"]),
        ("quiet", []),
        ("second", ["SELECT 3"]),
    ]
    assert (trace.contents.other_queries, trace.query_count()) == (2, 6)


def test_it_has_its_text_with_placeholders_its_alias_and_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = iter(range(1, 100))
    monkeypatch.setattr("signal_tracer.collecting.clock.now", lambda: next(ticks) * 10**9)
    [query] = queries_in(lambda: run("SELECT %s", "a-parameter"))

    # 1 the trace, 2 the dispatch, 3 the call.
    assert query == Query(
        "SELECT %s",
        alias="default",
        started_at=3.0,
        duration=1.0,
        is_write=False,
        batch_size=None,
    )


def test_a_query_that_fails_counts_and_one_that_is_stopped_before_it_ran_does_not() -> None:
    def stop(*args: Any) -> None:
        raise ProgrammingError("stopped")

    def work() -> None:
        with pytest.raises(Exception, match="no_such_table"), transaction.atomic():
            run("SELECT * FROM no_such_table")
        with pytest.raises(ProgrammingError), connection.execute_wrapper(stop):
            select()

    failed = [query.sql for query in queries_in(work) if "SAVEPOINT" not in query.sql]
    assert failed == ["SELECT * FROM no_such_table"]


def test_a_query_of_a_receiver_that_raises_is_its_own() -> None:
    def work() -> None:
        select()
        raise ValueError

    on(paid, work)
    on(paid, lambda: select(2))
    with trace_signals() as trace:
        paid.send_robust(None)

    assert [len(call.queries) for call in calls_of(trace)] == [1, 1]


def test_a_query_that_a_wrapper_changed_is_shown_as_it_ran() -> None:
    def comment(execute: Any, sql: str, *args: Any) -> Any:
        return execute(f"{sql} /* page 7 */", *args)

    def work() -> None:
        with connection.execute_wrapper(comment):
            select()

    assert [query.sql for query in queries_in(work)] == ["SELECT 1 /* page 7 */"]


def test_the_count_equals_that_of_capture_queries_context() -> None:
    counts = []

    def work() -> None:
        with CaptureQueriesContext(connection) as captured:
            group = Group.objects.create(name="one")
            Group.objects.bulk_create([Group(name="two"), Group(name="three")])
            with transaction.atomic(), transaction.atomic():
                group.save()
            list(Group.objects.iterator(chunk_size=1))
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.executemany("UPDATE auth_group SET name = name WHERE id = %s", [(1,), (2,)])
            Group.objects.get_or_create(name="two")
            group.delete()
        counts.append(len(captured))

    assert len(queries_in(work)) == counts[0]


def test_an_iterators_cursor_is_seen() -> None:
    assert len(queries_in(lambda: list(Group.objects.iterator(chunk_size=1)))) == 1


def test_a_connection_opened_during_the_trace_is_seen_with_its_alias(tmp_path: Path) -> None:
    def work() -> None:
        handler = ConnectionHandler(
            {
                "default": {},
                "archive": {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "archive"},
            }
        )
        archive = handler["archive"]
        with archive.cursor() as cursor:
            cursor.execute("SELECT 7")
        archive.close()

    assert [(each.sql, each.alias) for each in queries_in(work)][-1] == ("SELECT 7", "archive")


def test_a_stored_procedure_is_named_without_its_arguments() -> None:
    def work() -> None:
        cursor = CursorWrapper(Driver(), connection)
        cursor.callproc("reindex", ["a-parameter"])
        cursor.callproc(procname="vacate", params=["a-parameter"])

    assert [query.sql for query in queries_in(work)] == ["callproc reindex", "callproc vacate"]


# What is kept of it


class Counted(list[Any]):
    def __len__(self) -> int:
        raise AssertionError("the tracer must not ask")

    __bool__ = __len__


@pytest.mark.parametrize(("make", "size"), [(list, 3), (tuple, 3), (iter, None), (Counted, None)])
def test_the_size_of_a_batch_is_known_of_lists_and_tuples_only(make: Any, size: Any) -> None:
    rows = make([(1,), (2,), (3,)])
    [query] = queries_in(
        lambda: CursorWrapper(Driver(), connection).executemany("UPDATE t SET n = %s", rows)
    )

    assert (query.batch_size, query.is_write) == (size, True)


class Composed:
    """As the driver's own, which reads like a text and is none."""

    def __str__(self) -> str:
        raise AssertionError("the tracer must not ask")

    __repr__ = __hash__ = __len__ = __str__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise AssertionError("the tracer must not ask")


def test_what_is_not_a_text_is_named_by_its_type_and_not_run() -> None:
    assert pretend(Composed()).sql == "<test_queries.Composed>"
    assert pretend(b"SELECT 1").sql == "<bytes>"


def test_a_lazy_text_is_not_evaluated() -> None:
    def evaluate() -> str:
        raise AssertionError("the tracer must not ask")

    assert pretend(lazy(evaluate, str)()).sql.startswith("<django.utils.functional.lazy")


def test_a_safe_text_is_read_without_its_own_methods() -> None:
    class Shouting(str):
        def __str__(self) -> str:
            raise AssertionError("the tracer must not ask")

        __hash__ = __str__  # type: ignore[assignment]

    assert pretend(mark_safe("SELECT 1")).sql == "SELECT 1"
    assert pretend(Shouting("DELETE FROM t")).sql == "DELETE FROM t"


def test_a_long_text_is_cut_and_says_so() -> None:
    query = pretend("WITH a AS (SELECT 1) " + "/* long */ " * 300 + "DELETE FROM t")

    assert len(query.sql) < 2_050
    assert query.sql.endswith("… (3,334 characters)")
    assert query.is_write


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "  update t set n = 1",
        "\n/* why */ -- and\n DELETE FROM t",
        "REPLACE INTO t VALUES (1)",
        "MERGE INTO t USING s ON t.id = s.id",
        "TRUNCATE t",
        "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
        "WITH a AS (SELECT 1) UPDATE orders SET n = 1",
        'with a as (delete from "t" returning *) select * from a',
        "WITH a AS MATERIALIZED (\n  UPDATE t SET n = 1 RETURNING n) SELECT * FROM a",
        "WITH a AS (SELECT ')') DELETE FROM t",
    ],
)
def test_it_writes(sql: str) -> None:
    assert pretend(sql).is_write


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t FOR UPDATE",
        "SELECT 'INSERT INTO t'",
        "WITH a AS (SELECT * FROM t FOR UPDATE) SELECT * FROM a",
        "WITH a AS (SELECT replace(n, '(DELETE FROM t', '') FROM t) SELECT * FROM a",
        "WITH a AS (SELECT 1) SELECT * FROM a -- (DELETE FROM t",
        'WITH a AS (SELECT "(update x" FROM t) SELECT * FROM a',
        "WITH a AS (SELECT (update), (update + 1) FROM t) SELECT * FROM a",
        'SAVEPOINT "s1"',
        'RELEASE SAVEPOINT "s1"',
        "BEGIN",
        "updates_are_not SELECT",
        "EXPLAIN UPDATE t SET n = 1",
        "",
        "/* a */ " * 1_000 + "SELECT 1",
        "WITH " + "/* " * 1_000 + "' \" '",
    ],
    ids=lambda sql: sql[:50],
)
def test_it_does_not_write(sql: str) -> None:
    assert not pretend(sql).is_write


def everything_shown(trace: Trace) -> str:
    """The JSON, the outline, the findings and the console's picture of a trace."""
    console = Console(file=StringIO(), width=1_000)
    console.print(render_trace(trace))
    findings = "".join(f"{each} {each.advice}" for each in trace.findings())
    return "".join((trace.to_json(), str(trace), findings, console.file.getvalue()))  # type: ignore[attr-defined]  # the StringIO


def test_a_secret_that_a_statement_quotes_is_masked_wherever_it_is_shown() -> None:
    # Often enough to be a finding, which quotes the statement.
    on(paid, lambda: [run("SELECT 'tok-4fe1'") for _ in range(50)])
    with trace_signals() as trace:
        paid.send(None, api_token="tok-4fe1")

    assert {query.sql for query in calls_of(trace)[0].queries} == {"SELECT '[redacted]'"}
    assert "query-in-loop" in [each.slug for each in trace.findings()]
    assert "tok-4fe1" not in everything_shown(trace)


def test_a_parameter_is_nowhere_in_what_is_shown() -> None:
    def work() -> None:
        Group.objects.create(name="a-parameter")
        for _ in range(50):
            Group.objects.filter(name="a-parameter").update(name="a-parameter too")
        with connection.cursor() as cursor:
            cursor.executemany("DELETE FROM auth_group WHERE name = %s", [["a-parameter"]])

    on(paid, work)
    with trace_signals() as trace:
        paid.send(None)

    assert len(calls_of(trace)[0].queries) == 52
    assert "a-parameter" not in everything_shown(trace)


def test_equal_statements_are_kept_once() -> None:
    def work() -> None:
        for number in range(100):
            Group.objects.filter(pk=number).exists()

    on(paid, work)
    tracing = trace_signals()
    with tracing as trace:
        paid.send(None)
        gc.collect()

    [call] = calls_of(trace)
    assert len({id(query.sql) for query in call.queries}) == 1


# Limits and settings


def test_a_trace_keeps_five_times_as_many_queries_as_dispatches_and_counts_the_rest(
    settings: Any,
) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 1}
    on(paid, lambda: [select(number) for number in range(7)])
    with trace_signals() as trace:
        paid.send(None)
        paid.send(None)
        select()

    [call] = calls_of(trace)
    assert [query.sql for query in call.queries] == [f"SELECT {number}" for number in range(5)]
    assert call.omitted_queries == 2
    assert call.query_count == 7
    assert trace.contents.other_queries == 7 + 1
    assert trace.query_count() == 15


def test_without_record_queries_nothing_is_kept_or_counted(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"RECORD_QUERIES": False}
    [call] = calls_in(select)
    with trace_signals() as trace:
        paid.send(None)
        select()

    assert (call.queries, call.omitted_queries, trace.query_count()) == ([], 0, 0)


@pytest.mark.parametrize("outer_wants", [True, False])
def test_of_two_traces_only_one_may_want_queries(settings: Any, outer_wants: bool) -> None:
    on(paid, select)
    settings.SIGNAL_TRACER = {"RECORD_QUERIES": outer_wants}
    with trace_signals() as outer:
        settings.SIGNAL_TRACER = {"RECORD_QUERIES": not outer_wants}
        with trace_signals() as inner:
            paid.send(None)
            select()

    wanting, other = (outer, inner) if outer_wants else (inner, outer)
    assert (len(calls_of(wanting)[0].queries), wanting.query_count()) == (1, 2)
    assert (calls_of(other)[0].queries, other.query_count()) == ([], 0)


def test_a_query_of_an_excluded_dispatch_is_counted_and_is_nobody_elses(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"EXCLUDE_SIGNALS": ["*.shipped"]}
    on(paid, lambda: (select(1), shipped.send(None)))
    on(shipped, lambda: select(2))
    with trace_signals() as trace:
        paid.send(None)

    [call] = calls_of(trace)
    assert [query.sql for query in call.queries] == ["SELECT 1"]
    assert trace.contents.other_queries == 1


def test_a_query_of_a_dispatch_over_the_limit_is_counted_and_is_nobody_elses(
    settings: Any,
) -> None:
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 1}
    on(paid, lambda: (select(1), shipped.send(None), shipped.send(None)))
    on(shipped, lambda: select(2))
    with trace_signals() as trace:
        paid.send(None)

    assert own_queries(trace) == [("receiver", ["SELECT 1"])]
    assert trace.contents.other_queries == 2


def test_what_runs_outside_the_receivers_of_a_trace_takes_no_room_in_it(settings: Any) -> None:
    inner_traces = []

    def work() -> None:
        settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 1}
        with trace_signals() as inner:
            for _ in range(5):
                select(1)
            shipped.send(None)
        inner_traces.append(inner)

    on(paid, work)
    on(shipped, lambda: select(2))
    settings.SIGNAL_TRACER = {"RECORD_QUERIES": False}
    with trace_signals():
        paid.send(None)

    assert own_queries(inner_traces[0]) == [("receiver", ["SELECT 2"])]


def test_a_query_too_deep_to_be_recorded_is_counted() -> None:
    left = list(range(120))

    def work() -> None:
        select()
        if left:
            left.pop()
            paid.send(None)

    on(paid, work)
    with trace_signals() as trace:
        paid.send(None)

    assert trace.too_deep > 0
    assert trace.query_count() == 121
    assert sum(call.query_count for call in calls_of(trace)) == 100


def test_a_dispatch_that_only_one_of_two_traces_keeps_is_right_in_both(settings: Any) -> None:
    on(paid, lambda: (select(1), shipped.send(None)))
    on(shipped, lambda: select(2))
    settings.SIGNAL_TRACER = {"EXCLUDE_SIGNALS": ["*.paid"]}
    with trace_signals() as outer:
        settings.SIGNAL_TRACER = {"EXCLUDE_SIGNALS": ["*.shipped"]}
        with trace_signals() as inner:
            paid.send(None)

    assert [sql for _, sql in own_queries(outer)] == [["SELECT 2"]]
    assert [sql for _, sql in own_queries(inner)] == [["SELECT 1"]]
    assert (outer.query_count(), inner.query_count()) == (2, 2)


def test_a_trace_started_below_what_another_does_not_keep_leaves_its_total_right(
    settings: Any,
) -> None:
    inner_traces = []

    def work() -> None:
        settings.SIGNAL_TRACER = {}
        with trace_signals() as inner:
            shipped.send(None)
            select(3)
        inner_traces.append(inner)

    on(paid, work)
    on(shipped, lambda: select(2))
    settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 1}
    with trace_signals() as outer:
        shipped.send(None)
        paid.send(None)

    [inner] = inner_traces
    assert (outer.contents.other_queries, outer.query_count()) == (2, 3)
    assert (inner.contents.other_queries, inner.query_count()) == (1, 2)


def test_a_trace_inside_a_receiver_sees_what_ran_and_so_does_the_receiver_call() -> None:
    inner_traces = []

    def work() -> None:
        with trace_signals() as inner:
            select(1)
        select(2)
        inner_traces.append(inner)

    [call] = calls_in(work)

    assert [query.sql for query in call.queries] == ["SELECT 1", "SELECT 2"]
    assert inner_traces[0].contents.other_queries == 1


def test_what_runs_after_the_end_of_a_trace_is_not_in_it() -> None:
    tracing = trace_signals()

    def work() -> None:
        select(1)
        tracing.__exit__(None, None, None)
        select(2)

    on(paid, work)
    with tracing as trace:
        paid.send(None)
    select(3)

    assert [query.sql for query in calls_of(trace)[0].queries] == ["SELECT 1"]
    assert trace.query_count() == 1


def test_what_runs_after_the_end_of_a_trace_is_still_seen_by_the_one_around_it() -> None:
    ended = trace_signals()

    def work() -> None:
        select(1)
        ended.__exit__(None, None, None)
        select(2)

    on(paid, work)
    with trace_signals() as outer, ended as inner:
        paid.send(None)

    assert [len(calls_of(trace)[0].queries) for trace in (outer, inner)] == [2, 1]
    assert (outer.query_count(), inner.query_count()) == (2, 1)


# Signals whose own class runs their receivers


def test_a_query_between_receivers_belongs_to_the_call_around_and_one_unwatched_to_nobody() -> None:
    class Careful(Signal):
        def send(self, sender: Any, **named: Any) -> Any:
            select(1)
            return super().send(sender, **named)

    class Own(Signal):
        def send(self, sender: Any, **named: Any) -> Any:
            return [(each, each(sender=sender)) for each in self._live_receivers(sender)[0]]

    careful, own = Careful(), Own()
    on(careful, lambda: select(2))
    on(own, lambda: select(3))
    on(paid, lambda: (careful.send(None), own.send(None)))
    with trace_signals() as trace:
        paid.send(None)

    assert [sql for _, sql in own_queries(trace)] == [["SELECT 1"], ["SELECT 2"]]
    assert trace.contents.other_queries == 1


# Threads and async


def test_an_async_receiver_owns_what_runs_in_the_thread_that_it_awaits() -> None:
    async def first(**named: Any) -> None:
        await sync_to_async(select)(1)
        await shipped.asend(None)
        await sync_to_async(select)(3)

    async def second(**named: Any) -> None:
        await sync_to_async(select)(2)

    paid.connect(first)
    shipped.connect(second)

    async def send() -> None:
        await paid.asend(None)
        await sync_to_async(select)(4)

    with trace_signals() as trace:
        async_to_sync(send)()

    assert own_queries(trace) == [
        ("first", ["SELECT 1", "SELECT 3"]),
        ("second", ["SELECT 2"]),
    ]
    assert trace.contents.other_queries == 1


def test_an_async_receiver_of_a_sync_dispatch_owns_its_queries() -> None:
    async def receiver(**named: Any) -> None:
        await Group.objects.acount()

    paid.connect(receiver)
    with trace_signals() as trace:
        paid.send(None)

    assert [len(call.queries) for call in calls_of(trace)] == [1]


def test_a_sync_receiver_of_an_async_dispatch_owns_its_queries() -> None:
    on(paid, select)
    with trace_signals() as trace:
        async_to_sync(paid.asend)(None)

    assert [len(call.queries) for call in calls_of(trace)] == [1]


def test_a_thread_started_by_hand_is_seen_by_a_trace_of_all_threads() -> None:
    def work() -> None:
        cursor = CursorWrapper(Driver(), connections["default"])
        cursor.execute("SELECT 1")
        paid.send(None)

    on(paid, lambda: CursorWrapper(Driver(), connections["default"]).execute("SELECT 2"))
    with trace_signals(all_threads=True) as everywhere, trace_signals() as here:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert own_queries(everywhere) == [("receiver", ["SELECT 2"])]
    assert everywhere.contents.other_queries == 1
    assert here.query_count() == 0


# The traced code cannot tell


def outcome_of(work: Callable[[], object]) -> Any:
    """What a receiver sees of a query that it runs, with the frames that an exception passed."""
    seen: list[Any] = []

    def receiver(**named: Any) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                seen.append(work())
            except Exception as error:
                frames = [
                    step.name
                    for step in traceback.extract_tb(error.__traceback__)
                    if not step.filename.startswith("<signal_tracer")
                ]
                seen.append((type(error), error.args, frames, type(error.__cause__)))
        seen.append([(each.filename, each.lineno, str(each.message)) for each in caught])
        seen.append(list(connection.execute_wrappers))

    paid.connect(receiver)
    paid.send(None)
    paid.disconnect(receiver)
    return seen


def warn(*args: Any) -> str:
    warnings.warn("from the driver", stacklevel=4)
    return "answer"


def fail(*args: Any) -> None:
    raise connection.Database.Error("failed")


ACTS: dict[str, Callable[[Any], object]] = {
    "execute": lambda cursor: cursor.execute("SELECT 1"),
    "execute with parameters": lambda cursor: cursor.execute("SELECT 1", [1]),
    "executemany": lambda cursor: cursor.executemany("SELECT 1", [[1]]),
    "callproc": lambda cursor: cursor.callproc("name", [1]),
    "callproc by keyword": lambda cursor: cursor.callproc(procname="name"),
    "callproc with what it refuses": lambda cursor: cursor.callproc("name", kparams={"a": 1}),
    "execute without a statement": lambda cursor: cursor.execute(),
}


@pytest.mark.parametrize("driver", [warn, fail])
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_answers_exceptions_and_warnings_are_the_same(driver: Any, act: Any) -> None:
    def work() -> Any:
        return act(CursorWrapper(Driver(driver), connection))

    uninstall()
    untraced = outcome_of(work)
    with trace_signals():
        traced = outcome_of(work)
    after = outcome_of(work)

    assert traced == untraced
    assert after == untraced


def test_what_of_ours_fails_does_not_disturb_a_query(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr("signal_tracer.collecting.watching.queries._statement_of", broken)
    monkeypatch.setattr("signal_tracer.collecting.nodes._reported", set())
    answers = []
    on(paid, lambda: answers.append(Group.objects.count()))
    with trace_signals() as trace:
        paid.send(None)

    assert answers == [0]
    assert trace.faults == 1
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "signal_tracer failed to record a query"
    ]


def test_a_trace_watches_these_and_uninstalling_puts_each_back() -> None:
    uninstall()
    originals = dict(vars(CursorWrapper))
    described = [inspect.signature(originals[name]) for name in PATCHED]

    def changed() -> list[str]:
        now = vars(CursorWrapper)
        return sorted(
            name for name in originals.keys() | now.keys() if now.get(name) is not originals[name]
        )

    with trace_signals():
        assert changed() == PATCHED
        watched = dict(vars(CursorWrapper))
        assert [inspect.signature(watched[name]) for name in PATCHED] == described
    with trace_signals():
        assert all(vars(CursorWrapper)[name] is watched[name] for name in PATCHED)
    uninstall()
    assert changed() == []
    uninstall()
    assert changed() == []


def test_a_patch_of_another_tool_over_ours_survives() -> None:
    with trace_signals():
        pass
    ours = CursorWrapper._execute

    def tools(self: Any, *args: Any) -> Any:
        return ours(self, *args)

    CursorWrapper._execute = tools  # type: ignore[method-assign]
    try:
        uninstall()
        assert vars(CursorWrapper)["_execute"] is tools
        assert len(queries_in(select)) == 1
    finally:
        CursorWrapper._execute = ours  # type: ignore[method-assign]
