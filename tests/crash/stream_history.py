"""What the clients of one run over streams sent and saw, and the promises as functions of it: C6 of the fault table."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.crash.history import OK, REFUSED, UNKNOWN, digest

__all__ = ["OK", "REFUSED", "UNKNOWN", "Append", "Commit", "Seen", "StreamHistory", "digest", "stream_complaints"]

Place = tuple[str, int, int]  # stream, partition, offset
Complaints = Iterator[str]


@dataclass
class Append:
    """One record somebody meant to append, over all its attempts with one ``dedup_id``."""

    uid: str
    stream: str
    key: str | None
    dedup_id: str | None
    batch: int  # appended together: all or none
    outcome: str = UNKNOWN
    places: set[Place] = field(default_factory=set)  # every place the broker answered with


@dataclass
class Seen:
    """One record as it reached a client; ``reader`` names one unbroken read of one partition."""

    place: Place
    uid: str
    intact: bool
    appended_at: str
    reader: str


@dataclass
class Commit:
    """An offset whose commit was confirmed, and how far the group was seen to be before it was sent and after."""

    group: str
    partition: int
    offset: int
    sent: float
    answered: float


class StreamHistory:
    """The record of one run; every method may be called from any thread."""

    def __init__(self) -> None:
        self.appends: dict[str, Append] = {}
        self.seen: list[Seen] = []
        self.commits: list[Commit] = []
        self.positions: list[tuple[str, int, int, float, float]] = []  # group, partition, committed, asked, answered
        self.shared = "log"  # the stream whose records the shared group takes
        self.finished: dict[str, int] = {}  # uid -> how often a shared group's ack of it was confirmed
        self.tried: set[str] = set()  # uids whose ack was sent
        self.piped: list[str] = []  # uids that came out of the pipe, in order
        self.committed_pipe: list[str] = []  # uids of what the pipe's group has committed
        self.lows: dict[tuple[str, int], int] = {}  # what retention had taken at the end
        self.replay: dict[str, list[Seen]] = defaultdict(list)  # everything there is at the end, by stream
        self.epoch = 0
        self.unexpected: list[str] = []
        self._lock = threading.Lock()

    def appending(self, batch: list[Append]) -> list[Append]:
        with self._lock:
            return [self.appends.setdefault(append.uid, append) for append in batch]

    def appended(self, append: Append, result: dict[str, Any]) -> None:
        with self._lock:
            append.outcome = OK
            append.places.add((append.stream, result["partition"], int(result["offset"])))

    def refuse(self, batch: list[Append]) -> None:
        for append in batch:
            if append.outcome != OK and append.dedup_id is None:
                append.outcome = REFUSED

    def saw(self, stream: str, record: dict[str, Any], reader: str) -> Seen:
        body = record["body"]
        place = (stream, record["partition"], int(record["offset"]))
        intact = body["digest"] == digest(body["uid"], body["pad"])
        seen = Seen(place, body["uid"], intact, record.get("appended_at", ""), reader)
        with self._lock:
            self.seen.append(seen)
        return seen

    def committed(self, commit: Commit) -> None:
        with self._lock:
            self.commits.append(commit)

    def position(self, group: str, partition: int, committed: int, asked: float) -> None:
        with self._lock:
            self.positions.append((group, partition, committed, asked, time.monotonic()))

    def acking(self, uids: list[str]) -> None:
        with self._lock:
            self.tried.update(uids)

    def acked(self, uids: list[str]) -> None:
        with self._lock:
            for uid in uids:
                self.finished[uid] = self.finished.get(uid, 0) + 1

    def complain(self, text: str) -> None:
        with self._lock:
            self.unexpected.append(text)

    def outage(self) -> None:
        self.epoch += 1

    def summary(self) -> dict[str, Any]:
        """The run in numbers, for the log and against runs that did nothing."""
        return {
            "appended": sum(a.outcome == OK for a in self.appends.values()),
            "unknown": sum(a.outcome == UNKNOWN for a in self.appends.values()),
            "seen": len(self.seen),
            "commits": len(self.commits),
            "acked": len(self.finished),
            "piped": len(self.piped),
            "trimmed": sum(self.lows.values()),
            "outages": self.epoch,
        }


def an_offset_names_one_record(history: StreamHistory) -> Complaints:
    """C6: whoever looked, whenever, saw the same record at an offset; and it is the one that was confirmed there."""
    first: dict[Place, str] = {}
    for seen in [*history.seen, *(s for several in history.replay.values() for s in several)]:
        if first.setdefault(seen.place, seen.uid) != seen.uid:
            yield f"C6 two records at {seen.place}: {first[seen.place]} and {seen.uid}"
    for append in history.appends.values():
        for place in append.places:
            if first.get(place, append.uid) != append.uid:
                yield f"C6 {append.uid} was confirmed at {place}, where {first[place]} is"


def nothing_confirmed_is_missing(history: StreamHistory) -> Complaints:
    """C6: a full replay at the end has every confirmed append that retention has not taken."""
    there = {seen.place for several in history.replay.values() for seen in several}
    for append in history.appends.values():
        for place in append.places:
            if append.outcome == OK and place not in there and place[2] >= history.lows.get(place[:2], 0):
                yield f"C6 lost: {append.uid}, confirmed at {place}"


def nothing_is_there_twice_or_from_nowhere(history: StreamHistory) -> Complaints:
    """C2, C6: a record was sent, was not refused, is whole; one with a dedup_id is stored once."""
    places: dict[str, set[Place]] = defaultdict(set)
    for seen in [*history.seen, *(s for several in history.replay.values() for s in several)]:
        places[seen.uid].add(seen.place)
        append = history.appends.get(seen.uid)
        if append is None:
            yield f"C2 never sent: {seen.uid} at {seen.place}"
        elif append.outcome == REFUSED:
            yield f"C2 refused, yet there: {seen.uid} at {seen.place}"
        if not seen.intact:
            yield f"C2 damaged: {seen.uid} at {seen.place}"
    for uid, append in history.appends.items():
        found = places.get(uid, set()) | append.places
        if append.dedup_id is not None and len(found) > 1:
            yield f"C6 dedup: {uid} became {sorted(found)}"


def batches_are_whole(history: StreamHistory) -> Complaints:
    """An append is all or none, also when nobody knows how it ended; where retention took nothing."""
    there = {seen.uid: seen.place for several in history.replay.values() for seen in several}
    batches: dict[tuple[str, int], list[Append]] = defaultdict(list)
    trimmed = {stream for (stream, _), low in history.lows.items() if low}
    for append in history.appends.values():
        if append.stream not in trimmed:
            batches[append.uid.rsplit("-", 1)[0], append.batch].append(append)
    for name, batch in batches.items():
        found = [append.uid in there for append in batch]
        if any(found) and not all(found):
            yield f"C6 half an append: batch {name} has {sum(found)} of {len(batch)}"


def readers_fall_into_no_gap(history: StreamHistory) -> Complaints:
    """C6: what one reader gets of one partition has no gap and never steps back."""
    lanes: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for seen in [*history.seen, *(s for several in history.replay.values() for s in several)]:
        lanes[seen.reader, seen.place[0], seen.place[1]].append(seen.place[2])
    for lane, offsets in lanes.items():
        for before, after in pairwise(offsets):
            if after != before + 1:
                yield f"C6 {lane} read {after} after {before}"


def commits_never_go_back(history: StreamHistory) -> Complaints:
    """C6: a group is never seen below what was confirmed, nor below where it was seen, before."""
    known = [(c.group, c.partition, c.offset, c.answered) for c in history.commits]
    known += [(group, partition, offset, answered) for group, partition, offset, _, answered in history.positions]
    latest: dict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)
    for group, partition, offset, when in known:
        latest[group, partition].append((when, offset))
    highest = {lane: _rising(sorted(several)) for lane, several in latest.items()}
    for group, partition, offset, asked, _ in history.positions:
        before = bisect_left(highest[group, partition], (asked,))
        if before and offset < (seen := highest[group, partition][before - 1][1]):
            yield f"C6 group {group} went back: {offset} in partition {partition} after {seen}"


def _rising(events: list[tuple[float, int]]) -> list[tuple[float, int]]:
    best, rising = -1, []
    for when, offset in events:
        best = max(best, offset)
        rising.append((when, best))
    return rising


def an_ack_of_a_shared_group_is_final(history: StreamHistory) -> Complaints:
    """C4: the ack of a record is confirmed once."""
    for uid, times in history.finished.items():
        if times > 1:
            yield f"C4 acknowledged {times} times: {uid}"


def a_shared_group_leaves_nothing_out(history: StreamHistory) -> Complaints:
    """C1: with nothing left to hand out, every confirmed record was acknowledged, or may have been."""
    for append in history.appends.values():
        if append.stream == history.shared and append.outcome == OK and append.uid not in history.tried:
            yield f"C1 never handed out: {append.uid} at {sorted(append.places)}"


def the_pipe_is_effectively_once(history: StreamHistory) -> Complaints:
    """What was committed and published in one transaction came out once, and nothing else did."""
    out = Counter(history.piped)
    for uid in history.committed_pipe:
        if out[uid] != 1:
            yield f"C6 {uid} went through the pipe {out[uid]} times"
    if len(history.piped) != len(history.committed_pipe):
        yield f"C6 {len(history.piped)} records came out of the pipe, {len(history.committed_pipe)} went in"


def answers_are_expected(history: StreamHistory) -> Complaints:
    """C9: no client got an answer that nobody should get."""
    yield from (f"C9 {text}" for text in history.unexpected)


CHECKERS: tuple[Callable[[StreamHistory], Complaints], ...] = (
    an_offset_names_one_record,
    nothing_confirmed_is_missing,
    nothing_is_there_twice_or_from_nowhere,
    batches_are_whole,
    readers_fall_into_no_gap,
    commits_never_go_back,
    an_ack_of_a_shared_group_is_final,
    a_shared_group_leaves_nothing_out,
    the_pipe_is_effectively_once,
    answers_are_expected,
)


def stream_complaints(history: StreamHistory) -> list[str]:
    """Everything every checker has to say."""
    return [line for checker in CHECKERS for line in checker(history)]
