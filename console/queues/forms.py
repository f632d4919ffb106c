"""The forms of queues: their settings."""

from __future__ import annotations

from typing import Any

from django import forms

from brokerweb.console.broker_form import ChangeForm, DeliveryFields, count, duration, name_field, searched_fields, size
from brokerweb.core.settings import plain
from brokerweb.queues.models import Queue
from brokerweb.queues.settings import BACKOFF, SETTINGS


class SettingsForm(DeliveryFields, ChangeForm):
    """A queue's settings; an empty field means the default, which for most limits is none."""

    keyed = forms.BooleanField(required=False, label="Keyed", help_text="One at a time, in order, within a key.")
    ttl = duration(SETTINGS["ttl"], label="Time to live", help_text="Empty: unlimited.")
    on_expire = forms.ChoiceField(required=False, label="When it expires", choices=[("drop", "Drop it"), ("dead", "Dead letter")])
    max_length = count(SETTINGS["max_length"], label="Most messages", help_text="Empty: unlimited.")
    overflow = forms.ChoiceField(
        required=False, label="When full", choices=[("refuse", "Refuse new ones"), ("dead_letter_oldest", "The oldest is dead")]
    )
    max_body_bytes = size(SETTINGS["max_body_bytes"], label="Largest body")
    dedup_window = duration(SETTINGS["dedup_window"], label="Dedup window")
    dead_retention = duration(
        SETTINGS["dead_retention"], label="Keep dead letters for", help_text="Empty: until they are handled."
    )
    history = forms.ChoiceField(
        required=False, label="History", choices=[("failures", "Failures, and what operators did"), ("full", "Everything")]
    )
    keep_settled = duration(SETTINGS["keep_settled"], label="Keep settled messages for", help_text="0: not at all.")
    keep_history = duration(SETTINGS["keep_history"], label="Keep history for")
    expires = duration(SETTINGS["expires"], label="Remove when unused for", help_text="Empty: never.")
    search = searched_fields()

    @classmethod
    def of(cls, queue: Queue) -> SettingsForm:
        """The form with the queue's present settings."""
        columns = {s.column for s in (*SETTINGS.values(), *BACKOFF.values())}
        return cls.showing({name: plain(getattr(queue, name)) for name in cls.base_fields if name in columns})

    @classmethod
    def blank(cls) -> SettingsForm:
        """The form of a queue that does not exist yet: the defaults."""
        defaults = {s.column: plain(s.default) for s in (*SETTINGS.values(), *BACKOFF.values())}
        return cls(initial=defaults)

    def settings(self) -> dict[str, Any]:
        """What ``control.declare`` takes."""
        given = {name: self.cleaned_data[name] for name in SETTINGS if name in self.cleaned_data}
        return {name: None if value == "" else value for name, value in given.items()} | self.delivery()


class NewQueueForm(SettingsForm):
    """A queue to be made."""

    name = name_field()
