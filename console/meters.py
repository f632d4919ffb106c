"""How full a consumer is: a box for each message that it may hold, filled where it holds one, the darker the longer."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

BOXES, ROW = 32, 16  # at most, and of them in one row: beyond that a box stands for several messages
SIDE, STEP = 7, 9
SHADES = (0.25, 0.5, 1.0)  # of a lease, from which on a box is darker


def shade(age: float | None) -> int:
    """How dark a box is whose message is held for that share of a lease."""
    return 0 if age is None else sum(age >= share for share in SHADES)


def boxes(held: int, prefetch: int, ages: Sequence[float] = ()) -> list[int | None]:
    """Each box's shade, None where it is empty; ``ages`` are shares of a lease, the longest first."""
    each = max(1, -(-prefetch // BOXES))
    filled = min(-(-held // each), -(-prefetch // each))
    shades: list[int | None] = [shade(ages[n * each] if n * each < len(ages) else None) for n in range(filled)]
    return shades + [None] * (-(-prefetch // each) - filled)


def meter(held: int, prefetch: int, ages: Sequence[float] = (), noun: str = "message") -> SafeString:
    """The boxes as SVG."""
    drawn = boxes(held, prefetch, ages)
    paths: dict[str, str] = {}
    for n, each in enumerate(drawn):
        css = "room" if each is None else f"held{each}"
        paths[css] = paths.get(css, "") + f"M{n % ROW * STEP} {n // ROW * STEP}h{SIDE}v{SIDE}h-{SIDE}z"
    rows = max(1, -(-len(drawn) // ROW))
    said = f"holds {held:,} of {prefetch:,} {noun}{'' if prefetch == 1 else 's'}"
    if ages and ages[0] >= SHADES[-1]:
        said += ", the oldest for longer than a lease"
    inside = format_html_join("", '<path class="{}" d="{}"/>', sorted(paths.items()))
    size = min(ROW, max(1, len(drawn))) * STEP - STEP + SIDE, rows * STEP - STEP + SIDE
    return format_html(
        '<svg class="meter" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">{3}</svg>',
        *size,
        said,
        inside,
    )
