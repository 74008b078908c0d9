"""The museum's own pages and those of the packages."""

from collection import api, views
from django.contrib import admin
from django.urls import include, path
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls
from wagtail.documents import urls as wagtaildocs_urls

urlpatterns = [
    path("items/", views.items),
    path("items/<int:pk>/", views.item),
    path("items/<int:pk>/delete/", views.DeleteItem.as_view()),
    path("items/<int:pk>/borrow/", views.borrow),
    path("items/<int:pk>/import-reports/", views.import_reports),
    path("paintings/add/", views.AddPainting.as_view()),
    path("paintings/<int:pk>/change/", views.ChangePainting.as_view()),
    path("sculptures/add/", views.AddSculpture.as_view()),
    path("loans/<int:pk>/give-back/", views.give_back),
    path("loans/mark-overdue/", views.mark_overdue),
    path("loans/return-all/", views.return_all),
    path("loans/start-counting/", views.start_counting),
    path("loans/stop-telling/", views.stop_telling),
    path("tours/<int:pk>/book/", views.book),
    path("search/", views.search),
    path("api/token/", api.obtain_auth_token),
    path("api/", include(api.router.urls)),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("cms/", include(wagtailadmin_urls)),
    path("documents/", include(wagtaildocs_urls)),
    path("filer/", include("filer.urls")),
    path("", include(wagtail_urls)),
]
