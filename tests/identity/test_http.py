from __future__ import annotations

import asyncio

import pytest

from brokerweb.core.errors import Unauthenticated
from brokerweb.identity import http, tokens

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def text(root):
    return tokens.create(root, {"name": "shop", "grants": []}).text


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER   {} ", " Bearer {}"])
def test_a_bearer_token_is_taken_from_the_header(text, form):
    header = form.format(text)

    found = [http.principal_from_headers(header), asyncio.run(http.aprincipal_from_headers(header.encode()))]

    assert [principal and principal.name for principal in found] == ["shop", "shop"]


def test_no_header_is_nobody(text):
    assert http.principal_from_headers(None) is None
    assert asyncio.run(http.aprincipal_from_headers(None)) is None


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
        http.principal_from_headers(value)
    with pytest.raises(Unauthenticated):
        asyncio.run(http.aprincipal_from_headers(value))
