"""What a chain begins with, and each of its branches: rows of a model, or a signal by a sender."""

from __future__ import annotations

from typing import Literal, NamedTuple

MODELS = "django.db.models.signals."
M2M = f"{MODELS}m2m_changed"
INIT = (f"{MODELS}pre_init", f"{MODELS}post_init")
RowKind = Literal["save", "delete"]
ROWS: dict[RowKind, tuple[str, str]] = {
    "save": (f"{MODELS}pre_save", f"{MODELS}post_save"),
    "delete": (f"{MODELS}pre_delete", f"{MODELS}post_delete"),
}
KIND_OF = {signal: kind for kind, signals in ROWS.items() for signal in signals}
# Rows that are deleted otherwise than by the model's own delete(), or not whole; and so saved.
OF_A_QUERYSET = "of a queryset"
WITHOUT_PARENTS = "that keeps its parents"
PAST_ITS_OWN = "past its own"


class Root(NamedTuple):
    """A save or delete of a model, or a signal.

    ``sender``: of a signal; of a save or delete how it is done, where it makes a difference.
    """

    kind: Literal["save", "delete", "signal"]
    name: str
    sender: str = ""
