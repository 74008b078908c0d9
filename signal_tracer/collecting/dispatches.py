"""The place where a dispatch is begun and ended for the traces around it.

``recording`` does the work. It may not reach the traced code, so that each part is fenced here.
"""

from __future__ import annotations

import types
from typing import Any

from signal_tracer.collecting import counting, recording, witnessing
from signal_tracer.collecting.naming import describe_receiver
from signal_tracer.collecting.nodes import DispatchRecord, Root, Unkept
from signal_tracer.collecting.receivers import WatchedReceiver
from signal_tracer.collecting.recording import current
from signal_tracer.trace import Method


def begin_dispatch(
    node: Any,
    signal: Any,
    sender: Any,
    method: Method,
    named: dict[str, Any],
    caller: types.FrameType,
    *,
    is_django: bool,
) -> Any:
    try:
        if recording.everywhere:
            node = recording.node_with_everywhere(node)
        if not node.recorders[-1].is_running:
            is_root = type(node) is Root
            node = recording.nearest_running(node)
            if is_root:
                current.set(node)  # Its trace was ended where this context could not be reached.
            if node is None:
                return None
        if not is_django and "sender" in named:
            named = {name: value for name, value in named.items() if name != "sender"}
        record = recording.open_dispatch(node, signal, sender, method, named, caller)
        if type(record) is DispatchRecord:
            record.in_django = is_django
        if recording.witnesses:
            _bear_witness(record, signal, sender, method, named)
        return record
    except Exception:
        recording.report_fault(node, "to begin the record of a dispatch")
    # Not recorded, and so that nothing below is taken for what its sender sends.
    try:
        return None if node is None else Unkept(node.recorders, None, node)
    except Exception:
        return None


def note_unheard(node: Any, recorder: Any, signal: Any, sender: Any) -> None:
    if recorder.is_running:
        try:
            recorder.count_unheard(signal, sender)
        except Exception:
            recording.report_fault(node, "to count an unheard dispatch")


def note_unheard_by_all(
    node: Any, signal: Any, sender: Any, method: Method, named: dict[str, Any]
) -> None:
    # Within a subclass's own send the dispatch is still open, and is counted when it ends.
    if type(node) is DispatchRecord and node.signal_id == id(signal) and not node.stopped:
        return
    for recorder in node.recorders:
        note_unheard(node, recorder, signal, sender)
    if recording.witnesses:
        _bear_witness(node, signal, sender, method, named)


def note_unheard_everywhere(
    node: Any, signal: Any, sender: Any, method: Method, named: dict[str, Any]
) -> None:
    try:
        node = recording.node_with_everywhere(node)
        note_unheard_by_all(node, signal, sender, method, named)
    except Exception:
        recording.report_fault(node, "to count an unheard dispatch")


def _bear_witness(
    node: Any, signal: Any, sender: Any, method: Method, named: dict[str, Any]
) -> None:
    try:
        witnessing.see(node, signal, sender, method, named)
    except Exception:
        recording.report_fault(node, "to keep what was sent for a test")


def end_dispatch(record: Any, signal: Any, sender: Any, responses: Any, *, is_django: bool) -> None:
    try:
        if type(record) is DispatchRecord:
            if counting.running is not None:
                _count_calls(counting.running, record)
            if is_django:
                note_responses(record, responses, 0)
            else:
                _note_own_loop(record, responses)
            if (
                record.calls
                or record.keepers is not None
                or type(responses) is not list
                or responses
            ):
                recording.close_dispatch(record)
            else:
                recording.count_unheard(record, signal, sender)
                record.parent = None
        elif type(record) is Unkept:
            was_heard = type(responses) is not list or len(responses) > 0
            recording.close_unkept(record, was_heard=was_heard, signal=signal, sender=sender)
    except Exception:
        recording.report_fault(record, "to end the record of a dispatch")


def end_failed_dispatch(record: Any, error: BaseException) -> None:
    try:
        if type(record) is DispatchRecord:
            if counting.running is not None:
                _count_calls(counting.running, record)
            recording.close_failed_dispatch(record, error)
        elif type(record) is Unkept:
            recording.close_unkept(record, was_heard=True, signal=None, sender=None)
    except Exception:
        recording.report_fault(record, "to record the exception of a dispatch")


def note_responses(record: DispatchRecord, responses: Any, first: int) -> None:
    """Keep what the calls from ``first`` on returned, and take our callables out of the list."""
    if record.infos[1]:
        _unwatch(responses)
    try:
        calls = record.calls[first:] if first else record.calls
        if record.infos[1]:
            # Django 5.2's asend() may start them first; among the responses they are last.
            calls = sorted(calls, key=lambda call: call.info.is_async)
        if len(calls) != len(responses) and record.keepers:
            # Another tool gave Django's loop a list of its own.
            _note_unwatched(record, responses)
            return
        for call, pair in zip(calls, responses, strict=False):
            if pair[1] is not None and call.outcome is None:
                call.outcome = record.recorders[-1].capture.value(pair[1])
    except Exception:
        recording.report_fault(record, "to record the responses of a dispatch")


def _note_own_loop(record: DispatchRecord, responses: Any) -> None:
    """A subclass's own send has ended: say what of it was not watched."""
    if type(responses) is not list:
        record.unwatched = None if record.calls else []
    elif not record.calls and responses:
        _note_unwatched(record, responses)
    elif len(responses) <= len(record.calls):
        record.unwatched = None  # It asked for the receivers, but let Django's loop run them.


def _unwatch(responses: list[Any]) -> None:
    """Give back the receivers themselves, in the list that Django made for its caller."""
    for index, (receiver, response) in enumerate(responses):
        if type(receiver) is WatchedReceiver:
            responses[index] = (receiver.receiver, response)


def _note_unwatched(record: DispatchRecord, responses: list[Any]) -> None:
    """Keep the names of receivers that ran in a loop we could not watch."""
    record.calls = []
    record.unwatched = [
        describe_receiver(each[0]).name
        for each in responses
        if type(each) is tuple and len(each) == 2
    ]


def _count_calls(running: counting.Counting, record: DispatchRecord) -> None:
    try:
        counting.note_calls(running, record)
    except Exception:
        recording.report_fault(record, "to count the receivers that ran")
