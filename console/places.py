"""Places in a stream as people choose them: an end, a time, or offsets by partition."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.functional import lazy

from brokerweb.console import instants, zones
from brokerweb.console.lines import offsets_of
from brokerweb.core import clock

PLACES = [("earliest", "The oldest record"), ("latest", "The end"), ("time", "A time"), ("offsets", "Offsets")]


class InstantInput(forms.TextInput):
    """A browser's date field, or one for text where that could not show what it holds."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["type"] = instants.field_type(context["widget"]["value"] or "")
        return context


def time_field() -> forms.CharField:
    """An instant, where one is what was chosen."""
    label = lazy(lambda: f"Time ({zones.word()})", str)()  # the form is made once, and shown in many a zone
    return forms.CharField(required=False, label=label, widget=InstantInput(attrs={"step": "1"}))


def place_of(where: str, time: str, offsets: str, pointers: tuple[str, str]) -> Any:
    """An end, an instant or offsets by partition, as requests have it. Raises Invalid, at the pointers of time and offsets."""
    if where == "time":
        return clock.rfc3339(instants.parse(time, pointers[0]))
    return offsets_of(offsets, pointers[1]) if where == "offsets" else where
