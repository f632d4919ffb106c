"""The form of a person: roles on patterns, as many as wanted. Rows without a pattern are none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from brokerweb.console.broker_form import PLAIN, ChangeForm, as_seen
from brokerweb.core.errors import BrokerError
from brokerweb.identity import people, roles
from brokerweb.identity.grants import MAX_GRANTS, VERBS, Permit

SAID = {
    roles.VIEWER: "Viewer: looks",
    roles.OPERATOR: "Operator: looks, publishes, manages",
    roles.ADMINISTRATOR: "Admin: everything",
}
_AT = re.compile(r"/grants/(\d+)")


@dataclass(slots=True)
class RoleRow:
    """One line of the editor. ``role`` is a role's name, or verbs with commas where they make none."""

    pattern: str = ""
    role: str = roles.VIEWER
    error: str = ""

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The roles, and what the row has otherwise."""
        return [*SAID.items(), *([] if self.role in SAID else [(self.role, self.role.replace(",", ", "))])]

    def request(self) -> dict[str, Any]:
        """The grant as REST would have it."""
        if self.role in roles.ROLES:
            return {"role": self.role, "pattern": self.pattern}
        return {"pattern": self.pattern, "verbs": self.role.split(",")}


class PersonForm(ChangeForm):
    """What a person may, and whether they may sign in."""

    active = forms.BooleanField(required=False, label="May sign in", initial=True)

    def __init__(self, data: QueryDict | None = None, *, permits: Sequence[Permit] = (), active: bool = True) -> None:
        rows = [RoleRow(permit.target, roles.role_of(permit) or ",".join(permit.as_json()["verbs"])) for permit in permits]
        seen = {"active": active, "grants": ", ".join(f"{row.role.replace(',', '+')} on {row.pattern}" for row in rows) or None}
        super().__init__(data, initial={**seen, "seen": as_seen(seen)})
        self.rows = _rows(data) if data is not None else rows or [RoleRow("*")]
        if data is not None and data.get("more"):
            self.rows.append(RoleRow())

    @classmethod
    def of(cls, user: Any, data: QueryDict | None = None) -> PersonForm:
        """The form of somebody who is there."""
        return cls(data, permits=people.permits_of(user), active=user.is_active)

    def check_person(self, now: Any) -> None:
        """Raises Conflict where the user was changed meanwhile."""
        self.check_seen(PersonForm.of(now))

    def request(self) -> dict[str, Any]:
        """The change as REST would have it."""
        return {"grants": self.grants(), "active": self.cleaned_data["active"]}

    def grants(self) -> list[dict[str, Any]]:
        """What the rows say."""
        return [row.request() for row in self.rows if row.pattern]

    def refuse(self, error: BrokerError) -> None:
        """As for every form; what is about a grant stands in its row."""
        super().refuse(error)
        given = [row for row in self.rows if row.pattern]
        for fault in error.extra.get("errors", []):
            found = _AT.match(fault["pointer"])
            if found and int(found[1]) < len(given):
                given[int(found[1])].error = str(fault["detail"])


class NewPersonForm(PersonForm):
    """Somebody new."""

    name = forms.CharField(
        max_length=150, help_text="What they sign in with.", widget=forms.TextInput(attrs={"autofocus": True, **PLAIN})
    )
    field_order = ("name",)

    def request(self) -> dict[str, Any]:
        """The request as REST would have it."""
        return {"name": self.cleaned_data["name"], "grants": self.grants()}


def _rows(data: QueryDict) -> list[RoleRow]:
    rows = []
    for n in range(MAX_GRANTS):
        if f"pattern-{n}" not in data:
            break
        pattern, role = data.get(f"pattern-{n}", "").strip()[:210], data.get(f"role-{n}", "")
        known = role in roles.ROLES or (role != "" and set(role.split(",")) <= set(VERBS))
        if pattern or n == 0:
            rows.append(RoleRow(pattern, role if known else roles.VIEWER))
    return rows or [RoleRow()]
