"""One view an action, by POST: permission, verb with its audit row, a word, back to where the person was.

What destroys is asked for on a page of its own that says what it will touch.
"""

from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from brokerweb.console import confirm, typed
from brokerweb.console.deeds import audited, deed, telling
from brokerweb.console.page import SignedIn, action, back, form
from brokerweb.core.errors import NotFound
from brokerweb.delivery import connections
from brokerweb.identity import tokens
from brokerweb.jobs.bulk import start_purge
from brokerweb.jobs.models import Job
from brokerweb.queues import control
from brokerweb.streams import control as streams


@form
def pause(request: SignedIn, name: str) -> HttpResponseBase:
    """Stop handing out."""
    request.principal.require("manage", "queue", name)
    if request.method != "POST":
        return confirm.pause(request, name)
    reason = request.POST.get("reason", "").replace("\0", "")[:500]
    with telling(request, "Paused: nothing is handed out until you resume."):
        done = deed(request, "queue.pause", f"queue:{name}", reason=reason)
        audited(done, control.pause, name, reason=reason, by=request.principal.name)
    return redirect("brokerweb_console:queue", name)


@action
def resume(request: SignedIn, name: str) -> HttpResponseBase:
    """Hand out again."""
    request.principal.require("manage", "queue", name)
    with telling(request, "Resumed."):
        audited(deed(request, "queue.resume", f"queue:{name}"), control.resume, name)
    return redirect("brokerweb_console:queue", name)


@form
def purge(request: SignedIn, name: str) -> HttpResponseBase:
    """Delete the messages in the states chosen."""
    request.principal.require("manage", "queue", name)
    asked = confirm.Purge.of(request, name)
    if not asked.confirmed:
        return asked.page()
    with telling(request) as say:
        deed(request, "queue.purge", f"queue:{name}", states=asked.states).record()
        done = start_purge(name, asked.chosen, by=request.principal.name)
        if isinstance(done, Job):
            say(f"Job {done.pk} purges them.")
            return redirect("brokerweb_console:job", done.pk)
        say(f"Purged {done:,} message{'s' * (done != 1)}.")
    return redirect("brokerweb_console:queue", name)


@form
def delete(request: SignedIn, name: str) -> HttpResponseBase:
    """Delete the queue with all it holds."""
    request.principal.require("manage", "queue", name)
    asked = typed.of_queue(request, name)
    if not asked.confirmed:
        return asked.page()
    with telling(request, f"Queue {name} is deleted."):
        audited(deed(request, "queue.delete", f"queue:{name}"), control.delete, name)
    return redirect("brokerweb_console:queues")


@form
def delete_stream(request: SignedIn, name: str) -> HttpResponseBase:
    """Delete the stream with all it holds."""
    request.principal.require("manage", "stream", name)
    asked = typed.of_stream(request, name)
    if not asked.confirmed:
        return asked.page()
    with telling(request, f"Stream {name} is deleted."):
        audited(deed(request, "stream.delete", f"stream:{name}"), streams.delete, name)
    return redirect("brokerweb_console:streams")


@action
def requeue(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """Put one message back at the end of its queue."""
    request.principal.require("manage", "queue", name)
    with telling(request, f"Message {message_id} is back in {name}."):
        audited(deed(request, "message.requeue", f"queue:{name}/{message_id}"), control.requeue, name, message_id)
    return back(request, reverse("brokerweb_console:message", args=[name, message_id]))


@form
def delete_message(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """Delete one message."""
    request.principal.require("manage", "queue", name)
    if request.method != "POST":
        return confirm.delete_message(request, name, message_id)
    with telling(request, f"Message {message_id} is deleted."):
        audited(deed(request, "message.delete", f"queue:{name}/{message_id}"), control.delete_message, name, message_id)
    return redirect("brokerweb_console:messages", name)


@form
def close(request: SignedIn, connection_id: str) -> HttpResponseBase:
    """Close one connection."""
    request.principal.require_admin()
    if request.method != "POST":
        return confirm.close(request, connection_id)
    if not connections.close(connection_id):
        raise NotFound("There is no such connection.")
    with telling(request, "The connection is being closed."):
        deed(request, "connection.close", f"connection:{connection_id}").record()
    return redirect("brokerweb_console:connections")


@form
def revoke(request: SignedIn, token_id: int) -> HttpResponseBase:
    """Revoke one token."""
    if request.method != "POST":
        return confirm.revoke(request, token_id)
    with telling(request, "Revoked. What used it is refused from now on."):
        tokens.revoke(request.principal, token_id, address=request.META.get("REMOTE_ADDR"))
    return redirect("brokerweb_console:tokens")
