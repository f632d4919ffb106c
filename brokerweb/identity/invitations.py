"""Invitations: a link that lets a person set their password, once, within seven days. What is stored is its hash.

Opening the page uses nothing up: mail scanners and previews follow links. The pages are the console's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.urls import NoReverseMatch, reverse
from django.views.decorators.debug import sensitive_variables

from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid, Unauthenticated
from brokerweb.identity import audit, signin
from brokerweb.identity.authentication import announce_revoked, digest_of
from brokerweb.identity.models import Person
from brokerweb.identity.users import principal_of

PREFIX = "bwi_"
LASTS = 7 * 86_400.0  # seconds
LONGEST_PASSWORD = 4096
_COUNTED = "\0invitation"  # as no user is called


def new_code() -> str:
    """What a link carries."""
    return PREFIX + secrets.token_urlsafe(32)


def require_page() -> None:
    """Raise Conflict where there is no page on which somebody could set a password."""
    try:
        path_of("x")
    except NoReverseMatch:
        raise Conflict("There is no console here on which a person could set a password.") from None


def path_of(code: str) -> str:
    """The page of an invitation."""
    return reverse("brokerweb_console:invitation", args=[code])


def store(user: Any, code: str) -> None:
    """From now on that code lets that person in, and no earlier one."""
    until = clock.wall() + clock.seconds(LASTS)
    Person.objects.filter(user=user.pk).update(invitation=digest_of(code), invited_until_at=until)


def find(code: str, *, address: str) -> Person:
    """Whom a code invites. Raises Unauthenticated, and SignInLocked where too many were wrong from there."""
    signin.attempts.begin(_COUNTED, address)
    now = clock.wall()
    # Not one of the future either: where the wall was ahead and was set back, it would last until then.
    lasting = Person.objects.filter(invited_until_at__gt=now, invited_until_at__lte=now + clock.seconds(LASTS))
    person = lasting.select_related("user").filter(invitation=digest_of(code[:200]), user__is_active=True).first()
    if person is None:
        raise _ended()
    signin.attempts.succeeded(_COUNTED, address)
    return person


def use_up(user: Any, code: str) -> None:
    """In a transaction: of two who use it at once one gets in, and none where a newer is on its way. Raises Unauthenticated."""
    unused = Person.objects.filter(user=user.pk, invitation=digest_of(code[:200]))
    if not unused.update(invitation=None, invited_until_at=None):
        raise _ended()


@sensitive_variables("password")
def redeem(code: str, password: str, *, address: str, enter: Callable[[Any], None]) -> Any:
    """Give the person that password; ``enter`` makes their session in the same commit. The user.

    Sessions that they had end. Raises Unauthenticated, Invalid for a password that will not do, SignInLocked.
    """
    person = find(code, address=address)
    user: Any = person.user
    check_password(password, user)
    user.set_password(password)
    with transaction.atomic():
        use_up(user, code)
        Person.objects.filter(pk=person.pk).update(epoch=F("epoch") + 1)
        user.save(update_fields=["password"])
        audit.record(principal_of(user), "user.set_password", f"user:{user.get_username()}", address=address)
        enter(user)
    announce_revoked(f"user:{user.pk}")
    return user


@sensitive_variables("password")
def check_password(password: str, user: Any) -> None:
    """Whether it will do by the project's validators. Raises Invalid with all that they say."""
    if len(password) > LONGEST_PASSWORD or "\0" in password:
        raise Invalid.at("/password", f"at most {LONGEST_PASSWORD} characters, and no NUL")
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        faults = [{"pointer": "/password", "detail": text} for text in error.messages]
        raise Invalid("The password will not do.", errors=faults) from None


def _ended() -> Unauthenticated:
    return Unauthenticated("the invitation is unknown, used or older than seven days: ask for another")
