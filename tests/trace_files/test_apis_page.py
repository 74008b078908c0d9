"""docs/apis-without-a-page.md: its blocks build a project, and its lines run in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import load_command_class
from keeping import a_trace

from signal_tracer.showing.export import logs
from signal_tracer.showing.export.json_lines import TraceFile

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "apis-without-a-page.md").read_text()

# What the page leaves out.
PROJECT = {
    "manage.py": """\
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
""",
    "shop/__init__.py": "",
    "shop/api.py": """\
from django.dispatch import Signal, receiver
from django.http import JsonResponse
from django.urls import path

order_placed = Signal()


@receiver(order_placed)
def send_receipt(sender, **kwargs):
    pass


@receiver(order_placed)
def text_customer(sender, **kwargs):
    raise ValueError("no number")


def place_order(request):
    order_placed.send_robust("the shop")
    return JsonResponse({"placed": True}, status=201)


def fail(request):
    return JsonResponse({}, status=500)


urlpatterns = [path("api/orders/", place_order), path("api/fail/", fail), path("other/", fail)]
""",
    "requests.py": """\
import django

django.setup()
from django.test import Client

import shop.api

client = Client(raise_request_exception=False)
client.post("/api/orders/")
client.get("/api/fail/")
client.get("/other/")
""",
}
SETTINGS = """\
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
DATABASES = {}
INSTALLED_APPS = ["signal_tracer"]
MIDDLEWARE = []
ROOT_URLCONF = "shop.api"
"""


def sections() -> dict[str, str]:
    """What stands below each heading, up to the next."""
    parts = re.split(r"^## (.+)\n", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def blocks(language: str, section: str) -> list[str]:
    text = sections()[section]
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def build(folder: Path, *programs: str) -> Path:
    """The project, with the page's ``programs``, each of which names its file."""
    (folder / "settings.py").write_text(SETTINGS)
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for program in programs:
        first, _, rest = program.partition("\n")
        with (folder / first.removeprefix("# ")).open("a") as file:
            file.write(f"{rest}\n")
    return folder


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONIOENCODING": "utf-8",
            "COLUMNS": "80",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


KEEP, LOOK, LINES = "Keep each trace", "Look at them", "The lines themselves"
FIRST, TRACE_FILE, CHOSEN = blocks("python", KEEP)
MIDDLEWARE = FIRST.partition("SIGNAL_TRACER")[0]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the settings of the first block, after three requests."""
    folder = build(tmp_path_factory.mktemp("project"), FIRST)
    ended = shell(folder, "python requests.py")
    assert (ended.returncode, ended.stderr) == (0, "")
    keep = TraceFile(folder / "signal_traces.jsonl")
    keep(a_trace("/api/slow/", signal="shop.api.order_placed", duration=0.7))
    return folder


def test_with_the_first_settings_each_request_is_kept(project: Path) -> None:
    lines = (project / "signal_traces.jsonl").read_text().splitlines()
    assert [json.loads(each)["summary"]["path"] for each in lines] == [
        "/api/orders/",
        "/api/fail/",
        "/other/",
        "/api/slow/",
    ]


@pytest.mark.parametrize("line", "".join(blocks("sh", LOOK)).splitlines())
def test_each_line_that_looks_at_them_shows_something(project: Path, line: str) -> None:
    ended = shell(project, line)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(r"/(api/\w+|other)/  \d\d\d", ended.stdout)


def test_the_list_of_the_page_is_as_it_is_drawn(project: Path) -> None:
    [drawn] = blocks("text", LOOK)
    shown = shell(project, "python manage.py signal_traces").stdout
    assert drawn.splitlines()[0] == shown.splitlines()[0]
    same = r"\d\d:\d\d:\d\d  [0-9a-f]{8}  \w+ /api/orders/  201 +\d+ +\d+ +\d+ +[\d.]+ [mµ]?s"
    for each in (drawn, shown):
        assert re.search(rf"^{same}\n {{20}}! error swallowed-exception$", each, re.MULTILINE)


def test_the_lines_are_read_by_other_programs(project: Path) -> None:
    if not shutil.which("jq"):
        pytest.skip("jq has to be installed")
    [block] = blocks("sh", LINES)
    slow, errors, kept, shown = (shell(project, line) for line in block.splitlines())
    assert [each.stderr for each in (slow, errors, kept, shown)] == [""] * 4
    assert slow.stdout == "/api/slow/\n"
    assert errors.stdout == "swallowed-exception\n"
    assert shown.stdout.startswith("POST /api/orders/  201")


def test_the_lines_are_read_in_python(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [program] = blocks("python", LINES)
    monkeypatch.chdir(project)
    exec(program, {})
    assert "POST /api/orders/ ['shop.api.text_customer']" in capsys.readouterr().out


def test_a_file_of_ones_own_has_the_requests_that_a_function_chose(tmp_path: Path) -> None:
    place = str(tmp_path / "traces.jsonl")
    assert "/var/log/shop/traces.jsonl" in TRACE_FILE
    folder = build(
        tmp_path,
        TRACE_FILE.replace("/var/log/shop/traces.jsonl", place),
        MIDDLEWARE,
        CHOSEN,
    )
    assert shell(folder, "python requests.py").returncode == 0
    kept = Path(place).read_text().splitlines()
    assert [json.loads(each)["summary"]["path"] for each in kept] == ["/api/orders/", "/api/fail/"]
    assert shell(folder, "python manage.py check").returncode == 0


def test_what_a_container_printed_is_read(tmp_path: Path) -> None:
    [settings] = blocks("python", "In a container")
    folder = build(tmp_path, MIDDLEWARE, settings)
    log = shell(folder, "echo Listening; python requests.py").stdout
    (folder / "log").write_text(log)
    [block] = blocks("sh", "In a container")
    for line in block.splitlines():
        docker, _, reading = line.partition(" | ")
        assert docker.startswith("docker compose logs --no-log-prefix ")
        ended = shell(folder, f"cat log | {reading}")
        assert ended.returncode == 0
        assert len(re.findall(r"^\d\d:\d\d:\d\d  ", ended.stdout, re.MULTILINE)) == 3
        assert ended.stderr == (
            "! standard input, line 1: This line is no JSON (Expecting value, at character 1 of "
            "9).\n"
        )


def test_logrotate_takes_what_the_page_says(tmp_path: Path) -> None:
    logrotate = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
    if logrotate is None:
        pytest.skip("logrotate has to be installed")
    file = tmp_path / "traces.jsonl"
    keep = TraceFile(file, max_bytes=None)
    keep(a_trace("/1/"))
    [config] = blocks("text", "With logrotate")
    conf = tmp_path / "conf"
    conf.write_text(config.replace("/var/log/shop/traces.jsonl", str(file)))
    conf.chmod(0o644)
    tmp_path.chmod(0o755)
    subprocess.run([logrotate, "--force", "--state", tmp_path / "state", conf], check=True)
    keep(a_trace("/2/"))
    assert b"/1/" in file.with_name("traces.jsonl.1").read_bytes()
    assert b"/2/" in file.read_bytes()


def test_with_the_settings_of_the_page_a_record_is_logged_as_json(tmp_path: Path) -> None:
    pytest.importorskip("pythonjsonlogger")
    [settings] = blocks("python", "One log record a trace")
    folder = build(tmp_path, MIDDLEWARE, settings)
    records = [json.loads(line) for line in shell(folder, "python requests.py").stderr.splitlines()]
    assert [(each["levelname"], each["signals_path"]) for each in records] == [
        ("ERROR", "/api/orders/"),
        ("INFO", "/api/fail/"),
        ("INFO", "/other/"),
    ]
    assert records[0]["signals_findings"] == ["swallowed-exception"]
    assert records[0]["message"].startswith("POST /api/orders/ 201: 1 dispatch, 2 receiver calls")


def test_the_page_names_every_key_of_a_record() -> None:
    keys = set(re.findall(r"`(signals_\w+)`", sections()["One log record a trace"]))
    assert keys == logs.figures(logs.summary_of(a_trace())).keys()


def test_the_message_of_the_page_is_as_it_is_made(caplog: pytest.LogCaptureFixture) -> None:
    [shown] = blocks("text", "One log record a trace")
    logs.report(a_trace("/api/orders/", swallowed="x"))
    shape = r"POST /api/orders/ 20\d: \d dispatch(es)?, \d receiver calls, .*1 swallowed; error "
    shape += r"swallowed-exception \([\d.]+ ms\)\n?"
    assert re.fullmatch(shape, shown)
    assert re.fullmatch(shape, caplog.messages[0])


def test_it_names_every_option() -> None:
    command = load_command_class("signal_tracer", "signal_traces")
    base = {"--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback"}
    base |= {"--no-color", "--force-color"}
    options = {
        name
        for action in command.create_parser("manage.py", "signal_traces")._actions
        for name in action.option_strings
        if name.startswith("--")
    } - base
    table = sections()[LOOK].partition("| option")[2]
    assert options == set(re.findall(r"--[a-z][a-z-]+", table))


def test_every_link_of_the_page_leads_somewhere() -> None:
    for file, anchor in re.findall(r"\]\(([\w./-]*)#?([\w-]*)\)", PAGE):
        text = (ROOT / "docs" / file).read_text() if file else PAGE
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings]
        assert not anchor or anchor in anchors


def test_every_block_of_the_page_is_run() -> None:
    counted = {
        language: sum(len(blocks(language, each)) for each in sections())
        for language in ("python", "sh", "text")
    }
    assert counted == {"python": 8, "sh": 3, "text": 3}
    assert len(re.findall(r"^```", PAGE, re.MULTILINE)) == 2 * sum(counted.values())
