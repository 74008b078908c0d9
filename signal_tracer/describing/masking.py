"""Keeps what was redacted out of every other text of the same trace."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from urllib.parse import unquote

from signal_tracer.describing.secrets import MASK, redact_shapes

# What is remembered: texts, and of each as much as any place shows, piece by piece.
_MOST = 10_000
LONGEST = 10_000
_LONGEST_PIECE = 5_000
# From this length a secret is masked within words too: shorter ones, such as "123", stand in many.
_DISTINCT = 5
_SHORTEST = 3

# How a text ends that was cut: half a secret may stand before it.
_CUT = re.compile(r"['\"]?… \([\d,]+ characters\)")
# One character of a text each, as it is or percent-encoded.
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_CHARACTER = re.compile(r"%[0-7]\w|%[C-Fc-f]\w(?:%[89ABab]\w)+|.", re.DOTALL)
# Names of code: "shop.Order", "shop.views.pay.<locals>.done", "partial(shop.receivers.send)".
_NAME = re.compile(r"(?:partial\()*[^\W\d][\w.<>]*(?:\(\))?\)*")
_MADE = re.compile(r"(?=\D*\d)[^/\\]{8,}")
# It looks the same wherever it is quoted.
_PLAIN = re.compile(r"[\w.~-]*", re.ASCII)
# What stands before the secret itself in a header.
_SCHEME = re.compile(r"(?:basic|bearer|digest|token|apikey)\s+(?=\S+$)", re.IGNORECASE)


class Secrets:
    """Texts that were redacted as the value of a secret key, and may be quoted elsewhere.

    No pattern is made of them: a trace may have thousands, and learns one after the other, in
    several threads. They are put in order when something is to be masked, which is after all or
    most of them have come.
    """

    __slots__ = ("_order", "_shared", "_texts")

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._order = _Order(())
        # Those that these have become a part of.
        self._shared: Secrets | None = None

    def __bool__(self) -> bool:
        return bool(self._all()._texts)

    def add(self, text: str) -> None:
        texts = self._texts if self._shared is None else self._all()._texts
        if len(text) >= _SHORTEST and len(texts) < _MOST:
            texts.add(text[:LONGEST])

    def share(self, others: Secrets) -> None:
        """From now on what one of the two is given, the other has too."""
        fewer, more = self._all(), others._all()
        if fewer is not more:
            if len(fewer._texts) > len(more._texts):
                fewer, more = more, fewer
            fewer._shared = more
            more._texts |= fewer._texts

    def _all(self) -> Secrets:
        found = self
        while found._shared is not None:
            found = found._shared
        if found is not self:
            self._shared = found
        return found

    def redact_shapes(self, text: str) -> str:
        """``text`` without what looks like a secret, which is added."""
        return redact_shapes(text, self.add)

    def mask(self, text: str) -> str:
        """``text`` with each secret in it replaced by ``[redacted]``, percent-encoded ones too."""
        order = self._in_order()
        if not order.beginnings:
            return text
        text = _without(text, order.spans(text))
        if "%" in text and _ENCODED.search(text):
            characters = _CHARACTER.findall(text)
            spans = list(order.spans("".join(map(_decoded, characters))))
            if spans:
                places = list(accumulate(map(len, characters), initial=0))
                text = _without(text, [(places[start], places[end]) for start, end in spans])
        return text

    def mask_name(self, name: str) -> str:
        """The same for what code is called: a secret such as "shop" makes none of shop.Order.

        There only what was made up is masked: eight characters or more, and a digit.
        """
        if _NAME.fullmatch(name) is None:
            return self.mask(name)
        return self.mask_file(name)

    def mask_file(self, path: str) -> str:
        """The same for a path of source code, of which no folder is a secret."""
        spans = self._in_order().spans(path)
        return _without(path, [each for each in spans if _MADE.fullmatch(path, *each)])

    def _in_order(self) -> _Order:
        found = self._all()
        order = found._order
        if order.size != len(found._texts):
            order = found._order = _Order(list(found._texts))
        return order


class _Order:
    """The secrets at one moment, sorted: one look finds the longest that stands at a place.

    All texts that begin with a secret stand together in the order of texts, from the secret
    itself up to ``_after`` it; such ranges lie side by side or in one another. ``_bounds`` are
    the places where one begins or ends, ``_lengths`` says how long the secret of the innermost
    is from there on. So the time does not depend on how many secrets there are, or how alike.
    """

    __slots__ = ("_bounds", "_lengths", "_longest", "_sorted", "beginnings", "size")

    def __init__(self, texts: Iterable[str]) -> None:
        texts = tuple(texts)
        self.size = len(texts)
        secrets = sorted({form for text in texts for form in _forms(text)})
        self.beginnings = {each[:_SHORTEST] for each in secrets}
        self._sorted = secrets
        self._longest = max(map(len, secrets), default=0)
        self._bounds: list[str] = []
        self._lengths: list[int] = []
        around: list[str] = []
        for secret in secrets:
            while around and not secret.startswith(around[-1]):
                self._close(around)
            self._bounds.append(secret)
            self._lengths.append(len(secret))
            around.append(secret)
        while around:
            self._close(around)

    def _close(self, around: list[str]) -> None:
        end = _after(around.pop())
        if end:
            self._bounds.append(end)
            self._lengths.append(len(around[-1]) if around else 0)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the secrets begin and end, from left to right, the longest at each place."""
        cuts = [each.span() for each in _CUT.finditer(text)] if "…" in text else []
        beginnings = self.beginnings
        done = 0
        for at in [
            at for at in range(len(text) - _SHORTEST + 1) if text[at : at + _SHORTEST] in beginnings
        ]:
            if at >= done:
                end = self._end(text, at)
                if cuts:
                    end = self._end_at_cut(text, at, end, cuts)
                if end:
                    yield at, end
                    done = end

    def _end(self, text: str, at: int) -> int:
        """Where the longest secret ends that begins there; 0 without one."""
        place = bisect_right(self._bounds, text[at : at + self._longest]) - 1
        length = self._lengths[place] if place >= 0 else 0
        if length >= _DISTINCT:
            return at + length
        # Short ones are no part of a word.
        if length and not _is_word(text[at - 1 : at] if at else ""):
            for end in (at + length, at + _SHORTEST):
                if not _is_word(text[end : end + 1]) and self._has(text[at:end]):
                    return end
        return 0

    def _end_at_cut(self, text: str, at: int, end: int, cuts: list[tuple[int, int]]) -> int:
        """Where the text was cut, if half a secret stands before that; otherwise ``end``."""
        first = bisect_left(cuts, (max(at + _SHORTEST, end) + 1, 0))
        # Of a secret that goes on beyond a cut, what stands before it is a beginning as well.
        last = bisect_left(
            cuts, True, first, key=lambda cut: not self._has_beginning(text[at : cut[0]])
        )
        return cuts[last - 1][0] if last > first else end

    def _has(self, text: str) -> bool:
        place = bisect_left(self._sorted, text)
        return place < len(self._sorted) and self._sorted[place] == text

    def _has_beginning(self, text: str) -> bool:
        place = bisect_left(self._sorted, text)
        return place < len(self._sorted) and self._sorted[place].startswith(text)


def _forms(text: str) -> Iterator[str]:
    """A secret as it may be quoted: alone, in the ``repr()`` of a container, in JSON, in a URL."""
    forms = {text}
    if _PLAIN.fullmatch(text) is None:
        bare = text.strip()
        for each in {text, bare, _SCHEME.sub("", bare, count=1), unquote(bare)}:
            quoted = repr(each)[1:-1]
            forms |= {each, quoted, quoted.replace("'", "\\'"), json.dumps(each)[1:-1]}
            forms.add(each.replace(" ", "+"))
    for form in forms:
        for start in range(0, len(form), _LONGEST_PIECE):
            piece = form[start : start + _LONGEST_PIECE]
            if len(piece) >= (_DISTINCT if start else _SHORTEST):
                yield piece


_LAST = "\U0010ffff"


def _after(text: str) -> str:
    """The first text after all those that begin with ``text``; none, if there is nothing after."""
    text = text.rstrip(_LAST)
    return text and text[:-1] + chr(ord(text[-1]) + 1)


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    parts: list[str] = []
    done = 0
    for start, end in spans:
        parts += (text[done:start], MASK)
        done = end
    return "".join(parts) + text[done:] if parts else text


def _decoded(character: str) -> str:
    decoded = unquote(character) if len(character) > 1 else character
    return decoded if len(decoded) == 1 else "\ufffd"


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
