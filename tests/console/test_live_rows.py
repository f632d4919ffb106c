"""Live lists in a real browser: what somebody aims at does not move."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.clients import Rest
from tests.console.browser import Visit, refreshed
from tests.server import Server


def die(rest: Rest, queue: str, body: int) -> None:
    rest.publish(queue, {"body": body})
    [message] = rest.receive(queue)
    rest.settle(queue, dead=[{"receipt": message["receipt"], "reason": "bad"}])


def test_a_row_with_a_button_stays_under_the_pointer(visit: Visit, broker: Server):
    page = visit.page
    with broker.rest() as rest:
        rest.declare("aimed")
        die(rest, "aimed", 1)
        page.goto("/dead?queue=aimed")
        refreshed(page)
        first = page.locator("#live tbody tr").first
        first.get_by_role("button", name="Requeue").hover()
        die(rest, "aimed", 2)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.evaluate("document.getElementById('live').dispatchEvent(new Event('refresh'))")
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert asked == []
        assert page.locator("#live tbody tr").count() == 1
        page.mouse.move(5, 5)
        refreshed(page)
        expect(page.locator("#live tbody tr")).to_have_count(2)
