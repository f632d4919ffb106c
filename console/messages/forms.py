"""The forms of messages: an edited copy, and when one is due."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from django.http import QueryDict

from brokerweb.console.body_form import MessageForm
from brokerweb.console.broker_form import BrokerForm, delay_field
from brokerweb.console.editable import Editable, line_ends
from brokerweb.console.lines import of_headers
from brokerweb.core.settings import plain
from brokerweb.faces.codec.json import decode
from brokerweb.faces.codec.messages import WireMessage, to_one
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message


class CopyForm(MessageForm):
    """An edited copy of a message.

    A browser changes what it is only shown: it has line ends of its own, or none, and knows no difference between empty and
    absent. So what comes back as a browser sends what it was shown counts as untouched, and stays as it is stored.
    """

    COPIED = ("content_type", "key", "priority", "reply_to", "correlation_id")

    def __init__(self, original: Message, data: QueryDict | None = None) -> None:
        self.original = original
        body, kind, self.line_end = Editable.of(bytes(original.body), original.binary)
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
            if line_ends(getattr(self.original, name) or ""):
                self.fields[name].help_text = "It has line ends, which this field does not show: they stay unless it is changed."


class RescheduleForm(BrokerForm):
    """When a message is to be due."""

    delay = delay_field()
