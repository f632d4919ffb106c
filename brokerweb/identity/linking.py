"""A person here, and their name at the provider of OpenID Connect, made one: on purpose, by whoever is both at that moment.

Never by an equal name or address, which others can choose. There are two ways: who is signed in goes to the provider and back,
and confirms it with their password; who has an invitation uses that account by the provider instead of setting a password. What
came back is shown before it counts, so that nobody is led there unawares. Users of a project are never joined to anybody: the
session here is one of the whole project, which alone says how they sign in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import auth
from django.core import signing
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from brokerweb.core.errors import Conflict, Forbidden, Invalid, Unauthenticated
from brokerweb.identity import audit, invitations, oidc, people, roles, signin, vouched
from brokerweb.identity.audit import Entry, audited
from brokerweb.identity.authentication import announce_revoked
from brokerweb.identity.models import Person
from brokerweb.identity.oidc import Ended, Vouched
from brokerweb.identity.people import Changed
from brokerweb.identity.users import principal_of
from brokerweb.storage.transaction import Transaction

SALT = "brokerweb.identity.linking"
LONGEST_NAME = 200  # characters of what they are called there that are shown, and kept in the trail
_OWN, _INVITED = "link", "invitation"  # what a way to the provider is begun for


class Offer(NamedTuple):
    """What would be joined: shown, signed, and sent back within ten minutes by who agrees."""

    user: Any
    one: Vouched
    purpose: str
    sealed: str

    @property
    def invited(self) -> bool:
        return self.purpose.startswith(_INVITED)

    @property
    def roles(self) -> list[dict[str, Any]] | None:
        """What they get at every sign-in by the provider; None where roles are given here."""
        permits = oidc.granted(self.one.claims)
        return None if permits is None else [roles.in_short(permit) for permit in permits]


def purpose_of(user: Any) -> str:
    """For whom a way to the provider is begun by somebody who is signed in. Raises Conflict."""
    _require_linkable(people.find(user.get_username()))
    return f"{_OWN}:{user.pk}"


def purpose_of_invitation(code: str, *, address: str) -> str:
    """The same by who has an invitation. Raises Unauthenticated, SignInLocked, Conflict."""
    _invited(code, address)
    return f"{_INVITED}:{code}"


def offer(ended: Ended, user: Any, *, address: str) -> Offer:
    """What would be joined of who came back and ``user``, who is signed in, or whom the invitation is of.

    Raises Unauthenticated where that is not who began it, and Conflict where it cannot be.
    """
    one = ended.one._replace(claims=oidc.of_use(ended.one.claims), name=ended.one.name[:LONGEST_NAME])
    sealed = signing.dumps([list(one), ended.purpose], salt=SALT)
    return _checked(one, ended.purpose, sealed, user, address)


def opened(sealed: str, user: Any, *, address: str) -> Offer:
    """The offer that somebody agrees to. Raises as ``offer`` does."""
    try:
        one, purpose = signing.loads(sealed, salt=SALT, max_age=oidc.LASTS)
    except signing.BadSignature:
        raise Unauthenticated("what was to be linked is older than ten minutes: begin again") from None
    return _checked(Vouched(*one), purpose, sealed, user, address)


def _checked(one: Vouched, purpose: str, sealed: str, user: Any, address: str) -> Offer:
    kind, _, of = purpose.partition(":")
    if kind == _INVITED:
        found = _invited(of, address)
    elif kind == _OWN and user is not None and str(user.pk) == of:
        found = people.find(user.get_username())
    else:
        raise Unauthenticated("it was begun by somebody else: sign in, and begin again")
    _require_linkable(found)
    _require_unknown(one)
    if oidc.granted(one.claims) == []:
        raise Forbidden(f"the sign-in service gives {one.name or 'this person'} no role here")
    return Offer(found, one, purpose, sealed)


def _invited(code: str, address: str) -> Any:
    user = people.find(invitations.find(code, address=address).user.get_username())
    _require_linkable(user)
    return user


def _require_linkable(user: Any) -> None:
    person = people.person_of(user)
    if not people.is_own(user):
        raise Conflict(f"{user.get_username()} is a user of the project, which alone says how they sign in.")
    if person is not None and person.subject is not None:
        raise Conflict(f"{user.get_username()} is linked already: unlink that first.")


def _require_unknown(one: Vouched) -> None:
    other = vouched.known(one)
    if other is not None:
        raise Conflict(f"Whoever signs in there as that is {other.get_username()} here. An administrator can take that one away.")


@sensitive_variables("password")
def link(made: Offer, request: HttpRequest, password: str, *, address: str) -> None:
    """Join what is offered to who is signed in. Raises Unauthenticated for another password, SignInLocked, Conflict, and
    Forbidden where people only look.
    """
    user = made.user
    principal_of(user).require_changes()
    if user.has_usable_password():
        signin.attempts.begin(user.get_username(), address)
        known = auth.authenticate(request, username=user.get_username(), password=password[:4096])
        if known is None or known.pk != user.pk:
            told = {"by": "password", "for": "user.link"}
            audit.record(user.get_username(), "user.sign_in_failed", "sign-in", detail=told, address=address)
            raise Invalid.at("/password", "That is not your password.")
        signin.attempts.succeeded(user.get_username(), address)
    audited(_entry(user, "user.link", address), _link, user.get_username(), made.one)


def accept(made: Offer, *, address: str, enter: Callable[[Any], None]) -> None:
    """Use an invitation up by joining what is offered, and sign in. A password that they have is none any more, as another would
    have taken its place. Raises as ``vouched.sign_in`` does, and Conflict.
    """
    code = made.purpose.partition(":")[2]
    done = audited(_entry(made.user, "user.link", address), _accept, code, address, made.one)
    announce_revoked(done.owner)
    vouched.sign_in(made.one, address=address, enter=enter)


def unlink(user: Any, *, address: str) -> None:
    """Take that away from oneself; all sessions end. Raises Conflict for who could not sign in any more."""
    found = people.find(user.get_username())
    if not found.has_usable_password():
        raise Conflict("You have no password to sign in with then. An administrator can invite you to set one.")
    announce_revoked(audited(_entry(found, "user.unlink", address), _unlink, found.get_username()).owner)


def _entry(user: Any, action: str, address: str) -> Entry:
    return Entry(principal_of(user), action, f"user:{user.get_username()}", {}, address)


# Verbs


def _link(tx: Transaction, name: str, one: Vouched) -> Changed:
    people.begin(tx)
    return _join(name, one)


def _join(name: str, one: Vouched) -> Changed:
    user = people.find(name)
    _require_linkable(user)
    _require_unknown(one)
    Person.objects.get_or_create(user=user)
    Person.objects.filter(user=user.pk).update(issuer=one.issuer, subject=one.subject)
    name_there = "".join(filter(str.isprintable, one.name))[:LONGEST_NAME]
    after = {"issuer": one.issuer, "subject": one.subject, "name": name_there}
    return Changed(user, f"user:{user.pk}", {"before": {}, "after": after})


def _accept(tx: Transaction, code: str, address: str, one: Vouched) -> Changed:
    people.begin(tx)
    user = _invited(code, address)
    invitations.use_up(user, code)
    done = _join(user.get_username(), one)
    user.set_unusable_password()
    user.save(update_fields=["password"])
    people.end_sessions(user)
    return done


def _unlink(tx: Transaction, name: str) -> Changed:
    people.begin(tx)
    user = people.find(name)
    return people.changing(user, lambda: people.forget_issuer(user))
