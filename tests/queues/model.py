"""What a queue is, as plainly as it can be said: the reference the engine is compared with. No SQL, no limits."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.queues.books import (
    BLOCKED,
    DEAD,
    LEASED,
    READY,
    SCHEDULED,
    WAITING,
    Books,
    Item,
    New,
    Refused,
    S,
    Settings,
    Shared,
    Taker,
)


class Model(Books):
    """One queue: the verbs."""

    def __init__(self, shared: Shared, settings: Settings) -> None:
        super().__init__(shared, settings)
        self.known: dict[str, tuple[int, int]] = {}
        self.paused = False

    # Publish

    def publish(self, news: list[New], takers: list[Taker]) -> list[tuple[int, bool]]:
        fresh: list[New] = []
        for new in news:
            known = self.known.get(new.dedup_id or "", (0, 0))[1] > self.now
            if not known and (new.dedup_id is None or new.dedup_id not in [f.dedup_id for f in fresh]):
                fresh.append(new)
        overflow = self.make_room(len(fresh))
        if fresh and self.settings.keyed:
            self.shared.promote(self if self.shared.several else None)
        nothing_ready = not self.of(READY)
        items = [self.store(new) for new in fresh]
        for new, item in zip(fresh, items, strict=True):
            if new.dedup_id is not None:
                self.known[new.dedup_id] = (item.id, self.now + self.settings.dedup_window * S)
        ready = [i for i in items[overflow:] if i.state == READY]
        if ready and not self.paused and any(taker.room for taker in takers):
            self.idle = nothing_ready if self.idle is None else self.idle
            self.hand_over(ready, takers if self.idle else [])
        if any(i.state == READY for i in items):
            self.idle = False
        self.heads_last(items[:overflow], self.bury, "overflow")
        ids, seen = {id(new): item.id for new, item in zip(fresh, items, strict=True)}, set(map(id, fresh))
        return [(ids[id(n)] if id(n) in seen else self.known[n.dedup_id or ""][0], id(n) not in seen) for n in news]

    def store(self, new: New) -> Item:
        wait = new.delay if new.stated is None else max(0, new.stated)
        due, id = self.now + wait * S, self.shared.number()
        ttl = self.settings.ttl if new.ttl is None else new.ttl
        expires = None if ttl is None else due + ttl * S
        item = self.items[id] = Item(id, SCHEDULED, new.priority, id, new.key, due, ttl, expires)
        self.tell(item, "published")
        if not wait:
            self.enter(item)
        elif new.stated is not None:
            item.deliver_at, item.expires = self.shared.wall + wait * S, None
        return item

    def make_room(self, n: int) -> int:
        """Bury the oldest that wait; how many of the new ones must follow them."""
        most, waiting, leased = self.settings.max_length, self.of(*WAITING), len(self.of(LEASED))
        over = 0 if most is None or not n else len(waiting) + leased + n - most
        if over > 0 and most is not None and (self.settings.overflow == "refuse" or leased >= most):
            raise Refused("queue_full")
        self.heads_last(waiting[: max(0, over)], self.bury, "overflow")
        return max(0, over - len(waiting))

    def hand_over(self, items: list[Item], takers: list[Taker]) -> None:
        """To those who wait, first come first served, the highest priority first."""
        items, taken = sorted(items, key=lambda i: -i.priority), []
        for taker in takers:
            part, items = items[: taker.room], items[taker.room :]
            taken += self.hand_out(part, taker)
            self.handed.append((taker.holder, [i.id for i in part]))
        self.leave(*sorted({i.key for i in taken if i.key is not None}))

    # Lease

    def in_order(self) -> list[Item]:
        return sorted(self.of(READY), key=lambda i: (-i.priority, i.position)) if not self.paused else []

    def lease(self, limit: int, taker: Taker) -> list[tuple[int, int]]:
        found: list[Item] = []
        late: list[Item] = []
        for item in self.in_order():
            if self.shared.several and len(found) == limit:
                break
            if self.lapsed(item):
                late.append(item)
            elif found and (len(found) == limit or item.alone or found[0].alone):
                break
            else:
                found.append(item)
        return self.give([found], [taker], late)[0]

    def lease_round(self, takers: list[Taker]) -> tuple[list[list[tuple[int, int]]], bool]:
        """Each one's messages, and whether one waits that must go alone. The others are for whoever has the fewest."""
        found: list[Item] = []
        late: list[Item] = []
        self.full = alone = False
        for item in self.in_order():
            self.full = len(found) == sum(taker.room for taker in takers)
            if self.shared.several and (self.full or item.alone):
                alone = alone or (item.alone and not self.full and not self.lapsed(item))
            elif self.lapsed(item):
                late.append(item)
            elif item.alone:
                alone = True
            elif self.full:
                break
            else:
                found.append(item)
        self.late = bool(late)
        shares = [0] * len(takers)
        for _ in found:
            _, i = min((t.unsettled + shares[i], i) for i, t in enumerate(takers) if shares[i] < t.room)
            shares[i] += 1
        parts = [found[sum(shares[:i]) : sum(shares[: i + 1])] for i in range(len(takers))]
        return self.give(parts, takers, late), alone

    def lease_alone(self, taker: Taker) -> list[tuple[int, int]]:
        return self.give([[i for i in self.in_order() if i.alone and not self.lapsed(i)][:1]], [taker], [])[0]

    def serve(self, takers: list[Taker]) -> list[list[tuple[int, int]]]:
        before = self.in_order()
        if not takers:
            self.idle = False
            return []
        parts, alone = self.lease_round(takers)
        left = any(i.state == READY for i in self.items.values()) or any(self.lapsed(i) for i in before)
        # Where heads of keys are gone nobody asks whether they had a following.
        freed = self.settings.keyed and any(part and not t.acknowledge for part, t in zip(parts, takers, strict=True))
        self.idle = not (left or freed or self.paused)
        if self.shared.several:  # where a round was full, or put something aside, nobody knows
            full = sum(map(len, parts)) == sum(taker.room for taker in takers)
            self.idle = None if full or freed or self.late else not (alone or self.paused)
        self.handed += [(taker.holder, [id for id, _ in part]) for taker, part in zip(takers, parts, strict=True)]
        return parts

    def give(self, parts: list[list[Item]], takers: list[Taker], late: list[Item]) -> list[list[tuple[int, int]]]:
        for part, taker in zip(parts, takers, strict=True):
            self.leave(*sorted({i.key for i in self.hand_out(part, taker) if i.key is not None}))
            self.idle = False if part else self.idle
        for item in late:
            self.expire(item)
        return [[(i.id, i.attempts) for i in part] for part in parts]

    def hand_out(self, items: list[Item], taker: Taker) -> list[Item]:
        """Lease them, or delete them where nobody will settle them; those that are gone."""
        for item in items:
            item.state, item.due, item.attempts = LEASED, self.now + (taker.lease or self.settings.lease) * S, item.attempts + 1
            item.holder, taker.room, taker.unsettled = taker.holder, taker.room - 1, taker.unsettled + 1
            self.tell(item, "leased")
            if not taker.acknowledge:
                self.end(item, "acked")
                del self.items[item.id]
        return [] if taker.acknowledge else items

    # Settle

    def settle(self, kind: str, id: int, attempts: int, options: dict[str, Any]) -> str:
        item = self.items.get(id)
        if item is None or item.state != LEASED or item.attempts != attempts or item.due <= self.now:
            return "lease_lost"
        if kind == "ack":
            self.end(item, "acked")
            self.remove(item)
        elif kind == "dead":
            item.recorded += 1
            self.bury(item, "rejected")
        elif kind == "extend":
            item.due = self.now + (options["lease"] or self.settings.lease) * S
            self.tell(item, "extended")
        elif kind == "release":
            self.release(item)
        elif kind == "lose":
            self.fail(item, 0, "consumer_lost")
        else:
            self.fail(item, options["delay"], "nacked")
        return "ok"

    def release(self, item: Item) -> None:
        self.tell(item, "released")
        self.put_back(item, 0)

    def fail(self, item: Item, delay: float | None, kind: str) -> None:
        self.tell(item, kind)
        most, backoff = self.settings.max_failures, self.settings.backoff
        item.failures, item.recorded = item.failures + 1, item.recorded + 1
        if most is not None and item.failures >= most:
            self.bury(item, "max_failures")
            return
        item.alone = kind == "consumer_lost"
        wait = min(backoff["initial"] * backoff["factor"] ** (item.failures - 1), backoff["max"])
        self.put_back(item, wait if delay is None else delay)

    def put_back(self, item: Item, wait: float) -> None:
        if self.lapsed(item):
            self.expire(item)
            return
        item.state, item.due = SCHEDULED, self.now + int(wait * S)
        if not wait:
            self.ready(item)

    def expire_leases(self) -> None:
        for item in [i for i in self.of(LEASED) if i.due <= self.now]:
            self.fail(item, None, "lease_expired")

    def restart(self, lost: int, seen: int) -> None:
        for item in self.of(LEASED):
            item.due += lost * S if item.due > seen else 0
            if (item.holder or "").startswith("ws:"):
                self.release(item)

    # What operators do

    def change(self, changes: dict[str, Any]) -> None:
        if changes.get("keyed", self.settings.keyed) != self.settings.keyed and self.items:
            raise Refused("conflict")
        for name, value in changes.items():
            setattr(self.settings, name, self.settings.backoff | value if name == "backoff" else value)

    def find(self, id: int, *states: int) -> Item:
        if id not in self.items:
            raise Refused("not_found")
        if self.items[id].state not in states:
            raise Refused("conflict")
        return self.items[id]

    def select(self, states: Collection[int], key: str | None, ids: Collection[int] | None) -> list[Item]:
        return [i for i in self.of(*states) if key in (None, i.key) and (ids is None or i.id in ids)]

    def purge(self, *chosen: Any) -> int:
        items = self.select(*chosen)
        for item in items:
            self.end(item, "purged")
        self.remove(*items)
        return len(items)

    def delete(self, id: int) -> None:
        item = self.find(id, SCHEDULED, READY, BLOCKED, LEASED, DEAD)
        self.end(item, "deleted", operator=True)
        self.remove(item)

    def redrive(self, to: Model, *chosen: Any) -> int:
        items = self.select((DEAD,), *chosen)
        for item in items:
            self.revive(item, to, "redriven")
        return len(items)

    def requeue(self, id: int) -> None:
        self.revive(self.find(id, DEAD, SCHEDULED), self, "requeued")

    def revive(self, item: Item, to: Model, event: str) -> None:
        if to is not self:
            event = "moved"
            to.kept.pop(item.id, None)
            if self.keep(item, event):
                self.shared.number()
        self.tell(item, event, operator=True)
        del self.items[item.id]
        to.items[item.id] = item
        item.position, item.failures, item.due, item.alone = self.shared.number(), 0, self.now, False
        item.deliver_at = None
        item.holder, item.reason, item.holds = None, None, False
        to.start_ttl(item, self.now)
        to.join(item)

    def start_ttl(self, item: Item, due: int) -> None:
        ttl = self.settings.ttl if item.ttl is None else item.ttl
        item.expires = None if ttl is None else due + int(ttl) * S

    def join(self, item: Item) -> None:
        """At the end of its key, or of the queue."""
        if self.orders(item):
            item.state = BLOCKED
            self.leave(item.key)
        else:
            self.ready(item)

    def replace(self, id: int, new: New, takers: list[Taker]) -> int:
        original = self.find(id, DEAD, SCHEDULED)
        self.end(original, "edited", operator=True)
        self.remove(original)
        [(copy, duplicate)] = self.publish([new], takers)
        if duplicate:
            raise Refused("conflict")
        if copy in self.items:
            self.items[copy].parent = id
        return copy

    def reschedule(self, id: int, due: int, *, stated: bool) -> None:
        item = self.find(id, SCHEDULED, READY)
        if due <= self.now and item.state == READY:
            return
        self.tell(item, "rescheduled", operator=True)
        item.state, item.due, item.deliver_at = SCHEDULED, max(due, self.now), None
        if not item.attempts:
            self.start_ttl(item, item.due)
        if stated and due > self.now:
            item.deliver_at = due - self.now + self.shared.wall
            item.ttl = self.settings.ttl if item.ttl is None else item.ttl
            item.expires = item.expires if item.attempts else None
        if due > self.now:
            return
        if self.orders(item) and not item.holds:
            item.position = self.shared.number()
            self.join(item)
        else:
            self.ready(item)
