"""A function of ours around one of Django's, in a single frame.

A wrapper costs a Python frame for each call that it waits for: the recursion limit comes nearer,
``warnings.warn(stacklevel=...)`` counts one more, tracebacks and stacks show it, and the keyword
arguments are spread once more. So Django's own body takes the place of the call in the wrapper,
as if somebody had written the two as one function in Django's file. What is ``inlined()`` so can be
read and compiled again in Django 5.2, 6.0 and 6.1.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import copy
import functools
import tokenize
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any, cast

# What a wrapper calls the function that it stands around.
_ORIGINAL = "original"
# Before the names of ours: the body must not take them for its own.
_PREFIX = "_signal_tracer_"
# For the frame of a wrapper; Django's own frame is shown as ever.
_HIDES = ("__traceback_hide__", "__tracebackhide__")

_FUTURES = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)


def inlined(wrapper: Any, original: Any) -> Any:
    """``wrapper`` with the body of ``original`` in the place of each call of it.

    The wrapper takes the same parameters, hands them on as they are, and calls ``original`` only
    in ``return`` statements. ``None`` where that cannot be: a function without its source, one
    that was compiled from other lines than stand there now, or one with variables of an outer
    function.
    """
    try:
        return _inline(wrapper, original)
    except Exception:
        # Whatever it is, the wrapper itself does the same with one frame more: a source that is
        # not there, or ast.parse() in several threads of Python 3.11, which raises SystemError.
        return None


class _Impossible(Exception):  # noqa: N818
    """It is left as it is."""


def _inline(wrapper: Any, original: Any) -> Any:
    if type(original) is not FunctionType or original.__code__.co_freevars:
        raise _Impossible
    cells = dict(zip(wrapper.__code__.co_freevars, wrapper.__closure__ or (), strict=True))
    known = {**vars(builtins), **wrapper.__globals__}
    # What means the same to both needs no cell, which would be copied in each call.
    shared = frozenset(vars(builtins)).difference(wrapper.__globals__, original.__globals__)
    compiled, names = _compiled(original.__code__, wrapper.__code__, shared)
    known |= {name: cell.cell_contents for name, cell in cells.items() if name != _ORIGINAL}
    made: dict[str, Any] = {}
    exec(compiled, original.__globals__, made)
    return _like(made["factory"](*(known[name] for name in names)), original)


# Tests install and uninstall all the time.
@functools.lru_cache(maxsize=64)
def _compiled(
    original: CodeType, wrapper: CodeType, shared: frozenset[str]
) -> tuple[CodeType, tuple[str, ...]]:
    """The code of a factory that makes the function, and the names of what it is to be given.

    ``shared``: the names that mean the same in both modules.
    """
    inner, outer = _definition_of(original), _definition_of(wrapper)
    if _parameters(inner) != _parameters(outer):
        raise _Impossible
    shared = shared.difference(original.co_varnames, original.co_cellvars, wrapper.co_freevars)
    own = {*wrapper.co_varnames, _ORIGINAL, *shared}
    names = tuple(
        dict.fromkeys(
            each.id
            for each in ast.walk(ast.Module(outer.body, []))
            if isinstance(each, ast.Name) and each.id not in own
        )
    )
    body = _WithBody(inner, shared).put_into(outer.body)
    _forget_defaults(inner)
    inner.body, inner.decorator_list, inner.returns = body, [], None
    factory = ast.FunctionDef(
        name="factory",
        args=ast.arguments(
            posonlyargs=[],
            args=[ast.arg(_PREFIX + name) for name in names],
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        ),
        body=[inner, ast.Return(ast.Name(inner.name, ast.Load()))],
        decorator_list=[],
    )
    if hasattr(ast, "TypeAlias"):  # Python 3.12 and newer.
        factory.type_params = []  # type: ignore[attr-defined]  # checked for Python 3.11
    return _compile(ast.fix_missing_locations(ast.Module([factory], [])), original), names


def _definition_of(code: CodeType) -> ast.FunctionDef:
    """The very definition that a function was compiled from."""
    with tokenize.open(code.co_filename) as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == code.co_firstlineno:
                if not code.co_freevars and not _is_compiled_from(code, node, tree):
                    raise _Impossible
                return node
    raise _Impossible


def _is_compiled_from(code: CodeType, node: ast.FunctionDef, tree: ast.Module) -> bool:
    alone = copy.deepcopy(node)
    alone.decorator_list = []
    # A call of what the module imports is compiled into other code than one of anything else.
    imports = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    made = _compile(ast.Module([*imports, alone], []), code)
    return any(isinstance(each, CodeType) and _is_same(each, code) for each in made.co_consts)


def _is_same(one: CodeType, other: CodeType) -> bool:
    return (
        one.co_code == other.co_code
        and one.co_names == other.co_names
        and one.co_varnames == other.co_varnames
        and len(one.co_consts) == len(other.co_consts)
        and all(
            _is_same(mine, its)
            if isinstance(mine, CodeType) and isinstance(its, CodeType)
            else type(mine) is type(its) and repr(mine) == repr(its)
            for mine, its in zip(one.co_consts, other.co_consts, strict=True)
        )
    )


def _compile(module: ast.Module, like: CodeType) -> CodeType:
    flags = like.co_flags & _FUTURES
    made = compile(module, like.co_filename, "exec", flags=flags, dont_inherit=True)
    return cast("CodeType", made)


def _parameters(definition: Any) -> list[str]:
    return [each.arg for each in ast.walk(definition.args) if isinstance(each, ast.arg)]


def _forget_defaults(definition: ast.FunctionDef) -> None:
    """They are taken over as they are: to evaluate them again might be another object."""
    arguments = definition.args
    arguments.defaults = []
    arguments.kw_defaults = [None for _ in arguments.kwonlyargs]
    for each in ast.walk(arguments):
        if isinstance(each, ast.arg):
            each.annotation = None


class _WithBody:
    """Puts the body of Django's function into ours."""

    def __init__(self, inner: ast.FunctionDef, shared: frozenset[str]) -> None:
        self._parameters = set(_parameters(inner))
        self._shared = self._parameters | shared | {_ORIGINAL}
        self._line = inner.lineno
        has_docstring = ast.get_docstring(inner, clean=False) is not None
        self._docstring, body = inner.body[:has_docstring], inner.body[has_docstring:]
        self._body = _with_values_for_cells(body, self._parameters)

    def put_into(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        return [*self._docstring, *self._statements(statements)]

    def _statements(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        return [each for statement in statements for each in self._statement(statement)]

    def _statement(self, statement: ast.stmt) -> Iterator[ast.stmt]:
        if isinstance(statement, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id in _HIDES for each in statement.targets
        ):
            return
        if isinstance(statement, ast.Return) and _calls_of_original(statement):
            yield from self._body_returning(self._as_ours(statement))
            return
        statement = copy.copy(statement)
        blocks = "body", "orelse", "finalbody"
        inside = {name: getattr(statement, name, []) for name in (*blocks, "handlers")}
        for name in inside:
            if hasattr(statement, name):
                setattr(statement, name, [])
        statement = self._as_ours(statement)
        if _calls_of_original(statement):
            raise _Impossible
        for name in blocks:
            if inside[name]:
                setattr(statement, name, self._statements(inside[name]))
        handlers = []
        for handler in inside["handlers"]:
            bare = copy.copy(handler)
            bare.body = []
            bare = self._as_ours(bare)
            bare.body = self._statements(handler.body)
            handlers.append(bare)
        if handlers:
            statement.handlers = handlers  # type: ignore[attr-defined]  # it is a try
        yield statement

    def _as_ours(self, node: Any) -> Any:
        """A copy under our names, on the line where Django's function begins."""
        node = copy.deepcopy(node)
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and each.id not in self._shared:
                each.id = _PREFIX + each.id
            elif isinstance(each, ast.ExceptHandler) and each.name:
                each.name = _PREFIX + each.name
            if hasattr(each, "lineno"):
                each.lineno = each.end_lineno = self._line  # type: ignore[attr-defined]
                each.col_offset = each.end_col_offset = 0  # type: ignore[attr-defined]
        return node

    def _body_returning(self, our_return: ast.Return) -> list[ast.stmt]:
        """Django's statements; what they return goes where ours had the answer of the call."""
        body = [_Returns(our_return).visit(copy.deepcopy(each)) for each in self._body]
        if not isinstance(body[-1], ast.Return):
            body.append(_with_answer(our_return, ast.Constant(None)))
        return body


_FUNCTIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda


def _with_values_for_cells(body: list[ast.stmt], parameters: set[str]) -> list[ast.stmt]:
    """``body``, whose inner functions are given what they use of it where they are defined.

    A variable that an inner function uses lives in a cell, which each call makes anew: the four
    of ``Signal.send``, which hardly a call needs, would cost as much as all that we do there.
    What is assigned again later stays in its cell.
    """
    body = copy.deepcopy(body)
    bound = list(_bound(body))
    for function in _inner_functions(body):
        own = {*_parameters(function), *(name for name, _ in _bound(function.body))}
        used = {each.id for each in ast.walk(function) if isinstance(each, ast.Name)} - own
        changing = {name for name, line in bound if line >= function.lineno}
        for name in sorted(used & (parameters | {name for name, _ in bound}) - changing):
            function.args.kwonlyargs.append(ast.arg(name))
            function.args.kw_defaults.append(ast.Name(name, ast.Load()))
    return body


def _inner_functions(body: list[ast.stmt]) -> Iterator[Any]:
    for each in body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield each
        elif isinstance(each, ast.If):
            yield from _inner_functions([*each.body, *each.orelse])


def _bound(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """The names that are assigned there, and on which lines; inside of functions there are none."""
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        name = getattr(node, "name", None)  # Of a function, a class or what was caught.
        if type(name) is str:
            yield name, node.lineno  # type: ignore[attr-defined]  # those have one
        if not isinstance(node, _FUNCTIONS):
            yield from _bound(ast.iter_child_nodes(node))


def _is_call_of_original(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == _ORIGINAL
    )


def _calls_of_original(node: ast.AST) -> list[ast.AST]:
    return [each for each in ast.walk(node) if _is_call_of_original(each)]


def _with_answer(our_return: ast.Return, answer: ast.expr) -> ast.Return:
    class Answer(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            return answer if _is_call_of_original(node) else self.generic_visit(node)

    found: ast.Return = Answer().visit(copy.deepcopy(our_return))
    return found


class _Returns(ast.NodeTransformer):
    def __init__(self, our_return: ast.Return) -> None:
        self._our_return = our_return

    def visit_Return(self, node: ast.Return) -> ast.Return:
        found = _with_answer(self._our_return, node.value or ast.Constant(None))
        return ast.copy_location(found, node)

    def _leave_alone(self, node: ast.AST) -> ast.AST:
        return node  # What a function inside returns is its own.

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = _leave_alone  # noqa: N815


def _like(function: Any, original: Any) -> Any:
    code = function.__code__
    function.__code__ = _named(code, code.co_qualname, original.__code__.co_qualname)
    function.__qualname__ = original.__qualname__
    function.__defaults__ = original.__defaults__
    function.__kwdefaults__ = original.__kwdefaults__
    function.__annotations__ = original.__annotations__
    function.__doc__ = original.__doc__
    function.__dict__.update(original.__dict__)
    return function


def _named(code: CodeType, made: str, wanted: str) -> CodeType:
    return code.replace(
        co_qualname=wanted + code.co_qualname.removeprefix(made),
        co_consts=tuple(
            _named(each, made, wanted) if isinstance(each, CodeType) else each
            for each in code.co_consts
        ),
    )
