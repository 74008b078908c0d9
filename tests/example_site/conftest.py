"""The example shop, filled, with its pictures in a folder that goes away after the test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.cache import cache

from scenarios import sample_data

if TYPE_CHECKING:
    from pytest_django import Settings


@pytest.fixture
def shop(db: None, settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the quick one
    cache.clear()
    sample_data.prepare()
