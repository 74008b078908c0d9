"""Findings over a graph: each in its case, and none in the case beside it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from graphs_by_hand import PRE_SAVE, call, graph_of, saved, sent

from signal_tracer.findings import over_signal_graph
from signal_tracer.findings.source import Sources
from signal_tracer.mapping import read_map
from signal_tracer.records import Dispatch
from signal_tracer.signal_graph import SignalGraph
from signal_tracer.signal_map import Connection, MappedApp, MappedSignal, SignalMap

NO_MAP = SignalMap()


def told(graph: SignalGraph, signal_map: SignalMap = NO_MAP) -> list[str]:
    return [str(each) for each in over_signal_graph(graph, signal_map).shown]


def down(*senders: str) -> Dispatch:
    first, *rest = senders
    return saved(first, call(f"{first}.hear", *([down(*rest)] if rest else [])))


def test_receivers_that_lead_in_a_circle_are_told_with_each_step() -> None:
    assert told(graph_of(down("a", "b"), down("b", "a"))) == [
        (
            "warning signal-cycle: saving a runs a.hear, which saves b; saving b runs b.hear, "
            "which saves a."
        )
    ]


def test_signals_of_ones_own_lead_in_a_circle_without_any_row() -> None:
    back = sent("shop.left", "None", call("b.hear", sent("shop.right", "None", call("a.hear"))))

    assert told(graph_of(sent("shop.right", "None", call("a.hear", back)))) == [
        (
            "warning signal-cycle: sending shop.left runs b.hear, which sends shop.right; sending "
            "shop.right runs a.hear, which sends shop.left."
        )
    ]


def test_a_row_that_its_own_receivers_save_again_is_none_since_a_trace_says_it() -> None:
    before = saved("a", call("b.hear", down("a")), signal=PRE_SAVE)

    assert told(graph_of(down("a", "a"), saved("a", call("a.hear", before)))) == []


def test_a_circle_of_a_package_is_for_information_and_one_with_the_project_is_not() -> None:
    entry = saved("log.Entry", call("auditlog.hear", saved("a", call("auditlog.log"))))
    of_package = graph_of(saved("a", call("auditlog.log", entry)))
    mixed = graph_of(saved("a", call("shop.log", entry)), saved("log.Entry", call("auditlog.hear")))

    [finding] = over_signal_graph(of_package, NO_MAP).shown
    assert (finding.level, finding.owner.name) == ("info", "auditlog")
    assert over_signal_graph(of_package, NO_MAP, at_least="warning").shown == []
    [finding] = over_signal_graph(mixed, NO_MAP).shown
    assert (finding.level, finding.is_projects) == ("warning", True)


def test_a_chain_of_five_receivers_is_long_and_one_of_four_is_not() -> None:
    assert told(graph_of(down("a", "b", "c", "d"))) == []
    assert told(graph_of(down("a", "b", "c", "d", "e"))) == [
        (
            "info long-chain: 5 receivers run one below the other: saving a > a.hear saves b > "
            "b.hear saves c > c.hear saves d > d.hear saves e > e.hear."
        )
    ]


def test_a_finding_stands_where_the_process_has_its_first_receiver() -> None:
    index = "search.receivers.index_product"
    back = saved("crm.Note", call("crm.hear", saved("shop.Product", call(index))))

    [finding] = over_signal_graph(
        graph_of(saved("shop.Product", call(index, back))), read_map()
    ).shown

    assert finding.location is not None
    assert finding.location.file.endswith("search/receivers.py")


TAKEN = sent(
    "commissions.signals.commission_taken",
    "commissions.Commission",
    call("commissions.receivers.confirm_taken"),
)


def test_a_signal_within_one_app_that_a_call_could_stand_for_is_told() -> None:
    [finding] = over_signal_graph(graph_of(TAKEN), read_map()).shown

    assert str(finding).startswith(
        "info single-listener: commissions.signals.commission_taken is sent at one place ("
    )
    assert finding.message.endswith(
        ") and heard by commissions.receivers.confirm_taken alone, in the same app."
    )
    assert finding.location is not None
    assert finding.location.file.endswith("commissions/signals.py")


def test_a_signal_that_goes_from_one_app_to_another_is_none() -> None:
    packed = sent("shop.signals.order_packed", "shop.Order", call("warehouse.receivers.print_slip"))

    assert told(graph_of(packed), read_map()) == []


def test_a_signal_that_this_process_does_not_know_is_none() -> None:
    assert told(graph_of(TAKEN)) == []


def app(folder: Path, **modules: str) -> MappedApp:
    """An app of these modules, in which two underscores stand for a folder."""
    root = folder / "shop"
    for name, text in {"__init__": "", "apps": "", **modules}.items():
        file = root / "__init__" if name == "__init__" else root.joinpath(*name.split("__"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".py").write_text(textwrap.dedent(text))
    return MappedApp("shop", "shop", str(root), str(root / "apps.py"), is_project=True)


def places(folder: Path, **modules: str) -> list[int] | None:
    """The lines at which the modules of an app send ``paid``."""
    mapped = SignalMap(apps=(app(folder, **modules),))
    found = Sources(mapped).places_that_send("shop.signals.paid")
    return None if found is None else [each.line for each in found]


@pytest.mark.parametrize(
    ("sends", "receivers", "number"),
    [
        ("paid.send(1)", ["shop.hear"], 1),
        ("paid.send(1)\npaid.send(2)", ["shop.hear"], 0),
        ("", ["shop.hear"], 0),
        ("paid.send(1)", ["shop.hear", "shop.hear_too"], 0),
    ],
)
def test_a_call_could_stand_for_one_place_and_one_connection_alone(
    tmp_path: Path, sends: str, receivers: list[str], number: int
) -> None:
    connections = [
        Connection(each, "function", place, app="shop") for place, each in enumerate(receivers, 1)
    ]
    signal = MappedSignal(
        "shop.signals.paid", app="shop", is_project=True, connections=tuple(connections)
    )
    mapped = SignalMap((signal,), apps=(app(tmp_path, views=sends),))

    assert len(told(graph_of(sent(signal.name, "None", call("shop.hear"))), mapped)) == number


HEARD = """
    from django.dispatch import receiver
    from shop import signals
    from shop.signals import paid

    @receiver([paid, signals.paid], sender="x")
    def hear(**kwargs): ...

    paid.connect(hear)
"""


def test_the_places_that_send_a_signal_are_counted_and_those_that_hear_it_are_not(
    tmp_path: Path,
) -> None:
    views = "from shop.signals import paid\n\ndef pay():\n    paid.send(1)\n"
    more = "from shop import signals as s\nasync def pay():\n    await s.paid.asend_robust(1)\n"

    assert places(tmp_path, signals="paid = Signal()", receivers=HEARD) == []
    assert places(tmp_path, views=views) == [4]
    assert places(tmp_path, more=more) == [3, 4]


def test_what_tests_send_does_not_count(tmp_path: Path) -> None:
    assert places(tmp_path, tests__pay="paid.send(1)", test_x="paid.send(1)") == []


@pytest.mark.parametrize(
    "text",
    [
        "from shop.signals import paid as done\ndone.send(1)\n",
        "from shop.signals import paid\nsend_all([paid])\n",
        "from shop import signals\nsend_all(signals.paid)\n",
        "from shop.signals import paid\nlater = paid.send\nwaiting = paid\n",
    ],
)
def test_where_a_signal_is_given_away_nothing_is_claimed(tmp_path: Path, text: str) -> None:
    assert places(tmp_path, views=text) is None
