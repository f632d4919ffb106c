"""The flag of a group on the records by time: dragged, or moved by keys, it is the seek that the form is."""

from __future__ import annotations

import time
from functools import partial
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.clients import Rest
from tests.console.browser import Visit
from tests.eventually import eventually
from tests.server import Server

PLACE = "/streams/dragged/groups/readers/seek"


def later(second: int) -> bool:
    return int(time.time()) > second


@pytest.fixture(scope="module")
def dragged(broker: Server) -> str:
    """A stream that was appended to in four different seconds, and a group that has read some of it."""
    with broker.rest() as rest:
        rest.call("PUT", "/streams/dragged", {"partitions": 2})
        rest.call("PUT", "/streams/dragged/groups/readers", {"start": "earliest"})
        for n in range(4):
            records = [{"body": n, "partition": part % 2} for part in range(10)]
            rest.call("POST", "/streams/dragged/records", {"records": records})
            second = int(time.time())
            eventually(partial(later, second), interval=0.1)  # bars are seconds
        rest.call("POST", "/streams/dragged/groups/readers/seek", {"to": {"0": "12", "1": "11"}})
    return PLACE


def committed(rest: Rest) -> list[str]:
    shown = rest.call("GET", "/streams/dragged/groups/readers")
    return [part["committed"] for part in shown["partitions"]]


def flag(page: Page) -> Locator:
    return page.get_by_role("slider", name="Where readers is to go")


def test_a_seek_by_dragging_is_the_seek_by_the_form(visit: Visit, rest: Rest, dragged: str):
    page = visit.page
    page.goto(dragged)
    box = flag(page).bounding_box()
    assert box
    last = int(flag(page).get_attribute("max") or 0)
    start, middle = int(flag(page).input_value()), box["y"] + box["height"] - 8

    def x(n: int) -> float:
        return float(box["x"]) + 10 + (box["width"] - 20) * n / last

    page.mouse.move(x(start), middle)
    page.mouse.down()
    page.mouse.move(x(1), middle, steps=5)
    page.mouse.up()
    expect(flag(page)).to_have_value("1")
    expect(page.locator(".meaning output")).to_contain_text("again, back to")
    chosen = page.get_by_label("Time (UTC)").input_value()
    assert page.get_by_label("Go to").input_value() == "time"
    by_form = rest.call("POST", "/streams/dragged/groups/readers/seek", {"to": f"{chosen}Z", "dry_run": True})
    page.get_by_role("button", name="Preview").click()
    again = sum(part["records"] for part in by_form["partitions"])
    expect(page.locator(".meaning output")).to_contain_text(f"{again} again")
    page.get_by_role("button", name="Move the group").click()
    expect(page.get_by_text("Moved.")).to_be_visible()
    assert committed(rest) == [part["to"] for part in by_form["partitions"]]
    page.get_by_role("button", name="Undo the seek").click()
    expect(page.get_by_text("The group is back where it was.")).to_be_visible()
    assert committed(rest) == ["12", "11"]


def test_keys_move_the_flag_and_say_what_it_would_mean(visit: Visit, rest: Rest, dragged: str):
    page = visit.page
    page.goto(dragged)
    flag(page).focus()
    for key, where, said in (("Home", "earliest", "23 again, back to"), ("End", "latest", "17 skipped, on to the end")):
        page.keyboard.press(key)
        assert page.get_by_label("Go to").input_value() == where
        assert (flag(page).get_attribute("aria-valuetext") or "").startswith(said)
    place = int(flag(page).input_value())
    page.keyboard.press("ArrowLeft")
    assert int(flag(page).input_value()) == place - 1
    page.keyboard.press("PageDown")
    assert int(flag(page).input_value()) < place - 1
    page.keyboard.press("Home")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("cell", name="12 again")).to_be_visible()
    assert committed(rest) == ["12", "11"]
    flag(page).focus()
    page.keyboard.press("End")
    expect(page.get_by_role("button", name="Move the group")).to_have_count(0)  # it was of another place


def test_an_instant_that_names_its_zone_is_filled_in_with_it(visit: Visit, dragged: str):
    page = visit.page
    page.goto(dragged)
    second = "2026-10-25T01:30:00Z"  # clocks in Berlin show it as they did an hour before
    page.evaluate("at => document.querySelectorAll('.by-time tr[data-at]').forEach((row) => (row.dataset.at = at))", second)
    flag(page).focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_label("Time (UTC)")).to_have_value(second)


def test_a_bar_opens_the_records_of_its_time(visit: Visit, dragged: str):
    page = visit.page
    page.goto("/streams/dragged/records?partition=1")
    bars = page.locator(".by-time .twin tbody tr").count()

    def told() -> bool:
        """The first bar, wherever it is by now: the page may still be laid out, and its scripts come."""
        box = page.locator(".volume").bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] * 0.5 / bars, box["y"] + 91)
        page.mouse.move(box["x"] + box["width"] * 0.5 / bars, box["y"] + 90)
        return "· 5" in (page.locator(".told").text_content() or "")

    eventually(told)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url(lambda url: "from=time" in url and "partition=1" in url)
    expect(page.locator("[data-row]")).to_have_count(20)


def test_a_form_shows_the_fields_of_what_is_chosen(visit: Visit, dragged: str):
    page = visit.page
    page.goto(dragged)
    for where, label in (("time", "Time (UTC)"), ("shift", "Shift"), ("offsets", "Offsets"), ("group", "Group")):
        page.get_by_label("Go to").select_option(where)
        shown = [each for each in ("Time (UTC)", "Shift", "Offsets", "Group") if page.get_by_label(each, exact=True).is_visible()]
        assert shown == [label]
    page.goto("/streams/dragged/replay")
    assert not page.get_by_label("Time (UTC)").first.is_visible()
    page.get_by_label("Until, not included").select_option("time")
    assert [each.is_visible() for each in page.get_by_label("Time (UTC)").all()] == [False, True]
    assert not page.get_by_label("Routing key").is_visible()
    page.get_by_label("To", exact=True).fill("topic:shop")
    expect(page.get_by_label("Routing key")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_is_wrong_with_the_pictures_for_who_cannot_see_them(
    visit: Visit, dragged: str, theme: Literal["light", "dark"], width: int
):
    page = visit.page
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 860})
    for place in (
        f"{dragged}?where=earliest",
        "/streams/dragged/records",
        "/streams/dragged/groups",
        "/streams/dragged/groups/readers",
    ):
        page.goto(place)
        assert visit.axe() == [], place
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
