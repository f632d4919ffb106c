"""The nodes of the cluster, as REST and the console show them: what each says of itself, and who does the duties."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import brokerweb
from brokerweb import conf
from brokerweb.cluster import here, leasing, nodes
from brokerweb.cluster.nodes import Running
from brokerweb.core import clock
from brokerweb.delivery import connections
from brokerweb.queues import stats
from brokerweb.storage.reading import Reads, read

RATED = stats.RATES
NOTHING = dict.fromkeys(RATED, 0.0)
ANYWHERE = ("0.0.0.0", "[::]", "::", "")  # noqa: S104 (addresses that are told, not listened on)


def facts() -> dict[str, Any]:
    """What this node says of itself."""
    live = connections.live()
    rates = dict(NOTHING)
    for of in stats.stats.here().values():
        for name in RATED:
            rates[name] = round(rates[name] + of[name], 2)
    return {
        "version": brokerweb.__version__,
        "process": os.getpid(),
        "address": address(),
        "url": conf.get().url,
        "connections": len(live),
        "subscriptions": sum(len(connection.subscriptions) + len(connection.streams) for connection in live),
        "rates": rates,
    }


def address() -> str:
    """Where this node listens, by its machine's name where that is everywhere."""
    host, port = conf.split_bind(conf.get().bind)
    return f"{socket.gethostname() if host in ANYWHERE else host}:{port}"


def listed() -> list[dict[str, Any]]:
    """Every node that has not ended, by name; one that has fallen silent is shown for a while."""
    return read(_listed)


def url_of_one() -> str | None:
    """Where people open the console of a node that is there."""
    urls = (json.loads(node.told).get("url") for node in read(nodes.alive) if node.told)
    return next((url for url in urls if url), None)


def _listed(reads: Reads) -> list[dict[str, Any]]:
    now = clock.now()
    owner = leasing.owner(reads, now) if here.shared() else here.name()
    return [_shown(node, now) | {"duties": node.name == owner} for node in nodes.running(reads)]


def _shown(node: Running, now: int) -> dict[str, Any]:
    told = json.loads(node.told) if node.told else {}
    told |= facts() if node.name == here.name() and clock.running() is not None else {}
    state = "draining" if told.get("draining") else "live"
    return {
        "name": node.name,
        "state": "silent" if node.silent(now) and here.shared() else state,
        "version": told.get("version"),
        "process": told.get("process"),
        "address": told.get("address"),
        "started_at": clock.rfc3339(node.started_at),
        "seen_at": clock.rfc3339(clock.to_wall(node.seen_at)),
        "connections": told.get("connections", 0),
        "subscriptions": told.get("subscriptions", 0),
        "rates": told.get("rates", NOTHING),
        "clock_difference": _difference(told),
    }


def _difference(told: dict[str, Any]) -> float:
    """Seconds by which the node's machine is ahead of the cluster's clock; of the only node, of what was expected."""
    running = clock.running()
    alone = 0 if running is None else running.unsettled
    ahead: int = told.get("clock_difference", alone)
    return round(ahead / clock.SECOND, 3)
