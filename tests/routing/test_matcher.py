"""Patterns and routing keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerweb.core.errors import Invalid
from brokerweb.routing import matcher


def matches(pattern: str, key: str) -> bool:
    return matcher.parse(pattern).matches(matcher.split(key))


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("orders.created", "orders.created"),
        ("orders.*", "orders.created"),
        ("*.*", "orders.created"),
        ("#", ""),
        ("#", "orders.eu.created"),
        ("orders.#", "orders"),
        ("orders.#", "orders.eu.created"),
        ("#.created", "created"),
        ("#.created", "orders.eu.created"),
        ("orders.#.created", "orders.created"),
        ("#.eu.#", "eu"),
        ("#.eu.#", "orders.eu.eu.created"),
        ("#.#", ""),
        ("#.*", "orders"),
        ("*.#.*", "a.b"),
        ("a.#.b.#.c", "a.b.b.c.c"),
    ],
)
def test_these_match(pattern: str, key: str) -> None:
    assert matches(pattern, key)


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("orders.created", "orders"),
        ("orders.created", "orders.Created"),
        ("orders.*", "orders"),
        ("orders.*", "orders.eu.created"),
        ("*", ""),
        ("#.*", ""),
        ("orders.#", "order"),
        ("#.created", "created.orders"),
        ("a.#.a", "a"),
        ("a.b.#.b.a", "a.b.a"),
        ("#.eu.#", "orders.us.created"),
        ("a.#.b.#.c", "a.c.b"),
    ],
)
def test_these_do_not_match(pattern: str, key: str) -> None:
    assert not matches(pattern, key)


@pytest.mark.parametrize(
    "pattern", ["", ".", "a.", ".a", "a..b", "a.#.#.#", "a*", "#a", "a b", "ä", "a\n", "a" * 256, None, 5, ["a"]]
)
def test_what_is_no_pattern_is_invalid(pattern: object) -> None:
    with pytest.raises(Invalid) as error:
        matcher.parse(pattern, "/bindings/0/pattern")
    assert error.value.extra["errors"][0]["pointer"] == "/bindings/0/pattern"


@pytest.mark.parametrize("key", [".", "a.", "a..b", "a.*", "#", "ä", "a ", "a\n", "a" * 256, None, 5])
def test_what_is_no_routing_key_is_invalid(key: object) -> None:
    with pytest.raises(Invalid):
        matcher.split(key)


def test_the_longest_pattern_and_key_are_taken() -> None:
    assert matches("a" * 255, "a" * 255)


class Counting(Sequence[str]):
    """Words that count how often one is looked at."""

    def __init__(self, words: list[str]) -> None:
        self.words, self.looks = words, 0

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        self.looks += 1
        return self.words[at]

    def __len__(self) -> int:
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("words are looked at one by one")


@pytest.mark.parametrize(
    "pattern",
    [
        ".".join(["a", "#", *["a"] * 16, "#", "b"]),
        ".".join(["#", *["a"] * 17, "b", "#"]),
        ".".join(["a", "#", *["*"] * 15, "b", "#", "c"]),
    ],
)
def test_the_worst_pattern_of_20_words_looks_at_1000_words_at_most_20_times_each(pattern: str) -> None:
    assert pattern.count(".") == 19
    words = Counting(["a"] * 1000)
    assert not matcher.parse(pattern).matches(words)
    assert words.looks <= 20 * 1000


def test_the_wildcard_bomb_is_refused_unread() -> None:
    with pytest.raises(Invalid):
        matcher.parse(".".join(["a", *["#"] * 19]))


def plainly(pattern: list[str], words: list[str]) -> bool:
    """The definition, by trying everything."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(plainly(pattern[1:], words[i:]) for i in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and plainly(pattern[1:], words[1:])


WORDS = st.sampled_from(["a", "b"])


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=7), st.lists(WORDS, max_size=8))
def test_matching_is_what_trying_everything_finds(pattern: list[str], words: list[str]) -> None:
    if pattern.count("#") <= 2:
        assert matches(".".join(pattern), ".".join(words)) == plainly(pattern, words)
