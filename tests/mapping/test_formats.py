"""Each format shows every name as it is, whatever is in it, and real tools read what they get."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from signal_tracer.mapping import read_map
from signal_tracer.records import Location
from signal_tracer.showing.map_console import MapTable
from signal_tracer.showing.map_graph import dot, mermaid, too_large_for_mermaid
from signal_tracer.showing.map_text import markdown, tree
from signal_tracer.signal_map import Connection, MappedSignal, SignalMap

MERMAID = Path(__file__).parent / "mermaid"

HOSTILE = [
    "\"quoted\" 'twice'",
    "pipe|pipe||",
    "`tick` ``two``",
    "<script>alert(1)</script>",
    "[bold red]markup[/]",
    "[link](http://x) ![img](y)",
    "a];}){end",
    "end",
    "subgraph graph flowchart",
    "%%{init: {}}%% -->",
    "#35; &amp; &lt;b&gt;",
    "back\\slash\\",
    "*stars* _lines_ ~~gone~~",
    "ünïcödé 信号 🎉",
    " ",
]
# What a terminal would obey, or a line cannot hold, is escaped before anything else.
ESCAPED = [
    ("new\nline", "new\\nline"),
    ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
    ("carriage\rreturn\ttab", "carriage\\rreturn\\ttab"),
    ("right\u202eleft", "right\\u202eleft"),
    ("half\ud800", "half\\ud800"),
]
NAMES = [(name, name) for name in HOSTILE] + ESCAPED


def map_named(name: str) -> SignalMap:
    connection = Connection(
        name,
        "function",
        1,
        sender=name,
        sender_kind="class",
        dispatch_uid=name,
        defined_at=Location(f"{name}.py", 3, "f"),
        app=name,
        doc=name,
    )
    return SignalMap(
        (MappedSignal(name, connections=(connection,)), MappedSignal(f"{name} unheard"))
    )


def drawn(name: str, width: int) -> str:
    console = Console(width=width, highlight=False, color_system="truecolor", record=True)
    with console.capture() as captured:
        console.print(MapTable(map_named(name), with_unheard=True))
    return captured.get()


@pytest.mark.parametrize(("name", "shown"), NAMES, ids=range(len(NAMES)))
def test_the_table_shows_a_hostile_name_as_it_is(name: str, shown: str) -> None:
    text = re.sub(r"\x1b\[[0-9;]*m", "", drawn(name, 600))  # rich's own colours

    assert all(character == "\n" or character.isprintable() for character in text)
    # Signal, receiver, sender, dispatch_uid, place, docstring, app, and the unheard signal.
    assert text.count(shown) >= 8 or not shown.strip()


@pytest.mark.parametrize(("name", "shown"), NAMES, ids=range(len(NAMES)))
def test_the_tree_shows_a_hostile_name_as_it_is(name: str, shown: str) -> None:
    assert tree(map_named(name)).splitlines() == [
        "1 receiver of 1 signal, 1 signal nobody listens to",
        "",
        shown,
        f"└─ 1  {shown}  {shown}  uid {shown}  {shown}.py:3",
        "",
        f"{shown} unheard  (nobody listens)",
    ]


def test_the_tree_can_do_without_unicode() -> None:
    text = tree(map_named("ünï"), ascii_only=True)

    assert text.isascii()
    assert "`- 1  \\xfcn\\xef" in text


def cells_of(text: str) -> list[list[str]]:
    """The cells of the one table, as a renderer of GitHub's Markdown shows them."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    rows: list[list[str]] = []
    for index, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            children = tokens[index + 1].children or []
            assert {child.type for child in children} <= {"text", "code_inline", "text_special"}
            rows[-1].append("".join(child.content for child in children))
    return rows


@pytest.mark.parametrize(("name", "shown"), NAMES, ids=range(len(NAMES)))
def test_the_markdown_renders_as_a_table(name: str, shown: str) -> None:
    heading, row = cells_of(markdown(map_named(name)))
    shown = shown.strip() or shown

    assert heading == ["Signal", "#", "Receiver", "Sender", "Notes", "Defined at", "What it does"]
    assert len(row) == 7
    assert row[1] == "1"
    assert [row[0], row[2], row[3]] == [shown] * 3
    assert (row[4], row[5], row[6]) == (
        f"uid {shown}".rstrip(),
        f"{shown}.py:3".strip(),
        shown.strip(),
    )


def test_the_markdown_of_this_process_is_one_table_with_a_row_a_connection() -> None:
    found = read_map()
    rows = cells_of(markdown(found))

    assert [(row[0], row[2]) for row in rows[1:]] == [
        (signal.name, connection.receiver) for signal, connection in found.walk()
    ]


# With the real tools


@pytest.mark.graphs
def test_mermaid_reads_hostile_names_and_the_map_of_this_process() -> None:
    found = read_map()
    # Before Django 6.1 a signal of another test may live as long as a receiver that it had, and
    # Mermaid takes 500 connections.
    named = tuple(each for each in found.signals if not each.name.startswith("<"))
    found = dataclasses.replace(found, signals=named)
    maps = [*(map_named(name) for name, _ in NAMES), found, SignalMap()]
    answer = subprocess.run(
        ["node", "parse.mjs"],
        cwd=MERMAID,
        input=json.dumps([mermaid(each) for each in maps]),
        capture_output=True,
        text=True,
        check=True,
    )
    *hostile, whole, empty = json.loads(answer.stdout)

    for (_, shown), diagram in zip(NAMES, hostile, strict=True):
        assert diagram.get("error") is None
        shown = shown.strip()  # as Mermaid does
        assert [decoded(each) for each in diagram["labels"]] == [
            shown,
            f"{shown} unheard".strip(),
            shown,
        ]
        assert diagram["edges"][0][:2] == ["s0", "r0"]
        assert [decoded(each[2]).replace("  ", " ") for each in diagram["edges"]] == [
            f"1: {shown}, uid {shown}".strip()
        ]
        assert [decoded(each) for each in diagram["groups"]] == [shown]
    assert len(whole["edges"]) == sum(1 for _ in found.walk())
    assert {signal.name for signal in found.signals} <= {decoded(e) for e in whole["labels"]}
    assert empty["edges"] == []


def decoded(text: str) -> str:
    """What Mermaid shows: it keeps the number of a character between signs of its own."""
    return re.sub(r"ﬂ°°(\d+)¶ß", lambda found: chr(int(found[1])), text)


@pytest.mark.graphs
@pytest.mark.parametrize(("name", "shown"), NAMES, ids=range(len(NAMES)))
def test_graphviz_draws_hostile_names(name: str, shown: str) -> None:
    drawing = svg(dot(map_named(name)))
    texts = [html.unescape(each) for each in re.findall(r"<text[^>]*>([^<]*)</text>", drawing)]

    # It writes spaces that do not break.
    assert sorted(each.replace("\xa0", " ") for each in texts) == sorted(
        [shown, shown, f"{shown} unheard", shown, f"1: {shown}, uid {shown}"]
    )


@pytest.mark.graphs
def test_graphviz_draws_the_map_of_this_process() -> None:
    found = read_map()
    drawing = svg(dot(found))

    assert drawing.count('class="edge"') == sum(1 for _ in found.walk())


def svg(text: str) -> str:
    program = shutil.which("dot")
    assert program is not None
    done = subprocess.run(
        [program, "-Tsvg"], input=text, capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_a_flowchart_that_mermaid_would_refuse_says_so() -> None:
    many = tuple(Connection(f"shop.receivers.hear_{n}", "function", n) for n in range(1, 502))
    large = SignalMap((MappedSignal("shop.signals.sold", connections=many),))
    small = SignalMap((MappedSignal("shop.signals.sold", connections=many[:10]),))

    assert too_large_for_mermaid(small, mermaid(small)) == ""
    assert too_large_for_mermaid(large, mermaid(large)).startswith(
        "This flowchart has 501 edges and "
    )


def test_an_uncertain_connection_is_dashed() -> None:
    waiting = Connection("a.b", "function", 1, sender="x.Y", sender_kind="lazy", state="waiting")
    found = SignalMap((MappedSignal("s.t", connections=(waiting,)),))

    assert '  s0 -.->|"1: x.Y, WAITING"| r0' in mermaid(found)
    assert '  s0 -> r0 [label="1: x.Y, WAITING", style=dashed];' in dot(found)
