"""A second database."""

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "file:docs?mode=memory&cache=shared",
    },
    "archive": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "file:archive?mode=memory&cache=shared",
    },
}
