"""What is given wrong: to options, markers, assertions, ``mute()`` and ``trace_signals()``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.dispatch import Signal

from signal_tracer import trace_signals
from signal_tracer.testing import SignalTestMixin, SignalTrace, mute

if TYPE_CHECKING:
    from conftest import Project

rung = Signal()


def hear(**kwargs: Any) -> None: ...


@pytest.fixture(autouse=True)
def bell() -> Iterator[None]:
    rung.connect(hear)
    yield
    rung.receivers = []


class Hostile:
    """An object of the user's that does not want to be looked at."""

    def _refuse(self, *args: object) -> Any:
        raise AssertionError("nobody may ask")

    __str__ = __repr__ = __bool__ = __eq__ = __hash__ = _refuse


HOSTILE = f"a {__name__}.Hostile"

# Options


@pytest.mark.parametrize(
    ("option", "message"),
    [
        *(
            (
                f"--signal-coverage-fail-under={given}",
                (
                    "error: argument --signal-coverage-fail-under: "
                    f"'{given}' is no percentage: give a number from 0 to 100"
                ),
            )
            for given in ("nan", "-nan", "inf", "-5", "-0.1", "100.1", "101", "many", "", "50%")
        ),
        (
            "--signal-coverage-fail-under",
            "error: argument --signal-coverage-fail-under: expected one argument",
        ),
        *(
            (
                f"--signal-coverage={given}",
                (
                    f"ERROR: --signal-coverage='{given}' is none of term, json, html, json:FILE "
                    "and html:FILE. Before the path of a test write --signal-coverage=term."
                ),
            )
            for given in ("pdf:x", "html:", "json:", "term:x", "", ":x", "HTML", "test_it.py")
        ),
        (
            "--signal-coverage=html:out --signal-coverage=json:./out",
            (
                "ERROR: --signal-coverage writes html and json to one file, './out'. "
                "Give each its own: --signal-coverage=json:FILE."
            ),
        ),
        (
            "--signal-trace=bogus",
            (
                "error: argument --signal-trace: invalid choice: 'bogus' "
                "(choose from 'failed', 'all')"
            ),
        ),
        ("--signal-trace=", "error: argument --signal-trace: invalid choice: ''"),
        ("--signal-trace", "error: argument --signal-trace: expected one argument"),
        (
            "--fail-on-swallowed=yes",
            "error: argument --fail-on-swallowed: ignored explicit argument 'yes'",
        ),
    ],
)
def test_a_wrong_option_is_a_usage_error(project: Project, option: str, message: str) -> None:
    project.tests(test_it="def test_it(): ...")
    result = project.pytester.runpytest(*option.split(" "), "-p", "no:randomly")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    # Python 3.12 and newer spell the choices of argparse without quotes.
    assert message.replace("'", "") in result.stderr.str().replace("'", "")


def test_a_wrong_option_in_the_settings_of_the_project_is_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--signal-coverage-fail-under=nan")
    result = project.pytester.runpytest_subprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "'nan' is no percentage: give a number from 0 to 100" in result.stderr.str()


@pytest.mark.parametrize("given", ["0", "50", "1e2", "100"])
def test_any_percentage_is_one(project: Project, given: str) -> None:
    project.tests(
        test_it="""
        from shop.models import Order
        from shop.signals import paid
        from django.db.models.signals import post_delete, post_save

        def test_all():
            paid.send("till")
            post_save.send(Order)
            post_delete.send(Order)
        """
    )
    assert project.run(f"--signal-coverage-fail-under={given}").ret == pytest.ExitCode.OK


# Markers

TRACE = "Write @pytest.mark.signal_trace(name='', all_threads=False), with any of these arguments."
MUTE = (
    "Write @pytest.mark.mute_signals(*what, sender=None, only=None), with any of these arguments."
)
ALLOW = "Write @pytest.mark.allow_swallowed(*receivers), with any of these arguments."


def test_a_marker_that_is_wrong_is_named_with_its_test_and_the_right_form(
    project: Project,
) -> None:
    wrong = {
        "signal_trace(5)": f"name= wants a str, and was given a int. {TRACE}",
        "signal_trace(name=None)": f"name= wants a str, and was given None. {TRACE}",
        "signal_trace(all_threads='no')": (
            f"all_threads= wants True or False, and was given a str. {TRACE}"
        ),
        "mute_signals": f"mute() wants at least one signal, receiver or dotted name. {MUTE}",
        "mute_signals(5)": (f"mute() wants signals, receivers or dotted names, not a int. {MUTE}"),
        "mute_signals(['paid'])": (
            f"mute() wants signals, receivers or dotted names, not a list. {MUTE}"
        ),
        "mute_signals(paid, only=[])": (
            f"mute(only=...) wants at least one receiver, and was given none. {MUTE}"
        ),
        "allow_swallowed(5)": (
            f"it takes receivers or their dotted names, and was given a int. {ALLOW}"
        ),
        "allow_swallowed(None)": (
            f"it takes receivers or their dotted names, and was given a NoneType. {ALLOW}"
        ),
        "allow_swallowed('')": (
            f"it takes receivers or their dotted names, and was given an empty name. {ALLOW}"
        ),
        "allow_swallowed(['shop.receivers.text_customer'])": (
            f"it takes receivers or their dotted names, and was given a list. {ALLOW}"
        ),
        "allow_swallowed(paid)": (
            f"it takes receivers or their dotted names, and was given a Signal. {ALLOW}"
        ),
        "allow_swallowed(receivers=['shop.receivers.text_customer'])": (
            f"got an unexpected keyword argument 'receivers'. {ALLOW}"
        ),
        "allow_swallowed(receiver='shop.receivers.text_customer')": (
            f"got an unexpected keyword argument 'receiver'. {ALLOW}"
        ),
    }
    project.tests(
        test_it="import pytest\nfrom shop.signals import paid\n"
        + "".join(
            f"@pytest.mark.{marker}\ndef test_{number}():\n    paid.send_robust(1, fails=True)\n"
            for number, marker in enumerate(wrong)
        )
    )
    expected = [
        f"The marker {marker.partition('(')[0]} of test_it.py::test_{number} is wrong: {message}"
        for number, (marker, message) in enumerate(wrong.items())
    ]
    for options in ((), ("--fail-on-swallowed",)):
        result = project.run(*options)
        result.assert_outcomes(errors=len(wrong))
        assert [line for line in result.outlines if line.startswith("The marker")] == expected
        assert "During handling" not in result.stdout.str()


def test_a_wrong_marker_that_a_test_gives_itself_allows_nothing(project: Project) -> None:
    project.tests(
        test_it="""
        import pytest
        from shop.signals import paid

        def test_it(request):
            request.node.add_marker(pytest.mark.allow_swallowed(receivers=["text_customer"]))
            paid.send_robust("till", fails=True)
        """
    )
    result = project.run("--fail-on-swallowed")

    result.assert_outcomes(failed=1)
    assert (
        "The marker allow_swallowed of test_it.py::test_it is wrong: "
        f"got an unexpected keyword argument 'receivers'. {ALLOW}"
    ) in result.outlines


def test_a_module_that_cannot_be_imported_for_a_marker_keeps_its_own_error(
    project: Project,
) -> None:
    project.tests(
        broken="raise TypeError('of my own')",
        test_it="""
        import pytest

        @pytest.mark.mute_signals("broken.receiver")
        def test_it(): ...
        """,
    )
    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*raise TypeError('of my own')", "E*TypeError: of my own"])


# Assertions, mute() and trace_signals()

SIGNAL = "Give a signal, or its dotted name. This is"
RECEIVER = "Give a receiver, or its dotted name. This is"
COUNT = "wants a whole number, 0 or more, and was given"
NO_NAME = "There is no signal or receiver ''. Give its dotted path, as a trace shows it."


@pytest.mark.parametrize(
    ("assertion", "given", "named", "error", "message"),
    [
        ("assert_sent", (rung,), {"times": -1}, ValueError, f"times= {COUNT} -1."),
        ("assert_sent", (rung,), {"times": "2"}, TypeError, f"times= {COUNT} a str."),
        ("assert_sent", (rung,), {"times": True}, TypeError, f"times= {COUNT} a bool."),
        ("assert_sent", (rung,), {"times": 2.0}, TypeError, f"times= {COUNT} a float."),
        ("assert_sent", (rung,), {"times": Hostile()}, TypeError, f"times= {COUNT} {HOSTILE}."),
        ("assert_sent", (5,), {}, TypeError, f"{SIGNAL} a int."),
        ("assert_sent", (None,), {}, TypeError, f"{SIGNAL} None."),
        ("assert_sent", (hear,), {}, TypeError, f"{SIGNAL} a function."),
        ("assert_sent", (Hostile(),), {}, TypeError, f"{SIGNAL} {HOSTILE}."),
        ("assert_sent", ("",), {}, LookupError, NO_NAME),
        ("assert_not_sent", (5,), {}, TypeError, f"{SIGNAL} a int."),
        ("assert_not_sent", ("",), {}, LookupError, NO_NAME),
        (
            "assert_not_sent",
            (rung,),
            {"times": 2},
            TypeError,
            (
                "assert_not_sent() takes no times=: it wants none at all. Another number is for "
                "assert_sent(..., times=...)."
            ),
        ),
        ("assert_received", (hear,), {"times": "2"}, TypeError, f"times= {COUNT} a str."),
        ("assert_received", (hear,), {"times": -1}, ValueError, f"times= {COUNT} -1."),
        ("assert_received", (5,), {}, TypeError, f"{RECEIVER} a int."),
        ("assert_received", ("",), {}, LookupError, NO_NAME),
        ("assert_not_received", (5,), {}, TypeError, f"{RECEIVER} a int."),
        ("assert_not_received", (None,), {}, TypeError, f"{RECEIVER} None."),
        ("assert_not_received", ([hear],), {}, TypeError, f"{RECEIVER} a list."),
        ("assert_not_received", ("",), {}, LookupError, NO_NAME),
        ("assert_not_received", (Hostile(),), {}, TypeError, f"{RECEIVER} {HOSTILE}."),
        ("assert_not_received", (User,), {}, TypeError, f"{RECEIVER} the model auth.User."),
        (
            "assert_not_received",
            (rung,),
            {},
            TypeError,
            f"{RECEIVER} a django.dispatch.dispatcher.Signal.",
        ),
        ("assert_connected", (5, hear), {}, TypeError, f"{SIGNAL} a int."),
        ("assert_connected", (hear, rung), {}, TypeError, f"{SIGNAL} a function."),
        ("assert_connected", ("", hear), {}, LookupError, NO_NAME),
        ("assert_connected", (rung, 5), {}, TypeError, f"{RECEIVER} a int."),
        ("assert_connected", (rung, ""), {}, LookupError, NO_NAME),
        (
            "assert_connected",
            (rung, hear),
            {"sender": ""},
            LookupError,
            "There is no model or class ''. Give its dotted path, as a trace shows it.",
        ),
        ("assert_max", (), {"queries": -1}, ValueError, f"queries= {COUNT} -1."),
        ("assert_max", (), {"dispatches": "1"}, TypeError, f"dispatches= {COUNT} a str."),
        ("assert_max", (), {"receiver_calls": True}, TypeError, f"receiver_calls= {COUNT} a bool."),
        (
            "assert_max",
            (),
            {},
            TypeError,
            "assert_max() wants at least one limit: give dispatches=, receiver_calls= or queries=.",
        ),
    ],
)
def test_a_wrong_argument_of_an_assertion_is_no_pass(
    assertion: str,
    given: tuple[Any, ...],
    named: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with SignalTrace() as signals:
        pass
    with pytest.raises(error) as raised:
        getattr(signals, assertion)(*given, **named)

    assert str(raised.value) == message


def test_an_assertion_that_there_is_not_is_named_with_the_likeliest() -> None:
    with SignalTrace() as signals:
        pass
    with pytest.raises(AttributeError) as raised:
        signals.assert_send(rung)  # type: ignore[attr-defined]  # that is the mistake
    assert str(raised.value) == "SignalTrace has no 'assert_send'. Did you mean 'assert_sent'?"
    with pytest.raises(AttributeError) as raised:
        signals.dispatches  # type: ignore[attr-defined]  # noqa: B018
    assert str(raised.value) == (
        "SignalTrace has no 'dispatches'. It has assert_connected, assert_max, "
        "assert_not_received, assert_not_sent, assert_nothing_swallowed, assert_received, "
        "assert_sent, outline and trace."
    )


@pytest.mark.parametrize(
    ("given", "named", "error", "message"),
    [
        ((), {}, TypeError, "mute() wants at least one signal, receiver or dotted name."),
        ((5,), {}, TypeError, "mute() wants signals, receivers or dotted names, not a int."),
        ((None,), {}, TypeError, "mute() wants signals, receivers or dotted names, not None."),
        (
            ([rung],),
            {},
            TypeError,
            "mute() wants signals, receivers or dotted names, not a list.",
        ),
        (
            (Hostile(),),
            {},
            TypeError,
            f"mute() wants signals, receivers or dotted names, not {HOSTILE}.",
        ),
        (("",), {}, LookupError, NO_NAME),
        (
            (rung,),
            {"only": []},
            TypeError,
            "mute(only=...) wants at least one receiver, and was given none.",
        ),
        (
            (rung,),
            {"only": 5},
            TypeError,
            "mute(only=...) takes receivers or dotted names, not a int.",
        ),
        (
            (rung,),
            {"only": [hear, None]},
            TypeError,
            "mute(only=...) takes receivers or dotted names, not None.",
        ),
        ((rung,), {"only": rung}, TypeError, "mute(only=...) takes receivers, not signals."),
        ((rung,), {"only": ""}, LookupError, NO_NAME),
        (
            (rung,),
            {"sender": ""},
            LookupError,
            "There is no model or class ''. Give its dotted path, as a trace shows it.",
        ),
    ],
)
def test_a_wrong_argument_of_mute_mutes_nothing(
    given: tuple[Any, ...], named: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        mute(*given, **named)

    assert str(raised.value) == message


@pytest.mark.parametrize("start", [trace_signals, SignalTrace], ids=lambda each: each.__name__)
@pytest.mark.parametrize(
    ("given", "named", "message"),
    [
        ((5,), {}, "name= wants a str, and was given a int."),
        ((None,), {}, "name= wants a str, and was given None."),
        ((b"a",), {}, "name= wants a str, and was given a bytes."),
        (
            (hear,),
            {},
            (
                "name= wants a str, and was given a function. As a decorator, write "
                "@trace_signals() with its parentheses."
            ),
        ),
        ((Hostile(),), {}, f"name= wants a str, and was given {HOSTILE}."),
        ((), {"all_threads": "yes"}, "all_threads= wants True or False, and was given a str."),
        ((), {"all_threads": 1}, "all_threads= wants True or False, and was given a int."),
        ((), {"all_threads": None}, "all_threads= wants True or False, and was given None."),
        (
            (),
            {"all_threads": Hostile()},
            f"all_threads= wants True or False, and was given {HOSTILE}.",
        ),
    ],
)
def test_a_wrong_argument_of_a_trace_is_refused_before_it_begins(
    start: Any, given: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as raised:
        start(*given, **named)

    assert str(raised.value) == message


def test_a_request_is_a_request_of_a_trace() -> None:
    with pytest.raises(TypeError, match=r"^request= wants a Request, and was given a str\.$"):
        trace_signals(request="GET /")  # type: ignore[arg-type]  # that is the mistake


def test_the_mixin_refuses_what_a_trace_refuses() -> None:
    case = SignalTestMixin()

    with pytest.raises(TypeError, match=r"^name= wants a str, and was given a int\.$"):
        case.signal_trace(0)  # type: ignore[arg-type]  # that is the mistake
