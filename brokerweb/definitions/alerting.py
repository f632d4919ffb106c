"""The sections of alerts: channels without their secrets, and rules. Silences pass, and are no part of the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brokerweb.alerts import channels, rules
from brokerweb.core.errors import BrokerError
from brokerweb.core.settings import Errors, check, refuse
from brokerweb.definitions.section import Faults, Place, Section, Settings, Step, Tabled, There, faults_of
from brokerweb.identity.principal import Principal
from brokerweb.storage.transaction import Transaction

CUT = "…"  # stands for what is not told of a URL


class AlertChannels(Section):
    """Where alerts are sent. Of a URL the document says the host alone: who brings it in elsewhere writes the rest."""

    kind, of, most = "alert_channels", "alert-channel", channels.MOST

    def declared(self) -> dict[Place, Settings]:
        return {(c.name,): {"kind": c.kind, "to": c.to, "secret": c.secret} for c in channels.listed()}

    def validate(self, settings: Settings) -> None:
        errors: Errors = []
        check(settings, channels.TABLE, errors)
        refuse(errors)

    def settled(self, before: Settings | None, given: Settings) -> Settings:
        """What is not told, or told as it was taken away, stays."""
        base = before or {"kind": given.get("kind"), "to": "", "secret": ""}
        kept = base | {name: value for name, value in given.items() if value is not None}
        if kept["to"] == channels.shown_as(base["kind"], base["to"]):
            kept["to"] = base["to"]
        try:
            return kept | {"to": channels.check_to(kept["kind"], kept["to"])}
        except BrokerError:
            return kept  # as misfits say

    def misfits(self, step: Step, there: There) -> Faults:
        after = step.after or {}
        if step.before is not None and after["kind"] != step.before["kind"]:
            return [("/kind", f"is {step.before['kind']}; make another channel")]
        if after["kind"] in (channels.WEBHOOK, channels.SLACK) and (not after["to"] or CUT in after["to"]):
            return [("/to", "write where it leads: of URLs no more than the host is taken away")]
        faults = [("/secret", "only webhooks have one")] if after["secret"] and after["kind"] != channels.WEBHOOK else []
        return faults + faults_of(lambda: channels.check_to(after["kind"], after["to"]))

    def declare(self, tx: Transaction, by: Principal, steps: Sequence[Step], address: str | None) -> Mapping[Place, str]:
        made: dict[Place, str] = {}
        for step in self.anew(steps):
            after = step.after or {}
            given = after["secret"] if after["secret"] != (step.before or {}).get("secret") else ""
            _, secret = channels.declare(by, step.place[0], after["kind"], after["to"], secret=given or None, address=address)
            tx.writes += 1
            if secret and not given:
                made[step.place] = secret
        return made

    def shown(self, settings: Settings, whole: Settings) -> Settings:
        shown = dict(settings)
        if "to" in shown:
            shown["to"] = channels.shown_as(whole["kind"], whole["to"])
        if "secret" in shown:
            shown["secret"] = f"whsec_{CUT}" if shown["secret"] else None
        return shown

    def exported(self, settings: Settings) -> Settings:
        return {name: value for name, value in self.shown(settings, settings).items() if name != "secret"}


class AlertRules(Tabled):
    """From which figure on something is an alert, and who is told."""

    kind, of, most, table = "alert_rules", "alert-rule", rules.MOST, rules.TABLE

    def declared(self) -> dict[Place, Settings]:
        there = [rule.as_json() for rule in rules.listed()]
        return {(rule.pop("name"),): rule for rule in there}

    def validate(self, settings: Settings) -> None:
        errors: Errors = []
        check(settings, rules.TABLE, errors)
        refuse(errors)

    def settled(self, before: Settings | None, given: Settings) -> Settings:
        return super().settled(before or dict(rules.DEFAULTS), given)

    def misfits(self, step: Step, there: There) -> Faults:
        after = step.after or {}
        if missing := [name for name in ("figure", "target") if not after[name]]:
            return [(f"/{missing[0]}", "is needed")]
        unknown = [(f"/channels/{n}", f"There is no channel {name}.") for n, name in enumerate(after["channels"])
                   if not there("alert_channels", name)]  # fmt: skip
        return unknown + faults_of(lambda: rules.check(rules.of_settings(step.place[0], after)))

    def declare(self, tx: Transaction, by: Principal, steps: Sequence[Step], address: str | None) -> Mapping[Place, str]:
        for step in self.anew(steps):
            rules.declare(by, rules.of_settings(step.place[0], step.after or {}), address=address)
            tx.writes += 1
        return {}
