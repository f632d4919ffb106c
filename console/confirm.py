"""Pages that say what a deed will touch before it is done. The destructive ones want the name typed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from brokerweb.console.page import SignedIn, render
from brokerweb.console.reading import STATES, visible
from brokerweb.console.templatetags.brokerweb_console import age, instant, moment, number
from brokerweb.core.errors import NotFound
from brokerweb.delivery import connections
from brokerweb.identity import tokens
from brokerweb.jobs import bulk
from brokerweb.queues import browse, filters
from brokerweb.queues.filters import MessageFilter
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import STATE_NAMES, State
from brokerweb.routing import topics


def confirmation(request: SignedIn, title: str, text: str, status: int = 200, **context: Any) -> HttpResponse:
    """The page of a deed to be confirmed."""
    return render(request, "brokerweb_console/confirm.html", status, title=title, text=text, **context)


def _of_queue(name: str) -> dict[str, Any]:
    return {
        "crumbs": [("Queues", reverse("brokerweb_console:queues")), (name, reverse("brokerweb_console:queue", args=[name]))],
        "cancel": reverse("brokerweb_console:queue", args=[name]),
    }


def topics_to(request: SignedIn, destination: str) -> list[tuple[str, str]]:
    """The topics that lead to what goes, by name where the person may browse them."""
    led, may = topics.bound_to(destination), visible(request.principal, "topic")
    named = [name for name in led if may(name)]
    if others := len(led) - len(named):
        named.append(f"{others} that you may not browse")
    return [("Topics that lead here", ", ".join(named))] if named else []


def typed_name(name: str) -> dict[str, Any]:
    """The name that must be typed."""
    return {"typed": name, "typed_pattern": re.sub(r"([.])", r"\\\1", name)}


@dataclass(frozen=True)
class Purge:
    """A purge being asked for: the states chosen, and whether the name was typed.

    What is deleted was counted on the page before: with other states than those, the page counts again.
    """

    request: SignedIn
    queue: Queue
    states: list[str]

    @classmethod
    def of(cls, request: SignedIn, name: str) -> Purge:
        given = request.POST if request.method == "POST" else request.GET
        chosen = [state for state in given.getlist("states") if state in STATE_NAMES]
        if request.method != "POST" and not chosen:
            chosen = [s.name.lower() for s in sorted(filters.PURGED_BY_DEFAULT)]
        return cls(request, browse.find(name), chosen)

    @property
    def posted(self) -> bool:
        return self.request.method == "POST" and not self.request.POST.get("recount")

    @property
    def confirmed(self) -> bool:
        return self.posted and not self.fault

    @property
    def fault(self) -> str:
        """Why it is not done although it was posted."""
        if not self.states:
            return "No state is chosen."
        if set(self.request.POST.getlist("counted")) != set(self.states):
            return "Other states were chosen than were counted. They are counted now."
        return "" if self.request.POST.get("typed") == self.queue.name else "The name was not typed as it is."

    @property
    def chosen(self) -> MessageFilter:
        return MessageFilter(states=frozenset(State[state.upper()] for state in self.states))

    def page(self) -> HttpResponse:
        """What would be deleted, exactly."""
        seen, samples = self._seen()
        counts, n = browse.counts([self.queue.pk])[self.queue.pk], seen["matched"]
        facts = [("Matched", number(n)), ("Published", _range(seen))] if n else [("Matched", "0: nothing to purge")]
        return confirmation(
            self.request,
            f"Purge {self.queue.name}",
            "Purged messages are deleted for good. Nothing has been deleted yet.",
            400 if self.posted else 200,
            error=self.fault if self.posted else "",
            facts=facts,
            samples=samples,
            job=n > bulk.LIMIT,
            choices=[(state, counts[state], state in self.states) for state in STATES],
            counted=self.states,
            button=f"Purge {n:,} message{'s' * (n != 1)}",
            nothing=not n,
            **typed_name(self.queue.name),
            **_of_queue(self.queue.name),
        )

    def _seen(self) -> tuple[dict[str, Any], list[Message]]:
        """How many there are, and some of them; a filter without states is one of any state, so it is not asked."""
        if not self.states:
            return {"matched": 0}, []
        samples = browse.page(self.queue, self.chosen, limit=browse.SAMPLES).items
        return browse.preview(self.queue, self.chosen, "purge"), samples


def _range(seen: dict[str, Any]) -> str:
    oldest, newest = instant(seen["oldest_at"]), instant(seen["newest_at"])
    return f"{age(oldest)} to {age(newest)} ago" if oldest != newest else f"{age(oldest)} ago"


def pause(request: SignedIn, name: str) -> HttpResponse:
    """What pausing stops, and why it is done."""
    queue = browse.find(name)
    facts = [
        ("Consumers", number(connections.consumers()[queue.pk])),
        ("Ready", number(browse.counts([queue.pk])[queue.pk]["ready"])),
    ]
    text = "Nothing is handed out until you resume. Publishing and settling go on, subscriptions stay."
    return confirmation(request, f"Pause {name}", text, facts=facts, reason=True, mild=True, button="Pause", **_of_queue(name))


def delete_message(request: SignedIn, name: str, message_id: int) -> HttpResponse:
    """Which message goes."""
    request.principal.require("browse", "queue", name)
    message, _ = browse.read(browse.find(name), message_id)
    page = _of_queue(name) | {"cancel": reverse("brokerweb_console:message", args=[name, message_id])}
    text = "The message is deleted for good, whatever its state; a consumer that holds it can no longer settle it."
    facts = [("Published", moment(message.published_at)), ("Failures", number(message.failures))]
    return confirmation(
        request, f"Delete message {message_id}", text, facts=facts, samples=[message], button="Delete 1 message", **page
    )


def close(request: SignedIn, connection_id: str) -> HttpResponse:
    """What the connection holds. Raises NotFound."""
    found = next((c for c in connections.snapshot() if c["id"] == connection_id), None)
    if found is None:
        raise NotFound("There is no such connection.")
    held = sum(sub.get("unsettled", 0) for sub in found["subscriptions"])
    facts = [("Client", found["name"]), ("Address", found["address"]), ("Subscriptions", number(len(found["subscriptions"])))]
    place = reverse("brokerweb_console:connections")
    return confirmation(
        request,
        "Close a connection",
        "The socket is closed with 4009. What it holds goes back to its place in the queue, without counting as a failure.",
        facts=[*facts, ("Unsettled messages", number(held))],
        button="Close the connection",
        crumbs=[("Connections", place)],
        cancel=place,
    )


def revoke(request: SignedIn, token_id: int) -> HttpResponse:
    """What the token may do now. Raises NotFound."""
    token, place = tokens.read(request.principal, token_id), reverse("brokerweb_console:tokens")
    facts = [(str(grant), ", ".join(grant.verbs)) for grant in token.grants.all()]
    facts.append(("Last used", f"{age(token.last_used_at)} ago" if token.last_used_at else "never"))
    text = "It is refused at once, and its live connections are closed. It cannot be taken back."
    return confirmation(
        request, f"Revoke {token.name}", text, facts=facts, button="Revoke the token", crumbs=[("Tokens", place)], cancel=place
    )
