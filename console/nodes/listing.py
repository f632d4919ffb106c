"""The list of nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.console.listing import Asked, Column, Listing
from brokerweb.console.templatetags.brokerweb_console import instant
from brokerweb.delivery import nodes
from brokerweb.identity.principal import Principal

OFF = 1.0  # seconds from which a node's clock is said to be wrong
Row = Mapping[str, Any]


def rows(principal: Principal, asked: Asked) -> list[Row]:
    """Every node whose name has the part that is asked for."""
    return [_shown(node) for node in nodes.listed() if asked.q.lower() in node["name"].lower()]


def _shown(node: Row) -> Row:
    off = abs(node["clock_difference"]) >= OFF
    return {**node, "started_at": instant(node["started_at"]), "seen_at": instant(node["seen_at"]), "off": off}


LISTING = Listing[Row](
    "nodes",
    [
        Column("name", "Node", lambda node: node["name"], fixed=True),
        Column("state", "State", lambda node: node["state"], live=True),
        Column("connections", "Connections", lambda node: node["connections"], style="n mid", live=True),
        Column("subscriptions", "Subscriptions", lambda node: node["subscriptions"], style="n wide", live=True),
        Column("published", "Published", lambda node: node["rates"]["published"], style="n", live=True),
        Column("acked", "Acked", lambda node: node["rates"]["acked"], style="n", live=True),
        Column("clock", "Clock", lambda node: abs(node["clock_difference"]), style="n wide", live=True),
        Column("version", "Version", lambda node: node["version"], style="wide"),
        Column("started", "Runs for", lambda node: node["started_at"], style="n wide"),
    ],
    identity=lambda node: str(node["name"]),
    rows=rows,
    sort="name",
)
