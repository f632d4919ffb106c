"""Instants as people type them: RFC 3339, or what a browser's date field sends, which is taken as of the person's zone."""

from __future__ import annotations

import re

from brokerweb.console import zones
from brokerweb.core import clock
from brokerweb.core.errors import Invalid

_LOCAL = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,3})?)?)?", re.ASCII)


def typed(at: int) -> str:
    """The instant to the second, as ``parse`` takes it: of the person's zone, or of UTC where clocks there show that again."""
    instant = clock.to_datetime(at)
    here = zones.local(instant)
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}" if here.fold else f"{here:%Y-%m-%dT%H:%M:%S}"


def field_type(text: str) -> str:
    """The type of an ``<input>`` that can show the text: a browser's date field shows nothing of what names a zone."""
    return "datetime-local" if _LOCAL.fullmatch(text) else "text"


def parse(text: str, pointer: str) -> int:
    """The instant. Raises Invalid."""
    text = text.strip()
    try:
        return clock.parse_rfc3339(text)
    except (ValueError, OverflowError):
        pass
    for ending in ("Z", ":00Z"):
        try:
            return zones.meant(clock.parse_rfc3339(text + ending))
        except (ValueError, OverflowError):
            continue
    raise Invalid.at(pointer, f"Not an instant. One is 2026-11-24 09:30:00, taken as of {zones.name()}.")
