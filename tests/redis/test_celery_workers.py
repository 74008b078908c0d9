"""Celery's workers on a Redis server, in processes of their own, of which some are killed."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter

import pytest

sys.path.insert(0, __file__.rpartition("/")[0])
from real_workers import SECONDS, Shop, expected, told

from signal_tracer import Trace

pytestmark = pytest.mark.redis


def broker(database: int) -> str:
    return f"redis+socket://{os.environ['TEST_REDIS']}?virtual_host={database}"


def worker(pool: str, concurrency: int) -> tuple[str, ...]:
    return (
        *("-m", "celery", "-A", "shop", "worker", f"--pool={pool}", f"--concurrency={concurrency}"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR"),
    )


def orders_in(traces: list[Trace]) -> set[str]:
    return {told(trace)[0] for trace in traces}


def test_each_of_200_tasks_has_its_own_trace_though_processes_and_a_worker_are_killed() -> None:
    orders = 200
    accidents = {"SHOP_KILLS_PROCESS": "50", "SHOP_KILLS_WORKER": "120"}
    with Shop(SHOP_BROKER=broker(0), **accidents) as shop:
        ids = shop.run("pay_orders", str(orders)).split()
        killed = shop.start(*worker("prefork", 2)).wait(SECONDS)
        again = shop.start(*worker("prefork", 2))
        traces = shop.inbox.wait_until(lambda traces: len(orders_in(traces)) == orders)
        again.send_signal(signal.SIGTERM)
        stopped = again.wait(SECONDS)
        requests = {trace.id: trace.name for trace in shop.inbox.traces if trace.request}

    assert (killed, stopped) == (-9, 0)
    counted = Counter(map(told, traces))
    assert sorted(counted) == sorted(map(expected, range(orders)))
    # What was in a worker that is killed is run again: it may have been done, and not yet said so.
    assert [order for order, times in counted.items() if times > 2] == []
    assert sum(counted.values()) - orders <= 4
    assert {trace.task.id for trace in traces if trace.task} == set(ids)
    for trace in traces:
        task = trace.task
        assert task is not None
        assert task.queued_by is not None
        assert (task.name, task.attempt, task.state) == ("shop.tasks.pay", 1, "SUCCESS")
        assert requests[task.queued_by.id] == task.queued_by.name


@pytest.mark.parametrize(("pool", "database"), [("threads", 1), ("solo", 2)])
def test_a_worker_of_another_pool_traces_each_task_as_well(pool: str, database: int) -> None:
    orders = 20
    with Shop(SHOP_BROKER=broker(database)) as shop:
        shop.run("pay_orders", str(orders))
        process = shop.start(*worker(pool, 4))
        traces = shop.inbox.wait_until(lambda traces: len(traces) == orders)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0

    assert sorted(map(told, traces)) == sorted(map(expected, range(orders)))


@pytest.mark.parametrize(("pool", "database"), [("threads", 4), ("gevent", 5), ("eventlet", 6)])
def test_tasks_that_run_in_one_process_at_once_do_not_mix(pool: str, database: int) -> None:
    """Each waits twice in the midst of a receiver until all the others are there as well."""
    orders = 50
    if pool != "threads":
        pytest.importorskip(pool)
    with Shop(SHOP_BROKER=broker(database), SHOP_TASKS_AT_ONCE=str(orders)) as shop:
        ids = shop.run("pay_orders", str(orders)).split()
        process = shop.start(*worker(pool, orders))
        traces = shop.inbox.wait_until(lambda traces: len(traces) == orders)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0

    assert sorted(map(told, traces)) == sorted(map(expected, range(orders)))
    assert {trace.task.id for trace in traces if trace.task} == set(ids)
    assert [trace.faults for trace in traces] == [0] * orders


def test_at_a_fifth_exactly_the_tasks_of_sampled_requests_are_traced() -> None:
    with Shop(SHOP_BROKER=broker(3), SHOP_SAMPLE_RATE="0.2") as shop:
        shop.run("pay_orders", "200")
        sampled = {trace.id for trace in shop.inbox.traces if trace.request}
        process = shop.start(*worker("prefork", 2))
        shop.inbox.wait_until(lambda traces: len(traces) >= len(sampled))
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        traces = shop.inbox.of_tasks()

    # A standard deviation is less than 6.
    assert 5 < len(sampled) < 75
    queued_by = [trace.task.queued_by for trace in traces if trace.task]
    assert sorted(origin.id for origin in queued_by if origin) == sorted(sampled)
