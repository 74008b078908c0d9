"""Keeps what is sent alive while a test asks for it, to compare it with ``==``.

Nothing else of ours keeps live objects. A test has them in its hands anyway, and only the objects
themselves can answer whether they are equal to what it expects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from signal_tracer.collecting import nodes
from signal_tracer.collecting.nodes import DispatchRecord
from signal_tracer.collecting.reading import conceal, conceal_name
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.describing.names import name_of_signal
from signal_tracer.describing.values import name_of_sender, render
from signal_tracer.records import Method, show_value


@dataclass(frozen=True, slots=True)
class Sent:
    """One dispatch, heard or not: the live objects, and what was captured of them at the time."""

    signal: Any
    sender: Any
    named: dict[str, Any]
    method: Method
    signal_name: str
    sender_name: str
    captured: dict[str, object]
    recorder: Recorder

    def shown(self, name: str) -> str:
        """The value as the trace shows it, without what is redacted elsewhere."""
        return conceal(self.recorder, show_value(render(self.captured[name])))

    def shown_sender(self) -> str:
        """The same for the sender, of which ``sender_name`` is for comparing."""
        return conceal_name(self.recorder, self.sender_name)


class Witness:
    """All that was sent while one trace ran; of each signal at most as many as a trace keeps."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.sent: list[Sent] = []
        # How many more there were, by the name of the signal.
        self.left_out: dict[str, int] = {}
        self._counts: dict[int, int] = {}

    def see(
        self, node: Any, signal: Any, sender: Any, method: Method, named: dict[str, Any]
    ) -> None:
        count = self._counts[id(signal)] = self._counts.get(id(signal), 0) + 1
        name = name_of_signal(signal)
        if count > self.recorder.config.max_dispatches:
            self.left_out[name] = self.left_out.get(name, 0) + 1
            return
        if type(node) is DispatchRecord:
            names, values, sender_name = node.names, node.values, node.route.sender
        else:
            names, values = self.recorder.capture.kwargs(named)
            sender_name = name_of_sender(sender, self.recorder.capture)
        captured = dict(zip(names, values, strict=True))
        self.sent.append(
            Sent(signal, sender, named, method, name, sender_name, captured, self.recorder)
        )


def start(recorder: Recorder) -> Witness:
    recorder.is_witnessed = True
    witness = Witness(recorder)
    nodes.witnesses = (*nodes.witnesses, witness)
    return witness


def stop(witness: Witness) -> None:
    nodes.witnesses = tuple(each for each in nodes.witnesses if each is not witness)


def see(node: Any, signal: Any, sender: Any, method: Method, named: dict[str, Any]) -> None:
    """To be called for each dispatch, once, with the node it is recorded or counted under."""
    for witness in nodes.witnesses:
        if witness.recorder.is_running and witness.recorder in node.recorders:
            witness.see(node, signal, sender, method, named)
