"""The form of a new record."""

from __future__ import annotations

from django import forms

from brokerweb.console.body_form import BodyForm
from brokerweb.faces.codec import records
from brokerweb.faces.codec.json import decode
from brokerweb.streams.records import NewRecord


class RecordForm(BodyForm):
    """A record to append."""

    partition = forms.IntegerField(required=False, min_value=0, help_text="Empty: by the key, or in turn.")
    OPTIONS = (*BodyForm.OPTIONS, "partition")

    def record(self) -> NewRecord:
        """The record as the verbs take it. Raises Invalid."""
        [record] = records.to_new([decode(records.WireRecord, self.as_json())])
        return record
