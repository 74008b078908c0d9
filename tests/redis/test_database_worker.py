"""Workers of django-tasks-db, in processes of their own, of which one is killed."""

from __future__ import annotations

import sys

import pytest

sys.path.insert(0, __file__.rpartition("/")[0])
from real_workers import PROJECT, SECONDS, Shop, expected, told

pytestmark = pytest.mark.redis

ORDERS = 200
WORKER = (
    *(str(PROJECT / "manage.py"), "db_worker", "--batch", "--interval=0", "--no-startup-delay"),
    *("--no-reload", "--verbosity=0"),
)


def test_each_of_200_tasks_has_its_own_trace_though_a_worker_is_killed() -> None:
    with Shop(SHOP_KILLS_PROCESS="50") as shop:
        shop.run("migrate", "--verbosity=0")
        ids = shop.run("pay_orders", str(ORDERS)).split()
        workers = [shop.start(*WORKER), shop.start(*WORKER)]
        statuses = sorted(worker.wait(SECONDS) for worker in workers)
        statuses.append(shop.start(*WORKER).wait(SECONDS))
        traces = shop.inbox.wait_until(lambda traces: len(traces) >= ORDERS - 1)
        requests = {trace.id: trace.name for trace in shop.inbox.traces if trace.request}

    assert statuses == [-9, 0, 0]
    done = [order for order in range(ORDERS) if order != 50]
    assert sorted(map(told, traces)) == sorted(map(expected, done))
    assert sorted(trace.task.id or "" for trace in traces if trace.task) == sorted(
        ids[order] for order in done
    )
    for trace in traces:
        origin = trace.task.queued_by if trace.task else None
        assert origin is not None
        assert requests[origin.id] == origin.name


def test_at_a_fifth_exactly_the_tasks_of_sampled_requests_are_traced() -> None:
    with Shop(SHOP_SAMPLE_RATE="0.2") as shop:
        shop.run("migrate", "--verbosity=0")
        ids = shop.run("pay_orders", str(ORDERS)).split()
        assert shop.start(*WORKER).wait(SECONDS) == 0
        sampled = {trace.id for trace in shop.inbox.traces if trace.request}
        traces = shop.inbox.wait_until(lambda traces: len(traces) >= len(sampled))

    assert len(ids) == ORDERS
    # A standard deviation is less than 6.
    assert 5 < len(sampled) < 75
    assert sorted(trace.task.queued_by.id for trace in traces) == sorted(sampled)
