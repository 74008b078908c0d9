"""Each rule over the map fires where it must, and not next to it."""

from __future__ import annotations

import gc
import importlib.util
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.apps import apps
from django.contrib.auth.models import AbstractUser, User
from django.db.models.signals import m2m_changed, post_init, post_save, pre_delete
from django.dispatch import Signal

from shop.models import Order, Product
from signal_tracer.findings import Finding, over_signal_map
from signal_tracer.mapping import read_map
from signal_tracer.records import Location
from signal_tracer.signal_map import Connection, MappedApp, MappedSignal, SignalMap

struck = Signal()
plain = Signal()  # sent with send() alone


@pytest.fixture(autouse=True)
def nobody_hears_it() -> Iterator[None]:
    yield
    struck.receivers = []


def findings(slug: str, *, about: str = __name__) -> list[Finding]:
    """The findings of one kind that name something of this module."""
    found = over_signal_map(read_map()).shown
    return [
        each for each in found if each.slug == slug and any(about in name for name in each.names)
    ]


def messages(slug: str, *, about: str = __name__) -> list[str]:
    return [each.message for each in findings(slug, about=about)]


def documented(**kwargs: Any) -> None:
    """It says what it does."""


def undocumented(**kwargs: Any) -> None:
    pass


def make() -> Callable[..., None]:
    def inner(**kwargs: Any) -> None:
        """It says what it does."""

    return inner


class Callable_:  # noqa: N801  # as a receiver
    def __call__(self, **kwargs: Any) -> None:
        """It says what it does."""

    def method(self, **kwargs: Any) -> None:
        """It says what it does."""


# Errors


def test_fragile_receiver(settings: Any) -> None:
    settings.DEBUG = True
    struck.connect(make())
    kept = make()
    struck.connect(kept)
    struck.connect(make(), weak=False)
    [found] = findings("fragile-receiver")

    assert found.level == "error"
    assert found.message == (
        f"{__name__}.make.<locals>.inner is connected to {__name__}.struck weakly, and nothing "
        "keeps it alive but a cache that Django fills with DEBUG = True."
    )
    assert "weak=False" in found.advice
    assert found.location is not None
    assert found.location.file == __file__


def test_dead_receiver(settings: Any) -> None:
    settings.DEBUG = False
    owner = Callable_()
    struck.connect(documented)
    struck.connect(owner.method, sender=Order, dispatch_uid="bell")
    assert messages("dead-receiver") == []
    del owner
    gc.collect()

    assert messages("dead-receiver") == [
        (
            f"What was connected to {__name__}.struck for shop.Order (dispatch_uid bell) was "
            f"collected as garbage: {__name__}.Callable_.method (of an object that is gone)."
        )
    ]


def test_never_called_for_an_abstract_model() -> None:
    post_save.connect(documented, sender=AbstractUser)
    post_save.connect(undocumented, sender=User)

    assert messages("never-called") == [
        (
            f"{__name__}.documented is connected to django.db.models.signals.post_save for "
            "auth.AbstractUser, which never sends it: it is an abstract model, and Django sends "
            "the model that inherits from it."
        )
    ]


def test_an_abstract_model_may_send_a_signal_of_ones_own() -> None:
    struck.connect(documented, sender=AbstractUser)

    assert messages("never-called") == []


def test_never_called_for_the_rows_of_a_table_that_django_made_between_two_models() -> None:
    post_save.connect(documented, sender=User.groups.through)
    pre_delete.connect(documented, sender=User.groups.through)

    assert messages("never-called") == [
        f"{__name__}.documented is connected to django.db.models.signals.{signal} for "
        "auth.User_groups, which never sends it: Django made that table between two models "
        "itself, and sends no signals for its rows."
        for signal in ("post_save", "pre_delete")
    ]
    assert "m2m_changed" in findings("never-called")[0].advice


def test_a_table_that_django_made_between_two_models_sends_other_signals() -> None:
    m2m_changed.connect(documented, sender=User.groups.through)
    post_init.connect(documented, sender=User.groups.through)

    assert messages("never-called") == []


def test_never_called_for_a_field_in_place_of_its_through() -> None:
    m2m_changed.connect(documented, sender=User.groups)
    [found] = findings("never-called")

    assert "m2m_changed is sent by the table between two models" in found.message
    assert "through" in found.advice


def test_never_called_for_a_model_that_is_not_there() -> None:
    post_save.connect(documented, sender="shop.Ordre")
    post_save.connect(undocumented, sender="shop.Order")
    try:
        [found] = findings("never-called")
    finally:
        apps._pending_operations.clear()  # type: ignore[attr-defined]  # private

    assert found.values["sender"] == "shop.ordre"
    assert "no model goes by that name" in found.message


def test_never_called_for_a_model_and_m2m_changed() -> None:
    m2m_changed.connect(documented, sender=User)
    m2m_changed.connect(undocumented, sender=User.groups.through)
    [found] = findings("never-called")

    assert found.values["sender"] == "auth.User"
    assert "m2m_changed is sent by the table between two models" in found.message
    assert "through" in found.advice


def test_never_called_for_a_model_that_was_swapped_out(settings: Any) -> None:
    post_save.connect(documented, sender=User)
    assert messages("never-called") == []
    found = read_map()
    swapped = replace(
        next(each for _, each in found.walk() if each.receiver == f"{__name__}.documented"),
        sender_kind="swapped",
    )
    mapped = MappedSignal("django.db.models.signals.post_save", connections=(swapped,))
    [finding] = over_signal_map(SignalMap((mapped,)), at_least="error").shown

    assert finding.message.endswith("never sends it: another model was put in its place.")


def test_never_called_for_a_sender_that_is_gone() -> None:
    gone: Any = Connection("a.b", "function", 1, sender="a sender that is gone", sender_kind="gone")
    [finding] = over_signal_map(
        SignalMap((MappedSignal("a.signal", connections=(gone,)),)), at_least="error"
    ).shown

    assert finding.message.endswith("the sender itself was collected as garbage.")


@pytest.fixture
def muted() -> Callable[[Any, Any], None]:
    """Looks up who hears a sender while somebody has taken all receivers away."""

    def look_up(signal: Any, sender: Any) -> None:
        receivers, signal.receivers = signal.receivers, []
        signal.has_listeners(sender)
        signal.receivers = receivers

    return look_up


@pytest.fixture
def cached() -> Iterator[Any]:
    yield ringing
    ringing.receivers = []
    ringing.sender_receivers_cache.clear()


ringing: Any = Signal(use_caching=True)


def test_left_out_receiver_of_a_signal_whose_cache_is_older_than_its_receivers(
    cached: Any, muted: Any
) -> None:
    cached.connect(documented, sender=Order)
    cached.connect(undocumented)
    for sender in (Order, Product):
        muted(cached, sender)
    assert cached.send(Order) == []  # Django calls neither.
    found = findings("left-out-receiver")

    assert [each.values["receiver"] for each in found] == [
        f"{__name__}.documented",
        f"{__name__}.undocumented",
    ]
    assert found[0].level == "error"
    assert found[0].message == (
        f"{__name__}.documented is connected to {__name__}.ringing, and is not called for "
        "shop.Order: Django's cache of who hears that was filled while the receivers were others."
    )
    assert "is not called for shop.Order and shop.Product" in found[1].message
    [mapped] = [each for each in read_map().signals if each.name == f"{__name__}.ringing"]
    assert ["LEFT OUT" in each.marks() for each in mapped.connections] == [True, True]


def test_left_out_receiver_that_one_of_several_was_put_in_the_place_of(cached: Any) -> None:
    cached.connect(documented, sender=Order)
    receivers, cached.receivers = cached.receivers, []
    cached.connect(undocumented, sender=Order)
    cached.send(Order)
    cached.receivers = receivers

    assert [each.values["receiver"] for each in findings("left-out-receiver")] == [
        f"{__name__}.documented"
    ]


def test_nobody_is_left_out_by_a_cache_that_is_right_empty_or_not_asked(
    cached: Any, muted: Any
) -> None:
    cached.connect(documented, sender=Order)
    cached.send(Order)
    cached.send(Product)
    assert findings("left-out-receiver") == []

    cached.connect(undocumented, sender=Order)  # which empties it
    assert findings("left-out-receiver") == []

    muted(cached, Order)
    cached.disconnect(undocumented, sender=Order)
    assert findings("left-out-receiver") == []

    cached.send(Order)
    cached.connect(inner := make(), sender=Order)
    cached.send(Order)
    del inner  # Django knows that it is gone, and looks again.
    gc.collect()
    assert len(cached.send(Order)) == 1
    assert findings("left-out-receiver") == []


def test_a_class_that_looks_for_receivers_itself_leaves_nobody_out(muted: Any) -> None:
    class Own(Signal):
        def _live_receivers(self, sender: Any) -> Any:
            return super()._live_receivers(sender)

    own = Own(use_caching=True)
    own.connect(documented, sender=Order)
    muted(own, Order)
    try:
        assert findings("left-out-receiver") == []
    finally:
        own.receivers = []


# Warnings


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Any]]]:
    """One file, as it is when it was imported by each of these names."""
    file = tmp_path / "bells.py"
    made: list[Any] = []

    def run(text: str, *names: str) -> list[Any]:
        file.write_text(text)
        modules = []
        for name in names:
            spec = importlib.util.spec_from_file_location(name, file)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            monkeypatch.setitem(sys.modules, name, module)
            spec.loader.exec_module(module)
            modules.append(module)
            made.append(vars(module))
            made.extend(vars(each) for each in vars(module).values() if type(each) is type)
        return modules

    yield run
    # On Django 5.2 a signal lives for as long as who hears it.
    for each in (value for namespace in made for value in namespace.values()):
        if type(each) is Signal:
            each.receivers = []


BELLS = "from django.dispatch import Signal\n\nstruck_twice = Signal()\n"


def test_a_signal_that_is_there_twice(imported: Any) -> None:
    short, long = imported(BELLS, "bells", "tower.bells")
    assert findings("signal-twice", about="struck_twice") == []  # Nobody waits for either.
    short.struck_twice.connect(documented)
    [found] = findings("signal-twice", about="struck_twice")

    assert found.message == (
        "bells.struck_twice and tower.bells.struck_twice are two signals of one line: "
        f"{__name__}.documented waits for the first, and never hears what is sent as the second."
    )
    assert "from tower.bells import struck_twice (" in found.advice

    short.struck_twice.disconnect(documented)
    long.struck_twice.connect(documented)
    [found] = findings("signal-twice", about="struck_twice")
    assert found.message.startswith("tower.bells.struck_twice and bells.struck_twice are two")


def test_signals_of_one_name_or_of_one_line_are_no_doubles(imported: Any) -> None:
    text = (
        "from django.dispatch import Signal\n\n"
        "class Big:\n    struck_in_class = Signal()\n\n"
        "class Small:\n    struck_in_class = Signal()\n\n"
        "one_struck, two_struck = Signal(), Signal()\n"
    )
    [module] = imported(text, "bells")
    signals = module.Big.struck_in_class, module.Small.struck_in_class, module.one_struck
    for each in signals:
        each.connect(documented)

    assert findings("signal-twice", about="struck") == []


def test_duplicate_receiver_for_any_sender_and_for_one() -> None:
    struck.connect(documented)
    struck.connect(documented, sender=Order)

    assert messages("duplicate-receiver") == [
        (
            f"{__name__}.documented is connected to {__name__}.struck twice, and runs twice for "
            "shop.Order."
        )
    ]


def test_duplicate_receiver_imported_under_two_names(tmp_path: Path) -> None:
    file = tmp_path / "doubled.py"
    file.write_text("def hear(**kwargs):\n    'It says what it does.'\n")
    once: dict[str, Any] = {"__name__": "doubled"}
    twice: dict[str, Any] = {"__name__": "project.doubled"}
    for namespace in (once, twice):
        exec(compile(file.read_text(), file, "exec"), namespace)
        struck.connect(namespace["hear"], sender=Order)

    assert messages("duplicate-receiver") == [
        (
            f"project.doubled.hear is connected to {__name__}.struck twice, and runs twice for "
            "shop.Order."
        )
    ]


def test_duplicate_receiver_under_two_uids() -> None:
    struck.connect(documented, dispatch_uid="one")
    struck.connect(documented, dispatch_uid="two")

    assert len(findings("duplicate-receiver")) == 1


def test_what_is_said_of_two_duplicates_in_the_same_words_is_one_finding() -> None:
    for uid in ("one", "two", "three"):
        struck.connect(documented, dispatch_uid=uid)

    [found] = findings("duplicate-receiver")
    assert (found.values["heard"], found.count) == ("any sender", 2)


def test_a_duplicate_for_the_same_sender_is_named_before_one_for_any() -> None:
    struck.connect(documented, sender=Order)
    struck.connect(documented, dispatch_uid="one")
    struck.connect(documented, dispatch_uid="two")

    assert [each.values["heard"] for each in findings("duplicate-receiver")] == [
        "shop.Order",
        "any sender",
    ]


def test_one_receiver_for_two_senders_is_no_duplicate() -> None:
    struck.connect(documented, sender=Order)
    struck.connect(documented, sender=Product)

    assert messages("duplicate-receiver") == []


def test_closures_of_one_factory_and_methods_of_two_objects_are_no_duplicates() -> None:
    closures, owners = [make(), make()], [Callable_(), Callable_()]
    for closure, owner in zip(closures, owners, strict=True):
        struck.connect(closure)
        struck.connect(owner.method)

    assert messages("duplicate-receiver") == []


@pytest.mark.parametrize(
    ("receiver", "what"),
    [
        (partial(documented), "partial"),
        (Callable_(), "callable instance"),
        (Mock(), "mock"),
    ],
    ids=["partial", "instance", "mock"],
)
def test_robust_crash(receiver: Any, what: str) -> None:
    struck.connect(receiver, weak=False)

    [found] = findings("robust-crash", about=f"{__name__}.struck")
    assert found.values["what"] == what
    assert f"while {__name__}.struck is sent with send_robust()" in found.message


def robustly(**kwargs: Any) -> None:
    """Where this module, and so the package of ``struck``, is seen to send it."""
    struck.send_robust(None)


def test_a_receiver_of_a_signal_that_is_only_sent_with_send_crashes_nothing() -> None:
    plain.connect(partial(documented), weak=False)

    try:
        assert findings("robust-crash", about=f"{__name__}.plain") == []
    finally:
        plain.receivers = plain.receivers[:1]


def test_a_nameless_receiver_of_a_model_crashes_nothing_for_django_sends_with_send() -> None:
    receiver = partial(documented)
    post_save.connect(receiver, weak=False)
    try:
        found = over_signal_map(read_map(), at_least="warning").shown
    finally:
        post_save.disconnect(receiver)

    told = [each for each in found if each.slug == "robust-crash"]
    assert [each for each in told if "django.db.models.signals.post_save" in each.names] == []


def test_what_has_a_qualname_does_not_crash_send_robust() -> None:
    named = update_wrapper(partial(documented), documented)
    for receiver in (documented, Callable_, Callable_().method, named, print):
        struck.connect(receiver, weak=False)

    assert findings("robust-crash", about=f"{__name__}.struck") == []


plain.connect(documented)


# Information


def test_catch_all_receiver() -> None:
    pre_delete.connect(documented)
    pre_delete.connect(undocumented, sender=Order)
    struck.connect(documented)

    assert messages("catch-all-receiver") == [
        f"{__name__}.documented is connected to django.db.models.signals.pre_delete for any sender."
    ]


def test_hot_signal() -> None:
    post_init.connect(documented, sender=Order)
    post_save.connect(undocumented, sender=Order)

    assert messages("hot-signal") == [
        f"{__name__}.documented is connected to django.db.models.signals.post_init for shop.Order."
    ]


def test_unheard_signal() -> None:
    assert messages("unheard-signal") == [
        f"{__name__}.ringing has no receivers.",
        f"{__name__}.struck has no receivers.",
    ]

    struck.connect(documented)
    assert messages("unheard-signal") == [f"{__name__}.ringing has no receivers."]


def test_undocumented_receiver() -> None:
    struck.connect(documented)
    struck.connect(undocumented)

    assert messages("undocumented-receiver") == [
        f"{__name__}.undocumented, which hears {__name__}.struck, has no docstring."
    ]


def test_no_source_no_finding() -> None:
    namespace: dict[str, Any] = {"__name__": __name__}
    exec("def sourceless(**kwargs): pass", namespace)
    post_save.connect(namespace["sourceless"], sender=Order)

    for slug in ("undocumented-receiver", "ignores-raw"):
        assert messages(slug) == []


# Over the source of a module that is written to a file


IGNORES = """
from functools import wraps
from django.dispatch import receiver

def plain(sender, instance, **kwargs):
    instance.touch()

@receiver([])
def decorated(sender, **kwargs):
    kwargs["created"], kwargs.get("instance")

def declared_but_not_used(sender, raw, **kwargs):
    pass

@some_decorator
@receiver([])
def decorated_too_late(sender, **kwargs):
    pass
"""
LOOKS = """
def argument(sender, raw=False, **kwargs):
    if not raw:
        pass

def by_key(sender, **kwargs):
    return kwargs["raw"]

def by_get(sender, **kwargs):
    return kwargs.get("raw")

def passed_on(sender, **kwargs):
    argument(sender, **kwargs)

def passed_whole(sender, **kwargs):
    argument(sender, kwargs)

def by_name(sender, **kwargs):
    return [kwargs[name] for name in ("raw",)]

@some_decorator
def decorated(sender, **kwargs):
    pass

@receiver([])
@some_decorator
def decorated_in_time(sender, **kwargs):
    pass

hidden = lambda sender, **kwargs: None
"""


def at(file: Path, line: int, name: str) -> Connection:
    return Connection(
        f"written.{name}",
        "function",
        1,
        sender="shop.Order",
        defined_at=Location(str(file), line, name),
    )


def ignoring(tmp_path: Path, source: str, signal: str = "post_save") -> list[str]:
    file = tmp_path / "written.py"
    file.write_text(source)
    connections = []
    lines = source.splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("def "):
            first = number
            while lines[first - 2].startswith("@"):
                first -= 1
            connections.append(at(file, first, line[4:].partition("(")[0]))
    found = SignalMap(
        (MappedSignal(f"django.db.models.signals.{signal}", connections=tuple(connections)),)
    )
    return [
        str(each.values["receiver"])
        for each in over_signal_map(found).shown
        if each.slug == "ignores-raw"
    ]


def test_ignores_raw(tmp_path: Path) -> None:
    assert ignoring(tmp_path, IGNORES) == [
        "written.plain",
        "written.decorated",
        "written.declared_but_not_used",
        "written.decorated_too_late",
    ]


def test_who_looks_at_raw_or_may_do_so_does_not_ignore_it(tmp_path: Path) -> None:
    assert ignoring(tmp_path, LOOKS) == []


def test_what_python_would_warn_of_in_a_source_is_not_said_again(tmp_path: Path) -> None:
    # The suite makes errors of warnings, and so there would be no source and no finding.
    assert len(ignoring(tmp_path, IGNORES + "\nPATTERN = '\\d'\n")) == len(
        ignoring(tmp_path, IGNORES)
    )


def test_only_save_signals_have_a_raw(tmp_path: Path) -> None:
    assert ignoring(tmp_path, IGNORES, "post_delete") == []


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., list[tuple[str, str]]]:
    """Writes an app; returns the findings about where receivers of its modules are connected."""

    def write(**files: str) -> list[tuple[str, str]]:
        app = tmp_path / "stall"
        app.mkdir()
        connections = []
        for name, source in {"__init__": "", **files}.items():
            path = app / f"{name}.py"
            path.write_text(textwrap.dedent(source))
            if "def hear" in source:
                module = f"stall.{name}"
                connections.append(
                    Connection(
                        f"{module}.hear",
                        "function",
                        1,
                        module=module,
                        defined_at=Location(str(path), 1, "hear"),
                        is_project=True,
                    )
                )
        config = str(app / "apps.py") if "apps" in files else None
        found = over_signal_map(
            SignalMap(
                (MappedSignal("stall.signals.sold", connections=tuple(connections)),),
                (MappedApp("stall", "stall", str(app), config, "StallConfig", is_project=True),),
            )
        )
        return [
            (each.slug, str(each.values["module"]))
            for each in found.shown
            if each.slug in ("receiver-in-models", "connected-outside-ready")
        ]

    return write


HEAR = 'def hear(**kwargs):\n    "Hears."\n'
READY = "class StallConfig:\n    def ready(self):\n        "


def test_receiver_in_models(project: Any) -> None:
    assert project(apps=f"{READY}pass", models=HEAR) == [("receiver-in-models", "stall.models")]


def test_connected_outside_ready(project: Any) -> None:
    assert project(apps=f"{READY}from stall import signals", signals="", views=HEAR) == [
        ("connected-outside-ready", "stall.views")
    ]


def test_connected_without_an_app_config(project: Any) -> None:
    assert project(receivers=HEAR) == [("connected-outside-ready", "stall.receivers")]


@pytest.mark.parametrize(
    "imported",
    [
        "from stall import receivers",
        "from . import receivers",
        "import stall.receivers",
        "from stall.receivers import hear",
        "from .receivers import hear",
        'import_module("stall.receivers")',
        'autodiscover_modules("receivers")',
        "from stall import middle",
    ],
)
def test_what_ready_imports_is_connected_there(project: Any, imported: str) -> None:
    files = {"receivers": HEAR, "middle": "from . import receivers"}

    assert project(apps=f"{READY}{imported}", **files) == []


def test_receivers_beside_ready_are_connected_there(project: Any) -> None:
    assert project(apps=f"{HEAR}\n{READY}pass") == []


def test_an_app_config_that_cannot_be_read_accuses_nobody(project: Any) -> None:
    assert project(apps="this is no Python", receivers=HEAR) == []


def test_reading_source_runs_none_of_it(tmp_path: Path) -> None:
    source = f"import sys\nsys.modules['was_run'] = None\n{HEAR}"
    assert ignoring(tmp_path, source) == ["written.hear"]
    assert "was_run" not in sys.modules


# What is left out


def test_findings_can_be_ignored_by_slug_and_by_name() -> None:
    struck.connect(undocumented)

    def shown(*ignored: str) -> int:
        found = over_signal_map(read_map(), ignored)
        return len([e for e in found.shown if f"{__name__}.undocumented" in e.names])

    assert shown() == 1
    assert shown("undocumented-receiver") == 0
    assert shown(f"undocumented-receiver:{__name__}.*") == 0
    assert shown("undocumented-receiver:other.*") == 1


def test_only_rules_of_the_level_asked_for_run() -> None:
    struck.connect(partial(undocumented), weak=False)
    struck.connect(undocumented)

    def levels(level: Any) -> set[str]:
        found = over_signal_map(read_map().select(apps=[__name__]), at_least=level).shown
        return {each.level for each in found}

    assert levels("error") == set()
    assert levels("warning") == {"warning"}
    assert levels("info") == {"warning", "info"}
