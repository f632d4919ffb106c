"""People: the last administrator, sessions that end, users of a project of somebody else's, invitations."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from brokerweb.identity import duties, invitations, people, roles, users
from brokerweb.identity.grants import parse_grants
from brokerweb.identity.models import AuditEntry, Grant, Person

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long enough password"
ADDRESS = "192.0.2.7"


def able(root, name: str, role: str = "admin") -> Any:
    """A person who has set a password."""
    made = people.create(root, {"name": name, "role": role})
    return invitations.redeem(made.code, PASSWORD, address=ADDRESS, enter=lambda user: None)


def session_of(user: Any) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def test_roles_are_verbs_and_what_makes_none_is_shown_as_it_is(root):
    permits = parse_grants([{"pattern": "a", "verbs": ["browse"]}, {"pattern": "b", "verbs": ["consume"]}])
    assert [roles.role_of(permit) for permit in permits] == ["viewer", None]
    assert roles.highest(permits) == "viewer"
    assert roles.highest(permits[1:]) is None
    assert roles.highest([*permits, roles.given("operator", "x"), roles.given("admin", "queue:y.*")]) == "admin"


def test_of_two_administrators_one_can_be_taken_away_and_not_the_other(root):
    able(root, "ada")
    able(root, "bob")
    people.change(root, "ada", {"role": "viewer"})
    for act in (
        lambda: people.change(root, "bob", {"role": "operator"}),
        lambda: people.change(root, "bob", {"active": False}),
        lambda: people.remove(root, "bob"),
    ):
        with pytest.raises(Conflict, match="last administrator"):
            act()
    assert users.principal_of(User.objects.get(username="bob")).admin


@pytest.mark.parametrize("nobody", ["waits for a password", "is deactivated", "is admin of some names"])
def test_an_administrator_is_one_who_can_sign_in_and_may_everything(root, nobody):
    able(root, "ada")
    if nobody == "waits for a password":
        people.create(root, {"name": "bob", "role": "admin"})
    else:
        able(root, "bob")
        people.change(root, "bob", {"active": False} if "deactivated" in nobody else {"role": "admin", "pattern": "a.*"})
    with pytest.raises(Conflict):
        people.remove(root, "ada")


def test_two_who_take_each_other_away_at_once_leave_one(root):
    able(root, "ada")
    able(root, "bob")
    barrier = threading.Barrier(2)

    def remove(name: str) -> bool:
        barrier.wait()
        try:
            people.remove(root, name)
        except BrokerError:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, ["ada", "bob"])) == [False, True]
    assert User.objects.count() == 1


def test_a_superuser_becomes_what_is_asked_and_stays_one_as_admin(root):
    able(root, "ada")
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    people.change(root, "boss", {"role": "admin"})
    boss.refresh_from_db()
    assert boss.is_superuser
    people.change(root, "boss", {"role": "viewer", "pattern": "orders.*"})
    boss.refresh_from_db()
    assert (boss.is_superuser, users.principal_of(boss).may("browse", "queue", "orders.eu")) == (False, True)


def test_a_check_sees_them_as_they_are_in_the_same_commit_and_leaves_them_so(root):
    able(root, "boss")
    able(root, "ada", "viewer")
    seen: list[str | None] = []

    def refuse(user: Any) -> None:
        seen.extend(roles.role_of(permit) for permit in people.permits_of(user))
        raise Conflict("changed meanwhile")

    with pytest.raises(Conflict, match="changed meanwhile"):
        people.change(root, "ada", {"role": "operator"}, check=refuse)
    assert seen == ["viewer"]
    assert [roles.role_of(permit) for permit in people.permits_of(people.find("ada"))] == ["viewer"]
    assert not AuditEntry.objects.filter(action="user.change", target="user:ada").exists()


@pytest.mark.parametrize("change", [{"role": "operator"}, {"active": False}])
def test_sessions_of_who_is_changed_end_and_new_ones_begin(root, change):
    able(root, "boss")
    ada = able(root, "ada", "viewer")
    browser = session_of(ada)
    assert browser.get("/queues").status_code == 200
    people.change(root, "ada", change)
    assert browser.get("/queues").status_code == 302
    assert users.session_principal(browser.session.session_key) is None
    people.change(root, "ada", {"active": True})
    assert browser.get("/queues").status_code == 302
    browser.force_login(User.objects.get(username="ada"))
    assert browser.get("/queues").status_code == 200


def test_an_invitation_is_over_after_seven_days_and_for_who_is_deactivated(root, monkeypatch):
    then = clock.wall()
    code = people.create(root, {"name": "ada", "role": "viewer"}).code
    monkeypatch.setattr(clock, "wall", lambda: then + clock.seconds(7 * 86_400 + 60))
    with pytest.raises(Unauthenticated):
        invitations.find(code, address=ADDRESS)
    monkeypatch.setattr(clock, "wall", lambda: then + clock.seconds(7 * 86_400 - 60))
    assert invitations.find(code, address=ADDRESS).user.get_username() == "ada"
    User.objects.update(is_active=False)
    with pytest.raises(Unauthenticated):
        invitations.find(code, address=ADDRESS)
    with pytest.raises(Conflict):
        people.invite(root, "ada")


def test_a_link_that_was_on_its_way_does_not_come_back_with_whom_it_was_for(root):
    code = people.create(root, {"name": "ada", "role": "viewer"}).code
    people.change(root, "ada", {"active": False})
    people.change(root, "ada", {"active": True})
    with pytest.raises(Unauthenticated):
        invitations.find(code, address=ADDRESS)


def test_of_two_who_use_an_invitation_at_once_one_sets_the_password(root):
    code, barrier = people.create(root, {"name": "ada", "role": "viewer"}).code, threading.Barrier(2)

    def redeem(password: str) -> bool:
        barrier.wait()
        try:
            invitations.redeem(code, password, address=ADDRESS, enter=lambda user: None)
        except Unauthenticated:
            return False
        finally:
            connection.close()
        return User.objects.get().check_password(password)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(redeem, ["one long password", "other long password"])) == [False, True]


def test_no_code_is_stored_and_a_failed_session_leaves_it_good(root):
    code = people.create(root, {"name": "ada", "role": "viewer"}).code
    assert code not in str([list(model.objects.values()) for model in (Person, AuditEntry)])

    def fails(user: Any) -> None:
        raise RuntimeError("the session cannot be stored")

    with pytest.raises(RuntimeError):
        invitations.redeem(code, PASSWORD, address=ADDRESS, enter=fails)
    assert invitations.find(code, address=ADDRESS)


def test_a_password_is_what_the_project_asks_of_one(root):
    code = people.create(root, {"name": "adalovelace", "role": "viewer"}).code
    for password, said in (("short", "too short"), ("1234567890", "too common"), ("adalovelace1", "too similar")):
        with pytest.raises(Invalid) as refused:
            invitations.redeem(code, password, address=ADDRESS, enter=lambda user: None)
        assert said in str(refused.value.extra["errors"])


def test_who_is_seen_is_noted_by_the_duty_alone(root):
    ada = able(root, "ada", "viewer")
    users.take_seen()
    session_of(ada).get("/queues")
    assert Person.objects.get().last_seen_at is None
    duties.flush(clock.now())
    assert people.as_json(people.find("ada"))["last_seen_at"]


def test_only_who_may_everything_decides(root, holder):
    able(root, "boss")
    some = holder(("orders.*", "admin"))
    for act in (
        lambda: people.create(some, {"name": "x", "role": "viewer", "pattern": "orders.*"}),
        lambda: people.change(some, "boss", {"active": False}),
        lambda: people.remove(some, "boss"),
        lambda: people.invite(some, "boss"),
    ):
        with pytest.raises(Forbidden):
            act()


# In a project that has users of its own


@pytest.fixture
def project(settings):
    settings.ROOT_URLCONF = "tests.console.test_security"  # any but the broker's own
    return User.objects.create_user("customer", password=PASSWORD)


def test_a_projects_users_are_people_once_they_have_a_grant(root, project):
    assert list(people.listing()) == []
    people.change(root, "customer", {"role": "viewer"})
    assert [user.get_username() for user in people.listing()] == ["customer"]
    people.remove(root, "customer")
    assert list(people.listing()) == []
    assert User.objects.filter(username="customer", is_active=True).exists()
    assert not Grant.objects.exists()


def test_what_is_the_projects_is_not_changed(root, project, monkeypatch):
    monkeypatch.setattr(invitations, "require_page", lambda: None)
    boss = User.objects.create_superuser("boss", password=PASSWORD)
    User.objects.create_superuser("other", password=PASSWORD)
    for act in (
        lambda: people.invite(root, "customer"),
        lambda: people.change(root, "customer", {"active": False}),
        lambda: people.change(root, "boss", {"role": "viewer"}),
        lambda: people.remove(root, "boss"),
    ):
        with pytest.raises(Conflict, match="user of the project"):
            act()
    boss.refresh_from_db()
    assert boss.is_superuser


def test_a_name_that_is_none_is_not_found(root):
    for name in ("", "\0", "nobody", "x" * 200):
        with pytest.raises(NotFound):
            people.find(name)


def test_signing_in_again_in_the_same_browser_begins_a_session_that_counts(root):
    able(root, "boss")
    ada = able(root, "ada", "viewer")
    browser = session_of(ada)
    people.change(root, "ada", {"role": "operator"})
    answer = browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 302
    assert browser.get("/queues").status_code == 200
