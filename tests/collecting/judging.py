"""Whether what the tracer says of a random program is what happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from django.dispatch import Signal
from playing import STANDING_SIGNALS, Called, Opened, Play, Sent
from programs import Program

from signal_tracer import Trace
from signal_tracer.records import Dispatch, Unheard
from signal_tracer.tracer import uninstall

_DJANGOS_SEND = vars(Signal)["send"]
# Django itself fails to log these under send_robust(): they have no __qualname__.
_NAMELESS = ("partial", "callable", "mock", "async partial")


def run_untraced(program: Program) -> dict[str, Any]:
    """What is to be seen of the program with Django's own methods."""
    if vars(Signal)["send"] is not _DJANGOS_SEND:
        uninstall()  # mute() installs them too.
    return Play(program, is_traced=False).play().seen()


def run_traced(program: Program, untraced: dict[str, Any]) -> list[str]:
    """What was not the same with a trace, and what the traces say that is not so."""
    play = Play(program, is_traced=True).play()
    traced = play.seen()
    found = [
        f"{what}: traced {traced[what]!r}, untraced {untraced[what]!r}"
        for what in untraced
        if traced[what] != untraced[what]
    ]
    for number, opened in enumerate(play.opened):
        found += [f"trace {number}: {each}" for each in _Judge(play, opened).problems()]
    return found


def check(program: Program) -> list[str]:
    """All that is wrong when the program runs once without a trace and once with it."""
    return run_traced(program, run_untraced(program))


class _Judge:
    """One trace, beside the log of the program that it was taken of."""

    def __init__(self, play: Play, opened: Opened) -> None:
        self.play = play
        self.opened = opened
        self.trace: Trace = opened.trace  # type: ignore[assignment]  # it was traced
        self.limit = play.program.limit
        during = [each for each in play.sent if opened.began < each.tick < opened.ended]
        self.must = [each for each in during if opened.all_threads or self.is_below(each)]
        # What is started in one receiver and ended in another has no context of its own.
        self.may = self.must if opened.is_block else during
        self.present: dict[int, Dispatch] = {}

    def is_below(self, sent: Sent) -> bool:
        """Whether the receiver call that opened the trace sent it, itself or by what it sent."""
        body = self.opened.body
        each: Sent | None = sent
        while each is not None:
            if each.parent is body:
                return each.tick > self.opened.began
            each = None if each.parent is None else each.parent.sent
        return False

    def problems(self) -> Iterator[str]:
        if self.trace.faults:
            yield f"{self.trace.faults} faults"
        for dispatch in self.trace.walk():
            token: Any = dispatch.kwargs.get("number")
            if token in self.present:
                yield f"dispatch {token} is there twice"
            self.present[token] = dispatch
        yield from self.presence()
        yield from self.names_of_signals()
        for token, dispatch in self.present.items():
            sent = self.play.sent[token]
            for problem in (
                *self.dispatch(dispatch, sent),
                *self.calls(dispatch, sent),
                *self.near_misses(dispatch, sent),
            ):
                yield f"dispatch {token} ({sent.kind}, {sent.sender_name}): {problem}"
        yield from self.unheard()

    def presence(self) -> Iterator[str]:
        may = {each.token for each in self.may if each.kind != "excluded"}
        for token in self.present:
            if token not in may:
                yield f"dispatch {token} is none of it"
        wanted = [
            each
            for each in self.must
            if is_recorded(each) and each.kind != "excluded" and self.is_known(each)
        ]
        is_exact = self.may is self.must and not any(map(is_odd, self.may))
        if len(wanted) > self.limit and any(not each.is_watched for each in self.may):
            is_exact = False  # The order is that in which it is known that receivers ran.
        if is_exact:
            kept, omitted = wanted[: self.limit], wanted[self.limit :]
            if self.trace.omitted != len(omitted):
                yield f"omitted: {self.trace.omitted}, not {len(omitted)}"
            left_out = self.count(each for each in self.must if each.kind == "excluded")
            if self.trace.excluded not in left_out:
                yield f"excluded: {self.trace.excluded}, not in {left_out}"
            for each in omitted:
                if each.token in self.present:
                    yield f"dispatch {each.token} is beyond the limit"
        elif len(self.may) <= self.limit:
            kept = wanted
        else:
            kept = []
        for each in kept:
            if each.token not in self.present:
                yield f"dispatch {each.token} is missing"
        expected = [each for each in self.present if self.home(self.play.sent[each]) is None]
        roots: list[Any] = [each.kwargs.get("number") for each in self.trace.dispatches]
        if sorted(roots) != sorted(expected):
            yield f"roots: {roots}, not {expected}"

    def names_of_signals(self) -> Iterator[str]:
        names: dict[str, str] = {}
        for token, dispatch in self.present.items():
            sent = self.play.sent[token]
            if sent.kind in STANDING_SIGNALS:
                if dispatch.signal != STANDING_SIGNALS[sent.kind][1]:
                    yield f"{sent.kind} is called {dispatch.signal}"
            elif not dispatch.signal.startswith("<unnamed "):
                yield f"an unnamed signal is called {dispatch.signal}"
            elif names.setdefault(sent.signal_name, dispatch.signal) != dispatch.signal:
                yield f"a signal goes by {dispatch.signal} and {names[sent.signal_name]}"
        if len(set(names.values())) != len(names):
            yield f"two signals go by one name: {names}"

    def home(self, sent: Sent) -> Called | None:
        """The receiver call that the trace is to show the dispatch in."""
        call = sent.parent
        while call is not None:
            if call.sent.token in self.present and call.sent.is_watched:
                return call
            call = call.sent.parent
        return None

    def is_known(self, sent: Sent) -> bool:
        """Whether receivers ran: for a loop that nobody can watch its result says so."""
        return sent.is_watched or self.has_ended(sent.ended)

    def count(self, sent: Iterable[Sent]) -> range:
        """How many there may be: those that go on when the trace ends are counted or are not."""
        sent = list(sent)
        sure = sum(self.has_ended(each.ended) and not is_odd(each) for each in sent)
        return range(sure, len(sent) + 1)

    def has_ended(self, ended: int) -> bool:
        return ended < self.opened.ended

    def dispatch(self, dispatch: Dispatch, sent: Sent) -> Iterator[str]:
        if dispatch.sender != sent.sender_name:
            yield f"sent by {dispatch.sender}"
        if dispatch.method != sent.method:
            yield f"by {dispatch.method}, not {sent.method}"
        error = None if sent.error is None else name_of(sent.error)
        seen = None if dispatch.error is None else dispatch.error.type
        if seen != error and self.has_ended(sent.ended):
            yield f"ended with {seen}, not {error}"

    def calls(self, dispatch: Dispatch, sent: Sent) -> Iterator[str]:
        if not sent.is_watched:
            yield from self.unwatched(dispatch, sent)
            return
        if dispatch.unwatched is not None:
            yield f"said not to be watched: {dispatch.unwatched}"
            return
        for is_async in (False, True):
            seen = [each for each in dispatch.receiver_calls if each.is_async is is_async]
            really = [each for each in sent.calls if each.made.is_async is is_async]
            while len(really) > len(seen) and not self.has_ended(really[-1].tick):
                really.pop()  # It ran after the trace had ended.
            names = [each.receiver for each in seen]
            if names != [each.made.name for each in really]:
                yield f"called {names}, not {[each.made.name for each in really]}"
                continue
            for call, one in zip(seen, really, strict=True):
                for problem in self.call(call, one):
                    yield f"{one.made.name}: {problem}"

    def call(self, call: Any, really: Called) -> Iterator[str]:
        nested: list[Any] = [each.kwargs.get("number") for each in call.dispatches]
        expected = [
            each.token
            for each in self.play.sent
            if each.token in self.present and self.home(each) is really
        ]
        if sorted(nested) != expected:
            yield f"sent {nested}, not {expected}"
        if not self.has_ended(really.ended):
            return
        is_caught_without_name = (
            really.outcome == "swallowed" and really.made.spec.kind in _NAMELESS
        )
        if call.outcome != really.outcome and not is_caught_without_name:
            yield f"{call.outcome}, not {really.outcome}"
        error = None if call.error is None else call.error.type
        if error != really.error:
            yield f"failed with {error}, not {really.error}"
        if really.outcome == "returned" and really.made.spec.kind != "class":
            response = really.response
            if really.made.spec.kind == "builtin":
                response = str(response)
            if call.response != response and (
                self.has_ended(really.sent.ended) and really.sent.error is None
            ):
                yield f"returned {call.response!r}, not {response!r}"
        uids = really.sent.uids.get(really.made.label, [])
        if "cached" not in really.sent.kind and len(uids) == 1 and call.dispatch_uid != uids[0]:
            yield f"dispatch_uid {call.dispatch_uid!r}, not {uids[0]!r}"

    def unwatched(self, dispatch: Dispatch, sent: Sent) -> Iterator[str]:
        names = [each.made.name for each in sent.calls]
        if dispatch.receiver_calls:
            yield f"calls of a loop that nobody can watch: {dispatch.receiver_calls}"
        if (
            (dispatch.unwatched or []) != names
            and sent.error is None
            and self.has_ended(sent.ended)
        ):
            yield f"not watched: {dispatch.unwatched}, not {names}"
        if Counter(dispatch.unwatched or ()) - Counter(names):
            yield f"not watched: {dispatch.unwatched}, of which not all ran: {names}"

    def near_misses(self, dispatch: Dispatch, sent: Sent) -> Iterator[str]:
        by_reason = Counter(
            (each.receiver, each.reason)
            for each in dispatch.near_misses
            if each.reason in ("not_run", "refused", "muted")
        )
        if not sent.is_odd and sent.is_watched and self.has_ended(sent.ended):
            why = "refused" if was_refused(sent) else "not_run"
            expected = Counter((each.name, "not_run") for each in sent.would_call[0])
            expected += Counter((each.name, why) for each in sent.would_call[1])
            expected -= Counter(
                (each.made.name, why if each.made.is_async else "not_run") for each in sent.calls
            )
            expected += Counter((each.name, "muted") for each in sent.muted)
            if by_reason != expected:
                yield f"did not run: {dict(by_reason)}, not {dict(expected)}"
        seen = [
            (each.receiver, each.reason, each.connected_to)
            for each in dispatch.near_misses
            if each.reason not in ("not_run", "refused", "muted")
        ]
        could, must = near_of([sent])
        for each in seen:
            if each not in could:
                yield f"never so near: {each}"
        if self.has_ended(sent.ended) and sent.calls and sent.is_watched:
            for each in must:
                if each not in seen:
                    yield f"not said to be near: {each}"

    def unheard(self) -> Iterator[str]:
        silent = [each for each in self.must if not is_recorded(each) and each.kind != "excluded"]
        total, expected = sum(each.count for each in self.trace.unheard), self.count(silent)
        if self.may is self.must and total not in expected:
            yield f"unheard: {total}, not in {expected}"
        for each in self.trace.unheard:
            alike = [sent for sent in self.may if is_counted_in(each, sent)]
            if not alike:
                yield f"unheard, and never sent: {each}"
            could = near_of(alike)[0] | {near[1:] for near in self.opened.near}
            for miss in each.near_misses:
                # Who else listens to an unheard signal is no near miss; see
                # test_nearly_this_sender.py.
                is_other = miss.reason == "connected_to_other"
                if not is_other and (miss.receiver, miss.reason, miss.connected_to) not in could:
                    yield f"unheard and never so near: {miss}"


def was_refused(sent: Sent) -> bool:
    """Whether it is Django that raised, because a loop runs in which a sync send cannot wait."""
    error = sent.error if isinstance(sent.error, type) else type(sent.error)
    raised = any(call.error is not None for call in sent.calls)
    return sent.method in ("send", "send_robust") and error is RuntimeError and not raised


def is_counted_in(unheard: Unheard, sent: Sent) -> bool:
    """By the names; an unnamed signal's is the tracer's own, and the many are counted together."""
    return unheard.sender in (sent.sender_name, "other senders") and (
        unheard.signal in (sent.signal_name, "other signals")
        or unheard.signal.startswith("<unnamed ")
    )


def is_odd(sent: Sent) -> bool:
    """Whether it failed before any receiver could have been called."""
    return sent.is_odd or (sent.error is not None and not sent.heard and not sent.muted)


def is_recorded(sent: Sent) -> bool:
    return bool(sent.heard or sent.muted) and not sent.is_odd


def near_of(sent: Iterable[Sent]) -> tuple[set[Any], set[Any]]:
    """The near misses that were so at any moment of a dispatch, and those that were at all."""
    could: set[Any] = set()
    always: set[Any] = set()
    for each in sent:
        called = {made.label for made in (*each.heard, *each.muted)}
        moments = [{near for near in moment if near[0] not in called} for moment in each.near]
        could.update(near[1:] for near in set().union(*moments))
        # One that a signal of its own kind left out may be connected to the very sender as well.
        always.update(
            near[1:]
            for near in (set.intersection(*moments) if moments else ())
            if near[0] not in each.uids
        )
    return could, always


def name_of(cls: Any) -> str:
    module = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
    return f"{module}{cls.__qualname__}"
