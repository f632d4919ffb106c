"""Search in a real browser: the field, the honest footer, funnels, ticks; with keys alone, in both themes, on a phone."""

from __future__ import annotations

import os
from collections.abc import Generator
from functools import partial
from operator import ne
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.clients import Rest
from tests.console.browser import Visit, sign_in, visiting
from tests.eventually import eventually
from tests.server import Server

TEXT = "<script>broke('x')</script>\"'><img src=x onerror=broke('y')>\u202e"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with Server(tmp_path_factory.mktemp("search") / "data") as server:
        server.start()
        with server.rest() as rest:
            fill(rest)
        yield server


def fill(rest: Rest) -> None:
    rest.declare("orders", max_failures=1)
    rest.declare("others")
    messages = [
        {
            "body": {"order": {"id": f"ORD-{n}", "country": "DE" if n % 2 else "FR"}},
            "key": f"acct-{n % 3}",
            "headers": {"tenant": "globex"},
        }
        for n in range(120)
    ]
    rest.publish("orders", *messages)
    rest.publish("others", {"body": {"note": TEXT}, "key": TEXT, "headers": {TEXT: TEXT, "tenant": "hooli"}})
    rest.call("PUT", "/streams/log", {})
    rest.call("POST", "/streams/log/records", {"records": [{"body": {"order": {"id": "ORD-7"}}, "key": "acct-1"}]})
    [message] = rest.receive("orders", max=1)
    rest.settle("orders", dead=[{"receipt": message["receipt"], "reason": "no such country"}])


def shoot(page: Page, name: str) -> None:
    """For who wants to look at it."""
    if folder := os.environ.get("BROKERWEB_TEST_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_a_message_is_found_and_opened_with_keys_alone(visit: Visit):
    page = visit.page
    expect(page.locator("[data-keys]")).to_have_js_property("hidden", False)  # the modules have run
    page.keyboard.press("/")
    expect(page.get_by_role("heading", name="Messages", exact=True)).to_be_visible()
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("$.order.id=ORD-7")
    page.keyboard.press("Enter")
    expect(page.locator("[data-row]")).to_have_count(2)  # the message and the record
    expect(page.locator(".honest")).to_contain_text("which is all there is")
    for key in ("j", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Message")
    expect(page.locator("#body-text")).to_contain_text("ORD-7")


def test_what_cannot_be_read_is_said_at_its_place(visit: Visit):
    page = visit.page
    answer = page.goto(f"/search?q={quote('key:a statex:dead')}")
    assert answer is not None
    assert answer.status == 400
    expect(page.locator(".pointed mark")).to_have_text("statex:dead")
    expect(page.locator("#search")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#search")).to_be_focused()
    assert visit.axe() == []
    visit.wrong = [text for text in visit.wrong if "400" not in text]


def test_going_on_from_here_finds_everything_once(visit: Visit, broker: Server):
    page, found = visit.page, list[str]()
    page.goto("/search?q=header.tenant%3Dglobex&in=queue:orders")
    expect(page.locator(".honest")).to_contain_text("50 were found")
    while True:
        found += page.locator("[data-row] a.name").all_inner_texts()
        following = page.get_by_role("link", name="Go on from here")
        if not following.count():
            break
        here = page.url
        following.click()
        page.wait_for_url(partial(ne, here))
    with broker.rest() as rest:
        assert sorted(found, key=int) == [message["id"] for message in rest.browse("orders")]


def test_a_funnel_adds_only_these(visit: Visit):
    page = visit.page
    page.goto("/search?q=header.tenant%3Dglobex&in=queue:orders")
    page.get_by_role("link", name="Only these: key:acct-2").first.click()
    expect(page.locator("#search")).to_have_value("header.tenant=globex key:acct-2")
    expect(page.locator("[data-row]")).to_have_count(40)


def test_all_that_match_go_into_one_plan_and_one_job(visit: Visit, broker: Server):
    page = visit.page
    with broker.rest() as rest:
        rest.declare("target")
        page.goto("/search?q=%24.order.country%3DFR&in=queue:orders")
        page.get_by_label("What to do with them").select_option("move")
        page.get_by_role("button", name="Plan for all that match").click()
        expect(page.get_by_role("heading", name="Move 60 messages")).to_be_visible()
        assert visit.axe() == []
        shoot(page, "search-plan")
        page.get_by_label("Send to").fill("target")
        page.get_by_role("button", name="Move 60 messages").click()
        expect(page.get_by_text("there is something new to know first")).to_be_visible()  # nobody consumes there
        page.get_by_role("button", name="Move 60 messages").click()
        expect(page.get_by_role("heading", name="Progress")).to_be_visible()
        eventually(lambda: rest.queue("target")["counts"]["ready"] == 60)


def test_ticked_ones_are_discarded_once_their_number_is_typed(visit: Visit, broker: Server):
    page = visit.page
    with broker.rest() as rest:
        before = sum(rest.queue("orders")["counts"].values())
    page.goto("/search?q=key:acct-0&in=queue:orders")
    for n in range(3):
        page.get_by_role("checkbox", name="Choose").nth(n + 1).check()
    page.get_by_label("What to do with them").select_option("purge")
    page.get_by_role("button", name="Plan for the chosen").click()
    page.get_by_label("How many are discarded").fill("3")
    page.get_by_role("button", name="Discard 3 messages").click()
    expect(page.get_by_role("heading", name="Progress")).to_be_visible()
    with broker.rest() as rest:
        eventually(lambda: sum(rest.queue("orders")["counts"].values()) == before - 3)


def test_words_are_suggested_from_what_was_stored_lately(visit: Visit):
    page = visit.page
    page.goto("/search")
    page.locator("#search").press_sequentially("state:ready $.order.c")
    expect(page.locator("#suggested option").first).to_have_attribute("value", "state:ready $.order.country=")
    page.get_by_role("navigation", name="Add a condition").get_by_role("link", name="header.tenant=").click()
    expect(page.locator("[data-row]")).not_to_have_count(0)


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_the_page_is_accessible_and_fits(browser: Browser, broker: Server, session: StorageState, theme: str, width: int):
    found: dict[str, list[str]] = {}
    view: dict[str, Any] = {"viewport": {"width": width, "height": 844}, "color_scheme": theme}
    with visiting(browser, broker.url, storage_state=session, **view) as visit:
        for name, place in (
            ("help", "/search"),
            ("results", "/search?q=state:ready&in=queue:*&in=stream:log"),
            ("nothing", "/search?q=key:nobody"),
            ("hostile", "/search?q=" + quote("header.tenant=hooli")),
            ("hostile-place", f"/search?q=a&in={quote(TEXT)}"),
        ):
            visit.page.goto(place)
            found[name] = visit.axe()
            if visit.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found[name].append("wider than the window")
            shoot(visit.page, f"search-{name}-{theme}-{width}")
        visit.wrong = [text for text in visit.wrong if "400" not in text]
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_it_works_without_javascript(browser: Browser, broker: Server):
    with visiting(browser, broker.url, java_script_enabled=False) as visit:
        page = visit.page
        sign_in(page)
        page.locator(".nav").get_by_role("link", name="Messages").click()
        page.get_by_label("What to look for").fill("key:acct-1")
        page.get_by_label("In", exact=True).fill("stream:*")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("[data-row]")).to_have_count(1)
