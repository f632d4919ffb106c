"""The forms of messages: a new one or an edited copy, and when one is due."""

from __future__ import annotations

import base64
import json

from django import forms

from brokerweb.console.body_form import BodyForm, QueueFields
from brokerweb.console.broker_form import BrokerForm
from brokerweb.console.lines import of_headers
from brokerweb.core.settings import plain
from brokerweb.faces.codec.json import decode
from brokerweb.faces.codec.messages import WireMessage, to_one
from brokerweb.queues import limits
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message


class MessageForm(QueueFields, BodyForm):
    """A message to publish, or an edited copy of one."""

    OPTIONS = (*BodyForm.OPTIONS, "priority", "delay", "ttl")

    @classmethod
    def of(cls, message: Message) -> MessageForm:
        """The form of a copy of ``message``."""
        body, kind = _editable(bytes(message.body), message.binary)
        headers: dict[str, str] = json.loads(message.headers or "{}")
        kept = {name: getattr(message, name) for name in ("content_type", "key", "priority", "reply_to", "correlation_id")}
        return cls(initial={"body": body, "kind": kind, "ttl": plain(message.ttl), "headers": of_headers(headers), **kept})

    def message(self) -> NewMessage:
        """The message as the verbs take it. Raises Invalid."""
        return to_one(decode(WireMessage, self.as_json()))


def _editable(body: bytes, binary: bool) -> tuple[str, str]:
    """A body for a text field, which keeps neither carriage returns nor NUL: what has them is edited as Base64."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if binary and ("\0" in text or "\r" in text):
        return base64.b64encode(body).decode(), "base64"
    return text, "text" if binary else "json"


class RescheduleForm(BrokerForm):
    """When a message is to be due."""

    delay = forms.FloatField(
        label="Hand out in (seconds)",
        min_value=0,
        max_value=limits.MAX_DELAY,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "0 means now", "autocomplete": "off"}),
    )
