"""``pytest --signal-findings``: the findings over all tests of a run, each once, in review."""

from __future__ import annotations

import json
from functools import reduce
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from signal_tracer.findings.remarks import Remark
from signal_tracer.records import PROJECT, Owner
from signal_tracer.reviewing import Gathered, Sighting

if TYPE_CHECKING:
    from conftest import Project

    from signal_tracer.findings import Level

FAILS_ROBUSTLY = """
import pytest
from shop.pay import pay

@pytest.mark.parametrize("number", range(3))
def test_pays(number):
    pay(fails=number != 1)
"""
SAVES = """
import pytest
from shop.models import Order
from shop.pay import order_twice

@pytest.mark.django_db
def test_orders():
    order_twice()

@pytest.mark.django_db
def test_sets_up_rows():
    Order.objects.bulk_create([Order()])
"""
PAY = """
from shop.models import Order
from shop.signals import paid

def pay(**arguments):
    paid.send_robust("till", **arguments)

def order_twice():
    order = Order()
    order.save()
    order.total = 7
    order.save()
"""
SHARED = """
import pytest
from shop.pay import pay

@pytest.fixture(scope="session")
def till():
    pay(fails=True)
    yield
    pay(fails=True)
"""
NEW_FAULT = """
@receiver(paid)
def print_receipt(sender, fails=False, **kwargs):
    if fails:
        raise OSError("no paper")
"""
USES_IT = "def test_it(till): ...\n"

SWALLOWED = [
    (
        "error swallowed-exception: shop.receivers.text_customer raised ConnectionError: the "
        "gateway is down, and send_robust() swallowed it."
    ),
    (
        "  shop/receivers.py:17, in 2 tests and the session fixture till, first "
        "test_pays.py::test_pays[0]"
    ),
    (
        "  Handle in shop.receivers.text_customer what can fail at shop/receivers.py:17, and retry "
        "what must not be lost in a task (Celery, Django's tasks). Or let the sender look through "
        "what send_robust() returns."
    ),
]
SAVED = [
    (
        "warning repeated-save: shop.Order(pk=1) was saved 2 times, at shop/pay.py:10 and "
        "shop/pay.py:12, and each time shop.receivers.count_orders ran."
    ),
    "  shop/pay.py:12, in test_saves.py::test_orders",
    (
        "  Set all that changes first, and save() once. Where two places must save, let the "
        "receiver look at created or update_fields."
    ),
]
OF_TESTS = "1 finding at lines of the tests, which do not count."


def section(result: pytest.RunResult) -> list[str]:
    start = next(n for n, line in enumerate(result.outlines) if "= signal findings =" in line)
    stop = next(n for n, line in enumerate(result.outlines) if n > start and line.startswith("="))
    said = [line.rstrip() for line in result.outlines[start + 1 : stop]]
    return said if said[0] else said[1:]  # Without -q pytest leaves a line.


@pytest.fixture
def shop(project: Project) -> Project:
    (project.path / "shop" / "pay.py").write_text(PAY)
    return project


def test_each_finding_is_said_once_the_worst_first_and_fails_the_run_however_many_workers_ran(
    shop: Project,
) -> None:
    shop.tests(test_pays=FAILS_ROBUSTLY, test_saves=SAVES, conftest=SHARED, test_uses=USES_IT)

    alone = shop.run("--signal-findings")
    two = shop.run("--signal-findings", "-n2", "--dist=loadfile")
    each = shop.run("--signal-findings", "-n2", "--dist=each")

    alone.assert_outcomes(passed=6)
    assert alone.ret == pytest.ExitCode.TESTS_FAILED
    assert section(alone) == [
        *SWALLOWED,
        *SAVED,
        OF_TESTS,
        "FAILED: 2 findings of level warning or worse",
    ]
    assert section(two) == section(each) == section(alone)
    assert two.ret == each.ret == pytest.ExitCode.TESTS_FAILED


def test_what_is_below_the_level_is_not_looked_for(shop: Project) -> None:
    shop.tests(test_saves=SAVES)

    result = shop.run("--signal-findings=error")

    assert result.ret == pytest.ExitCode.OK
    assert section(result) == ["No findings."]


def test_known_findings_are_shown_and_only_new_ones_fail(shop: Project) -> None:
    shop.tests(test_pays=FAILS_ROBUSTLY, test_saves=SAVES)
    kept = ("--signal-findings", "--signal-baseline=kept.json")
    first = shop.run(*kept, "--signal-write-baseline")

    assert first.ret == pytest.ExitCode.OK
    file = shop.path / "kept.json"
    assert section(first)[-1] == (
        f"Kept 2 findings in {file} as known: from now on only others fail."
    )
    assert file.read_text() == (
        "{\n"
        '  "version": 1,\n'
        '  "over": "tests",\n'
        '  "filters": {},\n'
        '  "findings": [\n'
        '    {"level": "warning", "slug": "repeated-save", "names": '
        '["shop.Order", "shop.receivers.count_orders"]},\n'
        '    {"level": "error", "slug": "swallowed-exception", "names": '
        '["ConnectionError", "shop.receivers.text_customer", "shop.signals.paid"]}\n'
        "  ]\n"
        "}\n"
    )

    # Ten lines further down, it is what it was.
    for name in ("receivers", "pay"):
        source = shop.path / "shop" / f"{name}.py"
        source.write_text("\n" * 10 + source.read_text())
    moved = shop.run(*kept)
    assert moved.ret == pytest.ExitCode.OK
    assert [line for line in section(moved) if not line.startswith(" ")] == [
        f"known {SWALLOWED[0]}".replace(":17", ":27"),
        (
            "known warning repeated-save: shop.Order(pk=1) was saved 2 times, at shop/pay.py:20 "
            "and shop/pay.py:22, and each time shop.receivers.count_orders ran."
        ),
        OF_TESTS,
    ]

    receivers = shop.path / "shop" / "receivers.py"
    receivers.write_text(receivers.read_text() + NEW_FAULT)
    (shop.path / "test_saves.py").unlink()
    new = shop.run(*kept, "-n2")
    assert new.ret == pytest.ExitCode.TESTS_FAILED
    assert section(new)[0].startswith("error swallowed-exception: shop.receivers.print_receipt")
    assert section(new)[3] == f"known {SWALLOWED[0]}"
    assert section(new)[5:] == [
        f"1 known finding of {file} mended, which --signal-write-baseline takes out of it:",
        "  repeated-save of shop.Order, shop.receivers.count_orders",
        "FAILED: 1 new finding of level warning or worse",
    ]

    shorter = shop.run(*kept, "--signal-write-baseline")
    assert shorter.ret == pytest.ExitCode.TESTS_FAILED
    assert section(shorter)[5:] == [
        f"Took 1 mended finding out of {file}, and added none: it has 1 known finding left.",
        (
            f"1 new finding not added, because {file} only gets shorter. If they are to be known "
            "all the same, remove it and write it again."
        ),
        "FAILED: 1 new finding of level warning or worse",
    ]
    assert [each["slug"] for each in json.loads(file.read_text())["findings"]] == [
        "swallowed-exception"
    ]


def test_of_some_of_the_tests_nobody_learns_what_is_mended(shop: Project) -> None:
    shop.tests(test_pays=FAILS_ROBUSTLY, test_saves=SAVES)
    kept = ("--signal-findings", "--signal-baseline=kept.json")
    shop.run(*kept, "--signal-write-baseline")
    file = shop.path / "kept.json"
    before = file.read_text()
    not_seen = (
        f"1 known finding of {file} not seen. Whether they are mended is not known: not all the "
        "tests ran that it was written with, or some failed."
    )

    for options in (("-k", "pays"), ("test_pays.py",), ("-n2", "-k", "pays")):
        result = shop.run(*kept, *options)
        assert result.ret == pytest.ExitCode.OK
        assert section(result)[-1] == not_seen
    written = shop.run(*kept, "--signal-write-baseline", "-k", "pays")
    assert written.ret == pytest.ExitCode.TESTS_FAILED
    assert section(written)[-1] == (
        f"FAILED: {file} was not written: not all the tests ran that it is about, or some failed"
    )
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no {file}. Write it first: {write}"),
        (
            "[",
            (
                "{file} is not JSON (Expecting value: line 1 column 2 (char 1)). Mend it, or "
                "remove it and write it again: {write}"
            ),
        ),
        (
            "[]",
            (
                "{file} is not a baseline of findings: it has no 'version' and 'findings'. Give "
                "another file, or write one: {write}"
            ),
        ),
        (
            '{"version": 2, "findings": []}',
            (
                "{file} has version 2, and this signal_tracer reads version 1. Install the "
                "signal_tracer that wrote it, or remove it and write it again: {write}"
            ),
        ),
        (
            '{"version": 1, "over": "tests", "filters": {}, "findings": [{"slug": 1}]}',
            (
                "{file} is damaged (findings[0].level: expected one of 'error', 'warning', 'info', "
                "found nothing). Mend it, or remove it and write it again: {write}"
            ),
        ),
        (
            '{"version": 1, "over": "signal_map", "filters": {}, "findings": []}',
            (
                "{file} has known findings over the signal map, and here they are over tests. Give "
                "each a file of its own."
            ),
        ),
    ],
    ids=["missing", "no JSON", "another file", "newer", "damaged", "of the map"],
)
def test_a_file_of_known_findings_that_cannot_be_used_says_what_to_do(
    text: str | None, said: str, shop: Project
) -> None:
    file = shop.path / "kept.json"
    if text is not None:
        file.write_text(text)

    result = shop.pytester.runpytest_subprocess("--signal-findings", "--signal-baseline=kept.json")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    write = f"pytest --signal-findings=warning --signal-baseline={file} --signal-write-baseline"
    assert f"ERROR: {said.format(file=file, write=write)}" in result.stderr.lines


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--signal-findings=much"], "'much' is no level: give error, warning or info."),
        (["--signal-findings", "test_it.py"], "write --signal-findings=warning"),
        (["--signal-baseline=a"], "--signal-baseline needs --signal-findings."),
        (["--signal-github"], "--signal-github needs --signal-findings."),
        (
            ["--signal-findings", "--signal-write-baseline"],
            "--signal-write-baseline needs the file: --signal-baseline=FILE.",
        ),
    ],
)
def test_options_that_mean_nothing_are_refused(
    options: list[str], said: str, shop: Project
) -> None:
    result = shop.pytester.runpytest_subprocess(*options)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()


def test_code_hosts_are_told_where_each_finding_is(shop: Project) -> None:
    shop.tests(test_pays=FAILS_ROBUSTLY, test_saves=SAVES)
    (shop.path / ".git").mkdir()

    result = shop.run("--signal-findings", "--signal-sarif=found.sarif", "--signal-github")

    [run] = json.loads((shop.path / "found.sarif").read_text())["runs"]
    assert [
        (each["ruleId"], each["level"], each["locations"][0]["physicalLocation"])
        for each in run["results"]
    ] == [
        (
            "swallowed-exception",
            "error",
            {
                "artifactLocation": {"uri": "shop/receivers.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 17},
            },
        ),
        (
            "repeated-save",
            "warning",
            {
                "artifactLocation": {"uri": "shop/pay.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 12},
            },
        ),
    ]
    assert run["results"][0]["message"]["text"].endswith(
        "\nSeen in 2 tests, first test_pays.py::test_pays[0]."
    )
    said = section(result)
    assert f"Written: {shop.path / 'found.sarif'}" in said
    [error, warning] = [line for line in said if line.startswith("::")]
    assert error.startswith(
        "::error file=shop/receivers.py,line=17,title=swallowed-exception%3A An exception was "
        "swallowed::shop.receivers.text_customer raised ConnectionError: the gateway is down, and "
        "send_robust() swallowed it.%0AHandle in "
    )
    assert warning.startswith("::warning file=shop/pay.py,line=12,title=repeated-save%3A ")


def test_a_sarif_file_that_cannot_be_written_fails_the_run_and_costs_no_report(
    shop: Project,
) -> None:
    shop.tests(test_it="def test_it(): ...")

    result = shop.run("--signal-findings", "--signal-sarif=none/found.sarif")

    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert section(result) == [
        "No findings.",
        (
            f"FAILED: {shop.path}/none/found.sarif cannot be written (No such file or directory). "
            "Give another file: --signal-sarif=FILE"
        ),
    ]


def test_a_worker_that_crashed_leaves_a_gap_that_is_named(shop: Project) -> None:
    shop.tests(test_pays=FAILS_ROBUSTLY, test_crash="def test_crash(): __import__('os')._exit(1)")

    result = shop.run("-n2", "--dist=loadfile", "--max-worker-restart=0", "--signal-findings")

    assert "found is not known: it crashed." in "\n".join(section(result))


def test_what_is_ignored_or_was_only_counted_is_said(shop: Project) -> None:
    shop.tests(test_pays=FAILS_ROBUSTLY)
    settings = shop.path / "site_settings.py"
    settings.write_text(
        settings.read_text()
        + '\nSIGNAL_TRACER = {"IGNORE_FINDINGS": ["swallowed-exception:*.text_*"]}\n'
    )
    hidden = shop.run("--signal-findings")
    settings.write_text(settings.read_text() + '\nSIGNAL_TRACER = {"MAX_DISPATCHES": 1}\n')
    shop.tests(
        test_pays="from shop.pay import pay\n"
        "def test_pays(): pay(); pay(fails=True); pay(fails=True)\n"
    )
    counted = shop.run("--signal-findings", "-n2")

    assert section(hidden) == [
        "No findings.",
        "1 finding not shown, because IGNORE_FINDINGS names them.",
    ]
    assert section(counted) == [
        "No findings.",
        (
            "2 dispatches only counted, with whatever is to be found there. Raise "
            "SIGNAL_TRACER['MAX_DISPATCHES'] for the tests."
        ),
    ]


def test_what_is_slow_counts_only_where_somebody_has_said_what_is(shop: Project) -> None:
    receivers = shop.path / "shop" / "receivers.py"
    receivers.write_text(
        receivers.read_text().replace('ran.append("send_receipt")', "import time; time.sleep(0.03)")
    )
    shop.tests(test_pays="from shop.pay import pay\ndef test_pays(): pay()")
    settings = shop.path / "site_settings.py"

    guessed = shop.run("--signal-findings")
    settings.write_text(settings.read_text() + '\nSIGNAL_TRACER = {"SLOW_RECEIVER_MS": 1}\n')
    said = shop.run("--signal-findings")

    assert section(guessed) == ["No findings."]
    assert section(said)[0].startswith("warning slow-receiver: shop.receivers.send_receipt took ")


def test_findings_of_packages_are_one_line_that_does_not_fail(shop: Project) -> None:
    package = shop.path / "site-packages" / "texting"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "def text(**kwargs):\n    raise ConnectionError('it is down')\n"
    )
    shop.tests(
        test_pays="from shop.pay import pay\ndef test_pays(): pay()",
        conftest="""
import sys
from pathlib import Path
sys.path.append(str(Path(__file__).parent / "site-packages"))

def pytest_collection_finish():
    from shop.signals import paid
    from texting import text
    paid.connect(text)
""",
    )

    result = shop.run("--signal-findings")

    assert result.ret == pytest.ExitCode.OK
    assert section(result) == [
        "No findings.",
        "1 finding in installed packages, which do not count: texting 1.",
    ]


def sighting(message: str, number: int, level: Level = "warning", owner: Owner = PROJECT) -> Any:
    remark = Remark("near-miss", level, "", message, "", "", ("a",), None, owner)
    return Sighting(remark, number, tests={f"test_{number}": number})


def test_what_is_said_is_of_the_worst_and_first_test_in_whatever_order_workers_end() -> None:
    some = [
        sighting("of a package", 0, owner=Owner("package", "texting")),
        sighting("for information", 1, level="info"),
        sighting("second", 3),
        sighting("first", 2),
    ]

    told = {str(reduce(Sighting.joined, each).told()) for each in permutations(some)}

    assert len(told) == 1
    said = reduce(Sighting.joined, some).told()
    assert (said.message, said.seen) == ("first", "in 4 tests, first test_0")


def test_what_a_worker_found_is_the_same_where_it_arrives() -> None:
    gathered = Gathered(hidden={("near-miss", ("b",))}, not_kept=3, is_whole=False)
    some = sighting("ä\n\udcff", 2)
    gathered.sightings[some.remark.key] = some

    assert Gathered.from_text(gathered.to_text()) == gathered
