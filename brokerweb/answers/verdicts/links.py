"""Where a verdict leads: to what causes it and to what acts, best first, and only what the asker may do.

``href`` is the call of REST; pages know by ``rel`` what of theirs it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from brokerweb.answers.verdicts.standing import GroupStanding, MessageStanding, QueueStanding
from brokerweb.answers.verdicts.verdict import See, Verdict
from brokerweb.identity.principal import Principal

API = "/api/v1"
MOST = 10  # connections that one verdict offers to close
Live = Callable[[str], bool]  # whether a connection of that id is still there


def of_message(
    principal: Principal, queue: QueueStanding, message: MessageStanding, verdict: Verdict, live: Live
) -> Iterator[See]:
    """What a message's verdict leads to."""
    if queue.group is not None:
        yield from of_group_itself(queue.name, queue.group)
        return
    manages, here = principal.may("manage", "queue", queue.name), f"{API}/queues/{queue.name}"
    mine = f"{here}/messages/{message.id}"
    if verdict.code == "paused" and manages:
        yield See("resume", f"{here}/resume", f"Resume {queue.name}", "POST")
    if verdict.code in ("consumers_full", "alone"):
        yield from _connections(principal, queue, live)
    if verdict.code in ("leased", "expiring") and message.connection is not None:
        yield from _close(principal, message.connection, message.client or "the consumer", live)
    if message.head is not None:
        yield See("head", f"{here}/messages/{message.head.id}", f"Message {message.head.id}, the head of its key")
    if verdict.code in ("dead", "backing_off", "not_due") and manages:
        yield See("requeue", f"{mine}/requeue", "Put it back now", "POST")
    if verdict.code == "dead":
        yield from _alike(here, message)
    yield See("queue", here, queue.name)


def of_settled(principal: Principal, name: str, id: int, detail: Mapping[str, Any]) -> Iterator[See]:
    """What the verdict of a message leads to that is kept in a queue; ``detail`` says what took its place, or where it went."""
    here = f"{API}/queues/{name}"
    if (copy := detail.get("copy")) is not None:
        yield See("copy", f"{here}/messages/{copy}", f"Message {copy}, the edited copy")
    to = detail.get("to")
    if to is not None and principal.may("browse", "queue", to):
        yield See("moved", f"{API}/queues/{to}/messages/{id}", f"Message {id} in {to}")
    yield See("queue", here, name)


def _alike(here: str, message: MessageStanding) -> Iterator[See]:
    if message.fingerprint is not None:
        listed = f"{here}/messages?state=dead&fingerprint={message.fingerprint}"
        yield See("similar", listed, "Dead letters of the same cause")
    else:
        yield See("dead", f"{here}/messages?state=dead", "Dead letters of this queue")


def of_queue(principal: Principal, queue: QueueStanding, verdict: Verdict, live: Live) -> Iterator[See]:
    """What a queue's verdict leads to."""
    manages, here = principal.may("manage", "queue", queue.name), f"{API}/queues/{queue.name}"
    if verdict.code == "paused" and manages:
        yield See("resume", f"{here}/resume", f"Resume {queue.name}", "POST")
    if verdict.code == "stuck":
        yield from _connections(principal, queue, live)
    if verdict.code == "key_stuck" and queue.head is not None:
        yield See("head", f"{here}/messages/{queue.head.id}", f"Message {queue.head.id}, the head of its key")
    if verdict.code == "full" and manages:
        yield See("settings", here, "Raise max_length", "PATCH")
    if queue.count("leased"):
        yield See("in_flight", f"{here}/messages?state=leased", "What is in flight")
    if queue.count("dead"):
        yield See("dead", f"{here}/messages?state=dead", "Its dead letters")
        if manages:
            yield See("redrive", f"{here}/redrive", "Put its dead letters back", "POST")
    yield See("messages", f"{here}/messages", "Its messages")


def of_group(principal: Principal, group: GroupStanding, verdict: Verdict, live: Live) -> Iterator[See]:
    """What a group's verdict leads to."""
    manages, here = principal.may("manage", "stream", group.stream), f"{API}/streams/{group.stream}/groups/{group.name}"
    if verdict.code == "silent":
        if group.queue is not None:
            yield from _connections(principal, group.queue, live)
        elif verdict.facts.get("connection"):
            yield from _close(principal, str(verdict.facts["connection"]), str(verdict.facts["client"]), live)
    if verdict.code in ("trimmed", "no_members") and manages and not group.shared:
        yield See("seek", f"{here}/seek", "Move its positions", "POST")
    if group.queue is not None and group.queue.count("dead"):
        yield See("dead", f"{here}/dead", "Its dead letters")
        if manages:
            yield See("redrive", f"{here}/redrive", "Put its dead letters back", "POST")
    yield from of_group_itself(group.stream, group.name)


def of_group_itself(stream: str, name: str) -> Iterator[See]:
    yield See("group", f"{API}/streams/{stream}/groups/{name}", name)
    yield See("stream", f"{API}/streams/{stream}", stream)


def _connections(principal: Principal, queue: QueueStanding, live: Live) -> Iterator[See]:
    """Those that hold most first."""
    holding = sorted(queue.consumers, key=lambda consumer: -consumer.unsettled)
    for consumer in holding[:MOST]:
        if consumer.connection is not None:
            yield from _close(principal, consumer.connection, consumer.client, live)
    if principal.admin:
        yield See("connections", f"{API}/connections", "Everybody who is connected")


def _close(principal: Principal, connection: str, client: str, live: Live) -> Iterator[See]:
    if principal.admin and not principal.read_only and live(connection):
        yield See("close", f"{API}/connections/{connection}", f"Close the connection of {client}", "DELETE")
