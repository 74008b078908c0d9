"""Django's own body in the place of the call in ours; the wrapper itself where that cannot be."""

import importlib.util
import inspect
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.backends.utils import CursorWrapper
from django.dispatch import Signal
from observing import SEND_METHODS, Stage, assert_same_traced, sending

from signal_tracer import trace_signals
from signal_tracer.collecting import inlining
from signal_tracer.collecting.inlining import inlined
from signal_tracer.tracer import uninstall

LIBRARY = '''
import math
from collections import Counter

SEEN = Counter()


def divide(number, by, **named):
    """Divides, and counts."""
    result = None

    def note(outcome):
        SEEN[outcome] += 1
        return "ignored"

    if not by:
        return []
    for each in (1, 2):
        if number == each:
            return note
    result = number / by
    note("divided")
    return result


def nothing(number, by, **named):
    SEEN["nothing"] += 1


def root(number, by, **named):
    return math.sqrt(number)


def make():
    outer = 1

    def inner(number, by, **named):
        return outer

    return inner


inner = make()
'''

said: list[Any] = []


def watch(original: Any) -> Any:
    def wrapper(number: Any, by: Any, **named: Any) -> Any:
        __traceback_hide__ = True
        result = named.get("quietly")
        if result:
            return original(number, by, **named)
        try:
            return ("answered", original(number, by, **named))
        except TypeError as error:
            said.append(type(error))
            raise
        finally:
            said.append("done")

    return wrapper


@pytest.fixture
def library(tmp_path: Path) -> Iterator[types.ModuleType]:
    said.clear()
    inlining._compiled.cache_clear()
    path = tmp_path / "library_to_watch.py"
    path.write_text(LIBRARY)
    spec = importlib.util.spec_from_file_location("library_to_watch", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    inlining._compiled.cache_clear()


def inline(original: Any) -> Any:
    return inlined(watch(original), original)


def test_each_return_of_the_body_passes_ours_and_those_of_inner_functions_do_not(
    library: Any,
) -> None:
    divide = inline(library.divide)

    assert divide(6, 3) == ("answered", 2.0)
    assert divide(6, 0) == ("answered", [])
    assert divide(2, 3)[1]("noted") == "ignored"
    assert divide(6, by=3, quietly=True) == 2.0
    assert dict(library.SEEN) == {"divided": 2, "noted": 1}
    assert said == ["done"] * 3
    assert inline(library.nothing)(1, 2) == ("answered", None)


def test_an_exception_of_the_body_passes_our_handlers_and_only_its_own_frame(library: Any) -> None:
    divide = inline(library.divide)
    with pytest.raises(TypeError) as raised:
        divide("6", 3)

    [here, there] = traceback.extract_tb(raised.tb)
    assert here.name == "test_an_exception_of_the_body_passes_our_handlers_and_only_its_own_frame"
    assert (there.filename, there.name, there.line) == (
        library.__file__,
        "divide",
        "result = number / by",
    )
    assert said == [TypeError, "done"]


def test_it_looks_like_the_function_it_stands_for(library: Any) -> None:
    original = library.divide
    original.alters_data = True
    made = inline(original)

    assert made is not original
    assert (made.__name__, made.__qualname__, made.__module__, made.__doc__) == (
        "divide",
        "divide",
        "library_to_watch",
        "Divides, and counts.",
    )
    assert inspect.signature(made) == inspect.signature(original)
    assert inspect.getsource(made) == inspect.getsource(original)
    assert made.alters_data is True
    assert made.__globals__ is original.__globals__
    assert made(1, 2)[1].__qualname__ == "divide.<locals>.note"


def test_it_is_left_to_the_wrapper_where_the_source_is_not_what_was_compiled(library: Any) -> None:
    path = Path(library.__file__)
    path.write_text(LIBRARY.replace("number / by", "number // by"))
    assert inline(library.divide) is None

    path.write_text("\n" + LIBRARY)
    assert inline(library.divide) is None

    path.write_text("def divide(:")
    assert inline(library.divide) is None

    path.unlink()
    assert inline(library.divide) is None


def test_it_is_left_to_the_wrapper_where_the_function_is_of_another_kind(library: Any) -> None:
    assert inline(library.inner) is None  # It has a variable of an outer function.
    assert inline(len) is None
    assert inline(lambda number, by, **named: 1) is None

    def other(number: Any, over: Any, **named: Any) -> Any:
        return number

    assert inline(other) is None  # Its parameters have other names.


def test_django_runs_in_one_frame_of_its_own(library: Any) -> None:
    watched = [(Signal, name) for name in ("send", "send_robust", "_live_receivers")]
    watched += [(CursorWrapper, name) for name in ("_execute", "_executemany")]
    with trace_signals():
        ours = [vars(cls)[name] for cls, name in watched]
    uninstall()

    for function, (cls, name) in zip(ours, watched, strict=True):
        djangos = vars(cls)[name]
        assert function is not djangos
        assert function.__code__.co_filename == djangos.__code__.co_filename
        assert function.__code__.co_firstlineno == djangos.__code__.co_firstlineno


def test_a_function_that_calls_what_its_module_imports_is_known_by_its_source(
    library: Any,
) -> None:
    assert inline(library.root)(9, by=2) == ("answered", 3.0)


@pytest.fixture
def without_sources(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def no_source(*args: Any) -> Any:
        raise OSError("no such file")

    uninstall()
    monkeypatch.setattr(inlining, "_compiled", no_source)
    yield
    uninstall()


@pytest.mark.parametrize("method", SEND_METHODS)
@pytest.mark.usefixtures("without_sources")
def test_without_djangos_source_a_dispatch_behaves_and_is_recorded_the_same(method: str) -> None:
    def make_stage() -> Stage:
        stage = Stage(signal=Signal(use_caching=True), sender=int)

        def first(**named: Any) -> str:
            stage.note("first", named)
            return "first's"

        def failing(**named: Any) -> str:
            stage.note("failing", named)
            raise ValueError("no")

        stage.connect("first", first)
        if method.endswith("robust"):
            stage.connect("failing", failing)
        return stage

    _, trace = assert_same_traced(make_stage, sending(method))

    names = [call.receiver.rpartition(".")[2] for call in trace.receiver_calls()]
    robust = ["first", "failing"]
    assert names == (robust if method.endswith("robust") else robust[:1])
    assert len(trace.swallowed()) == len(names) - 1


@pytest.mark.usefixtures("without_sources")
def test_without_djangos_source_an_unheard_dispatch_is_counted() -> None:
    signal = Signal(use_caching=True)
    signal.connect(print, sender=str)
    with trace_signals() as trace:
        assert [signal.send(int) for _ in range(3)] == [[], [], []]

    assert [(each.sender, each.count) for each in trace.unheard] == [("int", 3)]
