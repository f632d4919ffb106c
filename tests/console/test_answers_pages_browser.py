"""Stuck, causes, plans and the overview in a real browser: with keys alone, in both themes, on a phone, under traffic."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.clients import Rest
from tests.console.browser import Visit, go, refreshed, sign_in, visiting
from tests.eventually import eventually
from tests.server import Server

ERROR = 'Traceback (most recent call last):\n  File "/srv/mail.py", line 88, in send\nSMTPServerDisconnected: closed (message {})'
NAME = "n" * 180


def die(rest: Rest, queue: str, *errors: str, **settings: Any) -> None:
    rest.declare(queue, **settings)
    rest.publish(queue, *[{"body": {"n": n}} for n in range(len(errors))])
    messages = rest.receive(queue, max=len(errors))
    rest.settle(queue, dead=[{"receipt": m["receipt"], "reason": error} for m, error in zip(messages, errors, strict=True)])


def press(page: Page, *keys: str) -> int:
    for key in keys:
        page.keyboard.press(key)
    return len(keys)


def led(page: Page, place: str) -> int:
    """The number of keys that lead to a place."""
    go(page, place)
    return 2


def ready(page: Page) -> None:
    """Keys are heard."""
    expect(page.locator("[data-keys]")).to_have_js_property("hidden", False)


def shoot(page: Page, name: str) -> None:
    """For who wants to look at it."""
    if folder := os.environ.get("BROKERWEB_TEST_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_a_cause_is_put_back_and_taken_back_with_keys_alone(visit: Visit, rest: Rest):
    die(rest, "keys.emails", *(ERROR.format(n) for n in range(5)))
    page = visit.page
    page.goto("/")
    ready(page)
    pressed = led(page, "d")
    expect(page.get_by_role("heading", name="Failures by cause")).to_be_visible()
    ready(page)
    pressed += press(page, "j", "x", "a", "Enter")
    expect(page.get_by_role("heading", name="Redrive 5 messages")).to_be_visible()
    ready(page)
    pressed += press(page, "Enter")
    expect(page.get_by_role("heading", name="Progress")).to_be_visible()
    eventually(lambda: rest.queue("keys.emails")["counts"]["ready"] == 5)
    page.reload()
    ready(page)
    expect(page.locator("[data-undo]").first).to_be_visible()  # the job may end after the last message of it is there
    pressed += press(page, "u")
    expect(page.get_by_role("heading", name="Undo")).to_be_visible()
    eventually(lambda: rest.queue("keys.emails")["counts"]["dead"] == 5)
    assert pressed <= 15


def test_a_paused_queue_is_resumed_with_keys_alone(visit: Visit, rest: Rest):
    rest.declare("keys.paused")
    rest.publish("keys.paused", *[{"body": n} for n in range(500)])
    rest.call("POST", "/queues/keys.paused/pause", {"reason": "maintenance"})
    page = visit.page
    eventually(lambda: "keys.paused" in listed(rest), 60)  # an ordinary short wait is not stuck
    page.goto("/")
    ready(page)
    pressed = led(page, "k")
    expect(page.get_by_role("heading", name="Stuck", exact=True)).to_be_visible()
    ready(page)
    pressed += press(page, "j")
    expect(page.get_by_role("link", name="keys.paused", exact=True)).to_be_focused()
    pressed += press(page, "Tab", "Enter")
    expect(page.get_by_text("Resumed.")).to_be_visible()
    assert pressed <= 15
    assert rest.queue("keys.paused")["paused"] is None
    press(page, "u")
    expect(page.get_by_text("Undone: paused as it was.")).to_be_visible()


def listed(rest: Rest) -> list[str]:
    return [item["destination"].removeprefix("queue:") for item in rest.call("GET", "/stuck")["items"]]


POINTED = {"/dead/causes": "pointed.dead.causes", "/stuck": "pointed.stuck", "/": "pointed.overview"}


@pytest.fixture(scope="module")
def pointed(broker: Server) -> dict[str, str]:
    """A queue for each page, with a dead letter and a message that nobody takes; they become stuck together."""
    with broker.rest() as rest:
        for queue in POINTED.values():
            die(rest, queue, "first 1")
            rest.publish(queue, {"body": 1})
        eventually(lambda: set(POINTED.values()) <= set(listed(rest)), 60)
    return POINTED


def shown(page: Page) -> str:
    """What the live part says, but for ages, which are counted on in their places."""
    return re.sub(r"(<time [^>]*data-age[^>]*>)[^<]*", r"\1", page.locator("#live").inner_html())


@pytest.mark.parametrize("place", POINTED)
def test_nothing_under_a_still_pointer_changes_while_messages_come(visit: Visit, rest: Rest, pointed: dict[str, str], place: str):
    queue = pointed[place]
    page = visit.page
    page.goto(place)
    refreshed(page)
    row = page.locator("[data-held] [data-row]").first
    row.hover()
    before, asked = shown(page), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    for n in range(3):
        die(rest, queue, f"another {n}", f"kind of error {n * 'x'}")
        rest.publish(queue, *[{"body": n} for _ in range(100)])
        page.evaluate("document.getElementById('live').dispatchEvent(new Event('refresh'))")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert asked == []
    assert shown(page) == before
    page.keyboard.press("r")  # asked for in so many words
    eventually(lambda: shown(page) != before)
    page.mouse.move(2, 2)
    refreshed(page)


def test_a_refresh_keeps_the_focus_on_its_row(visit: Visit, rest: Rest):
    die(rest, "focus.a", "kept")
    page = visit.page
    page.goto("/dead/causes")
    refreshed(page)
    page.get_by_role("link", name="kept", exact=True).focus()
    die(rest, "focus.b", *["more of another"] * 3)
    page.keyboard.press("r")
    expect(page.get_by_role("link", name="more of another", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="kept", exact=True)).to_be_focused()


@pytest.fixture(scope="module")
def filled(broker: Server) -> list[str]:
    """Addresses of every kind of page, with something on each."""
    with broker.rest() as rest:
        for queue in ("seen.emails", "seen.receipts"):
            die(rest, queue, *(ERROR.format(n) for n in range(40)))
        die(rest, "seen.full", *["KeyError: 'zip'"] * 3)
        rest.declare("seen.full", max_length=1)
        die(rest, NAME, "w" * 300)
        rest.publish(NAME, {"body": 1})
        rest.publish("seen.full", {"body": 1})
        rest.declare("seen.paused")
        rest.publish("seen.paused", *[{"body": n} for n in range(30)])
        rest.call("POST", "/queues/seen.paused/pause", {"reason": "the figures of November are wrong"})
        causes = rest.call("GET", "/dead/groups?in=queue:seen.*")["items"]
        job = rest.call("POST", "/bulk", {"action": "redrive", "rate": 0.01, "select": {"in": ["queue:seen.emails"]}})["job"]
        failing = rest.call("POST", "/bulk", {"action": "redrive", "select": {"ids": {"seen.full": ["1", "2"]}}})["job"]
        eventually(lambda: rest.call("GET", f"/jobs/{failing['id']}")["failed"] == 2)
        eventually(lambda: NAME in listed(rest), 60)
    plan = f"/jobs/plan?action={{}}&cause={causes[0]['fingerprint']}"
    return [
        "/",
        "/stuck",
        "/stuck?why=paused",
        "/stuck?why=silent",
        "/dead/causes",
        "/dead/causes?in=queue:nothing",
        "/dead",
        plan.format("redrive"),
        plan.format("redrive") + "&to=seen.full",
        plan.format("move"),
        plan.format("purge"),
        f"/jobs/{job['id']}",
        f"/jobs/{failing['id']}",
        "/jobs",
    ]


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_every_page_is_accessible_and_fits(
    browser: Browser, broker: Server, session: StorageState, filled: list[str], theme: str, width: int
):
    found = {}
    view: dict[str, Any] = {"viewport": {"width": width, "height": 844}, "color_scheme": theme}
    with visiting(browser, broker.url, storage_state=session, **view) as visit:
        for n, place in enumerate(filled):
            visit.page.goto(place)
            found[place] = visit.axe()
            if visit.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found[place].append("wider than the window")
            shoot(visit.page, f"answers-{n:02}-{theme}-{width}")
    assert {place: problems for place, problems in found.items() if problems} == {}


def test_causes_are_put_back_without_javascript(browser: Browser, broker: Server, rest: Rest):
    die(rest, "plain.emails", "only here 1", "only here 2")
    with visiting(browser, broker.url, java_script_enabled=False) as visit:
        page = visit.page
        sign_in(page)
        page.locator(".nav").get_by_role("link", name="Failures").click()
        page.get_by_label("Choose the cause only here").check()
        page.get_by_role("button", name="Redrive…").click()
        page.get_by_role("button", name="Redrive 2 messages").click()
        expect(page.get_by_role("heading", name="Progress")).to_be_visible()
    eventually(lambda: rest.queue("plain.emails")["counts"]["ready"] == 2)
