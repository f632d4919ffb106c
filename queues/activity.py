"""When a queue was last consumed, and by whom, and when anything of it was last settled.

Kept in memory, told by commits and by takers that come and go, and written by a duty for the queues where it changed. A process
that ends without a word loses the last seconds of it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from types import MappingProxyType
from typing import Any, NamedTuple

from brokerweb.core import clock, events, remembered
from brokerweb.identity import clients
from brokerweb.queues.definitions import Q
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction

EVERY = 5.0  # seconds between writes
SWELL = 1.05  # what comes is more than what goes from here on
PRESENT = 60.0  # seconds after which those who are still there are written once more


class Seen(NamedTuple):
    """What is known of one queue; instants are of the broker's clock. ``client`` is as it was stored, before this process."""

    consumed_at: int | None = None
    holder: str | None = None
    client: str | None = None
    asked_at: int | None = None  # by a caller of receive, who is a consumer for a while
    settled_at: int | None = None


NOTHING = Seen()


class Activity:
    """Of all queues of this process. Safe to use from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._seen: dict[int, Seen] = {}
        self._stored: dict[int, Seen] = {}  # as the store has it, where that may be older
        self._present: Counter[int] = Counter()  # takers that are there
        self.behind: dict[int, int] = {}  # queues that more comes to than goes from, and since when
        self._elsewhere: dict[str, dict[int, int]] = {}  # node -> queues that a caller of receive asked there, and when

    # What happens

    def __call__(self, outcome: events.Outcome) -> None:
        """Listen to one commit."""
        if outcome.polled or outcome.settled:
            now = clock.now()
            with self._mutex:
                for queue_id, holder in outcome.polled.items():
                    seen = self._seen.get(queue_id, NOTHING)
                    self._seen[queue_id] = seen._replace(consumed_at=now, holder=holder, asked_at=now)
                for queue_id in outcome.settled:
                    self._seen[queue_id] = self._seen.get(queue_id, NOTHING)._replace(settled_at=now)
        if any(event == events.REMOVED for event, _ in outcome.counts):
            self._forget(queue_id for event, queue_id in outcome.counts if event == events.REMOVED)

    def joined(self, queue_id: int, holder: str) -> None:
        """A taker is there from now on."""
        self._consumed(queue_id, holder, 1)

    def left(self, queue_id: int, holder: str) -> None:
        """A taker has gone."""
        self._consumed(queue_id, holder, -1)

    def _consumed(self, queue_id: int, holder: str, come: int) -> None:
        with self._mutex:
            self._present[queue_id] += come
            if self._present[queue_id] <= 0:
                del self._present[queue_id]
            self._seen[queue_id] = self._seen.get(queue_id, NOTHING)._replace(consumed_at=clock.now(), holder=holder)

    def keep(self, there: Set[int]) -> None:
        """Forget queues that are no more, whose removal was another node's to tell; ``there`` may lack some that are new."""
        newest = max(there, default=0)
        self._forget([queue_id for queue_id in list(self._seen) if queue_id <= newest and queue_id not in there])

    def _forget(self, queue_ids: Iterable[int]) -> None:
        with self._mutex:
            for queue_id in queue_ids:
                for kept in (self._seen, self._stored, self.behind):
                    kept.pop(queue_id, None)

    def note_behind(self, queue_ids: Iterable[int], now: int) -> None:
        """To these more comes than goes from them, as their rates say."""
        self.behind = {queue_id: self.behind.get(queue_id, now) for queue_id in queue_ids}

    # What is known

    def of(self, queue_id: int) -> Seen:
        """What is known of a queue. While a taker is there it is being consumed."""
        seen = self._seen.get(queue_id, NOTHING)
        if self._elsewhere:
            asked = max((told.get(queue_id, 0) for told in self._elsewhere.values()), default=0)
            if asked > (seen.asked_at or 0):
                seen = seen._replace(asked_at=asked, consumed_at=max(asked, seen.consumed_at or 0))
        return seen._replace(consumed_at=clock.now()) if self._present.get(queue_id) else seen

    def asked(self, since: int) -> list[tuple[int, int]]:
        """The queues that a caller of receive has asked here since then, and when."""
        with self._mutex:
            return [(id, seen.asked_at) for id, seen in self._seen.items() if (seen.asked_at or 0) > since and seen.asked_at]

    def told(self, node: str, asked: Iterable[tuple[int, int]] | None) -> None:
        """The same of another node; None where it is there no more."""
        elsewhere = {name: told for name, told in self._elsewhere.items() if name != node}
        if asked is not None:
            elsewhere[node] = dict(asked)
        self._elsewhere = elsewhere

    def changed(self) -> dict[int, Seen]:
        """What is to be written."""
        now = clock.now()
        with self._mutex:
            for queue_id in self._present:
                seen = self._seen.get(queue_id, NOTHING)
                if now - (seen.consumed_at or 0) >= clock.seconds(PRESENT):
                    self._seen[queue_id] = seen._replace(consumed_at=now)
            return {queue_id: seen for queue_id, seen in self._seen.items() if self._stored.get(queue_id) != seen}

    def stored(self, written: Mapping[int, Seen]) -> None:
        """That was written."""
        with self._mutex:
            self._stored.update({queue_id: seen for queue_id, seen in written.items() if queue_id in self._seen})

    def learn(self, known: Mapping[int, Seen]) -> None:
        """What other processes have written; what is later here stays."""
        with self._mutex:
            for queue_id, stored in known.items():
                seen = self._seen.get(queue_id, NOTHING)
                if (stored.consumed_at or 0) > (seen.consumed_at or 0):
                    seen = seen._replace(consumed_at=stored.consumed_at, holder=None, client=stored.client)
                if (stored.settled_at or 0) > (seen.settled_at or 0):
                    seen = seen._replace(settled_at=stored.settled_at)
                if (stored.asked_at or 0) > (seen.asked_at or 0):
                    seen = seen._replace(asked_at=stored.asked_at)
                self._seen[queue_id] = seen
                if (seen.consumed_at, seen.settled_at) == (stored.consumed_at, stored.settled_at):
                    self._stored[queue_id] = seen

    def write_anew(self) -> None:
        """What was written may be gone."""
        with self._mutex:
            self._stored.clear()

    def begin(self, known: Mapping[int, Seen] = MappingProxyType({})) -> None:
        """A broker starts: nothing but what is stored is known."""
        with self._mutex:
            self._seen, self._stored = dict(known), dict(known)
            self._present.clear()
            self.behind, self._elsewhere = {}, {}


activity = Activity()
remembered.of_store(activity.write_anew)
remembered.of_run(activity.begin)


def out(rates: Mapping[str, float]) -> float:
    """Messages that go for good, a second: acknowledged, or handed out to somebody who acknowledges nothing."""
    acked, delivered = rates.get(events.ACKED, 0.0), rates.get(events.DELIVERED, 0.0)
    return max(acked, delivered - rates.get(events.FAILED, 0.0))


def behind(rates: Mapping[int, Mapping[str, float]]) -> list[int]:
    """The queues to which more comes than goes from them."""
    return [id for id, of in rates.items() if of.get(events.PUBLISHED, 0.0) > out(of) * SWELL]


def install() -> Callable[[], None]:
    """Listen to this process's commits; returns how to stop that."""
    return events.listen(activity)


# Verbs


def store(tx: Transaction, changed: Mapping[int, Seen]) -> int:
    """Write what has changed; of how many queues that was."""
    names = clients.describe(seen.holder for seen in changed.values())
    rows = []
    for queue_id, seen in sorted(changed.items()):
        client = names[seen.holder].client if seen.holder else seen.client
        rows.append((queue_id, seen.consumed_at, client, seen.settled_at))
    tx.change_many(Q.note_activity, rows)
    return len(rows)


def attend(tx: Transaction, queue_ids: Iterable[int], who: clients.Introduction) -> None:
    """A process without a broker consumes these queues: brokers learn of it, and count it as they do a caller of receive."""
    clients.note(tx, who)
    tx.change_many(Q.attend, [(queue_id, tx.now, who.client) for queue_id in sorted(queue_ids)])


def load(reads: Reads) -> dict[int, Seen]:
    """What an earlier run has stored."""
    return _stored(reads.rows(Q.activity))


def load_since(reads: Reads, since: int) -> dict[int, Seen]:
    """What has been stored of queues that were used since then."""
    return _stored(reads.rows(Q.activity_since, since))


def _stored(rows: Iterable[tuple[Any, ...]]) -> dict[int, Seen]:
    return {queue_id: Seen(consumed, None, client, attended, settled) for queue_id, consumed, client, attended, settled in rows}
