"""The conversations: what a broker means, as far as it can be seen from outside."""

from __future__ import annotations

from typing import Any

from tests.faces.conversations.limits import LIMITS
from tests.faces.conversations.ordering import KEYED, ORDER
from tests.faces.conversations.settling import SETTLING, TIME
from tests.faces.conversations.steps import (
    Conversation,
    ack,
    arrives,
    browse,
    conversation,
    counts,
    declare,
    delete,
    extend,
    message,
    nack,
    operate,
    publish,
    refused,
    release,
    take,
    wait,
)

DEDUP = [
    conversation(
        "a duplicate answers with the first id, in one batch and after the message is gone",
        publish(message("a", dedup_id="1"), message("a", dedup_id="1"), message("b"), duplicates=(False, True, False)),
        counts(ready=2),
        take("a", "b"),
        ack("a", "b"),
        publish(message("a", dedup_id="1"), duplicates=(True,)),
        counts(),
    ),
    conversation(
        "a dedup id is forgotten after the window",
        publish("a", dedup_id="1"),
        publish(message("again", dedup_id="1"), duplicates=(False,)),
        counts(ready=2),
        dedup_window=0,
    ),
    conversation(
        "a refused publish leaves nothing, no dedup id either",
        publish("a", "b"),
        refused("queue_full", publish(message("c", dedup_id="1"))),
        take("a", max=1),
        ack("a"),
        publish(message("c", dedup_id="1"), duplicates=(False,)),
        take("b", "c"),
        max_length=2,
    ),
]

LENGTH = [
    conversation(
        "a batch that does not fit is refused whole",
        publish("a"),
        refused("queue_full", publish("b", "c")),
        counts(ready=1),
        publish("b"),
        counts(ready=2),
        max_length=2,
    ),
    conversation(
        "a full queue may bury its oldest instead",
        publish("a", "b"),
        publish("c"),
        browse("dead", message("a", reason="overflow")),
        take("b", "c"),
        refused("queue_full", publish("d")),
        max_length=2,
        overflow="dead_letter_oldest",
    ),
    conversation(
        "a body over the queue's limit is too large, and its batch with it",
        refused("too_large", publish("a", "x" * 99)),
        counts(),
        publish("x" * 98),
        max_body_bytes=100,
    ),
    conversation(
        "a body larger than an answer carries goes by itself",
        publish("small", "x" * 600_000, "last"),
        take("small", max=1),
        take("x" * 600_000, max=1),
        take("last"),
    ),
]

PAUSE = [
    conversation(
        "a pause stops hand-out only",
        publish("a"),
        take("a"),
        operate("pause", reason="stocktaking"),
        publish("b"),
        take(paused=True),
        extend("a", lease=60),
        ack("a"),
        counts(ready=1),
        operate("resume"),
        take("b"),
    ),
    conversation(
        "who waits at a paused queue is told after the wait, or served when it goes on",
        operate("pause", reason=""),
        publish("a"),
        take(paused=True, wait=0.2),
        wait(by="patient"),
        operate("resume"),
        arrives("a", by="patient"),
    ),
]

WAITING = [
    conversation(
        "who waits is handed what is published",
        wait(by="first"),
        publish("a", "b", key="k", headers={"x": "y"}),
        arrives(message("a", attempts=1, key="k", headers={"x": "y"}), message("b", attempts=1), by="first"),
        counts(leased=2),
        ack("a", "b"),
        counts(),
    ),
    conversation(
        "who waits is handed no more than they asked for",
        wait(by="first", max=2),
        publish("a", "b", "c"),
        arrives("a", "b", by="first"),
        counts(ready=1, leased=2),
    ),
    conversation(
        "who waits is handed the message that ranks first",
        wait(by="first", max=1),
        publish(message("low", priority=0), message("high", priority=9)),
        arrives("high", by="first"),
    ),
    conversation(
        "who waits for good is handed messages that are stored nowhere",
        wait(by="first", ack="none"),
        publish("a"),
        arrives(message("a", receipt=None), by="first"),
        counts(),
    ),
    conversation(
        "a hand-over keeps keys one at a time",
        wait(by="first"),
        publish("a", "b", key="k"),
        arrives("a", by="first"),
        counts(leased=1, blocked=1),
        ack("a"),
        take("b"),
        keyed=True,
    ),
    conversation(
        "who waits is served when a delayed message falls due, or one returns",
        publish("late", delay=0.3),
        wait(by="first"),
        arrives("late", by="first"),
        wait(by="second"),
        nack("late", delay=0.1),
        arrives(message("late", failures=1), by="second"),
    ),
    conversation(
        "a waiting message goes before a new one",
        publish("a"),
        take("a", by="holder"),
        release("a"),
        publish("b"),
        take("a", max=1),
        take("b"),
    ),
]

EVERYTHING: dict[str, Any] = {
    "key": "customer-42", "headers": {"source": "shop", "empty": ""}, "content_type": "application/vnd.shop+json", "priority": 7,
    "reply_to": "queue:answers", "correlation_id": "c1",
}  # fmt: skip

CONTENT = [
    conversation(
        "a message comes as it went",
        publish('ü\U0001f600\u2028\\"\n', **EVERYTHING),
        take(message('ü\U0001f600\u2028\\"\n', expires_at=None, attempts=1, failures=0, **EVERYTHING)),
    ),
    conversation(
        "bytes come as they went, too",
        publish({"body_base64": "AP8="}, {"body_base64": ""}, {"body_base64": "aGk=", "content_type": "text/plain"}),
        take(
            {"body_base64": "AP8=", "content_type": "application/octet-stream"},
            {"body_base64": ""},
            {"body_base64": "aGk=", "content_type": "text/plain"},
        ),
    ),
    conversation(
        "JSON of any kind is a body",
        publish(None, 0, -1.5, "", True),
        take(None, 0, -1.5, "", True),
    ),
    conversation(
        "a deleted queue is nobody's, and its receipts are lost",
        publish("a"),
        take("a"),
        delete(),
        refused("not_found", publish("b")),
        refused("not_found", take()),
        declare(),
        take(),
        counts(),
    ),
    conversation(
        "nothing is created by use",
        refused("not_found", publish("a", queue="other")),
        refused("not_found", take(queue="other")),
        refused("invalid", publish("a", queue=".hidden")),
        refused("invalid", take(queue="sp ace")),
    ),
]

CONVERSATIONS: list[Conversation] = [
    *SETTLING, *TIME, *ORDER, *KEYED, *DEDUP, *LENGTH, *PAUSE, *WAITING, *CONTENT, *LIMITS,
]  # fmt: skip
