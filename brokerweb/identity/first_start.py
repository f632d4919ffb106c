"""The first start: an administrator, a way for them to sign in, and a token for the first program."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from brokerweb.identity import audit, scrub, signin, tokens
from brokerweb.identity.grants import ADMIN, Permit
from brokerweb.identity.principal import broker_itself

USERNAME = "admin"
SHORTEST_TOKEN = 24
_TOKEN = re.compile(r"[\x21-\x7e]+")


class AdminTokenRefused(ValueError):
    """The given administrator's token cannot be used; the start must stop."""


@dataclass(frozen=True)
class FirstStart:
    """What to print, once. A password or token that was given is None: whoever gave it has it."""

    username: str
    code: str = field(repr=False)
    password: str | None = field(repr=False)
    token: str | None = field(repr=False)


@sensitive_variables("admin_password", "admin_token", "password")
def first_start(admin_password: str | None = None, admin_token: str | None = None) -> FirstStart | None:
    """Create the administrator and their token if there is no user yet; None when there is one.

    An empty password or token counts as not given. Raises AdminTokenRefused.
    """
    for secret in filter(None, (admin_password, admin_token)):
        scrub.learn(secret)
    if admin_token:
        check_admin_token(admin_token)
    with transaction.atomic():
        if get_user_model()._default_manager.exists():
            return None
        password = admin_password or secrets.token_urlsafe(15)
        user = _create_user(password)
        made = tokens.store(broker_itself(), USERNAME, [Permit(None, "*", frozenset({ADMIN}))], text=admin_token or None)
        audit.record(broker_itself(), "broker.first_start", f"user:{user.pk}")
        code = signin.create_code(user)
    tokens.forget_cached()
    return FirstStart(USERNAME, code, None if admin_password else password, None if admin_token else made.text)


def _create_user(password: str) -> Any:
    model: Any = get_user_model()
    return model.objects.create_superuser(**{model.USERNAME_FIELD: USERNAME, "password": password})


def check_admin_token(token: str) -> None:
    """Raises AdminTokenRefused."""
    if len(token) < SHORTEST_TOKEN:
        raise AdminTokenRefused(f"the administrator's token needs at least {SHORTEST_TOKEN} characters")
    if len(token) > tokens.LONGEST or not _TOKEN.fullmatch(token):
        raise AdminTokenRefused(f"the administrator's token is visible ASCII, at most {tokens.LONGEST} characters")
