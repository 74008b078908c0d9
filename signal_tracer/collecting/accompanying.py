"""A trace that a reporter accompanies: it is told where outermost things happen, as they do."""

from __future__ import annotations

from collections.abc import Callable

from signal_tracer.collecting.bypassing import Bypasses, BypassRecord
from signal_tracer.collecting.following import tell_of_outermost
from signal_tracer.collecting.nodes import DispatchRecord, fenced
from signal_tracer.collecting.recorder import Recorder


def accompany(recorder: Recorder, told: Callable[[float], None]) -> None:
    """Have ``told`` called in the midst of the traced code: by each dispatch and bypass outside of
    any receiver call, with its ``started_at``.
    """

    begun = recorder.started  # And not the recorder, which would hold itself.

    @fenced("to tell a reporter where something happens")
    def tell(started: int) -> None:
        told(max(started - begun, 0) / 1e9)  # As it will be read.

    def tell_of_dispatch(record: DispatchRecord, _number: int) -> None:
        tell(record.started)

    tell_of_outermost(recorder, tell_of_dispatch)
    bypasses = recorder.activity.get(Bypasses)
    if type(bypasses) is not _Told:
        bypasses = recorder.activity[Bypasses] = _Told()
    bypasses.told.append(tell)


class _Told(Bypasses):
    """Those of a trace outside of any receiver call, which are told of as they are noted."""

    __slots__ = ("told",)

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Callable[[int], None]] = []

    def append(self, record: BypassRecord) -> None:
        for each in self.told:
            each(record.started)
        super().append(record)
