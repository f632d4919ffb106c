"""Why, what happened and who holds it, in a real browser: by the keyboard alone, in few keys, and with names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.clients import Rest, Socket
from tests.console.browser import Visit, go
from tests.eventually import eventually
from tests.server import Server

MOST_KEYS = 15
TRACE = "Traceback (most recent call last):\n  File \"worker.py\", line 41, in handle\nKeyError: 'zip'"
IDS = re.compile(r"rest:|ws:|token:\d|user:\d|node-1")


@contextmanager
def consuming(broker: Server, queue: str, prefetch: int, client: str) -> Iterator[Socket]:
    """A consumer of its own name that settles nothing, once it holds all it may."""
    with broker.socket() as socket, broker.rest() as rest:
        socket.consume(queue, prefetch=prefetch, client=client)
        eventually(lambda: rest.queue(queue)["counts"]["leased"] == prefetch)
        yield socket


class Keys:
    """Keys pressed one by one, and counted; each place is waited for, as a person would."""

    def __init__(self, page: Page) -> None:
        self.page, self.pressed = page, 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.pressed += 1
            self.page.keyboard.press(key)

    def go(self, place: str) -> None:
        go(self.page, place)
        self.pressed += 2

    def until(self, heading: str | re.Pattern[str]) -> None:
        expect(self.page.get_by_role("heading", level=1, name=heading)).to_be_visible()
        expect(self.page.locator("[data-keys]")).to_have_js_property("hidden", False)  # the page hears keys

    def tab(self, name: str) -> None:
        expect(self.page.locator(":is(.tabs, nav.segments) [aria-current]").last).to_have_text(name)
        expect(self.page.locator("[data-keys]")).to_have_js_property("hidden", False)


@pytest.fixture
def keys(visit: Visit) -> Keys:
    keys = Keys(visit.page)
    expect(visit.page.locator("[data-keys]")).to_have_js_property("hidden", False)
    return keys


def open_queue(keys: Keys, name: str) -> None:
    """By the list, where it is the first."""
    keys.go("q")
    keys.until("Queues")
    expect(keys.page.locator("[data-row] a.name").first).to_have_text(name)
    keys.press("j", "Enter")
    keys.until(name)


def turn(keys: Keys, *tabs: str) -> None:
    """From tab to tab."""
    for tab in tabs:
        keys.press("]")
        keys.tab(tab)


def test_a_dead_message_says_why_and_is_put_back_in_few_keys(keys: Keys, rest: Rest):
    rest.declare("a.dies")
    rest.publish("a.dies", {"body": 1})
    [message] = rest.receive("a.dies")
    rest.settle("a.dies", dead=[{"receipt": message["receipt"], "reason": TRACE}])
    keys.go("d")
    keys.until("Failures by cause")
    keys.press("]")
    keys.tab("One by one")
    keys.press("j", "Enter")
    keys.until(f"Message {message['id']}")
    expect(keys.page.locator(".why")).to_contain_text("KeyError: 'zip'")
    keys.press("a", "Enter")
    expect(keys.page.get_by_text("is back in a.dies")).to_be_visible()
    assert rest.queue("a.dies")["counts"]["ready"] == 1
    assert keys.pressed <= MOST_KEYS
    rest.call("DELETE", "/queues/a.dies")


def test_who_holds_a_message_is_found_and_it_is_released_in_few_keys(keys: Keys, broker: Server, rest: Rest):
    rest.declare("a.held")
    rest.publish("a.held", {"body": 1})
    with consuming(broker, "a.held", 1, "worker-7"):
        open_queue(keys, "a.held")
        turn(keys, "Messages", "In flight")
        expect(keys.page.get_by_role("cell", name="worker-7")).to_be_visible()
        keys.press("j", "Tab", "Enter")
        keys.until(re.compile("Release message"))
        expect(keys.page.get_by_text("worker-7")).to_be_visible()
        keys.press("a", "Enter")
        expect(keys.page.get_by_text("is released")).to_be_visible()
        keys.tab("In flight")
    assert keys.pressed <= MOST_KEYS
    rest.call("DELETE", "/queues/a.held")


def test_a_silent_consumer_is_found_and_closed_in_few_keys(keys: Keys, broker: Server, rest: Rest):
    rest.declare("a.silent")
    rest.publish("a.silent", *[{"body": n} for n in range(4)])
    with consuming(broker, "a.silent", 2, "worker-8") as socket:
        open_queue(keys, "a.silent")
        turn(keys, "Messages", "In flight", "Consumers")
        expect(keys.page.get_by_text("2 of 2")).to_be_visible()
        keys.press("j", "Tab", "Enter")
        keys.until("Close a connection")
        keys.press("a", "Enter")
        expect(keys.page.get_by_text("The connection is being closed.")).to_be_visible()
        socket.until_closed()
    assert keys.pressed <= MOST_KEYS
    eventually(lambda: rest.queue("a.silent")["counts"]["ready"] == 4)
    rest.call("DELETE", "/queues/a.silent")


def test_one_message_after_the_other_by_one_key_each(keys: Keys, rest: Rest):
    rest.declare("a.row")
    first, second, third = (m["id"] for m in rest.publish("a.row", {"body": 1}, {"body": 2}, {"body": 3}))
    keys.page.goto(f"/queues/a.row/messages/{third}")
    for key, place in (("j", second), ("j", first), ("k", second)):
        keys.until(re.compile("Message"))
        keys.press(key)
        keys.until(f"Message {place}")
    rest.call("DELETE", "/queues/a.row")


def test_a_queue_that_is_not_among_the_first_offered_is_found_by_typing(visit: Visit, rest: Rest):
    for n in range(60):
        rest.declare(f"b.{n:03}")
    rest.publish("b.000", {"body": 1})
    [message] = rest.receive("b.000")
    rest.settle("b.000", dead=[{"receipt": message["receipt"], "reason": "bad"}])
    page = visit.page
    page.goto("/dead/redrive?all=1&queue=b.000")
    expect(page.locator("#destinations option")).to_have_count(50)
    page.get_by_label("Send to").press_sequentially("059")
    expect(page.locator("#destinations option")).to_have_count(1)
    expect(page.locator("#destinations option")).to_have_attribute("value", "b.059")
    page.get_by_label("Send to").fill("b.059")
    page.get_by_role("button", name="Redrive 1 message").click()
    expect(page.get_by_text("Nobody consumes b.059")).to_be_visible()
    page.get_by_role("button", name="Redrive 1 message").click()
    expect(page.get_by_text("Redriven: 1 message")).to_be_visible()
    assert rest.queue("b.059")["counts"]["ready"] == 1
