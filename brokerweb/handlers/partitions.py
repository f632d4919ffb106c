"""Reads a stream as a member of a partitioned group: the records of a partition one after the other, partitions side by side.

What is done while a commit is under way is committed by the next. A record that fails is tried again until it succeeds or is
rejected, and those behind it wait.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from brokerweb.core import clock
from brokerweb.core.backoff import Backoff
from brokerweb.core.errors import BrokerError, Conflict, NotFound, OffsetOutOfRange
from brokerweb.handlers import member
from brokerweb.handlers.crew import Job
from brokerweb.handlers.duty import POLL, RETRY, Shared, Slots, Tally
from brokerweb.handlers.member import Member, Progress, Share
from brokerweb.handlers.sources import PartitionedSource
from brokerweb.handlers.work import Failure, LeaseLost, NotBegun
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import positions, reading
from brokerweb.streams.definitions import load
from brokerweb.streams.django import Record, record_of
from brokerweb.wakeups.hints import Hint

if TYPE_CHECKING:
    from brokerweb.handlers.work import Handler

log = logging.getLogger(__name__)

BEATS = 3  # within a session's time
READ = 100  # records of a partition that are read at once, unless a handler says otherwise
AGAIN = 0.1  # seconds until a commit is tried again that others were in the way of
BACKOFF = Backoff(initial=1, factor=2, maximum=60)  # of a record that fails


class Part:
    """One partition that is read."""

    def __init__(self, number: int, held: member.Held) -> None:
        self.number, self.id, self.hold = number, held.partition_id, held.hold
        self.next = max(held.hold.committed, held.low)
        self.news = asyncio.Event()
        self.left = asyncio.Event()  # no further record is begun
        self.lost = False  # it is another's, or was moved: nothing of it is committed any more
        self.job: Job | None = None
        self.task: asyncio.Task[None]

    def leave(self, *, lost: bool = False) -> None:
        self.lost = self.lost or lost
        self.left.set()
        self.news.set()
        if self.lost and self.job is not None:
            self.job.cancel()


class GroupPump:
    """A member of a partitioned group."""

    def __init__(self, source: PartitionedSource, shared: Shared) -> None:
        self.name, self._handler, self._shared = source.name, source.handler, shared
        self._who = Member(source.stream, source.group, f"{shared.client}/{secrets.token_hex(4)}", shared.client)
        self._slots, self._limit, self.tally = Slots(shared, source.concurrency), source.prefetch or READ, Tally()
        self._share: Share | None = None
        self._parts: dict[int, Part] = {}
        self._progress: dict[int, Progress] = {}
        self._news = asyncio.Event()
        self._look, self._anew, self._stopping, self._given_up = True, True, False, False
        self._poll_at = self._beat_at = 0.0
        self._gone = ""

    def find(self, reads: Reads) -> None:
        load(reads, self._who.stream)  # a group that is not there is made

    def attended(self) -> int | None:
        return None  # members are known as such

    def holds(self, receipt: str) -> bool:
        return False

    def hear(self, hint: Hint) -> None:
        share = self._share
        if hint.all or share is None or share.stream_id in hint.streams or share.group_id in hint.groups:
            self._look = True
            self._news.set()

    def stop(self) -> None:
        self._stopping = True
        for part in self._parts.values():
            part.leave()
        self._news.set()

    def give_up(self) -> None:
        self._given_up = True
        for part in self._parts.values():
            if part.job is not None:
                part.job.cancel()
        self._news.set()

    # The member

    async def run(self) -> None:
        while not self._ended():
            self._news.clear()
            try:
                await self._turn()
                self._gone = ""
            except NotFound as error:
                self._is_gone(error.detail)
            except Conflict:  # its partitions are others' by now, or it has to be told that they are its own still
                self._anew = True
                await asyncio.sleep(AGAIN)
            except Exception as error:
                await self._refused(error)
            await self._pause()
        await self._leave()

    def _ended(self) -> bool:
        reading = any(not part.task.done() for part in self._parts.values())
        return self._stopping and not self._progress and (self._given_up or not reading)

    async def _turn(self) -> None:
        store = self._shared.store
        if self._share is None and not self._stopping:
            await store.commit(member.join, self._who)
            self._anew = True
        if self._anew:
            await self._take_share()
        if self._share is None:
            self._progress.clear()
            return
        if self._progress:
            await self._commit(self._share)
        if time.monotonic() >= self._beat_at:
            await self._beat(self._share)
        if self._look or time.monotonic() >= self._poll_at:
            await self._find_news(self._share)
        await self._let_go(self._share)

    async def _take_share(self) -> None:
        """What it has now: others' are left, what is new is read."""
        self._anew = False
        self._share = share = await self._shared.store.read(member.share, self._who)
        held = {} if share is None else share.held
        for number, part in list(self._parts.items()):
            now = held.get(number)
            if now is None or now.hold.generation != part.hold.generation:
                part.leave(lost=True)
                self._progress.pop(number, None)
            elif now.hold.until_at is not None:
                part.leave()
            else:
                self._forget_done(number, now.hold.committed)
            if part.task.done() and (part.lost or now is None):
                del self._parts[number]
        for number, new in held.items():
            if number not in self._parts and new.hold.until_at is None and not self._stopping:
                self._parts[number] = part = Part(number, new)
                part.task = asyncio.create_task(self._read(part))
                part.task.add_done_callback(partial(self._part_ended, part))
        self._beat_at = min(self._beat_at, time.monotonic() + (0.0 if share is None else share.session_timeout / BEATS))

    def _forget_done(self, number: int, committed: int) -> None:
        """Somebody has committed as much, and more cannot be told."""
        progress = self._progress.get(number)
        if progress is not None and progress.offset <= committed:
            del self._progress[number]

    def _part_ended(self, part: Part, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: partition %d could not be read", self.name, part.number, exc_info=task.exception())
            part.leave(lost=True)
        self._anew = True  # a partition that was lost, and is its own again, may begin
        self._news.set()

    async def _beat(self, share: Share) -> None:
        self._beat_at = time.monotonic() + share.session_timeout / BEATS
        if not await self._shared.store.commit(_beat, share.group_id, self._who, self._shared.alone()):
            log.warning("%s: was silent for too long, and joins anew", self.name)
            self._share, self._anew = None, True
            for part in self._parts.values():
                part.leave(lost=True)
            self._news.set()

    async def _commit(self, share: Share) -> None:
        """What is done goes back where it cannot be committed, unless more is done by then."""
        going, self._progress = self._progress, {}
        try:
            await self._shared.store.commit(member.commit, self._who, share.generation, going, self._handler)
        except BaseException:
            for number, before in going.items():
                after = self._progress.get(number)
                if after is None:
                    self._progress[number] = before
                else:
                    after.done[:0] = before.done
            raise

    async def _find_news(self, share: Share) -> None:
        self._look, self._poll_at = False, time.monotonic() + POLL
        found = await self._shared.store.read(member.ends, share.group_id, [part.id for part in self._parts.values()])
        if found.generation != share.generation:
            self._anew = True
            self._news.set()
        for part in self._parts.values():
            if found.by_id.get(part.id, 0) > part.next:
                part.news.set()

    async def _let_go(self, share: Share) -> None:
        """Of what was revoked, once what was begun of it is committed."""
        done = [
            number
            for number, part in self._parts.items()
            if part.left.is_set() and not part.lost and part.task.done() and number not in self._progress
        ]
        if done and not self._stopping:
            await self._shared.store.commit(member.release, share.group_id, self._who, done)
            for number in done:
                del self._parts[number]
            self._anew = True

    async def _leave(self) -> None:
        for part in self._parts.values():
            part.task.cancel()
        if self._share is not None:
            try:
                await self._shared.store.commit(member.leave, self._share.group_id, self._who)
            except BrokerError as error:
                log.warning("%s: could not leave: %s", self.name, error)

    async def _pause(self) -> None:
        if self._anew and self._share is not None:
            return
        until = min(self._poll_at, self._beat_at) if self._share is not None else time.monotonic() + RETRY
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._news.wait()
        except TimeoutError:
            pass

    def _is_gone(self, why: str) -> None:
        self._share = None
        for part in self._parts.values():
            part.leave(lost=True)
        self._progress.clear()
        if not self._gone:
            self._shared.say(f"{self.name}: {why} It is looked for every {RETRY:g} seconds.")
        self._gone = why

    async def _refused(self, error: Exception) -> None:
        known = isinstance(error, BrokerError)
        log.warning("%s: the store refused: %s", self.name, error, exc_info=None if known else error)
        await asyncio.sleep(RETRY)

    # A partition

    async def _read(self, part: Part) -> None:
        while not part.left.is_set():
            part.news.clear()
            batch = await self._batch(part)
            if batch is None or not batch.records:
                if batch is not None and batch.next > part.next:  # compaction has left a gap
                    self._past(part, batch.next)
                await part.news.wait()
                continue
            for stored in batch.records:
                record = record_of(self._who.stream, stored)
                if part.left.is_set() or not await self._work_on(part, record):
                    return
            part.next = max(part.next, batch.next)

    async def _batch(self, part: Part) -> Any:
        """None where there is nothing to be had now."""
        try:
            return await self._shared.store.read(reading.read_partition, part.id, part.next, self._limit)
        except OffsetOutOfRange as error:
            low = int(error.extra["low"])
            log.warning("%s: records %d to %d of partition %d are gone", self.name, part.next, low - 1, part.number)
            part.next = low
            part.news.set()
        except BrokerError as error:
            log.warning("%s: partition %d could not be read: %s", self.name, part.number, error)
        return None

    async def _work_on(self, part: Part, record: Record) -> bool:
        """Until it is done, or passed over; False where the partition is left before."""
        if record.damaged:
            log.error("%s: record %d of partition %d is damaged, and passed over", self.name, record.offset, part.number)
            self._past(part, record.offset + 1)
            return True
        while True:
            result = await self._once(part, record)
            if part.lost or (part.left.is_set() and isinstance(result, Failure)):
                return False
            if not isinstance(result, Failure):
                self.tally.done += 1
                return True
            wait = await self._failed(part, record, result)
            if wait is None:
                self._past(part, record.offset + 1)
                return True
            if await _within(part.left, wait):
                return False
            record = replace(record, attempts=record.attempts + 1)

    async def _once(self, part: Part, record: Record) -> Any:
        """What one try returned, or how it failed. It is over when a function has returned, also where that took too long."""
        late: list[Failure] = []
        async with self._slots.one():
            if part.left.is_set():
                return Failure.of(LeaseLost())
            part.job = job = Job(
                partial(self._handler.work, record),
                check=lambda tx: None,
                commit=partial(self._commit_one, part, record),
                late=late.append,
            )
            result = await self._shared.crew.run(job)
            part.job = None
        if job.committed:
            self._progress.pop(part.number, None)
            part.next = record.offset + 1
        elif late:
            return late[0]
        elif not isinstance(result, Failure) and not part.lost:
            self._past(part, record.offset + 1, (record, result))
        return result

    def _commit_one(self, part: Part, record: Record, tx: Transaction, result: Any) -> None:
        """In the transaction of work that is atomic, on its thread."""
        share = self._share
        if share is None or part.lost:
            raise LeaseLost
        try:
            offsets = {part.number: record.offset + 1}
            who = self._who
            positions.commit(tx, who.stream, who.group, offsets, generation=share.generation, member=who.member)
        except Conflict as error:
            raise LeaseLost from error
        self._handler.done(tx, record, result)

    async def _failed(self, part: Part, record: Record, failure: Failure) -> float | None:
        """Seconds until the next try; None to pass over the record."""
        if isinstance(failure.error, LeaseLost | NotBegun):  # it could not be committed: perhaps it was told an older generation
            self._anew = True
            self._news.set()
            return RETRY
        self.tally.failed += 1
        about = (self._handler.name, part.number, record.offset, self.name, record.attempts)
        log.warning("%s failed on record %d-%d of %s, attempt %d\n%s", *about, failure.text)
        try:
            decided = await self._shared.store.commit(_decide, self._handler, record, failure)
        except Exception as error:
            log.error("%s: its handler failed to say what became of a record", self.name, exc_info=error)
            return RETRY
        if decided.kind in ("ack", "dead"):
            log.error("%s: record %d-%d is passed over: %s", self.name, part.number, record.offset, decided.error)
            return None
        return BACKOFF.delay(record.attempts) / clock.seconds(1) if decided.delay is None else decided.delay

    def _past(self, part: Part, offset: int, done: tuple[Any, Any] | None = None) -> None:
        """Everything below is done."""
        part.next = offset
        progress = self._progress.setdefault(part.number, Progress(offset))
        progress.offset = offset
        if done is not None:
            progress.done.append(done)
        self._news.set()


def _beat(tx: Transaction, group_id: int, who: Member, alone: bool) -> bool:
    return member.beat(tx, group_id, who, alone=alone)


def _decide(tx: Transaction, handler: Handler, record: Record, failure: Failure) -> Any:
    return handler.failed(tx, record, failure)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether it happened within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
