"""The place that keeps what was redacted out of every other text of the same trace."""

from __future__ import annotations

import re

_LONGEST = 5_000
_MOST = 10_000
# From this length a secret is masked within words too: shorter ones, such as "123", stand in many.
_DISTINCT = 5
_SHORTEST = 3

MASK = "[redacted]"

# How a text ends that was cut: half a secret may stand before it.
_CUT = re.compile(r"['\"]?… \([\d,]+ characters\)")


class Secrets:
    """Texts that were redacted as the value of a secret key, and may be quoted elsewhere.

    No pattern is made of them: a trace may have thousands, and learns one after the other, in
    several threads.
    """

    __slots__ = ("_lengths", "_texts")

    def __init__(self) -> None:
        self._texts: set[str] = set()
        # By how they begin: how long they are.
        self._lengths: dict[str, set[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._texts)

    def add(self, text: str) -> None:
        if _SHORTEST <= len(text) <= _LONGEST and len(self._texts) < _MOST:
            # Also as it looks within a summary, where a string is quoted.
            quoted = repr(text)[1:-1]
            self._add(text)
            self._add(quoted)
            self._add(quoted.replace("'", "\\'"))

    def _add(self, text: str) -> None:
        self._texts.add(text)
        self._lengths.setdefault(text[:_SHORTEST], set()).add(len(text))

    def add_all(self, others: Secrets) -> None:
        if others is not self:
            for text in list(others._texts):
                self._add(text)

    def mask(self, text: str) -> str:
        """``text`` with each secret in it replaced by ``[redacted]``."""
        if not self._texts:
            return text
        parts: list[str] = []
        done = at = 0
        while at <= len(text) - _SHORTEST:
            length = self._length_at(text, at)
            if length:
                parts += (text[done:at], MASK)
                at = done = at + length
            else:
                at += 1
        text = "".join(parts) + text[done:]
        if "…" in text:
            for cut in reversed(list(_CUT.finditer(text))):
                text = self._mask_half(text, cut.start())
        return text

    def _length_at(self, text: str, at: int) -> int:
        """How long the secret is that stands there; 0 without one."""
        lengths = self._lengths.get(text[at : at + _SHORTEST])
        for length in sorted(lengths, reverse=True) if lengths else ():
            end = at + length
            if text[at:end] in self._texts and (
                length >= _DISTINCT
                or not (_is_word(text[at - 1 : at]) or _is_word(text[end : end + 1]))
            ):
                return length
        return 0

    def _mask_half(self, text: str, end: int) -> str:
        for start in range(max(end - _LONGEST, 0), end - _SHORTEST):
            if text[start : start + _SHORTEST] in self._lengths:
                rest = text[start:end]
                if any(each.startswith(rest) for each in list(self._texts)):
                    return f"{text[:start]}{MASK}{text[end:]}"
        return text


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
