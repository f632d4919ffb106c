"""The form of a mark."""

from __future__ import annotations

from django import forms

from brokerweb.cluster.marks import LONGEST
from brokerweb.console.broker_form import PLAIN, BrokerForm
from brokerweb.core import clock


class MarkForm(BrokerForm):
    """An instant to be marked on charts."""

    text = forms.CharField(
        label="What happened",
        max_length=LONGEST,
        help_text="Shop 2.4 is out.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    at = forms.DateTimeField(
        required=False,
        label="When",
        help_text="Now, where it is left empty; within the last 30 days.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}),
    )
    target = forms.CharField(
        required=False,
        label="Of what",
        help_text="queue:NAME, stream:NAME or topic:NAME; of all, where it is left empty.",
        widget=forms.TextInput(attrs=PLAIN),
    )

    @property
    def instant(self) -> int | None:
        """The instant, by the wall."""
        at = self.cleaned_data["at"]
        return None if at is None else clock.from_datetime(at)
