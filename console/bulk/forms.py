"""The form of a plan: what an action takes besides the messages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict

from brokerweb.console.broker_form import PLAIN, BrokerForm, delay_field, rate_field
from brokerweb.core import clock

TAKES = {"redrive": ("to", "rate"), "move": ("to", "rate"), "purge": ("rate", "typed"), "reschedule": ("delay", "rate")}


class PlanForm(BrokerForm):
    """Where to, when, how fast; for what cannot be taken back the number of messages, typed."""

    to = forms.CharField(
        required=False,
        label="Send to",
        help_text="Any queue you may publish to.",
        widget=forms.TextInput(attrs={**PLAIN, "list": "targets"}),
    )
    delay = delay_field()
    rate = rate_field(help_text="Such as 5/s or 90/min.")
    typed = forms.CharField(label="How many are discarded", widget=forms.TextInput(attrs={"inputmode": "numeric", **PLAIN}))
    FIELD_OF = {"not_found": "to", "forbidden": "to"}

    def __init__(self, action: str, matched: int, data: QueryDict | None, *, to: str = "") -> None:
        super().__init__(data, initial={"to": to})
        self.matched = matched
        for name in [name for name in self.fields if name not in TAKES[action]]:
            del self.fields[name]
        if action == "redrive":
            self.fields["to"].widget.attrs["placeholder"] = "where each died"
        if action == "move":
            self.fields["to"].required = True
        if "typed" in self.fields:
            self.fields["typed"].help_text = f"They are gone for good. Type {matched} to confirm."

    def clean_to(self) -> str:
        """The queue's name alone."""
        return str(self.cleaned_data["to"]).strip().removeprefix("queue:")

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).replace(",", "").strip()
        if typed != str(self.matched):
            raise forms.ValidationError(f"That is not how many there are: {self.matched}.")
        return typed

    def request(self) -> dict[str, Any]:
        """What was filled in, as a request has it."""
        given = self.cleaned_data
        found = {"to": given.get("to") or None, "rate": given.get("rate")}
        if "delay" in given:
            found["due_at"] = clock.rfc3339(clock.wall() + clock.seconds(given["delay"]))
        return {name: value for name, value in found.items() if value is not None}
