"""``signal_map --chain``: what a save, delete or send sets off, down to the leaves."""

from __future__ import annotations

from argparse import _ArgumentGroup
from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.base import CommandError

from signal_tracer.chain import Chain
from signal_tracer.management.graphs_files import load_graph
from signal_tracer.mapping.chains import MOST_DEPTH, chain_of
from signal_tracer.mapping.explaining import UnknownNameError
from signal_tracer.showing.chain_console import ChainTree
from signal_tracer.showing.chain_graph import dot, mermaid, too_large_for_mermaid

NOTHING_SEEN = (
    "Nothing of this was seen to happen. What was, in your tests: pytest --signal-graph=FILE, and "
    "then --graph FILE here."
)
FORMATS = ("tree", "json", "mermaid", "dot")


def add_chain(group: _ArgumentGroup) -> None:
    """The options ``--chain NAME [SENDER]`` and ``--depth N``."""
    group.add_argument(
        "--chain",
        nargs="+",
        metavar=("NAME", "SENDER"),
        help="all that NAME sets off, down to the leaves: a model (shop.Order), its save or delete "
        "(shop.Order.delete), or a signal, of SENDER if it is given",
    )
    group.add_argument(
        "--depth",
        type=int,
        metavar="N",
        help=f"with --chain: no more than N dispatches deep; {MOST_DEPTH} unless given",
    )


def chosen_chain(options: Mapping[str, Any]) -> Chain:
    """What the options ask for. Raises ``CommandError``, which says what may be meant."""
    names, form = options["chain"], options["format"]
    if len(names) > 2:
        raise CommandError(
            "--chain takes a name, and for a signal a sender: NAME [SENDER]. It was given "
            f"{len(names)}: {', '.join(names)}."
        )
    if form not in (None, *FORMATS):
        raise CommandError(f"--chain has no format {form!r}. Give one of: {', '.join(FORMATS)}.")
    depth = MOST_DEPTH if options["depth"] is None else options["depth"]
    if not 1 <= depth <= MOST_DEPTH:
        raise CommandError(f"--depth {depth}: give a number from 1 to {MOST_DEPTH}.")
    seen = None if options["graph"] is None else load_graph(options["graph"])
    try:
        found = chain_of(*names, graph=seen, depth=depth)
    except UnknownNameError as error:
        raise CommandError(f"{error}") from error
    return found.project_only() if options["project_only"] else found


def as_text(
    chain: Chain, form: str | None, drawn: Callable[[ChainTree], str], hint: str
) -> tuple[str, str]:
    """The chain in one of the formats, and what to warn of.

    ``drawn`` draws what is for a terminal; ``hint`` is said in a last line of that.
    """
    match form:
        case "json":
            return chain.to_json(indent=2), ""
        case "mermaid":
            text = mermaid(chain)
            return text, too_large_for_mermaid(text)
        case "dot":
            return dot(chain), ""
    hints = (NOTHING_SEEN if chain.traces is None else "", hint)
    return drawn(ChainTree(chain, tuple(filter(None, hints)))), ""
