"""The running broker of one process: clock, committer, delivery and duties, started and stopped together.

It lives on the server's event loop. ``current`` is the one that runs, or None.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from brokerweb.cluster import nodes
from brokerweb.cluster.tenure import Tenure
from brokerweb.core import clock, closing, events
from brokerweb.core.duty import DutyLoop
from brokerweb.delivery import connections, hub, open_sockets
from brokerweb.delivery.polls import waits
from brokerweb.handout import trimming
from brokerweb.identity import duties as identity_duties
from brokerweb.identity import tokens
from brokerweb.identity.principal import Principal
from brokerweb.jobs import duties as job_duties
from brokerweb.jobs import runner
from brokerweb.queues import duties, retirement, stats
from brokerweb.routing import duties as routing_duties
from brokerweb.routing import stats as topic_stats
from brokerweb.storage import changes, damage, run
from brokerweb.storage.committer import Call, Committer
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import duties as stream_duties
from brokerweb.streams import membership
from brokerweb.streams import stats as stream_stats

GOODBYE = 5.0  # seconds sockets have to end at a drain
HEARTBEAT, HOUSEKEEPING, TOKENS, IDLE, FOREIGN, ORPHANS = 5.0, 5.0, 3.0, 2.0, 0.2, 60.0  # seconds between
FILES = 1.0  # seconds between looks at the files of the database
BEAT = 0.1  # seconds between checks for members whose heartbeat is due; a session may be as short as one second
LOOK = 2.0  # seconds between looks for ready messages that no hint asked for
STALE = 5.0  # seconds without an answer after which the store counts as not writable

log = logging.getLogger(__name__)
current: Broker | None = None


class Broker:
    """``start``, ``drain`` and ``stop``, in this order and each once."""

    def __init__(self) -> None:
        self.hub = hub.Hub()
        self.committer = Committer(self._deliver, handover=self.hub.book)
        self.tenure = Tenure()
        self._loop: asyncio.AbstractEventLoop
        self._in_use: set[int] = set()
        self._orphans_at = 0.0
        self._trimming = trimming.Trimming()
        self._alive_at = 0.0
        self._unlisten: list[Callable[[], None]] = []
        self._duties = [
            DutyLoop("timers", self._timers),
            DutyLoop("heartbeat", self._heartbeat, longest=HEARTBEAT),
            DutyLoop("files", self._files, longest=FILES),
            DutyLoop("housekeeping", self._housekeeping, longest=HOUSEKEEPING),
            DutyLoop("idle queues", self._idle, longest=IDLE),
            DutyLoop("tokens", self._tokens, longest=TOKENS),
            DutyLoop("foreign commits", self._foreign, longest=FOREIGN),
            DutyLoop("members", self._members, longest=BEAT),
            DutyLoop("looks", self._looks, longest=LOOK),
            DutyLoop("identity", identity_duties.tick, longest=identity_duties.EVERY),
            DutyLoop("jobs", runner.tick, longest=runner.EVERY),
        ]

    async def start(self) -> None:
        """Everything runs when this returns. Raises BrokerError when the store cannot be written."""
        global current
        self._loop = asyncio.get_running_loop()
        clock.install(clock.Clock())
        self.committer.start()
        run.install(self.committer)
        try:
            await self._recover()
        except BaseException:
            await self._stop_committer()
            raise
        self.hub.listen()
        self.hub.on_due = self._duties[0].due
        hub.current = self.hub
        self._unlisten = [events.listen(self._note_use), stats.install(), stream_stats.install(), topic_stats.install()]
        self._unlisten.append(tokens.on_revoked(self._revoked))
        for duty in self._duties:
            duty.start()
        self._alive_at = time.monotonic()
        current = self

    async def drain(self) -> None:
        """Hand nothing out any more, and tell every socket and long poll that this node goes; returns when they ended."""
        self.hub.drain()
        open_sockets.tell(closing.GOING_AWAY, "the node stops")
        deadline = time.monotonic() + GOODBYE
        while open_sockets.awaited() and time.monotonic() < deadline:  # noqa: ASYNC110 (once a process, with an end in sight)
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """End duties and committer; everything accepted is stored when this returns. Safe to call twice."""
        global current
        if current is not self:
            return
        current = None
        for duty in self._duties:
            await duty.stop()
        for unlisten in self._unlisten:
            unlisten()
        self.hub.stop()
        hub.current = None
        await self.tenure.leave()
        await self._stop_committer()
        await self.tenure.end()

    def ready(self) -> dict[str, Any]:
        """What ``/readyz`` says: ``ok``, ``degraded``, or ``unavailable`` when the store cannot be written."""
        error = self.committer.last_error
        silent = time.monotonic() - self._alive_at > HEARTBEAT + STALE
        store = "not writable" if error is not None or silent else "ok"
        checks = {
            "store": f"not writable: {wrong}" if (wrong := damage.found()) else store,
            "duties": ", ".join(f"{duty.name} failing" for duty in self._duties if duty.failing) or "ok",
            "inbox": "crowded" if self.committer.crowded else "ok",
        }
        healthy = all(state == "ok" for state in checks.values())
        status = "unavailable" if checks["store"] != "ok" else "ok" if healthy else "degraded"
        return {"status": status, "checks": checks}

    # Start

    async def _recover(self) -> None:
        """Take up where the last run ended: the clock never behind a stored instant, leases given back or prolonged."""
        seen, newest = await aperform(_instants)
        clock_now = clock.Clock()
        clock_now.not_before(max(seen or 0, newest))
        clock.install(clock_now)
        await aperform(_take_up, seen, self.tenure)
        await self.tenure.settle()
        while await aperform(duties.release_sockets) > 0:
            pass
        while await aperform(membership.forget_members) > 0:
            pass

    async def _stop_committer(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.committer.stop)
        run.install(None)
        clock.install(None)

    # Results

    def _deliver(self, batch: list[Call]) -> None:
        self._loop.call_soon_threadsafe(_tell, batch)

    def _note_use(self, outcome: events.Outcome) -> None:
        self._in_use.update(queue_id for _, queue_id in outcome.counts)

    def _revoked(self, owner: str) -> None:
        self._loop.call_soon_threadsafe(_close_of, owner)

    # Duties

    async def _timers(self, now: int) -> float:
        """What is due: promotions, ended leases, expired messages, silent members."""
        await self.hub.groups.beat()  # first: where this process stood still, it was not its members who were silent
        steps: list[Callable[..., int]] = [duties.promote, duties.expire_leases, duties.expire_messages]
        steps += [membership.expire_members, membership.hand_over_due]
        done = await asyncio.gather(*(aperform(step) for step in steps))
        if any(n >= duties.LIMIT for n in done):
            return 0
        instants = [await aperform(duties.next_work), await aperform(membership.next_work)]
        instant = min((at for at in instants if at is not None), default=None)
        return 1.0 if instant is None else max(0.0, (instant - clock.now()) / clock.SECOND)

    async def _heartbeat(self, now: int) -> float:
        """A duty of its own, since housekeeping may take minutes, such as the removal of a long stream."""
        await self.tenure.beat()
        self._alive_at = time.monotonic()
        return HEARTBEAT

    async def _files(self, now: int) -> float:
        await self.tenure.look()
        return FILES

    async def _housekeeping(self, now: int) -> float:
        """A small step of each task, round after round while any has more to do: none waits for minutes until another is done."""
        await self._trim()
        left = [
            (duties.forget_dedup, duties.LIMIT),
            (routing_duties.forget, routing_duties.LIMIT),
            (retirement.sweep_deleted, 1),
            *((verb, stream_duties.LIMIT) for verb in (stream_duties.retain, stream_duties.compact, stream_duties.forget_dedup)),
            (stream_duties.sweep_deleted, 1),
        ]
        until = time.monotonic() + HOUSEKEEPING
        while left and time.monotonic() < until:
            left = [(verb, full) for verb, full in left if await aperform(verb) >= full]
        if time.monotonic() >= self._orphans_at:
            self._orphans_at = time.monotonic() + ORPHANS
            await _ready_orphans()
            await _until_done(job_duties.forget, job_duties.LIMIT)
        await self._reconcile()
        return 0 if left else HOUSEKEEPING

    async def _trim(self) -> None:
        for overtaken in await aread(self._trimming.look):
            for ids in overtaken.turns():
                await aperform(trimming.trim, overtaken.queue_id, ids)

    async def _idle(self, now: int) -> float:
        """Queues that nobody has used for as long as they say are gone."""
        in_use = self._in_use | self.hub.book.queues()
        ids = await aread(retirement.idle_work, in_use, clock.now())
        for i in range(0, len(ids), duties.LIMIT):
            await aperform(retirement.expire_idle, in_use, ids[i : i + duties.LIMIT])
        # Only now, and in the set that commits on other threads note theirs in: no use is forgotten unseen.
        self._in_use -= in_use
        return IDLE

    async def _reconcile(self) -> None:
        """Leases that ended in another process give their credit back, too."""
        receipts = list(self.hub.holders)
        for i in range(0, len(receipts), 500):
            ended = await aperform(duties.ended_of, receipts[i : i + 500])
            if ended:
                self.hub.leases_ended(ended)

    async def _tokens(self, now: int) -> float:
        """Sockets and long polls whose token or user was revoked elsewhere end within seconds."""
        live = _who_is_served()
        if live:
            valid = await tokens.astill_valid_all([principal for principal, _ in live])
            for (_, end), stands in zip(live, valid, strict=True):
                if not stands:
                    end()
        return TOKENS

    async def _foreign(self, now: int) -> float:
        """Notice commits of other processes, of which this one is not told."""
        if await aperform(changes.foreign_commits):
            self.hub.look()
            await self.hub.refresh_tails()
            self._duties[0].due(clock.now())
        return FOREIGN

    async def _members(self, now: int) -> float:
        await self.hub.groups.beat()
        return BEAT

    async def _looks(self, now: int) -> float:
        self.hub.look()
        return LOOK


def _instants(tx: Transaction) -> tuple[int | None, int]:
    return nodes.last_seen(tx), duties.newest_instant(tx)


def _take_up(tx: Transaction, seen: int | None, tenure: Tenure) -> None:
    """Account for the time the broker was down and note that it is up, in one commit: where a start ends half-way, the next
    must not count that time again.
    """
    if seen is not None:
        duties.shift_leases(tx, tx.now - seen, seen)
    retirement.wait_anew(tx)
    tenure.begin(tx)


async def _ready_orphans() -> None:
    while orphans := await aread(duties.orphaned_keys):
        await aperform(duties.ready_orphans, orphans)
        if len(orphans) < duties.LIMIT:
            break


async def _until_done(verb: Callable[..., int], full: int) -> None:
    """Turn after turn while there is a full one; others' calls run in between."""
    while await aperform(verb) >= full:
        pass


def _tell(batch: list[Call]) -> None:
    for call in batch:
        try:
            call.done(call)
        except Exception:  # one answer that cannot be given must not keep the others from theirs
            log.exception("an answer could not be given")


def _close_of(owner: str) -> None:
    for principal, end in _who_is_served():
        if principal.owner == owner:
            end()


def _who_is_served() -> list[tuple[Principal, Callable[[], None]]]:
    """The principal of each socket and long poll here, and what ends it once that principal's rights have ended."""
    ended = closing.UNAUTHENTICATED, "the token or session has ended"
    sockets = [(connection.principal, partial(connection.close, *ended)) for connection in connections.live()]
    return [*sockets, *((poll.principal, poll.refuse) for poll in waits.live())]
