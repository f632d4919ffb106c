"""What pages weigh, compressed: the first with all that it loads, and every page that a link leads to from there."""

from __future__ import annotations

import re

import pytest

from tests.clients import Rest
from tests.console.test_every_page_browser import filled_streams
from tests.console.test_live_rows import die
from tests.console.weights import KIB, Loading
from tests.people import signed_in
from tests.server import Server

FIRST, WITH_CHARTS, OTHERS = 120, 80, 60  # KiB at most
PAGES, ALIKE = 120, 3  # pages at most, and of one kind
HREF = re.compile(r'href="(/[^"#]*)"')
NO_PAGES = ("/static/", "/api/", "/sign-", "/environment", "/exports/", "/definitions.json")  # and files


@pytest.fixture
def filled(rest: Rest) -> None:
    """Something for every kind of page, and lists that are full."""
    rest.declare("seen", max_failures=1, history="full", keep_settled=3600)
    for n in range(3):
        die(rest, "seen", n)
    rest.publish("seen", *({"body": {"n": n, "text": "words of a message " * 9}, "key": f"key-{n}"} for n in range(200)))
    rest.declare("idle")
    filled_streams(rest)
    for n in range(120):
        rest.declare(f"billing.invoices.{n}")


def test_pages_weigh_little(broker: Server, filled: None):
    with signed_in(broker) as person:
        loading = Loading(broker.url, person.cookies)
        first, text = loading.page("/")
        found, waiting, kinds = {"/": (first, FIRST)}, HREF.findall(text), dict[str, int]()
        while waiting and len(found) < PAGES:
            place = waiting.pop(0).replace("&amp;", "&")
            kind = re.sub(r"\d+|=[^&]*", "", place)
            if place in found or place.startswith(NO_PAGES) or kinds.get(kind, 0) >= ALIKE:
                continue
            kinds[kind] = kinds.get(kind, 0) + 1
            size, text = loading.page(place)
            found[place] = size, WITH_CHARTS if "<svg" in text and 'class="plot' in text else OTHERS
            waiting += HREF.findall(text)
    assert len(found) > 40
    assert {place: size for place, (size, most) in found.items() if size > most * KIB} == {}
