from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.http import HttpRequest

from brokerweb.core import clock
from brokerweb.core.errors import NotFound, RateLimited, Unauthenticated
from brokerweb.identity import attempts, signin
from brokerweb.identity.models import AuditEntry, Guess, SignInCode

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long enough password"
ADDRESS = "192.0.2.1"


def check(password, *, name="ada", address=ADDRESS):
    return signin.check_password(HttpRequest(), name, password, address=address)


def test_a_code_signs_in_once(user):
    code = signin.create_code(user)

    assert signin.redeem(code) == user
    with pytest.raises(Unauthenticated):
        signin.redeem(code)
    assert code not in str(list(SignInCode.objects.values()))


def test_a_wrong_code_asks_for_no_turn_to_write(user, django_assert_num_queries):
    with django_assert_num_queries(1) as asked, pytest.raises(Unauthenticated):
        signin.redeem("bwc_" + "x" * 43)
    assert asked.captured_queries[0]["sql"].startswith("SELECT")


def test_of_two_who_use_a_code_at_once_one_gets_in(user):
    code, barrier = signin.create_code(user), threading.Barrier(2)

    def redeem(_):
        barrier.wait()
        try:
            return signin.redeem(code)
        except Unauthenticated:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(redeem, range(2)), key=bool) == [None, user]


def test_a_code_lasts_fifteen_minutes(user, monkeypatch):
    code, then = signin.create_code(user), clock.wall()

    monkeypatch.setattr(clock, "wall", lambda: then + clock.seconds(901))
    with pytest.raises(Unauthenticated):
        signin.redeem(code)
    monkeypatch.setattr(clock, "wall", lambda: then + clock.seconds(890))
    assert signin.redeem(code) == user


@pytest.mark.parametrize("code", ["", "bwc_", "bwc_" + "A" * 43, "\udc80", "x" * 10_000])
def test_a_wrong_code_signs_nobody_in(user, code):
    signin.create_code(user)

    with pytest.raises(Unauthenticated):
        signin.redeem(code)


def test_a_code_of_a_user_who_was_deactivated_signs_nobody_in(user):
    code = signin.create_code(user)
    User.objects.update(is_active=False)

    with pytest.raises(Unauthenticated):
        signin.redeem(code)


def test_a_link_leads_to_the_sign_in_page(user):
    link = signin.link("ada", "http://localhost:8000/")

    base, _, code = link.partition("?code=")
    assert base.startswith("http://localhost:8000/")
    assert "//" not in base.removeprefix("http://")
    assert signin.redeem(code) == user
    with pytest.raises(NotFound):
        signin.link("nobody", "http://localhost:8000")


def test_old_codes_are_forgotten(user):
    signin.create_code(user)

    assert signin.forget_old_codes(clock.now()) == 0
    assert signin.forget_old_codes(clock.now() + clock.seconds(2 * 86_400)) == 1


def test_sessions_that_ended_are_forgotten(user):
    SessionStore().create()

    assert signin.forget_old_sessions(clock.now()) == 0
    assert signin.forget_old_sessions(clock.now() + clock.seconds(15 * 86_400)) == 1
    assert not Session.objects.exists()


def test_a_password_signs_in(user):
    assert check(PASSWORD) == user


@pytest.mark.parametrize("name", ["ada", "nobody", "", "a\0da", "x" * 10_000])
def test_a_wrong_password_and_a_wrong_name_are_answered_alike(user, name):
    with pytest.raises(Unauthenticated, match="the user name or the password is wrong"):
        check("wrong", name=name)


def test_after_ten_failures_not_even_the_right_password_is_looked_at(user):
    for _ in range(attempts.PER_NAME):
        with pytest.raises(Unauthenticated):
            check("wrong")

    with pytest.raises(RateLimited) as limited:
        check(PASSWORD)

    assert limited.value.retry_after == 300
    assert check(PASSWORD, address="198.51.100.7"), "elsewhere the same user gets in"


def test_failures_count_for_all_nodes_that_share_a_database(on_postgres: None):
    User.objects.create_user("ada", password=PASSWORD)
    for _ in range(attempts.PER_NAME):
        signin.attempts = attempts.Attempts()  # each time at another node
        with pytest.raises(Unauthenticated):
            check("wrong")
    with pytest.raises(RateLimited):
        check(PASSWORD)
    assert check(PASSWORD, address="198.51.100.7"), "elsewhere the same user gets in"
    assert max(Guess.objects.values_list("failures", flat=True)) == attempts.PER_NAME


def test_failures_are_forgotten_after_five_minutes(user, monkeypatch):
    for _ in range(attempts.PER_NAME):
        with pytest.raises(Unauthenticated):
            check("wrong")
    then = time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: then + attempts.WINDOW)

    assert check(PASSWORD)


def test_one_address_cannot_try_many_names(user):
    for n in range(attempts.PER_ADDRESS):
        with pytest.raises(Unauthenticated):
            check("wrong", name=f"user{n}", address=f"2001:db8::{n:x}")  # one /64

    with pytest.raises(RateLimited):
        check("wrong", name="yet-another", address="2001:db8::ffff")


def test_signing_in_again_and_again_is_no_failure(user):
    assert all(check(PASSWORD) for _ in range(attempts.PER_ADDRESS + 5))


def test_what_is_counted_is_bounded(monkeypatch):
    monkeypatch.setattr(attempts, "_MOST", 10)
    counted = attempts.Attempts()
    for n in range(100):
        counted.begin("ada", f"192.0.2.{n}")

    assert len(counted._counts) == 10


def test_the_audit_names_who_failed_only_if_that_is_a_user(user):
    for name in ("ada", "my-password-in-the-wrong-field"):
        with pytest.raises(Unauthenticated):
            check("wrong", name=name)
    check(PASSWORD)

    entries = AuditEntry.objects.order_by("pk").values_list("actor", "action", "address")
    assert list(entries) == [
        ("ada", "user.sign_in_failed", ADDRESS),
        ("somebody", "user.sign_in_failed", ADDRESS),
        ("ada", "user.sign_in", ADDRESS),
    ]
