"""The rules about what ran again, inside itself, or deep inside of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from signal_tracer.findings.catalogue import CALLED_TWICE, DEEP_NESTING, RECURSION, REPEATED_SAVE
from signal_tracer.findings.kinds import Finding
from signal_tracer.findings.walk import Step, Walk, grouped, last_name
from signal_tracer.phrases import At, Names, Phrase
from signal_tracer.records import Dispatch, ReceiverCall, Summary

POST_SAVE = "django.db.models.signals.post_save"
MOST_LEVELS = 3


def called_twice(walk: Walk) -> Iterator[Finding]:
    twice = [
        (calls, step)
        for step in walk.steps
        if len(step.dispatch.receiver_calls) > 1
        for calls in grouped(filter(_is_known_code, step.dispatch.receiver_calls), _code)
        if len(calls) > 1
    ]
    for same in grouped(
        twice,
        lambda each: (_code(each[0][0]), each[1].dispatch.signal, each[1].dispatch.sender),
    ):
        calls, step = max(same, key=lambda each: len(each[0]))
        receivers = [call.receiver for call in calls]
        yield Finding(
            CALLED_TWICE,
            {
                # More than one name if its module was imported under two.
                "receiver": Names.of(receivers),
                "times": len(calls),
                "signal": step.dispatch.signal,
                "sender": step.dispatch.sender,
                "place": At(calls[0].defined_at),
            },
            names=tuple(dict.fromkeys([*receivers, step.dispatch.signal, step.dispatch.sender])),
            location=calls[0].defined_at,
            record=calls[1],
            count=len(same),
        )


def _is_known_code(call: ReceiverCall) -> bool:
    """Whether the same code is the same receiver: a plain function, also one inside another.

    Partials, callable instances and methods share their code, and each has values of its own.
    Two fields of a model connect the same method, each its own.
    """
    if call.defined_at is None or call.receiver.endswith(")"):
        return False
    outer = call.defined_at.function.rpartition(".")[0]
    return not outer or outer.endswith("<locals>")


def _code(call: ReceiverCall) -> object:
    return call.defined_at


def repeated_saves(walk: Walk) -> Iterator[Finding]:
    saves: list[tuple[str, Dispatch, int]] = []
    rows: Counter[object] = Counter()
    for step in walk.steps:
        if step.dispatch.signal == POST_SAVE and (saved := _saved(step.dispatch)):
            row = saved, step.dispatch.kwargs.get("using")
            # A key is used again when the first row of it was deleted or rolled back.
            rows[row] += step.dispatch.kwargs.get("created") is True
            saves.append((saved, step.dispatch, rows[row]))
    repeated = [
        (instance, [save for _, save, _ in same])
        for same in grouped(saves, lambda each: (each[0], each[1].kwargs.get("using"), each[2]))
        if len(same) > 1
        for instance in [same[0][0]]
    ]
    for alike in grouped(
        repeated,
        lambda each: (
            each[1][0].sender,
            tuple(save.sent_from for save in each[1]),
            _receivers(each[1]),
        ),
    ):
        instance, same = alike[0]
        second = same[1]
        receivers = _receivers(same)
        yield Finding(
            REPEATED_SAVE,
            {
                "instance": instance,
                "times": len(same),
                "places": Names.of(At(save.sent_from) for save in same),
                "receivers": Names.of(receivers) if receivers else Phrase("its receivers"),
            },
            names=(second.sender, *receivers),
            location=second.sent_from,
            record=second,
            count=len(alike),
        )


def _saved(dispatch: Dispatch) -> str | None:
    """The instance, as it is called in the trace; ``None`` where that does not tell which it is."""
    instance = dispatch.kwargs.get("instance")
    if not isinstance(instance, Summary) or "(pk=" not in instance.text:
        return None
    if instance.text.endswith("(pk=None)") or dispatch.kwargs.get("raw") is True:
        return None
    # A key that was redacted, or cut, may be that of many instances.
    is_whole = "[redacted]" not in instance.text and "… (" not in instance.text
    return instance.text if is_whole else None


def _receivers(saves: list[Dispatch]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            name
            for save in saves
            for name in [
                *(call.receiver for call in save.receiver_calls),
                *(save.unwatched or ()),
            ]
        )
    )


def recursions(walk: Walk) -> Iterator[Finding]:
    again = [
        (call, step, levels) for call, step in walk.calls if (levels := _levels(call, step)) > 1
    ]
    for same in grouped(again, lambda each: (each[0].receiver, each[0].defined_at)):
        call, step, _ = same[0]
        yield Finding(
            RECURSION,
            {
                "receiver": call.receiver,
                "levels": max(levels for _, _, levels in same),
                "signal": step.dispatch.signal,
                "place": At(step.dispatch.sent_from),
            },
            names=(call.receiver, step.dispatch.signal),
            location=step.dispatch.sent_from,
            record=call,
            count=sum(levels == 2 for _, _, levels in same),
        )


def _levels(call: ReceiverCall, step: Step) -> int:
    """How many calls of the same receiver have begun and not ended, this one included."""
    return 1 + sum(
        each.inside is not None
        and each.inside.receiver == call.receiver
        and each.inside.defined_at == call.defined_at
        for each in step.path()
    )


def deep_nesting(walk: Walk) -> Iterator[Finding]:
    deepest = [
        tuple(step.path())[::-1]
        for step in walk.steps
        if step.depth > MOST_LEVELS and not any(call.dispatches for call in _calls(step))
    ]
    # A receiver inside itself is deep as well, and said once: as a recursion.
    chains = [path for path in deepest if not _goes_round(path)]
    for same in grouped(chains, lambda path: tuple(map(_name, path))):
        path = same[0]
        too_deep = path[MOST_LEVELS]
        yield Finding(
            DEEP_NESTING,
            {
                "levels": len(path),
                "signals": " > ".join(map(_name, path)),
                "signal": too_deep.dispatch.signal,
                "place": At(too_deep.dispatch.sent_from),
            },
            names=tuple(dict.fromkeys(step.dispatch.signal for step in path)),
            location=too_deep.dispatch.sent_from,
            record=too_deep.dispatch,
            count=len(same),
        )


def _calls(step: Step) -> list[ReceiverCall]:
    return step.dispatch.receiver_calls


def _goes_round(path: tuple[Step, ...]) -> bool:
    receivers = [(step.inside.receiver, step.inside.defined_at) for step in path if step.inside]
    return len(set(receivers)) < len(receivers)


def _name(step: Step) -> str:
    signal, sender = last_name(step.dispatch.signal), step.dispatch.sender
    return signal if sender == "None" else f"{signal} ({sender})"
