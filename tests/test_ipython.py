"""``%signals`` and ``%%signals``: code runs as without, and what signals did is printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.dispatch import Signal

import signal_tracer

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

interactiveshell = pytest.importorskip("IPython.core.interactiveshell")

paid = Signal()


def receipt(sender: object, **kwargs: object) -> str:
    return "sent"


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Iterator[InteractiveShell]:
    paid.connect(receipt)
    shell: InteractiveShell = interactiveshell.InteractiveShell()
    shell.user_ns["paid"] = paid
    shell.run_cell("%load_ext signal_tracer").raise_error()
    capsys.readouterr()
    yield shell
    paid.disconnect(receipt)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return re.sub(r" +[\d.]+ (µs|ms)", " 1 ms", capsys.readouterr().out)


def test_a_line_runs_in_the_users_namespace_and_its_picture_is_printed(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell('%signals answer = paid.send("the shop", orders={"a": 1})').raise_error()

    assert shell.user_ns["answer"] == [(receipt, "sent")]
    shown = said(capsys)
    assert shown.splitlines()[:2] == [
        'answer = paid.send("the shop", orders={"a": 1}) 1 ms',
        "1 dispatch · 1 receiver call",
    ]
    assert "test_ipython.paid.send  sender='the shop' 1 ms" in shown


def test_what_a_line_evaluates_to_is_shown_before(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%signals 6 * 7").raise_error()

    assert re.match(r"Out\[\d+\]: 42\n6 \* 7 1 ms\n", said(capsys))


def test_a_cell_is_traced_as_a_whole_and_what_follows_names_the_trace(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%%signals two orders\nfor n in (1, 2):\n    paid.send('the shop', n=n)")

    assert said(capsys).startswith("two orders 1 ms\n2 dispatches · 2 receiver calls\n")


def test_a_cell_may_await(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%%signals\nawait paid.asend('the shop')").raise_error()

    assert "1 dispatch · 1 receiver call" in said(capsys)


def test_an_exception_is_shown_as_ever_and_what_was_recorded_up_to_there(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%%signals\npaid.send('the shop')\n1/0")

    shown = said(capsys)
    assert "division by zero" in shown
    assert shown.index("division by zero") < shown.index("1 dispatch · 1 receiver call")


def test_without_any_code_it_says_what_it_wants(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%signals").raise_error()

    assert said(capsys) == "Say what to trace: %signals order.save()\n"


def test_the_extension_is_loaded_by_the_name_of_the_package() -> None:
    registered: dict[str, Any] = {}

    class Shell:
        def register_magic_function(self, function: Any, magic_kind: str) -> None:
            registered[function.__name__] = magic_kind

    signal_tracer.load_ipython_extension(Shell())
    assert registered == {"signals": "line_cell"}
