"""What is hidden of bodies and headers: exactly that, in whatever way it is written, and nothing else is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.core import json_paths, masking
from brokerweb.core.masking import HIDDEN, Hidden, Rule


def seen(text: str, *fields: str) -> str:
    [rule] = masking.parse({"*": fields})
    return Hidden(rule.fields).body(text)


@pytest.mark.parametrize(
    ("text", "field", "shown"),
    [
        ('{"card":{"number":"4111"},"n":1.10}', "$.card.number", '{"card":{"number":"•••"},"n":1.10}'),
        ('{"card":{"number":[{"a":"}"}]},"n":1}', "$.card.number", '{"card":{"number":"•••"},"n":1}'),
        ('{"card":1,"card":2}', "$.card", '{"card":"•••","card":"•••"}'),
        ('{"c\\u0061rd":12345678901234567890}', "$.card", '{"c\\u0061rd":"•••"}'),
        ('{"x":{"card":1},"card" : 2 }', "$.card", '{"x":{"card":1},"card" : "•••" }'),
        ('[{"a":1},{"a":2}]', "$[1].a", '[{"a":1},{"a":"•••"}]'),
        ('[{"a":1},{"a":2}]', "$[*].a", '[{"a":"•••"},{"a":"•••"}]'),
        ('{"a":{"k":1},"b":{"k":2,"l":3}}', "$.*.k", '{"a":{"k":"•••"},"b":{"k":"•••","l":3}}'),
        ('{"email":"a","to":[{"email":"b"}]}', "$..email", '{"email":"•••","to":[{"email":"•••"}]}'),
        ('{"a":{"b":{"x":{"c":1}}}}', "$.a..c", '{"a":{"b":{"x":{"c":"•••"}}}}'),
        ('{"odd, name":1,"*":2,"k":3}', '$."odd, name"', '{"odd, name":"•••","*":2,"k":3}'),
        ('{"odd, name":1,"*":2,"k":3}', '$."*"', '{"odd, name":1,"*":"•••","k":3}'),
        ('{"größe":1}', "$.größe", '{"größe":"•••"}'),
        ("[1,2]", "$", '"•••"'),
        ('not "a" json', "$.a", '"•••"'),
        ('{"a":1', "$.a", '{"a":"•••"'),
        ('{"note":"a long te', "$.card", '{"note":"a long te'),
        ('{"card":"41', "$.card", '{"card":"•••"'),
        ('{"card":{"number":[1,{"b":"41', "$.card", '{"card":"•••"'),
        ('{"a":1,"ca', "$.card", '{"a":1,"ca'),
        ("", "$.card", ""),
    ],
)
def test_what_is_at_a_path_is_cut_out_of_the_very_text(text, field, shown):
    assert seen(text, field) == shown


BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "card", "é"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
PATHS = st.lists(st.sampled_from(["a", "b", "card", "é", 0, 1]), max_size=4).map(tuple)


def without(value: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return HIDDEN
    step, *rest = path
    if isinstance(step, str) and isinstance(value, dict) and step in value:
        return value | {step: without(value[step], tuple(rest))}
    if isinstance(step, int) and isinstance(value, list) and step < len(value):
        return [without(each, tuple(rest)) if n == step else each for n, each in enumerate(value)]
    return value


@given(BODIES, PATHS, st.booleans(), st.sampled_from([None, 2]))
def test_what_is_left_is_the_body_without_the_path(body, path, ascii, indent):
    text = json.dumps(body, ensure_ascii=ascii, indent=indent)
    assert json.loads(seen(text, json_paths.spelled(path))) == without(body, path)
    assert Hidden([json_paths.spelled(path)]).covers((*path, "more"))


@given(BODIES, PATHS, st.integers(0, 200))
def test_of_a_beginning_no_more_is_seen_than_of_the_whole(body, path, length):
    field = json_paths.spelled(path)
    whole, begun = seen(json.dumps(body), field), seen(json.dumps(body)[:length], field)
    assert whole.startswith(begun) or begun == '"•••"'


@pytest.mark.parametrize(
    ("field", "path", "covered"),
    [
        ("$.a.b", ("a",), False),
        ("$.a.b", ("a", "b"), True),
        ("$.a.b", ("a", "b", 0), True),
        ("$..b", ("x", 3, "b"), True),
        ("$[*].b", (7, "b"), True),
        ("$[*].b", (7, "c"), False),
        ("$", (), True),
    ],
)
def test_a_path_is_covered_where_it_is_hidden_or_within(field, path, covered):
    assert Hidden([field]).covers(path) is covered


def test_headers_are_hidden_in_small_and_great_letters():
    [rule] = masking.parse("* = header.Authorization")
    assert rule.fields == ("header.authorization",)
    hidden = Hidden(rule.fields)
    assert json.loads(hidden.headers_of('{"AUTHORIZATION":"x","a":"b"}')) == {"AUTHORIZATION": HIDDEN, "a": "b"}
    assert hidden.headers_of('{ "a":"b"}') == '{ "a":"b"}'


def test_rules_are_written_one_a_line_or_between_semicolons_or_as_a_mapping():
    written = 'queue:orders.* = $.card.number , header.X;\n\n payments.**=$."odd, one",key'
    rules = (Rule("queue", "orders.*", ("$.card.number", "header.x")), Rule(None, "payments.*", ('$."odd, one"', "key")))
    assert masking.parse(written) == rules
    assert masking.parse({"queue:orders.*": ["$.card.number", "header.X"], "payments.*": ['$."odd, one"', "key"]}) == rules
    assert masking.parse("\n".join(map(str, rules))) == rules
    assert masking.parse("") == ()


@pytest.mark.parametrize(
    "text",
    [
        "orders", "orders =", "orders = ", "orders = $.a,", "orders = body", "or ders = $.a", "topics:x = $.a", "x = $.a b",
        "x = $.", "x = $....a", "x = $..", "x = header.", 'x = $."a', "x = $[-1]", "x = $" + ".a" * 40, "x = $." + "a" * 300,
        "{} = $.a",
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused_in_words(text):
    with pytest.raises(ValueError, match=r"\w"):
        masking.parse(text)


@pytest.mark.parametrize(
    "field", ["$", "$.a[0].b", "$[*].b", "$.*.k", "$..b", "$.a..c", '$."*"', "$.größe", 'header."a b"', "key", "error"]
)
def test_a_field_is_always_spelled_alike(field):
    [rule] = masking.parse({"*": [field]})
    assert rule.fields == (field,)
