"""What ``call_command()`` is given by keyword becomes what a shell would give.

Django runs neither an option's type nor its choices over it, and looks at no value at all. So it
is spelled in words again, and the command's own parser reads them: whatever that refuses, and
however it says so, is the same from code as from the shell.
"""

from __future__ import annotations

import argparse
import os
from argparse import Action
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from signal_tracer.describing.arguments import kind_of
from signal_tracer.wording import printable


def parsed(command: BaseCommand, options: dict[str, Any]) -> dict[str, Any]:
    """The options of ``execute()``, each as the parser of ``command`` reads it.

    Raises ``CommandError``, which names the option and what it takes.
    """
    parser = command.create_parser("manage.py", command.__module__.rpartition(".")[2])
    # Argparse has no public way to ask for its options; Django takes this one as well.
    words = [word for action in parser._actions for word in _words(action, options)]
    return {**options, **vars(parser.parse_args(words))}


class CommandByKeyword(BaseCommand):
    """A command whose options are read so, and whose errors are a line that is safe to print."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **parsed(self, options))
        except CommandError as error:
            # It may quote what stands in a file, or is somebody's name: never more than a line.
            error.args = (printable(str(error)),)
            raise


def file_name(text: str) -> Path:
    """The ``type`` of an option that takes a file: an empty text would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("give the name of a file, not an empty text")
    return Path(text)


def _words(action: Action, options: dict[str, Any]) -> Iterator[str]:
    given = options.get(action.dest)
    if given is None or given is action.default or not action.option_strings:
        return
    name = action.option_strings[-1]
    if action.nargs == 0:
        if type(given) is not bool:
            raise _refusal(action, given)
        if given:
            yield name
    elif isinstance(action, argparse._AppendAction):
        for each in given if isinstance(given, list | tuple) else [given]:
            yield f"{name}={_word(action, each)}"
    elif action.nargs not in (None, "?"):
        members = given.split() if isinstance(given, str) else given
        if not isinstance(members, list | tuple):
            raise _refusal(action, given)
        if isinstance(action.nargs, int) and len(members) != action.nargs:
            raise CommandError(f"{name} takes {_wanted(action)}; it was given {len(members)}.")
        yield from (name, *(_word(action, each) for each in members))
    else:
        yield f"{name}={_word(action, given)}"


def _word(action: Action, given: Any) -> str:
    if isinstance(given, str):
        return given
    if action.type is int and type(given) is int:
        return str(given)
    if action.type is file_name and isinstance(given, os.PathLike):
        return os.fsdecode(given)
    raise _refusal(action, given)


def _refusal(action: Action, given: Any) -> CommandError:
    return CommandError(
        f"{action.option_strings[-1]} takes {_wanted(action)}; it was given {kind_of(given)}."
    )


def _wanted(action: Action) -> str:
    if action.nargs == 0:
        return "True or False"
    if action.choices is not None:
        return f"one of {', '.join(map(str, action.choices))}"
    if action.type is file_name:
        return f"{action.metavar}, as a str or a pathlib.Path"
    if action.type is int:
        return "a whole number"
    if isinstance(action.metavar, tuple):
        return f"{' and '.join(action.metavar)}, as a list or as a str of them"
    several = " or a list of such" if isinstance(action, argparse._AppendAction) else ""
    return f"{action.metavar or action.dest.upper()}, as a str{several}"
