"""Masking: which keys and shapes are secrets, and what it costs to find them in every text."""

from __future__ import annotations

import base64
import dataclasses
import json
import random
import sys
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from signal_tracer import Trace, records
from signal_tracer.describing.masking import Secrets
from signal_tracer.describing.secrets import is_secret, redact_shapes
from signal_tracer.describing.veiling import veil
from signal_tracer.records import Contents, Origin, Request, Task
from signal_tracer.showing.export.perfetto import to_perfetto

# By name

SECRET_NAMES = [
    *("pwd", "user_pwd", "userPwd", "PWD", "userpwd", "pin"),
    *("PIN", "X-Pin", "userPin", "userPIN", "PINCode", "pin_code"),
    *("pin1", "jwt", "jwtToken", "id_jwt", "bearer", "bearer_token"),
    *("credentials", "Credentials", "aws-credentials", "credential", "dsn", "DSN"),
    *("sentry_dsn", "databaseDSN", "iban", "IBAN", "customer_iban", "ssn"),
    *("userSsn", "otp", "otp_code", "OTPs", "totp", "password"),
    *("token", "tokens", "cards", "api_key", "apikey", "auth"),
    *("Authorization", "author_token", "monkeyKey", "passport", "session_key", "HTTP_COOKIE"),
    *("set-cookie", "signature", "query_string", "QUERY_STRING"),
]
ORDINARY_NAMES = [
    *("shipping", "spinning", "opinion", "pins", "total_pins", "pinned"),
    *("pineapple", "mapping", "keyboard", "monkey", "keyword", "author"),
    *("authors", "authorName", "author_id", "assignment", "passenger", "passengers"),
    *("bypass", "discard", "wildcard", "class_name", "className", "footprint"),
    *("hotpot", "option", "optional", "Caliban", "kidsname", "forbearer"),
    *("cardinality", "capital", "rapid", "update_fields", "instance", "created"),
    *("raw", "using", "model", "pk_set", "reverse", "name"),
    *("url", "possession"),
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_with_the_word_of_a_secret_is_one(name: str) -> None:
    assert is_secret(name)
    assert is_secret(name.encode())


@pytest.mark.parametrize("name", ORDINARY_NAMES)
def test_a_name_that_only_has_the_letters_of_a_secret_in_it_is_none(name: str) -> None:
    assert not is_secret(name)
    assert not is_secret(name.encode())


# By shape


def part(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


JWT = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': '1234567890'})}.c2lnbmF0dXJl-_x"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{'MIIEowIBAAKCAQEA' * 8}\n-----END RSA PRIVATE KEY-----"
SHAPES = {
    f"it is {JWT}.": "it is [redacted].",
    f"the first half of one: {JWT[:60]}": "the first half of one: [redacted]",
    f"key:\n{PEM}\nend": "key:\n[redacted]\nend",
    "AKIAIOSFODNN7EXAMPLE, ASIAIOSFODNN7EXAMPLE": "[redacted], [redacted]",
    f"push with ghp_{'a1B2' * 9}": "push with [redacted]",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc": "[redacted]",
    "xoxb-123456789012-abcdefGHIJ": "[redacted]",
    "AIza" + "Sy-d_123" * 4 + "abc": "[redacted]",
    "postgres://user:pw@host/db": "postgres://user:[redacted]@host/db",
    "redis://:p@ss@host:6379/0": "redis://:[redacted]@host:6379/0",
    "Authorization: Bearer abcdef0123456789": "Authorization: Bearer [redacted]",
    "GET /pay/?page=2&access_token=abc#top": "GET /pay/?page=2&access_token=[redacted]#top",
    '{"password": "x", "a": 1}': '{"password": [redacted], "a": 1}',
    '{"a": {"token": ["x", {"b": "}"}]}, "c": 2}': '{"a": {"token": [redacted]}, "c": 2}',
    "{'pin': 1234, 'name': 'Ann'}": "{'pin': [redacted], 'name': 'Ann'}",
    '{\\"password\\": \\"x\\"}': '{\\"password\\": [redacted]}',
    '{"password": "cut in the mid… (300 characters)': '{"password": [redacted]',
    "mysql://root:hal… (300 characters)": "mysql://root:[redacted]… (300 characters)",
}
NO_SHAPES = [
    "123e4567-e89b-12d3-a456-426614174000",
    "d41d8cd98f00b204e9800998ecf8427e",
    "a-slug-of-words-and-1234",
    "Words of an ordinary sentence: nothing more.",
    f"{part({'a': 1})}.Zx12ab.signed-by-another",
    "eyJub3QganNvbg.abcdef.ghijkl",
    "xAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLES AKIA-IOSFODNN7EXAMPLE",
    "bearer authentication-is-required-here",
    "http://localhost:8000/a@b https://host:80/?q=a@b git@github.com:a/b ssh://git@host:22/x",
    'http://host:8000","mail":"ann@example.org',
    "https://host:80… (300 characters)",
    "expected -----BEGIN PRIVATE KEY----- in line 1",
    '{"author": "Ann", "shipping": "x", "pins": [1]}',
    'f"postgres://{user}:{password}@{host}"',
    'form = {"password": form["password"]}',
    "/pay/?key=%s&page=2",
]


@pytest.mark.parametrize("text", SHAPES)
def test_what_looks_like_a_secret_is_redacted_and_nothing_beside_it(text: str) -> None:
    assert redact_shapes(text, lambda _: None) == SHAPES[text]


@pytest.mark.parametrize("text", NO_SHAPES)
def test_what_only_resembles_a_secret_is_left_alone(text: str) -> None:
    assert redact_shapes(text, lambda _: None) == text


def test_what_is_found_in_a_text_is_remembered_for_others() -> None:
    secrets = Secrets()
    secrets.redact_shapes('postgres://user:hunter2@host {"pin": "sword\\u00e9fish"}')
    secrets.redact_shapes("postgres://postgres:postgres@host")

    assert secrets.mask("hunter2, swordéfish, postgres") == "[redacted], [redacted], postgres"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "eyJ" * 20_000,
            "eyJaaaaaaaaaa." * 5_000,
            "://a:" * 12_000,
            '"a": ' * 12_000,
            '"' * 60_000,
        ),
        *(
            "\\" * 60_000,
            "-----BEGIN PRIVATE KEY-----" * 2_000,
            "?token=" * 9_000,
            '{"pin": [' * 7_000,
        ),
        *("Bearer " * 9_000, "'pin': '" * 8_000, "… (1" * 15_000, "%41" * 20_000),
    ],
    ids=lambda text: text[:9],
)
def test_no_text_makes_looking_for_secrets_slow(text: str) -> None:
    # Which took minutes where it took the square of the length; the suite has a limit for a test.
    secrets = Secrets()
    secrets.add("hunter2")

    assert len(secrets.mask(secrets.redact_shapes(text))) <= 2 * len(text)


# In every text


def plainly(texts: list[str], text: str) -> str:
    """``Secrets.mask()`` for texts that look the same wherever they are quoted."""
    masked, at = "", 0
    while at < len(text):
        for secret in sorted(texts, key=len, reverse=True):
            end = at + len(secret)
            is_part = any(
                each.isalnum() or each == "_" for each in (text[at - 1 : at], text[end : end + 1])
            )
            if (
                len(secret) >= 3
                and text.startswith(secret, at)
                and (len(secret) >= 5 or not is_part)
            ):
                masked, at = f"{masked}[redacted]", end
                break
        else:
            masked, at = masked + text[at], at + 1
    return masked


@pytest.mark.parametrize("alphabet", ["ab", "ab-", "abc_.", "a\U0010ffff"])
def test_the_longest_secret_at_each_place_is_masked(alphabet: str) -> None:
    chance = random.Random(alphabet)
    for _ in range(300):
        texts = ["".join(chance.choices(alphabet, k=chance.randint(1, 9))) for _ in range(12)]
        text = "".join(chance.choices(alphabet, k=60))
        secrets = Secrets()
        for each in texts:
            secrets.add(each)

        assert secrets.mask(text) == plainly(texts, text)


def one_beginning(count: int) -> list[str]:
    return [f"secret-{number:06}" for number in range(count)]


def one_in_the_other(count: int) -> list[str]:
    return ["a" * (5 + number) for number in range(min(count, 4_900))]


def many_lengths(count: int) -> list[str]:
    return [f"{'x' * (number % 4_000 + 5)}{number}" for number in range(count)]


def long_ones(count: int) -> list[str]:
    return [f"{'ab' * 500}{number:06}" for number in range(count)]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (one_beginning, "secret-" * 714),
        (one_beginning, "secret-000001 " * 357),
        (one_in_the_other, "aaaab" * 1_000),
        (one_in_the_other, "a" * 5_000),
        (many_lengths, "x" * 5_000),
        (long_ones, "ab" * 2_500),
        (long_ones, f"{'ab' * 40}… (9 characters)" * 50),
    ],
)
def test_masking_takes_as_many_steps_for_ten_thousand_secrets_as_for_ten(
    make: Callable[[int], list[str]], text: str
) -> None:
    def steps(count: int) -> int:
        secrets = Secrets()
        for each in make(count):
            secrets.add(each)
        secrets.mask("Puts them in order.")
        calls = 0

        def note(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += 1

        sys.setprofile(note)
        try:
            secrets.mask(text)
        finally:
            sys.setprofile(None)
        return calls

    few, many = steps(10), steps(10_000)

    assert many <= 1.5 * few + 100
    assert many <= 20 * len(text)


@pytest.mark.parametrize("make", [one_beginning, one_in_the_other, many_lengths])
def test_secrets_are_put_in_order_once_for_all_texts(make: Callable[[int], list[str]]) -> None:
    secrets = Secrets()
    for each in make(1_000):
        secrets.add(each)
    secrets.mask("first")
    order = secrets._order
    secrets.mask("second")

    assert secrets._order is order


QUOTED = {
    "as it is": "{}",
    "in a URL": "GET /activate/{}/",
    "in single quotes": "said '{}'",
}


@pytest.mark.parametrize(
    "secret", ["pass/word ä?", "a b+c%41&d", 'quo"ted\\x', "new\nline-x", "plain-Zq9"]
)
def test_a_secret_is_masked_however_it_is_quoted(secret: str) -> None:
    secrets = Secrets()
    secrets.add(secret)
    forms = [
        secret,
        repr(secret),
        json.dumps(secret),
        f"/x/{quote(secret)}/",
        f"/x/{quote(secret, safe='')}/",
        f"/x/{quote(secret, safe='').lower()}/" if secret.islower() else "",
        f"/x/{''.join(f'%{byte:02x}' for byte in secret.encode())}/",
    ]

    halves = [secret[:5], secret[-5:]]
    for form in forms:
        masked = secrets.mask(form)
        assert not any(half in masked for half in halves), form
        assert form == "" or "[redacted]" in masked


def test_a_percent_encoded_secret_leaves_the_rest_of_a_url_as_it_was() -> None:
    secrets = Secrets()
    secrets.add("hünter2")

    assert secrets.mask("/ä%20b/h%C3%BCnter2/100%/%C3") == "/ä%20b/[redacted]/100%/%C3"


def test_the_token_of_a_header_is_masked_without_its_scheme() -> None:
    secrets = Secrets()
    secrets.add("Bearer abc-123-xyz")

    assert secrets.mask("refused: abc-123-xyz") == "refused: [redacted]"


def test_secrets_that_are_shared_know_what_either_is_given_later() -> None:
    first, second, third = Secrets(), Secrets(), Secrets()
    first.add("first-1")
    second.share(first)
    third.share(first)
    second.add("second-2")
    third.add("third-3")

    assert [each.mask("first-1 second-2 third-3") for each in (first, second, third)] == [
        "[redacted] [redacted] [redacted]"
    ] * 3


# In every record

SECRET = "hunter2-Zq9"


def filled(hint: Any, seen: list[str], where: str) -> Any:
    """A value for a field, with the secret in each text; ``seen`` gets where those are."""
    parts = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return parts[0]
    if hint is str:
        seen.append(where)
        return f"some/text {SECRET}"
    if dataclasses.is_dataclass(hint):
        values = {
            name: filled(each, seen, f"{hint.__name__}.{name}")
            for name, each in typing.get_type_hints(hint).items()
            # Dispatches hold receiver calls, which hold dispatches.
            if not (where == "ReceiverCall.dispatches" and name == "receiver_calls")
        }
        return hint(**values)
    if origin is dict:
        return {f"key {SECRET}": filled(parts[1], seen, where)}
    if origin in (list, tuple):
        return origin([filled(parts[0], seen, where)])
    if parts:
        wanted = [part for part in parts if part is not type(None)]
        return filled(str if str in wanted else wanted[0], seen, where)
    return hint(7)


# The request and the head of a trace are its own properties; the others hold no text of theirs.
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
NEITHER = (Request, Task, Origin, records.Summary, records.Heading, records.Limits)


def test_a_secret_in_any_text_of_any_record_is_masked_in_all_that_is_shown() -> None:
    seen: list[str] = []
    contents = filled(Contents, seen, "")
    texts = {
        f"{record.__name__}.{name}"
        for record in vars(records).values()
        if isinstance(record, type) and dataclasses.is_dataclass(record) and record not in NEITHER
        for name, hint in typing.get_type_hints(record).items()
        if "Literal" not in str(hint) and "str" in str(hint) and "records." not in str(hint)
    }
    secrets = Secrets()
    secrets.add(SECRET)
    veil(contents, secrets)
    trace = Trace(
        f"name {SECRET}",
        started_at=MOMENT,
        request=Request("GET", f"/activate/{quote(SECRET)}/{SECRET}/", 200),
        task=Task(
            f"task {SECRET}",
            f"id {SECRET}",
            queued_by=Origin(f"GET /{SECRET}/", MOMENT, "1", Request("GET", f"/{SECRET}/")),
        ),
        read=lambda: (contents, False),
        conceal=secrets.mask,
    )

    assert texts <= set(seen)
    assert trace.name == "name [redacted]"
    assert SECRET not in trace.to_json()
    assert SECRET not in f"{trace} {trace!r} {to_perfetto(trace)} {trace.findings()}"
    assert trace.to_json().count("[redacted]") >= len(seen)


@pytest.mark.parametrize(
    ("secret", "name", "expected"),
    [
        ("shop", "shop.receivers.send", "shop.receivers.send"),
        ("safety", "partial(safety.receivers.send)", "partial(safety.receivers.send)"),
        ("shop", "'said by shop'", "'said by [redacted]'"),
        (
            "a1b2c3d4e5",
            "shop.views.f.<locals>.send_a1b2c3d4e5",
            "shop.views.f.<locals>.send_[redacted]",
        ),
        ("hunter2-Zq9", "hunter2-Zq9", "[redacted]"),
    ],
)
def test_a_name_of_code_is_masked_only_where_no_code_is_called_so(
    secret: str, name: str, expected: str
) -> None:
    secrets = Secrets()
    secrets.add(secret)

    assert secrets.mask_name(name) == expected


def test_a_path_of_source_code_keeps_its_folders() -> None:
    secrets = Secrets()
    for each in ("models", "/srv/app2/shop", "a1b2c3d4e5"):
        secrets.add(each)

    assert secrets.mask_file("/srv/app2/shop/models.py") == "/srv/app2/shop/models.py"
    assert secrets.mask_file("<template a1b2c3d4e5>") == "<template [redacted]>"


def test_the_folders_of_source_code_are_no_secret() -> None:
    contents = Contents(
        dispatches=[
            records.Dispatch(
                "shop.signals.paid",
                "shop.Order",
                "send",
                {"note": "kept in warehouse"},
                records.Location("/srv/warehouse/shop/views.py", 3, "pay"),
            )
        ]
    )
    secrets = Secrets()
    secrets.add("warehouse")

    veil(contents, secrets)

    [dispatch] = contents.dispatches
    assert dispatch.sent_from is not None
    assert dispatch.sent_from.file == "/srv/warehouse/shop/views.py"
    assert str(dispatch.kwargs["note"]) == "'kept in [redacted]'"


def test_what_two_traces_have_redacted_both_mask_once_they_share() -> None:
    one, other, third = Secrets(), Secrets(), Secrets()
    one.add("first-secret")
    other.add("second-secret")
    other.add("third-secret")

    one.share(other)
    third.share(one)
    third.add("fourth-secret")

    for each in (one, other, third):
        said = each.mask("first-secret second-secret third-secret fourth-secret")
        assert said == "[redacted] [redacted] [redacted] [redacted]"


def test_no_more_than_ten_thousand_secrets_are_remembered() -> None:
    secrets = Secrets()
    for number in range(10_001):
        secrets.add(f"secret-{number:05}")

    assert secrets.mask("secret-09999 secret-10000") == "[redacted] secret-10000"
