"""The console in a real browser, on a real broker: the way of one message, live pages, accessibility."""

from __future__ import annotations

import re
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Page, Route, StorageState, expect

from tests.console.browser import Visit, go, refreshed, sign_in, sign_in_where_asked, visiting
from tests.eventually import eventually
from tests.server import Server

pytestmark = pytest.mark.long
TYPED = '{"written": "with care"}'
HOSTILE = '{"html": "<script>window.pwned = 1</script><img src=x onerror=\'window.pwned = 1\'>"}'


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with Server(tmp_path_factory.mktemp("console") / "data", kind="daphne", empty=True) as server:
        yield server.start()


@pytest.fixture
def visit(browser: Browser, broker: Server, session: StorageState) -> Generator[Visit]:
    """A page in a profile of its own that is signed in, and shows nothing yet."""
    with visiting(browser, broker.url, viewport={"width": 1280, "height": 860}, storage_state=session) as visit:
        yield visit


def test_a_message_from_publish_to_death_and_back(browser: Browser, broker: Server):
    [link] = re.findall(r"http://\S+/sign-in\S+", broker.log.read_text())
    with visiting(browser, broker.url) as visit:
        page = visit.page
        page.goto(link)
        page.get_by_role("button", name="Sign in to the console").click()
        expect(page.get_by_role("heading", name="First steps")).to_be_visible()

        page.get_by_role("link", name="Create a queue").first.click()
        page.get_by_label("Name").fill("orders")
        page.get_by_text("Settings, all with sensible defaults").click()
        page.get_by_label("Max failures").fill("2")
        page.get_by_label("First wait").fill("0")
        page.get_by_role("button", name="Create queue").click()
        expect(page.get_by_role("heading", name="orders")).to_be_visible()

        page.get_by_role("link", name="Connect & publish").click()
        page.get_by_label("Body", exact=True).fill(HOSTILE)
        page.get_by_role("button", name="Publish to orders").click()
        expect(page.get_by_text("Stored as message")).to_be_visible()

        page.locator(".tabs").get_by_role("link", name="Messages").click()
        page.locator("[data-row] a.name").click()
        expect(page.locator("#body-text")).to_contain_text("<script>window.pwned = 1</script>")
        assert page.evaluate("window.pwned") is None

        fail_to_death(broker, "orders")
        page.locator(".nav").get_by_role("link", name="Failures").click()
        expect(page.get_by_role("row", name="no such country")).to_be_visible()
        page.get_by_role("link", name="One by one").click()
        expect(page.get_by_role("cell", name="max_failures")).to_be_visible()
        expect(page.get_by_role("cell", name="<b>no such country</b>")).to_be_visible()
        page.get_by_role("button", name="Requeue").click()
        expect(page.get_by_text(re.compile("is back in orders"))).to_be_visible()
        expect(page.get_by_text("No dead letters")).to_be_visible()
    with broker.rest() as rest:
        assert rest.queue("orders")["counts"]["ready"] == 1


def fail_to_death(broker: Server, queue: str) -> None:
    """Consume over a WebSocket and nack until nothing comes back."""
    with broker.socket() as socket, broker.rest() as rest:
        socket.consume(queue, prefetch=1)
        while not rest.queue(queue)["counts"]["dead"]:
            frame = socket.next(0.2)
            if frame and frame["op"] == "deliver":
                [message] = frame["messages"]
                socket.call("nack", items=[{"receipt": message["receipt"], "delay": 0, "error": "<b>no such country</b>"}])


def test_a_live_page_keeps_what_the_person_was_doing(visit: Visit, broker: Server):
    page = visit.page
    with broker.rest() as rest:
        rest.declare("live")
        rest.publish("live", {"body": 1})
        page.goto("/queues/live/messages")
        search = page.locator("#search")
        search.press_sequentially("half a wo")
        rest.publish("live", {"body": 2})

    refreshed(page)
    expect(page.locator("[data-row]")).to_have_count(2)
    expect(search).to_have_value("half a wo")
    expect(search).to_be_focused()


def test_polling_goes_on_by_itself_and_stops_when_told(visit: Visit, broker: Server):
    page = visit.page
    with broker.rest() as rest:
        rest.declare("polled")
        page.goto("/queues/polled")
        rest.publish("polled", {"body": 1})
        expect(page.locator(".figure.ready .value")).to_have_text("1")
        page.get_by_role("button", name="Live").click()
        expect(page.get_by_role("button", name="Paused")).to_have_attribute("aria-pressed", "true")


def test_a_page_of_what_was_deleted_says_so_and_keeps_what_it_showed(visit: Visit, broker: Server):
    with broker.rest() as rest:
        rest.declare("doomed")
        visit.page.goto("/queues/doomed")
        refreshed(visit.page)  # from here on keys are heard: not so in the first moments after a load
        rest.call("DELETE", "/queues/doomed")
    visit.page.keyboard.press("r")
    expect(visit.page.locator("#pulse")).to_contain_text("Gone, last good")
    expect(visit.page.get_by_role("heading", name="doomed")).to_be_visible()
    visit.page.goto("about:blank")  # it asks no more
    visit.wrong = [text for text in visit.wrong if "404" not in text]


def test_a_form_clicked_twice_is_sent_once(visit: Visit, broker: Server):
    with broker.rest() as rest:
        rest.declare("twice")
    page, sent = visit.page, list[str]()
    page.goto("/queues/twice/publish")
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    button = page.get_by_role("button", name="Publish to twice")
    button.evaluate("button => { button.click(); setTimeout(() => button.click()) }")
    expect(page.get_by_text("Stored as message")).to_be_visible()
    assert len(sent) == 1


def test_what_was_typed_comes_back_when_the_session_had_ended(visit: Visit, broker: Server):
    page = visit.page
    sent_without_session(page, broker, "kept")
    sign_in_where_asked(page)
    expect(page.get_by_label("Body", exact=True)).to_have_value(TYPED)
    expect(page.get_by_label("Priority")).to_have_value("7")
    page.get_by_role("button", name="Publish to kept").click()
    expect(page.get_by_text("Stored as message")).to_be_visible()
    forgotten(page)


def test_what_was_typed_does_not_come_back_for_another_person(visit: Visit, broker: Server):
    page = visit.page
    sent_without_session(page, broker, "mine")
    page.evaluate('sessionStorage.unsent = sessionStorage.unsent.replace(\'"person":"admin"\', \'"person":"ana"\')')
    sign_in_where_asked(page)
    forgotten(page)
    expect(page.get_by_label("Body", exact=True)).not_to_have_value(TYPED)


def test_what_was_typed_comes_back_when_the_person_signed_in_again_elsewhere(visit: Visit, broker: Server):
    page = visit.page
    typed(page, broker, "stale")
    page.context.clear_cookies()
    other = page.context.new_page()
    sign_in(other)
    other.close()
    page.get_by_role("button", name="Publish to stale").click()
    page.get_by_role("link", name="Open the page again").click()
    expect(page.get_by_label("Body", exact=True)).to_have_value(TYPED)
    visit.wrong = [text for text in visit.wrong if "403" not in text]  # as what was sent with the old token is answered


def forgotten(page: Page) -> None:
    """Nothing that was typed is kept any more: once the page's scripts have run, which is after it is seen."""
    eventually(lambda: page.evaluate("sessionStorage.length") == 0)


def typed(page: Page, broker: Server, queue: str) -> None:
    """A publish form that is filled in and not sent."""
    with broker.rest() as rest:
        rest.declare(queue)
    page.goto(f"/queues/{queue}/publish")
    page.get_by_label("Body", exact=True).fill(TYPED)
    page.get_by_label("Priority").fill("7")


def sent_without_session(page: Page, broker: Server, queue: str) -> None:
    typed(page, broker, queue)
    page.context.clear_cookies()
    page.get_by_role("button", name=f"Publish to {queue}").click()
    expect(page.get_by_text("What you sent was not carried out")).to_be_visible()


def test_chosen_rows_stay_chosen_and_are_redriven_together(visit: Visit, broker: Server):
    page = visit.page
    with broker.rest() as rest:
        rest.declare("chosen")
        rest.publish("chosen", {"body": 1}, {"body": 2}, {"body": 3})
        for message in rest.receive("chosen"):
            rest.settle("chosen", dead=[{"receipt": message["receipt"], "reason": "bad"}])
        page.goto("/dead?queue=chosen")
        expect(page.get_by_role("button", name="Redrive chosen")).to_be_disabled()
        page.get_by_label("Choose all on this page").check()
        page.get_by_role("checkbox").nth(1).uncheck()
        expect(page.get_by_text("2 chosen")).to_be_visible()
        page.get_by_role("button", name="Redrive chosen").click()
        page.get_by_role("button", name="Redrive 2 messages").click()
        expect(page.get_by_text("Redriven: 2 messages")).to_be_visible()
        eventually(lambda: rest.queue("chosen")["counts"]["ready"] == 2)


def test_the_keyboard_reaches_everything(visit: Visit):
    page = visit.page
    page.goto("/")
    expect(page.locator("[data-keys]")).to_have_js_property("hidden", False)  # the modules have run
    go(page, "q")
    expect(page.get_by_role("heading", name="Queues", exact=True)).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("gd?")
    expect(page.locator("#search")).to_have_value("gd?")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_keys_pressed_while_the_page_still_loads_are_not_lost(visit: Visit, broker: Server):
    page = visit.page
    held: list[Route] = []
    page.route("**/keys.*js", lambda route: held.append(route))
    with page.expect_request("**/keys.*js"):
        page.goto("/queues", wait_until="commit")
    eventually(lambda: page.evaluate("'earlyKeys' in window"))  # which may come after what was asked for later
    page.keyboard.press("g")
    page.keyboard.press("s")
    held[0].continue_()
    expect(page.get_by_role("heading", name="Streams", exact=True)).to_be_visible()


def test_a_refresh_before_the_live_part_listens_is_done_once_it_does(visit: Visit, broker: Server):
    page = visit.page
    held: list[Route] = []
    page.route("**/queues", _rarely_polled)
    page.route("**/htmx-4*.js", lambda route: held.append(route))
    with page.expect_request("**/htmx-4*.js"):
        page.goto("/queues", wait_until="commit")
    expect(page.get_by_role("heading", name="Queues", exact=True)).to_be_visible()
    page.keyboard.press("r")
    with page.expect_request(lambda request: request.headers.get("hx-request") == "true"):
        held[0].continue_()


def _rarely_polled(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace("every 5s", "every 500s"))


def test_forms_work_without_javascript(browser: Browser, broker: Server):
    with visiting(browser, broker.url, java_script_enabled=False) as visit:
        page = visit.page
        sign_in(page)
        page.goto("/new/queue")
        page.get_by_label("Name").fill("plain")
        page.get_by_role("button", name="Create queue").click()
        page.goto("/queues/plain/settings")
        page.get_by_role("link", name="Delete").click()
        page.get_by_label("Type plain to confirm").fill("plain")
        page.get_by_role("button", name="Delete the queue and 0 messages").click()
        expect(page.get_by_text("Queue plain is deleted.")).to_be_visible()


def test_a_group_is_moved_and_moved_back(visit: Visit, broker: Server):
    page = visit.page
    with broker.rest() as rest:
        rest.call("PUT", "/streams/log", {})
        rest.call("POST", "/streams/log/records", {"records": [{"body": {"n": n}} for n in range(5)]})
    page.goto("/streams/log")
    page.get_by_label("log").get_by_role("link", name="Groups").click()
    page.get_by_role("link", name="Create a group").click()
    page.get_by_label("Name").fill("readers")
    page.get_by_role("button", name="Create group").click()
    expect(page.locator(".figure.ready .value")).to_have_text("0")
    page.get_by_role("link", name="Seek").click()
    page.get_by_label("Go to").select_option("earliest")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("cell", name="5 again")).to_be_visible()
    page.get_by_role("button", name="Move the group").click()
    expect(page.locator(".figure.ready .value")).to_have_text("5")
    page.get_by_role("button", name="Undo the seek").click()
    expect(page.locator(".figure.ready .value")).to_have_text("0")


def test_a_replay_shows_its_progress_until_it_is_done(visit: Visit, broker: Server):
    page = visit.page
    with broker.rest() as rest:
        rest.declare("copies")
        rest.call("PUT", "/streams/originals", {})
        rest.call("POST", "/streams/originals/records", {"records": [{"body": HOSTILE, "key": "a"}, {"body": 2, "key": "b"}]})
        page.goto("/streams/originals/replay")
        page.get_by_label("Keys").fill("a")
        page.get_by_label("To", exact=True).fill("queue:copies")
        page.get_by_role("button", name="Preview").click()
        page.get_by_role("button", name="Start the replay").click()
        expect(page.get_by_role("heading", name="Progress")).to_be_visible()
        eventually(lambda: rest.queue("copies")["counts"]["ready"] == 1)
    refreshed(page)
    expect(page.locator(".badge.ok")).to_have_text("done")


def test_names_as_long_as_they_may_be_fit(visit: Visit, broker: Server):
    name = "n" * 200
    with broker.rest() as rest:
        rest.declare(name)
        [message] = rest.publish(name, {"body": 1})
        rest.call("PUT", f"/streams/{name}", {})
        rest.call("PUT", f"/streams/{name}/groups/{name}", {})
    queue, group = f"/queues/{name}", f"/streams/{name}/groups/{name}"
    places = [
        queue,
        f"/queues/{'N' * 200}",
        f"{queue}/messages/{message['id']}",
        f"{queue}/purge",
        group,
        f"{group}/delete",
        f"/streams/{name}/new/group",
    ]
    visit.page.set_viewport_size({"width": 390, "height": 844})
    for place in places:
        visit.page.goto(place)
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
    visit.wrong = [text for text in visit.wrong if "404" not in text]  # one page is of a queue that is not there


def test_a_phone_shows_the_tab_and_the_place_one_is_at(visit: Visit, broker: Server):
    with broker.rest() as rest:
        rest.declare("narrow")
    visit.page.set_viewport_size({"width": 390, "height": 844})
    visit.page.goto("/queues/narrow/settings")
    expect(visit.page.locator(".tabs [aria-current]")).to_be_in_viewport(ratio=0.9)
    visit.page.goto("/streams")
    expect(visit.page.locator(".nav [aria-current]")).to_be_in_viewport(ratio=0.9)


def test_tables_with_long_keys_and_targets_fit_their_card(visit: Visit, broker: Server):
    name = "w" * 200
    with broker.rest() as rest:
        rest.call("PUT", f"/streams/{name}", {})
        rest.call("POST", f"/streams/{name}/records", {"records": [{"body": "b" * 300, "key": "k" * 250}]})
        rest.declare(name)
        rest.call("POST", f"/streams/{name}/replay", {"to": f"queue:{name}"})
    for place in (f"/streams/{name}/records", "/jobs"):
        visit.page.goto(place)
        table = visit.page.locator(".scroll").first
        assert table.evaluate("table => table.scrollWidth <= table.clientWidth"), place


def test_an_error_keeps_its_lines_and_fits_a_phone(visit: Visit, broker: Server):
    with broker.rest() as rest:
        rest.declare("lines", max_failures=1)
        [stored] = rest.publish("lines", {"body": 1})
        rest.settle(
            "lines", dead=[{"receipt": m["receipt"], "reason": "Traceback:\n  File x\nValueError"} for m in rest.receive("lines")]
        )
    visit.page.set_viewport_size({"width": 390, "height": 844})
    visit.page.goto(f"/queues/lines/messages/{stored['id']}")
    cell = visit.page.get_by_role("cell", name="Traceback")
    assert cell.inner_text() == "Traceback:\n  File x\nValueError"
    assert cell.evaluate("cell => cell.closest('.scroll').scrollWidth <= cell.closest('.scroll').clientWidth")


@pytest.mark.parametrize("width", [1280, 390])
def test_dead_letters_of_a_queue_with_a_long_name_fit_and_show_their_error(visit: Visit, broker: Server, width: int):
    name = f"webhooks-{width}.{'long.' * 30}end"
    with broker.rest() as rest:
        rest.declare(name)
        rest.publish(name, {"body": 1})
        rest.settle(name, dead=[{"receipt": m["receipt"], "reason": "an error " * 200} for m in rest.receive(name)])
    visit.page.set_viewport_size({"width": width, "height": 844})
    visit.page.goto("/dead")
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    row = visit.page.get_by_role("row").filter(has_text=name)
    expect(row.get_by_role("button")).to_be_in_viewport(ratio=1)
    shown = row.get_by_text("an error").filter(visible=True).bounding_box()
    assert shown is not None
    assert shown["width"] > width / 4
