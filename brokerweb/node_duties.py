"""What every node does of its own accord, again and again: its heartbeat, commits and revocations elsewhere, what it tells.

What is to be done once in the cluster is in ``cluster_duties``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial

from django.db import connection as database

from brokerweb.cluster import sources, wall
from brokerweb.cluster.shared_tenure import SharedTenure
from brokerweb.cluster.tenure import Tenure
from brokerweb.core import clock, closing, memory, remembered
from brokerweb.core.duty import DutyLoop
from brokerweb.delivery import connections, nodes, pace, reports
from brokerweb.delivery.hub import Hub
from brokerweb.delivery.polls import waits
from brokerweb.identity import clients, tokens
from brokerweb.identity import duties as identity_duties
from brokerweb.identity.principal import Principal
from brokerweb.queues import activity, bounds, duties, stats
from brokerweb.storage import changes, disk
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.streams import progress
from brokerweb.streams import stats as stream_stats

RECEIPTS, TOKENS, FOREIGN, CLIENTS = 5.0, 3.0, 0.2, 60.0  # seconds between
FILES = 1.0  # seconds between looks at the files of the database
COMMITS = 0.5  # seconds between looks at what commits wait for, where the database is a server
BEAT = 0.1  # seconds between checks for members whose heartbeat is due; a session may be as short as one second
LOOK = 2.0  # seconds between looks for ready messages that no hint asked for
STALE = 10.0  # seconds without an answered heartbeat after which the store counts as not writable


class NodeDuties:
    """``start`` when the committer runs and the hub listens; ``stop`` before they end."""

    def __init__(self, hub: Hub, tenure: Tenure | SharedTenure, on_due: Callable[[int], None] = lambda _: None) -> None:
        self._hub, self._tenure, self._on_due = hub, tenure, on_due
        self._loop: asyncio.AbstractEventLoop
        self._seen_at = self._alive_at = 0.0
        self._foreign_commits = True  # since what others wrote was read
        self._unlisten: Callable[[], None] = lambda: None
        self.waits_for_standby = False
        self.wall = wall.Watch(tenure.seen)
        self._beats = DutyLoop("heartbeat", self._heartbeat, longest=tenure.every)
        self._loops = [
            self._beats,
            DutyLoop("clock", self.wall.tick, longest=wall.EVERY),
            DutyLoop("files", self._files, longest=FILES),
            DutyLoop("receipts", self._receipts, longest=RECEIPTS),
            DutyLoop("paces", self._paces, longest=pace.EVERY),
            DutyLoop("clients", self._clients, longest=CLIENTS),
            DutyLoop("tokens", self._tokens, longest=TOKENS),
            *([DutyLoop("foreign commits", self._foreign, longest=FOREIGN)] if changes.show() else []),
            DutyLoop("members", self._members, longest=BEAT),
            DutyLoop("looks", self._looks, longest=LOOK),
            DutyLoop("activity", self._activity, longest=activity.EVERY),
            DutyLoop("identity", identity_duties.tick, longest=identity_duties.EVERY),
            DutyLoop("disk", self._disk, longest=disk.LOOK),
            DutyLoop("memory", memory.GivingBack().tick, longest=memory.EVERY),
        ]
        if not dialect_of(database).single_writer:
            self._loops.append(DutyLoop("commits", self._commits, longest=COMMITS))
            self._loops.append(DutyLoop("dead rows", self._dead_rows, longest=LOOK))
        self._reports = reports.Reports()
        if isinstance(tenure, SharedTenure):
            tenure.facts, tenure.close, tenure.anew = nodes.facts, _close, self._begin_anew
            self._loops.append(DutyLoop("reports", self._reports.tick, longest=reports.EVERY))
            self._loops.append(DutyLoop("store", self._store, longest=tenure.every))

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._hub.on_orders = lambda: self._beats.due(clock.now())
        self._unlisten = tokens.on_revoked(self._revoked)
        for duty in self._loops:
            duty.start()
        self._alive_at = time.monotonic()

    async def stop(self) -> None:
        for duty in self._loops:
            await duty.stop()
        self._unlisten()
        self._reports.stop()

    @property
    def failing(self) -> list[str]:
        """Duties whose last tick raised, by name."""
        return [duty.name for duty in self._loops if duty.failing]

    @property
    def silent(self) -> bool:
        """Whether the store has not answered a heartbeat for too long."""
        return time.monotonic() - self._alive_at > STALE

    # What happens on other threads

    def _revoked(self, owner: str) -> None:
        self._loop.call_soon_threadsafe(_close_of, owner)

    # Duties

    async def _heartbeat(self, now: int) -> float:
        """A duty of its own: it waits for none that may take minutes, such as the removal of a long stream."""
        await self._tenure.beat()
        if not self._tenure.lease.shared:
            self._alive_at = time.monotonic()
        return self._tenure.every

    def _begin_anew(self) -> None:
        """The store knows nothing of this node any more: others took it for gone, or it went back to an earlier state."""
        self._reports.begin_anew()
        remembered.ask_anew()

    async def _store(self, now: int) -> float:
        """Whether what is to be written is: where nodes share a database, a heartbeat does not wait behind that."""
        await aperform(self._tenure.seen)
        self._alive_at = time.monotonic()
        return self._tenure.every

    async def _commits(self, now: int) -> float:
        """Whether they wait for a standby that does not answer."""
        self.waits_for_standby = await aread(lambda reader: reader.dialect.waits_for_standby(reader.raw))
        return COMMITS

    async def _dead_rows(self, now: int) -> float:
        """Whether claims had better pass over what nobody can take away."""
        await aread(bounds.look)
        return LOOK

    async def _files(self, now: int) -> float:
        await self._tenure.look()
        return FILES

    async def _clients(self, now: int) -> float:
        """Those who are connected stay known by name."""
        if time.monotonic() >= self._seen_at:
            self._seen_at = time.monotonic() + clients.SEEN
            await aperform(clients.see, connections.introduced())
        return CLIENTS

    async def _paces(self, now: int) -> float:
        connections.note_paces()
        return pace.EVERY

    async def _receipts(self, now: int) -> float:
        """Leases that ended in another process give their credit back, too."""
        receipts = list(self._hub.holders.by_receipt)
        for i in range(0, len(receipts), 500):
            ended = await aread(duties.over, receipts[i : i + 500], clock.now())
            if ended:
                self._hub.leases_ended(ended)
        return RECEIPTS

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
            self._foreign_commits = True
            await self._hub.refresh()
            self._on_due(clock.now())
        return FOREIGN

    async def _members(self, now: int) -> float:
        await self._hub.groups.beat()
        return BEAT

    async def _activity(self, now: int) -> float:
        """Since when more comes than goes; and what is known of who consumed, where that changed."""
        rates, appended = stats.by_id(), stream_stats.by_id()
        if self._tenure.lease.shared or self._foreign_commits:
            self._foreign_commits = False
            activity.activity.learn(await aread(activity.load_since, now - clock.seconds(2 * activity.EVERY)))
        activity.activity.note_behind(activity.behind(rates), now)
        progress.progress.note_behind(appended, activity.SWELL, now)
        await self.note_activity()
        return activity.EVERY

    async def note_activity(self) -> None:
        """Write what has changed of who consumed and settled, and when; and who published."""
        changed = activity.activity.changed()
        if changed:
            await aperform(activity.store, changed)
            activity.activity.stored(changed)
        if published := sources.sources.unwritten(wall_now := clock.wall()):
            await aperform(sources.store, published)
            sources.sources.written(published, wall_now)

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


def _close(connection_ids: Iterable[str]) -> None:
    """Somebody at another node wants these closed."""
    for connection_id in connection_ids:
        connections.close_here(connection_id)


def _close_of(owner: str) -> None:
    for principal, end in _callers():
        if principal.owner == owner:
            end()


def _callers() -> list[tuple[Principal, Callable[[], None]]]:
    """The principal of each socket and long poll here, and what ends it once that principal's rights have ended."""
    ended = closing.UNAUTHENTICATED, "the token or session has ended"
    sockets = [(connection.principal, partial(connection.close, *ended)) for connection in connections.live()]
    return [*sockets, *((poll.principal, poll.refuse) for poll in waits.live())]
