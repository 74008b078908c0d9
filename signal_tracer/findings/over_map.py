"""The rules over a signal map: who never runs, or twice, or where it surprises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

from signal_tracer.findings import bodies, catalogue
from signal_tracer.findings.kinds import Finding, Kind, Level
from signal_tracer.findings.source import Sources
from signal_tracer.findings.walk import grouped, last_name, some
from signal_tracer.phrases import Names, Words
from signal_tracer.signal_map import Certainty, Connection, MappedSignal, SignalMap
from signal_tracer.wording import location_of

_MODELS = "django.db.models.signals."
MODEL_SIGNALS = frozenset(
    _MODELS + name
    for name in (
        *("pre_init", "post_init", "pre_save", "post_save"),
        *("pre_delete", "post_delete", "m2m_changed"),
    )
)
_HOT_SIGNALS = frozenset((f"{_MODELS}pre_init", f"{_MODELS}post_init"))
_SAVE_SIGNALS = frozenset((f"{_MODELS}pre_save", f"{_MODELS}post_save"))
_DELETE_SIGNALS = frozenset((f"{_MODELS}pre_delete", f"{_MODELS}post_delete"))
_M2M_CHANGED = f"{_MODELS}m2m_changed"

_KINDS_IN_WORDS = {"instance": "callable instance", "mock": "mock", "partial": "partial"}


def _finding(kind: Kind, signal: MappedSignal, connection: Connection, **values: Words) -> Finding:
    return Finding(
        kind,
        {
            "signal": signal.name,
            "receiver": connection.receiver,
            "sender": connection.sender,
            "heard": connection.heard,
            "module": connection.module,
            "place": location_of(connection.defined_at),
            **values,
        },
        names=tuple(name for name in (connection.receiver, signal.name, connection.sender) if name),
        location=connection.defined_at,
        owner=connection.owner,
    )


def missing_receivers(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    """What the source certainly connects, and is not connected."""
    return _missing(signal_map, "sure", catalogue.MISSING_RECEIVER)


def uncalled_connects(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    return _missing(signal_map, "likely", catalogue.UNCALLED_CONNECT)


def perhaps_missing(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    return _missing(signal_map, "possible", catalogue.PERHAPS_MISSING)


def _missing(signal_map: SignalMap, certainty: Certainty, kind: Kind) -> Iterator[Finding]:
    for each in signal_map.missing:
        if each.certainty == certainty:
            yield Finding(
                kind,
                {
                    "receiver": each.receiver,
                    "signal": each.signal,
                    "heard": each.heard,
                    "because": each.because,
                    "mend": each.mend,
                    "place": location_of(each.written_at),
                },
                names=tuple(name for name in (each.receiver, each.signal, each.sender) if name),
                location=each.written_at,
            )


def uncallable_receivers(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        if connection.cannot is not None and connection.state == "alive":
            name = last_name(connection.receiver.removesuffix("()").removesuffix(")"))
            yield _finding(
                catalogue.UNCALLABLE_RECEIVER,
                signal,
                connection,
                because=connection.cannot,
                name=name if name.isidentifier() else "receiver",
            )


def fragile_receivers(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        if connection.is_fragile:
            yield _finding(catalogue.FRAGILE_RECEIVER, signal, connection)


def dead_receivers(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        if connection.state == "dead":
            uid = connection.dispatch_uid
            words = "without a dispatch_uid" if uid is None else f"dispatch_uid {uid}"
            yield _finding(catalogue.DEAD_RECEIVER, signal, connection, uid=words)


def left_out_receivers(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    """Those that Django's cache leaves out, as long as nobody connects or disconnects anything."""
    for signal, connection in signal_map.walk():
        if connection.left_out_for:
            yield _finding(
                catalogue.LEFT_OUT_RECEIVER,
                signal,
                connection,
                senders=some(connection.left_out_for),
            )


def never_called(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        why = _why_never(signal, connection)
        if why is not None:
            because, instead = why
            yield _finding(
                catalogue.NEVER_CALLED, signal, connection, because=because, instead=instead
            )


# What save() and delete() of a model send, which Django leaves out for tables of its own making.
_OF_ROWS = frozenset(
    f"django.db.models.signals.{name}"
    for name in ("pre_save", "post_save", "pre_delete", "post_delete")
)


def _why_never(signal: MappedSignal, connection: Connection) -> tuple[str, str] | None:
    """Why its sender never sends the signal, and what to do."""
    kind = connection.sender_kind
    if kind == "lazy":
        return (
            "no model goes by that name",
            "compare the string with the model's label (app_label.ModelName), or install its app",
        )
    if kind == "string":
        return (
            "it is a string, and only the signals of Django's models look a model up by its label",
            "give the class itself",
        )
    if kind == "several":
        return (
            "it is a list of senders, and Django takes it for one sender",
            "connect it once for each of them",
        )
    if kind == "gone" and connection.state == "alive":
        return (
            "the sender itself was collected as garbage",
            "give a sender that lives as long as the receiver should run",
        )
    if signal.name not in MODEL_SIGNALS:
        return None
    if kind == "abstract":
        return (
            "it is an abstract model, and Django sends the model that inherits from it",
            "name each model that inherits from it",
        )
    if kind == "swapped":
        return "another model was put in its place", "name the model that is used in its place"
    if signal.name in _OF_ROWS and kind == "table":
        return (
            "Django made that table between two models itself, and sends no signals for its rows",
            "hear m2m_changed in its place; or save() the rows of a model of your own (through=)",
        )
    if signal.name == _M2M_CHANGED and kind in ("model", "instance"):
        return (
            "m2m_changed is sent by the table between two models",
            "give the through of the field, as in sender=Pizza.toppings.through",
        )
    return None


def duplicate_receivers(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for same in grouped(_duplicates(signal_map), lambda each: (each.location, each.message)):
        yield replace(same[0], count=len(same))


def _duplicates(signal_map: SignalMap) -> Iterator[Finding]:
    for signal in signal_map.signals:
        by_position = {each.position: each for each in signal.connections}
        for connection in signal.connections:
            if connection.twin is None or connection.state != "alive":
                continue
            earlier = by_position.get(connection.twin)
            # One of the two may hear any sender: both run for the other's.
            heard = connection.sender or (earlier.sender if earlier else None)
            yield _finding(
                catalogue.DUPLICATE_RECEIVER, signal, connection, heard=heard or "any sender"
            )


def signals_that_are_twice(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    """Two signals of one line, in a module that was imported under two names."""
    placed = [each for each in signal_map.signals if each.defined_at]
    for same in grouped(placed, lambda each: each.defined_at):
        for one, other in combinations(sorted(same, key=lambda each: len(each.name)), 2):
            heard, unheard = (one, other) if one.connections else (other, one)
            is_projects = one.is_project or other.is_project
            if other.name.endswith(f".{one.name}") and heard.connections and is_projects:
                yield Finding(
                    catalogue.SIGNAL_TWICE,
                    {
                        "signal": heard.name,
                        "other": unheard.name,
                        "receivers": some([each.receiver for each in heard.connections]),
                        "right": other.name,
                        "module": other.name.rpartition(".")[0],
                        "name": other.name.rpartition(".")[2],
                        "place": location_of(one.defined_at),
                    },
                    names=(one.name, other.name),
                    location=one.defined_at,
                )


def robust_crashes(signal_map: SignalMap, sources: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        if (
            not connection.has_qualname
            and connection.state != "dead"
            and sources.sends_robustly(signal)
        ):
            what = _KINDS_IN_WORDS.get(connection.kind, "callable")
            yield _finding(catalogue.ROBUST_CRASH, signal, connection, what=what)


def receivers_in_models(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal, connection in _first_of_each_receiver(signal_map):
        if _is_in_models(connection):
            yield _finding(catalogue.RECEIVER_IN_MODELS, signal, connection)


# What no AppConfig should import: it is there for requests, and imports half of the project.
_FOR_REQUESTS = frozenset(
    ("admin", "api", "forms", "serializers", "urls", "views", "viewsets", "routers", "middleware")
)


def connected_outside_ready(signal_map: SignalMap, sources: Sources) -> Iterator[Finding]:
    for signal, connection in _first_of_each_receiver(signal_map):
        if (
            connection.is_project
            and not _is_in_models(connection)
            and sources.is_imported_by_ready(connection.module) is False
        ):
            is_for_requests = _FOR_REQUESTS & {*(connection.module or "").split(".")}
            yield _finding(
                catalogue.CONNECTED_AMONG_VIEWS
                if is_for_requests
                else catalogue.CONNECTED_OUTSIDE_READY,
                signal,
                connection,
            )


def ignoring_raw(signal_map: SignalMap, sources: Sources) -> Iterator[Finding]:
    chosen = [each for each in signal_map.walk() if each[0].name in _SAVE_SIGNALS]
    for signal, connection in _first_of_each(chosen):
        function = sources.function_at(connection.defined_at)
        if function is not None and function.ignores("raw"):
            yield _finding(catalogue.IGNORES_RAW, signal, connection)


def bulk_calls(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    """Those in the source, for lines that no trace has seen yet."""
    for each in signal_map.bulk_calls:
        skipped = [*each.receivers, *([each.own_method] if each.own_method else [])]
        yield Finding(
            catalogue.BULK_CALL,
            {
                "operation": f"{each.method}() of {each.model}",
                "skipped": Names.of(skipped),
                "place": location_of(each.written_at),
            },
            names=(*skipped, each.model),
            location=each.written_at,
        )


def catch_all_receivers(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        if signal.name in MODEL_SIGNALS and connection.sender_kind == "any":
            kind = (
                catalogue.CATCH_ALL_DELETION
                if signal.name in _DELETE_SIGNALS
                else catalogue.CATCH_ALL_RECEIVER
            )
            yield _finding(kind, signal, connection)


def hot_signals(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal, connection in signal_map.walk():
        if signal.name in _HOT_SIGNALS:
            yield _finding(catalogue.HOT_SIGNAL, signal, connection)


def undocumented_receivers(signal_map: SignalMap, sources: Sources) -> Iterator[Finding]:
    for signal, connection in _first_of_each_receiver(signal_map):
        function = sources.function_at(connection.defined_at)
        if function is not None and not function.has_docstring:
            yield _finding(catalogue.UNDOCUMENTED_RECEIVER, signal, connection)


def unheard_signals(signal_map: SignalMap, _: Sources) -> Iterator[Finding]:
    for signal in signal_map.signals:
        # What a package offers is for whoever wants it, and need not be heard.
        if signal.is_project and not signal.connections:
            yield Finding(
                catalogue.UNHEARD_SIGNAL,
                {"signal": signal.name, "place": location_of(signal.defined_at)},
                names=(signal.name,),
                location=signal.defined_at,
            )


def _is_in_models(connection: Connection) -> bool:
    return "models" in (connection.module or "").split(".")


def _first_of_each_receiver(
    signal_map: SignalMap,
) -> Iterator[tuple[MappedSignal, Connection]]:
    """What is said of a receiver's code is said once, however often it is connected."""
    return _first_of_each(list(signal_map.walk()))


def _first_of_each(
    connections: list[tuple[MappedSignal, Connection]],
) -> Iterator[tuple[MappedSignal, Connection]]:
    seen = set()
    for signal, connection in connections:
        about = (connection.receiver, connection.defined_at)
        if connection.state != "dead" and about not in seen:
            seen.add(about)
            yield signal, connection


# In the order in which findings of one level are shown.
RULES: tuple[tuple[Level, Callable[[SignalMap, Sources], Iterator[Finding]]], ...] = (
    ("error", missing_receivers),
    ("error", uncallable_receivers),
    ("error", fragile_receivers),
    ("error", dead_receivers),
    ("error", left_out_receivers),
    ("error", never_called),
    ("warning", uncalled_connects),
    ("warning", duplicate_receivers),
    ("warning", signals_that_are_twice),
    ("warning", robust_crashes),
    ("warning", bodies.keys_that_are_never_none),
    ("warning", bodies.questions_that_nothing_is_new_for),
    ("warning", bodies.what_is_gone_after_a_deletion),
    ("info", perhaps_missing),
    ("info", receivers_in_models),
    ("info", connected_outside_ready),
    ("info", bulk_calls),
    ("info", ignoring_raw),
    ("info", bodies.what_m2m_changed_asks),
    ("info", bodies.work_before_the_commit),
    ("info", catch_all_receivers),
    ("info", hot_signals),
    ("info", undocumented_receivers),
    ("info", unheard_signals),
)
