"""People at the console, without a screen: the requests of a browser in which somebody has signed in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.server import Server

PASSWORD = "password-of-the-real-server-tests"
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@contextmanager
def signed_in(server: Server) -> Iterator[httpx.Client]:
    """A browser in which the administrator has signed in."""
    with httpx.Client(base_url=server.url, timeout=20, verify=False) as client:
        post(client, "/sign-in", username="admin", password=PASSWORD)
        yield client


def post(client: httpx.Client, place: str, **fields: str) -> None:
    """Send a form, which leads on to another page."""
    found = TOKEN.search(client.get("/sign-in" if place == "/sign-in" else "/").text)
    assert found is not None
    answer = client.post(place, data={"csrfmiddlewaretoken": found[1], **fields})
    assert answer.status_code == 302, answer.text[:500]
