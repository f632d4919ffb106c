"""The main jobs of the console in another browser: sign in, put a dead letter back, publish, be told, seek."""

from __future__ import annotations

import pytest

from tests.clients import Rest
from tests.console.firefox import Firefox, firefox
from tests.console.test_live_rows import die
from tests.eventually import eventually
from tests.people import PASSWORD
from tests.server import Server

pytestmark = pytest.mark.long


def test_the_main_jobs_are_done_in_firefox(broker: Server, rest: Rest):
    rest.declare("letters")
    die(rest, "letters", 1)
    with firefox() as browser:
        browser.goto(f"{broker.url}/dead?queue=letters")
        browser.fill("#username", "admin")
        browser.fill("#password", PASSWORD)
        browser.click("form button.primary")
        requeue(browser, rest)
        publish(browser, broker, rest)
        seek(browser, broker, rest)


def requeue(browser: Firefox, rest: Rest) -> None:
    browser.click('form[action$="/requeue"] button')
    browser.shows("is back in letters")
    assert rest.queue("letters")["counts"]["ready"] == 1


def publish(browser: Firefox, broker: Server, rest: Rest) -> None:
    browser.goto(f"{broker.url}/queues/letters/publish")
    browser.fill("textarea[name=body]", '{"from": "Firefox"}')
    browser.click("main form button.primary")
    browser.shows("Stored as message")
    browser.goto(f"{broker.url}/queues/letters/messages")
    browser.shows('{"from": "Firefox"}')
    rest.publish("letters", {"body": "told of"})
    eventually(lambda: browser.text("#arrivals") == "1 new", 90)  # by itself: the page is told, or looks
    browser.press("r")
    browser.shows("told of")


def seek(browser: Firefox, broker: Server, rest: Rest) -> None:
    rest.call("PUT", "/streams/log", {"partitions": 1})
    rest.call("POST", "/streams/log/records", {"records": [{"body": n} for n in range(5)]})
    rest.call("PUT", "/streams/log/groups/readers", {"start": "latest"})
    browser.goto(f"{broker.url}/streams/log/groups/readers/seek?where=earliest")
    browser.shows("5 again")
    browser.click("form[aria-label='What would move'] button.primary")
    eventually(lambda: browser.text(".figure.ready .value") == "5", 30)
