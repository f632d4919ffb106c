"""The note with an Undo in a real browser: by pointer, by keyboard, without a script, in both themes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.clients import Rest
from tests.console.browser import Visit, sign_in, visiting
from tests.server import Server


def die(rest: Rest, queue: str, n: int = 2) -> None:
    rest.declare(queue)
    rest.publish(queue, *[{"body": {"n": each}} for each in range(n)])
    rest.settle(queue, dead=[{"receipt": message["receipt"], "reason": "bad"} for message in rest.receive(queue)])


def requeued(page: Page, queue: str) -> None:
    page.goto(f"/dead?queue={queue}")
    page.get_by_role("button", name="Requeue").first.click()
    expect(page.get_by_role("status").filter(has_text="is back in")).to_be_visible()


def dead(rest: Rest, queue: str) -> int:
    return int(rest.queue(queue)["counts"]["dead"])


def shoot(page: Page, name: str) -> None:
    """For who wants to look at it."""
    if folder := os.environ.get("BROKERWEB_TEST_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_a_requeue_is_taken_back_where_it_was_done(
    browser: Browser, broker: Server, session: StorageState, rest: Rest, theme: str, width: int
):
    queue = f"orders-{theme}-{width}"
    die(rest, queue)
    view: dict[str, Any] = {"viewport": {"width": width, "height": 844}, "color_scheme": theme}
    with visiting(browser, broker.url, storage_state=session, **view) as visit:
        requeued(visit.page, queue)
        assert dead(rest, queue) == 1
        assert visit.axe() == []
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shoot(visit.page, f"undo-{theme}-{width}")
        visit.page.get_by_role("button", name="Undo").click()
        expect(visit.page.get_by_role("status").filter(has_text="is as it was before")).to_be_visible()
        assert f"/dead?queue={queue}" in visit.page.url
        expect(visit.page.locator("[data-row]")).to_have_count(2)
        shoot(visit.page, f"undone-{theme}-{width}")
    assert dead(rest, queue) == 2


def test_the_button_is_the_first_of_the_content_and_has_a_key(visit: Visit, rest: Rest):
    die(rest, "keyboard")
    page = visit.page
    requeued(page, "keyboard")
    assert "is back in keyboard." in page.title()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Undo", exact=True)
    expect(button).to_be_focused()
    expect(button).to_have_accessible_description(re.compile("is back in keyboard"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("is as it was before")).to_be_visible()
    requeued(page, "keyboard")
    page.keyboard.press("u")
    expect(page.get_by_text("is as it was before")).to_be_visible()
    assert dead(rest, "keyboard") == 2


def test_it_works_without_javascript(browser: Browser, broker: Server, rest: Rest):
    die(rest, "plain")
    with visiting(browser, broker.url, java_script_enabled=False) as visit:
        sign_in(visit.page)
        requeued(visit.page, "plain")
        visit.page.get_by_role("button", name="Undo").click()
        expect(visit.page.get_by_text("is as it was before")).to_be_visible()
    assert dead(rest, "plain") == 2


def test_what_a_consumer_took_stays_with_it(browser: Browser, broker: Server, rest: Rest):
    die(rest, "taken")
    with visiting(browser, broker.url, viewport={"width": 390, "height": 844}, color_scheme="dark") as visit:
        sign_in(visit.page)
        requeued(visit.page, "taken")
        [message] = rest.receive("taken")
        visit.page.get_by_role("button", name="Undo").click()
        expect(visit.page.get_by_text("nothing is undone")).to_be_visible()
        assert visit.axe() == []
        shoot(visit.page, "not-undone")
    [settled] = rest.settle("taken", ack=[message["receipt"]])
    assert settled["status"] == "ok"


def test_cancelling_a_job_asks_first(visit: Visit, rest: Rest):
    die(rest, "many", 3)
    job = rest.call("POST", "/queues/many/redrive", {"rate": 0.001})["job"]
    page = visit.page
    page.goto(f"/jobs/{job['id']}")
    page.get_by_role("link", name="Cancel the job").click()
    expect(page.get_by_role("link", name="Let it run")).to_be_visible()
    assert rest.call("GET", f"/jobs/{job['id']}")["state"] in ("waiting", "running")
    assert visit.axe() == []
    shoot(page, "cancel-job")
    page.get_by_role("link", name="Let it run").click()
    page.get_by_role("link", name="Cancel the job").click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_text("Cancelled. What it has done stays.")).to_be_visible()
    assert rest.call("GET", f"/jobs/{job['id']}")["state"] == "cancelled"
