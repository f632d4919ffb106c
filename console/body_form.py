"""The forms of what is published: a body and what goes with it, for queues, streams and topics."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from typing import Any

import msgspec
from django import forms

from brokerweb.console import instants
from brokerweb.console.broker_form import PLAIN, AmountField, BrokerForm
from brokerweb.console.lines import headers_of
from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.core.quantities import DURATION
from brokerweb.faces.codec import destinations, records
from brokerweb.faces.codec.json import decode
from brokerweb.faces.codec.messages import WireMessage, to_one
from brokerweb.queues.messages import NewMessage
from brokerweb.routing.messages import TopicMessage
from brokerweb.streams.records import NewRecord

_AREA = {"spellcheck": "false", "class": "mono"}
OF_QUEUES = ("priority", "delay", "deliver_at", "ttl")  # what only a queue knows
_PLACE = re.compile(r"^/(?:(?:records|messages)/\d+|message(?=/|$))")


class BodyForm(BrokerForm):
    """What queues, streams and topics all take: a body, and what goes with it."""

    body = forms.CharField(strip=False, required=False, widget=forms.Textarea(attrs={"rows": 9, **_AREA}))
    kind = forms.ChoiceField(label="Body is", choices=[("json", "JSON"), ("text", "Text"), ("base64", "Base64 of bytes")])
    content_type = forms.CharField(required=False, help_text="Empty: by the kind of body.")
    key = forms.CharField(required=False, strip=False)
    headers = forms.CharField(
        required=False, help_text="One a line, name: value; or a JSON object.", widget=forms.Textarea(attrs={"rows": 3, **_AREA})
    )
    reply_to = forms.CharField(required=False, help_text="queue:NAME")
    correlation_id = forms.CharField(required=False)
    dedup_id = forms.CharField(required=False, help_text="A second one with this id is not stored.")
    FIELD_OF = {"too_large": "body"}
    OPTIONS: tuple[str, ...] = ("content_type", "key", "reply_to", "correlation_id", "dedup_id")
    line_end = "\n"  # of the body; browsers send CR LF for each, whatever it was

    @property
    def has_more(self) -> bool:
        """Whether something stands in the part that is folded away."""
        return any(self[name].value() for name in ("headers", "reply_to", "correlation_id", "dedup_id"))

    def field_at(self, pointer: str) -> str:
        name = _PLACE.sub("", pointer).strip("/").partition("/")[0]
        return "body" if name == "body_base64" else name

    def message(self) -> Any:
        """The message as the verbs of its kind of destination take it. Raises Invalid."""
        raise NotImplementedError

    def as_json(self, without: Collection[str] = ()) -> bytes:
        """The message as REST would have it, with nothing in the fields named ``without``. Raises Invalid."""
        given = self.cleaned_data
        parts = {name: given[name] for name in self.OPTIONS if name not in without and given[name] not in (None, "")}
        if "headers" not in without:
            parts["headers"] = _headers(given["headers"])
        if "deliver_at" in parts:
            parts["deliver_at"] = clock.rfc3339(instants.parse(parts["deliver_at"], "/deliver_at"))
        body = given["body"].replace("\r\n", "\n").replace("\n", self.line_end)
        if "body" in without:
            parts["body"] = None
        elif given["kind"] == "json":
            parts["body"] = msgspec.Raw(_json(body))
        else:
            parts["body_base64"] = _bytes(body, given["kind"])
            parts.setdefault("content_type", "text/plain; charset=utf-8" if given["kind"] == "text" else None)
        return msgspec.json.encode(parts)


class QueueFields(forms.Form):
    """What is for queues, on the way through a topic too."""

    priority = forms.IntegerField(required=False, help_text="0 to 9, the highest first. Empty: 4.")
    delay = AmountField(DURATION, help_text="Such as 30 s, or 2 h.")
    deliver_at = forms.CharField(
        required=False,
        label="Deliver at",
        help_text="Instead of a delay: 2026-11-24 09:30:00, by your zone.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    ttl = AmountField(DURATION, label="Time to live", help_text="Such as 7 d. Empty: the queue's.")


class MessageForm(QueueFields, BodyForm):
    """A message to publish."""

    OPTIONS = (*BodyForm.OPTIONS, *OF_QUEUES)

    def message(self) -> NewMessage:
        """The message as the verbs take it. Raises Invalid."""
        return to_one(decode(WireMessage, self.as_json()))


class RecordForm(BodyForm):
    """A record to append."""

    partition = forms.IntegerField(required=False, min_value=0, help_text="Empty: by the key, or in turn.")
    OPTIONS = (*BodyForm.OPTIONS, "partition")

    def message(self) -> NewRecord:
        """The record as the verbs take it. Raises Invalid."""
        [record] = records.to_new([decode(records.WireRecord, self.as_json())])
        return record


class TopicMessageForm(QueueFields, BodyForm):
    """A message to publish to a topic."""

    routing_key = forms.CharField(required=False, widget=forms.TextInput(attrs=PLAIN))
    OPTIONS = (*BodyForm.OPTIONS, *OF_QUEUES, "routing_key")

    def message(self) -> TopicMessage:
        """The message as the verbs take it. Raises Invalid."""
        [message] = destinations.for_topic([decode(destinations.AnyMessage, self.as_json())])
        return message


def _headers(text: str) -> dict[str, str] | None:
    try:
        return headers_of(text)
    except Invalid as error:
        raise Invalid.at("/headers", error.extra["errors"][0]["detail"]) from None


def _json(body: str) -> bytes:
    """The body, known to be JSON: it stands inside another document from here on."""
    try:
        decode(object, body.encode())
    except Invalid as error:
        raise Invalid.at("/body", f"Not JSON: {error.extra['errors'][0]['detail']}") from None
    return body.encode()


def _bytes(body: str, kind: str) -> bytes:
    if kind == "text":
        return body.encode()
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except ValueError:
        raise Invalid.at("/body", "Not Base64.") from None
