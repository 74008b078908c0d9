"""Statements of a function, gone through once, in order, with what each name stands for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from signal_tracer.mapping.effects.binding import bound_inside, how_often_bound, rebound_in
from signal_tracer.mapping.effects.expressions import Expressions
from signal_tracer.mapping.effects.meanings import (
    NONE,
    PLAIN,
    UNKNOWN,
    Bound,
    Class,
    Code,
    Instance,
    Live,
    Many,
    Named,
    Rows,
    Several,
    Value,
    any_of,
    element_of,
    instance_of,
    is_model,
)
from signal_tracer.mapping.effects.stepping import Call, Outcome
from signal_tracer.mapping.surroundings import condition_of, text_of
from signal_tracer.mapping.written import Function, bound_by

_LINE = re.compile(r" \(line \d+\)")


class Following(Expressions):
    """One function, gone through with what it is given."""

    returned: list[Value]
    # What the functions that are made in it find of its names.
    closures: list[dict[str, Value]]
    bound_inside: set[str]

    def outcome(self) -> Outcome:
        node = self.code.node
        if isinstance(node, ast.Lambda):
            self.returned.append(self.value(node.body))
        else:
            self.block(node.body)
        if self.yielded:
            return Outcome(tuple(self.steps), Many(any_of(*self.yielded)))
        declared = UNKNOWN if isinstance(node, ast.Lambda) else self.annotated(node.returns)
        returned = any_of(*self.returned) if self.returned else NONE
        if returned is UNKNOWN or returned is PLAIN:
            returned = declared if declared is not UNKNOWN else returned
        return Outcome(tuple(self.steps), returned)

    def bind(self, args: Sequence[Value], keywords: Mapping[str, Value]) -> None:
        self.returned, self.yielded = [], []
        self.closures, self.bound_inside = [], set()
        given = self.code.node.args
        positional = [*given.posonlyargs, *given.args]
        left = dict(keywords)
        for number, each in enumerate(positional):
            if number < len(args):
                self.names[each.arg] = self._narrowed(args[number], each)
        for each in (*positional[len(args) :], *given.kwonlyargs):
            value = left.pop(each.arg, UNKNOWN)
            self.names[each.arg] = self._narrowed(value, each)
        if given.vararg is not None:
            self.names[given.vararg.arg] = Several(tuple(args[len(positional) :]))
        if given.kwarg is not None:
            self.names[given.kwarg.arg] = Named(left)

    def _narrowed(self, value: Value, parameter: ast.arg) -> Value:
        """What is given, or, where that cannot be told, what is declared."""
        return self.annotated(parameter.annotation) if value is UNKNOWN else value

    def block(self, statements: Sequence[ast.stmt]) -> bool:
        """Goes through them; whether it is certainly left at the end."""
        added = 0
        is_left = False
        for statement in statements:
            if self.statement(statement):
                is_left = True
                break
            reason = _may_leave(statement)
            if reason is not None:
                self.conditions.append(reason)
                added += 1
        del self.conditions[len(self.conditions) - added :]
        return is_left

    def statement(self, node: ast.stmt) -> bool:
        match node:
            case ast.Return(value=value):
                self.returned.append(NONE if value is None else self.value(value))
                return True
            case ast.Raise(exc=exc):
                if exc is not None:
                    self.value(exc)
                return True
            case ast.Break() | ast.Continue():
                return True
            case ast.Expr(value=value):
                self.dropped.add(value)
                self.value(value)
            case ast.Assign(targets=targets, value=value):
                found = self.value(value)
                for target in targets:
                    self.assign(target, found)
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                found = UNKNOWN if value is None else self.value(value)
                if found is UNKNOWN:
                    found = self.annotated(annotation)
                self.assign(target, found)
            case ast.AugAssign(target=target, value=value):
                self.value(value)
            case ast.If(test=test, body=body, orelse=orelse):
                return self._if(node, test, body, orelse)
            case ast.For() | ast.AsyncFor():
                self._loop(node, self.value(node.iter), node.target)
            case ast.While():
                self.value(node.test)
                self._loop(node, None, None)
            case ast.Try() | ast.TryStar():
                return self._try(node)
            case ast.With() | ast.AsyncWith():
                return self._with(node)
            case ast.Match(subject=subject, cases=cases):
                self.value(subject)
                before = dict(self.names)
                ends = [before]
                for case in cases:
                    self.names = dict(before)
                    for each in ast.walk(case.pattern):
                        if isinstance(each, ast.MatchAs | ast.MatchStar) and each.name:
                            self.names[each.name] = UNKNOWN
                        elif isinstance(each, ast.MatchMapping) and each.rest:
                            self.names[each.rest] = UNKNOWN
                    head = f"case {text_of(case.pattern)}"
                    if case.guard is not None:
                        self._if_only(f"`{head}`", case.guard)
                        head += f" if {text_of(case.guard)}"
                    self._under(f"`{head}:`", case.body)
                    ends.append(self.names)
                self.names = _merged(*ends)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._define(node)
            case ast.ClassDef():
                self.names[node.name] = UNKNOWN
            case ast.Assert(test=test):
                self.value(test)
                self._narrow(test)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.value(target)
            case ast.Import() | ast.ImportFrom():
                for name, dotted in bound_by(node, self.source):
                    self.names[name] = self._named(dotted) or UNKNOWN
        return False

    def _define(self, node: Function) -> None:
        for name in bound_inside(node):
            # It may be called at any time from here on.
            self.bound_inside.add(name)
            self.names[name] = UNKNOWN
        closed = self._closed_over(node)
        self.names[node.name] = Code(
            self.source,
            node,
            f"{self.code.qualname}.<locals>.{node.name}",
            self.code.owner,
            closed,
        )
        if how_often_bound(node.name, self.code.node) == 1:
            # Those that were made before it find it when they are called.
            for earlier in self.closures:
                if node.name in earlier:
                    earlier[node.name] = self.names[node.name]
        self.closures.append(closed)

    def _under(self, condition: str | None, body: Sequence[ast.stmt]) -> bool:
        if condition is None:
            return self.block(body)
        self.conditions.append(_LINE.sub("", condition))
        try:
            return self.block(body)
        finally:
            self.conditions.pop()

    def _if(
        self,
        node: ast.If,
        test: ast.expr,
        body: Sequence[ast.stmt],
        orelse: Sequence[ast.stmt],
    ) -> bool:
        if isinstance(test, ast.Name) and test.id == "TYPE_CHECKING":
            return False
        self.value(test)
        before = dict(self.names)
        self._narrow(test)
        left_body = self._under(condition_of(node, "body"), body)
        after_body, self.names = self.names, before
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self._narrow(test.operand)
        left_else = bool(orelse) and self._under(condition_of(node, "orelse"), orelse)
        if left_body and not left_else:
            return False
        self.names = after_body if left_else else _merged(after_body, self.names)
        return left_body and left_else

    def _with(self, node: ast.With | ast.AsyncWith) -> bool:
        prefix = "a" if isinstance(node, ast.AsyncWith) else ""
        managers: list[tuple[ast.expr, Value]] = []
        for item in node.items:
            found = self.value(item.context_expr)
            managers.append((item.context_expr, found))
            entered = self._through(found, f"__{prefix}enter__", item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, entered)
        condition = condition_of(node, "body") if isinstance(node, ast.With) else None
        is_left = self._under(condition, node.body)
        for written, manager in reversed(managers):
            self._through(manager, f"__{prefix}exit__", written)
        return is_left and condition is None

    def _through(self, manager: Value, door: str, written: ast.expr) -> Value:
        """What it gives that is entered, or left, by a method of the project's."""
        if isinstance(manager, Many):
            # What is gone over once is a context manager made of a generator.
            return element_of(manager)
        if not isinstance(manager, Instance | Live) or not self._is_read(manager, door):
            return manager
        node = ast.Call(ast.Attribute(written, door), [], [])
        self.awaited.add(node)
        text = f"with {text_of(written)}"
        called = Call(ast.copy_location(node, written), (), {}, text=text)
        return self.apply(Bound(manager, door), called)

    def _narrow(self, test: ast.expr) -> None:
        """``isinstance(x, Order)`` says what ``x`` is from there on."""
        match test:
            case ast.BoolOp(op=ast.And(), values=values):
                for each in values:
                    self._narrow(each)
            case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), kinds]) if (
                self.names.get(name, UNKNOWN) in (UNKNOWN, PLAIN)
            ):
                nodes = _classes_in(kinds)
                found = [self.value(each) for each in nodes]
                if all(isinstance(each, Class) for each in found):
                    self.names[name] = any_of(
                        *(instance_of(each.cls) for each in found if isinstance(each, Class))
                    )

    def _loop(
        self, node: ast.For | ast.AsyncFor | ast.While, over: Value | None, target: ast.expr | None
    ) -> None:
        def once() -> None:
            if target is not None and isinstance(node, ast.For | ast.AsyncFor):
                self.assign(target, self._element(node.iter, over or UNKNOWN))
            self._under(condition_of(node, "body"), node.body)

        before = dict(self.names)
        # What the body leaves behind is what its next round begins with.
        self.quiet += 1
        once()
        self.quiet -= 1
        self.names = _merged(before, self.names)
        once()
        self.names = _merged(before, self.names)
        is_left_early = any(_leaves(each) for each in node.body)
        condition = condition_of(node, "body") if is_left_early else None
        self._under(condition and f"the else of {condition}", node.orelse)

    def _try(self, node: ast.Try | ast.TryStar) -> bool:
        before = dict(self.names)
        is_left = self._under("a try", node.body)
        if not is_left:
            is_left = self._under("a try", node.orelse)
        ends = [] if is_left else [self.names]
        for handler in node.handlers:
            self.names = _merged(before, self.names)
            # Where in the body it failed is not known.
            self.names |= dict.fromkeys(rebound_in(node.body), UNKNOWN)
            if handler.name:
                self.names[handler.name] = UNKNOWN
            kind = f" {text_of(handler.type)}" if handler.type is not None else ""
            if not self._under(f"`except{kind}:`", handler.body):
                ends.append(self.names)
        self.names = _merged(*ends) if ends else before
        return self.block(node.finalbody) or not ends

    def assign(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name(id=name):
                self.names[name] = UNKNOWN if name in self.bound_inside else value
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                values: Sequence[Value] = [UNKNOWN] * len(elts)
                if isinstance(value, Several) and len(value.values) == len(elts):
                    values = value.values
                elif isinstance(value, Many | Rows):
                    values = [element_of(value)] * len(elts)
                for each, inner in zip(elts, values, strict=True):
                    self.assign(each, inner)
            case ast.Starred(value=inner_target):
                self.assign(inner_target, UNKNOWN)
            case ast.Attribute():
                owner = self.value(target.value)
                if isinstance(owner, Instance) and not is_model(owner.cls):
                    known = owner.attributes.get(target.attr, value)
                    owner.attributes[target.attr] = any_of(known, value)
            case ast.Subscript():
                self.value(target.value)


def _classes_in(kinds: ast.expr) -> list[ast.expr]:
    """``Order, Review`` of ``(Order, Review)`` and of ``Order | Review``."""
    match kinds:
        case ast.Tuple(elts=elts):
            return elts
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return [*_classes_in(left), *_classes_in(right)]
    return [kinds]


def _merged(*several: dict[str, Value]) -> dict[str, Value]:
    """What the names stand for after any of these."""
    names = dict.fromkeys(name for each in several for name in each)
    return {name: any_of(*(each[name] for each in several if name in each)) for name in names}


def _may_leave(statement: ast.stmt) -> str | None:
    """Why what comes after the statement may not run, if it may not."""
    if not isinstance(
        statement,
        ast.If
        | ast.For
        | ast.AsyncFor
        | ast.While
        | ast.Try
        | ast.With
        | ast.AsyncWith
        | ast.Match,
    ):
        return None
    for each in _own_statements(statement):
        if isinstance(each, ast.Return | ast.Raise | ast.Break | ast.Continue):
            if isinstance(each, ast.Break | ast.Continue) and isinstance(
                statement, ast.For | ast.AsyncFor | ast.While
            ):
                continue
            head = condition_of(statement, "body") or text_of(statement).partition(":")[0]
            return f"what {_LINE.sub('', head)} may return before"
    return None


def _leaves(statement: ast.stmt) -> bool:
    """Whether it may end the loop that it stands in before its time."""
    if isinstance(statement, ast.Return | ast.Raise | ast.Break):
        return True
    inner = isinstance(statement, ast.For | ast.AsyncFor | ast.While)
    kinds = ast.Return | ast.Raise if inner else ast.Return | ast.Raise | ast.Break
    return any(isinstance(each, kinds) for each in _own_statements(statement))


def _own_statements(statement: ast.AST) -> Iterator[ast.AST]:
    for each in ast.iter_child_nodes(statement):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(each, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield each
            yield from _own_statements(each)
