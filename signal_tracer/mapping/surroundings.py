"""What stands around a connection in the source: conditions, functions, classes, other names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import deepcopy

from signal_tracer.mapping.written import Around, Function, Source, Written, first_line


def condition_of(node: ast.AST, part: str) -> str | None:
    """What must hold for a part of a statement to run, in its own words."""
    match node:
        case ast.If() if part == "orelse":
            return f"the else of `if {text_of(node.test)}:` (line {node.lineno})"
        case ast.If():
            return f"`if {text_of(node.test)}:` (line {node.lineno})"
        case ast.For() | ast.AsyncFor():
            return f"`for {text_of(node.target)} in {text_of(node.iter)}:` (line {node.lineno})"
        case ast.While():
            return f"`while {text_of(node.test)}:` (line {node.lineno})"
        case ast.Try() | ast.TryStar() if part != "finalbody":
            return f"a try (line {node.lineno})"
        case ast.With() if any("suppress" in text_of(each.context_expr) for each in node.items):
            return f"a try of its own, `with {text_of(node.items[0].context_expr)}:`"
        case ast.Match() | ast.match_case():
            return "a match"
        case _:
            return None


def is_for_failures(around: Around) -> bool:
    """Whether it stands in an ``except``, which is seldom to be reached."""
    return any(isinstance(node, ast.ExceptHandler) for node, _ in around)


def returns_before(function: Function, line: int) -> str | None:
    for statement in function.body:
        if statement.lineno >= line:
            return None
        for each in ast.walk(statement):
            if isinstance(each, ast.Return | ast.Raise) and isinstance(statement, ast.If):
                test = text_of(statement.test)
                return f"what `if {test}:` (line {statement.lineno}) may return before"
    return None


def condition_around(around: Around) -> str | None:
    """The outermost condition that it stands under, if any."""
    return next((text for each in around if (text := condition_of(*each)) is not None), None)


def receives_self(written: Written) -> bool:
    """Whether a method of the very object is connected."""
    match written.receiver:
        case ast.Attribute(value=ast.Name(id="self")):
            return True
    return False


def is_gone_at_once(source: Source, written: Written) -> bool:
    """Whether what is connected weakly is made by the very call, and so has no other reference."""
    if written.weak is not None and not is_constant(written.weak, True):
        return False
    match written.receiver:
        case ast.Lambda():
            return True
        case ast.Call(func=func):
            return source.dotted(func) == "functools.partial"
    return False


def is_constant(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def is_last(function: Function, written: Written) -> bool:
    """Whether the function only goes on connecting after it, and then returns nothing."""
    for statement in function.body:
        if statement.lineno <= written.line or isinstance(
            statement,
            ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom,
        ):
            continue
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="connect"))) | ast.Pass():
                continue
            case ast.Return(value=None):
                continue
        return False
    return not any(isinstance(each, ast.Yield | ast.YieldFrom) for each in ast.walk(function))


def is_local(around: Around) -> bool:
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node, _ in around)


def class_around(around: Around) -> ast.ClassDef | None:
    return next((node for node, _ in reversed(around) if isinstance(node, ast.ClassDef)), None)


def qualified(name: str, around: Around, upto: ast.AST | None = None) -> str:
    parts = []
    for node, _ in around:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            parts.append(node.name)
        if node is upto:
            break
    return ".".join([*parts, name])


def _bodies(around: Around) -> Iterator[tuple[list[ast.stmt], Around]]:
    """The blocks that names are looked up in, the innermost first."""
    for number in range(len(around) - 1, -1, -1):
        node, part = around[number]
        body = getattr(node, part, None)
        if isinstance(body, list):
            yield body, around[: number + 1]


def definition_of(name: str, written: Written) -> tuple[Function, Around] | None:
    """The ``def`` that the name stands for at the line that connects it."""
    for body, around in _bodies(written.around):
        found = [
            each
            for each in body
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == name
        ]
        if found:
            before = [each for each in found if each.lineno <= written.line]
            return (before or found)[-1], around
    return None


def bodies_naming(name: str, written: Written) -> list[ast.stmt]:
    for body, _ in _bodies(written.around):
        found = [each for each in body if _binds(each, name)]
        if found:
            return found
    return []


def _binds(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return statement.name == name
        case ast.Assign():
            return any(isinstance(each, ast.Name) and each.id == name for each in statement.targets)
        case ast.AnnAssign():
            return (
                isinstance(statement.target, ast.Name)
                and statement.target.id == name
                and statement.value is not None
            )
        case ast.Import() | ast.ImportFrom():
            return any((each.asname or each.name) == name for each in statement.names)
        case ast.Delete():
            return any(isinstance(each, ast.Name) and each.id == name for each in statement.targets)
        case _:
            return False


def later_of_same_name(written: Written) -> ast.stmt | None:
    """What takes the name of the connected function away, in the same block and after it."""
    if isinstance(written.receiver, ast.FunctionDef | ast.AsyncFunctionDef):
        name, node, around = written.receiver.name, written.receiver, written.around
    elif isinstance(written.receiver, ast.Name):
        defined = definition_of(written.receiver.id, written)
        if defined is None:
            return None
        name, (node, around) = written.receiver.id, defined
    else:
        return None
    body = getattr(*around[-1], None)
    later = [each for each in body or () if _binds(each, name) and each.lineno > node.lineno]
    return later[0] if later else None


def loop_defining(written: Written) -> ast.For | None:
    """The loop of a module whose every round defines the receiver anew, for one of its senders."""
    match written.around:
        case [(ast.Module(), _), (ast.For() as loop, "body")]:
            defined = any(
                isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
                and each.name == last_name(written)
                for each in loop.body
            )
            is_whole = not any(
                isinstance(each, ast.Break | ast.Continue) for each in ast.walk(loop)
            )
            return loop if defined and is_whole else None
    return None


def first_sender(written: Written) -> ast.expr | None:
    """The sender as it is written; in such a loop over a list that is written out, its first."""
    loop = loop_defining(written)
    match loop and (loop.target, loop.iter, written.sender):
        case (ast.Name(id=target), ast.List() | ast.Tuple() as every, ast.Name(id=sender)):
            return every.elts[0] if target == sender and len(every.elts) > 1 else written.sender
    return written.sender


def kind_of(statement: ast.stmt) -> str:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return "function"
        case ast.ClassDef():
            return "class"
        case ast.Import() | ast.ImportFrom():
            return "import"
        case ast.Delete():
            return "del"
        case _:
            return "assignment"


def local_value(name: str, written: Written) -> ast.expr | None:
    """What a variable of the enclosing functions was last set to, before the line."""
    functions = [
        node
        for node, _ in written.around
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for function in reversed(functions):
        found = [
            each
            for each in ast.walk(function)
            if isinstance(each, ast.Assign)
            and each.lineno <= written.line
            and any(isinstance(target, ast.Name) and target.id == name for target in each.targets)
        ]
        if found:
            has_other_names = len(found[-1].targets) > 1 or is_kept(name, written)
            return None if has_other_names else found[-1].value
    return None


def is_kept(name: str, written: Written) -> bool:
    """Whether something beside the connection may go on referring to a local name's value."""
    functions = [
        node
        for node, _ in written.around
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    if not functions:
        return True
    connected = {id(each) for each in ast.walk(written.node)}
    for each in ast.walk(functions[-1]):
        if isinstance(each, ast.Global | ast.Nonlocal) and name in each.names:
            return True
        if (
            isinstance(each, ast.Name)
            and each.id == name
            and isinstance(each.ctx, ast.Load)
            and id(each) not in connected
        ):
            return True
    return False


def returns_a_function(source: Source, func: ast.expr) -> bool:
    """Whether a function of this file is seen to return one that it made itself."""
    if source.tree is None or not isinstance(func, ast.Name):
        return False
    for each in source.tree.body:
        if isinstance(each, ast.FunctionDef) and each.name == func.id:
            made = {
                inner.name
                for inner in ast.walk(each)
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner is not each
            }
            returned = [inner.value for inner in ast.walk(each) if isinstance(inner, ast.Return)]
            return bool(returned) and all(
                isinstance(value, ast.Lambda) or (isinstance(value, ast.Name) and value.id in made)
                for value in returned
            )
    return False


# Words


def text_of(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def text_of_call(call: ast.Call) -> str:
    """A call as it is written; if that is long, without what it and the calls in it are given."""
    text = text_of(call)
    return text_of(_Bare().visit(deepcopy(call))) if text.endswith("…") else text


class _Bare(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.Call:  # as ast wants it
        node.func = self.visit(node.func)
        node.args = [ast.Name("…")] if node.args or node.keywords else []
        node.keywords = []
        return node


def last_name(written: Written) -> str:
    node = written.receiver
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def name_of(source: Source, written: Written) -> str:
    node = written.receiver
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return f"{source.module}.{qualified(node.name, written.around)}"
    cls = class_around(written.around)
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls")) if cls is not None:
            return f"{source.module}.{qualified('', written.around, upto=cls)}{node.attr}"
    if isinstance(node, ast.Name | ast.Attribute):
        local = isinstance(node, ast.Name) and local_value(node.id, written) is not None
        return (None if local else source.dotted(node)) or f"{source.module}.{text_of(node)}"
    if isinstance(node, ast.Lambda):
        return f"{source.module}.<lambda>"
    return f"{source.module}: {text_of(node)}"


def line_of(written: Written) -> int:
    node = written.receiver
    is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return first_line(node) if is_definition else written.line


def function_of(written: Written) -> str:
    node = written.receiver
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return qualified(node.name, written.around)
    return qualified("", written.around).rstrip(".") or "<module>"
