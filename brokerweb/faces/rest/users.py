"""People: make, invite, read, change, take away, list."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from brokerweb.core import clock, cursors
from brokerweb.faces.http.hosts import address_of
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging, shapes
from brokerweb.faces.rest.base import ApiView
from brokerweb.identity import invitations, people

LISTED = cursors.digest("users")


def list_users(view: ApiView) -> HttpResponse:
    query = view.query()
    most, after = paging.limit(query), cursors.unseal(query["after"], LISTED) if "after" in query else ""
    page = list(people.listing(after)[: most + 1])
    more = cursors.seal(LISTED, page[most - 1].get_username()) if len(page) > most else None
    return answer({"items": [people.as_json(user) for user in page[:most]], "next": more})


def read_user(view: ApiView, name: str) -> HttpResponse:
    view.query()
    return answer(people.as_json(people.find(name)))


def create_user(view: ApiView) -> HttpResponse:
    made = people.create(view.principal, view.body(dict[str, Any]), address=view.address)
    return _invited(view, made)


def change_user(view: ApiView, name: str) -> HttpResponse:
    return answer(people.as_json(people.change(view.principal, name, view.body(dict[str, Any]), address=view.address)))


def delete_user(view: ApiView, name: str) -> HttpResponse:
    view.query()
    people.remove(view.principal, name, address=view.address)
    return no_content()


def invite_user(view: ApiView, name: str) -> HttpResponse:
    view.body(shapes.Nothing, empty=b"{}")
    return _invited(view, people.invite(view.principal, name, address=view.address))


def _invited(view: ApiView, invited: people.Invited) -> HttpResponse:
    link = address_of(view.request._request, invitations.path_of(invited.code))
    shown = people.as_json(invited.user)
    return answer(shown | {"invitation": link, "invitation_expires_at": clock.rfc3339(invited.until)}, 201)
