"""The form of a replay: which records, where to, how fast."""

from __future__ import annotations

from typing import Any

import msgspec
from django import forms

from brokerweb.console.broker_form import PLAIN, BrokerForm
from brokerweb.console.choosing import destination_field
from brokerweb.console.lines import headers_of, lines_of
from brokerweb.console.places import PLACES, place_of, time_field
from brokerweb.core.errors import Invalid
from brokerweb.jobs import replay_request
from brokerweb.jobs.replay_request import ReplayRequest

_LINES = {"rows": 2, "class": "mono", **PLAIN}


def _offsets() -> forms.CharField:
    return forms.CharField(
        required=False, label="Offsets", help_text="One a line, partition: offset.", widget=forms.Textarea(attrs=_LINES)
    )


class ReplayForm(BrokerForm):
    """What ``jobs.replay_request.parse`` takes."""

    begin = forms.ChoiceField(label="From", choices=PLACES)
    begin_time = time_field()
    begin_offsets = _offsets()
    until = forms.ChoiceField(label="Until, not included", choices=PLACES)
    until_time = time_field()
    until_offsets = _offsets()
    keys = forms.CharField(required=False, strip=False, help_text="One a line; any of them.", widget=forms.Textarea(attrs=_LINES))
    headers = forms.CharField(
        required=False, help_text="One a line, name: value; all of them.", widget=forms.Textarea(attrs=_LINES)
    )
    body = forms.CharField(
        required=False,
        label="What the JSON body says",
        help_text='One a line, path = value; all of them: customer.country = "DE", items.0.n = 3.',
        widget=forms.Textarea(attrs=_LINES),
    )
    to = destination_field("To", help_text="queue:NAME, stream:NAME or topic:NAME")
    routing_key = forms.CharField(required=False, help_text="For a topic.", widget=forms.TextInput(attrs=PLAIN))
    speed = forms.FloatField(required=False, help_text="2 is twice their own pace. Empty: as fast as it goes.")

    FIELD_OF = {"not_found": "to"}

    def field_at(self, pointer: str) -> str:
        name, _, rest = pointer.strip("/").partition("/")
        if name == "filter":
            return {"key": "keys"}.get(rest.partition("/")[0], rest.partition("/")[0])
        if name in ("from", "until"):
            edge = "begin" if name == "from" else "until"
            return f"{edge}_offsets" if rest else edge
        return name

    def request(self) -> ReplayRequest:
        """The request. Raises Invalid."""
        given = self.cleaned_data
        wanted = {
            "from": self._edge("begin"),
            "until": self._edge("until"),
            "filter": self._filter(),
            "to": given["to"].strip(),
            "speed": given["speed"],
            "routing_key": given["routing_key"] or None,
        }
        return replay_request.parse(wanted)

    def _edge(self, name: str) -> Any:
        given = self.cleaned_data
        places = (f"/{name}_time", f"/{name}_offsets")
        return place_of(given[name], given[f"{name}_time"], given[f"{name}_offsets"], places)

    def _filter(self) -> dict[str, Any] | None:
        given = self.cleaned_data
        keys = [key for key in lines_of(given["keys"]) if key]
        parts = {"key": keys or None, "headers": headers_of(given["headers"]), "body": _paths(given["body"])}
        return {name: part for name, part in parts.items() if part} or None


def _paths(text: str) -> dict[str, Any]:
    """Values by path from lines ``path = value``: a JSON scalar, or a text without quotes. Raises Invalid."""
    found: dict[str, Any] = {}
    for line in filter(str.strip, lines_of(text)):
        path, equals, value = (part.strip() for part in line.partition("="))
        if not (path and equals):
            raise Invalid.at("/body", "Each line is path = value.")
        try:
            found[path] = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            found[path] = value
    return found
