"""Pages that say what pausing, purging or deleting a queue would touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from brokerweb.console.acting import confirmation
from brokerweb.console.deletions import Deletion, topics_to, typed_name
from brokerweb.console.frames import crumbs
from brokerweb.console.page import SignedIn
from brokerweb.console.templatetags.brokerweb_console import age, instant, number, state_word
from brokerweb.delivery import connections
from brokerweb.jobs import bulk
from brokerweb.queues import browse, filters
from brokerweb.queues.filters import MessageFilter
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import STATE_NAMES, State


def pause(request: SignedIn, name: str) -> HttpResponse:
    """What pausing stops, and why it is done."""
    queue = browse.find(name)
    return confirmation(
        request,
        f"Pause {name}",
        "Nothing is handed out until you resume. Publishing and settling go on, subscriptions stay.",
        facts=[
            ("Consumers", number(connections.consumers()[queue.pk])),
            ("Ready", number(browse.counts([queue.pk])[queue.pk]["ready"])),
        ],
        reason=True,
        mild=True,
        button="Pause",
        crumbs=crumbs("queue", name),
        cancel=reverse("brokerweb_console:queue", args=[name]),
    )


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
        seen: dict[str, Any] = {"matched": 0}
        samples: Sequence[Message] = ()
        if self.states:  # a filter without any is one of every state
            seen = browse.preview(self.queue, self.chosen, "purge", self.request.principal)
            samples = browse.samples(self.queue, self.chosen, self.request.principal)
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
            choices=[(state, count, state in self.states) for state, count in counts.items()],
            counted=self.states,
            button=f"Purge {n:,} message{'s' * (n != 1)}",
            nothing=not n,
            **typed_name(self.queue.name),
            crumbs=crumbs("queue", self.queue.name),
            cancel=reverse("brokerweb_console:queue", args=[self.queue.name]),
        )


def _range(seen: dict[str, Any]) -> str:
    oldest, newest = instant(seen["oldest_at"]), instant(seen["newest_at"])
    return f"{age(oldest)} to {age(newest)} ago" if oldest != newest else f"{age(oldest)} ago"


def deletion(request: SignedIn, name: str) -> Deletion:
    """Raises NotFound."""
    queue = browse.find(name)
    counts = browse.counts([queue.pk])[queue.pk]
    total = sum(counts.values())
    held = [(state_word(state).capitalize(), number(count)) for state, count in counts.items() if count]
    return Deletion(
        request,
        name,
        "The queue, its settings and everything it holds are deleted for good. Its consumers are told.",
        [*held, ("Consumers", number(connections.consumers()[queue.pk])), *topics_to(request, f"queue:{name}")],
        f"Delete the queue and {total:,} message{'s' * (total != 1)}",
        crumbs("queue", name),
    )
