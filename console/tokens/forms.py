"""The form of a new token: a name, an end, and as many grants as wanted. Rows left empty are no grants."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.http import QueryDict

from brokerweb.console.broker_form import BrokerForm, duration
from brokerweb.core import clock
from brokerweb.core.errors import BrokerError
from brokerweb.core.settings import seconds
from brokerweb.identity.grants import MAX_GRANTS, VERBS

_DAY = 86_400
LASTS = seconds("expires", 60, 3_660 * _DAY, default=None)
_AT = re.compile(r"/grants/(\d+)")


@dataclass(slots=True)
class GrantRow:
    """One line of the editor."""

    pattern: str = ""
    verbs: list[str] = field(default_factory=list)
    error: str = ""


class TokenForm(BrokerForm):
    """What ``identity.tokens.create`` needs."""

    name = forms.CharField(
        max_length=200, help_text="Who will use it.", widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"})
    )
    expires = duration(LASTS, checked=True, label="Expires in", help_text="Such as 1 d, 90 d or 8 h. Empty: never.")
    verbs = VERBS

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.grants = _rows(data) if data is not None else [GrantRow("", ["publish", "consume"])]
        if data is not None and data.get("more"):
            self.grants.append(GrantRow())

    def request(self) -> dict[str, Any]:
        """The request as REST would have it."""
        lasts = self.cleaned_data["expires"]
        expires_at = clock.rfc3339(clock.wall() + clock.seconds(lasts)) if lasts else None
        grants = [{"pattern": row.pattern, "verbs": row.verbs} for row in self.grants]
        return {"name": self.cleaned_data["name"], "grants": grants, "expires_at": expires_at}

    def refuse(self, error: BrokerError) -> None:
        """As for every form; what is about a grant stands in its row."""
        super().refuse(error)
        for fault in error.extra.get("errors", [{"pointer": error.detail, "detail": error.detail}]):
            found = _AT.match(fault["pointer"])
            if found and int(found[1]) < len(self.grants):
                self.grants[int(found[1])].error = str(fault["detail"])


def _rows(data: QueryDict) -> list[GrantRow]:
    rows = []
    for n in range(MAX_GRANTS):
        if f"pattern-{n}" not in data:
            break
        row = GrantRow(data.get(f"pattern-{n}", "").strip()[:210], [v for v in data.getlist(f"verbs-{n}") if v in VERBS])
        if row.pattern or (row.verbs and n == 0):
            rows.append(row)
    return rows or [GrantRow()]
