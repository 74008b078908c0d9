"""Stable lines: those of an outline without what differs between two runs of the same behaviour.

A key depends on which tests ran before, an address on the process, a moment on the clock. Rows,
UUIDs and signals without a name get a number instead, by the order in which they appear, so that
one can still tell whether two lines are about the same.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping

from signal_tracer.records import Error, Summary, Value, show_value
from signal_tracer.showing.facts import Arguments, Fact

_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""


def _in_brackets(inner: str) -> str:
    return rf"(?:{_QUOTED}|[^()'\"]|\({inner}\))*"


# ``1``, ``'a'``, ``UUID(...)``, and of several fields ``(1, UUID(...))``.
_KEY = _in_brackets(_in_brackets(_in_brackets("")))
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_VARIES = re.compile(
    rf"""
    (?<![\w.]) (?P<row> [\w.]+ ) \( pk= (?P<key> {_KEY} ) \)
    | <unnamed[ ](?P<signal> \w+ )[ ](?P<met> \d+ )>
    | UUID\( (?P<uuid> {_UUID} ) \) | \b (?P<text> {_UUID} | [0-9a-fA-F]{{32}} ) \b
    | (?P<moment> \b (?:date|time|datetime|timedelta) \( ) [^()]* \)
    | (?P<iso> \b \d{{4}}-\d\d-\d\d (?: [ T]\d\d:\d\d [\d:.]* (?: Z | [+-]\d\d:?\d\d )? )? \b )
    | (?P<address> \b 0x[0-9a-fA-F]+ \b )
    | (?P<cut> …[ ]\( [\d,]+ [ ]characters\) )
    """,
    re.VERBOSE,
)
_NAMES_A_KEY = re.compile(r"(?:^|_)(?:id|ids|pk|pks|uid|uuid|pk_set)$")
_PART_OF_KEY = re.compile(rf"(?<!… )(?:UUID\({_UUID}\)|{_QUOTED}|(?<![\w.,])\d+(?![\w.]))")
_SET_OF_KEYS = re.compile(r"\{((?:#\d+, )+[^{}]*)\}")
_SET_OF_ROWS = re.compile(r"\{((?:[\w.]+\(pk=\d+\), )+[^{}]*)\}")


class AsRecorded:
    """Spells what an outline is made of as the trace has it."""

    def tells(self, fact: Fact) -> bool:
        return True

    def line(self, text: str) -> str:
        return text

    def error(self, error: Error) -> str:
        return str(error)

    def arguments(self, arguments: Arguments) -> str:
        return str(arguments)


class Stable(AsRecorded):
    """Spells the lines of one outline, which are given in their order."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, int]] = {}
        # Whatever lies there has a name that was made for this run.
        self._temporary = re.compile(re.escape(tempfile.gettempdir()) + r"""/[^\s'",)]*""")

    def tells(self, fact: Fact) -> bool:
        return fact.label != "Cache calls"  # What a cache holds depends on who ran before.

    def line(self, text: str) -> str:
        text = self._temporary.sub("<temporary file>", text)
        return _VARIES.sub(self._spell, _SET_OF_ROWS.sub(_in_order, text))

    def error(self, error: Error) -> str:
        # A message is made of values, and each version of a library has its own words.
        return str(Error(error.type, ""))

    def arguments(self, arguments: Arguments) -> str:
        """What a signal was sent with; an argument that is called ``..._id`` holds a key."""
        values = arguments.values
        return ", ".join(f"{name}={self._argument(name, values)}" for name in values)

    def _argument(self, name: str, values: Mapping[str, Value]) -> str:
        text = show_value(values[name])
        if "(pk=" in text or not _NAMES_A_KEY.search(name):
            return self.line(text)
        # The keys of ``m2m_changed`` are those of the rows of its model.
        model = values.get("model") if name == "pk_set" else None
        kind = model.text if isinstance(model, Summary) else name
        numbered = _PART_OF_KEY.sub(lambda found: self._number(kind, found[0]), text)
        return _SET_OF_KEYS.sub(_in_order, numbered)

    def _spell(self, found: re.Match[str]) -> str:
        match found.lastgroup:
            case "key":
                row, key = found.group("row", "key")
                is_known = key not in ("None", "[redacted]")
                return f"{row} {self._number(row, key)}" if is_known else found[0]
            case "met":
                kind = found["signal"]
                return f"<unnamed {kind} {self._number('unnamed', found['met'])}>"
            case "uuid" | "text":
                plain = found[found.lastgroup].replace("-", "").lower()
                return f"UUID {self._number('UUID', plain)}"
            case "moment":
                return f"{found['moment']}…)"
            case _:
                return "…"

    def _number(self, kind: str, key: str) -> str:
        """``#1`` for the first of a kind, ``#2`` for the next that is another."""
        seen = self._seen.setdefault(kind, {})
        return f"#{seen.setdefault(key, len(seen) + 1)}"


def _in_order(found: re.Match[str]) -> str:
    # A set has its own, by hashes. What stands for the members that are not shown is the longest.
    members = sorted(found[1].split(", "), key=lambda each: (len(each), each))
    return f"{{{', '.join(members)}}}"
