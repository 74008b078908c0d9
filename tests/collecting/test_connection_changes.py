"""connect() and disconnect() calls while a trace runs."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db.models.signals import post_save
from django.dispatch import Signal, receiver
from django.test import Client
from library import Book

from signal_tracer import Trace, trace_signals

done = Signal()


def listen(sender: Any, **named: Any) -> None: ...


def other(sender: Any, **named: Any) -> None: ...


@pytest.fixture(autouse=True)
def nobody_connected() -> Iterator[None]:
    yield
    done.receivers = []
    for each in (listen, other):
        post_save.disconnect(each)
        post_save.disconnect(each, sender=Book)


def line_of(text: str) -> int:
    lines = inspect.getsource(inspect.getmodule(line_of)).split("\n")  # type: ignore[arg-type]
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# {text}"))


def changes(trace: Trace) -> list[tuple[Any, ...]]:
    return [
        (
            each.action,
            each.signal.rpartition(".")[2],
            each.receiver.rpartition(".")[2],
            each.sender,
            each.dispatch_uid,
            each.was_connected,
        )
        for each in trace.connection_changes
    ]


def test_each_call_is_recorded_with_its_line() -> None:
    with trace_signals() as trace:
        done.connect(listen, Book, False, "uid")  # connected
        done.disconnect(listen, Book, "uid")
        done.disconnect(other)

    assert changes(trace) == [
        ("connect", "done", "listen", "library.Book", "uid", None),
        ("disconnect", "done", "listen", "library.Book", "uid", True),
        ("disconnect", "done", "other", "None", None, False),
    ]
    first = trace.connection_changes[0]
    assert first.called_from is not None
    assert (first.called_from.file, first.called_from.line) == (__file__, line_of("connected"))
    assert first.called_from.function == "test_each_call_is_recorded_with_its_line"
    assert 0 < first.started_at < trace.duration
    assert Trace.from_dict(trace.to_dict()).connection_changes == trace.connection_changes


def test_a_call_before_or_after_the_trace_is_not() -> None:
    done.connect(listen)
    with trace_signals() as trace:
        pass
    done.disconnect(listen)

    assert changes(trace) == []


def test_model_signals_and_the_decorator_count_once_and_lead_to_the_user() -> None:
    with trace_signals() as trace:
        post_save.connect(listen, sender=Book)
        post_save.disconnect(listen, sender=Book)

        @receiver([done, post_save], dispatch_uid="late")  # decorated
        def late(sender: Any, **named: Any) -> None: ...

    post_save.disconnect(dispatch_uid="late")
    assert changes(trace) == [
        ("connect", "post_save", "listen", "library.Book", None, None),
        ("disconnect", "post_save", "listen", "library.Book", None, True),
        ("connect", "done", "late", "None", "late", None),
        ("connect", "post_save", "late", "None", "late", None),
    ]
    lines = {each.called_from.line for each in trace.connection_changes[2:] if each.called_from}
    assert lines == {line_of("decorated")}


def test_a_receiver_that_is_known_by_its_uid_only_is_named() -> None:
    done.connect(listen, sender=int, dispatch_uid="uid")
    with trace_signals() as trace:
        done.disconnect(dispatch_uid="uid")
        done.disconnect(sender=int, dispatch_uid="uid")
        done.disconnect(sender=int, dispatch_uid="uid")

    assert changes(trace) == [
        ("disconnect", "done", "unknown", "None", "uid", False),
        ("disconnect", "done", "listen", "int", "uid", True),
        ("disconnect", "done", "unknown", "int", "uid", False),
    ]


def test_what_django_connects_for_itself_is_not_recorded(db: None) -> None:
    with trace_signals() as trace:
        Client().get("/nowhere/")

    assert changes(trace) == []


def test_a_call_that_raises_is_not_recorded(settings: Any) -> None:
    settings.DEBUG = True
    with trace_signals() as trace, pytest.raises(ValueError, match="must accept keyword"):
        done.connect(len)

    assert changes(trace) == []
    assert trace.faults == 0


def test_excluded_signals_are_left_out_and_only_a_limited_number_is_kept(settings: Any) -> None:
    settings.SIGNAL_TRACER = {
        "MAX_DISPATCHES": 2,
        "EXCLUDE_SIGNALS": ["*request_finished"],
        "RECORD_LOCATIONS": False,
    }
    with trace_signals() as trace:
        request_finished.connect(listen)
        request_finished.disconnect(listen)
        for _ in range(2):
            request_started.connect(listen)
            request_started.disconnect(listen)

    assert [each[:2] for each in changes(trace)] == [
        ("connect", "request_started"),
        ("disconnect", "request_started"),
    ]
    assert [each.called_from for each in trace.connection_changes] == [None, None]
    assert trace.omitted_details == 2


def test_nested_traces_each_see_it() -> None:
    with trace_signals(all_threads=True) as outer:
        with trace_signals() as inner:
            done.connect(listen)
        done.disconnect(listen)

    assert [each[0] for each in changes(inner)] == ["connect"]
    assert [each[0] for each in changes(outer)] == ["connect", "disconnect"]
