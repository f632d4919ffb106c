"""The messages of one queue as plainly as they can be said: their states, their keys, and how they end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

S = 1_000_000
SCHEDULED, READY, BLOCKED, LEASED, DEAD = range(5)
WAITING = (SCHEDULED, READY, BLOCKED)


@dataclass
class Item:
    """A message: the columns that verbs write, and how many failures are kept of it."""

    id: int
    state: int
    priority: int
    position: int
    key: str | None
    due: int
    ttl: float | None
    expires: int | None
    deliver_at: int | None = None
    parent: int | None = None
    attempts: int = 0
    failures: int = 0
    holds: bool = False
    alone: bool = False
    holder: str | None = None
    reason: str | None = None
    recorded: int = 0


@dataclass
class New:
    priority: int = 4
    key: str | None = None
    delay: int = 0
    stated: int | None = None  # instead of a delay: at what the wall will show in so many seconds
    ttl: int | None = None
    dedup_id: str | None = None


@dataclass
class Taker:
    """Somebody who takes messages: how many, on which terms, and what is unsettled already."""

    room: int = 1
    acknowledge: bool = True
    lease: int | None = None
    holder: str = "ws:node/1/1"
    unsettled: int = 0


@dataclass
class Settings:
    keyed: bool = False
    on_expire: str = "drop"
    max_failures: int | None = 3
    max_length: int | None = None
    overflow: str = "dead_letter_oldest"
    ttl: int | None = None
    lease: int = 30
    dedup_window: int = 300
    history: str = "failures"
    keep_settled: int = 0
    backoff: dict[str, float] = field(default_factory=lambda: {"initial": 1, "factor": 2, "max": 3600, "jitter": 0})


class Refused(Exception):
    """The verb raises this code, and nothing happens."""


class Told(NamedTuple):
    """Something that happened to a message. ``written``: an event says so; else its rows, as far as they know."""

    event: str
    attempt: int
    written: bool
    ends: bool = False
    rejected: bool = False


class Shared:
    """What all queues of a store have in common: the time, and one rising sequence of ids and positions."""

    def __init__(self, now: int, *, several: bool = False) -> None:
        """``several``: the store has several writers, and who leases or publishes looks no further than it must."""
        self.now, self.last, self.several = now, 0, several
        self.told: dict[int, list[Told]] = defaultdict(list)
        self.walls = [(0, 0)]  # since when the wall was so far ahead, oldest first
        self.queues: list[Books] = []

    def number(self) -> int:
        self.last += 1
        return self.last

    @property
    def wall(self) -> int:
        return self.now + self.walls[-1][1]

    def shown_since(self, instant: int) -> int:
        """Since when the wall has shown that, or something later."""
        since = end = self.now
        for start, ahead in reversed(self.walls):
            if end + ahead < instant:
                break
            since = max(start, instant - ahead)
            if since > start:
                break
            end = start
        return since

    def promote(self, only: Books | None = None) -> None:
        """Whatever is due in any queue, oldest first; queue by queue where there are several writers.

        What waits for the wall is due since it has shown that instant.
        """
        queues = self.queues if only is None else [only]
        for queue in queues:
            for item in queue.of(SCHEDULED):
                if item.deliver_at is not None and item.deliver_at <= self.wall:
                    item.due, item.deliver_at = self.shown_since(item.deliver_at), None
                    if not item.attempts and item.ttl is not None:
                        item.expires = item.due + int(item.ttl) * S
        due = sorted(
            (n if self.several else 0, i.due, i.id, queue)
            for n, queue in enumerate(queues)
            for i in queue.of(SCHEDULED)
            if self.is_due(i)
        )
        for _, _, id, queue in due:
            queue.promote(queue.items[id])

    def is_due(self, item: Item) -> bool:
        return item.deliver_at is None and item.due <= self.now


class Books:
    """The messages of one queue."""

    def __init__(self, shared: Shared, settings: Settings) -> None:
        self.shared, self.settings = shared, settings
        shared.queues.append(self)
        self.items: dict[int, Item] = {}
        self.kept: dict[int, tuple[str, int]] = {}  # what has ended: how, and until when it is kept
        self.idle: bool | None = None  # what this commit knows: may a publish hand over, or would it overtake?
        self.handed: list[tuple[str, list[int]]] = []  # to whom this commit hands what, without being asked

    @property
    def now(self) -> int:
        return self.shared.now

    def tell(self, item: Item, event: str, *, operator: bool = False, rejected: bool = False) -> None:
        """This has happened to a message."""
        written = operator or self.settings.history == "full"
        self.shared.told[item.id].append(Told(event, item.attempts, written, False, rejected))

    def end(self, item: Item, event: str, *, operator: bool = False) -> None:
        """A message has ended with that: it is kept, where the queue does so."""
        written = operator or self.settings.history == "full"
        self.shared.told[item.id].append(Told(event, item.attempts, written, True))
        self.keep(item, event)

    def keep(self, item: Item, outcome: str) -> bool:
        if self.settings.keep_settled:
            self.kept[item.id] = (outcome, self.now + self.settings.keep_settled * S)
        return bool(self.settings.keep_settled)

    def forget_kept(self) -> None:
        self.kept = {id: (outcome, until) for id, (outcome, until) in self.kept.items() if until > self.now}

    def of(self, *states: int) -> list[Item]:
        return sorted((i for i in self.items.values() if i.state in states), key=lambda i: i.id)

    def lapsed(self, item: Item) -> bool:
        return item.expires is not None and item.expires <= self.now

    def ready(self, item: Item) -> None:
        item.state, self.idle = READY, False

    # Keys

    def orders(self, item: Item) -> bool:
        """Whether its key makes the message wait for its turn."""
        return self.settings.keyed and item.key is not None

    def free(self, key: str | None) -> bool:
        return not any(i.holds and i.key == key for i in self.items.values())

    def enter(self, item: Item) -> None:
        if not self.orders(item):
            item.state = READY
            return
        behind = not self.free(item.key) or any(i.key == item.key for i in self.of(BLOCKED) if i is not item)
        item.state, item.holds = (BLOCKED, False) if behind else (READY, True)

    def leave(self, *keys: str | None) -> None:
        for key in keys:
            blocked = [i for i in self.of(BLOCKED) if i.key == key]
            if self.settings.keyed and key is not None and blocked and self.free(key):
                following = min(blocked, key=lambda i: i.position)
                following.holds, following.due = True, self.now
                self.ready(following)

    # Endings

    def remove(self, *items: Item) -> None:
        for item in items:
            del self.items[item.id]
        self.leave(*[i.key for i in items if i.holds])

    def bury(self, item: Item, reason: str) -> None:
        self.tell(item, "dead", rejected=reason == "rejected")
        held, item.state, item.due, item.reason = item.holds, DEAD, self.now, reason
        item.holds, item.alone, item.expires, item.deliver_at = False, False, None, None
        if held:
            self.leave(item.key)

    def expire(self, item: Item) -> None:
        if self.settings.on_expire == "dead":
            self.bury(item, "expired")
        else:
            self.end(item, "expired")
            self.remove(item)

    def heads_last(self, items: list[Item], end: Callable[..., Any], *args: Any) -> None:
        """A blocked message would follow its head to ready before its own turn comes."""
        for item in sorted(items, key=lambda i: i.holds):
            end(item, *args)

    # Time

    def promote(self, item: Item) -> None:
        if item.holds or not self.orders(item):
            self.ready(item)
        else:
            self.enter(item)
            item.position = self.shared.number()

    def expire_waiting(self) -> None:
        self.heads_last([i for i in self.of(*WAITING) if self.lapsed(i)], self.expire)

    def next_due(self) -> int:
        """When the next message is due, or the next lease ends."""
        return min((i.due for i in self.of(SCHEDULED, LEASED)), default=2**63)
