"""Whole pictures of the checkout of the example site, from its source and from a graph.

The two agree but for what is marked, and for what the source is not read for: mails.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

if TYPE_CHECKING:
    from conftest import ChainText


def picture(name: str) -> str:
    file = Path(__file__).parent / "pictures" / f"{name}.txt"
    return file.read_text(encoding="utf-8").rstrip("\n")


def test_the_checkout_stands_in_the_source_to_its_last_leaf(chain_text: ChainText) -> None:
    assert chain_text("shop.Order", width=80) == picture("from_source")


def test_the_checkout_stands_in_the_graph_of_a_test(
    chain_text: ChainText, checkout_file: Path
) -> None:
    assert chain_text("shop.Order", width=80, graph=checkout_file) == picture("from_a_graph")


def test_a_wide_terminal_has_a_column_for_each_number_and_place(
    chain_text: ChainText, checkout_file: Path
) -> None:
    assert chain_text("signals.order_placed", width=200, graph=checkout_file) == picture("wide")


def test_without_a_terminal_it_is_drawn_as_wide_as_it_needs(
    chain_text: ChainText, checkout_file: Path
) -> None:
    assert chain_text("signals.order_placed", graph=checkout_file) == picture("wide")


class Ascii(io.StringIO):
    """A stream that knows no other characters."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute
        return "ascii"


def test_a_stream_that_knows_no_unicode_gets_none(
    chain_text: ChainText, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chain_text is not None  # for its folder
    monkeypatch.setenv("COLUMNS", "80")
    out = Ascii()
    call_command("signal_map", chain=("signals.order_placed",), stdout=out)

    assert out.getvalue().isascii()
    assert out.getvalue().partition("\n\n  MAY")[0] == picture("ascii")
