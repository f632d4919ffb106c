from __future__ import annotations

import io
import logging
from types import SimpleNamespace

import pytest

from brokerweb.core.errors import Unauthenticated
from brokerweb.identity import scrub, signin, tokens
from brokerweb.identity.first_start import first_start

CANARY = "cAnArY0123456789"
TOKEN = f"bw_{CANARY}_-{'A' * 25}"


@pytest.fixture
def log():
    """A logger with the settings' filter, and what it has written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.addFilter(scrub.Scrub())
    logger = logging.Logger("test")  # noqa: LOG001 (one that no other test can have configured)
    logger.addHandler(handler)
    return SimpleNamespace(error=logger.error, exception=logger.exception, text=stream.getvalue)


@pytest.mark.parametrize(
    "line",
    [
        f"token {TOKEN}",
        f"/sign-in?code=bwc_{CANARY}{'A' * 27}&next=/",
        f"Authorization: Bearer {CANARY}",
        f"authorization:Basic {CANARY}==",
        f"got {{'authorization': 'Bearer {CANARY}', 'host': 'x'}}",
        f"headers [(b'authorization', b'Bearer {CANARY}'), (b'cookie', b'a={CANARY}; b={CANARY}')]",
        f"'HTTP_AUTHORIZATION': 'Token {CANARY}'",
        f'{{"authorization": "{CANARY}"}}',
        f"Cookie: brokerweb_session={CANARY}; theme=dark",
        f"Set-Cookie: brokerweb_session={CANARY}; HttpOnly",
        f'{{"op":"auth","id":1,"token":"{CANARY}"}}',
        f"username=ada&password={CANARY}",
        f"?token={CANARY}",
    ],
)
def test_no_secret_reaches_the_log(log, line):
    log.error(line)
    log.error("%s", line)
    log.error("it was %r", {"line": line})

    assert CANARY not in log.text()
    assert log.text().count("\n") == 3


@pytest.mark.parametrize(
    "line",
    [
        "published 3 messages to queue:bw_orders with status=ok code=lease_lost",
        "the token is unknown, revoked or expired",
        "100% of %s",
    ],
)
def test_other_lines_are_left_as_they_are(log, line):
    log.error(line)

    assert log.text() == f"ERROR {line}\n"


def test_a_traceback_shows_no_secret(log):
    try:
        raise RuntimeError(f"bad header Authorization: Bearer {CANARY}")
    except RuntimeError:
        log.exception("it failed", stack_info=True)

    assert "RuntimeError" in log.text()
    assert CANARY not in log.text()


def test_a_secret_it_was_told_is_hidden_anywhere(log):
    scrub.learn("gIvEn-secret-by-the-environment")
    log.error("weird gIvEn-secret-by-the-environment!")

    assert log.text() == f"ERROR weird {scrub.HIDDEN}!\n"


def test_arguments_that_do_not_fit_stop_nothing(log, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.error("%d", f"Bearer {CANARY}")

    assert CANARY not in log.text()


def test_the_settings_scrub_every_handler(settings):
    assert settings.LOGGING["handlers"]
    assert all("scrub" in handler["filters"] for handler in settings.LOGGING["handlers"].values())


@pytest.mark.django_db(transaction=True)
def test_identity_itself_tells_no_secret(root, user, caplog):
    caplog.set_level(logging.DEBUG)
    made, code, started = tokens.create(root, {"name": "x", "grants": []}), signin.create_code(user), first_start()
    assert started is None
    principal = tokens.authenticate(made.text)
    errors = []
    for wrong in (f"{TOKEN}", "x" * 600 + CANARY):
        with pytest.raises(Unauthenticated) as refused:
            tokens.authenticate(wrong)
        errors.append(repr(refused.value) + str(refused.value.problem()))
    signin.redeem(code)

    shown = "".join([caplog.text, repr(made), repr(principal), str(vars(made.token)), *errors])
    assert not any(secret in shown for secret in (made.text, code, CANARY))
