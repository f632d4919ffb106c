"""Publish and connect, and exports, in a real browser: with the keyboard, with what a script adds, and without one."""

from __future__ import annotations

import json
from collections.abc import Generator
from itertools import product
from typing import Literal

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.clients import Rest
from tests.console.browser import Visit, visiting
from tests.server import Server

TYPED = '{"n": 12345678901234567890}'


@pytest.fixture
def still(browser: Browser, broker: Server, session: StorageState) -> Generator[Visit]:
    """A page of a browser that runs no scripts."""
    with visiting(browser, broker.url, storage_state=session, java_script_enabled=False) as visit:
        yield visit


def bodies(rest: Rest, queue: str) -> list[object]:
    return [message["body"] for message in rest.call("GET", f"/queues/{queue}/messages")["items"]]


def test_ctrl_enter_sends_and_the_form_is_as_it_was(visit: Visit, rest: Rest):
    page = visit.page
    rest.declare("keys")
    page.goto("/queues/keys/connect")
    body = page.get_by_label("Body", exact=True)
    body.fill(TYPED)
    body.press("Control+Enter")
    expect(page.get_by_text("Stored as")).to_be_visible()
    expect(body).to_have_value(TYPED)
    expect(body).to_be_focused()
    with page.expect_navigation():  # the page that is there already says the same
        body.press("Control+Enter")
    expect(page.get_by_text("Stored as")).to_be_visible()
    page.reload()  # is not to publish once more
    expect(page.get_by_role("button", name="Publish to keys")).to_be_visible()
    assert bodies(rest, "keys") == [json.loads(TYPED)] * 2
    page.go_back()


def test_the_programs_follow_what_is_typed(visit: Visit, rest: Rest):
    page = visit.page
    rest.declare("typed")
    page.goto("/queues/typed/connect")
    programs = page.locator("#programs")
    expect(page.get_by_role("button", name="Write it anew")).to_be_hidden()
    page.get_by_text("Command", exact=True).first.click()
    page.get_by_label("Body", exact=True).fill("it's ${so}")
    page.get_by_label("Body is").select_option("text")
    page.get_by_label("Priority").fill("7")
    expect(programs.locator("pre:visible")).to_contain_text("""--text -- 'it'"'"'s ${so}'""")
    expect(programs.locator("pre:visible")).to_contain_text("--set=priority=7")
    page.get_by_label("Priority").fill("70")
    expect(programs).to_contain_text("would be refused")
    page.get_by_label("Priority").fill("")
    expect(programs.get_by_role("button", name="Copy").first).to_be_visible()


def test_a_template_is_kept_used_and_deleted(visit: Visit, rest: Rest):
    page = visit.page
    rest.declare("kept")
    page.goto("/queues/kept/connect")
    page.get_by_label("Body", exact=True).fill(TYPED)
    page.get_by_label("Keep it as").fill("Big numbers")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_text("Kept as Big numbers.")).to_be_visible()
    page.goto("/queues/kept/connect")
    page.get_by_role("link", name="Big numbers").click()
    expect(page.get_by_label("Body", exact=True)).to_have_value(TYPED)
    page.get_by_role("button", name="Delete Big numbers").click()
    expect(page.get_by_text("Template Big numbers is deleted.")).to_be_visible()
    assert bodies(rest, "kept") == []


def test_waiting_turns_green_when_the_first_message_comes(visit: Visit, broker: Server, rest: Rest):
    page = visit.page
    rest.declare("first")
    page.goto("/queues/first/connect")
    page.get_by_role("button", name="Make the token").click()
    waiting = page.locator(".waiting")
    expect(waiting).to_contain_text("Waiting for your first message")
    secret = page.locator("#secret").inner_text()
    assert visit.axe() == []
    with Rest(broker.url, secret) as program:
        [stored] = program.publish("first", {"body": 1})
    expect(waiting).to_contain_text(f"Your message is here: {stored['id']}")
    expect(page.locator("#said")).to_contain_text("Your message is here")
    waiting.get_by_role("link").click()
    expect(page.get_by_role("heading", name=f"Message {stored['id']}")).to_be_visible()


def test_all_of_it_works_without_a_script(still: Visit, rest: Rest):
    page = still.page
    rest.declare("plain")
    page.goto("/queues/plain/connect")
    page.get_by_label("Body", exact=True).fill("[1]")
    page.get_by_label("Times", exact=True).fill("3")
    page.get_by_role("button", name="Write it anew").click()
    expect(page.locator("#programs pre").first).to_contain_text("for n in $(seq 3)")
    page.get_by_role("button", name="Publish to plain").click()
    expect(page.get_by_text("Stored 3:")).to_be_visible()
    expect(page.get_by_label("Body", exact=True)).to_have_value("[1]")
    page.get_by_label("Keep it as").fill("plain")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_text("Kept as plain.")).to_be_visible()
    page.get_by_role("button", name="Make the token").click()
    rest.publish("plain", {"body": 2})
    page.goto(page.get_by_role("link", name="Look whether it is there").get_attribute("href") or "")
    expect(page.get_by_text("message is here")).to_be_visible()
    assert bodies(rest, "plain") == [[1], [1], [1], 2]
    with page.expect_download() as download:
        page.goto("/queues/plain/messages")
        page.get_by_role("link", name="NDJSON").click()
    assert download.value.suggested_filename == "search.ndjson"


def test_a_list_is_saved_with_how_far_it_is(visit: Visit, rest: Rest):
    page = visit.page
    rest.declare("rows")
    for _ in range(3):
        rest.publish("rows", *[{"body": {"n": n, "text": "x" * 200}} for n in range(1000)])
    page.goto("/queues/rows/messages")
    with page.expect_download() as download:
        page.get_by_role("link", name="NDJSON").click()
    expect(page.locator(".exporting")).to_contain_text("3,000 rows")
    expect(page.locator(".exporting")).to_contain_text("which is all")
    *rows, last = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert sorted(row["body"]["n"] for row in rows) == sorted([*range(1000)] * 3)
    assert last["complete"]
    assert visit.axe() == []
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".exporting")).to_have_count(0)
    page.goto("/queues?q=row&sort=-ready")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).click()
    assert download.value.suggested_filename == "queues.csv"
    header, row, last = download.value.path().read_text().splitlines()
    assert (header.split(",")[:2], row.split(",")[:2]) == (["name", "ready"], ["rows", "3000"])
    assert '""complete"":true' in last


def test_an_export_is_cancelled_and_saves_nothing(visit: Visit, rest: Rest):
    page = visit.page
    rest.declare("stopped")
    page.goto("/queues")
    page.route("**/exports/queues**", lambda route: None)  # never answered
    page.get_by_role("link", name="CSV", exact=True).click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".exporting")).to_contain_text("cancelled, nothing is saved")


def test_a_refused_export_says_why(visit: Visit, rest: Rest):
    page = visit.page
    rest.declare("refused")
    page.goto("/queues")
    answer = {"status": 429, "content_type": "application/problem+json", "body": '{"detail": "4 exports run already"}'}
    page.route("**/exports/queues**", lambda route: route.fulfill(**answer))
    page.get_by_role("link", name="CSV", exact=True).click()
    expect(page.locator(".exporting")).to_contain_text("4 exports run already")
    visit.wrong = [text for text in visit.wrong if "429" not in text]


@pytest.mark.parametrize(("theme", "width"), [*product(("light", "dark"), (1440, 390))])
def test_axe_finds_nothing_and_nothing_sticks_out(visit: Visit, rest: Rest, theme: Literal["light", "dark"], width: int):
    page = visit.page
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 860})
    rest.declare("seen")
    rest.call("PUT", "/streams/seen", {})
    rest.call("PUT", "/topics/seen", {"bindings": [{"pattern": "#", "to": "queue:seen"}]})
    for place in ("/queues/seen/connect", "/streams/seen/connect", "/topics/seen/connect"):
        page.goto(place)
        page.get_by_role("button", name="to seen").click()
        expect(page.locator("#sent")).to_be_visible()
        assert visit.axe() == [], place
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, place
