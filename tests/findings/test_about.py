"""About a finding: what docs/findings.md says travels with the package."""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from signal_tracer.findings.about import PAGES, UnknownSlugError, about, kinds
from signal_tracer.findings.catalogue import slugs

ROOT = Path(__file__).parents[2]


def asked(capsys, *arguments):
    call_command("signal_map", *arguments)
    return capsys.readouterr().out


def test_every_slug_has_something_said_about_it():
    assert [slug for slug in slugs() if len(about(slug).split()) < 12] == []


def test_what_is_said_ends_where_the_next_finding_begins():
    said = about("async-bridge")

    assert said.startswith("### async-bridge\n\n*Info.* An async receiver ran under a sync")
    assert said.endswith("or make the receiver a plain function.\n")
    assert "#" not in said.removeprefix("###")


def test_the_command_says_it(capsys):
    assert asked(capsys, "--about", "near-miss") == about("near-miss")


def test_the_command_lists_all_without_a_slug(capsys):
    first, *others = asked(capsys, "--about").splitlines()

    assert " ".join(first.split()) == "swallowed-exception error An exception was swallowed"
    assert len(others) == len(slugs()) - 1


def test_a_wrong_slug_is_told_the_one_that_may_be_meant():
    with pytest.raises(CommandError, match=r"'near-mis'. Did you mean 'near-miss'\?"):
        call_command("signal_map", "--about", "near-mis")
    with pytest.raises(UnknownSlugError, match="There are: swallowed-exception, "):
        about("zzz")
    with pytest.raises(CommandError, match="Give either --about or --signal, not both"):
        call_command("signal_map", "--about", "near-miss", "--signal", "paid")


def test_kinds_has_one_of_each_slug():
    assert [kind.slug for kind in kinds()] == slugs()
    assert len(set(slugs())) == len(slugs())


def test_the_page_that_people_read_is_built_into_the_wheel_where_it_is_looked_for():
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]

    assert built["wheel"]["force-include"] == {
        str(PAGES[1].relative_to(ROOT)): str(PAGES[0].relative_to(ROOT))
    }
    assert "/docs" in built["sdist"]["include"]  # from which wheels are built as well


def test_a_wheel_built_from_an_sdist_has_it(tmp_path):
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-d", tmp_path, "-t"]
    subprocess.run([*build, "sdist"], cwd=ROOT, check=True, capture_output=True)
    [sdist] = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as packed:
        packed.extractall(tmp_path, filter="data")
    source = tmp_path / sdist.name.removesuffix(".tar.gz")
    subprocess.run([*build, "wheel"], cwd=source, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(installed)
    script = "from signal_tracer.findings.about import PAGES, about; print(about('near-miss'))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{script}; assert PAGES[0].is_file()"],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert ran.stdout == f"{about('near-miss')}\n"
