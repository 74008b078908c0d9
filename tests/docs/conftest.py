"""The site, built once for whatever looks at it."""

from pathlib import Path

import pytest
from building import build

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    pytest.importorskip("furo")
    built = tmp_path_factory.mktemp("site") / "html"
    done = build(DOCS, built)
    assert (done.returncode, done.stderr) == (0, "")
    return built
