"""What a receiver asks of Django's caches is counted for it, and the caches work as ever."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import json
import logging
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import BaseCache, caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection
from django.dispatch import Signal
from observing import is_ours
from test_faults import Fault, broken, functions

from signal_tracer import Trace, trace_signals
from signal_tracer.collecting import nodes, raw
from signal_tracer.collecting.watching import cache as watcher
from signal_tracer.tracer import uninstall

sent = Signal()
inner = Signal()
BACKENDS = "django.core.cache.backends"
ORIGINALS = {cls: dict(vars(cls)) for cls in (BaseCache, LocMemCache, DummyCache)}


NOTHING = object()


class Failed(Exception):
    pass


class Broken(BaseCache):
    """A backend whose server is gone."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        raise Failed(key)

    set = add = delete = touch = get  # type: ignore[assignment]


class Native(LocMemCache):
    """A backend whose async methods are its own, and that has an override or two."""

    async def aget(self, key: Any, default: Any = None, version: Any = None) -> Any:
        await asyncio.sleep(0)
        return LocMemCache.get(self, key, default, version)

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        return super().get(key, default, version)

    def get_many(self, keys: Any, version: Any = None) -> Any:
        found = {key: self.get(key, NOTHING, version) for key in keys}
        return {key: value for key, value in found.items() if value is not NOTHING}


@pytest.fixture(autouse=True)
def some_caches(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.SIGNAL_TRACER = {"RECORD_CACHE_CALLS": True}
    settings.CACHES = {
        "default": {"BACKEND": f"{BACKENDS}.locmem.LocMemCache", "LOCATION": str(tmp_path)},
        "dummy": {"BACKEND": f"{BACKENDS}.dummy.DummyCache"},
        "files": {"BACKEND": f"{BACKENDS}.filebased.FileBasedCache", "LOCATION": str(tmp_path)},
        "table": {"BACKEND": f"{BACKENDS}.db.DatabaseCache", "LOCATION": "cached"},
        "broken": {"BACKEND": "test_cache_calls.Broken"},
        "native": {"BACKEND": "test_cache_calls.Native", "LOCATION": f"{tmp_path} native"},
    }
    yield
    caches["default"].clear()
    caches["native"].clear()
    for signal in (sent, inner):
        signal.receivers = []
    uninstall()
    for cls, originals in ORIGINALS.items():
        assert dict(vars(cls)) == originals
        assert all(vars(cls)[name] is each for name, each in originals.items())
    assert watcher._patched == {}


@pytest.fixture
def cache_table(transactional_db: None) -> Iterator[None]:
    from django.core.management import call_command

    call_command("createcachetable")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE cached")


def counts_of(trace: Trace) -> list[list[tuple[Any, ...]]]:
    """Of each receiver call: alias, gets, hits, sets, deletes."""
    assert (trace.faults, trace.omitted_details) == (0, 0)
    return [
        [(each.alias, each.gets, each.hits, each.sets, each.deletes) for each in call.cache_calls]
        for call in trace.receiver_calls()
    ]


def counted(receiver: Callable[[], Any]) -> list[tuple[Any, ...]]:
    """What one receiver call that does this is said to have done."""

    def receive(**named: Any) -> None:
        receiver()

    sent.connect(receive)
    with trace_signals() as trace:
        sent.send(None)
    [found] = counts_of(trace)
    return found


def counted_async(receiver: Callable[[], Any]) -> list[tuple[Any, ...]]:
    async def receive(**named: Any) -> None:
        await receiver()

    sent.connect(receive)
    with trace_signals() as trace:
        async_to_sync(sent.asend)(None)
    [found] = counts_of(trace)
    return found


# What is counted

ONE_CALL: dict[str, tuple[Callable[[Any], Any], tuple[int, int, int, int]]] = {
    "get that finds": (lambda cache: cache.get("here"), (1, 1, 0, 0)),
    "get that does not": (lambda cache: cache.get("gone"), (1, 0, 0, 0)),
    "get with a default": (lambda cache: cache.get("gone", NOTHING), (1, 0, 0, 0)),
    "get with a default by name": (lambda cache: cache.get("gone", default=1), (1, 0, 0, 0)),
    "get of None with a default": (lambda cache: cache.get("none", NOTHING), (1, 1, 0, 0)),
    "get by name": (lambda cache: cache.get(key="here"), (1, 1, 0, 0)),
    "get_many that finds some": (lambda cache: cache.get_many(["here", "gone"]), (1, 1, 0, 0)),
    "get_many that finds none": (lambda cache: cache.get_many(["gone"]), (1, 0, 0, 0)),
    "has_key": (lambda cache: cache.has_key("here"), (1, 1, 0, 0)),
    "in": (lambda cache: "gone" in cache, (1, 0, 0, 0)),
    "get_or_set that gets": (lambda cache: cache.get_or_set("here", 1), (1, 1, 0, 0)),
    "get_or_set that sets": (lambda cache: cache.get_or_set("gone", 1), (1, 0, 1, 0)),
    "get_or_set that calls": (lambda cache: cache.get_or_set("gone", int), (1, 0, 1, 0)),
    "set": (lambda cache: cache.set("new", 1), (0, 0, 1, 0)),
    "set_many": (lambda cache: cache.set_many({"a": 1, "b": 2}), (0, 0, 1, 0)),
    "add": (lambda cache: cache.add("here", 1), (0, 0, 1, 0)),
    "touch": (lambda cache: cache.touch("here"), (0, 0, 1, 0)),
    "incr": (lambda cache: cache.incr("here"), (0, 0, 1, 0)),
    "decr": (lambda cache: cache.decr("here"), (0, 0, 1, 0)),
    "incr_version": (lambda cache: cache.incr_version("here"), (0, 0, 1, 0)),
    "decr_version": (lambda cache: cache.decr_version("here"), (0, 0, 1, 0)),
    "delete": (lambda cache: cache.delete("here"), (0, 0, 0, 1)),
    "delete_many": (lambda cache: cache.delete_many(["here", "gone"]), (0, 0, 0, 1)),
    "clear": (lambda cache: cache.clear(), (0, 0, 0, 1)),
}


@pytest.mark.parametrize("alias", ["default", "files", "native"])
@pytest.mark.parametrize("what", ONE_CALL)
def test_a_call_counts_once_whatever_it_calls_of_itself(what: str, alias: str) -> None:
    run, expected = ONE_CALL[what]
    caches[alias].set_many({"here": 5, "none": None})

    assert counted(lambda: run(caches[alias])) == [(alias, *expected)]


ASYNC = [each for each in ONE_CALL if each not in ("in", "get by name")]


@pytest.mark.parametrize("alias", ["default", "files", "native"])
@pytest.mark.parametrize("what", ASYNC)
def test_an_async_call_counts_once_also_where_it_goes_through_its_sync_twin(
    what: str, alias: str
) -> None:
    run, expected = ONE_CALL[what]
    caches[alias].set_many({"here": 5, "none": None})

    class Twin:
        def __getattr__(self, name: str) -> Any:
            return getattr(caches[alias], f"a{name}")

    assert counted_async(lambda: run(Twin())) == [(alias, *expected)]


def test_a_cache_that_keeps_nothing_has_no_hits() -> None:
    def run() -> None:
        caches["dummy"].set("a", 1)
        caches["dummy"].get("a")
        caches["dummy"].get_many(["a"])
        caches["dummy"].get_or_set("a", 2)

    assert counted(run) == [("dummy", 3, 0, 2, 0)]


@pytest.mark.usefixtures("cache_table")
def test_the_database_backend_is_counted_beside_its_queries() -> None:
    def run(**named: Any) -> None:
        caches["table"].set("a", 1)
        caches["table"].get_many(["a", "b"])

    sent.connect(run)
    with trace_signals() as trace:
        sent.send(None)

    assert counts_of(trace) == [[("table", 1, 1, 1, 0)]]
    assert trace.query_count() > 2


def test_each_alias_has_its_own_counts_in_the_order_of_first_use() -> None:
    own = LocMemCache("by hand", {})

    def run() -> None:
        caches["dummy"].get("a")
        caches["default"].set("a", 1)
        own.set("a", 1)
        caches["dummy"].get("a")

    assert counted(run) == [
        ("dummy", 2, 0, 0, 0),
        ("default", 0, 0, 1, 0),
        ("django.core.cache.backends.locmem.LocMemCache", 0, 0, 1, 0),
    ]


def test_what_the_default_of_get_or_set_asks_is_a_call_of_its_own() -> None:
    def run() -> None:
        caches["default"].get_or_set("a", lambda: caches["default"].get("b", 3))

    assert counted(run) == [("default", 2, 0, 1, 0)]
    assert caches["default"].get("a") == 3


def test_nested_receivers_have_their_own() -> None:
    def outer(**named: Any) -> None:
        caches["default"].set("a", 1)
        inner.send(None)

    def nested(**named: Any) -> None:
        caches["default"].get("a")

    sent.connect(outer)
    inner.connect(nested)
    with trace_signals() as trace:
        caches["default"].get("nobody's")
        sent.send(None)

    assert counts_of(trace) == [[("default", 0, 0, 1, 0)], [("default", 1, 1, 0, 0)]]


def test_a_receiver_that_a_cache_calls_by_a_signal_has_its_own() -> None:
    class Telling(LocMemCache):
        def set(self, *args: Any, **kwargs: Any) -> None:
            inner.send(None)
            super().set(*args, **kwargs)

    def run(**named: Any) -> None:
        cache.set("a", 1)

    def hears(**named: Any) -> None:
        cache.get("b")

    cache = Telling("telling", {})
    sent.connect(run)
    inner.connect(hears)
    with trace_signals() as trace:
        sent.send(None)

    assert [[each[1:] for each in call] for call in counts_of(trace)] == [
        [(0, 0, 1, 0)],
        [(1, 0, 0, 0)],
    ]


def test_concurrent_receivers_and_tasks_are_told_apart() -> None:
    async def first(**named: Any) -> None:
        await caches["native"].aget_many(["a", "b", "c"])
        await asyncio.gather(*(caches["native"].aget(each) for each in "abc"))

    async def second(**named: Any) -> None:
        for each in "abcd":
            await caches["native"].aget_or_set(each, 1)

    sent.connect(first)
    sent.connect(second)
    with trace_signals() as trace:
        async_to_sync(sent.asend)(None)

    [of_first, of_second] = counts_of(trace)
    assert [(each[0], each[1], each[3]) for each in of_first] == [("native", 4, 0)]
    assert [(each[0], each[1], each[3]) for each in of_second] == [("native", 4, 4)]
    assert watcher._running.get() is None


def test_a_backend_that_is_made_while_a_trace_runs_is_counted() -> None:
    def run() -> None:
        class Late(LocMemCache):
            def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
                return "late"

        Late("late", {}).get("a")

    [(alias, *numbers)] = counted(run)
    assert (alias.rpartition(".")[2], numbers) == ("Late", [1, 1, 0, 0])


def test_the_time_is_of_all_calls_together() -> None:
    def run(**named: Any) -> None:
        caches["files"].set("a", 1)
        caches["files"].get("a")

    sent.connect(run)
    with trace_signals() as trace:
        sent.send(None)

    [call] = trace.receiver_calls()
    [found] = call.cache_calls
    assert 0 < found.duration <= call.duration


# That the caches work as ever


def test_a_backend_that_fails_fails_as_ever_and_is_no_hit() -> None:
    raised: list[Any] = []

    def run() -> None:
        for method in ("get", "set", "get_many"):
            try:
                getattr(caches["broken"], method)("a", 1)
            except Failed as error:
                raised.append(error.args)

    assert counted(run) == [("broken", 2, 0, 1, 0)]
    assert raised == [("a",), ("a",), ("a",)]
    assert watcher._running.get() is None


def test_a_call_with_wrong_arguments_fails_as_ever() -> None:
    def attempt() -> str:
        with pytest.raises(TypeError) as raised:
            caches["default"].get()
        return str(raised.value)

    expected = attempt()
    found: list[str] = []

    assert counted(lambda: found.append(attempt())) == [("default", 1, 0, 0, 0)]
    assert found == [expected]


def test_values_and_defaults_are_the_very_objects_and_nothing_is_asked_of_them() -> None:
    class Unaskable:
        def __eq__(self, other: object) -> bool:
            raise AssertionError

        __hash__ = __bool__ = __repr__ = __len__ = __eq__  # type: ignore[assignment]

    class Keeping(BaseCache):
        def __init__(self) -> None:
            super().__init__({})
            self.kept: list[Any] = []

        def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
            return self.kept[0] if self.kept else default

        def set(self, key: Any, value: Any, timeout: Any = None, version: Any = None) -> None:
            self.kept.append(value)

    cache, default, value, key = Keeping(), Unaskable(), Unaskable(), Unaskable()
    found: list[bool] = []

    def run() -> None:
        found.append(cache.get(key, default) is default)
        cache.set(key, value)
        found.append(cache.get(key, default) is value)

    [(_, *numbers)] = counted(run)
    assert numbers == [2, 1, 1, 0]
    assert found == [True, True]


def test_the_methods_look_as_they_did() -> None:
    signatures = {
        name: inspect.signature(getattr(LocMemCache, name))
        for name in ("get", "set", "aget", "aget_many", "incr")
    }
    kinds = {name: inspect.iscoroutinefunction(getattr(LocMemCache, name)) for name in signatures}
    seen: list[Any] = []

    def run() -> None:
        for name, signature in signatures.items():
            method = getattr(LocMemCache, name)
            seen.append(inspect.signature(method) == signature)
            seen.append(inspect.iscoroutinefunction(method) == kinds[name])
            seen.append((method.__name__, method.__qualname__.rpartition(".")[2]) == (name, name))

    counted(run)
    assert seen == [True] * 15


def test_a_coroutine_that_is_cancelled_or_closed_counts_as_one_that_raised() -> None:
    async def run() -> None:
        coroutine = caches["native"].aget("a")
        coroutine.send(None)
        coroutine.close()
        task = asyncio.ensure_future(caches["native"].aget("a"))
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    assert counted_async(run) == [("native", 2, 0, 0, 0)]


# When it is watched


@pytest.mark.parametrize("setting", [{}, {"RECORD_CACHE_CALLS": False}])
def test_without_the_setting_no_cache_is_touched(setting: Any, settings: Any) -> None:
    settings.SIGNAL_TRACER = setting
    found: list[bool] = []

    def run() -> None:
        found.append(vars(LocMemCache)["get"] is ORIGINALS[LocMemCache]["get"])
        found.append(vars(BaseCache).keys() == ORIGINALS[BaseCache].keys())
        caches["default"].get("a")

    assert counted(run) == []
    assert found == [True, True]


def test_each_trace_counts_as_its_own_setting_says(settings: Any) -> None:
    def run(**named: Any) -> None:
        caches["default"].get("a")
        caches["dummy"].get("a")

    sent.connect(run)
    with trace_signals() as wanting:
        # Which has no room for two, and wants none.
        settings.SIGNAL_TRACER = {"RECORD_CACHE_CALLS": False, "MAX_DISPATCHES": 1}
        with trace_signals() as other:
            sent.send(None)

    assert counts_of(wanting) == [[("default", 1, 0, 0, 0), ("dummy", 1, 0, 0, 0)]]
    assert counts_of(other) == [[]]


def test_after_the_trace_nothing_is_counted_and_nothing_of_ours_is_in_the_way() -> None:
    def run(**named: Any) -> None:
        caches["default"].get("a")

    def ends(**named: Any) -> None:
        caches["default"].get("a")
        block.__exit__(None, None, None)
        caches["default"].get("a")

    sent.connect(ends)
    block = trace_signals()
    trace = block.__enter__()
    sent.send(None)
    sent.connect(run)
    sent.send(None)

    assert counts_of(trace) == [[("default", 1, 0, 0, 0)]]


def test_what_an_outer_trace_goes_on_to_see_is_not_told_of_the_inner_one() -> None:
    def run(**named: Any) -> None:
        caches["default"].get("a")
        with trace_signals() as trace:
            caches["default"].get("a")
            inner.send(None)
        traces.append(trace)

    def nested(**named: Any) -> None:
        caches["default"].set("a", 1)

    traces: list[Trace] = []
    sent.connect(run)
    inner.connect(nested)
    with trace_signals() as outer:
        sent.send(None)

    assert counts_of(outer) == [[("default", 2, 0, 0, 0)], [("default", 0, 0, 1, 0)]]
    assert counts_of(traces[0]) == [[("default", 0, 0, 1, 0)]]


def test_a_trace_keeps_a_limited_number_of_counts_and_says_what_it_lacks(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"RECORD_CACHE_CALLS": True, "MAX_DISPATCHES": 2}

    def run(**named: Any) -> None:
        for alias in ("default", "files", "dummy", "dummy", "files"):
            caches[alias].get("a")

    sent.connect(run)
    with trace_signals() as trace:
        sent.send(None)

    [call] = trace.receiver_calls()
    assert [(each.alias, each.gets) for each in call.cache_calls] == [("default", 1), ("files", 2)]
    assert trace.omitted_details == 2


def test_it_is_in_the_json_and_comes_back() -> None:
    def run(**named: Any) -> None:
        caches["default"].get("a")

    sent.connect(run)
    with trace_signals() as trace:
        sent.send(None)

    data = json.loads(json.dumps(trace.to_dict()))
    [found] = data["dispatches"][0]["receiver_calls"][0]["cache_calls"]
    found.pop("duration")
    assert found == {"alias": "default", "gets": 1, "hits": 0, "sets": 0, "deletes": 0}
    assert Trace.from_dict(trace.to_dict()).dispatches == trace.dispatches


def test_no_key_and_no_value_is_anywhere_in_the_trace() -> None:
    def run(**named: Any) -> None:
        caches["default"].set("key-hunter2", "value-hunter2")
        caches["default"].get_many(["key-hunter2"])
        caches["default"].get_or_set("other-hunter2", "hunter2")
        with contextlib.suppress(Failed):
            caches["broken"].get("key-hunter2")

    sent.connect(run)
    with trace_signals() as trace:
        sent.send(None)

    assert counts_of(trace) == [[("default", 2, 1, 2, 0), ("broken", 1, 0, 0, 0)]]
    assert "hunter2" not in json.dumps(trace.to_dict())


# Beside the toolbar, which puts functions of its own on each cache


def as_the_toolbar_does(cache: Any, calls: list[str]) -> None:
    def patch(name: str) -> None:
        original = getattr(cache, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return original(*args, **kwargs)

        setattr(cache, name, wrapper)

    for name in ("get", "get_many", "set", "add", "get_or_set"):
        patch(name)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_tool_that_patches_each_cache_may_come_first_or_last(is_first: bool) -> None:
    cache: Any = caches["default"]
    calls: list[str] = []
    if not is_first:
        with trace_signals():
            pass
    as_the_toolbar_does(cache, calls)
    theirs = cache.get

    def run() -> None:
        cache.get_many(["a", "b"])
        cache.get_or_set("a", 1)

    assert counted(run) == [("default", 2, 0, 1, 0)]
    assert counted(run) == [("default", 2, 2, 0, 0)]
    assert calls[:3] == ["get_many", "get", "get"]
    uninstall()
    assert cache.get is theirs


def test_the_toolbars_own_panel_counts_as_it_does_without_us() -> None:
    pytest.importorskip("debug_toolbar")
    from debug_toolbar.panels.cache import _monkey_patch_cache

    class Panel:
        def __init__(self) -> None:
            self.recorded: list[str] = []

        def _record_call(
            self, cache: Any, alias: str, name: str, method: Any, args: Any, kwargs: Any
        ) -> Any:
            cache._djdt_panel = None
            try:
                return method(*args, **kwargs)
            finally:
                cache._djdt_panel = self
                self.recorded.append(name)

    cache, panel = caches["default"], Panel()
    _monkey_patch_cache(cache, "default", panel)

    def run() -> None:
        cache.get_many(["a", "b"])
        cache.get_or_set("a", 1)
        cache.incr_version("a")

    assert counted(run) == [("default", 2, 0, 2, 0)]
    assert panel.recorded == ["get_many", "get_or_set", "incr_version"]


def test_what_is_on_a_cache_that_is_gone_is_forgotten() -> None:
    caches["default"].get = lambda *args: 1  # type: ignore[method-assign]
    with trace_signals():
        assert len(watcher._patched) == 1
        del caches["default"]
        gc.collect()

        assert len(watcher._patched) == 0


# Whatever of ours fails

# Stand around a cache's functions, and do nothing of their own.
WRAPPERS = {"cache._watch_new_subclass"}


def play() -> list[Any]:
    answers: list[Any] = []

    def receive(**named: Any) -> None:
        cache = caches["native"]
        cache.set("a", 1)
        answers.append((cache.get("a"), cache.get_many(["a", "b"]), cache.get_or_set("c", 3)))
        answers.append(LocMemCache("by hand", {}).get("a"))
        with contextlib.suppress(Failed):
            caches["broken"].get("a")
        answers.append(async_to_sync(cache.aget)("a"))
        answers.append(type("Late", (LocMemCache,), {"get": lambda *args: 5})("l", {}).get("a"))
        cache.clear()

    sent.connect(receive)
    try:
        sent.send(None)
    finally:
        sent.disconnect(receive)
    return answers


def ours_that_run() -> list[str]:
    known, found = functions((watcher, raw)), set()

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and is_ours(frame.f_code.co_filename) and frame.f_code in known:
            found.add(known[frame.f_code][0])

    with trace_signals():
        sys.setprofile(note)
        try:
            play()
        finally:
            sys.setprofile(None)
    return sorted(found - WRAPPERS)


OURS = """
cache.Counts.__init__
cache._Running.__init__
cache._Running.includes
cache._Running.let_go
cache._alias_of
cache._begin
cache._end
cache._is_hit
cache._methods_of
cache._open_caches
cache._wanting
cache._watch
cache._watch_class
raw.Activity.__missing__
"""


def test_the_list_of_functions_is_complete() -> None:
    assert ours_that_run() == OURS.split()


@pytest.mark.parametrize("name", OURS.split())
def test_a_function_of_ours_that_fails_disturbs_nobody(
    name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "_reported", set())
    expected = play()
    by_name = dict(functions((watcher, raw)).values())
    with (
        caplog.at_level(logging.ERROR, logger="signal_tracer"),
        trace_signals() as trace,
        broken(by_name[name]),
    ):
        answers = play()

    assert answers == expected
    assert trace.faults > 0
    records = [record for record in caplog.records if record.name == "signal_tracer"]
    assert records
    assert all("the traced code went on undisturbed" in record.getMessage() for record in records)
    assert all(record.exc_info and record.exc_info[0] is Fault for record in records)
    assert watcher._running.get() is None


def test_a_trace_begins_though_a_cache_cannot_be_looked_at(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "_reported", set())
    with (
        caplog.at_level(logging.ERROR, logger="signal_tracer"),
        broken(inspect.unwrap(watcher._watch_patched)),
        trace_signals(),
    ):
        assert type(vars(LocMemCache)["get"]) is types.FunctionType

    [record] = [each for each in caplog.records if each.name == "signal_tracer"]
    assert "to watch a cache that another tool watches" in record.getMessage()
