"""Signing in: by a one-time code in a link, or by password. The pages are the console's."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import auth
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from brokerweb.core import clock, remembered
from brokerweb.core.errors import NotFound, Unauthenticated
from brokerweb.identity import audit
from brokerweb.identity.attempts import Attempts
from brokerweb.identity.authentication import digest_of
from brokerweb.identity.models import SignInCode
from brokerweb.identity.users import principal_of

CODE_PREFIX = "bwc_"
CODE_LASTS = 900.0  # seconds
attempts = Attempts()
remembered.of_run(attempts.clear)


def create_code(user: Any) -> str:
    """A code that signs ``user`` in once, within 15 minutes."""
    code = CODE_PREFIX + secrets.token_urlsafe(32)
    now = clock.wall()
    SignInCode.objects.create(sha256=digest_of(code), user=user, created_at=now, expires_at=now + clock.seconds(CODE_LASTS))
    return code


def link(username: str, base_url: str) -> str:
    """A link that signs that user in once: the sign-in page's address and a new code. Raises NotFound."""
    model = auth.get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: username}, is_active=True).first()
    if user is None:
        raise NotFound(f"there is no active user {username!r}")
    return link_of(create_code(user), base_url)


def link_of(code: str, base_url: str) -> str:
    """The link that carries ``code``: to the console's page, or to the project's own. Opening it uses nothing up."""
    page = console_page() or resolve_url(settings.LOGIN_URL)
    return f"{base_url.rstrip('/')}{page}?code={code}"


def console_page() -> str | None:
    """The console's own page for such links; None where the project has no console."""
    try:
        return reverse("brokerweb_console:signin")
    except NoReverseMatch:
        return None


def redeem(code: str, *, address: str | None = None, enter: Callable[[Any], None] | None = None) -> Any:
    """The user a code signs in; of two who use it at once only one gets in. Raises Unauthenticated.

    ``enter`` makes their session in the same commit: where that cannot be stored the code is as it was.
    Only for a POST: mail scanners and previews follow links, and must not use the code up.
    """
    digest, now = digest_of(code[:200]), clock.wall()
    # Not one of the future either: where the wall was ahead and was set back, its codes would last until then.
    made = SignInCode.objects.filter(created_at__lte=now + clock.seconds(CODE_LASTS))
    usable = made.filter(sha256=digest, used_at=None, expires_at__gt=now)
    if not usable.exists():  # a stranger's guess must not take the writer's turn
        raise _unusable()
    with transaction.atomic():
        if not usable.update(used_at=now):
            raise _unusable()
        user = SignInCode.objects.select_related("user").get(sha256=digest).user
        audit.record(principal_of(user), "user.sign_in", f"user:{user.get_username()}", detail={"by": "link"}, address=address)
        if enter is not None:
            enter(user)
    return user


def _unusable() -> Unauthenticated:
    return Unauthenticated("the sign-in link is unknown, used or older than 15 minutes")


@sensitive_variables("password")
def check_password(request: HttpRequest, username: str, password: str, *, address: str) -> Any:
    """The user of that name and password. Raises Unauthenticated, or RateLimited after 10 failures in 5 minutes.

    A name that does not exist takes as long and is answered in the same words (Django hashes the password all the same).
    """
    attempts.begin(username, address)
    user = None
    if "\0" not in username and len(username) <= 150 and len(password) <= 4096:
        user = auth.authenticate(request, username=username, password=password)
    if user is None:
        # The name is kept only where it is one: people type passwords into the wrong field.
        model = auth.get_user_model()
        known = model._default_manager.filter(**{model.USERNAME_FIELD: username.replace("\0", "")}).exists()
        audit.record(username if known else "somebody", "user.sign_in_failed", "sign-in", address=address)
        raise Unauthenticated("the user name or the password is wrong")
    attempts.succeeded(username, address)
    audit.record(principal_of(user), "user.sign_in", f"user:{user.get_username()}", detail={"by": "password"}, address=address)
    return user


def forget_old_codes(now: int) -> int:
    """Remove codes that ended a day ago; returns how many."""
    old = SignInCode.objects.filter(expires_at__lt=now - clock.seconds(86_400))
    return old.delete()[0] if old.exists() else 0  # no write where there is nothing


def forget_old_sessions(now: int) -> int:
    """Remove sessions that have ended, as ``manage.py clearsessions`` does; returns how many."""
    if not apps.is_installed("django.contrib.sessions"):
        return 0
    instant = clock.to_datetime(now)
    if not settings.USE_TZ:  # then Django stores them as the project's local time
        instant = timezone.make_naive(instant, timezone.get_default_timezone())
    ended = apps.get_model("sessions", "Session").objects.filter(expire_date__lt=instant)
    return ended.delete()[0] if ended.exists() else 0
