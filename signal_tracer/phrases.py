"""What a finding or a fact fills in: numbers and names, put into words where they are shown.

Each is English as text, so that a template can be filled with it as it is. A page in another
language makes its own words of what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from signal_tracer.records import Location
from signal_tracer.wording import format_duration, listed, location_of

# docs/make_messages.py collects the words given to Phrase, Sentence and Count, and so needs them
# written out.


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words of ours, which stand for a name that is not known."""

    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class Count:
    """How many of what: ``one`` and ``many`` are templates with ``%(number)s``."""

    number: int
    one: str
    many: str
    is_at_least: bool = False

    def __str__(self) -> str:
        counted = (self.one if self.number == 1 else self.many) % {"number": self.number}
        return f"at least {counted}" if self.is_at_least else counted


@dataclass(frozen=True, slots=True)
class Seconds:
    seconds: float

    def __str__(self) -> str:
        return format_duration(self.seconds)


@dataclass(frozen=True, slots=True)
class At:
    """A line of a file; ``None`` if it is not known."""

    location: Location | None

    def __str__(self) -> str:
        return location_of(self.location)


@dataclass(frozen=True, slots=True)
class Names:
    """``a, b and c``; each once."""

    names: tuple[str | Phrase | At | Count, ...]

    @classmethod
    def of(cls, names: Iterable[str | Phrase | At | Count]) -> Names:
        return cls(tuple(dict.fromkeys(names)))

    def __str__(self) -> str:
        return listed(map(str, self.names))


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement of SQL, and of how many more that are like it there is nothing else to say."""

    sql: str
    more: int = 0

    def __str__(self) -> str:
        return self.sql + (f"; and {self.more} more like it" if self.more else "")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words of ours around others: ``words`` is a template for ``%``, ``values`` fill it."""

    words: str
    values: Mapping[str, Words]

    def __str__(self) -> str:
        return self.words % {name: str(value) for name, value in self.values.items()}


Words: TypeAlias = "str | int | Phrase | Count | Seconds | At | Names | Sql | Sentence"
