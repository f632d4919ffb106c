"""How the console draws what the answers say: hours as bars, a search with the place of its error."""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from brokerweb.console.bodies import visible

register = template.Library()
_WIDE, _HIGH, _LEAST = 4, 100, 8  # of a bar, and how high one is at least that stands for something


@register.filter
def highest(rows: Sequence[Sequence[int]]) -> int:
    """The highest of many hours: the scale that all their bars share."""
    return max((max(hours, default=0) for hours in rows), default=0)


@register.filter
def bars(hours: Sequence[int], most: int) -> SafeString:
    """Hour by hour as bars, the last one last, which ``most`` fills; the same as a text for who does not see them."""
    heights = [max(_LEAST, round(_HIGH * n / most)) if n and most else 0 for n in hours]
    drawn = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}"/>',
        ((at * _WIDE, _HIGH - high, _WIDE - 1, high) for at, high in enumerate(heights) if high),
    )
    return format_html(
        '<svg class="bars" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        _WIDE * len(hours),
        _HIGH,
        said(hours),
        drawn,
    )


def said(hours: Sequence[int]) -> str:
    """Which hours had how many; those without are left out."""
    ago = [(len(hours) - 1 - at, n) for at, n in enumerate(hours) if n]
    parts = [f"{n:,} {'in the last hour' if not back else f'{back} h ago'}" for back, n in reversed(ago)]
    return ", ".join(parts) or f"none in {len(hours)} hours"


@register.simple_tag
def pointed(text: str, at: int) -> SafeString:
    """A text with the word marked at which something is wrong; its end, where that is behind it."""
    end = next((place for place in range(at + 1, len(text)) if text[place].isspace()), len(text))
    return format_html("{}<mark>{}</mark>{}", visible(text[:at]), visible(text[at:end]) or "␣", visible(text[end:]))
