"""What every list's page needs: what it is asked for, its rows, the views saved of it, and how the person likes lists."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Concatenate, NamedTuple, ParamSpec, cast
from urllib.parse import parse_qsl

from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import headings
from brokerweb.console.listing import Asked, Listing, Page, page, shown
from brokerweb.console.page import SignedIn
from brokerweb.console.prefixes import branches, grouped
from brokerweb.identity import saved_views
from brokerweb.identity.models import SavedView

P = ParamSpec("P")
COLUMNS, DENSITY = "console_columns", "console_density"  # cookies
COMPACT = "compact"
LONGEST = 3_000  # characters of a cookie


class View(NamedTuple):
    """A saved view as a list's page shows it."""

    saved: SavedView
    url: str
    chosen: bool
    mine: bool
    changeable: bool


class Frame(NamedTuple):
    """What stands around a list's rows."""

    asked: Asked
    compact: bool
    views: list[View]
    path: str
    query: str  # what a view is saved of

    @property
    def chosen(self) -> View | None:
        """The view that is seen now."""
        return next((view for view in self.views if view.chosen), None)


def asked(request: SignedIn, listing: Listing[Any], of: str = "", **instead: str) -> Asked:
    """What the request asks a list for; ``instead`` of what the address says of these parameters."""
    return Asked.from_query(listing, request.GET.dict() | instead, of, remembered=remembered(request, listing.name))


def framed(request: SignedIn, wanted: Asked) -> dict[str, Any]:
    """What the templates of lists need, of whatever rows."""
    views = [_view(request, view, wanted) for view in saved_views.of_list(request.user.pk or 0, request.path)]
    frame = Frame(
        wanted, request.COOKIES.get(DENSITY) == COMPACT, views, request.path, wanted.query(columns=".".join(_chosen(wanted)))
    )
    return {"filter": wanted, "list": frame}


def context(
    request: SignedIn, wanted: Asked, detail: Callable[[list[Any]], Iterable[Any]] = list, *, found: Page[Any] | None = None
) -> dict[str, Any]:
    """All that a list's page needs; ``detail`` makes of a page's rows what its table shows. Raises Invalid for a wrong cursor.

    ``found`` is the page where it was made of rows that are needed for something else, too.
    """
    if found is None:
        found = _tree(wanted.listing.rows(request.principal, wanted), wanted) if wanted.tree else shown(request.principal, wanted)
    rows = found.rows if wanted.tree else list(detail(found.rows))
    return framed(request, wanted) | {
        "rows": rows,
        "headings": headings.of(found.asked),
        "next": found.next,
        "previous": found.previous,
        **polled(request, found),
    }


def polled(request: SignedIn, found: Page[Any] | None) -> dict[str, Any]:
    """How a page of sorted rows is asked for again; nothing of one that is read otherwise."""
    return {"listed": found, "poll": f"{request.path}?{found.poll}" if found and found.poll else ""}


def page_of(wanted: Asked, rows: Iterable[Any]) -> Page[Any]:
    """The page that is asked for, of rows that were read for something else, too. Raises Invalid for a wrong cursor."""
    return _tree(rows, wanted) if wanted.tree else page(rows, wanted)


def _tree(rows: Iterable[Any], wanted: Asked) -> Page[Any]:
    return page(branches(rows, wanted), grouped(wanted))


def _chosen(wanted: Asked) -> list[str]:
    """The columns that were chosen, in the list's order; none where they are the usual ones."""
    usual = {column.key for column in wanted.listing.columns if column.usual or column.fixed} | {
        column.key for column, _ in wanted.order
    }
    return [] if wanted.shows == usual else [column.key for column in wanted.columns]


def _view(request: SignedIn, saved: SavedView, wanted: Asked) -> View:
    mine = saved.user_id == request.user.pk
    here = dict(parse_qsl(wanted.query()))
    changeable = not request.principal.read_only and (mine or request.principal.admin)
    return View(saved, url_of(saved), here == dict(parse_qsl(saved.query)) and bool(request.GET), mine, changeable)


def url_of(saved: SavedView) -> str:
    """Where a view leads."""
    return f"{saved.path}?{saved.query or 'view='}"


# What a person's browser keeps


def remembered(request: SignedIn, name: str) -> str:
    """The columns of a list that were chosen before, with dots between them."""
    return _columns(request.COOKIES).get(name, "")


def with_columns(cookies: Mapping[str, str], name: str, keys: Iterable[str]) -> str:
    """The cookie that remembers a list's columns, too; without any the usual ones are shown."""
    known = {**_columns(cookies), name: ".".join(keys)}
    return "!".join(f"{name}:{chosen}" for name, chosen in known.items() if chosen)[:LONGEST]


def _columns(cookies: Mapping[str, str]) -> dict[str, str]:
    parts = (part.partition(":") for part in cookies.get(COLUMNS, "")[:LONGEST].split("!"))
    return {name: chosen for name, _, chosen in parts if chosen}


# The view that opens by itself


def opens_preferred(
    view: Callable[Concatenate[SignedIn, P], HttpResponseBase],
) -> Callable[Concatenate[SignedIn, P], HttpResponseBase]:
    """A list's page, which goes to the view that its person prefers where nothing but the list is asked for."""

    @functools.wraps(view)
    def opened(request: SignedIn, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.method in ("GET", "HEAD") and not request.META.get("QUERY_STRING") and not request.htmx:
            preferred = saved_views.preferred(request.user.pk or 0, request.path)
            if preferred is not None:
                return redirect(url_of(preferred))
        return view(request, *args, **kwargs)

    return cast(Callable[Concatenate[SignedIn, P], HttpResponseBase], opened)


def address(path: str, query: str, listing: Listing[Any]) -> saved_views.Address:
    """What is saved of a list's address: what the list knows of its query, and no place in it."""
    return saved_views.Address(path, Asked.from_query(listing, dict(parse_qsl(query))).query())
