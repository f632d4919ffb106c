"""Funnels: a value of a message or record as the condition of a search, whatever it is."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from django.template import Context
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.answers.search import grammar
from brokerweb.answers.search.conditions import Condition
from brokerweb.console.body_values import MOST, values_of
from brokerweb.console.conditions import condition
from brokerweb.console.templatetags.brokerweb_search import funnel
from tests.console.conftest import HOSTILE, declare, publish, text
from tests.console.test_security import Elements, assert_nothing_runs

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    ("field", "value", "term"),
    [
        ("key", "acct-0", "key:acct-0"),
        ("key", "a b", 'key:"a b"'),
        ("key", "a,b", 'key:"a,b"'),
        ("key", "-a", 'key:"-a"'),
        ("key", "", 'key:""'),
        ("key", 'say "no" \\', 'key:"say \\"no\\" \\\\"'),
        ("header.tenant", "globex", "header.tenant=globex"),
        ("header.x y", "1", 'header."x y"=1'),
        ("header.a.b", "1", 'header."a.b"=1'),
        ("$.a", "DE", "$.a=DE"),
        ("$.a", "12", '$.a="12"'),
        ("$.a", "null", '$.a="null"'),
        ("$.a", None, "$.a=null"),
        ("$.a", True, "$.a=true"),
        ("error", "429", 'error~"429"'),
        ("key", "a\0b", ""),
        ("key", "k" * 2_000, ""),
    ],
)
def test_a_value_is_said_as_a_condition(field, value, term):
    assert condition(field, value) == term


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


def read(term: str) -> Condition:
    [found] = grammar.parse(term, 0).conditions
    return found


@given(TEXTS, st.sampled_from(["key", "correlation", "publisher"]))
def test_whatever_a_value_is_its_condition_is_just_that(value, field):
    assert read(condition(field, value)) == Condition(field, "=", (value,))


@given(TEXTS.filter(bool), TEXTS)
def test_whatever_a_header_is_called_its_condition_is_of_that(name, value):
    assert read(condition(f"header.{name}", value)) == Condition("header", "=", (value,), name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda of: st.lists(of, max_size=3) | st.dictionaries(TEXTS, of, max_size=3),
    max_leaves=9,
)


@given(JSON.filter(lambda body: isinstance(body, dict | list)))
def test_whatever_stands_in_a_body_its_condition_is_its_path_and_value(body):
    for value in values_of(json.dumps(body).encode()):
        asked = read(condition(value.path, value.value))
        found = body
        for step in asked.name or ():
            found = found[step]
        assert (asked.field, asked.operator, asked.values) == ("$", "=", (found,))
        assert type(found) is not bool or asked.values[0] is found


def test_numbers_of_a_body_stay_as_they_are_written():
    [big, small] = values_of(b'{"n": 9007199254740993, "m": [1.50]}')
    assert (condition(big.path, big.value), condition(small.path, small.value)) == ("$.n=9007199254740993", "$.m[0]=1.50")


def test_the_values_of_a_body_have_paths_and_an_end():
    body: dict[str, object] = {"a": {"b c": [1, {"d": "x"}]}, "e": None, "f": [], "g.h": True}
    found = [(value.path, value.text) for value in values_of(json.dumps(body).encode())]
    assert found == [('$.a."b c"[0]', "1"), ('$.a."b c"[1].d', "x"), ("$.e", "null"), ('$."g.h"', "true")]
    assert len(values_of(json.dumps(list(range(1_000))).encode())) == MOST
    deep = b"[" * 90 + b"1" + b"]" * 90
    assert values_of(deep) == values_of(b"\xff") == values_of(b"12") == values_of(b"{") == []


def drawn(field: str, value: object, where: str = "", place: str = "/") -> str:
    return str(funnel(Context({"request": RequestFactory().get(place)}), field, value, where))


def asked(link: str) -> dict[str, list[str]]:
    [href] = [attributes["href"] for tag, attributes in Elements(link).tags if tag == "a"]
    return parse_qs(urlsplit(href or "").query)


def test_a_funnel_searches_for_its_value_alone():
    assert asked(drawn("key", "acct-0", "queue:orders")) == {"q": ["key:acct-0"], "in": ["queue:orders"]}
    assert drawn("key", None) == ""


def test_a_funnel_adds_to_the_search_that_the_page_came_from():
    place = "/queues/orders/messages/1?q=state:dead&in=queue:*"
    assert asked(drawn("key", "a", "queue:orders", place)) == {"q": ["state:dead key:a"], "in": ["queue:*"]}
    assert asked(drawn("state", "dead", "queue:orders", place)) == {"q": ["state:dead"], "in": ["queue:*"]}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_values_stay_text_in_a_funnel(hostile):
    link = drawn("header.x", hostile.replace("\0", "")) + drawn(f"header.{hostile}".replace("\0", ""), "x")
    assert_nothing_runs(link)
    assert "\u202e" not in link


def test_the_page_of_a_search_says_what_may_stand_there(client):
    page = text(client.get("/search", {"q": 'key:"<b>"', "in": "queue:orders.*"}))
    assert "key:&quot;&lt;b&gt;&quot;" in page
    assert 'value="queue:orders.*"' in page
    assert "header.tenant=globex" in page


def test_every_value_of_a_message_has_its_funnel(client):
    [message] = publish(declare(), {"order": {"id": "ORD-7"}}, key="a b", headers='{"tenant": "globex"}', correlation_id="c1")
    page = text(client.get(f"/queues/orders/messages/{message}"))
    links = [attributes["href"] for tag, attributes in Elements(page).tags if attributes.get("class") == "funnel"]
    asked_for = [parse_qs(urlsplit(link or "").query) for link in links]
    assert {query["q"][0] for query in asked_for} == {
        'key:"a b"',
        "correlation:c1",
        "publisher:tests",
        "$.order.id=ORD-7",
        "header.tenant=globex",
    }
    assert {query["in"][0] for query in asked_for} == {"queue:orders"}
