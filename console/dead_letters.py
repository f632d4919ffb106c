"""Dead letters across queues: the list, and the plan of a redrive that says what it would move before it does."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict

from brokerweb.console.filters import LIMIT, DeadLetters
from brokerweb.console.reading import dead_by_queue
from brokerweb.console.templatetags.brokerweb_console import instant
from brokerweb.core.errors import Forbidden, Invalid
from brokerweb.core.names import NAME
from brokerweb.identity.principal import Principal
from brokerweb.jobs import bulk
from brokerweb.jobs.models import Job
from brokerweb.queues import browse, filters
from brokerweb.queues.filters import MAX_IDS, MessageFilter
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State


@dataclass(frozen=True, slots=True)
class Item:
    """One dead letter of the list."""

    queue: str
    message: Message
    may_manage: bool


def page(principal: Principal, asked: DeadLetters, queues: list[Queue]) -> tuple[list[Item], int | None]:
    """The newest of ``queues`` that the filter selects, and the last id when there are more."""
    listed = [queue for queue in queues if asked.queue in ("", queue.name)]
    newest = heapq.merge(*(_newest(queue, asked) for queue in listed), key=lambda item: -item[0].pk)
    found = [item for item, _ in zip(newest, range(LIMIT + 1), strict=False)]
    items = [Item(queue.name, message, principal.may("manage", "queue", queue.name)) for message, queue in found[:LIMIT]]
    return items, items[-1].message.pk if len(found) > LIMIT else None


def _newest(queue: Queue, asked: DeadLetters) -> Iterator[tuple[Message, Queue]]:
    found = _dead(queue, asked.reason).defer("body").order_by("-id")
    if asked.before is not None:
        found = found.filter(id__lt=asked.before)
    return ((message, queue) for message in found[: LIMIT + 1])


def _dead(queue: Queue, reason: str) -> QuerySet[Message]:
    # The second condition says nothing new: SQLite takes the partial index only for the predicate it was made with.
    found = Message.objects.filter(~Q(state=State.LEASED), queue_id=queue.pk, state=State.DEAD)
    return found.filter(reason=reason) if reason else found


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

    def carry_out(self, to: str | None, *, rate: float | None, by: str) -> tuple[int, list[Job]]:
        """Move them; how many that were, and the jobs that move the others. Raises BrokerError."""
        done = [bulk.start_redrive(part.queue, part.chosen, to=to, rate=rate, by=by) for part in self.parts]
        return sum(n for n in done if isinstance(n, int)), [job for job in done if isinstance(job, Job)]


def plan(principal: Principal, asked: QueryDict) -> Plan:
    """The plan of the messages picked, or with ``all`` of everything that matches. Raises Forbidden, NotFound, Invalid."""
    wanted = DeadLetters.of({name: str(asked.get(name, "")) for name in ("queue", "reason")})
    if not asked.get("all"):
        picks = asked.getlist("pick")[:MAX_IDS]
        parts = [_part(principal, name, MessageFilter(ids=ids)) for name, ids in _by_queue(picks).items()]
        return Plan(_some(parts), [("pick", pick) for pick in picks])
    names = [wanted.queue] if wanted.queue else _manageable(principal)
    parts = [_matching(principal, name, wanted.reason) for name in names]
    fields = [("all", "1"), ("queue", wanted.queue), ("reason", wanted.reason)]
    return Plan(_some(parts), [(name, value) for name, value in fields if value])


def _manageable(principal: Principal) -> list[str]:
    seen = [queue.name for queue, _ in dead_by_queue(principal)]
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
    ids = list(_dead(browse.find(name), reason).order_by("id").values_list("id", flat=True)[: MAX_IDS + 1])
    part = _part(principal, name, MessageFilter(ids=tuple(ids[:MAX_IDS])))
    return replace(part, more=len(ids) > MAX_IDS)


def _part(principal: Principal, name: str, chosen: MessageFilter) -> Part:
    principal.require("manage", "queue", name)
    queue = browse.find(name)
    seen: dict[str, Any] = browse.preview(queue, chosen, "redrive")
    samples = browse.page(queue, filters.for_redrive(chosen), limit=browse.SAMPLES).items
    return Part(name, chosen, seen["matched"], instant(seen["oldest_at"]), instant(seen["newest_at"]), samples)


def _some(parts: list[Part]) -> list[Part]:
    return [part for part in parts if part.matched]
