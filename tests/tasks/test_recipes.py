"""The recipes of docs/commands.md for other workers, each run by the worker it is for."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

sys.path.insert(0, __file__.rpartition("/")[0])
from recipes import recipe, told


def test_celerys_recipe_traces_tasks(settings: Any) -> None:
    pytest.importorskip("celery")
    from signal_tracer.tasks import celery

    with recipe("Celery", settings) as module:
        module.app.conf.task_always_eager = True
        try:

            @module.app.task(name="place", shared=False)
            def place_order(order: int) -> None:
                module.order_placed.send(None, order=order)

            place_order.delay(7)
            assert told() == ["place: [7]"]
        finally:
            celery.uninstall()


def test_the_recipe_for_djangos_tasks_traces_them(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from signal_tracer.tasks import django

    called: list[str] = []
    monkeypatch.setattr(django, "trace_tasks", lambda: called.append("traced"))
    with recipe("Django's own tasks", settings) as module:
        module.ShopConfig.ready(None)

    assert called == ["traced"]


def test_hueys_recipe_traces_a_task(settings: Any) -> None:
    pytest.importorskip("huey")
    with recipe("Huey", settings) as module:
        result = module.place_order(7)
        module.huey.execute(module.huey.dequeue())
        assert result.get() is None
        assert told() == ["recipe_huey.place_order: [7]"]


def test_dramatiqs_recipe_traces_an_actor(settings: Any) -> None:
    dramatiq = pytest.importorskip("dramatiq")
    from dramatiq.brokers.stub import StubBroker

    broker = StubBroker()
    dramatiq.set_broker(broker)
    with recipe("Dramatiq", settings) as module:
        worker = dramatiq.Worker(broker, worker_timeout=100, worker_threads=1)
        worker.start()
        try:
            module.place_order.send(7)
            broker.join("default")
            worker.join()
        finally:
            worker.stop()
        assert told() == ["recipe_dramatiq.place_order: [7]"]


def test_apschedulers_recipe_traces_a_job(settings: Any) -> None:
    pytest.importorskip("apscheduler")
    import threading

    from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED

    with recipe("APScheduler", settings) as module:
        done = threading.Event()
        scheduler = module.scheduler
        scheduler.add_listener(lambda event: done.set(), EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        scheduler.add_job(module.place_orders)  # now, not at three o'clock
        scheduler.start()
        try:
            assert done.wait(20)
        finally:
            scheduler.shutdown()
        assert told() == ["nightly orders: [7]"]


@pytest.mark.django_db  # which Channels closes after each message
async def test_channels_recipe_traces_a_message(settings: Any) -> None:
    pytest.importorskip("channels")
    with recipe("Channels", settings) as module:
        scope = {"type": "websocket", "path": "/orders/"}
        socket = ApplicationCommunicator(module.OrderConsumer.as_asgi(), scope)
        await socket.send_input({"type": "websocket.connect"})
        assert await socket.receive_output() == {"type": "websocket.accept", "subprotocol": None}
        await socket.send_input({"type": "websocket.receive", "text": '{"order": 7}'})
        answer = await socket.receive_output()
        await socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await socket.wait()

        assert answer["text"] == '{"placed": 7}'
        assert told() == ["an order over a socket: [7]"]
