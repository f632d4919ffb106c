"""What a list is asked for, read from its URL: a refresh, the back button, a bookmark and a shared link all show the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from brokerweb.core.names import KINDS, NAME
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
class QueueFilter:
    """Queues by the beginning of their name, and by how they are."""

    prefix: str = ""
    show: str = ""
    after: str = ""
    choices = (
        ("", "All queues"),
        ("busy", "With messages"),
        ("unattended", "Ready, no consumer"),
        ("dead", "With dead letters"),
        ("paused", "Paused"),
    )

    @classmethod
    def of(cls, query: Mapping[str, str]) -> QueueFilter:
        show = query.get("show", "")
        return cls(query.get("prefix", "").strip()[:200], show if show in dict(cls.choices) else "", query.get("after", ""))

    @property
    def active(self) -> bool:
        return bool(self.prefix or self.show)

    @property
    def first_page(self) -> str:
        return _query(prefix=self.prefix, show=self.show)

    def page_after(self, name: str) -> str:
        return _query(prefix=self.prefix, show=self.show, after=name)


@dataclass(frozen=True, slots=True)
class NameFilter:
    """Streams or topics by the beginning of their name; ``after`` is a cursor."""

    prefix: str = ""
    after: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> NameFilter:
        return cls(query.get("prefix", "").strip()[:200], query.get("after", "")[:1_000])

    @property
    def active(self) -> bool:
        return bool(self.prefix)

    @property
    def first_page(self) -> str:
        return _query(prefix=self.prefix)

    def page_after(self, cursor: str) -> str:
        return _query(prefix=self.prefix, after=cursor)


@dataclass(frozen=True, slots=True)
class JobsOf:
    """Jobs of everything, or of one target; ``after`` is a cursor."""

    target: str = ""
    after: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> JobsOf:
        kind, _, name = query.get("target", "").partition(":")
        known = kind in KINDS and NAME.fullmatch(name)
        return cls(f"{kind}:{name}" if known else "", query.get("after", "")[:1_000])

    @property
    def active(self) -> bool:
        return bool(self.target)

    @property
    def first_page(self) -> str:
        return _query(target=self.target)

    def page_after(self, cursor: str) -> str:
        return _query(target=self.target, after=cursor)


@dataclass(frozen=True, slots=True)
class RecordsOf:
    """Records of one partition: upwards from an offset, an end or an instant; or, newest first, those before an offset."""

    partition: int = 0
    begin: str = "latest"
    offset: int | None = None
    before: int | None = None
    time: str = ""
    choices = (("latest", "The newest"), ("earliest", "The oldest"), ("offset", "From offset"), ("time", "From time (UTC)"))

    @classmethod
    def of(cls, query: Mapping[str, str]) -> RecordsOf:
        offset, before = _digits(query.get("offset", "")), _digits(query.get("before", ""))
        begin = query.get("from", "latest" if offset is None else "offset")
        known = begin in dict(cls.choices) and (begin != "offset" or offset is not None)
        partition = _digits(query.get("partition", "")[:9]) or 0
        return cls(partition, begin if known else "latest", offset, before, query.get("time", "").strip()[:40])

    @property
    def newest_first(self) -> bool:
        return self.before is not None or self.begin == "latest"

    @property
    def active(self) -> bool:
        return self.before is not None or self.begin != "latest"

    def upwards(self, offset: int) -> str:
        return urlencode({"partition": self.partition, "from": "offset", "offset": offset})

    def downwards(self, before: int | None) -> str:
        """The query of what is before an offset; of the newest without one."""
        return urlencode({"partition": self.partition} | ({} if before is None else {"before": before}))


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

    @classmethod
    def of(cls, query: Mapping[str, str]) -> MessagesOf:
        state, order = query.get("state", ""), query.get("order", "desc")
        key = query.get("key", "").replace("\0", "").encode("utf-8", "replace")[:MAX_TEXT_BYTES].decode("utf-8", "ignore")
        known = state in STATE_NAMES or state == SETTLED
        return cls(state if known else "", key, order if order == "asc" else "desc", query.get("after", ""))

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
    def chosen(self) -> MessageFilter:
        return parse({"state": None if self.settled else self.state or None, "key": self.key or None, "order": self.order})

    @property
    def narrowed(self) -> str:
        """What a page of one of them is asked for, too: its neighbours are then those of the list."""
        return _query(state=self.state, key=self.key)

    @property
    def first_page(self) -> str:
        return _query(state=self.state, key=self.key, order=self.order)

    def page_after(self, cursor: str) -> str:
        return _query(state=self.state, key=self.key, order=self.order, after=cursor)

    def chips(self, counts: Mapping[str, int], *, kept: bool) -> list[dict[str, Any]]:
        """The states to choose from, with how many messages each has; where some are ``kept`` after their end, those, too."""
        names = ["", *counts, *([SETTLED] if kept or self.settled else [])]
        return [
            {
                "label": {"": "All", "leased": "In flight"}.get(name, name.capitalize()),
                "count": counts.get(name) if name else sum(counts.values()),
                "query": replace(self, state=name, after="").first_page,
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

    @property
    def first_page(self) -> str:
        return _query(connection=self.connection)

    def page_after(self, message_id: int) -> str:
        return _query(connection=self.connection, after=message_id)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Dead letters by queue and reason, newest first; ``before`` is the last id of the page before."""

    queue: str = ""
    reason: str = ""
    before: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> DeadLetters:
        queue, reason, before = query.get("queue", ""), query.get("reason", ""), _id(query.get("before", ""))
        return cls(queue if NAME.fullmatch(queue) else "", reason if reason in DEAD_REASONS else "", before)

    @property
    def active(self) -> bool:
        return bool(self.queue or self.reason)

    @property
    def after(self) -> bool:
        return self.before is not None

    @property
    def first_page(self) -> str:
        return _query(queue=self.queue, reason=self.reason)

    @property
    def all_queues(self) -> str:
        return _query(reason=self.reason)

    def page_before(self, message_id: int) -> str:
        return _query(queue=self.queue, reason=self.reason, before=message_id)

    def in_queue(self, name: str) -> str:
        return _query(queue=name, reason=self.reason)
