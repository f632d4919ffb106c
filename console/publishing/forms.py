"""The forms of the page: what is published and how often, and a token for a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from brokerweb.console.body_form import BodyForm, MessageForm, RecordForm, TopicMessageForm
from brokerweb.console.broker_form import BrokerForm
from brokerweb.console.broker_form import count as count_field
from brokerweb.core import clock
from brokerweb.core.settings import integer

MAX_TIMES = 1_000
TIMES = integer("times", 1, MAX_TIMES, default=1)
START = {"kind": "json", "body": "{}", "times": 1}
_LINE_ENDS = {"": "\n", "crlf": "\r\n", "cr": "\r"}
_DAY = 86_400
LASTS = [(str(_DAY), "In a day"), (str(30 * _DAY), "In 30 days"), (str(365 * _DAY), "In a year"), ("", "Never")]


def line_ends_of(line_end: str) -> str:
    """As the form calls what ends the lines of a body."""
    return next(name for name, ends in _LINE_ENDS.items() if ends == line_end)


class SendFields(BodyForm):
    """How often it is published, and what a browser does not keep of a body."""

    times = count_field(TIMES, checked=True, help_text=f"The same again, up to {MAX_TIMES:,}.")
    line_ends = forms.ChoiceField(required=False, choices=[(name, name) for name in _LINE_ENDS], widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        self.line_end = _LINE_ENDS[given.get("line_ends") or ""]
        if (given.get("times") or 1) > 1 and given.get("dedup_id"):
            self.add_error("times", "With a dedup id all but the first would be duplicates.")
        return given

    @property
    def count(self) -> int:
        return self.cleaned_data.get("times") or 1

    def typed(self) -> dict[str, str]:
        """What stands in the fields, for a template."""
        return {name: str(self.data[name]) for name in self.fields if self.data.get(name)}


class SendMessage(SendFields, MessageForm):
    """A message for a queue."""


class SendRecord(SendFields, RecordForm):
    """A record for a stream."""


class SendToTopic(SendFields, TopicMessageForm):
    """A message for a topic."""


class ProgramForm(BrokerForm):
    """A token for a program that publishes here, or consumes: what it may is chosen, and not typed."""

    prefix = "token"
    name = forms.CharField(max_length=200, label="Who will use it", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    use = forms.ChoiceField(label="What for")
    expires = forms.ChoiceField(required=False, label="Expires", choices=LASTS)

    def __init__(self, uses: Sequence[tuple[str, str]], data: Mapping[str, Any] | None = None, **initial: Any) -> None:
        super().__init__(data, initial=initial)
        use: Any = self.fields["use"]
        use.choices = list(uses)

    def request(self, target: str, verbs: Sequence[str]) -> dict[str, Any]:
        """The token as REST would have it."""
        lasts = self.cleaned_data["expires"]
        expires_at = clock.rfc3339(clock.wall() + clock.seconds(float(lasts))) if lasts else None
        return {
            "name": self.cleaned_data["name"],
            "grants": [{"pattern": target, "verbs": list(verbs)}],
            "expires_at": expires_at,
        }
