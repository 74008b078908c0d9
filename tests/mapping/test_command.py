"""``manage.py signal_map``: what it shows, what it refuses, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.signals import post_save
from django.dispatch import Signal

from shop.models import Order, Product
from signal_tracer.mapping import read_map
from signal_tracer.showing.map_graph import dot, mermaid
from signal_tracer.showing.map_text import markdown, tree
from signal_tracer.signal_map import SignalMap

SITE = Path(__file__).parents[2] / "example_site"
KEPT = Path(__file__).parent / "example_site_map.json"

rung = Signal()


def hear(**kwargs: Any) -> None:
    """Hears the bell."""


def hear_too(**kwargs: Any) -> None:
    """Hears it as well."""


async def hear_later(**kwargs: Any) -> None:
    """Hears it when there is time."""


def hear_undocumented(**kwargs: Any) -> None:
    pass


def ring_robustly() -> None:
    """Where the package of ``rung`` is seen to send it so."""
    rung.send_robust(None)


def hear_in_a_package() -> Any:
    """A receiver of an installed package's."""
    namespace: dict[str, Any] = {"__name__": "elsewhere.receivers"}
    source = "def hear(**kwargs): 'Hears it.'"
    exec(compile(source, "/srv/site-packages/elsewhere/receivers.py", "exec"), namespace)
    return namespace["hear"]


@pytest.fixture(autouse=True)
def bell() -> Iterator[None]:
    rung.connect(hear)
    rung.connect(hear_later, sender=Order, dispatch_uid="later")
    yield
    rung.receivers = []


def signal_map(*arguments: str, **options: Any) -> str:
    """What the command prints."""
    out = io.StringIO()
    call_command("signal_map", *arguments, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as raised:
        signal_map(*arguments)
    assert raised.value.returncode == 1
    return str(raised.value)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``manage.py`` of the example site, in a process of its own."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=SITE,
        env={**os.environ, "PYTHONWARNINGS": "error", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


MINE = ("--signal", f"{__name__}.rung")


# The table


def test_the_table_groups_by_app_and_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert signal_map("--app", "shop").splitlines() == [
        "5 receivers of 3 signals",
        "",
        "shop  5 receivers",
        "  billing.signals.payment_received",
        "     1  shop.receivers.mark_order_paid  from any sender",
        "        example_site/shop/receivers.py:13  uid shop.mark_order_paid",
        "  django.db.models.signals.post_delete",
        "     1  shop.receivers.forget_rating  from shop.Review",
        "        example_site/shop/receivers.py:29  uid shop.forget_rating_on_delete",
        "     2  shop.receivers.delete_picture  from shop.Product",
        "        example_site/shop/receivers.py:36  uid shop.delete_picture",
        "  django.db.models.signals.post_save",
        "     2  shop.receivers.show_availability  from warehouse.StockItem",
        "        example_site/shop/receivers.py:20  uid shop.show_availability",
        "     3  shop.receivers.forget_rating  from shop.Review",
        "        example_site/shop/receivers.py:29  uid shop.forget_rating_on_save",
        "",
        "This is who is connected so far. A server imports the URLconf as well, and what",
        "that connects: --load-urls shows it too.",
        "",
        (
            "For information: 1 finding (ignores-raw 1). Each with what to do: --project-only "
            "--fail-on info"
        ),
    ]


def test_a_wide_table_has_a_line_for_each_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lines = signal_map("--receiver", "shop.receivers.forget_rating").splitlines()

    assert next(line.split("  ") for line in lines if "forget_rating" in line) == [
        *("", "", " 1", "shop.receivers.forget_rating", "shop.Review"),
        *("uid shop.forget_rating_on_delete", "example_site/shop/receivers.py:29"),
        "A review came or went: the mean in the cache is no longer r…",
    ]


def test_without_a_terminal_there_is_no_colour_and_no_broken_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    text = signal_map()

    assert "\x1b" not in text
    assert "django.contrib.contenttypes.management.inject_rename_contenttypes_operations" in text


def test_500_receivers_are_500_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [partial(hear) for _ in range(500)]
    for number, receiver in enumerate(many):
        rung.connect(receiver, dispatch_uid=f"number {number}")
    monkeypatch.setenv("COLUMNS", "200")
    lines = signal_map(*MINE, "--receiver", "partial*", "--format", "table").splitlines()

    assert lines[0] == "500 receivers of 1 signal"
    assert len([line for line in lines if "uid number" in line]) == 500


def test_what_is_wrong_with_it_stands_below_the_table() -> None:
    rung.connect(partial(hear), weak=False)
    text = signal_map(*MINE)

    assert "1 finding: 1 warning" in text
    assert "! warning robust-crash" in text


# Filters


def receivers(*arguments: str) -> list[str]:
    found = SignalMap.from_dict(json.loads(signal_map("--format", "json", *arguments)))
    return [connection.receiver.rpartition(".")[2] for _, connection in found.walk()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--signal", f"{__name__}.rung"), ["hear", "hear_later"]),
        (("--signal", f"{__name__}.*"), ["hear", "hear_later"]),
        (("--signal", "rung", "--sender", "shop.Order"), ["hear", "hear_later"]),
        (("--signal", "rung", "--sender", "Order"), ["hear", "hear_later"]),
        (("--signal", "rung", "--sender", "shop.Product"), []),
        (("--signal", "rung", "--sender", "any"), ["hear"]),
        (
            (*MINE, "--receiver", "hear", "--receiver", "hear_later"),
            ["hear", "hear_later"],
        ),
        (("--app", "search"), ["forget_product", "index_product"]),
        (("--app", "search", "--signal", "post_save"), ["index_product"]),
        (("--app", "contenttypes", "--project-only"), []),
        (("--unheard",), []),
    ],
    ids=" ".join,
)
def test_filters_leave_what_all_let_through(
    arguments: tuple[str, ...], expected: list[str]
) -> None:
    assert receivers(*arguments) == expected


def test_project_only_leaves_out_installed_packages() -> None:
    found = SignalMap.from_dict(json.loads(signal_map("--format", "json", "--project-only")))

    assert {connection.is_project for _, connection in found.walk()} == {True}
    assert "django.core.signals.setting_changed" not in [each.name for each in found.signals]


def test_unheard_names_the_signals_that_nobody_listens_to() -> None:
    text = signal_map("--unheard")

    assert "Nobody listens to" in text
    assert "  django.db.models.signals.class_prepared  django/db/models/signals.py:6" in text
    assert "post_save" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--signal", "post_svae"),
            "nothing goes by 'post_svae'. Did you mean 'django.db.models.signals.post_save'",
        ),
        (
            ("--sender", "shop.Oder"),
            "--sender: nothing goes by 'shop.Oder'. Did you mean 'shop.Order'",
        ),
        (("--receiver", "forget_rateing"), "Did you mean 'shop.receivers.forget_rating'"),
        (("--app", "shopp"), "--app: nothing goes by 'shopp'. Did you mean 'shop'"),
        (("--app", "xyz"), "--app: nothing goes by 'xyz'. There is, for example: "),
    ],
    ids=["signal", "sender", "receiver", "app", "nothing like it"],
)
def test_a_name_that_is_not_there_is_refused_with_the_likeliest(
    arguments: tuple[str, ...], message: str
) -> None:
    assert message in refusal(*arguments)


# Output


def test_output_writes_a_file(tmp_path: Path) -> None:
    file = tmp_path / "map.json"

    assert signal_map("--format", "json", "--output", str(file)) == ""
    assert SignalMap.from_dict(json.loads(file.read_text())).signals


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "no" / "map.json"

    assert refusal("--output", str(file)) == (
        f"{file} cannot be written (No such file or directory). "
        "Give another file, or make its folder."
    )


def test_a_stream_that_knows_no_unicode_gets_none(tmp_path: Path) -> None:
    for form in ("table", "tree"):
        done = run("signal_map", "--format", form, PYTHONIOENCODING="ascii:strict")

        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.isascii()


@pytest.mark.parametrize("form", ["markdown", "mermaid", "dot"])
def test_a_name_that_a_stream_cannot_write_is_spelled_out(form: str) -> None:
    def höre(**kwargs: Any) -> None:
        """Hears with another alphabet."""

    rung.connect(höre)
    paper = io.TextIOWrapper(io.BytesIO(), "ascii")
    call_command("signal_map", *MINE, "--format", form, stdout=paper)
    paper.flush()

    assert b"h\\xf6re" in paper.buffer.getvalue()


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "manage.py", "signal_map"],
        cwd=SITE,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("form", "render"), [("markdown", markdown), ("mermaid", mermaid), ("dot", dot), ("tree", tree)]
)
def test_each_format_is_printed_as_its_renderer_gives_it(form: str, render: Any) -> None:
    found = read_map().select(signals=MINE[1:])

    assert signal_map(*MINE, "--format", form).rstrip() == render(found).rstrip()


def test_a_large_flowchart_is_printed_with_a_warning() -> None:
    many = [partial(hear) for _ in range(501)]
    for number, receiver in enumerate(many):
        rung.connect(receiver, dispatch_uid=number)
    out, err = io.StringIO(), io.StringIO()
    call_command("signal_map", *MINE, format="mermaid", stdout=out, stderr=err)

    assert out.getvalue().startswith("flowchart LR\n")
    assert err.getvalue().startswith("This flowchart has 503 edges and ")


def test_a_name_longer_than_the_line_is_broken_below_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "30")

    assert signal_map("--receiver", "forget_product").splitlines()[5:9] == [
        "     3  search.receivers.forge",
        "        t_product  from",
        "        shop.Product",
        "        example_site/search/re",
    ]


# Findings


def test_fail_on_lists_findings_and_fails() -> None:
    rung.connect(partial(hear), weak=False)

    assert refusal(*MINE, "--fail-on", "warning") == (
        "The signal map has 1 finding of level warning or worse."
    )
    assert signal_map(*MINE, "--fail-on", "error") == "No findings.\n"


def test_findings_that_the_setting_ignores_do_not_fail(settings: Any) -> None:
    settings.SIGNAL_TRACER = {"IGNORE_FINDINGS": ["robust-crash"]}
    rung.connect(partial(hear), weak=False)

    assert signal_map(*MINE, "--fail-on", "warning") == "No findings.\n"


def test_findings_in_packages_are_counted_and_do_not_fail() -> None:
    out, err = io.StringIO(), io.StringIO()
    receiver = hear_in_a_package()
    rung.connect(receiver)
    rung.connect(receiver, sender=Order)
    call_command("signal_map", *MINE, fail_on="info", stdout=out, stderr=err)

    assert out.getvalue() == "No findings.\n"
    assert err.getvalue() == "1 finding in installed packages, which do not count: elsewhere 1.\n"


def test_what_is_for_information_is_summed_up_below_the_table() -> None:
    rung.connect(hear_undocumented)
    lines = signal_map(*MINE).splitlines()

    assert lines[-1] == (
        "For information: 1 finding (undocumented-receiver 1). Each with what to do: "
        "--project-only --fail-on info"
    )


def test_a_sender_that_nobody_is_connected_to_has_the_receivers_of_any_sender() -> None:
    post_save.connect(hear)
    try:
        shown = signal_map("--signal", "post_save", "--sender", "contenttypes.ContentType")
    finally:
        post_save.disconnect(hear)

    assert f"{__name__}.hear" in shown
    assert "any sender" in shown
    # Those of another model are not among them.
    assert "shop.receivers" not in shown


def test_a_sender_shows_receivers_of_any_sender_where_the_signal_has_its_own() -> None:
    rung.connect(hear_too, sender=Product)
    shown = signal_map("--sender", "shop.Order")

    assert f"{__name__}.hear " in shown
    assert f"{__name__}.hear_later" in shown
    assert f"{__name__}.hear_too" not in shown
    # Another signal's receivers of any sender are for nobody that is named.
    assert "django.core.signals" not in shown


def test_a_sender_that_does_not_exist_is_refused_with_what_may_be_meant() -> None:
    assert refusal("--sender", "shop.Ordre") == (
        "--sender: nothing goes by 'shop.Ordre'. Did you mean 'shop.Order'?"
    )


# Drift


@pytest.fixture
def kept(tmp_path: Path) -> str:
    file = str(tmp_path / "kept.json")
    assert signal_map(*MINE, "--write", file) == (
        f"Kept 2 connections of 1 signal in {file}. "
        f"Compare with: manage.py signal_map --check {file}\n"
    )
    return file


def drift(kept: str) -> list[str]:
    out = io.StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("signal_map", "--check", kept, stdout=out)
    lines = out.getvalue().splitlines()
    assert f"differs from {kept} in {len(lines)} place" in str(raised.value)
    return lines


def test_without_drift_the_check_is_content(kept: str) -> None:
    assert signal_map("--check", kept) == f"The signal map is as it was kept in {kept}.\n"


def test_an_added_connection_is_told(kept: str) -> None:
    rung.connect(hear_too, sender=Product)

    assert drift(kept) == [
        f"added: {__name__}.rung calls {__name__}.hear_too for shop.Product, as number 3 of 3"
    ]


def test_a_removed_connection_is_told(kept: str) -> None:
    rung.disconnect(sender=Order, dispatch_uid="later")

    assert drift(kept) == [
        (
            f"removed: {__name__}.rung no longer calls {__name__}.hear_later for shop.Order "
            "(dispatch_uid later)"
        )
    ]


def test_another_order_is_told(kept: str) -> None:
    rung.receivers.reverse()

    assert drift(kept) == [
        (
            f"reordered: {__name__}.rung calls {__name__}.hear_later for shop.Order "
            "(dispatch_uid later) first now"
        )
    ]


def test_a_connection_that_is_held_otherwise_is_told(kept: str) -> None:
    rung.disconnect(hear)
    rung.connect(hear, weak=False)
    rung.receivers.reverse()

    assert drift(kept) == [
        f"changed: {__name__}.rung calls {__name__}.hear for any sender: it is now held strongly"
    ]


def test_a_signal_that_is_no_more_is_told(kept: str) -> None:
    text = Path(kept).read_text()
    Path(kept).write_text(text.replace(f"{__name__}.rung", f"{__name__}.rang"))

    assert drift(kept) == [
        f"removed: the signal {__name__}.rang",
        f"removed: {__name__}.rang no longer calls {__name__}.hear for any sender",
        (
            f"removed: {__name__}.rang no longer calls {__name__}.hear_later for shop.Order "
            "(dispatch_uid later)"
        ),
    ]


def test_a_receiver_that_has_become_sync_is_told(kept: str) -> None:
    text = Path(kept).read_text()
    Path(kept).write_text(text.replace('"is_async": false', '"is_async": true'))

    assert drift(kept) == [
        f"changed: {__name__}.rung calls {__name__}.hear for any sender: it is now sync"
    ]


def test_signals_without_receivers_and_without_names_are_kept_too(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    unnamed = Signal()
    unnamed.connect(hear, dispatch_uid="unnamed")
    signal_map("--write", str(file))
    unnamed.receivers.clear()
    kept = json.loads(file.read_text())["signals"]

    assert kept["django.db.models.signals.class_prepared"] == []
    assert [
        connection["dispatch_uid"]
        for name, connections in kept.items()
        if name.startswith("<unnamed signal ")
        for connection in connections
    ].count("unnamed") == 1
    assert list(kept) == sorted(kept)


def test_a_kept_map_has_a_line_a_connection_and_no_place(kept: str) -> None:
    assert Path(kept).read_text().splitlines() == [
        "{",
        '  "version": 1,',
        f'  "filters": {{"signal": ["{__name__}.rung"]}},',
        '  "signals": {',
        f'    "{__name__}.rung": [',
        (
            f'      {{"receiver": "{__name__}.hear", "sender": null, "dispatch_uid": null, '
            '"is_weak": true, "is_async": false},'
        ),
        (
            f'      {{"receiver": "{__name__}.hear_later", "sender": "shop.Order", '
            '"dispatch_uid": "later", "is_weak": true, "is_async": true}'
        ),
        "    ]",
        "  }",
        "}",
    ]


def test_ids_do_not_get_into_a_kept_map(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    rung.connect(hear_too, dispatch_uid=(id(rung), id(hear)))
    rung.connect(hear_too, dispatch_uid=f"hear-{id(rung)}-{id(rung):#x}")
    signal_map(*MINE, "--write", str(file))

    assert '"dispatch_uid": "(not a string)"' in file.read_text()
    assert '"dispatch_uid": "hear-\\u2026-\\u2026"' in file.read_text()


def test_the_example_site_is_as_it_is_kept_here_on_every_python_and_for_every_hash_seed() -> None:
    for seed in ("1", "2"):
        done = run("signal_map", "--check", str(KEPT), PYTHONHASHSEED=seed)

        assert (done.stderr, done.returncode) == ("", 0), done.stdout


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"

    assert refusal("--check", str(file)) == (
        f"There is no {file}. Keep the map in it first: manage.py signal_map --write {file}"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no JSON", "This is not JSON ("),
        ("[]", "This is not a signal map: it has no 'version'."),
        (
            '{"version": 99}',
            "This signal map has version 99, and this signal_tracer reads version 1.",
        ),
        (
            '{"version": 1}',
            "This signal map is damaged (signals: expected an object, found nothing).",
        ),
        ('{"version": 1, "signals": {"a": [{}]}, "filters": {}}', "This signal map is damaged ("),
        (
            '{"version": 1, "signals": {}, "filters": {"signal": 5}}',
            "This signal map has a filter 'signal' that is not a list of names.",
        ),
        (
            '{"version": 1, "signals": {}, "filters": {"signal": true}}',
            "This signal map has a filter 'signal' that is not a list of names.",
        ),
        (
            '{"version": 1, "signals": {}, "filters": {"unheard": []}}',
            "This signal map has a filter 'unheard' that is not true.",
        ),
        (
            '{"version": 1, "signals": {}, "filters": {"sigal": ["a"]}}',
            (
                "This signal map has a filter 'sigal', and there is none of that name: the filters "
                "are signal, sender, receiver, app, project_only, unheard, load_urls."
            ),
        ),
        (
            '{"version": 1, "signals": {"a": [{"receiver": ["b"]}]}, "filters": {}}',
            "This signal map is damaged (signals.a[0].receiver: expected text, found a list).",
        ),
        ("[" * 100_000, "This is not JSON ("),
    ],
)
def test_a_file_that_is_no_map_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "kept.json"
    file.write_text(content)
    refused = refusal("--check", str(file))

    assert refused.startswith(f"{file}: {message}")
    assert refused.endswith(f"Write it again: manage.py signal_map --write {file}")
    assert refused.count("Write it again") == 1


def test_a_check_takes_no_filters_of_its_own(kept: str) -> None:
    assert "takes none" in refusal("--check", kept, "--project-only")


def test_one_thing_at_a_time() -> None:
    assert refusal("--write", "a", "--check", "b") == "Give either --write or --check, not both."


# The URLconf


def test_it_does_not_import_the_urlconf_and_load_urls_does() -> None:
    code = (
        "import sys, django; django.setup(); from django.core.management import call_command; "
        "call_command('signal_map', *sys.argv[1:]); print('config.urls' in sys.modules)"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}

    def prints(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=SITE,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]

    assert prints("--app", "shop") == "False"
    assert prints("--app", "shop", "--load-urls") == "True"


def test_a_urlconf_that_fails_is_named(settings: Any) -> None:
    settings.ROOT_URLCONF = "no_such_module"

    assert refusal("--load-urls") == (
        "The URLconf 'no_such_module' cannot be imported (ModuleNotFoundError: No module named "
        "'no_such_module'). Mend it, or leave out --load-urls."
    )
