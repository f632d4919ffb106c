"""Settings that change while somebody looks at them, on a real broker: its verbs run together, and sometimes once more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.clients import Rest
from tests.console.browser import visiting
from tests.server import Server

RULE = {"figure": "dead", "target": "queue:*"}
THINGS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], str]] = {
    # its page, its place in the API, what it is, what it becomes meanwhile, and how the page says so
    "queue": ("/queues/orders/settings", "PUT /queues/orders", {"lease": 30}, {"lease": 60}, "1 min"),
    "stream": ("/streams/events/settings", "PUT /streams/events", {"dedup_window": 30}, {"dedup_window": 60}, "1 min"),
    "topic": ("/topics/shop/settings", "PUT /topics/shop", {"dedup_window": 30}, {"dedup_window": 60}, "1 min"),
    "rule": ("/alerts/rules/deep", "PUT /alerts/rules/deep", {**RULE, "over": 1}, {**RULE, "over": 77}, "77"),
    "person": ("/users/ada-{theme}", "PATCH /users/ada-{theme}", {"role": "viewer"}, {"role": "operator"}, "operator on *"),
}


def call(rest: Rest, place: str, body: dict[str, Any]) -> None:
    method, path = place.split()
    rest.call(method, path, body)


def save(page: Page) -> None:
    page.locator("main form.card").first.get_by_role("button", name="Save").click()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("thing", THINGS)
def test_who_saves_after_another_is_told_and_undoes_nothing(
    browser: Browser, broker: Server, session: StorageState, rest: Rest, thing: str, theme: str
):
    page, place, first, meanwhile, said = THINGS[thing]
    shown, place = page.format(theme=theme), place.format(theme=theme)
    if thing == "person":
        rest.call("POST", "/users", {"name": f"ada-{theme}", **first})
    else:
        call(rest, place, first)
    before = _told(rest, place)
    with visiting(
        browser, broker.url, storage_state=session, color_scheme=theme, viewport={"width": 1280, "height": 900}
    ) as visit:
        visit.page.goto(shown)
        call(rest, place, meanwhile)
        changed = _told(rest, place)
        save(visit.page)
        alert = visit.page.get_by_role("alert").first
        expect(alert).to_contain_text("changed meanwhile")
        expect(visit.page.get_by_text("Changed meanwhile:").first).to_contain_text(said)
        assert visit.axe() == []
        if folder := os.environ.get("BROKERWEB_TEST_SCREENSHOTS"):
            visit.page.screenshot(path=str(Path(folder) / f"changed-{thing}-{theme}.png"))
        assert _told(rest, place) == changed
        save(visit.page)
        expect(alert).not_to_be_visible()
        assert [each for each in visit.wrong if "400" not in each] == []
        visit.wrong.clear()
    assert _told(rest, place) == before


def _told(rest: Rest, place: str) -> Any:
    """What is declared of it."""
    answer = rest.call("GET", place.split()[1])
    return {name: answer[name] for name in ("lease", "dedup_window", "over", "grants") if name in answer}
