"""How far back pictures go: in the URL, as all that a page shows, else what was chosen last, which a cookie keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from brokerweb.core import clock
from brokerweb.samples.answers import REACH
from brokerweb.samples.reading import Between, Over, ticks_of
from brokerweb.samples.series import TICK, instant_of, tick_at

COOKIE = "console_range"
YEAR = 365 * 86_400
DEFAULT = "1h"
APART = ".."  # between the two instants of a range of one's own, where it is kept
LEAST = 12  # ticks of one: less is no picture
WORDS = {"15m": "15 min", "1h": "1 h", "6h": "6 h", "24h": "24 h", "7d": "7 d"}
LONG = {"15m": "15 minutes", "1h": "hour", "6h": "6 hours", "24h": "24 hours", "7d": "7 days"}


class Choice(NamedTuple):
    """A range to choose."""

    label: str
    query: str
    chosen: bool


class Range(NamedTuple):
    """The range that is chosen, and what else the page is asked for; ``between`` is one of the person's own, without a name."""

    named: str
    rest: Mapping[str, str]
    between: Between | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], usual: str = DEFAULT) -> Range:
        between = _between(query.get("from", ""), query.get("to", ""))
        named, ours = query.get("range", ""), ("range",) if between is None else ("range", "from", "to")
        if between is None and "range" not in query:
            named, (first, _, last) = usual, usual.partition(APART)
            between = _between(first, last)
        rest = {name: value for name, value in query.items() if name not in ours}
        return cls(named if named in WORDS else DEFAULT, rest, between)

    @property
    def over(self) -> Over:
        """As samples are asked for it."""
        return self.named if self.between is None else self.between

    @property
    def words(self) -> str:
        return WORDS[self.named] if self.between is None else f"{shown(self.first)} to {shown(self.last)}"

    @property
    def long(self) -> str:
        """As in "the last hour"."""
        return LONG[self.named] if self.between is None else self.words

    @property
    def title(self) -> str:
        """At the head of a column."""
        return f"Last {self.long}" if self.between is None else self.words

    @property
    def given(self) -> str:
        """What of a URL says so; nothing where it is the usual one, or one's own, which is remembered."""
        return "" if self.named == DEFAULT or self.between is not None else self.named

    @property
    def kept(self) -> str:
        """As it is remembered."""
        return self.named if self.between is None else APART.join(map(clock.rfc3339, self.instants))

    @property
    def instants(self) -> tuple[int, int]:
        """Its two ends, by the wall."""
        if self.between is not None:
            return instant_of(self.between.first, 1), instant_of(self.between.last, 1)
        wall = clock.wall()
        return wall - clock.seconds(ticks_of(self.named) * TICK), wall

    @property
    def first(self) -> datetime:
        return clock.to_datetime(self.instants[0])

    @property
    def last(self) -> datetime:
        return clock.to_datetime(self.instants[1])

    @property
    def own(self) -> str:
        """The query of a range of one's own."""
        first, last = map(clock.rfc3339, self.instants)
        return urlencode({**self.rest, "from": first, "to": last})

    def query(self, named: str) -> str:
        """The query of the same page over another range."""
        return urlencode({**self.rest, "range": named})

    @property
    def choices(self) -> list[Choice]:
        chosen = self.named if self.between is None else ""
        return [Choice(label, self.query(name), name == chosen) for name, label in WORDS.items()]


def _between(first: str, last: str) -> Between | None:
    """A range by its two instants, in the zone of whoever reads the page where they name none; None for what is none."""
    if not (first and last):
        return None
    try:
        since, until = (clock.from_datetime(_aware(datetime.fromisoformat(text))) for text in (first, last))
    except (ValueError, OverflowError):
        return None
    wall = clock.wall()
    since = max(since, wall - clock.seconds(REACH))
    between = Between(tick_at(since), tick_at(min(until, wall)))
    return between if between.ticks >= LEAST else None


def _aware(instant: datetime) -> datetime:
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=timezone.get_current_timezone())


def shown(instant: datetime) -> str:
    """An instant in the person's zone, with its day where that is not today."""
    local = instant.astimezone(timezone.get_current_timezone())
    today = clock.to_datetime(clock.wall()).astimezone(timezone.get_current_timezone()).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%a} {local.day} {local:%H:%M}"


def of(request: HttpRequest) -> Range:
    """What the URL says, else what was chosen last."""
    return Range.of(request.GET.dict(), request.COOKIES.get(COOKIE, DEFAULT))


def remember(request: HttpRequest, response: HttpResponseBase) -> None:
    """Keep what was chosen for the pages after this one."""
    asked = Range.of(request.GET.dict())
    told = request.GET.get("range") in WORDS or asked.between is not None
    if told and asked.kept != request.COOKIES.get(COOKIE) and not getattr(request, "htmx", False):
        response.set_cookie(COOKIE, asked.kept, max_age=YEAR, httponly=True, samesite="Lax", secure=request.is_secure())
