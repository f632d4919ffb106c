"""A verdict as a page shows it: what it is called, how grave it is, and where of the console it leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode

from django.urls import reverse

from brokerweb.answers.verdicts import See, Verdict
from brokerweb.core import clock

_TITLES = {"leased": "Who has it", "dead": "Why it is dead", "settled": "How it ended", "expiring": "Its time is over"}
_TONES = {
    "bad": "dead stuck key_stuck full failing silent unowned trimmed",
    "warn": "paused no_consumer consumers_full alone key_blocked backing_off expiring falling_behind no_members",
    "well": "idle flowing",
    "held": "leased",
}
_TONE_OF = {code: tone for tone, codes in _TONES.items() for code in codes.split()}
WORDS = {"key_stuck": "key stuck", "no_consumer": "no consumer", "falling_behind": "falling behind", "catching_up": "catching up"}


class Way(NamedTuple):
    """Where a verdict leads; with ``post`` a button that does it at once."""

    rel: str
    text: str
    url: str
    post: bool = False


class Shown(NamedTuple):
    """A verdict as ``_verdict.html`` has it."""

    code: str
    title: str
    text: str
    since: datetime | None
    tone: str
    ways: list[Way]

    @property
    def word(self) -> str:
        """The code in words."""
        return WORDS.get(self.code, self.code.replace("_", " "))


def shown(verdict: Verdict, title: str, *, here: str, but: frozenset[str] = frozenset()) -> Shown:
    """The verdict, with the ways to pages but for those a page has itself; what is closed leads back ``here``."""
    found = [way for see in verdict.see if see.rel not in but and (way := _way(see, here)) is not None]
    since = None if verdict.since is None else clock.to_datetime(verdict.since)
    code = verdict.code
    return Shown(code, _TITLES.get(code, title), verdict.text, since, _TONE_OF.get(code, "waits"), found)


def _way(see: See, here: str) -> Way | None:
    """The page of what a call of REST is about; None for what has none."""
    make = _PLACES.get(see.rel)
    parts = see.href.partition("?")[0].split("/")[3:]  # without /api/v1
    return None if make is None else Way(see.rel, see.text, make(parts, here), see.rel == "resume")


_Place = Callable[[list[str], str], str]


def _page(name: str, *places: int, **query: str) -> _Place:
    """The page of that name, of the parts of the call's path at these places."""
    asked = f"?{urlencode(query)}" if query else ""
    return lambda parts, _: reverse(f"brokerweb_console:{name}", args=[parts[place] for place in places]) + asked


def _close(parts: list[str], here: str) -> str:
    return f"{reverse('brokerweb_console:close', args=[parts[1]])}?{urlencode({'back': here})}"


def _dead(parts: list[str], _: str) -> str:
    if parts[0] == "streams":
        return reverse("brokerweb_console:group-dead", args=[parts[1], parts[3]])
    return f"{reverse('brokerweb_console:dead')}?{urlencode({'queue': parts[1]})}"


def _redrive(parts: list[str], _: str) -> str:
    if parts[0] == "streams":
        return reverse("brokerweb_console:group-redrive", args=[parts[1], parts[3]])
    return f"{reverse('brokerweb_console:redrive')}?{urlencode({'all': '1', 'queue': parts[1]})}"


_PLACES: Mapping[str, _Place] = {
    "resume": _page("resume", 1),
    "close": _close,
    "connections": _page("connections"),
    "head": _page("message", 1, 3),
    "copy": _page("message", 1, 3),
    "moved": _page("message", 1, 3),
    "similar": _page("messages", 1, state="dead"),
    "dead": _dead,
    "settings": _page("settings", 1),
    "in_flight": _page("in-flight", 1),
    "redrive": _redrive,
    "messages": _page("messages", 1),
    "seek": _page("seek", 1, 3),
}
