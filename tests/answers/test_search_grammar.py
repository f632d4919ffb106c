"""The grammar of queries: what is written is what is asked, and what cannot be read says where."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.answers.search.conditions import BOTH, MESSAGES, RECORDS, Condition, Instant, fold
from brokerweb.answers.search.grammar import KINDS, Query, parse, spelled
from brokerweb.core import clock, json_paths
from brokerweb.core.errors import Invalid
from brokerweb.queues.states import STATE_NAMES

NOW = 1_800_000_000 * clock.SECOND
TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=12)
NUMBERS = st.integers(-(10**25), 10**25) | st.decimals(allow_nan=False, allow_infinity=False, places=3).map(Decimal.normalize)
STEPS = TEXTS | st.integers(0, 999)


def made(drawn: tuple[tuple[str, str, tuple[Any, ...], Any], bool]) -> Condition:
    (field, operator, values, name), negated = drawn
    return Condition(field, operator, values, name, negated)


def conditions() -> st.SearchStrategy[Condition]:
    texts = st.sampled_from(["key", "correlation", "publisher", "error", "route", "type"])
    numbers = st.sampled_from(["attempts", "failures", "priority", "offset", "partition"])
    order = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
    instants = st.integers(0, 4 * 10**15).map(Instant)
    names = st.lists(STEPS, max_size=4).map(tuple)
    literals = NUMBERS | TEXTS | st.sampled_from([True, False, None])
    equal = st.sampled_from(["=", "!="])
    states = st.lists(st.sampled_from(list(STATE_NAMES)), min_size=1, max_size=3, unique=True).map(tuple)
    ids = st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=3, unique=True).map(tuple)
    one = st.tuples
    asked: list[st.SearchStrategy[Any]] = [
        one(st.just("text"), st.just("~"), one(TEXTS.map(fold)), st.none()),
        one(texts, equal, one(TEXTS), st.none()),
        one(texts, st.just("~"), one(TEXTS.map(fold)), st.none()),
        one(numbers, order, one(NUMBERS), st.none()),
        one(st.just("state"), equal, states, st.none()),
        one(st.just("id"), equal, ids, st.none()),
        one(st.just("dedup"), equal, one(TEXTS), st.none()),
        one(st.just("published"), order, one(instants), st.none()),
        one(st.just("header"), equal, one(TEXTS), TEXTS),
        one(st.just("header"), st.sampled_from(["<", ">="]), one(NUMBERS | instants), TEXTS),
        one(st.just("$"), equal, one(literals), names),
        one(st.just("$"), st.just("~"), one(TEXTS.map(fold)), names),
        one(st.just("$"), st.sampled_from(["<", "<=", ">"]), one(NUMBERS | instants), names),
    ]
    return st.tuples(st.one_of(asked), st.booleans()).map(made)


@given(st.lists(conditions(), max_size=5).map(lambda found: Query(tuple(found))))
def test_every_query_is_read_as_it_was_written(query: Query):
    assert parse(spelled(query), NOW) == query


@given(st.text(max_size=60))
def test_whatever_is_asked_is_a_query_or_an_error_with_a_place(text: str):
    try:
        query = parse(text, NOW)
    except Invalid as error:
        [fault] = error.extra["errors"]
        assert fault["pointer"] == "/q"
        assert fault["detail"].startswith("column ")
    else:
        assert parse(spelled(query), NOW) == query


def one(text: str) -> Condition:
    [condition] = parse(text, NOW).conditions
    return condition


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ORD-20041", Condition("text", "~", ("ord-20041",))),
        ('"two words"', Condition("text", "~", ("two words",))),
        ('-"two words"', Condition("text", "~", ("two words",), None, True)),
        ("id:18164", Condition("id", "=", (18164,))),
        ("id:1,2", Condition("id", "=", (1, 2))),
        ("key:acct-0", Condition("key", "=", ("acct-0",))),
        ("key:a,b", Condition("key", "=", ("a,b",))),
        ("dedup:order-1001", Condition("dedup", "=", ("order-1001",))),
        ("state:dead,blocked", Condition("state", "=", ("dead", "blocked"))),
        ("-state:dead", Condition("state", "=", ("dead",), None, True)),
        ("reason:max_failures", Condition("reason", "=", ("max_failures",))),
        ("attempts>=3", Condition("attempts", ">=", (3,))),
        ("header.tenant=globex", Condition("header", "=", ("globex",), "tenant")),
        ("header.tenant=3", Condition("header", "=", ("3",), "tenant")),
        ('header."odd = name"~Shop', Condition("header", "~", ("shop",), "odd = name")),
        ("$.customer.country=DE", Condition("$", "=", ("DE",), ("customer", "country"))),
        ("$.items[0].qty>=3", Condition("$", ">=", (3,), ("items", 0, "qty"))),
        ('$.note~"late"', Condition("$", "~", ("late",), ("note",))),
        ("$.voucher=null", Condition("$", "=", (None,), ("voucher",))),
        ('$.voucher="null"', Condition("$", "=", ("null",), ("voucher",))),
        ("$.n=9007199254740993", Condition("$", "=", (9007199254740993,), ("n",))),
        ("$.n=0.1", Condition("$", "=", (Decimal("0.1"),), ("n",))),
        ('$."a.b"["c d"]!=true', Condition("$", "!=", (True,), ("a.b", "c d"))),
        ("$=5", Condition("$", "=", (5,), ())),
        ('error~"429"', Condition("error", "~", ("429",))),
        ("published<1h", Condition("published", ">", (Instant(NOW - 3600 * clock.SECOND),))),
        ("published>=7d", Condition("published", "<=", (Instant(NOW - 7 * 86400 * clock.SECOND),))),
        ("published>2026-11-28", Condition("published", ">", (Instant(clock.parse_rfc3339("2026-11-28T00:00:00Z")),))),
        (
            "published>2026-11-28T10:30+01:00",
            Condition("published", ">", (Instant(clock.parse_rfc3339("2026-11-28T09:30:00Z")),)),
        ),
        ("offset>=1200", Condition("offset", ">=", (1200,))),
        ("$5", Condition("text", "~", ("$5",))),
        ("hello!", Condition("text", "~", ("hello!",))),
    ],
)
def test_what_is_written_is_what_is_asked(text: str, wanted: Condition):
    assert one(text) == wanted


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("stat:dead", 1, "did you mean state?"),
        ("a -b stat:dead", 6, "did you mean state?"),
        ("state:ded", 7, "did you mean dead?"),
        ("state:dead,", 12, "one of scheduled"),
        ("http://example.org", 1, "stands in quotes"),
        ("attempts>=many", 11, "a number"),
        ("attempts~3", 9, "one of = != < <= > >="),
        ("key<3", 4, "one of = != ~"),
        ("id:x", 4, "an id"),
        ("fingerprint:6c1f", 13, "16 hexadecimals"),
        ("id:99999999999999999999", 4, "an id"),
        ("published<yesterday", 11, "an instant"),
        ("published>2026-13-01", 11, "an instant"),
        ("published=1h", 10, "before an age"),
        ("$.a", 4, "one of = != ~"),
        ("$.=1", 3, "a member's name"),
        ("$.a[x]=1", 5, "an element's place"),
        ("$.a[0=1", 6, "]"),
        ("$.a>x", 5, "a number"),
        ("$.a=", 5, "a value right behind ="),
        ("$.a= 5", 5, "a value right behind ="),
        ('"open', 1, 'a closing "'),
        ('key:"open', 5, 'a closing "'),
        ('"a"b', 4, "a space"),
        ('a"b"', 2, "a space before"),
        ('"\\x"', 1, "a text in quotes"),
        ('"\\ud800"', 1, "a text in quotes"),
        ('""', 1, "a text to look for"),
        ("header.=x", 8, "a header's name"),
        ("=x", 1, "a field before ="),
        ("a - b", 4, "right behind -"),
        ("a\0b", 2, "no NUL"),
        ("x" * 2001, 2001, "at most 2000 characters"),
        ("x " * 33, 65, "at most 32"),
        ("$" + ".a" * 33 + "=1", 1, "at most 32 steps"),
        ("$.n=1e99999999999999999999", 5, "not so large"),
    ],
)
def test_an_error_says_where_and_what_was_expected(text: str, column: int, expected: str):
    with pytest.raises(Invalid) as refused:
        parse(text, NOW)
    [fault] = refused.value.extra["errors"]
    assert fault["pointer"] == "/q"
    assert fault["detail"].startswith(f"column {column}: expected ")
    assert expected in fault["detail"]


def test_what_is_of_messages_or_of_records_alone_leaves_the_others_out():
    assert parse("-state:dead x", NOW).kinds == MESSAGES
    assert parse("-offset>3 x", NOW).kinds == RECORDS
    assert parse("state:dead offset>3", NOW).kinds == frozenset()
    assert parse("key:a $.b=1", NOW).kinds == BOTH == parse("", NOW).kinds
    assert all(Condition(name, "=", ("x",)).kinds for name in KINDS)


@given(st.lists(STEPS, max_size=6).map(tuple))
def test_a_path_is_read_as_it_is_spelled(path: json_paths.Path):
    assert json_paths.parse(json_paths.spelled(path)) == path
