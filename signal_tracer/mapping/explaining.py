"""Says what would happen if a sender sent a signal now, and why not more."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property
from typing import Any, TypeVar

from django.apps import apps
from django.db.models.signals import m2m_changed
from django.dispatch import Signal

from signal_tracer.describing.connections import (
    Entry,
    entries_of,
    identity,
    read_entry,
)
from signal_tracer.describing.names import class_name, is_a, namespace_of, signal_name
from signal_tracer.describing.near_misses import reason_to_expect
from signal_tracer.mapping.reading import read_map
from signal_tracer.mapping.receivers import left_out_of_cache
from signal_tracer.mapping.searching import find_signals
from signal_tracer.mapping.senders import Senders, classes_by_id, through_models
from signal_tracer.signal_map import (
    Connection,
    Explanation,
    MappedSignal,
    Obstacle,
    Prospect,
    SignalMap,
)

T = TypeVar("T")


class UnknownNameError(LookupError):
    """A name that nothing goes by, or too much: the message says what may have been meant."""


class LookUp:
    """What a person may name, and what is connected, looked for once."""

    def __init__(self) -> None:
        self.signals, _ = find_signals(thorough=True)
        self.senders = Senders(among_all_objects_for=self.signals)

    @cached_property
    def map(self) -> SignalMap:
        return read_map()

    @cached_property
    def mapped(self) -> dict[str, MappedSignal]:
        """The signals of the map, by name."""
        return {each.name: each for each in self.map.signals}

    def signal(self, wanted: str) -> Signal:
        """The signal that goes by the name, in full or by its last parts.

        Raises ``UnknownNameError``.
        """
        return pick("signal", wanted, [(signal_name(each), each) for each in self.signals])

    def sender(self, wanted: str, signal: Signal) -> Any:
        """The sender of the signal that goes by the name, ``None`` for any.

        Raises ``UnknownNameError``.
        """
        return _find_sender(wanted, signal, self.senders)

    def prospects(self, signal: Signal, sender: Any) -> tuple[Prospect, ...]:
        """What would become of each connection, if the sender sent the signal."""
        entries = entries_of(signal)
        left_out = {id(entry) for entry, other in left_out_of_cache(signal) if other is sender}
        return tuple(
            Prospect(
                connection, _obstacle(connection, entries, signal, sender, self.senders, left_out)
            )
            for connection in self.mapped[signal_name(signal)].connections
        )


def explain(signal_wanted: str, sender_wanted: str) -> Explanation:
    """What would happen if the sender sent the signal, each named in full or by its last parts.

    Raises ``UnknownNameError``.
    """
    look = LookUp()
    signal = look.signal(signal_wanted)
    sender = look.sender(sender_wanted, signal)
    name, kind = (None, "any") if sender is None else look.senders.describe_live(sender)
    mapped = look.mapped[signal_name(signal)]
    return Explanation(
        mapped,
        name or "None",
        kind,  # type: ignore[arg-type]  # one of the words of SenderKind
        look.prospects(signal, sender),
        tuple(
            each
            for each in look.map.missing
            if each.signal == mapped.name and each.sender in (None, name)
        ),
    )


def _obstacle(
    connection: Connection,
    entries: list[Any],
    signal: Signal,
    sender: Any,
    senders: Senders,
    left_out: set[int],
) -> Obstacle | None:
    if connection.state == "waiting":
        return "waiting"
    live = entries[connection.position - 1]
    entry = read_entry(live)
    if entry.receiver is None:
        return "dead"
    if id(live) in left_out:
        return "left_out"
    if entry.sender_id in (identity(None), identity(sender)):
        return None
    found, connected = senders.find(entry)
    if not found:
        return "sender_gone" if connection.sender_kind == "gone" else "connected_to_other"
    return _reason(signal, sender, connected) or "connected_to_other"


def _reason(signal: Signal, sender: Any, connected: Any) -> Obstacle | None:
    if sender is None:
        return None
    is_class = is_a(sender, type)
    return reason_to_expect(
        sender if is_class else type(sender),
        connected,
        is_class=is_class,
        is_m2m=signal is m2m_changed,
    )


def _find_sender(wanted: str, signal: Signal, senders: Senders) -> Any:
    if wanted in ("None", "any"):
        return None
    models = [
        (class_name(model), model)
        for registered in list(apps.all_models.values())
        for model in list(registered.values())
    ]
    connected = [
        (name, sender)
        for entry in map(read_entry, entries_of(signal))
        for name, sender in _named_sender(entry, senders)
    ]
    # As a person writes them, beside the name that Django made up: shop.Product_tags.
    throughs = [
        (f"{owner}.{field}.through", through)
        for model, field, through in through_models(model for _, model in models)
        for owner in (class_name(model), path_of(model))
    ]
    likely = [*models, *connected, *throughs]
    exact = matching(wanted.lower(), [(name.lower(), live) for name, live in likely])
    if exact and all(live is exact[0][1] for _, live in exact):
        return exact[0][1]
    if not exact:
        every = [
            (path, cls)
            for cls in classes_by_id().values()
            for path in {class_name(cls), path_of(cls)}
        ]
        others = matching(wanted, every)
        if others:
            return pick("sender", wanted, others)
    return pick("sender", wanted, likely)


def _named_sender(entry: Entry, senders: Senders) -> Iterable[tuple[str, Any]]:
    found, sender = senders.find(entry)
    return [(senders.describe_live(sender)[0], sender)] if found else []


def path_of(cls: Any) -> str:
    """``shop.models.Order``, for which ``class_name()`` says ``shop.Order``."""
    module = namespace_of(cls).get("__module__")
    qualname = type.__dict__["__qualname__"].__get__(cls)
    return f"{module}.{qualname}"


def matching(wanted: str, candidates: Iterable[tuple[str, T]]) -> list[tuple[str, T]]:
    """Those that go by exactly this name; if none does, those whose last parts it is."""
    named = list(_distinct(candidates))
    exact = [(name, live) for name, live in named if name == wanted]
    return exact or [(name, live) for name, live in named if name.endswith(f".{wanted}")]


def _distinct(candidates: Iterable[tuple[str, T]]) -> Iterable[tuple[str, T]]:
    return {(name, id(live)): (name, live) for name, live in candidates}.values()


def pick(what: str, wanted: str, candidates: Iterable[tuple[str, T]]) -> T:
    candidates = list(candidates)
    found = matching(wanted, candidates)
    if found and all(live is found[0][1] for _, live in found):
        return found[0][1]
    if found:
        names = sorted({name for name, _ in found})
        raise UnknownNameError(
            f"More than one {what} goes by {wanted!r}: {', '.join(names)}. Give more of its name."
        )
    raise UnknownNameError(f"No {what} goes by {wanted!r}. {likely_names(wanted, candidates)}")


def likely_names(wanted: str, candidates: Iterable[tuple[str, object]]) -> str:
    """What was perhaps meant: full names, or last parts if only that was given."""
    names = sorted({name for name, _ in candidates})
    by_lower = {name.rpartition(".")[2].lower(): name for name in names}
    by_lower |= {name.lower(): name for name in names}
    close = get_close_matches(wanted.lower(), by_lower, n=3, cutoff=0.8) or get_close_matches(
        wanted.lower(), by_lower, n=1, cutoff=0.5
    )
    if close:
        meant = dict.fromkeys(by_lower[each] for each in close)
        return f"Did you mean {' or '.join(map(repr, meant))}?"
    some = ", ".join(names[:5])
    return f"There is, for example: {some}." if some else "There is nothing of the kind."
