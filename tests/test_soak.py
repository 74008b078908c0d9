"""Nothing of ours grows with code that comes and goes; the long form is benchmarks/soak.py."""

import importlib.util
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings

SOAK = Path(__file__).parents[1] / "benchmarks/soak.py"


@pytest.fixture
def soak(transactional_db: None) -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("soak", SOAK)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["soak"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    logger = logging.getLogger("django.dispatch")
    logger.disabled = True
    with override_settings(**module.SETTINGS):
        yield module
    logger.disabled = False
    del sys.modules["soak"]


def test_no_container_of_ours_grows_with_made_up_names(soak: Any) -> None:
    client = Client()

    def trace_one(number: int) -> None:
        soak.trace_one(number, client)

    # Some stop at a thousand entries, and some are emptied then.
    before = soak.most(trace_one, 0, 1_200, every=40)
    after = soak.most(trace_one, 1_200, 2_000, every=40)

    assert soak.grown(before, after, free=200) == {}
    assert len(before) > 100


def test_a_container_that_grows_is_seen_whoever_holds_it(
    soak: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import functools

    from signal_tracer.describing import names

    @functools.cache
    def remember(number: int) -> int:
        return number

    kept: dict[str, list[int]] = {"inside": []}

    class Holder:
        __slots__ = ("own",)

    Holder.__module__ = names.__name__
    holder = Holder()
    holder.own = set()
    monkeypatch.setattr(names, "_a_cache", remember, raising=False)
    monkeypatch.setattr(names, "_a_dict", kept, raising=False)
    monkeypatch.setattr(names, "_an_object", holder, raising=False)
    before = soak.containers()
    remember(1)
    kept["inside"].append(1)
    holder.own.add(1)

    assert soak.grown(before, soak.containers()) == {
        "signal_tracer.describing.names._a_cache.cache_info()": "0 to 1",
        "signal_tracer.describing.names._a_dict[inside]": "0 to 1",
        "signal_tracer.describing.names._an_object.own": "0 to 1",
    }
