"""RQ's recipe of docs/commands.md, run by its worker on a Redis server."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tasks"))
from recipes import recipe, told

pytestmark = pytest.mark.redis


def test_rqs_recipe_traces_a_job(settings: Any) -> None:
    from redis import Redis
    from rq import Queue, SimpleWorker

    with (
        Redis(unix_socket_path=os.environ["TEST_REDIS"], db=3) as connection,
        recipe("RQ", settings) as module,
    ):
        module.queue_order(7, connection)
        SimpleWorker([Queue(connection=connection)], connection=connection).work(burst=True)
        assert told() == ["recipe_rq.place_order: [7]"]
