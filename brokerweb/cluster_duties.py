"""What is to be done once in the cluster, again and again: time that passes, housekeeping, jobs, the sweep.

Every node has these duties, and does them while it holds the lease. Each step asks for it anew. One that is under way when
another node takes over does no harm: whatever it changes it looks at once more in its own transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from django.db import connection as database

from brokerweb import sweep
from brokerweb.alerts import notices, watching
from brokerweb.cluster import here, marks, nodes, sources
from brokerweb.cluster.leasing import Lease
from brokerweb.core import clock, events
from brokerweb.core.duty import DutyLoop, Tick
from brokerweb.core.errors import BrokerError
from brokerweb.delivery import elsewhere
from brokerweb.delivery.hub import Hub
from brokerweb.handout import trimming
from brokerweb.identity import clients
from brokerweb.identity import duties as identity_duties
from brokerweb.jobs import chunks, runner, searched, undoing
from brokerweb.jobs import duties as job_duties
from brokerweb.queues import counters, duties, history, kept, results, retirement
from brokerweb.routing import duties as routing_duties
from brokerweb.samples import rolling, taking
from brokerweb.storage import upkeep
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.streams import duties as stream_duties
from brokerweb.streams import membership

HOUSEKEEPING, IDLE, ORPHANS = 5.0, 2.0, 60.0  # seconds between
UPKEEP = 2.0  # seconds between looks at what a database server needs done
ANOTHERS = 1.0  # seconds between looks for whether this node has the lease
HEARSAY = 3.0  # seconds it may take to hear that a queue is used at another node


class ClusterDuties:
    """``start`` when the committer runs and the hub listens; ``stop`` before they end."""

    def __init__(self, hub: Hub, lease: Lease) -> None:
        self._hub, self._lease = hub, lease
        self._in_use: set[int] = set()
        self._orphans_at = 0.0
        self._trimming = trimming.Trimming()
        self._walk = history.Walk()
        self._nameless = True  # there may be dead letters without a fingerprint
        self._unlisten: Callable[[], None] = lambda: None
        self._sampler = taking.Sampler()
        self._sending = notices.Sending()
        told = DutyLoop("alert notices", self._owned(self._sending.tick), longest=notices.EVERY)
        watch = watching.Watch(lambda: self._sampler.latest, lambda: told.due(clock.now()))
        self.timers = DutyLoop("timers", self._owned(self._timers))
        self._loops = [
            self.timers,
            DutyLoop("housekeeping", self._owned(self._housekeeping), longest=HOUSEKEEPING),
            DutyLoop("idle queues", self._idle, longest=IDLE),
            DutyLoop("sign-ins", self._owned(identity_duties.forget), longest=identity_duties.EVERY),
            DutyLoop("jobs", self._owned(runner.tick), longest=runner.EVERY),
            DutyLoop("samples", self._owned(self._sampler.tick), longest=taking.LONGEST),
            DutyLoop("kept samples", self._owned(rolling.Rolling().tick), longest=rolling.EVERY),
            DutyLoop("alerts", self._owned(watch.tick), longest=watching.EVERY),
            told,
            DutyLoop("sweep", self._owned(sweep.Sweep().tick), longest=sweep.LONGEST, retry=sweep.RETRY),
        ]
        self._upkeep = dialect_of(database).upkeep(database.alias)
        if self._upkeep is not None:
            self._loops.append(DutyLoop("upkeep", self._tend, longest=UPKEEP))

    def start(self) -> None:
        self._hub.on_due = self.timers.due
        self._unlisten = events.listen(self._note_use)
        for duty in self._loops:
            duty.start()

    async def stop(self) -> None:
        for duty in self._loops:
            await duty.stop()
        self._sending.close()
        await runner.let_go()
        if self._upkeep is not None:
            self._upkeep.close()
        self._unlisten()
        if self._lease.shared:
            with suppress(BrokerError):  # else others wait until they are this node's no more
                await aperform(chunks.let_go, here.name())

    def taken_over(self) -> None:
        """This node has the lease from now on: nothing that is due waits for the next look."""
        for duty in self._loops:
            duty.due(clock.now())

    @property
    def failing(self) -> list[str]:
        """Duties whose last tick raised, by name."""
        return [duty.name for duty in self._loops if duty.failing]

    def _owned(self, tick: Tick) -> Tick:
        """The duty, while this node has the lease."""

        async def owned(now: int) -> float:
            return await tick(now) if self._lease.held else ANOTHERS

        return owned

    def _note_use(self, outcome: events.Outcome) -> None:
        """On the thread that committed."""
        self._in_use.update(queue_id for _, queue_id in outcome.counts)

    # The duties

    async def _timers(self, now: int) -> float:
        """What is due: promotions, ended leases, expired messages, silent members."""
        await self._hub.groups.beat()  # first: where this process stood still, it was not its members who were silent
        steps: list[Callable[..., int]] = [duties.promote, duties.expire_leases, duties.expire_messages]
        if self._lease.steady:  # else those at other nodes may not have had their turn to say that they are alive
            steps += [membership.expire_members, membership.pass_on_due]
        done = await asyncio.gather(*(aperform(step) for step in steps))
        if any(n >= duties.LIMIT for n in done):
            return 0
        instants = [await aperform(duties.next_work), await aperform(membership.next_work)]
        instant = min((at for at in instants if at is not None), default=None)
        return 1.0 if instant is None else max(0.0, (instant - clock.now()) / clock.SECOND)

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
            (results.forget, results.LIMIT),
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
        while left and time.monotonic() < until and self._lease.held:
            left = [(verb, full) for verb, full in left if await aperform(verb) >= full]
        if time.monotonic() >= self._orphans_at:
            self._orphans_at = time.monotonic() + ORPHANS
            await _ready_orphans()
            await _all_of(counters.fold, counters.FOLDED)
            await _all_of(job_duties.forget, job_duties.LIMIT)
            await _all_of(clients.forget, clients.LIMIT)
            await aperform(nodes.forget_gone)
            await _all_of(marks.forget, marks.LIMIT)
            await _all_of(sources.forget, sources.LIMIT)
        return 0 if left else HOUSEKEEPING

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
        in_use, hearsay = self._in_use | self._hub.book.queues(), clock.seconds(HEARSAY if self._lease.shared else 0)
        known = in_use | elsewhere.in_use()
        ids = await aread(retirement.idle_work, known, clock.now() - hearsay)
        if not self._lease.held:  # whoever has it may not know yet of a use here: that they are in use is said at once
            ids = [id for id in ids if id in in_use]
        for i in range(0, len(ids), duties.LIMIT):
            await aperform(retirement.expire_idle, known, ids[i : i + duties.LIMIT], hearsay)
        # Only now, and in the set that commits on other threads note theirs in: no use is forgotten unseen.
        self._in_use -= in_use
        return IDLE

    async def _tend(self, now: int) -> float:
        if self._upkeep is None or not self._lease.held:
            upkeep.figures.oldest = None  # whoever has the duties looks
            return UPKEEP
        return await asyncio.get_running_loop().run_in_executor(None, self._upkeep.tend)


async def _all_of(verb: Callable[..., int], full: int) -> None:
    """A step of a task after the other, until one has less to do than it could."""
    while await aperform(verb) >= full:
        pass


async def _ready_orphans() -> None:
    while orphans := await aread(duties.orphaned_keys):
        await aperform(duties.ready_orphans, orphans)
        if len(orphans) < duties.LIMIT:
            break
