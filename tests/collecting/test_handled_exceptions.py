"""Exceptions that a receiver's own code caught and went on from, with the lines of both."""

# ruff: noqa: SIM105  # what is tested is the except itself

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from inspect import getsourcelines
from typing import Any

import pytest
from django.dispatch import Signal
from django.utils.functional import SimpleLazyObject

from signal_tracer import Trace, trace_signals
from signal_tracer.collecting import nodes
from signal_tracer.collecting.watching import exceptions
from signal_tracer.records import ReceiverCall

paid = Signal()
shipped = Signal()

needs_monitoring = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="sys.monitoring came with Python 3.12"
)


@pytest.fixture(autouse=True)
def recording_handled_exceptions(settings: Any) -> Iterator[None]:
    settings.SIGNAL_TRACER = {"RECORD_HANDLED_EXCEPTIONS": True}
    yield
    for signal in (paid, shipped):
        signal.receivers = []
    if sys.version_info >= (3, 12):
        assert [sys.monitoring.get_tool(each) for each in (3, 4)] == [None, None]
    assert exceptions._caught == {}


def calls_of(trace: Trace) -> list[ReceiverCall]:
    assert trace.faults == 0
    return [
        call
        for call in trace.receiver_calls()
        if call.receiver.startswith("test_handled_exceptions.")
    ]


def traced(receiver: Callable[..., Any], method: str = "send") -> ReceiverCall:
    """The call of a receiver, also when it raised."""
    paid.connect(receiver, weak=False)
    with trace_signals() as trace, contextlib.suppress(Exception):
        if method.startswith("a"):
            asyncio.run(getattr(paid, method)(None))
        else:
            getattr(paid, method)(None)
    [call] = calls_of(trace)
    return call


def handled_in(receiver: Callable[..., Any], method: str = "send") -> list[tuple[str, str, str]]:
    """Type and message, the source line that raised, the source line that caught."""
    return [
        (
            f"{each.type.rpartition('.')[2]}: {each.message}",
            source(each.raised_at.line),
            source(each.caught_at.line),
        )
        for each in traced(receiver, method).handled
    ]


def source(line: int) -> str:
    lines, _ = getsourcelines(sys.modules[__name__])
    return lines[line - 1].strip()


def fail(message: str = "no stock") -> None:
    raise ValueError(message)


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    try:
        yield
    except ValueError:
        pass


@contextlib.contextmanager
def tidying() -> Iterator[None]:
    try:
        yield
    finally:
        source(1)


# What was caught


def catches(**named: Any) -> None:
    try:
        fail()
    except ValueError:
        pass


def catches_by_a_later_clause(**named: Any) -> None:
    try:
        fail()
    except (KeyError, TypeError):
        pass
    except json.JSONDecodeError:
        pass
    except (OSError, ValueError) as error:
        del error


def catches_all(**named: Any) -> None:
    try:
        fail()
    except KeyError:
        pass
    except:  # noqa: E722
        pass


def catches_what_a_library_raised(**named: Any) -> None:
    try:
        json.loads("x")
    except ValueError:
        pass


def suppresses(**named: Any) -> None:
    with contextlib.suppress(ValueError):
        fail()


def is_forgiven(**named: Any) -> None:
    with forgiving():
        fail()


RETURNS_IN_FINALLY = """\
def returns_in_finally(**named):
    try:
        fail()
    finally:
        return "all is well"
"""


def compiled_in_place(text: str, first_line: str) -> Any:
    """The function that stands in ``text``, which begins below ``first_line`` of this file."""
    lines, _ = getsourcelines(sys.modules[__name__])
    above = "\n" * (lines.index(first_line) + 1)
    names: dict[str, Any] = {"fail": fail, "__name__": __name__}
    with warnings.catch_warnings():
        # Python 3.14 warns of such code, and runs it as ever.
        warnings.simplefilter("ignore", SyntaxWarning)
        exec(compile(above + text, __file__, "exec"), names)
    return names["returns_in_finally"]


returns_in_finally = compiled_in_place(RETURNS_IN_FINALLY, 'RETURNS_IN_FINALLY = """\\\n')


def catches_after_tidying(**named: Any) -> None:
    try:
        with tidying():
            try:
                fail()
            finally:
                source(1)
    except ValueError:
        pass


def catches_the_second_time(**named: Any) -> None:
    try:
        try:
            fail()
        except ValueError:
            raise
    except Exception:
        pass


def catches_when_raised_again_by_name(**named: Any) -> None:
    try:
        try:
            fail()
        except ValueError as error:
            raise error
    except Exception:
        pass


def catches_another_while_it_handles_one(**named: Any) -> None:
    try:
        fail("one")
    except ValueError:
        try:
            fail("another")
        except ValueError:
            pass


def catches_what_another_became(**named: Any) -> None:
    try:
        try:
            fail()
        except ValueError as error:
            raise LookupError("not on the shelf") from error
    except LookupError:
        pass


async def catches_after_a_wait(**named: Any) -> None:
    try:
        await asyncio.sleep(0)
        fail()
    except ValueError:
        await asyncio.sleep(0)


async def notices_that_it_is_cancelled(**named: Any) -> None:
    try:
        raise asyncio.CancelledError
    except asyncio.CancelledError:
        pass


FAILS = ("ValueError: no stock", "raise ValueError(message)")
CAUGHT: dict[Any, list[tuple[str, ...]]] = {
    catches: [(*FAILS, "except ValueError:")],
    catches_by_a_later_clause: [(*FAILS, "except (OSError, ValueError) as error:")],
    catches_all: [(*FAILS, "except:  # noqa: E722")],
    catches_what_a_library_raised: [
        (
            "JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
            'json.loads("x")',
            "except ValueError:",
        )
    ],
    suppresses: [(*FAILS, "with contextlib.suppress(ValueError):")],
    is_forgiven: [(*FAILS, "except ValueError:")],
    returns_in_finally: [(*FAILS, 'return "all is well"')],
    catches_after_tidying: [(*FAILS, "except ValueError:")],
    catches_the_second_time: [(*FAILS, "except Exception:")],
    catches_when_raised_again_by_name: [(*FAILS, "except Exception:")],
    catches_another_while_it_handles_one: [
        ("ValueError: one", FAILS[1], "except ValueError:"),
        ("ValueError: another", FAILS[1], "except ValueError:"),
    ],
    catches_what_another_became: [
        (
            "LookupError: not on the shelf",
            'raise LookupError("not on the shelf") from error',
            "except LookupError:",
        )
    ],
    catches_after_a_wait: [(*FAILS, "except ValueError:")],
    notices_that_it_is_cancelled: [
        ("CancelledError: ", "raise asyncio.CancelledError", "except asyncio.CancelledError:")
    ],
}


@needs_monitoring
@pytest.mark.parametrize("method", ["send", "send_robust", "asend", "asend_robust"])
@pytest.mark.parametrize("receiver", CAUGHT, ids=lambda receiver: receiver.__name__)
def test_what_a_receiver_caught_has_both_lines(receiver: Any, method: str) -> None:
    assert handled_in(receiver, method) == CAUGHT[receiver]


# What was not


def raises(**named: Any) -> None:
    fail()


def raises_again(**named: Any) -> None:
    try:
        fail()
    except ValueError:
        raise


def raises_by_name(**named: Any) -> None:
    try:
        fail()
    except ValueError as error:
        raise error


def raises_another(**named: Any) -> None:
    try:
        fail()
    except ValueError as error:
        raise LookupError from error


def raises_after_tidying(**named: Any) -> None:
    with tidying():
        try:
            fail()
        except KeyError:
            pass
        finally:
            source(1)


def raises_what_it_had_kept(**named: Any) -> None:
    kept = None
    try:
        fail()
    except ValueError as error:
        kept = error
    raise kept


def iterates(**named: Any) -> None:
    def numbers() -> Iterator[int]:
        yield 1

    def more() -> Iterator[int]:
        yield from numbers()

    list(more())
    for _ in more():
        break
    iterator = numbers()
    next(iterator)
    try:
        next(iterator)
    except StopIteration:
        pass
    assert next(iterator, None) is None
    assert getattr(iterator, "no_such", None) is None


def is_caught_by_a_library(**named: Any) -> None:
    class Shelf:
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(name)

    assert not hasattr(Shelf(), "stock")
    assert SimpleLazyObject(dict) == {}
    shipped.send_robust(None)


@needs_monitoring
@pytest.mark.parametrize("method", ["send", "send_robust", "asend_robust"])
@pytest.mark.parametrize(
    "receiver",
    [
        raises,
        raises_again,
        raises_by_name,
        raises_another,
        raises_after_tidying,
        raises_what_it_had_kept,
        iterates,
        is_caught_by_a_library,
    ],
    ids=lambda receiver: receiver.__name__,
)
def test_what_went_on_and_what_libraries_caught_is_not_there(receiver: Any, method: str) -> None:
    assert handled_in(receiver, method) == []


@needs_monitoring
def test_what_django_swallowed_of_a_nested_dispatch_belongs_to_the_nested_call() -> None:
    shipped.connect(raises)
    paid.connect(is_caught_by_a_library)
    with trace_signals() as trace:
        paid.send(None)

    assert [(call.outcome, call.handled) for call in calls_of(trace)] == [
        ("returned", []),
        ("swallowed", []),
    ]


@needs_monitoring
def test_what_an_outer_receiver_caught_of_a_nested_dispatch_is_the_outer_ones() -> None:
    def outer(**named: Any) -> None:
        with contextlib.suppress(ValueError):
            shipped.send(None)

    shipped.connect(raises)
    paid.connect(outer)
    with trace_signals() as trace:
        paid.send(None)

    assert [len(call.handled) for call in calls_of(trace)] == [1, 0]


@needs_monitoring
def test_what_is_caught_outside_of_receivers_is_not_there() -> None:
    paid.connect(catches)
    with trace_signals() as trace:
        catches()
        paid.send(None)
        catches()

    assert [len(call.handled) for call in calls_of(trace)] == [1]


@needs_monitoring
def test_an_exception_in_the_memory_of_one_that_is_gone_is_not_taken_for_it() -> None:
    def receiver(**named: Any) -> None:
        for _ in range(15):
            catches()  # Python gives the same memory out again.
        with contextlib.suppress(KeyError):
            raise KeyError

    assert len(traced(receiver).handled) == 16


@needs_monitoring
def test_one_that_passes_many_handlers_is_caught_by_the_last() -> None:
    def receiver(**named: Any) -> None:
        def go_down(depth: int) -> None:
            try:
                if not depth:
                    fail()
                go_down(depth - 1)
            except KeyError:
                pass
            finally:
                source(1)

        try:
            go_down(50)
        except ValueError:
            pass

    assert handled_in(receiver) == [(*FAILS, "except ValueError:")]


@needs_monitoring
def test_which_clause_takes_an_exception_is_found_without_running_anything() -> None:
    def asked(*args: Any) -> Any:
        raise AssertionError("the tracer must not ask")

    asking = type(
        "Asking", (type,), {"__bool__": asked, "__eq__": asked, "__hash__": type.__hash__}
    )

    def receiver(**named: Any) -> None:
        try:
            fail()
        except Unasked:  # noqa: F821  # made below
            pass
        except ValueError:
            pass

    globals()["Unasked"] = asking("Unasked", (Exception,), {})
    try:
        assert handled_in(receiver) == [(*FAILS, "except ValueError:")]
    finally:
        del globals()["Unasked"]


# What is kept in memory


@needs_monitoring
def test_what_is_remembered_is_bounded_however_many_exceptions_and_files_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exceptions, "_MOST_CAUGHT", 30)
    remembered = []

    def receiver(**named: Any) -> None:
        kept = []
        for number in range(50):
            names: dict[str, Any] = {}
            text = "def catch():\n try: int('x')\n except ValueError as e: return e"
            exec(compile(text, f"/made/up/{number}.py", "exec"), names)
            kept.append(names["catch"]())  # Not in the place of one that is gone.
        remembered.append(len(exceptions._caught))

    call = traced(receiver)
    assert (len(call.handled), call.omitted_handled) == (20, 30)
    assert remembered == [30]
    for cache in (exceptions._is_own, exceptions._handlers_of, exceptions._instructions_of):
        assert cache.cache_info().maxsize is not None


# What is shown of it


@needs_monitoring
def test_twenty_are_kept_and_the_rest_is_counted() -> None:
    def receiver(**named: Any) -> None:
        for _ in range(25):
            catches()
        raises_again()

    call = traced(receiver, "send_robust")
    assert (len(call.handled), call.omitted_handled) == (20, 5)


@needs_monitoring
def test_the_message_is_made_without_running_the_exceptions_own_code() -> None:
    class Own(Exception):
        def __str__(self) -> str:
            raise AssertionError("the tracer must not ask")

        __repr__ = __hash__ = __str__  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise AssertionError("the tracer must not ask")

    def receiver(**named: Any) -> None:
        try:
            raise Own("a text", object())
        except Own:
            pass

    [handled] = traced(receiver).handled
    assert handled.message == "'a text', <object>"


@needs_monitoring
def test_a_secret_in_the_message_is_masked() -> None:
    def receiver(password: str, **named: Any) -> None:
        with contextlib.suppress(ValueError):
            fail(f"wrong: {password}")

    paid.connect(receiver)
    with trace_signals() as trace:
        paid.send(None, password="hunter2-and-more")

    [call] = calls_of(trace)
    assert call.handled[0].message == "wrong: [redacted]"
    assert "hunter2" not in trace.to_json()


# When it is on


def test_it_is_off_by_default(settings: Any) -> None:
    settings.SIGNAL_TRACER = {}
    assert handled_in(catches) == []


@needs_monitoring
@pytest.mark.parametrize("outer_wants", [True, False])
def test_of_two_traces_only_one_may_want_them(settings: Any, outer_wants: bool) -> None:
    paid.connect(catches)
    settings.SIGNAL_TRACER = {"RECORD_HANDLED_EXCEPTIONS": outer_wants}
    with trace_signals() as outer:
        settings.SIGNAL_TRACER = {"RECORD_HANDLED_EXCEPTIONS": not outer_wants}
        with trace_signals() as inner:
            paid.send(None)

    counts = [len(calls_of(trace)[0].handled) for trace in (outer, inner)]
    assert counts == [int(outer_wants), int(not outer_wants)]


@needs_monitoring
def test_the_monitoring_is_given_back_when_the_last_trace_ends() -> None:
    def tools() -> list[Any]:
        return [sys.monitoring.get_tool(each) for each in range(6)]

    before = tools()
    with trace_signals():
        with trace_signals():
            assert tools()[3] == "signal_tracer"
        assert tools()[3] == "signal_tracer"
        assert sys.monitoring.get_events(3) != 0
    assert tools() == before


@needs_monitoring
def test_a_function_is_taken_apart_once_however_often_it_catches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken_apart = []
    get_instructions = exceptions.dis.get_instructions

    def noting(code: Any) -> Any:
        taken_apart.append(code.co_name)
        return get_instructions(code)

    def catches_in_a_loop(**named: Any) -> None:
        for number in range(5):
            try:
                raise KeyError(number)
            except KeyError:
                continue

    monkeypatch.setattr(exceptions.dis, "get_instructions", noting)

    assert len(handled_in(catches_in_a_loop)) == 5
    assert taken_apart == ["catches_in_a_loop"]


@needs_monitoring
def test_an_id_that_another_tool_took_away_does_not_end_the_trace_in_an_error() -> None:
    with trace_signals():
        sys.monitoring.free_tool_id(3)
        sys.monitoring.use_tool_id(3, "another tool")
    try:
        assert nodes.current.get() is None
        assert sys.monitoring.get_tool(3) == "another tool"
    finally:
        sys.monitoring.free_tool_id(3)
    assert len(handled_in(catches)) == 1


@needs_monitoring
def test_another_tools_id_is_left_to_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exceptions, "_has_said", False)
    monitoring = sys.monitoring
    monitoring.use_tool_id(3, "another tool")
    try:
        assert len(handled_in(catches)) == 1
        monitoring.use_tool_id(4, "one more")
        try:
            with caplog.at_level(logging.WARNING, logger="signal_tracer"):
                for _ in range(2):
                    with trace_signals() as trace:
                        paid.send(None)
        finally:
            monitoring.free_tool_id(4)
        assert monitoring.get_tool(3) == "another tool"
    finally:
        monitoring.free_tool_id(3)

    assert trace.faults == 1
    assert [call.handled for call in trace.receiver_calls()] == [[]]
    [record] = caplog.records
    assert record.getMessage() == (
        "signal_tracer records no handled exceptions: the ids 3 and 4 of sys.monitoring are taken, "
        "by another tool and one more. Stop those tools, or set "
        "SIGNAL_TRACER['RECORD_HANDLED_EXCEPTIONS'] to False."
    )


@needs_monitoring
@pytest.mark.parametrize(
    "name",
    [
        "_look_for_handler",
        "_handlers_of",
        "_global_of",
        "_note",
        "_take_back",
        "_take_back_causes",
        "_chain",
        "_clause_of",
        "_instructions_of",
        "_attribute_of",
        "_first_with_a_line",
        "_is_own",
        "Handled",
        "CapturedError",
    ],
)
def test_what_of_ours_fails_does_not_disturb_a_receiver(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr("signal_tracer.collecting.nodes._reported", set())
    monkeypatch.setattr(exceptions, name, broken)
    answers = []

    def receiver(**named: Any) -> None:
        catches()
        catches_the_second_time()
        catches_by_a_later_clause()
        answers.append("done")

    paid.connect(receiver)
    with trace_signals() as trace:
        paid.send(None)

    assert answers == ["done"]
    assert trace.faults > 0
    assert all("went on undisturbed" in record.getMessage() for record in caplog.records)
