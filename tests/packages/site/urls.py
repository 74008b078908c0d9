"""Every package's pages; library.views connects a receiver of its own when it is imported."""

from django.contrib import admin
from django.urls import include, path
from library import views
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.documents import urls as wagtaildocs_urls

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("cms/", include(wagtailadmin_urls)),
    path("documents/", include(wagtaildocs_urls)),
    path("loans/", views.loans),
    path("", include(wagtail_urls)),
]
