"""The duty that looks whether rules hold, whenever samples were taken: of figures it reads no more than those have.

What has to last is counted in memory: a node that takes the duties over counts anew. What has begun is stored, and ends where
it did not hold in two looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from django.db import close_old_connections

from brokerweb.alerts import alerts, figures, rules, silences
from brokerweb.alerts.alerts import Breach, Change, Turn
from brokerweb.alerts.figures import BROKER, QUEUE, STUCK, VERDICT
from brokerweb.alerts.rules import Rule
from brokerweb.answers import stuck
from brokerweb.cluster.models import Alert, AlertSilence
from brokerweb.core import clock
from brokerweb.identity.grants import BROWSE, Permit
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Queue
from brokerweb.samples.series import TICK, Kind, Sample
from brokerweb.signals import alert_changed
from brokerweb.storage import disk
from brokerweb.storage.reading import Reads, aread
from brokerweb.storage.run import aperform
from brokerweb.streams.models import ConsumerGroup

EVERY = float(TICK)  # seconds between looks
CALM = 0.5 * TICK  # seconds that a rule must not have held before its alert is over
STANDING_STILL = 1_000  # queues and groups whose verdicts are looked at, the worst
FORGET_EVERY = 60  # looks

Key = tuple[str, str]  # rule and target
Found = tuple[float | None, str]  # the figure and what to say
Latest = Callable[[], Mapping[int, Sample] | None]
# Who looks: of everything, and what is masked stays so, since what is said of it is told to many.
LOOKING = Principal("alerts", "broker", permits=[Permit(None, "*", frozenset({BROWSE}))])


class Look(NamedTuple):
    """What is declared, what holds by what is stored, and what was found; ``known``: the rules of which that says anything."""

    rules: dict[str, Rule]
    firing: list[Alert]
    silences: list[AlertSilence]
    found: dict[Key, Found]
    known: set[str]


class Watch:
    """A duty. ``latest`` gives the newest sample of every series, or None where there is none; ``told`` is called when somebody
    is to be told of something.
    """

    def __init__(self, latest: Latest, told: Callable[[], None]) -> None:
        self._latest, self._told = latest, told
        self._names: dict[int, str] = {}  # series -> what it is of
        self._since: dict[Key, int] = {}  # by the wall: since when it was found
        self._calm: dict[Key, int] = {}  # since when it was not
        self._looks = 0

    async def tick(self, now: int) -> float:
        seen = await aread(self._look)
        changes = await self._change(seen, clock.wall())
        if changes:
            self._told()
            await asyncio.to_thread(_signal, changes)
        self._looks += 1
        if self._looks % FORGET_EVERY == 0:
            while await aperform(alerts.forget) >= alerts.LIMIT:
                pass
        return EVERY

    async def _change(self, seen: Look, wall: int) -> list[Change]:
        firing = {(alert.rule, alert.target): alert for alert in seen.firing}
        self._since = {key: self._since.get(key, wall) for key in seen.found}
        self._calm = {key: self._calm.get(key, wall) for key in firing if key not in seen.found}
        begun = []
        for key, (value, text) in seen.found.items():
            rule = seen.rules[key[0]]
            if key not in firing and wall - self._since[key] >= clock.seconds(rule.lasts):
                begun.append(Breach(rule, key[1], value, text, self._since[key]))
        over = [alert for key, alert in firing.items() if self._is_over(key, alert, seen, wall)]
        ended = {alert.pk for alert in over}
        untold = [alert for alert in seen.firing if not alert.told and alert.pk not in ended and not _silenced(seen, alert)]
        silent = [breach for breach in begun if _silenced(seen, breach)]
        turn = Turn([breach for breach in begun if breach not in silent], silent, untold, over)
        changes: list[Change] = await aperform(alerts.change, turn, seen.rules) if any(turn) else []
        return changes

    def _is_over(self, key: Key, alert: Alert, seen: Look, wall: int) -> bool:
        rule = seen.rules.get(key[0])
        if rule is None or rule.version != alert.version:
            return True
        if key in seen.found or key[0] not in seen.known:
            return False
        return wall - self._calm[key] >= clock.seconds(CALM)

    # What holds

    def _look(self, reads: Reads) -> Look:
        declared = {rule.name: rule for rule in rules.listed() if rule.enabled}
        firing = alerts.firing()
        seen = Look(declared, firing, silences.listed() if declared else [], {}, set())
        of_figures = [rule for rule in declared.values() if rule.figure not in (STUCK, VERDICT) and rule.target.kind != BROKER]
        of_verdicts = [rule for rule in declared.values() if rule.figure in (STUCK, VERDICT)]
        latest = self._latest() if of_figures else None
        if latest is not None:
            for rule in of_figures:
                self._add(seen, rule, self._figures(rule, latest))
        if of_verdicts:
            items = stuck.look(LOOKING, STANDING_STILL, also_behind=True).items
            for rule in of_verdicts:
                self._add(seen, rule, _verdicts(rule, items))
        for rule in declared.values():
            if rule.target.kind == BROKER:
                self._add(seen, rule, _of_broker(rule))
        return seen

    def _add(self, seen: Look, rule: Rule, found: Iterable[tuple[str, Found]]) -> None:
        seen.known.add(rule.name)
        held = {alert.target for alert in seen.firing if alert.rule == rule.name}  # these go on holding, whoever is worse
        up = 1 if rule.under is None else -1
        worst = sorted(found, key=lambda each: (each[0] not in held, -up * (each[1][0] or 0), each[0]))
        seen.found.update({(rule.name, target): what for target, what in worst[: alerts.WORST]})

    def _figures(self, rule: Rule, latest: Mapping[int, Sample]) -> Iterable[tuple[str, Found]]:
        kind, table = (Kind.QUEUE, figures.OF_QUEUES) if rule.target.kind == QUEUE else (Kind.GROUP, figures.OF_GROUPS)
        figure = table[rule.figure]
        breaking = {
            series: value
            for series, sample in latest.items()
            if series & 7 == kind and rule.breaks(value := float(figure.of(sample)))
        }
        for series, target in self._named(kind, breaking).items():
            if rule.target.covers(target):
                value = breaking[series]
                yield target, (value, f"{figure.words}: {figures.plain(value, figure.unit)}")

    def _named(self, kind: Kind, wanted: Iterable[int]) -> dict[int, str]:
        """The targets of series; names never change, and are read once."""
        unknown = [series for series in wanted if series not in self._names]
        for i in range(0, len(unknown), 500):
            numbers = [series >> 3 for series in unknown[i : i + 500]]
            if kind == Kind.QUEUE:
                named = ((pk, f"queue:{name}") for pk, name in Queue.objects.filter(pk__in=numbers).values_list("pk", "name"))
            else:
                groups = ConsumerGroup.objects.filter(pk__in=numbers).values_list("pk", "stream__name", "name")
                named = ((pk, f"stream:{stream}/{name}") for pk, stream, name in groups)
            self._names.update({pk << 3 | kind: target for pk, target in named})
        return {series: self._names[series] for series in wanted if series in self._names}


def _verdicts(rule: Rule, items: Iterable[stuck.Item]) -> Iterable[tuple[str, Found]]:
    for item in items:
        codes = {item.verdict.code, *item.verdict.facts.get("also", ())}
        target = item.destination + (f"/{item.group}" if item.group else "")
        holds = bool(codes - {"falling_behind"}) if rule.figure == STUCK else rule.verdict in codes
        if holds and rule.target.covers(target):
            yield target, (float(item.held), item.verdict.text)


def _of_broker(rule: Rule) -> Iterable[tuple[str, Found]]:
    found = disk.of()
    found.glance()
    if found.free is not None and rule.breaks(float(found.free)):
        words, unit = figures.words_of(BROKER, rule.figure)
        yield BROKER, (float(found.free), f"{words}: {figures.plain(float(found.free), unit)}")


def _silenced(seen: Look, each: Breach | Alert) -> bool:
    name = each.rule.name if isinstance(each, Breach) else each.rule
    return any(silences.covers(silence, name, each.target) for silence in seen.silences)


def _signal(changes: Iterable[Change]) -> None:
    try:
        for change in changes:
            alert_changed.send_robust(sender=Alert, event=change.event, rule=change.rule, alerts=list(change.alerts))
    finally:
        close_old_connections()  # those of receivers
