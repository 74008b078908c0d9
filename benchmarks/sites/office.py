"""An office that has Django's admin and nothing else: users and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from real_project import Client

SETTINGS = {
    "INSTALLED_APPS": [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ],
            },
        },
    ],
    "SECRET_KEY": "only for benchmarks",
    "STATIC_URL": "/static/",
    "USE_TZ": True,
}


def urls() -> list[Any]:
    from django.contrib import admin
    from django.urls import path

    return [path("admin/", admin.site.urls)]


def prepare() -> None:
    from django.contrib.auth.models import Group, User

    User.objects.create_superuser("boss", "boss@office.example", "secret")
    group = Group.objects.create(name="Everybody")
    for number in range(80):
        User.objects.create_user(f"clerk-{number}", "", "secret").groups.add(group)


def visit(client: Client) -> None:
    client.post("login", "/admin/login/", username="boss", password="secret", next="/admin/")
    client.get("admin index", "/admin/")
    client.get("admin list", "/admin/auth/user/")
    client.get("admin form", "/admin/auth/user/5/change/")
    client.post(
        "admin form, sent",
        "/admin/auth/user/5/change/",
        username="clerk-3",
        first_name="Ada",
        groups=["1"],
        date_joined_0="2026-01-01",
        date_joined_1="12:00:00",
        is_active="on",
    )
    client.post("admin add, sent", "/admin/auth/group/add/", name="Night shift", permissions=["1"])
