"""Live lists in a real browser: what somebody aims at does not move."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from benchmarks.browser import Watched
from tests.clients import Rest
from tests.console.browser import Visit, looked, refreshed, signed_in, visiting
from tests.eventually import eventually
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
        first = page.locator("#live tbody[data-steady] tr").first
        first.get_by_role("button", name="Requeue").hover()
        die(rest, "aimed", 2)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.evaluate("document.getElementById('live').dispatchEvent(new Event('refresh'))")
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert asked == []
        assert page.locator("#live tbody[data-steady] tr").count() == 1
        page.mouse.move(5, 5)
        refreshed(page)
        expect(page.locator("#live tbody[data-steady] tr")).to_have_count(2)


def ids(page: Page) -> list[str]:
    return list(page.locator("#live tbody[data-steady] tr").evaluate_all("rows => rows.map(row => row.id.slice(2))"))


def test_new_rows_wait_to_be_asked_for_and_come_by_a_click_or_a_key(visit: Visit, rest: Rest):
    page, arrivals = visit.page, visit.page.locator("#arrivals")
    rest.declare("arriving")
    first = stored(rest, "arriving", 2)
    page.goto("/queues/arriving/messages")
    expect(arrivals).to_be_hidden()
    second = stored(rest, "arriving", 3)
    expect(arrivals).to_have_text("3 new")  # by itself: the page is told
    assert ids(page) == first
    arrivals.click()
    page.mouse.move(2, 2)  # off the rows below the button, which it would hold
    expect(page.locator("#live tbody[data-steady] tr")).to_have_count(5)
    expect(arrivals).to_be_hidden()
    assert ids(page) == second + first
    third = stored(rest, "arriving", 1)
    looked(page)
    expect(arrivals).to_have_text("1 new")
    page.keyboard.press("r")
    expect(page.locator("#live tbody[data-steady] tr")).to_have_count(6)
    assert ids(page) == third + second + first


def stored(rest: Rest, queue: str, number: int) -> list[str]:
    """Publish so many; their ids, the newest first."""
    return [stored["id"] for stored in rest.publish(queue, *({"body": n} for n in range(number)))][::-1]


def test_what_is_gone_stays_greyed_and_without_its_buttons(visit: Visit, rest: Rest):
    page, arrivals = visit.page, visit.page.locator("#arrivals")
    rest.declare("leaving")
    for n in range(3):
        die(rest, "leaving", n)
    page.goto("/dead?queue=leaving")
    looked(page)
    newest, middle, oldest = ids(page)
    rest.call("POST", f"/queues/leaving/messages/{middle}/requeue")
    looked(page)
    gone = page.locator(f"#d-{middle}")
    expect(gone).to_have_class("gone")
    expect(gone.get_by_role("button")).to_have_count(0)
    expect(page.locator(f"#d-{oldest}").get_by_role("button", name="Requeue")).to_be_enabled()
    expect(arrivals).to_have_text("1 gone")
    assert visit.axe() == []
    rest.call("POST", "/queues/leaving/redrive")
    looked(page)
    expect(arrivals).to_have_text("3 gone")
    assert ids(page) == [newest, middle, oldest]
    arrivals.click()
    expect(page.get_by_text("No dead letter matches")).to_be_visible()


def test_rows_that_newer_ones_push_off_the_page_are_not_taken_for_gone(visit: Visit, rest: Rest):
    page, arrivals = visit.page, visit.page.locator("#arrivals")
    rest.declare("pushed")
    first = stored(rest, "pushed", 100)
    page.goto("/queues/pushed/messages")
    shown = ids(page)
    assert shown == first[: len(shown)]
    assert len(shown) < 100
    stored(rest, "pushed", 4)
    looked(page)
    expect(arrivals).to_have_text("4 new")
    assert ids(page) == shown
    expect(page.locator("tr.gone")).to_have_count(0)


def test_a_page_is_told_and_does_not_ask_while_nothing_happens(browser: Browser, tmp_path: Path):
    """Of a broker of its own: the more pages cost before, the later they are told."""
    with Server(tmp_path / "data") as server, server.start().rest() as rest:
        rest.declare("quiet")
        with visiting(browser, server.url, storage_state=signed_in(browser, server.url)) as visit:
            page = visit.page
            page.goto("/queues/quiet")
            looked(page)

            def status() -> int:
                with page.expect_response(lambda response: response.request.headers.get("hx-request") == "true") as caught:
                    page.evaluate("document.getElementById('live').dispatchEvent(new Event('refresh'))")
                return caught.value.status

            eventually(lambda: status() == 304, interval=2)  # but for when a sample has been taken meanwhile
            rest.publish("quiet", {"body": 1})
            # Told, not asked for: by itself this page would ask a minute after it did so last.
            expect(page.locator(".figure.ready .value")).to_have_text("1", timeout=45_000)


def test_ages_go_on_between_two_looks(visit: Visit, rest: Rest):
    page = visit.page
    rest.declare("ageing")
    rest.publish("ageing", {"body": 1})
    page.goto("/queues/ageing/messages")
    page.get_by_role("button", name="Live").click()
    age = page.locator("time[data-age]").first
    said = age.text_content()
    expect(age).not_to_have_text(said or "")


PARSED = """() => {
    window.parsed = new Set();
    document.addEventListener("htmx:before:swap", ({ detail }) => {
        const rows = detail.tasks[0].fragment.querySelectorAll("tr[id]:not([data-same])");
        for (const row of rows) window.parsed.add(row.id.slice(2));
    }, true);
}"""


def test_rows_that_say_the_same_are_neither_parsed_nor_touched(visit: Visit, rest: Rest):
    page = visit.page
    rest.declare("same")
    first, second, third = stored(rest, "same", 3)
    page.goto("/queues/same/messages")
    refreshed(page)
    page.evaluate(PARSED)
    [held] = rest.receive("same", max=1, lease=600)
    looked(page)  # once or twice: the page may be told of the lease as well
    eventually(lambda: page.evaluate("[...window.parsed]") == [held["id"]] == [third])
    expect(page.locator(f"#m-{third}")).to_contain_text("in flight")
    rest.settle("same", release=[held["receipt"]])
    looked(page)
    expect(page.locator(f"#m-{third}")).to_contain_text("ready")
    assert ids(page) == [first, second, third]


def test_what_was_gone_and_is_back_is_whole_again(visit: Visit, rest: Rest):
    page = visit.page
    rest.declare("back")
    newest, oldest = stored(rest, "back", 2)
    page.goto("/queues/back/messages?state=ready")
    refreshed(page)
    [held] = rest.receive("back", max=1, lease=600)
    looked(page)
    expect(page.locator(f"#m-{oldest}")).to_have_class("gone")
    looked(page)
    rest.settle("back", release=[held["receipt"]])
    looked(page)
    expect(page.locator(f"#m-{oldest}")).not_to_have_class("gone")
    expect(page.locator(f"#m-{oldest}")).not_to_contain_text("(gone)")
    assert ids(page) == [newest, oldest]


def test_the_forms_of_rows_that_stayed_have_the_newest_token(visit: Visit, rest: Rest):
    page = visit.page
    rest.declare("tokens")
    die(rest, "tokens", 1)
    die(rest, "tokens", 2)
    page.goto("/dead?queue=tokens")
    refreshed(page)
    tokens = page.locator("#live tbody[data-steady] input[name=csrfmiddlewaretoken]")
    read = "fields => fields.map(field => field.value)"
    before = tokens.evaluate_all(read)
    die(rest, "tokens", 3)
    looked(page)
    after = tokens.evaluate_all(read)
    assert (len(before), len(set(before)), len(after), len(set(after))) == (2, 1, 2, 1)
    assert before[0] != after[0]


MORE = {"Nodes": 1.02, "heap_mib": 1.2}  # of what is no leak


def test_a_page_that_stays_open_grows_no_nodes_and_no_listeners(visit: Visit, rest: Rest):
    page, watched = visit.page, Watched(visit.page)
    rest.declare("growing")
    stored(rest, "growing", 60)
    page.goto("/queues/growing/messages")

    def shown(times: int) -> dict[str, float]:
        for n in range(times):
            rest.publish("growing", {"body": n})
            (refreshed if n % 5 == 4 else looked)(page)
        return watched.left()

    few = shown(10)
    many = shown(50)

    def grown() -> dict[str, float]:  # a refresh may be under way, and leaves nothing either
        found = watched.left()
        return {name: found[name] for name, much in few.items() if found[name] > much * MORE.get(name, 1)}

    eventually(lambda: not grown(), why=f"{few} {many}")
