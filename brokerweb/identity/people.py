"""People: Django's users with roles on patterns of names, who come by an invitation and set a password of their own.

In the broker's own project every user is one. In a project that has users already those are whom the broker made, or gave a
grant, and superusers; of whom it did not make it changes the grants alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import F, Q, QuerySet

from brokerweb.conf import OWN_URLS
from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid, NotFound, escape_pointer
from brokerweb.identity import invitations, roles, users
from brokerweb.identity.audit import Entry, audited, changed
from brokerweb.identity.authentication import announce_revoked
from brokerweb.identity.grants import Permit
from brokerweb.identity.models import Grant, Person
from brokerweb.identity.principal import Principal
from brokerweb.storage.declared import declaring
from brokerweb.storage.transaction import Transaction

MAX_NAME = 150


class Invited(NamedTuple):
    """A person, and the code of their invitation, which is nowhere else."""

    user: Any
    code: str
    until: int


class Changed(NamedTuple):
    """Who was changed, and what the trail says of it."""

    user: Any
    owner: str
    audit_detail: Mapping[str, Any]


class Wanted(NamedTuple):
    """What is to be otherwise."""

    permits: Sequence[Permit] | None
    active: bool | None
    unlink: bool
    check: Callable[[Any], None]  # of the user as they are, before anything is changed


# Reading


def listing(after: str = "") -> QuerySet[Any]:
    """Everybody, by name, beyond the one that is named ``after``."""
    found = _everybody()
    if settings.ROOT_URLCONF != OWN_URLS:
        known = Q(brokerweb_person__made=True) | Q(pk__in=Grant.objects.exclude(user=None).values("user"))
        found = found.filter(known | Q(is_superuser=True) if users.may_be_superusers() else known)
    field = get_user_model().USERNAME_FIELD
    return found.filter(**{f"{field}__gt": after.replace("\0", "")}).order_by(field)


def _everybody() -> QuerySet[Any]:
    model: Any = get_user_model()
    return model._default_manager.select_related("brokerweb_person").prefetch_related("brokerweb_grants")


def find(name: str) -> Any:
    """The user of that name. Raises NotFound."""
    model: Any = get_user_model()
    plausible = 0 < len(name) <= MAX_NAME and "\0" not in name and name.isprintable()
    found = _everybody().filter(**{model.USERNAME_FIELD: name}).first() if plausible else None
    if found is None:
        raise NotFound("there is no such user")
    return found


def person_of(user: Any) -> Person | None:
    """What the broker knows of a user; None of somebody it has not met."""
    return getattr(user, "brokerweb_person", None)


def seen_at(user: Any) -> datetime | None:
    """When a user was last here: as it is written, or in this process since then."""
    person, here = person_of(user), users.seen_at(user)
    written = person.last_seen_at if person else None
    if here is None:
        return written
    lately = clock.to_datetime(here)
    return max(written, lately) if written else lately


def permits_of(user: Any) -> tuple[Permit, ...]:
    """What a user may."""
    return (roles.EVERYTHING,) if users.is_superuser(user) else users.permits_of(user.brokerweb_grants.all())


def is_own(user: Any) -> bool:
    """Whether the broker may do with that user as it is told: in a project of somebody else's with those it made, as long as the
    project has not made more of them.
    """
    if settings.ROOT_URLCONF == OWN_URLS:
        return True
    person = person_of(user)
    return person is not None and person.made and not (getattr(user, "is_staff", False) or users.is_superuser(user))


def as_json(user: Any) -> dict[str, Any]:
    """A person as the API shows them."""
    permits, person = permits_of(user), person_of(user)
    seen = seen_at(user)
    until = person and person.invitation and person.invited_until_at
    return {
        "name": user.get_username(),
        "role": roles.highest(permits),
        "grants": [roles.as_json(permit) for permit in permits],
        "active": bool(user.is_active),
        "last_seen_at": clock.rfc3339(clock.from_datetime(seen)) if seen else None,
        "invited_until_at": clock.rfc3339(clock.from_datetime(until)) if until else None,
        "password": user.has_usable_password(),
        "issuer": person and person.issuer,
    }


# What an administrator does


def create(by: Principal, request: Mapping[str, Any], *, address: str | None = None) -> Invited:
    """Make a person, whom the code of an invitation lets in. Raises Invalid, Forbidden, and Conflict where the name is taken."""
    by.require_admin()
    _refuse_unknown(request, ("name", "role", "pattern", "grants"))
    name, permits = _name(request.get("name")), roles.asked(request)
    if permits is None:
        raise Invalid.at("/role", "a role, with its pattern; or grants, of several")
    invitations.require_page()
    code = invitations.new_code()
    made = audited(_entry(by, "user.create", name, address), _create, name, permits, code)
    return _invited(made.user, code)


def change(
    by: Principal,
    name: str,
    request: Mapping[str, Any],
    *,
    address: str | None = None,
    check: Callable[[Any], None] = lambda _: None,
) -> Any:
    """Change what a person may, whether they may sign in, or that a provider vouches for them; their sessions and sockets end.
    The user.

    Raises Invalid, Forbidden, NotFound, Conflict where no administrator would be left, and what the ``check`` does of the user
    as they are, in the same commit.
    """
    by.require_admin()
    _refuse_unknown(request, ("role", "pattern", "grants", "active", "issuer"))
    permits, active = roles.asked(request), request.get("active")
    if "active" in request and not isinstance(active, bool):
        raise Invalid.at("/active", "true or false")
    if request.get("issuer") is not None:
        raise Invalid.at("/issuer", "null, which unlinks them: whom a provider vouches for shows that by signing in there")
    find(name)
    wanted = Wanted(permits, active, unlink="issuer" in request, check=check)
    return _told(audited(_entry(by, "user.change", name, address), _change, name, wanted))


def remove(by: Principal, name: str, *, address: str | None = None) -> None:
    """Take a person away; of a user of the project what they may. Raises Forbidden, NotFound, Conflict."""
    by.require_admin()
    find(name)
    _told(audited(_entry(by, "user.delete", name, address), _remove, name))


def invite(by: Principal, name: str, *, address: str | None = None) -> Invited:
    """Another invitation, which ends the one before. Raises Forbidden, NotFound, Conflict."""
    by.require_admin()
    invitations.require_page()
    find(name)
    code = invitations.new_code()
    return _invited(audited(_entry(by, "user.invite", name, address), _invite, name, code).user, code)


def _entry(by: Principal, action: str, name: str, address: str | None) -> Entry:
    return Entry(by, action, f"user:{name}", {}, address)


def _invited(user: Any, code: str) -> Invited:
    person = person_of(user)
    assert person is not None  # noqa: S101 (a verb has just written it)
    assert person.invited_until_at is not None  # noqa: S101 (as above)
    return Invited(user, code, clock.from_datetime(person.invited_until_at))


def _told(done: Changed) -> Any:
    announce_revoked(done.owner)
    return done.user


def _refuse_unknown(request: object, known: tuple[str, ...]) -> None:
    if not isinstance(request, Mapping):
        raise Invalid.at("", f"an object of {', '.join(known)}")
    for name in request:
        if name not in known:
            raise Invalid.at(f"/{escape_pointer(name)}", "unknown field")


def _name(value: object) -> str:
    """A name that Django's users may have, and an address may end with."""
    model: Any = get_user_model()
    field = model._meta.get_field(model.USERNAME_FIELD)
    try:
        if not isinstance(value, str) or len(value) > MAX_NAME or value.startswith("."):
            raise ValidationError("no name")
        name = str(model.normalize_username(value))
        field.run_validators(name)
    except ValidationError:
        raise Invalid.at("/name", "1 to 150 of letters, digits, '@', '.', '+', '-' and '_', not beginning with '.'") from None
    if not name or "/" in name or not name.isprintable():
        raise Invalid.at("/name", "1 to 150 of letters, digits, '@', '.', '+', '-' and '_', not beginning with '.'")
    return name


# Verbs. Whoever changes people does so alone, so that two administrators cannot take each other away.


def begin(tx: Transaction) -> None:
    """Nobody else changes people meanwhile; what is written through the ORM from here on is told to the transaction."""
    declaring(tx, "people")
    tx.writes += 1


def _create(tx: Transaction, name: str, permits: Sequence[Permit], code: str) -> Changed:
    begin(tx)
    user = new_user(name)
    Person.objects.create(user=user, made=True)
    invitations.store(user, code)
    _grant(user, permits)
    made = find(name)
    return Changed(made, f"user:{made.pk}", _difference(None, state(made)))


def _change(tx: Transaction, name: str, wanted: Wanted) -> Changed:
    begin(tx)
    user, permits, active = find(name), wanted.permits, wanted.active
    wanted.check(user)

    def do() -> None:
        if active is not None and active != user.is_active:
            _require_own(user)
            user.is_active = active
            user.save(update_fields=["is_active"])
            if not active:  # a link that is on its way is none any more, also once they may come back
                Person.objects.filter(user=user.pk).update(invitation=None, invited_until_at=None)
        if permits is not None:
            set_permits(user, permits)
        if wanted.unlink:
            forget_issuer(user)

    return keeping_an_administrator(user, do)


def _remove(tx: Transaction, name: str) -> Changed:
    begin(tx)
    user = find(name)

    def do() -> None:
        if is_own(user):
            get_user_model()._default_manager.filter(pk=user.pk).delete()
        else:
            set_permits(user, ())

    return keeping_an_administrator(user, do)


def _invite(tx: Transaction, name: str, code: str) -> Changed:
    begin(tx)
    user = find(name)
    _require_own(user)
    if not user.is_active:
        raise Conflict(f"{name} is deactivated: an invitation would lead nowhere.")
    Person.objects.get_or_create(user=user)
    invitations.store(user, code)
    return Changed(find(name), f"user:{user.pk}", {})


def keeping_an_administrator(user: Any, do: Callable[[], None]) -> Changed:
    """``changing``, which raises Conflict where nobody could administer any more."""
    had = administrators()
    done = changing(user, do)
    if had and not administrators():
        raise Conflict(f"{user.get_username()} is the last administrator: make another one first.")
    return done


def changing(user: Any, do: Callable[[], None]) -> Changed:
    """Do that to a user, whose sessions end if it changed them."""
    before, owner = state(user), f"user:{user.pk}"
    do()
    kept = _everybody().filter(pk=user.pk).first()
    after = state(kept) if kept is not None else None
    if after is not None and after != before:
        end_sessions(user)
    return Changed(kept or user, owner, _difference(before, after))


def _difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"before": changed(before, after), "after": changed(after, before)}


def state(user: Any) -> dict[str, Any]:
    """What an administrator decides of a person, as the trail has it."""
    person = person_of(user)
    vouched_for = {"issuer": person.issuer} if person is not None and person.issuer else {}
    return {"grants": [roles.in_short(permit) for permit in permits_of(user)], "active": bool(user.is_active), **vouched_for}


def forget_issuer(user: Any) -> None:
    """Nobody vouches for them any more."""
    Person.objects.filter(user=user.pk).update(issuer=None, subject=None)


def new_user(name: str) -> Any:
    """A user with no password. Raises Conflict where the name is taken, or the project's users need more than that."""
    model: Any = get_user_model()
    if model._default_manager.filter(**{f"{model.USERNAME_FIELD}__iexact": name}).exists():
        raise Conflict(f"There is a user {name} already.")
    try:
        with transaction.atomic():
            return model._default_manager.create_user(**{model.USERNAME_FIELD: name})
    except (AttributeError, TypeError, ValueError, ValidationError, DatabaseError) as error:
        raise Conflict(
            f"This project's users need more than a name: make one there, and give them a role here ({error})."
        ) from error


def set_permits(user: Any, permits: Sequence[Permit]) -> None:
    """Give just these. Django's superuser, who may everything, stays one with the role admin, and with any other does not."""
    if users.is_superuser(user):
        if any(permit.of_everything and permit.verbs >= roles.EVERYTHING.verbs for permit in permits):
            return
        _require_own(user)
        user.is_superuser = False
        user.save(update_fields=["is_superuser"])
    Grant.objects.filter(user=user.pk).delete()
    _grant(user, permits)


def _grant(user: Any, permits: Sequence[Permit]) -> None:
    rows = [Grant(user=user, kind=p.kind, pattern=p.pattern, verbs=p.as_json()["verbs"]) for p in permits]
    Grant.objects.bulk_create(rows)


def end_sessions(user: Any) -> None:
    """Whoever is signed in as that user is so no more, on every node."""
    Person.objects.get_or_create(user=user)
    Person.objects.filter(user=user.pk).update(epoch=F("epoch") + 1)


def administrators() -> set[Any]:
    """Who may everything and can sign in, by primary key."""
    model: Any = get_user_model()
    vouched = Q(pk__in=Person.objects.exclude(subject=None).values("user"))
    able = model._default_manager.filter(vouched | ~Q(password__startswith=UNUSABLE_PASSWORD_PREFIX), is_active=True)
    given = Grant.objects.filter(user__in=able.values("pk"), kind=None)
    found = {grant.user_id for grant in given if any(p.of_everything and "admin" in p.verbs for p in users.permits_of([grant]))}
    superusers = able.filter(is_superuser=True).values_list("pk", flat=True) if users.may_be_superusers() else ()
    return found | set(superusers)


def _require_own(user: Any) -> None:
    if not is_own(user):
        raise Conflict(f"{user.get_username()} is a user of the project, which alone changes that: here they have grants.")
