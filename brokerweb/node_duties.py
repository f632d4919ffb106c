"""What one node does of its own accord, again and again: time that passes, housekeeping, commits and revocations elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from django.db import connection as database

from brokerweb import sweep
from brokerweb.cluster import wall
from brokerweb.cluster.tenure import Tenure
from brokerweb.core import clock, closing, events, memory
from brokerweb.core.duty import DutyLoop
from brokerweb.delivery import connections
from brokerweb.delivery.hub import Hub
from brokerweb.delivery.polls import waits
from brokerweb.handout import trimming
from brokerweb.identity import clients, tokens
from brokerweb.identity import duties as identity_duties
from brokerweb.identity.principal import Principal
from brokerweb.jobs import duties as job_duties
from brokerweb.jobs import runner, searched, undoing
from brokerweb.queues import activity, counters, duties, history, kept, retirement, stats
from brokerweb.routing import duties as routing_duties
from brokerweb.storage import changes, disk
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.streams import duties as stream_duties
from brokerweb.streams import membership, progress
from brokerweb.streams import stats as stream_stats

HEARTBEAT, HOUSEKEEPING, TOKENS, IDLE, FOREIGN, ORPHANS = 5.0, 5.0, 3.0, 2.0, 0.2, 60.0  # seconds between
FILES = 1.0  # seconds between looks at the files of the database
COMMITS = 0.5  # seconds between looks at what commits wait for, where the database is a server
BEAT = 0.1  # seconds between checks for members whose heartbeat is due; a session may be as short as one second
LOOK = 2.0  # seconds between looks for ready messages that no hint asked for
STALE = 5.0  # seconds without an answer after which the store counts as not writable


class NodeDuties:
    """``start`` when the committer runs and the hub listens; ``stop`` before they end."""

    def __init__(self, hub: Hub, tenure: Tenure) -> None:
        self._hub, self._tenure = hub, tenure
        self._loop: asyncio.AbstractEventLoop
        self._in_use: set[int] = set()
        self._orphans_at = self._seen_at = 0.0
        self._trimming = trimming.Trimming()
        self._walk = history.Walk()
        self._nameless = True  # there may be dead letters without a fingerprint
        self._alive_at = 0.0
        self._unlisten: list[Callable[[], None]] = []
        self.waits_for_standby = False
        self.timers = DutyLoop("timers", self._timers)
        self.wall = wall.Watch(tenure.seen)
        self._loops = [
            self.timers,
            DutyLoop("heartbeat", self._heartbeat, longest=HEARTBEAT),
            DutyLoop("clock", self.wall.tick, longest=wall.EVERY),
            DutyLoop("files", self._files, longest=FILES),
            DutyLoop("housekeeping", self._housekeeping, longest=HOUSEKEEPING),
            DutyLoop("idle queues", self._idle, longest=IDLE),
            DutyLoop("tokens", self._tokens, longest=TOKENS),
            *([DutyLoop("foreign commits", self._foreign, longest=FOREIGN)] if changes.show() else []),
            DutyLoop("members", self._members, longest=BEAT),
            DutyLoop("looks", self._looks, longest=LOOK),
            DutyLoop("activity", self._activity, longest=activity.EVERY),
            DutyLoop("identity", identity_duties.tick, longest=identity_duties.EVERY),
            DutyLoop("disk", self._disk, longest=disk.LOOK),
            DutyLoop("jobs", runner.tick, longest=runner.EVERY),
            DutyLoop("memory", memory.GivingBack().tick, longest=memory.EVERY),
            DutyLoop("sweep", sweep.Sweep().tick, longest=sweep.LONGEST, retry=sweep.RETRY),
        ]
        if not dialect_of(database).single_writer:
            self._loops.append(DutyLoop("commits", self._commits, longest=COMMITS))

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._hub.on_due = self.timers.due
        self._unlisten = [events.listen(self._note_use), tokens.on_revoked(self._revoked)]
        for duty in self._loops:
            duty.start()
        self._alive_at = time.monotonic()

    async def stop(self) -> None:
        for duty in self._loops:
            await duty.stop()
        for unlisten in self._unlisten:
            unlisten()

    @property
    def failing(self) -> list[str]:
        """Duties whose last tick raised, by name."""
        return [duty.name for duty in self._loops if duty.failing]

    @property
    def silent(self) -> bool:
        """Whether the store has not answered a heartbeat for too long."""
        return time.monotonic() - self._alive_at > HEARTBEAT + STALE

    # What happens on other threads

    def _note_use(self, outcome: events.Outcome) -> None:
        self._in_use.update(queue_id for _, queue_id in outcome.counts)

    def _revoked(self, owner: str) -> None:
        self._loop.call_soon_threadsafe(_close_of, owner)

    # Duties

    async def _timers(self, now: int) -> float:
        """What is due: promotions, ended leases, expired messages, silent members."""
        await self._hub.groups.beat()  # first: where this process stood still, it was not its members who were silent
        steps: list[Callable[..., int]] = [duties.promote, duties.expire_leases, duties.expire_messages]
        steps += [membership.expire_members, membership.pass_on_due]
        done = await asyncio.gather(*(aperform(step) for step in steps))
        if any(n >= duties.LIMIT for n in done):
            return 0
        instants = [await aperform(duties.next_work), await aperform(membership.next_work)]
        instant = min((at for at in instants if at is not None), default=None)
        return 1.0 if instant is None else max(0.0, (instant - clock.now()) / clock.SECOND)

    async def _heartbeat(self, now: int) -> float:
        """A duty of its own, since housekeeping may take minutes, such as the removal of a long stream."""
        await self._tenure.beat()
        self._alive_at = time.monotonic()
        return HEARTBEAT

    async def _commits(self, now: int) -> float:
        """Whether they wait for a standby that does not answer."""
        self.waits_for_standby = await aread(lambda reader: reader.dialect.waits_for_standby(reader.raw))
        return COMMITS

    async def _files(self, now: int) -> float:
        await self._tenure.look()
        return FILES

    async def _housekeeping(self, now: int) -> float:
        """A small step of each task, round after round while any has more to do: none waits for minutes until another is done."""
        await self._trim()
        await self._name_causes()
        if found := await aread(self._walk.step):
            await aperform(history.mend, found)
        left = [
            (duties.forget_dedup, duties.LIMIT),
            (duties.end_dead, duties.LIMIT),
            (kept.end_kept, kept.LIMIT),
            (history.forget, 1),
            (undoing.forget, undoing.FORGOTTEN_AT_ONCE),
            (searched.forget, searched.FOUND_AT_ONCE),
            (routing_duties.forget, routing_duties.LIMIT),
            (retirement.sweep_deleted, 1),
            *(
                (verb, stream_duties.LIMIT)
                for verb in (stream_duties.retain, stream_duties.restamp, stream_duties.compact, stream_duties.forget_dedup)
            ),
            (stream_duties.sweep_deleted, 1),
        ]
        until = time.monotonic() + HOUSEKEEPING
        while left and time.monotonic() < until:
            left = [(verb, full) for verb, full in left if await aperform(verb) >= full]
        if time.monotonic() >= self._orphans_at:
            self._orphans_at = time.monotonic() + ORPHANS
            await _ready_orphans()
            while await aperform(counters.fold) >= counters.FOLDED:
                pass
            while await aperform(job_duties.forget) >= job_duties.LIMIT:
                pass
            await self._clients()
        await self._reconcile()
        return 0 if left else HOUSEKEEPING

    async def _clients(self) -> None:
        """Those who are connected stay known by name; those whom nobody has seen for long do not."""
        if time.monotonic() >= self._seen_at:
            self._seen_at = time.monotonic() + clients.SEEN
            await aperform(clients.see, connections.introduced())
        while await aperform(clients.forget) >= clients.LIMIT:
            pass

    async def _name_causes(self) -> None:
        """Those of before there were fingerprints, once: nobody dies without one now."""
        until = time.monotonic() + HOUSEKEEPING
        while self._nameless and time.monotonic() < until:
            self._nameless = await aperform(duties.name_causes) >= duties.LIMIT

    async def _trim(self) -> None:
        for overtaken in await aread(self._trimming.overtaken):
            for ids in overtaken.batches():
                await aperform(trimming.trim, overtaken.queue_id, ids)

    async def _idle(self, now: int) -> float:
        """Queues that nobody has used for as long as they say are gone."""
        in_use = self._in_use | self._hub.book.queues()
        ids = await aread(retirement.idle_work, in_use, clock.now())
        for i in range(0, len(ids), duties.LIMIT):
            await aperform(retirement.expire_idle, in_use, ids[i : i + duties.LIMIT])
        # Only now, and in the set that commits on other threads note theirs in: no use is forgotten unseen.
        self._in_use -= in_use
        return IDLE

    async def _reconcile(self) -> None:
        """Leases that ended in another process give their credit back, too."""
        receipts = list(self._hub.holders.by_receipt)
        for i in range(0, len(receipts), 500):
            ended = await aread(duties.over, receipts[i : i + 500], clock.now())
            if ended:
                self._hub.leases_ended(ended)

    async def _tokens(self, now: int) -> float:
        """Sockets and long polls whose token or user was revoked elsewhere end within seconds."""
        live = _callers()
        if live:
            valid = await tokens.astill_valid_all([principal for principal, _ in live])
            for (_, end), stands in zip(live, valid, strict=True):
                if not stands:
                    end()
        return TOKENS

    async def _foreign(self, now: int) -> float:
        """Notice commits of other processes, of which this one is not told."""
        if await aperform(changes.foreign_commits):
            await self._hub.refresh()
            self.timers.due(clock.now())
        return FOREIGN

    async def _members(self, now: int) -> float:
        await self._hub.groups.beat()
        return BEAT

    async def _activity(self, now: int) -> float:
        """Since when more comes than goes; and what is known of who consumed, where that changed."""
        rates, appended = stats.by_id(), stream_stats.by_id()
        activity.activity.note_behind(activity.behind(rates), now)
        progress.progress.note_behind(appended, activity.SWELL, now)
        await self.note_activity()
        return activity.EVERY

    async def note_activity(self) -> None:
        """Write what has changed of who consumed and settled, and when."""
        changed = activity.activity.changed()
        if changed:
            await aperform(activity.store, changed)
            activity.activity.stored(changed)

    async def _disk(self, now: int) -> float:
        await aperform(disk.tend)
        return disk.LOOK

    async def _looks(self, now: int) -> float:
        """What a hint would have told, had it come. Where commits of others show, dispatchers alone look once more."""
        if changes.show():
            self._hub.queues.look()
        else:
            await self._hub.look_up()
        return LOOK


async def _ready_orphans() -> None:
    while orphans := await aread(duties.orphaned_keys):
        await aperform(duties.ready_orphans, orphans)
        if len(orphans) < duties.LIMIT:
            break


def _close_of(owner: str) -> None:
    for principal, end in _callers():
        if principal.owner == owner:
            end()


def _callers() -> list[tuple[Principal, Callable[[], None]]]:
    """The principal of each socket and long poll here, and what ends it once that principal's rights have ended."""
    ended = closing.UNAUTHENTICATED, "the token or session has ended"
    sockets = [(connection.principal, partial(connection.close, *ended)) for connection in connections.live()]
    return [*sockets, *((poll.principal, poll.refuse) for poll in waits.live())]
