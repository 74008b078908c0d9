"""Imports the URLconf, as a server does for its first request, when asked to."""

from __future__ import annotations

from django.conf import settings
from django.urls import get_resolver


def load_urls() -> None:
    """Import the URLconf and all that it includes. Raises whatever that raises."""
    if not getattr(settings, "ROOT_URLCONF", None):
        raise LookupError("the settings have no ROOT_URLCONF")
    # Reading the patterns imports the module; what it includes is imported with it. Not documented,
    # and the same in Django 5.2, 6.0 and 6.1.
    _ = get_resolver().url_patterns
