"""What a finding is: its kind, which many share, and what it fills in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from signal_tracer.phrases import Words
from signal_tracer.printable import printable
from signal_tracer.records import (
    PROJECT,
    Bypass,
    ConnectionChange,
    Dispatch,
    Location,
    Owner,
    ReceiverCall,
)

Level = Literal["error", "warning", "info"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info")
# A public address, once there is one. What it says also travels with the package: see about.py.
DOCS = "docs/findings.md"


@dataclass(frozen=True, slots=True)
class Kind:
    """One entry of the catalogue. ``message`` and ``advice`` are templates for ``%``.

    ``is_loss``: something was lost in the very trace that shows it, whoever's code lost it.
    """

    slug: str
    level: Level
    title: str
    message: str
    why: str
    advice: str
    is_loss: bool = False

    @property
    def docs(self) -> str:
        """Where the documentation says more."""
        return f"{DOCS}#{self.slug}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth a person's attention, with a place and an advice.

    ``values`` fill the templates of ``kind``: numbers and names, of which a page in another
    language makes its own words. ``names`` are the dotted names it is about, which
    ``IGNORE_FINDINGS`` may name. ``record`` is the first record of the trace that shows it, and
    ``count`` how many show the same. ``owner`` is whose a line is that could be changed: of a
    package's no level is above "info", unless something was lost.
    """

    kind: Kind
    values: Mapping[str, Words | None]
    names: tuple[str, ...] = ()
    location: Location | None = None
    record: Dispatch | ReceiverCall | Bypass | ConnectionChange | None = field(
        default=None, compare=False
    )
    count: int = 1
    owner: Owner = PROJECT

    @property
    def slug(self) -> str:
        return self.kind.slug

    @property
    def level(self) -> Level:
        return self.kind.level if self.is_projects or self.kind.is_loss else "info"

    @property
    def is_projects(self) -> bool:
        return self.owner.kind == "project"

    @property
    def title(self) -> str:
        return self.kind.title

    @property
    def message(self) -> str:
        return self._filled(self.kind.message)

    @property
    def why(self) -> str:
        return self._filled(self.kind.why)

    @property
    def advice(self) -> str:
        return self._filled(self.kind.advice)

    def _filled(self, template: str) -> str:
        return template % {
            name: value if isinstance(value, int) else printable(str(value))
            for name, value in self.values.items()
        }

    @property
    def docs(self) -> str:
        return self.kind.docs

    def __str__(self) -> str:
        """One line: ``error swallowed-exception: …``."""
        return f"{self.level} {self.slug}: {self.message}"
