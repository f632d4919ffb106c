"""Rules: made, changed, listed, removed. A rule that was changed is another one: alerts of the one before are over."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from brokerweb.alerts import figures
from brokerweb.alerts.figures import BROKER, QUEUE, STREAM, STUCK, VERDICT
from brokerweb.cluster.models import AlertChannel, AlertRule
from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.core.names import check_name, glob
from brokerweb.core.quantities import DURATION
from brokerweb.core.settings import Setting, integer, table
from brokerweb.identity import audit
from brokerweb.identity.principal import Principal
from brokerweb.storage.declared import declaring_here

MOST = 200  # rules
LOCK = "alerts"  # of rules, which name channels, and of channels
MOST_CHANNELS = 10  # of a rule
LONGEST = 86_400  # seconds that something may have to last
MOST_CHARACTERS = 420  # of a target
_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,210}", re.ASCII)


@dataclass(frozen=True)
class Target:
    """What a rule, or a silence, is about: things of a kind by patterns."""

    kind: str
    name: str = "*"
    group: str = "*"

    def covers(self, target: str) -> bool:
        """Whether ``target`` (queue:NAME, stream:NAME/GROUP, broker) is one of them."""
        kind, _, rest = target.partition(":")
        if kind != self.kind:
            return False
        name, _, group = rest.partition("/")
        return bool(glob(self.name).fullmatch(name)) and (kind != STREAM or bool(glob(self.group).fullmatch(group)))

    def __str__(self) -> str:
        if self.kind == BROKER:
            return BROKER
        return f"{self.kind}:{self.name}" + (f"/{self.group}" if self.kind == STREAM else "")


def parse_target(text: str, pointer: str = "/target") -> Target:
    """``queue:PATTERN``, ``stream:PATTERN/GROUPS`` (all groups without those) or ``broker``. Raises Invalid."""
    kind, _, rest = text.partition(":")
    name, slash, group = rest.partition("/")
    if text == BROKER:
        return Target(BROKER)
    plain = kind in (QUEUE, STREAM) and _PATTERN.fullmatch(name) and not (slash and kind == QUEUE)
    if not plain or (slash and not _PATTERN.fullmatch(group)):
        raise Invalid.at(pointer, "queue:PATTERN, stream:PATTERN/GROUPS (* and ? stand for any) or broker")
    return Target(kind, name, group or "*")


@dataclass(frozen=True)
class Rule:
    """``over`` or ``under`` is the limit of a figure; ``verdict`` the code where that is what it is about. It holds once it has
    held for ``lasts`` seconds.
    """

    name: str
    figure: str
    target: Target
    over: float | None = None
    under: float | None = None
    verdict: str | None = None
    lasts: int = 0
    channels: Sequence[str] = field(default=())
    enabled: bool = True
    version: int = 0

    def breaks(self, value: float) -> bool:
        """Whether a figure is beyond the limit."""
        return (self.over is not None and value > self.over) or (self.under is not None and value < self.under)

    @property
    def words(self) -> str:
        """What it says, for people."""
        if self.figure == STUCK:
            said = "stands still"
        elif self.figure == VERDICT:
            said = f"is {str(self.verdict).replace('_', ' ')}"
        else:
            name, unit = figures.words_of(self.target.kind, self.figure)
            limit = self.over if self.over is not None else self.under
            said = f"{name} {'over' if self.over is not None else 'under'} {figures.limit(limit or 0, unit)}"
        return said + (f" for {DURATION.text(self.lasts)}" if self.lasts else "")

    def as_json(self) -> dict[str, Any]:
        """As answers show it."""
        return {
            "name": self.name,
            "figure": self.figure,
            "target": str(self.target),
            "over": self.over,
            "under": self.under,
            "verdict": self.verdict,
            "for": self.lasts,
            "channels": list(self.channels),
            "enabled": self.enabled,
        }


Seen = Callable[[Rule | None], None]


def _whatever(now: Rule | None) -> None:
    """Anything may be there."""


def check(rule: Rule) -> None:
    """Whether its parts make sense together. Raises Invalid."""
    kind = rule.target.kind
    if rule.figure not in figures.KINDS[kind]:
        raise Invalid.at("/figure", f"of a {kind} one of {', '.join(figures.KINDS[kind])}")
    _check_limits(rule)
    if rule.figure == VERDICT and rule.verdict not in figures.VERDICTS[kind]:
        raise Invalid.at("/verdict", f"one of {', '.join(figures.VERDICTS[kind])}")
    if rule.figure != VERDICT and rule.verdict is not None:
        raise Invalid.at("/verdict", "is only with the figure verdict")
    if not 0 <= rule.lasts <= LONGEST:
        raise Invalid.at("/for", f"0 to {LONGEST} seconds")
    if len(rule.channels) > MOST_CHANNELS or len(set(rule.channels)) < len(rule.channels):
        raise Invalid.at("/channels", f"{MOST_CHANNELS} at most, each once")


def _check_limits(rule: Rule) -> None:
    limits = {name: limit for name, limit in (("over", rule.over), ("under", rule.under)) if limit is not None}
    if len(limits) != (rule.figure not in (STUCK, VERDICT)):
        raise Invalid.at("/over", f"{rule.figure} has no limit" if rule.figure in (STUCK, VERDICT) else "one of over and under")
    for name, limit in limits.items():
        if not abs(limit) <= figures.MOST:
            raise Invalid.at(f"/{name}", f"must be {_LIMIT_IS}")


def _target(value: Any) -> str:
    try:
        if isinstance(value, str) and len(value) <= MOST_CHARACTERS:
            return str(parse_target(value))
    except Invalid as error:
        raise ValueError(error.extra["errors"][0]["detail"]) from None
    raise ValueError(f"a text of at most {MOST_CHARACTERS} characters")


def _names(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("a list of names of channels")
    return value


_LIMIT_IS = "a number from -1e15 to 1e15"
_NONE: dict[str, Any] = {"default": None, "null_is_a_value": True}
_LIMIT: dict[str, Any] = {"type": float, "low": -figures.MOST, "high": figures.MOST, "rule": _LIMIT_IS, **_NONE}
TABLE = table(  # what a rule is said to be
    Setting(column="figure", type=str, default=None, words=figures.FIGURES, rule=f"one of {', '.join(figures.FIGURES)}"),
    Setting(column="target", type=str, default=None, parse=_target),
    Setting(column="over", **_LIMIT),
    Setting(column="under", **_LIMIT),
    Setting(column="verdict", type=str, rule="a code", **_NONE),
    integer("for", 0, LONGEST, default=0),
    Setting(column="channels", type=list, default=[], parse=_names),
    Setting(column="enabled", type=bool, default=True, rule="true or false"),
)
DEFAULTS = {name: setting.default for name, setting in TABLE.items()}


def of_settings(name: str, settings: Mapping[str, Any]) -> Rule:
    """The rule that settings of the table make."""
    said = {key: settings[key] for key in ("figure", "over", "under", "verdict", "enabled")}
    return Rule(
        name, target=parse_target(settings["target"]), lasts=settings["for"], channels=tuple(settings["channels"]), **said
    )


def of_row(row: AlertRule) -> Rule:
    target = parse_target(row.target)
    return Rule(
        row.name, row.figure, target, row.over, row.under, row.verdict, row.lasts, tuple(row.channels), row.enabled, row.version
    )


def listed() -> list[Rule]:
    """All, by name."""
    return [of_row(row) for row in AlertRule.objects.order_by("name")]


def find(name: str) -> Rule:
    """Raises NotFound."""
    row = AlertRule.objects.filter(pk=name).first()
    if row is None:
        raise NotFound("There is no rule of that name.")
    return of_row(row)


def declare(by: Principal, rule: Rule, *, address: str | None = None, new: bool = False, seen: Seen = _whatever) -> bool:
    """Make it, or change it unless it is to be ``new``; whether it was made. Raises Invalid, and Conflict of too many.

    ``seen`` is told what there is, which nobody else changes meanwhile; what it raises keeps that as it is.
    """
    check_name(rule.name)
    check(rule)
    with transaction.atomic():
        declaring_here(LOCK)
        known = set(AlertChannel.objects.filter(pk__in=rule.channels).values_list("pk", flat=True))
        if missing := [name for name in rule.channels if name not in known]:
            raise Invalid.at("/channels", f"there is no channel {missing[0]!r}")
        before = AlertRule.objects.filter(pk=rule.name).first()
        if before is not None and new:
            raise Invalid.at("/name", "There is a rule of that name.")
        if before is None and AlertRule.objects.count() >= MOST:
            raise Conflict(f"there are {MOST} rules; remove one first")
        seen(None if before is None else of_row(before))
        told = {"before": None if before is None else of_row(before).as_json(), "after": rule.as_json()}
        if told["before"] == told["after"]:
            return False
        values = {
            "figure": rule.figure, "target": str(rule.target), "over": rule.over, "under": rule.under, "verdict": rule.verdict,
            "lasts": rule.lasts, "channels": list(rule.channels), "enabled": rule.enabled, "version": clock.wall(),
        }  # fmt: skip
        AlertRule.objects.update_or_create(name=rule.name, defaults=values)
        audit.record(by, "alert-rule.declare", f"alert-rule:{rule.name}", detail=told, address=address)
    return before is None


def delete(by: Principal, name: str, *, address: str | None = None) -> None:
    """Raises NotFound."""
    with transaction.atomic():
        declaring_here(LOCK)
        before = find(name)
        AlertRule.objects.filter(pk=name).delete()
        told = {"before": before.as_json(), "after": None}
        audit.record(by, "alert-rule.delete", f"alert-rule:{name}", detail=told, address=address)
