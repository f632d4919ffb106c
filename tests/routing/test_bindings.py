"""Tables of bindings: what they find is what matching one by one finds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerweb.core.errors import Invalid
from brokerweb.routing import matcher
from brokerweb.routing.bindings import REMEMBERED_KEYS, Binding, Table

WORD = st.sampled_from(["a", "b", "c"])
PATTERN = st.lists(st.sampled_from(["a", "b", "*", "#"]), min_size=1, max_size=4).filter(lambda words: words.count("#") <= 2)
HEADERS = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"]))
BINDING = st.builds(
    lambda pattern, to, headers: Binding(".".join(pattern), f"queue:{to}", json.dumps(headers)), PATTERN, WORD, HEADERS
)


@settings(max_examples=300, deadline=None)
@given(st.lists(BINDING, max_size=12), st.lists(WORD, max_size=4), HEADERS)
def test_a_table_finds_what_matching_one_by_one_finds(bindings: list[Binding], words: list[str], headers: dict[str, str]) -> None:
    expected = [
        binding
        for binding in bindings
        if matcher.parse(binding.pattern).matches(words) and json.loads(binding.headers).items() <= headers.items()
    ]
    table = Table(bindings)
    for _ in range(2):  # found, and remembered
        assert table.matches(".".join(words), headers) == expected
        assert list(table.targets(".".join(words), headers)) == list(dict.fromkeys(binding.to for binding in expected))


def test_what_a_table_remembers_is_bounded_and_holds_no_invalid_key() -> None:
    table = Table([Binding("#", "queue:a")])
    for n in range(REMEMBERED_KEYS + 10):
        table.matches(f"k{n}", {})
    for _ in range(2):
        with pytest.raises(Invalid):
            table.matches("no key", {})
    assert table._places.cache_info().currsize == REMEMBERED_KEYS
