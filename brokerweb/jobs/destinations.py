"""What holds messages: queues, and the shared consumer groups of streams, each by the queue that is its own.

A destination is named as ``queue:NAME`` or ``stream:NAME/GROUP``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from brokerweb.core.errors import Invalid
from brokerweb.core.names import NAME, glob
from brokerweb.identity.grants import PATTERN
from brokerweb.identity.principal import Principal
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements

Q = Statements("brokerweb.jobs")
MAX_PATTERNS = 20


class Destination(NamedTuple):
    """A queue by its id, with its messages per state; ``group`` is None unless it is a shared group's of the stream ``name``."""

    queue_id: int
    kind: str
    name: str
    group: str | None
    counts: Sequence[int] = ()

    @property
    def label(self) -> str:
        return f"{self.kind}:{self.name}" if self.group is None else f"{self.kind}:{self.name}/{self.group}"

    @property
    def permit(self) -> tuple[str, str]:
        """What grants on it name."""
        return self.kind, self.name

    def shown(self) -> dict[str, Any]:
        """As answers name it."""
        shown = {"destination": f"{self.kind}:{self.name}"}
        return shown if self.group is None else shown | {"group": self.group}


def every(reads: Reads) -> list[Destination]:
    """All there are, by kind and name."""
    return sorted(map(_of, reads.rows(Q.destinations)), key=lambda found: found.label)


def with_dead(reads: Reads) -> list[tuple[Destination, int]]:
    """Those that have dead messages, and how many; the others are not counted."""
    found = ((_of(row), dead) for *row, dead in reads.rows(Q.destinations_with_dead))
    return sorted(found, key=lambda each: each[0].label)


def _of(row: Sequence[Any]) -> Destination:
    queue_id, name, stream, group, *counts = row
    kind, name = ("queue", name) if stream is None else ("stream", stream)
    return Destination(queue_id, kind, name, group, tuple(counts))


class Within(NamedTuple):
    """Patterns of destinations, of which one must match; none at all leaves nothing out."""

    patterns: tuple[tuple[str, str, str | None], ...] = ()  # kind, glob of names, glob of groups

    def holds(self, destination: Destination) -> bool:
        return not self.patterns or any(_matches(pattern, destination) for pattern in self.patterns)


EVERYWHERE = Within()


def _matches(pattern: tuple[str, str, str | None], destination: Destination) -> bool:
    kind, name, group = pattern
    if kind != destination.kind or not glob(name).fullmatch(destination.name):
        return False
    return group is None or (destination.group is not None and bool(glob(group).fullmatch(destination.group)))


def within(given: Iterable[Any], pointer: str = "/in") -> Within:
    """Patterns as requests have them: ``queue:orders.*``, ``stream:events``, ``stream:events/workers``. Raises Invalid."""
    found = []
    for text in given:
        kind, colon, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
        name, slash, group = rest.partition("/")
        known = colon and kind in ("queue", "stream") and not (slash and kind == "queue")
        if not known or not PATTERN.fullmatch(name) or (slash and not PATTERN.fullmatch(group)):
            raise Invalid.at(pointer, "is queue:PATTERN or stream:PATTERN, such as queue:orders.*")
        found.append((kind, name, group if slash else None))
    if len(found) > MAX_PATTERNS:
        raise Invalid.at(pointer, f"at most {MAX_PATTERNS} patterns")
    return Within(tuple(dict.fromkeys(found)))


def parse_label(text: Any, pointer: str) -> str:
    """A destination by its label, or a queue by its name alone; as its label. Raises Invalid."""
    kind, colon, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
    if not colon:
        kind, rest = "queue", kind
    name, slash, group = rest.partition("/")
    whole = (kind == "stream" and slash) or (kind == "queue" and not slash)
    if not whole or not NAME.fullmatch(name) or (slash and not NAME.fullmatch(group)):
        raise Invalid.at(pointer, "is a queue's name, or stream:NAME/GROUP for a shared group")
    return f"{kind}:{rest}"


def browsable(principal: Principal, found: Iterable[Destination], wanted: Within) -> list[Destination]:
    """Those that are wanted and that the principal may browse."""
    may = {kind: principal.allowing("browse", kind) for kind in ("queue", "stream")}
    return [each for each in found if may[each.kind](each.name) and wanted.holds(each)]


def holding(destination: Destination, states: Iterable[State]) -> int:
    """How many messages it has in these states."""
    return sum(destination.counts[state] for state in states)
