"""What a replay is asked to do, checked: which records, where to, how fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.core.names import parse_destination
from brokerweb.jobs import matching
from brokerweb.routing import matcher
from brokerweb.streams.positions import parse_offsets
from brokerweb.streams.reading import Where, parse_where

FIELDS = ("from", "until", "filter", "to", "speed", "routing_key", "dry_run")
MIN_SPEED, MAX_SPEED = 0.001, 1_000_000

Edge = Where | Mapping[int, int]  # an end, an instant, or offsets by partition


class ReplayRequest(NamedTuple):
    """``until`` is exclusive. Without ``speed`` it goes as fast as it can; ``routing_key`` is for topics."""

    to: str
    begin: Edge = "earliest"
    until: Edge = "latest"
    filter: Mapping[str, Any] | None = None
    speed: float | None = None
    routing_key: str = ""
    dry_run: bool = False

    def destination(self) -> tuple[str, str]:
        """``to`` as (kind, name)."""
        return parse_destination(self.to)


def parse(given: Mapping[str, Any]) -> ReplayRequest:
    """The request in a JSON object. Raises Invalid."""
    for name in given:
        if name not in FIELDS:
            raise Invalid.at(f"/{escape_pointer(name)}", "is not part of a replay")
    parse_destination(given.get("to"), "/to")
    matching.parse(given.get("filter"))
    return ReplayRequest(
        given["to"],
        _edge(given.get("from"), "earliest", "/from"),
        _edge(given.get("until"), "latest", "/until"),
        given.get("filter"),
        _speed(given.get("speed")),
        _routing_key(given.get("routing_key"), given["to"]),
        _dry_run(given.get("dry_run")),
    )


def _dry_run(given: Any) -> bool:
    if given is not None and not isinstance(given, bool):
        raise Invalid.at("/dry_run", "must be true or false")
    return bool(given)


def _edge(given: Any, default: Where, pointer: str) -> Edge:
    if given is None:
        return default
    if isinstance(given, Mapping):
        return parse_offsets(given, pointer)
    try:
        return parse_where(given)
    except ValueError:
        raise Invalid.at(pointer, "must be earliest, latest, an RFC 3339 instant, or offsets by partition") from None


def _speed(given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not MIN_SPEED <= given <= MAX_SPEED:
        raise Invalid.at("/speed", f"must be a number from {MIN_SPEED} to {MAX_SPEED}, or null")
    return float(given)


def _routing_key(given: Any, to: str) -> str:
    if given is None:
        return ""
    if not to.startswith("topic:"):
        raise Invalid.at("/routing_key", "is for topics")
    if not isinstance(given, str):
        raise Invalid.at("/routing_key", "must be a text")
    try:
        matcher.split(given)
    except Invalid as error:
        raise Invalid.at("/routing_key", error.extra["errors"][0]["detail"]) from None
    return given
