"""Instants as people type them: RFC 3339, or what a browser's date field sends, which is taken as UTC."""

from __future__ import annotations

from brokerweb.core import clock
from brokerweb.core.errors import Invalid


def parse(text: str, pointer: str) -> int:
    """The instant. Raises Invalid."""
    text = text.strip()
    for ending in ("", "Z", ":00Z"):
        try:
            return clock.parse_rfc3339(text + ending)
        except (ValueError, OverflowError):
            continue
    raise Invalid.at(pointer, "Not an instant. One is 2026-11-24 09:30:00, taken as UTC.")
