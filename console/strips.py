"""How far a group has come in each partition: a strip from the oldest record to the end, filled up to where it is.

Owners have a colour and a letter, so that who sees no colours tells them apart, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

COLOURS = 5
SMALL = 24  # partitions in one row; of more several are one


class Strip(NamedTuple):
    """A group's position in a partition, or in some together."""

    low: int
    committed: int
    end: int
    owner: int | None = None  # the number of who reads it, among the members

    @classmethod
    def of(cls, part: Mapping[str, Any], owners: Mapping[str, int]) -> Strip:
        """Of a partition of a group's object."""
        return cls(int(part["low"]), int(part["committed"]), int(part["end"]), owners.get(part["owner"]))

    @property
    def share(self) -> float:
        """How much of what is there has been read."""
        there = self.end - self.low
        return min(1.0, max(0.0, (self.committed - self.low) / there)) if there else 1.0

    @property
    def left(self) -> int:
        return self.end - min(max(self.committed, self.low), self.end)

    @property
    def letter(self) -> str:
        """What stands for the owner."""
        return "–" if self.owner is None else letter(self.owner)

    @property
    def css(self) -> str:
        return "unowned" if self.owner is None else colour(self.owner)

    @property
    def svg(self) -> SafeString:
        said = f"{self.share:.0%} read, {self.left:,} left"
        return format_html('<svg class="strip" role="img" aria-label="{}">{}</svg>', said, _segment(self, 0.0, 1.0))


def letter(n: int) -> str:
    return ascii_uppercase[n] if n < len(ascii_uppercase) else "…"


def colour(n: int) -> str:
    """The class of the colour of a member."""
    return f"owner-{n % COLOURS}"


def small(strips: Sequence[Strip]) -> SafeString:
    """All partitions side by side, each as wide as the others."""
    shown = [_together(strips[len(strips) * n // SMALL : len(strips) * (n + 1) // SMALL]) for n in range(SMALL)]
    shown = shown if len(strips) > SMALL else list(strips)
    wide = 1 / max(1, len(shown))
    gap = wide * 0.08 if len(shown) > 1 else 0.0
    parts = format_html_join("", "{}", ((_segment(strip, n * wide, wide - gap),) for n, strip in enumerate(shown)))
    left = sum(strip.left for strip in strips)
    return format_html('<svg class="strip small" role="img" aria-label="{} left">{}</svg>', f"{left:,}", parts)


def _together(strips: Sequence[Strip]) -> Strip:
    lows, ends = sum(strip.low for strip in strips), sum(strip.end for strip in strips)
    owners = {strip.owner for strip in strips}
    return Strip(lows, ends - sum(strip.left for strip in strips), ends, owners.pop() if len(owners) == 1 else None)


def _segment(strip: Strip, x: float, wide: float) -> SafeString:
    """What there is, what of it has been read, and the position between the two."""
    at = x + wide * strip.share
    return format_html(
        '<g class="{}"><rect class="there" x="{}" width="{}"/><rect class="read" x="{}" width="{}"/>'
        '<line x1="{}" x2="{}" y2="100%"/></g>',
        strip.css, _percent(x), _percent(wide), _percent(x), _percent(wide * strip.share), _percent(at), _percent(at),
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.5g}%"
