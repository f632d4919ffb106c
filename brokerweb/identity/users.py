"""Django's users as principals: superusers may everything, others what their grants say.

A principal of a browser's session remembers the session, which ends by signing out, by a new password, or when the person was
changed, before the user does. Sessions count in epochs: one that began in an earlier one than is now is over.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.db import Error
from django.http import HttpRequest, parse_cookie

from brokerweb import conf
from brokerweb.core import clock, remembered
from brokerweb.core.errors import Unauthenticated, Unavailable
from brokerweb.identity.grants import Permit, stored
from brokerweb.identity.models import Grant, Person
from brokerweb.identity.principal import Principal
from brokerweb.identity.threads import in_thread

EPOCH = "brokerweb_epoch"  # in a session
_seen: dict[Any, int] = {}  # user -> when last seen, until the duty writes it
_seen_mutex = threading.Lock()
remembered.of_run(_seen.clear)


def principal_of(user: Any, *, session_key: str | None = None) -> Principal:
    """The principal of a Django user, read anew; with BROKERWEB_READ_ONLY one that only looks.

    Raises Unauthenticated for anonymous and inactive ones.
    """
    if not (user.is_authenticated and user.is_active):
        raise Unauthenticated
    superuser = is_superuser(user)
    permits = () if superuser else permits_of(Grant.objects.filter(user=user.pk))
    looks = conf.get().read_only
    principal = Principal(user.get_username(), f"user:{user.pk}", permits=permits, superuser=superuser, read_only=looks)
    principal.session_key = session_key
    with _seen_mutex:
        _seen[user.pk] = clock.wall()
    return principal


def is_superuser(user: Any) -> bool:
    """Whether Django says that this one may everything."""
    return bool(getattr(user, "is_superuser", False))


def may_be_superusers() -> bool:
    """Whether the project's users have that at all."""
    return any(field.name == "is_superuser" for field in auth.get_user_model()._meta.concrete_fields)


def take_seen() -> dict[Any, int]:
    """Who was seen since the last call, and when; for the duty that writes it."""
    with _seen_mutex:
        seen = dict(_seen)
        _seen.clear()
    return seen


def seen_at(user: Any) -> int | None:
    """When a user was last seen here, where the duty has not written it yet."""
    with _seen_mutex:
        return _seen.get(user.pk)


def note_epoch(sender: object, request: HttpRequest, user: Any, **_: Any) -> None:
    """Somebody signs in: their session is of the epoch that is now."""
    if epoch := _epoch_of(user):
        request.session[EPOCH] = epoch


def has_ended(session: Mapping[str, Any], user: Any) -> bool:
    """Whether the session is of an earlier epoch than is now: the person was changed since they signed in."""
    return bool(session.get(EPOCH, 0) != _epoch_of(user))


def _epoch_of(user: Any) -> int:
    return Person.objects.filter(user=user.pk).values_list("epoch", flat=True).first() or 0


def permits_of(grants: Any) -> tuple[Permit, ...]:
    """What rows of ``Grant`` give; a row that makes no sense gives nothing."""
    permits = (stored(grant.kind, grant.pattern, grant.verbs) for grant in grants)
    return tuple(permit for permit in permits if permit is not None)


def request_principal(request: HttpRequest) -> Principal | None:
    """The principal of a request's session, or None. CSRF is the caller's to check."""
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated or has_ended(request.session, user):
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
        gone = isinstance(user, AnonymousUser) or has_ended(request.session, user)
        return None if gone else principal_of(user, session_key=session_key)
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


def named(names: Collection[str]) -> set[str]:
    """Which of these are names of people."""
    model = auth.get_user_model()
    column = model.USERNAME_FIELD
    return set(model._default_manager.filter(**{f"{column}__in": names}).values_list(column, flat=True))
