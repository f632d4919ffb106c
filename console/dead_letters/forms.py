"""The form of a redrive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from brokerweb.console.broker_form import BrokerForm
from brokerweb.jobs.control import MAX_RATE, MIN_RATE


class RedriveForm(BrokerForm):
    """Where dead letters are to go, and how fast."""

    to = forms.CharField(required=False, label="Send to", widget=forms.Select)
    rate = forms.FloatField(
        required=False,
        label="At most so many a second",
        help_text="With a rate it is a job, which can be cancelled.",
        min_value=MIN_RATE,
        max_value=MAX_RATE,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "as fast as it goes", "autocomplete": "off"}),
    )
    FIELD_OF = {"not_found": "to"}

    def __init__(self, targets: Sequence[str], *args: Any) -> None:
        super().__init__(*args)
        choices = [("", "the queue each came from"), *((name, name) for name in targets)]
        self.fields["to"].widget = forms.Select(choices=choices)
