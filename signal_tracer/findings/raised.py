"""The rule about receivers that raised: what became of the work around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from signal_tracer.findings import catalogue
from signal_tracer.findings.failures import PREPARING, cannot_take, kind_of_mistake, raised_at
from signal_tracer.findings.kinds import Finding, Kind
from signal_tracer.findings.walk import (
    Step,
    Walk,
    atomic,
    grouped,
    instance_of,
    is_of_recursion,
    is_sent_by_hand,
    last_name,
    on_commit,
    using_of,
    whose,
)
from signal_tracer.phrases import At, Names, Phrase, Sentence, Words
from signal_tracer.records import DJANGO, Dispatch, Error, ReceiverCall

_MODELS = "django.db.models.signals."
_POST_SAVE = f"{_MODELS}post_save"
_M2M_CHANGED = f"{_MODELS}m2m_changed"
_BEFORE = PREPARING | {f"{_MODELS}pre_delete"}
# As Django 5.2, 6.0 and 6.1 say it.
_BROKEN = "An error occurred in the current transaction."
# What ends a program or a generator, and is nobody's mistake.
_ENDINGS = ("SystemExit", "KeyboardInterrupt", "GeneratorExit")
# What code raises that expected another object, or keys in place of None.
_OF_ANOTHER_OBJECT = ("AttributeError", "TypeError", "FieldError", "KeyError", "ValueError")


def receivers_that_raised(walk: Walk) -> Iterator[Finding]:
    """Where something was lost by it: of a signal of one's own that is just an exception."""
    found = []
    for call, step in walk.calls:
        error = call.error or Error("an exception", "")
        if call.outcome != "raised" or error.type in _ENDINGS or _came_from_below(call):
            continue
        ended = _ended_by(step, error)
        kind = _what_became_of_it(walk, call, ended)
        is_told = is_of_recursion(call) and walk.goes_round(step)  # As that recursion.
        if kind is not None and not (is_told and kind.slug == catalogue.RAISED_AND_UNDONE.slug):
            mistake = kind_of_mistake(call, error)
            if (
                mistake is not None and kind is not catalogue.SENT_WANTING
            ):  # Whether it was swallowed or not, that is what to change.
                kind = replace(kind, why=mistake.why, advice=mistake.advice)
            found.append((kind, call, error, ended))
    for same in grouped(
        found,
        lambda each: (
            *(each[0].message, each[1].receiver, each[2].type, raised_at(each[1], each[2])),
            *(each[3][0].dispatch.signal, each[3][0].dispatch.sender),
        ),
    ):
        kind, call, error, ended = same[0]
        dispatch = ended[0].dispatch
        place = raised_at(call, error)
        yield Finding(
            kind,
            {
                "receiver": call.receiver,
                "error": str(error) if call.error else Phrase("an exception"),
                "place": At(place),
                "name": last_name(call.receiver),
                **_told(ended),
            },
            names=(call.receiver, dispatch.signal, dispatch.sender),
            location=place,
            record=call,
            count=len(same),
            owner=whose([walk.owner_of_call(call)]),
        )


def _came_from_below(call: ReceiverCall) -> bool:
    """Whether it only let through what a receiver of its own dispatch raised."""
    return any(_is_same(nested.error, call.error) for nested in call.dispatches)


def _is_same(error: Error | None, other: Error | None) -> bool:
    return (
        error is not None
        and other is not None
        and error.type == other.type
        and (error.message == other.message)
    )


def _ended_by(step: Step, error: Error) -> list[Step]:
    """The dispatches that the exception ended, the innermost first."""
    ended = [step]
    while step.inside is not None and step.above is not None and _is_same(step.inside.error, error):
        step = step.above
        ended.append(step)
    return ended


def _what_became_of_it(walk: Walk, call: ReceiverCall, ended: list[Step]) -> Kind | None:
    dispatches = [step.dispatch for step in ended]
    dispatch = dispatches[0]
    is_by_hand = is_sent_by_hand(dispatch)
    if call.error is not None and call.error.message.startswith(_BROKEN):
        return catalogue.RAISED_IN_BROKEN_TRANSACTION
    if any(map(_is_kept, dispatches)):
        is_endless = is_of_recursion(call)
        return catalogue.RAISED_IN_RECURSION if is_endless else catalogue.RAISED_AFTER_SAVE
    if _looked_for_itself(call, dispatch) and not is_by_hand:
        if dispatch.signal == f"{_MODELS}pre_save":
            return catalogue.RAISED_FOR_NEW_ROW
        if dispatch.signal == f"{_MODELS}post_delete":
            return catalogue.RAISED_FOR_ROW_GONE
    if dispatch.signal == _M2M_CHANGED and _is_its_own(call):
        if dispatch.kwargs.get("pk_set", "") is None:
            return catalogue.RAISED_BY_CLEAR
        if dispatch.kwargs.get("reverse") is True:
            return catalogue.RAISED_IN_REVERSE
    if any(each.rolled_back for each in dispatches):
        return catalogue.RAISED_AND_UNDONE
    if dispatch.signal in _BEFORE and not is_by_hand:
        return catalogue.RAISED_BEFORE
    if any(each.is_undecided for each in dispatches):
        return catalogue.RAISED_AND_OPEN
    did_something = any(
        other is not call and other.outcome == "returned"
        for each in dispatches
        for other in each.receiver_calls
    )
    if _not_run(dispatches) or did_something or call.errands:
        return catalogue.RAISED_HALF_WAY
    if is_by_hand:  # As a signal of one's own is, but that receivers expect more of it.
        is_wanting = call.error is not None and cannot_take(call, call.error)
        return catalogue.SENT_WANTING if is_wanting else None
    is_sent_by_django = walk.owner_of(None, dispatch.signal) == DJANGO
    return catalogue.RAISED_INTO_DJANGO if is_sent_by_django else None


def _looked_for_itself(call: ReceiverCall, dispatch: Dispatch) -> bool:
    """Whether no row of the sender was found, by the receiver's own code."""
    message = f"{last_name(dispatch.sender)} matching query does not exist."
    return call.error is not None and call.error.message == message


def _is_kept(dispatch: Dispatch) -> bool:
    was_saved = dispatch.signal == _POST_SAVE and not is_sent_by_hand(dispatch)
    return was_saved and not (dispatch.rolled_back or dispatch.is_undecided)


def _is_its_own(call: ReceiverCall) -> bool:
    """Whether it is the receiver's own code that could not do with what it was sent.

    Or what it gave that to, of Django's or a package's.
    """
    if call.error is None or call.error.type not in _OF_ANOTHER_OBJECT:
        return False
    place = raised_at(call, call.error)
    return place is None or call.defined_at is None or place.file == call.defined_at.file


def _not_run(dispatches: list[Dispatch]) -> list[str]:
    return [
        miss.receiver
        for each in dispatches
        for miss in each.near_misses
        if miss.reason == "not_run"
    ]


def _told(ended: list[Step]) -> Mapping[str, Words | None]:
    dispatches = [step.dispatch for step in ended]
    dispatch = dispatches[0]
    kept = [each for each in dispatches if _is_kept(each)]
    not_run = _not_run(dispatches)
    in_atomic = [alias for each in kept or dispatches for alias in each.in_atomic]
    undone = [alias for each in dispatches for alias in each.rolled_back]
    outer = (kept or dispatches)[-1]
    aliases = [using for each in kept or dispatches if (using := using_of(each))] or in_atomic
    return {
        "signal": dispatch.signal,
        "sender": dispatch.sender,
        "rows": Names.of(map(instance_of, kept)) if kept else "",
        "where": Sentence(
            "inside atomic() on %(aliases)s, which was not rolled back",
            {"aliases": Names.of(in_atomic)},
        )
        if in_atomic
        else Phrase("outside of atomic()"),
        "aliases": Names.of(undone) if undone else "",
        "in_atomic": Names.of(in_atomic) if in_atomic else "",
        "not_run": Sentence(
            " Not run because of it: %(receivers)s.", {"receivers": Names.of(not_run)}
        )
        if not_run
        else "",
        "sent_from": At(outer.sent_from),
        "instance": instance_of(dispatch),
        "model": str(dispatch.kwargs.get("model", "")),
        "action": str(dispatch.kwargs.get("action", "")),
        "on_commit": on_commit(aliases),
        "atomic": atomic(aliases),
    }
