"""Choosing how lists look, in the person's own browser; saving, changing and deleting views, on the server."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.urls import Resolver404, resolve, reverse

from brokerweb.console.acting import deed, telling
from brokerweb.console.list_frame import COLUMNS, COMPACT, DENSITY, address, url_of, with_columns
from brokerweb.console.listing import KNOWN, Listing
from brokerweb.console.page import SignedIn, action, back, choice
from brokerweb.core.errors import Invalid
from brokerweb.identity import saved_views
from brokerweb.identity.models import SavedView

YEAR = 365 * 86_400


@choice
def look(request: SignedIn) -> HttpResponseBase:
    """Which columns a list has, and how close its rows stand."""
    response = back(request, reverse("brokerweb_console:queues"))
    listing = KNOWN.get(request.POST.get("list", ""))
    if listing is not None:
        known = {column.key for column in listing.columns}
        keys = [] if "usual" in request.POST else [key for key in request.POST.getlist("column") if key in known]
        fixed = [column.key for column in listing.columns if column.fixed]
        _remember(request, response, COLUMNS, with_columns(request.COOKIES, listing.name, [*fixed, *keys] if keys else []))
    _remember(request, response, DENSITY, COMPACT if request.POST.get("density") == COMPACT else "comfortable")
    return response


def _remember(request: SignedIn, response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=YEAR, httponly=True, samesite="Lax", secure=request.is_secure())


@action
def save(request: SignedIn) -> HttpResponseBase:
    """Keep a list's address under a name."""
    path, _, query = request.POST.get("place", "").partition("?")
    kept = address(path, query, _list_at(path))
    shared, preferred = "shared" in request.POST, "preferred" in request.POST
    with telling(request) as say:
        made = saved_views.save(_user(request), kept, request.POST.get("name", ""), shared=shared, prefer=preferred)
        deed(request, "view.save", f"view:{made.name}", place=url_of(made), shared=shared).record()
        say(f"The view {made.name} is saved.")
        return back(request, url_of(made))
    return back(request, f"{path}?{kept.query or 'view='}")


@action
def change(request: SignedIn, view_id: int) -> HttpResponseBase:
    """Rename a view, share it or no longer, let it open by itself or no longer."""
    view = _found(request, view_id)
    was = view.name
    with telling(request, "The view is changed."):
        if view.user_id == request.user.pk:
            saved_views.rename(view, request.POST.get("name", view.name))
            saved_views.prefer(view, "preferred" in request.POST)
        saved_views.share(view, "shared" in request.POST)
        deed(request, "view.change", f"view:{was}", name=view.name, shared="shared" in request.POST).record()
    return back(request, url_of(view))


@action
def delete(request: SignedIn, view_id: int) -> HttpResponseBase:
    """The list stays; the name for this part of it goes."""
    view = _found(request, view_id)
    with telling(request, f"The view {view.name} is deleted."):
        saved_views.delete(view)
        deed(request, "view.delete", f"view:{view.name}", place=url_of(view)).record()
    return back(request, f"{view.path}?view=")


def _found(request: SignedIn, view_id: int) -> SavedView:
    return saved_views.find(_user(request), view_id, admin=request.principal.admin)


def _user(request: SignedIn) -> int:
    return int(request.user.pk or 0)


def _list_at(path: str) -> Listing[Any]:
    """The list of the console at a path. Raises Invalid for any other address."""
    try:
        found = resolve(path)
    except Resolver404:
        found = None
    listing = KNOWN.get(found.url_name or "") if found and found.app_names == ["brokerweb_console"] else None
    if listing is None:
        raise Invalid.at("/place", "is no list of the console")
    return listing
