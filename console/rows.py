"""The rows of lists that more than one page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.safestring import SafeString


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue of a list."""

    name: str
    counts: Mapping[str, int]
    rates: Mapping[str, float]
    consumers: int
    paused: bool
    oldest: float | None = None
    pk: int = 0
    spark: SafeString | str = ""  # how much there was lately, as a little picture

    @property
    def unattended(self) -> bool:
        """Whether something could be leased and nobody subscribes; who only receives over REST is not known between calls."""
        return bool(self.counts["ready"]) and not (self.paused or self.consumers or self.rates["delivered"])

    @property
    def waiting(self) -> int:
        return self.counts["ready"] + self.counts["scheduled"] + self.counts["blocked"]


class Sizes(NamedTuple):
    """A stream's partitions: how many, and their offsets, records and bytes added up."""

    partitions: int
    low: int
    end: int
    records: int
    bytes: int


class GroupCount(NamedTuple):
    """A group and how many records, or dead letters, wait there for somebody."""

    stream: str
    group: str
    n: int


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One stream of a list."""

    name: str
    compact: bool
    sizes: Sizes
    groups: int
    rate: float
    pk: int = 0
    furthest: GroupCount | None = None  # the group that has most left to read
    spark: SafeString | str = ""  # how much there was lately, as a little picture
