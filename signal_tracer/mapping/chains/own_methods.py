"""A model's own ``save()`` and ``delete()``, which may never go on to Django's."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from django.db.models import Model

from signal_tracer.describing.names import describe_receiver, find_in_class, namespace_of
from signal_tracer.describing.ownership import owner_of_file, project_packages
from signal_tracer.mapping.chains.roots import ROWS, Root
from signal_tracer.mapping.chains.seen import Doer
from signal_tracer.mapping.effects import Effects
from signal_tracer.records import DJANGO, Location, Owner


class OwnMethods:
    """Those of all models, by what they do to rows."""

    def __init__(self, models: dict[str, Any], effects: Effects) -> None:
        self._models = models
        self._effects = effects
        self._silent: dict[Root, bool] = {}

    def of(self, root: Root) -> tuple[Location, Owner] | None:
        """Where a save() or delete() is defined that is not Django's, and whose it is."""
        model = self._models.get(root.name)
        own: Any = (
            find_in_class(model, root.kind) if model is not None and not root.sender else None
        )
        if type(own) is not FunctionType or own is namespace_of(Model)[root.kind]:
            return None
        location = describe_receiver(own).defined_at
        owner = None if location is None else owner_of_file(location.file, project_packages())
        return None if location is None or owner is None or owner == DJANGO else (location, owner)

    def is_silent(self, root: Root, doer: Doer | None = None) -> bool:
        """Whether its own method does something else, and Django sends nothing."""
        model = self._models.get(root.name)
        if root.kind == "signal" or model is None or self.of(root) is None:
            return False
        if doer is not None and any(doer.sent(each, root.name) for each in ROWS[root.kind]):
            return False
        if root not in self._silent:
            self._silent[root] = self._effects.keeps_from_django(model, root.kind)
        return self._silent[root]
