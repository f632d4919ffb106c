"""Places in a stream as people choose them: an end, a time, or offsets by partition."""

from __future__ import annotations

from typing import Any

from django import forms

from brokerweb.console import instants
from brokerweb.console.lines import offsets_of
from brokerweb.core import clock

PLACES = [("earliest", "The oldest record"), ("latest", "The end"), ("time", "A time"), ("offsets", "Offsets")]


def time_field() -> forms.CharField:
    """An instant, where one is what was chosen."""
    return forms.CharField(
        required=False, label="Time (UTC)", widget=forms.TextInput(attrs={"type": "datetime-local", "step": "1"})
    )


def place_of(where: str, time: str, offsets: str, pointers: tuple[str, str]) -> Any:
    """An end, an instant or offsets by partition, as requests have it. Raises Invalid, at the pointers of time and offsets."""
    if where == "time":
        return clock.rfc3339(instants.parse(time, pointers[0]))
    return offsets_of(offsets, pointers[1]) if where == "offsets" else where
