"""All that is known of one signal sent by one sender, looked up once: names and who is connected.

It is found by identity, and forgotten when the signal or the sender dies. Who is connected is
asked again after ``connect()`` and ``disconnect()``, and wherever Django is about to call another
object than the one that was met last time: somebody may have rearranged ``Signal.receivers``.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

from django.db.models.signals import ModelSignal, m2m_changed, post_delete, pre_delete

from signal_tracer.describing.connections import Entry, identity, name_of_uid, read_entry
from signal_tracer.describing.frames import find_sender_frame
from signal_tracer.describing.names import (
    class_name,
    describe_receiver,
    is_a,
    name_of_signal,
    signal_name,
    when_renamed,
)
from signal_tracer.describing.near_misses import (
    family,
    find_class,
    has_table,
    is_named_by,
    reason_to_expect,
)
from signal_tracer.describing.values import Capture, name_of_sender
from signal_tracer.describing.written import sender_in_source
from signal_tracer.records import Location, Reason, Summary, Value, show_value

_NOBODY = identity(None)
_object_hash: object = object.__hash__
_object_eq: object = object.__eq__


def _gone() -> None:
    """Stands for a weak reference to what takes none."""


class ReceiverInfo:
    """What is known of one connected receiver; shared by all its calls.

    ``refers_to()`` returns the receiver as long as it lives, unless it is a bound method, which
    is made anew each time, or takes no weak reference: ``is_of()`` knows those methods.
    """

    __slots__ = (
        "_function",
        "_owner",
        "called_for",
        "counted_by",
        "defined_at",
        "dispatch_uid",
        "hears_any_sender",
        "is_async",
        "name",
        "refers_to",
        "run",
    )

    def __init__(self, receiver: Any, uid: Value, *, is_async: bool) -> None:
        described = describe_receiver(receiver)
        self.name: str = described.name
        self.defined_at: Location | None = described.defined_at
        self.dispatch_uid = uid
        self.is_async = is_async
        self.hears_any_sender = False
        # The name of the signal, and the sender's class weakly, where it is known.
        self.called_for: tuple[str, weakref.ref[Any] | None] = ("", None)
        # The signal coverage that knows already that it ran.
        self.counted_by: object = None
        self.stands_for(receiver)

    def stands_for(self, receiver: Any) -> None:
        """It is this object that Django calls: another tool may have put its own in between."""
        # What runs its coroutines, under their name; see receivers.
        self.run: Any = None
        self.refers_to: Callable[[], Any] = _gone
        self._owner: Callable[[], Any] = _gone
        self._function: Callable[[], Any] = _gone
        try:
            if type(receiver) is types.MethodType:
                self._owner = weakref.ref(receiver.__self__)
                self._function = weakref.ref(receiver.__func__)
            else:
                self.refers_to = weakref.ref(receiver)
        except TypeError:
            pass  # It is looked up again each time.

    def is_of(self, receiver: Any) -> bool:
        """Whether this is about that very object; of one without a weak reference, never."""
        if type(receiver) is types.MethodType:
            return receiver.__self__ is self._owner() and receiver.__func__ is self._function()
        return receiver is not None and self.refers_to() is receiver

    def is_like(self, other: ReceiverInfo) -> bool:
        return (
            self.name == other.name
            and self.refers_to() is other.refers_to()
            and self._owner() is other._owner()
        )


class MissInfo:
    """A receiver that was not called, though a person might expect it; shared by dispatches."""

    __slots__ = ("_sender_id", "connected_to", "info", "reason")

    def __init__(
        self, info: ReceiverInfo, reason: Reason, connected_to: str | None, sender_id: Any
    ) -> None:
        self.info = info
        self.reason = reason
        self.connected_to = connected_to
        self._sender_id = sender_id

    def is_like(self, other: MissInfo) -> bool:
        return (
            self.reason == other.reason
            and self.connected_to == other.connected_to
            and self.info.is_like(other.info)
        )

    def is_connected_in(self, entries: list[Any]) -> bool:
        """Whether it is still there. Nothing tells when somebody rearranges the list."""
        for entry in entries:
            # Cheap ones first: most entries are about other senders.
            if entry[0][1] == self._sender_id:
                receiver = entry[1]
                if issubclass(type(receiver), weakref.ReferenceType):
                    receiver = receiver()
                if self.info.is_of(receiver):
                    return True
        return False


# Of the synchronous and the asynchronous receivers of a dispatch, and of those that were near.
Infos: TypeAlias = "tuple[list[ReceiverInfo], list[ReceiverInfo], list[MissInfo]]"
NO_INFOS: Infos = ([], [], [])


class Route:
    """What is the same for every dispatch of one signal to one sender.

    ``reference`` refers weakly to a sender by which Django's cache can be asked without running
    anybody's code, and is ``None`` for any other.
    """

    __slots__ = (
        "_near",
        "_near_size",
        "counted_in",
        "counter",
        "infos",
        "kin",
        "reference",
        "sender",
        "signal",
        "size",
    )

    def __init__(self, signal: str, sender: str, kin: Route | None = None) -> None:
        self.signal = signal
        self.sender = sender
        self.reference: weakref.ref[Any] | None = None
        # What counts its unheard dispatches, in the one trace that asked last.
        self.counted_in: object = None
        self.counter: Any = None
        # Of an instance that sends: the route of all instances of its class.
        self.kin = kin
        self.infos: Infos = NO_INFOS if kin is None else kin.infos
        # Of the connections that they are about; -1 for none that could be met again.
        self.size: int = -1 if kin is None else kin.size
        self._near: list[MissInfo] = []
        self._near_size = -1

    def infos_for(
        self, signal: Any, sender: Any, synchronous: list[Any], asynchronous: list[Any]
    ) -> Infos:
        """What is known of each receiver in the two lists, in their order.

        As far as their numbers tell: whoever calls them compares each with ``refers_to()``.
        """
        infos = self.infos
        if (
            self.size != len(signal.receivers)
            or len(infos[0]) != len(synchronous)
            or len(infos[1]) != len(asynchronous)
        ):
            return self.look_again(signal, sender, synchronous, asynchronous)
        return infos

    def look_again(
        self, signal: Any, sender: Any, synchronous: list[Any], asynchronous: list[Any]
    ) -> Infos:
        connections = [
            entry
            for entry in map(read_entry, list(signal.receivers))
            if entry.receiver is not None and entry.sender_id in (_NOBODY, identity(sender))
        ]
        called = [entry.receiver for entry in connections]
        near = (self.kin or self).near_misses(signal, sender)
        self.infos = (
            [_info_of(receiver, False, connections) for receiver in synchronous],
            [_info_of(receiver, True, connections) for receiver in asynchronous],
            [
                miss
                for miss in near
                if not any(miss.info.is_of(each) for each in called)
                and _is_meant(miss, self.sender)
            ],
        )
        for info in (*self.infos[0], *self.infos[1]):
            info.called_for = self.signal, self.reference
        several = {identity(each) for both in (synchronous, asynchronous) for each in both}
        # Of two connections of the same receiver nothing tells which one Django takes first.
        is_clear = len(several) == len(synchronous) + len(asynchronous)
        self.size = len(signal.receivers) if is_clear else -1
        heard_by_all = all(info.hears_any_sender for both in self.infos[:2] for info in both)
        if self.kin is not None and heard_by_all:
            # What is connected to one instance is nothing that the others share.
            self.kin.infos, self.kin.size = self.infos, self.size
        return self.infos

    def near_misses(self, signal: Any, sender: Any) -> list[MissInfo]:
        """Receivers of this signal that a person might expect to run for this sender."""
        if self._near_size != len(signal.receivers):
            is_class = is_a(sender, type)
            own = sender if is_class else type(sender)
            self._near = _find_near_misses(signal, own, is_class=is_class)
            self._near_size = len(signal.receivers)
        return self._near

    def sure_infos(
        self, signal: Any, sender: Any, synchronous: list[Any], asynchronous: list[Any]
    ) -> Infos:
        """The same, and each is about that very receiver."""
        infos = self.infos_for(signal, sender, synchronous, asynchronous)
        pairs = zip((*infos[0], *infos[1]), (*synchronous, *asynchronous), strict=True)
        for info, receiver in pairs:
            if info.refers_to() is not receiver and not info.is_of(receiver):
                return self.look_again(signal, sender, synchronous, asynchronous)
        return infos

    def forget_connections(self) -> None:
        self.size = self._near_size = -1


def _is_meant(miss: MissInfo, sender: str) -> bool:
    """Whether another object that it is connected to goes by the name of the one that sent."""
    return miss.reason != "connected_to_other_object" or miss.connected_to == sender


def still_near(signal: Any, near: list[MissInfo]) -> list[MissInfo]:
    entries = list(signal.receivers)
    return [each for each in near if each.is_connected_in(entries)]


# Of each signal, by its id: the routes by the ids of the senders, or by the complement of the id
# of their class for those that are no classes. Entries go when what they are about dies.
tables: dict[int, dict[int, Route]] = {}
_references: dict[int, dict[int, Any]] = {}


def route_of(signal: Any, sender: Any, caller: types.FrameType | None) -> Route:
    found = tables.get(id(signal), {}).get(id(sender))
    return find_route(signal, sender, caller) if found is None else found


def find_route(
    signal: Any, sender: Any, caller: types.FrameType | None, capture: Capture | None = None
) -> Route:
    """One that is made now; ``tables`` has those that were made before.

    ``capture``: the trace's, which remembers what it redacts in the sender.
    """
    name = signal_name.known.get(id(signal)) or name_of_signal(signal, find_sender_frame(caller))
    if sender is None or is_a(sender, type):
        route = Route(name, name_of_sender(sender))
        _keep(route, signal, id(sender), sender)
        kind = type(sender)
        if sender is not None and (
            # A sender with a __hash__ or __eq__ of its own is left to Django alone.
            type(kind) is type and kind.__hash__ is _object_hash and kind.__eq__ is _object_eq
        ):
            route.reference = weakref.ref(sender)
        return route
    return Route(name, name_of_sender(sender, capture), _route_of_class(signal, name, sender))


def _route_of_class(signal: Any, name: str, sender: Any) -> Route:
    key = ~id(type(sender))
    route = tables.get(id(signal), {}).get(key)
    if route is None:
        route = Route(name, "")
        _keep(route, signal, key, type(sender))
    return route


def _keep(route: Route, signal: Any, key: int, whose: Any) -> None:
    """Have it found again for as long as the signal and ``whose`` live.

    Without a lock, which a weak reference's callback could not take: each step is one of C's.
    """
    signal_id = id(signal)
    references = _references.setdefault(signal_id, {})
    if 0 not in references:
        # Its defaults are there at the end of the process, when the module's names are gone.
        def forget_signal(_: object, tables: Any = tables, references: Any = _references) -> None:
            tables.pop(signal_id, None)
            references.pop(signal_id, None)

        references[0] = weakref.ref(signal, forget_signal)
    table = tables.setdefault(signal_id, {})
    if whose is not None:

        def forget(_: object) -> None:
            table.pop(key, None)
            references.pop(key, None)

        references[key] = weakref.ref(whose, forget)
    table[key] = route


def forget_connections(signal: Any) -> None:
    """``signal`` has new connections: look again."""
    for route in list(tables.get(id(signal), {}).values()):
        route.forget_connections()


def forget_routes(signal: Any = None) -> None:
    """``signal`` (or every signal) may go by another name."""
    for table in list(tables.values()) if signal is None else [tables.get(id(signal), {})]:
        table.clear()


when_renamed.append(forget_routes)


# Reading the connections


def near_misses_of_unheard(
    recorder: Any, changing: Any = None
) -> dict[tuple[str, str], list[MissInfo]]:
    """Of each signal and sender that nobody heard: who might have been expected to.

    ``changing``: the one signal to look at.
    """
    found = {names: list(near) for names, near in list(recorder.near_unheard.items())}
    for names, (signal_reference, class_reference, is_class) in list(
        recorder.unheard_senders.items()
    ):
        signal, own = signal_reference(), class_reference()
        if signal is None or own is None or not (changing is None or signal is changing):
            continue
        near = still_near(signal, _near_misses_of(signal, own, is_class=is_class))
        known = found.setdefault(names, [])
        known += [
            each
            for each in (*near, *_others(signal, names, near))
            if _is_meant(each, names[1]) and not any(each.is_like(other) for other in known)
        ]
    return {names: near for names, near in found.items() if near}


def note_near_misses(recorder: Any, changing: Any = None) -> None:
    """Keep who was near to what was unheard so far.

    Before the connections of a signal change: who connects from now on has missed nothing. Before
    the trace ends: whoever reads it may have let receivers die or disconnected them.
    """
    recorder.near_unheard = near_misses_of_unheard(recorder, changing)
    recorder.unheard_senders = {
        names: references
        for names, references in list(recorder.unheard_senders.items())
        if changing is not None and references[0]() is not changing
    }
    recorder.count_anew()


def _near_misses_of(signal: Any, own: Any, *, is_class: bool) -> list[MissInfo]:
    route = tables.get(id(signal), {}).get(id(own)) if is_class else None
    if route is not None:
        return route.near_misses(signal, own)
    return _find_near_misses(signal, own, is_class=is_class)


def _find_near_misses(signal: Any, own: Any, *, is_class: bool) -> list[MissInfo]:
    is_m2m = signal is m2m_changed
    is_deletion = signal is pre_delete or signal is post_delete
    relatives: dict[int, type] | None = None
    found = []
    for entry in map(read_entry, list(signal.receivers)):
        sender_id = entry.sender_id
        if entry.receiver is None or sender_id == _NOBODY or (is_class and sender_id == id(own)):
            continue
        # Django 5.2 keeps nothing of a sender but its id: it is looked for among the relatives.
        connected = entry.sender_reference() if entry.sender_reference is not None else None
        if connected is None:
            if relatives is None:
                relatives = family(own, is_m2m=is_m2m)
            connected = relatives.get(sender_id) if type(sender_id) is int else None
        if connected is None:
            reason, name = _reason_of_text(signal, own, entry, is_class=is_class)
        else:
            reason = reason_to_expect(own, connected, is_class=is_class, is_m2m=is_m2m)
            if reason == "connected_to_parent" and is_deletion and has_table(connected):
                continue  # Its part of the row is deleted as well, and Django sends for that.
            name = name_of_sender(connected) if reason is not None else None
        if reason is not None:
            found.append(MissInfo(_info_of_entry(entry), reason, name, sender_id))
    return found


def _reason_of_text(
    signal: Any, own: Any, entry: Entry, *, is_class: bool
) -> tuple[Reason | None, str | None]:
    """Of one that was connected to a string, as far as the source of the receiver says so.

    The signals of models look such strings up, in Django 5.2, 6.0 and 6.1; others compare them by
    identity, as any sender.
    """
    if is_a(signal, ModelSignal) or entry.sender_reference is not None or not is_class:
        return None, None
    text = sender_in_source(entry.receiver, name_of_signal(signal))
    if text is None or not is_named_by(text, class_name(own)):
        return None, None
    return "connected_to_text", repr(text)


# Whoever is connected to one model does not expect to hear of the others.
_OF_DJANGO = "django."
_MOST_OTHERS = 5


def _others(signal: Any, names: tuple[str, str], near: list[MissInfo]) -> list[MissInfo]:
    """Of a signal of the project's or a package's that nobody heard: who listens to others."""
    if names[0].startswith(_OF_DJANGO) or near:
        return []
    found: list[MissInfo] = []
    for entry in map(read_entry, list(signal.receivers)):
        if len(found) == _MOST_OTHERS or entry.receiver is None or entry.sender_id == _NOBODY:
            continue
        name = _name_of_connected(entry, names[0])
        if name not in (None, names[1]):
            found.append(
                MissInfo(_info_of_entry(entry), "connected_to_other", name, entry.sender_id)
            )
    return found


def _name_of_connected(entry: Entry, signal: str) -> str | None:
    if entry.sender_reference is not None:
        connected = entry.sender_reference()
        return "a sender that is gone" if connected is None else name_of_sender(connected)
    connected = find_class(entry.sender_id)  # Django 5.2 keeps its id alone.
    if connected is not None:
        return name_of_sender(connected)
    text = sender_in_source(entry.receiver, signal)
    return None if text is None else repr(text)


def listeners(
    signal: Any, sender: Any, is_muted: Callable[[Any, Any, Any], bool]
) -> list[ReceiverInfo]:
    """The live receivers that Django would call, in its order: the asynchronous ones last."""
    wanted = (_NOBODY, identity(sender))
    found = [
        _info_of_entry(entry)
        for entry in map(read_entry, list(signal.receivers))
        if entry.receiver is not None
        and entry.sender_id in wanted
        and not is_muted(signal, sender, entry.receiver)
    ]
    return sorted(found, key=lambda info: info.is_async)


def _info_of_entry(entry: Entry) -> ReceiverInfo:
    info = ReceiverInfo(entry.receiver, entry.dispatch_uid, is_async=bool(entry.is_async))
    info.hears_any_sender = entry.sender_id == _NOBODY
    return info


def name_of_connected(signal: Any, receiver: Any, sender: Any, uid: Any) -> str:
    """The receiver that a ``connect()`` or ``disconnect()`` call is about.

    ``disconnect()`` may be given a ``dispatch_uid`` alone: then it is the one that goes by it.
    """
    if receiver is None and type(uid) is str:
        for entry in map(read_entry, list(signal.receivers)):
            if (
                entry.receiver is not None
                and entry.sender_id == identity(sender)
                and entry.dispatch_uid == name_of_uid(uid)
            ):
                receiver = entry.receiver
    return "unknown" if receiver is None else describe_receiver(receiver).name


def name_of_holder(signal: Any, receiver: Any, sender: Any, uid: Any) -> str | None:
    """The receiver because of which a ``connect()`` would do nothing: its place is taken."""
    # A uid may be anything, and is compared and tested only where that runs nobody's code.
    is_plain = uid is None or type(uid) in (str, int)
    key = identity(receiver) if is_plain and not uid else uid
    for each in list(signal.receivers):
        entry = read_entry(each)
        if entry.receiver is not None and entry.sender_id == identity(sender):
            other = each[0][0]
            if other is key or (is_plain and type(other) is type(key) and other == key):
                return describe_receiver(entry.receiver).name
    return None


def count_twins(signal: Any, receiver: Any, sender: Any) -> int:
    """How many other live receivers of the same code are connected for the same sender."""
    code = _code_of(receiver)
    if code is None:
        return 0
    entries = map(read_entry, list(signal.receivers))
    return sum(
        entry.sender_id == identity(sender)
        and _code_of(entry.receiver) is code
        and identity(entry.receiver) != identity(receiver)
        for entry in entries
    )


def how_connected(signal: Any, receiver: Any) -> str | None:
    """How a receiver is connected, as ``connect()`` was told: ``sender=shop.Order``."""
    found = []
    for entry in map(read_entry, list(signal.receivers)):
        if entry.receiver is None or identity(entry.receiver) != identity(receiver):
            continue
        told = []
        if entry.sender_id != _NOBODY:
            named = _name_of_connected(entry, name_of_signal(signal))
            told.append(f"sender={named or 'a sender'}")
        if entry.dispatch_uid is not None:
            told.append(f"dispatch_uid={show_value(entry.dispatch_uid)}")
        found.append(", ".join(told) or "any sender")
    return " and ".join(dict.fromkeys(found)) or None


def _code_of(receiver: Any) -> types.CodeType | None:
    if type(receiver) is types.MethodType:
        receiver = receiver.__func__
    return receiver.__code__ if type(receiver) is types.FunctionType else None


def _info_of(receiver: Any, is_async: bool, connections: list[Entry]) -> ReceiverInfo:
    """Takes the receiver's connection off the list, so that the next one of the same is next."""
    for candidate in (receiver, behind(receiver)):
        wanted = identity(candidate)
        for index, entry in enumerate(connections):
            if identity(entry.receiver) == wanted:
                del connections[index]
                info = ReceiverInfo(entry.receiver, entry.dispatch_uid, is_async=is_async)
                info.hears_any_sender = entry.sender_id == _NOBODY
                if candidate is not receiver:
                    info.stands_for(receiver)
                return info
    return ReceiverInfo(receiver, Summary("unknown"), is_async=is_async)


def behind(receiver: Any) -> Any:
    """The receiver that another tool's wrapper stands for."""
    if type(receiver) is types.FunctionType:
        return dict.get(receiver.__dict__, "__wrapped__")
    return None
