"""Pictures in a browser: a time is chosen by dragging over a chart and by a form, and the map is walked by keys."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.clients import Rest
from tests.console.browser import Visit, refreshed
from tests.eventually import eventually


def test_dragging_over_a_chart_chooses_its_time_for_all_pages(visit: Visit, rest: Rest) -> None:
    rest.declare("dragged")
    rest.publish("dragged", {"body": 1})
    page = visit.page
    eventually(lambda: any(rest.call("GET", "/queues/dragged/samples", None, range="15m")["ready"][-3:]), 30, interval=0.5)
    page.goto("/queues/dragged?range=15m")
    refreshed(page)  # from here on the pointer is heard
    plot = page.locator(".chart .plot").first
    plot.hover()  # it has come to rest
    page.mouse.down()
    expect(page.locator(".brush").first).to_be_attached()  # from here on nothing moves
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=.*to="))
    expect(page.locator("[data-own-range]")).to_have_attribute("aria-current", "true")
    page.goto("/queues")
    expect(page.locator("[data-own-range]")).to_be_visible()
    page.goto("/queues?range=1h")
    expect(page.locator("[data-own-range]")).to_have_count(0)


def test_a_click_chooses_nothing_and_the_form_does_without_a_pointer(visit: Visit, rest: Rest) -> None:
    rest.declare("formed")
    rest.publish("formed", {"body": 1})
    page = visit.page
    eventually(lambda: any(rest.call("GET", "/queues/formed/samples", None, range="15m")["ready"][-3:]), 30, interval=0.5)
    page.goto("/queues/formed?range=1h")
    page.locator(".chart .plot").first.click()
    assert "from=" not in page.url
    page.get_by_text("Another time").focus()
    page.keyboard.press("Enter")
    page.get_by_label("From (UTC)").focus()
    page.get_by_role("button", name="Show it").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"from=.*to="))
    expect(page.locator("[data-own-range]")).to_be_visible()
    page.goto("/queues?range=1h")


def test_every_box_of_the_map_is_a_link_that_keys_reach(visit: Visit, rest: Rest) -> None:
    rest.declare("walked")
    rest.call("PUT", "/topics/walk", {"bindings": [{"pattern": "#", "to": "queue:walked"}]})
    page = visit.page
    page.goto("/map?around=topic:walk")
    links = page.locator("svg.flows a")
    expect(links).to_have_count(2)
    links.first.focus()
    expect(links.first).to_be_focused()
    page.keyboard.press("Tab")
    expect(links.last).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/queues/walked")
    expect(page.locator("svg.flows a.here")).to_have_count(1)
