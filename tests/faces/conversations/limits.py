"""Conversations about limits: what lies just inside is taken, what lies just outside is refused, and nothing is half done."""

from __future__ import annotations

from typing import Any

from tests.faces.conversations.steps import Conversation, Step, conversation, counts, message, publish, refused, take

DAY = 86_400

TAKEN: list[dict[str, Any]] = [
    message("priority 0", priority=0),
    message("priority 9", priority=9),
    message("a long key", key="k" * 255),
    message("a long dedup id", dedup_id="d" * 255),
    message("many headers", headers={f"h{n}": "v" for n in range(64)}),
    message("much header", headers={"h": "v" * 16_383}),
    message("a long delay", delay=366 * DAY),
    message("no headers", headers={}),
    message("nulls", key=None, headers=None, priority=None, delay=None, ttl=None, dedup_id=None),
    {"body_base64": "AA=="},
]

REFUSED: list[dict[str, Any]] = [
    {},
    {"body": 1, "body_base64": "AA=="},
    {"body_base64": "not base64"},
    {"body_base64": 7},
    message(1, surprise=1),
    message(1, priority=10),
    message(1, priority=-1),
    message(1, priority="4"),
    message(1, priority=4.5),
    message(1, priority=True),
    message(1, key="k" * 256),
    message(1, key="ü" * 128),
    message(1, key="a\0b"),
    message(1, key="half an emoji \ud83d"),
    message(1, key=5),
    message(1, dedup_id="d" * 256),
    message(1, content_type="c" * 256),
    message(1, headers={f"h{n}": "v" for n in range(65)}),
    message(1, headers={"h": "v" * 16_384}),
    message(1, headers={"h": 1}),
    message(1, headers=["h"]),
    message(1, headers={"h": "\ud83d"}),
    message(1, headers={"\ude00": "v"}),
    message(1, dedup_id="\ud83d"),
    message(1, correlation_id="\ud83d"),
    message(1, correlation_id="\0"),
    message({"half": ["\ud83d"]}),
    message(1, delay=-1),
    message(1, delay=366 * DAY + 1),
    message(1, delay="30"),
    message(1, delay=1, deliver_at="2030-01-01T00:00:00Z"),
    message(1, deliver_at="tomorrow"),
    message(1, deliver_at="2999-01-01T00:00:00Z"),
    message(1, deliver_at=1),
    message(1, ttl=0),
    message(1, ttl=-1),
    message(1, reply_to="nowhere"),
    message(1, reply_to="queue:../etc"),
]


def _refused(item: dict[str, Any]) -> Step:
    return refused("invalid", publish(item))


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


GOOD = publish("good between, since ten bad frames in a row end a socket")

LIMITS: list[Conversation] = [
    conversation("every limit may be reached", *(publish(item) for item in TAKEN), counts(ready=len(TAKEN) - 1, scheduled=1)),
    conversation("no limit may be passed, nor a type be another", *(step for item in REFUSED for step in (_refused(item), GOOD))),
    conversation(
        "a batch has 1 to 1000 messages, and one bad message refuses all",
        refused("invalid", publish()),
        refused("invalid", publish(*range(1001))),
        refused("invalid", publish("good", message("bad", priority=10))),
        refused("invalid", publish("good", message("bad", key="\ud83d"))),
        counts(),
        publish(*range(1000)),
        counts(ready=1000),
        take(*range(1000), max=1000),
        counts(leased=1000),
    ),
    conversation(
        "a consumer's terms have limits",
        *(refused("invalid", take(**terms)) for terms in ({"lease": 0.5}, {"lease": 43_201}, {"ack": "auto"}, {"max": 0})),
        *(refused("invalid", take(**terms)) for terms in ({"max": 10_001}, {"max": "10"}, {"lease": True}, {"max": 1.5})),
    ),
    conversation(
        "JSON nests 100 deep at most",
        publish({"body": "deep", "headers": {}}),
        refused("invalid", publish({"body": _nested(101)})),
        publish({"body": "after"}),
        counts(ready=2),
    ),
]
