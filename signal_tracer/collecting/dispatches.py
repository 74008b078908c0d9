"""A dispatch is opened, its receivers are handed over to Django's loop, and it is closed.

None of this may reach the traced code, so that each part is fenced. Near the recursion limit a
fence calls nothing any more: the dispatch goes on unrecorded, and is counted as too deep.
"""

from __future__ import annotations

import sys
import types
from typing import Any
from weakref import WeakKeyDictionary

from django.db.models.signals import pre_save
from django.dispatch import dispatcher

from signal_tracer.collecting import (
    clock,
    counting,
    nodes,
    partial_saves,
    savepoints,
    witnessing,
)
from signal_tracer.collecting.nodes import (
    DispatchRecord,
    Node,
    Root,
    Unkept,
    Within,
    capture_error,
    current,
)
from signal_tracer.collecting.receivers import WatchedReceiver
from signal_tracer.collecting.recorder import Counter, Recorders
from signal_tracer.collecting.routes import NO_INFOS, Route, find_route, still_near, tables
from signal_tracer.describing.frames import code_of, find_sender_frame, is_machinery
from signal_tracer.describing.names import class_bases, describe_receiver, namespace_of, unwrapped
from signal_tracer.describing.values import name_of_sender
from signal_tracer.records import DEEPEST, Method

# Private since Django 1.x and the same in 5.2, 6.0 and 6.1: what the sender cache holds for a
# sender without receivers.
NO_RECEIVERS = dispatcher.NO_RECEIVERS

# What ``sender_receivers_cache`` is, in Django 5.2, 6.0 and 6.1, of a signal that has one. Its
# ``data`` is looked into directly: its own ``get()`` makes a weak reference for each question.
SenderCache: Any = WeakKeyDictionary

# Of one trace, whose unheard dispatches are counted without looking at them.
_MOST_ROUTES = 1000

# What is opened for a dispatch that Django would answer with an empty list at once.
UNHEARD: Any = object()


def open_dispatch(
    node: Any,
    route: Route | None,
    signal: Any,
    sender: Any,
    method: Method,
    named: dict[str, Any],
    caller: Any = None,
    is_django: bool = True,
) -> Any:
    """The node that what the dispatch runs belongs to, to be set as ``current`` and closed.

    ``None`` if no trace sees it. ``UNHEARD``, counted already, if Django would look no further.
    ``route``: if it is at hand. ``caller``: where it is sent from; without one, from where the
    function was called that called this one. ``is_django``: it is one of Django's own four
    methods, not one of a subclass.
    """
    try:
        if node is None or nodes.everywhere is not None:
            node = nodes.node_with_everywhere(node)
        recorders = node.recorders
        recorder = recorders.innermost
        signal_id = id(signal)
        if recorder is None:
            _leave_ended(node)
            return None
        if node.signal_id == signal_id:
            caller = caller or _caller_of_caller()
            if is_part_of(node, signal, caller):
                return None if type(node) is Unkept else Within(node)
        if route is None:
            route = tables.get(signal_id, {}).get(id(sender))
        if route is None:
            caller = caller or _caller_of_caller()
            route = find_route(signal, sender, caller, recorder.capture)
        # Who was heard last time will be again, or is counted as unheard when it is closed.
        was_heard = route.size == len(signal.receivers)
        if (
            not was_heard
            and is_django
            and (
                not signal.receivers
                or (
                    route.reference is not None
                    and type(cache := signal.sender_receivers_cache) is SenderCache
                    and cache.data.get(route.reference) is NO_RECEIVERS
                )
            )
        ):
            counters = recorders.unheard.get(route)
            if counters is None:
                frame = None
                if recorder.takes_locations:
                    frame = find_sender_frame(caller or _caller_of_caller())
                count_unheard(node, route, signal, sender, *code_of(frame))
                if nodes.witnesses:
                    bear_witness(node, signal, sender, method, named)
            else:
                for counter in counters:
                    counter.count += 1
                _count_at_once(route, recorders, counters)
            return UNHEARD
        below = recorders.below
        if (
            below is None
            or not recorder.has_room
            or recorder.excluded_names.get(route.signal) is not False
        ):
            unkept = _unkept(node, route.signal, signal_id)
            if unkept is not None:
                if nodes.witnesses:
                    bear_witness(unkept, signal, sender, method, named)
                return unkept
            below = recorders.below or recorders.go_below()
        if not is_django and "sender" in named:
            named = {name: value for name, value in named.items() if name != "sender"}
        code, instruction = None, 0
        if recorder.takes_locations:
            if caller is None:
                try:  # noqa: SIM105  # as quick as can be
                    caller = sys._getframe(2)
                except ValueError:
                    pass  # Called by no Python code.
            if caller is None or is_machinery.get(caller.f_code.co_filename) is not False:
                caller = find_sender_frame(caller)
            if caller is not None:
                code, instruction = caller.f_code, caller.f_lasti
        record = DispatchRecord(
            node,
            below if is_django else below.apart(),
            route,
            signal_id,
            method,
            recorder.capture.kwargs(named),
            code,
            instruction,
            is_django,
        )
        here = savepoints.thread.here if savepoints.busy else None
        if here is not None:
            # A trace that began inside a callback, or one of the whole process, stands between.
            around = node.outer if type(node) is Root else node
            here = here.of(node, around, named.get("using"))
            if here is not None:
                record.rarely().here = here
        if signal is pre_save and named.get("update_fields") is not None:
            record.rarely().before = partial_saves.remember(named)
        if nodes.witnesses:
            bear_witness(record, signal, sender, method, named)
        return record
    except RecursionError:
        _count_too_deep(node)
        return None
    except Exception:
        nodes.report_fault(node, "to begin the record of a dispatch")
    # Not recorded, and so that nothing below is taken for what its sender sends.
    try:
        return None if node is None else Unkept(node.recorders, None, node)
    except Exception:
        return None


def _caller_of_caller() -> Any:
    """The frame that called the send method that called ``open_dispatch()``."""
    try:
        return sys._getframe(3)
    except ValueError:
        return None  # Called by no Python code.


def is_part_of(node: Any, signal: Any, caller: Any) -> bool:
    """Whether this is the dispatch that is open at ``node``, on its way to Django's own send.

    A subclass's own send may call its parent's, and another tool's ours once more. It is another
    one if a receiver sends the signal again, which it can do without our seeing the call.
    """
    if not node.has_asked:
        return True  # Nobody knows the receivers yet, and so none can be running.
    while caller is not None and caller.f_code.co_name.startswith("<"):
        caller = caller.f_back  # Out of a comprehension, or a function without a name.
    if caller is None:
        return False
    methods = (
        unwrapped(each).__code__
        for cls in class_bases(type(signal))
        for each in list(namespace_of(cls).values())
        if type(each) is types.FunctionType
    )
    return any(caller.f_code is each for each in methods)


def _leave_ended(node: Node) -> None:
    """Every trace around has ended, where this context could not be reached."""
    if type(node) is Root:
        current.set(None)


def _count_too_deep(node: Node | None) -> None:
    for recorder in () if node is None else node.recorders.all:
        recorder.too_deep += 1


def _unkept(node: Node, name: str, signal_id: int) -> Unkept | None:
    """What stands for a dispatch that is not recorded; ``None`` if it is."""
    recorders = node.recorders
    wanting = [each for each in recorders if not each.excludes(name)]
    if not wanting:
        return Unkept(recorders, name, node, signal_id)
    if not any(each.has_room for each in wanting):
        return Unkept(recorders, name, None, signal_id)
    if recorders.depth >= DEEPEST:
        return Unkept(recorders, name, None, signal_id, is_too_deep=True)
    return None


def bear_witness(
    node: Any, signal: Any, sender: Any, method: Method, named: dict[str, Any]
) -> None:
    try:
        witnessing.see(node, signal, sender, method, named)
    except Exception:
        nodes.report_fault(node, "to keep what was sent for a test")


def count_unheard(
    node: Node,
    route: Route,
    signal: Any,
    sender: Any,
    sent_by: types.CodeType | None,
    instruction: int,
) -> None:
    recorders = node.recorders
    names = route.signal, route.sender
    counters = tuple(
        [each.count_unheard(signal, sender, names, sent_by, instruction) for each in recorders]
    )
    # The next one of the same is only counted, and its arguments are not looked at.
    if route.kin is None and not any(each.is_witnessed for each in recorders):
        if len(recorders.unheard) >= _MOST_ROUTES:
            recorders.unheard.clear()
        recorders.unheard[route] = counters
        _count_at_once(route, recorders, counters)


def _count_at_once(route: Route, recorders: Recorders, counters: tuple[Counter, ...]) -> None:
    """Have the send methods count the next one of the same, if no other trace counts it."""
    if route.reference is not None and len(counters) == 1 and nodes.everywhere is None:
        route.counted_in, [route.counter] = recorders.unheard, counters


def close_dispatch(record: Any, signal: Any, sender: Any, responses: Any) -> Any:
    """The dispatch has returned ``responses``, and so does this."""
    try:
        if type(record) is not DispatchRecord:
            _close_other(record, signal, sender, responses)
            return responses
        infos, calls = record.infos, record.calls
        if counting.running is not None:
            _count_calls(counting.running, record)
        if record.rare.before is not None:
            rare = record.rarely()
            rare.left_out = partial_saves.left_out(rare.before) or ()
            rare.was_deferred = bool(rare.left_out) and not rare.before.values
            rare.before = None
        if record.in_django and not infos[1] and len(calls) == len(responses):
            for call, (_, response) in zip(calls, responses):  # noqa: B905  # as quick as can be
                if response is not None and call.outcome is None:
                    call.outcome = _capture_response(record, response)
        elif record.in_django:
            note_responses(record, responses, 0)
        else:
            _note_own_loop(record, responses)
        if calls or record.is_kept is not None or type(responses) is not list or responses:
            if infos[2]:
                record.rarely().near_misses = still_near(signal, infos[2])
            record.stopped = clock.now()
            if record.is_kept is None:
                record.link()
            record.signal_id = 0
            record.infos = NO_INFOS
            record.parent = None
            if record._rare is not None:
                record.let_go()
        else:
            site = record.sent_by, record.instruction
            count_unheard(record, record.route, signal, sender, *site)
            record.forget()
    except RecursionError:
        _abandon(record)
    except Exception:
        nodes.report_fault(record, "to end the record of a dispatch")
    return responses


def fail_dispatch(record: Any, error: BaseException) -> None:
    """The dispatch has ended by raising, and some receivers consequently never ran."""
    try:
        if type(record) is not DispatchRecord:
            _close_other(record, None, None, None)
            return
        if counting.running is not None:
            _count_calls(counting.running, record)
        for call in record.calls:
            if call.started and not call.stopped and not call.info.is_async:
                call.fail(error)
        rare, infos = record.rarely(), record.infos
        rare.before = None
        rare.error = capture_error(error, record.recorders)
        synchronous = sum(1 for call in record.calls if not call.info.is_async)
        asynchronous = len(record.calls) - synchronous
        rare.not_run = [*infos[0][synchronous:], *infos[1][asynchronous:]]
        rare.near_misses = infos[2]
        record.close()
    except RecursionError:
        _abandon(record)
    except Exception:
        nodes.report_fault(record, "to record the exception of a dispatch")


def _abandon(record: Any) -> None:
    """Near the recursion limit; what was recorded of it so far is kept."""
    if type(record) is DispatchRecord:
        record.signal_id = 0
        record.parent = None
        if record._rare is not None:
            rare = record._rare
            rare.stand_ins = rare.before = None
            rare.ended = ()


def _close_other(record: Any, signal: Any, sender: Any, responses: Any) -> None:
    if type(record) is Within:
        record.leave()
        if responses is not None:
            note_responses(record.outer, responses, record.first)
    elif record.signal is not None:
        record.signal_id = 0
        was_heard = record.is_muted or type(responses) is not list or len(responses) > 0
        for recorder in record.recorders:
            if record.is_too_deep:
                recorder.too_deep += 1
            elif was_heard:
                recorder.leave_out(record.signal)
            else:
                names = record.signal, name_of_sender(sender, recorder.capture)
                recorder.count_unheard(signal, sender, names)


def note_responses(record: DispatchRecord, responses: Any, first: int) -> None:
    """Keep what the calls from ``first`` on returned, and take our callables out of the list."""
    if record.infos[1]:
        _unwatch(responses)
    try:
        calls = record.calls[first:] if first else record.calls
        if record.infos[1]:
            # Django 5.2's asend() may start them first; among the responses they are last.
            calls = sorted(calls, key=lambda call: call.info.is_async)
        if len(calls) != len(responses) and record.is_kept:
            # Another tool gave Django's loop a list of its own.
            _note_unwatched(record, responses)
            return
        for call, pair in zip(calls, responses, strict=False):
            if pair[1] is not None and call.outcome is None:
                call.outcome = _capture_response(record, pair[1])
    except Exception:
        nodes.report_fault(record, "to record the responses of a dispatch")


def _capture_response(record: DispatchRecord, response: Any) -> object:
    recorder = record.recorders.innermost
    return None if recorder is None else recorder.capture.value(response)


def _note_own_loop(record: DispatchRecord, responses: Any) -> None:
    """A subclass's own send has ended: say what of it was not watched."""
    if type(responses) is not list:
        record.rarely().unwatched = None if record.calls else []
    elif not record.calls and responses:
        _note_unwatched(record, responses)
    elif len(responses) <= len(record.calls):
        record.rarely().unwatched = None  # It let Django's loop run those it asked for.


def _unwatch(responses: list[Any]) -> None:
    """Give back the receivers themselves, in the list that Django made for its caller."""
    for index, (receiver, response) in enumerate(responses):
        if type(receiver) is WatchedReceiver:
            responses[index] = (receiver.receiver, response)


def _note_unwatched(record: DispatchRecord, responses: list[Any]) -> None:
    """Keep the names of receivers that ran in a loop we could not watch."""
    record.calls = []
    record.rarely().unwatched = [
        describe_receiver(each[0]).name
        for each in responses
        if type(each) is tuple and len(each) == 2
    ]


def _count_calls(running: counting.Counting, record: DispatchRecord) -> None:
    try:
        counting.note_calls(running, record)
    except Exception:
        nodes.report_fault(record, "to count the receivers that ran")
