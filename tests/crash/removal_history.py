"""What clients sent, were given and found at the end, where things go by themselves or many at a time; and what must hold of it.

A ttl, retention and compaction take away what they may and nothing else; a job takes each thing once, and says how many.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.crash.history import OK, UNKNOWN

Complaints = Iterator[str]

DROPPING, BURYING = "dropping", "burying"  # what expires there is dropped, or dead
FAILING, AGAIN = "failing", "again"  # what every consumer rejects, and where a job puts it
WASTE = "waste"  # of which a job purges what has the key OLD
OLD, NEW = "old", "new"
KEPT, LATEST = "kept", "latest"  # streams: of so many records a partition, and of the last of each key
KEEPS = 15


@dataclass
class Sent:
    """One message or record that somebody meant to store, over all its attempts with one ``dedup_id``."""

    uid: str
    to: str
    key: str | None = None
    brief: bool = False  # with a short ttl
    outcome: str = UNKNOWN
    ids: set[str] = field(default_factory=set)  # of a message: every id it was answered with
    places: set[tuple[int, int]] = field(default_factory=set)  # of a record: partition and offset


@dataclass
class Taken:
    """One message as it was handed out; the broker's microseconds."""

    uid: str
    queue: str
    id: str
    lease_from: int
    expires_at: int | None


@dataclass
class Left:
    """One message that is there at the end."""

    uid: str
    state: str
    reason: str | None = None


@dataclass
class Done:
    """A job at its end."""

    kind: str
    state: str
    done: int
    failed: int


class RemovalHistory:
    """The record of one run; every method may be called from any thread."""

    def __init__(self) -> None:
        self.sent: dict[str, Sent] = {}
        self.taken: list[Taken] = []
        self.acking: set[tuple[str, str]] = set()  # queue and uid of every ack that was sent
        self.acked: Counter[tuple[str, str]] = Counter()  # and how often it was confirmed
        self.left: dict[str, list[Left]] = defaultdict(list)  # by queue
        self.jobs: list[Done] = []
        self.ranges: list[tuple[str, int, int, int]] = []  # stream, partition, low and end, whenever somebody looked
        self.records: dict[tuple[str, int, int], tuple[str, str | None]] = {}  # stream, partition, offset -> uid, key
        self.unexpected: list[str] = []
        self.epoch = 0
        self._lock = threading.Lock()

    def sending(self, batch: list[Sent]) -> list[Sent]:
        with self._lock:
            return [self.sent.setdefault(sent.uid, sent) for sent in batch]

    def stored(self, sent: Sent, result: dict[str, Any]) -> None:
        with self._lock:
            sent.outcome = OK
            if "id" in result:
                sent.ids.add(result["id"])
            else:
                sent.places.add((result["partition"], int(result["offset"])))

    def took_out(self, taken: Taken) -> None:
        with self._lock:
            self.taken.append(taken)

    def settling(self, queue: str, uids: list[str]) -> None:
        with self._lock:
            self.acking.update((queue, uid) for uid in uids)

    def settled(self, queue: str, uids: list[str]) -> None:
        with self._lock:
            self.acked.update((queue, uid) for uid in uids)

    def looked(self, stream: str, partition: int, low: int, end: int) -> None:
        with self._lock:
            self.ranges.append((stream, partition, low, end))

    def complain(self, text: str) -> None:
        with self._lock:
            self.unexpected.append(text)

    def took(self, what: str, seconds: float) -> None:
        if seconds > 30:
            self.complain(f"{what} took {seconds:.1f} s")

    def outage(self) -> None:
        self.epoch += 1

    def to(self, *destinations: str, outcome: str = OK) -> list[Sent]:
        """What went to any of these and ended so."""
        return [sent for sent in self.sent.values() if sent.to in destinations and sent.outcome == outcome]

    def done(self, kind: str) -> int:
        """How many things the jobs of a kind say they did."""
        return sum(job.done for job in self.jobs if job.kind == kind)

    def summary(self) -> dict[str, Any]:
        """The run in numbers, for the log and against runs that did nothing."""
        expired = sum(left.reason == "expired" for left in self.left[BURYING])
        return {
            "stored": sum(sent.outcome == OK for sent in self.sent.values()),
            "unknown": sum(sent.outcome == UNKNOWN for sent in self.sent.values()),
            "taken": len(self.taken),
            "acked": sum(self.acked.values()),
            "expired": expired,
            "redriven": self.done("redrive"),
            "purged": self.done("purge"),
            "trimmed": sum(max((low for s, p, low, _ in self.ranges if (s, p) == place), default=0) for place in self._kept()),
            "compacted": sum(len(sent.places) for sent in self.to(LATEST)) - sum(place[0] == LATEST for place in self.records),
            "outages": self.epoch,
        }

    def _kept(self) -> set[tuple[str, int]]:
        return {(stream, partition) for stream, partition, _, _ in self.ranges}


def nothing_is_handed_out_past_its_time(history: RemovalHistory) -> Complaints:
    """A lease begins before the message expires."""
    for taken in history.taken:
        if taken.expires_at is not None and taken.lease_from >= taken.expires_at:
            yield f"ttl: {taken.uid} of {taken.queue} was handed out {taken.lease_from - taken.expires_at} µs too late"


def a_ttl_takes_what_is_past_it_alone(history: RemovalHistory) -> Complaints:
    """What has time enough is acknowledged at the end; what expired is dead once, and was not acknowledged, or gone."""
    dead = Counter(left.uid for left in history.left[BURYING] if left.state == "dead")
    for queue in (DROPPING, BURYING):
        for left in history.left[queue]:
            if left.state != "dead" or queue == DROPPING:
                yield f"ttl: {left.uid} is {left.state} in {queue} at the end"
    for left in history.left[BURYING]:
        sent = history.sent[left.uid]
        if left.reason != "expired" or not sent.brief or history.acked[BURYING, left.uid] or dead[left.uid] > 1:
            yield f"ttl: {left.uid} should not be dead of {left.reason}, {dead[left.uid]} times"
    for sent in history.to(DROPPING, BURYING):
        ended = (sent.to, sent.uid) in history.acking or dead[sent.uid] or (sent.brief and sent.to == DROPPING)
        if not ended:
            yield f"ttl: {sent.uid} is gone from {sent.to}"


def a_redrive_moves_each_once(history: RemovalHistory) -> Complaints:
    """Every message that was rejected comes out of the other queue as the same one, once; the jobs say how many came."""
    came: dict[str, set[str]] = defaultdict(set)
    for taken in history.taken:
        if taken.queue == AGAIN:
            came[taken.uid].add(taken.id)
    for uid, ids in came.items():
        if len(ids) > 1 or not ids <= (history.sent[uid].ids or ids):
            yield f"redrive: {uid} became {sorted(ids)}, from {sorted(history.sent[uid].ids)}"
    missing = (sent.uid for sent in history.to(FAILING) if (AGAIN, sent.uid) not in history.acking)
    yield from (f"redrive: {uid} did not come" for uid in missing)
    for queue in (FAILING, AGAIN):
        yield from (f"redrive: {left.uid} is {left.state} in {queue} at the end" for left in history.left[queue])
    if history.done("redrive") != len(came):
        yield f"redrive: jobs say {history.done('redrive')}, {len(came)} came"


def a_purge_takes_what_it_was_told_alone(history: RemovalHistory) -> Complaints:
    """What has another key is there; of what has the key nothing is, and the jobs say how many that were."""
    there = Counter(left.uid for left in history.left[WASTE])
    for uid, times in there.items():
        if history.sent[uid].key == OLD or times > 1:
            yield f"purge: {uid} is there {times} times"
    kept, purged = ([sent for sent in history.to(WASTE) if sent.key == key] for key in (NEW, OLD))
    for sent in kept:
        if not there[sent.uid]:
            yield f"purge: {sent.uid} is gone"
    perhaps = sum(sent.key == OLD for sent in history.to(WASTE, outcome=UNKNOWN))
    if not len(purged) <= history.done("purge") <= len(purged) + perhaps:
        yield f"purge: jobs say {history.done('purge')}, {len(purged)} were there"


def jobs_end(history: RemovalHistory) -> Complaints:
    """Every job is done, and nothing of it failed."""
    for job in history.jobs:
        if job.state != "done" or job.failed:
            yield f"job: a {job.kind} is {job.state}, {job.failed} failed"


def retention_keeps_what_it_says(history: RemovalHistory) -> Complaints:
    """Whenever somebody looks, the newest records are there; at the end no more than those."""
    last: dict[tuple[str, int], tuple[int, int]] = {}
    for stream, partition, low, end in history.ranges:
        if stream == KEPT:
            last[stream, partition] = (low, end)
            if low > max(0, end - KEEPS):
                yield f"retention: partition {partition} begins at {low} of {end}"
    for (stream, partition), (low, end) in last.items():
        there = [offset for s, p, offset in history.records if (s, p) == (stream, partition)]
        if sorted(there) != list(range(max(0, end - KEEPS), end)) or low != max(0, end - KEEPS):
            yield f"retention: partition {partition} has {len(there)} records from {low} to {end}"


def compaction_keeps_the_last_of_each_key(history: RemovalHistory) -> Complaints:
    """A record that is gone has a later one of its key; at the end there is one record of a key."""
    newest: dict[tuple[int, str | None], list[int]] = defaultdict(list)
    for (stream, partition, offset), (_, key) in history.records.items():
        if stream == LATEST:
            newest[partition, key].append(offset)
    confirmed = [(sent, *place) for sent in history.to(LATEST) for place in sent.places]
    for sent, partition, offset in confirmed:
        later = sent.key is not None and max(newest[partition, sent.key], default=-1) > offset
        if (LATEST, partition, offset) not in history.records and not later:
            yield f"compaction: {sent.uid} at {partition}-{offset} is gone, and was the last of {sent.key}"
    several = ((place, offsets) for place, offsets in newest.items() if place[1] is not None and len(offsets) > 1)
    yield from (f"compaction: {len(offsets)} records of {key} in partition {number}" for (number, key), offsets in several)


def everything_is_what_was_sent(history: RemovalHistory) -> Complaints:
    """Nothing comes from nowhere, a record is where it was confirmed, and an ack is confirmed once."""
    seen = {taken.uid for taken in history.taken} | {uid for uid, _ in history.records.values()}
    seen |= {left.uid for several in history.left.values() for left in several}
    yield from (f"never sent: {uid}" for uid in seen - history.sent.keys())
    for sent in history.to(KEPT, LATEST):
        for partition, offset in sent.places:
            uid, _ = history.records.get((sent.to, partition, offset), (sent.uid, None))
            if uid != sent.uid:
                yield f"another record: {uid} at {partition}-{offset} of {sent.to}, where {sent.uid} was confirmed"
    yield from (f"acknowledged {times} times: {uid}" for (_, uid), times in history.acked.items() if times > 1)
    yield from (f"unexpected: {text}" for text in history.unexpected)


CHECKERS: tuple[Callable[[RemovalHistory], Complaints], ...] = (
    nothing_is_handed_out_past_its_time,
    a_ttl_takes_what_is_past_it_alone,
    a_redrive_moves_each_once,
    a_purge_takes_what_it_was_told_alone,
    jobs_end,
    retention_keeps_what_it_says,
    compaction_keeps_the_last_of_each_key,
    everything_is_what_was_sent,
)


def removal_complaints(history: RemovalHistory) -> list[str]:
    """Everything every checker has to say; of what was never sent nothing else is asked."""
    strangers = [line for line in everything_is_what_was_sent(history) if line.startswith("never sent")]
    return strangers or [line for checker in CHECKERS for line in checker(history)]
