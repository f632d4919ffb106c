"""The form of a redrive."""

from __future__ import annotations

from django import forms

from brokerweb.console.broker_form import BrokerForm
from brokerweb.console.choosing import destination_field
from brokerweb.jobs.control import MAX_RATE, MIN_RATE


class RedriveForm(BrokerForm):
    """Where dead letters are to go, and how fast."""

    to = destination_field(
        "Send to",
        required=False,
        placeholder="the queue each came from",
        help_text="Or any queue you may publish to: type a part of its name.",
    )
    rate = forms.FloatField(
        required=False,
        label="At most so many a second",
        help_text="With a rate it is a job, which can be cancelled.",
        min_value=MIN_RATE,
        max_value=MAX_RATE,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "as fast as it goes", "autocomplete": "off"}),
    )
    FIELD_OF = {"not_found": "to"}

    def clean_to(self) -> str:
        """The queue's name alone, as REST takes it."""
        return str(self.cleaned_data["to"]).strip().removeprefix("queue:")
