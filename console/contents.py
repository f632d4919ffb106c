"""What pages show of one message or record: its body, its headers, its state; and its body as a file."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.utils.dateparse import parse_datetime

from brokerweb import schemas
from brokerweb.console.body_views import viewed
from brokerweb.console.filters import TIME_LABELS
from brokerweb.console.page import SignedIn
from brokerweb.core.errors import Conflict
from brokerweb.identity import clients
from brokerweb.identity.masks import Veil
from brokerweb.queues.filters import SETTLED
from brokerweb.queues.models import Failure, Message, SettledMessage
from brokerweb.queues.represent import content_type
from brokerweb.queues.states import State


def shown(request: SignedIn, message: Any, veil: Veil, place: tuple[str, str]) -> dict[str, Any]:
    """How a message's or record's body and headers are shown, as the person sees them; of a damaged one, that it is.

    ``place`` is the queue or stream that it is in, by whose schemas a body is read that is not JSON.
    """
    message = veil.over(message)
    if not message.intact:
        return {"message": message, "damaged": True, "headers": []} | redacted(message)
    headers: dict[str, str] = json.loads(message.headers or "{}")
    kind = content_type(message)
    body = viewed(request.GET, bytes(message.body), kind, schemas.holding(*place) if message.binary else ())
    return (
        {"message": message, "content_type": kind, "headers": list(headers.items()), "masked": veil.fields}
        | body
        | redacted(message)
    )


def redacted(message: Any) -> dict[str, Any]:
    """Who redacted it, and when, if somebody did."""
    said = json.loads(message.redacted or "null")
    return {"redacted": said and said | {"at": parse_datetime(said["at"])}}


def facts(
    request: SignedIn, found: Message | SettledMessage, failures: list[Failure], veil: Veil, place: tuple[str, str]
) -> dict[str, Any]:
    """What a message's page shows of it, alive or kept: who held it has a name there."""
    who = clients.describe([found.holder, *(failure.consumer for failure in failures)])
    if isinstance(found, Message):
        state, times = State(found.state).name.lower(), {"due": found.due, "expires": found.expires}
    else:
        state, times = SETTLED, {"due": found.settled_at, "kept_until": found.expires_at}
    return shown(request, found, veil, place) | {
        "failures": [(failure, who.get(failure.consumer or "")) for failure in veil.over_all(failures)],
        "holder": who.get(found.holder or ""),
        "state": state,
        "due_label": TIME_LABELS[state],
        **times,
    }


def check_intact(message: Any) -> None:
    """Raises Conflict for a message or record that is not what was published: nothing of it is to pass for it."""
    if not message.intact:
        raise Conflict("It is damaged: its checksum does not match, so what is stored is not what was published.")


def attachment(message: Any, name: str, veil: Veil) -> HttpResponse:
    """A body to be saved, as the person sees it: never as something a browser would show or run.

    Raises Conflict for a damaged one.
    """
    check_intact(message)
    response = HttpResponse(bytes(veil.over(message).body), content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
