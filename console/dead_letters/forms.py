"""The form of a redrive."""

from __future__ import annotations

from brokerweb.console.broker_form import BrokerForm, rate_field
from brokerweb.console.choosing import destination_field


class RedriveForm(BrokerForm):
    """Where dead letters are to go, and how fast."""

    to = destination_field(
        "Send to",
        required=False,
        placeholder="the queue each came from",
        help_text="Or any queue you may publish to: type a part of its name.",
    )
    rate = rate_field(help_text="Such as 5/s or 90/min. With a rate it is a job, which can be cancelled.")
    FIELD_OF = {"not_found": "to"}

    def clean_to(self) -> str:
        """The queue's name alone, as REST takes it."""
        return str(self.cleaned_data["to"]).strip().removeprefix("queue:")
