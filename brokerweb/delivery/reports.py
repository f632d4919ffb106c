"""What a node that shares its database tells the others again and again, and hears of them: rates, takers, connections.

What is written is bounded, and only where it has changed. What is heard is kept in memory, by those who are asked for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from brokerweb.cluster import here, nodes
from brokerweb.cluster.sources import sources
from brokerweb.core import clock
from brokerweb.delivery import connections, consumers, elsewhere, news
from brokerweb.delivery.consumers import Taking
from brokerweb.delivery.elsewhere import Told, Waiting
from brokerweb.queues import stats
from brokerweb.queues.activity import activity
from brokerweb.queues.models import Queue
from brokerweb.routing import stats as topic_stats
from brokerweb.routing.models import Topic
from brokerweb.storage.reading import Reads, aread
from brokerweb.storage.run import aperform
from brokerweb.streams import stats as stream_stats
from brokerweb.streams.models import Stream
from brokerweb.streams.progress import progress

EVERY = 1.0  # seconds between reports
PER_SECOND = 65_536  # bytes of them: one of ten thousand busy queues is written every ten seconds
TAKERS = 50  # of one queue that are told of
ALL_TAKERS = 5_000  # of all queues; of those beyond one each
READERS = 200  # of streams that are told of, those first who are given most
ASKED = 120.0  # seconds for which it is told that a caller of receive was there
NEW, LOOKED_AT, CHANGED = 1_000, 500, 200  # connections in one turn: told of first, looked at again, told of again
SUMS = ("published", "acked")
SWEEP = 600.0  # seconds between looks for what is no more


class Reports:
    """A duty: tells, and hears."""

    def __init__(self) -> None:
        self._written, self._next_at = "", 0.0
        self._connections = _Connections()
        self._heard: dict[str, int] = {}  # node -> of when what it told is
        self._swept_at = time.monotonic()

    def begin_anew(self) -> None:
        """What was written before may be gone."""
        self._written, self._next_at = "", 0.0
        self._connections = _Connections()

    async def tick(self, now: int) -> float:
        await self.tell()
        await self.hear()
        if time.monotonic() >= self._swept_at + SWEEP:
            self._swept_at = time.monotonic()
            forget_removed(*await aread(_there))
        return EVERY

    async def tell(self) -> None:
        """Write what has changed."""
        if time.monotonic() >= self._next_at:
            report = json.dumps(made(), separators=(",", ":"))
            if report != self._written:
                await aperform(nodes.report, here.name(), report)
                self._written, self._next_at = report, time.monotonic() + len(report) / PER_SECOND
        there, gone = self._connections.changes()
        if there or gone:
            await aperform(nodes.connect, here.name(), [(id, *told) for id, told in there.items()], gone)
            self._connections.written(there, gone)

    async def hear(self) -> None:
        """Read what others have written since."""
        found = await aread(_read, here.name(), dict(self._heard))
        for node in [node for node in self._heard if node not in found]:
            del self._heard[node]
            note(node, None)
        for node, heard in found.items():
            if heard is not None:
                self._heard[node] = heard.at
                note(node, heard.report)

    def stop(self) -> None:
        """This node goes, and knows nothing of others any more."""
        for node in list(self._heard):
            note(node, None)
        self._heard.clear()
        elsewhere.forget()


class _Heard(NamedTuple):
    at: int
    report: dict[str, Any]


def _read(reads: Reads, name: str, known: Mapping[str, int]) -> dict[str, _Heard | None]:
    """What each other node that is alive has told; None where that is known."""
    found: dict[str, _Heard | None] = {}
    for node, at in reads.rows(nodes.Q.reported, name, nodes.alive_since(clock.now())):
        row = reads.row(nodes.Q.report_of, node) if known.get(node) != at else None
        found[node] = None if row is None else _Heard(row[0], json.loads(row[1]))
        if found[node] is None and node not in known:
            del found[node]  # it has gone meanwhile
    return found


def made() -> dict[str, Any]:
    """What goes on here."""
    sums = stats.sums()
    return {
        "queues": _rows(stats.stats.here()),
        "streams": _rows(stream_stats.stats.here()),
        "topics": _rows(topic_stats.stats.here()),
        "groups": progress.told_of(),
        "sources": sources.tell(),
        "takers": _takers(),
        "readers": sorted(connections.readers_here(), key=lambda reader: -reader.rate)[:READERS],
        "asked": activity.asked(clock.now() - clock.seconds(ASKED)),
        "connections": len(connections.live()),
        "sums": {name: sums[name] for name in SUMS},
    }


def note(node: str, report: Mapping[str, Any] | None) -> None:
    """Let those know who are asked for it; None: that node is there no more."""
    of = report or {}
    for rates, what in ((stats.stats, "queues"), (stream_stats.stats, "streams"), (topic_stats.stats, "topics")):
        rates.told(node, of.get(what))
    progress.hear(node, of.get("groups"))
    sources.told(node, of.get("sources"))
    activity.told(node, of.get("asked"))
    if report is None:
        elsewhere.note(node, None)
        return
    news.heard(report)
    takers = {queue_id: Waiting(n, some) for queue_id, n, some in report["takers"]}
    in_use = frozenset(takers).union(queue_id for queue_id, *_ in report["queues"])
    elsewhere.note(node, Told(takers, in_use, report["connections"], report["sums"], report.get("readers", ())))


def _rows(rates: Mapping[int, Mapping[str, float]]) -> list[list[float]]:
    return [[of, *found.values()] for of, found in rates.items()]


def _takers() -> list[list[Any]]:
    """Who waits for messages: of each queue its id, how many subscriptions, and some of all who take."""
    found, left = list[list[Any]](), ALL_TAKERS
    for queue_id, takings in consumers.here().items():
        told = some(takings, min(TAKERS, max(1, left)))
        left -= len(told)
        found.append([queue_id, sum(each.prefetch is not None for each in takings), told])
    return found


def some(takings: list[Taking], most: int) -> list[Taking]:
    """Those that say how all stand: with room first, then those silent for longest."""
    if len(takings) <= most:
        return takings
    return sorted(takings, key=lambda taking: (taking.full, taking.busy_since or clock.now()))[:most]


def _there(_: Reads) -> list[set[int]]:
    return [set(model.objects.values_list("pk", flat=True)) for model in (Queue, Stream, Topic)]


def forget_removed(queue_ids: set[int], stream_ids: set[int], topic_ids: set[int]) -> None:
    """Of what is no more nothing is kept: only the node that removed it was told so."""
    stats.stats.keep(queue_ids)
    activity.keep(queue_ids)
    stream_stats.stats.keep(stream_ids)
    topic_stats.stats.keep(topic_ids)


class _Connections:
    """What was told of each connection, and which is to be looked at next."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, str]] = {}

    def changes(self) -> tuple[dict[str, tuple[int, str]], list[str]]:
        """Some that are new or have changed, and those that are over."""
        live = {connection.id: connection for connection in connections.live()}
        gone = [id for id in self._told if id not in live]
        found = {id: _told(live[id]) for id in islice((id for id in live if id not in self._told), NEW)}
        looked = [id for id in islice(self._told, LOOKED_AT) if id in live]
        for id in looked:  # those come last in the next turns
            self._told[id] = self._told.pop(id)
        changed = ((id, told) for id in looked if (told := _told(live[id])) != self._told[id])
        return found | dict(islice(changed, CHANGED)), gone

    def written(self, there: Mapping[str, tuple[int, str]], gone: Iterable[str]) -> None:
        self._told.update(there)
        for id in gone:
            self._told.pop(id, None)


def _told(connection: connections.Connection) -> tuple[int, str]:
    shown = connections.describe(connection)
    return connections.held(shown), json.dumps(shown)
