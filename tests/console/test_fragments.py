"""What a live page asks for again: unchanged it is 304, and what counts as changed; compressed as the browser takes it."""

from __future__ import annotations

import gzip
from typing import Any

import brotli
import pytest
from django.http import HttpResponse
from django.test import Client

from brokerweb.core import clock
from brokerweb.delivery import news
from brokerweb.faces.http.compression import LARGEST, SMALLEST, compress, taken
from tests.console.conftest import declare, kill, publish, text

ASKED = {"HX-Request": "true"}


def again(client: Client, place: str, first: Any) -> Any:
    """Ask once more, as the page does that was given ``first``."""
    return client.get(place, headers={**ASKED, "HX-PTag": first.headers["HX-PTag"]})


def test_what_has_not_changed_is_not_sent_again(client: Client):
    declare("orders")
    publish("orders", 1)
    kill("orders", "no")
    first = client.get("/dead", headers=ASKED)
    assert b"csrfmiddlewaretoken" in first.content  # which is masked anew in every answer
    second = again(client, "/dead", first)
    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["HX-PTag"] == first.headers["HX-PTag"]


def test_what_has_changed_is_sent(client: Client):
    declare("orders")
    publish("orders", 1)
    first = client.get("/queues/orders/messages", headers=ASKED)
    assert again(client, "/queues/orders/messages", first).status_code == 304
    publish("orders", 2)
    second = again(client, "/queues/orders/messages", first)
    assert second.status_code == 200
    assert again(client, "/queues/orders/messages", second).status_code == 304


def test_time_that_passes_is_no_change_and_is_marked_for_the_browser_to_count(client: Client, monkeypatch: pytest.MonkeyPatch):
    declare("orders")
    publish("orders", 1)
    first = client.get("/queues/orders/messages", headers=ASKED)
    assert '<time data-age datetime="' in text(first)
    then = clock.now() + clock.seconds(125)
    monkeypatch.setattr(clock, "now", lambda: then)
    later = client.get("/queues/orders/messages", headers=ASKED)
    assert "since <time data-age" in text(later)
    assert ">2 min</time>" in text(later)
    assert later.headers["HX-PTag"] == first.headers["HX-PTag"]


def test_with_another_session_the_page_is_given_its_tokens(client: Client, settings: Any):
    declare("orders")
    publish("orders", 1)
    kill("orders", "no")
    first = client.get("/dead", headers=ASKED)
    assert again(client, "/dead", first).status_code == 304
    client.cookies.pop(settings.CSRF_COOKIE_NAME)
    assert again(client, "/dead", first).status_code == 200


def test_an_error_has_no_tag(client: Client):
    assert "HX-PTag" not in client.get("/queues/none", headers=ASKED).headers


def test_a_page_says_where_it_is_told_of_news(client: Client):
    declare("orders")
    where = {"/queues/orders/messages": "/news?queue=orders", "/queues": "/news", "/": "/news?page=overview"}
    where |= {
        f"/{page}": f"/news?page={page}" for page in ("tokens", "users", "jobs", "audit", "connections", "nodes", "alerts", "map")
    }
    for place, address in where.items():
        assert f'data-news="{address}"' in text(client.get(place)), place
    assert client.get("/news").status_code == 501  # by this way nobody can be told


def test_what_a_look_costs_is_noted(client: Client, monkeypatch: pytest.MonkeyPatch):
    spent: list[float] = []
    monkeypatch.setattr(news.news, "spent", spent.append)
    client.get("/queues")
    assert spent == []
    client.get("/queues", headers=ASKED)
    assert len(spent) == 1
    assert spent[0] > 0


# In fewer bytes


def test_pages_and_fragments_are_compressed_as_the_browser_takes_it(client: Client):
    plain = client.get("/queues")
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in plain.headers["Vary"]
    for encoding, unpack in (("br", brotli.decompress), ("gzip", gzip.decompress)):
        packed = client.get("/queues", headers={"Accept-Encoding": f"deflate, {encoding}"})
        assert packed.headers["Content-Encoding"] == encoding
        assert len(packed.content) * 3 < len(plain.content)
        assert b"<h1" in unpack(packed.content)
        assert int(packed.headers.get("Content-Length", len(packed.content))) == len(packed.content)


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("", ""),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.1, gzip;q=0.9", "gzip"),
        ("BR", "br"),
        ("identity", ""),
        ("*", ""),
        ("gzip;q=0", ""),
        ("gzip;q=nonsense, br", "br"),
        ("gzip;q=-1", ""),
    ],
)
def test_the_client_says_what_it_takes(header: str, encoding: str):
    assert taken(header) == encoding


def test_what_another_site_made_a_browser_ask_for_is_not_compressed(client: Client):
    for site, encoding in {"cross-site": None, "same-site": None, "same-origin": "br", "none": "br"}.items():
        answer = client.get("/queues", headers={"Accept-Encoding": "br", "Sec-Fetch-Site": site})
        assert answer.headers.get("Content-Encoding") == encoding
    clicked = {"Accept-Encoding": "br", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-User": "?1"}
    assert client.get("/queues", headers=clicked).headers["Content-Encoding"] == "br"


def test_what_is_small_or_too_large_stays_as_it_is(rf: Any):
    asked = rf.get("/", headers={"Accept-Encoding": "gzip"})
    for size, packed in {SMALLEST - 1: False, SMALLEST: True, LARGEST: True, LARGEST + 1: False}.items():
        assert ("Content-Encoding" in compress(asked, HttpResponse(b"a" * size)).headers) is packed
