"""What forms are made of. They turn text into what the verbs take; the verbs decide, and their errors come back to the field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from django import forms

from brokerweb.core.errors import BrokerError, Conflict
from brokerweb.core.settings import plain
from brokerweb.queues.settings import BACKOFF, SETTINGS

PLAIN = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}  # of fields for names and the like


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

    def is_untouched(self, name: str) -> bool:
        """Whether the field came back as a browser sends what it was shown at first, or not at all."""
        bound = self[name]
        if bound.data is None:
            return True
        shown = "" if bound.initial is None else str(bound.initial)
        line_end = "\n" if isinstance(bound.field.widget, forms.Textarea) else ""  # fields of one line drop them
        return _with(line_end, str(bound.data)) == _with(line_end, shown)


def _with(line_end: str, text: str) -> str:
    return re.sub("\r\n|\r|\n", line_end, text)


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
        detail = "The settings were changed meanwhile, as their fields say. Save again to overwrite that with what stands here."
        faults = [{"pointer": "", "detail": f"{detail} (conflict)"}]
        before = _settings_in(seen)
        for name, value in now.initial.items():
            if name != "seen" and before.get(name) != value:
                faults.append({"pointer": f"/{name}", "detail": f"Changed meanwhile: {'empty' if value is None else value}."})
        raise Conflict(detail, errors=faults)


def _settings_in(seen: str) -> dict[str, Any]:
    try:
        found = json.loads(seen)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class DeliveryFields(forms.Form):
    """How messages of a queue, or records of a shared group, are leased and tried again."""

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


class LinesField(forms.CharField):
    """A list of texts, a line each."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]


def searched_fields() -> LinesField:
    """The fields of bodies and headers by which what is stored is found at once."""
    return LinesField(
        required=False,
        label="Fields to search by",
        help_text="Up to 8 that an index finds, one a line: $.order.id, header.tenant.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "mono"}),
    )


def name_field() -> forms.CharField:
    """The name of something new."""
    return forms.CharField(
        max_length=200,
        help_text="Letters, digits, '.', '_', '-'. Dots make families: orders.created.",
        widget=forms.TextInput(attrs={"autofocus": True, **PLAIN}),
    )
