"""The section of masks: what of messages is hidden from people who look, by pattern. Those of the setting are no part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from brokerweb.core import masking
from brokerweb.core.errors import Invalid
from brokerweb.core.masking import Rule
from brokerweb.core.settings import Errors, refuse
from brokerweb.definitions.section import Place, Section, Settings, Step
from brokerweb.identity import masks
from brokerweb.identity.audit import Entry
from brokerweb.identity.principal import Principal
from brokerweb.storage.transaction import Transaction


class Masks(Section):
    """A pattern with the fields that are hidden; several rules of one pattern are one here."""

    kind, of, names, most = "masks", "mask", ("pattern",), masking.MAX_RULES

    def declared(self) -> dict[Place, Settings]:
        return {(rule.target,): {"fields": list(rule.fields)} for rule in masks.merged(masks.stored())}

    def name(self, value: object, pointer: str) -> str:
        try:
            return masking.rule(value, ["$"]).target
        except ValueError as error:
            raise Invalid.at(pointer, str(error)) from None

    def validate(self, settings: Settings) -> None:
        errors: Errors = [{"pointer": f"/{name}", "detail": "is no part of a mask"} for name in settings if name != "fields"]
        try:
            self._fields(settings.get("fields"))
        except ValueError as error:
            errors.append({"pointer": "/fields", "detail": str(error)})
        refuse(errors)

    def settled(self, before: Settings | None, given: Settings) -> Settings:
        return {"fields": self._fields(given["fields"])}

    def _fields(self, given: object) -> list[str]:
        """As they are always written. Raises ValueError."""
        if not isinstance(given, list) or not all(isinstance(field, str) for field in given):
            raise ValueError("a list of texts")
        return list(masking.rule("*", given).fields)

    def declare(self, tx: Transaction, by: Principal, steps: Sequence[Step], address: str | None) -> Mapping[Place, str]:
        named = [masking.rule(step.place[0], step.after["fields"]) for step in steps if step.after is not None]
        masks.change(tx, Entry(by, "masks.put", "masks", {}, address), partial(_among, named))
        return {}


def _among(named: Sequence[Rule], there: Sequence[Rule]) -> Sequence[Rule]:
    """Each of them in the place of those that there are of its pattern."""
    return list({rule.target: rule for rule in (*masks.merged(there), *named)}.values())
