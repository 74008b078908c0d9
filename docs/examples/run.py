#!/usr/bin/env python3
"""Runs what the pages of the documentation show: each function of an example, traced.

    python docs/examples/run.py what-signals-are                  # every function of its shown.py
    python docs/examples/run.py what-signals-are sign_up --whole
    python docs/examples/run.py what-signals-are --manage signal_map --signal post_save

A page's example is the folder of its name with ``_``: an app, or a project with several apps, which
are then imported as ``shop``, not ``my_page.shop``. Of its ``shown.py``, each public function
that is defined there is one trace, whose name is the first line of the function's docstring. What
must be there before the trace begins is made by ``before_<function>()``; what that returns is
given to the function. Each runs in a process of its own, which finds empty tables, and connected
what the example's apps connect.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import inspect
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
WIDTH = 92  # columns: as many as a line of the site has
FORMS = ("auto", "brief", "whole", "findings", "outline")


def prepare(page: str, folder: Path | None = None) -> str:
    """Set Django up with the apps of a page's example, and its tables; return the example's name.

    ``folder``: where files are named from, and written to; by default the project's, or that of
    all examples.
    """
    example = page.replace("-", "_")
    if example and not (HERE / example).is_dir():
        there = sorted(each.parent.name for each in HERE.glob("*/shown.py"))
        sys.exit(f"There is no folder docs/examples/{example}. There are: {', '.join(there)}.")
    project = HERE if (HERE / example / "apps.py").is_file() else HERE / example
    os.chdir(folder or project)
    # Ours first: the settings of a project are a module of that name too.
    sys.path[:0] = [str(HERE), str(project), str(HERE.parents[1])]
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    os.environ["DOCS_EXAMPLE"] = example

    import django
    from django.core.mail.utils import DNS_NAME
    from django.core.management import call_command
    from django.db import connections
    from django.dispatch import Signal

    from signal_tracer import trace_signals

    # A mail's Message-ID asks for it, which takes seconds where there is no network.
    DNS_NAME._fqdn = "docs.example"
    django.setup()
    for alias in connections:
        call_command("migrate", run_syncdb=True, verbosity=0, database=alias)
    # What only the first trace of a process does would be in the time of each.
    with trace_signals("") as trace:
        Signal().send(None)
    _drawn(trace, "whole")
    return example


def functions_of(example: str) -> dict[str, Callable[..., object]]:
    """What ``shown.py`` defines and shows, by name, in the order of the file."""
    shown = import_module(f"{example}.shown")
    return {
        name: it
        for name, it in vars(shown).items()
        if inspect.isfunction(it)
        and it.__module__ == shown.__name__
        and not name.startswith(("_", "before_"))
    }


def show(example: str, name: str) -> dict[str, Any]:
    """Run one function in a trace: what it printed, what it let out, and the trace in each form."""
    from signal_tracer import trace_signals

    shown = import_module(f"{example}.shown")
    function = functions_of(example)[name]
    title = (inspect.getdoc(function) or name).partition("\n")[0].rstrip(".")
    printed, error = io.StringIO(), None
    before = vars(shown).get(f"before_{name}")
    made = [before()] if before else []
    given = made if inspect.signature(function).parameters else []
    if inspect.iscoroutinefunction(function):
        asyncio.run(_connect_their_thread())
    with trace_signals(title) as trace, contextlib.redirect_stdout(printed):
        try:
            result = function(*given)
            if inspect.iscoroutine(result):
                asyncio.run(result)
        except Exception as raised:
            error = _told(raised, shown)
    return {
        "title": title,
        "location": f"docs/examples/{example}/shown.py:{function.__code__.co_firstlineno}",
        "printed": printed.getvalue(),
        "error": error,
        "figures": _figures(trace),
        "forms": {form: _drawn(trace, form) for form in FORMS},
    }


async def _connect_their_thread() -> None:
    """Open the database in the thread in which async code reaches it, so that no trace has that."""
    from asgiref.sync import sync_to_async
    from django.db import connection

    await sync_to_async(lambda: connection.ensure_connection())()


def in_a_process_of_its_own(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``run`` returns in a copy of this process, which leaves nothing behind in this one."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            with open(writing, "w", encoding="utf-8") as answer:
                json.dump(run(), answer)
            status = 0
        except BaseException:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)
    os.close(writing)
    with open(reading, encoding="utf-8") as answer:
        text = answer.read()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit("It failed before or after the trace; see above.")
    return json.loads(text)


def _told(raised: Exception, shown: ModuleType) -> dict[str, str]:
    """An exception that a function let out: its last line, where, and all of it."""
    frames = traceback.extract_tb(raised.__traceback__)
    of_page = [frame for frame in frames if frame.filename == shown.__file__]
    return {
        "type": type(raised).__name__,
        "line": traceback.format_exception_only(raised)[-1].strip(),
        "location": f"{of_page[-1].filename}:{of_page[-1].lineno}" if of_page else "",
        "traceback": "".join(traceback.format_exception(raised)),
    }


def _figures(trace: Any) -> dict[str, int]:
    from signal_tracer.showing.facts import count

    counted = count(trace)
    levels = [finding.level for finding in trace.findings()]
    return {
        "dispatches": counted.dispatches,
        "receiver calls": counted.receiver_calls,
        "queries": trace.query_count(),
        "swallowed exceptions": counted.swallowed,
        "receivers that raised": counted.raised,
        "bypasses": counted.bypasses,
        "rolled back": counted.rolled_back,
        "findings: errors": levels.count("error"),
        "findings: warnings": levels.count("warning"),
        "findings: info": levels.count("info"),
    }


def _drawn(trace: Any, form: str) -> list[tuple[str, str]]:
    """One form of a trace as stretches of text, each with the names of its styles."""
    from rich.text import Text

    from signal_tracer.showing.console import render_trace
    from signal_tracer.showing.map_console import render_findings

    if form == "outline":
        return [(trace.outline(), "")]
    if form == "findings":
        findings = trace.findings()
        return _stretches(render_findings(findings) if findings else Text("No finding."))
    brief = {"auto": None, "brief": True, "whole": False}[form]
    return _stretches(render_trace(trace, brief=brief, whole="report(trace, brief=False)"))


def _stretches(renderable: Any) -> list[tuple[str, str]]:
    from rich.console import Console
    from rich.segment import Segment

    console = Console(width=WIDTH, file=io.StringIO(), force_terminal=True, _environ={})
    lines = Segment.split_lines(console.render(renderable))
    found: list[tuple[str, str]] = []
    for line in lines:
        parts = [(part.text, _style_names(part.style)) for part in line if not part.control]
        while parts and not parts[-1][0].strip():
            parts.pop()
        found += [*parts[:-1], *((text.rstrip(), style) for text, style in parts[-1:]), ("\n", "")]
    return found[:-1]


def _style_names(style: Any) -> str:
    if style is None:
        return ""
    colour = [style.color.name] if style.color else []
    return " ".join([*colour, *(name for name in ("bold", "dim") if getattr(style, name))])


def run_blocks(example: str, page: Path) -> None:
    """Run a page's Python blocks, one after another in one namespace.

    They find ``trace``, a finished one. Raises what a block raises, whose traceback has the lines
    of the page.
    """
    from signal_tracer import trace_signals

    with trace_signals("an example") as trace:
        pass
    module = ModuleType(f"{example}.on_the_page" if example else "on_the_page")
    sys.modules[module.__name__] = module
    module.__dict__["trace"] = trace
    for line, source in python_blocks(page):
        exec(compile("\n" * line + source, str(page), "exec"), module.__dict__)


def python_blocks(page: Path) -> Iterator[tuple[int, str]]:
    """The Python blocks of a page that are to run, each with the lines above its code."""
    from blocks import blocks_of

    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.language == "python" and not block.reason:
            yield block.line, block.source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", help="the page's name; '' for none, with --manage or --blocks")
    parser.add_argument("function", nargs="?", help="a function of its shown.py; all unless given")
    form = parser.add_mutually_exclusive_group()
    for name in FORMS[1:]:
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name)
    form.add_argument("--json", action="store_true", help="all of them, for the directives")
    form.add_argument("--manage", nargs=argparse.REMAINDER, help="what manage.py is given")
    form.add_argument("--blocks", type=Path, help="run the Python blocks of this page")
    parser.add_argument("--folder", type=Path, help="where a command writes files")
    options = parser.parse_args()
    blocks = options.blocks and options.blocks.resolve()
    example = prepare(options.page, options.folder)
    if blocks:
        run_blocks(example, blocks)
    elif options.manage is not None:
        from django.core.management import ManagementUtility

        ManagementUtility(["manage.py", *options.manage]).execute()
    else:
        names = [options.function] if options.function else list(functions_of(example))
        if unknown := set(names) - set(functions_of(example)):
            there = ", ".join(functions_of(example))
            sys.exit(f"shown.py has no function {unknown.pop()}. It has: {there}.")
        shown = {
            name: in_a_process_of_its_own(lambda name=name: show(example, name)) for name in names
        }
        print(json.dumps(shown) if options.json else _for_a_terminal(shown, options.form))


def _for_a_terminal(shown: dict[str, dict[str, Any]], form: str | None) -> str:
    texts = []
    for name, each in shown.items():
        drawn = "".join(text for text, _ in each["forms"][form or "auto"])
        error = each["error"]["traceback"] if each["error"] else ""
        texts.append("\n".join(filter(None, (f"# {name}", each["printed"], drawn, error))))
    return "\n\n".join(texts)


if __name__ == "__main__":
    main()
