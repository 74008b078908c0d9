"""The pages of the site that is measured, and the toolbar's own where it is there."""

import importlib

from django.apps import apps
from django.conf import settings
from django.urls import include, path

urlpatterns = importlib.import_module(f"sites.{settings.SITE}").urls()
if apps.is_installed("debug_toolbar"):
    urlpatterns.insert(0, path("__debug__/", include("debug_toolbar.urls")))
