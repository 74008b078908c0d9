"""The museum's pages, and before wagtail's, which take every address, those of the toolbar."""

from debug_toolbar.toolbar import debug_toolbar_urls
from urls import urlpatterns as museum

urlpatterns = [*debug_toolbar_urls(), *museum]
