"""A damaged signal map is refused with the place and what was expected, or is as good as any."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from damaging import Damaged, damaged, is_told, tries
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from test_signal_map import FULL

from signal_tracer.drift import compare, load, save
from signal_tracer.findings import over_signal_map
from signal_tracer.plain import DamageError
from signal_tracer.showing.map_console import MapTable, render_findings
from signal_tracer.showing.map_graph import dot, mermaid
from signal_tracer.showing.map_text import markdown, tree
from signal_tracer.signal_map import SignalMap, SignalMapFormatError

KEPT = save(FULL, {"signal": ["shop.*"], "app": ["shop"], "unheard": True})


def check_message(error: SignalMapFormatError, data: Any) -> None:
    text, damage = str(error), error.__cause__
    assert len(text) < 1_000
    text.encode()
    if isinstance(damage, DamageError):
        assert is_told(damage.steps[::-1], data), damage
        assert text.startswith(f"This signal map is damaged ({damage.path}: expected ")
    else:
        assert "has no 'version'" in text or "has version" in text or "has a filter" in text


def use(signal_map: SignalMap) -> None:
    """Everything that can be made of a signal map."""
    console = Console(file=io.StringIO(), width=100, _environ={})
    console.print(MapTable(signal_map, with_unheard=True))
    console.print(render_findings(over_signal_map(signal_map).shown))
    console.file.getvalue().encode()  # type: ignore[attr-defined]  # the StringIO
    for text in (tree, markdown, mermaid, dot):
        text(signal_map).encode()
    assert SignalMap.from_dict(json.loads(signal_map.to_json())) == signal_map
    saved = save(signal_map, {})
    assert load(saved.to_text()) == saved
    compare(saved, save(FULL, {})), compare(save(FULL, {}), saved)


@tries(1_000)
@given(damaged(FULL.to_dict()))
def test_a_damaged_map_is_refused_with_the_place_or_can_be_used_throughout(
    document: Damaged,
) -> None:
    try:
        signal_map = SignalMap.from_dict(document.data)
    except SignalMapFormatError as error:
        check_message(error, document.data)
    else:
        use(signal_map)


@tries(1_000)
@given(damaged(json.loads(KEPT.to_text())))
def test_a_damaged_kept_map_is_refused_with_the_place_or_can_be_compared(
    document: Damaged,
) -> None:
    try:
        text = json.dumps(document.data)
    except (ValueError, RecursionError):  # nothing that JSON could hold
        return
    try:
        kept = load(text)
    except SignalMapFormatError as error:
        if not str(error).startswith("This is not JSON ("):
            check_message(error, json.loads(text))
    else:
        assert load(kept.to_text()) == kept
        assert compare(kept, kept) == []
        compare(kept, KEPT), compare(KEPT, kept)


@tries(1_000)
@given(st.data())
def test_a_file_with_damaged_bytes_is_refused_or_can_be_compared(data: st.DataObject) -> None:
    content = bytearray(KEPT.to_text().encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 20))] = data.draw(
            st.sampled_from([b"", b"\xff", b"{", b"}", b"[", b"]", b'"', b",", b"1e999", b"null"])
        )
    try:
        kept = load(content.decode(errors="replace"))
    except SignalMapFormatError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        compare(kept, KEPT)


@tries(40)
@given(damaged(json.loads(KEPT.to_text())))
def test_the_command_refuses_a_damaged_file_with_its_name_or_compares(
    tmp_path_factory: pytest.TempPathFactory, document: Damaged
) -> None:
    try:
        text = json.dumps(document.data)
    except (ValueError, RecursionError):  # nothing that JSON could hold
        return
    file = tmp_path_factory.mktemp("kept") / "map.json"
    file.write_text(text)
    out = io.StringIO()

    said = ""
    try:
        call_command("signal_map", "--check", str(file), stdout=out)
    except CommandError as refused:
        said = str(refused)

    # Where nothing was kept, there is nothing of what the filter lets through either.
    assert str(file) in said or document.data["signals"] == {}
    said.encode()
    out.getvalue().encode()


def test_a_filter_that_no_stream_can_take_is_escaped_in_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    file.write_text(
        '{"version": 1, "filters": {"app": ["\\ud800\\u001b[2J"]}, "signals": {"a": []}}'
    )

    with pytest.raises(CommandError) as refused:
        call_command("signal_map", "--check", str(file), stdout=io.StringIO())

    assert str(refused.value).endswith(rf"--write {file} --app '\ud800\x1b[2J'")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"omitted": -1}, "omitted: expected an integer from 0 to 9,007,199,254,740,991, found -1"),
        ({"is_complete": 1}, "is_complete: expected true or false, found 1"),
        ({"apps": ["shop"]}, "apps[0]: expected an object, found 'shop'"),
        ({"signals": {}}, "signals: expected a list, found an object"),
        ({"surprise": None}, "surprise: expected no such key, found null"),
    ],
)
def test_the_message_says_where_what_was_expected_and_what_was_found(
    damage: dict[str, Any], message: str
) -> None:
    with pytest.raises(SignalMapFormatError) as refused:
        SignalMap.from_dict(FULL.to_dict() | damage)

    assert str(refused.value) == (
        f"This signal map is damaged ({message}). Write it again with: manage.py signal_map "
        "--format json"
    )


@pytest.mark.parametrize(
    ("key", "value", "expected", "found"),
    [
        ("position", 0, "an integer from 1 to 9,007,199,254,740,991", "0"),
        ("position", True, "an integer from 1 to 9,007,199,254,740,991", "true"),
        ("state", "undead", "one of 'alive', 'dead', 'waiting'", "'undead'"),
        ("is_weak", "yes", "true or false or null", "'yes'"),
        ("doc", None, "text", "null"),
    ],
)
def test_damage_in_a_connection_is_told_with_its_path(
    key: str, value: object, expected: str, found: str
) -> None:
    data = FULL.to_dict()
    data["signals"][0]["connections"][1][key] = value

    with pytest.raises(SignalMapFormatError) as refused:
        SignalMap.from_dict(data)

    assert f"(signals[0].connections[1].{key}: expected {expected}, found {found})" in str(
        refused.value
    )


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"is_weak": "yes"}, "is_weak: expected true or false or null, found 'yes'"),
        ({"dispatch_uid": 5}, "dispatch_uid: expected text or null, found 5"),
        ({"line": 5}, "line: expected no such key, found 5"),
    ],
)
def test_damage_in_a_kept_connection_is_told_with_its_path(
    kept: dict[str, Any], message: str
) -> None:
    data = json.loads(KEPT.to_text())
    data["signals"]["shop.signals.sold"][1] |= kept

    with pytest.raises(SignalMapFormatError) as refused:
        load(json.dumps(data))

    assert str(refused.value) == (
        f"This signal map is damaged (signals['shop.signals.sold'][1].{message})."
    )
