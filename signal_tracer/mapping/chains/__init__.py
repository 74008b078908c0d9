"""Chains: what a save, a delete or a signal sets off, with all that follows."""

from __future__ import annotations

from typing import Any

from django.apps import apps

from signal_tracer.chain import Chain
from signal_tracer.describing.names import class_name
from signal_tracer.mapping.chains.beginnings import Beginnings
from signal_tracer.mapping.chains.heard import Heard
from signal_tracer.mapping.chains.linking import Links
from signal_tracer.mapping.chains.own_methods import OwnMethods
from signal_tracer.mapping.chains.seen import Watched
from signal_tracer.mapping.effects import Effects
from signal_tracer.mapping.ownership import Ownership
from signal_tracer.mapping.projects import Project
from signal_tracer.signal_graph import SignalGraph

MOST_DEPTH = 50


def chain_of(
    start: str,
    sender: str | None = None,
    *,
    graph: SignalGraph | None = None,
    depth: int = MOST_DEPTH,
) -> Chain:
    """What ``start`` sets off, ``depth`` dispatches deep.

    ``start``: a model (all that is sent with it as the sender), its ``save`` or ``delete``, any
    other sender, or a signal: of all senders that are known of, or of ``sender``. Each is named
    in full or by its last parts. Raises ``UnknownNameError``.
    """
    # All models of each app by name: not documented, the same in Django 5.2, 6.0 and 6.1.
    models: dict[str, Any] = {
        class_name(model): model
        for of_app in list(apps.all_models.values())
        for model in list(of_app.values())
    }
    project = Project(Ownership())
    effects = Effects(project)
    watched = Watched(graph, models)
    heard = Heard(watched, models)
    own_methods = OwnMethods(models, effects)
    title, roots = Beginnings(heard, own_methods, project, graph).roots_of(start, sender)
    links = Links(heard, watched, own_methods, effects, depth)
    steps = (links.step_of(root) for root in links.in_order(roots))
    return Chain(title, depth, None if graph is None else graph.traces, tuple(steps))
