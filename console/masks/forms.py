"""The form of all masks: a text of the setting's own grammar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from django import forms

from brokerweb.console.broker_form import ChangeForm
from brokerweb.core import masking
from brokerweb.core.errors import Invalid
from brokerweb.core.masking import Rule

MOST = 40_000  # characters


class MasksForm(ChangeForm):
    """One mask a line."""

    rules = forms.CharField(
        required=False,
        max_length=MOST,
        label="Masks, one a line",
        help_text="PATTERN = FIELD, FIELD: queue:orders.* = $.card.number, header.authorization",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocapitalize": "none", "class": "mono"}),
    )

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Self:
        """The form with the masks that there are."""
        return cls.showing({"rules": "\n".join(map(str, rules))})

    def asked(self) -> tuple[Rule, ...]:
        """The masks it says. Raises Invalid."""
        try:
            return masking.parse(self.cleaned_data["rules"])
        except ValueError as error:
            raise Invalid.at("/rules", f"{error}".capitalize()) from None
