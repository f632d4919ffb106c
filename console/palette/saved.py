"""Saved views, by a part of their names: one's own, and those that others share of what one may look at."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from django.urls import Resolver404, resolve

from brokerweb.console.list_frame import url_of
from brokerweb.console.palette.hits import Hit
from brokerweb.identity import saved_views
from brokerweb.identity.models import SavedView
from brokerweb.identity.principal import Principal

EACH = 5
_OF_ADMINISTRATORS = frozenset({"audit", "connections", "nodes", "users"})
_KINDS = {"queues": "queue", "streams": "stream", "topics": "topic"}


def views(principal: Principal, user: int, text: str = "") -> list[Hit]:
    """The first whose names have the text in them; of one name one's own first."""
    found = (
        hit for view in saved_views.seen_by(user) if text.lower() in view.name.lower() for hit in _hit(principal, view, user)
    )
    return list(islice(found, EACH))


def _hit(principal: Principal, view: SavedView, user: int) -> Iterator[Hit]:
    """Nothing for a view of a list that the person may not look at, or that is no more."""
    try:
        match = resolve(view.path)
    except Resolver404:
        return
    first, name = match.route.partition("/")[0], match.kwargs.get("name", "")
    if name and not principal.may("browse", _KINDS.get(first, "queue"), name):
        return
    if (match.url_name in _OF_ADMINISTRATORS and not principal.admin) or (match.url_name == "tokens" and not principal.delegates):
        return
    of = f"{match.url_name} of {name}" if name else first
    shared = "" if view.user_id == user else f", shared by {view.user.get_username()}"
    yield Hit("funnel", view.name, url_of(view), hint=f"view of {of}{shared}")
