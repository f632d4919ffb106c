"""What a list is asked for, read from its URL: a refresh, the back button, a bookmark and a shared link all show the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from brokerweb.core.names import NAME
from brokerweb.queues.filters import SETTLED, MessageFilter, parse
from brokerweb.queues.limits import MAX_TEXT_BYTES
from brokerweb.queues.states import DEAD_REASONS, STATE_NAMES

LIMIT = 50
_CONNECTION = re.compile("[0-9a-f]{1,64}")
TIME_LABELS = {
    "scheduled": "Due",
    "ready": "Ready since",
    "blocked": "Blocked since",
    "leased": "Lease ends",
    "dead": "Dead since",
    "settled": "Ended",
}


def _query(**parts: Any) -> str:
    return urlencode({name: value for name, value in parts.items() if value})


@dataclass(frozen=True, slots=True)
class RecordsOf:
    """Records of one partition: upwards from an offset, an end or an instant; or, newest first, those before an offset."""

    partition: int = 0
    begin: str = "latest"
    offset: int | None = None
    before: int | None = None
    time: str = ""
    look: tuple[tuple[str, str], ...] = ()  # how the rows of a page are sorted, and which columns they have
    choices = (("latest", "The newest"), ("earliest", "The oldest"), ("offset", "From offset"), ("time", "From a time"))

    @classmethod
    def of(cls, query: Mapping[str, str]) -> RecordsOf:
        offset, before = _digits(query.get("offset", "")), _digits(query.get("before", ""))
        begin = query.get("from", "latest" if offset is None else "offset")
        known = begin in dict(cls.choices) and (begin != "offset" or offset is not None)
        partition = _digits(query.get("partition", "")[:9]) or 0
        look = tuple((name, query[name][:400]) for name in ("sort", "columns") if query.get(name))
        return cls(partition, begin if known else "latest", offset, before, query.get("time", "").strip()[:40], look)

    @property
    def newest_first(self) -> bool:
        return self.before is not None or self.begin == "latest"

    @property
    def active(self) -> bool:
        return self.before is not None or self.begin != "latest"

    def upwards(self, offset: int) -> str:
        return urlencode([("partition", self.partition), ("from", "offset"), ("offset", offset), *self.look])

    def downwards(self, before: int | None) -> str:
        """The query of what is before an offset; of the newest without one."""
        return urlencode([("partition", self.partition), *([] if before is None else [("before", before)]), *self.look])

    @property
    def newest(self) -> str:
        return self.downwards(None)


def _digits(text: str, most: int = 13) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= most else None


def _id(text: str) -> int | None:
    return _digits(text, 18)


@dataclass(frozen=True, slots=True)
class MessagesOf:
    """Messages of one queue by state and key."""

    state: str = ""
    key: str = ""
    order: str = "desc"
    after: str = ""
    before: str = ""
    by: str = ""  # another order than that of ids, as lists write it

    @classmethod
    def of(cls, query: Mapping[str, str], by: str = "") -> MessagesOf:
        sorted_by = {"id": "asc", "-id": "desc"}.get(query.get("sort", ""), "desc")
        state, order = query.get("state", ""), query.get("order", sorted_by)
        key = query.get("key", "").replace("\0", "").encode("utf-8", "replace")[:MAX_TEXT_BYTES].decode("utf-8", "ignore")
        known = state in STATE_NAMES or state == SETTLED
        order = order if order == "asc" else "desc"
        return cls(state if known else "", key, order, query.get("after", ""), query.get("before", ""), by)

    @property
    def active(self) -> bool:
        return bool(self.state or self.key)

    @property
    def settled(self) -> bool:
        """Whether it is those that have ended and are kept, which are in no count."""
        return self.state == SETTLED

    @property
    def time_label(self) -> str:
        """What the instant says that each message of the list has with its state."""
        return TIME_LABELS.get(self.state, "Since or until")

    @property
    def about_label(self) -> str:
        """What besides its body tells one of the list from another."""
        return {"dead": "Reason and last error", "leased": "Held by"}.get(self.state, "Key")

    @property
    def chosen(self) -> MessageFilter:
        return parse({"state": None if self.settled else self.state or None, "key": self.key or None, "order": self.order})

    @property
    def narrowed(self) -> str:
        """What a page of one of them is asked for, too: its neighbours are then those of the list."""
        return _query(state=self.state, key=self.key)

    @property
    def first_page(self) -> str:
        return _query(state=self.state, key=self.key, sort=self.sort)

    @property
    def sort(self) -> str:
        """The order as lists write it."""
        return self.by or ("id" if self.order == "asc" else "-id")

    def page_after(self, cursor: str) -> str:
        return _query(state=self.state, key=self.key, sort=self.sort, after=cursor)

    def page_before(self, cursor: str) -> str:
        return _query(state=self.state, key=self.key, sort=self.sort, before=cursor)

    def chips(self, counts: Mapping[str, int], *, kept: bool) -> list[dict[str, Any]]:
        """The states to choose from, with how many messages each has; where some are ``kept`` after their end, those, too."""
        names = ["", *counts, *([SETTLED] if kept or self.settled else [])]
        return [
            {
                "label": {"": "All", "leased": "In flight"}.get(name, name.capitalize()),
                "count": counts.get(name) if name else sum(counts.values()),
                "query": replace(self, state=name, after="", before="").first_page,
                "chosen": name == self.state,
            }
            for name in names
        ]


@dataclass(frozen=True, slots=True)
class InFlightOf:
    """Messages that are held: all of them, or those of one connection; ``after`` is the last id of the page before."""

    connection: str = ""
    after: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> InFlightOf:
        connection = query.get("connection", "")
        return cls(connection if _CONNECTION.fullmatch(connection) else "", _id(query.get("after", "")) or 0)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Dead letters by queue and reason."""

    queue: str = ""
    reason: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> DeadLetters:
        queue, reason = query.get("queue", ""), query.get("reason", "")
        return cls(queue if NAME.fullmatch(queue) else "", reason if reason in DEAD_REASONS else "")

    @property
    def active(self) -> bool:
        return bool(self.queue or self.reason)
