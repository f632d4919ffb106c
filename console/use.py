"""How much a token was used on each of the last days, as bars: a day is one to the right, and its height the minutes.

A day on which it was used at all shows as a stroke, however short that was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

from brokerweb.answers.verdicts.words import span
from brokerweb.console.drawing import HEIGHT, Scale
from brokerweb.core import clock
from brokerweb.identity.token_use import Use

WIDE, GAP = 10, 2  # of a day, of which is left free
STROKE = 40  # the least that is seen


class Shown(NamedTuple):
    """A token's days: what they come to in words, the bars, and the days themselves, the newest first."""

    said: str
    svg: SafeString
    days: Sequence[tuple[str, int]]  # in UTC, whatever the person's zone: so they are counted
    used: int


def shown(days: Sequence[Use], *, large: bool = False) -> Shown:
    """The last days of a token, the oldest first, for a row or for its page."""
    used, most = sum(1 for day in days if day.minutes), max((day.minutes for day in days), default=0)
    said = _said(days, used, most)
    svg = format_html(
        '<svg class="use{}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}"><path d="{}"/></svg>',
        " large" if large else "",
        WIDE * len(days),
        HEIGHT,
        said,
        path(days),
    )
    listed = [(_date(day), day.minutes) for day in reversed(days)]
    return Shown(said, svg, listed, used)


def path(days: Sequence[Use]) -> str:
    """The bars; the day of most use is as high as there is room."""
    scale = Scale(max((day.minutes for day in days), default=0) or 1)
    heights = [HEIGHT - scale.y(day.minutes) for day in days]
    return "".join(
        f"M{n * WIDE} {HEIGHT}v-{max(STROKE, height)}h{WIDE - GAP}v{max(STROKE, height)}z"
        for n, height in enumerate(heights)
        if height
    )


def _said(days: Sequence[Use], used: int, most: int) -> str:
    if not used:
        return f"Not used in {len(days)} days"
    best = next(day for day in days if day.minutes == most)
    return (
        f"Used on {used} of {len(days)} days, " + (f"most on {_date(best)}, for" if used > 1 else "for") + f" {span(60 * most)}"
    )


def _date(day: Use) -> str:
    return f"{clock.to_datetime(day.at):%Y-%m-%d}"
