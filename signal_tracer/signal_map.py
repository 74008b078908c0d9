"""The signal map: every signal of a process and who is connected, as plain data.

Nothing here knows Django, rich or how the map was read; ``mapping`` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from signal_tracer import plain
from signal_tracer.plain import JSON
from signal_tracer.printable import printable
from signal_tracer.records import (
    DJANGO,
    PROJECT,
    Count,
    Location,
    Ordinal,
    Owner,
    Reason,
    Value,
    goes_by,
)

FORMAT_VERSION = 1
# What Django sends for the rows of a model, whichever it is.
SENT_BY_MODELS = frozenset(
    f"django.db.models.signals.{name}"
    for name in ("pre_init", "post_init", "pre_save", "post_save", "pre_delete", "post_delete")
)
ANY = "any sender"

# What a receiver is. A closure is a function made inside another one.
ReceiverKind = Literal[
    "function",
    "lambda",
    "closure",
    "method",
    "partial",
    "class",
    "builtin",
    "instance",
    "mock",
    "unknown",
]
# What it is connected to. A "through" model is the table of a many-to-many field, and a "table"
# one that Django made itself: its rows send no signals of their own; "lazy" is a
# model named by a string that no model goes by so far; a "string" names a model to a signal that
# does not look it up; "several" are a list, which nothing sends; of one that is "gone" or
# "unknown" only an address in memory is left.
SenderKind = Literal[
    "any",
    "model",
    "abstract",
    "swapped",
    "through",
    "table",
    "class",
    "instance",
    "lazy",
    "string",
    "several",
    "gone",
    "unknown",
]
# A dead receiver was collected as garbage; a waiting one is connected when its model is defined.
State = Literal["alive", "dead", "waiting"]


class SignalMapFormatError(ValueError):
    """Data that is not a signal map: the message names what is wrong and what to do."""


def owner_of_module(module: str) -> Owner:
    """Whose a module is that is not the project's."""
    package = module.partition(".")[0]
    return DJANGO if package == "django" else Owner("package", package)


@dataclass(frozen=True, slots=True)
class Detour:
    """A way in which rows of a connection's sender change without its signal.

    ``by`` is the rule of a foreign key ``field``, when a row of ``origin`` is deleted:
    ``SET_NULL``, ``DB_CASCADE``; or ``delete``, which the model has defined without deleting.
    """

    by: str
    field: str | None = None
    origin: str | None = None
    defined_at: Location | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """One receiver connected to a signal.

    ``position`` counts from 1 in the order in which Django calls the receivers. ``sender`` is
    ``None`` for any sender. ``app`` is the label of the app that the receiver's module belongs
    to, or its top-level package; ``connected_by`` that of the app whose source is seen to
    connect it, and ``None`` where that is not known. ``is_project``: the receiver is the
    project's own code, not an installed package's. ``with_urls``: it was connected only when
    the URLconf was imported.

    For the rules: ``is_fragile`` says that nothing but a cache of Django's keeps the receiver
    alive, ``has_qualname`` that Django can name it in its log, and ``twin`` is the position of
    an earlier connection of the same code that hears the same sender. ``cannot`` says why the
    receiver cannot take what the signal sends, where that is certain. ``preset_key`` is the
    primary key of its sender, or of some model where it hears any, that has a value before its
    row is written, as most UUIDs do: ``shop.Order.id``. ``detours`` are
    ways past the receiver that the sender's model itself says. ``left_out_for`` are the senders
    for which Django's cache leaves it out, so that it is not called. ``gone`` is what of a
    row that was deleted is empty for a receiver of ``post_delete``: ``pk`` when that has ended,
    and relations already then.
    """

    receiver: str
    kind: ReceiverKind
    position: Ordinal
    sender: str | None = None
    sender_kind: SenderKind = "any"
    state: State = "alive"
    dispatch_uid: Value = None
    is_weak: bool | None = None
    is_async: bool | None = None
    defined_at: Location | None = None
    module: str | None = None
    app: str | None = None
    connected_by: str | None = None
    doc: str = ""
    is_project: bool = False
    with_urls: bool = False
    is_fragile: bool = False
    has_qualname: bool = True
    twin: Ordinal | None = None
    cannot: str | None = None
    detours: tuple[Detour, ...] = ()
    preset_key: str | None = None
    left_out_for: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def heard(self) -> str:
        """The sender as a person would read it."""
        return ANY if self.sender is None else self.sender

    @property
    def owner(self) -> Owner:
        """Whose the receiver is. One of which nothing is left may be the project's."""
        known = self.is_project or self.module is None
        return PROJECT if known else owner_of_module(self.module or "")

    def __str__(self) -> str:
        """One line: ``shop.receivers.send_receipt  sender=shop.Order  DEAD``."""
        marks = [*self.marks()]
        said = f"{self.receiver}  sender={self.sender}{'  ' * bool(marks)}{' '.join(marks)}"
        return printable(said)

    def marks(self) -> Iterator[str]:
        """What a reader must not miss, as words, the worst first."""
        if self.state != "alive":
            yield self.state.upper()
        if self.sender_kind in ("gone", "unknown"):
            yield f"SENDER {self.sender_kind.upper()}"
        if self.is_fragile:
            yield "FRAGILE"
        if self.cannot is not None:
            yield "CANNOT BE CALLED"
        if self.left_out_for:
            yield "LEFT OUT"
        if self.is_async:
            yield "ASYNC"
        if self.is_weak is False:
            yield "STRONG"
        if self.with_urls:
            yield "WITH URLS"


@dataclass(frozen=True, slots=True)
class MappedSignal:
    """A signal and its connections in calling order.

    ``type`` is its class. ``own_methods`` are those of Django's methods that decide who is
    called, and that this class has its own of. ``app`` and ``is_project`` are as in a connection.
    """

    name: str
    type: str = "django.dispatch.dispatcher.Signal"
    defined_at: Location | None = None
    app: str | None = None
    is_project: bool = False
    own_methods: tuple[str, ...] = ()
    connections: tuple[Connection, ...] = ()


@dataclass(frozen=True, slots=True)
class MappedApp:
    """An installed app: its label, dotted name and folder, and the file of its ``AppConfig``."""

    label: str
    name: str
    folder: str | None = None
    config_file: str | None = None
    config_class: str | None = None
    is_project: bool = False


# How sure it is that a connection should be there and is not: a person could prove it from the
# source; nothing in the source speaks for another reason; or it may be meant so.
Certainty = Literal["sure", "likely", "possible"]


@dataclass(frozen=True, slots=True)
class Missing:
    """A connection that stands in the project's source, and is not among those of the process.

    ``because`` says why, and ``mend`` what to change, both in whole clauses. ``module`` is that
    of the source, whether or not it was imported; ``app`` the label of the app it belongs to.
    """

    receiver: str
    signal: str
    sender: str | None
    written_at: Location
    certainty: Certainty
    because: str
    mend: str
    module: str
    app: str | None = None

    @property
    def heard(self) -> str:
        """The sender as a person would read it."""
        return ANY if self.sender is None else self.sender


@dataclass(frozen=True, slots=True)
class BulkCall:
    """A bulk operation as it stands in the project's source, and what it would skip.

    ``receivers`` are those that wait for the model; ``own_method`` is the model's own ``save()``
    or ``delete()``, which the operation does not call.
    """

    method: str
    model: str
    receivers: tuple[str, ...]
    own_method: str | None
    written_at: Location


@dataclass(frozen=True, slots=True)
class SignalMap:
    """Every signal of a process, by name, and the installed apps.

    ``is_complete`` is false when signals that no module holds were not looked for; ``omitted``
    counts connections that were left out because there were too many. ``missing`` is what the
    project's source connects and the process does not have. ``bulk_calls`` are those of its bulk
    operations that skip something; ``unknown_bulk_calls`` counts those whose model cannot be told.
    """

    signals: tuple[MappedSignal, ...] = ()
    apps: tuple[MappedApp, ...] = ()
    is_complete: bool = True
    omitted: Count = 0
    missing: tuple[Missing, ...] = ()
    bulk_calls: tuple[BulkCall, ...] = ()
    unknown_bulk_calls: Count = 0

    def walk(self) -> Iterator[tuple[MappedSignal, Connection]]:
        """Every connection with its signal."""
        for signal in self.signals:
            for connection in signal.connections:
                yield signal, connection

    def select(
        self,
        *,
        signals: Iterable[str] = (),
        senders: Iterable[str] = (),
        receivers: Iterable[str] = (),
        apps: Iterable[str] = (),
        sent_by_models: bool = False,
        project_only: bool = False,
        unheard: bool = False,
    ) -> SignalMap:
        """The part of the map that all the filters let through.

        Each name is dotted, its last parts, or a pattern, and one of a kind is enough. ``apps``
        are labels of the apps that receivers belong to, or signals that nobody listens to.
        ``senders`` may name ``"any"``. Receivers of any sender would run for those named as well:
        they are in it where the signal has others of theirs, and with ``sent_by_models`` where it
        is one that Django sends for each model.
        """
        signals, senders, receivers, apps = map(tuple, (signals, senders, receivers, apps))

        def is_sent_by(sender: str | None) -> bool:
            return any(goes_by(sender or "any", each) for each in senders)

        def hears_them(signal: MappedSignal, connection: Connection) -> bool:
            if not senders or is_sent_by(connection.sender):
                return True
            return connection.sender_kind == "any" and (
                (sent_by_models and signal.name in SENT_BY_MODELS)
                or any(each.sender and is_sent_by(each.sender) for each in signal.connections)
            )

        def lets_through(signal: MappedSignal, connection: Connection) -> bool:
            return (
                hears_them(signal, connection)
                and (not receivers or any(goes_by(connection.receiver, each) for each in receivers))
                and (not apps or any(goes_by(connection.app or "", each) for each in apps))
                and (not project_only or connection.is_project)
            )

        def keeps_unheard(signal: MappedSignal) -> bool:
            return (
                not (senders or receivers)
                and (not apps or any(goes_by(signal.app or "", each) for each in apps))
                and (not project_only or signal.is_project)
            )

        chosen = []
        for signal in self.signals:
            if signals and not any(goes_by(signal.name, each) for each in signals):
                continue
            if not signal.connections:
                if keeps_unheard(signal):
                    chosen.append(signal)
            elif not unheard:
                connections = tuple(
                    each for each in signal.connections if lets_through(signal, each)
                )
                if connections:
                    chosen.append(replace(signal, connections=connections))
        missing = tuple(
            each
            for each in self.missing
            if (not signals or any(goes_by(each.signal, wanted) for wanted in signals))
            and (not senders or is_sent_by(each.sender))
            and (not receivers or any(goes_by(each.receiver, wanted) for wanted in receivers))
            and (not apps or any(goes_by(each.app or "", wanted) for wanted in apps))
        )
        is_part = any((signals, senders, receivers, apps, unheard))
        return replace(
            self,
            signals=tuple(chosen),
            missing=() if unheard else missing,
            bulk_calls=() if is_part else self.bulk_calls,
        )

    def to_dict(self) -> JSON:
        """What ``from_dict()`` reads, holding only what JSON holds."""
        return {"version": FORMAT_VERSION, **plain.write(self)}

    @classmethod
    def from_dict(cls, data: JSON) -> SignalMap:
        """The map that ``to_dict()`` described.

        Raises ``SignalMapFormatError``, a ``ValueError``, for all other data.
        """
        rest = without_version(data, FORMAT_VERSION, advice=_ADVICE)
        try:
            return plain.read(cls, rest)
        except plain.DamageError as damage:
            raise SignalMapFormatError(
                f"This signal map is damaged ({damage}).{_ADVICE}"
            ) from damage

    def to_json(self, *, indent: int | None = None) -> str:
        """``to_dict()`` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


# Why a receiver would not run, beyond the reasons of a near miss: it is dead, it waits for a model
# to be defined, its sender is gone, it is connected to one that has nothing to do with it, or
# Django's cache leaves it out.
Obstacle = Literal[Reason, "dead", "waiting", "sender_gone", "left_out"]


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would become of one connection, if its signal were sent: ``None`` means it would run."""

    connection: Connection
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would happen if ``sender`` sent ``signal`` now, by Django's own ``send()``.

    ``missing``: what would run as well, if all were connected that the project's source connects.
    """

    signal: MappedSignal
    sender: str
    sender_kind: SenderKind
    prospects: tuple[Prospect, ...]
    missing: tuple[Missing, ...] = ()

    def running(self) -> list[Connection]:
        """Who would run, in calling order: the async receivers after all others, together."""
        chosen = [each.connection for each in self.prospects if each.obstacle is None]
        return sorted(chosen, key=lambda connection: connection.is_async is True)

    def not_running(self) -> list[Prospect]:
        """Who would not, those first of whom a person might expect it."""
        chosen = [each for each in self.prospects if each.obstacle is not None]
        return sorted(chosen, key=lambda each: each.obstacle == "connected_to_other")


_ADVICE = " Write it again with: manage.py signal_map --format json"


def without_version(data: Any, version: int, *, advice: str = "") -> JSON:
    """What ``data`` holds beside its version.

    Raises ``SignalMapFormatError`` unless that is ``version``. ``advice``: what to do if it is
    another one, unless the caller says so itself.
    """
    if not isinstance(data, dict) or "version" not in data:
        raise SignalMapFormatError("This is not a signal map: it has no 'version'.")
    rest = {**data}
    found = rest.pop("version")
    if type(found) is not int or found != version:
        raise SignalMapFormatError(
            f"This signal map has version {plain.spell(found)}, and this signal_tracer reads "
            f"version {version}.{advice}"
        )
    return rest
