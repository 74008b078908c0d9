"""The rules about what a receiver does with what it is sent, read from its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from signal_tracer.findings import catalogue
from signal_tracer.findings.kinds import Finding, Kind
from signal_tracer.findings.source import Function, Sources
from signal_tracer.records import Location
from signal_tracer.signal_map import Connection, MappedSignal, SignalMap
from signal_tracer.wording import location_of

_MODELS = "django.db.models.signals."
_BEFORE_A_COMMIT = frozenset(
    _MODELS + name for name in ("pre_save", "post_save", "post_delete", "m2m_changed")
)
_NULLS = (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)


def keys_that_are_never_none(signal_map: SignalMap, sources: Sources) -> Iterator[Finding]:
    """``pk is None`` in ``pre_save``, for a model whose key has a default."""
    preset = replace(
        signal_map,
        signals=tuple(
            replace(
                signal, connections=tuple(each for each in signal.connections if each.preset_key)
            )
            for signal in signal_map.signals
        ),
    )
    for signal, connection, function in _receivers_of(preset, sources, "pre_save"):
        if connection.preset_key is None or _mentions(function, "adding"):
            continue
        own = names_of(function, "instance")
        if connection.sender_kind == "any" and (
            not function.ignores("sender") or _looks_at_the_class(function, own)
        ):
            continue  # It may be for other models.
        model, _, key = connection.preset_key.rpartition(".")
        keys = {"pk", key}
        asked = next(
            filter(None, (_asks_for_key(each, own, keys) for each in ast.walk(function.node))),
            None,
        )
        if asked is not None:
            yield _finding(
                catalogue.KEY_IS_NEVER_NONE,
                signal,
                connection,
                asked=f"instance.{asked}",
                model=model,
            )


def _asks_for_key(node: ast.AST, own: set[str], keys: set[str]) -> str | None:
    """Which key it asks, if that is a question whether there is one."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        asked: ast.expr = node.operand
    elif (
        isinstance(node, ast.Compare)
        and isinstance(node.ops[0], _NULLS)
        and isinstance(node.comparators[0], ast.Constant)
        and node.comparators[0].value is None
    ):
        asked = node.left
    elif isinstance(node, ast.If | ast.IfExp):
        asked = node.test
    else:
        return None
    is_key = isinstance(asked, ast.Attribute) and asked.attr in keys and is_one_of(asked.value, own)
    return asked.attr if is_key and isinstance(asked, ast.Attribute) else None


def questions_that_nothing_is_new_for(signal_map: SignalMap, sources: Sources) -> Iterator[Finding]:
    """What ``post_save`` asks of a row that is there already, and ``pre_save`` of ``created``.

    Of one that hears other signals as well, or looks at ``created`` in ``post_save``, nothing:
    the question may be for those.
    """
    heard = _signals_heard(signal_map)
    for signal, connection, function in _receivers_of(signal_map, sources, "pre_save", "post_save"):
        if len(heard[connection.defined_at]) > 1:
            continue
        if signal.name == f"{_MODELS}pre_save":
            if _hopes_for_created(function):
                yield _finding(catalogue.CREATED_BEFORE_IT, signal, connection)
        elif function.ignores("created") and (asked := _asks_for_new(function)) is not None:
            yield _finding(catalogue.NEVER_NEW_AFTER, signal, connection, asked=asked)


def _hopes_for_created(function: Function) -> bool:
    """Whether it gets along without ``created``, and does something where it is sent."""
    if function.is_wrapped:
        return False
    arguments = function.node.args
    given = [*arguments.kwonlyargs, *arguments.posonlyargs, *arguments.args]
    is_there = any(each.arg == "created" for each in given)
    uses = [
        each
        for statement in function.node.body
        for each in ast.walk(statement)
        if isinstance(each, ast.Name) and each.id == "created"
    ]
    if is_there:
        return bool(uses) and all(isinstance(each.ctx, ast.Load) for each in uses)
    rest = arguments.kwarg
    return rest is not None and any(
        isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and isinstance(each.func.value, ast.Name)
        and each.func.value.id == rest.arg
        and is_one_of(each, {"created"})
        for each in ast.walk(function.node)
    )


def _asks_for_new(function: Function) -> str | None:
    """What it asks, if it does something for a row that has no key yet, or is yet to be added.

    To go on only where there is a key is no more than careful.
    """
    own = names_of(function, "instance")
    if _may_be_another(function, own):
        return None
    for each in ast.walk(function.node):
        match each:
            case ast.Assign(value=asked) | ast.IfExp(test=asked) if _is_adding(asked, own):
                return "instance._state.adding"
            case ast.If(test=test, body=body, orelse=orelse):
                rest = function.node.body
                follows = rest[rest.index(each) + 1 :] if each in rest else []
                lost = orelse or (follows if isinstance(body[-1], ast.Return) else [])
                for parts, means, never in (
                    (_parts(test, ast.And), _means_new, body),
                    (_parts(test, ast.Or), _means_old, lost),
                ):
                    asked_for = next(filter(None, (means(part, own) for part in parts)), None)
                    if asked_for is not None and not all(map(_is_careful, never)):
                        return asked_for
    return None


def _parts(test: ast.expr, by: type[ast.boolop]) -> list[ast.expr]:
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, by) else [test]


def _is_careful(statement: ast.stmt) -> bool:
    match statement:
        case ast.Return() | ast.Raise() | ast.Pass() | ast.Continue():
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            return name.startswith("log")
    return False


def _means_new(test: ast.expr, own: set[str]) -> str | None:
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return _means_old(inner, own)
        case ast.Compare(left=left, ops=[ast.Is() | ast.Eq()], comparators=[ast.Constant(None)]):
            return _key(left, own)
    return "instance._state.adding" if _is_adding(test, own) else None


def _means_old(test: ast.expr, own: set[str]) -> str | None:
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return _means_new(inner, own)
        case ast.Compare(
            left=left, ops=[ast.IsNot() | ast.NotEq()], comparators=[ast.Constant(None)]
        ):
            return _key(left, own)
    return _key(test, own)


def _is_adding(node: ast.expr, own: set[str]) -> bool:
    match node:
        case ast.Attribute(attr="adding", value=ast.Attribute(attr="_state", value=value)):
            return is_one_of(value, own)
    return False


def _key(node: ast.expr, own: set[str]) -> str | None:
    match node:
        # Django lets a field be called id only if it is the key.
        case ast.Attribute(attr="pk" | "id" as name, value=value) if is_one_of(value, own):
            return f"instance.{name}"
    return None


def _may_be_another(function: Function, own: set[str]) -> bool:
    """Whether one of the names is given to something else, or its state is changed by hand."""
    kept = {
        id(target)
        for each in ast.walk(function.node)
        if isinstance(each, ast.Assign) and is_one_of(each.value, own)
        for target in each.targets
    }
    for each in ast.walk(function.node):
        match each:
            case ast.Name(id=name, ctx=ast.Store()) if name in own and id(each) not in kept:
                return True
            case ast.Attribute(attr="adding" | "pk" | "id", ctx=ast.Store()):
                return True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                inner = [] if each is function.node else ast.walk(each.args)
                if any(isinstance(part, ast.arg) and part.arg in own for part in inner):
                    return True
    return False


def what_is_gone_after_a_deletion(signal_map: SignalMap, sources: Sources) -> Iterator[Finding]:
    """A relation that ``post_delete`` reads when its rows are gone; and the key, in a callback
    that waits for the commit.

    Nothing of a receiver that hears other signals as well: it may read for those.
    """
    heard = _signals_heard(signal_map)
    for signal, connection, function in _receivers_of(signal_map, sources, "post_delete"):
        own = names_of(function, "instance")
        if len(heard[connection.defined_at]) > 1 or _may_be_another(function, own):
            continue
        relation = next(
            (
                name
                for node in _run_by(function.node)
                if (name := _relation_read(node, own)) in connection.gone
            ),
            None,
        )
        if relation is not None:
            yield _finding(
                catalogue.GONE_AFTER_DELETE, signal, connection, asked=f"instance.{relation}"
            )
        key = next(
            filter(None, (_key_at_commit(function, each, own) for each in ast.walk(function.node))),
            None,
        )
        is_kept = connection.sender_kind == "model" and not connection.gone
        if key is not None and not is_kept:
            yield _finding(catalogue.KEY_GONE_AT_COMMIT, signal, connection, asked=key)


_READS = frozenset(
    (
        *("all", "filter", "exclude", "get", "first", "last", "count", "exists", "values"),
        *("values_list", "iterator", "order_by", "select_related", "prefetch_related", "in_bulk"),
        *("aggregate", "annotate", "distinct", "earliest", "latest", "only", "defer"),
    )
)


def _relation_read(node: ast.AST, own: set[str]) -> str | None:
    """``lines`` of ``instance.lines.all()``."""
    match node:
        case ast.Call(
            func=ast.Attribute(attr=method, value=ast.Attribute(attr=name, value=value))
        ) if method in _READS and is_one_of(value, own):
            return name
    return None


def _key_at_commit(function: Function, node: ast.AST, own: set[str]) -> str | None:
    """The key that a callback asks for, when ``node`` registers it with ``on_commit()``."""
    match node:
        case ast.Call(
            func=ast.Name(id="on_commit") | ast.Attribute(attr="on_commit"), args=[callback, *_]
        ):
            parts: list[ast.AST] = []
            if isinstance(callback, ast.Lambda):
                parts = [callback.body]  # What stands among its defaults is asked at once.
            elif isinstance(callback, ast.Name):
                parts = [
                    statement
                    for each in ast.walk(function.node)
                    if isinstance(each, ast.FunctionDef) and each.name == callback.id
                    for statement in each.body
                ]
            asked = (
                _key(each, own)
                for part in parts
                for each in ast.walk(part)
                if isinstance(each, ast.expr)
            )
            return next(filter(None, asked), None)
    return None


def what_m2m_changed_asks(signal_map: SignalMap, sources: Sources) -> Iterator[Finding]:
    for signal, connection, function in _receivers_of(signal_map, sources, "m2m_changed"):
        own = names_of(function, "instance")
        uses_instance = any(is_one_of(each, own) for each in ast.walk(function.node))
        if (
            uses_instance
            and function.ignores("reverse")
            and function.ignores("model")
            and not _looks_at_the_class(function, own)
        ):
            yield _finding(catalogue.IGNORES_REVERSE, signal, connection)
        if function.ignores("action"):
            yield _finding(catalogue.IGNORES_ACTION, signal, connection)
        if not _may_leave_clear_out(function) and _needs_keys(function):
            yield _finding(catalogue.NEEDS_PK_SET, signal, connection)


def _looks_at_the_class(function: Function, own: set[str]) -> bool:
    """Whether it may tell by the instance itself which side it is of."""
    for each in ast.walk(function.node):
        if isinstance(each, ast.Call) and getattr(each.func, "id", "") in (
            *("isinstance", "issubclass", "type", "hasattr", "getattr"),
        ):
            if any(is_one_of(argument, own) for argument in each.args):
                return True
        elif (
            isinstance(each, ast.Attribute)
            and each.attr in ("_meta", "__class__")
            and is_one_of(each.value, own)
        ):
            return True
    return False


def _may_leave_clear_out(function: Function) -> bool:
    """Whether it asks for actions by name, or in a way that cannot be read."""
    if function.ignores("action"):
        return False
    words = [
        each.value
        for each in ast.walk(function.node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    return not _mentions(function, "startswith") or any(
        re.search(r"add|remove|clear", each) for each in words
    )


def _needs_keys(function: Function) -> bool:
    """Whether it goes over ``pk_set`` without ever asking if there is one."""
    own = names_of(function, "pk_set")
    needs = False
    for each in ast.walk(function.node):
        match each:
            case ast.For(iter=value) | ast.comprehension(iter=value) if is_one_of(value, own):
                needs = True
            case ast.keyword(arg=str(name), value=value) if name.endswith("__in"):
                needs = needs or is_one_of(value, own)
            case ast.Call(func=ast.Name(id="len" | "list" | "set" | "sorted" | "tuple")):
                needs = needs or any(is_one_of(value, own) for value in each.args)
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                if any(is_one_of(value, own) for value in ast.walk(test)):
                    return False
            case ast.BoolOp() if any(is_one_of(value, own) for value in each.values):
                return False
            case ast.Compare() if any(
                is_one_of(value, own) for value in (each.left, *each.comparators)
            ):
                return False
    return needs


# What hands work to somebody else, by the name of the method or function that is called.
_HANDS_OVER = frozenset(
    (
        *("delay", "apply_async", "enqueue", "send_task", "group_send", "send_mail", "mail_admins"),
        *("send_mass_mail", "mail_managers", "async_task", "delay_task"),
    )
)
_PUTS = frozenset(("append", "put", "put_nowait", "push", "lpush", "rpush", "publish", "submit"))
_QUEUES = re.compile(
    r"(^|_)(queue|job|task|broker|producer|executor|pool|outbox|redis(_client)?)s?$",
    re.IGNORECASE,
)
_REQUESTS = frozenset(("requests", "httpx"))
_VERBS = frozenset(("get", "post", "put", "patch", "delete", "head", "request"))


def work_before_the_commit(signal_map: SignalMap, sources: Sources) -> Iterator[Finding]:
    """Receivers that hand a row to somebody else at once, and never speak of ``on_commit()``."""
    names = tuple(name.rpartition(".")[2] for name in _BEFORE_A_COMMIT)
    for signal, connection, function in _receivers_of(signal_map, sources, *names):
        if _mentions(function, "on_commit", "delay_on_commit", "apply_async_on_commit"):
            continue
        own = names_of(function, "instance")
        called = (_handed_over(each, own) for each in _run_by(function.node))
        handed = next(filter(None, called), None)
        if handed is not None:
            yield _finding(catalogue.MAY_BE_BEFORE_COMMIT, signal, connection, called=handed)


def _run_by(function: ast.AST) -> Iterator[ast.AST]:
    """What its call runs itself: not what it makes and gives away, to be run who knows when."""
    called = {
        each.func.id
        for each in ast.walk(function)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)
    }
    waiting = [function]
    for node in waiting:  # which grows as it is read
        yield node
        waiting += (
            each
            for each in ast.iter_child_nodes(node)
            if not isinstance(each, ast.Lambda)
            and (
                not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) or each.name in called
            )
        )


def _handed_over(node: ast.AST, own: set[str]) -> str | None:
    """``queue.put()``, if it is a call that hands work over; it may be one that is not made."""
    match node:
        case ast.Call(func=ast.Name(id="Thread")) | ast.Call(func=ast.Attribute(attr="Thread")):
            return "Thread()"
        case ast.Call(func=ast.Call(func=ast.Name(id="async_to_sync"), args=[function])):
            return _handed_over(ast.Call(function, node.args, node.keywords), own)
        case ast.Call(func=ast.Name(id=name)) if name in _HANDS_OVER:
            return f"{name}()"
        case ast.Call(func=ast.Attribute(attr=name, value=value), args=given):
            on = value.id if isinstance(value, ast.Name) else getattr(value, "attr", "")
            is_of_row = any(is_one_of(part, own) for each in given for part in ast.walk(each))
            is_queue = name in _PUTS and bool(_QUEUES.search(on)) and is_of_row
            is_request = on in _REQUESTS and name in _VERBS
            if name in _HANDS_OVER or is_queue or is_request:
                return f"{on}.{name}()" if on else f"{name}()"
    return None


# The source of a receiver


def names_of(function: Function, argument: str) -> set[str]:
    """What the keyword argument goes by: its own name, and those that it was given at once."""
    names = {argument}
    for each in ast.walk(function.node):
        if isinstance(each, ast.Assign) and is_one_of(each.value, names):
            names |= {target.id for target in each.targets if isinstance(target, ast.Name)}
    return names


def is_one_of(node: ast.AST, names: set[str]) -> bool:
    """Whether it is one of the names, ``kwargs["name"]`` or ``kwargs.get("name")``."""
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Subscript(value=ast.Name(), slice=ast.Constant(value=str(name))):
            return name in names
        case ast.Call(
            func=ast.Attribute(value=ast.Name(), attr="get" | "pop"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return name in names
    return False


def _mentions(function: Function, *names: str) -> bool:
    return any(
        getattr(each, "id", None) in names or getattr(each, "attr", None) in names
        for each in ast.walk(function.node)
    )


def _receivers_of(
    signal_map: SignalMap, sources: Sources, *names: str
) -> Iterator[tuple[MappedSignal, Connection, Function]]:
    """Each receiver once that hears one of Django's model signals, where there is its source."""
    wanted = {_MODELS + name for name in names}
    seen = set()
    for signal, connection in signal_map.walk():
        about = connection.receiver, connection.defined_at
        if signal.name in wanted and _may_run(signal, connection) and about not in seen:
            seen.add(about)
            function = sources.function_at(connection.defined_at)
            if function is not None:
                yield signal, connection, function


def _signals_heard(signal_map: SignalMap) -> dict[Location | None, set[str]]:
    """The signals that each receiver is connected to, by where it is defined."""
    heard: dict[Location | None, set[str]] = {}
    for signal, connection in signal_map.walk():
        heard.setdefault(connection.defined_at, set()).add(signal.name)
    return heard


def _may_run(signal: MappedSignal, connection: Connection) -> bool:
    """Not one whose sender never sends the signal, which has a finding of its own."""
    is_between_models = signal.name == f"{_MODELS}m2m_changed"
    never = ("abstract", "gone", "lazy", "several", "string", "swapped")
    return connection.state != "dead" and connection.sender_kind not in (
        (*never, "model", "instance") if is_between_models else never
    )


def _finding(kind: Kind, signal: MappedSignal, connection: Connection, **values: str) -> Finding:
    return Finding(
        kind,
        {
            "signal": signal.name,
            "receiver": connection.receiver,
            "heard": connection.heard,
            "place": location_of(connection.defined_at),
            **values,
        },
        names=tuple(name for name in (connection.receiver, signal.name, connection.sender) if name),
        location=connection.defined_at,
        owner=connection.owner,
    )
