"""Messages and failures as answers show them: text ids, RFC 3339 instants, the body as the very text it came as."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Raw

from brokerweb.core import clock
from brokerweb.identity import clients, masks
from brokerweb.identity.masks import CLEAR, Veil
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Failure, Message, Queue, SettledMessage
from brokerweb.queues.states import State

_NO_HEADERS = Raw(b"{}")
_WITHHELD = {"headers": _NO_HEADERS, **dict.fromkeys(("key", "reply_to", "correlation_id", "last_error"))}


def content_type(message: Any) -> str:
    """The type of a message's or record's body: the one it came with, or what a body of its kind is."""
    stated: str | None = message.content_type
    return stated or ("application/octet-stream" if message.binary else "application/json")


def rfc3339(value: datetime | None) -> str | None:
    """A model's instant as text."""
    return None if value is None else clock.rfc3339(clock.from_datetime(value))


def permit_of(queue: Queue) -> tuple[str, str]:
    """What grants on a queue's messages name: of a shared group's, which are its stream's records, the stream."""
    return ("queue", queue.name) if queue.stream is None else ("stream", queue.stream)


def veil_of(principal: Principal, queue: Queue) -> Veil:
    """What somebody does not see of a queue's messages, or of a shared group's."""
    return masks.veil(principal, *permit_of(queue))


def message_object(message: Message, veil: Veil, failures: Iterable[Failure] | None = None) -> dict[str, Any]:
    """What browsing shows of a message: what a consumer gets but for the receipt and what is behind the ``veil``, and how it
    stands. Encode it with msgspec.

    ``lease`` is what is left of it, in seconds, so that the reader's clock does not matter.
    """
    leased, message = message.state == State.LEASED, veil.over(message)
    shown = {
        "id": str(message.pk),
        "state": State(message.state).name.lower(),
        **_contents(message),
        "priority": message.priority,
        "published_at": rfc3339(message.published_at),
        "expires_at": rfc3339(message.expires),
        "attempts": message.attempts,
        "failures": message.failures,
        "redrives": message.redrives,
        "lease_until_at": rfc3339(message.due_at) if leased else None,
        "lease": max(0.0, (clock.from_datetime(message.due_at) - clock.to_wall(clock.now())) / clock.SECOND) if leased else None,
        "due_at": rfc3339(message.due),
        "reason": message.reason,
        "last_error": message.last_error,
        "fingerprint": message.fingerprint,
        "publisher": message.publisher,
        "parent": None if message.parent is None else str(message.parent),
    }
    return shown | _besides(message, veil, failures)


def standing_object(message: Message) -> dict[str, Any]:
    """The same for who acts on a message and may not browse it: how it stands, and nothing of what it holds."""
    shown = message_object(message, CLEAR)
    return {name: value for name, value in shown.items() if name not in ("body", "body_base64")} | _WITHHELD


def settled_object(message: SettledMessage, veil: Veil, failures: Iterable[Failure] | None = None) -> dict[str, Any]:
    """The same of a message that has ended and is kept: ``due_at`` is when it ended, and ``outcome`` how."""
    settled_at, message = rfc3339(message.settled_at), veil.over(message)
    shown = {
        "id": str(message.message_id),
        "state": "settled",
        **_contents(message),
        "priority": message.priority,
        "published_at": rfc3339(message.published_at),
        "expires_at": None,
        "attempts": message.attempts,
        "failures": message.failures,
        "lease_until_at": None,
        "lease": None,
        "due_at": settled_at,
        "reason": message.reason,
        "last_error": message.last_error,
        "publisher": message.publisher,
        "parent": None if message.parent is None else str(message.parent),
        "redrives": message.redrives,
        "fingerprint": message.fingerprint,
        "outcome": message.outcome,
        "settled_by": message.actor,
        "settled_at": settled_at,
        "kept_until_at": rfc3339(message.expires_at),
    }
    return shown | _besides(message, veil, failures)


def _besides(message: Message | SettledMessage, veil: Veil, failures: Iterable[Failure] | None) -> dict[str, Any]:
    """What not every message has."""
    shown: dict[str, Any] = {}
    if message.redacted is not None:
        shown["redacted"] = Raw(message.redacted.encode())
    if veil:
        shown["masked"] = list(veil.fields)
    if failures is not None:
        shown["failed"] = failure_objects(veil.over_all(failures))
    return shown


def _contents(message: Message | SettledMessage) -> dict[str, Any]:
    """What the message holds; of a damaged one nothing, since none of it can be trusted."""
    if not message.intact:
        nothing = dict.fromkeys(("key", "reply_to", "correlation_id"))
        return {"damaged": True, "content_type": "application/octet-stream", "headers": _NO_HEADERS, **nothing}
    body = bytes(message.body)
    return {
        **({"body_base64": base64.b64encode(body).decode()} if message.binary else {"body": Raw(body)}),
        "content_type": content_type(message),
        "key": message.key,
        "headers": _NO_HEADERS if message.headers is None else Raw(message.headers.encode()),
        "reply_to": message.reply_to,
        "correlation_id": message.correlation_id,
    }


def failure_objects(failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """Failed leases, and who held them."""
    known = clients.describe(failure.consumer for failure in failures)
    return [failure_object(failure, known.get(failure.consumer or "")) for failure in failures]


def failure_object(failure: Failure, who: clients.Who | None) -> dict[str, Any]:
    """One failed lease, and who held it."""
    return {
        "attempt": failure.attempt,
        "kind": failure.kind,
        "consumer": failure.consumer,
        "client": None if who is None else who.client,
        "by": None if who is None else who.by,
        "connection": None if who is None else who.connection,
        "error": failure.error,
        "failed_at": rfc3339(failure.failed_at),
    }
