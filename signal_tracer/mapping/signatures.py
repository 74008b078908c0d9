"""Whether a receiver can take what its signal sends; by its code, which is not run."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable
from functools import partial
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from signal_tracer.describing.names import find_in_class
from signal_tracer.mapping.receivers import look_at

_MODELS = "django.db.models.signals."
_SAVED = ("instance", "raw", "using", "update_fields")
_DELETED = ("instance", "using", "origin")
_MIGRATED = ("app_config", "verbosity", "interactive", "using")
_OF_MIGRATE = ("stdout", "apps", "plan")
# What Django 5.2, 6.0 and 6.1 send beside the signal and the sender: always, and sometimes.
DJANGO_SENDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    f"{_MODELS}class_prepared": ((), ()),
    f"{_MODELS}pre_init": (("args", "kwargs"), ()),
    f"{_MODELS}post_init": (("instance",), ()),
    f"{_MODELS}pre_save": (_SAVED, ()),
    f"{_MODELS}post_save": ((*_SAVED, "created"), ()),
    f"{_MODELS}pre_delete": (_DELETED, ()),
    f"{_MODELS}post_delete": (_DELETED, ()),
    f"{_MODELS}m2m_changed": (
        ("action", "instance", "reverse", "model", "pk_set", "using"),
        ("raw",),  # from 6.1
    ),
    f"{_MODELS}pre_migrate": (_MIGRATED, _OF_MIGRATE),
    f"{_MODELS}post_migrate": (_MIGRATED, _OF_MIGRATE),
    "django.core.signals.request_started": ((), ("environ", "scope")),
    "django.core.signals.request_finished": ((), ()),
    "django.core.signals.got_request_exception": (("request",), ("response",)),
    "django.core.signals.setting_changed": (("setting", "value", "enter"), ()),
    "django.db.backends.signals.connection_created": (("connection",), ()),
    "django.contrib.auth.signals.user_logged_in": (("request", "user"), ()),
    "django.contrib.auth.signals.user_logged_out": (("request", "user"), ()),
    "django.contrib.auth.signals.user_login_failed": (("credentials", "request"), ()),
    "django.test.signals.template_rendered": (("template", "context"), ()),
    "django.tasks.signals.task_enqueued": (("task_result",), ()),
    "django.tasks.signals.task_started": (("task_result",), ()),
    "django.tasks.signals.task_finished": (("task_result",), ()),
}
_ALWAYS = ("signal", "sender")


class Sending(NamedTuple):
    """One ``send()`` in the source: the names of its keyword arguments, and where it stands."""

    names: frozenset[str]
    place: str


class Signature(NamedTuple):
    """The parameters of a callable, by what must be given and what may be."""

    required: tuple[str, ...]
    optional: frozenset[str]
    by_position: tuple[str, ...]
    takes_rest: bool


def why_not_callable(receiver: Any, signal: str, sendings: Iterable[Sending]) -> str | None:
    """Why the signal certainly fails to call the receiver; ``None`` where that is not certain.

    ``sendings``: every ``send()`` of the signal, where all are known and not Django's.
    """
    signature = signature_of(receiver)
    if signature is None:
        return None
    if signature.by_position:
        names = ", ".join(signature.by_position)
        return f"it takes {names} by position, and a signal gives all by name"
    known = DJANGO_SENDS.get(signal)
    if known is not None:
        always, sometimes = known
        return _why_not(signature, always, {*always, *sometimes}, "the signal")
    for sending in sendings:
        why = _why_not(signature, sending.names, sending.names, f"the send() at {sending.place}")
        if why is not None:
            return why
    return _why_not(signature, (), None, "the signal")


def _why_not(
    signature: Signature, always: Iterable[str], ever: Collection[str] | None, who: str
) -> str | None:
    """``ever``: all that may be sent; ``None`` if that is not known."""
    takes = {*signature.required, *signature.optional}
    if not signature.takes_rest:
        refused = [name for name in (*_ALWAYS, *sorted(always)) if name not in takes]
        if refused:
            return f"it takes no **kwargs, and is given {_listed(refused)} as well"
    if ever is not None:
        lacking = [name for name in signature.required if name not in {*_ALWAYS, *ever}]
        if lacking:
            return f"it wants {_listed(lacking)}, which {who} does not send"
    return None


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def signature_of(receiver: Any, depth: int = 0) -> Signature | None:
    """What a receiver of Python code takes; ``None`` for all others.

    Of a decorated function it is that of the wrapper, which is what is called.
    """
    kind = type(receiver)
    if kind is FunctionType:
        return _of_function(receiver, 0)
    if kind is MethodType:
        function = receiver.__func__
        return _of_function(function, 1) if type(function) is FunctionType else None
    if kind is staticmethod and depth < 3:
        return signature_of(receiver.__func__, depth + 1)
    if issubclass(kind, partial) and depth < 3:
        return _of_partial(receiver, depth)
    if issubclass(kind, type) or look_at(receiver).kind == "mock":
        return None
    called = find_in_class(kind, "__call__")
    return _of_function(called, 1) if type(called) is FunctionType else None


def _of_function(function: Any, given: int) -> Signature | None:
    """``given``: how many positional arguments it is called with already."""
    code = function.__code__
    names = code.co_varnames
    positional = names[: code.co_argcount]
    by_name = names[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    defaults = len(function.__defaults__ or ())
    must = positional[: len(positional) - defaults]
    only = positional[: code.co_posonlyargcount]
    keyword_defaults = function.__kwdefaults__ or {}
    if given > len(positional) and not code.co_flags & inspect.CO_VARARGS:
        return None
    required = [name for name in must[given:] if name not in only]
    required += [name for name in by_name if name not in keyword_defaults]
    optional = {name for name in positional[given:] if name not in only and name not in required}
    return Signature(
        tuple(required),
        frozenset(optional | {name for name in by_name if name in keyword_defaults}),
        tuple(name for name in must[given:] if name in only),
        bool(code.co_flags & inspect.CO_VARKEYWORDS),
    )


def _of_partial(receiver: Any, depth: int) -> Signature | None:
    inner: Any = partial.__dict__["func"].__get__(receiver)
    arguments: Any = partial.__dict__["args"].__get__(receiver)
    keywords: Any = partial.__dict__["keywords"].__get__(receiver)
    if type(inner) is MethodType:
        function, given = inner.__func__, 1 + len(arguments)
    else:
        function, given = inner, len(arguments)
    if type(function) is not FunctionType:
        return signature_of(inner, depth + 1) if not arguments and not keywords else None
    found = _of_function(function, given)
    if found is None:
        return None
    return found._replace(
        required=tuple(name for name in found.required if name not in keywords),
        optional=found.optional | {name for name in found.required if name in keywords},
    )
