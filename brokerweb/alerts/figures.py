"""What rules may be about: figures of queues and groups as samples have them, of the broker, and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from brokerweb.core.quantities import DURATION, NUMBER, RATE, SIZE, Quantity
from brokerweb.samples.series import TICK, Sample

QUEUE, STREAM, BROKER = "queue", "stream", "broker"
STUCK, VERDICT = "stuck", "verdict"  # not of a limit: that it stands still, and that this verdict holds


class Figure(NamedTuple):
    """``words`` say what it counts, ``unit`` what of: "" for plain numbers, s, /s or bytes."""

    words: str
    unit: str
    of: Callable[[Sample], float]


def _age(sample: Sample) -> float:
    return max(0, sample.oldest - 1) / 10


OF_QUEUES: Mapping[str, Figure] = {
    "ready": Figure("ready messages", "", lambda s: s.ready),
    "scheduled": Figure("scheduled messages", "", lambda s: s.scheduled),
    "blocked": Figure("blocked messages", "", lambda s: s.blocked),
    "leased": Figure("leased messages", "", lambda s: s.leased),
    "dead": Figure("dead messages", "", lambda s: s.dead),
    "depth": Figure("messages that are not dead", "", lambda s: s.depth),
    "oldest_age": Figure("age of the oldest ready message", "s", _age),
    "in": Figure("messages in", "/s", lambda s: s.came / TICK),
    "out": Figure("messages out", "/s", lambda s: s.went / TICK),
    "failed": Figure("failed leases", "/s", lambda s: s.failed / TICK),
}
OF_GROUPS: Mapping[str, Figure] = {
    "lag": Figure("records not read", "", lambda s: s.ready),
    "lag_seconds": Figure("age of the first record not read", "s", _age),
    "leased": Figure("leased messages", "", lambda s: s.leased),
    "dead": Figure("dead messages", "", lambda s: s.dead),
    "read": Figure("records read", "/s", lambda s: s.went / TICK),
    "failed": Figure("failed leases", "/s", lambda s: s.failed / TICK),
}
DISK_FREE = "disk_free"
OF_BROKER: Mapping[str, tuple[str, str]] = {DISK_FREE: ("free room on the disk", "bytes")}

VERDICTS = {  # that tell of something wrong; docs/answers.md has what they mean
    QUEUE: ("paused", "no_consumer", "stuck", "full", "key_stuck", "falling_behind"),
    STREAM: ("trimmed", "no_members", "unowned", "silent", "failing", "falling_behind"),
}
KINDS: Mapping[str, tuple[str, ...]] = {
    QUEUE: (*OF_QUEUES, STUCK, VERDICT),
    STREAM: (*OF_GROUPS, STUCK, VERDICT),
    BROKER: tuple(OF_BROKER),
}
FIGURES = tuple(dict.fromkeys(name for names in KINDS.values() for name in names))


def words_of(kind: str, figure: str) -> tuple[str, str]:
    """What a figure with a limit counts, and its unit."""
    if kind == BROKER:
        return OF_BROKER[figure]
    found = (OF_QUEUES if kind == QUEUE else OF_GROUPS)[figure]
    return found.words, found.unit


MOST = 10**15  # above or below nothing: the greatest limit
QUANTITIES: Mapping[str, Quantity] = {"": NUMBER, "s": DURATION, "/s": RATE, "bytes": SIZE}  # by unit
UNITS = {name: figure.unit for table in (OF_QUEUES, OF_GROUPS) for name, figure in table.items()}  # those of both have one
UNITS |= {name: unit for name, (_, unit) in OF_BROKER.items()}


def limit(value: float, unit: str) -> str:
    """A limit as people write it, exactly; one below nothing, or too great, which only programs give, as a number."""
    if not abs(value) <= MOST:
        return str(value)
    whole = int(value) if value == int(value) else value
    return QUANTITIES[unit].text(whole) if value >= 0 else str(whole)


def plain(value: float, unit: str) -> str:
    """A figure as people read it, rounded, with its unit."""
    if unit == "s":
        return DURATION.text(round(value) if value >= 10 else round(value, 1))
    if unit == "bytes":
        for power, name in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
            if value >= 1 << power:
                return f"{value / (1 << power):.1f} {name}"
    number = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
    return f"{number}{unit}" if unit == "/s" else f"{number} {unit}".rstrip()
