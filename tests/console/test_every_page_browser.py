"""Every kind of page in a real browser, in both themes at three widths: nothing is wrong with it for axe, it fits, and its chart
tells its figures.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Literal

import httpx
import pytest
from django.urls import URLPattern, resolve
from playwright.sync_api import Browser, StorageState, expect

import brokerweb.console.urls
from tests.clients import Rest
from tests.console.browser import OF_THE_LOOK, RULES, Visit, refreshed, visiting
from tests.console.test_security import addressed
from tests.eventually import eventually
from tests.people import signed_in
from tests.server import Server

pytestmark = pytest.mark.long

Look = tuple[Literal["light", "dark"], int]
LOOKS: tuple[Look, ...] = (("light", 1280), ("dark", 390), ("light", 390), ("dark", 1280), ("light", 768), ("dark", 768))
WHOLE = LOOKS[:2]  # in these axe goes by all its rules, in the others by those that depend on the look
PARTS = 6  # of the pages, a test each

TABS = (
    "",
    "/messages",
    "/messages?state=settled",
    "/messages?state=dead",
    "/in-flight",
    "/consumers",
    "/failures",
    "/connect",
    "/live",
    "/publish",
    "/settings",
    "/pause",
    "/purge",
    "/delete",
)
LISTS = (
    "/",
    "/queues",
    "/queues?prefix=zzz",
    "/new/queue",
    "/queues/idle",
    "/dead",
    "/dead/causes",
    "/dead/redrive?all=1",
    "/stuck",
    "/connections",
    "/nodes",
    "/retrying",
    "/map",
    "/map?around=queue:seen",
    "/marks",
    *("/users?sort=-name", "/stuck?sort=what", "/dead?sort=about", "/audit?sort=who"),
    *(
        "/queues/seen/messages?sort=-priority",
        "/queues/seen/in-flight?sort=left",
        "/streams/events/records?sort=-size",
    ),
    *("/topics", "/new/topic", "/jobs", "/search"),
    *("/alerts", "/new/alert-rule", "/alerts/rules/many", "/alerts/rules/many/delete", "/new/alert-channel"),
    "/alerts/channels/mail",
    "/alerts/channels/mail/delete",
    *(
        "/tokens",
        "/tokens/1",
        "/tokens/1/revoke",
        "/users",
        "/new/user",
        "/users/admin",
        "/users/admin/invite",
        "/users/admin/delete",
        "/users/admin/unlink",
        "/access?who=user:admin&verb=admin",
    ),
    *("/audit", "/definitions", "/masks", "/account", "/schemas", "/new/schema", "/schemas/seen", "/schemas/seen/delete"),
)
# Parts of pages, files, a sheet, and the two steps of a sign-in by a provider, of whom there is none.
NO_PAGES = {"waiting", "body", "record-body", "group-message-body", "environment", "oidc", "oidc-back", "schema-source"}
STRANGERS = ("/sign-in", "/sign-in/bwc_x", "/invitation/bwc_x")


@pytest.fixture(scope="module")
def filled(broker: Server) -> Generator[list[str]]:
    """Addresses of every kind of page, with something on each."""
    with broker.rest() as rest, broker.socket() as socket:
        rest.declare("seen", max_failures=1, history="full", keep_settled=3600)
        rest.publish("seen", *[{"body": {"n": n}, "key": "k", "headers": {"a": "b"}} for n in range(4)])
        dead, held, acked = rest.receive("seen", max=3, lease=600)
        rest.settle("seen", dead=[{"receipt": dead["receipt"], "reason": "bad"}], ack=[acked["receipt"]])
        [later] = rest.publish("seen", {"body": 5, "delay": 86_400})
        rest.call("PUT", "/schemas/seen", {"kind": "avro", "pattern": "queue:seen", "source": '"int"'})
        rest.declare("idle")
        rest.call("POST", "/queues/idle/pause", {"reason": "maintenance"})
        rest.call("PUT", "/alerts/channels/mail", {"kind": "webhook", "to": "https://127.0.0.1:9/x"})
        rest.call("PUT", "/alerts/rules/many", {"figure": "dead", "target": "queue:*", "over": 0, "for": 0})
        rest.call("PUT", "/masks", {"masks": [{"pattern": "queue:secret.*", "fields": ["$.card", "header.auth"]}]})
        streams = filled_streams(rest)
        eventually(lambda: any(rest.call("GET", "/queues/seen/samples", None, range="15m")["ready"]), 60, interval=0.5)
        cause = rest.call("GET", "/dead/groups")["items"][0]["fingerprint"]
        socket.consume("seen", prefetch=1)
        [connection] = rest.call("GET", "/connections")["items"]
        message = f"/queues/seen/messages/{dead['id']}"
        yield [
            f"/search?q=state:dead+fingerprint:{cause}",
            f"/jobs/plan?action=redrive&cause={cause}",
            *LISTS,
            *(f"/queues/seen{tab}" for tab in TABS),
            *streams,
            message,
            f"{message}?view=hex",
            f"{message}/edit",
            f"{message}/delete",
            f"{message}/redact",
            f"/queues/seen/messages/{later['id']}/reschedule",
            f"/queues/seen/messages/{held['id']}",
            f"/queues/seen/messages/{held['id']}/release",
            f"/queues/seen/messages/{acked['id']}?life=all",
            "/queues/seen/messages/999999",
            "/new/token",
            f"/connections/{connection['id']}/close",
            "/queues/none",
        ]


def filled_streams(rest: Rest) -> list[str]:
    """The same for streams, groups, topics and jobs."""
    rest.call("PUT", "/streams/events", {"partitions": 2})
    rest.call("POST", "/streams/events/records", {"records": [{"body": {"n": n}, "key": f"k{n}"} for n in range(9)]})
    rest.call("PUT", "/streams/events/groups/billing", {"start": "earliest"})
    rest.call("PUT", "/streams/events/groups/mailing", {"kind": "shared", "start": "earliest"})
    taken, held = rest.call("POST", "/streams/events/groups/mailing/receive", {"max": 2, "lease": 600})["messages"]
    rest.call("POST", "/streams/events/groups/mailing/settle", {"dead": [{"receipt": taken["receipt"], "reason": "bad"}]})
    [dead] = rest.call("GET", "/streams/events/groups/mailing/dead")["items"]
    bindings = [{"pattern": "a.#", "to": "queue:seen", "headers": {"x": "y"}}, {"pattern": "a.*", "to": "stream:events"}]
    rest.call("PUT", "/topics/shop", {"bindings": bindings})
    job = rest.call("POST", "/streams/events/replay", {"to": "queue:idle"})["job"]
    record = f"/streams/events/records/{taken['partition']}/{taken['offset']}"
    stream = [
        "",
        "/records",
        "/groups",
        "/failures",
        "/groups/billing",
        "/groups/billing/seek?where=latest",
        "/groups/mailing",
        "/groups/mailing/in-flight",
        "/groups/mailing/dead",
        *(f"/groups/mailing/{place}" for place in ("redrive", "settings", "delete")),
        *(f"/groups/mailing/dead/{place}" for place in (dead["id"], f"{held['id']}/release")),
        *("/new/group", "/replay", "/connect", "/append", "/live", "/settings", "/delete"),
    ]
    topic = ["?routing_key=a.b&headers=", "/bindings", "/connect", "/publish", "/settings", "/delete"]
    return [
        *("/streams", "/new/stream", *(f"/streams/events{place}" for place in stream), record, f"{record}/redact"),
        *(f"/topics/shop{place}" for place in topic),
        *(f"/jobs/{job['id']}{act}" for act in ("", "/cancel")),
    ]


def wrong_with(visit: Visit, place: str) -> Iterator[str]:
    """What is wrong with the page in any look."""
    page = visit.page
    page.goto(place)
    page.evaluate("document.querySelectorAll('.twin').forEach(twin => { twin.open = true })")
    for look in LOOKS:
        theme, width = look
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=theme)
        found = visit.axe(RULES if look in WHOLE else OF_THE_LOOK)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("wider than the window")
        yield from (f"{place} {theme} {width}: {problem}" for problem in found)


@pytest.mark.timeout(900)  # of a hundred looks each, on a machine that has more to do
@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_is_accessible_and_fits(browser: Browser, broker: Server, session: StorageState, filled: list[str], part: int):
    with visiting(browser, broker.url, storage_state=session) as visit:
        found = [problem for place in filled[part::PARTS] for problem in wrong_with(visit, place)]
        visit.wrong = [text for text in visit.wrong if "status of 404" not in text]  # one page is of a queue that is not there
    assert "\n".join(found) == ""


def test_pages_that_strangers_see_are_accessible_and_fit(browser: Browser, broker: Server):
    with visiting(browser, broker.url) as visit:
        found = [problem for place in STRANGERS for problem in wrong_with(visit, place)]
        visit.wrong = [text for text in visit.wrong if "401" not in text]  # there is no such invitation
    assert "\n".join(found) == ""


def test_no_page_is_left_out(broker: Server, filled: list[str]):
    seen = {resolve(place.partition("?")[0]).url_name for place in (*filled, *STRANGERS)}
    others = [p for p in brokerweb.console.urls.urlpatterns if isinstance(p, URLPattern) and p.name not in seen | NO_PAGES]
    with signed_in(broker) as person:
        pages = [str(p.name) for p in others if shows_a_page(person, addressed(p))]
    assert " ".join(pages) == ""


def shows_a_page(person: httpx.Client, place: str) -> bool:
    """And does not act by POST alone, lead somewhere else, or answer with a part of a page or a file."""
    with person.stream("GET", place) as answer:  # one of them never ends
        html = answer.headers.get("Content-Type", "").startswith("text/html")
        return html and answer.status_code not in (302, 405) and "<html" in answer.read().decode()


def test_a_chart_tells_the_figures_under_the_pointer(visit: Visit, filled: list[str]):
    page = visit.page
    page.goto("/queues/seen?range=15m")
    told, oldest = page.locator(".readout").first, page.locator(".chart").first.locator(".twin tbody tr").last
    expect(told).to_be_hidden()
    page.locator(".plot").first.hover(position={"x": 1, "y": 20})
    expect(told).to_contain_text("Ready")
    at = oldest.locator("th")
    eventually(lambda: (told.text_content() or "").split(" · ")[0] == at.text_content())  # a new sample moves both
    refreshed(page)
    expect(told).to_be_visible()
    page.get_by_role("heading", level=1).hover()
    expect(told).to_be_hidden()
