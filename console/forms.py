"""The console's forms. They turn text into what the verbs take; the verbs decide, and their errors come back to the field."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import msgspec
from django import forms

from brokerweb.core.errors import BrokerError, Conflict, Invalid
from brokerweb.core.settings import plain
from brokerweb.faces.codec.json import decode
from brokerweb.faces.codec.messages import WireMessage, to_one
from brokerweb.jobs.control import MAX_RATE, MIN_RATE
from brokerweb.queues import limits
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.settings import BACKOFF, SETTINGS

_AREA = {"spellcheck": "false", "class": "mono"}
_PLACE = re.compile(r"^/(?:(?:records|messages)/\d+|message(?=/|$))")


class BrokerForm(forms.Form):
    """A form whose errors may come from a verb: a JSON Pointer finds its field, or for those without one their code."""

    FIELD_OF: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""

    def refuse(self, error: BrokerError) -> None:
        """Show the error at the fields it names, or above the form."""
        if field := self.FIELD_OF.get(error.code):
            faults = [{"pointer": f"/{field}", "detail": error.detail}]
        else:
            faults = [{"pointer": "", "detail": f"{error.detail} ({error.code})"}]
        for fault in error.extra.get("errors") or faults:
            name = self.field_at(str(fault["pointer"]))
            self.add_error(name if name in self.fields else None, str(fault["detail"]))

    def field_at(self, pointer: str) -> str:
        """The field a pointer into the request is about."""
        return pointer.strip("/").replace("/", "_")


class ChangeForm(BrokerForm):
    """Settings to be changed. It sends back what it showed: what was changed meanwhile is not undone without a word."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    @classmethod
    def showing(cls, settings: Mapping[str, Any]) -> Self:
        """The form with the present settings."""
        return cls(initial={**settings, "seen": json.dumps(settings, sort_keys=True, default=str)})

    def check_seen(self, now: ChangeForm) -> None:
        """Raises Conflict when other settings were shown than there are now; sent again, the form overwrites them."""
        seen, present = self.data.get("seen"), now.initial["seen"]
        if not seen or seen == present:
            return
        self.data = {name: self.data[name] for name in self.data} | {"seen": present}
        detail = "The settings were changed meanwhile. Look at them in another tab, or save again to overwrite them."
        raise Conflict(detail, errors=[{"pointer": "", "detail": f"{detail} (conflict)"}])


class DeliveryFields(forms.Form):
    """How messages of a queue, or records of a shared group, are handed out and tried again."""

    lease = forms.FloatField(required=False, label="Lease (s)", help_text="How long a consumer holds one.")
    max_failures = forms.IntegerField(required=False, help_text="This failure makes it dead. Empty: never.")
    backoff_initial = forms.FloatField(required=False, label="First wait (s)")
    backoff_factor = forms.FloatField(required=False, label="Times, for each further one")
    backoff_max = forms.FloatField(required=False, label="At most (s)")
    backoff_jitter = forms.FloatField(required=False, label="Jitter", help_text="A share, 0 to 1.")

    @staticmethod
    def defaults() -> dict[str, Any]:
        """The fields of what does not exist yet."""
        return {s.column: plain(s.default) for s in (SETTINGS["lease"], SETTINGS["max_failures"], *BACKOFF.values())}

    def delivery(self) -> dict[str, Any]:
        """The settings as verbs take them."""
        given = self.cleaned_data
        backoff = {name: given[setting.column] for name, setting in BACKOFF.items()}
        return {"lease": given["lease"], "max_failures": given["max_failures"], "backoff": backoff}


class SettingsForm(DeliveryFields, ChangeForm):
    """A queue's settings; an empty field means the default, which for most limits is none."""

    keyed = forms.BooleanField(required=False, label="Keyed", help_text="One at a time, in order, within a key.")
    ttl = forms.FloatField(required=False, label="Time to live (s)", help_text="Empty: unlimited.")
    on_expire = forms.ChoiceField(required=False, label="When it expires", choices=[("drop", "Drop it"), ("dead", "Dead letter")])
    max_length = forms.IntegerField(required=False, label="Most messages", help_text="Empty: unlimited.")
    overflow = forms.ChoiceField(
        required=False, label="When full", choices=[("refuse", "Refuse new ones"), ("dead_letter_oldest", "The oldest is dead")]
    )
    max_body_bytes = forms.IntegerField(required=False, label="Largest body (bytes)")
    dedup_window = forms.FloatField(required=False, label="Dedup window (s)")
    expires = forms.FloatField(required=False, label="Remove when unused for (s)", help_text="Empty: never.")

    @classmethod
    def of(cls, queue: Queue) -> SettingsForm:
        """The form with the queue's present settings."""
        columns = {s.column for s in (*SETTINGS.values(), *BACKOFF.values())}
        return cls.showing({name: plain(getattr(queue, name)) for name in cls.base_fields if name in columns})

    @classmethod
    def blank(cls) -> SettingsForm:
        """The form of a queue that does not exist yet: the defaults."""
        defaults = {s.column: plain(s.default) for s in (*SETTINGS.values(), *BACKOFF.values())}
        return cls(initial=defaults)

    def settings(self) -> dict[str, Any]:
        """What ``control.declare`` takes."""
        given = {name: self.cleaned_data[name] for name in SETTINGS if name in self.cleaned_data}
        return {name: None if value == "" else value for name, value in given.items()} | self.delivery()


PLAIN = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}  # of fields for names and the like


def name_field() -> forms.CharField:
    """The name of something new."""
    return forms.CharField(
        max_length=200,
        help_text="Letters, digits, '.', '_', '-'. Dots make families: orders.created.",
        widget=forms.TextInput(attrs={"autofocus": True, **PLAIN}),
    )


class NewQueueForm(SettingsForm):
    """A queue to be made."""

    name = name_field()


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

    @property
    def has_more(self) -> bool:
        """Whether something stands in the part that is folded away."""
        return any(self[name].value() for name in ("headers", "reply_to", "correlation_id", "dedup_id"))

    def field_at(self, pointer: str) -> str:
        name = _PLACE.sub("", pointer).strip("/").partition("/")[0]
        return "body" if name == "body_base64" else name

    def as_json(self) -> bytes:
        """The message as REST would have it. Raises Invalid."""
        given = self.cleaned_data
        parts = {name: given[name] for name in self.OPTIONS if given[name] not in (None, "")}
        try:
            parts["headers"] = headers_of(given["headers"])
        except Invalid as error:
            raise Invalid.at("/headers", error.extra["errors"][0]["detail"]) from None
        body = given["body"].replace("\r\n", "\n")
        if given["kind"] == "json":
            parts["body"] = msgspec.Raw(_json(body))
        else:
            parts["body_base64"] = _bytes(body, given["kind"])
            parts.setdefault("content_type", "text/plain; charset=utf-8" if given["kind"] == "text" else None)
        return msgspec.json.encode(parts)


class QueueFields(forms.Form):
    """What is for queues, on the way through a topic too."""

    priority = forms.IntegerField(required=False, help_text="0 to 9, the highest first. Empty: 4.")
    delay = forms.FloatField(required=False, label="Delay (s)")
    ttl = forms.FloatField(required=False, label="Time to live (s)", help_text="Empty: the queue's.")


class MessageForm(QueueFields, BodyForm):
    """A message to publish, or an edited copy of one."""

    OPTIONS = (*BodyForm.OPTIONS, "priority", "delay", "ttl")

    @classmethod
    def of(cls, message: Message) -> MessageForm:
        """The form of a copy of ``message``."""
        body, kind = _editable(bytes(message.body), message.binary)
        headers: Mapping[str, str] = json.loads(message.headers or "{}")
        kept = {name: getattr(message, name) for name in ("content_type", "key", "priority", "reply_to", "correlation_id")}
        return cls(initial={"body": body, "kind": kind, "ttl": plain(message.ttl), "headers": _lines(headers), **kept})

    def message(self) -> NewMessage:
        """The message as the verbs take it. Raises Invalid."""
        return to_one(decode(WireMessage, self.as_json()))


class RescheduleForm(BrokerForm):
    """When a message is to be handed out."""

    delay = forms.FloatField(
        label="Hand out in (seconds)",
        min_value=0,
        max_value=limits.MAX_DELAY,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "placeholder": "0 means now", "autocomplete": "off"}),
    )


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


def _editable(body: bytes, binary: bool) -> tuple[str, str]:
    """A body for a text field, which keeps neither carriage returns nor NUL: what has them is edited as Base64."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\0"
    if binary and ("\0" in text or "\r" in text):
        return base64.b64encode(body).decode(), "base64"
    return text, "text" if binary else "json"


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


def _lines(headers: Mapping[str, str]) -> str:
    """Headers a line each where that loses nothing, else as JSON."""
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    return lines if headers_of(lines, strict=False) == (headers or None) else json.dumps(headers, ensure_ascii=False)


def headers_of(text: str, *, strict: bool = True) -> dict[str, str] | None:
    """Headers from lines ``name: value``, or from a JSON object; None without any. Raises Invalid."""
    if text.lstrip().startswith("{"):
        return decode(dict[str, str], text.encode()) if strict else {}
    headers = {}
    for line in filter(str.strip, text.splitlines()):
        name, colon, value = line.partition(":")
        if strict and not (colon and name.strip()):
            raise Invalid.at("/headers", "Each line is name: value.")
        headers[name.strip()] = value.strip()
    return headers or None
