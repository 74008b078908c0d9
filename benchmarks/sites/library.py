"""A library: wagtail, allauth, simple-history, auditlog, taggit, guardian and REST framework."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from real_project import Client

sys.path.insert(0, str(Path(__file__).parents[2] / "tests/packages/site"))

SETTINGS = {
    **{
        name: value
        for name, value in vars(importlib.import_module("settings")).items()
        if name.isupper()
    },
    # A model of an app without migrations cannot inherit from wagtail's: it is given some.
    "MIGRATION_MODULES": {"library": "migrations_of_the_library"},
    "ACCOUNT_EMAIL_VERIFICATION": "none",
    "ACCOUNT_RATE_LIMITS": False,
    "LOGIN_REDIRECT_URL": "/books/",
    "REST_FRAMEWORK": {
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"]
    },
}


def urls() -> list[Any]:
    from django.contrib import admin
    from django.urls import include, path
    from wagtail import urls as wagtail_urls
    from wagtail.admin import urls as wagtailadmin_urls
    from wagtail.documents import urls as wagtaildocs_urls

    from sites.library_pages import AddBook, BookList, api

    return [
        path("admin/", admin.site.urls),
        path("accounts/", include("allauth.urls")),
        path("cms/", include(wagtailadmin_urls)),
        path("documents/", include(wagtaildocs_urls)),
        path("books/", BookList.as_view()),
        path("books/add/", AddBook.as_view()),
        path("api/", include(api.urls)),
        path("", include(wagtail_urls)),
    ]


def prepare() -> None:
    from django.contrib.auth.models import Permission, User
    from guardian.shortcuts import assign_perm
    from library.models import Author, Book, ReadingList
    from wagtail.models import Page

    librarian = User.objects.create_superuser("librarian", "librarian@library.example", "secret")
    reader = User.objects.create_user("reader", "reader@library.example", "secret")
    reader.user_permissions.set(Permission.objects.filter(content_type__app_label="library"))
    authors = [Author.objects.create(name=f"Author {number}") for number in range(20)]
    for number in range(40):
        book = Book.objects.create(title=f"Book {number}")
        book.authors.set(authors[number % 18 : number % 18 + 2])
        book.tags.add("new", f"shelf {number % 5}")
        assign_perm("library.change_book", reader, book)
    home = Page.objects.get(depth=2)
    for number in range(10):
        page = home.add_child(instance=ReadingList(title=f"List {number}", intro="To read."))
        page.save_revision(user=librarian).publish()


def visit(client: Client) -> None:
    """As a librarian, who also has a program that uses the API."""
    client.post("login", "/accounts/login/", login="librarian", password="secret")
    client.get("list", "/books/")
    client.get("form", "/books/add/")
    client.post("form, sent", "/books/add/", title="A book", authors=["1", "2"], tags="a, b")
    client.get("admin list", "/admin/library/book/")
    client.get("admin form", "/admin/library/book/3/change/")
    client.post(
        "admin form, sent",
        "/admin/library/book/3/change/",
        title="Renamed",
        authors=["4", "5"],
        tags="a, c",
    )
    client.get("admin history", "/admin/library/book/3/history/")
    client.get("API list", "/api/books/")
    client.post("API, sent", "/api/books/", title="A book", authors=["1"])
    client.get("wagtail page", "/list-1/")
    client.get("wagtail list", "/cms/pages/2/")
    client.get("wagtail form", "/cms/pages/4/edit/")
