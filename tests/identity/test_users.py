from __future__ import annotations

import asyncio

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import OperationalError
from django.test import Client

from brokerweb.core.errors import Unauthenticated, Unavailable
from brokerweb.identity import tokens, users
from brokerweb.identity.models import Grant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(user):
    client = Client()
    client.force_login(user)
    return client.session


def test_a_superuser_is_admin_and_others_hold_grants(user):
    Grant.objects.create(user=user, kind="queue", pattern="orders.*", verbs=["browse"])
    Grant.objects.create(user=user, kind=None, pattern="*", verbs="admin")  # makes no sense: gives nothing

    principal, boss = users.principal_of(user), users.principal_of(User.objects.create_superuser("boss"))

    assert (principal.name, principal.owner, principal.admin) == ("ada", f"user:{user.pk}", False)
    assert principal.may("browse", "queue", "orders.eu")
    assert not principal.may("manage", "queue", "orders.eu")
    assert boss.admin


def test_who_is_anonymous_or_inactive_is_nobody(user):
    user.is_active = False
    for nobody in (user, AnonymousUser()):
        with pytest.raises(Unauthenticated):
            users.principal_of(nobody)


def test_a_session_is_its_user(user, session):
    header = f"theme=dark; brokerweb_session={session.session_key}"

    for principal in (
        users.session_principal(users.session_key_in(header)),
        asyncio.run(users.asession_principal(session.session_key)),
    ):
        assert principal is not None
        assert principal.owner == f"user:{user.pk}"
        assert tokens.still_valid(principal)


@pytest.mark.parametrize("key", [None, "", "x", "x" * 32, "../../etc/passwd", "\0" * 32, "x" * 5000])
def test_no_session_is_nobody(session, key):
    assert users.session_principal(key) is None
    assert asyncio.run(users.asession_principal(key)) is None


def test_a_store_that_cannot_be_read_is_nobodys_permission(session, monkeypatch):
    def fails(*_, **__):
        raise OperationalError("disk I/O error")

    monkeypatch.setattr("django.contrib.auth.get_user", fails)

    with pytest.raises(Unavailable):
        users.session_principal(session.session_key)


@pytest.mark.parametrize("header", [None, "", "brokerweb_session", ";;;", "a=b"])
def test_a_cookie_header_without_session_has_no_key(header):
    assert not users.session_key_in(header)


def signed_out(user, session):
    session.flush()


def deactivated(user, session):
    User.objects.update(is_active=False)


def deleted(user, session):
    user.delete()


def password_changed(user, session):
    user.set_password("another long password")
    user.save()


def grant_added(user, session):
    Grant.objects.create(user=user, kind=None, pattern="*", verbs=["browse"])


def made_superuser(user, session):
    User.objects.update(is_superuser=True)


@pytest.mark.parametrize("change", [signed_out, deactivated, deleted, password_changed, grant_added, made_superuser])
def test_a_session_no_longer_stands_after(user, session, change):
    principal = users.session_principal(session.session_key)
    assert principal is not None

    change(user, session)

    assert not tokens.still_valid(principal)


@pytest.mark.parametrize("change", [deactivated, deleted, grant_added])
def test_a_user_without_session_no_longer_stands_after(user, session, change):
    principal = users.principal_of(user)
    assert tokens.still_valid(principal)

    change(user, session)

    assert not tokens.still_valid(principal)
