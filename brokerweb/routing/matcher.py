"""Patterns of dot-separated words: ``*`` stands for one word, ``#`` for any number of them, also none.

Matching costs at most words of the pattern times words of the key, whatever both look like: between its two ``#`` a
pattern's first fit is as good as any later one, so no fit is ever taken back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from brokerweb.core.errors import Invalid

ONE, ANY = "*", "#"
MAX_ANY = 2
MAX_BYTES = 255
_WORD = r"[A-Za-z0-9_-]+"
_PATTERN = re.compile(rf"(?:{_WORD}|\*|#)(?:\.(?:{_WORD}|\*|#))*")
_KEY = re.compile(rf"(?:{_WORD}(?:\.{_WORD})*)?")


class Pattern(NamedTuple):
    """The words between the ``#`` of a pattern; a single part means that there is none."""

    parts: tuple[tuple[str, ...], ...]

    @property
    def literal(self) -> str | None:
        """The one routing key that matches, where the pattern has neither ``*`` nor ``#``."""
        return None if len(self.parts) > 1 or ONE in self.parts[0] else ".".join(self.parts[0])

    @property
    def first_word(self) -> str:
        """The word every matching key begins with; "" where a wildcard stands first."""
        first = self.parts[0][:1]
        return "" if first in ((), (ONE,)) else first[0]

    def matches(self, words: Sequence[str]) -> bool:
        """Whether a routing key's words fit."""
        first, *rest = self.parts
        if not rest:
            return len(words) == len(first) and _fits(first, words, 0)
        *between, last = rest
        start, end = len(first), len(words) - len(last)
        if start > end or not _fits(first, words, 0) or not _fits(last, words, end):
            return False
        for part in between:
            found = _first_fit(part, words, start, end)
            if found is None:
                return False
            start = found + len(part)
        return True


def _fits(part: tuple[str, ...], words: Sequence[str], at: int) -> bool:
    return all(word in (ONE, words[at + i]) for i, word in enumerate(part))


def _first_fit(part: tuple[str, ...], words: Sequence[str], start: int, end: int) -> int | None:
    return next((at for at in range(start, end - len(part) + 1) if _fits(part, words, at)), None)


def parse(text: object, pointer: str = "/pattern") -> Pattern:
    """The pattern of that text. Raises Invalid."""
    if not isinstance(text, str) or len(text) > MAX_BYTES or not _PATTERN.fullmatch(text):
        raise Invalid.at(
            pointer,
            f"a pattern has words of A-Z, a-z, 0-9, '_', '-', or '*' or '#', with dots between, {MAX_BYTES} bytes at most",
        )
    words = text.split(".")
    if words.count(ANY) > MAX_ANY:
        raise Invalid.at(pointer, f"a pattern has at most {MAX_ANY} '#'")
    parts: list[list[str]] = [[]]
    for word in words:
        if word == ANY:
            parts.append([])
        else:
            parts[-1].append(word)
    return Pattern(tuple(tuple(part) for part in parts))


def split(routing_key: object, pointer: str = "/routing_key") -> tuple[str, ...]:
    """A routing key's words; an empty key has none, and only ``#`` matches it. Raises Invalid."""
    if not isinstance(routing_key, str) or len(routing_key) > MAX_BYTES or not _KEY.fullmatch(routing_key):
        raise Invalid.at(
            pointer, f"a routing key has words of A-Z, a-z, 0-9, '_', '-', with dots between, {MAX_BYTES} bytes at most"
        )
    return tuple(routing_key.split(".")) if routing_key else ()
