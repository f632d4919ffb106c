"""The pages that say which message would be deleted or redacted."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse

from brokerweb.console.acting import confirmation
from brokerweb.console.frames import crumbs
from brokerweb.console.messages import reading
from brokerweb.console.page import SignedIn
from brokerweb.console.templatetags.brokerweb_console import moment, number
from brokerweb.identity import masks
from brokerweb.queues import browse


def delete(request: SignedIn, name: str, message_id: int) -> HttpResponse:
    """Which message goes. Raises Forbidden before NotFound."""
    request.principal.require("browse", "queue", name)
    message, _ = browse.read(browse.find(name), message_id)
    veil = masks.veil(request.principal, "queue", name)
    return confirmation(
        request,
        f"Delete message {message_id}",
        "The message is deleted for good, whatever its state; a consumer that holds it can no longer settle it.",
        facts=[("Published", moment(message.published_at)), ("Failures", number(message.failures))],
        samples=[veil.over(message)],
        button="Delete 1 message",
        crumbs=crumbs("queue", name),
        cancel=reverse("brokerweb_console:message", args=[name, message_id]),
    )


def redact(request: SignedIn, name: str, message_id: int) -> HttpResponse:
    """Which message loses what it holds. Raises Forbidden before NotFound."""
    request.principal.require("browse", "queue", name)
    message, _ = reading.read(request.principal, browse.find(name), message_id)
    veil = masks.veil(request.principal, "queue", name)
    return confirmation(
        request,
        f"Redact message {message_id}",
        "Its body, headers and error texts are gone for good. It stays in the queue, with its id, key and times, and is handed "
        "out and settled as before. Copies that were published elsewhere are messages of their own.",
        facts=[("Published", moment(message.published_at)), ("Failures", number(message.failures))],
        samples=[veil.over(message)],
        button="Redact 1 message",
        crumbs=crumbs("queue", name),
        cancel=reverse("brokerweb_console:message", args=[name, message_id]),
    )
