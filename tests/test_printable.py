"""Other people's texts in every output: no terminal obeys them, and no line is made by them."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unicodedata import category

import pytest
from django.core.management import CommandError, call_command
from django.dispatch import Signal
from filling import everything, filled
from rich.console import Console

from signal_tracer import drift, records, signal_map
from signal_tracer.coverage import page, terminal
from signal_tracer.coverage.result import CoveredReceiver, SignalCoverage
from signal_tracer.drift import SavedMap
from signal_tracer.findings import Finding, Kind, catalogue, over_signal_map, over_trace
from signal_tracer.panel.words import visible
from signal_tracer.phrases import At, Count, Names, Phrase, Sql
from signal_tracer.printable import printable
from signal_tracer.showing.console import render_trace
from signal_tracer.showing.map_console import MapTable, render_findings
from signal_tracer.showing.map_graph import dot, mermaid
from signal_tracer.showing.map_text import explanation, markdown, tree
from signal_tracer.signal_map import Explanation, Prospect, SignalMap
from signal_tracer.testing import SignalTrace, messages, mute
from signal_tracer.trace import Trace

# Controls, marks of the writing direction, joiners, tags, both separators and halves of characters.
OBEYED = [
    chr(code)
    for code in range(sys.maxunicode + 1)
    if category(chr(code)) in ("Cc", "Cf", "Zl", "Zp") or code in (0xD800, 0xDBFF, 0xDC00, 0xDFFF)
]
FORGED = "shop.receivers.charge_card"
HOSTILE = "x".join(["", *OBEYED, f"\n  {FORGED}", f"\r{FORGED}", f"\u2028{FORGED}", "\x1b[2J"])
NAMED = "\x00\x07\x08\t\n\x0b\r\x1b\x7f\x85\x9b\xad\u061c\u200b\u200d\u200e\u200f\u2028\u2029"
NAMED += "\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\U000e0041\ud800"


def test_all_that_is_known_to_be_obeyed_is_tried() -> None:
    assert set(NAMED) <= set(OBEYED)
    assert len(OBEYED) > 200


# What prints: each is given a text of somebody else's, and returns what a person would see.

Output = Callable[[str], str]


def drawn(renderable: Any, *, encoding: str = "utf-8") -> str:
    paper = io.TextIOWrapper(io.BytesIO(), encoding, newline="\n", write_through=True)
    Console(file=paper, width=140, color_system=None).print(renderable)
    return paper.buffer.getvalue().decode()  # type: ignore[attr-defined]


def map_of(text: str) -> SignalMap:
    return filled(SignalMap, text)


def every_finding(text: str) -> list[Finding]:
    """One of each kind in the catalogue, of which every value is a text."""
    values = [
        text,
        Phrase(text),
        Count(2, text, text),
        Names.of([text, At(filled(records.Location, text))]),
        Sql(text, 2),
    ]
    return [
        Finding(
            kind,
            {
                name: 7 if conversion == "d" else value
                for name, conversion in re.findall(r"%\((\w+)\)([ds])", kind.message + kind.advice)
            },
            (text,),
            filled(records.Location, text),
        )
        for kind in vars(catalogue).values()
        if isinstance(kind, Kind)
        for value in values
    ]


def coverage_of(text: str) -> SignalCoverage:
    receiver = filled(CoveredReceiver, text)
    others = [dataclasses.replace(receiver, outcome=outcome) for outcome in ("never", "ran")]
    return SignalCoverage(others, problem=text)


def saved(text: str, **changed: Any) -> SavedMap:
    rows = [drift.Kept(text, text, text, True, False), drift.Kept("a", None, None, True, False)]
    return SavedMap({text: [dataclasses.replace(row, **changed) for row in rows]}, {})


def wanted(text: str) -> Any:
    return SimpleNamespace(signal_name=text)


def prospects(text: str) -> Explanation:
    signal = map_of(text).signals[0]
    (connection,) = signal.connections
    reasons = [None, "dead", "waiting", "connected_to_parent", "connected_to_other", "muted"]
    return Explanation(
        dataclasses.replace(signal, name=text),
        text,
        "model",
        tuple(Prospect(connection, reason) for reason in reasons),  # type: ignore[arg-type]
    )


RECORDS = [
    each
    for module in (records, signal_map)
    for each in vars(module).values()
    if isinstance(each, type)
    and dataclasses.is_dataclass(each)
    and each.__module__ == module.__name__
    and each not in (Explanation, Prospect)  # of which explanation() makes the text
]


def without_findings(trace: Trace) -> Trace:
    trace.ignore_findings = tuple(catalogue.slugs())
    return trace


OUTPUTS: dict[str, Output] = {
    "print(trace)": lambda text: str(without_findings(everything(text))),
    "print(trace) with findings": lambda text: str(everything(text)),
    "outline": lambda text: everything(text).outline(),
    "repr(trace)": lambda text: repr(everything(text)),
    "print(record)": lambda text: "\n".join(str(filled(each, text)) for each in RECORDS),
    "repr(record)": lambda text: "\n".join(repr(filled(each, text)) for each in RECORDS),
    "print(finding)": lambda text: "\n".join(map(str, every_finding(text))),
    "finding.message": lambda text: "\n".join(each.message for each in every_finding(text)),
    "finding.advice": lambda text: "\n".join(each.advice for each in every_finding(text)),
    "repr(finding)": lambda text: "\n".join(map(repr, every_finding(text))),
    "trace.findings()": lambda text: "\n".join(map(str, over_trace(everything(text)).shown)),
    "console": lambda text: drawn(render_trace(everything(text))),
    "console, ASCII": lambda text: drawn(render_trace(everything(text)), encoding="ascii"),
    "section of pytest": lambda text: messages.outline_of(without_findings(everything(text))),
    "section of pytest with findings": lambda text: messages.outline_of(everything(text)),
    "swallowed": lambda text: messages.swallowed(everything(text)),
    "received": lambda text: messages.received(text, 2, everything(text)),
    "not received": lambda text: messages.not_received_so(text, 3, 0, everything(text)),
    "not kept": lambda text: messages.not_kept(wanted(text), 3, everything(text)),
    "incomplete": lambda text: messages.incomplete(everything(text)),
    "too many": lambda text: messages.too_many([text], everything(text)),
    "map, table": lambda text: drawn(MapTable(map_of(text), with_unheard=True, hint="")),
    "map, tree": lambda text: tree(map_of(text)),
    "map, Markdown": lambda text: markdown(map_of(text)),
    "map, Mermaid": lambda text: mermaid(map_of(text)),
    "map, Graphviz": lambda text: dot(map_of(text)),
    "map, findings": lambda text: drawn(render_findings(every_finding(text))),
    "map, rules": lambda text: "\n".join(map(str, over_signal_map(map_of(text)).shown)),
    "explanation": lambda text: explanation(prospects(text)),
    "print(connection)": lambda text: str(map_of(text).signals[0].connections[0]),
    "drift": lambda text: "\n".join(
        drift.compare(saved(text), saved(text, is_weak=False, is_async=True))
        + drift.compare(saved(text), SavedMap({}, {}))
        + drift.compare(SavedMap({}, {}), saved(text))
        + drift.compare(saved(text), SavedMap({text: saved(text).signals[text][::-1]}, {}))
    ),
    "coverage": lambda text: "\n".join(terminal.lines(coverage_of(text))),
    "coverage in short": lambda text: "\n".join(terminal.summary(coverage_of(text))),
    "coverage, HTML": lambda text: page.page(coverage_of(text)),
    "panel": lambda text: "".join(map(visible, text.split("\n"))),
}


def obeyed_in(text: str) -> set[str]:
    """What of the text a terminal would obey; line breaks are ours, as is shown elsewhere."""
    return set(text) & (set(OBEYED) - {"\n"})


def lines_of(text: str) -> list[str]:
    return [line.strip(" │├└─!-") for line in text.split("\n")]


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS.keys())
def test_no_output_lets_a_text_drive_the_terminal(output: Output) -> None:
    text = output(HOSTILE)

    assert obeyed_in(text) == set()
    text.encode()
    assert "\\x1b" in text or "x1b" in text  # shown, and not left out


# What is wider than a page goes on below, where it began; and a rule may find more in one text.
OTHER_LINES = (
    *("console", "console, ASCII", "map, table", "map, findings", "trace.findings()"),
    "section of pytest with findings",
    "print(trace) with findings",
)


@pytest.mark.parametrize("name", [name for name in OUTPUTS if name not in OTHER_LINES])
def test_a_text_makes_no_line_of_its_own(name: str) -> None:
    output = OUTPUTS[name]

    assert output(HOSTILE).count("\n") == output("quiet").count("\n")


ORDINARY = [
    "Ünïcödé ñandú naïve Straße",
    "信号 シグナル 신호 全角　スペース",
    "prix : 3 000 €",
    "\N{FAMILY}👩‍👩‍👧‍👦 🏳️‍🌈 ❤️ 🩷 🇩🇪 👍🏽",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "می‌خواهم שלום مرحبا",
    "क्‍ष",
    "\\x1b is a backslash and letters",
    "tab-free, with 'quotes' and \"quotes\"",
]


@pytest.mark.parametrize("text", ORDINARY, ids=range(len(ORDINARY)))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert text in str(everything(text))
    assert text in tree(map_of(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("a\x7f\x9bb", r"a\x7f\x9bb"),
        ("a\u202eb\u2066", r"a\u202eb\u2066"),
        ("a\u2028b\x85", r"a\u2028b\x85"),
        ("half\ud800", r"half\ud800"),
        ("a\u200db", r"a\u200db"),
        ("\u200cé", r"\u200cé"),
        ("a\u200bb\ufeff\xad", r"a\u200bb\ufeff\xad"),
        ("a\U000e0041b", r"a\U000e0041b"),
        ("🏴\U000e0041", r"🏴\U000e0041"),
        ("\x1b\u200d\x1b", r"\x1b\u200d\x1b"),
    ],
)
def test_what_is_obeyed_is_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_where_only_ascii_can_be_written_all_else_is_an_escape() -> None:
    assert printable("né 👩‍👧\x1b", ascii_only=True) == r"n\xe9 \U0001f469\u200d\U0001f467\x1b"


def test_the_data_is_not_altered() -> None:
    trace = everything(HOSTILE)
    again = Trace.from_dict(json.loads(trace.to_json()))

    assert again.to_dict() == trace.to_dict()
    assert again.dispatches[0].signal == HOSTILE
    assert trace.dispatches[0].receiver_calls[0].receiver == HOSTILE


# Assertions of tests, about live objects whose names are somebody else's.


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> tuple[Signal, Any, SignalTrace]:
    """A signal, a receiver and a sender with hostile names, and what was sent."""
    # What is logged of it could not be sent from one process of the tests to another.
    monkeypatch.setattr(logging.getLogger("django.dispatch"), "disabled", True)

    def listen(sender: object, **kwargs: object) -> None:
        raise ValueError(HOSTILE)

    listen.__qualname__ = listen.__module__ = HOSTILE
    done = Signal()
    done.connect(listen)
    with SignalTrace() as trace:
        done.send_robust(HOSTILE, **{HOSTILE: HOSTILE})
        done.send_robust(type(HOSTILE.encode(errors="ignore").decode().replace("\0", ""), (), {}))
    done.disconnect(listen)
    return done, listen, trace


ASSERTIONS: dict[str, Callable[[Any, Any, SignalTrace], None]] = {
    "sent": lambda done, _, trace: trace.assert_sent(done, sender=HOSTILE * 2, **{HOSTILE: 3}),
    "sent so often": lambda done, _, trace: trace.assert_sent(done, times=7),
    "not sent": lambda done, _, trace: trace.assert_not_sent(done),
    "never with": lambda done, _, trace: trace.assert_not_sent(done, **{f"{HOSTILE}1": 1}),
    "received": lambda _, listen, trace: trace.assert_received(listen, times=7),
    "not received": lambda _, listen, trace: trace.assert_not_received(listen),
    "connected": lambda _, listen, trace: trace.assert_connected(Signal(), listen),
    "swallowed": lambda *given: given[-1].assert_nothing_swallowed(),
    "too many": lambda *given: given[-1].assert_max(dispatches=0, receiver_calls=0),
}


@pytest.mark.parametrize("name", ASSERTIONS)
def test_a_failed_assertion_lets_no_name_drive_the_terminal(
    sent: tuple[Signal, Any, SignalTrace], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AssertionError) as caught:
        ASSERTIONS[name](*sent)
    text = str(caught.value)

    assert obeyed_in(text) == set()
    assert FORGED not in {line[: len(FORGED)] for line in lines_of(text)}
    text.encode()


def test_a_name_that_is_not_known_drives_no_terminal() -> None:
    with SignalTrace() as trace:
        pass
    for ask in (trace.assert_received, trace.assert_sent, mute):
        with pytest.raises(LookupError) as caught:
            ask(HOSTILE.replace("[", ""))  # which would make a pattern of it
        assert obeyed_in(str(caught.value)) == set()
        assert "\n" not in str(caught.value)


# Commands


@pytest.mark.parametrize(
    "options",
    [
        {"signal": [HOSTILE]},
        {"sender": [HOSTILE]},
        {"receiver": [HOSTILE]},
        {"app": [HOSTILE]},
        {"explain": [HOSTILE, HOSTILE]},
        {"explain": ["post_save", HOSTILE]},
    ],
    ids=["signal", "sender", "receiver", "app", "both explained", "the sender explained"],
)
def test_an_error_of_the_command_is_one_line_that_drives_no_terminal(options: Any) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("signal_map", **options)

    assert obeyed_in(str(caught.value)) == set()
    assert "\n" not in str(caught.value)


def test_a_kept_map_cannot_drive_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / f"\x1b[2J\n{FORGED}\u202e.json"
    said = io.StringIO()
    kept_map = SavedMap(
        {HOSTILE: [drift.Kept(HOSTILE, HOSTILE, HOSTILE, True, True)]}, {"app": [HOSTILE]}
    )
    file.write_text(kept_map.to_text())
    with pytest.raises(CommandError) as caught:
        call_command("signal_map", check=file, stdout=said)

    assert obeyed_in(str(caught.value)) | obeyed_in(said.getvalue()) == set()
    assert "\n" not in str(caught.value)
    assert FORGED not in {line[: len(FORGED)] for line in lines_of(said.getvalue())}


@pytest.mark.parametrize("text", ["{\x1b[2J", '{"version": "\\u001b[2J\\n"}', '{"version": 1}'])
def test_a_kept_map_that_is_damaged_cannot_either(tmp_path: Path, text: str) -> None:
    file = tmp_path / "map.json"
    file.write_text(text)
    with pytest.raises(CommandError) as caught:
        call_command("signal_map", check=file)

    assert obeyed_in(str(caught.value)) == set()
    assert "\n" not in str(caught.value)
