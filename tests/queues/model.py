"""What a queue is, as plainly as it can be said: the reference the engine is compared with. No SQL, no batches, no limits."""

from __future__ import annotations

from dataclasses import dataclass

S = 1_000_000
SCHEDULED, READY, BLOCKED, LEASED, DEAD = range(5)
WAITING = (SCHEDULED, READY, BLOCKED)


@dataclass
class Item:
    id: int
    state: int
    priority: int
    position: int
    key: str | None
    due: int
    ttl: float | None
    expires: int | None
    attempts: int = 0
    failures: int = 0
    holds: bool = False
    alone: bool = False


@dataclass
class New:
    priority: int = 4
    key: str | None = None
    delay: int = 0
    ttl: int | None = None
    dedup_id: str | None = None


class Full(Exception):
    """No room."""


class Model:
    """One queue with leases of 30 s, backoff of 1, 2, 4 s … and a dedup window of 300 s."""

    def __init__(self, *, keyed: bool, on_expire: str, max_failures: int, max_length: int | None) -> None:
        self.keyed, self.on_expire, self.max_failures, self.max_length = keyed, on_expire, max_failures, max_length
        self.items: dict[int, Item] = {}
        self.known: dict[str, tuple[int, int]] = {}
        self.last, self.now, self.paused = 0, 0, False

    def of(self, *states: int) -> list[Item]:
        return sorted((i for i in self.items.values() if i.state in states), key=lambda i: i.id)

    def number(self) -> int:
        self.last += 1
        return self.last

    # Keys

    def free(self, key: str) -> bool:
        return not any(i.holds and i.key == key for i in self.items.values())

    def enter(self, item: Item) -> None:
        if not self.keyed or item.key is None:
            item.state = READY
            return
        behind = not self.free(item.key) or any(i.key == item.key for i in self.of(BLOCKED) if i is not item)
        item.state, item.holds = (BLOCKED, False) if behind else (READY, True)

    def leave(self, *keys: str | None) -> None:
        for key in keys:
            blocked = [i for i in self.of(BLOCKED) if i.key == key]
            if self.keyed and key is not None and blocked and self.free(key):
                following = min(blocked, key=lambda i: i.position)
                following.state, following.holds, following.due = READY, True, self.now

    # Publish

    def publish(self, news: list[New], room: int = 0, acknowledge: bool = True) -> list[tuple[int, bool]]:
        fresh: list[New] = []
        for new in news:
            known = self.known.get(new.dedup_id or "", (0, 0))[1] > self.now
            if not known and (new.dedup_id is None or new.dedup_id not in [f.dedup_id for f in fresh]):
                fresh.append(new)
        overflow = self.make_room(len(fresh))
        idle = not self.paused and not self.of(READY)
        items = [self.store(new) for new in fresh]
        for new, item in zip(fresh, items, strict=True):
            if new.dedup_id is not None:
                self.known[new.dedup_id] = (item.id, self.now + 300 * S)
        ready = sorted((i for i in items[overflow:] if i.state == READY), key=lambda i: -i.priority)
        self.hand_out(ready[: room if idle else 0], acknowledge)
        self.bury_all(items[:overflow])
        ids, seen = {id(new): item.id for new, item in zip(fresh, items, strict=True)}, set(map(id, fresh))
        return [(ids[id(n)] if id(n) in seen else self.known[n.dedup_id or ""][0], id(n) not in seen) for n in news]

    def store(self, new: New) -> Item:
        due, id = self.now + new.delay * S, self.number()
        expires = None if new.ttl is None else due + new.ttl * S
        item = self.items[id] = Item(id, SCHEDULED, new.priority, id, new.key, due, new.ttl, expires)
        if not new.delay:
            self.enter(item)
        return item

    def make_room(self, n: int) -> int:
        waiting = self.of(*WAITING)
        over = 0 if self.max_length is None or not n else len(waiting) + len(self.of(LEASED)) + n - self.max_length
        if over > 0 and self.max_length is not None and len(self.of(LEASED)) >= self.max_length:
            raise Full
        self.bury_all(waiting[: max(0, over)])
        return max(0, over - len(waiting))

    def bury_all(self, items: list[Item]) -> None:
        for item in sorted(items, key=lambda i: i.holds):
            self.bury(item)

    # Leases

    def lease(self, limit: int, acknowledge: bool = True) -> list[tuple[int, int]]:
        found: list[Item] = []
        late: list[Item] = []
        for item in sorted(self.of(READY), key=lambda i: (-i.priority, i.position)) if not self.paused else []:
            if item.expires is not None and item.expires <= self.now:
                late.append(item)
            elif found and (len(found) == limit or item.alone or found[0].alone):
                break
            else:
                found.append(item)
        self.hand_out(found, acknowledge)
        for item in late:
            self.expire(item)
        return [(i.id, i.attempts) for i in found]

    def hand_out(self, items: list[Item], acknowledge: bool) -> None:
        for item in items:
            item.state, item.due, item.attempts = LEASED, self.now + 30 * S, item.attempts + 1
            if not acknowledge:
                del self.items[item.id]
        if not acknowledge:
            self.leave(*[i.key for i in items])

    def held(self, id: int, attempts: int) -> Item | None:
        item = self.items.get(id)
        return item if item and item.state == LEASED and item.attempts == attempts and item.due > self.now else None

    def settle(self, kind: str, id: int, attempts: int, delay: int | None) -> str:
        item = self.held(id, attempts)
        if item is None:
            return "lease_lost"
        if kind == "ack":
            self.remove(item)
        elif kind == "dead":
            self.bury(item)
        elif kind == "extend":
            item.due = self.now + 30 * S
        elif kind == "release":
            self.put_back(item, 0)
        else:
            self.fail(item, 0 if kind == "lose" else delay, alone=kind == "lose")
        return "ok"

    def fail(self, item: Item, delay: int | None, *, alone: bool = False) -> None:
        item.failures, item.alone = item.failures + 1, alone
        if item.failures >= self.max_failures:
            self.bury(item)
        else:
            self.put_back(item, 2 ** (item.failures - 1) if delay is None else delay)

    def put_back(self, item: Item, wait: int) -> None:
        if item.expires is not None and item.expires <= self.now:
            self.expire(item)
        else:
            item.state, item.due = (SCHEDULED if wait else READY), self.now + wait * S

    # Endings

    def remove(self, item: Item) -> None:
        del self.items[item.id]
        if item.holds:
            self.leave(item.key)

    def bury(self, item: Item) -> None:
        held, item.state, item.due = item.holds, DEAD, self.now
        item.holds, item.alone, item.expires = False, False, None
        if held:
            self.leave(item.key)

    def expire(self, item: Item) -> None:
        (self.bury if self.on_expire == "dead" else self.remove)(item)

    def duties(self) -> None:
        for item in sorted(self.of(SCHEDULED), key=lambda i: i.due):
            if item.due <= self.now and (item.holds or not self.keyed or item.key is None):
                item.state = READY
            elif item.due <= self.now:
                self.enter(item)
                item.position = self.number()
        for item in [i for i in self.of(LEASED) if i.due <= self.now]:
            self.fail(item, 0)
        late = [i for i in self.of(*WAITING) if i.expires is not None and i.expires <= self.now]
        for item in sorted(late, key=lambda i: i.holds):
            self.expire(item)

    # What operators do

    def purge(self, *states: int) -> int:
        items = self.of(*states)
        for item in items:
            del self.items[item.id]
        self.leave(*[i.key for i in items if i.holds])
        return len(items)

    def revive(self, item: Item) -> None:
        item.position, item.failures, item.due, item.alone = self.number(), 0, self.now, False
        item.expires = None if item.ttl is None else self.now + int(item.ttl) * S
        item.state, item.holds = (BLOCKED if self.keyed and item.key else READY), False
        self.leave(item.key)
