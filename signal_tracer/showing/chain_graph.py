"""A chain as a drawing: text that Mermaid or Graphviz draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from signal_tracer.chain import Chain, ChainStep
from signal_tracer.showing.chain_words import beside, marks_of, title_of
from signal_tracer.showing.map_graph import (
    MERMAID_CHARACTERS,
    MERMAID_EDGES,
    dot_text,
    mermaid_text,
)
from signal_tracer.wording import plural, printable

# What does not happen for sure, or was never seen where others were.
_UNCERTAIN = ("MAY", "NEVER SEEN", "UNKNOWN", "DEAD", "WAITING", "NEAR MISS")


@dataclass(frozen=True, slots=True)
class _Node:
    key: str
    step: ChainStep | None
    label: str
    above: str
    is_certain: bool = True
    is_trouble: bool = False


class _Drawing:
    """A node a step, and an edge to each from what it follows from.

    A step that is shown above has an edge to where that is, and no node of its own.
    """

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.nodes = [_Node("n0", None, printable(chain.start), "")]
        self.again: list[tuple[str, str, str]] = []
        self._keys: dict[tuple[str, str, str], str] = {}
        waiting = [("n0", step) for step in chain.steps[::-1]]
        repeated: list[tuple[str, ChainStep]] = []
        while waiting:
            above, step = waiting.pop()
            if step.again is not None:
                repeated.append((above, step))
                continue
            node = self._node(step, above)
            self.nodes.append(node)
            if step.steps:
                self._keys.setdefault((step.kind, step.name, step.sender), node.key)
            waiting += [(node.key, nested) for nested in step.steps[::-1]]
        for above, step in repeated:
            key = self._keys.get((step.kind, step.name, step.sender))
            if key is None:  # What it is shown in was left out.
                self.nodes.append(self._node(step, above))
            else:
                self.again.append((above, key, "again" if step.again == "above" else "cycle"))

    def _node(self, step: ChainStep, above: str) -> _Node:
        marks = [*marks_of(step, self.chain)]
        told = [f"{title_of(step)}", *beside(step), *map(str, marks)]
        words = {each.word for each in marks}
        return _Node(
            f"n{len(self.nodes)}",
            step,
            printable("  ".join(told)),
            above,
            not words & {*_UNCERTAIN},
            bool(step.went_wrong),
        )


def mermaid(chain: Chain) -> str:
    """A Mermaid flowchart; dashed where something may not happen, or was never seen."""
    return "\n".join(_mermaid_lines(_Drawing(chain))) + "\n"


def too_large_for_mermaid(text: str) -> str:
    """What to say of a flowchart that Mermaid would refuse as it is set up; else nothing."""
    edges = text.count("-->") + text.count("-.->")
    if edges <= MERMAID_EDGES and len(text) <= MERMAID_CHARACTERS:
        return ""
    return (
        f"This flowchart has {plural(edges, 'edge')} and {len(text)} characters. Mermaid draws "
        f"{MERMAID_EDGES} and {MERMAID_CHARACTERS}, unless the page sets maxEdges and "
        "maxTextSize. Draw less with --depth or --project-only; or take --format dot."
    )


_SHAPES = {"signal": ('(["', '"])'), "bulk": ('{{"', '"}}'), "callback": ('[/"', '"/]')}


def _mermaid_lines(drawing: _Drawing) -> Iterator[str]:
    yield "flowchart LR"
    for node in drawing.nodes:
        kind = "start" if node.step is None else node.step.kind
        begin, end = _SHAPES.get(kind, ('["', '"]'))
        yield f"  {node.key}{begin}{mermaid_text(node.label)}{end}"
    for node in drawing.nodes[1:]:
        yield f"  {node.above} {'-->' if node.is_certain else '-.->'} {node.key}"
    for start, end, word in drawing.again:
        yield f'  {start} -.->|"{word}"| {end}'
    troubled = [node.key for node in drawing.nodes if node.is_trouble]
    if troubled:
        yield "  classDef trouble stroke:#c00,stroke-width:2px"
        yield f"  class {','.join(troubled)} trouble"


def dot(chain: Chain) -> str:
    """A Graphviz digraph; dashed where something may not happen, or was never seen."""
    return "\n".join(_dot_lines(_Drawing(chain))) + "\n"


def _dot_lines(drawing: _Drawing) -> Iterator[str]:
    yield "digraph chain {"
    yield "  rankdir=LR;"
    yield '  node [shape=box, fontname="sans-serif"];'
    yield '  edge [fontname="sans-serif", fontsize=10];'
    for node in drawing.nodes:
        rounded = ", style=rounded" if node.step and node.step.kind == "signal" else ""
        colour = ', color="#c00000", penwidth=2' if node.is_trouble else ""
        yield f"  {node.key} [label={dot_text(node.label)}{rounded}{colour}];"
    for node in drawing.nodes[1:]:
        style = "" if node.is_certain else " [style=dashed]"
        yield f"  {node.above} -> {node.key}{style};"
    for start, end, word in drawing.again:
        yield f'  {start} -> {end} [label="{word}", style=dashed, constraint=false];'
    yield "}"
