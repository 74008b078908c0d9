"""The place that keeps what was redacted out of every other text of the same trace."""

from __future__ import annotations

import re

_LONGEST = 5_000
_MOST = 10_000
# From this length a secret is masked within words too: shorter ones, such as "123", stand in many.
_DISTINCT = 5

MASK = "[redacted]"


class Secrets:
    """Texts that were redacted as the value of a secret key, and may be quoted elsewhere."""

    __slots__ = ("_pattern", "_texts")

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def __bool__(self) -> bool:
        return bool(self._texts)

    def add(self, text: str) -> None:
        if 3 <= len(text) <= _LONGEST and len(self._texts) < _MOST and text not in self._texts:
            # Also as it looks within a summary, where a string is quoted.
            quoted = repr(text)[1:-1]
            self._texts.update((text, quoted, quoted.replace("'", "\\'")))
            self._pattern = None

    def add_all(self, others: Secrets) -> None:
        if not others._texts <= self._texts:
            self._texts |= others._texts
            self._pattern = None

    def mask(self, text: str) -> str:
        """``text`` with each secret in it replaced by ``[redacted]``."""
        if not self._texts:
            return text
        if self._pattern is None:
            longest_first = sorted(self._texts, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_pattern_of, longest_first)))
        return self._pattern.sub(MASK, text)

    def cut(self, text: str, length: int) -> str:
        """The first ``length`` characters, masked before they are cut: half a secret is one too."""
        if not self._texts or len(text) <= length:
            return text[:length]
        return self.mask(text[: length + _LONGEST])[:length]


def _pattern_of(secret: str) -> str:
    escaped = re.escape(secret)
    return escaped if len(secret) >= _DISTINCT else rf"(?<!\w){escaped}(?!\w)"
