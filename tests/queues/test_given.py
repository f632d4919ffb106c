"""Messages as Django code gives them: within the limits of every face, or Invalid."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.queues.from_python import new_message


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


def test_bytes_stay_bytes() -> None:
    assert (new_message(b"\x00\xff", {}).body, new_message(memoryview(b"a"), {}).binary) == (b"\x00\xff", True)
