"""The pytest plugin: fixtures, markers and options, each in a pytest of its own."""

from __future__ import annotations

import re
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from loaded import WITHOUT_SNAPSHOTS

import signal_tracer

if TYPE_CHECKING:
    from conftest import Project

ONE_AND_TWO_PROCESSES = pytest.mark.parametrize(
    "processes", [(), ("-n", "2")], ids=["one process", "two workers"]
)


def block(text: str, first: str) -> list[str]:
    """The lines after the one that holds ``first``, up to the next line that is a ruler."""
    lines = text.split("\n")
    start = next(number for number, line in enumerate(lines) if first in line)
    rulers = (n for n, line in enumerate(lines) if n > start and line[:3] in ("___", "===", "---"))
    return [line.rstrip() for line in lines[start + 1 : next(rulers)]]


def timeless(lines: list[str]) -> list[str]:
    """The lines of a trace, whatever it took."""
    return [re.sub(r"(?<=  )[0-9.]+ (µs|ms|s)\b", "TIME", line) for line in lines]


# The fixture and marker signal_trace


def test_the_fixture_traces_and_asserts(project: Project) -> None:
    project.tests(
        test_it="""
        import pytest
        from shop.models import Order
        from shop.signals import paid

        def test_passes(signal_trace):
            paid.send("till", amount=7)
            signal_trace.assert_sent(paid, amount=7)
            assert signal_trace.trace.name == "test_it.py::test_passes"

        @pytest.mark.django_db
        def test_sees_models(signal_trace):
            order = Order.objects.create(total=3)
            signal_trace.assert_sent("post_save", sender=Order, instance=order, created=True)
            signal_trace.assert_received("shop.receivers.count_orders", times=1)
            signal_trace.assert_max(queries=1)

        def test_fails(signal_trace):
            signal_trace.assert_sent(paid)
        """
    )
    result = project.run()
    result.assert_outcomes(passed=2, failed=1)
    said = [line[2:].strip() for line in result.outlines if line.startswith("E ")]
    assert said == [
        "AssertionError: shop.signals.paid was never sent.",
        "",
        "asked for:",
        "shop.signals.paid  (once or more)",
        "",
        "sent instead:",
        "nothing",
        "",
        "the outline:",
        "no dispatches",
    ]
    # The traceback ends in the test, not in ours.
    assert not re.search(r"signal_tracer\W.*\.py:\d+", result.stdout.str())


def test_a_marker_with_an_argument_that_there_is_not_is_named_with_its_test(
    project: Project,
) -> None:
    project.tests(
        test_it="""
        import pytest

        @pytest.mark.signal_trace(nope=1)
        def test_trace():
            pass

        @pytest.mark.signal_trace("a name", True)
        def test_too_many():
            pass

        @pytest.mark.mute_signals("shop.signals.paid", sendr=1)
        def test_mute():
            pass
        """
    )
    result = project.run()
    result.assert_outcomes(errors=3)
    trace = "Write @pytest.mark.signal_trace(name='', all_threads=False), with any of these"
    mute = "Write @pytest.mark.mute_signals(*what, sender=None, only=None), with any of these"
    assert [line for line in result.outlines if line.startswith("The marker")] == [
        f"The marker {said} arguments."
        for said in (
            (
                "signal_trace of test_it.py::test_trace is wrong: "
                f"got an unexpected keyword argument 'nope'. {trace}"
            ),
            (
                "signal_trace of test_it.py::test_too_many is wrong: "
                f"too many positional arguments. {trace}"
            ),
            (
                "mute_signals of test_it.py::test_mute is wrong: "
                f"got an unexpected keyword argument 'sendr'. {mute}"
            ),
        )
    ]
    assert "SignalTrace.__init__" not in result.stdout.str()


def test_a_name_that_nothing_goes_by_is_shown_at_the_line_of_the_test(project: Project) -> None:
    project.tests(
        test_it="""
        from signal_tracer.testing import mute

        def test_signal(signal_trace):
            signal_trace.assert_sent("shop.signals.payd")

        def test_receiver(signal_trace):
            signal_trace.assert_not_received("shop.receivers.send_receit")

        def test_connected(signal_trace):
            signal_trace.assert_connected("shop.signals.paid", "shop.receivers.nope")

        def test_sender(signal_trace):
            signal_trace.assert_connected(
                "shop.signals.paid", "shop.receivers.send_receipt", sender="shop.Ordre"
            )

        def test_mute():
            with mute("shop.receivers.send_receit"):
                pass

        def test_count(signal_trace):
            signal_trace.assert_max(queries="1")
        """
    )
    result = project.run()
    result.assert_outcomes(failed=6)
    # The traceback ends in the test, not in ours.
    assert not re.search(r"signal_tracer\W.*\.py:\d+", result.stdout.str())


def test_the_marker_gives_the_fixture_its_arguments_and_needs_no_mention_of_it(
    project: Project,
) -> None:
    project.tests(
        test_it="""
        import threading
        import pytest
        from shop.signals import paid

        def send_in_a_thread():
            thread = threading.Thread(target=paid.send, args=("thread",))
            thread.start()
            thread.join()

        @pytest.mark.signal_trace(all_threads=True, name="with threads")
        def test_all(signal_trace):
            send_in_a_thread()
            signal_trace.assert_sent(paid, sender="thread")
            assert signal_trace.trace.name == "with threads"

        def test_one(signal_trace):
            send_in_a_thread()
            signal_trace.assert_not_sent(paid)

        @pytest.mark.signal_trace
        def test_without_the_argument(request):
            paid.send("till")
            request.getfixturevalue("signal_trace").assert_sent(paid, times=1)
        """
    )
    project.run("--strict-markers").assert_outcomes(passed=3)


def test_it_works_with_the_fixtures_of_pytest_django_and_asyncio_in_any_order(
    project: Project,
) -> None:
    project.tests(
        test_it="""
        import urllib.request
        import pytest
        from asgiref.sync import sync_to_async
        from shop.models import Order
        from shop.signals import paid
        from ran import what_ran

        pytestmark = pytest.mark.mute_signals("shop.receivers.text_customer")

        @pytest.fixture(autouse=True)
        def nothing_ran_yet():
            what_ran()

        def test_db(db, signal_trace):
            Order.objects.create()
            signal_trace.assert_sent("post_save", times=1)

        def test_transactional_db(transactional_db, signal_trace):
            Order.objects.create()
            signal_trace.assert_sent("post_save", times=1)

        @pytest.mark.signal_trace(all_threads=True)
        def test_live_server(live_server, signal_trace):
            urllib.request.urlopen(live_server.url + "/pay/").read()
            signal_trace.assert_sent(paid, times=1)
            # Muted here, and not in the threads of the server.
            assert what_ran() == ["send_receipt", "text_customer"]

        def test_client(client, signal_trace):
            assert client.get("/pay/").content == b"thank you"
            signal_trace.assert_sent(paid, times=1)
            assert what_ran() == ["send_receipt"]

        async def test_async_client(async_client, signal_trace):
            assert (await async_client.get("/apay/")).content == b"thank you"
            signal_trace.assert_sent(paid, amount=7, times=1)
            assert what_ran() == ["send_receipt"]

        @pytest.mark.django_db(transaction=True)
        async def test_async_orm(signal_trace):
            await Order.objects.acreate()
            await sync_to_async(paid.send)("till")
            signal_trace.assert_sent("post_save", times=1)
            signal_trace.assert_sent(paid, times=1)
            assert what_ran() == ["count_orders", "send_receipt"]

        def test_settings(settings, signal_trace):
            settings.SIGNAL_TRACER = {"MAX_DISPATCHES": 1}
            paid.send("till")
            signal_trace.assert_sent("setting_changed", setting="SIGNAL_TRACER")
            assert signal_trace.trace.omitted == 0  # It read the setting when it began.
        """
    )
    project.run().assert_outcomes(passed=7)
    project.run("-p randomly").assert_outcomes(passed=7)


# The fixture and marker mute_signals


def test_signals_are_muted_by_fixture_and_by_marker(project: Project) -> None:
    project.tests(
        test_it="""
        import pytest
        from django.test import TestCase
        from shop.models import Order
        from shop.receivers import send_receipt
        from shop.signals import paid
        from signal_tracer.testing import SignalTestMixin
        from ran import what_ran

        def pay():
            what_ran()
            paid.send(int)
            return what_ran()

        def test_before():
            assert pay() == ["send_receipt", "text_customer"]

        def test_fixture(mute_signals):
            assert pay() == ["send_receipt", "text_customer"]
            mute_signals(send_receipt)
            assert pay() == ["text_customer"]
            mute_signals(paid, sender=int)
            assert pay() == []

        @pytest.mark.mute_signals("shop.receivers.send_receipt")
        def test_marker():
            assert pay() == ["text_customer"]

        @pytest.mark.mute_signals(paid, only="shop.receivers.text_customer")
        class TestOfAClass:
            def test_marker(self):
                assert pay() == ["send_receipt"]

            @pytest.mark.mute_signals.with_args(send_receipt)
            def test_both(self, mute_signals):
                assert pay() == []

        def test_after():
            assert pay() == ["send_receipt", "text_customer"]

        @pytest.mark.mute_signals("post_save")
        class UnittestTests(SignalTestMixin, TestCase):
            def test_it(self):
                what_ran()
                with self.signal_trace():
                    Order.objects.create()
                assert what_ran() == []
                self.assert_sent("post_save", sender=Order)
                self.assert_not_received("shop.receivers.count_orders")

        @pytest.mark.mute_signals("shop.receivers.send_reciept")
        def test_a_name_that_is_wrong():
            pass
        """
    )
    result = project.run()
    result.assert_outcomes(passed=7, errors=1)
    result.stdout.fnmatch_lines(
        [
            (
                "E *There is no signal or receiver 'shop.receivers.send_reciept'. "
                "Did you mean 'shop.receivers.send_receipt'?"
            )
        ]
    )


def test_a_marker_mutes_the_fixtures_of_the_test_and_not_those_it_shares(project: Project) -> None:
    project.tests(
        test_it="""
        import pytest
        from django.contrib.auth.models import Permission
        from django.db.models.signals import post_migrate, post_save
        from shop.models import Order
        from ran import what_ran

        @pytest.fixture(scope="module")
        def shared(django_db_setup, django_db_blocker):
            with django_db_blocker.unblock():
                return Order.objects.create(), what_ran()

        @pytest.fixture
        def own(db):
            return Order.objects.create(), what_ran()

        @pytest.mark.mute_signals(post_save, post_migrate)
        def test_it(own, shared):
            assert shared[1] == ["count_orders"]
            assert own[1] == []
            assert Permission.objects.count() > 0  # The database was made with its receivers.
        """
    )
    project.run().assert_outcomes(passed=1)


# --signal-trace

TRACED = """
import pytest
from shop.signals import paid

def test_passes():
    paid.send("till")

def test_fails():
    paid.send_robust("till", fails=True)
    assert False

def test_sends_nothing():
    assert False

@pytest.fixture
def failing():
    paid.send("fixture")
    raise ValueError("no")

def test_does_not_start(failing):
    pass
"""


@ONE_AND_TWO_PROCESSES
def test_the_outline_of_a_failed_test_is_a_section_of_its_report(
    project: Project, processes: tuple[str, ...]
) -> None:
    project.tests(test_it=TRACED)
    result = project.run("--signal-trace=failed", *processes)
    result.assert_outcomes(passed=1, failed=2, errors=1)
    text = result.stdout.str()
    assert [line.strip("- ") for line in result.outlines if "Signal trace" in line] == [
        "Signal trace setup",
        "Signal trace call",
    ]
    assert timeless(block(text, "Signal trace call")) == [
        "test_it.py::test_fails  TIME",
        "1 dispatch · 2 receiver calls · 1 swallowed · 1 finding",
        "",
        "shop.signals.paid.send_robust  sender='till'  TIME",
        "    sent from test_it.py:8 in test_fails · fails=True",
        "  shop.receivers.send_receipt  TIME",
        "      shop/receivers.py:9",
        "  shop.receivers.text_customer  TIME  SWALLOWED ConnectionError: the gateway is down",
        "      shop/receivers.py:13 · raised at shop/receivers.py:17 in text_customer",
        "",
        "findings:",
        (
            "  error swallowed-exception: shop.receivers.text_customer raised ConnectionError: the "
            "gateway is down, and send_robust() swallowed it."
        ),
        (
            "    Handle in shop.receivers.text_customer what can fail at shop/receivers.py:17, and "
            "retry what must not be lost in a task (Celery, Django's tasks). Or let the sender "
            "look through what send_robust() returns."
        ),
    ]
    assert timeless(block(text, "Signal trace setup"))[3:] == [
        "shop.signals.paid.send  sender='fixture'  TIME",
        "    sent from test_it.py:16 in failing",
        "  shop.receivers.send_receipt  TIME",
        "      shop/receivers.py:9",
        "  shop.receivers.text_customer  TIME",
        "      shop/receivers.py:13",
    ]


def test_subtests_have_reports_of_their_own_while_the_test_goes_on(project: Project) -> None:
    project.tests(
        test_it="""
        from unittest import TestCase
        from shop.signals import paid

        class Tests(TestCase):
            def test_it(self):
                with self.subTest("passes"):
                    paid.send("first")
                with self.subTest("fails"):
                    paid.send("second")
                    assert False
                paid.send_robust("third", fails=True)
        """
    )
    result = project.run("--signal-trace=all", "--fail-on-swallowed")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str()
    assert "AttributeError" not in text
    assert timeless(block(text, "Signal trace call"))[1:4] == [
        "2 dispatches · 4 receiver calls",
        "",
        "shop.signals.paid.send  sender='first'  TIME",
    ]
    assert "1 exception of a receiver was swallowed." in text


@ONE_AND_TWO_PROCESSES
def test_the_outlines_of_all_tests_are_shown_if_asked_for(
    project: Project, processes: tuple[str, ...]
) -> None:
    project.tests(test_it=TRACED)
    result = project.run("--signal-trace=all", *processes)
    lines = block(result.stdout.str(), "Signal trace call of test_it.py::test_passes")
    assert timeless(lines)[1:] == [
        "1 dispatch · 2 receiver calls",
        "",
        "shop.signals.paid.send  sender='till'  TIME",
        "    sent from test_it.py:5 in test_passes",
        "  shop.receivers.send_receipt  TIME",
        "      shop/receivers.py:9",
        "  shop.receivers.text_customer  TIME",
        "      shop/receivers.py:13",
    ]


def test_what_only_packages_heard_is_one_row_a_package_if_asked_for(project: Project) -> None:
    project.tests(
        conftest="""
        import sys
        from pathlib import Path

        package = Path(__file__).parent / "lib" / "site-packages"
        package.mkdir(parents=True)
        (package / "thumbs.py").write_text("def resize(**kwargs): pass")
        sys.path.insert(0, str(package))
        """,
        test_it="""
        from django.dispatch import Signal
        from thumbs import resize

        saved = Signal()
        saved.connect(resize)

        def test_it():
            for _ in range(3):
                saved.send("painting")
        """,
    )
    asked_for = ["--signal-trace=all", "--signal-trace-project-only"]
    lines = block(project.run(*asked_for).stdout.str(), "Signal trace call of")
    assert timeless(lines)[1:] == [
        "3 dispatches · 3 receiver calls",
        "",
        "in thumbs  3 receiver calls in 3 dispatches  TIME",
    ]


def test_an_outline_is_shown_once_where_pytest_shows_tests_that_passed(project: Project) -> None:
    project.tests(test_it="from shop.signals import paid\n\ndef test_it(): paid.send('till')")
    shown = project.run("--signal-trace=all", "-rP").stdout.str()
    assert shown.count("sender='till'") == 1


# --fail-on-swallowed

SWALLOWING = """
import pytest
import threading
from shop.receivers import text_customer
from shop.signals import paid

def test_swallows():
    paid.send_robust("till", fails=True)

def test_swallows_in_a_thread():
    thread = threading.Thread(
        target=paid.send_robust, args=("till",), kwargs={"fails": True}
    )
    thread.start()
    thread.join()

def test_raises():
    with pytest.raises(ConnectionError):
        paid.send("till", fails=True)

@pytest.mark.allow_swallowed
def test_allowed():
    paid.send_robust("till", fails=True)

@pytest.mark.allow_swallowed("text_customer")
def test_allowed_by_name():
    paid.send_robust("till", fails=True)

@pytest.mark.allow_swallowed.with_args(text_customer)
def test_allowed_by_itself():
    paid.send_robust("till", fails=True)

@pytest.mark.allow_swallowed("shop.receivers.send_receipt")
def test_another_is_allowed():
    paid.send_robust("till", fails=True)

@pytest.fixture
def swallowing():
    paid.send_robust("fixture", fails=True)

def test_swallows_in_its_fixture(swallowing):
    pass

def test_fails_by_itself():
    paid.send_robust("till", fails=True)
    assert 1 == 2
"""


@ONE_AND_TWO_PROCESSES
def test_a_test_in_which_something_was_swallowed_fails(
    project: Project, processes: tuple[str, ...]
) -> None:
    project.tests(test_it=SWALLOWING)
    if not processes:
        project.run().assert_outcomes(passed=8, failed=1)
    result = project.run("--fail-on-swallowed", "--strict-markers", *processes)
    result.assert_outcomes(passed=4, failed=4, errors=1)
    said = block(result.stdout.str(), "_ test_swallows _")
    said = said[said.index("1 exception of a receiver was swallowed.") :]
    assert [re.sub(r"\S*receivers\.py:\d+", "receivers.py:N", line) for line in said] == [
        "1 exception of a receiver was swallowed.",
        "",
        "swallowed:",
        "  shop.receivers.text_customer  ConnectionError: the gateway is down",
        "    by shop.signals.paid.send_robust  sender='till'",
        "    at receivers.py:N",
        "",
        "the outline:",
        "  shop.signals.paid.send_robust  sender='till'",
        "    shop.receivers.send_receipt",
        "    shop.receivers.text_customer  SWALLOWED ConnectionError: the gateway is down",
        "",
        (
            "If a receiver is meant to fail here, mark the test with "
            '@pytest.mark.allow_swallowed("its.name").'
        ),
    ]
    assert "assert 1 == 2" in result.stdout.str()


def test_what_was_not_looked_at_for_want_of_room_is_said(project: Project) -> None:
    project.tests(
        test_it="""
        from shop.signals import paid

        def test_sends_much(settings):
            for _ in range(2001):
                paid.send("till")
        """
    )
    result = project.run("--fail-on-swallowed")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            (
                "*test_it.py::test_sends_much: only counted: 1 of its dispatches. Exceptions that "
                "were swallowed there are not seen. Raise SIGNAL_TRACER*'MAX_DISPATCHES'*"
            )
        ]
    )


# Where there is little to look at

WITHOUT_OTHERS = ("-p no:django", "-p no:asyncio", "-p no:randomly", *WITHOUT_SNAPSHOTS)
ALL_OPTIONS = (
    "--signal-trace=all",
    "--fail-on-swallowed",
    "--signal-coverage",
    "--signal-coverage=json",
    "--signal-coverage=html",
)


def test_a_suite_that_asks_for_nothing_does_not_even_import_django(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    pytester.makepyfile(
        """
        import sys

        def test_it():
            assert not {"django", "rich", "signal_tracer.trace"} & {*sys.modules}
        """
    )
    result = pytester.runpytest_subprocess("-W error", *WITHOUT_OTHERS)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["one process", "two workers"])
def test_without_settings_everything_works_that_needs_none(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, processes: tuple[str, ...]
) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    pytester.makepyfile(
        """
        import pytest
        from django.dispatch import Signal, receiver

        paid = Signal()

        @receiver(paid)
        def receive(**kwargs): ...

        @receiver(paid)
        def fail(fails=False, **kwargs):
            if fails:
                raise ValueError("no")

        def test_trace(signal_trace):
            paid.send("till", amount=7)
            signal_trace.assert_sent(paid, amount=int)

        @pytest.mark.mute_signals("test_without_settings_everything_works_that_needs_none.paid")
        def test_mute(signal_trace):
            paid.send("till")
            signal_trace.assert_not_received(receive)

        def test_swallows():
            paid.send_robust("till", fails=True)
        """
    )
    result = pytester.runpytest_subprocess("-W error", *WITHOUT_OTHERS, *ALL_OPTIONS, *processes)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Signal trace call*",
            "1 dispatch * 2 receiver calls * 1 swallowed * 1 finding",
            "*signal coverage*",
            "No receivers of the project were found.",
            "Django has no settings here: nothing is connected, and nothing was looked for.",
        ]
    )


@pytest.fixture
def python_without_django(pytester: pytest.Pytester) -> Path:
    """A folder with pytest and this package, as they are installed, and nothing else."""
    folder = pytester.path / "installed"
    folder.mkdir()
    for name in ("pytest", "pluggy", "iniconfig", "packaging", "pygments"):
        for top in {file.parts[0] for file in distribution(name).files or ()} - {"..", "."}:
            source = Path(str(distribution(name).locate_file(top)))
            if source.exists() and not (folder / top).exists():
                (folder / top).symlink_to(source)
    ours = distribution("django-signal-tracer")
    (folder / "signal_tracer").symlink_to(Path(signal_tracer.__file__).parent)
    metadata = folder / "django_signal_tracer-0.dist-info"
    metadata.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        (metadata / name).write_text(ours.read_text(name) or "")
    return folder


@pytest.mark.parametrize("options", [(), ALL_OPTIONS], ids=["no options", "all options"])
def test_without_django_it_does_no_harm(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    python_without_django: Path,
    options: tuple[str, ...],
) -> None:
    pytester.makepyfile(
        """
        import importlib.util
        import pytest

        def test_there_is_no_django():
            assert importlib.util.find_spec("django") is None

        @pytest.mark.signal_trace
        @pytest.mark.mute_signals("anything")
        def test_needs_it():
            pass
        """
    )
    monkeypatch.setenv("PYTHONPATH", str(python_without_django))
    # -S: without the packages that are installed here.
    result = pytester.run(
        sys.executable, "-S", "-m", "pytest", "-W", "error", "--strict-markers", *options
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "plugins: *django-signal-tracer*",
            "signal_trace needs Django, which is not installed.",
        ]
    )
    assert ("Django is not installed, and so there are no signals" in result.stdout.str()) == bool(
        options
    )
    assert result.stderr.str() == ""


def test_the_traceback_of_a_receiver_that_fails_has_no_frame_of_ours(project: Project) -> None:
    project.tests(
        test_it="""
        import pytest
        from django.db import connection, transaction
        from django.db.models.signals import post_save
        from django.dispatch import Signal
        from shop.models import Order
        from shop.signals import paid

        @pytest.fixture(autouse=True)
        def failing():
            def fail(sender, **kwargs):
                raise ValueError("the receiver's own")
            for signal in (paid, post_save):
                signal.connect(fail)
            yield
            for signal in (paid, post_save):
                signal.disconnect(fail)

        def test_send():
            paid.send("till")

        async def test_asend():
            await paid.asend("till")

        async def test_an_async_receiver():
            async def fail_later(sender, **kwargs):
                raise ValueError("the receiver's own")
            later = Signal()
            later.connect(fail_later)
            await later.asend("till")

        def test_a_receiver_in_a_receiver():
            outer = Signal()
            def relay(sender, **kwargs):
                paid.send("till")
            outer.connect(relay)
            outer.send("till")

        @pytest.mark.django_db
        def test_save():
            with transaction.atomic():
                Order.objects.create()

        @pytest.mark.django_db
        def test_query():
            with connection.cursor() as cursor:
                cursor.execute("SELECT nothing FROM nowhere")

        @pytest.mark.django_db(transaction=True)
        def test_on_commit():
            with transaction.atomic():
                transaction.on_commit(lambda: paid.send("till"))

        @pytest.mark.django_db
        def test_bulk():
            Order.objects.bulk_create([Order(id="no number")])

        def test_connect():
            paid.connect(5)
        """
    )
    result = project.run("--signal-trace=failed")

    result.assert_outcomes(failed=9)
    places = [line for line in result.outlines if re.search(r":\d+: (in \w+|\w+)?$", line)]
    assert len([line for line in places if line.startswith("test_it.py:")]) >= 9
    assert [line for line in places if "signal_tracer" in line] == []
