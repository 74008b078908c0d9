"""Failed assertions in the module that these tests share are explained like their own."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

pytest.register_assert_rewrite("observing", "library")

import library  # noqa: E402  # after its assertions are rewritten


@pytest.fixture(scope="session")
def library_tables(django_db_setup: None, django_db_blocker: Any) -> None:
    """The tables of ``library``, for as long as the test database is there."""
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        for model in library.MODELS:
            editor.create_model(model)


@pytest.fixture
def books(library_tables: None, db: None) -> None:
    """A database with empty tables of ``library``, in a transaction that is rolled back."""


@pytest.fixture
def committed_books(library_tables: None, transactional_db: None) -> Iterator[None]:
    """The same without a transaction around the test; the tables are emptied afterwards."""
    yield
    library.empty_tables()
