"""What the traced code can see of a dispatch, as plain data: for running it twice and comparing."""

import asyncio
import contextvars
import gc
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.dispatch import Signal

import signal_tracer
from signal_tracer import Trace, trace_signals

SEND_METHODS = ("send", "send_robust", "asend", "asend_robust")
OUR_FOLDER = str(Path(signal_tracer.__file__).parent)

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="none")


def is_ours(filename: str) -> bool:
    return filename.startswith((OUR_FOLDER, "<signal_tracer"))


def functions_on_the_stack() -> tuple[list[str], int]:
    """The functions that called the caller, up to ``Stage.play``; and how many more are ours."""
    names, ours = [], 0
    frame = sys._getframe(2)
    while frame is not None and frame.f_code is not Stage.play.__code__:
        if is_ours(frame.f_code.co_filename):
            ours += 1
        else:
            names.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}")
        frame = frame.f_back
    return names, ours


def describe_error(error: BaseException | None, around: tuple[int, ...] = ()) -> Any:
    """An exception as its type, arguments, causes and the functions it passed through."""
    if error is None:
        return None
    if id(error) in around:
        return "the same again"
    around = (*around, id(error))
    passed = [
        (Path(step.filename).name, step.name)
        for step in traceback.extract_tb(error.__traceback__)
        if not is_ours(step.filename)
    ]
    inner = [describe_error(each, around) for each in getattr(error, "exceptions", ())]
    return (
        type(error).__qualname__,
        [
            describe_error(each, around) if isinstance(each, BaseException) else each
            for each in error.args
        ]
        if not inner
        else error.args[0],
        describe_error(error.__cause__, around),
        describe_error(error.__context__, around),
        error.__suppress_context__,
        passed,
        inner,
    )


class _Listening(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        args = [
            describe_error(each) if isinstance(each, BaseException) else each
            for each in record.args or ()
        ]
        error = record.exc_info[1] if record.exc_info else None
        self.records.append(
            (
                record.name,
                record.levelname,
                record.msg,
                args,
                describe_error(error),
                Path(record.pathname).name,
                record.lineno,
                record.funcName,
            )
        )


@dataclass
class Stage:
    """Signals and receivers made afresh for one run, and the journal of what they did."""

    signal: Signal = field(default_factory=Signal)
    sender: Any = None
    journal: list[Any] = field(default_factory=list)
    receivers: list[tuple[str, Any]] = field(default_factory=list)
    our_frames: list[int] = field(default_factory=list)

    def note(self, name: str, named: dict[str, Any]) -> None:
        """Called by a receiver: what it was given, from where, and in which context."""
        stack, ours = functions_on_the_stack()
        self.our_frames.append(ours)
        given = {
            key: value if isinstance(value, int | str) else value is getattr(self, key, ...)
            for key, value in sorted(named.items())
        }
        self.journal.append((name, given, stack, request_id.get()))

    def connect(self, name: str, receiver: Any, **options: Any) -> Any:
        self.receivers.append((name, receiver))
        self.signal.connect(receiver, weak=False, **options)
        return receiver

    def name_of(self, receiver: Any) -> str:
        """The name of this very object."""
        for name, each in self.receivers:
            if each is receiver:
                return name
        return f"unknown: {receiver!r}"

    def play(self, send: Callable[[], Any]) -> Any:
        return send()


@dataclass
class Seen:
    """All that one run could see."""

    responses: Any = None
    error: Any = None
    journal: Any = None
    logs: Any = None
    warnings: Any = None
    context: Any = None


def _describe_responses(stage: Stage, responses: Any) -> Any:
    if type(responses) is not list:
        return responses
    return [
        (
            type(pair).__name__,
            stage.name_of(pair[0]),
            describe_error(pair[1]) if isinstance(pair[1], BaseException) else pair[1],
        )
        for pair in responses
    ]


def _user_context() -> dict[str, Any]:
    return {
        variable.name: value if isinstance(value, str | int | None) else type(value).__name__
        for variable, value in contextvars.copy_context().items()
        if not variable.name.startswith("signal_tracer")
    }


def look_at(stage: Stage, send: Callable[[Stage], Any], *, traced: bool) -> tuple[Seen, Trace]:
    """Run ``send`` and return what the code around it and in it saw."""
    listening = _Listening()
    listened = [logging.getLogger("django.dispatch"), logging.getLogger("asyncio")]
    for logger in listened:
        logger.addHandler(listening)
    seen = Seen()
    tracing = trace_signals() if traced else nullcontext(None)

    def run() -> Any:
        request_id.set("caller")
        before = _user_context()
        with tracing as trace:
            try:
                answered = stage.play(lambda: send(stage))
                if asyncio.iscoroutine(answered):
                    answered = asyncio.run(_with_context(answered, seen))
                seen.responses = _describe_responses(stage, answered)
            except BaseException as error:
                seen.error = describe_error(error)
            answered = None
            # What is never awaited warns when it is collected: in here, not in another test.
            gc.collect(1)  # Young objects are enough, and quick.
        seen.context = (before, _user_context(), seen.context)
        return trace

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            trace = contextvars.Context().run(run)
    finally:
        for logger in listened:
            logger.removeHandler(listening)
    seen.journal = stage.journal
    seen.logs = listening.records
    seen.warnings = sorted(
        (each.category.__name__, str(each.message), Path(each.filename).name, each.lineno)
        for each in caught
    )
    return seen, trace


async def _with_context(answered: Any, seen: Seen) -> Any:
    try:
        return await answered
    finally:
        seen.context = _user_context()


def assert_same_traced(
    make_stage: Callable[[], Stage], send: Callable[[Stage], Any]
) -> tuple[Seen, Trace]:
    """Run on a fresh stage without and with a trace; what was seen must be equal."""
    untraced, _ = look_at(make_stage(), send, traced=False)
    stage = make_stage()
    traced, trace = look_at(stage, send, traced=True)
    assert traced.responses == untraced.responses
    assert traced.error == untraced.error
    assert traced.journal == untraced.journal
    assert traced.logs == untraced.logs
    assert traced.warnings == untraced.warnings
    assert traced.context == untraced.context
    assert trace.faults == 0
    return traced, trace


def sending(method: str, **named: Any) -> Callable[[Stage], Any]:
    """Sends the stage's signal by one of the four methods."""
    return lambda stage: getattr(stage.signal, method)(stage.sender, **named)


def spell(trace: Trace) -> list[str]:
    """The outline without the path of this folder's modules, line by line."""
    return [line.replace("<locals>.", "") for line in trace.outline().split("\n")]


def names(calls: Iterable[Any]) -> list[str]:
    return [call.receiver.rpartition(".")[2] for call in calls]
