"""What holds and what held: alerts begin and end, in one commit with what is to be told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from brokerweb import conf
from brokerweb.alerts.figures import BROKER
from brokerweb.alerts.rules import Rule
from brokerweb.cluster.models import Alert, AlertNotice
from brokerweb.core import clock
from brokerweb.core.events import ALERTS
from brokerweb.identity.grants import BROWSE
from brokerweb.identity.principal import Principal
from brokerweb.storage.transaction import Transaction

FIRING, RESOLVED, TEST = "alert.firing", "alert.resolved", "alert.test"
TOLD_OF = 20  # alerts that one notice lists; of the others it says how many
KEPT_FOR = 30 * 86_400  # seconds after the end
LIMIT = 500  # rows that go at a time
WORST = 100  # targets of one rule


class Breach(NamedTuple):
    """A rule holds of a target: the figure then, what to say, and since when by the wall."""

    rule: Rule
    target: str
    value: float | None
    text: str
    since: int


class Turn(NamedTuple):
    """What one look found: ``begun`` begin, and ``silent`` ones of which nobody is told yet; of ``untold``, which began so,
    it is told now; ``over`` end.
    """

    begun: Sequence[Breach]
    silent: Sequence[Breach]
    untold: Sequence[Alert]
    over: Sequence[Alert]


class Change(NamedTuple):
    """What one notice tells, of one rule."""

    event: str
    rule: dict[str, Any]
    alerts: Sequence[dict[str, Any]]
    channels: Sequence[str]

    def told(self) -> dict[str, Any]:
        """As channels are told it."""
        environment = conf.get().environment
        return {
            "event": self.event,
            "rule": self.rule,
            "alerts": list(self.alerts[:TOLD_OF]),
            "more": max(0, len(self.alerts) - TOLD_OF),
            "environment": environment.name if environment else None,
            "broker": conf.get().url,
        }


def link(target: str) -> str:
    """The page of what an alert is about."""
    kind, _, rest = target.partition(":")
    name, _, group = rest.partition("/")
    paths = {"queue": f"/queues/{name}", "stream": f"/streams/{name}/groups/{group}"}
    return conf.get().url + paths.get(kind, "/nodes")


def as_json(alert: Alert) -> dict[str, Any]:
    """As answers show it."""
    return {
        "id": str(alert.pk),
        "rule": alert.rule,
        "figure": alert.figure,
        "target": alert.target,
        "value": alert.value,
        "text": alert.text,
        "since_at": _instant(alert.since_at),
        "fired_at": _instant(alert.fired_at),
        "resolved_at": None if alert.resolved_at is None else _instant(alert.resolved_at),
        "silenced": not alert.told and alert.resolved_at is None,
        "url": link(alert.target),
    }


def _instant(at: datetime) -> str:
    return clock.rfc3339(clock.from_datetime(at))


def visible_to(principal: Principal) -> Callable[[str], bool]:
    """Which targets somebody may know of."""

    def may(target: str) -> bool:
        kind, _, rest = target.partition(":")
        return principal.admin if kind == BROKER else principal.may(BROWSE, kind, rest.partition("/")[0])

    return may


def firing() -> list[Alert]:
    """Those that hold, the newest first."""
    return list(Alert.objects.filter(resolved_at=None).order_by("-pk"))


def listed(*, firing: bool | None = None, visible: Callable[[str], bool] = lambda _: True, limit: int = 50) -> list[Alert]:
    """The newest of what ``visible`` says the caller may know of; those that hold, or that held, where ``firing`` says so."""
    found = Alert.objects.order_by("-pk")
    if firing is not None:
        found = found.filter(resolved_at__isnull=firing)
    shown = []
    for alert in found.iterator(chunk_size=200):
        if visible(alert.target):
            shown.append(alert)
            if len(shown) == limit:
                break
    return shown


def change(tx: Transaction, turn: Turn, rules: Mapping[str, Rule]) -> list[Change]:
    """A verb: it is as a look found it. What was noted to be told."""
    for breach in turn.silent:
        if not _is_firing(breach):
            _begin(tx, breach)
    new = [_begin(tx, breach) for breach in turn.begun if not _is_firing(breach)]
    changes = []
    for name, alerts in groupby(sorted((*new, *turn.untold), key=lambda alert: alert.rule), key=lambda alert: alert.rule):
        rule, told = rules[name], list(alerts)
        Alert.objects.filter(pk__in=[alert.pk for alert in told]).update(told=True, channels=list(rule.channels))
        changes.append(Change(FIRING, rule.as_json(), [as_json(alert) for alert in told], rule.channels))
    for alert in turn.over:
        alert.resolved_at = clock.to_datetime(tx.wall)
        alert.save(update_fields=["resolved_at"])
    ended = sorted((alert for alert in turn.over if alert.told), key=lambda alert: (alert.rule, alert.channels))
    for (name, channels), alerts in groupby(ended, key=lambda alert: (alert.rule, alert.channels)):
        said = rules[name].as_json() if name in rules else {"name": name}
        changes.append(Change(RESOLVED, said, [as_json(alert) for alert in alerts], channels))
    for each in changes:
        told_of = each.told()
        for channel in each.channels:
            AlertNotice.objects.create(channel=channel, told=told_of, at=tx.wall, due_at=tx.wall)
    tx.writes += 1
    tx.outcome.lists |= {ALERTS}
    return changes


def _is_firing(breach: Breach) -> bool:
    return Alert.objects.filter(rule=breach.rule.name, target=breach.target, resolved_at=None).exists()


def _begin(tx: Transaction, breach: Breach) -> Alert:
    rule = breach.rule
    made = Alert.objects.create(
        rule=rule.name, figure=rule.figure, version=rule.version, target=breach.target[:420], value=breach.value,
        text=breach.text[:500], since_at=breach.since, fired_at=tx.wall,
    )  # fmt: skip
    made.refresh_from_db()
    return made


def forget(tx: Transaction) -> int:
    """A duty's verb: alerts that have been over for long go; how many that were."""
    old = Alert.objects.filter(resolved_at__lt=tx.wall - clock.seconds(KEPT_FOR)).values_list("pk", flat=True)[:LIMIT]
    gone, _ = Alert.objects.filter(pk__in=list(old)).delete()
    tx.writes += 1
    return gone
