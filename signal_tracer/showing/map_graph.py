"""A signal map as a drawing: text that Mermaid or Graphviz draws."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from signal_tracer.showing.map_rows import NO_APP, notes
from signal_tracer.signal_map import Connection, MappedSignal, SignalMap
from signal_tracer.wording import plural, printable

# Mermaid refuses to draw more, unless the page that draws sets maxEdges and maxTextSize.
MERMAID_EDGES = 500
MERMAID_CHARACTERS = 50_000


@dataclass(frozen=True, slots=True)
class _Node:
    key: str
    label: str


@dataclass(frozen=True, slots=True)
class _Edge:
    signal: _Node
    receiver: _Node
    label: str
    is_certain: bool


class _Drawing:
    """A node for each signal and each receiver, the receivers by app, and an edge a connection."""

    def __init__(self, signal_map: SignalMap) -> None:
        self.signals: list[_Node] = []
        self.apps: dict[str, list[_Node]] = {}
        self.edges: list[_Edge] = []
        self._receivers: dict[object, _Node] = {}
        for signal in signal_map.signals:
            node = self._add_signal(signal)
            for connection in signal.connections:
                self.edges.append(
                    _Edge(
                        node,
                        self._receiver(connection),
                        _edge_label(connection),
                        connection.state == "alive" and not connection.is_fragile,
                    )
                )

    def _add_signal(self, signal: MappedSignal) -> _Node:
        node = _Node(f"s{len(self.signals)}", printable(signal.name))
        self.signals.append(node)
        return node

    def _receiver(self, connection: Connection) -> _Node:
        about = (connection.receiver, connection.defined_at)
        if about not in self._receivers:
            node = _Node(f"r{len(self._receivers)}", printable(connection.receiver))
            self._receivers[about] = node
            self.apps.setdefault(connection.app or NO_APP, []).append(node)
        return self._receivers[about]


def _edge_label(connection: Connection) -> str:
    return printable(", ".join([f"{connection.position}: {connection.heard}", *notes(connection)]))


def mermaid(signal_map: SignalMap) -> str:
    """A Mermaid flowchart from signals to receivers; dashed where a receiver may not run."""
    text = "\n".join(_mermaid_lines(_Drawing(signal_map)))
    return f"{text}\n" if text else ""


def too_large_for_mermaid(signal_map: SignalMap, text: str) -> str:
    """What to say of a flowchart that Mermaid would refuse as it is set up; else nothing."""
    edges = sum(1 for _ in signal_map.walk())
    if edges <= MERMAID_EDGES and len(text) <= MERMAID_CHARACTERS:
        return ""
    return (
        f"This flowchart has {plural(edges, 'edge')} and {len(text)} characters. Mermaid draws "
        f"{MERMAID_EDGES} and {MERMAID_CHARACTERS}, unless the page sets maxEdges and "
        "maxTextSize. Draw less with --app, --signal or --project-only; or take --format dot."
    )


def _mermaid_lines(drawing: _Drawing) -> Iterator[str]:
    yield "flowchart LR"
    for node in drawing.signals:
        yield f'  {node.key}(["{mermaid_text(node.label)}"])'
    for number, (app, nodes) in enumerate(drawing.apps.items()):
        yield f'  subgraph a{number}["{mermaid_text(printable(app))}"]'
        for node in nodes:
            yield f'    {node.key}["{mermaid_text(node.label)}"]'
        yield "  end"
    for edge in drawing.edges:
        arrow = "-->" if edge.is_certain else "-.->"
        yield f'  {edge.signal.key} {arrow}|"{mermaid_text(edge.label)}"| {edge.receiver.key}'


def mermaid_text(text: str) -> str:
    """Letters and digits as they are, and what might mean something to Mermaid by its number."""
    return re.sub(r"[^\w .,:/-]", lambda found: f"#{ord(found[0])};", text) or " "


def dot(signal_map: SignalMap) -> str:
    """A Graphviz digraph from signals to receivers; dashed where a receiver may not run."""
    return "\n".join(_dot_lines(_Drawing(signal_map))) + "\n"


def _dot_lines(drawing: _Drawing) -> Iterator[str]:
    yield "digraph signals {"
    yield "  rankdir=LR;"
    yield '  node [shape=box, fontname="sans-serif"];'
    yield '  edge [fontname="sans-serif", fontsize=10];'
    for node in drawing.signals:
        yield f"  {node.key} [label={dot_text(node.label)}, style=rounded];"
    for number, (app, nodes) in enumerate(drawing.apps.items()):
        yield f"  subgraph cluster_{number} {{"
        yield f"    label={dot_text(printable(app))};"
        for node in nodes:
            yield f"    {node.key} [label={dot_text(node.label)}];"
        yield "  }"
    for edge in drawing.edges:
        style = "" if edge.is_certain else ", style=dashed"
        yield (f"  {edge.signal.key} -> {edge.receiver.key} [label={dot_text(edge.label)}{style}];")
    yield "}"


def dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    # Graphviz reads HTML entities in labels too.
    return f'"{escaped.replace("&", "&amp;")}"'
