"""Names and places: of signals, senders and receivers, and of what sent a dispatch."""

from __future__ import annotations

import asyncio
import functools
import importlib
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import BaseCommand, call_command
from django.db import models
from django.db.models.signals import m2m_changed, post_save, pre_save
from django.dispatch import Signal
from django.template import Context, Engine

from shop.models import Order, Product
from signal_tracer import Dispatch, ReceiverCall, trace_signals
from signal_tracer.describing import names
from signal_tracer.describing.names import signals_in_modules

HERE = Path(__file__)


def line_of(code: str) -> int:
    """The line of this file that holds the code, and of which there is only one."""
    (line,) = [
        number
        for number, text in enumerate(HERE.read_text().splitlines(), 1)
        if text.strip() == code
    ]
    return line


# Receivers of every kind


def function(**kwargs: object) -> None:  # the function
    pass


async def coroutine_function(**kwargs: object) -> None:  # the coroutine function
    pass


def decorator(wrapped: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(wrapped)
    def wrapper(*args: object, **kwargs: object) -> object:
        return wrapped(*args, **kwargs)

    return wrapper


@decorator
@decorator
def decorated(**kwargs: object) -> None:
    pass


def closure() -> Callable[..., None]:
    def inner(**kwargs: object) -> None:  # the closure
        pass

    return inner


class Receivers:
    def __init__(self, **kwargs: object) -> None:  # the initialiser
        pass

    def method(self, **kwargs: object) -> None:  # the method
        pass

    @classmethod
    def class_method(cls, **kwargs: object) -> None:
        pass

    @staticmethod
    def static_method(**kwargs: object) -> None:
        pass

    def __call__(self, **kwargs: object) -> None:  # the call
        pass


class Heir(Receivers):
    """Inherits every method."""


class PartialOfMyOwn(partial):  # type: ignore[type-arg]
    pass


class Bare:
    """Without an __init__ of its own, and without a call."""


nameless = eval("lambda **kwargs: None", {})
owner = Receivers()
lambda_receiver = lambda **kwargs: None  # noqa: E731


def strangely_named(**kwargs: object) -> None:  # strange
    pass


strangely_named.__module__ = None  # type: ignore[assignment]
strangely_named.__name__ = "other"
strangely_named.__qualname__ = "any.thing <b>"


def long_named(**kwargs: object) -> None:  # long
    pass


long_named.__qualname__ = "n" * 1000

RECEIVERS: dict[str, tuple[Any, str, str | int | None]] = {
    "function": (function, "function", "def function(**kwargs: object) -> None:  # the function"),
    "coroutine function": (
        coroutine_function,
        "coroutine_function",
        "async def coroutine_function(**kwargs: object) -> None:  # the coroutine function",
    ),
    "decorated": (decorated, "decorated", line_of("def decorated(**kwargs: object) -> None:") - 2),
    "closure": (
        closure(),
        "closure.<locals>.inner",
        "def inner(**kwargs: object) -> None:  # the closure",
    ),
    "lambda": (
        lambda_receiver,
        "<lambda>",
        "lambda_receiver = lambda **kwargs: None  # noqa: E731",
    ),
    "method": (
        owner.method,
        "Receivers.method",
        "def method(self, **kwargs: object) -> None:  # the method",
    ),
    "inherited method": (
        Heir().method,
        "Receivers.method",
        "def method(self, **kwargs: object) -> None:  # the method",
    ),
    "class method": (
        Heir.class_method,
        "Receivers.class_method",
        line_of("def class_method(cls, **kwargs: object) -> None:") - 1,
    ),
    "static method": (
        Heir.static_method,
        "Receivers.static_method",
        line_of("def static_method(**kwargs: object) -> None:") - 1,
    ),
    "callable instance": (
        owner,
        "Receivers()",
        "def __call__(self, **kwargs: object) -> None:  # the call",
    ),
    "class": (
        Receivers,
        "Receivers",
        "def __init__(self, **kwargs: object) -> None:  # the initialiser",
    ),
    "partial of a method": (
        partial(owner.method, more=1),
        "partial(Receivers.method)",
        "def method(self, **kwargs: object) -> None:  # the method",
    ),
    "nested partial": (
        partial(PartialOfMyOwn(function)),
        "partial(function)",
        "def function(**kwargs: object) -> None:  # the function",
    ),
    "strange name": (
        strangely_named,
        "any.thing <b>",
        "def strangely_named(**kwargs: object) -> None:  # strange",
    ),
    "long name": (long_named, "n" * 300, "def long_named(**kwargs: object) -> None:  # long"),
    "builtin": (dict, "dict", None),
    "method of a builtin": ({}.update, "dict.update", None),
    "class method of a builtin": (types_new := {}.fromkeys, "dict.fromkeys", None),
}
del types_new


@pytest.mark.parametrize("kind", RECEIVERS)
def test_a_receiver_is_named_and_located_without_running_anything(kind: str) -> None:
    receiver, name, place = RECEIVERS[kind]
    name = name.replace("partial(", "partial(test_naming.")
    in_this_module = name[0].isupper() or name in {
        *("function", "coroutine_function", "decorated", "closure.<locals>.inner", "<lambda>")
    }
    signal = Signal()
    signal.connect(receiver, sender=None, weak=False)
    with trace_signals() as trace:
        signal.send_robust(None)

    (call,) = trace.receiver_calls()
    if name == "n" * 300:
        assert call.receiver == "test_naming." + "n" * 288 + "…"
    else:
        assert call.receiver == (f"test_naming.{name}" if in_this_module else name)
    if place is None:
        assert call.defined_at is None
    else:
        assert call.defined_at is not None
        assert call.defined_at.file == __file__
        assert call.defined_at.line == (place if isinstance(place, int) else line_of(place))


@pytest.mark.parametrize(
    ("receiver", "expected"),
    [
        (Mock(), "unittest.mock.Mock()"),
        (MagicMock(), "unittest.mock.MagicMock()"),
        (partial("text".format), "partial(str.format)"),
        (nameless, "<lambda>"),
        (
            partial(partial(partial(partial(function, a=1), b=1), c=1), d=1),
            "partial(test_naming.function)",
        ),
    ],
    ids=["Mock", "MagicMock", "partial of a builtin", "nameless", "partials"],
)
def test_a_receiver_that_says_little_of_itself_is_named_all_the_same(
    receiver: Any, expected: str
) -> None:
    signal = Signal()
    signal.connect(receiver, weak=False)
    with trace_signals() as trace:
        signal.send_robust(None)

    assert [call.receiver for call in trace.receiver_calls()] == [expected]
    assert trace.faults == 0


def test_a_receiver_with_a_failing_getattr_is_named() -> None:
    class Silent:
        def __call__(self, **kwargs: object) -> None:
            pass

    def fail(self: object, name: str) -> object:
        raise RuntimeError(f"{name} was asked for")

    receiver, signal = Silent(), Signal()
    signal.connect(receiver)
    Silent.__getattr__ = fail  # type: ignore[attr-defined]
    with trace_signals() as trace:
        signal.send(None)

    assert trace.faults == 0
    assert [call.receiver for call in trace.receiver_calls()] == [
        "test_naming.test_a_receiver_with_a_failing_getattr_is_named.<locals>.Silent()"
    ]


async def test_an_async_mock_is_named() -> None:
    signal = Signal()
    signal.connect(AsyncMock(), weak=False)
    with trace_signals() as trace:
        await signal.asend(None)

    (call,) = trace.receiver_calls()
    assert (call.receiver, call.is_async) == ("unittest.mock.AsyncMock()", True)


# Signals

module_level = Signal()


class Home:
    changed = Signal()


class OwnSignal(Signal):
    """A subclass without methods of its own."""


own = OwnSignal()


def signals_of(*signals: Signal) -> list[str]:
    with trace_signals() as trace:
        for signal in signals:
            signal.send(None)
    names = {each.signal for each in trace.unheard}
    assert len(names) == len(signals)
    return [each.signal for each in trace.unheard]


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (module_level, "test_naming.module_level"),
        (Home.changed, "test_naming.Home.changed"),
        (own, "test_naming.own"),
        (post_save, "django.db.models.signals.post_save"),
        (m2m_changed, "django.db.models.signals.m2m_changed"),
    ],
    ids=["module", "class", "subclass", "Django's", "Django's model signal"],
)
def test_a_signal_is_named_by_what_holds_it(signal: Signal, expected: str) -> None:
    signal.connect(function, sender=Mock)
    signal.connect(function, sender=Bare)
    try:
        with trace_signals() as trace:
            signal.send(Bare)
    finally:
        signal.disconnect(function, sender=Mock)
        signal.disconnect(function, sender=Bare)

    assert [each.signal for each in trace.dispatches] == [expected]


def test_signals_that_nothing_holds_are_numbered() -> None:
    first, second, own_kind = Signal(), Signal(), OwnSignal()
    names = []
    with trace_signals() as trace:
        for signal in (first, second, own_kind):
            signal.connect(function)
            signal.send(None)
            signal.send(None)
        names = [each.signal for each in trace.dispatches]

    assert names[0] == names[1] != names[2] == names[3]
    numbers = [int(name.removesuffix(">").rpartition(" ")[2]) for name in names[::2]]
    assert names[::2] == [
        f"<unnamed Signal {numbers[0]}>",
        f"<unnamed Signal {numbers[0] + 1}>",
        f"<unnamed OwnSignal {numbers[0] + 2}>",
    ]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Writes modules that can be imported."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def write(**sources: str) -> None:
        for name, source in sources.items():
            path = tmp_path.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(source))
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - known:
        del sys.modules[name]
    # The next test may import as many modules, of the same names.
    signals_in_modules(again=True)


@pytest.mark.parametrize("order", [["b_home", "a_user"], ["a_user", "b_home"]])
def test_a_signals_home_is_the_module_that_assigns_it(package: Any, order: list[str]) -> None:
    package(
        b_home="from django.dispatch import Signal\npaid = Signal()",
        a_user="from b_home import paid",
        **{f"after_{order[0]}": "from a_user import paid as was_paid"},
    )
    for name in [*order, f"after_{order[0]}"]:
        importlib.import_module(name)

    assert signals_of(sys.modules["b_home"].paid) == ["b_home.paid"]


def test_a_signal_that_a_package_exports_keeps_the_name_of_its_module(package: Any) -> None:
    package(
        stall__="",
        stall__signals="from django.dispatch import Signal\npaid: Signal = Signal()",
        stall__views="from stall import signals\npaid = signals.paid",
    )
    (Path(sys.path[0]) / "stall/__init__.py").write_text("from stall.signals import paid")
    importlib.import_module("stall.views")

    assert signals_of(sys.modules["stall"].paid) == ["stall.signals.paid"]


def test_a_signal_of_a_module_imported_during_the_trace_is_named(package: Any) -> None:
    package(latecomer="from django.dispatch import Signal\npaid = Signal()")
    with trace_signals() as trace:
        module_level.send(None)
        importlib.import_module("latecomer").paid.send(None)

    assert [each.signal for each in trace.unheard] == [
        "latecomer.paid",
        "test_naming.module_level",
    ]


def test_a_signal_assigned_while_its_module_is_imported_is_named_by_its_sender(
    package: Any,
) -> None:
    package(
        early="""
        from django.dispatch import Signal
        from signal_tracer import trace_signals
        from test_naming import function, module_level

        with trace_signals() as trace:
            module_level.send(None)  # The modules are scanned, and this one is half done.
            paid = Signal()
            paid.connect(function)
            paid.send(None)
        """
    )

    assert [each.signal for each in importlib.import_module("early").trace.dispatches] == [
        "early.paid"
    ]


def test_a_look_through_the_modules_that_is_cut_short_leaves_nothing_half_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def give_up(module: object) -> dict[str, object]:
        raise RecursionError

    names.signal_name.forget(post_save)
    with monkeypatch.context() as near_the_limit:
        near_the_limit.setattr(names, "module_namespace", give_up)
        with pytest.raises(RecursionError):
            signals_in_modules(again=True)

    assert names.signal_name(post_save) == "django.db.models.signals.post_save"


def test_a_module_that_hides_its_contents_is_not_asked() -> None:
    touched = []

    class Lazy(type(sys)):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> object:
            touched.append(name)
            return super().__getattribute__(name)

        __dict__ = property(lambda self: touched.append("__dict__"))

    class Strange:
        def __eq__(self, other: object) -> bool:
            touched.append("__eq__")
            return False

        __hash__ = None  # type: ignore[assignment]

    module = Lazy("lazy_module")
    odd = type("Odd", (), {"__module__": Strange()})
    plain = type(sys)("plain_module")
    plain.odd = odd  # type: ignore[attr-defined]
    sys.modules["lazy_module"], sys.modules["plain_module"] = module, plain
    touched.clear()
    try:
        names = signals_of(Signal())
    finally:
        del sys.modules["lazy_module"], sys.modules["plain_module"]

    assert touched == []
    assert names[0].startswith("<unnamed Signal ")


# Senders


class ProxyOfProduct(Product):
    class Meta:
        proxy = True
        app_label = "safety"


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        (None, "None"),
        (Order, "shop.Order"),
        (User, "auth.User"),
        (ProxyOfProduct, "safety.ProxyOfProduct"),
        (Order(pk=3), "shop.Order(pk=3)"),
        (Home, "test_naming.Home"),
        (dict, "dict"),
        (Home(), "<test_naming.Home>"),
        ("shop", "'shop'"),
        ("s" * 300, f"{'s' * 200!r}… (300 characters)"),
        (7, "7"),
        (["a"], "['a']"),
        (sys, "<module sys>"),
        (apps.get_app_config("shop"), "<shop.apps.ShopConfig>"),
        (function, "test_naming.function"),
        (module_level, "test_naming.module_level"),
    ],
    ids=lambda value: value[:30] if type(value) is str and " " not in value else "",
)
def test_a_sender_is_named_by_what_it_is(sender: Any, expected: str) -> None:
    if type(sender) is list:
        sender = type("Senders", (list,), {"__hash__": object.__hash__})(sender)
        expected = "test_naming.Senders['a']"
    signal = Signal()
    with trace_signals() as trace:
        signal.send(sender)
        signal.connect(function)
        signal.send(sender)

    assert [each.sender for each in trace.unheard] == [expected]
    assert [each.sender for each in trace.dispatches] == [expected]


# Where a dispatch was sent from


class Saving(models.Model):
    class Meta:
        app_label = "safety"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.before()
        self.save_base(raw=True)  # its own save()

    def before(self) -> None:
        pass

    def _save_table(self, *args: Any, **kwargs: Any) -> bool:
        return True


@pytest.fixture
def heard() -> Iterator[None]:
    module_level.connect(function)
    post_save.connect(function)
    yield
    module_level.disconnect(function)
    post_save.disconnect(function)


def sent_from(dispatch: Dispatch) -> str:
    """The line of source, if it is in this file."""
    place = dispatch.sent_from
    assert place is not None
    assert place.file == __file__
    return f"{place.function}: {HERE.read_text().splitlines()[place.line - 1].strip()}"


def only(dispatches: list[Dispatch]) -> Dispatch:
    (dispatch,) = dispatches
    return dispatch


@pytest.mark.django_db
def test_a_model_signal_was_sent_from_the_line_that_saved(heard: None) -> None:
    with trace_signals() as trace:
        product = Product.objects.create(name="cup", description="", price=1)
        product.save()
        Product.objects.update_or_create(name="cup", defaults={"price": 2})
        Product.objects.get_or_create(
            name="pot",
            defaults={"price": 2},
        )

    here = "test_a_model_signal_was_sent_from_the_line_that_saved"
    assert [sent_from(each) for each in trace.find(signal="post_save", sender=Product)] == [
        f'{here}: product = Product.objects.create(name="cup", description="", price=1)',
        f"{here}: product.save()",
        f'{here}: Product.objects.update_or_create(name="cup", defaults={{"price": 2}})',
        f"{here}: Product.objects.get_or_create(",
    ]


@pytest.mark.django_db
def test_a_model_signal_of_an_overridden_save_was_sent_from_it(heard: None) -> None:
    with trace_signals() as trace:
        Saving(pk=1).save()

    assert sent_from(only(trace.dispatches)) == (
        "Saving.save: self.save_base(raw=True)  # its own save()"
    )


@pytest.mark.django_db(transaction=True)
async def test_of_a_model_signal_of_an_async_save_no_line_is_known(
    heard: None,
) -> None:
    with trace_signals() as trace:
        product = await Product.objects.acreate(name="cup", description="", price=1)
        await product.asave()

    places = [each.sent_from for each in trace.find(signal="post_save", sender=Product)]
    # The thread that saves has no frame of ours below it, and a line of the ORM is nobody's.
    assert places == [None, None]


def test_a_nested_dispatch_was_sent_from_its_receiver(heard: None) -> None:
    outer = Signal()

    def relay(**kwargs: object) -> None:
        module_level.send(None)  # from the receiver

    outer.connect(relay)
    with trace_signals() as trace:
        outer.send(None)  # from the test

    here = "test_a_nested_dispatch_was_sent_from_its_receiver"
    assert [sent_from(each) for each in trace.walk()] == [
        f"{here}: outer.send(None)  # from the test",
        f"{here}.<locals>.relay: module_level.send(None)  # from the receiver",
    ]


def test_a_dispatch_of_a_template_was_sent_from_the_function_it_calls(heard: None) -> None:
    def shout() -> str:
        module_level.send(None)  # from a template
        return "!"

    with trace_signals() as trace:
        assert Engine().from_string("{{ shout }}").render(Context({"shout": shout})) == "!"

    assert sent_from(only(trace.find(signal=module_level))) == (
        "test_a_dispatch_of_a_template_was_sent_from_the_function_it_calls.<locals>.shout: "
        "module_level.send(None)  # from a template"
    )


def test_a_dispatch_of_a_command_was_sent_from_its_handle(heard: None) -> None:
    class Command(BaseCommand):
        requires_system_checks = []

        def handle(self, **options: object) -> None:
            module_level.send(None)  # from a command

    with trace_signals() as trace:
        call_command(Command())

    assert sent_from(only(trace.find(signal=module_level))).endswith(
        "Command.handle: module_level.send(None)  # from a command"
    )


async def test_an_async_dispatch_was_sent_from_the_line_that_called_asend(heard: None) -> None:
    async def send_soon() -> None:
        await asyncio.sleep(0)
        await module_level.asend(None)  # awaited

    with trace_signals() as trace:
        await asyncio.gather(
            module_level.asend("gathered"),
            asyncio.create_task(module_level.asend_robust("a task")),
            send_soon(),
            asyncio.create_task(send_soon()),
        )
        await sync_to_async(module_level.send)("in a thread")

    here = "test_an_async_dispatch_was_sent_from_the_line_that_called_asend"
    found = {each.sender: each for each in trace.dispatches}
    assert sent_from(found["'gathered'"]) == f'{here}: module_level.asend("gathered"),'
    assert sent_from(found["'a task'"]) == (
        f'{here}: asyncio.create_task(module_level.asend_robust("a task")),'
    )
    assert sent_from(found["None"]) == (
        f"{here}.<locals>.send_soon: await module_level.asend(None)  # awaited"
    )
    assert len(trace.dispatches) == 5


def test_a_sync_bridge_was_crossed_from_the_line_that_sent(heard: None) -> None:
    with trace_signals() as trace:
        async_to_sync(module_level.asend)(None)

    assert only(trace.dispatches).sent_from is not None


def test_a_package_whose_name_begins_like_djangos_is_not_taken_for_it(
    heard: None, tmp_path: Path
) -> None:
    import django

    folder = Path(django.__file__).parent
    source = "def send(signal):\n    signal.send(None)\n"
    namespace: dict[str, Any] = {}
    exec(compile(source, f"{folder}_extensions/sending.py", "exec"), namespace)
    with trace_signals() as trace:
        namespace["send"](module_level)

    place = only(trace.dispatches).sent_from
    assert place is not None
    assert (place.file, place.line) == (f"{folder}_extensions/sending.py", 2)


def test_a_dispatch_that_only_django_knows_of_was_sent_from_django(heard: None) -> None:
    def run() -> None:
        with trace_signals() as trace:
            traces.append(trace)
            Saving(pk=1).save_base(raw=True)

    traces: list[Any] = []
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    (dispatch,) = traces[0].dispatches
    assert sent_from(dispatch).endswith("run: Saving(pk=1).save_base(raw=True)")


def test_no_place_is_recorded_when_the_setting_says_so(heard: None, settings: Any) -> None:
    settings.SIGNAL_TRACER = {"RECORD_LOCATIONS": False}
    with trace_signals() as trace:
        module_level.send(None)

    assert only(trace.dispatches).sent_from is None
    assert [type(call) for call in trace.receiver_calls()] == [ReceiverCall]
    assert pre_save.receivers is not None
