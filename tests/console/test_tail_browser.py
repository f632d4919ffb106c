"""Bodies, tails and masks in a real browser: what is sent is only ever text, what is shown fits and can be read by everybody."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.clients import Rest
from tests.console.browser import Visit, visiting
from tests.server import Server

pytestmark = pytest.mark.long
HOSTILE = "</script><img src=x onerror=pwned()><b hx-get=/pwned hx-trigger=load>{{7}}"
NESTED = {"customer": {"emails": ["a", "b"]}, "total": 12345678901234567890, HOSTILE: [HOSTILE]}
MSGPACK = b"\x82\xa4name\xa3Ana\xa1n\x93\x01\x02\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"


@pytest.fixture
def visit(browser: Browser, broker: Server, session: StorageState) -> Generator[Visit]:
    """A page in a profile of its own that is signed in, and shows nothing yet."""
    with visiting(browser, broker.url, viewport={"width": 1280, "height": 860}, storage_state=session) as visit:
        yield visit


@pytest.fixture(scope="module")
def filled(broker: Server) -> list[str]:
    """Pages of all kinds."""
    with broker.rest() as rest:
        rest.declare("bodies")
        rest.call("PUT", "/streams/moves")
        rows = [{"id": n, "sku": f"S-{n}", "of": {"a": n}} for n in range(120)]
        binary = {"body_base64": b64encode(MSGPACK).decode()}
        one, many, packed = (made["id"] for made in rest.publish("bodies", {"body": NESTED}, {"body": rows}, binary))
        rest.call("POST", "/streams/moves/records", {"records": [{"body": NESTED}]})
        rest.call("PUT", "/masks", {"masks": [{"pattern": "queue:secret.*", "fields": ["$.card", "header.auth"]}]})
    here = "/queues/bodies/messages"
    return [
        f"{here}/{one}", f"{here}/{one}?view=tree", f"{here}/{many}?view=tree", f"{here}/{many}?view=table",
        f"{here}/{one}?view=tree&at=$.customer", f"{here}/{packed}", "/streams/moves/records/0/0?view=tree",
        "/queues/bodies/live", "/streams/moves/live", "/queues/bodies/live?q=-state:dead", "/masks",
    ]  # fmt: skip


def test_what_comes_is_shown_as_text_and_says_what_becomes_of_it(visit: Visit, broker: Server, rest: Rest):
    ran: list[str] = []
    page = visit.page
    page.expose_function("pwned", lambda: ran.append(page.url))
    rest.declare("moving")
    page.goto("/queues/moving/live")
    expect(page.locator("[data-said]")).to_have_text("Live")
    expect(page.get_by_text("Nothing has come yet")).to_be_visible()
    [made] = rest.publish("moving", {"body": {HOSTILE: HOSTILE}, "key": HOSTILE})
    row = page.locator("tr", has=page.get_by_role("link", name=made["id"], exact=True))
    expect(row).to_contain_text("<img src=x onerror=pwned()>")
    expect(row).to_contain_text("ready")
    [held] = rest.receive("moving")
    expect(row).to_contain_text("in flight")
    rest.settle("moving", dead=[{"receipt": held["receipt"], "reason": HOSTILE}])
    expect(row).to_contain_text("dead")
    assert row.get_by_role("cell").first.get_attribute("title") == HOSTILE
    page.get_by_role("button", name="Pause", exact=True).last.click()
    rest.publish("moving", {"body": "later"})
    expect(page.locator("[data-said]")).to_have_text("Paused, 1 new")
    expect(page.get_by_text('"later"')).to_have_count(0)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text('"later"')).to_be_visible()
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name=f"Message {made['id']}")).to_be_visible()
    assert ran == []


def test_a_filter_that_cannot_be_read_says_so_and_what_matches_comes(visit: Visit, rest: Rest):
    rest.call("PUT", "/streams/flowing")
    visit.page.goto("/streams/flowing/live?q=$.n>1")
    expect(visit.page.locator("[data-said]")).to_have_text("Live")
    rest.call("POST", "/streams/flowing/records", {"records": [{"body": {"n": 1}}, {"body": {"n": 2}}]})
    expect(visit.page.get_by_role("row").filter(has_text="0-1")).to_be_visible()
    expect(visit.page.get_by_role("row").filter(has_text="0-0")).to_have_count(0)
    visit.page.get_by_label("Only what matches").fill("$.")
    visit.page.get_by_role("button", name="Filter").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("column")
    visit.wrong = [what for what in visit.wrong if "400" not in what]


def test_a_tree_folds_and_keeps_numbers_and_leads_to_its_parts(visit: Visit, filled: list[str]):
    page = visit.page
    page.goto(filled[1])
    tree = page.locator("#body-tree")
    expect(tree).to_contain_text("12345678901234567890")
    expect(tree).to_contain_text("<img src=x onerror=pwned()>")
    tree.locator("summary").filter(has_text="customer").click()
    expect(tree.get_by_text("emails")).to_be_hidden()
    page.goto(filled[2])
    page.get_by_role("link", name="20 more").click()
    expect(page.locator("#body-tree")).to_contain_text("S-119")
    page.goto(filled[5])
    expect(page.get_by_text("Read as MessagePack, by its looks")).to_be_visible()
    expect(page.locator("#body-tree")).to_contain_text("1.5")
    page.get_by_label("Otherwise, as").select_option("cbor")
    page.get_by_role("button", name="Read", exact=True).click()
    expect(page.get_by_text("It does not read as CBOR")).to_be_visible()


def test_without_a_script_a_tail_leads_to_the_list(visit: Visit, filled: list[str]):
    page = visit.page.request.get(
        "/queues/bodies/live"
    ).text()  # Chromium that is told to run none does not show what is for that
    shown = page.partition("<noscript>")[2].partition("</noscript>")[0]
    assert "needs JavaScript" in shown
    assert 'href="/queues/bodies/messages"' in shown
    assert "hidden>" in page.partition("data-tail")[2][:400]


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_these_pages_are_accessible_and_fit(
    browser: Browser, broker: Server, session: StorageState, filled: list[str], theme: str, width: int
):
    options = {"viewport": {"width": width, "height": 844}, "color_scheme": theme, "storage_state": session}
    found: dict[str, list[str]] = {}
    with visiting(browser, broker.url, **options) as visit:
        for place in filled:
            visit.page.goto(place)
            if "/live" in place:
                expect(visit.page.locator("[data-said]")).to_have_text("Live")
            visit.page.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true })")
            found[place] = visit.axe()
            if visit.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found[place].append("wider than the window")
    assert "\n".join(f"{place} {problem}" for place, problems in found.items() for problem in problems) == ""
