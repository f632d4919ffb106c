from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User

from brokerweb import conf
from brokerweb.core.errors import Unauthenticated
from brokerweb.identity import signin, tokens
from brokerweb.identity.first_start import AdminTokenRefused, first_start
from brokerweb.identity.models import Token
from brokerweb.identity.principal import broker_itself
from brokerweb.management.commands.serve import Command

pytestmark = pytest.mark.django_db(transaction=True)
GIVEN = "given-administrator-token-1"


def test_the_first_start_creates_an_administrator_a_token_and_a_link():
    made = first_start()
    admin = User.objects.get()

    assert made
    assert made.token
    assert made.code
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


def test_a_second_start_makes_nothing():
    first_start()

    assert first_start("other password") is None
    assert (User.objects.count(), Token.objects.count()) == (1, 1)
    assert not User.objects.get().check_password("other password")


def test_a_given_token_is_honoured_at_every_start_and_made_once():
    first_start()

    assert first_start(None, GIVEN) is None
    assert tokens.authenticate(GIVEN).admin
    assert first_start(None, GIVEN) is None
    assert Token.objects.count() == 2


def test_a_given_token_that_was_revoked_stays_so(caplog: pytest.LogCaptureFixture):
    first_start(None, GIVEN)
    tokens.revoke(broker_itself(), Token.objects.get().pk)

    assert first_start(None, GIVEN) is None
    with pytest.raises(Unauthenticated):
        tokens.authenticate(GIVEN)
    assert "revoked" in caplog.text
    assert GIVEN not in caplog.text


@pytest.mark.parametrize("given", [None, GIVEN])
def test_a_project_that_has_users_gets_a_token_and_keeps_its_users(given: str | None):
    User.objects.create_user("shopper")
    User.objects.create_superuser("gone", is_active=False)
    owner = User.objects.create_superuser("owner", password="of the owner")

    made = first_start("given password", given)

    assert made
    assert made.code
    assert (made.username, made.password, made.created) == ("owner", None, False)
    assert (made.token is None) is (given is not None)
    assert tokens.authenticate(given or made.token or "").admin
    assert signin.redeem(made.code) == owner
    assert owner.check_password("of the owner")
    assert User.objects.count() == 3
    assert first_start() is None


def test_a_project_whose_users_may_nothing_gets_a_token_and_no_link():
    User.objects.create_user("shopper")

    made = first_start()

    assert made
    assert made.token
    assert tokens.authenticate(made.token).admin
    assert (made.username, made.code, made.password) == (None, None, None)
    assert User.objects.count() == 1


def test_users_of_another_kind_keep_nobody_from_a_token(monkeypatch: pytest.MonkeyPatch):
    def refuse(**given: str) -> None:
        raise TypeError("create_superuser() missing 1 required argument: 'birthday'")

    monkeypatch.setattr(User.objects, "create_superuser", refuse)
    made = first_start()

    assert made
    assert made.token
    assert (made.username, made.code, made.password) == (None, None, None)
    assert tokens.authenticate(made.token).admin


def test_a_link_that_leads_nowhere_is_not_printed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(signin, "console_page", lambda: None)
    _, password, token = printed(conf.Conf())

    assert not any("code=" in line for line in (password, token))
    assert User.objects.get().check_password(password.rpartition(" ")[2])
    assert tokens.authenticate(token.rpartition(" ")[2]).admin


def test_whom_the_link_is_for_is_said_where_it_is_nobody_new(monkeypatch: pytest.MonkeyPatch):
    User.objects.create_superuser("owner", password="of the owner")
    _, link, token, again = printed(conf.Conf())

    assert link.startswith("Sign in as owner, once")
    assert "for programs" in token
    assert "signin owner" in again


@pytest.mark.parametrize("token", ["x", "x" * 23, "x" * 23 + " ", " " * 30, "é" * 30, "x" * 513, "x" * 30 + "\n"])
def test_a_token_that_cannot_be_used_stops_the_start(token):
    with pytest.raises(AdminTokenRefused):
        first_start(None, token)

    assert not User.objects.exists()


def test_repr_shows_no_secrets():
    made = first_start()

    assert made
    assert not any(str(secret) in repr(made) for secret in (made.code, made.password, made.token))
