"""The forms of alerts: a rule, a channel, a silence."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from django import forms

from brokerweb.alerts import channels, figures
from brokerweb.alerts.rules import LONGEST, Rule, parse_target
from brokerweb.alerts.silences import ANYTHING
from brokerweb.alerts.silences import LONGEST as LONGEST_SILENCE
from brokerweb.cluster.models import AlertChannel
from brokerweb.console.broker_form import PLAIN, BrokerForm, ChangeForm, as_seen, duration, name_field
from brokerweb.core.errors import NotFound
from brokerweb.core.quantities import MAX_CHARACTERS
from brokerweb.core.settings import seconds

_KINDS = (
    ("Of queues", figures.QUEUE, figures.OF_QUEUES),
    ("Of consumer groups", figures.STREAM, [name for name in figures.OF_GROUPS if name not in figures.OF_QUEUES]),
    ("Of the broker", figures.BROKER, figures.OF_BROKER),
)
_FIGURES = [
    *((title, [(name, figures.words_of(kind, name)[0].capitalize()) for name in names]) for title, kind, names in _KINDS),
    ("What is wrong", [(figures.STUCK, "It stands still"), (figures.VERDICT, "A verdict holds")]),
]
LASTS = seconds("for", 0, LONGEST, default=0.0)
SILENT_FOR = seconds("seconds", 1, LONGEST_SILENCE, default=None)
_VERDICTS = list(dict.fromkeys(code for codes in figures.VERDICTS.values() for code in codes))


class RuleForm(ChangeForm):
    """What a rule says. The limit is one number, over or under which it holds."""

    name = name_field()
    target = forms.CharField(
        max_length=420,
        label="Of what",
        initial="queue:*",
        help_text="queue:orders.*, stream:logs/mailer for a group, stream:* for all groups, broker for the disk.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    figure = forms.ChoiceField(label="Figure", choices=_FIGURES, initial="dead")
    side = forms.ChoiceField(label="Is", choices=[("over", "over"), ("under", "under")], required=False)
    limit = forms.CharField(
        required=False,
        max_length=MAX_CHARACTERS,
        help_text="Messages as 500 or 10,000, ages as 30 s or 2 h, rates as 5/s, the disk as 10 GiB. Empty for what is wrong.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    verdict = forms.ChoiceField(
        required=False, choices=[("", "–"), *((code, code.replace("_", " ")) for code in _VERDICTS)], label="Verdict"
    )
    lasts = duration(LASTS, checked=True, initial=60, label="For", help_text="It must hold for so long: 30 s or 5 min, say.")
    channels = forms.MultipleChoiceField(required=False, label="Tell", widget=forms.CheckboxSelectMultiple)
    enabled = forms.BooleanField(required=False, initial=True, label="On")

    def __init__(self, *args: Any, names: Sequence[str] = (), known: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: Any = self.fields["channels"]
        choices.choices = [(name, name) for name in names]
        if known:  # a rule's name is what it is
            del self.fields["name"]

    @classmethod
    def of(cls, rule: Rule, names: Sequence[str]) -> RuleForm:
        """The form with what it says now."""
        limit = rule.over if rule.over is not None else rule.under
        shown = {
            "target": str(rule.target), "figure": rule.figure, "side": "under" if rule.under is not None else "over",
            "limit": "" if limit is None else figures.limit(limit, figures.UNITS[rule.figure]), "verdict": rule.verdict or "",
            "lasts": rule.lasts, "channels": list(rule.channels), "enabled": rule.enabled,
        }  # fmt: skip
        return cls(initial={**shown, "seen": as_seen(shown)}, names=names, known=True)

    def clean_lasts(self) -> int:
        lasts = self.cleaned_data["lasts"] or 0
        if lasts % 1:
            raise forms.ValidationError("Write whole seconds.")
        return int(lasts)

    def clean(self) -> dict[str, Any]:
        """The limit is read as what the figure counts; a figure without one says so itself."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        text = str(given.get("limit") or "").strip()
        quantity = figures.QUANTITIES[figures.UNITS.get(given.get("figure") or "", "")]
        try:
            given["limit"] = quantity.parse(text) if text else None
        except ValueError as error:
            self.add_error("limit", str(error))
        return given

    def rule(self, name: str | None = None) -> Rule:
        """The rule. Raises Invalid."""
        given = self.cleaned_data
        limits = {given["side"] or "over": given["limit"]} if given["limit"] is not None else {}
        return Rule(
            name or given["name"],
            given["figure"],
            parse_target(given["target"].strip()),
            limits.get("over"),
            limits.get("under"),
            given["verdict"] or None,
            given["lasts"],
            tuple(given["channels"]),
            given["enabled"],
        )

    def check_rule(self, now: Rule | None) -> None:
        """Raises NotFound where it is gone meanwhile, and Conflict where it was changed."""
        if now is None:
            raise NotFound("The rule was deleted meanwhile.")
        self.check_seen(RuleForm.of(now, ()))

    def field_at(self, pointer: str) -> str:
        name = super().field_at(pointer)
        return {"over": "limit", "under": "limit", "for": "lasts"}.get(name, name)


class ChannelForm(BrokerForm):
    """Where alerts are sent."""

    name = name_field()
    kind = forms.ChoiceField(
        choices=[
            (channels.EMAIL, "E-mail"),
            (channels.WEBHOOK, "Webhook, signed as Standard Webhooks has it"),
            (channels.SLACK, "Slack, or what takes its format"),
        ]
    )
    to = forms.CharField(
        label="To",
        max_length=channels.LONGEST,
        help_text="Addresses with commas between them, or a URL, which is shown to nobody afterwards.",
        widget=forms.TextInput(attrs=PLAIN),
    )


class ChannelChange(BrokerForm):
    """Where a channel leads from now on. What may be secret of it is not shown: left empty it stays."""

    to = forms.CharField(
        required=False,
        label="To",
        max_length=channels.LONGEST,
        help_text="Left empty it stays as it is.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    renew = forms.BooleanField(required=False, label="Make another secret; what was signed with the one before is not taken then")

    def __init__(self, channel: AlertChannel, *args: Any) -> None:
        super().__init__(*args)
        if channel.kind == channels.EMAIL:
            self.fields["to"].initial = channel.to
        else:
            self.fields["to"].widget.attrs["placeholder"] = channels.shown(channel)
        if channel.kind != channels.WEBHOOK:
            del self.fields["renew"]


class SilenceForm(BrokerForm):
    """For how long nobody is told of what."""

    target = forms.CharField(
        max_length=420,
        label="Of",
        initial=ANYTHING,
        help_text="As a rule has it, or * for everything.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    rule = forms.CharField(
        required=False,
        max_length=200,
        label="By one rule",
        help_text="Its name. Empty: by any.",
        widget=forms.TextInput(attrs=PLAIN),
    )
    seconds = duration(
        SILENT_FOR, required=True, checked=True, initial=3_600, label="For", help_text="Such as 30 min, 4 h or 7 d; 30 d at most."
    )
    reason = forms.CharField(required=False, max_length=200)
    FIELD_OF = {"not_found": "rule"}

    def clean_seconds(self) -> int:
        """To the next whole second."""
        return ceil(float(self.cleaned_data["seconds"]))
