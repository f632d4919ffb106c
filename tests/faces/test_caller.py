"""The ``Authorization`` header, as every carrier has it read."""

from __future__ import annotations

import asyncio

import pytest

from brokerweb.core.errors import Unauthenticated
from brokerweb.faces.http import caller
from brokerweb.identity import tokens
from brokerweb.identity.principal import broker_itself

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def text() -> str:
    return tokens.create(broker_itself(), {"name": "shop", "grants": []}).text


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER   {} ", " Bearer {}"])
def test_a_bearer_token_is_taken_from_the_header(text, form):
    header = form.format(text)

    found = [caller.by_token(header), asyncio.run(caller.aby_token(header.encode()))]

    assert [principal and principal.name for principal in found] == ["shop", "shop"]


def test_no_header_is_nobody(text):
    assert caller.by_token(None) is None
    assert asyncio.run(caller.aby_token(None)) is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "{}",
        "Basic {}",
        "Bearer {}x",
        "Bearer {} {}",
        "Bearer\t{}",
        "Bearer {}\0",
        "Bearer é",
        b"Bearer \xff",
    ],
)
def test_a_wrong_header_is_refused_and_never_taken_for_none(text, header):
    value = header if isinstance(header, bytes) else header.replace("{}", text)

    with pytest.raises(Unauthenticated):
        caller.by_token(value)
    with pytest.raises(Unauthenticated):
        asyncio.run(caller.aby_token(value))
