"""Lists in a real browser: sorted by a click, still while they change, saved as views, acted on by few keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.clients import Rest
from tests.console.browser import Visit, refreshed
from tests.eventually import eventually
from tests.server import Server


@pytest.fixture(scope="module")
def filled(broker: Server) -> None:
    with broker.rest() as rest:
        for name, n in (("sorted.a", 1), ("sorted.b", 3), ("sorted.c", 2)):
            rest.declare(name)
            rest.publish(name, *[{"body": i} for i in range(n)])


def shown(visit: Visit, *names: str) -> None:
    """These rows and no others, in this order."""
    expect(visit.page.locator("tbody a.name")).to_have_text(names)


def test_a_list_sorted_by_what_changes_holds_still_until_it_is_sorted_again(visit: Visit, filled: None, rest: Rest):
    page = visit.page
    page.goto("/queues?prefix=sorted.")
    page.get_by_role("link", name="Ready").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Ready")
    shown(visit, "sorted.b", "sorted.c", "sorted.a")
    rest.publish("sorted.a", *[{"body": i} for i in range(9)])
    refreshed(page)
    expect(page.locator("#q-sorted\\.a")).to_contain_text("10")
    shown(visit, "sorted.b", "sorted.c", "sorted.a")
    page.get_by_role("link", name="Sort again").click()
    expect(page.locator("tbody a.name").first).to_have_text("sorted.a")
    expect(page.get_by_text("The order has changed")).to_have_count(0)


def test_a_view_is_saved_found_again_and_deleted(visit: Visit, filled: None):
    page = visit.page
    page.goto("/queues?prefix=sorted.&sort=-name")
    page.get_by_text("Views", exact=True).click()
    page.get_by_label("Save what is shown as").fill("<b>Backwards</b>")
    page.get_by_role("button", name="Save", exact=True).click()
    view = page.get_by_role("navigation", name="Saved views").get_by_role("link", name="<b>Backwards</b>")
    expect(view).to_have_attribute("aria-current", "true")
    page.goto("/queues")
    view.click()
    expect(page.locator("tbody a.name").first).to_have_text("sorted.c")
    page.get_by_text("Views", exact=True).click()
    assert visit.axe() == []
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The view <b>Backwards</b> is deleted.")).to_be_visible()
    expect(page.get_by_role("navigation", name="Saved views")).to_have_count(0)


def test_columns_and_density_are_chosen_and_a_zero_is_seen_as_a_dot(visit: Visit, filled: None):
    page = visit.page
    page.goto("/queues?prefix=sorted.")
    page.get_by_text("Columns", exact=True).first.click()
    page.get_by_label("Blocked").uncheck()
    page.get_by_label("Compact").check()
    assert visit.axe() == []
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_role("columnheader", name="Blocked")).to_have_count(0)
    expect(page.locator("table.dense")).to_be_visible()
    zero = page.locator("td .zero").first
    expect(zero).to_have_text("0")
    assert zero.evaluate("zero => [getComputedStyle(zero).fontSize, getComputedStyle(zero, '::before').content]") == [
        "0px",
        '"·" / ""',
    ]


def test_rows_are_chosen_and_acted_on_by_few_keys(visit: Visit, rest: Rest):
    rest.declare("keyed-deaths")
    rest.publish("keyed-deaths", {"body": 1}, {"body": 2})
    dead = [{"receipt": message["receipt"], "reason": "bad"} for message in rest.receive("keyed-deaths", max=2)]
    rest.settle("keyed-deaths", dead=dead)
    page = visit.page
    page.goto("/dead?queue=keyed-deaths")
    expect(page.locator("[data-keys]")).to_have_js_property("hidden", False)
    for key in ("j", "x", "j", "x", "a"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Redrive chosen")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/dead/redrive"))


def top(visit: Visit, selector: str) -> float:
    box = visit.page.locator(selector).first.bounding_box()
    assert box is not None
    return box["y"] + box["height"] / 2


@pytest.mark.parametrize(
    "place", ["/queues", "/streams", "/jobs?q=x", "/tokens", "/users", "/dead/causes?q=x", "/queues/sorted.b/messages"]
)
def test_filters_and_what_is_done_with_a_list_stand_in_one_row_where_there_is_room(visit: Visit, filled: None, place: str):
    page = visit.page
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(place)
    eventually(lambda: abs(top(visit, ".filters") - top(visit, ".list-tools")) < 8)  # a refresh may move both between two looks
    expect(page.locator(".opener").filter(visible=True)).to_have_count(0)


PHONE: ViewportSize = {"width": 390, "height": 844}
WITH_FILTERS = (
    "/queues",
    "/streams",
    "/users",
    "/dead/causes?q=x",
    "/queues/sorted.b/messages",
    "/streams/phoned/records",
    "/audit",
)
WITHOUT = ("/jobs?q=x", "/tokens", "/connections?q=x", "/dead?reason=expired", "/nodes", "/search?q=sorted")


@pytest.fixture(scope="module")
def phoned(broker: Server) -> None:
    with broker.rest() as rest:
        rest.call("PUT", "/streams/phoned", {})
        rest.call("POST", "/streams/phoned/records", {"records": [{"body": 1}]})


@pytest.mark.parametrize("place", WITH_FILTERS + WITHOUT)
def test_on_a_phone_what_is_above_a_list_is_one_line(visit: Visit, filled: None, phoned: None, place: str):
    page = visit.page
    page.set_viewport_size(PHONE)
    page.goto(place)
    opener = page.get_by_role("button", name="Tools", exact=True)
    expect(opener).to_be_in_viewport(ratio=1)
    bars, most = page.locator(".list-top, .search-top, .live > .list-bar"), 100 if "search" in place else 48
    eventually(lambda: max(bars.evaluate_all("all => all.map(each => each.offsetHeight)")) <= most, why=f"{most} px at most")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_filters_and_tools_open_from_below(visit: Visit, filled: None, phoned: None, theme: str):
    page = visit.page
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]  # a text of two that there are
    for place in WITH_FILTERS:
        page.goto(place)
        for named in ("Filters", "Tools"):
            page.get_by_role("button", name=re.compile(f"^{named}")).click()
            sheet = page.locator(".fold:popover-open")
            expect(sheet).to_be_in_viewport(ratio=0.99)
            assert visit.axe() == [], (place, named)
            sheet.get_by_role("button", name="Close").click()
            expect(page.locator(".fold:popover-open")).to_have_count(0)


def test_on_a_phone_a_filter_is_set_with_keys_alone_and_its_button_says_so(visit: Visit, filled: None):
    page = visit.page
    page.set_viewport_size(PHONE)
    page.goto("/queues")
    page.get_by_role("button", name="Filters", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Names that start with")).to_be_focused()
    page.keyboard.type("sorted.")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("prefix=sorted"))
    expect(page.locator("tbody a.name")).to_have_count(3)
    page.get_by_role("button", name=re.compile("Filters.*some are set")).click()
    page.get_by_role("link", name="Clear").click()
    expect(page.get_by_role("button", name="Filters", exact=True)).to_be_visible()
    page.get_by_role("button", name="Tools", exact=True).click()
    page.keyboard.press("Escape")
    expect(page.locator(".fold:popover-open")).to_have_count(0)


def test_on_a_phone_a_search_is_sent_from_its_field(visit: Visit, filled: None):
    page = visit.page
    page.set_viewport_size(PHONE)
    page.goto("/queues")
    page.locator("#search").fill("ted.b")
    page.locator("#search").press("Enter")
    expect(page.locator("tbody a.name")).to_have_text(["sorted.b"])
    page.locator("#search").fill("ted.c")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator("tbody a.name")).to_have_text(["sorted.c"])


def test_shift_and_a_heading_sort_by_that_too(visit: Visit, rest: Rest):
    for name, n in (("shifted.a", 1), ("shifted.b", 3), ("shifted.c", 2)):
        rest.declare(name)
        rest.publish(name, *[{"body": i} for i in range(n)])
    page = visit.page
    page.goto("/queues?prefix=shifted.&sort=-dead")
    expect(page.locator("[data-keys]")).to_have_js_property("hidden", False)  # the modules have run
    page.get_by_role("link", name="Ready").click(modifiers=["Shift"])
    expect(page).to_have_url(re.compile("sort=-dead%2C-ready"))
    shown(visit, "shifted.b", "shifted.c", "shifted.a")
    expect(page.locator(".rank")).to_have_count(2)
    expect(page.locator("th[aria-sort]")).to_have_count(1)
    assert visit.axe() == []
    expect(page.locator("[data-keys]")).to_have_js_property("hidden", False)
    page.get_by_role("link", name="Ready").press("Shift+Enter")
    expect(page).to_have_url(re.compile("sort=-dead%2Cready"))
    shown(visit, "shifted.a", "shifted.c", "shifted.b")
    page.get_by_role("link", name="Ready").click()
    expect(page.locator(".rank")).to_have_count(0)


@pytest.mark.parametrize("place", ["/retrying", "/search?q=sorted", "/users", "/audit", "/queues/sorted.b/in-flight"])
def test_a_leads_to_something_that_is_in_sight(visit: Visit, filled: None, place: str):
    page = visit.page
    page.goto(place)
    expect(page.locator("[data-keys]")).to_have_js_property("hidden", False)
    page.keyboard.press("a")
    at = page.evaluate("document.activeElement === document.body || document.activeElement.checkVisibility()")
    assert at, page.evaluate("document.activeElement.outerHTML")


def test_lists_that_people_administer_move_by_themselves(visit: Visit, rest: Rest):
    page = visit.page
    page.goto("/audit")
    expect(page.locator("#a-1")).to_be_attached()
    rest.call("POST", "/tokens", {"name": "by-itself", "grants": []})
    expect(page.locator("#arrivals")).to_have_text(re.compile("[1-9] new"))
    page.goto("/tokens")
    expect(page.get_by_role("link", name="by-itself", exact=True)).to_be_visible()
    refreshed(page)
    rest.call("POST", "/tokens", {"name": "and-another", "grants": []})
    expect(page.get_by_role("link", name="and-another", exact=True)).to_be_visible()
    assert visit.axe() == []


def test_a_page_of_records_is_sorted_and_stays_where_it_is(visit: Visit, rest: Rest):
    rest.call("PUT", "/streams/sized", {})
    rest.call("POST", "/streams/sized/records", {"records": [{"body": "x" * n, "key": str(n)} for n in (3, 1, 2)]})
    page = visit.page
    page.goto("/streams/sized/records")
    page.get_by_role("link", name="Size").click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Size")
    shown(visit, "0", "2", "1")
    rest.call("POST", "/streams/sized/records", {"records": [{"body": "x" * 9}]})
    expect(page.get_by_role("link", name="Newer")).to_be_visible()  # by itself
    shown(visit, "0", "2", "1")
    assert visit.axe() == []


def test_a_saved_search_is_found_in_the_palette(visit: Visit, rest: Rest):
    rest.declare("searched")
    rest.publish("searched", {"body": "needle", "key": "b"}, {"body": "needle", "key": "c"}, {"body": "needle", "key": "a"})
    page = visit.page
    page.goto("/search?q=needle&in=queue:searched")
    page.get_by_role("link", name="Key", exact=True).click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Key")
    expect(page.locator("tbody td .valued > span")).to_have_text(["a", "b", "c"])
    page.get_by_text("Views", exact=True).click()
    page.get_by_label("Save what is shown as").fill("Needles <i>")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The view Needles <i> is saved.")).to_be_visible()
    assert visit.axe() == []
    page.goto("/queues")
    page.keyboard.press("Control+k")
    page.keyboard.type("needles")
    expect(page.get_by_role("option", name=re.compile("Needles <i>"))).to_be_visible()
    page.get_by_role("option", name=re.compile("Needles <i>")).click()
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Key")
