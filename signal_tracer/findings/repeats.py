"""The rules about what ran again, inside itself, or deep inside of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import replace

from signal_tracer.findings.catalogue import (
    CALLED_TWICE,
    DEEP_NESTING,
    RECURSION,
    RECURSION_OF_DEFERRED,
    RECURSION_WITHOUT_END,
    RECURSIONS,
    REPEATED_SAVE,
)
from signal_tracer.findings.failures import PREPARING
from signal_tracer.findings.kinds import Finding, Kind
from signal_tracer.findings.walk import (
    Step,
    Walk,
    grouped,
    is_of_recursion,
    is_sent_by_hand,
    last_name,
    levels_of,
    update_fields_of,
    whose,
)
from signal_tracer.phrases import At, Names, Phrase
from signal_tracer.records import (
    DJANGO,
    PROJECT,
    Dispatch,
    Location,
    Owner,
    ReceiverCall,
    Summary,
)

_OF_MODELS = "django.db.models.signals."
POST_SAVE = f"{_OF_MODELS}post_save"
POST_INIT = f"{_OF_MODELS}post_init"
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
            owner=whose([walk.owner_of_call(call) for call in calls]),
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
    """What is the same of one receiver that is connected twice.

    Who gives each function that another one makes a ``dispatch_uid`` of its own means each.
    """
    is_made = call.defined_at is not None and "<locals>" in call.defined_at.function
    return call.defined_at, call.dispatch_uid if is_made else None


def repeated_saves(walk: Walk) -> Iterator[Finding]:
    saves: list[tuple[str, Step, int]] = []
    rows: Counter[object] = Counter()
    for step in walk.steps:
        is_save = step.dispatch.signal == POST_SAVE and not is_sent_by_hand(step.dispatch)
        if not is_save or walk.goes_round(step):
            continue
        if saved := _saved(step.dispatch):
            row = saved, step.dispatch.kwargs.get("using")
            # A key is used again when the first row of it was deleted or rolled back.
            rows[row] += step.dispatch.kwargs.get("created") is True
            saves.append((saved, step, rows[row]))
    repeated = [
        (same[0][0], again)
        for same in grouped(
            saves, lambda each: (each[0], each[1].dispatch.kwargs.get("using"), each[2])
        )
        if (again := _of_interest(walk, [step for _, step, _ in same]))
    ]
    for alike in grouped(
        repeated,
        lambda each: (each[1][0].sender, tuple(save.sent_from for save in each[1])),
    ):
        instance, same = alike[0]
        second = same[1]
        receivers = _receivers(walk, [save for _, saves in alike for save in saves])
        yield Finding(
            REPEATED_SAVE,
            {
                "instance": instance,
                "times": len(same),
                "places": Names.of(At(save.sent_from) for save in same),
                "receivers": Names.of(receivers) if receivers else Phrase("its receivers"),
            },
            names=(second.sender, *receivers),
            location=_line_to_change(walk, same),
            record=second,
            count=len(alike),
            owner=whose([walk.owner_of(save.sent_from) for save in same]),
        )


def _of_interest(walk: Walk, saves: list[Step]) -> list[Dispatch]:
    """The saves, if somebody could save once in their place; otherwise none.

    That is nobody where Django or one package did them all, or where each is of other fields.
    What a receiver of Django's own saves, such as the time of the last login, does not count.
    """
    left = [
        step.dispatch
        for step in saves
        if step.inside is None or walk.owner_of_call(step.inside) != DJANGO
    ]
    owners = {walk.owner_of(each.sent_from) for each in left} - {DJANGO}
    can_change = len(owners) > 1 or any(each is None or each.kind == "project" for each in owners)
    return left if len(left) > 1 and can_change and not _are_of_other_fields(left) else []


def _are_of_other_fields(saves: list[Dispatch]) -> bool:
    seen: set[str] = set()
    for save in saves:
        fields = update_fields_of(save)
        if fields is None or seen & fields:
            return False
        seen |= fields
    return True


def _line_to_change(walk: Walk, saves: list[Dispatch]) -> Location | None:
    """The last line of the project's that saved, for the first save is the one that was wanted."""
    lines = [save.sent_from for save in saves[1:] + saves[:1]]
    of_project = (each for each in lines if whose([walk.owner_of(each)]) == PROJECT)
    return next(of_project, lines[0])


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


def _receivers(walk: Walk, saves: list[Dispatch]) -> list[str]:
    """Those of the project that ran, else those of packages, without what is ignored."""
    names: dict[str, Owner] = {}
    for save in saves:
        for call in save.receiver_calls:
            names.setdefault(call.receiver, whose([walk.owner_of_call(call)]))
        for receiver in save.unwatched or ():
            names.setdefault(receiver, whose([walk.owner_of(None, receiver)]))
    left = walk.not_ignored(REPEATED_SAVE, names)
    return next(
        (
            found
            for kind in ("project", "package")
            if (found := [name for name in names if names[name].kind == kind and name in left])
        ),
        [],
    )


def recursions(walk: Walk) -> Iterator[Finding]:
    again = [
        (call, step, levels) for call, step in walk.calls if (levels := levels_of(call, step)) > 1
    ]
    for same in grouped(again, lambda each: (each[0].receiver, each[0].defined_at)):
        call, step, _ = same[0]
        yield Finding(
            _kind_of_recursion(same),
            {
                "receiver": call.receiver,
                "levels": max(levels for _, _, levels in same),
                "signal": step.dispatch.signal,
                "place": At(step.dispatch.sent_from),
                "defined": At(call.defined_at),
            },
            names=(call.receiver, step.dispatch.signal),
            location=step.dispatch.sent_from,
            record=call,
            count=sum(levels == 2 for _, _, levels in same),
            owner=whose([walk.owner_of_call(call)]),
        )


def _kind_of_recursion(again: list[tuple[ReceiverCall, Step, int]]) -> Kind:
    if any(map(_loads_its_row_again, again)):
        return RECURSION_OF_DEFERRED
    signal = again[0][1].dispatch.signal
    of_models = RECURSIONS if signal.startswith(_OF_MODELS) else {}
    kind = of_models.get(last_name(signal), RECURSION)
    if any(is_of_recursion(call) for call, _, _ in again):
        return replace(RECURSION_WITHOUT_END, advice=kind.advice)
    return kind


def _loads_its_row_again(again: tuple[ReceiverCall, Step, int]) -> bool:
    """Whether a receiver of post_init had the row loaded that its instance stands for."""
    _, step, _ = again
    if step.dispatch.signal != POST_INIT or step.above is None or step.inside is None:
        return False
    row, around = (each.kwargs.get("instance") for each in (step.dispatch, step.above.dispatch))
    is_row = isinstance(row, Summary) and "(pk=" in row.text and not row.text.endswith("(pk=None)")
    return is_row and row == around and any(not each.is_write for each in step.inside.queries)


def deep_nesting(walk: Walk) -> Iterator[Finding]:
    deepest = [
        tuple(step.path())[::-1]
        for step in walk.steps
        if step.depth > MOST_LEVELS and not any(call.dispatches for call in _calls(step))
    ]
    # A receiver inside itself is deep as well, and said once: as a recursion.
    chains = [path for path in deepest if not _goes_round(path)]
    for same in grouped(chains, _which_chain):
        # What a row sends before it is saved is said with the signal that says so.
        path = next((each for each in same if not _is_preparing(each[-1].dispatch)), same[0])
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
            count=sum(_name(each[-1]) == _name(path[-1]) for each in same),
            owner=whose(
                owner
                for step in path[1:]
                for owner in (
                    walk.owner_of_call(step.inside) if step.inside else None,
                    walk.owner_of(step.dispatch.sent_from),
                )
            ),
        )


def _which_chain(path: tuple[Step, ...]) -> Hashable:
    """The receivers that sent on, and what the last of them sent about."""
    receivers = [(step.inside.receiver, step.inside.defined_at) for step in path if step.inside]
    roots = path[0].dispatch.signal, path[0].dispatch.sender
    return roots, tuple(receivers), path[-1].dispatch.sender


def _is_preparing(dispatch: Dispatch) -> bool:
    return dispatch.signal in PREPARING


def _calls(step: Step) -> list[ReceiverCall]:
    return step.dispatch.receiver_calls


def _goes_round(path: tuple[Step, ...]) -> bool:
    receivers = [(step.inside.receiver, step.inside.defined_at) for step in path if step.inside]
    return len(set(receivers)) < len(receivers)


def _name(step: Step) -> str:
    signal, sender = last_name(step.dispatch.signal), step.dispatch.sender
    return signal if sender == "None" else f"{signal} ({sender})"
