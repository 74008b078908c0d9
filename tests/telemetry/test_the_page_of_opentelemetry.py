"""docs/opentelemetry.md: what it says to set up works, and it names every attribute."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from filling import everything
from otlp import Collector, collecting, trees

pytest.importorskip("opentelemetry.instrumentation.django")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from signal_tracer.showing.export.opentelemetry import SpanReporter

ROOT = Path(__file__).resolve().parents[2]
NAME = "opentelemetry.md"
PAGE = (ROOT / "docs" / NAME).read_text()


def section(title: str) -> str:
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]  # type: ignore[index]


def blocks(title: str, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)


VISIT = """
import sys
from django.core.management import call_command

import wsgi
call_command("prepare_demo")
from django.test import Client
for path in sys.argv[1:]:
    assert Client().post(path).status_code == 200
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The example site, set up as the page says."""
    telemetry, wsgi, settings = blocks("From nothing")
    (tmp_path / "telemetry.py").write_text(telemetry)
    (tmp_path / "wsgi.py").write_text(wsgi.replace("config.settings", "settings"))
    (tmp_path / "visit.py").write_text(VISIT)
    (tmp_path / "settings.py").write_text(
        "from config.settings import *\n"
        "DEBUG = False\n"
        "ALLOWED_HOSTS = ['*']\n"
        "MIDDLEWARE = [each for each in MIDDLEWARE if 'toolbar' not in each][1:]\n"
        f"{settings}"
    )
    return tmp_path


def visit(project: Path, collector: Collector, *paths: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "visit.py", *paths],
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (project, ROOT, ROOT / "example_site"))),
            "DJANGO_SETTINGS_MODULE": "settings",
            "EXAMPLE_SITE_DATA": str(project),
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def names(collector: Collector) -> list[str]:
    return trees(collector.spans, only_ours=True)


def test_what_the_page_sets_up_sends_the_checkout(project: Path) -> None:
    with collecting() as collector:
        visit(project, collector, "/checkout/")

    assert names(collector)[:3] == [
        "POST checkout/",
        "  order_placed shop.Order",
        "    accounts.receivers.give_points",
    ]
    assert {span.service for span in collector.spans} == {"shop"}


def test_the_page_names_the_packages_that_it_needs() -> None:
    [installing, _] = blocks("From nothing", "sh")
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())
    group = {re.split(r"[>=]", each)[0] for each in ours["dependency-groups"]["opentelemetry"]}

    assert {*re.findall(r"opentelemetry-[a-z-]+", installing)} <= group
    assert "opentelemetry" in ours["project"]["optional-dependencies"]


def test_a_reporter_of_ones_own_is_named_in_the_setting(project: Path) -> None:
    reporting, setting = blocks("What is left out")
    (project / "reporting.py").write_text(reporting)
    with (project / "settings.py").open("a") as file:
        file.write(setting.replace("shop.reporting", "reporting"))

    with collecting() as collector:
        visit(project, collector, "/checkout/")

    assert "  order_placed shop.Order" in names(collector)


@pytest.mark.parametrize(("kept", "found"), [("1", True), ("0", False)])
def test_signals_are_traced_of_the_requests_that_are_kept(
    project: Path, kept: str, found: bool
) -> None:
    sampling, setting = blocks("Sampling")
    (project / "sampling.py").write_text(sampling)
    with (project / "settings.py").open("a") as file:
        file.write(setting.replace("shop.sampling", "sampling"))
        file.write('SIGNAL_TRACER["REPORTERS"].append("reporting.say")\n')
    (project / "reporting.py").write_text(
        "import sys\n\ndef say(trace):\n    print('traced', trace.name, file=sys.stderr)\n"
    )

    with collecting() as collector:
        said = visit(
            project,
            collector,
            "/checkout/",
            OTEL_TRACES_SAMPLER="parentbased_traceidratio",
            OTEL_TRACES_SAMPLER_ARG=kept,
        )

    assert ("traced POST /checkout/" in said) is found
    assert ("  order_placed shop.Order" in names(collector)) is found


def test_the_page_names_every_attribute() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    SpanReporter(max_spans=500, packages=True, tracer_provider=provider)(everything("text"))
    used, of_events = set(), set()
    for span in exporter.get_finished_spans():
        used |= {*(span.attributes or {})}
        for event in span.events:
            of_events |= {*(event.attributes or {})} - {*(span.attributes or {})}

    table = re.findall(r"^\| (`.*?) \|", section("Attributes"), re.MULTILINE)
    in_table = {name for row in table for name in re.findall(r"`(.+?)`", row)}
    below = {*re.findall(r"`([a-z_.]+)`", section("Attributes").strip().rpartition("\n\n")[2])}
    short = {name.removeprefix("django.signal.") for name in used}
    assert {name for name in short if not name.startswith("trace.")} <= in_table
    assert {name.removeprefix("django.signal.") for name in of_events} <= below | in_table
    # And no other, but for those of spans that stand for several records, and of what is not there.
    assert in_table - short == {
        *("count", "duration", "rounds", "omitted_spans", "package_spans", "trace.*"),
    }
