"""People whom a provider vouches for: known by it and its name for them, never by a name or an address that somebody else has.

What they may follows at every sign-in from what the provider says, where a mapping is set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from brokerweb.core.errors import Forbidden, Unauthenticated
from brokerweb.identity import audit, oidc, people, signin
from brokerweb.identity.audit import Entry, audited
from brokerweb.identity.authentication import announce_revoked
from brokerweb.identity.grants import Permit
from brokerweb.identity.models import Person
from brokerweb.identity.oidc import Vouched
from brokerweb.identity.people import Changed
from brokerweb.identity.principal import broker_itself
from brokerweb.identity.users import principal_of
from brokerweb.storage.transaction import Transaction

LONGEST_ISSUER, LONGEST_SUBJECT = 500, 255
_BEGUN, _ENDED = "\0oidc-begun", "\0oidc"  # what is counted, as no user is called
_NO_NAME = re.compile(r"[^\w.@+-]")
_ACTOR = "OpenID Connect"


def begin(redirect_uri: str, place: str, *, address: str, purpose: str = "") -> oidc.Begun:
    """A way there and back begins. Raises SignInLocked where too many came to nothing from there, Unavailable."""
    signin.attempts.begin(_BEGUN, address)
    begun = oidc.begin(redirect_uri, place, purpose)
    signin.attempts.succeeded(_BEGUN, address)
    return begun


def come_back(query: Any, kept: str, *, address: str) -> oidc.Ended:
    """Who comes back from the provider, and for what. Raises Unauthenticated, SignInLocked, Unavailable."""
    signin.attempts.begin(_ENDED, address)
    ended = oidc.end(query, kept)
    one = ended.one
    if len(one.issuer) > LONGEST_ISSUER or not 0 < len(one.subject) <= LONGEST_SUBJECT or "\0" in one.issuer + one.subject:
        raise Unauthenticated("the sign-in service's name for this person is too long")
    signin.attempts.succeeded(_ENDED, address)
    return ended


def sign_in(one: Vouched, *, address: str, enter: Callable[[Any], None]) -> None:
    """Sign in whom the provider vouches for; ``enter`` makes their session.

    Raises Forbidden for those without a role, and Conflict where nobody could administer any more.
    """
    user, permits = _person(one, address), oidc.granted(one.claims)
    if not user.is_active:
        raise _refused(user, "is deactivated here", address)
    if permits is not None:
        user = _given(user, permits, address)
        if not permits:
            raise _refused(user, "has no role here, by what the sign-in service says of them", address)
    with transaction.atomic():
        audit.record(principal_of(user), "user.sign_in", f"user:{user.get_username()}", detail={"by": "oidc"}, address=address)
        enter(user)


def _refused(user: Any, why: str, address: str) -> Forbidden:
    audit.record(user.get_username(), "user.sign_in_failed", "sign-in", detail={"by": "oidc"}, address=address)
    return Forbidden(f"{user.get_username()} {why}")


def _person(one: Vouched, address: str) -> Any:
    """The one that is known by these two, or a new one."""
    user = known(one)
    if user is not None:
        return user
    name = _free_name(one)
    entry = Entry(broker_itself(_ACTOR), "user.create", f"user:{name}", {"issuer": one.issuer}, address)
    return audited(entry, _create, one, name).user


def known(one: Vouched) -> Any:
    """The user that is known by these two; None for nobody."""
    person = Person.objects.filter(issuer=one.issuer, subject=one.subject).select_related("user").first()
    return None if person is None else person.user


def _free_name(one: Vouched) -> str:
    """Theirs where it is a name, and nobody's; else one that is like it. Whoever has a name already keeps it."""
    model: Any = get_user_model()
    wanted = _NO_NAME.sub("", model.normalize_username(one.name)).lstrip(".")[: people.MAX_NAME - 10]
    digest = sha256(f"{one.issuer}\n{one.subject}".encode()).hexdigest()[:8]
    taken = model._default_manager.filter(**{f"{model.USERNAME_FIELD}__iexact": wanted}).exists()
    return f"{wanted or 'person'}-{digest}" if taken or not wanted else wanted


def _create(tx: Transaction, one: Vouched, name: str) -> Changed:
    people.begin(tx)
    user = known(one)
    if user is None:
        user = people.new_user(name)
        Person.objects.create(user=user, made=True, issuer=one.issuer, subject=one.subject)
    return Changed(user, f"user:{user.pk}", {"before": None, "after": people.state(people.find(user.get_username()))})


def _given(user: Any, permits: Sequence[Permit], address: str) -> Any:
    """The user with just these; where they had others, sessions that they have elsewhere end."""
    found = people.find(user.get_username())
    if set(people.permits_of(found)) == set(permits):
        return found
    entry = Entry(broker_itself(_ACTOR), "user.change", f"user:{user.get_username()}", {}, address)
    done: Changed = audited(entry, _give, user.get_username(), permits)
    announce_revoked(done.owner)
    return done.user


def _give(tx: Transaction, name: str, permits: Sequence[Permit]) -> Changed:
    people.begin(tx)
    user = people.find(name)
    # Who has a password, too, is whom others are let in by when the provider is not there, or says otherwise than was meant.
    change = people.keeping_an_administrator if user.has_usable_password() else people.changing
    return change(user, lambda: people.set_permits(user, permits))
