"""The one thing that a person would do about what stands still: a link, or a button that does it at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlencode

from django.urls import Resolver404, resolve, reverse

from brokerweb.answers.verdicts import See

_API = "/api/v1"
_LABELS = {
    "resume": "Resume",
    "close": "Disconnect it",
    "head": "Look at it",
    "settings": "Its settings",
    "in_flight": "Who has them",
    "dead": "Dead letters",
    "redrive": "Plan a redrive",
    "seek": "Seek",
    "connections": "Connections",
    "messages": "Look",
    "group": "Look",
}


class Act(NamedTuple):
    """What it says, where it leads or what it posts to, and of what it is."""

    label: str
    url: str
    of: str
    post: bool = False


def first(see: Iterable[See], code: str, kind: str, name: str, group: str = "") -> Act | None:
    """The first of a verdict's ways that has a page; who may not do a thing is not led to it."""
    of = f"{name} / {group}" if group else name
    if code == "no_consumer" and not group:
        return Act("Connect one", f"{reverse('brokerweb_console:connect', args=[name])}#connect-consume", of)
    for way in see:
        if found := _act(way, of, f"{kind}:{name}/{group}" if group else f"{kind}:{name}"):
            return found
    return None


def _act(way: See, of: str, destination: str) -> Act | None:
    place, _, query = way.href.removeprefix(_API).partition("?")
    label = _LABELS.get(way.rel, way.text)
    if way.rel == "redrive":
        asked = urlencode([("action", "redrive"), ("all", "1"), ("in", destination)])
        return Act(label, f"{reverse('brokerweb_console:plan')}?{asked}", of)
    if way.rel == "close":
        return Act(label, f"{place}/close", way.text.removeprefix("Close "))
    if way.rel == "settings":
        return Act(label, f"{place}/settings", of)
    try:
        known = resolve(place).namespace == "brokerweb_console"
    except Resolver404:
        return None
    return Act(label, f"{place}?{query}" if query else place, of, post=way.rel == "resume") if known else None
