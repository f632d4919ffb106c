from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User

from brokerweb import conf
from brokerweb.identity import signin, tokens
from brokerweb.identity.first_start import AdminTokenRefused, first_start
from brokerweb.identity.models import Token
from brokerweb.management.commands.serve import Command

pytestmark = pytest.mark.django_db(transaction=True)
GIVEN = "given-administrator-token-1"


def test_the_first_start_creates_an_administrator_a_token_and_a_link():
    made = first_start()
    admin = User.objects.get()

    assert made
    assert made.token
    assert admin.username == "admin"
    assert admin.is_superuser
    assert admin.check_password(made.password)
    assert tokens.authenticate(made.token).admin
    assert signin.redeem(made.code) == admin


def test_a_given_password_and_token_are_used_and_not_shown():
    made = first_start("given password", GIVEN)

    assert made
    assert (made.password, made.token) == (None, None)
    assert User.objects.get().check_password("given password")
    assert tokens.authenticate(GIVEN).admin


def test_an_empty_password_and_token_are_not_given():
    made = first_start("", "")

    assert made
    assert made.token
    assert made.password
    assert not User.objects.get().check_password("")


def printed(options: conf.Conf) -> list[str]:
    """What ``serve`` says before it listens."""
    out = StringIO()
    Command(stdout=out).say_hello(options, "http://127.0.0.1:8000")
    return out.getvalue().splitlines()


def test_what_was_generated_is_printed_and_what_was_given_is_not():
    given = printed(conf.Conf(admin_password="given password", admin_token=GIVEN))
    User.objects.all().delete()
    Token.objects.all().delete()
    _, link, _, token, _ = printed(conf.Conf())

    assert len(given) == 3
    assert not any("given" in line for line in given)
    assert signin.redeem(link.rpartition("code=")[2]) == User.objects.get()
    assert tokens.authenticate(token.rpartition(" ")[2]).admin
    assert len(printed(conf.Conf())) == 1


def test_a_second_start_changes_nothing():
    first_start()

    assert first_start("other password", GIVEN) is None
    assert (User.objects.count(), Token.objects.count()) == (1, 1)


@pytest.mark.parametrize("token", ["x", "x" * 23, "x" * 23 + " ", " " * 30, "é" * 30, "x" * 513, "x" * 30 + "\n"])
def test_a_token_that_cannot_be_used_stops_the_start(token):
    with pytest.raises(AdminTokenRefused):
        first_start(None, token)

    assert not User.objects.exists()


def test_repr_shows_no_secrets():
    made = first_start()

    assert made
    assert not any(str(secret) in repr(made) for secret in (made.code, made.password, made.token))
