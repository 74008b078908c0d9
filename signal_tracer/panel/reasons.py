"""What a row means: why it came about, and what follows from it."""

from __future__ import annotations

from signal_tracer.panel.language import gettext
from signal_tracer.records import Bypass, Dispatch, NearMiss, OnCommit, ReceiverCall, Skipped
from signal_tracer.showing.outline import Record


def reason(record: Record) -> str:
    """A sentence or two on ``record``; empty where it explains itself."""
    match record:
        case Dispatch():
            return _dispatch_about(record)
        case ReceiverCall():
            return _call_about(record)
        case NearMiss():
            return _miss_about(record)
        case Bypass():
            return _bypass_about()
        case Skipped():
            return gettext("Skipped: a bulk operation sends no signal that it waits for.")
        case OnCommit():
            return _callback_about(record)
    return _not_watched()


def _not_watched() -> str:
    return gettext(
        "Not watched: this signal's class calls its receivers in code of its own. Which ones were "
        "called is known from what the dispatch returned."
    )


def _dispatch_about(dispatch: Dispatch) -> str:
    if dispatch.unwatched is not None:
        return _not_watched()
    if dispatch.rolled_back:
        return gettext(
            "Rolled back: what the database was told is undone, but whatever else the receivers "
            "did (mail, cache, other services) is not. transaction.on_commit() waits for the end."
        )
    return ""


def _call_about(call: ReceiverCall) -> str:
    return {
        "returned": "",
        "swallowed": gettext(
            "Swallowed: the dispatch caught the exception and went on. Whoever sent the signal "
            "knows of it only by looking through what the dispatch returned."
        ),
        "raised": gettext(
            "Raised: the exception ended the dispatch and went on to whoever sent the signal."
        ),
        "cancelled": gettext("Cancelled: the task was cancelled while this receiver ran."),
        "running": gettext("Running: this receiver had not ended when the response was sent."),
    }[call.outcome]


def _miss_about(miss: NearMiss) -> str:
    """Why the receiver was not called, and what to do if it should have been."""
    if miss.reason == "not_run":
        return gettext("Not run: an earlier receiver raised, and that ended the dispatch.")
    if miss.reason == "refused":
        return gettext(
            "Not run: it is async, and Django cannot run it under a sync send while an event loop "
            "runs. Await asend() or asend_robust() there."
        )
    if miss.reason == "muted":
        return gettext("Muted: it would have been called, but was muted for the time being.")
    reasons = {
        "connected_to_parent": gettext("it is connected to a parent of the class that sent"),
        "connected_to_child": gettext("it is connected to a child of the class that sent"),
        "connected_to_proxy": gettext("it is connected to a proxy of the model that sent"),
        "connected_to_concrete": gettext("it is connected to the model, and a proxy of it sent"),
        "connected_to_class": gettext("it is connected to the class, and an instance sent"),
        "connected_to_instance": gettext("it is connected to an instance, and the class sent"),
        "connected_to_model": gettext(
            "it is connected to a model, and m2m_changed is sent by the relation's 'through' model"
        ),
    }
    return gettext(
        "Near miss: the signal was sent and this receiver waits for it, but %(reason)s. Django "
        "compares senders by identity: connect it to the very sender, or to none."
    ) % {"reason": reasons[miss.reason]}


def _bypass_about() -> str:
    return gettext(
        "Bypass: a bulk operation changes rows without sending the signals of each. The receivers "
        "below wait for those signals and did not run. If they matter here, save one by one, or "
        "call what they do for all rows at once."
    )


def _callback_about(callback: OnCommit) -> str:
    return {
        "waiting": gettext("Waiting: its transaction had not ended when the trace did."),
        "ran": gettext("It ran after its transaction was committed."),
        "raised": gettext("It ran after its transaction was committed, and raised."),
        "discarded": gettext(
            "Discarded: its transaction was rolled back, so it will never be called."
        ),
    }[callback.outcome]
