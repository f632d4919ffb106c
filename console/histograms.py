"""How much there is of each time, as bars with flags where somebody has come to, and as a table of the same figures.

The picture is stretched to whatever room there is, flags and their letters are not: they stand at a share of its width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from brokerweb.console.drawing import HEIGHT, Scale, bars, round_count
from brokerweb.core import clock

BUCKETS = 60  # at most, and one more where neither end falls on a round time
LETTERS = "ABCDEFGH"
FLAG = 16  # pixels that a flag is wide, and apart from the next one below it
NEAR = 0.04  # of the width: flags nearer than that would cover each other
WIDE = 10  # of a bar's place, in units of the picture
_DAY = 86_400
_WIDTHS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, _DAY, 2 * _DAY, 7 * _DAY)


def round_width(seconds: float) -> int:
    """How many seconds a bar covers when so many are to be shown: a round time."""
    least = seconds / BUCKETS
    return next((width for width in _WIDTHS if width >= least), -int(-least // (7 * _DAY)) * 7 * _DAY)


def round_edges(first: int, last: int) -> list[int]:
    """Instants from the last round one up to ``first`` to the first one beyond ``last``, a round time apart."""
    width = clock.seconds(round_width((last - first) / clock.SECOND))
    begin = first // width * width
    return list(range(begin, last + width + 1, width))


class Flag(NamedTuple):
    """Somebody, at what instant they are, and how much is left for them."""

    name: str
    at: int
    left: int
    behind: float | None = None  # seconds
    url: str = ""


class Placed(NamedTuple):
    """A flag in the picture."""

    letter: str
    flag: Flag
    share: float  # of the width, from 0 to 1
    level: int  # how many others fly above it at the same place


class Row(NamedTuple):
    """A bar as the table has it, with what a move to its beginning would mean where one was asked about."""

    at: datetime
    until: datetime
    many: int
    url: str = ""
    means: str = ""


@dataclass
class Histogram:
    """The picture with all that stands around it."""

    key: str
    noun: str
    edges: Sequence[int]
    counts: Sequence[int]
    exact: bool = True
    flags: list[Flag] = field(default_factory=list)
    urls: Sequence[str] = ()  # of what lies in each bar
    means: Sequence[str] = ()  # a move to each edge
    chosen: int | None = None  # the instant that a move goes to, from the first flag
    more: bool = False  # there are flags that are not shown

    @property
    def top(self) -> float:
        return round_count(max(self.counts, default=0))

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def width(self) -> float:
        """Seconds of a bar."""
        return (self.edges[1] - self.edges[0]) / clock.SECOND

    @property
    def day(self) -> bool:
        """Whether it covers days, so that a label says which."""
        return self.edges[-1] - self.edges[0] > clock.seconds(2 * _DAY)

    @property
    def brief(self) -> bool:
        """Whether it covers minutes, so that a label says which second."""
        return self.edges[-1] - self.edges[0] < clock.seconds(1_200)

    @property
    def labels(self) -> list[datetime]:
        last = len(self.edges) - 1
        return [clock.to_datetime(self.edges[last * n // 4]) for n in range(5)]

    @property
    def rows(self) -> list[Row]:
        """In the order of time, as the bars."""
        instants = [clock.to_datetime(at) for at in self.edges]
        urls, means = self.urls or [""] * len(self.counts), self.means or [""] * len(self.edges)
        return [Row(instants[n], instants[n + 1], count, urls[n], means[n]) for n, count in enumerate(self.counts)]

    @property
    def end(self) -> Row | None:
        """The last edge, where moves were asked about."""
        at = clock.to_datetime(self.edges[-1])
        return Row(at, at, 0, self.urls[-1], self.means[-1]) if self.means else None

    @property
    def placed(self) -> list[Placed]:
        found: list[Placed] = []
        for letter, flag in zip(LETTERS, self.flags, strict=False):
            share = self.share(flag.at)
            found.append(Placed(letter, flag, share, sum(abs(share - other.share) < NEAR for other in found)))
        return found

    @property
    def nearest(self) -> int:
        """The edge nearest to where a move goes, or to the first flag."""
        at = self.chosen if self.chosen is not None else self.flags[0].at if self.flags else self.edges[-1]
        return round(self.share(at) * (len(self.edges) - 1))

    @property
    def answer(self) -> str:
        """What it says, in a sentence."""
        about = "" if self.exact else "about "
        if not self.total:
            return f"No {self.noun}s of this time are kept."
        said = f"{about}{self.total:,} {self.noun}{'s' * (self.total != 1)}, at most {max(self.counts):,} in {_long(self.width)}"
        return f"{said[0].upper()}{said[1:]}."

    def share(self, at: int) -> float:
        """Where an instant stands."""
        return min(1.0, max(0.0, (at - self.edges[0]) / (self.edges[-1] - self.edges[0])))

    @property
    def edge_labels(self) -> list[str]:
        return [f"{self.top:,.0f}", f"{self.top / 2:,.0f}", "0"]

    @property
    def svg(self) -> SafeString:
        wide = len(self.counts) * WIDE
        inner = format_html(
            '<svg class="bars" viewBox="0 0 {} {}" preserveAspectRatio="none" data-top="{}"><path d="{}"/></svg>',
            wide, HEIGHT, f"{self.top:g}", bars(self.counts, Scale(self.top), WIDE),
        )  # fmt: skip
        flags = format_html_join("", "{}", ((_pole(placed),) for placed in reversed(self.placed)))
        name = f"{self.key}-picture"
        return format_html(
            '<svg class="volume" role="img" aria-labelledby="{0}"><title id="{0}">{1}</title>{2}{3}{4}</svg>',
            name, self.answer, self._shade(), inner, flags,
        )  # fmt: skip

    def _shade(self) -> SafeString:
        """From the first flag to where a move goes."""
        here = self.share(self.flags[0].at) if self.flags else 1.0
        there = here if self.chosen is None else self.share(self.chosen)
        css = "again" if there < here else "skipped"
        x, width = _percent(min(here, there)), _percent(abs(here - there))
        return format_html(
            '<rect class="shade {}" x="{}" width="{}" height="100%" data-here="{}"/>', css, x, width, f"{here:.5f}"
        )


def _pole(placed: Placed) -> SafeString:
    """A flag; it flies to the left where there is no room on the right."""
    wide, y = -FLAG if placed.share > 0.9 else FLAG, placed.level * FLAG
    return format_html(
        '<svg class="flag" x="{0}" overflow="visible"><line y1="{1}" y2="100%"/><path d="M0 {1}h{2}v14h{3}z"/>'
        '<text x="{4}" y="{5}">{6}</text></svg>',
        _percent(placed.share), y, wide, -wide, wide // 2, y + 11, placed.letter,
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.5g}%"


def _long(seconds: float) -> str:
    for size, unit in ((_DAY, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
