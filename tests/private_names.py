"""What our code uses of Django and of others that they do not promise: the check-list.

Each ``Detail`` is one thing: what it is called, how it looks now, how it must look for our code to
be right, and what to read when it does not. Where versions differ, ``Since`` has a shape for each
version that brought one; a later version is expected to be like the last.
"""

import argparse
import dis
import enum
import gc
import inspect
import sys
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any
from unittest import mock

import django
import pytest
import pytest_django.plugin
from _pytest.fixtures import FuncFixtureInfo
from debug_toolbar.store import BaseStore
from debug_toolbar.toolbar import DebugToolbar
from django.apps import AppConfig, apps, registry
from django.conf import ENVIRONMENT_VARIABLE
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.contrib.contenttypes import fields as generic_fields
from django.core.cache import caches
from django.core.management import ManagementUtility
from django.core.management.base import BaseCommand
from django.db import connection, connections, transaction
from django.db.backends.base import base as django_base
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import NOT_PROVIDED, Manager, Model, QuerySet, deletion, signals
from django.db.models.fields import related_descriptors
from django.db.models.manager import BaseManager
from django.db.models.options import Options
from django.db.models.sql import compiler
from django.db.transaction import Atomic
from django.dispatch import Signal, dispatcher, receiver
from django.forms import ModelForm
from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.test import RequestFactory, TestCase
from django.urls import URLPattern, get_resolver, path
from django.utils import inspect as django_inspect
from django.utils.formats import get_format
from django.utils.functional import Promise, SimpleLazyObject, empty, lazystr
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy
from django.views.debug import SafeExceptionReporterFilter

from shop.models import Order, OrderLine, Product, Second
from signal_tracer.collecting.inlining import inlined


@dataclass(frozen=True)
class Since:
    """Shapes by the version of Django that brought them, the oldest first."""

    shapes: tuple[tuple[tuple[int, int], object], ...]

    def now(self) -> object:
        return [shape for version, shape in self.shapes if django.VERSION[:2] >= version][-1]


@dataclass(frozen=True)
class Detail:
    """``name`` is what our source says (or several), and so where in it this is used.

    ``look()`` returns the shape that it has now; ``read`` is what of ours stands on that.
    """

    name: str
    of: str
    look: Callable[[], object]
    shape: object
    read: str

    @property
    def names(self) -> list[str]:
        return self.name.split(", ")

    @property
    def expected(self) -> object:
        return self.shape.now() if isinstance(self.shape, Since) else self.shape


def parameters(function: Any) -> str:
    return str(inspect.signature(function))


def kinds(value: object) -> object:
    """The types of what a tuple holds, as deep as it goes; of anything else its type."""
    if type(value) is tuple:
        return tuple(map(kinds, value))
    return type(value).__name__


def asks_for(function: Any, *names: str) -> list[str]:
    """Which of the names the code of a function, or of one in it, reads."""
    codes, found = [inspect.unwrap(function).__code__], set()
    for code in codes:  # It grows.
        found |= {*code.co_names}
        codes += [each for each in code.co_consts if isinstance(each, types.CodeType)]
    return [name for name in names if name in found]


# Signals


class Heard:
    """Methods, functions and a coroutine function, to be connected."""

    def method(self, **named: object) -> None: ...


def function(**named: object) -> None: ...


async def coroutine(**named: object) -> None: ...


class Sender:
    """A class that sends."""


def methods_that_run_a_task() -> list[object] | None:
    if django.VERSION < (6, 0):
        return None
    from django.tasks.backends import immediate
    from django.tasks.base import Task

    source = inspect.getsource(immediate)
    return [
        *(list(inspect.signature(each).parameters) for each in (Task.call, Task.acall)),
        source.index("task_started.send(") < source.index("task.call("),
    ]


def entries() -> list[object]:
    signal, heard = Signal(), Heard()
    signal.connect(function)
    signal.connect(function, sender=Sender, dispatch_uid="uid")
    signal.connect(heard.method, weak=False)
    signal.connect(heard.method, sender=Sender)
    signal.connect(coroutine)
    return [kinds(each) for each in signal.receivers]


def ids() -> list[bool]:
    signal, heard = Signal(), Heard()
    signal.connect(function, sender=Sender)
    signal.connect(heard.method)
    of_function, of_method = (entry[0] for entry in signal.receivers)
    return [
        of_function == (id(function), id(Sender)),
        of_method == ((id(heard), id(Heard.method)), id(None)),
    ]


def live_receivers() -> object:
    signal = Signal()
    signal.connect(function)
    signal.connect(coroutine)
    found: Any = signal._live_receivers(Sender)
    return kinds(found), [list(map(callable, each)) for each in found], found[0] == [function]


def cached() -> object:
    """What the cache of senders holds after a send that nobody heard, and after one that is."""
    signal = Signal(use_caching=True)
    signal.connect(function, sender=User)
    signal.send(Sender)
    signal.send(User)
    data: Any = signal.sender_receivers_cache.data
    # A reference of one's own finds the entry.
    unheard, heard = data[weakref.ref(Sender)], data[weakref.ref(User)]
    return unheard is dispatcher.NO_RECEIVERS, heard is dispatcher.NO_RECEIVERS, len(data)


def cached_otherwise() -> list[list[list[Any]]]:
    """Who hears a sender that was looked up while the receivers were others, and once Django knows
    of dead ones; with a cache and without."""
    found = []
    for is_cached in (True, False):
        signal = Signal(use_caching=is_cached)
        signal.connect(function, sender=Sender)
        receivers, signal.receivers = signal.receivers, []
        signal._live_receivers(Sender)
        signal.receivers = receivers
        before = signal._live_receivers(Sender)[0]
        signal._dead_receivers = True
        found.append([before, signal._live_receivers(Sender)[0]])
    return found


def asked_when_unheard() -> list[str]:
    """Which methods of its own a send calls that Django's fast path answers."""
    asked = []

    class Asked(Signal):
        def _live_receivers(self, sender: object) -> Any:
            asked.append("_live_receivers")
            return super()._live_receivers(sender)

    for signal in (Asked(), Asked(use_caching=True)):
        if signal.use_caching:
            signal.connect(function, sender=User)
            signal.has_listeners(Sender)
            asked.clear()
        assert signal.send(Sender) == signal.send_robust(Sender) == []
    return asked


def inlining() -> dict[str, bool]:
    """Whether Django's own body can stand in our functions: it is as it was compiled."""

    def send(self: Any, sender: Any, **named: Any) -> Any:
        return original(self, sender, **named)

    def _live_receivers(self: Any, sender: Any) -> Any:
        return original(self, sender)

    def _log_robust_failure(self: Any, receiver: Any, err: Any) -> Any:
        return original(self, receiver, err)

    def _execute(self: Any, sql: Any, params: Any, *ignored_wrapper_args: Any) -> Any:
        return original(self, sql, params, *ignored_wrapper_args)

    def _executemany(self: Any, sql: Any, param_list: Any, *ignored_wrapper_args: Any) -> Any:
        return original(self, sql, param_list, *ignored_wrapper_args)

    pairs = (
        (send, Signal.send),
        (send, Signal.send_robust),
        (_live_receivers, Signal._live_receivers),
        (_log_robust_failure, Signal._log_robust_failure),
        (_execute, CursorWrapper._execute),
        (_executemany, CursorWrapper._executemany),
    )
    return {each.__name__: inlined(ours, each) is not None for ours, each in pairs}


def original(*args: object, **named: object) -> None:
    """What ``inlining()`` stands around is called by this name, and not run."""


def waiting_for_a_model() -> object:
    """What stands for a connection to a model that nobody has defined."""
    key = "shop", "NeverDefined".lower()
    try:
        signals.post_save.connect(function, sender="shop.NeverDefined", dispatch_uid="uid")
        waiting: Any = apps._pending_operations[key][0]
        operation = waiting.func
        return (
            type(waiting).__name__,
            (type(operation).__name__, type(operation.func).__name__),
            (operation.func.__func__.__name__, operation.func.__self__ is signals.post_save),
            (operation.args == (function,), sorted(operation.keywords)),
        )
    finally:
        apps._pending_operations.pop(key, None)


def inspected() -> object:
    """What the cache of inspected functions holds of one."""
    look: Any = django_inspect._get_func_parameters  # type: ignore[attr-defined]  # private

    def seen() -> None: ...

    look(seen, remove_first=False)
    keys = [key for each in gc.get_referents(look) if type(each) is dict for key in each]
    return [kinds(key)[:1] for key in keys if type(key) is tuple and key[0] is seen]  # type: ignore[index]  # of a tuple


SIGNALS = (
    Detail(
        "_live_receivers",
        "django.dispatch.Signal",
        lambda: (parameters(Signal._live_receivers), *live_receivers()),  # type: ignore[misc]  # a tuple
        ("(self, sender)", ("list", "list"), [[True], [True]], True),
        "who is called: collecting/receivers.py watches what it returns, the loops of Django take "
        "the synchronous ones from the first list and the asynchronous from the second; "
        "mapping/receivers.py asks whether a class has its own",
    ),
    Detail(
        "_live_receivers",
        "the functions that ask for it",
        lambda: [
            each.__name__
            for each in (Signal.send, Signal.send_robust, Signal.asend, Signal.asend_robust)
            if asks_for(each, "_live_receivers")
        ],
        ["send", "send_robust", "asend", "asend_robust"],
        "collecting/signals.py and mapping/reading.py: each of the four loops must get its "
        "receivers there, or its calls are not seen",
    ),
    Detail(
        "_log_robust_failure",
        "django.dispatch.Signal",
        lambda: (
            parameters(Signal._log_robust_failure),
            asks_for(Signal.send_robust, "_log_robust_failure"),
            asks_for(Signal.asend_robust, "_log_robust_failure"),
        ),
        ("(self, receiver, err)", ["_log_robust_failure"], ["_log_robust_failure"]),
        "where a swallowed exception is seen: collecting/receivers.py, by way of "
        "collecting/signals.py",
    ),
    Detail(
        "send",
        "django.dispatch.Signal",
        lambda: [parameters(each) for each in (Signal.send, Signal.send_robust, Signal.asend)],
        ["(self, sender, **named)"] * 3,
        "collecting/signals.py stands in their place with the same parameters; "
        "collecting/watching/bulk.py reads `self` and `sender` in the frame of a send that runs",
    ),
    Detail(
        "has_listeners, _live_receivers",
        "django.dispatch.Signal",
        lambda: asks_for(Signal.has_listeners, "_live_receivers"),
        ["_live_receivers"],
        "collecting/muting.py tells by this name that somebody only asks, and mutes nothing",
    ),
    Detail(
        "receivers, lookup_key",
        "an entry of django.dispatch.Signal.receivers",
        entries,
        Since(
            (
                (
                    (5, 2),
                    [
                        (("int", "int"), "ReferenceType", "bool"),
                        (("str", "int"), "ReferenceType", "bool"),
                        ((("int", "int"), "int"), "method", "bool"),
                        ((("int", "int"), "int"), "WeakMethod", "bool"),
                        (("int", "int"), "ReferenceType", "bool"),
                    ],
                ),
                (
                    (6, 0),
                    [
                        (("int", "int"), "ReferenceType", "NoneType", "bool"),
                        (("str", "int"), "ReferenceType", "ReferenceType", "bool"),
                        ((("int", "int"), "int"), "method", "NoneType", "bool"),
                        ((("int", "int"), "int"), "WeakMethod", "ReferenceType", "bool"),
                        (("int", "int"), "ReferenceType", "NoneType", "bool"),
                    ],
                ),
            )
        ),
        "describing/connections.py reads an entry, by position: read_entry()",
    ),
    Detail(
        "_make_id",
        "the key in an entry of django.dispatch.Signal.receivers",
        ids,
        [True, True],
        "describing/connections.py makes the same keys: identity()",
    ),
    Detail(
        "__dict__",
        "a django.dispatch.Signal",
        lambda: type(vars(Signal()).get("receivers")),
        list,
        "describing/connections.py reads `receivers` there, past what a subclass has of that name",
    ),
    Detail(
        "sender_receivers_cache",
        "django.dispatch.Signal",
        lambda: [type(Signal(use_caching=each).sender_receivers_cache) for each in (False, True)],
        [dict, weakref.WeakKeyDictionary],
        "collecting/signals.py and collecting/dispatches.py look into it as Django's send does, "
        "and mapping/receivers.py for whom it leaves out",
    ),
    Detail(
        "use_caching, _dead_receivers",
        "django.dispatch.Signal",
        cached_otherwise,
        [[[], [function]], [[function], [function]]],
        "mapping/receivers.py: left_out_of_cache()",
    ),
    Detail(
        "NO_RECEIVERS",
        "django.dispatch.dispatcher",
        cached,
        (True, False, 2),
        "what the cache holds of a sender that nobody hears: collecting/dispatches.py, "
        "mapping/receivers.py",
    ),
    Detail(
        "NO_RECEIVERS",
        "the fast path of django.dispatch.Signal.send",
        asked_when_unheard,
        [],
        "collecting/signals.py returns an empty list where Django does so at once",
    ),
    Detail(
        "dispatcher",
        "the file of Django's loops",
        lambda: {
            getattr(Signal, name).__code__.co_filename
            for name in ("send", "send_robust", "asend", "asend_robust", "_live_receivers")
        },
        {dispatcher.__file__},
        "collecting/receivers.py and collecting/counting.py know Django's own loop by its file",
    ),
    Detail(
        "inlined",
        "the functions of Django that ours stand in",
        inlining,
        {
            "send": True,
            "send_robust": True,
            "_live_receivers": True,
            "_log_robust_failure": True,
            "_execute": True,
            "_executemany": True,
        },
        "collecting/inlining.py; without it all works with one frame more",
    ),
    Detail(
        "_pending_operations",
        "django.apps.registry.Apps",
        waiting_for_a_model,
        ("function", ("partial", "method"), ("connect", True), (True, ["dispatch_uid", "weak"])),
        "mapping/lazy.py reads connections to models that are not defined: _read()",
    ),
    Detail(
        "registry",
        "who connects on behalf of others",
        lambda: [
            each.__code__.co_filename
            for each in (receiver, signals.ModelSignal.connect, type(apps).lazy_model_operation)
        ],
        [dispatcher.__file__, signals.__file__, registry.__file__],
        "collecting/watching/connecting.py passes over the frames of these three files",
    ),
    Detail(
        "_get_func_parameters",
        "django.utils.inspect",
        inspected,
        [("function",)],
        "what keeps a fragile receiver alive with DEBUG=True: mapping/receivers.py",
    ),
)


# Queries and transactions


def in_a_block() -> object:
    """What a connection says of the blocks that are open, and of callbacks that wait."""
    with transaction.atomic(), transaction.atomic():
        connection.savepoint_ids.append("one that is known")
        connection.on_commit(function, robust=True)
        entry = connection.run_on_commit.pop()
        connection.savepoint_ids.pop()
        return (
            connection.in_atomic_block,
            [type(each).__name__ for each in connection.atomic_blocks[-2:]],
            [type(each).__name__ for each in connection.savepoint_ids[-1:]],
            (kinds(entry), entry[1] is function, entry[2], "one that is known" in entry[0]),
            (connection.needs_rollback, connection.closed_in_transaction),
        )


DATABASES = (
    Detail(
        "_execute",
        "django.db.backends.utils.CursorWrapper",
        lambda: [parameters(CursorWrapper._execute), parameters(CursorWrapper._executemany)],
        [
            "(self, sql, params, *ignored_wrapper_args)",
            "(self, sql, param_list, *ignored_wrapper_args)",
        ],
        "collecting/watching/queries.py stands in their place: they are what reaches the driver",
    ),
    Detail(
        "_executemany",
        "what runs each query of django.db.backends.utils.CursorWrapper",
        lambda: [
            asks_for(CursorWrapper.execute, "_execute_with_wrappers", "_execute"),
            asks_for(CursorWrapper.executemany, "_execute_with_wrappers", "_executemany"),
        ],
        [["_execute_with_wrappers", "_execute"], ["_execute_with_wrappers", "_executemany"]],
        "if one goes by another way, collecting/watching/queries.py sees no queries",
    ),
    Detail(
        "callproc",
        "django.db.backends.utils.CursorWrapper",
        lambda: parameters(CursorWrapper.callproc),
        "(self, procname, params=None, kparams=None)",
        "collecting/watching/queries.py",
    ),
    Detail(
        "db",
        "django.db.backends.utils.CursorWrapper",
        lambda: CursorWrapper(None, connection).db.alias,
        "default",
        "collecting/watching/queries.py asks it for the alias",
    ),
    Detail(
        "_raw_delete, deletion",
        "django.db.models.QuerySet",
        lambda: (
            parameters(QuerySet._raw_delete),
            asks_for(deletion.Collector.delete, "_raw_delete"),
            deletion.Collector.delete.__code__.co_filename == deletion.__file__,
        ),
        ("(self, using)", ["_raw_delete"], True),
        "collecting/watching/bulk.py, collecting/watching/deletions.py and mapping/doors.py; "
        "findings/absences.py, mapping/bulk_calls.py, mapping/chains/seen.py and "
        "mapping/methods.py know the method by its name",
    ),
    Detail(
        "bulk_create",
        "django.db.models.QuerySet",
        lambda: list(inspect.signature(QuerySet.bulk_create).parameters)[:5],
        ["self", "objs", "batch_size", "ignore_conflicts", "update_conflicts"],
        "collecting/watching/bulk.py reads the options by position: _options()",
    ),
    Detail(
        "related_descriptors",
        "where the managers of related objects are made",
        lambda: [
            asks_for(each, "add", "remove", "clear", "set")
            for each in (
                related_descriptors.create_reverse_many_to_one_manager,
                related_descriptors.create_forward_many_to_many_manager,
                generic_fields.create_generic_related_manager,
            )
        ],
        [["add", "remove", "clear", "set"]] * 3,
        "collecting/bypassing.py names the method of the manager that a person called",
    ),
    Detail(
        "Atomic",
        "django.db.transaction",
        lambda: [parameters(Atomic.__enter__), parameters(Atomic.__exit__)],
        ["(self)", "(self, exc_type, exc_value, traceback)"],
        "collecting/watching/transactions.py stands in their place",
    ),
    Detail(
        "_from_testcase",
        "django.db.transaction.Atomic",
        lambda: (
            transaction.atomic()._from_testcase,
            asks_for(TestCase._enter_atomics, "_from_testcase"),  # type: ignore[attr-defined]  # private
        ),
        (False, ["_from_testcase"]),
        "collecting/watching/transactions.py leaves out the blocks around a test, "
        "collecting/watching/callbacks.py says of a callback that it waits for one",
    ),
    Detail(
        "run_on_commit, in_atomic_block, atomic_blocks, savepoint_ids, needs_rollback, "
        "closed_in_transaction",
        "django.db.backends.base.base.BaseDatabaseWrapper",
        in_a_block,
        (
            True,
            ["Atomic", "Atomic"],
            ["str"],
            (("set", "function", "bool"), True, True, True),
            (False, False),
        ),
        "collecting/watching/callbacks.py reads an entry by position, and knows it by its set; "
        "collecting/watching/transactions.py reads the blocks and the ids of the savepoints",
    ),
    Detail(
        "run_and_clear_commit_hooks",
        "django.db.backends.base.base.BaseDatabaseWrapper",
        lambda: (
            parameters(BaseDatabaseWrapper.run_and_clear_commit_hooks),
            asks_for(BaseDatabaseWrapper.run_and_clear_commit_hooks, "run_on_commit", "pop"),
            parameters(BaseDatabaseWrapper.on_commit),
        ),
        ("(self)", ["run_on_commit", "pop"], "(self, func, robust=False)"),
        "collecting/watching/callbacks.py has it take each callback from a list of ours, by pop(0)",
    ),
    Detail(
        "django.db.backends.base",
        "the logger of what a robust callback raises",
        lambda: django_base.logger.name,
        "django.db.backends.base",
        "collecting/watching/callbacks.py sees there that one has failed: note_log()",
    ),
    Detail(
        "savepoint, savepoint_commit, savepoint_rollback, rollback, close",
        "django.db.backends.base.base.BaseDatabaseWrapper",
        lambda: {
            name: parameters(getattr(BaseDatabaseWrapper, name))
            for name in ("savepoint", "savepoint_commit", "savepoint_rollback", "rollback", "close")
        },
        {
            "savepoint": "(self)",
            "savepoint_commit": "(self, sid)",
            "savepoint_rollback": "(self, sid)",
            "rollback": "(self)",
            "close": "(self)",
        },
        "collecting/watching/transactions.py stands in their place",
    ),
    Detail(
        "features, uses_savepoints",
        "the features of a database",
        lambda: type(connection.features.uses_savepoints),
        bool,
        "collecting/watching/transactions.py: where there are none, a rollback to one does nothing",
    ),
    Detail(
        "settings",
        "django.db.connections",
        lambda: (
            sorted(connections.settings),
            [each.alias for each in connections.all(initialized_only=True)][:1],
        ),
        (["default"], ["default"]),
        "collecting/watching/transactions.py: the aliases that there are, and the connections that "
        "are open",
    ),
)

CACHES = (
    Detail(
        "_connections",
        "django.core.cache.caches",
        lambda: (
            sorted(caches.settings),
            caches["default"] is getattr(caches._connections, "default"),  # type: ignore[attr-defined]  # noqa: B009  # private
            getattr(caches._connections, "of nobody", None),  # type: ignore[attr-defined]
        ),
        (["default"], True, None),
        "collecting/watching/cache.py asks there which caches are open, without making one; "
        "collecting/watching/errands.py which backends of tasks",
    ),
)

# Models, and what stands for a value that is not there yet


def through_of_groups() -> object:
    field = next(each for each in User._meta.local_many_to_many if each.name == "groups")
    return type(vars(vars(field)["remote_field"])["through"]).__name__


def stand_in() -> Any:
    state = ProjectState()
    state.add_model(ModelState("shop", "Product", []))
    return state.apps.get_model("shop", "Product")


MODELS = (
    Detail(
        "_meta",
        "django.db.models.Model",
        lambda: (type(vars(User)["_meta"]), User._meta.label, User._meta.concrete_model),
        (Options, "auth.User", User),
        "describing/names.py names a model by it",
    ),
    Detail(
        "concrete_model",
        "a proxy",
        lambda: Second._meta.concrete_model,
        Product,
        "describing/near_misses.py and collecting/watching/bulk.py: _concrete()",
    ),
    Detail(
        "concrete_fields, primary_key, generated",
        "django.db.models.options.Options",
        lambda: [
            each.attname
            for each in User._meta.concrete_fields
            if each.primary_key and not each.generated
        ],
        ["id"],
        "collecting/partial_saves.py goes over the fields that a save with update_fields leaves "
        "out",
    ),
    Detail(
        "db_default",
        "a field of a model",
        lambda: (
            vars(User._meta.pk)["db_default"] is NOT_PROVIDED,
            vars(User._meta.pk)["default"] is NOT_PROVIDED,
        ),
        (True, True),
        "mapping/senders.py tells by these that a key is there before its row",
    ),
    Detail(
        "pk_fields",
        "django.db.models.options.Options",
        lambda: ([each.attname for each in User._meta.pk_fields], User._meta.pk.attname),
        (["id"], "id"),
        "describing/values.py reads the key of an instance by these attributes",
    ),
    Detail(
        "local_fields, remote_field",
        "django.db.models.options.Options",
        lambda: [
            vars(each)["remote_field"].model.__name__
            for each in User.groups.through._meta.local_fields
            if vars(each)["remote_field"] is not None
        ],
        ["User", "Group"],
        "describing/near_misses.py: the two ends of what stands between: _ends_of_through()",
    ),
    Detail(
        "private_fields, bulk_related_objects",
        "django.db.models.options.Options",
        lambda: (
            type(User._meta.private_fields).__name__,
            "bulk_related_objects" in vars(generic_fields.GenericRelation),
            generic_fields.GenericRelation(Order).remote_field.model is Order,
            [each.__name__ for each in generic_fields.ReverseGenericManyToOneDescriptor.__bases__],
        ),
        ("list", True, True, ["ReverseManyToOneDescriptor"]),
        "mapping/effects/sendings.py: rows of a GenericRelation go with theirs: _rows_with(); "
        "mapping/effects/meanings.py takes its descriptor's rel.model for what it is of",
    ),
    Detail(
        "local_many_to_many, through",
        "django.db.models.options.Options",
        through_of_groups,
        "ModelBase",
        "mapping/senders.py: through_models()",
    ),
    Detail(
        "auto_created",
        "django.db.models.options.Options",
        lambda: (User.groups.through._meta.auto_created is User, User._meta.auto_created),
        (True, False),
        "collecting/watching/bulk.py says nothing of a model that nobody wrote: _is_automatic()",
    ),
    Detail(
        "ForwardManyToOneDescriptor, ReverseManyToOneDescriptor, ReverseOneToOneDescriptor, "
        "FileDescriptor, DeferredAttribute",
        "django.db.models.fields.related_descriptors",
        lambda: [
            (type(found).__name__, target.__name__)
            for found, target in (
                (vars(OrderLine)["order"], vars(OrderLine)["order"].field.remote_field.model),
                (vars(Order)["lines"], vars(Order)["lines"].rel.field.model),
                (vars(Product)["stock"], vars(Product)["stock"].related.field.model),
                (vars(Product)["picture"], vars(Product)["picture"].field.model),
                (vars(Product)["name"], vars(Product)["name"].field.model),
            )
        ],
        [
            ("ForwardManyToOneDescriptor", "Order"),
            ("ReverseManyToOneDescriptor", "OrderLine"),
            ("ReverseOneToOneDescriptor", "StockItem"),
            ("FileDescriptor", "Product"),
            ("DeferredAttribute", "Product"),
        ],
        "mapping/effects/meanings.py tells by them what an attribute of a model stands for",
    ),
    Detail(
        "ManyToManyDescriptor",
        "django.db.models.fields.related_descriptors",
        lambda: (
            type(vars(User)["groups"]).__name__,
            vars(User)["groups"].reverse,
            vars(User)["groups"].rel.model.__name__,
            vars(User)["groups"].rel.field.model.__name__,
            vars(User)["groups"].rel.through.__name__,
        ),
        ("ManyToManyDescriptor", False, "Group", "User", "User_groups"),
        "mapping/effects/meanings.py and mapping/effects/__init__.py find both ends and what "
        "stands between by it",
    ),
    Detail(
        "ManagerDescriptor",
        "django.db.models.manager",
        lambda: (type(vars(Product)["objects"]).__name__, vars(Product)["objects"].manager.name),
        ("ManagerDescriptor", "objects"),
        "mapping/effects/meanings.py knows the managers of a class by it",
    ),
    Detail(
        "default_manager, base_manager",
        "django.db.models.options.Options",
        lambda: (Product._meta.default_manager.name, Product._meta.base_manager.name),
        ("objects", "_base_manager"),
        "mapping/effects/meanings.py: which manager related rows are reached by",
    ),
    Detail(
        "_queryset_class",
        "django.db.models.manager.BaseManager.from_queryset",
        lambda: [each._queryset_class.__name__ for each in (Manager, type(QuerySet.as_manager()))],
        ["QuerySet", "QuerySet"],
        "mapping/effects/meanings.py: whose methods a manager runs that has none of its own",
    ),
    Detail(
        "_default_manager, _base_manager",
        "django.db.models.Model",
        lambda: (Product._default_manager.name, Product._base_manager.name),
        ("objects", "_base_manager"),
        "mapping/methods.py: what a model's managers are called",
    ),
    Detail(
        "BaseModelForm",
        "django.forms",
        lambda: [each.__name__ for each in ModelForm.__mro__[:2]],
        ["ModelForm", "BaseModelForm"],
        "mapping/effects/stepping.py finds in its _meta which model a form saves",
    ),
    Detail(
        "parents",
        "django.db.models.options.Options",
        lambda: (dict(User._meta.parents), Second._meta.concrete_model._meta.proxy),
        ({}, False),
        "mapping/effects/sendings.py names the models whose rows go with a row: _parents()",
    ),
    Detail(
        "__fake__",
        "the module of the classes that a migration works with",
        lambda: (
            stand_in().__module__,
            stand_in()._meta.label,
            apps.all_models["shop"]["product"] is Product,
        ),
        ("__fake__", "shop.Product", True),
        "describing/names.py knows them by it: is_of_migration()",
    ),
    Detail(
        "_result_cache",
        "django.db.models.QuerySet",
        lambda: (
            vars(User.objects.all())["_result_cache"],
            asks_for(deletion.Collector.delete, "_result_cache"),
        ),
        (None, ["_result_cache"]),
        "collecting/watching/deletions.py: rows that are not loaded are counted when they change",
    ),
    Detail(
        "Collector, deletion",
        "django.db.models.deletion",
        lambda: (
            parameters(deletion.Collector.delete),
            parameters(deletion.Collector.can_fast_delete),
            sorted(
                vars(deletion.Collector("default")).keys()
                & {"data", "field_updates", "origin", "using"}
            ),
            [each.name for each in deletion.get_candidate_relations_to_delete(Product._meta)] != [],
        ),
        (
            "(self)",
            "(self, objs, from_field=None)",
            ["data", "field_updates", "origin", "using"],
            True,
        ),
        "collecting/watching/deletions.py stands in the place of delete(), and asks the rest",
    ),
    Detail(
        "_has_signal_listeners",
        "django.db.models.deletion.Collector",
        lambda: (
            parameters(deletion.Collector._has_signal_listeners),
            asks_for(deletion.Collector.can_fast_delete, "_has_signal_listeners"),
        ),
        ("(self, model)", ["_has_signal_listeners"]),
        "collecting/watching/deletions.py asks what could be deleted fast if nobody listened",
    ),
    Detail(
        "_do_insert, _do_update",
        "django.db.models.Model",
        lambda: (
            parameters(Model._do_insert),
            list(inspect.signature(Model._do_update).parameters)[:4],
        ),
        (
            "(self, manager, using, fields, returning_fields, raw)",
            ["self", "base_qs", "using", "pk_val"],
        ),
        "collecting/watching/deletions.py stands in their place: rows that are saved one by one",
    ),
    Detail(
        "compiler, execute_sql",
        "django.db.models.sql",
        lambda: asks_for(compiler.SQLCompiler.execute_sql, "cursor", "execute"),
        ["cursor", "execute"],
        "collecting/sql.py takes what is executed from there for Django's own",
    ),
    Detail(
        "rowcount",
        "the cursor of a database driver, which CursorWrapper.cursor is",
        lambda: vars(CursorWrapper("a driver's", connection))["cursor"],
        "a driver's",
        "collecting/sql.py asks it how many rows were changed",
    ),
    Detail(
        "ModelSignal",
        "django.db.models.signals",
        lambda: (type(signals.post_save), type(signals.post_migrate)),
        (signals.ModelSignal, Signal),
        "collecting/routes.py and mapping/reading.py: these alone look senders up by a string",
    ),
    Detail(
        "swapped",
        "django.db.models.options.Options",
        lambda: (User._meta.swapped, User._meta.abstract),
        (None, False),
        "mapping/senders.py: describe_live()",
    ),
    Detail(
        "__dict__",
        "a django.db.models.Model",
        lambda: sorted(vars(User(pk=3)).keys() & {"id", "_state"}),
        ["_state", "id"],
        "describing/values.py reads the key there, past descriptors and properties",
    ),
    Detail(
        "model, BaseManager",
        "a queryset and a manager",
        lambda: (
            [vars(each)["model"] for each in (User.objects.all(), User.objects)],
            issubclass(type(User.objects), BaseManager),
        ),
        ([User, User], True),
        "describing/values.py reads it there",
    ),
    Detail(
        "_wrapped, empty",
        "django.utils.functional.LazyObject",
        lambda: vars(SimpleLazyObject(lambda: 3))["_wrapped"] is empty,
        True,
        "describing/values.py asks there whether it is set up: nothing else may",
    ),
    Detail(
        "_args, Promise",
        "a lazy text of django.utils.functional",
        lambda: [
            (vars(each)["_args"], issubclass(type(each), Promise))
            for each in (gettext_lazy("text"), lazystr(3))
        ],
        [(("text",), True), ((3,), True)],
        "describing/values.py looks there for secrets: _members_of()",
    ),
    Detail(
        "_kw",
        "a lazy text of django.utils.functional",
        lambda: vars(format_lazy("{name}", name="text"))["_kw"],
        {"name": "text"},
        "describing/values.py looks there for secrets: _members_of()",
    ),
    Detail(
        "method",
        "django.http.HttpRequest",
        lambda: [vars(RequestFactory().get("/here/")).get(each) for each in ("method", "path")],
        ["GET", "/here/"],
        "describing/values.py says what request it is",
    ),
    Detail(
        "hidden_settings",
        "django.views.debug.SafeExceptionReporterFilter",
        lambda: type(SafeExceptionReporterFilter.hidden_settings.pattern),
        str,
        "describing/secrets.py builds on the words of Django's debug page",
    ),
    Detail(
        "app_configs",
        "django.apps.apps",
        lambda: (
            apps.app_configs["auth"] is apps.get_app_config("auth"),
            sorted(vars(apps.app_configs["auth"]).keys() & {"name", "path"}),
            AppConfig.__module__,
        ),
        (True, ["name", "path"], "django.apps.config"),
        "mapping/ownership.py",
    ),
    Detail(
        "all_models",
        "django.apps.apps",
        lambda: apps.all_models["auth"]["user"],
        User,
        "mapping/senders.py finds every model there, those of apps that are replaced as well, and "
        "mapping/missing.py the one of a label",
    ),
    Detail(
        "url_patterns",
        "what django.urls.get_resolver() returns",
        lambda: type(get_resolver().url_patterns),
        list,
        "mapping/urls.py reads them to have the URLconf imported",
    ),
    Detail(
        "URLPattern",
        "what django.urls.path() returns",
        lambda: type(path("here/", function)),  # type: ignore[call-overload]  # no view
        URLPattern,
        "panel/views.py has its addresses in the toolbar",
    ),
    Detail(
        "login_not_required",
        "django.contrib.auth.decorators",
        lambda: login_not_required(function).login_required,
        False,
        "panel/views.py: the panel is not behind a project's login",
    ),
    Detail(
        "HttpResponseBase",
        "django.http",
        lambda: [issubclass(each, HttpResponseBase) for each in (HttpResponse, FileResponse)],
        [True, True],
        "middleware.py and panel/__init__.py: what a view returns, streaming or not",
    ),
    Detail(
        "ENVIRONMENT_VARIABLE",
        "django.conf",
        lambda: ENVIRONMENT_VARIABLE,
        "DJANGO_SETTINGS_MODULE",
        "conf.py says which settings are meant",
    ),
    Detail(
        "get_format",
        "django.utils.formats",
        lambda: [get_format(each) for each in ("DECIMAL_SEPARATOR", "THOUSAND_SEPARATOR")],
        [".", ","],
        "panel/words.py spells numbers as the language of the page does",
    ),
)

# Python, and the tools


def entries_of_exceptions() -> object:
    def caught() -> None:
        try:
            function()
        except ValueError:
            raise

    found: Any = vars(dis.Bytecode(caught.__code__))["exception_entries"]
    return [type(getattr(found[0], name)) for name in ("start", "end", "target")]


def passed_over() -> object:
    """Whether ``stacklevel`` does not count a frame that is called like the import system's."""

    def warn() -> None:
        warnings.warn("from below", stacklevel=2)

    def between() -> None:
        warn()

    name = f"<ours, importlib._bootstrap>{EXTENSION_SUFFIXES[-1]}"
    between.__code__ = between.__code__.replace(co_filename=name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        between()
    return caught[0].filename == __file__


def of_a_dead_method() -> object:
    heard = Heard()
    reference: Any = weakref.WeakMethod(heard.method)
    del heard
    return reference(), reference._func_ref() is Heard.method


class Color(enum.Enum):
    RED = 1


PYTHON = (
    Detail(
        "_mock_name",
        "unittest.mock.NonCallableMock",
        lambda: vars(mock.Mock(name="send"))["_mock_name"],
        "send",
        "testing/patched.py knows by it whose place a mock has taken",
    ),
    Detail(
        "_getframe",
        "sys",
        lambda: sys._getframe().f_code.co_name,
        "<lambda>",
        "who sent, and who asks for the receivers: collecting/signals.py, collecting/receivers.py, "
        "collecting/dispatches.py, collecting/counting.py, collecting/watching/connecting.py, "
        "collecting/watching/bulk.py, collecting/watching/deletions.py, collecting/sql.py, "
        "collecting/watching/queries.py, collecting/watching/exceptions.py, "
        "collecting/watching/transactions.py, collecting/watching/errands.py",
    ),
    Detail(
        "_target",
        "threading.Thread",
        lambda: vars(threading.Thread(target=function))["_target"] is function,
        True,
        "collecting/watching/errands.py names by it what a thread runs",
    ),
    Detail(
        "data",
        "weakref.WeakKeyDictionary",
        lambda: weakref.WeakKeyDictionary({Sender: 1}).data[weakref.ref(Sender)],
        1,
        "collecting/signals.py and collecting/dispatches.py look there with a reference of ours",
    ),
    Detail(
        "exception_entries",
        "dis.Bytecode",
        entries_of_exceptions,
        [int, int, int],
        "collecting/watching/exceptions.py looks up there which handler an exception will meet",
    ),
    Detail(
        "_bootstrap",
        "warnings.warn(stacklevel=...)",
        passed_over,
        True,
        "collecting/patching.py names our frames so that they are not counted",
    ),
    Detail(
        "_func_ref",
        "weakref.WeakMethod",
        of_a_dead_method,
        (None, True),
        "mapping/receivers.py names the method of an object that is gone",
    ),
    Detail(
        "_name_",
        "enum.Enum",
        lambda: vars(Color.RED)["_name_"],
        "RED",
        "describing/values.py names a member by it",
    ),
    Detail(
        "_actions",
        "argparse.ArgumentParser",
        lambda: [each.dest for each in argparse.ArgumentParser(add_help=False)._actions],
        [],
        "management/keywords.py and management/commands/trace_signals.py read the options of a "
        "command there",
    ),
    Detail(
        "ManagementUtility",
        "django.core.management",
        lambda: list(inspect.signature(ManagementUtility.fetch_command).parameters),
        ["self", "subcommand"],
        "management/commands/trace_signals.py finds a command, or says that there is none",
    ),
    Detail(
        "_called_from_command_line",
        "django.core.management.base.BaseCommand",
        lambda: BaseCommand._called_from_command_line,
        False,
        "management/commands/trace_signals.py: a wrong option ends the process with its usage",
    ),
    Detail(
        "_state",
        "django.db.models.Model",
        lambda: Product()._state.adding,
        True,
        "tasks/django.py writes into the row of a task before it is inserted, and only then; "
        "findings/catalogue.py advises to ask it; findings/bodies.py finds in the source who does",
    ),
    Detail(
        "call, acall",
        "django.tasks.base.Task",
        methods_that_run_a_task,
        Since(
            (
                ((5, 2), None),
                ((6, 0), [["self", "args", "kwargs"], ["self", "args", "kwargs"], True]),
            )
        ),
        "tasks/django.py stands in their place: the backends of Django and of others run a task "
        "by one of them, after task_started",
    ),
    Detail(
        "_AppendAction",
        "argparse",
        lambda: [
            type(each)
            for each in [argparse.ArgumentParser().add_argument("--each", action="append")]
        ],
        [argparse._AppendAction],
        "management/keywords.py: an option that may be given several times",
    ),
    Detail(
        "_fixtureinfo",
        "an item of pytest",
        lambda: [each.name for each in fields(FuncFixtureInfo) if each.name == "name2fixturedefs"],
        ["name2fixturedefs"],
        "pytest_plugin.py puts a fixture behind those that are shared by tests",
    ),
    Detail(
        "_django_db_marker",
        "pytest-django",
        lambda: hasattr(pytest_django.plugin, "_django_db_marker"),
        True,
        "pytest_plugin.py puts a fixture behind the one that sets up the database",
    ),
)

TOOLBAR = (
    Detail(
        "fetch",
        "debug_toolbar.toolbar.DebugToolbar",
        lambda: list(inspect.signature(DebugToolbar.fetch).parameters),
        ["request_id", "panel_id"],
        "panel/views.py reads a kept request",
    ),
    Detail(
        "get_store",
        "debug_toolbar.store",
        lambda: list(inspect.signature(BaseStore.exists).parameters),
        ["request_id"],
        "panel/views.py",
    ),
)


def span_processors() -> object:
    """What a provider holds, by the names that we look at."""
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    provider = pytest.importorskip("opentelemetry.sdk.trace").TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(export.SimpleSpanProcessor(export.ConsoleSpanExporter()))
    (processor,) = provider._active_span_processor._span_processors
    return type(processor).__name__, type(processor.span_exporter).__name__


OPENTELEMETRY = (
    Detail(
        "_active_span_processor, _span_processors, span_exporter, SimpleSpanProcessor",
        "opentelemetry.sdk.trace.TracerProvider",
        span_processors,
        ("SimpleSpanProcessor", "ConsoleSpanExporter"),
        "showing/export/opentelemetry/blocking.py warns of what exports within the request",
    ),
)

DETAILS = (*SIGNALS, *DATABASES, *CACHES, *MODELS, *PYTHON, *TOOLBAR, *OPENTELEMETRY)
