"""Errands: threads, tasks, mails and HTTP requests that a receiver starts."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import smtplib
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import django
import httpx
import pytest
from asgiref.sync import sync_to_async
from django.core.mail import EmailMessage, send_mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction
from django.dispatch import Signal
from library import Tag

from signal_tracer import Trace, trace_signals
from signal_tracer.collecting.watching import errands
from signal_tracer.tracer import uninstall

sent = Signal()


def work(*args: Any) -> None: ...


if django.VERSION >= (6, 0):
    from django.tasks import task

    @task
    def tidy() -> None: ...


@pytest.fixture(autouse=True)
def nobody_hears_it() -> Iterator[None]:
    yield
    sent.receivers = []


def started_by(action: Callable[[], Any]) -> list[tuple[str, str, str]]:
    """What a receiver that does this is seen to start: kind, target, and from where."""

    def receiver(**named: Any) -> None:
        action()

    sent.connect(receiver, weak=False)
    with trace_signals() as trace:
        sent.send(None)
    return told(trace)


def told(trace: Trace) -> list[tuple[str, str, str]]:
    assert trace.faults == 0
    return [
        (each.kind, each.target, each.sent_from.function if each.sent_from else "")
        for call in trace.receiver_calls()
        for each in call.errands
    ]


def here(function: str) -> str:
    return f"{function}.<locals>.<lambda>"


def start_thread() -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_thread_is_named_by_what_it_runs() -> None:
    assert started_by(start_thread) == [("thread", f"{__name__}.work", "start_thread")]


def test_a_thread_of_a_class_of_its_own_and_a_timer_are_named_by_what_is_known() -> None:
    class Worker(threading.Thread):
        def run(self) -> None: ...

    timer = threading.Timer(0, work)

    def both() -> None:
        Worker().start()
        timer.start()

    [worker, timed] = started_by(both)
    timer.join()
    assert worker[1].endswith("Worker")
    assert timed[1] == f"{__name__}.work"


def test_what_a_thread_runs_is_not_asked_whether_it_is_true() -> None:
    asked: list[object] = []

    class Loud:
        def __call__(self) -> None: ...

        def __bool__(self) -> bool:
            asked.append(self)
            return True

    def start() -> None:
        thread = threading.Thread(target=Loud())
        thread.start()
        thread.join()

    assert [kind for kind, _, _ in started_by(start)] == ["thread"]
    assert asked == []


def test_what_is_given_to_a_pool_is_one_errand_each() -> None:
    with ThreadPoolExecutor(1) as pool:
        first, second = started_by(lambda: [pool.submit(work), pool.submit(work, 1)])

    assert first == second
    assert first[:2] == ("thread", f"{__name__}.work")


def test_a_task_of_celery_is_queued_once_however_it_is_called() -> None:
    celery = pytest.importorskip("celery")  # Not where there are no processes.
    app = celery.Celery("tests", broker="memory://", set_as_current=False)

    @app.task(name="tests.index")
    def index(pk: int) -> None: ...

    app.finalize()
    queued = [
        started_by(lambda: index.delay(1)),
        started_by(lambda: index.apply_async((1,))),
        started_by(lambda: index.si(1).delay()),
        started_by(lambda: app.send_task("tests.index", (1,))),
    ]

    assert [[each[:2] for each in found] for found in queued[:1]] == [[("task", "tests.index")]]
    # Each of the receivers before is still connected.
    assert [len(found) for found in queued] == [1, 2, 3, 4]
    assert {each[:2] for found in queued for each in found} == {("task", "tests.index")}


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has tasks since 6.0")
def test_a_task_of_django_is_named_by_its_function(settings: Any) -> None:
    settings.TASKS = {"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}

    assert [each[:2] for each in started_by(lambda: tidy.enqueue())] == [
        ("task", f"{__name__}.tidy")
    ]


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has tasks since 6.0")
@pytest.mark.parametrize(("backend", "found"), [("queue", 0), ("immediate", 1)])
def test_a_task_that_is_queued_in_the_database_waits_for_the_commit_by_itself(
    settings: Any, books: None, backend: str, found: int
) -> None:
    from django.tasks.backends.dummy import DummyBackend

    class Queue(DummyBackend):
        def enqueue(self, *args: Any, **kwargs: Any) -> Any:
            Tag.objects.create(name="job")
            return super().enqueue(*args, **kwargs)

    module = types.ModuleType(f"tests_backends.{backend}")
    Queue.__module__, module.Queue = module.__name__, Queue  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    settings.TASKS = {"default": {"BACKEND": f"{module.__name__}.Queue"}}
    try:
        assert len(started_by(lambda: tidy.enqueue())) == found
    finally:
        del sys.modules[module.__name__]


def test_a_mail_is_one_errand_whatever_sends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_http(*args: Any, **kwargs: Any) -> int:
        HTTPConnection("mail.example").putrequest("POST", "/send")
        return 1

    monkeypatch.setattr(EmailBackend, "send_messages", by_http)

    assert [each[0] for each in started_by(lambda: send_mail("s", "b", None, ["a@b.example"]))] == [
        "mail"
    ]


def test_a_mail_is_named_by_its_class_unless_that_is_django_s_and_never_by_its_subject() -> None:
    class Receipt(EmailMessage): ...

    def send_both() -> None:
        send_mail("for ann@example.org", "b", None, ["a@b.example"])
        Receipt("for ann@example.org", "b", None, ["a@b.example"]).send()

    assert [each[:2] for each in started_by(send_both)] == [
        ("mail", ""),
        ("mail", f"{__name__}.{Receipt.__qualname__}"),
    ]


def test_a_server_is_named_by_its_host_and_nothing_of_the_address() -> None:
    def ask() -> None:
        HTTPConnection("api.example", 8080).putrequest("GET", "/pay?key=secret")

    assert started_by(ask) == [("network", "api.example", f"{ask.__qualname__}")]


def test_a_request_of_httpx_is_seen() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200))

    def ask() -> None:
        with httpx.Client(transport=transport) as client:
            client.post("https://api.example/pay?key=secret")

    assert [each[:2] for each in started_by(ask)] == [("network", "api.example")]


def test_what_fails_to_start_is_no_errand() -> None:
    def fail() -> None:
        with contextlib.suppress(RuntimeError):
            thread = threading.Thread(target=work)
            thread.start()
            thread.start()
        with contextlib.suppress(smtplib.SMTPServerDisconnected):
            smtplib.SMTP().sendmail("a@b.example", "c@d.example", "")

    assert [each[0] for each in started_by(fail)] == ["thread"]


async def test_what_the_code_waits_for_is_no_errand() -> None:
    async def receiver(**named: Any) -> None:
        await sync_to_async(work)()
        await sync_to_async(work, thread_sensitive=False)()
        await asyncio.to_thread(work)
        await asyncio.get_running_loop().run_in_executor(None, work)

    sent.connect(receiver)
    with trace_signals() as trace:
        await sent.asend(None)

    assert told(trace) == []


async def test_a_request_of_an_async_client_is_seen() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200))

    async def receiver(**named: Any) -> None:
        async with httpx.AsyncClient(transport=transport) as client:
            await client.get("https://api.example/")

    sent.connect(receiver)
    with trace_signals() as trace:
        await sent.asend(None)

    assert [each[:2] for each in told(trace)] == [("network", "api.example")]


def test_what_an_on_commit_callback_starts_did_wait(committed_books: None) -> None:
    # Outside of a transaction it is called at once, inside the receiver.
    assert started_by(lambda: transaction.on_commit(start_thread)) == []


def test_what_nobody_receives_is_no_errand_of_anybody() -> None:
    with trace_signals() as trace:
        start_thread()

    assert told(trace) == []


def test_the_traced_code_cannot_tell() -> None:
    seen: list[Any] = []

    class Curious(threading.Thread):
        def start(self) -> None:
            seen.append([each.function for each in inspect.stack()[:3]])
            super().start()

    def warn(*args: Any, **kwargs: Any) -> None:
        warnings.warn("old", stacklevel=2)

    class Old(EmailMessage):
        recipients = warn  # type: ignore[assignment]

    def both() -> None:
        Curious(target=work).start()
        with warnings.catch_warnings(record=True) as caught, contextlib.suppress(AttributeError):
            warnings.simplefilter("always")
            Old("s", "b", "a@b.example", ["c@d.example"]).send()
        seen.append([(each.filename, str(each.message)) for each in caught])

    both()
    started_by(both)

    untraced, traced = [seen[0][0], seen[1]], [seen[2][0], seen[3]]
    assert traced == untraced


def test_all_is_put_back() -> None:
    originals = {each: vars(each[0]).get(each[1]) for each in found()}
    with trace_signals():
        replaced = [vars(cls).get(name) for cls, name in originals]
    uninstall()

    assert all(
        ours is not theirs for ours, theirs in zip(replaced, originals.values(), strict=True)
    )
    assert {each: vars(each[0]).get(each[1]) for each in found()} == originals


def found() -> list[tuple[Any, str]]:
    return [(cls, name) for cls, name, _ in errands._replacements()]


def test_a_package_of_another_shape_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("celery.app.task", "celery.app.base", "django_tasks.base"):
        strange = types.ModuleType(name)
        strange.Task = "not a class"  # type: ignore[attr-defined]
        strange.Celery = type("Celery", (), {"send_task": 3})  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, strange)

    assert [cls for cls, _ in found() if "elery" in cls.__module__] == []
    assert started_by(start_thread)[0][0] == "thread"


def test_nothing_is_imported_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == "celery"]:
        monkeypatch.delitem(sys.modules, name)

    started_by(work)

    assert "celery" not in sys.modules


@pytest.mark.parametrize(
    "broken",
    ["_starter", "_queries_of", "find_sender_frame", "ErrandRecord", "_is_queued_in_database"],
)
def test_whatever_of_ours_fails_the_thread_is_started(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    def fail(*args: Any) -> Any:
        raise LookupError("ours")

    monkeypatch.setattr(errands, broken, fail)
    started = threading.Event()
    sent.connect(lambda **named: threading.Thread(target=started.set).start(), weak=False)
    with trace_signals() as trace:
        sent.send(None)

    assert started.wait(10)
    assert trace.faults == 1
    assert [call.errands for call in trace.receiver_calls()] == [[]]
