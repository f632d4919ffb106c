"""Making a person, whose invitation is shown once; changing, inviting again and taking away."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb import conf
from brokerweb.console.acting import telling
from brokerweb.console.page import SignedIn, form, render, render_form
from brokerweb.console.users import confirm
from brokerweb.console.users.forms import NewPersonForm, PersonForm
from brokerweb.console.users.reading import shown, tokens_of
from brokerweb.core import clock
from brokerweb.core.errors import BrokerError
from brokerweb.faces.http.hosts import address_of
from brokerweb.identity import invitations, people


@form
def new_user(request: SignedIn) -> HttpResponseBase:
    """Make a person; the answer to the POST shows their invitation, so that it is stored nowhere."""
    request.principal.require_admin()
    asked = NewPersonForm(request.POST if request.method == "POST" else None)
    if asked.is_valid() and not request.POST.get("more"):
        try:
            made = people.create(request.principal, asked.request(), address=request.META.get("REMOTE_ADDR"))
        except BrokerError as error:
            asked.refuse(error)
        else:
            return _shown_once(request, made)
    return render_form(request, "brokerweb_console/users/new.html", asked)


@form
def user(request: SignedIn, person: str) -> HttpResponseBase:
    """What one person may, and whether they may sign in."""
    request.principal.require_admin()
    found = people.find(person)
    asked = PersonForm.of(found, request.POST if request.method == "POST" else None)
    if asked.is_valid() and not request.POST.get("more"):
        try:
            address = request.META.get("REMOTE_ADDR")
            people.change(request.principal, person, asked.request(), address=address, check=asked.check_person)
        except BrokerError as error:
            asked.refuse(error)
        else:
            with telling(request, f"Saved. Where {person} was signed in, that has ended."):
                return redirect("brokerweb_console:user", person)
    context = {"person": shown(found), "made": tokens_of(found), "mapped": bool(conf.get().oidc_roles)}
    return render_form(request, "brokerweb_console/users/user.html", asked, **context)


@form
def invite(request: SignedIn, person: str) -> HttpResponseBase:
    """Another invitation, shown once."""
    request.principal.require_admin()
    if request.method != "POST":
        return confirm.invite(request, person)
    try:
        return _shown_once(request, people.invite(request.principal, person, address=request.META.get("REMOTE_ADDR")))
    except BrokerError as error:
        return confirm.invite(request, person, error)


@form
def unlink(request: SignedIn, person: str) -> HttpResponseBase:
    """Nobody vouches for a person any more."""
    request.principal.require_admin()
    if request.method != "POST":
        return confirm.unlink(request, person)
    with telling(request, f"{person} is unlinked. Where they were signed in, that has ended."):
        people.change(request.principal, person, {"issuer": None}, address=request.META.get("REMOTE_ADDR"))
    return redirect("brokerweb_console:user", person)


@form
def delete(request: SignedIn, person: str) -> HttpResponseBase:
    """Take a person away."""
    request.principal.require_admin()
    if request.method != "POST":
        return confirm.delete(request, person)
    with telling(request, f"{person} is gone."):
        people.remove(request.principal, person, address=request.META.get("REMOTE_ADDR"))
    return redirect("brokerweb_console:users")


def _shown_once(request: SignedIn, made: people.Invited) -> HttpResponseBase:
    link = address_of(request, invitations.path_of(made.code))
    until = clock.to_datetime(made.until)
    return render(request, "brokerweb_console/users/invited.html", person=shown(made.user), link=link, until=until)
