"""What a search found, as its page shows it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from time import monotonic
from types import SimpleNamespace
from typing import NamedTuple

from django.urls import reverse

from brokerweb.answers import causes
from brokerweb.answers.search import running
from brokerweb.answers.search.search import Found, Hit
from brokerweb.answers.search.suggestions import LONGEST as LONGEST_EXAMPLE
from brokerweb.answers.search.suggestions import Suggestion, suggest
from brokerweb.console import listing
from brokerweb.console.conditions import Asked, quoted
from brokerweb.console.templatetags.brokerweb_console import excerpt, span, state_of
from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.identity.principal import Principal
from brokerweb.jobs import destinations
from brokerweb.queues.filters import SETTLED
from brokerweb.queues.models import Message, SettledMessage
from brokerweb.storage.reading import read

LIMIT, BUDGET, SUGGESTED, EXCERPT = 50, 2.0, 8, 160
ACTIONS = (("redrive", "Redrive"), ("move", "Move"), ("reschedule", "Reschedule"), ("purge", "Discard"))
_COLUMN = re.compile(r"column (\d+): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """One message or record that was found."""

    key: str
    title: str
    url: str
    destination: str
    state: str
    excerpt: str
    message_key: str | None
    at: datetime | None
    pick: str = ""


_CAUSE = re.compile(r"(?:^| )fingerprint:([0-9a-f]{16})(?: |$)")
CAUSES = 500  # among which one is looked for: those with the most dead letters


@dataclass(frozen=True, slots=True)
class Cause:
    """When the dead letters of one cause died, hour by hour, the last one last."""

    count: int
    hours: list[int]
    again: float

    @property
    def most(self) -> int:
        return max(self.hours)

    @property
    def lately(self) -> int:
        return sum(self.hours)

    @property
    def rows(self) -> list[tuple[int, int]]:
        """How many hours ago, and how many died then."""
        return list(enumerate(self.hours[::-1]))


def cause_of(principal: Principal, asked: Asked) -> Cause | None:
    """The cause that a search is about; None where it is about none, or several."""
    wanted = _CAUSE.findall(asked.q)
    if len(wanted) != 1:
        return None
    found = causes.groups(principal, destinations.within(asked.places), limit=CAUSES).items
    items = (item for item in found if item["fingerprint"] == wanted[0])
    return next((Cause(item["count"], list(item["hours"]), item["again"]) for item in items), None)


@dataclass(frozen=True, slots=True)
class Results:
    """What is shown of a search: nothing that matches within what was scanned is left out."""

    hits: list[Row]
    scanned: int
    of: int
    complete: bool
    because: str
    seconds: float
    next: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a search cannot be read, and where in it; ``at`` is None for what is wrong elsewhere."""

    detail: str
    at: int | None = None

    @classmethod
    def of(cls, error: Invalid) -> Fault:
        faults = error.extra.get("errors") or [{"pointer": "", "detail": error.detail}]
        pointer, detail = str(faults[0]["pointer"]), str(faults[0]["detail"])
        if pointer != "/q":
            return cls(f"In: {detail}" if pointer == "/in" else detail)
        found = _COLUMN.fullmatch(detail)
        return cls(detail[:1].upper() + detail[1:], int(found[1]) - 1 if found else None)


def results(principal: Principal, asked: Asked, wanted: listing.Asked) -> Results:
    """The next of what matches, of what the person may browse. Raises Invalid, RateLimited."""
    began = monotonic()
    found = running.search(principal, asked.q, asked.places, LIMIT, wanted.after or None, budget=BUDGET)
    following = wanted.query(after=found.next) if found.next else ""
    rows = listing.arranged((_row(principal, asked, hit) for hit in found.items), wanted)
    told = (found.scanned, found.of, found.complete, _because(found), monotonic() - began)
    return Results(rows, *told, following)


def _because(found: Found) -> str:
    return {
        "limit": f"{LIMIT} were found",
        "time": f"{span(BUDGET)} were over",
        "bytes": "these are as much as one page holds",
    }.get(found.stopped or "", "there is more")


def _row(principal: Principal, asked: Asked, hit: Hit) -> Row:
    found, query = hit.found, f"?{asked.query}"
    if isinstance(found, SettledMessage):
        place = reverse("brokerweb_console:message", args=[hit.name, found.message_id]) + query
        title, key = str(found.message_id), found.key if found.intact else None
        return Row(f"kept-{found.pk}", title, place, hit.destination, SETTLED, excerpt(found), key, found.published_at)
    if not isinstance(found, Message):
        title, at = f"{found.partition}-{found.offset}", clock.to_datetime(found.appended_at)
        place = reverse("brokerweb_console:record", args=[hit.name, found.partition, found.offset]) + query
        part = SimpleNamespace(beginning=found.body[:EXCERPT], size=len(found.body), damaged=found.damaged)
        return Row(f"{hit.name}-{title}", title, place, hit.destination, "", excerpt(part), found.key, at)
    place, key = reverse("brokerweb_console:message", args=[hit.name, found.pk]) + query, found.key if found.intact else None
    pick = f"{hit.destination}/{found.pk}" if principal.may("manage", "queue", hit.name) else ""
    row = Row(str(found.pk), str(found.pk), place, hit.destination, state_of(found), excerpt(found), key, found.published_at)
    return replace(row, pick=pick)


def may_take_all(principal: Principal, asked: Asked) -> bool:
    """Whether the person may act on everything that the search looks at: else a plan of all that match would be refused."""
    if principal.may_all("manage"):
        return True
    seen = destinations.browsable(principal, read(destinations.every), destinations.within(asked.places))
    return all(principal.may("manage", *each.permit) for each in seen)


class Suggested(NamedTuple):
    """A condition that something stored lately fulfils, and the search with it."""

    term: str
    url: str


def suggested(principal: Principal, asked: Asked) -> list[Suggested]:
    """Some conditions to add. Raises Invalid."""
    terms = (_term(found) for found in suggest(principal, asked.places))
    return [Suggested(term, asked.only(term).url) for term in islice(filter(None, terms), SUGGESTED)]


def _term(found: Suggestion) -> str:
    """The condition with its example; empty where that is cut, or there is none."""
    if found.kind == "key":
        return found.text
    if found.example is None or len(found.example) >= LONGEST_EXAMPLE:
        return ""
    return found.text + (quoted(found.example) if found.kind == "header" else found.example)
