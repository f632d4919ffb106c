"""The life of a message as a waterfall: each thing that happened, and for how long it then was what, on one scale of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Any

from brokerweb.answers.verdicts.words import last_line
from brokerweb.core import clock

Event = Mapping[str, Any]  # of a timeline, as answers have it

SHOWN = 30  # things that happened; a longer life shows the newest of them, unless all are asked for
_AT_ONCE = clock.SECOND // 100  # what follows within this follows at once
_THINNEST = 0.6  # of the 100 units of the scale: what took no time is seen
WORDS = {
    "published": "Published",
    "leased": "Handed out",
    "extended": "Extended",
    "nacked": "Failed",
    "lease_expired": "Lease ran out",
    "consumer_lost": "Consumer lost",
    "released": "Given back",
    "acked": "Acknowledged",
    "expired": "Expired",
    "dead": "Dead",
    "requeued": "Requeued",
    "redriven": "Redriven",
    "moved": "Moved",
    "edited": "Replaced",
    "rescheduled": "Rescheduled",
    "deleted": "Deleted",
    "purged": "Purged",
    "redacted": "Redacted",
    "undone": "Put back, undone",
}
_DETAILS = {
    "route": "through topic {}",
    "parent": "a copy of {}",
    "dedup": "dedup id {}",
    "reason": "{}",
    "from": "from {}",
    "to": "to {}",
    "copy": "by message {}",
    "due_at": "due {}",
    "rule": "by {}",
}
CHANGE_NOTHING = frozenset({"redacted", "extended"})
ENDS = frozenset({"acked", "expired", "deleted", "purged", "edited"})
FAILED = frozenset({"nacked", "lease_expired", "consumer_lost"})
_NOW = {"ready": "waiting", "scheduled": "scheduled", "blocked": "blocked", "leased": "leased", "dead": "dead"}


@dataclass(slots=True)
class Phase:
    """For so long it was that: ``waiting``, ``scheduled``, ``backoff``, ``blocked``, ``leased``, ``dead``; ``unseen`` is waiting
    and then leased, where no hand-out is written down. ``x`` and ``width`` are of 100."""

    kind: str
    begin: int
    end: int
    open: bool = False  # it goes on
    who: str = ""
    x: float = 0.0
    width: float = 0.0

    @property
    def seconds(self) -> float:
        return max(0.0, (self.end - self.begin) / clock.SECOND)


@dataclass(slots=True)
class Step:
    """One thing that happened, and what followed until the next."""

    event: str
    at: int
    who: str
    attempt: int | None
    error: str
    told: str = ""
    extended: int = 0
    phases: list[Phase] = field(default_factory=list)

    @property
    def word(self) -> str:
        return WORDS.get(self.event, self.event.replace("_", " ").capitalize())

    @property
    def instant(self) -> datetime:
        return clock.to_datetime(self.at)

    @property
    def telling(self) -> str:
        """The line of the error that says most."""
        return last_line(self.error)

    @property
    def failed(self) -> bool:
        return self.event in FAILED


@dataclass(frozen=True, slots=True)
class Life:
    """The steps that are shown, how many there are before them, and how long the whole took so far."""

    steps: Sequence[Step]
    earlier: int
    seconds: float
    truncated: bool = False  # older ones are not kept


@dataclass(frozen=True, slots=True)
class Present:
    """How a message stands: its state's name, or another word for one that has ended."""

    state: str
    since: int | None = None  # it is in that state: ready, or held
    who: str = ""  # who holds it


def life(timeline: Sequence[Event], present: Present, now: int, *, all_of_it: bool = False, truncated: bool = False) -> Life:
    """The waterfall of a timeline, oldest first, whose instants are the wall's, as ``now`` is."""
    steps: list[Step] = []
    for event in timeline:
        if event["event"] == "extended" and steps:
            steps[-1].extended += 1
        else:
            steps.append(_step(event))
    state = ""
    for step, following in zip_longest(steps, steps[1:]):
        state = step.event if step.event not in CHANGE_NOTHING else state
        step.phases = _open(step, state, present, now) if following is None else _closed(step, state, following)
    shown = steps if all_of_it else steps[-SHOWN:]
    _scale(shown)
    low, high = _bounds(steps)
    return Life(shown, len(steps) - len(shown), (high - low) / clock.SECOND, truncated)


def _step(event: Event) -> Step:
    detail = event.get("detail") or {}
    who = event.get("client") or event.get("by") or ""
    error, told = str(detail.get("error") or ""), ", ".join(_told(detail))
    return Step(event["event"], clock.parse_rfc3339(event["at"]), who, event.get("attempt"), error, told)


def _told(detail: Mapping[str, Any]) -> Iterator[str]:
    """What an event says of itself, in words."""
    for name, words in _DETAILS.items():
        if detail.get(name) is not None:
            yield words.format(detail[name])


def _closed(step: Step, event: str, following: Step) -> list[Phase]:
    """What it was from one step to the next: ``event`` is what happened last that changed anything."""
    if following.at <= step.at:
        return []
    after = "unseen" if _ends_a_lease(following) else "backoff" if event in FAILED else "waiting"
    kind = {"leased": "leased", "dead": "dead", "undone": "dead"}.get(event, after)
    return [Phase(kind, step.at, following.at)]


def _ends_a_lease(step: Step) -> bool:
    return step.event in FAILED or step.event in ("acked", "released") or (step.event == "dead" and bool(step.attempt))


def _open(step: Step, event: str, present: Present, now: int) -> list[Phase]:
    """What it is since the last step."""
    if event in ENDS or present.state not in _NOW:
        return []
    kind, since, now = _NOW[present.state], present.since, max(now, step.at)
    if kind == "scheduled" and event in FAILED:
        kind = "backoff"
    if since is None or since - step.at < _AT_ONCE or (event == "leased" and kind == "leased"):
        return [Phase(kind, step.at, now, open=True)]
    before = "waiting" if kind == "leased" else "backoff" if event in FAILED else "scheduled"
    return [Phase(before, step.at, since), Phase(kind, since, max(now, since), open=True, who=present.who)]


def _bounds(steps: Sequence[Step]) -> tuple[int, int]:
    ends = [phase.end for step in steps for phase in step.phases]
    instants = [step.at for step in steps] + ends
    return (min(instants), max(instants)) if instants else (0, 0)


def _scale(steps: Sequence[Step]) -> None:
    """Where the phases lie between the first instant that is shown and the last."""
    low, high = _bounds(steps)
    length = max(high - low, 1)
    for phase in (phase for step in steps for phase in step.phases):
        phase.width = max(100 * (phase.end - phase.begin) / length, _THINNEST)
        phase.x = min(100 * (phase.begin - low) / length, 100 - phase.width)
