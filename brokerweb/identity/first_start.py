"""The first start: an administrator, a way for them to sign in, and a token for the first program."""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError, ValidationError
from django.db import DatabaseError, transaction
from django.views.decorators.debug import sensitive_variables

from brokerweb.identity import audit, scrub, signin, tokens
from brokerweb.identity.authentication import digest_of
from brokerweb.identity.grants import ADMIN, Permit
from brokerweb.identity.models import Token
from brokerweb.identity.principal import broker_itself
from brokerweb.storage import transaction as store
from brokerweb.storage.declared import declaring

log = logging.getLogger(__name__)
USERNAME = "admin"
SHORTEST_TOKEN = 24
_TOKEN = re.compile(r"[\x21-\x7e]+")


class AdminTokenRefused(ValueError):
    """The given administrator's token cannot be used; the start must stop."""


@dataclass(frozen=True)
class FirstStart:
    """What to print, once. A password or token that was given is None: whoever gave it has it.

    Without ``code`` there is nobody to sign in, or no page to do it on; without ``created`` there were users already.
    """

    username: str | None
    created: bool
    code: str | None = field(repr=False)
    password: str | None = field(repr=False)
    token: str | None = field(repr=False)


@sensitive_variables("admin_password", "admin_token", "password")
def first_start(admin_password: str | None = None, admin_token: str | None = None) -> FirstStart | None:
    """Make what is needed to use the broker, if there has never been a token; None when there has.

    A user is made where there is none. A given token is honoured at every start, unless it was revoked. An empty password
    or token counts as not given. Raises AdminTokenRefused.
    """
    for secret in filter(None, (admin_password, admin_token)):
        scrub.learn(secret)
    if admin_token:
        check_admin_token(admin_token)
    with store.transaction() as tx:
        declaring(tx, "first start")  # of nodes that start at once the first makes them
        first = not Token.objects.exists()
        token = _token(admin_token or None, first)
        if not first:
            return None
        password = admin_password or secrets.token_urlsafe(15)
        created = not get_user_model()._default_manager.exists() and _create_user(password)
        user = created or _superuser()
        audit.record(broker_itself(), "broker.first_start", f"user:{user.get_username()}" if user else "token")
        code = signin.create_code(user) if user and signin.console_page() else None
    generated = password if created and not admin_password else None
    return FirstStart(user and user.get_username(), bool(created), code, generated, token)


def _token(given: str | None, first: bool) -> str | None:
    """Store the given token where it is not known, or a generated one at a first start; its text, where that was generated."""
    known = Token.objects.filter(sha256=digest_of(given)).first() if given else None
    if known and known.revoked_at:
        log.warning("BROKERWEB_ADMIN_TOKEN is a token that was revoked: it stays so")
    if known or not (given or first):
        return None
    made = tokens.store(broker_itself(), USERNAME, [Permit(None, "*", frozenset({ADMIN}))], text=given)
    audit.record(broker_itself(), "token.create", made.token.owner, detail={"name": USERNAME})
    tokens.forget_cached()
    return None if given else made.text


def _create_user(password: str) -> Any:
    """The administrator; None where the project's users need more than a name and a password."""
    model: Any = get_user_model()
    try:
        with transaction.atomic():
            return model.objects.create_superuser(**{model.USERNAME_FIELD: USERNAME, "password": password})
    except (AttributeError, TypeError, ValueError, ValidationError, DatabaseError) as error:
        log.warning("no user %s could be made (%s): make one with manage.py createsuperuser", USERNAME, error)
        return None


def _superuser() -> Any:
    """Who may everything here already, as far as the project's users have that."""
    model: Any = get_user_model()
    try:
        return model._default_manager.filter(is_superuser=True, is_active=True).order_by("pk").first()
    except FieldError:
        return None


def check_admin_token(token: str) -> None:
    """Raises AdminTokenRefused."""
    if len(token) < SHORTEST_TOKEN:
        raise AdminTokenRefused(f"the administrator's token needs at least {SHORTEST_TOKEN} characters")
    if len(token) > tokens.LONGEST or not _TOKEN.fullmatch(token):
        raise AdminTokenRefused(f"the administrator's token is visible ASCII, at most {tokens.LONGEST} characters")
