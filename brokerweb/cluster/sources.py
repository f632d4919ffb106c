"""Who publishes where to, and how much a second: told by commits, written by a duty, once in an hour at most for each.

Of processes without a broker nothing is known: a commit of its own for every publisher would cost the project's code more than a
box on the map is worth.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from brokerweb.core import clock, events, remembered
from brokerweb.core.events import Source
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

_Q = Statements("brokerweb.cluster", "sources.sql")

KEPT_FOR = 7 * 86_400  # seconds since somebody published there last
KEPT = 50_000  # pairs of a publisher and a destination
AGAIN = clock.seconds(3_600)  # after which it is written once more that somebody publishes there
WINDOW = 10  # seconds over which rates are
SOURCES = 10_000  # told apart in one second here, and remembered: more are counted no more
AT_ONCE = 500  # written by one look
TOLD = 500  # of which other nodes are told, the most first
LIMIT = 500  # that go at a time

Pair = tuple[str, int, str]  # where to, as kind and id, and the publisher's name


class Sources:
    """Of this process, and as other nodes tell of theirs. Safe to use from any thread."""

    def __init__(self, monotonic: Callable[[], int] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self._mutex = threading.Lock()
        self._ring: list[tuple[int, dict[Source, int]]]
        self._written: dict[Pair, int] = {}  # when it was written that somebody publishes there, by the wall
        self._elsewhere: dict[str, Mapping[Source, float]]  # by node
        self.begin()

    def __call__(self, outcome: events.Outcome) -> None:
        """Listen to one commit."""
        if not outcome.sources:
            return
        second = self._monotonic() // clock.SECOND
        with self._mutex:
            place = second % len(self._ring)
            if self._ring[place][0] != second:
                self._ring[place] = (second, {})
            bucket = self._ring[place][1]
            for source, n in outcome.sources.items():
                if source in bucket:
                    bucket[source] += n
                elif len(bucket) < SOURCES:
                    bucket[source] = n

    # How much

    def here(self) -> dict[Source, float]:
        """Messages a second of the last ten, in this process."""
        now, found = self._monotonic(), dict[Source, float]()
        left = now - WINDOW * clock.SECOND
        with self._mutex:
            for second, bucket in self._ring:
                share = max(0.0, min(1.0, ((second + 1) * clock.SECOND - left) / clock.SECOND)) if second >= 0 else 0.0
                for source, n in bucket.items() if share else ():
                    found[source] = found.get(source, 0.0) + share * n / WINDOW
        return found

    def rates(self) -> dict[Source, float]:
        """The same of the whole cluster."""
        found = self.here()
        for told in self._elsewhere.values():
            for source, rate in told.items():
                found[source] = found.get(source, 0.0) + rate
        return {source: round(rate, 2) for source, rate in found.items()}

    def tell(self) -> list[list[Any]]:
        """What other nodes are told."""
        most = sorted(self.here().items(), key=lambda each: -each[1])[:TOLD]
        return [[*source, round(rate, 2)] for source, rate in most]

    def told(self, node: str, rows: Iterable[Sequence[Any]] | None) -> None:
        """The same of another node; None where it is there no more."""
        elsewhere = {name: told for name, told in self._elsewhere.items() if name != node}
        if rows is not None:
            elsewhere[node] = {(publisher, route, kind, number): rate for publisher, route, kind, number, rate in rows}
        self._elsewhere = elsewhere

    # Who

    def unwritten(self, wall: int) -> list[Pair]:
        """Whoever published lately, where it is not written that they did within the hour."""
        with self._mutex:
            lately = {pair for _, bucket in self._ring for source in bucket if (pair := pair_of(source)) is not None}
            return [pair for pair in lately if self._is_due(pair, wall)][:AT_ONCE]

    def _is_due(self, pair: Pair, wall: int) -> bool:
        return abs(wall - self._written.get(pair, 0)) >= AGAIN

    def written(self, pairs: Iterable[Pair], wall: int) -> None:
        """That was written."""
        with self._mutex:
            if len(self._written) >= SOURCES:
                self._written = {pair: at for pair, at in self._written.items() if wall - at < AGAIN}
            for pair in pairs:
                if len(self._written) < SOURCES:
                    self._written[pair] = wall

    def begin(self) -> None:
        """Nobody has published yet."""
        with self._mutex:
            self._ring = [(-1, {})] * (WINDOW + 1)
            self._elsewhere = {}

    def write_anew(self) -> None:
        """What was written may be gone."""
        with self._mutex:
            self._written.clear()


def pair_of(source: Source) -> Pair | None:
    """Who and where to; None for a copy, of which a binding says where it came from."""
    publisher, route, kind, number = source
    return None if route is not None else (kind, number, (publisher or "")[:255])


sources = Sources()
remembered.of_store(sources.write_anew)
remembered.of_run(sources.begin)


def install() -> Callable[[], None]:
    """Listen to this process's commits; returns how to stop that."""
    return events.listen(sources)


# Verbs, and what is known


class Seen(NamedTuple):
    """Somebody published there: to the queue, stream or topic of that id, about ``seen_at``, by the wall."""

    kind: str
    number: int
    name: str
    seen_at: int


def store(tx: Transaction, pairs: Sequence[Pair]) -> int:
    """Whoever published now; how many that were."""
    tx.change_many(_Q.note_publisher, [(*pair, tx.wall) for pair in sorted(pairs)])
    return len(pairs)


def forget(tx: Transaction, limit: int = LIMIT) -> int:
    """A duty's verb: those who have not published for long go, and those beyond so many; how many that were."""
    crowd = tx.value(_Q.crowd_of_publishers, KEPT)
    before = tx.wall - clock.seconds(KEPT_FOR)
    return tx.change(_Q.forget_publishers, before if crowd is None else max(before, crowd + 1), limit)


def seen(reads: Reads, limit: int) -> list[Seen]:
    """Who published within seven days, the latest first."""
    return [Seen(*row) for row in reads.rows(_Q.publishers, clock.wall() - clock.seconds(KEPT_FOR), limit)]


def seen_at(reads: Reads, kind: str, number: int, limit: int) -> list[Seen]:
    """The same of one queue, stream or topic."""
    return [Seen(*row) for row in reads.rows(_Q.publishers_of, kind, number, clock.wall() - clock.seconds(KEPT_FOR), limit)]
