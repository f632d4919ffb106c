"""Which broker a page is of: a badge, a stripe, and the title, wherever one is."""

from __future__ import annotations

import re
from collections.abc import Generator

import pytest
from django.test import Client
from playwright.sync_api import Browser

from brokerweb import conf
from brokerweb.core.environments import Environment, parsed
from tests.console.browser import sign_in, visiting
from tests.server import Server


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch):
    """Give the broker its environment."""

    def name(text: str) -> None:
        monkeypatch.setenv("BROKERWEB_ENVIRONMENT", text)
        conf.forget()

    yield name
    monkeypatch.undo()
    conf.forget()


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with Server(tmp_path_factory.mktemp("prod") / "data", environment={"BROKERWEB_ENVIRONMENT": "prod"}) as server:
        yield server.start()


def _title(page: str) -> str:
    found = re.search("<title>(.*?)</title>", page, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("text", "name", "colour"),
    [
        ("prod", "prod", "#b00020"),
        ("eu-1:stage", "eu-1", "#9a5b00"),
        ("prod:#ABCDEF", "prod", "#abcdef"),
        ("blue", "blue", "#4b5766"),
    ],
)
def test_a_name_brings_its_colour_or_says_it(text, name, colour):
    assert parsed(text) == Environment(name, colour)


@pytest.mark.parametrize("level", range(0, 256, 5))
def test_the_name_is_readable_on_any_colour(level):
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for colour in (f"#{level:02x}{level:02x}{level:02x}", f"#{level:02x}00ff", f"#00{level:02x}00", f"#ff{level:02x}00"):
        bright, dark = sorted((luminance(colour), luminance(Environment("x", colour).ink)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, colour


@pytest.mark.parametrize("place", ["/", "/queues", "/queues/none", "/nowhere", "/new/queue", "/api/v1/docs"])
def test_every_page_begins_its_title_with_it(client, named, place):
    named("prod")
    assert _title(client.get(place).content.decode()).startswith("[prod] ")


def test_strangers_see_where_they_sign_in(database, named):
    named("eu<1:#00ff00")
    for page in (Client().get("/sign-in"), Client().post("/sign-in", {"username": "a", "password": "b"})):
        text = page.content.decode()
        assert _title(text).startswith("[eu&lt;1] ")
        assert '<strong class="environment">eu&lt;1</strong>' in text
    style = Client().get("/environment.css")
    assert style["Content-Type"] == "text/css"
    assert style.content.decode() == ".environment { background-color: #00ff00; color: #000000; }\n"


def test_without_one_nothing_is_said(client):
    page = client.get("/").content.decode()
    assert "environment" not in page
    assert not _title(page).startswith("[")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_policy_allows_its_colour_and_axe_reads_it(browser: Browser, prod: Server, theme):
    with visiting(browser, prod.url, color_scheme=theme) as visit:
        visit.page.goto("/sign-in")
        assert visit.axe() == []
        sign_in(visit.page)
        assert visit.page.title().startswith("[prod] ")
        badge = visit.page.locator("strong.environment")
        assert badge.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(176, 0, 32)"
        assert visit.page.locator(".stripe").bounding_box() == {"x": 0, "y": 0, "width": 1280, "height": 4}
        assert visit.axe() == []
        visit.page.goto("/audit?action=user")
        assert visit.axe() == []
        visit.page.set_viewport_size({"width": 390, "height": 844})
        assert not visit.page.evaluate("document.documentElement.scrollWidth > innerWidth")
