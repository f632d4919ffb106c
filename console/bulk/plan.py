"""What an act on many messages would do, and doing it: of ticked messages, of causes, or of what a search finds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from brokerweb.answers import plans
from brokerweb.console.acting import audited, deed
from brokerweb.console.conditions import LONGEST, MOST_PLACES, Asked
from brokerweb.console.page import SignedIn
from brokerweb.console.rights import browsable_queues
from brokerweb.console.samples import Sample, sample
from brokerweb.console.templatetags.brokerweb_console import instant
from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, Forbidden, Invalid, NotFound
from brokerweb.identity.principal import Principal
from brokerweb.jobs import bulk_request, operations, selecting
from brokerweb.jobs.bulk_request import ACTIONS, BulkRequest
from brokerweb.jobs.models import Job
from brokerweb.queues.filters import MAX_CAUSES, MAX_IDS
from brokerweb.storage.reading import read

OFFERED, PARTS = 100, 8  # queues to send to; queues of which it says how many
VERBS = {"redrive": "Redrive", "move": "Move", "purge": "Discard", "reschedule": "Reschedule"}
TEXTS = {
    "redrive": "Each is moved, not copied: same id, no failures, at the end of its queue. It can be undone for 15 minutes.",
    "move": "Each leaves its queue and goes to the end of another, with the same id. It can be undone for 15 minutes.",
    "purge": "Each is deleted for good, with its failures.",
    "reschedule": "Each that is ready or scheduled is due at another time.",
}
OF_TARGETS = ("target_full", "target_paused", "no_consumer", "too_large")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


class Warned(NamedTuple):
    """What speaks against it."""

    code: str
    text: str


class Part(NamedTuple):
    """How many of one queue or group."""

    place: str
    n: int


NOTHING = Asked()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages: ``picks`` as QUEUE/ID, causes by their fingerprints, or what a search finds; and what to do with them."""

    action: str
    asked: Asked = NOTHING
    causes: tuple[str, ...] = ()
    picks: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: QueryDict) -> Selection:
        """As a form or an address names it. Raises Invalid."""
        action = given.get("action", "redrive")
        if action not in ACTIONS:
            raise Invalid.at("/action", f"One of {', '.join(ACTIONS)}.")
        causes = tuple(each for each in given.getlist("cause")[:MAX_CAUSES] if _FINGERPRINT.fullmatch(each))
        places = tuple(filter(None, (place.strip()[:210] for place in given.getlist("in")[:MOST_PLACES])))
        everything = causes or given.get("all")
        picks = () if everything else tuple(given.getlist("pick")[:MAX_IDS])
        return cls(action, Asked(given.get("q", "").strip()[:LONGEST], places), causes, picks)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields that name it again."""
        found = [("action", self.action), ("q", self.asked.q), ("all", "" if self.picks or self.causes else "1")]
        found += [("in", place) for place in self.asked.places]
        found += [("cause", cause) for cause in self.causes] + [("pick", pick) for pick in self.picks]
        return [(name, value) for name, value in found if value]

    @property
    def url(self) -> str:
        """Its plan, where an address can have it: picks may be more than that."""
        return f"{reverse('brokerweb_console:plan')}?{urlencode(self.fields)}"

    def request(self, more: Mapping[str, Any]) -> BulkRequest:
        """What is asked for. Raises Invalid."""
        return bulk_request.parse({"action": self.action, "select": self._select(), **more})

    def draft(self, to: str) -> BulkRequest:
        """The same before all is filled in: to nowhere yet, or due at once."""
        more = {"due_at": clock.rfc3339(clock.wall())} if self.action == "reschedule" else {"to": to} if to else {}
        if self.action != "move" or to:
            return self.request(more)
        return self.request({"to": "nowhere"})._replace(to=None)

    def _select(self) -> dict[str, Any]:
        places = {"in": list(self.asked.places)} if self.asked.places else {}
        if self.picks:
            return {"ids": _by_place(self.picks)}
        if self.causes:
            return {**places, "filter": {"states": ["dead"], "fingerprint": list(self.causes)}}
        if not (self.asked.q or places):
            raise Invalid("Nothing is chosen: tick something first, or search for it.")
        return places | ({"q": self.asked.q} if self.asked.q else {})


def _by_place(picks: Sequence[str]) -> dict[str, list[str]]:
    """Ids by their queue, or by stream:NAME/GROUP."""
    chosen: dict[str, list[str]] = {}
    for pick in picks:
        place, _, digits = pick.rpartition("/")
        chosen.setdefault(place, []).append(digits)
    return chosen


@dataclass(slots=True)
class Plan:
    """What would be done to how much."""

    selection: Selection
    matched: int = 0
    complete: bool = True  # all there is was looked at
    oldest_at: datetime | None = None
    newest_at: datetime | None = None
    errors: list[Mapping[str, Any]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    destinations: list[Part] = field(default_factory=list)

    @property
    def action(self) -> str:
        return self.selection.action

    @property
    def verb(self) -> str:
        return VERBS[self.action]

    @property
    def text(self) -> str:
        return TEXTS[self.action]

    def is_known(self, codes: Sequence[str]) -> bool:
        """Whether all that speaks against it was on the page that was looked at."""
        return {warning.code for warning in self.warnings} <= set(codes)

    @property
    def parts(self) -> list[Part]:
        """Where those are that have most of them."""
        return sorted(self.destinations, key=lambda part: -part.n)[:PARTS]

    @property
    def others(self) -> int:
        """How many more queues and groups there are."""
        return len(self.destinations) - len(self.parts)

    @property
    def may_try(self) -> bool:
        """Whether one can go first."""
        return self.action in ("redrive", "move") and self.matched > 1

    @property
    def came_from(self) -> tuple[str, str]:
        """The page that it was chosen on, and its name."""
        if self.selection.causes or not self.selection.asked.q:
            return reverse("brokerweb_console:causes"), "Failures by cause"
        return self.selection.asked.url, "Messages"


def looked_at(principal: Principal, selection: Selection, to: str) -> tuple[Plan, BrokerError | None]:
    """The plan; where the place that they are to go to is refused one without it, and why. Raises as ``plan_of``."""
    try:
        return plan_of(principal, selection, to), None
    except (Forbidden, NotFound, Invalid) as refused:
        if not to:
            raise
        return plan_of(principal, selection), refused


def plan_of(principal: Principal, selection: Selection, to: str = "") -> Plan:
    """The plan. Raises Forbidden, NotFound, Invalid as the act itself does."""
    made = plans.plan(principal, selection.draft(to))
    found = plans.as_json(made)
    aimless = selection.action == "move" and not to
    return Plan(
        selection,
        found["matched"],
        found["complete"],
        instant(found["oldest_at"]) if found["matched"] else None,
        instant(found["newest_at"]) if found["matched"] else None,
        found["errors"],
        [sample(each) for each in found["samples"]],
        [Warned(each["code"], each["text"]) for each in found["warnings"] if not (aimless and each["code"] in OF_TARGETS)],
        [Part(each.label.removeprefix("queue:"), n) for each, n in made.destinations if n],
    )


def carry_out(request: SignedIn, selection: Selection, more: Mapping[str, Any]) -> Job:
    """Begin it: the job that does it. Raises BrokerError."""
    asked = selection.request(more)
    chosen = read(selecting.resolve, request.principal, asked)
    total = read(selecting.total, asked, chosen)
    target = chosen[0].label if len(chosen) == 1 else f"{len(chosen)} queues"
    done = deed(
        request, f"bulk.{asked.action}", target, queues=[each.label for each in chosen[:20]], to=asked.to, first=asked.first
    )
    job: Job = audited(done, operations.create, asked, chosen, by=request.principal.name, total=total)
    return job


def targets(principal: Principal) -> list[str]:
    """Some queues that the person may send to; others are typed."""
    names = (queue.name for queue in browsable_queues(principal))
    return list(islice((name for name in names if principal.may("publish", "queue", name)), OFFERED))
