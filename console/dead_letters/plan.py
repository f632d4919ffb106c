"""The plan of a redrive across queues: it says what it would move before it does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.http import QueryDict

from brokerweb.console import dead_counts
from brokerweb.console.acting import deed
from brokerweb.console.dead_letters.reading import dead
from brokerweb.console.filters import DeadLetters
from brokerweb.console.page import SignedIn
from brokerweb.console.templatetags.brokerweb_console import instant
from brokerweb.core.errors import Forbidden, Invalid
from brokerweb.core.names import NAME
from brokerweb.identity.principal import Principal
from brokerweb.jobs import bulk
from brokerweb.jobs.models import Job
from brokerweb.queues import browse, filters
from brokerweb.queues.filters import MAX_IDS, MessageFilter
from brokerweb.queues.models import Message


@dataclass(frozen=True, slots=True)
class Part:
    """What a redrive would move out of one queue. With ``more`` it takes a first thousand, and the rest next time."""

    queue: str
    chosen: MessageFilter
    matched: int
    oldest_at: datetime | None
    newest_at: datetime | None
    samples: list[Message]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a redrive would move, and the form fields that name it again."""

    parts: list[Part]
    fields: list[tuple[str, str]]

    @property
    def matched(self) -> int:
        return sum(part.matched for part in self.parts)

    @property
    def by_job(self) -> bool:
        """Whether some of it is more than is done at once."""
        return any(part.matched > bulk.LIMIT for part in self.parts)

    def carry_out(self, request: SignedIn, to: str | None, rate: float | None) -> tuple[int, list[Job]]:
        """Move them; how many that were, and the jobs that move the others. Raises BrokerError."""
        moved, jobs, by = 0, list[Job](), request.principal.name
        for part in self.parts:
            entry = deed(request, "queue.redrive", f"queue:{part.queue}", to=to, matched=part.matched)
            done = bulk.start_redrive(part.queue, part.chosen, to=to, rate=rate, by=by, entry=entry)
            if isinstance(done, Job):
                jobs.append(done)
            else:
                moved += done
        return moved, jobs


def plan_of(principal: Principal, asked: QueryDict) -> Plan:
    """The plan of the messages picked, or with ``all`` of everything that matches. Raises Forbidden, NotFound, Invalid."""
    if asked.get("all"):
        wanted = DeadLetters.of({name: str(asked.get(name, "")) for name in ("queue", "reason")})
        names = [wanted.queue] if wanted.queue else _manageable(principal)
        parts = [_matching(principal, name, wanted.reason) for name in names]
        fields = [("all", "1"), ("queue", wanted.queue), ("reason", wanted.reason)]
    else:
        picks = asked.getlist("pick")[:MAX_IDS]
        parts = [_part(principal, name, MessageFilter(ids=ids)) for name, ids in _by_queue(picks).items()]
        fields = [("pick", pick) for pick in picks]
    return Plan([part for part in parts if part.matched], [(name, value) for name, value in fields if value])


def _manageable(principal: Principal) -> list[str]:
    seen = [queue.name for queue in dead_counts.by_queue(principal)]
    names = [name for name in seen if principal.may("manage", "queue", name)]
    if seen and not names:
        raise Forbidden("manage on a queue with dead letters is not among your grants")
    return names


def _by_queue(picks: list[str]) -> dict[str, tuple[int, ...]]:
    chosen: dict[str, list[int]] = {}
    for pick in picks:
        name, _, digits = pick.rpartition("/")
        if not NAME.fullmatch(name):
            raise Invalid("A pick is QUEUE/ID.")
        try:
            chosen.setdefault(name, []).append(filters.parse_id(digits))
        except ValueError:
            raise Invalid("A pick is QUEUE/ID.") from None
    return {name: tuple(sorted(set(ids))) for name, ids in chosen.items()}


def _matching(principal: Principal, name: str, reason: str) -> Part:
    principal.require("manage", "queue", name)
    if not reason:
        return _part(principal, name, MessageFilter())
    ids = list(dead(browse.find(name), reason).order_by("id").values_list("id", flat=True)[: MAX_IDS + 1])
    part = _part(principal, name, MessageFilter(ids=tuple(ids[:MAX_IDS])))
    return replace(part, more=len(ids) > MAX_IDS)


def _part(principal: Principal, name: str, chosen: MessageFilter) -> Part:
    principal.require("manage", "queue", name)
    queue = browse.find(name)
    seen: dict[str, Any] = browse.preview(queue, chosen, "redrive", principal)
    samples = browse.samples(queue, filters.for_redrive(chosen), principal)
    return Part(name, chosen, seen["matched"], instant(seen["oldest_at"]), instant(seen["newest_at"]), samples)
