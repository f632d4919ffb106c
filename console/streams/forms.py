"""The forms of streams: their settings."""

from __future__ import annotations

from typing import Any, Self

from django import forms

from brokerweb.console.broker_form import ChangeForm, count, duration, name_field, searched_fields, size
from brokerweb.core.settings import plain
from brokerweb.streams.models import Partition, Stream
from brokerweb.streams.settings import PARTITIONS, SETTINGS


class StreamForm(ChangeForm):
    """A stream's settings; an empty field means the default."""

    partitions = count(SETTINGS[PARTITIONS], help_text="Can become more, never fewer.")
    compact = forms.BooleanField(required=False, label="Compact", help_text="Keep the last record of each key.")
    retention_age = duration(SETTINGS["retention_age"], label="Keep for", help_text="Empty: for ever.")
    retention_bytes = size(
        SETTINGS["retention_bytes"], label="Keep at most, in bytes", help_text="Of each partition. Empty: all."
    )
    retention_records = count(
        SETTINGS["retention_records"], label="Keep at most, in records", help_text="Of each partition. Empty: all."
    )
    max_body_bytes = size(SETTINGS["max_body_bytes"], label="Largest body")
    dedup_window = duration(SETTINGS["dedup_window"], label="Dedup window")
    search = searched_fields()
    FIELD_OF = {"conflict": "partitions"}

    @classmethod
    def of(cls, stream: Stream) -> Self:
        """The form with the stream's present settings."""
        now = {name: plain(getattr(stream, s.column)) for name, s in SETTINGS.items() if name != PARTITIONS}
        return cls.showing({**now, PARTITIONS: Partition.objects.filter(stream_id=stream.pk).count()})

    @classmethod
    def blank(cls) -> Self:
        """The form of a stream that does not exist yet: the defaults."""
        return cls(initial={name: plain(setting.default) for name, setting in SETTINGS.items()})

    def settings(self) -> dict[str, Any]:
        """What ``brokerweb.streams.control.declare`` takes; partitions left empty stay as they are."""
        given = {name: self.cleaned_data[name] for name in SETTINGS}
        return {name: value for name, value in given.items() if not (name == PARTITIONS and value is None)}


class NewStreamForm(StreamForm):
    """A stream to be made."""

    name = name_field()
