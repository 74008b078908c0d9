"""``signal_map --chain``: how it is asked, what it refuses, and the other formats."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from signal_tracer.chain import Chain, ChainStep, InSource, Seen
from signal_tracer.management.paper import drawn
from signal_tracer.records import DJANGO, Location
from signal_tracer.showing.chain_console import ChainTree
from signal_tracer.showing.chain_graph import dot, mermaid, too_large_for_mermaid

if TYPE_CHECKING:
    from conftest import ChainText

MERMAID = Path(__file__).parents[1] / "mapping" / "mermaid"


def refusal(**options: Any) -> str:
    with pytest.raises(CommandError) as raised:
        call_command("signal_map", stdout=io.StringIO(), stderr=io.StringIO(), **options)
    return str(raised.value)


# Names


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (("shop.Order",), "shop.Order"),
        (("Order",), "shop.Order"),
        (("shop.order",), "shop.Order"),
        (("shop.models.Order",), "shop.Order"),
        (("shop.Order.save",), "shop.Order.save()"),
        (("Order.delete()",), "shop.Order.delete()"),
        (("signals.order_placed",), "shop.signals.order_placed"),
        (("signals.order_placed", "Order"), "shop.signals.order_placed sent by shop.Order"),
        (("post_save", "any"), "django.db.models.signals.post_save sent by None"),
    ],
)
def test_names_are_taken_in_full_or_by_their_last_parts(
    chain_text: ChainText, names: tuple[str, ...], title: str
) -> None:
    assert chain_text(*names).splitlines()[0] == f"What {title} sets off"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["shop.Ordr"],
            "No model, signal or sender goes by 'shop.Ordr'. Did you mean 'shop.Order'?",
        ),
        (["shop.Ordr.save"], "No model goes by 'shop.Ordr'. Did you mean 'shop.Order'?"),
        (
            ["goods_resrved", "shop.Order"],
            "No signal goes by 'goods_resrved'. Did you mean 'shop.signals.goods_reserved'?",
        ),
        (
            ["signals.order_placed", "shop.Ordr"],
            "No sender goes by 'shop.Ordr'. Did you mean 'shop.Order'?",
        ),
        (
            ["post_save", "shop.Order", "shop.Product"],
            (
                "--chain takes a name, and for a signal a sender: NAME [SENDER]. It was given 3: "
                "post_save, shop.Order, shop.Product."
            ),
        ),
    ],
)
def test_a_name_that_nothing_goes_by_is_refused_with_what_may_be_meant(
    names: list[str], message: str
) -> None:
    assert refusal(chain=names) == message


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 3}, "--depth needs --chain NAME."),
        (
            {"graph": "graph.json"},
            (
                "--graph needs what is asked of it: --top, --chain NAME, --check-graph FILE, "
                "--write-graph FILE or --fail-on LEVEL."
            ),
        ),
        (
            {"chain": ["shop.Order"], "missing": True},
            "Give either --chain or --missing, not both.",
        ),
        (
            {"chain": ["shop.Order"], "explain": ["post_save", "shop.Order"]},
            "Give either --explain or --chain, not both.",
        ),
        (
            {"chain": ["shop.Order"], "app": ["shop"]},
            "Give either --chain or --app, not both.",
        ),
        (
            {"chain": ["shop.Order"], "format": "markdown"},
            "--chain has no format 'markdown'. Give one of: tree, json, mermaid, dot.",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    assert refusal(**options) == message


@pytest.mark.parametrize("depth", [0, -1, 51])
def test_a_depth_that_is_none_is_refused(depth: int) -> None:
    assert refusal(chain=["shop.Order"], depth=depth) == (
        f"--depth {depth}: give a number from 1 to 50."
    )


def test_a_graph_that_is_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "graph.json"

    assert refusal(chain=["shop.Order"], graph=file) == (
        f"There is no {file}. Make it with: pytest --signal-graph={file}"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "This is not JSON ("),
        ("{}", "This is not a signal graph: it has no 'version'. "),
        ('{"version": 1}', "This signal graph is damaged (traces: expected "),
    ],
)
def test_a_graph_that_is_damaged_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "graph.json"
    file.write_text(text, encoding="utf-8")
    said = refusal(chain=["shop.Order"], graph=file)

    assert said.startswith(f"{file}: {message}")
    assert said.endswith("pytest --signal-graph=FILE")


def test_a_graph_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "graph.json"
    file.write_bytes(b"\xff")

    assert refusal(chain=["shop.Order"], graph=file).startswith(f"{file} cannot be read (")


def test_what_the_depth_leaves_out_is_counted(chain_text: ChainText) -> None:
    lines = chain_text("signals.order_placed", depth=1, width=80).splitlines()

    assert "  └─ 2 billing.receivers.charge_card  + 2 steps, deeper than --depth" in lines


def test_it_is_written_to_a_file(tmp_path: Path) -> None:
    file, err = tmp_path / "chain.txt", io.StringIO()
    call_command("signal_map", chain=["shop.Order"], output=file, stderr=err)

    assert file.read_text(encoding="utf-8").startswith("What shop.Order sets off\n")
    assert err.getvalue() == f"Wrote {file}.\n"


def test_without_the_urlconf_it_says_that_more_may_be_connected() -> None:
    out = io.StringIO()
    call_command("signal_map", chain=["shop.Order"], stdout=out)

    assert "This is who is connected so far." in out.getvalue()


# Formats


def test_as_json_it_has_all_that_is_known(chain_text: ChainText, checkout_file: Path) -> None:
    data = json.loads(chain_text("signals.order_placed", format="json", graph=checkout_file))
    [root] = data["steps"]

    assert (data["version"], data["start"], data["traces"]) == (1, "shop.signals.order_placed", 1)
    assert [step["name"] for step in root["steps"]] == [
        "accounts.receivers.give_points",
        "billing.receivers.charge_card",
    ]
    assert root["steps"][0]["seen"] == {
        "count": 1,
        "of": 0,
        "traces": 1,
        "example": "test_checkout",
        "duration": pytest.approx(0.00111, rel=0.01),
        "queries": 1,
        "raised": 0,
        "swallowed": 0,
        "cancelled": 0,
        "rolled_back": 0,
        "errors": [],
        "writes": ["UPDATE accounts_profile"],
    }


HOSTILE = [
    "\"quoted\" 'twice'",
    "pipe|pipe||",
    "`tick` ``two``",
    "<script>alert(1)</script>",
    "[bold red]markup[/]",
    "a];}){end",
    "end",
    "%%{init: {}}%% -->",
    "#35; &amp; &lt;b&gt;",
    "back\\slash\\",
    "ünïcödé 信号 🎉",
]


def chain_named(name: str) -> Chain:
    """One of each kind, all of the same name, one of them seen again in itself."""
    place = InSource(name, "may", Location("f.py", 1, "f"), condition=name, reason=name)
    again = ChainStep("signal", name, sender="s.S", again="cycle")
    call = ChainStep("receiver", name, position=1, seen=Seen(2, swallowed=1), steps=(again,))
    others = tuple(
        ChainStep(kind, name, standing="in_source", owner=DJANGO, in_source=(place,))
        for kind in ("save", "bulk", "callback", "errand", "unknown", "package", "cascade")
    )
    root = ChainStep("signal", name, sender="s.S", steps=(call, *others))
    return Chain(name, 50, steps=(root,))


def words_of(name: str) -> list[str]:
    """The labels of a drawing of that chain, with single spaces."""
    *model, field = name.split(".")
    return [
        name,
        f"{name} sender=s.S",
        f"1 {name} SWALLOWED 1",
        f"{name} nobody listens MAY",
        f"{name} sends no signals MAY",
        f"on commit: {name} MAY",
        f"{name} MAY",
        f"? {name} UNKNOWN",
        f"{name}: 0 receivers MAY",
        f"{'.'.join(model)} CASCADE of its {field} MAY",
    ]


def single_spaced(text: str) -> str:
    return " ".join(text.replace("\xa0", " ").split())


def decoded(text: str) -> str:
    """What Mermaid shows: it keeps the number of a character between signs of its own."""
    lines = re.sub(r"<br/?>", " ", text)
    return re.sub(r"ﬂ°°(\d+)¶ß", lambda found: chr(int(found[1])), lines)


@pytest.mark.graphs
def test_mermaid_reads_hostile_names_and_the_checkout(
    chain_text: ChainText, checkout_file: Path
) -> None:
    real = chain_text("shop.Order", format="mermaid", graph=checkout_file)
    answer = subprocess.run(
        ["node", "parse.mjs"],
        cwd=MERMAID,
        input=json.dumps([*(mermaid(chain_named(each)) for each in HOSTILE), real]),
        capture_output=True,
        text=True,
        check=True,
    )
    *hostile, checkout = json.loads(answer.stdout)

    for name, diagram in zip(HOSTILE, hostile, strict=True):
        assert diagram.get("error") is None
        shown = [single_spaced(decoded(each)) for each in diagram["labels"]]
        assert shown == [single_spaced(each) for each in words_of(name)]
        assert [edge[:2] for edge in diagram["edges"]][-1] == ["n2", "n1"]
    labels = {single_spaced(decoded(each)) for each in checkout["labels"]}
    assert "2 notifications.receivers. text_customer SWALLOWED 1" in labels
    # Each node but the first has one edge to it, and one more is from what is shown above.
    assert len(checkout["edges"]) == len(checkout["labels"])


@pytest.mark.graphs
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_graphviz_draws_hostile_names(name: str) -> None:
    drawing = svg(dot(chain_named(name)))

    assert sorted(labels_of(drawing)) == sorted(map(single_spaced, words_of(name)))


def test_the_picture_in_the_documentation_is_that_of_the_checkout(
    chain_text: ChainText, checkout_file: Path
) -> None:
    drawing = (MERMAID.parents[2] / "docs" / "chain.svg").read_text(encoding="utf-8")
    text = chain_text("signals.order_placed", format="dot", graph=checkout_file)
    labels = [each.replace("\\n", " ") for each in re.findall(r'\[label="(.*?)"', text)]

    # To draw it again: dot -Tsvg, of this text.
    assert sorted(labels_of(drawing)) == sorted(map(single_spaced, labels))


def labels_of(drawing: str) -> list[str]:
    """What stands in each node, its lines one after another."""
    nodes = re.findall(r'class="node">(.*?)</g>', drawing, re.DOTALL)
    texts = (re.findall(r"<text[^>]*>([^<]*)</text>", node) for node in nodes)
    return [single_spaced(html.unescape(" ".join(lines))) for lines in texts]


@pytest.mark.graphs
def test_graphviz_draws_the_checkout(chain_text: ChainText, checkout_file: Path) -> None:
    drawing = svg(chain_text("shop.Order", format="dot", graph=checkout_file))

    assert "2 notifications.receivers. text_customer SWALLOWED 1" in labels_of(drawing)


def svg(text: str) -> str:
    program = shutil.which("dot")
    assert program is not None
    done = subprocess.run(
        [program, "-Tsvg"], input=text, capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_what_may_not_happen_is_dashed_and_what_went_wrong_is_framed() -> None:
    text = mermaid(chain_named("a.b"))

    assert "  n1 -.-> n3\n" in text
    assert "  n1 --> n2\n" in text
    assert text.endswith("  class n2 trouble\n")
    assert "  n1 -> n3 [style=dashed];\n" in dot(chain_named("a.b"))


def test_a_flowchart_that_mermaid_would_refuse_says_so() -> None:
    many = tuple(ChainStep("receiver", f"a.hear_{n}", position=n) for n in range(1, 501))
    large = Chain("a.b", 50, steps=(ChainStep("signal", "a.b", steps=many),))

    assert too_large_for_mermaid(mermaid(chain_named("a.b"))) == ""
    assert too_large_for_mermaid(mermaid(large)).startswith("This flowchart has 501 edges and ")


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_the_tree_shows_a_hostile_name_as_it_is(name: str) -> None:
    options = {"force_color": False, "no_color": True}
    text = drawn(ChainTree(chain_named(name)), io.StringIO(), options)

    assert text.startswith(f"What {name} sets off\n")
    assert f"1 {name}" in text


def test_the_tree_obeys_no_control_character() -> None:
    options = {"force_color": False, "no_color": True}
    text = drawn(ChainTree(chain_named("\x1b[31mred\nnew")), io.StringIO(), options)

    assert "\x1b" not in text
    assert "What \\x1b[31mred\\nnew sets off" in text
