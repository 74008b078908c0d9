"""The addresses of the example site."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    # Not debug_toolbar_urls(): that gives nothing while tests run, when DEBUG is False.
    path("__debug__/", include("debug_toolbar.urls")),
    path("", include("scenarios.urls")),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
