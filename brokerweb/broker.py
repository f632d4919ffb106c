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

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb import __version__, conf
from brokerweb.cluster import marks, nodes, sources, wall
from brokerweb.cluster.nodes import Running
from brokerweb.cluster.shared_tenure import SharedTenure
from brokerweb.cluster.tenure import Tenure
from brokerweb.cluster_duties import ClusterDuties
from brokerweb.core import clock, closing, remembered
from brokerweb.core.errors import BrokerError
from brokerweb.delivery import hub, open_sockets
from brokerweb.delivery.destinations import destination
from brokerweb.node_duties import NodeDuties
from brokerweb.queues import activity, duties, retirement, stats
from brokerweb.routing import stats as topic_stats
from brokerweb.storage import damage, disk, run, upkeep
from brokerweb.storage.calls import Call
from brokerweb.storage.committer import Committer
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.lanes import Lanes
from brokerweb.storage.locks import Lock
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import membership, progress
from brokerweb.streams import stats as stream_stats
from brokerweb.wakeups.node import Wakeups

GOODBYE = 5.0  # seconds sockets have to end at a drain
UNOWNED = "no node has them"

log = logging.getLogger(__name__)
current: Broker | None = None


class Broker:
    """``start``, ``drain`` and ``stop``, in this order and each once."""

    def __init__(self) -> None:
        self.hub = hub.Hub()
        self.committer = self._committers()
        shared = not dialect_of(connections[DEFAULT_DB_ALIAS]).single_writer
        self.tenure: Tenure | SharedTenure = SharedTenure() if shared else Tenure()
        self.cluster_duties = ClusterDuties(self.hub, self.tenure.lease)
        self.duties = NodeDuties(self.hub, self.tenure, self.cluster_duties.timers.due)
        self.tenure.taken_over = self.cluster_duties.taken_over
        self.wakeups = Wakeups(self.hub.look, self.hub.holders.by_receipt)
        self._loop: asyncio.AbstractEventLoop
        self._unlisten: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Everything runs when this returns. Raises BrokerError when the store cannot be written."""
        global current
        self._loop = asyncio.get_running_loop()
        shared = await aread(lambda reader: reader.dialect.shared_clock(reader.raw))
        clock.install(shared or clock.Clock())
        remembered.begin()
        self.committer.start()
        run.install(self.committer)
        try:
            await self._recover()
        except BaseException:
            await self._stop_committer()
            raise
        self.wakeups.start()
        self.hub.listen()
        hub.current = self.hub
        await aperform(disk.tend)
        self._unlisten = [stats.install(), stream_stats.install(), topic_stats.install(), activity.install(), progress.install()]
        self._unlisten.append(sources.install())
        self.duties.start()
        self.cluster_duties.start()
        current = self

    async def drain(self) -> None:
        """Lease nothing any more, and tell every socket and long poll that this node goes; returns when they ended."""
        self.hub.drain()
        await self.tenure.drain()
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
        await self.cluster_duties.stop()
        await self.duties.stop()
        await self._note_activity()
        for unlisten in self._unlisten:
            unlisten()
        self.hub.stop()
        hub.current = None
        await self.tenure.leave()
        await self._stop_committer()
        await asyncio.get_running_loop().run_in_executor(None, self.wakeups.stop)
        await self.tenure.end()

    def ready(self) -> dict[str, Any]:
        """What ``/readyz`` says: ``ok``, ``degraded``, or ``unavailable`` when the store cannot be written, or no node does the
        duties of the cluster.
        """
        error = self.committer.last_error
        store = "not writable" if error is not None or self.duties.silent else "ok"
        if self.duties.waits_for_standby:
            store = "waits for the standby"
        failing = [f"{name} failing" for name in (*self.duties.failing, *self.cluster_duties.failing)]
        checks = {
            "store": f"not writable: {wrong}" if (wrong := damage.found()) else store,
            "duties": UNOWNED if self.tenure.lease.unowned else ", ".join(failing) or "ok",
            "inbox": "crowded" if self.committer.crowded else "ok",
            "clock": wall.verdict(running) if (running := clock.running()) is not None else "ok",
            "disk": "full" if disk.of().refusing else "ok",
            "vacuum": upkeep.figures.held_back or "ok",
            "wakeups": self.wakeups.wrong or "ok",
        }
        healthy = all(state == "ok" for state in checks.values())
        unavailable = checks["store"] != "ok" or checks["duties"] == UNOWNED
        status = "unavailable" if unavailable else "ok" if healthy else "degraded"
        return {"status": status, "checks": checks}

    # Start

    async def _recover(self) -> None:
        """Take up where the last run ended: the broker's clock where it stopped, leases given back or prolonged."""
        if isinstance(self.tenure, SharedTenure):
            await self._join(self.tenure)
            return
        last, steps, newest = await aperform(_instants)
        if last is None:
            resumed = clock.Clock(steps=steps)
            resumed.not_before(newest)
        else:
            resumed = clock.Clock.resumed(last.at, steps, elapsed=last.elapsed)
        clock.install(resumed)
        new = resumed.steps[len(steps) :]
        await aperform(_take_up, last, new, self.tenure)
        self.duties.wall.begin(len(steps) + len(new))
        wall.report_start(resumed, new)
        await self.tenure.settle()
        activity.activity.begin(await aread(activity.load))
        while await aperform(duties.release_sockets) > 0:
            pass
        while await aperform(membership.forget_members) > 0:
            pass

    async def _join(self, tenure: SharedTenure) -> None:
        """Take part in the cluster. Where no other node lives, leases and members that ended with their nodes are taken back."""
        gone = await tenure.look_around()
        alone = await aperform(_take_part, gone, tenure)
        await tenure.settle()
        self.duties.wall.begin(len(running.steps) if (running := clock.running()) is not None else 0)
        activity.activity.begin(await aread(activity.load))
        while alone and await aperform(duties.release_sockets, shared=True) > 0:
            pass
        while alone and await aperform(membership.forget_gone) > 0:
            pass

    async def _note_activity(self) -> None:
        """What is known of who consumed is stored; where the store takes nothing any more, that is no reason not to stop."""
        try:
            await self.duties.note_activity()
        except BrokerError as error:
            log.warning("who consumed last could not be stored: %s", error)

    async def _stop_committer(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.committer.stop)
        run.install(None)
        clock.install(None)

    def _committers(self) -> Committer | Lanes:
        """One, where the database has one writer."""
        options: dict[str, Any] = {"handover": self.hub.book, "closing": self.hub.refilling}
        if dialect_of(connections[DEFAULT_DB_ALIAS]).single_writer:
            return Committer(self._deliver, **options)
        lanes = conf.get().lanes
        one_lane = partial(Committer, self._deliver, about=destination)
        return one_lane(**options) if lanes == 1 else Lanes(self._deliver, lanes, destination, **options)

    def _deliver(self, batch: list[Call]) -> None:
        """The results of a commit, from the committer's thread."""
        self._loop.call_soon_threadsafe(_tell, batch)


def _instants(tx: Transaction) -> tuple[nodes.Seen | None, list[clock.Step], int]:
    return nodes.last_seen(tx), wall.steps(tx), duties.newest_instant(tx)


def _take_up(tx: Transaction, last: nodes.Seen | None, steps: list[clock.Step], tenure: Tenure) -> None:
    """Account for the time the broker was down and note that it is up, in one commit: where a start ends half-way, the next
    must not count that time again.
    """
    if last is not None:
        duties.shift_leases(tx, tx.now - last.at, last.at)
    retirement.wait_anew(tx)
    wall.note(tx, steps)
    tenure.begin(tx)
    marks.note(tx, marks.START, f"The broker starts, version {__version__}")


def _take_part(tx: Transaction, gone: list[Running] | None, tenure: SharedTenure) -> bool:
    """This node is there from now on; whether it is the only one, and no other begins at the same time."""
    tx.alone(Lock.NODES, 0)
    alone = gone is not None and all(nodes.bury(tx, node) for node in gone) and not nodes.running(tx)
    if alone and (last := nodes.last_seen(tx)) is not None:
        duties.shift_leases(tx, tx.now - last.at, last.at)
        retirement.wait_anew(tx)
    tenure.begin(tx)
    marks.note(tx, marks.START, f"Node {tenure.name} starts, version {__version__}")
    return alone


def _tell(batch: list[Call]) -> None:
    for call in batch:
        try:
            call.done(call)
        except Exception:  # one answer that cannot be given must not keep the others from theirs
            log.exception("an answer could not be given")
