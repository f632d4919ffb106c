"""The forms of messages: a new one or an edited copy, and when one is due."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import msgspec
from django import forms
from django.http import QueryDict

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
    """A message to publish."""

    OPTIONS = (*BodyForm.OPTIONS, "priority", "delay", "ttl")

    def message(self) -> NewMessage:
        """The message as the verbs take it. Raises Invalid."""
        return to_one(decode(WireMessage, self.as_json()))


class CopyForm(MessageForm):
    """An edited copy of a message.

    A browser changes what it is only shown: it has line ends of its own, or none, and knows no difference between empty and
    absent. So what comes back as a browser sends what it was shown counts as untouched, and stays as it is stored.
    """

    COPIED = ("content_type", "key", "priority", "reply_to", "correlation_id")

    def __init__(self, original: Message, data: QueryDict | None = None) -> None:
        self.original = original
        body, kind, self.line_end = _editable(bytes(original.body), original.binary)
        headers: dict[str, str] = json.loads(original.headers or "{}")
        copied = {name: getattr(original, name) for name in self.COPIED}
        shown = {"body": body, "kind": kind, "ttl": plain(original.ttl), "headers": of_headers(headers), **copied}
        super().__init__(data, initial=shown)
        self._say_what_is_not_seen()

    def message(self) -> NewMessage:
        kept = self._kept()
        return msgspec.structs.replace(to_one(decode(WireMessage, self.as_json(without=kept))), **kept)

    def _kept(self) -> dict[str, Any]:
        """The fields that were not touched, as they are stored. An empty content type is the one of the kind of body."""
        names = [*self.COPIED, "ttl", "headers"]
        kept = {name: getattr(self.original, name) for name in names if self.is_untouched(name)}
        if not self.is_untouched("kind"):
            return {name: value for name, value in kept.items() if name != "content_type" or value}
        if self.is_untouched("body"):
            kept |= {"body": bytes(self.original.body), "binary": self.original.binary}
        return kept

    def _say_what_is_not_seen(self) -> None:
        if self.line_end == "\r\n":
            self.fields["body"].help_text = "Its lines end in CR LF, those of the copy too."
        for name in ("key", "correlation_id"):
            if _line_ends(getattr(self.original, name) or ""):
                self.fields[name].help_text = "It has line ends, which this field does not show: they stay unless it is changed."


def _editable(body: bytes, binary: bool) -> tuple[str, str, str]:
    """A body for a text field, its kind, and what ends its lines.

    Such a field keeps no NUL, and no line end but one: bytes that have the one, or several of the other, are edited as Base64.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    ends = _line_ends(text)
    if binary and ("\0" in text or len(ends) > 1):
        return base64.b64encode(body).decode(), "base64", "\n"
    return text, "text" if binary else "json", ends.pop() if len(ends) == 1 else "\n"


def _line_ends(text: str) -> set[str]:
    return set(re.findall("\r\n|\r|\n", text))


class RescheduleForm(BrokerForm):
    """When a message is to be due."""

    delay = forms.FloatField(
        label="Hand out in (seconds)",
        min_value=0,
        max_value=limits.MAX_DELAY,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "0 means now", "autocomplete": "off"}),
    )
