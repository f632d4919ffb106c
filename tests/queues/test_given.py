"""Messages as Django code gives them: within the limits of every face, or Invalid."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from django.db import models
from django.template import engines
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy

from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.core.misfits import NO_INSTANT
from brokerweb.faces.codec.json import decode
from brokerweb.faces.codec.messages import WireMessage, to_one
from brokerweb.queues import django as queues
from brokerweb.queues.from_python import new_message
from brokerweb.queues.models import Dedup
from brokerweb.routing import django as topics
from brokerweb.streams import django as streams


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "k" * 256}, {"key": 5}, {"key": "a\0b"}, {"dedup_id": "é" * 128}, {"correlation_id": "c" * 256},
        {"headers": {"a": 1}}, {"headers": {str(n): "" for n in range(65)}}, {"headers": {"a": "x" * 16_384}},
        {"content_type": "é"}, {"priority": 10}, {"priority": "4"}, {"priority": True}, {"delay": -1},
        {"delay": 366 * 86_400 + 1}, {"delay": timedelta(seconds=1)}, {"ttl": 0}, {"ttl": float("nan")},
        {"key": "\ud800"}, {"dedup_id": "a\udcff"}, {"headers": {"a": "\ud800"}}, {"headers": {"\ud800": "a"}},
        {"reply_to": "answers"}, {"surprise": 1},
        {"deliver_at": 5}, {"deliver_at": datetime(2026, 1, 1)}, {"deliver_at": datetime(2126, 1, 1, tzinfo=UTC)},  # noqa: DTZ001 (naive)
        {"deliver_at": datetime(2026, 1, 1, tzinfo=UTC), "delay": 1},
    ],
    ids=ascii,
)  # fmt: skip
def test_fields_beyond_the_limits_are_invalid(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        new_message(1, fields)


@pytest.mark.parametrize(
    "body",
    [float("nan"), {"a": float("inf")}, object(), "\ud800", json.loads("[" * 101 + "]" * 101)],
    ids=["nan", "inside", "object", "surrogate", "deep"],
)
def test_what_json_cannot_say_is_invalid(body: Any) -> None:
    with pytest.raises(Invalid):
        new_message(body, {})


def test_a_message_is_what_was_given() -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    fields = {"key": "k", "headers": {"a": "é"}, "priority": 9, "ttl": 5, "deliver_at": due, "reply_to": "queue:answers"}
    message = new_message({"total": 1.5, "at": due, "é": None}, fields)
    assert message.body.decode() == f'{{"total":1.5,"at":"{due.isoformat().replace("+00:00", "Z")}","é":null}}'
    assert (message.binary, message.key, message.headers, message.priority, message.ttl) == (False, "k", '{"a":"é"}', 9, 5)
    assert message.deliver_at == clock.from_datetime(due)
    assert message.reply_to == "queue:answers"


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Part(float):
    pass


class Instant(datetime):
    pass


class Words(dict[str, Any]):
    pass


class Size(models.TextChoices):
    SMALL = "s", gettext_lazy("Small")


HTML = engines["django"].from_string("<p>{{ n }}</p>").render({"n": "Ada"})
ORDINARY = [
    (HTML, '"<p>Ada</p>"'),
    ({"html": HTML, SafeString("k"): [mark_safe("x")]}, '{"html":"<p>Ada</p>","k":["x"]}'),
    (gettext_lazy("Yes"), '"Yes"'),
    ({"subject": format_lazy("{}!", gettext_lazy("Yes"))}, '{"subject":"Yes!"}'),
    (Text("x"), '"x"'),
    ([Number(1), Part(1.5), True], "[1,1.5,true]"),
    (Words(a=Number(1)), '{"a":1}'),
    (MappingProxyType({"a": Text("b")}), '{"a":"b"}'),
    ([Size.SMALL, Size.SMALL.label], '["s","Small"]'),
    (Decimal("1.50"), '"1.50"'),
    (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (Instant(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02T03:04:05Z"'),
    ([date(2026, 1, 2), timedelta(seconds=1)], '["2026-01-02","PT1S"]'),
]


@pytest.mark.parametrize(("body", "text"), ORDINARY, ids=repr)
def test_ordinary_values_of_django_code_are_said_in_json(body: Any, text: str) -> None:
    assert new_message(body, {}).body.decode() == text


@pytest.mark.parametrize("given", [mark_safe("x"), Text("x"), format_lazy("x")], ids=["safe", "subclass", "lazy"])
def test_texts_of_any_kind_are_texts(given: Any) -> None:
    names = ("key", "dedup_id", "correlation_id", "content_type")
    others = {"headers": {given: given}, "reply_to": format_lazy("queue:{}", given)}
    message = new_message(1, dict.fromkeys(names, given) | others)
    found = [getattr(message, name) for name in names]
    assert (found, message.headers, message.reply_to) == (["x"] * 4, '{"x":"x"}', "queue:x")
    assert {type(value) for value in found} == {str}


def test_numbers_and_instants_of_any_kind_are_those() -> None:
    due = Instant(2026, 1, 2, tzinfo=UTC)
    message = new_message(1, {"priority": Number(7), "ttl": Decimal("1.5"), "deliver_at": due})
    assert (message.priority, message.ttl, message.deliver_at) == (7, 1.5, clock.from_datetime(due))


@pytest.mark.parametrize(
    ("body", "fields", "pointer"),
    [
        (object(), {}, "/body"),
        ({"a": [1, {"b/c": object()}]}, {}, "/body/a/1/b~1c"),
        ({"a": float("nan")}, {}, "/body/a"),
        ({(1, 2): 1}, {}, "/body"),
        (Dedup.objects.values("dedup_id"), {}, "/body"),
        ({"rows": Dedup.objects.all()}, {}, "/body/rows"),
        (1, {"delay": Dedup}, "/delay"),
        (1, {"key": 5}, "/key"),
        (1, {"headers": {"a": 1}}, "/headers"),
        (1, {"headers": [1]}, "/headers"),
        (1, {"surprise": 1}, "/surprise"),
    ],
    ids=range(11),
)
def test_what_cannot_be_said_is_invalid_and_where_it_stands(body: Any, fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        new_message(body, fields)
    assert refused.value.extra["errors"][0]["pointer"] == pointer


AS_OVER_REST: list[dict[str, Any]] = [
    {"priority": 10}, {"priority": "4"}, {"priority": True}, {"prioity": 4}, {"surprise": 1}, {"key": 5}, {"delay": -1},
    {"headers": {"a": 1}}, {"headers": [1]}, {"ttl": None, "content_type": {}}, {"key": "k" * 256}, {"key": "a\0b"},
    {"reply_to": "answers"}, {"deliver_at": "tomorrow"},
]  # fmt: skip


@pytest.mark.parametrize("fields", AS_OVER_REST, ids=ascii)
def test_what_is_refused_is_so_in_the_words_of_rest(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as here:
        new_message(1, fields)
    with pytest.raises(Invalid) as there:
        to_one(decode(WireMessage, json.dumps({"body": 1, **fields})), "")
    assert (here.value.code, here.value.extra["errors"]) == (there.value.code, there.value.extra["errors"])


def odd(value: Any) -> Any:
    """What a type checker would not let pass."""
    return value


@pytest.mark.parametrize(
    ("call", "pointer", "detail"),
    [
        (lambda: queues.receive("q", limit=0), "/limit", "must be an integer >= 1"),
        (lambda: queues.receive("q", limit=odd("5")), "/limit", "must be an integer, and is a text"),
        (lambda: queues.settle(ack=[5]), "/ack/receipt", "must be a text, and is an integer"),
        (lambda: queues.settle(nack=[{"receipt": "r", "dely": 1}]), "/nack/dely", "unknown field; did you mean delay?"),
        (lambda: queues.publish(odd(5), 1), "/queue", "must be a text, and is an integer"),
        (lambda: streams.append("s", 1, partition="0"), "/partition", "must be an integer or null, and is a text"),
        (lambda: streams.read("s", limit=odd(1.5)), "/limit", "must be an integer, and is a number"),
        (lambda: topics.publish("t", 1, routing_key=odd([])), "/routing_key", "must be a text or null, and is a list"),
        (lambda: queues.publish("q", 1, deliver_at=datetime(2026, 1, 1)), "/deliver_at", NO_INSTANT),  # noqa: DTZ001 (naive)
        (lambda: queues.publish("q", 1, delay=timedelta(1)), "/delay", "must be a number or null, and is a duration"),
        (lambda: queues.publish("q", {"a": object()}), "/body/a", "JSON cannot say what is of the type object"),
        (lambda: queues.publish("q", [float("nan")]), "/body/0", "JSON has neither NaN nor Infinity"),
        (lambda: queues.publish("q", {1j: 1}), "/body", "names in a JSON object are texts"),
        (lambda: queues.publish("q", ["\ud800"]), "/body/0", "half a surrogate pair cannot be stored"),
    ],
)
def test_no_call_from_python_says_what_a_library_says(call: Callable[[], object], pointer: str, detail: str) -> None:
    with pytest.raises(Invalid) as refused:
        call()
    assert refused.value.extra["errors"] == [{"pointer": pointer, "detail": detail}]


def test_a_ring_is_invalid() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(Invalid):
        new_message(ring, {})


def test_bytes_stay_bytes() -> None:
    assert (new_message(b"\x00\xff", {}).body, new_message(memoryview(b"a"), {}).binary) == (b"\x00\xff", True)
