from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.core.errors import Invalid
from brokerweb.core.names import glob
from brokerweb.identity.grants import includes, parse_grants, uncovered

INCLUDED = [
    ("*", "*", True),
    ("*", "orders", True),
    ("*", "a?*b", True),
    ("orders.*", "orders.eu.*", True),
    ("orders.*", "orders.*", True),
    ("orders.*", "orders*", False),
    ("orders.*", "*", False),
    ("orders.*", "orders.?", True),
    ("orders", "orders", True),
    ("orders", "order?", False),
    ("order?", "orders", True),
    ("*a*", "*ab*", True),
    ("*ab*", "*a*b*", False),
    ("*a*b*", "*ab*", True),
    ("a*a", "a", False),
    ("a*a", "aa", True),
    ("?*", "??", True),
    ("??", "?*", False),
    ("*?", "?*", True),
    ("a**b", "a*b", True),
    ("*.dead", "*.dead.*", False),
]


@pytest.mark.parametrize(("wide", "narrow", "included"), INCLUDED)
def test_a_pattern_includes_another_when_it_matches_all_that_the_other_does(wide, narrow, included):
    assert includes(wide, narrow) == included


TEXTS = ["".join(text) for n in range(7) for text in itertools.product("abx", repeat=n)]


@given(st.text("ab*?", max_size=6), st.text("ab*?", max_size=6))
def test_inclusion_agrees_with_trying_every_text(wide, narrow):
    tried = all(glob(wide).fullmatch(text) for text in TEXTS if glob(narrow).fullmatch(text))

    assert includes(wide, narrow) <= tried  # sound: what is claimed holds for every text
    if len(wide) + len(narrow) <= 6:  # then the texts are long enough to show any difference
        assert includes(wide, narrow) == tried


def test_a_proof_that_takes_too_long_counts_as_none():
    started = time.thread_time()

    assert not includes("*a" + "?" * 60, "*" + "?b" * 30 + "*a" + "?" * 60)
    assert time.thread_time() - started < 5


def test_no_pattern_makes_matching_slow():
    started = time.thread_time()

    assert not glob("*a" * 99 + "*b").fullmatch("a" * 200)
    assert time.thread_time() - started < 1


def permits(*grants):
    return parse_grants([{"pattern": pattern, "verbs": list(verbs)} for pattern, *verbs in grants])


@pytest.mark.parametrize(
    ("held", "asked", "lacking"),
    [
        ([("*", "admin")], [("*", "admin")], None),
        ([("*", "admin")], [("queue:x", "publish", "monitor")], None),
        ([("queue:*", "admin")], [("queue:x.*", "consume")], None),
        ([("queue:*", "admin")], [("x.*", "consume")], (0, "consume")),
        ([("queue:*", "admin")], [("stream:x", "consume")], (0, "consume")),
        ([("queue:*", "admin"), ("stream:*", "admin"), ("topic:*", "admin")], [("x", "browse")], (0, "browse")),
        ([("a.*", "publish")], [("a.*", "publish"), ("a.b", "consume")], (1, "consume")),
        ([("a.*", "publish"), ("a.*", "consume")], [("a.b", "publish", "consume")], None),
        ([("a.*", "publish"), ("b.*", "consume")], [("a.b", "publish", "consume")], (0, "consume")),
        ([("a.*", "publish", "consume", "browse", "manage", "monitor")], [("a.b", "admin")], (0, "admin")),
        ([], [], None),
        ([], [("x", "browse")], (0, "browse")),
    ],
)
def test_each_verb_asked_for_must_be_covered_by_one_grant_of_the_maker(held, asked, lacking):
    assert uncovered(permits(*asked), permits(*held)) == lacking


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        (None, "/grants"),
        ({}, "/grants"),
        ("*", "/grants"),
        ([{"pattern": "*", "verbs": ["publish"]}] * 101, "/grants"),
        (["*"], "/grants/0"),
        ([{"verbs": ["publish"]}], "/grants/0/pattern"),
        ([{"pattern": 1, "verbs": ["publish"]}], "/grants/0/pattern"),
        ([{"pattern": "", "verbs": ["publish"]}], "/grants/0/pattern"),
        ([{"pattern": "queue:", "verbs": ["publish"]}], "/grants/0/pattern"),
        ([{"pattern": ":x", "verbs": ["publish"]}], "/grants/0/pattern"),
        ([{"pattern": "group:x", "verbs": ["publish"]}], "/grants/0/pattern"),
        ([{"pattern": "[a-z]", "verbs": ["publish"]}], "/grants/0/pattern"),
        ([{"pattern": "x\n", "verbs": ["publish"]}], "/grants/0/pattern"),
        ([{"pattern": "x" * 201, "verbs": ["publish"]}], "/grants/0/pattern"),
        ([{"pattern": "*"}], "/grants/0/verbs"),
        ([{"pattern": "*", "verbs": []}], "/grants/0/verbs"),
        ([{"pattern": "*", "verbs": "publish"}], "/grants/0/verbs"),
        ([{"pattern": "*", "verbs": ["publish", "fly"]}], "/grants/0/verbs/1"),
        ([{"pattern": "*", "verbs": [["publish"]]}], "/grants/0/verbs/0"),
        ([{"pattern": "*", "verbs": ["publish"], "a/b": 1}], "/grants/0/a~1b"),
    ],
)
def test_wrong_grants_are_refused_with_the_place(value, pointer):
    with pytest.raises(Invalid) as refused:
        parse_grants(value)

    assert refused.value.extra["errors"][0]["pointer"] == pointer


def test_grants_read_back_as_they_were_written():
    [permit] = permits(("queue:orders.**", "consume", "publish", "publish"))

    assert permit.as_json() == {"pattern": "queue:orders.*", "verbs": ["publish", "consume"]}
