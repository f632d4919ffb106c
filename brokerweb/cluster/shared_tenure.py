"""From a node's start to its end where nodes share a database: its row, its heartbeat, and the lease of the duties."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from brokerweb.cluster import here, leasing, nodes
from brokerweb.cluster.leasing import Grant, Lease, ticks
from brokerweb.cluster.nodes import Running
from brokerweb.cluster.presence import Presence, parse
from brokerweb.core import clock
from brokerweb.core.errors import BrokerError
from brokerweb.core.process import this
from brokerweb.storage import damage
from brokerweb.storage.reading import aread
from brokerweb.storage.run import Own, aperform
from brokerweb.storage.transaction import Transaction

BEAT = 1.0  # seconds between heartbeats
PATIENCE = 1.0  # seconds a node that goes waits for that to be stored
LOOK = 0.25  # seconds between looks, at a start, for whether another node lives

log = logging.getLogger(__name__)
Facts = dict[str, Any]


class Heard(NamedTuple):
    """What a heartbeat brought back."""

    at: int
    grant: Grant
    closing: list[str]  # connections that are to be closed here
    anew: bool  # this node had been taken for gone


class SharedTenure:
    """As ``Tenure``. ``facts`` is asked at each heartbeat what the node says of itself, ``close`` told what it is to close."""

    every = BEAT

    def __init__(self) -> None:
        damage.begin()
        self.name = here.new_name()
        self.lease = Lease(shared=True)
        self.facts: Callable[[], Facts] = dict
        self.close: Callable[[Iterable[str]], None] = lambda _: None
        self.taken_over: Callable[[], None] = lambda: None  # the duties are this node's from now on
        self.anew: Callable[[], None] = lambda: None  # others took it for gone, and forgot what it told
        self.draining = False
        self._own: Own | None = None  # what the heartbeat goes by, from ``settle`` to ``leave``
        self._presence = str(Presence(this(), 0, ""))

    # The start

    async def look_around(self) -> list[Running] | None:
        """The nodes that have not ended well and are not there any more, once that is certain; None where another node lives."""
        first: dict[str, int] | None = None
        deadline = ticks() + nodes.SILENT
        while True:
            found = await aread(nodes.running)
            if first is None:
                first = {node.name: node.seen_at for node in found}
            there = [self._there(node, first) for node in found]
            if True in there:
                return None
            if None not in there or ticks() >= deadline:  # then no heartbeat came meanwhile, whatever the time of the last
                return found
            await asyncio.sleep(LOOK)

    def _there(self, node: Running, first: dict[str, int]) -> bool | None:
        """Whether a node lives; None where only time can tell."""
        theirs = parse(node.presence)
        if theirs is not None and theirs.process == this():
            return False  # an earlier broker of this very process
        alive = theirs.process.alive() if theirs is not None else None
        if alive or first.get(node.name) != node.seen_at:
            return True
        return False if alive is False or node.silent(clock.now()) else None

    def begin(self, tx: Transaction) -> None:
        """A verb: this node is here."""
        nodes.begin(tx, self._presence, self.name)
        self._asked_at, self._first = ticks(), leasing.renew(tx, self.name)

    async def settle(self) -> None:
        """That is stored: others know this node by its name."""
        here.become(self.name)
        leasing.install(self.lease)
        self._own = Own("heartbeat")
        self.lease.noted(self.name, self._first, self._asked_at)

    # The heartbeat

    async def beat(self) -> None:
        """This node is alive, and asks for the duties; what others want of it is done. Raises BrokerError.

        By a connection of its own: however much waits to be written, and for whatever that waits, the duties stay where they are.
        """
        asked_at = ticks()
        heard: Heard = await (aperform if self._own is None else self._own.aperform)(self._beat, self.facts())
        if self.draining:
            self.lease.dropped()
        elif self.lease.noted(self.name, heard.grant, asked_at):
            log.info("node %s does the duties of the cluster now", self.name)
            self.taken_over()
        if heard.anew:
            log.warning("this node had stood still for so long that the others took it for gone")
            self.anew()
        if heard.closing:
            self.close(heard.closing)

    def _beat(self, tx: Transaction, facts: Facts) -> Heard:
        # The machine's own clock, which nothing is done by: who looks at nodes sees that one goes wrong.
        facts = facts | {"draining": self.draining, "clock_difference": time.time_ns() // 1000 - tx.wall}
        anew = nodes.see(tx, self._presence, self.name, json.dumps(facts)) is None
        if anew:
            nodes.begin(tx, self._presence, self.name)
            nodes.see(tx, self._presence, self.name, json.dumps(facts))
        if self.draining:
            leasing.give_up(tx, self.name)
            grant = Grant(None, 0)
        else:
            grant = leasing.renew(tx, self.name)
        return Heard(tx.now, grant, nodes.closing(tx, self.name), anew)

    def seen(self, tx: Transaction) -> int | None:
        """A verb: the usual committers get on. This node has its own heartbeat."""
        return tx.now

    async def look(self) -> None:
        """There are no files to watch."""

    # The end

    async def drain(self) -> None:
        """This node goes: others do the duties from now on."""
        self.draining = True
        self.lease.dropped()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.beat()
        except (BrokerError, TimeoutError) as error:
            log.warning("that this node goes could not be stored: %r", error)

    async def leave(self) -> None:
        """The last commit of a node that ends of its own will."""
        if self._own is not None:
            own, self._own = self._own, None
            await own.stop()
        try:
            await aperform(self._leave)
        except BrokerError as error:
            log.warning("the end of this run could not be stored: %s", error)

    def _leave(self, tx: Transaction) -> None:
        leasing.give_up(tx, self.name)
        nodes.forget(tx, self.name)
        nodes.end(tx, self._presence, self.name)

    async def end(self) -> None:
        """Nothing of this node is left in this process."""
        here.become(here.EMBEDDED)
        leasing.install(None)
        damage.end()
