"""The forms of consumer groups: a new one, its settings, and where it is to go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from django import forms

from brokerweb.console import instants
from brokerweb.console.broker_form import PLAIN, BrokerForm, ChangeForm, DeliveryFields, duration, name_field
from brokerweb.console.places import PLACES, place_of, time_field
from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.core.quantities import COUNT, MAX_CHARACTERS
from brokerweb.core.settings import plain
from brokerweb.streams.group_settings import SETTINGS, SHARED


class GroupSettingsForm(DeliveryFields, ChangeForm):
    """What can be changed of a consumer group; how records are leased is a shared one's alone."""

    session_timeout = duration(
        SETTINGS["session_timeout"], help_text="Silence after which a member counts as dead, such as 15 s."
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
        return cls(initial=cls.defaults() | {name: plain(setting.default) for name, setting in SETTINGS.items()})

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

    where = forms.ChoiceField(
        label="Go to",
        choices=[("", "Choose …"), *PLACES, ("shift", "So many records on, or back"), ("group", "Where another group is")],
    )
    time = time_field()
    shift = forms.CharField(
        required=False,
        max_length=MAX_CHARACTERS,
        help_text="Records: -100 is a hundred back, 10,000 as many on.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    offsets = forms.CharField(
        required=False,
        help_text="One a line, partition: offset. Partitions left out stay.",
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", **PLAIN}),
    )

    group = forms.CharField(
        required=False,
        help_text="Of this stream. It is copied once, as it is then.",
        widget=forms.TextInput(attrs={"list": "groups", **PLAIN}),
    )

    def clean_shift(self) -> int | None:
        text = str(self.cleaned_data["shift"]).strip()
        back = text.startswith("-")
        try:
            return int(COUNT.parse(text.lstrip("+-"))) * (-1 if back else 1) if text else None
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def field_at(self, pointer: str) -> str:
        if pointer.startswith("/to/"):
            where = self.data.get("where")
            return where if where in ("shift", "group") else "offsets"
        return {"/to": "where"}.get(pointer, super().field_at(pointer))

    def to(self) -> Any:
        """What ``positions.seek`` takes. Raises Invalid."""
        given = self.cleaned_data
        if given["where"] == "shift":
            if given["shift"] is None:
                raise Invalid.at("/to/shift", "No shift is given.")
            return {"shift": given["shift"]}
        if given["where"] == "group":
            return {"group": given["group"]}
        return place_of(given["where"], given["time"], given["offsets"], ("/time", "/offsets"))

    def chosen(self) -> str:
        """The end, or the instant as it was typed, that was chosen; empty for places that are no time."""
        given = getattr(self, "cleaned_data", {})
        where = str(given.get("where", ""))
        return str(given.get("time", "")) if where == "time" else where if where in ("earliest", "latest") else ""
