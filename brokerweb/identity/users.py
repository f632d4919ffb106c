"""Django's users as principals: superusers may everything, others what their grants say.

A principal of a browser's session remembers the session, which ends by signing out or by a new password before the
user does.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.db import Error
from django.http import HttpRequest, parse_cookie

from brokerweb.core.errors import Unauthenticated, Unavailable
from brokerweb.identity.grants import Permit, stored
from brokerweb.identity.models import Grant
from brokerweb.identity.principal import Principal
from brokerweb.identity.threads import in_thread


def principal_of(user: Any, *, session_key: str | None = None) -> Principal:
    """The principal of a Django user, read anew. Raises Unauthenticated for anonymous and inactive ones."""
    if not (user.is_authenticated and user.is_active):
        raise Unauthenticated
    superuser = bool(getattr(user, "is_superuser", False))
    permits = () if superuser else permits_of(Grant.objects.filter(user=user.pk))
    principal = Principal(user.get_username(), f"user:{user.pk}", permits=permits, superuser=superuser)
    principal.session_key = session_key
    return principal


def permits_of(grants: Any) -> tuple[Permit, ...]:
    """What rows of ``Grant`` give; a row that makes no sense gives nothing."""
    permits = (stored(grant.kind, grant.pattern, grant.verbs) for grant in grants)
    return tuple(permit for permit in permits if permit is not None)


def request_principal(request: HttpRequest) -> Principal | None:
    """The principal of a request's session, or None. CSRF is the caller's to check."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    return principal_of(user, session_key=request.session.session_key)


def session_key_in(cookie_header: str | None) -> str | None:
    """The session key in a ``Cookie`` header, for faces that run without Django's middleware."""
    return parse_cookie(cookie_header).get(settings.SESSION_COOKIE_NAME) if cookie_header else None


def session_principal(session_key: str | None) -> Principal | None:
    """The principal a session belongs to, read from the store, or None. CSRF and Origin are the caller's to check."""
    if not session_key:
        return None
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    try:
        user = auth.get_user(request)  # compares the password's hash, too
        return None if isinstance(user, AnonymousUser) else principal_of(user, session_key=session_key)
    except Error as error:
        raise Unavailable("the sessions cannot be read") from error


async def asession_principal(session_key: str | None) -> Principal | None:
    """``session_principal`` from the event loop."""
    return await in_thread(session_principal, session_key) if session_key else None


def current(principal: Principal) -> Principal | None:
    """A user's principal as the store has it now; None when the user or the session is gone."""
    if principal.session_key:
        return session_principal(principal.session_key)
    user = auth.get_user_model()._default_manager.filter(pk=principal.owner.partition(":")[2], is_active=True).first()
    return None if user is None else principal_of(user)
