"""Secrets: what is redacted, and that it then appears nowhere a trace is shown."""

from __future__ import annotations

import decimal
import enum
import io
import re
import sys
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from debug_toolbar.store import MemoryStore
from debug_toolbar.toolbar import DebugToolbar
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import models
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse, QueryDict
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject, lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from rich.console import Console

from signal_tracer import Trace, trace_signals
from signal_tracer.describing.masking import Secrets
from signal_tracer.describing.values import Capture
from signal_tracer.middleware import SignalTracerMiddleware
from signal_tracer.panel import SignalTracerPanel
from signal_tracer.records import Request, Summary
from signal_tracer.showing.console import render_trace
from signal_tracer.showing.export.perfetto import to_perfetto
from signal_tracer.testing import SignalTrace

paid = Signal()
Shown = Callable[[Callable[[], object]], str]


def accept(sender: object, **kwargs: object) -> None:
    """Takes any dispatch and looks at nothing."""


@pytest.fixture(autouse=True)
def connected() -> Iterator[None]:
    paid.connect(accept)
    yield
    paid.receivers = []
    paid.sender_receivers_cache.clear()
    MemoryStore.clear()


def in_the_console(trace: Trace) -> str:
    out = io.StringIO()
    Console(file=out, width=5_000, no_color=True).print(render_trace(trace))
    return out.getvalue()


def in_the_panel(send: Callable[[], object], path: str = "/pay/") -> str:
    request = RequestFactory().get(path)
    toolbar = DebugToolbar(request, lambda request: HttpResponse())
    panel = toolbar.get_panel_by_id(SignalTracerPanel.__name__)
    panel.enable_instrumentation()
    try:
        send()
    finally:
        panel.disable_instrumentation()
    panel.generate_stats(request, HttpResponse())
    stored = DebugToolbar.fetch(toolbar.request_id).get_panel_by_id(SignalTracerPanel.__name__)
    return f"{stored.content} {stored.nav_subtitle} {stored.get_stats()}"


@pytest.fixture
def shown(settings: Any) -> Shown:
    """All that anybody can be shown of what was sent: JSON, text, console and panel."""
    settings.DEBUG_TOOLBAR_PANELS = ["signal_tracer.panel.SignalTracerPanel"]

    def show(send: Callable[[], object]) -> str:
        html = in_the_panel(send)
        with trace_signals() as trace:
            send()
        assert trace.faults == 0
        again = Trace.from_dict(trace.to_dict())
        console = in_the_console(trace), in_the_console(again)
        return "\n".join(
            [trace.to_json(), str(trace), trace.outline(), *console, html, unescape(html)]
        )

    return show


NAMES = [
    *("password", "PASSWORD", "new_password1", "passwd", "passphrase", "api_key", "apikey"),
    *("token", "csrfmiddlewaretoken", "csrf_token", "access_token", "refreshToken", "secret"),
    *("client_secret", "signature", "Authorization", "authorization_header", "card_number"),
    *("creditCard", "cvv", "CVV2", "session_key", "sessionid", "session", "private_key"),
    *("http_cookie", "HTTP_COOKIE", "auth"),
]
SECRET = "hunter2-Zq9"


@pytest.mark.parametrize("name", NAMES)
def test_a_value_with_a_secret_name_appears_nowhere(name: str, shown: Shown) -> None:
    values = {name: SECRET}
    said = shown(
        lambda: paid.send(
            None, **values, items=[values], mapping={"a": values}, deep=[[values]], pair=(values,)
        )
    )

    assert SECRET not in said
    assert f"'{name}': [redacted]" in said


def test_a_name_that_is_not_secret_keeps_its_value(shown: Shown) -> None:
    with trace_signals() as trace:
        paid.send(None, order=3, name="Ann", url="/pay/", cards=1, tokens=2)

    assert trace.dispatches[0].kwargs == {
        "order": 3,
        "name": "Ann",
        "url": "/pay/",
        "cards": Summary("[redacted]"),
        "tokens": Summary("[redacted]"),
    }


class Key(models.TextChoices):
    PASSWORD = "password"


class Login(NamedTuple):
    user: str
    password: str


class Headers(OrderedDict[str, str]):
    pass


@pytest.mark.parametrize(
    "value",
    [
        {mark_safe("password"): SECRET},
        {Key.PASSWORD: SECRET},
        Login("ann", SECRET),
        [Login("ann", SECRET)],
        Headers(Authorization=SECRET),
        QueryDict(f"a=1&password={SECRET}&password=x"),
        [("Authorization", SECRET)],
        (("X-Api-Key", SECRET), ("Accept", "*/*")),
        {"password": [SECRET]},
        {"password": {"new": SECRET}},
        {"login": Login("ann", SECRET)},
    ],
    ids=[
        *("safe string", "enum", "named tuple", "named tuple in a list", "subclass of a dict"),
        *("QueryDict", "pair", "pairs", "list", "dict", "named tuple in a dict"),
    ],
)
def test_a_secret_key_in_a_container_of_any_kind_is_redacted(value: object, shown: Shown) -> None:
    assert SECRET not in shown(lambda: paid.send(None, value=value))


def test_the_form_and_headers_of_a_request_are_not_shown(shown: Shown) -> None:
    request = RequestFactory().post(
        f"/pay/?token={SECRET}", {"password": SECRET}, headers={"authorization": SECRET}
    )
    request.COOKIES["sessionid"] = SECRET

    said = shown(lambda: paid.send(HttpRequest, request=request, post=request.POST))

    assert SECRET not in said
    assert "POST /pay/" in said


def fail_with(make: Callable[[Any], BaseException]) -> Callable[..., None]:
    def fail(sender: object, password: Any = None, **kwargs: object) -> None:
        raise make(password)

    return fail


MESSAGES: dict[str, Callable[[Any], BaseException]] = {
    "message": lambda secret: ValueError(f"no such password: {secret}"),
    "several arguments": lambda secret: ValueError("no", secret, [secret]),
    "errno": lambda secret: OSError(2, f"no {secret}"),
    "validation": lambda secret: ValidationError("No %(p)s", params={"p": secret}),
    "a long message": lambda secret: ValueError(f"{'x' * 500} {secret}"),
    "with a line break before": lambda secret: ValueError("a", f"first line\n{secret}\tsecond"),
    "in a URL": lambda secret: ValueError(f"GET /login?x={secret}&y=1 key_{secret}_end"),
    "in a dict": lambda secret: ValueError({"said": secret}),
    "in an exception": lambda secret: RuntimeError("outer", ValueError(secret)),
}


@pytest.mark.parametrize("make", MESSAGES.values(), ids=MESSAGES)
def test_a_secret_quoted_by_an_exception_is_masked(
    make: Callable[[Any], BaseException], shown: Shown
) -> None:
    fail = fail_with(make)
    paid.connect(fail)

    assert SECRET not in shown(lambda: paid.send_robust(None, password=SECRET))


def test_a_secret_quoted_anywhere_else_is_masked(shown: Shown) -> None:
    def respond(sender: object, **kwargs: object) -> object:
        return {"text": f"welcome, {SECRET}", "token": "another-secret", "list": [SECRET]}

    def literal(sender: object, **kwargs: object) -> None:
        raise ValueError("hunter2-Zq9")

    def send() -> None:
        paid.send_robust(None, password=SECRET)
        paid.send_robust(f"sent by {SECRET}", quote=f"({SECRET})", bare=SECRET, said=[SECRET])
        paid.send_robust(None, text="the token is another-secret")
        Signal().send(f"unheard from {SECRET}")

    paid.connect(respond)
    paid.connect(literal, dispatch_uid=f"uid-{SECRET}")
    said = shown(send)

    assert SECRET not in said
    assert "another-secret" not in said


def test_a_secret_sent_before_it_is_known_to_be_one_is_masked(shown: Shown) -> None:
    def send() -> None:
        paid.send(None, text=f"it is {SECRET}")
        paid.send(None, password=SECRET)

    assert SECRET not in shown(send)


ODD_SECRETS = {
    "quotes": 'xq7a\'s "zk3bb" vw9cc',
    "an apostrophe": "xq7a'zk3bb",
    "a backslash": "xq7a\\zk3bb\\vw9cc",
    "a line break": "xq7aa\nzk3bb",
    "not ASCII": "xäq7öaa\x07-1",
    "signs at both ends": "$zk3bbb!?",
    "long": "eyJ" + "xq7azk3b" * 150,
    "a number": 4242424242424242,
    "a UUID": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "a Decimal": decimal.Decimal("9182736455.25"),
}


@pytest.mark.parametrize("secret", ODD_SECRETS.values(), ids=ODD_SECRETS)
def test_a_secret_of_any_shape_is_masked_where_it_is_quoted(secret: Any, shown: Shown) -> None:
    fail = fail_with(lambda password: ValueError(f"no: {password}", f"got <{password}>"))
    plain = fail_with(lambda password: ValueError(f"a{password}b is no password"))
    paid.connect(fail)
    paid.connect(plain)

    said = shown(
        lambda: paid.send_robust(
            None, password=secret, text=f"x {secret} y", nested=[f"\n{secret}'\"", (secret,)]
        )
    )

    for half in re.split(r"\W+", str(secret)):
        assert len(half) < 5 or half not in said


@pytest.mark.parametrize("offset", [150, 195, 199])
def test_a_secret_that_is_cut_with_its_text_leaves_no_half(offset: int, shown: Shown) -> None:
    secret = "abcdefghijklmnopqrstuvwxyz0123456789"
    text = "-" * offset + secret

    said = shown(lambda: paid.send(None, password=secret, text=text, nested=[text]))

    assert secret[:5] not in said


def test_a_number_that_is_a_secret_is_masked_where_it_is_sent_as_another(shown: Shown) -> None:
    number = 4242424242424242

    said = shown(lambda: paid.send(None, card_number=number, digits=number, listed=[number]))

    assert str(number) not in said


def test_a_short_secret_does_not_mask_parts_of_words_and_numbers() -> None:
    with trace_signals() as trace:
        paid.send(None, cvv="123", text="51234 and 123", pk=123)

    assert trace.dispatches[0].kwargs == {
        "cvv": Summary("[redacted]"),
        "text": Summary("'51234 and [redacted]'"),
        "pk": 123,
    }


class Token(models.Model):
    key = models.CharField(primary_key=True, max_length=40)

    class Meta:
        app_label = "safety"


class Seat(models.Model):
    pk = models.CompositePrimaryKey("row", "api_key")
    row = models.IntegerField()
    api_key = models.CharField(max_length=40)

    class Meta:
        app_label = "safety"


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        (Session(session_key=SECRET), "sessions.Session(pk=[redacted])"),
        (Token(key=SECRET), "safety.Token(pk=[redacted])"),
        (Seat(row=2, api_key=SECRET), "safety.Seat(pk=("),
    ],
    ids=["session", "token", "composite"],
)
def test_a_model_whose_key_is_a_secret_does_not_show_it(
    instance: models.Model, expected: str, shown: Shown
) -> None:
    said = shown(lambda: paid.send(instance, instance=instance, listed=[instance], said=SECRET))

    assert SECRET not in said
    assert expected in said


def test_a_secret_of_a_nested_trace_is_masked_in_the_one_around_it() -> None:
    def respond(sender: object, **kwargs: object) -> object:
        return {"token": SECRET}

    paid.connect(respond)
    with trace_signals() as outer:
        with trace_signals() as inner:
            paid.send(None)
        paid.disconnect(respond)
        paid.send(None, text=f"it is {SECRET}")

    assert SECRET not in outer.to_json()
    assert SECRET not in inner.to_json()


def test_a_secret_is_kept_by_nothing_that_outlives_its_trace() -> None:
    from signal_tracer.collecting import routes
    from signal_tracer.describing import connections, values

    class Credentials(dict[str, str]):
        __hash__ = object.__hash__

    sender = Credentials(password=SECRET)
    with trace_signals():
        paid.send(sender)

    kept = [
        value.secrets
        for module in (values, connections, routes)
        for value in vars(module).values()
        if isinstance(value, values.Capture)
    ]
    assert all(secrets.mask(SECRET) == SECRET for secrets in kept)


def test_many_secrets_are_masked() -> None:
    with trace_signals() as trace:
        for number in range(900):
            paid.send(None, session_key=f"secret-{number:05}", text=f"it was secret-{number:05}.")

    assert "secret-0" not in trace.to_json()
    assert len(trace.dispatches) == 900


def test_html_in_what_was_sent_arrives_escaped(settings: Any) -> None:
    settings.DEBUG_TOOLBAR_PANELS = ["signal_tracer.panel.SignalTracerPanel"]
    script = "<script>alert(1)</script>"

    def fail(sender: object, **kwargs: object) -> None:
        raise ValueError(script)

    fail.__qualname__ = script
    paid.connect(fail, dispatch_uid=script)
    html = in_the_panel(
        lambda: paid.send_robust(script, value=script, nested=[{script: script}], **{script: 1})
    ).split(" {'trace'")[0]

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_an_enum_named_like_a_secret_is_shown() -> None:
    class Step(enum.Enum):
        PASSWORD_SENT = 1

    with trace_signals() as trace:
        paid.send(None, step=Step.PASSWORD_SENT)

    assert str(trace.dispatches[0].kwargs["step"]).endswith("Step.PASSWORD_SENT")


@pytest.mark.parametrize("offset", [150, 195, 196])
def test_a_secret_that_is_known_only_later_leaves_no_half_in_a_text_cut_before(
    offset: int, shown: Shown
) -> None:
    secret = "abcdefghijklmnopqrstuvwxyz0123456789"
    text = "-" * offset + secret + "-" * 100

    def send() -> None:
        paid.send(None, text=text, nested=[text])
        paid.send(None, password=secret)

    assert secret[:4] not in shown(send)


def test_a_secret_too_short_to_be_masked_elsewhere_is_redacted_beside_its_name() -> None:
    class Login(NamedTuple):
        user: str
        pin: str

    with trace_signals() as trace:
        paid.send(None, pair=("password", "ab"), pairs=[("token", "x")], login=Login("ann", "12"))

    assert {
        name: str(value).rpartition(".")[2] for name, value in trace.dispatches[0].kwargs.items()
    } == {
        "pair": "('password', [redacted])",
        "pairs": "[('token', [redacted])]",
        "login": "Login('ann', [redacted])",
    }


def test_what_looks_like_a_secret_leaves_no_half_where_a_long_message_is_cut() -> None:
    def refuse(**named: object) -> None:
        raise ValueError("-" * 990 + " ghp_abcdefghijklmnopqrstuvwxyz0123456789")

    paid.connect(refuse, sender=None)
    with trace_signals() as trace:
        paid.send_robust(None)

    [error] = [call.error for call in trace.swallowed()]
    assert error is not None
    assert "ghp_" not in error.message
    assert error.message.endswith("- [redacted… (1,031 characters)")


def test_the_name_of_a_class_is_not_masked() -> None:
    with trace_signals() as trace:
        paid.send(Token, api="safety", author="Token")

    assert [each.sender for each in trace.dispatches] == ["safety.Token"]
    assert len(trace.find(sender=Token)) == 1


def test_what_a_dispatch_costs_does_not_grow_with_the_secrets_before_it() -> None:
    def calls_of(number: int) -> int:
        calls = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        try:
            paid.send(None, session_key=f"secret-{number:05}", text="x" * 300)
        finally:
            sys.setprofile(None)
        return calls

    with trace_signals():
        counts = [calls_of(number) for number in range(200)]

    assert counts[199] == counts[100] == counts[10]


def test_a_secret_is_masked_when_other_threads_add_theirs() -> None:
    def add(texts: list[str]) -> None:
        for text in texts:
            secrets.add(text)

    def mask(texts: list[str]) -> None:
        for text in texts:
            secrets.mask(text)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-7)
    try:
        for attempt in range(200):
            secrets = Secrets()
            texts = [f"secret-{attempt}-{number}-end" for number in range(20)]
            threads = [
                threading.Thread(target=add, args=(texts[:10],)),
                threading.Thread(target=mask, args=(texts,)),
                threading.Thread(target=add, args=(texts[10:],)),
                threading.Thread(target=mask, args=(texts[::-1],)),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [secrets.mask(text) for text in texts] == ["[redacted]"] * 20
    finally:
        sys.setswitchinterval(interval)


# Remembered, though not shown


@dataclass(eq=False)
class Account:
    user: str
    password: object


@dataclass(slots=True)
class Slotted:
    user: str
    password: object


class WithToken(NamedTuple):
    user: str
    token: object


def deep(value: object, levels: int) -> object:
    for _ in range(levels):
        value = [{"in": value}]
    return value


HIDDEN_IN_PLACE: dict[str, dict[str, object]] = {
    "bytes": {"password": SECRET.encode()},
    "bytearray": {"password": bytearray(SECRET.encode())},
    "memoryview": {"password": memoryview(SECRET.encode())},
    "bytes in a list": {"tokens": [SECRET.encode()]},
    "a lazy text": {"password": gettext_lazy(SECRET)},
    "another lazy text": {"password": lazystr(SECRET)},
    "a lazy object that was set up": {"password": SimpleLazyObject(lambda: SECRET)},
    "a dataclass": {"password": Account("ann", SECRET)},
    "a field of a dataclass": {"account": Account("ann", SECRET)},
    "a field of a dataclass with slots": {"account": Slotted("ann", SECRET)},
    "a field of a dataclass in a list": {"accounts": [1, Account("ann", [SECRET])]},
    "deep below a secret key": {"password": deep(SECRET, 6)},
    "a secret key deep below": {"data": deep({"password": SECRET}, 6)},
    "a dataclass deep below": {"data": deep(Account("ann", SECRET), 4)},
    "a late member": {"passwords": [*map(str, range(500)), SECRET]},
    "a very late member": {"passwords": [*map(str, range(9_000)), SECRET]},
    "a late key": {"data": {**{f"n{number}": number for number in range(500)}, "pin": SECRET}},
    "a late header": {"headers": [*[("accept", "x")] * 300, ("authorization", SECRET)]},
    "a named tuple deep below": {"data": deep(WithToken("ann", SECRET), 4)},
    "a list of two": {"header": ["Authorization", SECRET]},
    "a tuple of three": {"cookie": ("set-cookie", SECRET, {"secure": True})},
    "bytes as a key": {"data": {b"password": SECRET}},
    "a header of ASGI": {"headers": [(b"authorization", SECRET.encode())]},
    "a model": {"session": Session(session_key=SECRET)},
    "JSON": {"body": '{"user": "ann", "password": "' + SECRET + '"}'},
    "JSON in a list": {"bodies": ['{"user": "ann", "password": "' + SECRET + '"}']},
    "a long JSON": {"body": '{"password": "' + SECRET + '", "text": "' + "x" * 500 + '"}'},
    "a URL": {"database": f"postgres://ann:{SECRET}@localhost/shop"},
    "a long URL": {"database": f"postgres://ann:{SECRET}@localhost/{'shop' * 100}"},
}


@pytest.mark.parametrize("named", HIDDEN_IN_PLACE.values(), ids=HIDDEN_IN_PLACE)
def test_what_is_hidden_in_place_is_masked_where_a_message_quotes_it(
    named: dict[str, object], shown: Shown
) -> None:
    if "password" in named:
        str(named["password"])  # Sets up what is lazy.

    def fail(sender: object, **kwargs: object) -> None:
        raise ValueError(f"cannot log in with {SECRET}")

    paid.connect(fail)
    said = shown(lambda: paid.send_robust(None, **named))

    assert SECRET not in said
    assert "cannot log in with [redacted]" in said


def test_an_instance_that_is_sent_is_looked_into_as_a_value_is(shown: Shown) -> None:
    def fail(sender: object, **kwargs: object) -> None:
        raise ValueError(f"cannot log in with {SECRET}")

    def send() -> None:
        paid.send_robust(Account("ann", SECRET))
        Signal().send(Account("ann", "unheard-Zq9"))
        paid.send_robust(None, text="and unheard-Zq9")

    paid.connect(fail)
    said = shown(send)

    assert SECRET not in said
    assert "unheard-Zq9" not in said


def test_a_value_that_holds_itself_is_looked_into_once_around() -> None:
    circle: list[object] = [{"password": SECRET}]
    circle.append(circle)
    wide: list[object] = []
    wide += [wide] * 50

    with trace_signals() as trace:
        paid.send(None, circle=circle, wide=wide, password=circle, token=wide, text=SECRET)

    assert trace.faults == 0
    assert trace.dispatches[0].kwargs["text"] == Summary("'[redacted]'")


def test_looking_for_secrets_runs_nothing_of_a_dataclass_or_lazy_object() -> None:
    touched: list[str] = []

    def set_up() -> str:
        touched.append("set up")
        return SECRET

    @dataclass
    class Hostile:
        password: str

        def __getattribute__(self, name: str) -> object:
            touched.append(name)
            return object.__getattribute__(self, name)

    account = Hostile(SECRET)
    touched.clear()
    lazy = SimpleLazyObject(set_up)
    with trace_signals() as trace:
        paid.send(None, account=account, password=[account, lazy], nested=[[[account]]], lazy=lazy)

    assert touched == []
    assert trace.faults == 0


def test_a_jwt_and_a_key_are_hidden_under_any_name_and_in_any_text(shown: Shown) -> None:
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9"
    key_id = "AKIAIOSFODNN7EXAMPLE"

    def fail(sender: object, **kwargs: object) -> None:
        raise ValueError(f"refused {jwt} of {key_id}")

    paid.connect(fail)
    said = shown(
        lambda: paid.send_robust(
            f"sender {jwt}", text=jwt, long=f"{'x ' * 80}{jwt}", items=[{"a": key_id}], id=key_id
        )
    )

    for half in (jwt[:20], jwt[25:50], jwt[-20:], key_id):
        assert half not in said


# The request and the name


def test_a_secret_in_the_path_of_a_request_is_masked_in_all_that_is_shown(settings: Any) -> None:
    settings.DEBUG_TOOLBAR_PANELS = ["signal_tracer.panel.SignalTracerPanel"]
    secret = "ab/ü Zq9-hunter"
    traces: list[Trace] = []

    def view(request: HttpRequest) -> HttpResponse:
        paid.send(None, token=secret)
        return HttpResponse()

    settings.SIGNAL_TRACER = {"ENABLED": True, "REPORTERS": [f"{__name__}.keep"]}
    kept.clear()
    request = RequestFactory().get(f"/activate/{quote(secret)}/?token={secret}&page=2")
    SignalTracerMiddleware(view)(request)
    traces += kept
    (trace,) = traces
    html = in_the_panel(lambda: paid.send(None, token=secret), f"/activate/{quote(secret)}/")

    assert trace.name == "GET /activate/[redacted]/"
    assert trace.request == Request("GET", "/activate/[redacted]/", 200)
    assert "/activate/[redacted]/" in html
    shown = f"{trace.to_json()} {in_the_console(trace)} {to_perfetto(trace)} {trace!r} {html}"
    for half in ("Zq9-hunter", quote(secret), "page=2"):
        assert half not in shown


kept: list[Trace] = []


def keep(trace: Trace) -> None:
    kept.append(trace)


def test_the_name_of_a_trace_is_masked_while_it_runs_and_afterwards() -> None:
    request = Request("GET", f"/a/{quote(SECRET)}/postgres-Zq9/")
    with trace_signals(f"check {SECRET}", request=request) as trace:
        before = trace.name
        paid.send(None, password=SECRET, url="postgres://ann:postgres-Zq9@localhost")
        during = trace.name, trace.request
    trace.name += " again"

    assert before == f"check {SECRET}"
    assert during == ("check [redacted]", Request("GET", "/a/[redacted]/[redacted]/"))
    assert trace.name == "check [redacted] again"
    assert trace.request == during[1]


def test_a_trace_that_has_been_read_keeps_no_secret() -> None:
    with trace_signals(f"check {SECRET}") as trace:
        paid.send(None, password=SECRET)
    trace.to_json()

    assert trace._conceal is None
    assert SECRET not in trace._name


def test_a_secret_is_masked_in_whatever_else_a_trace_names(shown: Shown) -> None:
    token = "f9a8b7c6d5e4"

    def respond(sender: object, **kwargs: object) -> object:
        raise ValueError("f9a8b7c6d5e4")

    def send() -> None:
        respond.__qualname__ = f"respond_{token}"
        paid.connect(respond, dispatch_uid=("uid", token))
        paid.send_robust(None, password=token, **{f"named_{token}": 1})
        paid.disconnect(respond, dispatch_uid=("uid", token))

    said = shown(send)

    assert token not in said


def test_what_one_of_two_traces_inside_another_redacts_is_masked_in_the_outer_one() -> None:
    first, second = trace_signals(), trace_signals()
    with trace_signals(f"outer {SECRET}") as outer:
        paid.send(None, text=SECRET)
        first.__enter__()
        second.__enter__()
        second.__exit__(None, None, None)
        paid.send(None, password=SECRET)
        first.__exit__(None, None, None)

    assert SECRET not in outer.to_json()


# What it costs


def test_ordinary_values_are_captured_without_looking_for_secrets_in_them() -> None:
    capture = Capture(200)
    named = {"created": True, "count": 5, "using": None}
    named |= {"text": "an ordinary text of some length, and no more than that"}
    capture.kwargs(named)
    calls: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)
        elif event == "c_call":
            calls.append(argument.__name__)

    capture.kwargs(named)
    sys.setprofile(note)
    try:
        capture.kwargs(named)
    finally:
        sys.setprofile(None)

    # Only the text is asked for anything: its length.
    assert [each for each in calls[:-1] if each != "<listcomp>"] == [
        *("kwargs", "values", "get", "values", "len"),
    ]


def test_a_failed_assertion_shows_no_secret_of_a_sender() -> None:
    with SignalTrace() as trace:
        paid.send(f"sent with {SECRET}", password=SECRET)
        with pytest.raises(AssertionError) as failed:
            trace.assert_sent(paid, sender="somebody else")

    assert SECRET not in str(failed.value)
    assert "[redacted]" in str(failed.value)


def test_what_a_secret_key_holds_in_an_exceptions_argument_is_masked_elsewhere(
    shown: Shown,
) -> None:
    def refuse(**named: object) -> None:
        raise ValueError({"form": {"deep": {"password": "correct-horse"}}}, 1)

    paid.connect(refuse, weak=False)

    assert "correct-horse" not in shown(lambda: paid.send_robust(None, note="is correct-horse"))
