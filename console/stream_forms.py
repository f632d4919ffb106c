"""The forms of streams, their records and their consumer groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from django import forms

from brokerweb.console import instants
from brokerweb.console.forms import PLAIN, BodyForm, BrokerForm, ChangeForm, DeliveryFields, name_field
from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.core.settings import plain
from brokerweb.faces.codec import records
from brokerweb.faces.codec.json import decode
from brokerweb.streams.group_settings import SETTINGS as GROUP_SETTINGS
from brokerweb.streams.group_settings import SHARED
from brokerweb.streams.models import Partition, Stream
from brokerweb.streams.records import NewRecord
from brokerweb.streams.settings import PARTITIONS, SETTINGS

PLACES = [("earliest", "The oldest record"), ("latest", "The end"), ("time", "A time"), ("offsets", "Offsets")]


def time_field() -> forms.CharField:
    """An instant, where one is what was chosen."""
    return forms.CharField(
        required=False, label="Time (UTC)", widget=forms.TextInput(attrs={"type": "datetime-local", "step": "1"})
    )


class StreamForm(ChangeForm):
    """A stream's settings; an empty field means the default."""

    partitions = forms.IntegerField(required=False, help_text="Can become more, never fewer.")
    compact = forms.BooleanField(required=False, label="Compact", help_text="Keep the last record of each key.")
    retention_age = forms.FloatField(required=False, label="Keep for (s)", help_text="Empty: for ever.")
    retention_bytes = forms.IntegerField(required=False, label="Keep at most (bytes)", help_text="Of each partition.")
    retention_records = forms.IntegerField(required=False, label="Keep at most (records)", help_text="Of each partition.")
    max_body_bytes = forms.IntegerField(required=False, label="Largest body (bytes)")
    dedup_window = forms.FloatField(required=False, label="Dedup window (s)")
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


class RecordForm(BodyForm):
    """A record to append."""

    partition = forms.IntegerField(required=False, min_value=0, help_text="Empty: by the key, or in turn.")
    OPTIONS = (*BodyForm.OPTIONS, "partition")

    def record(self) -> NewRecord:
        """The record as the verbs take it. Raises Invalid."""
        [record] = records.to_new([decode(records.WireRecord, self.as_json())])
        return record


class GroupSettingsForm(DeliveryFields, ChangeForm):
    """What can be changed of a consumer group; how records are handed out is a shared one's alone."""

    session_timeout = forms.FloatField(
        required=False, label="Session timeout (s)", help_text="Silence after which a member counts as dead."
    )

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> Self:
        """The form with the settings of a group as answers show it."""
        backoff = {f"backoff_{name}": value for name, value in group.get("backoff", {}).items()}
        return cls.showing({name: group.get(name) for name in ("session_timeout", "lease", "max_failures")} | backoff)

    def settings_of(self, kind: str) -> dict[str, Any]:
        """What ``groups.declare_group`` takes of it for a group of that kind."""
        return self.delivery() if kind == SHARED else {"session_timeout": self.cleaned_data["session_timeout"]}


class GroupForm(GroupSettingsForm):
    """A consumer group to be made."""

    name = name_field()
    kind = forms.ChoiceField(
        choices=[("partitioned", "Partitioned: members share the partitions"), ("shared", "Shared: single records, leased")]
    )
    start = forms.ChoiceField(
        label="Begins at", choices=[("latest", "The end: only what comes"), ("earliest", "The oldest record"), ("time", "A time")]
    )
    time = time_field()

    @classmethod
    def blank(cls) -> GroupForm:
        """The form with the defaults."""
        return cls(initial=cls.defaults() | {name: plain(setting.default) for name, setting in GROUP_SETTINGS.items()})

    def field_at(self, pointer: str) -> str:
        return {"/start": "time"}.get(pointer, super().field_at(pointer))

    def settings(self) -> dict[str, Any]:
        """What ``groups.declare_group`` takes. Raises Invalid."""
        given = self.cleaned_data
        at_time = given["start"] == "time"
        start = clock.rfc3339(instants.parse(given["time"], "/time")) if at_time else given["start"]
        return {"kind": given["kind"], "start": start} | self.settings_of(given["kind"])


class SeekForm(BrokerForm):
    """Where a group is to go."""

    where = forms.ChoiceField(label="Go to", choices=[*PLACES, ("shift", "So many records on, or back")])
    time = time_field()
    shift = forms.IntegerField(required=False, label="Shift", help_text="-100 is a hundred records back.")
    offsets = forms.CharField(
        required=False,
        help_text="One a line, partition: offset. Partitions left out stay.",
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", **PLAIN}),
    )

    def field_at(self, pointer: str) -> str:
        if pointer.startswith("/to/"):
            return "shift" if self.data.get("where") == "shift" else "offsets"
        return {"/to": "where"}.get(pointer, super().field_at(pointer))

    def to(self) -> Any:
        """What ``positions.seek`` takes. Raises Invalid."""
        given = self.cleaned_data
        if given["where"] == "shift":
            if given["shift"] is None:
                raise Invalid.at("/to/shift", "No shift is given.")
            return {"shift": given["shift"]}
        return place_of(given["where"], given["time"], given["offsets"], ("/time", "/offsets"))


def place_of(where: str, time: str, offsets: str, pointers: tuple[str, str]) -> Any:
    """An end, an instant or offsets by partition, as requests have it. Raises Invalid, at the pointers of time and offsets."""
    if where == "time":
        return clock.rfc3339(instants.parse(time, pointers[0]))
    return offsets_of(offsets, pointers[1]) if where == "offsets" else where


def offsets_of(text: str, pointer: str) -> dict[str, str]:
    """Offsets by partition from lines ``partition: offset``. Raises Invalid."""
    found: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        number, colon, offset = (part.strip() for part in line.partition(":"))
        if not (colon and number and offset):
            raise Invalid.at(pointer, "Each line is partition: offset.")
        found[number] = offset
    if not found:
        raise Invalid.at(pointer, "No offset is given.")
    return found
