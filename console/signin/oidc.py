"""Signing in by OpenID Connect: to the provider, and back from it. Everything that decides is in ``brokerweb.identity.vouched``,
and of joining somebody who is here with their name there in ``linking``.

The way there is a link, since the console's policy lets no form lead to another site. It stores nothing here: what it began
with goes along in a cookie that is signed.
"""

from __future__ import annotations

from functools import partial

from django.db import OperationalError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from brokerweb import conf
from brokerweb.console.page import missing, told
from brokerweb.console.signin.actions import address_of, ask, enter, go_on, refused, signed_in
from brokerweb.core.errors import BrokerError, Unauthenticated
from brokerweb.faces.http import hosts
from brokerweb.identity import linking, oidc, vouched


@require_safe
@never_cache
def begin(request: HttpRequest) -> HttpResponseBase:
    """To the provider: to sign in, or to be known by it from then on."""
    if not oidc.is_offered():
        return missing(request)
    back_here = hosts.address_of(request, reverse("brokerweb_console:oidc-back"))
    place, address = request.GET.get("next", "")[:2000], address_of(request)
    try:
        begun = vouched.begin(back_here, place, address=address, purpose=_purpose(request, address))
    except (BrokerError, OperationalError) as error:
        return refused(request, told(error), place)
    response = redirect(begun.url)
    path = reverse("brokerweb_console:oidc")
    response.set_cookie(
        oidc.COOKIE, begun.kept, max_age=oidc.LASTS, path=path, secure=conf.get().secure, httponly=True, samesite="Lax"
    )
    return response


def _purpose(request: HttpRequest, address: str) -> str:
    if code := request.GET.get("invitation", ""):
        return linking.purpose_of_invitation(code, address=address)
    if "link" not in request.GET:
        return ""
    if (user := signed_in(request)) is None:
        raise Unauthenticated("you are not signed in")
    return linking.purpose_of(user)


@require_safe
@never_cache
def back(request: HttpRequest) -> HttpResponseBase:
    """From the provider, with somebody or an error."""
    if not oidc.is_offered():
        return missing(request)
    kept, address = request.COOKIES.get(oidc.COOKIE, ""), address_of(request)
    try:
        ended = vouched.come_back(request.GET, kept, address=address)
        if ended.purpose:
            return _used_up(ask(request, linking.offer(ended, signed_in(request), address=address)))
        vouched.sign_in(ended.one, address=address, enter=partial(enter, request))
    except (BrokerError, OperationalError) as error:
        return _used_up(refused(request, told(error)))
    return _used_up(go_on(ended.place))


def _used_up(response: HttpResponseBase) -> HttpResponseBase:
    response.delete_cookie(oidc.COOKIE, path=reverse("brokerweb_console:oidc"), samesite="Lax")
    return response
