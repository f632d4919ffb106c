"""The way around in a real browser: the palette by keys, the zone, and that nothing breaks on a phone or with a wide font."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.clients import Rest
from tests.console.browser import Visit, go, sign_in, visiting
from tests.server import Server

# The widest, as where font-size-adjust is not known.
WIDE = ":root { --sans: 'DejaVu Sans', sans-serif !important; --x-height: none !important; }"
LABELS = ".nav a, .nav button, .tabs a, .ranges a, .zone button, .dials button, .segments a, th"
BROKEN = """labels => [...document.querySelectorAll(labels)].filter(e => e.checkVisibility()).flatMap(e =>
    [...e.childNodes].filter(node => node.textContent.trim()).map(node => {
        const range = document.createRange();
        range.selectNodeContents(node);
        const boxes = [...range.getClientRects()].filter(box => box.width > 1.5);
        const lines = new Set(boxes.map(box => Math.round(box.top / 8)));
        return lines.size > 2 ? e.textContent.trim() : null;
    })).filter(Boolean)"""
PHONES = (390, 320)


@pytest.fixture(scope="module")
def stocked(broker: Server) -> None:
    """Queues, a stream and a failure to find."""
    with broker.rest() as rest:
        for name in ("orders.eu", "orders.us", "mail"):
            rest.declare(name)
        rest.call("PUT", "/streams/orders-log", {})
        rest.call("PUT", "/topics/shop", {"bindings": []})
        rest.publish("mail", {"body": 1}, {"body": 2})
        [message] = rest.receive("mail", max=1)
        rest.settle("mail", nack=[{"receipt": message["receipt"], "error": "TimeoutError: too slow", "delay": 600}])


def ready(page: Page) -> None:
    """The modules have run."""
    expect(page.locator("[data-keys]")).to_have_js_property("hidden", False)


def test_the_palette_finds_and_goes_by_keys_alone(visit: Visit, stocked: None):
    page = visit.page
    ready(page)
    page.keyboard.press("Control+k")
    field, listed = page.get_by_role("combobox"), page.get_by_role("listbox")
    expect(field).to_be_focused()
    expect(listed.get_by_role("option", name="Queues")).to_be_visible()  # before anything is typed: where one may go
    page.keyboard.type("orders")
    first = listed.get_by_role("option").first
    expect(first).to_have_text("orders.eu")
    expect(first).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    chosen = listed.locator("[aria-selected=true]")
    expect(chosen).to_have_text("orders.us")
    expect(field).to_have_attribute("aria-activedescendant", chosen.get_attribute("id") or "none")
    assert visit.axe() == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="orders.us")).to_be_visible()
    assert page.title().startswith("orders.us")


def test_escape_closes_the_palette_and_then_leaves_it(visit: Visit, stocked: None):
    page = visit.page
    ready(page)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("listbox")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox")).not_to_be_focused()
    go(page, "d")  # keys are heard again
    expect(page.get_by_role("heading", level=1)).to_contain_text("Failures")


def test_a_deed_is_done_from_the_palette(visit: Visit, stocked: None):
    page = visit.page
    ready(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("theme to dark")
    expect(page.get_by_role("option", name="Switch theme to dark")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    ready(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("publish to mail")
    expect(page.get_by_role("option", name="Publish to mail", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/queues/mail/publish"))


def test_enter_is_not_lost_on_who_types_faster_than_the_server_answers(visit: Visit, stocked: None):
    page = visit.page
    ready(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("mail\n")
    expect(page.get_by_role("heading", level=1, name="mail")).to_be_visible()


def test_without_a_script_the_field_searches_messages(browser: Browser, broker: Server, stocked: None):
    with visiting(browser, broker.url, java_script_enabled=False) as visit:
        sign_in(visit.page)
        visit.page.get_by_label("Find queues, streams").fill("TimeoutError")
        visit.page.keyboard.press("Enter")
        expect(visit.page).to_have_url(re.compile(r"/search\?q=TimeoutError"))


def test_the_zone_of_the_browser_is_offered_and_kept(browser: Browser, broker: Server, session: StorageState, stocked: None):
    with visiting(browser, broker.url, storage_state=session, timezone_id="Asia/Kolkata") as visit:
        page = visit.page
        page.goto("/retrying")
        expect(page.get_by_role("columnheader", name="Due (UTC)")).to_be_visible()
        ready(page)
        page.get_by_role("button", name="Times in UTC").click()
        page.get_by_role("button", name=re.compile("Kolkata|Calcutta")).click()  # by its older name in some browsers
        expect(page.get_by_role("columnheader", name="Due (Kolkata)")).to_be_visible()
        page.goto("/queues/mail/messages")
        expect(page.get_by_role("columnheader", name="Published (Kolkata)")).to_be_visible()
        page.get_by_role("button", name="Times in Kolkata").click()
        assert visit.axe() == []
        page.get_by_label("Show times in").fill("UTC")
        page.keyboard.press("Enter")
        expect(page.get_by_role("columnheader", name="Published (UTC)")).to_be_visible()


def test_on_a_phone_all_places_are_in_reach_of_a_thumb(visit: Visit, stocked: None):
    page = visit.page
    for width in PHONES:
        page.set_viewport_size({"width": width, "height": 700})
        page.goto("/")
        bar = page.get_by_role("navigation", name="Console")
        for place in ("Now", "Queues", "Streams", "Messages", "Failures"):
            link = bar.get_by_role("link", name=place)
            expect(link).to_be_in_viewport(ratio=0.99)
            box = link.bounding_box()
            assert box is not None
            assert box["y"] > 600
            assert box["height"] >= 44
        bar.get_by_role("button", name="More").click()
        menu = page.get_by_role("navigation", name="Administration")
        for place in ("Topics & map", "Operations", "Connections"):
            expect(menu.get_by_role("link", name=place)).to_be_in_viewport(ratio=0.99)
        assert visit.axe() == []
        menu.get_by_role("link", name="Operations").click()
        expect(page.get_by_role("heading", level=1, name="Jobs")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 900, *PHONES])
def test_no_label_breaks_with_the_widest_font(browser: Browser, broker: Server, session: StorageState, stocked: None, width: int):
    view = {"width": width, "height": 800}
    with visiting(browser, broker.url, storage_state=session, viewport=view, bypass_csp=True) as visit:
        page = visit.page
        for place in (
            "/",
            "/retrying",
            "/queues/mail",
            "/queues/mail/failures",
            "/queues/mail/settings",
            "/streams/orders-log/failures",
        ):
            page.goto(place)
            page.add_style_tag(content=WIDE)
            assert page.evaluate(BROKEN, LABELS) == [], place
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place


def test_a_phone_shows_the_verdict_before_anything_else(visit: Visit, stocked: None, rest: Rest):
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto("/")
    expect(page.locator(".verdict")).to_be_in_viewport(ratio=0.99)
    page.goto("/queues/mail")
    expect(page.locator(".why")).to_be_in_viewport()
