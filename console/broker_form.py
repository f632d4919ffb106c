"""What forms are made of. They turn text into what the verbs take; the verbs decide, and their errors come back to the field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from django import forms

from brokerweb.core.errors import BrokerError, Conflict
from brokerweb.core.quantities import COUNT, DURATION, MAX_CHARACTERS, RATE, SIZE, Quantity
from brokerweb.core.settings import UNBOUNDED, Setting, number, plain, seconds
from brokerweb.jobs.control import MAX_RATE, MIN_RATE
from brokerweb.queues import limits
from brokerweb.queues.settings import BACKOFF, SETTINGS

PLAIN = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}  # of fields for names and the like


class AmountField(forms.Field):
    """A duration, a size, a count or a rate as people write it; None where it is left empty. What is typed stays as it was typed.

    Whether the setting may be that is said by the verb, in this field's words; or, ``checked``, by the field itself.
    """

    def __init__(
        self, quantity: Quantity, setting: Setting | None = None, *, required: bool = False, checked: bool = False, **options: Any
    ) -> None:
        attrs: dict[str, Any] = {**PLAIN, "maxlength": MAX_CHARACTERS}
        if setting is not None and setting.default is not None and quantity is not COUNT:  # of counts empty may mean "none"
            attrs["placeholder"] = quantity.text(setting.default)
        super().__init__(required=required, widget=forms.TextInput(attrs=attrs), **options)
        self.quantity, self.setting, self.checked = quantity, setting, checked

    def prepare_value(self, value: Any) -> Any:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return self.quantity.text(value) if is_number else value

    def to_python(self, value: Any) -> float | None:
        if not (text := str(value or "").strip()):
            return None
        try:
            found = self.quantity.parse(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None
        if self.checked and (fault := self.fault(found)):
            raise forms.ValidationError(fault)
        return found

    def fault(self, found: float | None) -> str:
        """What is accepted instead, in words; empty where the setting may be that."""
        rule = self.setting
        if rule is None or found is None or rule.low <= found <= rule.high:
            return ""
        low = self.quantity.text(rule.low)
        return f"Write {low} or more." if rule.high == UNBOUNDED else f"Write {low} to {self.quantity.text(rule.high)}."


def duration(setting: Setting, **options: Any) -> AmountField:
    """The field of a setting in seconds."""
    return AmountField(DURATION, setting, **options)


def size(setting: Setting, **options: Any) -> AmountField:
    """The field of a setting in bytes."""
    return AmountField(SIZE, setting, **options)


def count(setting: Setting, **options: Any) -> AmountField:
    """The field of a setting that is a whole number."""
    return AmountField(COUNT, setting, **options)


def rate_field(**options: Any) -> AmountField:
    """How fast a job goes on, in things a second."""
    within = number("rate", MIN_RATE, MAX_RATE, default=None)
    field = AmountField(RATE, within, checked=True, label="At most", **options)
    field.widget.attrs["placeholder"] = "as fast as it goes"
    return field


def delay_field() -> AmountField:
    """In how long something that waits is to be handed out."""
    within = seconds("delay", 0, limits.MAX_DELAY, default=None)
    return AmountField(
        DURATION, within, required=True, checked=True, label="Hand out in", help_text="Such as 30 s or 2 h; 0 means now."
    )


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
            shown, said = self.fields.get(name), str(fault["detail"])
            if isinstance(shown, AmountField):
                said = shown.fault(self.cleaned_data.get(name)) or said
            self.add_error(None if shown is None else name, said)

    def field_at(self, pointer: str) -> str:
        """The field a pointer into the request is about."""
        return pointer.strip("/").replace("/", "_")

    def is_untouched(self, name: str) -> bool:
        """Whether the field came back as a browser sends what it was shown at first, or not at all."""
        bound = self[name]
        if bound.data is None:
            return True
        shown = "" if bound.initial is None else str(bound.field.prepare_value(bound.initial))
        line_end = "\n" if isinstance(bound.field.widget, forms.Textarea) else ""  # fields of one line drop them
        return with_line_ends(line_end, str(bound.data)) == with_line_ends(line_end, shown)


def with_line_ends(line_end: str, text: str) -> str:
    """A text whose lines end so; browsers send CR LF for each, whatever it was."""
    return re.sub("\r\n|\r|\n", line_end, text)


class ChangeForm(BrokerForm):
    """Settings to be changed. It sends back what it showed: what was changed meanwhile is not undone without a word."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sent = self.data.get("seen")  # kept, since a verb may run once more, and be checked again

    @classmethod
    def showing(cls, settings: Mapping[str, Any]) -> Self:
        """The form with the present settings."""
        return cls(initial={**settings, "seen": as_seen(settings)})

    def check_seen(self, now: ChangeForm) -> None:
        """Raises Conflict when other settings were shown than there are now; sent again, the form overwrites them."""
        seen, present = self._sent, now.initial["seen"]
        if not seen or seen == present:
            return
        self.data = {name: self.data[name] for name in self.data} | {"seen": present}
        detail = "The settings were changed meanwhile. Save again to overwrite that with what stands here."
        faults = [{"pointer": "", "detail": f"{detail} (conflict)"}]
        before, told = _settings_in(seen), _settings_in(present)
        for name, value in now.initial.items():
            if name in told and before.get(name) != value:
                field = self.fields.get(name)
                said = "empty" if value is None else value if field is None else field.prepare_value(value)
                faults.append({"pointer": f"/{name}", "detail": f"Changed meanwhile: {said}."})
        raise Conflict(detail, errors=faults)


def as_seen(settings: Mapping[str, Any]) -> str:
    """Settings as a form sends them back."""
    return json.dumps(settings, sort_keys=True, default=str)


def _settings_in(seen: str) -> dict[str, Any]:
    try:
        found = json.loads(seen)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class DeliveryFields(forms.Form):
    """How messages of a queue, or records of a shared group, are leased and tried again."""

    lease = duration(SETTINGS["lease"], help_text="How long a consumer holds one.")
    max_failures = count(SETTINGS["max_failures"], help_text="This failure makes it dead. Empty: never.")
    backoff_initial = duration(BACKOFF["initial"], label="First wait")
    backoff_factor = forms.FloatField(required=False, label="Times, for each further one")
    backoff_max = duration(BACKOFF["max"], label="At most")
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
