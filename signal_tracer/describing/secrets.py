"""Tells a secret: by the name of its key, and by what it looks like."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.views.debug import SafeExceptionReporterFilter

MASK = "[redacted]"

# By name

# In any place of a name: the words of Django's own filter for debug pages, and some that it does
# not know and that stand in no word of a language. In capitals, because "re" finds one of many
# ten times slower where it ignores the case.
_PART = re.compile(
    f"{SafeExceptionReporterFilter.hidden_settings.pattern}"
    "|CARD|CVV|SESSION|COOKIE|PWD|JWT|CREDENTIAL|QUERY_STRING"
)
# As words only: they stand in "shipping", "class_name" and "footprint". Nor are "pins" secrets.
_WORDS = re.compile(r"pin|bearers?|dsns?|ibans?|ssns?|[th]?otps?")
# What has one of the parts in it, and is no secret for that.
_ORDINARY = re.compile(
    r"""
      (?:co)?author(?:s|ed|ing|ship)? | authentic(?:ity)? | capital(?:s|ized?|ization)?
    | rapid(?:ly)? | therapist | (?:scr|sh|esc)aping
    | key(?:board|frame|note|pad|stroke|word)s? | (?:mon|don)keys? | turkey | [hj]ockey | whiskey
    | secretar(?:y|ies|iat) | passengers? | passages? | passive | passion | passed | passing
    | passthrough | bypass(?:ed|es)? | (?:com|sur|over|under|encom)pass
    | cardinal(?:ity)? | cardboard | cardi(?:ac|o|ology) | discard(?:s|ed)?
    | (?:post|score|flash|wild)cards? | (?:pos|ob)sessions?
    """,
    re.VERBOSE,
)
# Split at what is no letter, and as in userPin, userPIN, PINCode and OTPs.
_WORD = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+")
_PERHAPS = re.compile(f"{_PART.pattern}|PIN|BEARER|DSN|IBAN|SSN|OTP")


def is_secret(name: Any) -> bool:
    """Whether a key's name, a text or bytes, says that its value must not be shown."""
    kind = type(name)
    # The base's own methods: a subclass of str, such as a safe string, may have others.
    if issubclass(kind, str):
        text = str.__str__(name)
    elif issubclass(kind, bytes):
        text = bytes.decode(name, "latin-1")
    else:
        return False
    if _PERHAPS.search(text.upper()) is None:
        return False
    if any(_WORDS.fullmatch(word.lower()) for word in _WORD.findall(text)):
        return True
    return _PART.search(_WORD.sub(_without_ordinary, text).upper()) is not None


def _without_ordinary(word: re.Match[str]) -> str:
    return " " if _ORDINARY.fullmatch(word[0].lower()) else word[0]


# By shape

_SHORTEST = 8

# Each branch begins with a character of its own: so "re" passes over all others at once.
_SHAPE = re.compile(
    r"""
      eyJ (?<![\w-]...) [\w-]{10,}+ (?:\.[\w-]*){1,4} (?P<jwt>)
    | -----BEGIN\ (?P<pem>[A-Z0-9 ]*PRIVATE\ KEY[A-Z ]*)-----
        (?: (?:[^-]|-(?!----))*+ -----END\ (?P=pem)-----
          | (?=.{0,300}?[A-Za-z0-9+/=]{32}) (?:[^-]|-(?!----))*+ \Z )  # It was cut.
    | AKIA (?<![A-Za-z0-9]....) [A-Z0-9]{16} (?![A-Za-z0-9])
    | ASIA (?<![A-Za-z0-9]....) [A-Z0-9]{16} (?![A-Za-z0-9])
    | gh[oprsu]_ (?<![A-Za-z0-9]....) [A-Za-z0-9]{20,}
    | github_pat_\w{22,}
    | glpat-[\w-]{20,}
    | sk_(?:live|test)_ (?<![A-Za-z0-9].{8}) [A-Za-z0-9]{16,}
    | rk_(?:live|test)_ (?<![A-Za-z0-9].{8}) [A-Za-z0-9]{16,}
    | xox[abeoprs]- (?<![A-Za-z0-9].{5}) [A-Za-z0-9-]{10,}
    | AIza (?<![A-Za-z0-9]....) [\w-]{35}
    | earer\ + (?P<bearer> (?=[^\s\d]*\d) [\w.~+/-]{16,}=*)
    | ://[^\s/?\#:@'"<>]*: (?P<password>[^\s/?\#'"<>…]+) [@…]
    | \?(?P<parameter>[\w.\[\]-]{1,60})=(?P<argument>[^\s&\#'"<>;]+)
    | &(?:amp;)?(?P<next_parameter>[\w.\[\]-]{1,60})=(?P<next_argument>[^\s&\#'"<>;]+)
    | "(?P<key>[^"'\\]{1,60})\\{0,7}"\s*:\s*  # JSON, or the repr() of a dict.
    | '(?P<quoted_key>[^"'\\]{1,60})\\{0,7}'\s*:\s*
    """,
    re.VERBOSE | re.DOTALL,
)
# As in f"postgres://{user}:{password}@{host}", which is code.
_PLACEHOLDER = re.compile(r"\{.*\}|%s|%\(.*\)s|\*+|\$\{.*\}|\$[A-Z_]+|" + re.escape(MASK))
_NOTHING = frozenset(("null", "true", "false", "None", "True", "False", MASK))


def redact_shapes(text: str, remember: Callable[[str], object]) -> str:
    """``text`` without what cannot be anything but a secret; ``remember`` is given each."""
    if len(text) < _SHORTEST:
        return text
    parts: list[str] = []
    done = at = 0
    while (found := _SHAPE.search(text, at)) is not None:
        at = found.end()
        start, end = _secret_in(found, text)
        if start < end:
            secret = text[start:end]
            # In postgres://postgres:postgres@host it is no secret elsewhere.
            if not text.endswith(secret, 0, max(start - 1, 0)):
                for each in _texts_in(secret):
                    remember(each)
            parts += (text[done:start], MASK)
            done = at = end
    return "".join(parts) + text[done:] if parts else text


def _secret_in(found: re.Match[str], text: str) -> tuple[int, int]:
    """Where the secret begins and ends; the same place if it is none."""
    kind = found.lastgroup
    at = found.end()
    if kind == "key" or kind == "quoted_key":
        return at, _end_of_value(text, at) if is_secret(found[kind]) else at
    if kind is None or kind == "pem":
        return found.span()
    if kind == "jwt":
        token = found[0].rstrip(".")
        return (found.start(), found.start() + len(token)) if _is_jwt(token) else (at, at)
    value = found[kind]
    is_none = _PLACEHOLDER.fullmatch(value) is not None
    if kind == "password":
        is_none = is_none or (text[at - 1] == "…" and value.isdigit())  # A port, and a cut.
    elif kind != "bearer":
        is_none = is_none or not is_secret(found[kind.replace("argument", "parameter")])
    return (at, at) if is_none else found.span(kind)


def _is_jwt(text: str) -> bool:
    header, _, rest = text.partition(".")
    try:
        decoded = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except ValueError:
        return False
    return type(decoded) is dict and ("alg" in decoded or "typ" in decoded) and len(rest) >= 4


_STRING = r""" "(?:[^"\\]|\\.)*+(?:"|\Z) | '(?:[^'\\]|\\.)*+(?:'|\Z) """
# A name that stands there is code.
_VALUE = re.compile(
    rf""" {_STRING} | (?P<quote>\\+["']).*?(?:(?P=quote)|\Z)
        | -?\d[\w.+-]* | (?:null|true|false|None|True|False)\b """,
    re.VERBOSE | re.DOTALL,
)
_TOKEN = re.compile(rf"(?P<open>[\[({{])|(?P<close>[\])}}])|{_STRING}", re.VERBOSE | re.DOTALL)


def _end_of_value(text: str, start: int) -> int:
    """Where the value ends that starts there, in JSON or Python; all the rest, if it was cut."""
    if text[start : start + 1] in ("[", "(", "{"):
        depth = 0
        for token in _TOKEN.finditer(text, start):
            depth += (token["open"] is not None) - (token["close"] is not None)
            if depth == 0:
                return token.end()
        return len(text)
    found = _VALUE.match(text, start)
    return start if found is None else found.end()


_STRINGS = re.compile(_STRING, re.VERBOSE | re.DOTALL)


def _texts_in(secret: str) -> Iterator[str]:
    """What to look for elsewhere: the strings of a JSON value, or what has no quotes itself."""
    strings = [] if secret[0] == "\\" else _STRINGS.findall(secret)
    for each in strings:
        yield each[1:-1]
        if "\\" in each and each[0] == '"':
            try:
                yield str(json.loads(each))
            except ValueError:
                continue
    if not strings and secret not in _NOTHING:
        yield secret.strip("\\'\"")
