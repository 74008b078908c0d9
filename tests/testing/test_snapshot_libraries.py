"""A stable outline, kept in a snapshot by the libraries that people have for that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from loaded import QUICKLY, SNAPSHOT_PLUGINS

if TYPE_CHECKING:
    from conftest import Project

TEST = """
import os
import pytest
from shop.models import Order
from shop.signals import paid
{imports}

@pytest.mark.django_db
def test_a_checkout(signal_trace{fixture}):
    order = Order.objects.create(pk=os.environ["KEY"], total=194)
    paid.send(order, order=order)
    {check}
"""
PAGE = (Path(__file__).parents[2] / "docs" / "testing-signals.md").read_text()
RECEIVER = """
@receiver(paid)
def tell_warehouse(sender, **kwargs):
    pass
"""


@dataclass(frozen=True, slots=True)
class Library:
    """``creates``: what pytest is told to make a snapshot; ``compares``: and to compare with it;
    ``shows``: the difference, as marked.
    """

    package: str
    plugins: tuple[str, ...]
    check: str
    creates: str
    shows: tuple[str, ...]
    fixture: str = ""
    imports: str = ""
    compares: tuple[str, ...] = ()


LIBRARIES = [
    Library(
        "syrupy",
        ("syrupy",),
        "assert signal_trace.outline(kwargs=True) == snapshot",
        "--snapshot-update",
        ("+   shop.receivers.tell_warehouse",),
        fixture=", snapshot",
    ),
    Library(
        "inline_snapshot",
        ("inline_snapshot",),
        "assert signal_trace.outline(kwargs=True) == snapshot()",
        "--inline-snapshot=create",
        # In its own words, as it would change the test; and in pytest's.
        ("+  shop.receivers.tell_warehouse", "+   shop.receivers.tell_warehouse"),
        imports="from inline_snapshot import snapshot",
        # What it does by itself, but for runs that say `CI` in the environment.
        compares=("--inline-snapshot=report",),
    ),
    Library(
        "pytest_regressions",
        ("regressions", "pytest-datadir"),
        "file_regression.check(signal_trace.outline(kwargs=True))",
        "--force-regen",
        ("+  shop.receivers.tell_warehouse",),
        fixture=", file_regression",
    ),
]


def run(project: Project, library: Library, key: int, *options: str) -> pytest.RunResult:
    """Run pytest with one of them only, on an order of this key."""
    others = [f"-p no:{name}" for name in SNAPSHOT_PLUGINS if name not in library.plugins]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KEY", str(key))
        # It is no worker, whatever this one is.
        environment.delenv("PYTEST_XDIST_WORKER", raising=False)
        return project.pytester.runpytest_subprocess(
            *QUICKLY, *others, "-p no:randomly", "-W ignore", *options
        )


def differences(result: pytest.RunResult) -> tuple[str, ...]:
    """The lines that are marked as added or removed, without what a library puts around them."""
    marked = re.compile(r"^(?:E +|│ )([-+] {2,}\S.*?)(?: *│)?$")
    return tuple(found[1] for line in result.outlines if (found := marked.match(line)))


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.package)
def test_a_snapshot_of_an_outline_holds_until_the_behaviour_changes(
    project: Project, library: Library
) -> None:
    pytest.importorskip(library.package)
    source = TEST.format(imports=library.imports, fixture=library.fixture, check=library.check)
    project.tests(test_checkout=source)

    run(project, library, 7, library.creates)
    run(project, library, 19, "-n", "1").assert_outcomes(passed=1)

    with (project.path / "shop" / "receivers.py").open("a") as receivers:
        receivers.write(RECEIVER)
    changed = run(project, library, 7, *library.compares)
    assert changed.parseoutcomes()["failed"] == 1
    assert differences(changed) == library.shows


def test_what_is_kept_is_the_outline_as_it_is(project: Project) -> None:
    library = LIBRARIES[2]
    pytest.importorskip(library.package)
    project.tests(
        test_checkout=TEST.format(imports="", fixture=library.fixture, check=library.check)
    )
    run(project, library, 7, library.creates)

    kept = project.path / "test_checkout" / "test_a_checkout.txt"
    assert kept.read_text() == (
        "django.db.models.signals.post_save.send  sender=shop.Order\n"
        "    instance=shop.Order #1, created=True, update_fields=None, raw=False, using='default'\n"
        "  shop.receivers.count_orders\n"
        "shop.signals.paid.send  sender=shop.Order #1\n"
        "    order=shop.Order #1\n"
        "  shop.receivers.send_receipt\n"
        "  shop.receivers.text_customer\n"
    )


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.package)
def test_the_block_of_the_page_runs(project: Project, library: Library) -> None:
    pytest.importorskip(library.package)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    [block] = [source for source in blocks if f"_with_{library.package}(" in source]
    project.tests(test_block=block)
    if "snapshot(" not in block:
        run(project, library, 7, library.creates)

    run(project, library, 7).assert_outcomes(passed=1)


def test_the_page_shows_the_difference_that_there_is() -> None:
    [difference] = re.findall(r"^```diff\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

    assert [line for line in difference.splitlines() if line[0] != " "] == [*LIBRARIES[0].shows]
