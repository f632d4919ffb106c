"""A search on the test's own thread, and the same found by looking at everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from brokerweb.answers.search.search import Found, Hit, Search
from brokerweb.core import clock
from brokerweb.identity.principal import Principal, broker_itself
from brokerweb.queues.models import Content, Message
from brokerweb.storage.reading import read
from brokerweb.streams.records import StoredRecord

ADMIN = broker_itself()
Step = Callable[[], None]


def once(q: str, in_: Sequence[str] = (), limit: int = 1000, *, after: str | None = None, who: Principal = ADMIN) -> Found:
    """One call, without a clock: it stops at its limit or at its bytes."""
    search, items, stopped = Search(who, q, in_, after=after), list[Hit](), None
    room = 512 * 1024
    while stopped is None and not search.over:
        turn = partial(search.turn, wanted=limit - len(items), room=room, first=not items)
        hits, stopped = read(turn)
        items += hits
        room -= sum(len(hit.found.body) for hit in hits)
    return read(search.outcome, items, stopped)


def all_of(
    q: str, in_: Sequence[str] = (), limit: int = 1000, *, who: Principal = ADMIN, between: Step = lambda: None
) -> list[Hit]:
    """Call after call, to the end."""
    found = once(q, in_, limit, who=who)
    hits = [*found.items]
    while found.next is not None:
        assert not found.complete
        assert found.stopped in ("limit", "bytes")
        assert 0 <= found.scanned <= found.of
        between()
        found = once(q, in_, limit, after=found.next, who=who)
        hits += found.items
    assert found.complete
    assert (found.stopped, found.scanned) == (None, found.of)
    return hits


def places(hits: Sequence[Hit]) -> list[str]:
    """Where each is: ``queue:orders/3``, ``stream:log/0-7``."""
    return [f"{hit.destination}/{place_of(hit.found)}" for hit in hits]


def place_of(found: Any) -> str:
    return str(found.pk) if isinstance(found, Message) else f"{found.partition}-{found.offset}"


def shown(found: Message | StoredRecord) -> dict[str, Any]:
    """What a reference compares, decoded the plain way."""
    redacted = found.redacted is not None
    body = None if redacted else bytes(found.body)
    value: Any = KeyError
    if body is not None and not found.binary:
        value = json.loads(body, parse_float=Decimal)
    carried = Content.objects.filter(pk=found.pk).first() if isinstance(found, Message) else None
    published = clock.from_datetime(carried.published_at) if carried else getattr(found, "appended_at", 0)
    return {
        "body": body,
        "value": value,
        "binary": found.binary,
        "headers": json.loads(found.headers) if found.headers and not redacted else {},
        "published": published,
    }
